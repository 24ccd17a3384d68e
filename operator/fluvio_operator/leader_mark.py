"""The label by which the controller's Services find the pod that leads.

Put on our own pod once the doors are open, taken off every other one. A process that starts takes
its own off first: the container may be a successor of one that led.
"""

import logging

from fluvio_operator.kube_api import KubeApi, KubeError
from fluvio_operator.manifests.names import FIELD_MANAGER

_log = logging.getLogger(__name__)

LEADER_LABEL = "fluvio.io/leader"
_CONTROLLER_PODS = ("app", "fluvio-sc")


async def mark_leader(api: KubeApi, namespace: str, pod_name: str) -> None:
    """Clients and SPUs reach this pod from now on, and no other. Raises KubeError.

    Ours is marked first: for a moment there may be two, but never none.
    """
    label, value = _CONTROLLER_PODS
    marked = {
        pod["metadata"]["name"]
        for pod in await api.list_all(f"/api/v1/namespaces/{namespace}/pods")
        if (pod["metadata"].get("labels") or {}).get(label) == value
        and LEADER_LABEL in pod["metadata"]["labels"]
    }
    if pod_name not in marked:
        await _label(api, namespace, pod_name, "true")
    for other in sorted(marked - {pod_name}):
        await unmark(api, namespace, other)


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
