"""The Service of one SPU: its clients must reach this SPU and no other.

A node port pinned by the chart is its base plus the SPU's id, so that two groups of a cluster
never ask for the same one (ours: Fluvio adds the ordinal, and the second group's are refused).
With the default group, whose ids begin at 0, both rules give the same ports. A group that has a
base of its own counts its SPUs from there.
"""

from typing import Any

from fluvio_operator.manifests.names import (
    POD_NAME_LABEL,
    SPU_NAME_LABEL,
    metadata_of,
    pod_name,
    spu_name,
    spu_service_name,
)
from fluvio_operator.manifests.placeholders import fill_placeholders
from fluvio_operator.manifests.plan import GroupPlan
from fluvio_operator.manifests.settings import NODE_PORT_MAX, ServiceType, SpuPodSettings

NODE_PORT_DEFAULT_MAX = 32_767
"""Highest node port that an API server gives unless it was told otherwise."""

_OPTIONS_OF_EVERY_TYPE = (
    "internalTrafficPolicy",
    "ipFamilyPolicy",
    "sessionAffinity",
)
_OPTIONS_FROM_OUTSIDE = ("externalTrafficPolicy",)
_OPTIONS_OF_LOAD_BALANCERS = ("loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges")
_OPTIONS: dict[ServiceType, tuple[str, ...]] = {
    ServiceType.CLUSTER_IP: _OPTIONS_OF_EVERY_TYPE,
    ServiceType.GATEWAY: _OPTIONS_OF_EVERY_TYPE,
    ServiceType.NODE_PORT: _OPTIONS_OF_EVERY_TYPE + _OPTIONS_FROM_OUTSIDE,
    ServiceType.LOAD_BALANCER: (
        _OPTIONS_OF_EVERY_TYPE + _OPTIONS_FROM_OUTSIDE + _OPTIONS_OF_LOAD_BALANCERS
    ),
    ServiceType.EXTERNAL_NAME: ("externalName",),
}
"""The API server refuses a field that the type has no use for; a chart sets it for all types."""


def service_type_of(plan: GroupPlan, settings: SpuPodSettings) -> ServiceType:
    return plan.expose.type or settings.service_type


def node_port_of(plan: GroupPlan, settings: SpuPodSettings, ordinal: int) -> int | None:
    """The node port to ask for; None leaves the choice to Kubernetes.

    With the chart's base a high id would lead out of the range that API servers allow; the port
    is then left to Kubernetes, unless the base itself says that the range is another one here.
    """
    if plan.expose.base_node_port is not None:
        return plan.expose.base_node_port + ordinal
    base = settings.base_node_port
    if base is None:
        return None
    port = base + plan.spu_id(ordinal)
    most = NODE_PORT_DEFAULT_MAX if base <= NODE_PORT_DEFAULT_MAX else NODE_PORT_MAX
    return port if port <= most else None


def build_spu_service(plan: GroupPlan, settings: SpuPodSettings, ordinal: int) -> dict[str, Any]:
    kind = service_type_of(plan, settings)
    metadata = metadata_of(plan, spu_service_name(plan.name, ordinal))
    metadata["labels"][SPU_NAME_LABEL] = spu_name(plan.name, ordinal)
    annotations = {
        name: fill_placeholders(text, plan, ordinal)
        for name, text in {**settings.service_annotations, **plan.expose.annotations}.items()
    }
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": ServiceType.CLUSTER_IP.value if kind is ServiceType.GATEWAY else kind.value,
            "selector": {POD_NAME_LABEL: pod_name(plan.name, ordinal)},
            "ports": [_port(plan, settings, ordinal)],
            **{
                name: settings.service_options[name]
                for name in _OPTIONS[kind]
                if name in settings.service_options
            },
        },
    }


def _port(plan: GroupPlan, settings: SpuPodSettings, ordinal: int) -> dict[str, Any]:
    port: dict[str, Any] = {
        "name": "public",
        "port": plan.public_port,
        "protocol": "TCP",
        "targetPort": plan.public_port,
    }
    if service_type_of(plan, settings) is ServiceType.NODE_PORT:
        node_port = node_port_of(plan, settings, ordinal)
        if node_port is not None:
            port["nodePort"] = node_port
    return port
