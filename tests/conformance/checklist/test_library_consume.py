"""Consuming with the library: lines 61 to 66, 68, 70, 70a and 72 of the checklist."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from fluvio_client import Fluvio, Offset, Record, TopicPartition, connect
from fluvio_client.consumer.stream import PartitionStream
from fluvio_client.errors import OffsetManagementDisabled

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]

LETTERS = [bytes([code]) for code in b"abcdefghijklmnopqrstuvwxyz"]
NewName = Callable[[], str]


def client_of(cluster: Any) -> Fluvio:
    return connect(address=cluster.public_address)


async def topic_with(client: Fluvio, name: str, values: list[bytes], *, partitions: int = 1) -> str:
    """A topic with the same records in each partition."""
    await client.admin.topics.create(name, partitions=partitions)
    await extend(client, name, values, partitions=partitions)
    return name


async def extend(client: Fluvio, topic: str, values: list[bytes], *, partitions: int = 1) -> None:
    async with client.producer(topic) as producer:
        for partition in range(partitions):
            for value in values:
                await producer.send(value, partition=partition)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (Offset.beginning(), LETTERS),
        (Offset.from_beginning(1), LETTERS[1:]),
        (Offset.from_end(1), LETTERS[25:]),
        (Offset.absolute(13), LETTERS[13:]),
    ],
    ids=["beginning", "beginning+1", "end-1", "13"],
)
async def test_places_in_a_known_topic(
    local_cluster: Any, new_name: NewName, start: Offset, expected: list[bytes]
) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic = await topic_with(client, new_name(), LETTERS)
        async with client.consumer(topic, start=start) as consumer:
            records = [await anext(consumer) for _ in expected]
        assert [record.value for record in records] == expected
        assert records[0].offset == 26 - len(expected)
        async with client.consumer(topic, start=start, follow=False) as consumer:
            assert [record.value async for record in consumer] == expected, "and then it stops"


async def test_two_records_were_consumed(local_cluster: Any, new_name: NewName) -> None:
    """By hand or by itself: the offset of the second is stored, and the third comes next, although
    the consumer is told to start at the beginning."""
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic = await topic_with(client, new_name(), LETTERS)
        for commit in ("manual", "auto"):
            me = f"{topic}-{commit}"
            options: dict[str, Any] = {"start": "beginning", "consumer_id": me, "commit": commit}
            async with client.consumer(topic, **options) as consumer:
                assert [(await anext(consumer)).value for _ in range(2)] == [b"a", b"b"]
                if commit == "manual":
                    await consumer.commit()
                    await consumer.flush()
                else:
                    assert (await anext(consumer)).value == b"c", "which says that b was consumed"
            (stored,) = await client.admin.consumers.list(me)
            assert stored.offset == 1
            async with (
                client_of(local_cluster) as another,
                another.consumer(topic, **options) as consumer,
            ):
                assert (await anext(consumer)).value == b"c"


async def test_several_partitions_of_several_topics(local_cluster: Any, new_name: NewName) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        first = await topic_with(client, new_name(), LETTERS, partitions=2)
        second = await topic_with(client, new_name(), LETTERS[:5], partitions=3)
        options: dict[str, Any] = {"start": "beginning", "follow": False}
        found: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        async with client.consumer({first: None, second: [0, 2]}, **options) as consumer:
            async for record in consumer:
                found[record.topic, record.partition].append(record.value)
        assert found == {
            (first, 0): LETTERS, (first, 1): LETTERS,
            (second, 0): LETTERS[:5], (second, 2): LETTERS[:5],
        }  # fmt: skip


READERS = {
    "records": "async for record in consumer: print(record.text, flush=True)",
    "batches": """
            async for batch in consumer.batches():
                for record in batch: print(record.text, flush=True)""",
    "next_batch": """
            while True:
                for record in await consumer.next_batch(timeout_s=60):
                    print(record.text, flush=True)""",
}
ASYNCHRONOUS = """
import asyncio, sys
from fluvio_client import connect

async def main():
    async with connect(address=sys.argv[1]) as client:
        async with client.consumer(sys.argv[2], start="beginning") as consumer:
            {reader}

asyncio.run(main())
"""
BLOCKING = """
import sys
from fluvio_client import sync

def main():
    with sync.connect(address=sys.argv[1]) as client:
        with client.consumer(sys.argv[2], start="beginning") as consumer:
            {reader}

