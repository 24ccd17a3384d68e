"""A controller whose objects are those of a file: they are there, and nobody changes anything."""

from dataclasses import replace
from typing import Any

import pytest

from fluvio_protocol.codec import Message
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Spec
from fluvio_protocol.metadata.spu import CustomSpuSpec
from fluvio_protocol.metadata.table_format import TableFormatSpec
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    Deduplication,
    DeduplicationBounds,
    PartitionMap,
    SegmentCleanup,
    TopicSpec,
    Transform,
)
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest, SpuNumber
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.replication import (
    DescribeReplicasRequest,
    DrainSpuRequest,
    ElectLeaderRequest,
    MovePartitionRequest,
    RebalanceTopicsRequest,
)
from fluvio_protocol.sc_public.update import AddPartition, UpdateRequest
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.declaration import DeclarationRefused, DeclaredObject

REASON = "the objects of this cluster are those of orders.yaml"


def topic(partitions: int = 1, **fields: Any) -> TopicSpec:
    return TopicSpec(replicas=ComputedReplicas(partitions=partitions), **fields)


def declared(name: str, spec: Spec, kind: Kind = Kind.TOPIC) -> DeclaredObject:
    return DeclaredObject(kind, name, spec)


@pytest.mark.asyncio
async def test_what_is_declared_is_there_and_served(make_cluster: Any) -> None:
    table = declared("people", TableFormatSpec(name="people"), Kind.TABLE_FORMAT)
    cluster = await make_cluster(1, declared=(declared("orders", topic(2)), table))
    await cluster.until(
        lambda: all(
            (found := cluster.get(Kind.PARTITION, f"orders-{number}")) is not None
            and found.status.resolution.name == "ONLINE"
            for number in (0, 1)
        )
    )
    assert {"orders-0", "orders-1"} <= cluster.spus[0].replicas.keys()
    assert cluster.get(Kind.TABLE_FORMAT, "people") is not None


