"""What replicas cost: committed latency and throughput, catching up, and who has to take over.

Called by `run.py`, which prints. A local cluster of three SPUs as users start it; topics with one,
two and three replicas, led by the same SPU, whose records are all read committed: an answer means
that every in-sync replica has it. All processes share the machine, so three replicas write three
times on the same processors: what a cluster of several machines does is not measured here.
"""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from client import cluster
from connection import Connection
from processes import LOAD_CORES, pinned
from smart_modules import Figure

from fluvio_client import Fluvio, ProducerConfig, connect
from fluvio_protocol.api.header import encode_request
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fluvio_protocol.types import Isolation, PartitionId

SPUS = (5001, 5002, 5003)
LEADER = SPUS[0]
VERSION = 25
RECORD_BYTES = 512
BATCH_BYTES = 16 << 10
IN_FLIGHT = 8
MANY_IN_FLIGHT = 64
WHOLE_S = 60.0
HEALTHY_BETWEEN = 20
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ReplicationScale:
    """How much is done: records one after another, seconds of load, bytes to catch up."""

    rounds: int
    records: int
    load_s: float
    catch_up_bytes: int
    failovers: int


def measure(directory: Path, scale: ReplicationScale) -> Iterator[Figure]:
    """All lines. Raises RuntimeError when the cluster fails."""
    folder = directory / "replicated"
    with (
        cluster(folder, spu_count=len(SPUS)) as address,
        pinned(LOAD_CORES),
        asyncio.Runner() as runner,
    ):
        yield from runner.run(_costs(address, folder / "data", scale))
        yield from runner.run(_catch_up(address, scale))
        yield from runner.run(_failovers(address, folder / "data", scale))


class _Door(Connection):
    """A connection to the leader, for committed records of one partition."""

    def __init__(self, port: int, topic: str, batch: bytes) -> None:
        super().__init__(port)
        data = PartitionProduceData(partition=PartitionId(0), records=batch)
        request = ProduceRequest(
            isolation=Isolation.READ_COMMITTED,
            timeout_ms=10_000,
            topics=(TopicProduceData(name=topic, partitions=(data,)),),
        )
        self._frame = encode_request(request, version=VERSION, correlation_id=1, client_id="bench")

    def __enter__(self) -> "_Door":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send_batch(self) -> None:
        self.send_frame(self._frame)


def _latencies_us(port: int, topic: str, count: int) -> list[float]:
    """From sending a record to having its answer, one after the other."""
    batch = encode_batch([Record(b"x" * RECORD_BYTES)], first_timestamp=1)
    found = []
    with _Door(port, topic, batch) as door:
        for number in range(count + 20):
            began = time.perf_counter()
            door.send_batch()
            door.receive()
            if number >= 20:
                found.append((time.perf_counter() - began) * 1e6)
    return found


def _load(
    port: int, topic: str, seconds: float, leader: psutil.Process, in_flight: int
) -> tuple[float, float]:
    """(MB/s committed, milliseconds of the leader's processor for each MB)."""
    count = BATCH_BYTES // (RECORD_BYTES + 12)
    batch = encode_batch([Record(b"x" * RECORD_BYTES)] * count, first_timestamp=1)
    with _Door(port, topic, batch) as door:
        for _ in range(in_flight):
            door.send_batch()
        before = leader.cpu_times()
        began = time.perf_counter()
        batches = 0
        while time.perf_counter() - began < seconds:
            door.receive()
            door.send_batch()
            batches += 1
        took_s = time.perf_counter() - began
        after = leader.cpu_times()
        for _ in range(in_flight):
            door.receive()
    megabytes = batches * len(batch) / 1e6
    cpu_s = after.user + after.system - before.user - before.system
    return megabytes / took_s, cpu_s * 1000 / max(megabytes, 1e-6)


Series = dict[tuple[str, str], dict[int, list[float]]]
"""Of each line, its title and unit, the figure of every round by the number of replicas."""


async def _costs(address: str, data: Path, scale: ReplicationScale) -> list[Figure]:
    series: Series = {}

    def note(title: str, unit: str, count: int, value: float) -> None:
        series.setdefault((title, unit), {}).setdefault(count, []).append(value)

    async with connect(address=address) as client:
        port = await _port_of(client, LEADER)
        leader = _process_of(data, LEADER)
        topics = {}
        for count in range(1, len(SPUS) + 1):
            topics[count] = await _topic(client, SPUS[:count])
        for _ in range(scale.rounds):
            for count, name in topics.items():
                found = await asyncio.to_thread(_latencies_us, port, name, scale.records)
                note("committed latency p50", "us", count, _quantile(found, 0.5))
                note("committed latency p99", "us", count, _quantile(found, 0.99))
                for in_flight in (IN_FLIGHT, MANY_IN_FLIGHT):
                    rate, cpu = await asyncio.to_thread(
                        _load, port, name, scale.load_s, leader, in_flight
                    )
                    note(f"committed, {in_flight} in flight", "MB/s", count, rate)
                    note(f"leader's processor, {in_flight} in flight", "ms/MB", count, cpu)
        for name in topics.values():
            await client.admin.topics.delete(name)
    return [
        _figure(f"{title}, {count} replica{'s' * (count > 1)}", unit, values, count)
        for count in range(1, len(SPUS) + 1)
        for (title, unit), values in series.items()
    ]