main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_process_that_waits(
    local_cluster: Any, new_name: NewName, number: signal.Signals
) -> None:
    """Each way to read, with and without asyncio."""
    async with client_of(local_cluster) as client:
        topic = await topic_with(client, new_name(), LETTERS[:1])
    programs = {}
    for name, reader in READERS.items():
        programs[name, "async"] = ASYNCHRONOUS.format(reader=reader)
        plain = reader.replace("async for", "for").replace("await ", "")
        programs[name, "sync"] = BLOCKING.format(reader=plain)
    await asyncio.to_thread(_end_all, programs, (local_cluster.public_address, topic), number)


def _end_all(
    programs: dict[tuple[str, str], str], arguments: tuple[str, ...], number: signal.Signals
) -> None:
    running = {
        which: subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for which, program in programs.items()
    }
    try:
        for process in running.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "a\n"
        begun = time.monotonic()
        for process in running.values():
            os.kill(process.pid, number)
        for which, process in running.items():
            _, errors = process.communicate(timeout=10)
            assert time.monotonic() - begun < 10, which
            if number is signal.SIGINT:
                assert errors.rstrip().endswith("KeyboardInterrupt"), which
            else:
                assert process.returncode == -signal.SIGTERM, which
    finally:
        for process in running.values():
            process.kill()
            process.communicate()


STARTS = [
    Offset.beginning(), Offset.from_beginning(3), Offset.end(), Offset.from_end(2),
    Offset.absolute(4),
]  # fmt: skip


@pytest.mark.parametrize("partitions", [1, 5])
async def test_offsets_by_hand(local_cluster: Any, new_name: NewName, partitions: int) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(60):
        topic, count = await topic_with(client, new_name(), LETTERS, partitions=partitions), 26
        for start in STARTS:
            me = new_name()
            options: dict[str, Any] = {"start": start, "consumer_id": me, "commit": "manual"}
            async with client.consumer(topic, **options) as consumer:
                begun = consumer.position()
                await extend(client, topic, [b"new"], partitions=partitions)
                count += 1
                for _ in range(sum(count - position for position in begun.values())):
                    await anext(consumer)
                await consumer.commit()
                assert await client.admin.consumers.list(me) == [], "marked, not stored"
                await consumer.flush()
            stored = await client.admin.consumers.list(me)
            assert sorted(one.replica.partition for one in stored) == list(range(partitions))
            assert {one.offset for one in stored} == {count - 1}
            await extend(client, topic, [b"later"], partitions=partitions)
            count += 1
            # An absolute place is where to begin, whatever is stored; others count from there.
            expected = {
                Offset.absolute(4): count - 4, Offset.from_beginning(3): 0, Offset.from_end(2): 3,
            }.get(start, 1)  # fmt: skip
            async with client.consumer(topic, follow=False, **options) as consumer:
                found = [record.offset async for record in consumer]
            assert sorted(found) == sorted([*range(count - expected, count)] * partitions)


@pytest.mark.parametrize("partitions", [1, 5])
@pytest.mark.parametrize("flush_interval_s", [None, 0.05])
async def test_offsets_by_themselves(
    local_cluster: Any, new_name: NewName, partitions: int, flush_interval_s: float | None
) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(60):
        topic = await topic_with(client, new_name(), LETTERS, partitions=partitions)
        me = new_name()
        options: dict[str, Any] = {"start": "beginning", "consumer_id": me, "commit": "auto"}
        if flush_interval_s is not None:
            options["flush_interval_s"] = flush_interval_s
        async with client.consumer(topic, **options) as consumer:
            for _ in range(26 * partitions):
                await anext(consumer)
            assert await consumer.next_batch(timeout_s=0.05) == []
            while flush_interval_s and len(await _stored(client, me)) < partitions:
                assert await consumer.next_batch(timeout_s=0.05) == []
        stored = await _stored(client, me)
        assert stored == dict.fromkeys(range(partitions), 25)
        async with client.consumer(topic, follow=False, **options) as consumer:
            assert [record async for record in consumer] == []


async def _stored(client: Fluvio, consumer_id: str) -> dict[int, int]:
    found = await client.admin.consumers.list(consumer_id)
    return {int(one.replica.partition): int(one.offset) for one in found}


async def test_without_offsets_there_is_nothing_to_store(
    local_cluster: Any, new_name: NewName
) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic, me = await topic_with(client, new_name(), LETTERS), new_name()
        for _ in range(2):
            async with client.consumer(
                topic, start="beginning", follow=False, consumer_id=me, commit="none"
            ) as consumer:
                assert len([record async for record in consumer]) == 26
                with pytest.raises(OffsetManagementDisabled):
                    await consumer.commit()
        assert await _stored(client, me) == {}


