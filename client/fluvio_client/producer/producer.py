"""Sends records to the partitions of one topic.

Made by `Fluvio.producer`; used by one event loop. `send` only appends: it waits when a
partition's queue is full, and for nothing else. A partition with records has one task, its lane,
which sends what has collected, one request at a time, and ends when there is nothing left; so an
idle producer costs nothing, and everything that arrives during a request leaves with the next.

Invariants: records of one partition are stored in the order in which they were sent, also when
they are sent again after a failure; every batch ends completed or failed, never forgotten; a
failure concerns the records of its batches only. A request whose answer was lost is sent again,
so its records may be stored twice.

Arithmetic for a record of 100 B: network 0.1 us at 1 GB/s; memory one copy at build; disk none
here; CPU 2 to 3 us of interpreter to append, and per batch of 16 KiB about 50 us more.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from fluvio_client.consumer.transform import Transform
from fluvio_client.errors import (
    ClientError,
    CompressionMismatch,
    DeliveryFailed,
    FlushTimedOut,
    FluvioError,
    PartitionNotFound,
    ProducerClosed,
    QueueFull,
    SmartModuleRuntimeError,
    server_error,
)
from fluvio_client.metrics import ProducerCounts
from fluvio_client.producer.accumulator import Accumulator, Batch
from fluvio_client.producer.chain import Chain
from fluvio_client.producer.delivery import (
    BatchOutcome,
    Delivery,
    OnBatch,
    OnDelivery,
    RecordMetadata,
    called,
    outcome_of,
)
from fluvio_client.producer.partitioner import HashOrRoundRobin, Partitioner
from fluvio_client.retry import DELIVERY, RetryPolicy
from fluvio_client.session import Session
from fluvio_protocol.record.compression import BatchCompression
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from fluvio_protocol.types import CompressionType, Isolation, PartitionId, ReplicaKey

log = logging.getLogger(__name__)

Data = bytes | bytearray | memoryview | str
"""What may be sent; text goes out as UTF-8."""

REQUEST_SIZE_BYTES_MAX = 33_554_432
"""Servers take no larger batch: whatever the settings allow, more is refused here."""

QUEUE_WAIT_S = 30.0
_THREAD_FROM_BYTES = 128 * 1024
"""Batches from this size on are compressed in a thread: a megabyte of gzip takes 30 ms."""
_UNREPORTED_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerConfig:
    """Settings of a producer; the defaults are Fluvio's.

    batch_size_bytes:       uncompressed, header included; a full batch leaves at once
    max_request_size_bytes: largest record, and bound of a request with several batches; 32 MiB
                            and more mean 32 MiB, which is what servers take
    batch_queue_count_max:  batches of a partition that wait; then `send` waits
    linger_s:               how long a batch that is not full waits for more, from its first record
    compression:            None follows the topic
    isolation:              when the leader answers: stored, or committed
    timeout_ms:             how long the leader may take for that
    transforms:             SmartModules that the SPU runs on each batch before it stores it, one
                            behind the other; a record that one cannot process fails its batch.
                            Code travels with every request: large modules are better stored
    retry:                  for lost connections and moved leaders; None sends at most once
    on_delivery:            called with (error, metadata) of every record
    on_batch:               called with a BatchOutcome for every batch
    """

    batch_size_bytes: int = 16_384
    max_request_size_bytes: int = 1_048_576
    batch_queue_count_max: int = 100
    linger_s: float = 0.0
    compression: BatchCompression | None = None
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    timeout_ms: int = 1500
    transforms: tuple[Transform, ...] = ()
    retry: RetryPolicy | None = DELIVERY
    on_delivery: OnDelivery | None = None
    on_batch: OnBatch | None = None

    def __post_init__(self) -> None:
        if min(self.batch_size_bytes, self.max_request_size_bytes, self.batch_queue_count_max) < 1:
            raise ValueError("sizes and counts of a producer must be positive")
        if self.linger_s < 0 or self.timeout_ms < 0:
            raise ValueError("times of a producer cannot be negative")


@dataclass(frozen=True, slots=True)
class ProducerStats:
    """What a producer has done so far, and what it holds. Sent means stored by the leader here.

    bytes_held: uncompressed, of batches that are not acknowledged yet: what it keeps in memory
    """

    records_sent: int
    records_failed: int
    batches_sent: int
    bytes_sent: int
    requests_retried: int
    bytes_held: int


class _Lane:
    """One partition of the topic, as this producer sees it."""

    __slots__ = ("accumulator", "flushing", "in_flight", "key", "space", "task", "wake_up")

    def __init__(self, key: ReplicaKey, accumulator: Accumulator) -> None:
        self.key = key
        self.accumulator = accumulator
        self.task: asyncio.Task[None] | None = None
        self.flushing = False
        self.in_flight: list[Batch] = []
        self.space: deque[asyncio.Future[None]] = deque()
        self.wake_up = asyncio.Event()

    def made_space(self) -> None:
        """Let those who wait for space look again."""
        while self.space:
            waiter = self.space.popleft()
            if not waiter.done():
                waiter.set_result(None)


class Producer:
    """Use as `async with client.producer(topic) as producer`."""

    def __init__(
        self,
        session: Session,
        topic: str,
        config: ProducerConfig,
        partitioner: Partitioner | None = None,
    ) -> None:
        """Use `Fluvio.producer`."""
        self.topic = topic
        self.config = config
        self._on_delivery = config.on_delivery
        self._chain = Chain.of(config.transforms)
        room_bytes = REQUEST_SIZE_BYTES_MAX - self._chain.size_bytes
        if room_bytes < 1:
            raise ValueError(
                f"SmartModules of {self._chain.size_bytes} bytes leave a request no room for "
                "records: store them in the cluster, and name them"
            )
        self._request_size_bytes_max = min(config.max_request_size_bytes, room_bytes)
        self._session = session
        self._partitioner = partitioner or HashOrRoundRobin()
        self._lanes: dict[int, _Lane] = {}
        self._compression = BatchCompression.NONE
        self._partition_count = 0
        self._available: tuple[int, ...] = ()
        self._seen_generation = -1
        self._open = False
        self._unreported: deque[Batch] = deque(maxlen=_UNREPORTED_MAX)
        self._counts = ProducerCounts()
        self._counted = (self._counts, session.counts.producers)

    # Life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self._close_quietly()

    async def start(self) -> None:
        """Look the topic up. Raises: TopicNotFound, CompressionMismatch, LookupTimedOut."""
        found = await self._session.find_topic(self.topic)
        self._compression = _codec_for(self.config.compression, found.spec.compression_type)
        self._refresh()
        self._open = True

    async def close(self) -> None:
        """Send everything, then stop. Raises what `flush` raises; the producer is closed anyhow."""
        if not self._open:
            return
        self._open = False  # nothing new while the rest leaves
        await self.flush()

    async def _close_quietly(self) -> None:
        self._open = False
        try:
            async with asyncio.timeout(5.0):
                await self.flush()
        except (TimeoutError, FluvioError) as error:
            log.warning("topic=%s closed with records not sent reason=%s", self.topic, error)

    # Sending

    async def send(
        self,
        value: Data,
        *,
        key: Data | None = None,
        partition: int | None = None,
        timestamp: int | datetime | None = None,
    ) -> Delivery:
        """Hand over a record; waits only while the queue of its partition is full.

        partition: instead of the one that the partitioner would choose
        timestamp: ms since 1970, or a datetime with a time zone, instead of now
        Raises:    RecordTooLarge, PartitionNotFound, QueueFull after 30 s, ProducerClosed;
                   ValueError for a timestamp before 1970 or without a time zone
        """
        key_bytes, value_bytes = _bytes_of(key), _to_bytes(value)
        lane = self._lane_for(key_bytes, value_bytes, partition)
        if lane.accumulator.full:
            await self._wait_for_space(lane)
        return self._append(lane, key_bytes, value_bytes, timestamp)

    def send_nowait(
        self,
        value: Data,
        *,
        key: Data | None = None,
        partition: int | None = None,
        timestamp: int | datetime | None = None,
    ) -> Delivery:
        """Like `send`, and raises QueueFull instead of waiting."""
        key_bytes, value_bytes = _bytes_of(key), _to_bytes(value)
        lane = self._lane_for(key_bytes, value_bytes, partition)
        if lane.accumulator.full:
            raise QueueFull(f"too many batches wait for partition {lane.key}")
        return self._append(lane, key_bytes, value_bytes, timestamp)

    async def send_all(
        self,
        records: Mapping[Any, Data] | Iterable[Data | tuple[Data | None, Data]],
    ) -> list[Delivery]:
        """Hand over many: a mapping of keys to values, or values and (key, value) pairs."""
        items: Iterable[Any] = records.items() if isinstance(records, Mapping) else records
        deliveries = []
        for item in items:
            if isinstance(item, tuple):
                key, value = item
                deliveries.append(await self.send(value, key=key))
            else:
                deliveries.append(await self.send(item))
        return deliveries

    async def send_and_wait(
        self,
        value: Data,
        *,
        key: Data | None = None,
        partition: int | None = None,
        timestamp: int | datetime | None = None,
    ) -> RecordMetadata:
        """Send a record and wait until it is stored."""
        return await (await self.send(value, key=key, partition=partition, timestamp=timestamp))

    async def flush(self, timeout_s: float | None = None) -> None:
        """Send everything that was handed over, and wait for its outcome.

        Raises: the first failure that nobody has been told of, by awaiting a Delivery or by an
                earlier flush; FlushTimedOut.
        """
        batches: list[Batch] = []
        for lane in self._lanes.values():
            waiting = lane.accumulator.waiting()
            if waiting:
                lane.flushing = True
                lane.wake_up.set()
            batches += lane.in_flight
            batches += waiting
        try:
            async with asyncio.timeout(timeout_s):
                await outcome_of(batches)
        except TimeoutError:
            left = sum(batch.record_count for batch in batches if not batch.done)
            raise FlushTimedOut(
                f"{left} records of {self.topic} are still on their way after {timeout_s:g} s"
            ) from None
        failed = [batch for batch in self._unreported if not batch.noticed]
        self._unreported.clear()
        if failed:
            for batch in failed:
                batch.noticed = True
            error = failed[0].error
            assert error is not None
            raise error

    def stats(self) -> ProducerStats:
        """Counts since the start, and bytes held now."""
        held = [
            batch
            for lane in self._lanes.values()
            for batch in (*lane.in_flight, *lane.accumulator.waiting())
            if not batch.done
        ]
        counts = self._counts
        return ProducerStats(
            records_sent=counts.records_acknowledged,
            records_failed=counts.records_failed,
            batches_sent=counts.batches_acknowledged,
            bytes_sent=counts.bytes_acknowledged,
            requests_retried=counts.requests_retried,
            bytes_held=sum(batch.size_bytes for batch in held),
        )

    # What send is made of

    def _refresh(self) -> None:
        metadata = self._session.metadata
        self._seen_generation = metadata.generation
        # A topic that is gone keeps its last count: its records fail when they are sent.
        self._partition_count = metadata.partition_count(self.topic) or self._partition_count
        self._available = metadata.online_partitions(self.topic)

    def _lane_for(self, key: bytes | None, value: bytes, partition: int | None) -> _Lane:
        if not self._open:
            raise ProducerClosed(f"the producer of {self.topic} is closed, or was not started")
        if self._seen_generation != self._session.metadata.generation:
            self._refresh()
        if partition is None:
            partition = self._partitioner(
                key, value, partition_count=self._partition_count, available=self._available
            )
        lane = self._lanes.get(partition)
        if lane is None:
            if not 0 <= partition < self._partition_count:
                raise PartitionNotFound(self.topic, partition)
            lane = self._lanes[partition] = _Lane(
                ReplicaKey(self.topic, PartitionId(partition)),
                Accumulator(
                    batch_size_bytes=min(self.config.batch_size_bytes, REQUEST_SIZE_BYTES_MAX),
                    request_size_bytes_max=self._request_size_bytes_max,
                    batch_count_max=self.config.batch_queue_count_max,
                ),
            )
        return lane

    def _append(
        self, lane: _Lane, key: bytes | None, value: bytes, timestamp: int | datetime | None
    ) -> Delivery:
        timestamp_ms = None if timestamp is None else _timestamp_ms(timestamp)
        batch, place = lane.accumulator.append(
            key, value, time.time_ns() // 1_000_000, timestamp_ms
        )
        if lane.task is None:
            self._start_lane(lane)
        elif place == 0:
            lane.wake_up.set()  # the batch before it was sealed, perhaps while it lingered
        # Modules may make more or fewer records of a batch: all that is known is where they begin.
        delivery = Delivery(batch, 0 if self._chain.invocations else place, lane.key.partition)
        if self._on_delivery is not None:
            delivery.tell(self._on_delivery)
        return delivery

    async def _wait_for_space(self, lane: _Lane) -> None:
        try:
            async with asyncio.timeout(QUEUE_WAIT_S):
                while lane.accumulator.full:
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    lane.space.append(waiter)
                    await waiter
        except TimeoutError:
            raise QueueFull(
                f"the batches of partition {lane.key} were not taken for {QUEUE_WAIT_S:g} s"
            ) from None
        if not self._open:
            raise ProducerClosed(f"the producer of {self.topic} is closed")

    # The lane

    def _start_lane(self, lane: _Lane) -> None:
        lane.task = self._session.spawn(self._run_lane(lane), name=f"producer-{lane.key}")
        lane.task.add_done_callback(lambda task: self._lane_ended(lane, task))

    def _lane_ended(self, lane: _Lane, task: asyncio.Task[None]) -> None:
        """Nobody may wait forever for what a cancelled lane left behind.

        A lane that ended by itself gave up its task, and may have got another one since.
        """
        if lane.task is task:
            self._fail(
                lane,
                lane.in_flight + lane.accumulator.drain(),
                ProducerClosed(f"the client was closed before records of {lane.key} were sent"),
            )
            lane.in_flight = []
            lane.task = None
            lane.made_space()

    async def _run_lane(self, lane: _Lane) -> None:
        """Send until nothing is left. There is no await between the last look and the end."""
        accumulator = lane.accumulator
        while not accumulator.empty:
            linger_s = self._linger_left_s(lane)
            if linger_s > 0 and not accumulator.has_sealed:
                await self._linger(lane, linger_s)
                continue
            lane.in_flight = accumulator.take(
                size_bytes_max=self._request_size_bytes_max, with_open=linger_s <= 0
            )
            lane.made_space()
            await self._deliver(lane)
        lane.flushing = False
        lane.task = None

    def _linger_left_s(self, lane: _Lane) -> float:
        since_ms = lane.accumulator.open_since_ms
        if self.config.linger_s <= 0 or lane.flushing or not self._open or since_ms is None:
            return 0.0
        return self.config.linger_s - (time.time_ns() // 1_000_000 - since_ms) / 1000

    async def _linger(self, lane: _Lane, linger_s: float) -> None:
        lane.wake_up.clear()
        try:
            async with asyncio.timeout(linger_s):
                await lane.wake_up.wait()
        except TimeoutError:
            pass

    async def _deliver(self, lane: _Lane) -> None:
        """Send the batches in flight until each has an outcome."""
        payloads = [await self._build(batch) for batch in lane.in_flight]
        retry = self.config.retry
        backoff = (retry or DELIVERY).backoff()
        while lane.in_flight:
            route = self._session.metadata.route(lane.key)
            error = await self._attempt(lane, payloads)
            if error is None:
                return
            payloads = [
                payload
                for payload, batch in zip(payloads, lane.in_flight, strict=True)
                if not batch.done
            ]
            lane.in_flight = [batch for batch in lane.in_flight if not batch.done]
            last, delay_s = backoff.exhausted, backoff.next_delay_s()
            if retry is None or last or self._expired(lane.in_flight[0], retry, delay_s):
                failed = DeliveryFailed(f"{lane.key}: {error}")
                self._fail(lane, lane.in_flight, _with_cause(failed, error))
                lane.in_flight = []
                return
            for counts in self._counted:
                counts.requests_retried += 1
            log.info("replica=%s sent again in_s=%.3f reason=%s", lane.key, delay_s, error)
            await self._session.wait_for_route(lane.key, route, delay_s)

    async def _build(self, batch: Batch) -> bytes:
        if self._compression is not BatchCompression.NONE and batch.size_bytes > _THREAD_FROM_BYTES:
            return await asyncio.to_thread(batch.build, self._compression)
        return batch.build(self._compression)

    @staticmethod
    def _expired(batch: Batch, retry: RetryPolicy, delay_s: float) -> bool:
        age_s = (time.time_ns() // 1_000_000 - batch.created_ms) / 1000
        return retry.total_s is not None and age_s + delay_s > retry.total_s

    async def _attempt(self, lane: _Lane, payloads: list[bytes]) -> FluvioError | None:
        """One request with all batches in flight.

        Returns the error of the batches that are worth sending again; None when all have an
        outcome.
        """
        partition = lane.key.partition
        request = ProduceRequest(
            isolation=self.config.isolation,
            timeout_ms=self.config.timeout_ms,
            topics=(
                TopicProduceData(
                    name=self.topic,
                    partitions=tuple(
                        PartitionProduceData(partition=partition, records=payload)
                        for payload in payloads
                    ),
                ),
            ),
            smartmodules=self._chain.invocations,
        )
        try:
            connection = await self._session.leader(lane.key)
            if self._chain.version_min:
                self._chain.check(connection)
            self._count_sent(lane, payloads)
            response: ProduceResponse = await connection.request(request)
        except FluvioError as error:
            self._count_failed_attempt()
            if error.retriable:
                return error
            self._fail(lane, lane.in_flight, error)
            return None
        return self._settle(lane, payloads, response)

    def _settle(
        self, lane: _Lane, payloads: list[bytes], response: ProduceResponse
    ) -> FluvioError | None:
        entries = response.responses[0].partitions if response.responses else ()
        if len(entries) != len(lane.in_flight):
            self._count_failed_attempt()
            self._fail(
                lane,
                lane.in_flight,
                DeliveryFailed(
                    f"{lane.key}: {len(entries)} answers for {len(lane.in_flight)} batches"
                ),
            )
            return None
        again: FluvioError | None = None
        refused = False
        for batch, payload, entry in zip(lane.in_flight, payloads, entries, strict=True):
            if not entry.error_code:
                for counts in self._counted:
                    counts.batches_acknowledged += 1
                    counts.records_acknowledged += batch.record_count
                    counts.bytes_acknowledged += len(payload)
                self._tell_batch(lane, batch, size_bytes=len(payload))
                batch.complete(entry.base_offset)
                continue
            refused = True
            error = server_error(
                entry.error_code, prefix="Producer error: Producer received an error code: "
            )
            if error.retriable:
                again = again or error
            else:
                self._fail(lane, [batch], error)
        if refused:
            self._count_failed_attempt()
        else:
            for counts in self._counted:
                counts.requests_acknowledged += 1
        return again

    def _count_sent(self, lane: _Lane, payloads: list[bytes]) -> None:
        record_count = sum(batch.record_count for batch in lane.in_flight)
        size_bytes = sum(map(len, payloads))
        for counts in self._counted:
            counts.requests_sent += 1
            counts.batches_sent += len(payloads)
            counts.records_sent += record_count
            counts.bytes_sent += size_bytes

    def _count_failed_attempt(self) -> None:
        for counts in self._counted:
            counts.attempts_failed += 1

    def _fail(self, lane: _Lane, batches: list[Batch], error: FluvioError) -> None:
        by_module = isinstance(error, SmartModuleRuntimeError)
        for batch in batches:
            if not batch.done:
                for counts in self._counted:
                    counts.batches_failed += 1
                    counts.records_failed += batch.record_count
                    counts.smartmodule_failures += by_module
                self._tell_batch(lane, batch, error=error)
                self._unreported.append(batch)
                batch.fail(error)

    def _tell_batch(
        self,
        lane: _Lane,
        batch: Batch,
        *,
        size_bytes: int = 0,
        error: FluvioError | None = None,
    ) -> None:
        if self.config.on_batch is not None:
            outcome = BatchOutcome(
                topic=self.topic,
                partition=lane.key.partition,
                record_count=batch.record_count,
                size_bytes=size_bytes,
                created_ms=batch.created_ms,
                elapsed_s=max(0.0, time.time_ns() / 1e9 - batch.created_ms / 1e3),
                error=error,
            )
            called(self.config.on_batch, outcome)


def _timestamp_ms(timestamp: int | datetime) -> int:
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise ValueError(f"{timestamp} has no time zone: it says no moment")
        timestamp = round(timestamp.timestamp() * 1000)
    if timestamp <= 0:
        raise ValueError(f"timestamp {timestamp} is not after 1970")
    return timestamp


def _codec_for(wanted: BatchCompression | None, topic: CompressionType) -> BatchCompression:
    """The codec to use. Raises CompressionMismatch when the topic demands another one."""
    if topic is CompressionType.ANY:
        return wanted or BatchCompression.NONE
    demanded = BatchCompression[topic.name]
    if wanted is not None and wanted is not demanded:
        raise CompressionMismatch(producer=wanted.name.lower(), topic=demanded.name.lower())
    return demanded


def _with_cause(error: ClientError, cause: BaseException) -> ClientError:
    error.__cause__ = cause
    return error


def _to_bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _bytes_of(data: Data | None) -> bytes | None:
    return None if data is None else _to_bytes(data)
