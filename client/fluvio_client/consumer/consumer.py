"""Reads the records of topics, from all their partitions or from some.

Made by `Fluvio.consumer`; used by one event loop and one reader at a time. Each partition has a
stream of its own (`stream`), and `merge` puts together what they bring: records of one partition
in order, no order between partitions, and none waits for ever behind another.

Invariants: every partition keeps its own position, so a lost connection neither repeats nor skips
a record; what was read and not handed out is bounded by two slices per partition, and by
`buffer_bytes_max` in all; with `commit="auto"` a record counts as consumed when the next one is
asked for, so a crash repeats it rather than losing it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, overload

from fluvio_client.consumer.bounds import PartitionBounds, fetch_bounds, fetch_stored
from fluvio_client.consumer.by_time import find_offsets
from fluvio_client.consumer.config import (
    BUFFER_BYTES_MAX,
    MAX_BYTES_DEFAULT,
    Commit,
    ConsumerConfig,
    ConsumerStats,
    OnError,
    OnEvicted,
)
from fluvio_client.consumer.merge import Merge, PartitionState
from fluvio_client.consumer.offsets import Anchor, Offset, resolve_offset
from fluvio_client.consumer.record import Batch, Record, TopicPartition
from fluvio_client.consumer.selection import Selection, TopicPattern
from fluvio_client.consumer.stream import PartitionStream, StreamConfig, is_deleted
from fluvio_client.errors import (
    ConsumerClosed,
    ConsumerError,
    FluvioError,
    OffsetManagementDisabled,
    SmartModuleError,
    SmartModuleRuntimeError,
)
from fluvio_client.session import Session
from fluvio_protocol.types import PartitionId, ReplicaKey

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Item = TypeVar("Item", default=Record, covariant=True)
else:
    from typing import TypeVar

    Item = TypeVar("Item", covariant=True)

__all__ = [
    "BUFFER_BYTES_MAX",
    "MAX_BYTES_DEFAULT",
    "Batch",
    "Commit",
    "Consumer",
    "ConsumerConfig",
    "ConsumerStats",
    "OnError",
    "OnEvicted",
    "Record",
    "TopicPartition",
]

BoundsOf: TypeAlias = Mapping[ReplicaKey, PartitionBounds]

log = logging.getLogger(__name__)

SLICE_BYTES_MIN = 64 * 1024
CLOSE_TIMEOUT_S = 2.0
NEWS_TIMEOUT_S = 60.0


class Consumer(Generic[Item]):
    """Use as `async with client.consumer(topic) as consumer`, then `async for record in consumer`.

    A consumer is read by records, by `batches`, or by `next_batch`: one of them at a time.
    With `on_error="yield"` errors come among the records.
    """

    def __init__(
        self, session: Session, selection: Selection | TopicPattern, config: ConsumerConfig
    ) -> None:
        """Use `Fluvio.consumer`."""
        self.config = config
        self._smart_modules = tuple(one.invocation() for one in config.transforms)
        self._session = session
        self._pattern = selection if isinstance(selection, TopicPattern) else None
        self._selection = {} if isinstance(selection, TopicPattern) else selection
        self._merge = Merge()
        self._tasks: set[asyncio.Task[None]] = set()
        self._records: Iterator[Record] = iter(())
        self._by_record = False
        self._lent: Lent | None = None
        self._current: PartitionState | None = None
        self._deferred: FluvioError | None = None
        self._left = config.max_records
        self._stats = ConsumerStats()
        self._counted = (self._stats, session.counts.consumers)
        self._auto = config.commit is Commit.AUTO
        self._patient = True
        self._started = False
        self._closed = False

    @property
    def topics(self) -> tuple[str, ...]:
        """What is read; of a pattern, the topics that there are of it now."""
        if self._pattern is None:
            return tuple(self._selection)
        return tuple(sorted({key.topic for key in tuple(self._merge.partitions)}))

    @property
    def _described(self) -> str:
        return ", ".join(self._selection) if self._pattern is None else self._pattern.glob

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
        config = self.config
        stored: Mapping[ReplicaKey, int] = {}
        keys = await self._find_partitions()
        if config.consumer_id is not None:
            stored = await fetch_stored(self._session, config.consumer_id)
        starts, stops = await self._find_places(keys, stored)
        self._started = True
        for key, start in starts.items():
            state = self._merge.partitions[key] = PartitionState(key, start)
            state.stop = stops[key]
        stream_config = self._stream_config()
        for state in tuple(self._merge.partitions.values()):
            self._open_stream(state, stream_config)
        reads_whole = self._pattern is not None or None in self._selection.values()
        if config.follow and config.until is None and reads_whole:
            self._merge.endless = True
            self._spawn(self._follow_new_partitions(), "partitions")
        if self._auto:
            self._spawn(self._flush_regularly(), "offsets")

    async def _find_partitions(self) -> list[ReplicaKey]:
        session = self._session
        if self._pattern is not None:
            topics = await session.find_topics(self._pattern)
            return [
                ReplicaKey(topic, one)
                for topic in topics
                for one in session.metadata.partition_ids(topic)
            ]
        keys: list[ReplicaKey] = []
        for topic, wanted in self._selection.items():
            await session.find_topic(topic)
            if wanted is None:
                keys += (ReplicaKey(topic, one) for one in session.metadata.partition_ids(topic))
            else:
                keys += [await session.find_partition(topic, one) for one in wanted]
        return keys

    async def _find_places(
        self, keys: list[ReplicaKey], stored: Mapping[ReplicaKey, int]
    ) -> tuple[Mapping[ReplicaKey, int], Mapping[ReplicaKey, int | None]]:
        """Where each partition begins and ends; a pattern does without topics that go meanwhile."""
        while True:
            try:
                bounds = await fetch_bounds(self._session, keys)
                starts = await self._places(self.config.start, bounds, stored)
                return starts, await self._stops(bounds)
            except FluvioError as error:
                there = [key for key in keys if self._session.metadata.topic(key.topic) is not None]
                if self._pattern is None or not is_deleted(error) or len(there) == len(keys):
                    raise
                keys = there  # fewer each time, so this comes to an end

    async def _places(
        self, place: Offset, bounds: BoundsOf, stored: Mapping[ReplicaKey, int]
    ) -> dict[ReplicaKey, int]:
        """The absolute offset that a place is in each partition."""
        if place.anchor is Anchor.TIME:
            return await find_offsets(self._session, bounds, place.count, self.config.isolation)
        return {
            key: resolve_offset(place, start=one.start, end=one.end, stored=stored.get(key))
            for key, one in bounds.items()
        }

    async def _stops(self, bounds: BoundsOf) -> Mapping[ReplicaKey, int | None]:
        """Where to end before; None: nowhere."""
        ends = {key: one.end for key, one in bounds.items()}
        if self.config.until is None:
            return dict.fromkeys(bounds) if self.config.follow else ends
        stops = await self._places(Offset.of(self.config.until), bounds, {})
        if self.config.follow:
            return stops
        return {key: min(stop, ends[key]) for key, stop in stops.items()}

    def _stream_config(self) -> StreamConfig:
        share = self.config.buffer_bytes_max // (2 * max(1, len(self._merge.partitions)))
        return StreamConfig(
            max_bytes=min(self.config.max_bytes, max(share, SLICE_BYTES_MIN)),
            isolation=self.config.isolation,
            consumer_id=self.config.consumer_id,
            on_evicted=self.config.on_evicted,
            retry=self.config.retry,
            stats=self._counted,
            smart_modules=self._smart_modules,
            topics_may_go=self._pattern is not None,
        )

    def _open_stream(self, state: PartitionState, config: StreamConfig) -> None:
        state.stream = PartitionStream(
            self._session,
            state.key,
            config,
            self._merge,
            position=state.position,
            stop=state.stop,
        )
        state.task = self._spawn(state.stream.run(), str(state.key))

    def _spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        task = self._session.spawn(work, name=f"consumer-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _follow_new_partitions(self) -> None:
        """Read partitions that are added later, from their first record on; let those of a pattern
        go whose topics are deleted."""
        metadata, partitions = self._session.metadata, self._merge.partitions
        while True:
            generation = metadata.generation
            for topic in self._topics_read_whole():
                for number in metadata.partition_ids(topic):
                    key = ReplicaKey(topic, number)
                    if key in partitions and partitions[key].leaving:
                        self._merge.remove(partitions[key])  # another topic of the same name
                    if key not in partitions:
                        partitions[key] = PartitionState(key, 0)
                        self._open_stream(partitions[key], self._stream_config())
            if self._pattern is not None:
                for state in tuple(partitions.values()):
                    if metadata.topic(state.key.topic) is None and not state.leaving:
                        assert state.task is not None, "a partition that is read has a task"
                        state.task.cancel()
                        self._merge.leave(state)
            await metadata.wait_change(generation, NEWS_TIMEOUT_S)

    def _topics_read_whole(self) -> list[str]:
        if self._pattern is not None:
            return self._session.metadata.topics_of(self._pattern)
        return [topic for topic, wanted in self._selection.items() if wanted is None]

    async def close(self) -> None:
        """Send the offsets that were marked, then stop. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._started and any(True for _ in self._unstored()):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._store_marked()
        except (TimeoutError, FluvioError) as error:
            self._warn_not_stored(error)
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            self._merge.wake()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        """The next record, or error with `on_error="yield"`.

        Raises: StopAsyncIteration at the end; with `on_error="raise"` what a stream met, and the
                reading goes on when asked again; ConsumerClosed.
        """
        if self._auto:
            self._mark_current()
        while True:
            if self._left == 0:
                raise StopAsyncIteration
            record = next(self._records, None)
            if record is not None:
                if self._left is not None:
                    self._left -= 1
                self._current.position = record[2] + 1  # type: ignore[union-attr]  # set with it
                return record  # type: ignore[return-value]  # an Item is a Record at least
            found = await self._next_found()
            if isinstance(found, Batch):
                self._records = iter(found)
                self._by_record = True
            elif found is None:
                raise StopAsyncIteration
            else:
                return found  # type: ignore[return-value]  # the caller asked for errors

    @overload
    def batches(self: "Consumer[Record]") -> AsyncIterator[Batch]: ...

    @overload
    def batches(self: "Consumer[Record | FluvioError]") -> AsyncIterator[Batch | FluvioError]: ...

    async def batches(self) -> AsyncIterator[Any]:
        """Whole batches, the quick way: no task switch per record."""
        while True:
            if self._auto:
                self._mark_current()
            found = await self._next_whole()
            if found is None:
                return
            if isinstance(found, Batch):
                if self._left is not None:
                    self._left -= len(found)
                assert self._current is not None, "a batch comes from a partition"
                self._current.position = found.tuples[-1][0] + 1
            yield found

    async def _next_whole(self) -> Batch | FluvioError | None:
        """The next batch, or what is left of one that was read by record."""
        if self._by_record:
            self._by_record, self._records = False, iter(())
            self._merge.reopen()
        if self._left == 0:
            return None
        found = await self._next_found()
        if isinstance(found, Batch) and self._left is not None:
            found = replace(found, tuples=found.tuples[: self._left])
        return found

    async def lend(self) -> "Lent | FluvioError | None":
        """For a reader in another thread: a batch, in which it counts how far it came.

        Whoever asks for the next one is done with all records of the one before.
        """
        self.give_back(asked_on=True)
        found = await self._next_whole()
        if not isinstance(found, Batch):
            return found
        assert self._current is not None, "a batch comes from a partition"
        self._lent = Lent(found, self._current)
        return self._lent

    def give_back(self, *, asked_on: bool = False) -> None:
        """Take back a batch that was lent; the records that were not handed out come again.

        asked_on: the reader is done with the last record that it handed out, too
        """
        lent, self._lent = self._lent, None
        if lent is None:
            return
        handed_out = lent.count
        if handed_out:
            lent.state.position = lent.batch.tuples[handed_out - 1][0] + 1
            if self._left is not None:
                self._left -= handed_out
            if self._auto:
                lent.mark(handed_out if asked_on else handed_out - 1)
        if handed_out < len(lent.batch):
            self._merge.reopen()

    async def next_batch(self, max_records: int = 500, timeout_s: float = 1.0) -> list[Item]:
        """What is there, and at most so many; when nothing is, what comes within the timeout.

        With `commit="auto"` they count as consumed when more is asked for.
        """
        records: list[Item] = []
        auto, self._auto = self._auto, False  # asking for the second is no word on the first
        if auto:
            self._mark_handed_out()
        try:
            async with asyncio.timeout(timeout_s):
                records.append(await anext(self))
                self._patient = False
                while len(records) < max_records:
                    records.append(await anext(self))
        except (TimeoutError, StopAsyncIteration):
            pass
        except FluvioError as error:
            if not records:
                raise
            self._deferred = error  # after the records that came before it
        finally:
            self._auto, self._patient = auto, True
        return records

    async def fetch(
        self,
        offset: Offset | int | str | None = None,
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
    ) -> list[Item]:
        """The records from `offset` to what is the end at this moment: a finite list.

        Independent of this consumer's own reading; needs no `async with`.
        offset:      absolute, or a place; the consumer's start when not given
        max_records: stop after so many
        max_bytes:   stop after so many bytes of keys and values, with at least one record
        """
        config = replace(
            self.config,
            start=self.config.start if offset is None else Offset.of(offset),
            follow=False,
            max_records=self.config.max_records if max_records is None else max_records,
            consumer_id=None,
            commit=Commit.NONE,
        )
        items: list[Item] = []
        size_bytes = 0
        what = self._pattern or self._selection
        async with Consumer[Item](self._session, what, config) as reader:
            async for item in reader:
                if isinstance(item, Record):
                    size_bytes += len(item.value) + len(item.key or b"")
                    if max_bytes is not None and size_bytes > max_bytes and items:
                        break
                items.append(item)
        return items

    async def _next_found(self) -> Batch | FluvioError | None:
        """The next batch with records in it, or an error to hand out; None at the end.

        Raises: what a stream met. The other partitions go on when asked again.
        """
        if not self._started:
            raise ConsumerClosed("the consumer was not started: use `async with`")
        if self._deferred is not None:
            error, self._deferred = self._deferred, None
            raise error
        merge = self._merge
        while True:
            if self._closed:
                raise ConsumerClosed(f"the consumer of {self._described} is closed")
            taken = merge.take()
            if taken is None:
                if merge.over or not self._patient:
                    return None
                await merge.wait()
                continue
            self._current, found = taken
            if isinstance(found, Batch) or self.config.on_error is OnError.YIELD:
                return found
            if self.config.on_error is OnError.RAISE or _is_refusal(found):
                raise found
            for stats in self._counted:
                stats.errors_skipped += 1
            log.warning("replica=%s skipped error=%s", self._current.key, found)

    # Places

    async def seek(
        self, place: Offset | int | str, *, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Go on reading somewhere else; what was read ahead is forgotten.

        place:            absolute, or counted from what is the beginning or the end now
        topic, partition: where, else everywhere
        Raises:           ConsumerError when no such partition is read; errors of the network
        """
        states = self._chosen(topic, partition)
        place = Offset.of(place)
        bounds = await fetch_bounds(self._session, [state.key for state in states])
        places = await self._places(place, bounds, {})
        config = self._stream_config()
        for state in states:
            if self._merge.partitions.get(state.key) is not state:
                continue  # its topic was deleted meanwhile
            if state is self._current:
                self._records = iter(())
                self._current = None
            if state.task is not None:
                state.task.cancel()
            self._merge.move(state, places[state.key])
            self._open_stream(state, config)
        self._merge.wake()

    def pause(self, *, topic: str | None = None, partition: int | None = None) -> None:
        """Hand out nothing of these partitions, else of all, and soon read no more of them.

        Raises: ConsumerError when no such partition is read.
        """
        for state in self._chosen(topic, partition):
            if state is self._current:
                self._records = iter(())  # they stay in their slice, behind the position
            self._merge.pause(state)

    def resume(self, *, topic: str | None = None, partition: int | None = None) -> None:
        """Go on with partitions that were paused, where they were.

        Raises: ConsumerError when no such partition is read.
        """
        for state in self._chosen(topic, partition):
            self._merge.resume(state)

    def paused(self) -> list[TopicPartition]:
        """Partitions that are paused."""
        return [_public(key) for key, state in self._merge.partitions.items() if state.paused]

    def position(self) -> dict[TopicPartition, int]:
        """By partition, the offset of the record to be handed out next."""
        return {_public(key): state.position for key, state in self._merge.partitions.items()}

    async def lag(self) -> dict[TopicPartition, int]:
        """By partition, how many committed records there are behind the position, right now."""
        states = {state.key: state for state in self._chosen(None, None)}
        bounds = await fetch_bounds(self._session, states)
        return {
            _public(key): max(0, found.end - states[key].position) for key, found in bounds.items()
        }

    def stats(self) -> ConsumerStats:
        """Counts since the start."""
        return replace(self._stats)

    def _chosen(self, topic: str | None, partition: int | None) -> Iterable[PartitionState]:
        states = [
            state
            for key, state in self._merge.partitions.items()
            if topic in (None, key.topic) and partition in (None, key.partition)
            if not state.leaving
        ]
        may_be_none = self._pattern is not None and topic is None and partition is None
        if not states and not may_be_none:
            which = f"{topic or self._described}-{'*' if partition is None else partition}"
            raise ConsumerError(f"this consumer does not read {which}")
        return states

    # Offsets

    async def commit(self, record: Record | None = None) -> None:
        """Mark as consumed what was handed out, or one record and all before it in its partition.

        `flush` sends it. Raises: OffsetManagementDisabled; ConsumerError for a record of a
        partition that is not read.
        """
        self._check_managed()
        if record is None:
            self._mark_handed_out()
            return
        key = ReplicaKey(record.topic, PartitionId(record.partition))
        if key not in self._merge.partitions:
            raise ConsumerError(f"this consumer does not read {key}")
        self._merge.partitions[key].marked = record.offset

    async def flush(self) -> None:
        """Store the marked offsets in the cluster. Raises: OffsetManagementDisabled, ..."""
        self._check_managed()
        await self._store_marked()

    def _check_managed(self) -> None:
        if self.config.commit is Commit.NONE:
            raise OffsetManagementDisabled("offset management is disabled for this consumer")

    def _mark_handed_out(self) -> None:
        for state in self._merge.partitions.values():
            if state.handed_out is not None:
                state.marked = state.handed_out

    def _mark_current(self) -> None:
        if self._current is not None and self._current.handed_out is not None:
            self._current.marked = self._current.handed_out

    def _unstored(self) -> Iterator[tuple[PartitionState, PartitionStream, int]]:
        for state in tuple(self._merge.partitions.values()):
            if state.marked is not None and state.marked != state.stored:
                assert state.stream is not None, "a partition that is read has a stream"
                yield state, state.stream, state.marked

    async def _store_marked(self) -> None:
        for state, stream, marked in self._unstored():
            try:
                await stream.store_offset(marked)
            except FluvioError as error:
                if self._pattern is None or not is_deleted(error):
                    raise  # of a topic that is gone from a pattern nothing is to be kept
            state.stored = marked

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.flush_interval_s)
            if self._lent is not None:
                self._lent.mark(self._lent.count - 1)
            try:
                await self._store_marked()
            except FluvioError as error:
                self._warn_not_stored(error)

    def _warn_not_stored(self, error: Exception) -> None:
        log.warning(
            "topics=%s consumer=%s offsets not stored reason=%s",
            self._described, self.config.consumer_id, error or "timed out",
        )  # fmt: skip


@dataclass(slots=True)
class Lent:
    """A batch at a reader in another thread, which counts the records that it handed out."""

    batch: Batch
    state: PartitionState
    count: int = 0

    def mark(self, count: int) -> None:
        """So many of its records count as consumed."""
        if count > 0:
            self.state.marked = self.batch.tuples[count - 1][0]


def _is_refusal(error: FluvioError) -> bool:
    """Whether the SPU will not run the consumer's modules at all: there is no record to skip."""
    return isinstance(error, SmartModuleError) and not isinstance(error, SmartModuleRuntimeError)


def _public(key: ReplicaKey) -> TopicPartition:
    return TopicPartition(key.topic, key.partition)