async def test_what_is_stored_is_stored_once(
    local_cluster: Any, new_name: NewName, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    store = PartitionStream.store_offset

    async def counted(stream: PartitionStream, offset: int) -> None:
        asked.append(offset)
        await store(stream, offset)

    monkeypatch.setattr(PartitionStream, "store_offset", counted)
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic, me = await topic_with(client, new_name(), LETTERS), new_name()
        options: dict[str, Any] = {"start": "beginning", "consumer_id": me, "commit": "manual"}
        async with client.consumer(topic, **options) as consumer:
            await consumer.commit()
            await consumer.flush()
            assert asked == [], "nothing was read"
            await anext(consumer)
            for _ in range(2):
                await consumer.commit()
                await consumer.flush()
            assert asked == [0], "no repetition"
            for _ in range(3):
                await anext(consumer)
                await consumer.commit()
            await consumer.flush()
            assert asked == [0, 3], "only the last one counts"
        assert await _stored(client, me) == {0: 3}
        async with client.consumer(topic, **options) as consumer:
            await consumer.commit()
        assert await _stored(client, me) == {0: 3}, "one that read nothing takes nothing back"
        assert asked == [0, 3]


@pytest.mark.parametrize("partitions", [1, 3])
async def test_lists_of_what_is_there(
    local_cluster: Any, new_name: NewName, partitions: int
) -> None:
    """They come at once, and count as consumed when the next list is asked for."""
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic = await topic_with(client, new_name(), LETTERS, partitions=partitions)
        me = new_name()
        options: dict[str, Any] = {"start": "beginning", "consumer_id": me, "commit": "auto"}
        async with client.consumer(topic, **options) as consumer:
            found: list[Record] = []
            while len(found) < 26 * partitions:
                found += await consumer.next_batch(timeout_s=3600)
            assert len(found) == 26 * partitions
        stored = await _stored(client, me)
        assert stored.get(found[-1].partition) != 25, "perhaps the last list was not processed"
        async with client.consumer(topic, **options) as consumer:
            left = sum(26 - position for position in consumer.position().values())
            while left:
                left -= len(await consumer.next_batch(timeout_s=3600))
            assert await consumer.next_batch(timeout_s=0.05) == []
        assert await _stored(client, me) == dict.fromkeys(range(partitions), 25)


async def test_deleting_offsets_that_are_not_there(local_cluster: Any, new_name: NewName) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic, me = await topic_with(client, new_name(), LETTERS), new_name()
        await client.admin.consumers.delete(me, topic, 0)
        options: dict[str, Any] = {"start": "beginning", "consumer_id": me, "commit": "auto"}
        async with client.consumer(topic, follow=False, **options) as consumer:
            assert len([record async for record in consumer]) == 26
        assert await _stored(client, me) == {0: 25}
        await client.admin.topics.delete(topic)
        await client.admin.topics.wait_until_gone(topic, timeout=10)
        assert await _stored(client, me) == {}
        await client.admin.consumers.delete(me, topic, 0)


async def test_several_producers_and_consumers_at_once(
    local_cluster: Any, new_name: NewName
) -> None:
    producer_count, consumer_count, each, partitions = 3, 3, 400, 2
    total = producer_count * each
    async with client_of(local_cluster) as client, asyncio.timeout(60):
        topic = await topic_with(client, new_name(), [], partitions=partitions)
        ready = asyncio.Barrier(producer_count + consumer_count)

        async def produce(who: int) -> None:
            async with client.producer(topic, batch_size_bytes=1000) as producer:
                await ready.wait()
                for number in range(each):
                    value = json.dumps([who, number])
                    await producer.send_and_wait(value, partition=number % partitions)

        async def consume() -> list[Record]:
            async with client.consumer(topic, start="beginning") as consumer:
                await ready.wait()
                return [await anext(consumer) for _ in range(total)]

        async with asyncio.TaskGroup() as tasks:
            for who in range(producer_count):
                tasks.create_task(produce(who))
            reading = [tasks.create_task(consume()) for _ in range(consumer_count)]
        for task in reading:
            records = task.result()
            for partition in range(partitions):
                mine = [one for one in records if one.partition == partition]
                assert [one.offset for one in mine] == list(range(total // partitions))
                for who in range(producer_count):
                    numbers = [one.json()[1] for one in mine if one.json()[0] == who]
                    assert numbers == list(range(partition, each, partitions))


async def test_lag_and_position(local_cluster: Any, new_name: NewName) -> None:
    async with client_of(local_cluster) as client, asyncio.timeout(30):
        topic = await topic_with(client, new_name(), LETTERS, partitions=2)
        async with client.consumer(topic, start=Offset.from_beginning(20)) as consumer:
            for _ in range(12):
                await anext(consumer)
            assert await consumer.lag() == {TopicPartition(topic, n): 0 for n in range(2)}
            assert consumer.position() == {TopicPartition(topic, n): 26 for n in range(2)}
