"""kill -9 of the SPU while files come and go: rolls, retention, topics made and deleted.

Afterwards everything acknowledged is there without a gap, and what was deleted has left nothing.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fluvio_client import connect
from fluvio_protocol.errors import ErrorCode, FluvioError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]

SEGMENT_SIZES = (1024, 4096, 65_536)
KILLS = 6
CONSUMER_OFFSETS = "consumer-offset-0"
NAMES_KEPT = {".identity", ".lock", ".removed", CONSUMER_OFFSETS}


class Writer:
    """Produces numbered records to one topic, over whichever SPU process there is."""

    def __init__(self, topic: str, open_door: Callable[[], Any]) -> None:
        self.topic = topic
        self.acknowledged: dict[int, bytes] = {}
        self._open_door = open_door
        self._more = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled."""
        numbers = itertools.count()
        while True:
            try:
                async with self._open_door() as door:
                    await self._write(door, numbers)
            except FluvioError:
                await asyncio.sleep(0.01)

    async def _write(self, door: Any, numbers: "itertools.count[int]") -> None:
        while True:
            values = [b"%d " % number + b"x" * 90 for number in itertools.islice(numbers, 3)]
            answer = await door.produce(self.topic, values)
            if answer.error_code.error is not ErrorCode.NONE:
                await asyncio.sleep(0.01)
                continue
            async with self._more:
                self.acknowledged.update(enumerate(values, answer.base_offset))
                self._more.notify_all()

    async def wait_for_more(self, count: int) -> None:
        """Until so many more records were acknowledged."""
        wanted = len(self.acknowledged) + count
        async with self._more:
            await self._more.wait_for(lambda: len(self.acknowledged) >= wanted)


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again; whoever calls bounds the time."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.02)


async def until_equal(look: Callable[[], set[str]], wanted: set[str]) -> None:
    """Like `until`; when time is up, both sides of the difference are told."""
    try:
        await until(lambda: look() == wanted)
    except asyncio.CancelledError:
        found = look()
        print(f"missing: {sorted(wanted - found)}, too many: {sorted(found - wanted)}")
        raise


async def while_running(
    works: list[Callable[[], Coroutine[Any, Any, None]]], scenario: Callable[[], Awaitable[None]]
) -> None:
    """Run the scenario next to endless work, which ends with it."""
    async with asyncio.TaskGroup() as tasks:
        endless = [tasks.create_task(work()) for work in works]
        await scenario()
        for task in endless:
            task.cancel()


def test_during_segment_rolls(
    cluster_factory: Any, open_spu: Any, kill_nine: Any, no_gap: Any
) -> None:
    cluster = cluster_factory()
    writers = [Writer(f"rolls-{size}", lambda: open_spu(cluster)) for size in SEGMENT_SIZES]

    async def scenario() -> None:
        for kill in range(KILLS):
            for writer in writers:
                await writer.wait_for_more(60)
            await asyncio.sleep(0.003 * kill)
            kill_nine(cluster, "fluvio_spu")
        for writer in writers:
            await writer.wait_for_more(30)

    async def everything() -> None:
        async with connect(address=cluster.public_address) as client:
            for size in SEGMENT_SIZES:
                await client.admin.topics.create(f"rolls-{size}", segment_size=size)
        await while_running([writer.run for writer in writers], scenario)
        async with open_spu(cluster) as door:
            for writer in writers:
                records = await door.read_all(writer.topic)
                no_gap(records)
                assert records[0][0] == 0
                stored = dict(records)
                lost = {o for o, v in writer.acknowledged.items() if stored.get(o) != v}
                assert not lost
                print(f"{writer.topic}: {len(writer.acknowledged)} acknowledged")

    asyncio.run(everything())
    segments = list((cluster.data_dir / "spu-logs-5001" / "rolls-1024-0").glob("*.log"))
    assert len(segments) > 20
    cluster.delete()


