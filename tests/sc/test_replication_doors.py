"""Replication over real sockets: what SPUs tell, what they are told, what an administrator sees."""

from typing import Any

import pytest

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import AssignedReplicas, PartitionMap, TopicSpec
from fluvio_protocol.sc_private.in_sync import (
    InSyncProposal,
    InSyncReplica,
    ProposeInSync,
    Resignation,
    ResignLeadership,
)
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.replication import (
    DescribeReplicasRequest,
    DrainSpuRequest,
    ElectLeaderRequest,
    MovePartitionRequest,
    RebalanceTopicsRequest,
)
from fluvio_protocol.types import DataIncarnation, PartitionId, ReplicaKey, SpuId

pytestmark = pytest.mark.asyncio

KEY = ReplicaKey("t", PartitionId(0))


def row(*ids: int) -> tuple[SpuId, ...]:
    return tuple(SpuId(5000 + number) for number in ids)


async def replicated(make_cluster: Any, *ids: int, spus: int = 3) -> tuple[Any, Any]:
    """A cluster with topic `t`, one partition on these SPUs, and a client of it."""
    cluster = await make_cluster(spus, connect=False)
    for number, spu in enumerate(cluster.spus, start=1):
        spu.incarnation = DataIncarnation(100 * number)
        await spu.connect(cluster.app.private_port)
    client = await cluster.client()
    maps = (PartitionMap(id=PartitionId(0), replicas=row(*ids)),)
    spec = TopicSpec(replicas=AssignedReplicas(maps=maps))
    status = await client.request(CreateRequest(name="t", spec=spec))
    assert not status.error_code
    return cluster, client


def propose(spu: Any, *ids: int) -> None:
    told = spu.replicas["t-0"]
    members = tuple(
        InSyncReplica(spu=SpuId(5000 + number), incarnation=DataIncarnation(100 * number))
        for number in ids
    )
    spu.send(
        ProposeInSync(
            proposals=(
                InSyncProposal(
                    key=KEY,
                    leader_epoch=told.leader_epoch,
                    version=told.in_sync_version,
                    members=members,
                ),
            )
        )
    )


def resign(spu: Any, successor: int) -> None:
    told = spu.replicas["t-0"]
    resignation = Resignation(
        key=KEY, leader_epoch=told.leader_epoch, successor=SpuId(5000 + successor)
    )
    spu.send(ResignLeadership(resignations=(resignation,)))


async def in_sync(spu: Any, *ids: int) -> None:
    await spu.until(lambda: [m.spu for m in spu.replicas["t-0"].in_sync] == list(row(*ids)))


async def test_all_are_told_of_a_set_that_was_stored(make_cluster: Any) -> None:
    cluster, _ = await replicated(make_cluster, 1, 2)
    first, second = cluster.spus[:2]
    (member,) = first.replicas["t-0"].in_sync
    assert (member.spu, member.incarnation) == (5001, 100)
    propose(first, 1, 2)
    for spu in cluster.spus:
        await in_sync(spu, 1, 2)
        assert spu.replicas["t-0"].in_sync_version == 2
    propose(first, 1, 3)  # refused: an answer all the same
    await first.until(lambda: first.replicas["t-0"].in_sync_version == 3)
    await in_sync(first, 1, 2)
    resign(first, 2)
    await second.until(lambda: second.replicas["t-0"].leader == 5002)
    assert second.replicas["t-0"].leader_epoch == 2


async def test_a_leader_that_comes_with_other_data_is_replaced(make_cluster: Any) -> None:
    cluster, _ = await replicated(make_cluster, 1, 2)
    first, second = cluster.spus[:2]
    propose(first, 1, 2)
    await in_sync(second, 1, 2)
    first.disconnect()
    first.incarnation = DataIncarnation(101)
    await first.connect(cluster.app.private_port)
    await second.until(lambda: second.replicas["t-0"].leader == 5002)
    await in_sync(second, 2)


