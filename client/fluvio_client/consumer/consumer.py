"""Reads the records of one topic, from all its partitions or from some.

Made by `Fluvio.consumer`; used by one event loop and one reader at a time. Each partition has a
stream of its own (`stream`), and this hands out what they bring in the order in which it came:
records of one partition in order, no order between partitions.

Invariants: every partition keeps its own position, so a lost connection neither repeats nor skips
a record; what was read and not handed out is bounded by one slice per partition, and by
`buffer_bytes_max` in all; with `commit="auto"` a record counts as consumed when the next one is
asked for, so a crash repeats it rather than losing it.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from fluvio_client.consumer.bounds import PartitionBounds, fetch_bounds, fetch_stored
from fluvio_client.consumer.offsets import Offset, resolve_offset
from fluvio_client.consumer.stream import PartitionStream, Slice, StreamConfig, StreamEnd
from fluvio_client.errors import (
    ConsumerClosed,
    ConsumerError,
    FluvioError,
    OffsetManagementDisabled,
)
from fluvio_client.retry import CONSUME, RetryPolicy
from fluvio_client.session import Session
from fluvio_protocol.record.record_set import RecordTuple
from fluvio_protocol.types import Isolation, PartitionId, ReplicaKey

log = logging.getLogger(__name__)

MAX_BYTES_DEFAULT = 1_048_576
BUFFER_BYTES_MAX = 64 * 1024 * 1024
SLICE_BYTES_MIN = 64 * 1024
CLOSE_TIMEOUT_S = 2.0
FROM_NOW_ON = Offset.end()


class Record(NamedTuple):
    """One record. A tuple, because millions of them are made per second."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """ms since 1970; -1 means none"""
    key: bytes | None
    value: bytes

    @property
    def text(self) -> str:
        """The value as UTF-8. Raises UnicodeDecodeError."""
        return self.value.decode()

    @property
    def key_text(self) -> str | None:
        """The key as UTF-8. Raises UnicodeDecodeError."""
        return None if self.key is None else self.key.decode()

    @property
    def time(self) -> datetime | None:
        """When the producer made it, in UTC."""
        return None if self.timestamp < 0 else datetime.fromtimestamp(self.timestamp / 1000, UTC)

    def json(self) -> Any:
        """The value parsed as JSON. Raises ValueError."""
        return json.loads(self.value)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition that were stored together.

    tuples: (offset, timestamp, key, value) of each, for those who want no objects
    """

    topic: str
    partition: int
    tuples: list[RecordTuple]

    def __len__(self) -> int:
        return len(self.tuples)

    def __iter__(self) -> Iterator[Record]:
        topic, partition, new = self.topic, self.partition, tuple.__new__
        for found in self.tuples:
            yield new(Record, (topic, partition, *found))


class Commit(StrEnum):
    """Who says what was consumed."""

    NONE = "none"
    MANUAL = "manual"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerConfig:
    """Settings of a consumer.

    start:            where to begin; only records that arrive from now on, unless told otherwise
    follow:           wait for new records; otherwise end with what was there at the start
    until:            end before this offset in every partition, also when following
    max_bytes:        of batches in one response of an SPU
    buffer_bytes_max: bound for all partitions together; it lowers max_bytes for many partitions
    isolation:        read to the log end, or only what is committed
    consumer_id:      resume after the stored offset of this consumer
    commit:           what stores offsets; all but `none` need a consumer id
    flush_interval_s: how often `commit="auto"` sends them
    resume_evicted:   go on when retention removed the next record; otherwise raise OffsetEvicted
    retry:            for lost connections and moved leaders
    """

    start: Offset = FROM_NOW_ON
    follow: bool = True
    until: int | None = None
    max_bytes: int = MAX_BYTES_DEFAULT
    buffer_bytes_max: int = BUFFER_BYTES_MAX
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    consumer_id: str | None = None
    commit: Commit = Commit.NONE
    flush_interval_s: float = 10.0
    resume_evicted: bool = True
    retry: RetryPolicy = CONSUME

    def __post_init__(self) -> None:
        if self.commit is not Commit.NONE and self.consumer_id is None:
            raise OffsetManagementDisabled("Consumer id is required when using offset strategy")
        if self.max_bytes < 1 or self.buffer_bytes_max < 1 or self.flush_interval_s <= 0:
            raise ValueError("sizes and intervals of a consumer must be positive")


