"""Does one benchmark, on the public client API, in this process.

Every producer and every consumer has a connection of its own; all share this process's event
loop, so that many of them measure the client as much as the cluster. Nothing here prints: whoever
wants to know how it goes looks at the `Progress` that it handed over.

Bounds: a sample ends after the worker timeout; a producer holds its queue's batches, a consumer the
client's usual buffers. A topic that was made here is deleted here, also after a failure.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fluvio_cli.benchmark.latencies import Latencies
from fluvio_cli.benchmark.results import Result, Sample
from fluvio_cli.benchmark.settings import STAMP_BYTES, Keys, Mode, Settings
from fluvio_cli.failure import Failure

if TYPE_CHECKING:
    from fluvio_client import BatchOutcome, Consumer, Fluvio, Producer, Record

Connect = Callable[[], "Fluvio"]
"""A client that is not entered yet."""

DELETE_TIMEOUT_S: Final = 60.0
"""Deleting many gigabytes takes the disk a while; figures are not lost when it takes longer."""
POOL_BYTES: Final = 64 * 1024
SHARED_KEY: Final = b"shared-key"
RANDOM_KEY_BYTES: Final = 8


class Progress:
    """What the running sample did so far.

    number:      of the sample; 0 before the first
    left_behind: what could not be cleared away at the end
    """

    def __init__(self) -> None:
        self.number = 0
        self.left_behind: str | None = None
        self._begin()

    def _begin(self) -> None:
        self.records = 0
        self.size_bytes = 0
        self.latencies = Latencies()
        self._began_s = time.perf_counter()
        self._ended_s: float | None = None

    def start(self) -> None:
        """A sample begins."""
        self.number += 1
        self._begin()

    def end(self) -> None:
        """It is over."""
        self._ended_s = time.perf_counter()

    def add(self, records: int, size_bytes: int) -> None:
        """So much more was stored, or read."""
        self.records += records
        self.size_bytes += size_bytes

    def so_far(self) -> Sample:
        """The sample until now, or until its end."""
        now_s = time.perf_counter() if self._ended_s is None else self._ended_s
        elapsed_s = max(now_s - self._began_s, 1e-9)
        return Sample(self.records, self.size_bytes, elapsed_s, self.latencies.summary())


class Load:
    """Values and keys of records: printable, different from each other, the same in every run."""

    def __init__(self, settings: Settings) -> None:
        self._size_bytes = settings.record_size_bytes
        self._keys = settings.record_key_allocation_strategy
        alphabet = bytes(range(48, 112)) * 4
        chance = random.Random(0)
        self._pool = chance.randbytes(POOL_BYTES + self._size_bytes).translate(alphabet)

    def value(self, number: int) -> bytes:
        """Of a record by its number."""
        start = number * 61 % POOL_BYTES
        return self._pool[start : start + self._size_bytes]

    def keys(self, producer: int) -> Iterator[bytes | None]:
        """Of one producer's records, without end."""
        key = None
        match self._keys:
            case Keys.NO_KEY:
                key = None
            case Keys.ALL_SHARE_SAME_KEY:
                key = SHARED_KEY
            case Keys.PRODUCER_WORKER_UNIQUE_KEY:
                key = f"producer-{producer}".encode()
            case Keys.RANDOM_KEY:
                chance = random.Random(producer)
                while True:
                    yield chance.randbytes(RANDOM_KEY_BYTES)
        while True:
            yield key


