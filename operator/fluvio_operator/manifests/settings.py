"""What pods and Services of a group look like, as far as people may choose it.

Two voices: the chart, for all groups, through the ConfigMap `spu-k8` (Kubernetes reference 3.2;
names and keys are Fluvio's), read here; and the group itself, through the extension blocks of its
manifest (1.9), which fill the same class of pod settings. The group's word counts more;
`pod_choices.py` and `spu_service.py` merge.

In the ConfigMap an empty list or object is "not said": charts write all their keys, always. In a
group's own block it is an answer: `topologySpread: []` means no spreading at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from fluvio_crd.settings import PodSettings as PodSettings
from fluvio_operator.manifests.json_block import BadSettings as BadSettings
from fluvio_operator.manifests.json_block import JsonBlock, JsonObject

NODE_PORT_MAX = 65_535
TERMINATION_GRACE_S_MAX = 86_400

IMAGE_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_JSON_KEYS = ("podSecurityContext", "lbServiceAnnotations", "service", "spuPodConfig")
_SERVICE_TEXTS = ("externalTrafficPolicy", "internalTrafficPolicy", "externalName")
_LOAD_BALANCER_TEXTS = ("loadBalancerIP", "loadBalancerClass")
_FAMILY_TEXTS = ("ipFamilyPolicy", "sessionAffinity")


class ServiceType(StrEnum):
    """How clients outside the cluster get to an SPU."""

    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    CLUSTER_IP = "ClusterIP"
    EXTERNAL_NAME = "ExternalName"
    GATEWAY = "Gateway"
    """somebody else's gateway in front of a ClusterIP Service; needs `advertisedHostTemplate`"""


_SERVICE_TYPES = tuple(word.value for word in ServiceType)


@dataclass(frozen=True, slots=True)
class Expose:
    """How a group's SPUs are reached from outside; None: as the chart says.

    base_node_port:           of its first SPU; the next one's is one more
    annotations:              of every per-SPU Service; values may hold placeholders
    advertised_host_template: the host clients are told, such as `{{spuId}}.stream.example.test`
    """

    type: ServiceType | None = None
    base_node_port: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    advertised_host_template: str | None = None


@dataclass(frozen=True, slots=True)
class VolumePolicy:
    """What becomes of volumes when the group goes, and when it shrinks: Retain or Delete."""

    when_deleted: str = "Retain"
    when_scaled: str = "Retain"


@dataclass(frozen=True, slots=True)
class SpuPodSettings:
    """What the chart says of all groups.

    service_options:     fields of a Service's spec, as they go there
    service_annotations: of every per-SPU Service
    """

    image: str
    image_pull_policy: str | None = None
    pod: PodSettings = field(default_factory=PodSettings)
    container_security_context: JsonObject = field(default_factory=dict)
    extra_env: tuple[JsonObject, ...] = ()
    service_type: ServiceType = ServiceType.NODE_PORT
    base_node_port: int | None = None
    service_options: JsonObject = field(default_factory=dict)
    service_annotations: Mapping[str, str] = field(default_factory=dict)


def parse_spu_settings(data: Mapping[str, str]) -> SpuPodSettings:
    """The ConfigMap `spu-k8`. Raises BadSettings."""
    image = data.get("image", "").strip()
    if not image:
        raise BadSettings("image: is missing: the ConfigMap must name the image of the SPUs")
    written = JsonBlock({key: _json_of(data, key) for key in _JSON_KEYS}, "")
    service = JsonBlock(written.mapping("service"), "service")
    pod_config = JsonBlock(written.mapping("spuPodConfig"), "spuPodConfig")
    return SpuPodSettings(
        image=image,
        image_pull_policy=pod_config.choice("imagePullPolicy", IMAGE_PULL_POLICIES),
        pod=replace(
            _pod_of_chart(pod_config),
            security_context=written.mapping("podSecurityContext") or None,
        ),
        container_security_context=pod_config.mapping("containerSecurityContext") or {},
        extra_env=_environment(pod_config),
        service_type=ServiceType(service.choice("type", _SERVICE_TYPES) or ServiceType.NODE_PORT),
        base_node_port=pod_config.number("baseNodePort", least=1, most=NODE_PORT_MAX),
        service_options=_service_options(service),
        service_annotations=written.texts_by_name("lbServiceAnnotations") or {},
    )


def _json_of(data: Mapping[str, str], key: str) -> object:
    text = data.get(key, "").strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{key}: is no JSON: {error}") from None


def _pod_of_chart(block: JsonBlock) -> PodSettings:
    pod = PodSettings(
        storage_class_name=block.text("storageClass"),
        topology_spread=block.objects("topologySpreadConstraints"),
        resources=block.mapping("resources"),
        node_selector=block.texts_by_name("nodeSelector"),
        tolerations=block.objects("tolerations"),
        affinity=block.mapping("affinity"),
        priority_class_name=block.text("priorityClassName"),
        service_account_name=block.text("serviceAccountName"),
        image_pull_secrets=_pull_secrets(block),
        annotations=block.texts_by_name("annotations"),
        labels=block.texts_by_name("labels"),
        extra_containers=block.objects("extraContainers", key="name"),
        extra_volumes=block.objects("extraVolumes", key="name"),
        extra_volume_mounts=block.objects("extraVolumeMounts", key="mountPath"),
        termination_grace_period_s=block.number(
            "terminationGracePeriodSeconds", least=1, most=TERMINATION_GRACE_S_MAX
        ),
    )
    said = {item.name: getattr(pod, item.name) for item in fields(pod)}
    return PodSettings(
        **{name: None if value in ((), {}) else value for name, value in said.items()}
    )


def _pull_secrets(block: JsonBlock) -> tuple[JsonObject, ...] | None:
    """Objects with a name; charts also write plain names."""
    if not block.starts_with_text("imagePullSecrets"):
        return block.objects("imagePullSecrets", key="name")
    names = block.texts("imagePullSecrets") or ()
    return tuple({"name": name} for name in dict.fromkeys(names))


def _environment(block: JsonBlock) -> tuple[JsonObject, ...]:
    variables = block.objects("extraEnv") or ()
    for index, variable in enumerate(variables):
        entry = JsonBlock(variable, f"{block.path('extraEnv')}[{index}]")
        if entry.text("name") is None:
            raise BadSettings(f"{entry.path('name')}: is missing")
        entry.text("value")
        entry.mapping("valueFrom")
    return variables


def _service_options(service: JsonBlock) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name in (*_SERVICE_TEXTS, *_LOAD_BALANCER_TEXTS, *_FAMILY_TEXTS):
        text = service.text(name)
        if text is not None:
            options[name] = text
    ranges = service.texts("loadBalancerSourceRanges")
    if ranges:
        options["loadBalancerSourceRanges"] = list(ranges)
    return options
