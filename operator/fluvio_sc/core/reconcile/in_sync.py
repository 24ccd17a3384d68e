"""The in-sync set of a partition: what its leader proposes, and who must not stay in it.

Called by `reconcile/partition.py`, which performs one step after the other.

A proposal of the present leader in its present session that names the stored epoch and version is
answered by a higher version: with the set as proposed, or with the same set. Any other is ignored.
"""

from collections.abc import Iterable
from dataclasses import replace

from fluvio_protocol.sc_private.in_sync import InSyncProposal, InSyncReplica
from fluvio_protocol.types import UNKNOWN_INCARNATION, SpuId
from fluvio_sc.core.actions import SetReplication
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, min_in_sync_of
from fluvio_sc.core.election import has_lost_data, leader_problem
from fluvio_sc.core.replication_state import ReplicationState


def in_sync_step(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """The next change of the set, if there is one to make.

    While the leader cannot go on, the set stays: an election wants to know who was in it.
    """
    if leader_problem(partition, state) is None:
        step = (
            _without_lost(partition, state)
            or _with_incarnations(partition, state)
            or _answer(partition, state)
        )
        if step is not None:
            return step
    replication = partition.replication
    minimum = min_in_sync_of(partition)
    if replication.eligible and len(replication.members) >= minimum:
        changed = replication.with_members(replication.members, minimum=minimum)
        reason = f"{len(replication.members)} in-sync replicas are enough"
        return _set(partition, changed, reason)
    return None


def _without_lost(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    lost = {
        holder.spu
        for holder in partition.replication.holders
        if holder.spu != partition.spec.leader and has_lost_data(holder, state)
    }
    if not lost:
        return None
    replication = partition.replication
    staying = [member for member in replication.members if member.spu not in lost]
    changed = replication.with_members(staying, minimum=min_in_sync_of(partition), invalid=lost)
    return _set(partition, changed, f"lost data: {_listed(lost)}")


def _with_incarnations(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """Of members whose data was not known, that with which they come first."""
    known = tuple(
        replace(member, incarnation=state.incarnation_of(member.spu))
        if member.incarnation == UNKNOWN_INCARNATION
        else member
        for member in partition.replication.members
    )
    if known == partition.replication.members:
        return None
    changed = partition.replication.with_members(known, minimum=min_in_sync_of(partition))
    return _set(partition, changed, "the data of its replicas is known now")


def _answer(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    proposal = _present_proposal(partition, state)
    if proposal is None:
        return None
    replication = partition.replication
    problem = proposal_problem(partition, proposal.members, state)
    if problem is not None:
        return _set(partition, replication.refused(), f"refused: {problem}")
    by_spu = {member.spu: member for member in proposal.members}
    members = [by_spu[spu_id] for spu_id in partition.spec.replicas if spu_id in by_spu]
    changed = replication.with_members(members, minimum=min_in_sync_of(partition))
    came = _listed({*changed.in_sync} - {*replication.in_sync})
    went = _listed({*replication.in_sync} - {*changed.in_sync})
    reason = ", ".join(
        [*([f"in sync: {came}"] if came else []), *([f"not in sync: {went}"] if went else [])]
    )
    return _set(partition, changed, reason or "as its leader proposed")


def _present_proposal(partition: StoredObject, state: ClusterState) -> InSyncProposal | None:
    live = state.proposals.get(partition.name)
    if (
        live is None
        or live.spu_id != partition.spec.leader
        or live.proposal.leader_epoch != partition.leader_epoch
        or live.proposal.version != partition.replication.version
        or not state.is_present_session(live.spu_id, live.session)
    ):
        return None
    return live.proposal


def proposal_problem(
    partition: StoredObject, members: tuple[InSyncReplica, ...], state: ClusterState
) -> str | None:
    """Why this cannot become the in-sync set; None: it can."""
    leader = partition.spec.leader
    by_spu = {member.spu: member for member in members}
    if len(by_spu) != len(members):
        return "an SPU is named twice"
    strangers = by_spu.keys() - set(partition.spec.replicas)
    if strangers:
        return f"no replicas: {_listed(strangers)}"
    if leader not in by_spu:
        return "the leader is not in it"
    if by_spu[leader].incarnation != state.incarnation_of(leader):
        return "the leader has other data by now"
    for member in members:
        if member == partition.replication.member(member.spu):
            continue
        if not state.is_connected(member.spu):
            return f"spu {member.spu} is not online"
        if member.incarnation != state.incarnation_of(member.spu):
            return f"spu {member.spu} has other data by now"
    return None


def _set(partition: StoredObject, changed: ReplicationState, reason: str) -> SetReplication:
    return SetReplication(partition.key, partition.spec.replicas, changed, reason)


def _listed(spu_ids: Iterable[SpuId]) -> str:
    return ", ".join(f"spu {spu_id}" for spu_id in sorted(spu_ids))
