"""How many replicas the offsets of consumers have: three, or as many as there are SPUs for them.

Called by `reconcile/partition.py`, for the one partition of the topic that every cluster makes for
itself. Nobody chooses the replicas of that topic, so it follows the cluster: a replica is added
when an SPU joins, and taken off an SPU that is about to go, before anything waits for it. Losing
the partition would let every consumer begin again.
"""

from collections.abc import Collection, Sequence

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import CONSUMER_OFFSET_REPLICA
from fluvio_protocol.types import SpuId
from fluvio_sc.core.actions import SetReplication
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.election import leader_problem, may_lead
from fluvio_sc.core.reconcile.replica_move import begin_move, cancel_move
from fluvio_sc.core.reconcile.spu_group import is_to_stay, may_get_replicas

CONSUMER_OFFSET_PARTITION = str(CONSUMER_OFFSET_REPLICA)
CONSUMER_OFFSET_REPLICAS = 3
"""One may be repaired while another fails. More are kept where an administrator put them."""


def keeps_consumer_offsets(partition: StoredObject) -> bool:
    """Whether this is the partition whose replicas the cluster chooses by itself."""
    return partition.name == CONSUMER_OFFSET_PARTITION


def consumer_offsets_step(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """A move to more SPUs, or off those that are about to go, if it is time for one."""
    if not keeps_consumer_offsets(partition):
        return None
    if partition.replication.is_moving:
        return _turn_back(partition, state)
    row = partition.spec.replicas
    staying = [spu_id for spu_id in row if _stays(spu_id, state)]
    missing = CONSUMER_OFFSET_REPLICAS - len(staying)
    joining = _emptiest(partition, staying, state)[:missing] if missing > 0 else []
    target = (*staying, *joining)
    if not target or target == row or leader_problem(partition, state) is not None:
        return None
    return begin_move(partition, target, "consumer offsets are kept by as many SPUs as can be")


def _turn_back(partition: StoredObject, state: ClusterState) -> SetReplication | None:
    """The end of a move to an SPU that is about to go: it might be waited for for ever."""
    replication = partition.replication
    joining = (spu_id for spu_id in replication.target if spu_id not in replication.original)
    if replication.is_cancelling or all(_stays(spu_id, state) for spu_id in joining):
        return None
    return cancel_move(partition, "an SPU that was to keep consumer offsets is about to go")


def can_do_without(
    partition: StoredObject, leaving: Collection[SpuId], state: ClusterState
) -> bool:
    """Whether SPUs may go at once: another one leads or can, and the rest follows by itself."""
    return keeps_consumer_offsets(partition) and any(
        member.spu not in leaving and may_lead(member, partition, state)
        for member in partition.replication.members
    )


def _stays(spu_id: SpuId, state: ClusterState) -> bool:
    spu = state.spu(spu_id)
    return spu is not None and is_to_stay(spu, state)


def _emptiest(
    partition: StoredObject, staying: Sequence[SpuId], state: ClusterState
) -> list[SpuId]:
    """SPUs that may get a replica: those in racks without one first, then those with the fewest."""
    used = {spu.spec.rack for spu_id in staying if (spu := state.spu(spu_id)) is not None}
    taken = {*partition.spec.replicas, *partition.replication.leaving}
    free = [
        spu
        for spu in state.of(Kind.SPU)
        if spu.spec.id not in taken
        and state.spu(spu.spec.id) is spu
        and may_get_replicas(spu, state)
    ]
    chosen: list[SpuId] = []
    while free:
        best = min(
            free,
            key=lambda spu: (
                spu.spec.rack is not None and spu.spec.rack in used,
                len(state.partitions_on(spu.spec.id)),
                spu.spec.id,
            ),
        )
        free.remove(best)
        used.add(best.spec.rack)
        chosen.append(best.spec.id)
    return chosen
