"""Replicas seen and moved by an administrator (1900 to 1904): our own requests.

Answered when the change is stored; a refusal is an answer too. What follows goes on by itself.
"""

from collections.abc import Callable
from typing import TypeVar

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_protocol.errors import ErrorCode, FluvioError, ProtocolError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.replication import (
    PARTITIONS_ANSWERED_MAX,
    DescribeReplicasRequest,
    DescribeReplicasResponse,
    DrainSpuRequest,
    ElectLeaderRequest,
    MovePartitionRequest,
    PartitionReplicas,
    PlannedMove,
    RebalanceTopicsRequest,
    ReplicationAnswer,
)
from fluvio_protocol.types import UNKNOWN_SPU, ReplicaKey
from fluvio_sc.controller import Controller
from fluvio_sc.core.actions import Action
from fluvio_sc.core.cluster_state import (
    ClusterState,
    StoredObject,
    min_in_sync_of,
    replica_key_of,
)
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.replica_commands import (
    NOTHING,
    Plan,
    admit_cancel,
    admit_drain,
    admit_election,
    admit_move,
    admit_rebalance,
    admit_undrain,
)
from fluvio_sc.core.validation import shown
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.object_requests import refusal

M = TypeVar("M", bound=Message)

Admit = Callable[[ClusterState], Plan]


def answer_describe_replicas(
    body: Reader, version: int, memory_store: MemoryStore
) -> DescribeReplicasResponse:
    """What is stored and shown of partitions. Raises RemoteProtocolError."""
    check_version(version, DescribeReplicasRequest.versions)
    request = decode(DescribeReplicasRequest, body, version)
    try:
        found = _partitions(request.keys, memory_store)
    except Refused as error:
        said = refusal("", error)
        return DescribeReplicasResponse(
            error_code=said.error_code, error_message=said.error_message
        )
    return DescribeReplicasResponse(
        partitions=tuple(_described(partition) for partition in found),
        draining=tuple(sorted(spu.spec.id for spu in memory_store.of(Kind.SPU) if spu.is_draining)),
    )


def _partitions(keys: tuple[ReplicaKey, ...], memory_store: MemoryStore) -> list[StoredObject]:
    if not keys:
        found = list(memory_store.of(Kind.PARTITION))
        if len(found) > PARTITIONS_ANSWERED_MAX:
            message = f"{len(found)} partitions are too many for one answer: say which"
            raise Refused(ErrorStatus.other(message), message)
        return sorted(found, key=replica_key_of)
    asked = []
    for key in keys[:PARTITIONS_ANSWERED_MAX]:
        partition = memory_store.get(Kind.PARTITION, str(key))
        if partition is None:
            text = f"topic '{shown(key.topic)}' has no partition {key.partition}"
            raise Refused(ErrorCode.TOPIC_NOT_FOUND, text)
        asked.append(partition)
    return asked


def _described(partition: StoredObject) -> PartitionReplicas:
    replication, status = partition.replication, partition.status
    return PartitionReplicas(
        key=replica_key_of(partition),
        resolution=status.resolution,
        leader=partition.spec.leader,
        leader_epoch=partition.leader_epoch,
        in_sync_version=replication.version,
        min_in_sync=min_in_sync_of(partition),
        unclean_election=partition.unclean_election,
        replicas=partition.spec.replicas,
        in_sync=replication.in_sync,
        eligible=replication.eligible_spus,
        successor=UNKNOWN_SPU if replication.successor is None else replication.successor,
        target=replication.target,
        original=replication.original,
        leaving=replication.leaving,
        offsets=(status.leader, *status.replicas),
    )


async def handle_move_partition(
    body: Reader, version: int, controller: Controller
) -> ReplicationAnswer:
    """Begin or cancel a move. Raises RemoteProtocolError."""
    request = _decoded(MovePartitionRequest, body, version)

    def admit(state: ClusterState) -> Plan:
        if request.cancel:
            return admit_cancel(request.key, state)
        return admit_move(request.key, request.target, state)

    return await _answer(admit, controller, dry_run=request.dry_run)


async def handle_elect_leader(
    body: Reader, version: int, controller: Controller
) -> ReplicationAnswer:
    """Let another replica lead. Raises RemoteProtocolError."""
    request = _decoded(ElectLeaderRequest, body, version)

    def admit(state: ClusterState) -> Plan:
        return admit_election(request.key, request.spu, unclean=request.unclean, state=state)

    return await _answer(admit, controller, dry_run=False)


async def handle_drain_spu(body: Reader, version: int, controller: Controller) -> ReplicationAnswer:
    """Empty an SPU, or use it again. Raises RemoteProtocolError."""
    request = _decoded(DrainSpuRequest, body, version)

    def admit(state: ClusterState) -> Plan:
        if request.cancel:
            return admit_undrain(request.spu, state)
        return admit_drain(request.spu, state)

    return await _answer(admit, controller, dry_run=request.dry_run)


async def handle_rebalance_topics(
    body: Reader, version: int, controller: Controller
) -> ReplicationAnswer:
    """Spread replicas evenly. Raises RemoteProtocolError."""
    request = _decoded(RebalanceTopicsRequest, body, version)
    return await _answer(
        lambda state: admit_rebalance(request.topics, state), controller, dry_run=request.dry_run
    )


def _decoded(request: type[M], body: Reader, version: int) -> M:
    check_version(version, request.versions)
    return decode(request, body, version)


async def _answer(admit: Admit, controller: Controller, *, dry_run: bool) -> ReplicationAnswer:
    plan = NOTHING

    def decide(state: ClusterState) -> tuple[Action, ...]:
        nonlocal plan
        plan = admit(state)
        return plan.actions

    try:
        if dry_run:
            controller.check(decide)
        else:
            await controller.execute(decide)
    except ProtocolError:
        raise
    except FluvioError as error:
        said = refusal("", error)
        return ReplicationAnswer(error_code=said.error_code, error_message=said.error_message)
    return ReplicationAnswer(
        moves=tuple(
            PlannedMove(key=move.key, before=move.before, after=move.after, reason=move.reason)
            for move in plan.moves
        )
    )
