"""Conditions of a partition.

Ready            served by its leader, and held by as many replicas as are demanded
LeaderElected    a replica that has every acknowledged record leads; Unknown before the first did
InSync           every replica has what the leader has
OutOfStorage     the leader's disk is full: it can be read, not written
Deleting         waits for its files to go
"""

from fluvio_operator.conditions.condition import (
    Condition,
    ConditionType,
    reconciling,
    stalled,
    unready,
)
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.types import SpuId
from fluvio_sc.core.cluster_state import StoredObject

_STARTING = (PartitionResolution.OFFLINE, PartitionResolution.ELECTION_LEADER_FOUND)


def conditions_of_partition(partition: StoredObject, minimum_in_sync: int) -> list[Condition]:
    """minimum_in_sync: replicas that must hold a record; more than there are means all."""
    ready = _ready(partition, minimum_in_sync)
    conditions = [
        ready,
        _leader_elected(partition),
        _in_sync(partition),
        _out_of_storage(partition),
    ]
    if partition.deletion_requested:
        message = "waits until its replicas have removed their files"
        conditions.append(reconciling(Reason.DELETION_REQUESTED, message))
        conditions.append(
            Condition(ConditionType.DELETING, True, Reason.DELETION_REQUESTED, message)
        )
    elif partition.problem:
        conditions.append(stalled(Reason.INVALID_MANIFEST, partition.problem))
    elif partition.status.resolution in _STARTING:
        conditions.append(reconciling(ready.reason, ready.message))
    return conditions


def in_sync_of(partition: StoredObject) -> tuple[SpuId, ...]:
    """Replicas that hold every acknowledged record, in the order of the replicas.

    One that nobody wrote it of yet has its leader, which holds what it acknowledged.
    """
    known = partition.in_sync or (partition.spec.leader,)
    return tuple(spu_id for spu_id in partition.spec.replicas if spu_id in known)


def is_online(partition: StoredObject) -> bool:
    resolution: PartitionResolution = partition.status.resolution
    return resolution is PartitionResolution.ONLINE


def lacks_in_sync(partition: StoredObject, minimum_in_sync: int) -> bool:
    """Whether fewer replicas are in sync than are demanded."""
    demanded = min(minimum_in_sync, len(partition.spec.replicas))
    return len(in_sync_of(partition)) < demanded


def is_under_replicated(partition: StoredObject) -> bool:
    """Whether a replica lacks records."""
    return len(in_sync_of(partition)) < len(partition.spec.replicas)


def is_starting(partition: StoredObject) -> bool:
    """Whether it is not served yet and soon will be: nothing is wrong."""
    return partition.status.resolution in _STARTING


def _ready(partition: StoredObject, minimum_in_sync: int) -> Condition:
    leader = partition.spec.leader
    if partition.deletion_requested:
        return unready(Reason.DELETION_REQUESTED, "it is being deleted")
    if partition.problem:
        return unready(Reason.INVALID_MANIFEST, partition.problem)
    match partition.status.resolution:
        case PartitionResolution.OFFLINE:
            return unready(Reason.WAITING_FOR_LEADER, f"SPU {leader} has not opened it yet")
        case PartitionResolution.ELECTION_LEADER_FOUND:
            return unready(Reason.LEADER_CHANGED, f"SPU {leader} is taking over")
        case PartitionResolution.LEADER_OFFLINE:
            return unready(Reason.NO_ELIGIBLE_REPLICA, _no_leader(partition))
        case PartitionResolution.OUT_OF_STORAGE:
            return unready(Reason.DISK_FULL, f"the disk of SPU {leader} is full")
    if lacks_in_sync(partition, minimum_in_sync):
        held = len(in_sync_of(partition))
        message = (
            f"{held} of {len(partition.spec.replicas)} replicas in sync, {minimum_in_sync} demanded"
        )
        return unready(Reason.NOT_ENOUGH_IN_SYNC, message)
    return Condition(ConditionType.READY, True, Reason.READY, f"led by SPU {leader}")


def _leader_elected(partition: StoredObject) -> Condition:
    kind = ConditionType.LEADER_ELECTED
    leadership = f"SPU {partition.spec.leader}, leadership {partition.leader_epoch}"
    match partition.status.resolution:
        case PartitionResolution.LEADER_OFFLINE:
            return Condition(kind, False, Reason.NO_ELIGIBLE_REPLICA, _no_leader(partition))
        case PartitionResolution.OFFLINE:
            return Condition(kind, None, Reason.WAITING_FOR_LEADER, leadership)
        case PartitionResolution.ELECTION_LEADER_FOUND:
            return Condition(kind, True, Reason.LEADER_ELECTED, leadership)
        case _:
            return Condition(kind, True, Reason.LEADER_ONLINE, leadership)


def _no_leader(partition: StoredObject) -> str:
    others = [spu_id for spu_id in in_sync_of(partition) if spu_id != partition.spec.leader]
    if not others:
        return f"SPU {partition.spec.leader} is offline, and no other replica was in sync"
    listed = ", ".join(map(str, others))
    return f"SPU {partition.spec.leader} is offline, and so is every other in sync: {listed}"


def _in_sync(partition: StoredObject) -> Condition:
    holding = in_sync_of(partition)
    behind = [spu_id for spu_id in partition.spec.replicas if spu_id not in holding]
    if not behind:
        return Condition(ConditionType.IN_SYNC, True, Reason.ALL_IN_SYNC)
    listed = ", ".join(map(str, behind))
    return Condition(ConditionType.IN_SYNC, False, Reason.REPLICAS_BEHIND, f"behind: SPU {listed}")


def _out_of_storage(partition: StoredObject) -> Condition:
    kind = ConditionType.OUT_OF_STORAGE
    if partition.status.resolution is PartitionResolution.OUT_OF_STORAGE:
        message = f"the disk of SPU {partition.spec.leader} is full: records can be read only"
        return Condition(kind, True, Reason.DISK_FULL, message)
    return Condition(kind, False, Reason.DISK_HAS_ROOM)
