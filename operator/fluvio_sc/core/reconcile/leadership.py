"""Who leads a partition: elections, and the return of the preferred leader.

Called by `reconcile/partition.py`, which performs one step after the other.
"""

from dataclasses import replace

from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.types import LeaderEpoch, SpuId
from fluvio_sc.core.actions import SetLeader, SetReplication, WakeAt
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.election import (
    Election,
    elect,
    elect_again,
    elect_in_sync,
    leader_problem,
    may_lead,
    resignation_of,
)


def leadership_step(partition: StoredObject, state: ClusterState) -> SetLeader | None:
    """The next leadership, when the present one has to end and somebody may lead."""
    problem = leader_problem(partition, state)
    if problem is not None:
        election = elect(partition, state)
        return None if election is None else set_leader(partition, state, election, problem)
    resignation = resignation_of(partition, state)
    if resignation is not None and resignation.successor == partition.spec.leader:
        cause = f"spu {partition.spec.leader} has started again"
        return set_leader(partition, state, elect_again(partition), cause)
    if resignation is not None:
        # Of its own accord it stops, or cannot write: nobody is to wait until it follows.
        was_asked = partition.replication.successor == resignation.successor
        election = elect_in_sync(partition, state, resignation.successor, leader_stays=was_asked)
        if election is not None:
            cause = f"spu {partition.spec.leader} hands over"
            return set_leader(partition, state, election, cause)
    return None


def set_leader(
    partition: StoredObject, state: ClusterState, election: Election, cause: str
) -> SetLeader:
    """The action that makes the election true."""
    status = replace(partition.status, resolution=PartitionResolution.ELECTION_LEADER_FOUND)
    return SetLeader(
        partition.key,
        election.winner,
        LeaderEpoch(partition.leader_epoch + 1),
        election.replication,
        status,
        f"{cause}, {election.reason}",
    )


def successor_step(
    partition: StoredObject, state: ClusterState, since_ms: int, now_ms: int
) -> SetReplication | WakeAt | None:
    """Ask the leader to hand over to the preferred one, once that has been in sync for a while.

    since_ms: when leader, in-sync set or successor last changed
    A successor that cannot take over any more is withdrawn, so that the leader takes writes again.
    """
    successor = partition.replication.successor
    if successor is not None:
        if _can_take_over(partition, successor, state):
            return None
        return set_successor(partition, None, f"spu {successor} cannot take over")
    if partition.replication.is_moving:
        return None
    preferred = partition.spec.replicas[0] if partition.spec.replicas else partition.spec.leader
    if preferred == partition.spec.leader or not _can_take_over(partition, preferred, state):
        return None
    spu = state.spu(preferred)
    if spu is None or spu.is_draining:
        return None
    due_ms = since_ms + state.timings.preferred_leader_delay_ms
    if now_ms < due_ms:
        return WakeAt(partition.key, due_ms)
    return set_successor(partition, preferred, f"spu {preferred} is the preferred leader")


def set_successor(partition: StoredObject, successor: SpuId | None, reason: str) -> SetReplication:
    """The action that asks the leader to hand over, or to stay. The set stays as it is."""
    changed = replace(partition.replication, successor=successor)
    return SetReplication(partition.key, partition.spec.replicas, changed, reason)


def _can_take_over(partition: StoredObject, spu_id: SpuId, state: ClusterState) -> bool:
    member = partition.replication.member(spu_id)
    return (
        member is not None
        and spu_id != partition.spec.leader
        and may_lead(member, partition, state)
    )