def test_during_retention(cluster_factory: Any, open_spu: Any, kill_nine: Any, no_gap: Any) -> None:
    """Segments go by size, as fast as they come; what is left is one run up to the end."""
    cluster = cluster_factory()
    writer = Writer("short", lambda: open_spu(cluster))
    starts: list[int] = []

    async def scenario() -> None:
        for _ in range(KILLS):
            await writer.wait_for_more(100)
            await wait_for_new_start()
            kill_nine(cluster, "fluvio_spu")
        await writer.wait_for_more(30)

    async def wait_for_new_start() -> None:
        async with open_spu(cluster) as door:
            while True:
                start = await door.start_offset(writer.topic)
                if start > max(starts, default=0):
                    break
                await asyncio.sleep(0.02)
            starts.append(start)

    async def everything() -> None:
        async with connect(address=cluster.public_address) as client:
            await client.admin.topics.create("short", segment_size=4096, max_partition_size=20_000)
        await while_running([writer.run], scenario)
        async with open_spu(cluster) as door:
            start = await door.start_offset(writer.topic)
            assert start >= starts[-1]
            records = await door.read_all(writer.topic, start=start)
            no_gap(records)
            assert records[0][0] == start
            stored = dict(records)
            kept = {o: v for o, v in writer.acknowledged.items() if o >= start}
            assert kept
            assert all(stored[offset] == value for offset, value in kept.items())

    asyncio.run(everything())
    folder = cluster.data_dir / "spu-logs-5001" / "short-0"
    cluster.shut_down()
    cluster.resume()

    async def settled() -> None:
        async with open_spu(cluster) as door:
            await door.read_all(writer.topic, start=await door.start_offset(writer.topic))

    asyncio.run(settled())
    assert not list(folder.glob("*.deleted"))
    cluster.delete()


def test_while_topics_come_and_go(
    cluster_factory: Any, open_spu: Any, kill_nine: Any, no_gap: Any
) -> None:
    cluster = cluster_factory()
    replica_dir: Path = cluster.data_dir / "spu-logs-5001"
    stay = Writer("stays", lambda: open_spu(cluster))
    created: list[str] = []
    enough = asyncio.Event()

    async def change_topics() -> None:
        """Stops between two topics: cut off in a create, nobody knew whether one still follows."""
        async with connect(address=cluster.public_address) as client:
            while not enough.is_set():
                name = f"t-{len(created)}"
                try:
                    await client.admin.topics.create(name, partitions=4)
                    async with client.producer(name) as producer:
                        for partition in range(4):
                            await producer.send_and_wait("gone with it", partition=partition)
                except FluvioError:
                    pass  # the SPU was away; the topic exists all the same
                created.append(name)
                if len(created) % 2 == 0:
                    await client.admin.topics.delete(name)

    async def scenario() -> None:
        for kill in range(KILLS):
            await stay.wait_for_more(60)
            await asyncio.sleep(0.007 * kill)
            kill_nine(cluster, "fluvio_spu")
        await stay.wait_for_more(30)

    async def everything() -> None:
        async with connect(address=cluster.public_address) as client:
            await client.admin.topics.create("stays")
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(stay.run())
            changing = tasks.create_task(change_topics())
            await scenario()
            enough.set()
            await changing
            writing.cancel()
        async with asyncio.timeout(30), connect(address=cluster.public_address) as client:
            kept = created[::2]
            topics = {topic.name for topic in await client.admin.topics.list()}
            assert topics == {"stays", *kept}
            wanted = {f"{name}-{p}" for name in kept for p in range(4)}
            wanted |= {"stays-0", *NAMES_KEPT}
            await until_equal(lambda: {path.name for path in replica_dir.iterdir()}, wanted)
            await until_equal(
                lambda: {path.name for path in (replica_dir / ".removed").iterdir()}, set()
            )
            for name in kept:
                async with client.producer(name) as producer:
                    await producer.send_and_wait("still works")
        async with open_spu(cluster) as door:
            records = await door.read_all("stays")
            no_gap(records)
            stored = dict(records)
            assert all(stored[offset] == value for offset, value in stay.acknowledged.items())
        print(f"{len(created)} created, {len(records)} records")

    asyncio.run(everything())
    cluster.delete()
