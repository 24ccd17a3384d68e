"""A partition: follow its leader's reports, elect another when the leader goes, wait for its
files to go when it is deleted.

    Offline ---> Online               the leader has opened it and reports under this epoch
    Online <---> OutOfStorage         as the leader says
    Online, OutOfStorage ---> LeaderOffline    no in-sync replica is online
                         ---> ElectionLeaderFound   another leads, under the next epoch
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
from fluvio_protocol.types import UNKNOWN_OFFSET, LeaderEpoch, Offset, SpuId
from fluvio_sc.core.actions import (
    AddTombstone,
    Decision,
    RemoveFinalizer,
    RequestDeletion,
    SetLeader,
    SetStatus,
    ShowStatus,
    WakeAt,
)
from fluvio_sc.core.cluster_state import (
    ClusterState,
    StoredObject,
    Tombstone,
    replica_key_of,
)
from fluvio_sc.core.election import candidates_for, elect_leader

REPLICAS_FINALIZER = "fluvio/replicas"
"""A partition stays until the files of its replicas are gone, or will surely go. Every partition
that we made has it from the first moment."""

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
    if state.spu_is_online(partition.spec.leader):
        return _follow_leader(partition, state)
    return _replace_leader(partition, state)


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


def _replace_leader(partition: StoredObject, state: ClusterState) -> list[Decision]:
    leader = partition.spec.leader
    successor = elect_leader(candidates_for(partition, state))
    if successor is not None:
        status = replace(partition.status, resolution=PartitionResolution.ELECTION_LEADER_FOUND)
        return [
            SetLeader(
                partition.key,
                successor,
                LeaderEpoch(partition.leader_epoch + 1),
                tuple(spu_id for spu_id in partition.in_sync if spu_id != leader),
                status,
                f"spu {leader} is offline, spu {successor} was in sync",
            )
        ]
    if partition.status.resolution in _SERVED:
        status = replace(partition.status, resolution=PartitionResolution.LEADER_OFFLINE)
        reason = f"spu {leader} is offline, no other in-sync replica is online"
        return [SetStatus(partition.key, status, reason)]
    return []


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
    for spu_id in partition.spec.replicas:
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
