"""Replicas on their way to other SPUs: one step of a move after the other.

Called by `reconcile/partition.py`. Moves are begun and cancelled by `core/replica_commands.py`.

    begun            the replicas are the old ones, and behind them the new ones
    all in sync      the leader hands over, if it is to go
    led by the new   the replicas are the new ones; those that left delete their files
    cancelled        a move back: it ends as soon as an old one leads with enough in sync

Every step is one stored change of one object, so that it goes on after any crash.
"""

from dataclasses import replace

from fluvio_protocol.types import SpuId
from fluvio_sc.core.actions import SetReplication
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, min_in_sync_of
from fluvio_sc.core.election import leader_problem, may_lead
from fluvio_sc.core.reconcile.leadership import set_successor
from fluvio_sc.core.replication_state import ReplicationState, effective_min_in_sync


def begin_move(partition: StoredObject, target: tuple[SpuId, ...], reason: str) -> SetReplication:
    """The action that sends replicas on their way; the partition must not be moving."""
    before = partition.spec.replicas
    added = tuple(spu_id for spu_id in target if spu_id not in before)
    changed = replace(partition.replication, target=target, original=before)
    return SetReplication(partition.key, (*before, *added), changed, reason)


def cancel_move(partition: StoredObject, reason: str) -> SetReplication:
    """The action that sends them back."""
    replication = partition.replication
    changed = replace(replication, target=replication.original, successor=None)
    return SetReplication(partition.key, partition.spec.replicas, changed, reason)


def move_step(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """The next step, if it is time for it."""
    if partition.replication.is_moving and leader_problem(partition, state) is None:
        step = _end_or_hand_over(partition, state)
        if step is not None:
            return step
    return _forget_those_who_left(partition, state)


def _end_or_hand_over(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    replication = partition.replication
    target = replication.target
    ready = [spu_id for spu_id in target if spu_id in replication.in_sync]
    if len(ready) < len(target):
        enough = min(min_in_sync_of(partition), len(target))
        if not replication.is_cancelling or len(ready) < enough:
            return None
    if partition.spec.leader in target:
        return _end(partition)
    if replication.successor in target:
        return None
    for spu_id in target:
        member = replication.member(spu_id)
        if member is not None and may_lead(member, partition, state):
            return set_successor(partition, spu_id, f"the replicas move to {list(target)}")
    return None


def _end(partition: StoredObject) -> SetReplication:
    replication = partition.replication
    target = replication.target
    gone = tuple(spu_id for spu_id in partition.spec.replicas if spu_id not in target)
    at_rest = ReplicationState(
        members=replication.members,
        eligible=replication.eligible,
        version=replication.version,
        successor=replication.successor,
        leaving=(*replication.leaving, *gone),
    )
    minimum = effective_min_in_sync(partition.min_in_sync, target, at_rest)
    changed = at_rest.within(target, minimum=minimum)
    verb = "cancelled: back on" if replication.is_cancelling else "ends: now on"
    return SetReplication(partition.key, target, changed, f"the move {verb} {list(target)}")


def _forget_those_who_left(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """SPUs that have deleted the files, or are no part of the cluster any more."""
    gone = state.removals.get(partition.uid, set())
    replication = partition.replication
    left = tuple(
        spu_id
        for spu_id in replication.leaving
        if spu_id not in gone and state.spu(spu_id) is not None
    )
    if left == replication.leaving:
        return None
    changed = replace(replication, leaving=left)
    reason = "the files of replicas that moved away are gone"
    return SetReplication(partition.key, partition.spec.replicas, changed, reason)
