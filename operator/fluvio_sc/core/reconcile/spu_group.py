"""A group of SPUs: are its ids its own, and does it have its SPUs?

    Init, Invalid ---> Reserved    nobody else has an id of [min_id, min_id + replicas)
                  ---> Invalid     somebody has; looked at again when SPUs or groups change
    Reserved                       stays while its ids are its own; it may grow into those of others

Only a reserved group gets SPU objects, and only where the platform runs SPUs of groups at all.
A group shrinks from its end, one SPU at a time, and never while the SPU holds a replica; it goes
only when none of its SPUs holds one. Source: fluvio-sc, SpuGroup validation; ours: other reserved
groups count as well, growing is checked, shrinking is safe.
"""

from collections.abc import Iterable

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import SpuStatus
from fluvio_protocol.metadata.spu_group import (
    SpuGroupResolution,
    SpuGroupSpec,
    SpuGroupStatus,
)
from fluvio_protocol.types import SpuId
from fluvio_sc.core.actions import (
    AddFinalizer,
    CreateObject,
    Decision,
    RemoveFinalizer,
    RequestDeletion,
    SetStatus,
)
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.validation import spu_group_problem

MEMBERS_FINALIZER = "fluvio/members"
"""A group stays until its SPUs are gone, and they until they hold nothing."""

SKIP_SCALE_DOWN_CHECK = "fluvio.io/skip-scaledown-check"
"""Annotation of a group: SPUs go although they hold replicas, which are then lost."""


