"""A group of SPUs: are its ids its own?

    Init, Invalid ---> Reserved    nobody else has an id of [min_id, min_id + replicas)
                  ---> Invalid     somebody has; looked at again when SPUs or groups change
    Reserved                       stays
Source: fluvio-sc, SpuGroup validation; ours: other reserved groups count as well.
"""

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu_group import (
    SpuGroupResolution,
    SpuGroupSpec,
    SpuGroupStatus,
)
from fluvio_sc.core.actions import Decision, SetStatus
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.validation import spu_group_problem


def reconcile_spu_group(group: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """What the group lacks."""
    if group.status.resolution is SpuGroupResolution.RESERVED:
        return []
    problem = spu_group_problem(group.spec)
    if problem is None:
        conflict = first_conflict(group, state)
        problem = None if conflict is None else f"conflict with: {conflict}"
    if problem is None:
        wanted = SpuGroupStatus(resolution=SpuGroupResolution.RESERVED)
    else:
        wanted = SpuGroupStatus(resolution=SpuGroupResolution.INVALID, reason=problem)
    if wanted == group.status:
        return []
    return [SetStatus(group.key, wanted, problem or "ids are free")]


def first_conflict(group: StoredObject, state: ClusterState) -> int | None:
    """The lowest id of the group that belongs to somebody else."""
    ids = ids_of(group.spec)
    taken = [
        spu.spec.id
        for spu in state.of(Kind.SPU)
        if spu.spec.id in ids and (spu.owner is None or spu.owner.uid != group.uid)
    ]
    for other in state.of(Kind.SPU_GROUP):
        if other.uid == group.uid or other.status.resolution is not SpuGroupResolution.RESERVED:
            continue
        theirs = ids_of(other.spec)
        first = max(ids.start, theirs.start)
        if first < min(ids.stop, theirs.stop):
            taken.append(first)
    return min(taken, default=None)


def ids_of(spec: SpuGroupSpec) -> range:
    """The SPU ids that a group claims."""
    return range(spec.min_id, spec.min_id + spec.replicas)
