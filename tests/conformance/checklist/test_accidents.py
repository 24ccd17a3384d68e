"""A producer and a consumer of several partitions while everything happens to the cluster; then
what only a cluster of one's own may suffer: lines 8, 53, 54 and 67 of the checklist.

The network is a cable: all connections of the client run through a proxy in this process, which
can stop forwarding. Nothing is lost in it and nobody is told, as when a switch is off for a while;
afterwards bytes go on where they were. Cutting it for good resets all connections.
"""

import asyncio
import json
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
import pytest_asyncio

from fluvio_client import Fluvio, FluvioError, Record, RecordMetadata, RetryPolicy, connect
from fluvio_client.errors import DeliveryFailed
from fluvio_client.metadata import Address
from fluvio_client.session import Session

pytestmark = pytest.mark.cluster

CUT_S = 20.0
PACE_S = 0.005
"""Between two rounds of the producer, so that the machine has time for the rest."""


@pytest.fixture(scope="module")
def cluster(cluster_factory: Callable[..., Any]) -> Iterator[Any]:
    """Two SPUs; every test leaves them running."""
    found = cluster_factory(spu_count=2)
    yield found
    found.delete()


def kill(cluster: Any, module: str, *, count: int = 1) -> None:
    """kill -9 so many processes of this module of this cluster."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if module in command and any(str(cluster.data_dir) in one for one in command):
            found.append(process)
    assert len(found) >= count, f"too few {module} of {cluster.data_dir} run"
    for process in found[:count]:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(found[:count], timeout=20)


class Cable:
    """What lies between a client and all its servers."""

    def __init__(self) -> None:
        self._whole = asyncio.Event()
        self._whole.set()
        self._ports: dict[Address, int] = {}
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[Any]] = set()

    async def end_of(self, address: Address) -> Address:
        """Where to connect to in order to reach `address` through the cable."""
        if address not in self._ports:

            async def plugged(reader: Any, writer: Any) -> None:
                await self._carry(address, reader, writer)

            server = await asyncio.start_server(plugged, "127.0.0.1", 0)
            self._servers.append(server)
            self._ports[address] = server.sockets[0].getsockname()[1]
        return Address("127.0.0.1", self._ports[address])

    async def _carry(self, address: Address, reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self._writers.add(writer)
        try:
            await self._whole.wait()
            there, back = await asyncio.open_connection(address.host, address.port)
            self._writers.add(back)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, back))
                directions.create_task(self._pump(there, writer))
            self._writers.discard(back)
        except* OSError:
            pass  # nobody listens there, or one end is gone: the other one hears of it
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._handlers.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()

    def cut(self) -> None:
        """From now on nothing comes through, and nothing says so."""
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def reset(self) -> None:
        """Every connection ends at both sides."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        self.mend()
        self.reset()
        await asyncio.gather(*tuple(self._handlers), return_exceptions=True)


@pytest_asyncio.fixture
async def cable(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cable]:
    """Every client of this test dials through it."""
    found = Cable()
    dial = Session._dial

    async def through(session: Session, address: Address) -> Any:
        return await dial(session, await found.end_of(address))

    monkeypatch.setattr(Session, "_dial", through)
    yield found
    await found.close()


@dataclass
class Journal:
    """What was acknowledged and what was read, by partition and offset."""

    acknowledged: dict[RecordMetadata, bytes] = field(default_factory=dict)
    read: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def counts(self) -> tuple[Counter[int], Counter[int]]:
        """Records by partition: acknowledged, and read."""
        return (
            Counter(place.partition for place in self.acknowledged),
            Counter({partition: len(records) for partition, records in self.read.items()}),
        )

    async def progress(self, partitions: int, *, more: int = 100) -> None:
        """Until in each partition so many more were acknowledged, and so many more read."""
        acknowledged, read = self.counts()

        def enough() -> bool:
            acknowledged_now, read_now = self.counts()
            return all(
                acknowledged_now[one] >= acknowledged[one] + more
                and read_now[one] >= read[one] + more
                for one in range(partitions)
            )

        async with asyncio.timeout(60), self.news:
            await self.news.wait_for(enough)


