"""What the official client writes, ours reads, and the reverse: every codec, every isolation,
every way to choose a partition.

The binding cannot send a record without key: its plain strings carry an empty one, which is a key
like others. So records without key go one way, from ours to it.
"""

import asyncio
import itertools
import uuid
from typing import Any

import pytest
from fluvio import Compression, Isolation, Offset, TopicProducerConfigBuilder

from fluvio_client import Fluvio, connect

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]

PARTITIONS = 3
COUNT = 30
SPECIFIC = 2
CODECS = {
    "none": Compression.None_,
    "gzip": Compression.Gzip,
    "snappy": Compression.Snappy,
    "lz4": Compression.Lz4,
    "zstd": Compression.Zstd,
}
ISOLATIONS = {
    "read_committed": Isolation.ReadCommitted,
    "read_uncommitted": Isolation.ReadUncommitted,
}
KEYS = [b"1", b"2", b"3", b"4", b"8", b"", b"a", b"hello", b"\x00\xff", b"x" * 40]

Pair = tuple[bytes | None, bytes]
Found = dict[tuple[int, int], Pair]
"""Key and value of every record, by partition and offset."""


def pairs(*, keys: bool) -> list[Pair]:
    return [
        (KEYS[number % len(KEYS)] if keys else None, b"record %d " % number * 30)
        for number in range(COUNT)
    ]


async def new_topic(client: Fluvio) -> str:
    name = f"both-{uuid.uuid4()}"
    await client.admin.topics.create(name, partitions=PARTITIONS)
    return name


def official_producer(
    official: Any, topic: str, codec: str, isolation: str, partition: int | None = None
) -> Any:
    builder = TopicProducerConfigBuilder().compression(CODECS[codec])
    builder = builder.isolation(ISOLATIONS[isolation])
    if partition is not None:
        builder = builder.set_specific_partitioner(partition)
    return official.topic_producer_with_config(topic, builder.build())


def official_writes(producer: Any, sent: list[Pair]) -> Found:
    outputs = [producer.send(key, value) for key, value in sent]
    producer.flush()
    places = [output.wait() for output in outputs]
    return {
        (place.partition_id(), place.offset()): pair
        for place, pair in zip(places, sent, strict=True)
    }


def key_of(record: Any) -> bytes | None:
    """The binding shows a sentence where there is no key."""
    key = bytes(record.key())
    return None if key == b"No key" else key


def official_reads(official: Any, topic: str, written: Found) -> Found:
    """Every partition from its beginning, as many records as were written to it."""
    found: Found = {}
    for partition in range(PARTITIONS):
        count = sum(1 for where, _ in written if where == partition)
        stream = official.partition_consumer(topic, partition).stream(Offset.beginning())
        for record in itertools.islice(stream, count):
            found[partition, record.offset()] = (key_of(record), bytes(record.value()))
    return found


async def ours_writes(
    client: Fluvio,
    topic: str,
    sent: list[Pair],
    codec: str,
    isolation: str,
    partition: int | None = None,
) -> Found:
    async with client.producer(topic, compression=codec, isolation=isolation) as producer:
        deliveries = [
            await producer.send(value, key=key, partition=partition) for key, value in sent
        ]
        await producer.flush()
        places = [await one for one in deliveries]
    return {(place.partition, place.offset): pair for place, pair in zip(places, sent, strict=True)}


async def ours_reads(client: Fluvio, topic: str, isolation: str) -> Found:
    records = await client.consumer(topic, isolation=isolation).fetch("beginning")
    return {(one.partition, one.offset): (one.key, one.value) for one in records}


def partitions_of_keys(written: Found) -> dict[bytes | None, set[int]]:
    return {
        key: {where for (where, _), (other, _) in written.items() if other == key}
        for key, _ in written.values()
    }


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("codec", CODECS)
async def test_keys(local_cluster: Any, client: Any, codec: str, isolation: str) -> None:
    """Both write to one topic, and agree where every key belongs."""
    sent = pairs(keys=True)
    async with connect(address=local_cluster.public_address) as ours:
        topic = await new_topic(ours)
        producer = official_producer(client, topic, codec, isolation)
        written = await asyncio.to_thread(official_writes, producer, sent)
        assert len(written) == COUNT
        for one in ISOLATIONS:
            assert await ours_reads(ours, topic, one) == written
        by_ours = await ours_writes(ours, topic, sent, codec, isolation)
        assert partitions_of_keys(by_ours) == partitions_of_keys(written)
        assert not by_ours.keys() & written.keys()
        written |= by_ours
        assert await asyncio.to_thread(official_reads, client, topic, written) == written
        assert await ours_reads(ours, topic, isolation) == written
        assert {len(where) for where in partitions_of_keys(written).values()} == {1}
        await ours.admin.topics.delete(topic)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("codec", CODECS)
async def test_no_keys(local_cluster: Any, client: Any, codec: str, isolation: str) -> None:
    sent = pairs(keys=False)
    async with connect(address=local_cluster.public_address) as ours:
        topic = await new_topic(ours)
        written = await ours_writes(ours, topic, sent, codec, isolation)
        taking_turns = {(n % PARTITIONS, n // PARTITIONS): pair for n, pair in enumerate(sent)}
        assert written == taking_turns
        assert await asyncio.to_thread(official_reads, client, topic, written) == written
        await ours.admin.topics.delete(topic)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("codec", CODECS)
async def test_one_partition(local_cluster: Any, client: Any, codec: str, isolation: str) -> None:
    """Keys or not, everything is where it was told to go."""
    sent = pairs(keys=True)
    async with connect(address=local_cluster.public_address) as ours:
        topic = await new_topic(ours)
        producer = official_producer(client, topic, codec, isolation, SPECIFIC)
        written = await asyncio.to_thread(official_writes, producer, sent)
        assert list(written) == [(SPECIFIC, number) for number in range(COUNT)]
        assert await ours_reads(ours, topic, isolation) == written
        by_ours = await ours_writes(ours, topic, sent, codec, isolation, SPECIFIC)
        assert list(by_ours) == [(SPECIFIC, COUNT + number) for number in range(COUNT)]
        written |= by_ours
        assert await asyncio.to_thread(official_reads, client, topic, written) == written
        await ours.admin.topics.delete(topic)
