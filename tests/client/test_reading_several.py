"""One consumer, many partitions: of several topics, moved, paused, measured, bounded."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from fluvio_client import Fluvio, Offset, Record, connect
from fluvio_client.consumer.merge import Merge, PartitionState
from fluvio_client.consumer.selection import select
from fluvio_client.consumer.stream import Slice
from fluvio_client.errors import ConsumerError, TopicNotFound
from fluvio_protocol.record.batch import BatchBuilder, BatchHeader
from fluvio_protocol.record.compression import BatchCompression
from fluvio_protocol.types import PartitionId, ReplicaKey


def test_every_way_to_say_what_to_read() -> None:
    assert select("a") == {"a": None}
    assert select("a", 3) == {"a": (3,)}
    assert select(["a", "b"], [2, 1, 2]) == {"a": (1, 2), "b": (1, 2)}
    assert select({"a": [1, 0], "b": None, "c": 5}) == {"a": (0, 1), "b": None, "c": (5,)}
    for topics, partitions in (([], None), ({"a": [1]}, 0), ("a", []), ({"a": []}, None)):
        with pytest.raises(ValueError, match=r"partition|topic"):
            select(topics, partitions)


async def topic_with(client: Fluvio, *, partitions: int = 1, count: int = 0) -> str:
    """A new topic with numbered records in every partition."""
    name = f"several-{uuid4()}"
    await client.admin.topics.create(name, partitions=partitions)
    if count:
        async with client.producer(name, batch_size_bytes=400) as producer:
            for partition in range(partitions):
                for number in range(count):
                    await producer.send(b"%d" % number, partition=partition)
    return name


def by_place(records: list[Record]) -> Counter[tuple[str, int]]:
    return Counter((record.topic, record.partition) for record in records)


class ReadyStream:
    """A stream that has its next batch, of one record, as soon as the one before it is taken."""

    def __init__(self, merge: Merge, partition: int) -> None:
        self.key = ReplicaKey("t", PartitionId(partition))
        self._merge = merge
        self._next = 0
        merge.partitions[self.key] = PartitionState(self.key, 0)
        merge.partitions[self.key].stream = self  # type: ignore[assignment]

    def count(self, header: BatchHeader, record_count: int) -> None:
        assert record_count == 1

    def taken(self) -> None:
        builder = BatchBuilder(1)
        builder.append(None, b"value", 1)
        first, self._next = self._next, self._next + 1
        stream: Any = self
        records = builder.build(BatchCompression.NONE, base_offset=first)
        self._merge.deliver(Slice(stream, records, first, None, self._next))


def test_partitions_that_have_records_take_turns() -> None:
    merge = Merge()
    for stream in [ReadyStream(merge, partition) for partition in range(4)]:
        stream.taken()
    turns = []
    for _ in range(40):
        taken = merge.take()
        assert taken is not None
        turns.append(taken[0].key.partition)
    assert turns == [0, 1, 2, 3] * 10


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_several_topics(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        a = await topic_with(client, partitions=3, count=30)
        b = await topic_with(client, partitions=2, count=30)
        both = {"start": "beginning", "follow": False}
        async with client.consumer([a, b], **both) as consumer:
            found = [record async for record in consumer]
            assert by_place(found) == {(t, p): 30 for t, n in ((a, 3), (b, 2)) for p in range(n)}
            assert consumer.position() == dict.fromkeys(by_place(found), 30)
            assert set((await consumer.lag()).values()) == {0}
        assert by_place(await client.consumer({a: [0, 2], b: None}, **both).fetch()) == {
            (a, 0): 30, (a, 2): 30, (b, 0): 30, (b, 1): 30,
        }  # fmt: skip
        with pytest.raises(TopicNotFound, match="nosuch"):
            await client.consumer([a, "nosuch"]).start()


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_no_partition_waits_for_another_to_be_empty(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        topics = [await topic_with(client, partitions=2, count=3000) for _ in range(2)]
        async with client.consumer(topics, start=0, follow=False, max_bytes=1000) as consumer:
            begun: list[Record] = []
            while len(by_place(begun)) < 4:  # of SPUs that are busy one may begin later
                begun.append(await anext(consumer))
            records = [await anext(consumer) for _ in range(4000)]
        counts = by_place(records)
        assert len(counts) == 4
        # 1000 would be fair; on a busy machine one SPU may be slower than the other.
        assert min(counts.values()) >= 30


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_partitions_that_join_later_in_the_topics_that_are_read_whole(
    local_cluster: Any,
) -> None:
    async with connect(address=local_cluster.public_address) as client:
        whole, part = await topic_with(client), await topic_with(client)
        async with (
            client.consumer({whole: None, part: [0]}) as consumer,
            client.producer(whole) as to_whole,
            client.producer(part) as to_part,
        ):
            for topic in (whole, part):
                await client.admin.topics.add_partitions(topic, 1)
            metadata = client._session.metadata
            async with asyncio.timeout(30):
                while any(len(metadata.online_partitions(one)) < 2 for one in (whole, part)):
                    await metadata.wait_change(metadata.generation, 1)
                await to_part.send_and_wait(b"not read", partition=1)
                await to_whole.send_and_wait(b"joined", partition=1)
                await to_part.send_and_wait(b"read", partition=0)
                found = {(await anext(consumer)).text for _ in range(2)}
        assert found == {"joined", "read"}


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_seek(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        topic = await topic_with(client, partitions=2, count=100)
        async with client.consumer(topic, start="beginning", max_bytes=1000) as consumer:
            first = [await anext(consumer) for _ in range(120)]
            await consumer.seek(95, partition=0)
            await consumer.seek(Offset.from_end(2), topic=topic, partition=1)
            assert consumer.position() == {(topic, 0): 95, (topic, 1): 98}
            assert await consumer.lag() == {(topic, 0): 5, (topic, 1): 2}
            async with asyncio.timeout(30):
                found = [await anext(consumer) for _ in range(7)]
            assert sorted((one.partition, one.offset) for one in found) == [
                (0, 95), (0, 96), (0, 97), (0, 98), (0, 99), (1, 98), (1, 99),
            ]  # fmt: skip
            assert len(first) == 120
            await consumer.seek("beginning")
            async with asyncio.timeout(30):
                again = [await anext(consumer) for _ in range(200)]
            assert by_place(again) == {(topic, 0): 100, (topic, 1): 100}
            with pytest.raises(ConsumerError, match=f"does not read {topic}-7"):
                await consumer.seek(0, partition=7)
        async with client.consumer(topic, start=90, follow=False) as consumer:
            assert len([record async for record in consumer]) == 20
            await consumer.seek(99)
            assert [record.offset async for record in consumer] == [99, 99], "it ended, and goes on"


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_pause_and_resume(local_cluster: Any) -> None:
    """In the middle of a batch: nothing is lost, nothing comes twice, the others go on."""
    async with connect(address=local_cluster.public_address) as client:
        topic = await topic_with(client, partitions=2, count=100)
        async with client.consumer(topic, start=0, follow=False, max_bytes=1000) as consumer:
            found = [await anext(consumer) for _ in range(5)]
            busy = found[-1].partition
            consumer.pause(partition=busy)
            assert consumer.paused() == [(topic, busy)]
            other = [await anext(consumer) for _ in range(100)]
            assert {record.partition for record in other} == {1 - busy}
            assert await consumer.next_batch(timeout_s=0.05) == []
            position = consumer.position()[topic, busy]
            for _ in range(50):  # what is held does not pile up
                consumer.resume()
                consumer.pause()
            consumer.resume()
            rest = [record async for record in consumer]
            assert [record.offset for record in rest] == list(range(position, 100))
        offsets = [(one.partition, one.offset) for one in [*found, *other, *rest]]
        assert sorted(offsets) == [(p, o) for p in range(2) for o in range(100)]


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_bounds_of_a_reading(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        topic = await topic_with(client, count=100)
        places: dict[str, Any] = {"start": 0, "max_records": 7}
        async with client.consumer(topic, **places) as consumer:
            assert [record.offset async for record in consumer] == list(range(7))
        async with client.consumer(topic, **places) as consumer:
            assert sum([len(batch) async for batch in consumer.batches()]) == 7
        for until, expected in (("end", 100), (Offset.from_end(90), 10), (4, 4), ("beginning", 0)):
            async with client.consumer(topic, start=0, until=Offset.of(until)) as consumer:
                assert len([record async for record in consumer]) == expected, until
        async with client.consumer(topic, start=0, follow=False) as consumer:
            one_by_one = [(await anext(consumer)).offset for _ in range(3)]
            rest = [offset async for batch in consumer.batches() for offset, *_ in batch.tuples]
            assert one_by_one + rest == list(range(100)), "by batches from where it was"
