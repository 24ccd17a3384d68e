"""An SPU: its status follows its session; its tombstones go when it confirms them.

An SPU of a group also follows its group's template, and the address that the platform gave it.
"""

from dataclasses import replace

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import SpuStatus
from fluvio_sc.core.actions import Decision, DropTombstone, SetSpec, SetStatus, WakeAt
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.reconcile.spu_group import member_number
from fluvio_sc.core.spu_health import judge_health


def reconcile_spu(spu: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """What the SPU object lacks."""
    if spu.problem or state.spu(spu.spec.id) is not spu:
        return []  # unreadable, or a second one with the id of another
    decisions = _follow_group(spu, state)
    health = judge_health(spu, state, now_ms)
    if health.resolution is not spu.status.resolution:
        decisions.append(SetStatus(spu.key, SpuStatus(resolution=health.resolution), health.reason))
    if health.again_at_ms is not None:
        decisions.append(WakeAt(spu.key, health.again_at_ms))
    decisions.extend(
        DropTombstone(spu.key, tombstone, "removal confirmed")
        for tombstone in spu.tombstones
        if spu.spec.id in state.removals.get(tombstone.uid, ())
    )
    return decisions


def _follow_group(spu: StoredObject, state: ClusterState) -> list[Decision]:
    if state.member_spec is None or spu.owner is None or spu.deletion_requested:
        return []
    group = state.get(Kind.SPU_GROUP, spu.owner.name)
    if group is None or group.uid != spu.owner.uid or group.problem:
        return []
    wanted = state.member_spec(group, member_number(group, spu))
    # An address that is not known at the moment is no reason to forget the last one.
    endpoint = state.endpoints.get(spu.name, spu.spec.public_endpoint)
    wanted = replace(wanted, public_endpoint=endpoint, rack=wanted.rack or spu.spec.rack)
    if wanted == spu.spec:
        return []
    return [SetSpec(spu.key, wanted, "its group or its address changed")]
