"""The label by which the controller's Services find the pod that leads.

Put on our own pod once the doors are open, taken off every other one. A process that starts takes
its own off first: the container may be a successor of one that led.
"""

import logging

from fluvio_operator.kube_api import KubeApi, KubeError

_log = logging.getLogger(__name__)

FIELD_MANAGER = "fluvio-operator"
LEADER_LABEL = "fluvio.io/leader"
_CONTROLLER_PODS = ("app", "fluvio-sc")


async def mark_leader(api: KubeApi, namespace: str, pod_name: str) -> None:
    """Clients and SPUs reach this pod from now on, and no other. Raises KubeError."""
    await _label(api, namespace, pod_name, "true")
    label, value = _CONTROLLER_PODS
    for pod in await api.list_all(f"/api/v1/namespaces/{namespace}/pods"):
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        is_other = labels.get(label) == value and metadata["name"] != pod_name
        if is_other and LEADER_LABEL in labels:
            await unmark(api, namespace, metadata["name"])


async def unmark(api: KubeApi, namespace: str, pod_name: str) -> None:
    """Nobody is led to this pod any more; one that is gone is no error."""
    try:
        await _label(api, namespace, pod_name, None)
    except KubeError as error:
        if error.status != 404:
            _log.warning("event=leader_not_unmarked pod=%s reason=%s", pod_name, error)


async def _label(api: KubeApi, namespace: str, pod_name: str, value: str | None) -> None:
    patch = {"metadata": {"labels": {LEADER_LABEL: value}}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod_name}"
    await api.merge(path, patch, manager=FIELD_MANAGER)