async def test_a_partition_moves_and_the_old_replica_deletes_its_files(make_cluster: Any) -> None:
    cluster, client = await replicated(make_cluster, 1, 2)
    first, _, third = cluster.spus
    first.answers = False
    dry = await client.request(MovePartitionRequest(key=KEY, target=row(3, 2), dry_run=True))
    assert [(move.before, move.after) for move in dry.moves] == [(row(1, 2), row(3, 2))]
    (described,) = (await client.request(DescribeReplicasRequest(keys=(KEY,)))).partitions
    assert described.target == ()
    answer = await client.request(MovePartitionRequest(key=KEY, target=row(3, 2)))
    assert not answer.error_code
    await first.until(lambda: first.replicas["t-0"].replicas == row(1, 2, 3))
    propose(first, 1, 2, 3)
    await first.until(lambda: first.replicas["t-0"].successor == 5003)
    resign(first, 3)
    await first.until(lambda: first.replicas["t-0"].is_being_deleted)
    assert first.replicas["t-0"].replicas == row(1)
    await third.until(lambda: third.replicas["t-0"].replicas == row(3, 2))
    assert not third.replicas["t-0"].is_being_deleted
    (described,) = (await client.request(DescribeReplicasRequest(keys=(KEY,)))).partitions
    assert (described.leader, described.leaving) == (5003, row(1))
    first.disconnect()
    await first.connect(cluster.app.private_port)
    assert first.replicas["t-0"].is_being_deleted, "it is told again"
    first.confirm_all()
    await first.until(
        lambda: "t-0" in first.replicas and not first.replicas["t-0"].is_being_deleted
    )
    assert first.replicas["t-0"].replicas == row(3, 2)


async def test_the_administrator_sees_and_is_refused(make_cluster: Any) -> None:
    _, client = await replicated(make_cluster, 1, 2)
    assert {offer.api_key for offer in client.api_keys}.isdisjoint(range(1900, 1905))
    everything = await client.request(DescribeReplicasRequest())
    assert [str(item.key) for item in everything.partitions] == ["consumer-offset-0", "t-0"]
    (found,) = (await client.request(DescribeReplicasRequest(keys=(KEY,)))).partitions
    assert (found.leader, found.leader_epoch, found.in_sync_version) == (5001, 1, 1)
    assert (found.replicas, found.in_sync, found.min_in_sync) == (row(1, 2), row(1), 1)
    assert [status.spu for status in found.offsets] == [5001]
    missing = await client.request(DescribeReplicasRequest(keys=(ReplicaKey("t", PartitionId(9)),)))
    assert missing.error_message == "topic 't' has no partition 9"
    unknown = await client.request(MovePartitionRequest(key=KEY, target=row(9)))
    assert unknown.error_code.error is ErrorCode.SPU_NOT_FOUND
    refused = await client.request(ElectLeaderRequest(key=KEY, spu=SpuId(5002)))
    assert refused.error_code.error is ErrorCode.OTHER
    assert "not in sync" in refused.error_message


async def test_an_spu_is_drained_and_used_again(make_cluster: Any) -> None:
    _, client = await replicated(make_cluster, 1, 2)
    answer = await client.request(DrainSpuRequest(spu=SpuId(5002)))
    assert [str(move.key) for move in answer.moves] == ["t-0"]
    described = await client.request(DescribeReplicasRequest(keys=(KEY,)))
    assert described.draining == row(2)
    assert described.partitions[0].target == row(1, 3)
    again = await client.request(DrainSpuRequest(spu=SpuId(5002), cancel=True))
    assert not again.error_code
    described = await client.request(DescribeReplicasRequest(keys=(KEY,)))
    assert (described.draining, described.partitions[0].target) == ((), ())
    plan = await client.request(RebalanceTopicsRequest(topics=("t",), dry_run=True))
    assert not plan.error_code
    assert not (await client.request(RebalanceTopicsRequest())).error_code
