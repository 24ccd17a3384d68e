"""What the client believes after each frame of its watches."""

import asyncio

import pytest

from fluvio_client.metadata import Address, MetadataCache
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
)
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
)
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    PartitionMap,
    TopicResolution,
    TopicSpec,
    TopicStatus,
)
from fluvio_protocol.sc_public.watch import Change, ChangeType, WatchResponse
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId

ORDERS_0 = ReplicaKey("my-orders", PartitionId(0))


def topic(name: str = "my-orders", partitions: int = 2, **status: object) -> Metadata:
    return Metadata(
        name,
        TopicSpec(replicas=ComputedReplicas(partitions=partitions)),
        TopicStatus(**status),  # type: ignore[arg-type]
    )


def partition(number: int, *, leader: int = 1, online: bool = True) -> Metadata:
    resolution = PartitionResolution.ONLINE if online else PartitionResolution.OFFLINE
    return Metadata(
        f"my-orders-{number}",
        PartitionSpec(leader=SpuId(leader), replicas=(SpuId(leader),)),
        PartitionStatus(resolution=resolution),
    )


def spu(number: int, *, host: str | None = "h", local: Endpoint | None = None) -> Metadata:
    ingress = (IngressAddress(hostname=host),) if host else ()
    return Metadata(
        f"custom-spu-{number}",
        SpuSpec(
            id=SpuId(number),
            public_endpoint=IngressPort(port=9000 + number, ingress=ingress),
            private_endpoint=Endpoint(port=1, host="h"),
            public_endpoint_local=local,
        ),
        SpuStatus(resolution=SpuStatusResolution.ONLINE),
    )


def snapshot(kind: Kind, *objects: Metadata) -> WatchResponse:
    return WatchResponse(kind=kind, epoch=1, all=objects)


def change(kind: Kind, found: Metadata, *, gone: bool = False) -> WatchResponse:
    change_type = ChangeType.DELETE if gone else ChangeType.UPDATE
    return WatchResponse(
        kind=kind, epoch=2, changes=(Change(change_type=change_type, object=found),)
    )


@pytest.fixture
def cache() -> MetadataCache:
    cache = MetadataCache()
    cache.apply(snapshot(Kind.SPU, spu(1), spu(2)), first=True)
    cache.apply(snapshot(Kind.PARTITION, partition(0), partition(1, leader=2)), first=True)
    cache.apply(snapshot(Kind.TOPIC, topic()), first=True)
    return cache


def test_it_is_synchronized_after_the_first_frame_of_each_watch() -> None:
    cache = MetadataCache()
    for kind in (Kind.SPU, Kind.PARTITION, Kind.TOPIC):
        assert not cache.synchronized
        cache.apply(snapshot(kind), first=True)
    assert cache.synchronized


def test_a_route_leads_to_the_leader(cache: MetadataCache) -> None:
    route = cache.route(ReplicaKey("my-orders", PartitionId(1)))
    assert route is not None
    assert (route.leader, route.address) == (2, Address("h", 9002))
    assert cache.route(ReplicaKey("my-orders", PartitionId(9))) is None


def test_a_new_leader_changes_the_route(cache: MetadataCache) -> None:
    before = cache.route(ORDERS_0)
    cache.apply(change(Kind.PARTITION, partition(0, leader=2)), first=False)
    after = cache.route(ORDERS_0)
    assert after is not None
    assert after != before
    assert after.leader == 2


def test_a_later_snapshot_replaces_and_an_empty_frame_says_nothing(cache: MetadataCache) -> None:
    cache.apply(WatchResponse(kind=Kind.TOPIC, epoch=3), first=False)
    assert cache.topic("my-orders") is not None
    cache.apply(snapshot(Kind.TOPIC, topic("other")), first=False)
    assert cache.topic_names() == ["other"]


def test_the_first_frame_after_a_reconnect_replaces_even_when_empty(cache: MetadataCache) -> None:
    cache.apply(snapshot(Kind.TOPIC), first=True)
    assert cache.topic_names() == []


def test_deletions(cache: MetadataCache) -> None:
    cache.apply(change(Kind.PARTITION, partition(0), gone=True), first=False)
    assert cache.partition_ids("my-orders") == [1]
    cache.apply(change(Kind.TOPIC, topic(), gone=True), first=False)
    assert cache.topic("my-orders") is None
    cache.apply(change(Kind.SPU, spu(2), gone=True), first=False)
    assert cache.spu_address(SpuId(2)) is None


def test_a_topic_is_ready_when_all_its_partitions_exist(cache: MetadataCache) -> None:
    assert cache.topic_ready("my-orders")
    cache.apply(change(Kind.TOPIC, topic(partitions=3)), first=False)
    assert not cache.topic_ready("my-orders")
    cache.apply(change(Kind.PARTITION, partition(2)), first=False)
    assert cache.topic_ready("my-orders")


def test_partitions_of_an_assigned_topic_are_counted() -> None:
    cache = MetadataCache()
    rows = tuple(PartitionMap(id=PartitionId(n), replicas=(SpuId(1),)) for n in range(3))
    assigned = Metadata("t", TopicSpec(replicas=AssignedReplicas(maps=rows)), TopicStatus())
    cache.apply(snapshot(Kind.TOPIC, assigned), first=True)
    assert cache.partition_count("t") == 3
    assert cache.partition_count("nosuch") == 0


def test_hopeless_topics_say_why(cache: MetadataCache) -> None:
    assert cache.topic_hopeless("my-orders") is None
    cache.apply(
        change(
            Kind.TOPIC,
            topic(resolution=TopicResolution.INSUFFICIENT_RESOURCES, reason="needs 5 SPUs"),
        ),
        first=False,
    )
    assert cache.topic_hopeless("my-orders") == "insufficient resources: needs 5 SPUs"


def test_only_online_partitions_are_available(cache: MetadataCache) -> None:
    cache.apply(change(Kind.PARTITION, partition(0, online=False)), first=False)
    assert cache.online_partitions("my-orders") == (1,)


def test_addresses() -> None:
    local = Endpoint(port=7, host="inside")
    for use_local, expected in ((False, Address("h", 9001)), (True, Address("inside", 7))):
        cache = MetadataCache(use_spu_local_address=use_local)
        cache.apply(snapshot(Kind.SPU, spu(1, local=local), spu(2, host=None)), first=True)
        assert cache.spu_address(SpuId(1)) == expected
        assert cache.spu_address(SpuId(2)) is None


def test_objects_with_impossible_names_are_left_out(cache: MetadataCache) -> None:
    strange = Metadata("nonumber", partition(0).spec, partition(0).status)
    cache.apply(change(Kind.PARTITION, strange), first=False)
    assert cache.partition_ids("my-orders") == [0, 1]


@pytest.mark.asyncio
async def test_waiting_ends_with_the_change_or_the_timeout(cache: MetadataCache) -> None:
    before = cache.generation
    assert await cache.wait_change(before, 0.01) is False
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(cache.wait_until(lambda: cache.topic("new") is not None, 10))
        await asyncio.sleep(0)
        cache.apply(change(Kind.PARTITION, partition(0)), first=False)
        await asyncio.sleep(0)
        assert not waiting.done()
        cache.apply(change(Kind.TOPIC, topic("new")), first=False)
        assert await waiting is True
    assert await cache.wait_change(before, 0) is True
