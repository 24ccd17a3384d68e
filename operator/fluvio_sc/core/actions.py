"""Everything the controller can do to its objects, and how doing it changes the cluster state.

`reconcile/` and `admission.py` return these; `controller.py` performs them: `apply_action` on its
state, then all that changed in one transaction on the store, and only then is anyone told.

Each carries its reason, which the controller logs. `ShowStatus` alone is never persisted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.types import LeaderEpoch, SpuId
from fluvio_sc.core.cluster_state import (
    NO_LEADER_EPOCH,
    NO_REPLICATION,
    ClusterState,
    ObjectKey,
    OwnerReference,
    StoredObject,
    Tombstone,
    min_in_sync_of,
)
from fluvio_sc.core.replication_state import ReplicationState


@dataclass(frozen=True, slots=True)
class CreateObject:
    """A new object; the controller gives it a uid. The key must be free."""

    kind: Kind
    name: str
    spec: Any
    status: Any
    reason: str
    owner: OwnerReference | None = None
    finalizers: tuple[str, ...] = ()
    leader_epoch: LeaderEpoch = NO_LEADER_EPOCH
    replication: ReplicationState = NO_REPLICATION
    min_in_sync: int | None = None
    unclean_election: bool = False

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class SetSpec:
    """Another desired state."""

    key: ObjectKey
    spec: Any
    reason: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Another actual state, worth keeping over a restart."""

    key: ObjectKey
    status: Any
    reason: str


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Another actual state, shown to watchers and kept in memory only: offsets, sizes."""

    key: ObjectKey
    status: Any


@dataclass(frozen=True, slots=True)
class SetLeader:
    """Another leadership of a partition: a new epoch, and who is in sync under it."""

    key: ObjectKey
    leader: SpuId
    leader_epoch: LeaderEpoch
    replication: ReplicationState
    status: Any
    reason: str


@dataclass(frozen=True, slots=True)
class SetReplication:
    """Another in-sync set, a refused one, a successor, or a step of a move; the leader stays."""

    key: ObjectKey
    replicas: tuple[SpuId, ...]
    replication: ReplicationState
    reason: str


@dataclass(frozen=True, slots=True)
class SetSafety:
    """How many replicas a record needs, and whether a leader may lack some."""

    key: ObjectKey
    min_in_sync: int | None
    unclean_election: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SetDraining:
    """Whether an SPU shall get no further replicas."""

    key: ObjectKey
    is_draining: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RequestDeletion:
    """The object goes as soon as its finalizers are gone; at once when it has none."""

    key: ObjectKey
    reason: str


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """One who will have something to do before the object goes; for objects that others made."""

    key: ObjectKey
    finalizer: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """One who had something to do before the object goes has done it."""

    key: ObjectKey
    finalizer: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddTombstone:
    """Remember that an SPU has files to delete when it returns."""

    key: ObjectKey
    tombstone: Tombstone
    reason: str


@dataclass(frozen=True, slots=True)
class DropTombstone:
    """The SPU has deleted the files."""

    key: ObjectKey
    tombstone: Tombstone
    reason: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Look at the object again at this time, though nothing may have happened."""

    key: ObjectKey
    at_ms: int


Action = (
    CreateObject
    | SetSpec
    | SetStatus
    | ShowStatus
    | SetLeader
    | SetReplication
    | SetSafety
    | SetDraining
    | RequestDeletion
    | AddFinalizer
    | RemoveFinalizer
    | AddTombstone
    | DropTombstone
)
"""What changes an object."""

Decision = Action | WakeAt
"""What a reconciler may return."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One object before and after an action; None where there is none."""

    key: ObjectKey
    before: StoredObject | None
    after: StoredObject | None


def apply_action(
    state: ClusterState, action: Action, *, now_ms: int, new_uid: Callable[[], str]
) -> Applied:
    """Change the state as the action says. Raises KeyError when the object is not as assumed."""
    if isinstance(action, CreateObject):
        if state.find(action.key) is not None:
            raise KeyError(f"{action.key} exists")
        created = StoredObject(
            kind=action.kind,
            name=action.name,
            uid=new_uid(),
            spec=action.spec,
            status=action.status,
            owner=action.owner,
            finalizers=action.finalizers,
            leader_epoch=action.leader_epoch,
            replication=action.replication,
            min_in_sync=action.min_in_sync,
            unclean_election=action.unclean_election,
        )
        state.put(created)
        return Applied(action.key, None, created)
    before = state.find(action.key)
    if before is None:
        raise KeyError(f"{action.key} does not exist")
    after = changed(before, action, now_ms)
    if isinstance(action, SetLeader | SetReplication):
        state.settled_ms[after.uid] = now_ms
    if after.deletion_requested and not after.finalizers:
        state.remove(action.key)
        return Applied(action.key, before, None)
    state.put(after)
    return Applied(action.key, before, after)


def changed(before: StoredObject, action: Action, now_ms: int) -> StoredObject:
    """What the action makes of the object."""
    match action:
        case SetSpec():
            return replace(before, spec=action.spec, generation=before.generation + 1)
        case SetStatus() | ShowStatus():
            return replace(before, status=action.status)
        case SetLeader():
            return replace(
                before,
                spec=replace(before.spec, leader=action.leader),
                status=action.status,
                leader_epoch=action.leader_epoch,
                replication=action.replication,
                generation=before.generation + 1,
            )
        case SetReplication():
            return replace(
                before,
                spec=replace(before.spec, replicas=action.replicas),
                replication=action.replication,
                generation=before.generation + 1,
            )
        case SetSafety():
            changed = replace(
                before,
                min_in_sync=action.min_in_sync,
                unclean_election=action.unclean_election,
                generation=before.generation + 1,
            )
            return _without_needless_eligible(changed)
        case SetDraining():
            return replace(before, is_draining=action.is_draining, generation=before.generation + 1)
        case RequestDeletion():
            if before.deletion_requested:
                return before
            return replace(before, deletion_requested=True, deletion_since_ms=now_ms)
        case AddFinalizer():
            others = tuple(item for item in before.finalizers if item != action.finalizer)
            return replace(before, finalizers=(*others, action.finalizer))
        case RemoveFinalizer():
            kept = tuple(item for item in before.finalizers if item != action.finalizer)
            return replace(before, finalizers=kept)
        case AddTombstone():
            kept_tombstones = tuple(t for t in before.tombstones if t != action.tombstone)
            return replace(before, tombstones=(*kept_tombstones, action.tombstone))
        case DropTombstone():
            return replace(
                before, tombstones=tuple(t for t in before.tombstones if t != action.tombstone)
            )
        case CreateObject():
            raise AssertionError("creation has no object before it")


def _without_needless_eligible(partition: StoredObject) -> StoredObject:
    """With fewer replicas demanded the leader may commit alone, in the same moment in which those
    who left the set must lead no more: one write for both."""
    replication, minimum = partition.replication, min_in_sync_of(partition)
    if not replication.eligible or len(replication.members) < minimum:
        return partition
    enough = replication.with_members(replication.members, minimum=minimum)
    return replace(partition, replication=enough)
