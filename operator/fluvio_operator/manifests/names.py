"""Every name, label and annotation of what we generate, and the way back from a name to its SPU.

Names and the labels `app`, `group` and `fluvio.io/spu-name` are Fluvio's (Kubernetes reference
3.1); scripts and runbooks know them. Called by the builders, the runtime and the store.

    group G, ordinal n     StatefulSet and headless Service   fluvio-spg-G
                           pod                                fluvio-spg-G-n
                           per-SPU Service                    fluvio-spu-G-n
                           Spu object                         G-n
                           volume claim                       data-fluvio-spg-G-n
"""

from typing import Any

from fluvio_operator.manifests.plan import ClusterNames, GroupPlan

FIELD_MANAGER = "fluvio-operator"
DISRUPTION_BUDGET_NAME = "fluvio-spu"
GROUP_NAME_LENGTH_MAX = 41
"""63 for the label that holds a StatefulSet's revision, less "fluvio-spg-" and the hash."""

APP_LABEL = "app"
APP_LABEL_VALUE = "spu"
GROUP_LABEL = "group"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"
OWN_GROUP_LABEL = "fluvio.io/group"
SPU_NAME_LABEL = "fluvio.io/spu-name"
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
ZONE_LABEL = "topology.kubernetes.io/zone"
HOST_LABEL = "kubernetes.io/hostname"

INGRESS_ADDRESS_ANNOTATION = "fluvio.io/ingress-address"
RESTART_ANNOTATION = "fluvio.io/restart"

DATA_VOLUME = "data"
TEMPORARY_VOLUME = "fluvio-tmp"
TEMPORARY_PATH = "/tmp"
SPU_CONTAINER = "spu"

_GROUP_OBJECT_PREFIX = "fluvio-spg-"
_SPU_SERVICE_PREFIX = "fluvio-spu-"


def stateful_set_name(group: str) -> str:
    return _GROUP_OBJECT_PREFIX + group


def headless_service_name(group: str) -> str:
    return _GROUP_OBJECT_PREFIX + group


def pod_name(group: str, ordinal: int) -> str:
    return f"{stateful_set_name(group)}-{ordinal}"


def spu_name(group: str, ordinal: int) -> str:
    return f"{group}-{ordinal}"


def spu_service_name(group: str, ordinal: int) -> str:
    return _SPU_SERVICE_PREFIX + spu_name(group, ordinal)


def claim_name(group: str, ordinal: int) -> str:
    return f"{DATA_VOLUME}-{pod_name(group, ordinal)}"


def spu_of_pod(name: str) -> tuple[str, int] | None:
    """Group and ordinal; None for a pod that is no SPU of ours."""
    return _group_and_ordinal(name, _GROUP_OBJECT_PREFIX)


def spu_of_service(name: str) -> tuple[str, int] | None:
    """Group and ordinal; None for a Service that is not of one SPU."""
    return _group_and_ordinal(name, _SPU_SERVICE_PREFIX)


def private_host(names: ClusterNames, group: str, ordinal: int) -> str:
    """Where other SPUs find it: the pod itself, ready or not, whatever the group's name is.

    Ours: Fluvio writes "main" for the group's name here, so that a second group is never found.
    """
    return names.host_of(f"{pod_name(group, ordinal)}.{headless_service_name(group)}")


def local_host(names: ClusterNames, group: str, ordinal: int) -> str:
    """Where clients inside the cluster find it."""
    return names.host_of(spu_service_name(group, ordinal))


def pod_labels(group: str) -> dict[str, str]:
    """What a StatefulSet selects its pods by; it can never change."""
    return {APP_LABEL: APP_LABEL_VALUE, GROUP_LABEL: group}


def selector_text(group: str) -> str:
    """`pod_labels` as tools write a selector."""
    return ",".join(f"{name}={value}" for name, value in pod_labels(group).items())


def labels_of(group: str) -> dict[str, str]:
    """Of everything that is generated for a group."""
    return {**labels_of_cluster(), OWN_GROUP_LABEL: group}


def labels_of_cluster() -> dict[str, str]:
    """Of everything that is generated."""
    return {MANAGED_BY_LABEL: "fluvio-operator", PART_OF_LABEL: "fluvio"}


def owner_reference(plan: GroupPlan, *, controller: bool = True) -> dict[str, Any]:
    """The group as owner: what it owns goes with it, and never holds it back."""
    reference = {
        "apiVersion": "fluvio.infinyon.com/v1",
        "kind": "SpuGroup",
        "name": plan.name,
        "uid": plan.uid,
        "blockOwnerDeletion": False,
    }
    return {**reference, "controller": True} if controller else reference


def metadata_of(plan: GroupPlan, name: str) -> dict[str, Any]:
    """Of an object that is generated for a group."""
    return {
        "name": name,
        "namespace": plan.namespace,
        "labels": labels_of(plan.name),
        "ownerReferences": [owner_reference(plan)],
    }


def _group_and_ordinal(name: str, prefix: str) -> tuple[str, int] | None:
    group, dash, ordinal = name.removeprefix(prefix).rpartition("-")
    if not name.startswith(prefix) or not dash or not group:
        return None
    if not (ordinal.isascii() and ordinal.isdigit()) or str(int(ordinal)) != ordinal:
        return None
    return group, int(ordinal)
