"""A partition: follow its leader's reports, give it leaders and in-sync replicas, wait for its
files to go when it is deleted.

    Offline ---> Online               the leader has opened it and reports under this epoch
    Online <---> OutOfStorage         as the leader says
    Online, OutOfStorage ---> LeaderOffline    the leader cannot go on, and nobody may lead
                         ---> ElectionLeaderFound   a leadership begins, under the next epoch
    LeaderOffline, ElectionLeaderFound ---> Online     its leader reports

Offsets and sizes are shown, not stored: a report that changes nothing else costs no write.
"""

from dataclasses import replace

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.sc_private.replica_status import LeaderReport
from fluvio_protocol.types import UNKNOWN_OFFSET, Offset, SpuId
from fluvio_sc.core.actions import (
    AddTombstone,
    Decision,
    RemoveFinalizer,
    RequestDeletion,
    SetStatus,
    ShowStatus,
    WakeAt,
    changed,
)
from fluvio_sc.core.cluster_state import (
    ClusterState,
    StoredObject,
    Tombstone,
    replica_key_of,
)
from fluvio_sc.core.election import leader_problem
from fluvio_sc.core.reconcile.consumer_offsets import consumer_offsets_step
from fluvio_sc.core.reconcile.in_sync import in_sync_step
from fluvio_sc.core.reconcile.leadership import leadership_step, successor_step
from fluvio_sc.core.reconcile.replica_move import move_step

REPLICAS_FINALIZER = "fluvio/replicas"
"""A partition stays until the files of its replicas are gone, or will surely go. Every partition
that we made has it from the first moment."""

STEPS_MAX = 32
"""More than follow from each other: an election, a set, and the steps of a move."""

_SERVED = (PartitionResolution.ONLINE, PartitionResolution.OUT_OF_STORAGE)


def reconcile_partition(
    partition: StoredObject, state: ClusterState, now_ms: int
) -> list[Decision]:
    """What the partition lacks."""
    if partition.deletion_requested:
        return _wait_for_removal(partition, state, now_ms)
    if partition.problem:
        return []
    if REPLICAS_FINALIZER in partition.finalizers and not _topic_stands(partition, state):
        return [RequestDeletion(partition.key, "its topic is gone")]
    decisions: list[Decision] = []
    since_ms = max(state.started_ms, state.settled_ms.get(partition.uid, 0))
    for _ in range(STEPS_MAX):
        step = (
            leadership_step(partition, state)
            or in_sync_step(partition, state)
            or move_step(partition, state)
            or consumer_offsets_step(partition, state)
            or successor_step(partition, state, since_ms, now_ms)
        )
        if step is not None:
            decisions.append(step)
        if step is None or isinstance(step, WakeAt):
            return decisions + _follow_leader(partition, state)
        partition = changed(partition, step, now_ms)
        since_ms = now_ms
    raise AssertionError(f"{partition.name} does not settle: {decisions[-2:]}")


def _topic_stands(partition: StoredObject, state: ClusterState) -> bool:
    """Whether the very topic it was made for is there; its owner may have been cut off by hand."""
    topic = state.get(Kind.TOPIC, replica_key_of(partition).topic)
    if topic is None:
        return False
    return partition.owner is None or partition.owner.uid == topic.uid


def current_report(partition: StoredObject, state: ClusterState) -> LeaderReport | None:
    """The newest report of the leader under the present epoch and in its present session."""
    live = state.reports.get(partition.name)
    if live is None or live.spu_id != partition.spec.leader:
        return None
    observed = state.observations.get(live.spu_id)
    if observed is None or not observed.connected or observed.session != live.session:
        return None
    if live.report.leader_epoch != partition.leader_epoch:
        return None
    return live.report


