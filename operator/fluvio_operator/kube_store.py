"""Custom resources as the controller's `ObjectStore`: what kubectl writes and what we write.

Called by the controller (`load`, `apply`), by the watches (`observe`) and by its own `run`, which
looks again at what it is not sure of. One event loop.

A watch tells of our own writes too, later than the answer to the write does. So after a write the
object's events are not believed until the one that the write made has come; if it does not come
(a watch may leave out versions), the object is read. Resource versions are compared for equality
only: they are opaque. A change that concerns nothing we decide by, such as that of a status, is
noted and nobody is told.

Invariants: everything the API server has, the controller is given in some form. A write names the
version it replaces, so that one which is based on an older one is refused, never merged. Statuses
are not written here, except tombstones, which must survive us: `status_writer` does that.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fluvio_crd.resources import RESOURCES
from fluvio_operator.finalizer_release import release
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.kube_objects import (
    finalizers_with,
    merge_patch,
    new_body,
    object_path,
    read_object,
    spec_body,
    tombstones_body,
)
from fluvio_operator.manifests.names import FIELD_MANAGER
from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.core.ports import (
    Conflict,
    NotWritten,
    PutObject,
    RemoveObject,
    StoreError,
    StoreWrite,
    WriteOutcome,
    Written,
)

_log = logging.getLogger(__name__)

WRITES_AT_A_TIME_MAX = 32
ECHO_PATIENCE_S = 1.0
"""How long the watch may take to tell us of our own write before we read the object."""

MERGE_ATTEMPTS_MAX = 3

OWN_VERSIONS_MAX = 32
"""More than were ever under way: a status and a spec at a time."""

REMOVED_REMEMBERED_MAX = 10_000

_OWNERS = frozenset({Kind.TOPIC, Kind.SPU_GROUP})

Changes = Mapping[ObjectKey, StoredObject | None]


class NotTheLeader(StoreError):
    """Another process may be the controller now: nothing is written."""


@dataclass(slots=True)
class _Known:
    """An object as last seen.

    item:         as the controller has it, with our own number for its version
    version:      the API server's
    finalizers:   all of them, those of others too
    ours:         versions that we made and no event has told of yet, in order; until the last one
                  has come, an event of another version is older than what we know, or foreign
    """

    item: StoredObject
    version: str
    finalizers: tuple[str, ...]
    ours: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Writing:
    """A write under way, and the versions that the watch told of meanwhile."""

    versions: set[str] = field(default_factory=set)


class KubeStore:
    """The objects of one namespace.

    on_change: told what others changed
    on_read:   given every body that `load` and `resync` read
    may_write: whether this process is the controller; asked before every call
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        *,
        may_write: Callable[[], bool] = lambda: True,
        echo_patience_s: float = ECHO_PATIENCE_S,
    ) -> None:
        self.on_change: Callable[[Changes], None] = lambda changes: None
        self.on_read: Callable[[Kind, Body], None] = lambda kind, body: None
        self._api = api
        self._namespace = namespace
        self._may_write = may_write
        self._echo_patience_s = echo_patience_s
        self._known: dict[ObjectKey, _Known] = {}
        self._writing: dict[ObjectKey, _Writing] = {}
        self._removed: dict[str, None] = {}
        self._doubtful: dict[ObjectKey, None] = {}
        self._wake = asyncio.Event()
        self._last_number = 0
        self._places = asyncio.Semaphore(WRITES_AT_A_TIME_MAX)

    # The port.

    async def load(self) -> tuple[StoredObject, ...]:
        """Everything there is, read anew. Raises StoreError."""
        try:
            for resource in RESOURCES:
                bodies = await self._api.list_all(self._path(resource.kind))
                self._replace_kind(resource.kind, bodies)
        except KubeError as error:
            raise StoreError(f"the objects cannot be read: {error}") from error
        return tuple(known.item for known in self._known.values())

    async def apply(self, writes: Sequence[StoreWrite]) -> tuple[WriteOutcome, ...]:
        """Each write by itself, many at a time; what owns others first. See the port."""
        if not self._may_write():
            raise NotTheLeader("this process does not hold the lease")
        outcomes: dict[ObjectKey, WriteOutcome] = {}
        identities: dict[str, str | None] = {}
        first: list[StoreWrite] = []
        rest: list[StoreWrite] = []
        for write in writes:
            is_owner = isinstance(write, PutObject) and write.object.kind in _OWNERS
            (first if is_owner else rest).append(write)
        for wave in (first, rest):
            async with asyncio.TaskGroup() as tasks:
                for write in wave:
                    tasks.create_task(self._perform(write, outcomes, identities))
            for write in wave:
                outcome = outcomes[_key_of(write)]
                if isinstance(write, PutObject):
                    given = outcome.uid if isinstance(outcome, Written) else None
                    written = isinstance(outcome, Written)
                    identities[write.object.uid] = (given or write.object.uid) if written else None
        return tuple(outcomes[_key_of(write)] for write in writes)

    # The watches.

    def observe(self, kind: Kind, body: Body, *, deleted: bool = False) -> None:
        """A watch told of an object."""
        metadata = body.get("metadata") or {}
        key, uid = ObjectKey(kind, str(metadata.get("name"))), str(metadata.get("uid"))
        version = str(metadata.get("resourceVersion"))
        if uid in self._removed:
            return
        writing = self._writing.get(key)
        if writing is not None:
            writing.versions.add(version)
            if deleted:
                self._doubt(key)
            return
        known = self._known.get(key)
        if known is not None and known.item.uid == uid:
            if deleted:
                self._forget(key)
                return
            if version in known.ours:  # events of an object come in order
                del known.ours[: known.ours.index(version) + 1]
                return
            if known.version == version:
                known.ours.clear()
                return
            if known.ours:  # an older one, or one that we cannot place
                self._doubt(key)
                return
        if not deleted:
            self._believe(key, body)

    def status_written(self, kind: Kind, body: Body) -> None:
        """We wrote a status, past `apply`; body: the API server's answer."""
        metadata = body.get("metadata") or {}
        key, version = ObjectKey(kind, str(metadata.get("name"))), str(metadata["resourceVersion"])
        writing = self._writing.get(key)
        if writing is not None:  # before or after that write: nobody can tell
            writing.versions.add(version)
            return
        known = self._known.get(key)
        if known is None or known.item.uid != str(metadata.get("uid")) or known.version == version:
            return
        before = known.item
        item = read_object(kind, body, before=before)
        if item is None or not _alike(before, item):
            self._doubt(key)  # somebody else wrote something else meanwhile
            return
        self._note(known, body)

    async def run(self) -> None:
        """Read what the watches left in doubt; for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._echo_patience_s)
            doubtful, self._doubtful = list(self._doubtful), {}
            for key in doubtful:
                await self._read_again(key)

    async def resync(self) -> None:
        """Read everything and hand on what differs; for what a watch may have missed.

        Raises StoreError.
        """
        before = {key: known.item for key, known in self._known.items()}
        await self.load()
        now = {key: known.item for key, known in self._known.items()}
        changes: dict[ObjectKey, StoredObject | None] = {
            key: item for key, item in now.items() if before.get(key) is not item
        }
        changes.update(dict.fromkeys(before.keys() - now.keys()))
        if changes:
            self.on_change(changes)

    # Writing.

    async def _perform(
        self,
        write: StoreWrite,
        outcomes: dict[ObjectKey, WriteOutcome],
        identities: Mapping[str, str | None],
    ) -> None:
        key = _key_of(write)
        known = self._known.get(key)
        found = 0 if known is None else known.item.resource_version
        if found != write.expected_resource_version:
            conflict = Conflict(key, expected=write.expected_resource_version, found=found)
            outcomes[key] = NotWritten(conflict)
            return
        self._writing[key] = writing = _Writing()
        before = "" if known is None else known.version
        try:
            async with self._places:
                if isinstance(write, RemoveObject):
                    assert known is not None  # otherwise the versions differ
                    await self._remove(key, known)
                    outcomes[key] = Written(self._next_number())
                else:
                    outcomes[key] = await self._put(write.object, known, identities)
        except KubeError as error:
            outcomes[key] = NotWritten(StoreError(str(error)))
            if error.status in (404, 409) or not error.status:
                self._doubt(key)  # it is not as we thought, or we do not know what became of it
        except Exception as error:  # the other writes of the call have outcomes of their own
            _log.exception("event=write_failed key=%s", key)
            outcomes[key] = NotWritten(StoreError(f"{key}: {error!r}"))
            self._doubt(key)
        finally:
            del self._writing[key]
        now = self._known.get(key)
        if now is None or not writing.versions:
            return
        if writing.versions.difference(now.ours, {before}):
            self._doubt(key)
        for version in [version for version in now.ours if version in writing.versions]:
            del now.ours[: now.ours.index(version) + 1]

    async def _put(
        self, item: StoredObject, known: _Known | None, identities: Mapping[str, str | None]
    ) -> WriteOutcome:
        if known is None:
            return await self._create(item, identities)
        before = known.item
        patch: Body = {}
        if item.spec != before.spec or _leadership(item) != _leadership(before):
            patch["spec"] = merge_patch(spec_body(before), spec_body(item))
        if item.finalizers != before.finalizers:
            patch["metadata"] = {"finalizers": finalizers_with(known.finalizers, item)}
        if patch:
            await self._merge(known, patch)
        if item.tombstones != before.tombstones:
            patch = {"status": {"tombstones": tombstones_body(item.tombstones)}}
            path = f"{self._path(item.kind, item.name)}/status"
            self._note(known, await self._api.merge(path, patch, manager=FIELD_MANAGER))
        if item.deletion_requested and not before.deletion_requested:
            body = await self._api.delete(self._path(item.kind, item.name), uid=item.uid)
            if body is None:  # gone already, or another by now
                self._doubt(item.key)
            else:
                self._note(known, body)
        known.item = replace(item, resource_version=self._next_number())
        return Written(known.item.resource_version)

    async def _merge(self, known: _Known, patch: Body) -> None:
        """Replace the version that we know, or one that differs from it in nothing of ours."""
        path = self._path(known.item.kind, known.item.name)
        for attempt in range(1, MERGE_ATTEMPTS_MAX + 1):
            patch.setdefault("metadata", {})["resourceVersion"] = known.version
            try:
                self._note(known, await self._api.merge(path, patch, manager=FIELD_MANAGER))
                return
            except KubeError as error:
                if error.status != 409 or attempt == MERGE_ATTEMPTS_MAX:
                    raise
                body = await self._api.get(path)
                if body is None or not _says_the_same(known, body):
                    raise
                known.version = str(body["metadata"]["resourceVersion"])

    async def _create(
        self, item: StoredObject, identities: Mapping[str, str | None]
    ) -> WriteOutcome:
        if item.owner is not None and item.owner.uid in identities:
            given = identities[item.owner.uid]
            if given is None:
                return NotWritten(StoreError(f"{item.owner.name}, which owns it, was not written"))
            item = replace(item, owner=replace(item.owner, uid=given))
        body = await self._api.create(
            self._path(item.kind), new_body(item, self._namespace), manager=FIELD_MANAGER
        )
        number = self._next_number()
        uid = str(body["metadata"]["uid"])
        known = _Known(replace(item, uid=uid, resource_version=number), "", ())
        self._note(known, body)
        self._known[item.key] = known
        return Written(number, uid)

    async def _remove(self, key: ObjectKey, known: _Known) -> None:
        """Delete the object unless that was done, and take our finalizers off."""
        path = self._path(key.kind, key.name)
        if not known.item.deletion_requested:
            body = await self._api.delete(path, uid=known.item.uid)
            if body is not None:
                self._note(known, body)
        if known.item.finalizers:
            await release(
                *(self._api, self._namespace, key.kind, key.name),
                uid=known.item.uid,
                last_seen=(known.version, known.finalizers),
            )
        self._remember_removed(known.item.uid)
        self._known.pop(key, None)

    def _note(self, known: _Known, body: Body) -> None:
        metadata = body["metadata"]
        version = str(metadata["resourceVersion"])
        if version != known.version:  # a write that changes nothing makes no version
            known.ours.append(version)
            del known.ours[:-OWN_VERSIONS_MAX]
        known.version = version
        known.finalizers = tuple(metadata.get("finalizers") or ())

    # Reading.

    def _replace_kind(self, kind: Kind, bodies: Sequence[Body]) -> None:
        seen = set()
        for body in bodies:
            metadata = body.get("metadata") or {}
            key = ObjectKey(kind, str(metadata.get("name")))
            seen.add(key)
            known = self._known.get(key)
            version = str(metadata.get("resourceVersion"))
            self.on_read(kind, body)
            if known is not None and known.version == version:
                continue
            if key not in self._writing:
                self._take(key, body)
        for key in [key for key in self._known if key.kind is kind and key not in seen]:
            if key not in self._writing:
                del self._known[key]

    async def _read_again(self, key: ObjectKey) -> None:
        try:
            body = await self._api.get(self._path(key.kind, key.name))
        except KubeError as error:
            _log.warning("event=read_failed key=%s reason=%s", key, error)
            self._doubt(key)
            return
        if key in self._writing:
            self._doubt(key)
            return
        known = self._known.get(key)
        if body is None:
            if known is not None:
                self._forget(key)
        elif known is None or known.version != str(body["metadata"].get("resourceVersion")):
            if str(body["metadata"].get("uid")) not in self._removed:
                self._believe(key, body)
        else:
            known.ours.clear()

    def _believe(self, key: ObjectKey, body: Body) -> None:
        known = self._known.get(key)
        item = self._take(key, body)
        before = None if known is None else known.item
        if item is not before:
            self.on_change({key: item})

    def _take(self, key: ObjectKey, body: Body) -> StoredObject | None:
        known = self._known.pop(key, None)
        before = None if known is None else known.item
        item = read_object(key.kind, body, before=before)
        if item is None:
            return None
        metadata = body.get("metadata") or {}
        if before is not None and _alike(before, item):
            item = before
        else:
            item = replace(item, resource_version=self._next_number())
        self._known[key] = _Known(
            item, str(metadata.get("resourceVersion")), tuple(metadata.get("finalizers") or ())
        )
        return item

    def _forget(self, key: ObjectKey) -> None:
        del self._known[key]
        self.on_change({key: None})

    def _doubt(self, key: ObjectKey) -> None:
        self._doubtful[key] = None
        self._wake.set()

    def _remember_removed(self, uid: str) -> None:
        self._removed[uid] = None
        if len(self._removed) > REMOVED_REMEMBERED_MAX:
            del self._removed[next(iter(self._removed))]

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _path(self, kind: Kind, name: str = "") -> str:
        return object_path(kind, self._namespace, name)


def _key_of(write: StoreWrite) -> ObjectKey:
    return write.object.key if isinstance(write, PutObject) else write.key


def _alike(one: StoredObject, other: StoredObject) -> bool:
    """Whether they are the same but for what only we write: status and tombstones."""
    return one == replace(
        other,
        status=one.status,
        tombstones=one.tombstones,
        resource_version=one.resource_version,
    )


def _says_the_same(known: _Known, body: Body) -> bool:
    item = read_object(known.item.kind, body, before=known.item)
    finalizers = tuple(body["metadata"].get("finalizers") or ())
    return item is not None and finalizers == known.finalizers and _alike(known.item, item)


def _leadership(item: StoredObject) -> Any:
    return (
        item.leader_epoch,
        item.replication,
        item.min_in_sync,
        item.unclean_election,
        item.is_draining,
    )
