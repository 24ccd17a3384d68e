"""Reads one partition: one stream after the other, each from where the last one was lost.

Owned by a consumer, which takes slices out of the inbox that this puts them into. Invariants:
`position` is the offset after everything put into the inbox, and belongs to this partition alone;
at most one slice of a partition is in the inbox while another one is on its way, because the
acknowledgement that asks for more goes out when a slice is put there, and a slice is put there
when the one before it was taken. Transport errors are retried; an application error is delivered,
after the records that came before it. It ends the stream, unless it is about one record.
"""

import asyncio
import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from fluvio_client.consumer.config import ConsumerStats, OnEvicted
from fluvio_client.errors import (
    ClientError,
    ConnectionLost,
    ConsumerError,
    FluvioError,
    OffsetEvicted,
    OffsetManagementDisabled,
    OffsetNotStored,
    ServerError,
    SmartModuleRuntimeError,
    TopicNotFound,
    server_error,
)
from fluvio_client.retry import REQUEST, RetryPolicy
from fluvio_client.session import Session
from fluvio_protocol.errors import ErrorCode, RemoteProtocolError
from fluvio_protocol.record.batch import BATCH_PREAMBLE_SIZE, BatchHeader
from fluvio_protocol.record.record_set import RecordTuple, iterate_headers, iterate_tuples
from fluvio_protocol.spu_public.consumer_offsets import (
    UpdateConsumerOffsetRequest,
    UpdateConsumerOffsetResponse,
)
from fluvio_protocol.spu_public.smart_module_invocation import SmartModuleInvocation
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from fluvio_protocol.types import Isolation, Offset, ReplicaKey
from fluvio_socket.multiplexer import MultiplexedConnection, ResponseStream

log = logging.getLogger(__name__)

BATCH_DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024
"""A batch has at most 32 MiB on the wire; what it may unfold to is bounded too."""