@pytest.mark.asyncio
async def test_an_spu_has_the_name_that_the_file_gives_it(make_cluster: Any, spu_spec: Any) -> None:
    spec = CustomSpuSpec.from_spu(spu_spec(5001, rack="a"))
    cluster = await make_cluster(0, declared=(declared("spu1", spec, Kind.CUSTOM_SPU),))
    found = cluster.get(Kind.SPU, "spu1")
    assert (found.spec.id, found.spec.rack) == (5001, "a")
    assert [one.name for one in cluster.runtime.desired[-1]] == ["spu1"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "request_",
    [
        CreateRequest(name="other-topic", spec=topic()),
        CreateRequest(name="other-topic", spec=topic(), dry_run=True),
        CreateRequest(name="people", spec=TableFormatSpec(name="people")),
        DeleteRequest(kind=Kind.TOPIC, key="orders", force=True),
        DeleteRequest(kind=Kind.CUSTOM_SPU, key=SpuNumber(id=5001)),
        UpdateRequest(kind=Kind.TOPIC, key="orders", action=AddPartition(count=1)),
        MovePartitionRequest(key=ReplicaKey("orders", PartitionId(0)), target=(SpuId(5001),)),
        ElectLeaderRequest(key=ReplicaKey("orders", PartitionId(0))),
        DrainSpuRequest(spu=SpuId(5001)),
        DrainSpuRequest(spu=SpuId(5001), dry_run=True),
        RebalanceTopicsRequest(topics=()),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_whatever_would_change_something_is_refused(
    make_cluster: Any, request_: Message
) -> None:
    cluster = await make_cluster(
        1, declared=(declared("orders", topic()),), read_only_reason=REASON
    )
    before = {key: one.spec for key, one in cluster.store.objects.items()}
    client = await cluster.client()
    answer = await client.request(request_)
    assert answer.error_code.error is ErrorCode.PERMISSION_DENIED
    assert answer.error_message == f"permission denied: {REASON}"
    assert {key: one.spec for key, one in cluster.store.objects.items()} == before


@pytest.mark.asyncio
async def test_reading_is_not_refused(make_cluster: Any) -> None:
    cluster = await make_cluster(
        1, declared=(declared("orders", topic()),), read_only_reason=REASON
    )
    client = await cluster.client()
    (found,) = (await client.request(ListRequest(kind=Kind.TOPIC))).objects
    assert found.name == "orders"
    key = ReplicaKey("orders", PartitionId(0))
    assert not (await client.request(DescribeReplicasRequest(keys=(key,)))).error_code


@pytest.mark.asyncio
async def test_a_restart_keeps_partitions_and_follows_the_file(make_cluster: Any) -> None:
    cluster = await make_cluster(
        1,
        declared=(declared("orders", topic()), declared("former", topic())),
        read_only_reason=REASON,
    )
    before = {name: cluster.get(Kind.PARTITION, name).uid for name in ("orders-0", "former-0")}
    await cluster.stop()
    week = SegmentCleanup(time_in_seconds=604_800)
    cluster.settings["declared"] = (declared("orders", topic(2, cleanup_policy=week)),)
    await cluster.start()
    await cluster.until(lambda: cluster.get(Kind.PARTITION, "orders-1") is not None)
    after = {name: cluster.get(Kind.PARTITION, name).uid for name in ("orders-0", "former-0")}
    assert after == before, "what the file names no more stays, with its records"
    assert cluster.get(Kind.PARTITION, "orders-0").spec.cleanup_policy == week


@pytest.mark.asyncio
async def test_nothing_is_written_for_a_file_that_says_the_same(make_cluster: Any) -> None:
    cluster = await make_cluster(0, declared=(declared("orders", topic()),))
    await cluster.stop()
    before = cluster.store.objects[cluster.get(Kind.TOPIC, "orders").key]
    await cluster.start()
    assert cluster.store.objects[before.key].generation == before.generation


MODULE = Deduplication(bounds=DeduplicationBounds(count=10), filter=Transform(uses="nosuch"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ((), (declared("Orders", topic()),), "Topic Orders: Invalid topic name"),
        ((), (declared("orders", topic(0)),), "Topic orders: partition must be greater than 0"),
        (
            (declared("orders", topic(3)),),
            (declared("orders", topic(2)),),
            "Topic orders: it has 3 partitions: they can be added, never taken away",
        ),
        (
            (declared("orders", topic()),),
            (
                declared(
                    "orders",
                    TopicSpec(
                        replicas=AssignedReplicas(
                            maps=(PartitionMap(id=PartitionId(0), replicas=(SpuId(5001),)),)
                        )
                    ),
                ),
            ),
            "Topic orders: replicas cannot switch",
        ),
        (
            (declared("orders", topic()),),
            (declared("orders", topic(cleanup_policy=SegmentCleanup(time_in_seconds=1))),),
            "Topic orders: retention_secs 1 is less than minimum",
        ),
        ((), (declared("orders", topic(deduplication=MODULE)),), "'nosuch' is not loaded"),
    ],
)
async def test_a_file_that_cannot_be_had_is_refused_at_the_start(
    first: tuple[DeclaredObject, ...],
    second: tuple[DeclaredObject, ...],
    complaint: str,
    make_cluster: Any,
) -> None:
    cluster = await make_cluster(0, declared=first)
    await cluster.stop()
    cluster.settings["declared"] = second
    with pytest.raises(DeclarationRefused) as raised:
        await cluster.start()
    assert complaint in str(raised.value)


@pytest.mark.asyncio
async def test_every_problem_is_named(make_cluster: Any, spu_spec: Any) -> None:
    spec = CustomSpuSpec.from_spu(spu_spec(5001))
    cluster = await make_cluster(0, declared=(declared("one", spec, Kind.CUSTOM_SPU),))
    await cluster.stop()
    cluster.settings["declared"] = (
        declared("one", replace(spec, id=SpuId(5002)), Kind.CUSTOM_SPU),
        declared("two", spec, Kind.CUSTOM_SPU),
    )
    with pytest.raises(DeclarationRefused) as raised:
        await cluster.start()
    assert str(raised.value).splitlines() == [
        "CustomSpu one: its id was 5001 and cannot become 5002: give the SPU another name",
        "CustomSpu two: spu id 5001 already defined",
    ]