def _follow_leader(partition: StoredObject, state: ClusterState) -> list[Decision]:
    problem = leader_problem(partition, state)
    if problem is not None:
        if partition.status.resolution not in _SERVED:
            return []
        status = replace(partition.status, resolution=PartitionResolution.LEADER_OFFLINE)
        reason = f"{problem}, and no replica that holds every record may lead"
        return [SetStatus(partition.key, status, reason)]
    report = current_report(partition, state)
    if report is None:
        # A leader that is online and has not spoken yet: after a restart of the controller it
        # still serves; a new partition has not been opened. Either way the state stands.
        return []
    status = status_from_report(partition.status, report)
    if status == partition.status:
        return []
    if status.resolution is partition.status.resolution:
        return [ShowStatus(partition.key, status)]
    return [SetStatus(partition.key, status, f"leader {report.leader.spu} reports")]


def status_from_report(before: PartitionStatus, report: LeaderReport) -> PartitionStatus:
    """Merge a report: unknown offsets do not overwrite known ones."""
    leader = ReplicaStatus(
        spu=report.leader.spu,
        hw=_known(report.leader.hw, before.leader.hw),
        leo=_known(report.leader.leo, before.leader.leo),
    )
    earlier = {status.spu: status for status in before.replicas}
    followers = []
    for follower in report.followers:
        if follower.spu < 0 or follower.spu == leader.spu:
            continue
        known = earlier.get(follower.spu, ReplicaStatus(spu=follower.spu))
        followers.append(
            ReplicaStatus(
                spu=follower.spu,
                hw=_known(follower.hw, known.hw),
                leo=_known(follower.leo, known.leo),
            )
        )
    caught_up = sum(
        1 for status in followers if status.leo != UNKNOWN_OFFSET and status.leo == leader.leo
    )
    return PartitionStatus(
        resolution=(
            PartitionResolution.OUT_OF_STORAGE
            if report.out_of_storage
            else PartitionResolution.ONLINE
        ),
        leader=leader,
        live_replica_count=caught_up,
        replicas=tuple(followers),
        size=report.size_bytes,
        is_being_deleted=before.is_being_deleted,
        base_offset=report.base_offset,
    )


def _known(new: Offset, old: Offset) -> Offset:
    return old if new == UNKNOWN_OFFSET else new


def _wait_for_removal(partition: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """Until every replica's files are gone: confirmed, or promised by a tombstone, or nobody's.

    An SPU that is offline holds nobody up: it is told when it returns. One that is online and
    does not answer holds the deletion up for a bounded time.
    """
    decisions: list[Decision] = []
    if not partition.status.is_being_deleted:
        status = replace(partition.status, is_being_deleted=True)
        decisions.append(SetStatus(partition.key, status, "deletion requested"))
    release_at_ms = partition.deletion_since_ms + state.timings.deletion_release_ms
    waiting = False
    for spu_id in (*partition.spec.replicas, *partition.replication.leaving):
        if _is_settled(partition, spu_id, state):
            continue
        if state.spu_is_online(spu_id) and now_ms < release_at_ms:
            waiting = True
            continue
        spu = state.spu(spu_id)
        assert spu is not None  # otherwise it is settled
        decisions.append(
            AddTombstone(
                spu.key,
                _tombstone(partition),
                f"spu {spu_id} has not confirmed the removal of {partition.name}",
            )
        )
    if waiting:
        decisions.append(WakeAt(partition.key, release_at_ms))
    else:
        decisions.extend(
            RemoveFinalizer(partition.key, finalizer, "no replica has files that nobody minds")
            for finalizer in partition.finalizers
        )
    return decisions


def _is_settled(partition: StoredObject, spu_id: SpuId, state: ClusterState) -> bool:
    if spu_id in state.removals.get(partition.uid, ()):
        return True
    spu = state.spu(spu_id)
    return spu is None or any(tombstone.uid == partition.uid for tombstone in spu.tombstones)


def _tombstone(partition: StoredObject) -> Tombstone:
    return Tombstone(replica_key_of(partition), partition.uid, partition.leader_epoch)