def reconcile_spu_group(group: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """What the group lacks."""
    if group.deletion_requested:
        return _take_members_along(group, state)
    problem = group.problem or spu_group_problem(group.spec) or _conflict(group, state)
    if problem:
        wanted = SpuGroupStatus(resolution=SpuGroupResolution.INVALID, reason=problem)
    else:
        wanted = SpuGroupStatus(resolution=SpuGroupResolution.RESERVED)
    decisions: list[Decision] = []
    if wanted != group.status:
        decisions.append(SetStatus(group.key, wanted, problem or "ids are free"))
    if not problem and state.member_spec is not None:
        decisions.extend(_members(group, state))
    return decisions


def _conflict(group: StoredObject, state: ClusterState) -> str:
    """Fluvio's words for an id that is taken; ours for a name. Empty when there is none."""
    taken = first_conflict(group, state)
    if taken is not None:
        return f"conflict with: {taken}"
    if state.member_spec is not None:
        for number in range(group.spec.replicas):
            spu = state.get(Kind.SPU, member_name(group, number))
            if spu is not None and (spu.owner is None or spu.owner.uid != group.uid):
                return f"SPU object {spu.name} belongs to somebody else: rename the group"
    return ""


def first_conflict(group: StoredObject, state: ClusterState) -> int | None:
    """The lowest id of the group that belongs to somebody else."""
    ids = ids_of(group.spec)
    taken = []
    for spu_id in ids:
        spu = state.spu(SpuId(spu_id))
        if spu is not None and (spu.owner is None or spu.owner.uid != group.uid):
            taken.append(spu_id)
    for other in state.of(Kind.SPU_GROUP):
        if other.uid == group.uid or other.status.resolution is not SpuGroupResolution.RESERVED:
            continue
        if group.status.resolution is SpuGroupResolution.RESERVED and _was_first(group, other):
            continue
        theirs = ids_of(other.spec)
        first = max(ids.start, theirs.start)
        if first < min(ids.stop, theirs.stop):
            taken.append(first)
    return min(taken, default=None)


def _was_first(group: StoredObject, other: StoredObject) -> bool:
    """Of two reserved groups, whose were the ids they share? Groups grow upwards only, so the one
    that starts lower grew into the other."""
    return (group.spec.min_id, group.name) > (other.spec.min_id, other.name)


def ids_of(spec: SpuGroupSpec) -> range:
    """The SPU ids that a group claims."""
    return range(spec.min_id, spec.min_id + spec.replicas)


def member_name(group: StoredObject, number: int) -> str:
    """Name of the SPU object at a place in the group, counted from 0."""
    return f"{group.name}-{number}"


def member_number(group: StoredObject, spu: StoredObject) -> int:
    """The place of an SPU in its group."""
    return int(spu.spec.id - group.spec.min_id)


def members_of(group: StoredObject, state: ClusterState) -> list[StoredObject]:
    """The SPU objects of a group, by their place."""
    children = (child for child in state.children_of(group) if child.kind is Kind.SPU)
    return sorted(children, key=lambda spu: spu.spec.id)


def held_up_by(group: StoredObject, state: ClusterState) -> StoredObject | None:
    """The SPU that a smaller group would lose and that still holds replicas."""
    if group.annotations.get(SKIP_SCALE_DOWN_CHECK) == "true":
        return None
    kept = 0 if group.deletion_requested else group.spec.replicas
    for spu in reversed(members_of(group, state)):
        if member_number(group, spu) >= kept and state.partitions_on(spu.spec.id):
            return spu
    return None


def group_of(spu: StoredObject, state: ClusterState) -> StoredObject | None:
    """The very group that an SPU was made for, if it is one of a group."""
    group = None if spu.owner is None else state.get(Kind.SPU_GROUP, spu.owner.name)
    return None if group is None or spu.owner is None or group.uid != spu.owner.uid else group


def min_in_sync_of_groups(spus: Iterable[SpuId], state: ClusterState) -> int | None:
    """Replicas that a record needs on these SPUs: what the strictest of their groups says."""
    found = []
    for spu_id in spus:
        spu = state.spu(spu_id)
        group = None if spu is None else group_of(spu, state)
        replication = None if group is None else group.spec.spu_config.replication
        if replication is not None and replication.in_sync_replica_min is not None:
            found.append(int(replication.in_sync_replica_min))
    return max(found, default=None)


def is_leaving(spu: StoredObject, state: ClusterState) -> bool:
    """Whether the SPU goes as soon as it holds nothing: it must not be given anything more."""
    if spu.deletion_requested:
        return True
    group = group_of(spu, state)
    if group is None:
        return False
    return group.deletion_requested or member_number(group, spu) >= group.spec.replicas


def is_to_stay(spu: StoredObject, state: ClusterState) -> bool:
    """Whether what an SPU holds may stay there."""
    return not spu.is_draining and not is_leaving(spu, state)


def may_get_replicas(spu: StoredObject, state: ClusterState) -> bool:
    """Whether an SPU is there, and is to stay."""
    return state.spu_is_online(spu.spec.id) and is_to_stay(spu, state)


def _members(group: StoredObject, state: ClusterState) -> list[Decision]:
    assert state.member_spec is not None
    decisions: list[Decision] = []
    if MEMBERS_FINALIZER not in group.finalizers:  # before the first SPU that it answers for
        decisions.append(AddFinalizer(group.key, MEMBERS_FINALIZER, "it gets SPUs"))
    present = {member_number(group, spu): spu for spu in members_of(group, state)}
    for number in range(group.spec.replicas):
        name = member_name(group, number)
        if number in present or state.get(Kind.SPU, name) is not None:
            continue
        decisions.append(
            CreateObject(
                kind=Kind.SPU,
                name=name,
                spec=state.member_spec(group, number),
                status=SpuStatus(),
                owner=group.as_owner,
                reason=f"SPU of group {group.name}",
            )
        )
    surplus = [spu for number, spu in sorted(present.items()) if number >= group.spec.replicas]
    return [*decisions, *_remove_last(group, surplus, state, "its group is smaller now")]


def _remove_last(
    group: StoredObject, doomed: list[StoredObject], state: ClusterState, reason: str
) -> list[RequestDeletion]:
    """Highest first, as a StatefulSet takes its pods; what holds replicas ends the row."""
    decisions: list[RequestDeletion] = []
    skip_check = group.annotations.get(SKIP_SCALE_DOWN_CHECK) == "true"
    for spu in reversed(doomed):
        if state.partitions_on(spu.spec.id) and not skip_check:
            break
        if not spu.deletion_requested:
            decisions.append(RequestDeletion(spu.key, reason))
    return decisions


def _take_members_along(group: StoredObject, state: ClusterState) -> list[Decision]:
    members = members_of(group, state)
    decisions: list[Decision] = []
    decisions.extend(_remove_last(group, members, state, f"group {group.name} is deleted"))
    if not members and MEMBERS_FINALIZER in group.finalizers:
        decisions.append(RemoveFinalizer(group.key, MEMBERS_FINALIZER, "all its SPUs are gone"))
    return decisions
