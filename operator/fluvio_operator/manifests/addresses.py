"""What clients are told: from a per-SPU Service and the node of its pod to host and port.

    Service type       port            hosts, in this order
    NodePort           the node port   the group's host template, or the annotation
                                       fluvio.io/ingress-address, or the address of the node
    LoadBalancer       9005            host template; what the load balancer got; the annotation
    ClusterIP,         9005            host template; the annotation; else the Service's own name,
    Gateway,                           which clients inside the cluster can resolve
    ExternalName

Source: Kubernetes reference 3.3; ours: the host template, the node's address, the Service's name.
Called by the runtime whenever a Service, a node or a pod's place changes.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from fluvio_operator.manifests.json_block import JsonObject
from fluvio_operator.manifests.names import (
    INGRESS_ADDRESS_ANNOTATION,
    ZONE_LABEL,
    local_host,
)
from fluvio_operator.manifests.placeholders import fill_placeholders
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import ServiceType, SpuPodSettings
from fluvio_operator.manifests.spu_service import service_type_of
from fluvio_protocol.metadata.spu import IngressAddress, IngressPort

_NODE_ADDRESS_TYPES = ("ExternalIP", "InternalIP")


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """Where clients reach an SPU.

    public:  None while not even the port is known
    missing: what clients outside still lack, in one line; None when nothing is
    """

    public: IngressPort | None
    missing: str | None = None


def public_address(
    plan: GroupPlan,
    settings: SpuPodSettings,
    names: ClusterNames,
    ordinal: int,
    *,
    service: JsonObject | None,
    node: JsonObject | None,
) -> PublicAddress:
    """service: the live per-SPU Service; node: of the SPU's pod. None: not there, or not known."""
    if service is None:
        return PublicAddress(None, "its Service does not exist yet")
    kind = service_type_of(plan, settings)
    live_kind = (service.get("spec") or {}).get("type")
    if live_kind != (ServiceType.CLUSTER_IP if kind is ServiceType.GATEWAY else kind):
        return PublicAddress(None, f"its Service is still of type {live_kind}")
    advertised = list(_advertised(plan, ordinal))
    annotated = list(_annotated(service))
    if kind is ServiceType.NODE_PORT:
        port = _node_port(service, plan.public_port)
        if port is None:
            return PublicAddress(None, "its Service has no node port yet")
        hosts = advertised or annotated or list(_addresses_of(node))
        missing = None if hosts else _missing_node_address(node)
        return PublicAddress(IngressPort(port=port, ingress=tuple(hosts)), missing)
    if kind is ServiceType.LOAD_BALANCER:
        hosts = [*advertised, *_balanced(service), *annotated]
        missing = None if hosts else "its load balancer has no address yet"
    else:
        inside = IngressAddress(hostname=local_host(names, plan.name, ordinal))
        hosts = [*advertised, *annotated] or [inside]
        missing = None
    return PublicAddress(IngressPort(port=plan.public_port, ingress=tuple(hosts)), missing)


def zone_of(node: JsonObject | None) -> str | None:
    """The failure domain of a node, as its provider labelled it."""
    labels = ((node or {}).get("metadata") or {}).get("labels") or {}
    return labels.get(ZONE_LABEL) or None


def ingress_address(host: str) -> IngressAddress:
    """An address goes where addresses go; clients prefer names."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return IngressAddress(hostname=host)
    return IngressAddress(ip=host)


def _advertised(plan: GroupPlan, ordinal: int) -> Iterator[IngressAddress]:
    template = plan.expose.advertised_host_template
    if template:
        yield ingress_address(fill_placeholders(template, plan, ordinal))


def _annotated(service: JsonObject) -> Iterator[IngressAddress]:
    annotations = (service.get("metadata") or {}).get("annotations") or {}
    host = annotations.get(INGRESS_ADDRESS_ANNOTATION, "").strip()
    if host:
        yield ingress_address(host)


def _balanced(service: JsonObject) -> Iterator[IngressAddress]:
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    for entry in balancer.get("ingress") or ():
        hostname, ip = entry.get("hostname") or None, entry.get("ip") or None
        if hostname or ip:
            yield IngressAddress(hostname=hostname, ip=ip)


def _node_port(service: JsonObject, public_port: int) -> int | None:
    for port in (service.get("spec") or {}).get("ports") or ():
        if port.get("port") == public_port:
            return port.get("nodePort") or None
    return None


def _addresses_of(node: JsonObject | None) -> Iterator[IngressAddress]:
    """The best address a node has, and no second one: clients take the first anyway."""
    addresses = ((node or {}).get("status") or {}).get("addresses") or ()
    for kind in _NODE_ADDRESS_TYPES:
        for entry in addresses:
            if entry.get("type") == kind and entry.get("address"):
                yield ingress_address(entry["address"])
                return


def _missing_node_address(node: JsonObject | None) -> str:
    way_out = f"set annotation {INGRESS_ADDRESS_ANNOTATION}, or allow reading nodes"
    if node is None:
        return f"the node of its pod is not known: {way_out}"
    return f"the node of its pod has no address: {way_out}"
