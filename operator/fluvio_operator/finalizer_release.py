"""The ways out of our finalizers, when nobody could do what they wait for.

Called by `app.py`: when the whole namespace goes (`release_all`, on the way out, for there will be
no operator any more), and for one object whose author says so by an annotation (`wants_release`,
`release`). The store takes them off by `release` as well, when all is done that they stand for.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.kube_objects import FINALIZERS, object_path
from fluvio_operator.manifests.names import FIELD_MANAGER
from fluvio_protocol.metadata.kinds import Kind

_log = logging.getLogger(__name__)

RELEASE_ANNOTATION = "fluvio.io/release-finalizers"
AT_A_TIME_MAX = 16
ATTEMPTS_MAX = 5

_KINDS = (Kind.TOPIC, Kind.PARTITION, Kind.SPU_GROUP)
_OURS = frozenset(FINALIZERS.values())


async def namespace_is_going(api: KubeApi, namespace: str) -> bool:
    """Whether the namespace is being deleted; no when that cannot be told."""
    try:
        body = await api.get(f"/api/v1/namespaces/{namespace}")
    except KubeError as error:
        _log.warning("event=namespace_not_read reason=%s", error)
        return False
    return body is None or bool(body["metadata"].get("deletionTimestamp"))


async def release_all(api: KubeApi, namespace: str) -> int:
    """Take our finalizers off everything in the namespace; how many objects had one."""
    places = asyncio.Semaphore(AT_A_TIME_MAX)
    count = 0

    async def one(kind: Kind, name: str) -> None:
        async with places:
            try:
                await release(api, namespace, kind, name)
            except KubeError as error:
                _log.warning("event=finalizer_not_released name=%s reason=%s", name, error)

    for kind in _KINDS:
        bodies = await api.list_all(object_path(kind, namespace))
        held = [body["metadata"]["name"] for body in bodies if _held(body)]
        count += len(held)
        async with asyncio.TaskGroup() as tasks:
            for name in held:
                tasks.create_task(one(kind, name))
    _log.info("event=finalizers_released objects=%s", count)
    return count


def wants_release(body: Mapping[str, Any]) -> bool:
    """Whether the object is being deleted, waits for us, and need not."""
    metadata = body.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    return (
        bool(metadata.get("deletionTimestamp"))
        and annotations.get(RELEASE_ANNOTATION) == "true"
        and bool(_held(body))
    )


async def release(
    api: KubeApi,
    namespace: str,
    kind: Kind,
    name: str,
    *,
    uid: str | None = None,
    last_seen: tuple[str, Sequence[str]] | None = None,
) -> None:
    """Take our finalizers off one object, as it is now: others' come and go meanwhile.

    uid:       that of the object; a successor of the same name is left alone
    last_seen: its resource version and finalizers when they were seen last, which saves a read
               when nobody has changed it since
    Raises KubeError.
    """
    path = object_path(kind, namespace, name)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        if attempt > 1 or last_seen is None:
            body = await api.get(path)
            if body is None or uid not in (None, body["metadata"]["uid"]):
                return
            metadata = body["metadata"]
            last_seen = metadata["resourceVersion"], metadata.get("finalizers") or ()
        version, finalizers = last_seen
        kept = [each for each in finalizers if each not in _OURS]
        if len(kept) == len(finalizers):
            return
        patch = {"metadata": {"finalizers": kept, "resourceVersion": version}}
        try:
            await api.merge(path, patch, manager=FIELD_MANAGER)
        except KubeError as error:
            if error.status == 404:
                return
            if error.status != 409 or attempt == ATTEMPTS_MAX:
                raise
        else:
            return


def _held(body: Body | Mapping[str, Any]) -> frozenset[str]:
    return _OURS.intersection((body.get("metadata") or {}).get("finalizers") or ())
