"""An SPU: its status follows its session; its tombstones go when it confirms them."""

from fluvio_protocol.metadata.spu import SpuStatus
from fluvio_sc.core.actions import Decision, DropTombstone, SetStatus, WakeAt
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.spu_health import judge_health


def reconcile_spu(spu: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """What the SPU object lacks."""
    decisions: list[Decision] = []
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