class Consumer:
    """Use as `async with client.consumer(topic) as consumer`, then `async for record in consumer`.

    A consumer is read by records, by `batches`, or by `next_batch`: one of them at a time.
    """

    def __init__(
        self,
        session: Session,
        topic: str,
        partitions: Sequence[int] | None,
        config: ConsumerConfig,
    ) -> None:
        """Use `Fluvio.consumer`. partitions: None means all, also those that come later."""
        self.topic = topic
        self.config = config
        self._session = session
        self._wanted = None if partitions is None else [PartitionId(one) for one in partitions]
        self._streams: dict[PartitionId, PartitionStream] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._inbox: deque[Slice | StreamEnd] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._live_count = 0
        self._decoding: tuple[Slice, Iterator[list[RecordTuple]]] | None = None
        self._records: Iterator[Record] = iter(())
        self._last: tuple[PartitionId, int] | None = None
        self._deferred: FluvioError | None = None
        self._handed_out: dict[PartitionId, int] = {}
        self._marked: dict[PartitionId, int] = {}
        self._stored: dict[PartitionId, int] = {}
        self._auto = config.commit is Commit.AUTO
        self._started = False
        self._closed = False

    # Life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Find out where every partition begins, and begin to read.

        Raises: TopicNotFound, PartitionNotFound, and errors of the network after a while.
        """
        if self._started:
            return
        session, topic = self._session, self.topic
        await session.find_topic(topic)
        if self._wanted is None:
            partitions = session.metadata.partition_ids(topic)
        else:
            partitions = sorted(set(self._wanted))
            for partition in partitions:
                await session.find_partition(topic, partition)
        stored: Mapping[PartitionId, int] = {}
        if self.config.consumer_id is not None:
            stored = await fetch_stored(session, topic, self.config.consumer_id)
        bounds = await fetch_bounds(session, topic, partitions)
        self._started = True
        stream_config = self._stream_config(len(partitions))
        for partition in partitions:
            self._open_stream(
                partition,
                stream_config,
                position=self._position(bounds[partition], stored.get(partition)),
                end=bounds[partition].end,
            )
        if self._wanted is None and self.config.follow and self.config.until is None:
            self._live_count += 1  # there may be partitions later, so this never ends by itself
            self._spawn(self._follow_new_partitions(), "partitions")
        if self._auto:
            self._spawn(self._flush_regularly(), "offsets")

    def _position(self, bounds: PartitionBounds, stored: int | None) -> int:
        return resolve_offset(self.config.start, start=bounds.start, end=bounds.end, stored=stored)

    def _stream_config(self, partition_count: int) -> StreamConfig:
        share = self.config.buffer_bytes_max // (2 * max(1, partition_count))
        return StreamConfig(
            max_bytes=min(self.config.max_bytes, max(share, SLICE_BYTES_MIN)),
            isolation=self.config.isolation,
            consumer_id=self.config.consumer_id,
            resume_evicted=self.config.resume_evicted,
            retry=self.config.retry,
        )

    def _open_stream(
        self, partition: PartitionId, config: StreamConfig, *, position: int, end: int
    ) -> None:
        stop = self.config.until
        if not self.config.follow:
            stop = end if stop is None else min(stop, end)
        stream = PartitionStream(
            self._session,
            ReplicaKey(self.topic, partition),
            config,
            self,
            position=position,
            stop=stop,
        )
        self._streams[partition] = stream
        self._live_count += 1
        self._spawn(stream.run(), str(stream.key))

    def _spawn(self, work: Any, name: str) -> None:
        self._tasks.append(self._session.spawn(work, name=f"consumer-{name}"))

    async def _follow_new_partitions(self) -> None:
        """Read partitions that are added later, from their first record on."""
        metadata = self._session.metadata
        while True:
            generation = metadata.generation
            for partition in metadata.partition_ids(self.topic):
                if partition not in self._streams:
                    config = self._stream_config(len(self._streams) + 1)
                    self._open_stream(partition, config, position=0, end=0)
            await metadata.wait_change(generation, 60.0)

    async def close(self) -> None:
        """Send the offsets that were marked, then stop. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._started and self._marked != self._stored:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._store_marked()
        except (TimeoutError, FluvioError) as error:
            log.warning(
                "topic=%s consumer=%s offsets not stored reason=%s",
                self.topic, self.config.consumer_id, error or "timed out",
            )  # fmt: skip
        finally:
            for task in self._tasks:
                task.cancel()
            self._wake()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # The streams put, this takes

    def deliver(self, item: Slice | StreamEnd) -> None:
        """For the streams: put something in, in the order in which it came."""
        self._inbox.append(item)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _next_batch(self) -> Batch | None:
        """The next batch with records in it; None when there will be no more.

        Raises: what a stream ended with. The other partitions go on when asked again.
        """
        if not self._started:
            raise ConsumerClosed("the consumer was not started: use `async with`")
        if self._deferred is not None:
            error, self._deferred = self._deferred, None
            raise error
        while True:
            if self._closed:
                raise ConsumerClosed(f"the consumer of {self.topic} is closed")
            if self._decoding is not None:
                found, batches = self._decoding
                try:
                    tuples = next(batches, None)
                except ConsumerError:
                    self._decoding = None
                    raise
                if tuples is not None:
                    return Batch(self.topic, found.stream.key.partition, tuples)
                self._decoding = None
            while not self._inbox:
                if not self._live_count:
                    return None
                await self._wait_for_inbox()
            item = self._inbox.popleft()
            if isinstance(item, Slice):
                item.stream.taken()
                self._decoding = (item, item.batches())
            else:
                self._live_count -= 1
                if item.error is not None:
                    raise item.error

    async def _wait_for_inbox(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("a consumer has one reader at a time")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._closed:
            raise ConsumerClosed(f"the consumer of {self.topic} is closed")

    # Reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        if self._auto:
            self._mark_last()
        while True:
            record = next(self._records, None)
            if record is not None:
                self._last = (PartitionId(record.partition), record.offset)
                self._handed_out[self._last[0]] = record.offset
                return record
            batch = await self._next_batch()
            if batch is None:
                raise StopAsyncIteration
            self._records = iter(batch)

    async def batches(self) -> AsyncIterator[Batch]:
        """Whole batches, the quick way: no task switch per record."""
        while True:
            if self._auto:
                self._mark_last()
            batch = await self._next_batch()
            if batch is None:
                return
            self._last = (PartitionId(batch.partition), batch.tuples[-1][0])
            self._handed_out[self._last[0]] = self._last[1]
            yield batch

    def _mark_last(self) -> None:
        if self._last is not None:
            self._marked[self._last[0]] = self._last[1]

    async def next_batch(self, max_records: int = 500, timeout_s: float = 1.0) -> list[Record]:
        """What comes within the timeout, and at most so many; empty when nothing came."""
        records: list[Record] = []
        try:
            async with asyncio.timeout(timeout_s):
                records.append(await anext(self))
                while len(records) < max_records and (self._inbox or self._decoding):
                    records.append(await anext(self))
        except (TimeoutError, StopAsyncIteration):
            pass
        except FluvioError as error:
            if not records:
                raise
            self._deferred = error  # after the records that came before it
        return records

    async def fetch(
        self,
        offset: Offset | int | str | None = None,
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
    ) -> list[Record]:
        """The records from `offset` to what is the end at this moment: a finite list.

        Independent of this consumer's own reading; needs no `async with`.
        offset:      absolute, or a place; the consumer's start when not given
        max_records: stop after so many
        max_bytes:   stop after so many bytes of keys and values, with at least one record
        """
        config = ConsumerConfig(
            start=self.config.start if offset is None else Offset.of(offset),
            follow=False,
            until=self.config.until,
            max_bytes=self.config.max_bytes,
            isolation=self.config.isolation,
            resume_evicted=self.config.resume_evicted,
            retry=self.config.retry,
        )
        records: list[Record] = []
        size_bytes = 0
        async with Consumer(self._session, self.topic, self._wanted, config) as reader:
            async for batch in reader.batches():
                for record in batch:
                    size_bytes += len(record.value) + len(record.key or b"")
                    too_much = max_bytes is not None and size_bytes > max_bytes and bool(records)
                    if too_much or (max_records is not None and len(records) >= max_records):
                        return records
                    records.append(record)
        return records

    def position(self) -> dict[int, int]:
        """By partition, the offset after the last record that was handed out."""
        return {partition: offset + 1 for partition, offset in self._handed_out.items()}

    # Offsets

    async def commit(self, record: Record | None = None) -> None:
        """Mark as consumed what was handed out, or one record and all before it in its partition.

        `flush` sends it. Raises: OffsetManagementDisabled.
        """
        if self.config.commit is Commit.NONE:
            raise OffsetManagementDisabled("offset management is disabled for this consumer")
        if record is None:
            self._marked.update(self._handed_out)
        else:
            self._marked[PartitionId(record.partition)] = record.offset

    async def flush(self) -> None:
        """Store the marked offsets in the cluster. Raises: OffsetManagementDisabled, ..."""
        if self.config.commit is Commit.NONE:
            raise OffsetManagementDisabled("offset management is disabled for this consumer")
        await self._store_marked()

    async def _store_marked(self) -> None:
        for partition, offset in tuple(self._marked.items()):
            if self._stored.get(partition) != offset:
                await self._streams[partition].store_offset(offset)
                self._stored[partition] = offset

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.flush_interval_s)
            try:
                await self._store_marked()
            except FluvioError as error:
                log.warning(
                    "topic=%s consumer=%s offsets not stored reason=%s",
                    self.topic, self.config.consumer_id, error,
                )  # fmt: skip