@asynccontextmanager
async def traffic(client: Fluvio, topic: str) -> AsyncIterator[Journal]:
    """Records are produced and consumed meanwhile; in the end all that was acknowledged is read."""
    journal = Journal()
    stopping = asyncio.Event()

    async def told() -> None:
        async with journal.news:
            journal.news.notify_all()

    async def produce() -> None:
        number = 0
        async with client.producer(topic) as producer:
            while not stopping.is_set():
                sent = []
                for _ in range(10):
                    value = b"%d" % number
                    sent.append((await producer.send(value), value))
                    number += 1
                for delivery, value in sent:
                    place = await delivery
                    assert place not in journal.acknowledged, "a place was given twice"
                    journal.acknowledged[place] = value
                await told()
                await asyncio.sleep(PACE_S)

    async def consume() -> None:
        async with client.consumer(topic, start="beginning") as consumer:
            async for record in consumer:
                mine = journal.read[record.partition]
                assert record.offset == len(mine), "a gap, or a repetition"
                mine.append(record)
                await told()

    def all_read() -> bool:
        return all(len(journal.read[p.partition]) > p.offset for p in journal.acknowledged)

    async with asyncio.TaskGroup() as tasks:
        producing = tasks.create_task(produce())
        consuming = tasks.create_task(consume())
        yield journal
        stopping.set()
        await producing
        async with asyncio.timeout(30), journal.news:
            await journal.news.wait_for(all_read)
        consuming.cancel()


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_nothing_acknowledged_is_missing_whatever_happens(cluster: Any, cable: Cable) -> None:
    async with connect(address=cluster.public_address) as client, AsyncExitStack() as stack:
        await client.admin.topics.create("traffic", partitions=4)
        leaders = {one.spec.leader for one in await client.admin.partitions.list(match="traffic-*")}
        assert len(leaders) == 2, "each SPU has a part in it"
        async with client.producer("traffic") as producer:
            for partition in range(4):  # so that no place in one is the same in another
                for _ in range(700 * partition):
                    await producer.send(b"-1", partition=partition)
        journal = await stack.enter_async_context(traffic(client, "traffic"))
        await journal.progress(4)

        await asyncio.to_thread(kill, cluster, "fluvio_spu")
        await journal.progress(4)

        await asyncio.to_thread(kill, cluster, "fluvio_local")
        await journal.progress(4)
        await asyncio.to_thread(cluster.resume)
        await journal.progress(4)

        await client.admin.topics.add_partitions("traffic", 1)
        await journal.progress(5)

        cable.cut()
        before = len(journal.acknowledged)
        await asyncio.sleep(CUT_S)
        during = len(journal.acknowledged)
        assert during <= before + 10, "what was under way on this side, and nothing else"
        cable.mend()
        await journal.progress(5)

        cable.cut()
        cable.reset()
        cable.mend()
        await journal.progress(5)

        await stack.aclose()
        fetched = await client.consumer("traffic").fetch("beginning")

    stored = {RecordMetadata(one.partition, one.offset): one.value for one in fetched}
    assert {place: stored.get(place) for place in journal.acknowledged} == journal.acknowledged
    consumed = {
        RecordMetadata(partition, one.offset): one.value
        for partition, records in journal.read.items()
        for one in records
    }
    assert consumed == stored
    for partition in range(5):
        mine = sorted(
            (place.offset, int(value))
            for place, value in journal.acknowledged.items()
            if place.partition == partition
        )
        assert [number for _, number in mine] == sorted(number for _, number in mine)


@pytest.mark.asyncio
async def test_many_large_records_and_then_no_spu(cluster: Any) -> None:
    """Nobody starts an SPU again that is killed after its controller was. Those who may not try
    for long give up, and go on later or leave it to those who try for ever."""
    async with connect(address=cluster.public_address) as client, AsyncExitStack() as stack:
        await client.admin.topics.create("large")
        retry = RetryPolicy.fixed(0.1, total_s=1)
        readers = [
            await stack.enter_async_context(
                client.consumer("large", partitions=0, start="beginning", retry=one)
            )
            for one in (
                RetryPolicy.fixed(0.01, retries_max=0),
                RetryPolicy.fixed(0.01, retries_max=3),
                RetryPolicy.fixed(0.05),
            )
        ]
        async with client.producer("large", retry=retry, linger_s=0.01) as producer:
            sent = await producer.send_all([b"x" * 5000] * 1000)
            await producer.flush()
            assert [one.result().offset for one in sent] == list(range(1000))
            for reader in readers:
                for number in range(1000):
                    assert (await anext(reader)).offset == number
            await asyncio.to_thread(kill, cluster, "fluvio_local")
            await asyncio.to_thread(kill, cluster, "fluvio_spu", count=2)
            await producer.send(b"nobody takes this")
            with pytest.raises(DeliveryFailed, match="large-0"):
                async with asyncio.timeout(30):
                    await producer.flush()
            for reader, attempts in zip(readers[:2], (0, 3), strict=True):
                with pytest.raises(FluvioError) as raised:
                    async with asyncio.timeout(30):
                        await anext(reader)
                assert raised.value.retriable
                assert reader.stats().streams_resumed == attempts
                with pytest.raises(StopAsyncIteration):
                    await anext(reader)
            await asyncio.to_thread(cluster.resume)
            async with asyncio.timeout(30):
                while True:
                    try:
                        metadata = await producer.send_and_wait(b"afterwards")
                        break
                    except DeliveryFailed:
                        continue
            assert metadata.offset == 1000, "a failure is the failure of its records only"
            async with asyncio.timeout(30):
                assert (await anext(readers[2])).offset == 1000


def offset_topics(cluster: Any) -> list[str]:
    listed = json.loads(cluster.fluvio("topic", "list", "--system", "-O", "json").stdout)
    return [one["name"] for one in listed]


def test_the_topic_of_consumer_offsets_can_be_forced_away(cluster: Any) -> None:
    assert offset_topics(cluster) == ["consumer-offset"]
    refused = cluster.fluvio("topic", "delete", "consumer-offset", check=False)
    assert refused.returncode == 1
    assert re.match("system topic 'consumer-offset' can only be deleted", refused.stderr)
    assert offset_topics(cluster) == ["consumer-offset"]
    forced = cluster.fluvio("topic", "delete", "--system", "--force", "consumer-offset")
    assert forced.stdout == 'system topic "consumer-offset" deleted\n'
