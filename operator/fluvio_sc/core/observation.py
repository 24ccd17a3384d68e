"""What SPUs do and say, noted in the cluster state; and which objects it concerns.

Called by `controller.py` for the private door. Nothing here changes an object: that follows from
reconciling the keys that are returned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.spu import IngressPort
from fluvio_protocol.sc_private.in_sync import InSyncProposal, Resignation
from fluvio_protocol.sc_private.replica_status import LeaderReport, ReplicaRemoved
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    DataIncarnation,
    LeaderEpoch,
    ReplicaKey,
    SpuId,
)
from fluvio_sc.core.cluster_state import (
    ClusterState,
    LiveProposal,
    LiveReport,
    LiveResignation,
    ObjectKey,
    SpuObservation,
    StoredObject,
)


@dataclass(frozen=True, slots=True)
class News:
    """Keys to look at now, and keys that can wait until the next tick."""

    urgent: list[ObjectKey] = field(default_factory=list)
    for_the_next_tick: list[ObjectKey] = field(default_factory=list)


def observe_connection(
    state: ClusterState,
    spu_id: SpuId,
    session: int,
    now_ms: int,
    incarnation: DataIncarnation = UNKNOWN_INCARNATION,
) -> list[ObjectKey]:
    """A session begins. What was told in an older one does not count any more.

    It concerns the partitions there as well: the SPU may have come without some of its data.
    """
    state.observations[spu_id] = SpuObservation(
        session=session, connected=True, last_heard_ms=now_ms, incarnation=incarnation
    )
    names = state.partitions_on(spu_id)
    return [*_key_of_spu(state, spu_id), *(ObjectKey(Kind.PARTITION, name) for name in names)]


def observe_life(state: ClusterState, spu_id: SpuId, session: int, now_ms: int) -> list[ObjectKey]:
    """A sign of life. It concerns the SPU only if it was taken for dead."""
    observed = state.observations.get(spu_id)
    if observed is None or observed.session != session:
        return []
    state.observations[spu_id] = replace(observed, last_heard_ms=now_ms)
    return [] if state.spu_is_online(spu_id) else _key_of_spu(state, spu_id)


def observe_pause(state: ClusterState, now_ms: int) -> None:
    """The controller itself stood still until now: nobody was silent meanwhile."""
    state.listening_ms = now_ms


def observe_disconnection(state: ClusterState, spu_id: SpuId, session: int) -> list[ObjectKey]:
    """A session is over; if it is not the newest, nothing happens."""
    observed = state.observations.get(spu_id)
    if observed is None or observed.session != session:
        return []
    state.observations[spu_id] = replace(observed, connected=False)
    return _key_of_spu(state, spu_id)


def observe_reports(
    state: ClusterState, spu_id: SpuId, session: int, reports: Iterable[LeaderReport]
) -> News:
    """A leader tells where its partitions stand.

    Ignored: partitions that are gone, or of which the SPU still has files of an older one of the
    same name; leaderships that are over. Urgent: what changes the state of a partition.
    """
    news = News()
    spu = state.spu(spu_id)
    if spu is None:
        return news
    going = {str(tombstone.key) for tombstone in spu.tombstones}
    for report in reports:
        name = str(report.key)
        partition = state.get(Kind.PARTITION, name)
        if partition is None or name in going:
            continue
        if partition.spec.leader != spu_id or partition.leader_epoch != report.leader_epoch:
            continue
        state.reports[name] = LiveReport(spu_id, session, report)
        expected = (
            PartitionResolution.OUT_OF_STORAGE
            if report.out_of_storage
            else PartitionResolution.ONLINE
        )
        if partition.status.resolution is expected:
            news.for_the_next_tick.append(partition.key)
        else:
            news.urgent.append(partition.key)
    return news


def observe_in_sync_proposals(
    state: ClusterState, spu_id: SpuId, session: int, proposals: Iterable[InSyncProposal]
) -> list[ObjectKey]:
    """A leader wants other in-sync sets. Ignored: what is outdated already."""
    concerned = []
    for proposal in proposals:
        partition = _led(state, spu_id, session, proposal.key, proposal.leader_epoch)
        if partition is None or partition.replication.version != proposal.version:
            continue
        state.proposals[partition.name] = LiveProposal(spu_id, session, proposal)
        concerned.append(partition.key)
    return concerned


def observe_resignations(
    state: ClusterState, spu_id: SpuId, session: int, resignations: Iterable[Resignation]
) -> list[ObjectKey]:
    """A leader gives leaderships up. Ignored: those that are over already."""
    concerned = []
    for resignation in resignations:
        partition = _led(state, spu_id, session, resignation.key, resignation.leader_epoch)
        if partition is not None:
            version = partition.replication.version
            live = LiveResignation(spu_id, session, version, resignation)
            state.resignations[partition.name] = live
            concerned.append(partition.key)
    return concerned


def _led(
    state: ClusterState, spu_id: SpuId, session: int, key: ReplicaKey, leader_epoch: LeaderEpoch
) -> StoredObject | None:
    """The partition, if this SPU leads it in this session under this epoch."""
    partition = state.get(Kind.PARTITION, str(key))
    if (
        partition is None
        or partition.spec.leader != spu_id
        or partition.leader_epoch != leader_epoch
        or not state.is_present_session(spu_id, session)
    ):
        return None
    return partition


def observe_removal(state: ClusterState, spu_id: SpuId, removed: ReplicaRemoved) -> list[ObjectKey]:
    """An SPU has deleted the files of a replica. Ignored unless somebody waits for it."""
    concerned = []
    partition = state.get(Kind.PARTITION, str(removed.key))
    if (
        partition is not None
        and partition.uid == removed.uid
        and (
            (partition.deletion_requested and spu_id in partition.spec.replicas)
            or spu_id in partition.replication.leaving
        )
    ):
        concerned.append(partition.key)
    spu = state.spu(spu_id)
    if spu is not None and any(item.uid == removed.uid for item in spu.tombstones):
        concerned.append(spu.key)
    if concerned:
        state.removals.setdefault(removed.uid, set()).add(spu_id)
    return concerned


def observe_availability(
    state: ClusterState, spu_id: SpuId, problem: str | None
) -> list[ObjectKey]:
    """Whether the platform can run the SPU at present; `problem` says why it cannot."""
    if state.unavailable.get(spu_id) == problem:
        return []
    if problem is None:
        del state.unavailable[spu_id]
    else:
        state.unavailable[spu_id] = problem
    return _key_of_spu(state, spu_id)


def observe_endpoint(
    state: ClusterState, spu_name: str, endpoint: IngressPort | None
) -> list[ObjectKey]:
    """Where clients reach an SPU of a group; None: not known any more."""
    if state.endpoints.get(spu_name) == endpoint:
        return []
    if endpoint is None:
        del state.endpoints[spu_name]
    else:
        state.endpoints[spu_name] = endpoint
    return [ObjectKey(Kind.SPU, spu_name)]


def _key_of_spu(state: ClusterState, spu_id: SpuId) -> list[ObjectKey]:
    spu = state.spu(spu_id)
    return [] if spu is None else [spu.key]
