"""What an administrator wants of replicas, decided: the plan and the actions, or why not.

Called by `public_api/replication.py` through the controller's queue, so that nothing changes
between the decision and its execution. Each raises `Refused` and changes nothing itself. What is
wanted already is no error: it has an empty plan.
"""

from dataclasses import dataclass

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.types import UNKNOWN_SPU, ReplicaKey, SpuId
from fluvio_sc.core.actions import Action, SetDraining
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, replica_key_of
from fluvio_sc.core.election import elect_unclean, leader_problem, may_lead
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.rebalance import Move, plan_drain, plan_rebalance
from fluvio_sc.core.reconcile.leadership import set_leader, set_successor
from fluvio_sc.core.reconcile.replica_move import begin_move, cancel_move
from fluvio_sc.core.reconcile.spu_group import may_get_replicas
from fluvio_sc.core.scheduler import ReplicaRow
from fluvio_sc.core.validation import shown

REPLICAS_MAX = 64
"""Of one partition; as a manifest has it."""

_ASKED = "asked for by an administrator"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be seen, and what has to be done for it."""

    moves: tuple[Move, ...]
    actions: tuple[Action, ...]


NOTHING = Plan((), ())


def admit_move(key: ReplicaKey, target: ReplicaRow, state: ClusterState) -> Plan:
    """Send the replicas of a partition to these SPUs."""
    partition = existing_partition(key, state)
    moving = partition.replication.target
    if (moving or partition.spec.replicas) == target:
        return NOTHING
    if moving:
        listed = ", ".join(map(str, moving))
        raise _refused(f"{key} is moving to {listed} already: wait for it, or cancel it")
    _check_target(partition, target, state)
    move = Move(key, partition.spec.replicas, target, _ASKED)
    return Plan((move,), (begin_move(partition, target, _ASKED),))


def _check_target(partition: StoredObject, target: ReplicaRow, state: ClusterState) -> None:
    if not target:
        raise _refused("name at least one SPU to move to")
    if len(target) > REPLICAS_MAX:
        raise _refused(f"{len(target)} replicas are more than {REPLICAS_MAX}")
    if len(set(target)) != len(target):
        raise _refused("an SPU is named twice: replicas must be on different SPUs")
    for spu_id in target:
        spu = state.spu(spu_id)
        if spu is None:
            raise _unknown_spu(spu_id)
        if spu_id in partition.spec.replicas:
            continue
        if spu_id in partition.replication.leaving:
            raise _refused(
                f"spu {spu_id} still deletes the files of a former replica: try again later"
            )
        if not state.spu_is_online(spu_id):
            raise Refused(ErrorCode.SPU_OFFLINE, f"spu {spu_id} is not online")
        if not may_get_replicas(spu, state):
            raise _refused(f"spu {spu_id} is drained or about to go: it gets no replicas")


def admit_cancel(key: ReplicaKey, state: ClusterState) -> Plan:
    """Send them back to where they were."""
    partition = existing_partition(key, state)
    if not partition.replication.is_moving:
        raise _refused(f"{key} is not moving")
    return _cancel(partition)


def _cancel(partition: StoredObject) -> Plan:
    replication = partition.replication
    if replication.is_cancelling:
        return NOTHING
    key = replica_key_of(partition)
    move = Move(key, replication.target, replication.original, "cancelled by an administrator")
    return Plan((move,), (cancel_move(partition, move.reason),))


def admit_election(key: ReplicaKey, spu_id: SpuId, *, unclean: bool, state: ClusterState) -> Plan:
    """Let this SPU lead; UNKNOWN_SPU: the preferred leader."""
    partition = existing_partition(key, state)
    replicas: ReplicaRow = partition.spec.replicas
    wanted = spu_id
    if wanted == UNKNOWN_SPU:
        if unclean:
            raise _refused("say which SPU shall lead without all records")
        wanted = (partition.replication.target or replicas)[0]
    if wanted not in replicas:
        listed = ", ".join(map(str, replicas))
        raise _refused(f"spu {wanted} is no replica of {key}: those are {listed}")
    if unclean:
        return _unclean_election(partition, wanted, state)
    problem = leader_problem(partition, state)
    if wanted == partition.spec.leader and problem is None:
        return NOTHING
    if problem is not None:
        raise _refused(
            f"{problem} and cannot hand over; if no replica that holds every record comes back, "
            "an unclean election helps"
        )
    member = partition.replication.member(wanted)
    if member is None or not may_lead(member, partition, state):
        raise _refused(f"spu {wanted} is not in sync and online: it cannot take over")
    return Plan((), (set_successor(partition, wanted, _ASKED),))


def _unclean_election(partition: StoredObject, wanted: SpuId, state: ClusterState) -> Plan:
    if leader_problem(partition, state) is None:
        raise _refused(
            f"spu {partition.spec.leader} leads {partition.name} and is online: an unclean "
            "election would only lose records"
        )
    if not state.is_connected(wanted):
        raise Refused(ErrorCode.SPU_OFFLINE, f"spu {wanted} is not online")
    election = elect_unclean(partition, wanted, state)
    return Plan((), (set_leader(partition, state, election, _ASKED),))


def admit_drain(spu_id: SpuId, state: ClusterState) -> Plan:
    """Move everything off this SPU, and put nothing on it."""
    spu = _existing_spu(spu_id, state)
    moves = plan_drain(state, spu_id)
    actions: list[Action] = []
    if not spu.is_draining:
        actions.append(SetDraining(spu.key, True, _ASKED))
    return Plan(tuple(moves), (*actions, *_begin(moves, state)))


def admit_undrain(spu_id: SpuId, state: ClusterState) -> Plan:
    """Use this SPU again; what is about to leave it stays."""
    spu = _existing_spu(spu_id, state)
    actions: list[Action] = []
    moves: list[Move] = []
    if spu.is_draining:
        actions.append(SetDraining(spu.key, False, _ASKED))
        for name in sorted(state.partitions_on(spu_id)):
            partition = state.get(Kind.PARTITION, name)
            if (
                partition is not None
                and not partition.deletion_requested
                and partition.replication.is_moving
                and spu_id in partition.replication.original
                and spu_id not in partition.replication.target
            ):
                cancelled = _cancel(partition)
                moves.extend(cancelled.moves)
                actions.extend(cancelled.actions)
    return Plan(tuple(moves), tuple(actions))


def admit_rebalance(topics: tuple[str, ...], state: ClusterState) -> Plan:
    """Spread replicas and leaders of these topics, or of all, evenly."""
    for name in topics:
        if state.get(Kind.TOPIC, name) is None:
            raise Refused(ErrorCode.TOPIC_NOT_FOUND, f"topic '{shown(name)}' not found")
    moves = plan_rebalance(state, frozenset(topics) if topics else None)
    return Plan(tuple(moves), tuple(_begin(moves, state)))


def _begin(moves: list[Move], state: ClusterState) -> list[Action]:
    actions: list[Action] = []
    for move in moves:
        partition = state.get(Kind.PARTITION, str(move.key))
        assert partition is not None  # the plan was made of this state
        actions.append(begin_move(partition, move.after, move.reason))
    return actions


def existing_partition(key: ReplicaKey, state: ClusterState) -> StoredObject:
    """The partition, if it is there to be changed. Raises Refused."""
    partition = state.get(Kind.PARTITION, str(key))
    if partition is None:
        if state.get(Kind.TOPIC, key.topic) is None:
            raise Refused(ErrorCode.TOPIC_NOT_FOUND, f"topic '{shown(key.topic)}' not found")
        raise _refused(f"topic '{key.topic}' has no partition {key.partition}")
    if partition.deletion_requested:
        raise Refused(ErrorCode.TOPIC_DELETED, f"{key} is being deleted")
    if partition.problem:
        raise _refused(f"{key} cannot be changed: {partition.problem}")
    return partition


def _existing_spu(spu_id: SpuId, state: ClusterState) -> StoredObject:
    spu = state.spu(spu_id)
    if spu is None:
        raise _unknown_spu(spu_id)
    return spu


def _unknown_spu(spu_id: SpuId) -> Refused:
    return Refused(ErrorCode.SPU_NOT_FOUND, f"there is no spu {spu_id}")


def _refused(message: str) -> Refused:
    return Refused(ErrorStatus.other(message), message)