async def run(connect: Connect, settings: Settings, progress: Progress) -> tuple[Result, str]:
    """All samples of a benchmark, and the version of the cluster.

    Raises: Failure when a sample takes too long; what the client raises.
    """
    everything = Latencies()
    samples: list[Sample] = []
    async with connect() as client, _topic(client, settings, progress) as topic:
        work = _work(settings)
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connect())
                for _ in range(settings.num_producers + settings.num_consumers)
            ]
            for number in range(1, settings.num_samples + 1):
                if number > 1:
                    await asyncio.sleep(settings.time_between_samples_s)
                await _limited(work, clients, topic, settings, progress, number)
                samples.append(progress.so_far())
                everything.add_all(progress.latencies)
    total = Sample(
        sum(sample.records for sample in samples),
        sum(sample.size_bytes for sample in samples),
        sum(sample.elapsed_s for sample in samples),
        everything.summary(),
    )
    shown = {**settings.shown(), "topic-name": topic}
    return Result(settings.mode.value, shown, samples, total), client.platform_version


Work = Callable[[Sequence["Fluvio"], str, Settings, Progress], Awaitable[None]]
"""Does one sample; starts, fills and ends the Progress."""


def _work(settings: Settings) -> Work:
    match settings.mode:
        case Mode.PRODUCER:
            return _produce
        case Mode.CONSUMER:
            return _consume
        case Mode.LATENCY:
            return _end_to_end


async def _limited(
    work: Work,
    clients: Sequence["Fluvio"],
    topic: str,
    settings: Settings,
    progress: Progress,
    number: int,
) -> None:
    try:
        async with asyncio.timeout(settings.worker_timeout_s) as limit:
            await work(clients, topic, settings, progress)
    except TimeoutError:
        if not limit.expired():
            raise
        raise Failure(
            f"sample {number} is not over after {settings.worker_timeout_s:g} s: "
            f"{progress.records} records are done"
        ) from None


@asynccontextmanager
async def _topic(client: "Fluvio", settings: Settings, progress: Progress) -> AsyncIterator[str]:
    """The topic's name; one that was not there before is made, and deleted afterwards."""
    from fluvio_client import FluvioError

    name = settings.topic_name or f"benchmark-{secrets.token_hex(4)}"
    is_there = settings.topic_name and await client.admin.topics.find(name) is not None
    if not is_there:
        await client.admin.topics.create(
            name,
            settings.partitions,
            settings.replicas,
            ignore_rack_assignment=settings.ignore_rack,
        )
    try:
        yield name
    finally:
        if not is_there and not settings.keep_topic:
            try:
                async with asyncio.timeout(DELETE_TIMEOUT_S):
                    await client.admin.topics.delete(name)
            except TimeoutError:
                progress.left_behind = f"topic {name} is not deleted after {DELETE_TIMEOUT_S:g} s"
            except FluvioError as error:
                progress.left_behind = f"topic {name} is not deleted: {error}"


# ---- producers ----


def _producer(
    client: "Fluvio",
    topic: str,
    settings: Settings,
    on_batch: "Callable[[BatchOutcome], None] | None" = None,
) -> "Producer":
    return client.producer(
        topic,
        batch_size_bytes=settings.batch_size_bytes,
        batch_queue_count_max=settings.queue_size,
        max_request_size_bytes=settings.max_request_size_bytes,
        linger_s=settings.linger_s,
        timeout_ms=round(settings.server_timeout_s * 1000),
        compression=settings.compression,
        isolation=settings.isolation,
        on_batch=on_batch,
    )


def shares(count: int, workers: int) -> list[int]:
    """How many each of them does; they differ by one at most."""
    each, rest = divmod(count, workers)
    return [each + (number < rest) for number in range(workers)]


async def _produce(
    clients: Sequence["Fluvio"],
    topic: str,
    settings: Settings,
    progress: Progress,
    *,
    counts: bool = True,
) -> None:
    """Until all records are stored. Without `counts` the Progress learns nothing of it."""

    def stored(outcome: "BatchOutcome") -> None:
        if outcome.error is None:
            progress.latencies.add(outcome.elapsed_s, outcome.record_count)
            progress.add(outcome.record_count, outcome.record_count * settings.record_size_bytes)

    load = Load(settings)

    async def send(producer: "Producer", number: int, count: int) -> None:
        keys = load.keys(number)
        for index in range(count):
            await producer.send(load.value(index), key=next(keys))
        await producer.flush()

    async with AsyncExitStack() as stack:
        producers = [
            await stack.enter_async_context(
                _producer(client, topic, settings, stored if counts else None)
            )
            for client in clients[: settings.num_producers]
        ]
        if counts:
            progress.start()
        parts = shares(settings.num_records, settings.num_producers)
        await _all([send(one, number, parts[number]) for number, one in enumerate(producers)])
        if counts:
            progress.end()


