"""The objects of a cluster as stored values, and a view over all of them with what was observed.

Everybody in the controller reads these; only `controller.py` replaces them. A `StoredObject` is
never changed in place: `dataclasses.replace` it.

Invariants: a key is unique; a uid is never used again, also not for a new object of an old name;
`resource_version` is given by the store and grows with every write of the object.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import IngressPort, SpuSpec, SpuStatusResolution
from fluvio_protocol.sc_private.in_sync import InSyncProposal, Resignation
from fluvio_protocol.sc_private.replica_status import LeaderReport
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    DataIncarnation,
    LeaderEpoch,
    ReplicaKey,
    SpuId,
)
from fluvio_sc.core.replication_state import (
    MIN_IN_SYNC_DEFAULT,
    ReplicationState,
    effective_min_in_sync,
)

NO_LEADER_EPOCH = LeaderEpoch(0)
"""Of objects that have no leader; the first leadership of a partition is 1."""

NO_REPLICATION = ReplicationState()
"""Of objects that are no partitions."""


class ObjectKey(NamedTuple):
    """Which object: kind and name. Custom SPUs are stored as `Kind.SPU`, never `CUSTOM_SPU`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class OwnerReference:
    """The object that another belongs to and goes with."""

    kind: Kind
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Files of a deleted partition that an SPU still has to remove when it returns."""

    key: ReplicaKey
    uid: str
    leader_epoch: LeaderEpoch


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as the store keeps it.

    uid:                 identity; made by the controller when the object is created
    spec, status:        classes of `fluvio_protocol.metadata`, chosen by kind
    resource_version:    0 until the store has written it
    finalizers:          who still has to do something before the object may go
    deletion_requested:  it goes as soon as the finalizers are gone
    deletion_since_ms:   when deletion was requested, ms since 1970; 0 when it was not
    generation:          counts the changes of the spec, from 1
    leader_epoch:        of a partition: which leadership; 0 for other kinds
    replication:         of a partition: which replicas may lead without losing records, and moves
    min_in_sync:         of a topic: replicas that a record needs, None: as the groups of its SPUs
                         say, or the cluster; of a partition: as one of these said, None: one
    unclean_election:    of a topic and its partitions: a replica that may lack records may lead
                         when no other can
    is_draining:         of an SPU: it shall get no further replicas
    tombstones:          of an SPU: replicas it must delete when it returns; empty for other kinds
    is_retained:         of a topic: it is not to be deleted while this says so
    annotations:         free text by name, carried for adapters
    problem:             why the object as written cannot be used; its spec is then the last one
                         that could be, or an empty one
    """

    kind: Kind
    name: str
    uid: str
    spec: Any
    status: Any
    owner: OwnerReference | None = None
    resource_version: int = 0
    finalizers: tuple[str, ...] = ()
    deletion_requested: bool = False
    deletion_since_ms: int = 0
    generation: int = 1
    leader_epoch: LeaderEpoch = NO_LEADER_EPOCH
    replication: ReplicationState = NO_REPLICATION
    min_in_sync: int | None = None
    unclean_election: bool = False
    is_draining: bool = False
    tombstones: tuple[Tombstone, ...] = ()
    is_retained: bool = False
    annotations: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.kind, self.name)

    @property
    def in_sync(self) -> tuple[SpuId, ...]:
        """Of a partition: SPUs that hold every committed record."""
        return self.replication.in_sync

    @property
    def as_owner(self) -> OwnerReference:
        """How a child refers to this object."""
        return OwnerReference(self.kind, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class CoreTimings:
    """How patient the decisions are, in ms. What each means: `config.ScTimings`."""

    spu_silence_ms: int = 10_000
    restart_grace_ms: int = 15_000
    deletion_release_ms: int = 10_000
    preferred_leader_delay_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class SpuObservation:
    """What is known of the session with an SPU.

    session:     number of its newest session; sessions are counted from 1 since the controller
                 started
    incarnation: which life of its data it told of when that session began; 0: it did not say
    """

    session: int
    connected: bool
    last_heard_ms: int
    incarnation: DataIncarnation = UNKNOWN_INCARNATION


@dataclass(frozen=True, slots=True)
class LiveReport:
    """The newest report about a partition, and who told it in which session."""

    spu_id: SpuId
    session: int
    report: LeaderReport


@dataclass(frozen=True, slots=True)
class LiveProposal:
    """The newest wish for another in-sync set, and who told it in which session."""

    spu_id: SpuId
    session: int
    proposal: InSyncProposal


@dataclass(frozen=True, slots=True)
class LiveResignation:
    """The newest resignation of a leader, and who told it in which session.

    version: of the in-sync set when it was told: if nobody could follow then, it is void
    """

    spu_id: SpuId
    session: int
    version: int
    resignation: Resignation


MemberSpec = Callable[[StoredObject, int], SpuSpec]
"""The spec of an SPU, from its group and its place in it, counted from 0."""


class ClusterState:
    """All objects, indexed, and what was observed since the controller started.

    One owner: the controller. `put` and `remove` are the only ways in; both return what was there
    before, so that a change the store refused can be undone.

    observations: by SPU id; an SPU without one has not connected since the start
    reports:      by partition name
    proposals:    by partition name; outdated as soon as the stored version is another
    resignations: by partition name; outdated as soon as the stored version is another
    settled_ms:   by partition uid: when leader, in-sync set or successor last changed
    listening_ms: since when the controller has taken in what SPUs say, without a pause
    min_in_sync:  replicas that a record needs where no topic and no group says it
    removals:     by partition uid: the SPUs that have confirmed the removal of its files
    unavailable:  SPUs that cannot run at present whatever their session says, and why
    endpoints:    where clients reach SPUs of groups, by SPU name, as the platform gave it
    member_spec:  how SPUs of groups are made; None where groups are objects without SPUs
    """

    def __init__(
        self,
        objects: Iterable[StoredObject] = (),
        *,
        started_ms: int = 0,
        timings: CoreTimings | None = None,
        member_spec: MemberSpec | None = None,
        min_in_sync: int = MIN_IN_SYNC_DEFAULT,
    ) -> None:
        self.started_ms = started_ms
        self.listening_ms = started_ms
        self.timings = timings or CoreTimings()
        self.observations: dict[SpuId, SpuObservation] = {}
        self.reports: dict[str, LiveReport] = {}
        self.proposals: dict[str, LiveProposal] = {}
        self.resignations: dict[str, LiveResignation] = {}
        self.settled_ms: dict[str, int] = {}
        self.min_in_sync = min_in_sync
        self.removals: dict[str, set[SpuId]] = {}
        self.unavailable: dict[SpuId, str] = {}
        self.endpoints: dict[str, IngressPort] = {}
        self.member_spec = member_spec
        self._objects: dict[Kind, dict[str, StoredObject]] = {kind: {} for kind in Kind}
        self._spu_names: dict[SpuId, str] = {}
        self._children: dict[str, dict[ObjectKey, None]] = {}
        self._partitions_on: dict[SpuId, dict[str, None]] = {}
        for item in objects:
            self.put(item)

    def get(self, kind: Kind, name: str) -> StoredObject | None:
        return self._objects[kind].get(name)

    def find(self, key: ObjectKey) -> StoredObject | None:
        return self._objects[key.kind].get(key.name)

    def of(self, kind: Kind) -> Iterable[StoredObject]:
        return self._objects[kind].values()

    def __iter__(self) -> Iterator[StoredObject]:
        for objects in self._objects.values():
            yield from objects.values()

    def spu(self, spu_id: SpuId) -> StoredObject | None:
        """The SPU object with this id; of several that claim it, the one that came first."""
        name = self._spu_names.get(spu_id)
        return None if name is None else self._objects[Kind.SPU].get(name)

    def spu_is_online(self, spu_id: SpuId) -> bool:
        """Whether its stored status says so: decisions follow what was persisted."""
        spu = self.spu(spu_id)
        return spu is not None and spu.status.resolution is SpuStatusResolution.ONLINE

    def is_connected(self, spu_id: SpuId) -> bool:
        """Whether it has a session and its stored status says so."""
        observed = self.observations.get(spu_id)
        return observed is not None and observed.connected and self.spu_is_online(spu_id)

    def is_present_session(self, spu_id: SpuId, session: int) -> bool:
        observed = self.observations.get(spu_id)
        return observed is not None and observed.connected and observed.session == session

    def incarnation_of(self, spu_id: SpuId) -> DataIncarnation:
        """Of its data, as it last told; 0 when it did not since the controller started."""
        observed = self.observations.get(spu_id)
        return UNKNOWN_INCARNATION if observed is None else observed.incarnation

    def children_of(self, owner: StoredObject) -> list[StoredObject]:
        """Objects that belong to this very object, not to an older one of its name."""
        found = (self.find(key) for key in self._children.get(owner.uid, ()))
        return [item for item in found if item is not None]

    def partitions_on(self, spu_id: SpuId) -> list[str]:
        """Names of partitions with a replica on this SPU."""
        return list(self._partitions_on.get(spu_id, ()))

    def put(self, item: StoredObject) -> StoredObject | None:
        before = self._take_out(item.key)
        self._objects[item.kind][item.name] = item
        if item.owner is not None:
            self._children.setdefault(item.owner.uid, {})[item.key] = None
        if item.kind is Kind.SPU:
            self._spu_names.setdefault(item.spec.id, item.name)
        elif item.kind is Kind.PARTITION:
            for spu_id in item.spec.replicas:
                self._partitions_on.setdefault(spu_id, {})[item.name] = None
        return before

    def remove(self, key: ObjectKey) -> StoredObject | None:
        before = self._take_out(key)
        if before is not None and before.kind is Kind.SPU:
            for spu in self._objects[Kind.SPU].values():  # one that claims the same id
                if spu.spec.id == before.spec.id:
                    self._spu_names.setdefault(spu.spec.id, spu.name)
        return before

    def _take_out(self, key: ObjectKey) -> StoredObject | None:
        before = self._objects[key.kind].pop(key.name, None)
        if before is None:
            return None
        if before.owner is not None:
            _discard(self._children, before.owner.uid, key)
        if before.kind is Kind.SPU:
            if self._spu_names.get(before.spec.id) == before.name:
                del self._spu_names[before.spec.id]
        elif before.kind is Kind.PARTITION:
            for spu_id in before.spec.replicas:
                _discard(self._partitions_on, spu_id, before.name)
        return before

    def forget_observations_of(self, item: StoredObject) -> None:
        """Drop what was observed about an object that is gone for good."""
        if item.kind is Kind.PARTITION:
            self.removals.pop(item.uid, None)
            self.reports.pop(item.name, None)  # nobody was told of a successor yet
            self.proposals.pop(item.name, None)
            self.resignations.pop(item.name, None)
            self.settled_ms.pop(item.uid, None)
        elif item.kind is Kind.SPU and self.spu(item.spec.id) is None:
            self.observations.pop(item.spec.id, None)


def _discard(index: dict[Any, dict[Any, None]], group: Any, member: Any) -> None:
    members = index.get(group)
    if members is not None:
        members.pop(member, None)
        if not members:
            del index[group]


def replica_key_of(partition: StoredObject) -> ReplicaKey:
    """The key by which SPUs know a partition object."""
    return ReplicaKey.parse(partition.name)


def min_in_sync_of(partition: StoredObject) -> int:
    """In-sync replicas that a record of this partition needs before it is committed."""
    return effective_min_in_sync(
        partition.min_in_sync, partition.spec.replicas, partition.replication
    )