def _figure(name: str, unit: str, values: dict[int, list[float]], count: int) -> Figure:
    if count == 1:
        return Figure(name, unit, values[1], [])
    return Figure(name, unit, values[count], values[1], "1 replica")


async def _catch_up(address: str, scale: ReplicationScale) -> list[Figure]:
    """A second replica is asked for: until it is in sync with all that the first one has."""
    count = BATCH_BYTES // (RECORD_BYTES + 12)
    batch = encode_batch([Record(b"x" * RECORD_BYTES)] * count, first_timestamp=1)
    rates = []
    async with connect(address=address) as client:
        port = await _port_of(client, LEADER)
        for _ in range(scale.rounds):
            name = await _topic(client, SPUS[:1])
            batches = scale.catch_up_bytes // len(batch)
            await asyncio.to_thread(_fill, port, name, batch, batches)
            began = time.perf_counter()
            await client.admin.replicas.move(f"{name}-0", SPUS[:2])
            await _until_whole(client, name, 2)
            rates.append(batches * len(batch) / 1e6 / (time.perf_counter() - began))
            await client.admin.topics.delete(name)
    return [Figure("catching up, one new replica", "MB/s", rates, [])]


def _fill(port: int, name: str, batch: bytes, batches: int) -> None:
    with _Door(port, name, batch) as door:
        for number in range(batches + IN_FLIGHT):
            if number < batches:
                door.send_batch()
            if number >= IN_FLIGHT:
                door.receive()


async def _failovers(address: str, data: Path, scale: ReplicationScale) -> list[Figure]:
    """The longest time between two committed records while the leader goes."""
    found: dict[str, list[float]] = {"killed": [], "told to stop": []}
    async with connect(address=address) as client:
        name = await _topic(client, SPUS)
        async with _writer(client, name) as times_s:
            for number in range(2 * scale.failovers):
                how = "told to stop" if number % 2 else "killed"
                await _until_whole(client, name, len(SPUS))
                await times_s.more(HEALTHY_BETWEEN)
                (now,) = await client.admin.replicas.describe(f"{name}-0")
                began_s = time.monotonic()
                victim = _process_of(data, now.leader)
                os.kill(victim.pid, signal.SIGTERM if number % 2 else signal.SIGKILL)
                await asyncio.to_thread(victim.wait, 30)
                await times_s.more(HEALTHY_BETWEEN)
                after = [began_s, *(one for one in times_s if one >= began_s)]
                gaps = [b - a for a, b in pairwise(after)]
                found[how].append(max(gaps) * 1000)
    return [
        Figure(f"without a committed record, leader {how}", "ms", times, [])
        for how, times in found.items()
    ]


@asynccontextmanager
async def _writer(client: Fluvio, name: str) -> AsyncIterator["_Times"]:
    """A producer that sends one record after another; when each was acknowledged."""
    times_s = _Times()
    config = ProducerConfig(isolation=Isolation.READ_COMMITTED, timeout_ms=1000)

    async def write() -> None:
        async with client.producer(name, config=config) as producer:
            while True:
                try:
                    delivery = await producer.send(b"x")
                    await producer.flush()
                    await delivery
                except FluvioError:
                    continue
                times_s.note()

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        yield times_s
        writing.cancel()


class _Times(list[float]):
    """When records were acknowledged, on the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def note(self) -> None:
        self.append(time.monotonic())
        self._news.set()

    async def more(self, count: int) -> None:
        """Until so many more were."""
        wanted = len(self) + count
        async with asyncio.timeout(WHOLE_S):
            while len(self) < wanted:
                self._news.clear()
                await self._news.wait()


def _quantile(values: list[float], rank: float) -> float:
    return sorted(values)[min(int(rank * len(values)), len(values) - 1)]


async def _topic(client: Fluvio, spus: tuple[int, ...]) -> str:
    name = f"bench-{uuid.uuid4()}"
    await client.admin.topics.create(name, assignment=[list(spus)])
    await _until_whole(client, name, len(spus))
    return name


async def _until_whole(client: Fluvio, name: str, count: int) -> None:
    async with asyncio.timeout(WHOLE_S):
        while True:
            (found,) = await client.admin.replicas.describe(f"{name}-0")
            if len(found.in_sync) == count == len(found.replicas) and not found.target:
                return
            await asyncio.sleep(0.02)


async def _port_of(client: Fluvio, spu_id: int) -> int:
    spus: list[Any] = await client.admin.spus.list()
    (found,) = [one.spec for one in spus if one.spec.id == spu_id]
    return int(found.public_endpoint.port)


def _process_of(data: Path, spu_id: int) -> psutil.Process:
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "fluvio_spu" in words and str(spu_id) in words and any(str(data) in w for w in words):
            return process
    raise RuntimeError(f"SPU {spu_id} does not run")
