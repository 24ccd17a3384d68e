"""Who may lead a partition, and who shall when its leader cannot or will not.

Called by `reconcile/`. Only holders of every committed record may lead: any other could lack
records that were acknowledged, and they would be lost. So no winner is a common answer. The order,
each only when the one before has nobody:

    in-sync replicas         the successor that a resigning leader names, then as the replicas stand
    eligible replicas        see `replication_state`
    any replica              where the topic allows an unclean election
    the former leader first  when every holder is known to have lost data: nothing better can come
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from fluvio_protocol.sc_private.in_sync import InSyncReplica, Resignation
from fluvio_protocol.types import UNKNOWN_INCARNATION, SpuId
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, min_in_sync_of
from fluvio_sc.core.replication_state import ReplicationState


@dataclass(frozen=True, slots=True)
class Election:
    """Who leads, and what the sets are under the next epoch."""

    winner: SpuId
    replication: ReplicationState
    reason: str


# How one replica stands.


def has_lost_data(holder: InSyncReplica, state: ClusterState) -> bool:
    """Whether the SPU came with other data than it had when it joined. Unknown: it has not."""
    observed = state.observations.get(holder.spu)
    return (
        observed is not None
        and holder.incarnation != UNKNOWN_INCARNATION
        and observed.incarnation != holder.incarnation
    )


def invalid_replicas(partition: StoredObject, state: ClusterState) -> set[SpuId]:
    """Replicas that are known to lack, or that may lack, what they held."""
    holders = partition.replication.holders
    return {holder.spu for holder in holders if has_lost_data(holder, state)}


def may_lead(holder: InSyncReplica, partition: StoredObject, state: ClusterState) -> bool:
    """Whether it is there, with the data that it joined with."""
    if not state.spu_is_online(holder.spu):
        return False
    observed = state.observations.get(holder.spu)
    if observed is None:  # the controller has just started: it is believed, its data is not
        return holder.incarnation == UNKNOWN_INCARNATION
    return observed.connected and not has_lost_data(holder, state)


def leader_problem(partition: StoredObject, state: ClusterState) -> str | None:
    """Why the leader must not go on under its epoch; None: it may."""
    leader = partition.spec.leader
    if not state.spu_is_online(leader):
        return f"spu {leader} is offline"
    member = partition.replication.member(leader)
    if member is not None and has_lost_data(member, state):
        return f"spu {leader} has lost data"
    return None


def resignation_of(partition: StoredObject, state: ClusterState) -> Resignation | None:
    """The leader's wish to end its present leadership."""
    live = state.resignations.get(partition.name)
    if (
        live is None
        or live.spu_id != partition.spec.leader
        or live.resignation.leader_epoch != partition.leader_epoch
        or live.version != partition.replication.version
        or not state.is_present_session(live.spu_id, live.session)
    ):
        return None
    return live.resignation


# Who wins.


def elect(partition: StoredObject, state: ClusterState) -> Election | None:
    """A leader instead of the present one, which cannot go on; None: nobody may lead."""
    replication, leader = partition.replication, partition.spec.leader
    invalid = invalid_replicas(partition, state)
    minimum = min_in_sync_of(partition)
    winner = _first(partition, replication.members, state, other_than=leader)
    if winner is not None:
        staying = [
            member
            for member in replication.members
            if member.spu != leader and member.spu not in invalid
        ]
        changed = replication.with_members(staying, minimum=minimum, invalid=invalid)
        return _election(winner.spu, changed, f"spu {winner.spu} was in sync")
    winner = _first(partition, replication.eligible, state, other_than=leader)
    if winner is not None:
        changed = replication.with_members((winner,), minimum=minimum, invalid=invalid)
        reason = f"spu {winner.spu} held every committed record when it left the in-sync set"
        return _election(winner.spu, changed, reason)
    if partition.unclean_election:
        return _elect_any(partition, state)
    return _last_resort(partition, state, invalid)


def elect_in_sync(
    partition: StoredObject,
    state: ClusterState,
    preferred: SpuId | None = None,
    *,
    leader_stays: bool = True,
) -> Election | None:
    """Another in-sync replica.

    leader_stays: whether the present leader stays in the set; the next one then waits for it
    """
    replication, leader = partition.replication, partition.spec.leader
    winner = _first(partition, replication.members, state, other_than=leader, first=preferred)
    if winner is None:
        return None
    invalid = invalid_replicas(partition, state)
    staying = [
        member
        for member in replication.members
        if member.spu not in invalid and (leader_stays or member.spu != leader)
    ]
    minimum = min_in_sync_of(partition)
    changed = replication.with_members(staying, minimum=minimum, invalid=invalid)
    return _election(winner.spu, changed, f"spu {winner.spu} is in sync")


def elect_again(partition: StoredObject) -> Election:
    """The present leader, which has started anew; the set stays."""
    changed = partition.replication.refused()
    return _election(partition.spec.leader, changed, "the same leader begins anew")


def elect_unclean(partition: StoredObject, spu_id: SpuId, state: ClusterState) -> Election:
    """This one, whatever it lacks."""
    changed = partition.replication.only(spu_id, state.incarnation_of(spu_id))
    reason = f"UNCLEAN: spu {spu_id} leads as it is, acknowledged records may be lost"
    return Election(spu_id, changed, reason)


def _elect_any(partition: StoredObject, state: ClusterState) -> Election | None:
    holders = [holder.spu for holder in partition.replication.holders]
    order = [partition.spec.leader, *holders, *partition.spec.replicas]
    for spu_id in order:
        if spu_id in partition.spec.replicas and state.is_connected(spu_id):
            return elect_unclean(partition, spu_id, state)
    return None


def _last_resort(
    partition: StoredObject, state: ClusterState, invalid: Collection[SpuId]
) -> Election | None:
    """When no holder can come back whole, waiting helps nobody."""
    replication = partition.replication
    if not replication.holders or any(item.spu not in invalid for item in replication.holders):
        return None
    holders = {holder.spu for holder in replication.holders}
    observed = state.observations.get(partition.spec.leader)
    if (
        observed is not None
        and observed.connected
        and not state.is_connected(partition.spec.leader)
    ):
        return None  # it is just coming back
    for spu_id in dict.fromkeys([partition.spec.leader, *partition.spec.replicas]):
        if spu_id in holders and state.is_connected(spu_id):
            changed = replication.only(spu_id, state.incarnation_of(spu_id))
            reason = (
                f"LAST RESORT: every replica that held all committed records has lost data, spu "
                f"{spu_id} leads with what it has; records that were not synced may be lost"
            )
            return Election(spu_id, changed, reason)
    return None


def _first(
    partition: StoredObject,
    holders: Iterable[InSyncReplica],
    state: ClusterState,
    *,
    other_than: SpuId,
    first: SpuId | None = None,
) -> InSyncReplica | None:
    by_spu = {holder.spu: holder for holder in holders if holder.spu != other_than}
    order = [*partition.spec.replicas] if first is None else [first, *partition.spec.replicas]
    for spu_id in order:
        holder = by_spu.get(spu_id)
        if holder is not None and may_lead(holder, partition, state):
            return holder
    return None


def _election(winner: SpuId, changed: ReplicationState, reason: str) -> Election:
    return Election(winner, replace(changed, successor=None), reason)
