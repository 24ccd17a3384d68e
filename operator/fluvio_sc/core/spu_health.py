"""Is an SPU there? Judged from its session with the controller.

Called by `reconcile/spu.py`.

    never dialled              Init
    session stands, reports    Online
    session ended              Offline, at once
    session stands, silent     Offline, after a while in which the controller did listen
    pod or node is gone        Offline, at once, whatever the session says
    controller just started    what it was, for a grace period: the SPUs are still reconnecting
"""

from dataclasses import dataclass

from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_sc.core.cluster_state import ClusterState, StoredObject


@dataclass(frozen=True, slots=True)
class Health:
    """A judgement, why, and when time alone may change it; None: never."""

    resolution: SpuStatusResolution
    reason: str
    again_at_ms: int | None = None


def judge_health(spu: StoredObject, state: ClusterState, now_ms: int) -> Health:
    """What the status of this SPU should say now."""
    observed = state.observations.get(spu.spec.id)
    stored = spu.status.resolution
    unavailable = state.unavailable.get(spu.spec.id)
    if unavailable is not None and stored is not SpuStatusResolution.INIT:
        return Health(SpuStatusResolution.OFFLINE, unavailable)
    if observed is None:
        if stored is SpuStatusResolution.INIT:
            return Health(stored, "never connected")
        grace_ends_ms = state.started_ms + state.timings.restart_grace_ms
        if now_ms < grace_ends_ms:
            return Health(stored, "controller has just started", grace_ends_ms)
        return Health(SpuStatusResolution.OFFLINE, "has not come back since the restart")
    if not observed.connected:
        return Health(SpuStatusResolution.OFFLINE, "connection lost")
    # What came while the controller did not listen may still be on its way to it.
    silent_since_ms = max(observed.last_heard_ms, state.listening_ms)
    silent_at_ms = silent_since_ms + state.timings.spu_silence_ms
    if now_ms >= silent_at_ms:
        silent_s = (now_ms - silent_since_ms) // 1000
        return Health(SpuStatusResolution.OFFLINE, f"silent for {silent_s} s")
    return Health(SpuStatusResolution.ONLINE, "reports", silent_at_ms)
