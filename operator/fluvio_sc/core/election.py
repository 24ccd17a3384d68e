"""Who leads a partition when its leader is gone.

Called by `reconcile/partition.py`. Only replicas that were in sync may lead: any other could
lack records that were acknowledged, and they would be lost. So no winner is a common answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fluvio_protocol.types import UNKNOWN_OFFSET, LeaderEpoch, Offset, SpuId
from fluvio_sc.core.cluster_state import ClusterState, StoredObject


@dataclass(frozen=True, slots=True)
class Candidate:
    """An in-sync replica on an SPU that is online.

    leader_epoch, log_end_offset: the newest leadership it holds records of, and how far
    preference: its position among the partition's replicas; lower is preferred
    """

    spu_id: SpuId
    leader_epoch: LeaderEpoch
    log_end_offset: Offset
    preference: int


def elect_leader(candidates: Iterable[Candidate]) -> SpuId | None:
    """The candidate that holds most: highest epoch, then longest log, then most preferred."""
    best = max(
        candidates,
        key=lambda c: (c.leader_epoch, c.log_end_offset, -c.preference),
        default=None,
    )
    return None if best is None else best.spu_id


def candidates_for(partition: StoredObject, state: ClusterState) -> list[Candidate]:
    """In-sync replicas other than the present leader whose SPU is online."""
    known = {status.spu: status.leo for status in partition.status.replicas}
    return [
        Candidate(
            spu_id=spu_id,
            leader_epoch=partition.leader_epoch,
            log_end_offset=known.get(spu_id, UNKNOWN_OFFSET),
            preference=preference,
        )
        for preference, spu_id in enumerate(partition.spec.replicas)
        if spu_id != partition.spec.leader
        and spu_id in partition.in_sync
        and state.spu_is_online(spu_id)
    ]
