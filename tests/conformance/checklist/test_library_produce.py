"""Producing with the library: lines 24, 47 to 52, 55, 56, 59 and 60 of the checklist."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fluvio_cli.smartmodules import ready_made
from fluvio_client import (
    BatchCompression,
    BatchOutcome,
    Fluvio,
    Isolation,
    ProducerConfig,
    RecordMetadata,
    RetryPolicy,
    Transform,
    connect,
)
from fluvio_client import sync as blocking
from fluvio_client.errors import RecordTooLarge, TopicNotFound
from fluvio_protocol.record import Record, encode_batch

pytestmark = pytest.mark.cluster

NewName = Callable[[], str]


def client_of(cluster: Any) -> Fluvio:
    return connect(address=cluster.public_address)


async def values_of(client: Fluvio, topic: str) -> list[bytes]:
    return [record.value for record in await client.consumer(topic).fetch("beginning")]


def size_of_batch(value: bytes) -> int:
    """Bytes of a batch with this record in it, header included."""
    return len(encode_batch([Record(value=value)], first_timestamp=0))


@pytest.mark.asyncio
async def test_sizes_around_the_batch_and_the_request(
    local_cluster: Any, new_name: NewName
) -> None:
    topic, batch_size, request_size = new_name(), 15_000, 30_000
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        sizes = range(batch_size - 80, batch_size + 20)
        async with client.producer(
            topic, batch_size_bytes=batch_size, max_request_size_bytes=request_size
        ) as producer:
            for size in sizes:
                await producer.send(b"x" * size)
            largest = request_size - 1000
            await producer.send_and_wait(b"y" * largest)
            for size in (request_size, 2 * request_size):
                with pytest.raises(RecordTooLarge, match="exceeded maximum request size"):
                    await producer.send(b"z" * size)
            await producer.send_and_wait(b"afterwards")
        found = [len(value) for value in await values_of(client, topic)]
        assert found == [*sizes, largest, len(b"afterwards")]


@pytest.mark.asyncio
async def test_metadata_is_where_records_are_read(local_cluster: Any, new_name: NewName) -> None:
    topic = new_name()
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic, partitions=2)
        sent: dict[RecordMetadata, tuple[bytes | None, bytes]] = {}
        async with client.producer(topic) as producer:
            for number in range(20):
                value = b"single %d" % number
                sent[await producer.send_and_wait(value)] = (None, value)
            pairs = [(b"key %d" % number, b"many %d" % number) for number in range(20)]
            deliveries = await producer.send_all(pairs)
            await producer.flush()
            for delivery, pair in zip(deliveries, pairs, strict=True):
                sent[await delivery] = pair
                assert await delivery == delivery.result(), "it may be asked as often as one likes"
        read = await client.consumer(topic).fetch("beginning")
    assert {RecordMetadata(one.partition, one.offset): (one.key, one.value) for one in read} == sent


def test_metadata_is_where_records_are_read_without_asyncio(
    local_cluster: Any, new_name: NewName
) -> None:
    topic = new_name()
    with blocking.connect(address=local_cluster.public_address) as client:
        client.admin.topics.create(topic)
        with client.producer(topic) as producer:
            single = producer.send_and_wait(b"single")
            many = producer.send_all({"a": b"1", "b": b"2"})
            producer.flush()
            places = [single, *(one.metadata() for one in many)]
        read = client.consumer(topic).fetch("beginning")
    assert [place.offset for place in places] == [record.offset for record in read] == [0, 1, 2]
    assert [record.key_text for record in read] == [None, "a", "b"]


@pytest.mark.asyncio
async def test_every_setting_of_a_producer(local_cluster: Any, new_name: NewName) -> None:
    topic = new_name()
    seen: list[Any] = []
    settings: dict[str, Any] = {
        "batch_size_bytes": 30_000,
        "max_request_size_bytes": 2_000_000,
        "batch_queue_count_max": 10,
        "linger_s": 0.1,
        "compression": BatchCompression.GZIP,
        "isolation": Isolation.READ_COMMITTED,
        "timeout_ms": 1_600,
        "transforms": (Transform(code=ready_made.wasm("case"), params={"to": "upper"}),),
        "retry": RetryPolicy.fixed(0.1, retries_max=3),
        "on_delivery": lambda error, metadata: seen.append(metadata),
        "on_batch": seen.append,
    }
    assert set(settings) == set(ProducerConfig.__dataclass_fields__)
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        async with client.producer(topic, **settings) as producer:
            await producer.send(b"value", key=b"key")
        assert await values_of(client, topic) == [b"VALUE"]
    assert RecordMetadata(0, 0) in seen
    assert [one.record_count for one in seen if isinstance(one, BatchOutcome)] == [1]


@pytest.mark.asyncio
async def test_a_missing_topic_is_named(local_cluster: Any, new_name: NewName) -> None:
    missing = new_name()
    async with client_of(local_cluster) as client:
        with pytest.raises(TopicNotFound, match=f"Topic not found: {missing}"):
            await client.producer(missing).start()


@pytest.mark.asyncio
async def test_bytes_and_text_come_back(local_cluster: Any, new_name: NewName) -> None:
    topic = new_name()
    pairs: list[tuple[Any, Any]] = [
        (b"\x00\xff", bytes(range(256))), ("Schlüssel", "größer, 日本語"), (None, ""), ("", b""),
    ]  # fmt: skip
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        async with client.producer(topic) as producer:
            await producer.send_all(pairs)
        read = await client.consumer(topic).fetch("beginning")
    assert [record.key for record in read] == [b"\x00\xff", "Schlüssel".encode(), None, b""]
    assert read[0].value == bytes(range(256))
    assert (read[1].key_text, read[1].text, read[2].text) == ("Schlüssel", "größer, 日本語", "")
    assert all(record.timestamp >= -1 for record in read)


@pytest.mark.asyncio
async def test_linger(local_cluster: Any, new_name: NewName) -> None:
    """Nothing waits; everything waits until it is flushed; a full batch waits for nobody."""
    topic, hour_s = new_name(), 3600.0
    value = b"x" * 1000
    full = size_of_batch(value)
    async with client_of(local_cluster) as client, asyncio.timeout(60):
        await client.admin.topics.create(topic)
        async with client.producer(topic, linger_s=0) as producer:
            assert (await (await producer.send(value))).offset == 0
        async with client.producer(topic, linger_s=hour_s) as producer:
            delivery = await producer.send(value)
            assert len(await values_of(client, topic)) == 1
            assert not delivery.done
            await producer.flush()
            assert delivery.result().offset == 1
        async with client.producer(topic, linger_s=hour_s, batch_size_bytes=full) as producer:
            assert (await (await producer.send(value))).offset == 2
        async with client.producer(topic, linger_s=hour_s, batch_size_bytes=full + 1) as producer:
            delivery = await producer.send(value)
            assert len(await values_of(client, topic)) == 3
            assert not delivery.done
        assert delivery.result().offset == 3, "closing is flushing"


@pytest.mark.asyncio
async def test_a_hundred_and_fifty_producers(local_cluster: Any, new_name: NewName) -> None:
    topic, rounds = new_name(), 150
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        for number in range(rounds):
            async with client.producer(topic, linger_s=(0, 600)[number % 2]) as producer:
                await producer.send(b"%d a" % number)
                await producer.send(b"%d b" % number)
        expected = [b"%d %c" % (number, one) for number in range(rounds) for one in b"ab"]
        assert await values_of(client, topic) == expected


@pytest.mark.asyncio
async def test_records_go_to_the_spus_that_lead(local_cluster: Any, new_name: NewName) -> None:
    topic = new_name()
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic, partitions=4)
        listed = await client.admin.partitions.list(match=f"{topic}-*")
        leaders = {one.name: one.spec.leader for one in listed}
        assert len(set(leaders.values())) == local_cluster.spu_count
        async with client.producer(topic) as producer:
            for partition in range(4):
                for number in range(partition + 1):
                    await producer.send(b"%d %d" % (partition, number), partition=partition)
        for partition in range(4):
            found = await client.consumer(topic, partitions=partition).fetch("beginning")
            assert [record.value for record in found] == [
                b"%d %d" % (partition, number) for number in range(partition + 1)
            ]
    for name, leader in leaders.items():
        (folder,) = local_cluster.data_dir.rglob(name)
        assert folder.parent.name == f"spu-logs-{leader}"


def test_five_threads_take_turns_evenly(local_cluster: Any, new_name: NewName) -> None:
    topic, thread_count, each = new_name(), 5, 400
    places: list[int] = []
    with blocking.connect(address=local_cluster.public_address) as client:
        client.admin.topics.create(topic, partitions=4)
        with client.producer(topic) as producer:

            def send() -> None:
                deliveries = [producer.send(b"x") for _ in range(each)]
                places.extend(one.metadata().partition for one in deliveries)

            threads = [threading.Thread(target=send) for _ in range(thread_count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        stored = Counter(one.partition for one in client.consumer(topic).fetch("beginning"))
    assert Counter(places) == stored == Counter(dict.fromkeys(range(4), 500))


@pytest.mark.asyncio
async def test_what_a_producer_tells_of_itself(local_cluster: Any, new_name: NewName) -> None:
    topic, count, size = new_name(), 500, 1000
    outcomes: list[BatchOutcome] = []
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        begun = time.monotonic()
        async with client.producer(topic, on_batch=outcomes.append) as producer:
            for _ in range(count):
                await producer.send(b"x" * size)
            await producer.flush()
            stats = producer.stats()
        async with client.producer(topic, linger_s=600) as waiting:
            for _ in range(10):
                await waiting.send(b"x" * size)
            held_bytes = waiting.stats().bytes_held
            await waiting.flush()
            assert waiting.stats().bytes_held == 0
        took_s = time.monotonic() - begun
    assert (stats.records_sent, stats.records_failed) == (count, 0)
    assert count * size < stats.bytes_sent < count * size * 1.05
    assert 10 * size < held_bytes < 10 * size * 1.1
    assert stats.bytes_held == 0
    assert stats.batches_sent == len(outcomes)
    assert sum(one.record_count for one in outcomes) == count
    assert sum(one.size_bytes for one in outcomes) == stats.bytes_sent
    assert all(0 <= one.elapsed_s <= took_s + 0.01 for one in outcomes)


@pytest.mark.asyncio
async def test_at_most_once(local_cluster: Any, new_name: NewName) -> None:
    topic = new_name()
    values = [b"%d" % number for number in range(500)]
    async with client_of(local_cluster) as client:
        await client.admin.topics.create(topic)
        async with client.producer(topic, retry=None) as producer:
            await producer.send_all(values)
        assert await values_of(client, topic) == values