async def _all(works: "Sequence[Awaitable[Any]]") -> None:
    """Side by side; the first failure ends them all, and is raised itself."""

    async def done(work: Awaitable[Any]) -> None:
        await work

    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(done(work))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


# ---- consumers ----


def _consumer(
    client: "Fluvio", topic: str, settings: Settings, *, start: str, max_records: int
) -> "Consumer[Record]":
    return client.consumer(
        topic,
        start=start,
        max_records=max_records,
        max_bytes=settings.max_bytes,
        isolation=settings.isolation,
    )


async def _consume(
    clients: Sequence["Fluvio"], topic: str, settings: Settings, progress: Progress
) -> None:
    """Until every consumer has all records; they are sent before the first sample."""
    if progress.number == 0:
        await _produce(clients, topic, settings, progress, counts=False)

    async def read(consumer: "Consumer[Record]") -> None:
        asked_s = time.perf_counter()
        async for batch in consumer.batches():
            now_s = time.perf_counter()
            progress.latencies.add(now_s - asked_s)
            progress.add(len(batch), sum(len(found[3]) for found in batch.tuples))
            asked_s = now_s

    async with AsyncExitStack() as stack:
        progress.start()
        consumers = [
            await stack.enter_async_context(
                _consumer(
                    client, topic, settings, start="beginning", max_records=settings.num_records
                )
            )
            for client in clients[settings.num_producers :]
        ]
        await _all([read(consumer) for consumer in consumers])
        progress.end()


# ---- end to end ----


async def _end_to_end(
    clients: Sequence["Fluvio"], topic: str, settings: Settings, progress: Progress
) -> None:
    """Records are due at fixed times and carry them; latency counts from there.

    A cluster that stops for a while so gets the blame for all records that waited meanwhile.
    """
    load = Load(settings)
    step_ns = round(1e9 / settings.rate)

    async def send(producer: "Producer", number: int, count: int, began_ns: int) -> None:
        keys = load.keys(number)
        for index in range(count):
            place = index * settings.num_producers + number
            due_ns = began_ns + place * step_ns
            wait_ns = due_ns - time.perf_counter_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            stamp = due_ns.to_bytes(STAMP_BYTES, "big")
            await producer.send(stamp + load.value(place)[STAMP_BYTES:], key=next(keys))
        await producer.flush()

    async def read(consumer: "Consumer[Record]") -> None:
        async for batch in consumer.batches():
            now_ns = time.perf_counter_ns()
            for _offset, _timestamp, _key, value in batch.tuples:
                due_ns = int.from_bytes(value[:STAMP_BYTES], "big")
                progress.latencies.add((now_ns - due_ns) / 1e9)
            progress.add(len(batch), sum(len(found[3]) for found in batch.tuples))

    reader = clients[settings.num_producers]
    async with AsyncExitStack() as stack:
        consumer = await stack.enter_async_context(
            _consumer(reader, topic, settings, start="end", max_records=settings.num_records)
        )
        producers = [
            await stack.enter_async_context(_producer(client, topic, settings))
            for client in clients[: settings.num_producers]
        ]
        progress.start()
        parts = shares(settings.num_records, settings.num_producers)
        began_ns = time.perf_counter_ns()
        await _all(
            [read(consumer)]
            + [send(one, number, parts[number], began_ns) for number, one in enumerate(producers)]
        )
        progress.end()