BATCH_BYTES_MAX = 64 * 1024 * 1024
_BATCH_LENGTH = struct.Struct(">i")
_DELETED = frozenset({ErrorCode.TOPIC_DELETED, ErrorCode.TOPIC_NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """What all streams of a consumer have in common.

    max_bytes: of batches in one response; a larger batch still comes whole
    on_evicted: go on at the next available offset when retention was quicker, or not
    stats: where to count: the consumer's own, and its client's
    smart_modules: what SPUs run on the records
    topics_may_go: that the topic was deleted is no error, but the end
    """

    max_bytes: int
    isolation: Isolation
    consumer_id: str | None
    on_evicted: OnEvicted
    retry: RetryPolicy
    stats: tuple[ConsumerStats, ...]
    smart_modules: tuple[SmartModuleInvocation, ...] = ()
    topics_may_go: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Batches of one partition: those records with an offset in [first, stop).

    end:     offset to read on at behind them
    in_line: the stream waits until this was taken, before it puts another one behind it
    """

    stream: "PartitionStream"
    records: bytes
    first: int
    stop: int | None
    end: int
    in_line: bool = True

    def after(self, position: int) -> "Slice":
        """What remains of it from an offset on, when it was taken already."""
        return replace(self, first=max(self.first, position), in_line=False)

    def batches(self) -> Iterator[list[RecordTuple] | FluvioError]:
        """Decode batch by batch, leaving out records that were not asked for.

        A batch that cannot be decoded gives a ConsumerError in its place.
        """
        first, stop = self.first, self.stop
        for place, header in iterate_headers(self.records):
            if header.next_offset <= first and header.next_offset > header.base_offset:
                continue
            try:
                batch = self.records
                if place or header.size_bytes != len(batch):
                    batch = batch[place : place + header.size_bytes]
                for records in iterate_tuples(batch, size_bytes_max=BATCH_DECOMPRESSED_BYTES_MAX):
                    if records and records[0][0] < first:
                        records = [record for record in records if record[0] >= first]
                    # What a SmartModule made of records before `stop` may be more than those.
                    if stop is not None and header.next_offset > stop and records:
                        records = [record for record in records if record[0] < stop]
                    self.stream.count(header, len(records))
                    if records:
                        yield records
            except RemoteProtocolError as error:
                failure = ConsumerError(f"{self.stream.key}: {error}")
                failure.replica, failure.__cause__ = self.stream.key, error
                yield failure


@dataclass(frozen=True, slots=True)
class StreamFault:
    """A record could not be read, and the stream goes on behind it."""

    stream: "PartitionStream"
    error: FluvioError


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """A stream is over: everything was read, or an error says why not.

    gone: the partition is none of the consumer's any more
    """

    stream: "PartitionStream"
    error: FluvioError | None
    gone: bool = False


def is_deleted(error: FluvioError) -> bool:
    """Whether it says that the topic is not there any more."""
    return isinstance(error, TopicNotFound) or (
        isinstance(error, ServerError) and error.error_code in _DELETED
    )


class Inbox(Protocol):
    """Where streams put what they read; the consumer."""

    def deliver(self, item: Slice | StreamFault | StreamEnd) -> None: ...


class _Moved(ClientError):
    """The stream goes on somewhere else, or later."""

    retriable = True


class PartitionStream:
    """One partition of a consumer. `run` is its task."""

    def __init__(
        self,
        session: Session,
        key: ReplicaKey,
        config: StreamConfig,
        inbox: Inbox,
        *,
        position: int,
        stop: int | None,
    ) -> None:
        """position: first offset wanted. stop: offset to end before; None follows for ever."""
        self.key = key
        self.position = position
        self._session = session
        self._config = config
        self._inbox = inbox
        self._stop = stop
        self._max_bytes = config.max_bytes
        self._taken = asyncio.Event()
        self._taken.set()
        self._connection: MultiplexedConnection | None = None
        self._stream_id: int | None = None
        self._counted = 0

    def count(self, header: BatchHeader, record_count: int) -> None:
        """The reader came to a batch; one that is taken apart a second time is counted once."""
        if header.next_offset <= self._counted:
            return
        self._counted = header.next_offset
        for stats in self._config.stats:
            stats.batches_received += 1
            stats.records_received += record_count
            stats.bytes_received += header.size_bytes

    def taken(self) -> None:
        """The consumer took the slice out of the inbox."""
        self._taken.set()

    async def run(self) -> None:
        """Read until the end that was set, an application error, or cancellation."""
        error: FluvioError | None = None
        try:
            await self._run()
        except FluvioError as found:
            error = found
        except Exception as found:  # a bug here must not leave the consumer waiting for ever
            log.exception("replica=%s stream failed", self.key)
            error = ConsumerError(f"{self.key}: {found!r}")
        if error is not None and self._config.topics_may_go and is_deleted(error):
            self._inbox.deliver(StreamEnd(self, None, gone=True))
        else:
            self._inbox.deliver(StreamEnd(self, self._placed(error)))

    def _placed(self, error: FluvioError | None) -> FluvioError | None:
        if isinstance(error, ClientError):
            error.replica = self.key
        return error

    def _finished(self) -> bool:
        return self._stop is not None and self.position >= self._stop

    async def _run(self) -> None:
        backoff = self._config.retry.backoff()
        loop = asyncio.get_running_loop()
        failing_since: float | None = None
        while not self._finished():
            route = self._session.metadata.route(self.key)
            before = self.position
            try:
                await self._read_stream()
                continue
            except OffsetEvicted as error:
                resume = self._config.on_evicted is OnEvicted.RESUME
                if not resume or error.next_available <= self.position:
                    raise
                for stats in self._config.stats:
                    stats.evictions += 1
                log.warning(
                    "replica=%s offset=%d was evicted, next=%d",
                    self.key, self.position, error.next_available,
                )  # fmt: skip
                self.position = error.next_available
                continue
            except FluvioError as error:
                if not error.retriable:
                    raise
                if self.position != before:
                    backoff.reset()
                    failing_since = None
                if backoff.exhausted:
                    raise
                delay_s = backoff.next_delay_s()
                failing_since = failing_since or loop.time()
                total_s = self._config.retry.total_s
                if total_s is not None and loop.time() + delay_s - failing_since > total_s:
                    raise
                for stats in self._config.stats:
                    stats.streams_resumed += 1
                log.info(
                    "replica=%s stream lost position=%d reason=%s", self.key, self.position, error
                )
            await self._session.wait_for_route(self.key, route, delay_s)

    async def _read_stream(self) -> None:
        """Open a stream at the position and read until it ends in an error, or at the stop."""
        connection = await self._session.leader(self.key)
        stream = self._open(connection, self.position, self._max_bytes)
        self._connection, self._stream_id = connection, None
        try:
            async for response in stream:
                await self._take(connection, response)
                if self._finished():
                    return
            raise ConnectionLost(f"the stream of {self.key} ended")
        finally:
            stream.close()  # the server keeps its side until the connection ends: see store_offset

    def _open(
        self, connection: MultiplexedConnection, offset: int, max_bytes: int
    ) -> ResponseStream:
        return connection.open_stream(
            StreamFetchRequest(
                topic=self.key.topic,
                partition=self.key.partition,
                fetch_offset=Offset(offset),
                max_bytes=max_bytes,
                isolation=self._config.isolation,
                consumer_id=self._config.consumer_id,
                smartmodules=self._config.smart_modules,
            )
        )

    async def _take(self, connection: MultiplexedConnection, response: StreamFetchResponse) -> None:
        """Put the records into the inbox and ask for more, or raise what the server reports."""
        part = response.partition
        self._stream_id = response.stream_id or None
        before = end = self.position
        batch_count = 0
        for _, header in iterate_headers(part.records):
            batch_count += 1
            end = max(end, header.next_offset)
        if batch_count:
            await self._taken.wait()
            self._taken.clear()
            # After a SmartModule the records' offsets say little; the server tells where to go on.
            end = part.next_filter_offset if part.next_filter_offset > 0 else end
            self._inbox.deliver(Slice(self, part.records, self.position, self._stop, end))
            self.position = end
        if part.error_code:
            error = server_error(part.error_code)
            if not isinstance(error, SmartModuleRuntimeError) or error.offset < before:
                raise error
            # One record is missing, not what follows it.
            self.position = error.offset + 1
            for stats in self._config.stats:
                stats.smartmodule_failures += 1
            self._placed(error)
            self._inbox.deliver(StreamFault(self, error))
            if not self._finished():
                await self._acknowledge(connection, response.stream_id)
            return
        if part.records and not batch_count:
            self._ask_for_more(part.records)
        if batch_count and not self._finished():
            await self._acknowledge(connection, response.stream_id)

    def _ask_for_more(self, records: bytes) -> None:
        """Old servers cut a batch at the byte limit; read again with room for all of it."""
        if len(records) < BATCH_PREAMBLE_SIZE:
            raise RemoteProtocolError(f"{self.key}: {len(records)} bytes are no batch")
        needed = BATCH_PREAMBLE_SIZE + _BATCH_LENGTH.unpack_from(records, 8)[0]
        if not self._max_bytes < needed <= BATCH_BYTES_MAX:
            raise RemoteProtocolError(f"{self.key}: batch of {needed} bytes cannot be read")
        self._max_bytes = needed
        raise _Moved(f"a batch of {self.key} takes {needed} bytes")

    async def _acknowledge(self, connection: MultiplexedConnection, stream_id: int) -> None:
        answer = await connection.request(
            UpdateOffsetsRequest(
                offsets=(OffsetUpdate(offset=Offset(self.position), session_id=stream_id),)
            )
        )
        for status in answer.status:
            if status.error:
                raise _Moved(f"the SPU forgot the stream of {self.key}: {status.error.error.name}")

    # Consumer offsets

    async def store_offset(self, offset: int) -> None:
        """Keep `offset` as that of the last consumed record of this partition.

        Raises: what the server says, or the transport error that was met last.
        """
        backoff = REQUEST.backoff()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (REQUEST.total_s or 0)
        while True:
            route = self._session.metadata.route(self.key)
            try:
                connection, stream_id = await self._session_for_offsets(offset)
                answer: UpdateConsumerOffsetResponse = await connection.request(
                    UpdateConsumerOffsetRequest(offset=Offset(offset), session_id=stream_id)
                )
                if answer.error_code.error is ErrorCode.FETCH_SESSION_NOT_FOUND:
                    raise _Moved(f"the SPU forgot the stream of {self.key}")
                if answer.error_code:
                    raise server_error(answer.error_code)
                return
            except FluvioError as error:
                if not error.retriable or loop.time() > deadline:
                    raise
                if not isinstance(error, OffsetNotStored):
                    self._stream_id = None
                log.info("replica=%s offset=%d not stored yet: %s", self.key, offset, error)
            await self._session.wait_for_route(self.key, route, backoff.next_delay_s())

    async def _session_for_offsets(self, offset: int) -> tuple[MultiplexedConnection, int]:
        """A stream that the server accepts an offset on: ours, or else one opened for this.

        A server names a stream in its first response only, so a stream that was lost and waits
        for new records has no name. The record at `offset` was read, so a stream from there
        answers at once; it is never acknowledged, and so never sends anything else.
        """
        if self._config.consumer_id is None:
            raise OffsetManagementDisabled("Consumer id is required to store offsets")
        connection = self._connection
        if connection is not None and not connection.closed and self._stream_id is not None:
            return connection, self._stream_id
        connection = await self._session.leader(self.key)
        stream = self._open(connection, offset, 1)
        try:
            response = await anext(stream)
        finally:
            stream.close()
        if response.partition.error_code:
            raise server_error(response.partition.error_code)
        return connection, response.stream_id
