"""Produce (key 0): record sets go to the log as they are, and are answered by position.

The hot path. Arithmetic for one request of 512 B [16 KiB], a read full of them together:
network 0.5 us at 1 GB/s [16 us]; memory: the checksum reads it once, 0.02 us [0.7 us];
disk: one writev per read and partition, about 1 us of it per request [5 us];
CPU: interpreter, 5 us of a budget of 5 to 8 [the same]. So: no message objects, one
`struct.unpack_from` per fixed part, one dictionary look-up from the request's beginning to
everything known about its target, one append per partition and one send per read.

    | flag u8 | isolation i16 | timeout i32 | topics i32 | name str | partitions i32 |
    | partition u32 | records i32 + bytes | ... | SmartModules i32 (version >= 8) |

A client's requests to one partition differ only behind that beginning. `Route` remembers it, for
requests of exactly one record set; all others take the general way through `ProduceExchange`.
Beginnings of one topic are equally long, so one `unpack_from` of the size that the last one had
yields everything in front of the records.

Acknowledgements wait only if they must: for a sync under the durability policy, or for the high
watermark. One waiter stands for all entries of one append that wait for the same thing; while
they wait, later requests go on. Source: fluvio-spu/src/services/public/produce_handler.rs.
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus, RequestKind
from fluvio_protocol.errors import ErrorCode, FluvioError, RemoteProtocolError
from fluvio_protocol.record import (
    BATCH_MAGIC,
    BATCH_PREAMBLE_SIZE,
    CHECKED_FROM,
    CHECKED_LAYOUT,
    PLAIN_BATCH_SIZE_MIN,
    RECORD_SIZE_BYTES_MIN,
    UNUSUAL_BITS,
    CorruptBatch,
    check_record_set,
    crc32c,
)
from fluvio_protocol.types import PartitionId, ReplicaKey
from fluvio_spu.public_api.produce_answer import ProduceExchange, ReplicaWriter, Route
from fluvio_spu.public_api.produce_request import parse_produce
from fluvio_spu.replica.callback_heap import Waiter
from fluvio_spu.replica.errors import error_status
from fluvio_spu.replica.offsets import OffsetWatch
from fluvio_spu.replica.replica import Replica
from fluvio_spu.transform.invocations import ChainRefused, WantedStep, steps_of

if TYPE_CHECKING:
    from fluvio_spu.public_api.service import PublicService
    from fluvio_spu.public_api.session import PublicSession
    from fluvio_spu.public_api.smart_produce import SmartProduce

PRODUCE_KEY = 0

_NAME_LENGTH_AT = 11
_NAME_AT = 13
_I16 = Struct(">h")
_I32 = Struct(">i")


@lru_cache(maxsize=256)
def _layout(begin_size: int) -> Struct:
    """Key and version, correlation id, a beginning of that size, length of the record set, and
    what there is to check in its first batch."""
    return Struct(f">ii{begin_size}si{CHECKED_LAYOUT}")


_RoutedAck = tuple[Route, int, int, int]
_EntryAck = tuple[ProduceExchange, int, int, int]

_NOT_LEADER = ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)
_TOO_LARGE = ErrorStatus(ErrorCode.MESSAGE_TOO_LARGE)
_WRONG_CODEC = ErrorStatus(ErrorCode.COMPRESSION_ERROR)
_NOT_ENOUGH_REPLICAS = ErrorStatus(ErrorCode.PARTITION_PENDING_INITIALIZATION)
"""Fewer replicas are in sync than the topic demands: nothing was stored, and it may be tried again.
Fluvio has no code for it; this one says that the partition has to wait for something."""


class WaitingAcks:
    """Entries of one append that wait for one offset, together."""

    __slots__ = (
        "_base",
        "_collector",
        "_deadline",
        "_entries",
        "_replica",
        "_routed",
        "_waiter",
        "_watch",
    )

    def __init__(
        self,
        collector: "ProduceCollector",
        replica: Replica,
        watch: OffsetWatch,
        base: int,
        routed: list[_RoutedAck],
        entries: list[_EntryAck],
    ) -> None:
        self._collector = collector
        self._replica = replica
        self._watch = watch
        self._base = base
        self._routed = routed
        self._entries = entries
        self._deadline: Waiter | None = None
        self._waiter: Waiter | None = None

    def start(self, end: int, timeout_ms: int | None) -> None:
        """Wait until `end` is reached; None waits as long as it takes."""
        self._waiter = self._watch.wait(end, self._released)
        if timeout_ms is not None:
            self._deadline = self._collector.after(timeout_ms / 1000, self._timed_out)

    def _released(self) -> None:
        """Reached, or the replica stopped or failed."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._settle(self._replica.write_failure())

    def _timed_out(self) -> None:
        if self._waiter is not None:
            self._waiter.cancel()
        self._settle(None)

    def _settle(self, failure: ErrorStatus | None) -> None:
        """Entries whose own end is reached are fine, whatever became of the others."""
        reached = self._watch.value - self._base
        self._collector.settle_waiting(self._base, reached, failure, self._routed, self._entries)


class ProduceCollector:
    """The produce requests of one connection.

    has_work: something was collected since the last flush
    """

    __slots__ = (
        "_answers",
        "_begin_size",
        "_deadlines",
        "_metrics",
        "_registry",
        "_routes",
        "_routes_max",
        "_session",
        "_smart",
        "_unpack",
        "_writers",
        "_written_to",
        "has_work",
    )

    def __init__(self, session: "PublicSession", service: "PublicService") -> None:
        self._session = session
        self._registry = service.registry
        self._metrics = service.metrics
        self._deadlines = service.deadlines
        self._routes_max = service.limits.routes_max
        self._routes: dict[bytes, Route] = {}
        self._expect(0)
        self._writers: dict[Replica, ReplicaWriter] = {}
        self._written_to: list[ReplicaWriter] = []
        self._answers: list[bytes] = []
        self._smart: SmartProduce | None = None
        self.has_work = False

    def add_known(self, frame: memoryview) -> bool:
        """Collect a request whose beginning is known; False for one to look at more closely.

        One batch that is not compressed is checked here, by what the one `unpack_from` brought;
        every other record set by `check_record_set`, which also words what is wrong.
        """
        try:
            (
                key_and_version, correlation_id, begin, length,
                batch_length, magic, crc, attributes, last_offset_delta, count,
            ) = self._unpack(frame)  # fmt: skip
        except StructError:
            return False
        route = self._routes.get(begin)
        if (
            route is None
            or key_and_version != route.version  # the key of produce is 0
            or not route.replica.serving
        ):
            return False
        end = route.records_at + length
        if len(frame) - end != route.end_size or (
            route.end_size and _I32.unpack_from(frame, end)[0]
        ):
            return False
        self.has_work = True
        if route.committed and not route.replica.takes_committed:
            self._refuse_routed(route, correlation_id, _NOT_ENOUGH_REPLICAS)
            return True
        records = frame[route.records_at : end]
        writer = route.writer
        first = writer.record_count
        if (
            batch_length == length - BATCH_PREAMBLE_SIZE
            and magic == BATCH_MAGIC
            and not attributes & UNUSUAL_BITS
            and count == last_offset_delta + 1 > 0
            and count * RECORD_SIZE_BYTES_MIN <= length - PLAIN_BATCH_SIZE_MIN
            and route.replica.codecs_allowed & 1
            and length <= route.replica.batch_size_bytes_max
            and crc32c(records[CHECKED_FROM:]) == crc
        ):
            writer.batches.append((records, count))
            writer.record_count = last = first + count
        else:
            checked = self._check(writer.replica, records)
            if isinstance(checked, ErrorStatus):
                self._refuse_routed(route, correlation_id, checked)
                return True
            last = _collect(writer, records, checked)
        if not first:
            self._written_to.append(writer)
        writer.routed.append((route, correlation_id, first, last))
        return True

    def add(self, frame: memoryview, version: int, correlation_id: int, body: int) -> None:
        """Collect one request. Raises RemoteProtocolError for one that cannot be read."""
        try:
            (name_length,) = _I16.unpack_from(frame, body + _NAME_LENGTH_AT)
        except StructError:
            name_length = 0
        begin_size = body + _NAME_AT + name_length
        if begin_size != self._begin_size and begin_size >= 0:
            # Known, perhaps, but as long as the one before: topics take turns.
            self._expect(begin_size)
            if self.add_known(frame):
                return
        self.has_work = True
        self._add_general(frame, version, correlation_id, body)

    def _expect(self, begin_size: int) -> None:
        """The next requests probably have a beginning of this size."""
        self._begin_size = begin_size
        self._unpack = _layout(begin_size).unpack_from

    def flush(self) -> None:
        """Append what was collected, one append per replica, and answer what can be."""
        self.has_work = False
        writers = self._written_to
        if writers:
            self._written_to = []
            for writer in writers:
                self._append(writer)
        answers = self._answers
        if answers:
            self._answers = []
            self._metrics.produce_request_count += len(answers)
            self._session.write(b"".join(answers) if len(answers) > 1 else answers[0])

    def after(self, delay_s: float, callback: Callable[[], None]) -> Waiter:
        """A deadline on the timer that all requests share."""
        return self._deadlines.after(delay_s, callback)

    def settle_waiting(
        self,
        base: int,
        reached: int,
        failure: ErrorStatus | None,
        routed: list[_RoutedAck],
        entries: list[_EntryAck],
    ) -> None:
        """Answer entries that waited: fine below `reached`, else `failure`, else timed out."""
        session = self._session
        answers = []
        for route, correlation_id, first, end in routed:
            if end <= reached:
                answers.append(route.pack(route.size, correlation_id, route.middle, base + first))
            else:
                status = failure or self._timed_out(route.timeout_ms)
                answers.append(route.refusal(correlation_id, status, base + first))
        if answers:
            self._metrics.produce_request_count += len(answers)
            session.write(b"".join(answers))
        for exchange, number, first, end in entries:
            status = SUCCESS
            if end > reached:
                status = failure or self._timed_out(exchange.timeout_ms)
            exchange.settle(number, status, base + first)
        session.pending(-len(routed) - len(entries))

    # The general way.

    def _add_general(self, frame: memoryview, version: int, correlation_id: int, body: int) -> None:
        request = parse_produce(frame, version, body)
        exchange = ProduceExchange(
            self._session,
            version,
            correlation_id,
            committed=request.committed,
            timeout_ms=request.timeout_ms,
        )
        exchange.topics = request.topics
        if not request.sets:
            self._metrics.idle_produce_request_count += 1
        if request.begin is not None:
            self._remember_route(request.begin, exchange, request.sets[0])
        wanted: tuple[WantedStep, ...] = ()
        refusal = None
        if request.smart_modules:
            try:
                wanted = steps_of(request.smart_modules)
            except ChainRefused as refused:
                refusal = refused.status
        for name, partition, records in request.sets:
            number = exchange.open_entry()
            if refusal is not None:
                self._refuse(exchange, number, refusal)
            else:
                self._add_entry(exchange, number, name, partition, records, wanted)
        self._metrics.produce_request_count += 1
        exchange.release()

    def _add_entry(
        self,
        exchange: ProduceExchange,
        number: int,
        name: bytes,
        partition: int,
        records: memoryview,
        wanted: tuple[WantedStep, ...],
    ) -> None:
        writer = self._writer_of(name, partition)
        if writer is None:
            self._refuse(exchange, number, _NOT_LEADER)
            return
        if not records:
            exchange.settle(number, SUCCESS, 0)
            return
        if exchange.committed and not writer.replica.takes_committed:
            self._refuse(exchange, number, _NOT_ENOUGH_REPLICAS)
            return
        checked = self._check(writer.replica, records)
        if isinstance(checked, ErrorStatus):
            self._refuse(exchange, number, checked)
            return
        if wanted or writer.replica.assignment.deduplication is not None:
            self._smart_produce().add(exchange, number, writer.replica, records, checked, wanted)
            return
        first = writer.record_count
        last = _collect(writer, records, checked)
        if not first:
            self._written_to.append(writer)
        writer.entries.append((exchange, number, first, last))

    # What SmartModules left.

    def store_made(
        self,
        exchange: ProduceExchange,
        number: int,
        replica: Replica,
        made: list[tuple[memoryview, int]],
    ) -> bool:
        """Append the batches of one entry now, and answer it; False when nothing was stored."""
        if not made:
            exchange.settle(number, SUCCESS, replica.hw.value)
            return True
        if any(len(batch) > replica.batch_size_bytes_max for batch, _ in made):
            self.refuse_made(exchange, number, _TOO_LARGE)
            return False
        writer = ReplicaWriter(replica)
        writer.batches = made
        writer.record_count = sum(count for _, count in made)
        writer.entries.append((exchange, number, 0, writer.record_count))
        return self._append(writer)

    def refuse_made(self, exchange: ProduceExchange, number: int, status: ErrorStatus) -> None:
        """Answer that nothing of an entry was stored."""
        self._refuse(exchange, number, status)

    def _smart_produce(self) -> "SmartProduce":
        if self._smart is None:
            # Imported here because most connections never need it.
            from fluvio_spu.public_api.smart_produce import SmartProduce

            self._smart = SmartProduce(self._session, self)
        return self._smart

    def _remember_route(
        self, begin: bytes, exchange: ProduceExchange, entry: tuple[bytes, int, memoryview]
    ) -> None:
        name, partition, _ = entry
        writer = self._writer_of(name, partition)
        if writer is None or writer.replica.assignment.deduplication is not None:
            return
        if len(self._routes) >= self._routes_max:
            self._routes.clear()
        self._routes[begin] = Route(
            writer,
            exchange.version,
            topic=name,
            partition=partition,
            committed=exchange.committed,
            timeout_ms=exchange.timeout_ms,
            records_at=12 + len(begin),
        )

    def _writer_of(self, name: bytes, partition: int) -> ReplicaWriter | None:
        try:
            key = ReplicaKey(name[2:].decode(), PartitionId(partition))
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"topic name is not UTF-8: {error}") from error
        replica = self._registry.get(key)
        if replica is None:
            return None
        writer = self._writers.get(replica)
        if writer is None:
            if len(self._writers) >= self._routes_max and not self._written_to:
                self._writers.clear()
                self._routes.clear()
            writer = self._writers[replica] = ReplicaWriter(replica)
        return writer

    def _check(
        self, replica: Replica, records: memoryview
    ) -> ErrorStatus | list[tuple[int, int, int, int]]:
        """The batches of a record set that may be stored, or why it may not."""
        try:
            batches = check_record_set(records)
        except CorruptBatch as error:
            return self._corrupt(error)
        return _refusal(replica, batches) or batches

    # Appending, and what follows.

    def _append(self, writer: ReplicaWriter) -> bool:
        """Whether it was stored; either way its entries are answered, now or when they waited."""
        batches, routed, entries = writer.batches, writer.routed, writer.entries
        writer.batches, writer.routed, writer.entries = [], [], []
        count, writer.record_count = writer.record_count, 0
        replica = writer.replica
        try:
            base, end = replica.append(batches)
        except FluvioError as error:
            self._append_failed(error_status(error, replica.key), routed, entries)
            return False
        metrics = self._metrics
        metrics.log_append_count += 1
        metrics.inbound_record_count += count
        metrics.inbound_bytes += sum([len(batch) for batch, _ in batches])
        if replica.hw.value < end:
            self._wait(replica, base, routed, entries)
            return True
        self._answers += [
            route.pack(route.size, correlation_id, route.middle, base + first)
            for route, correlation_id, first, _ in routed
        ]
        for exchange, number, first, _ in entries:
            exchange.settle(number, SUCCESS, base + first)
        return True

    def _wait(
        self,
        replica: Replica,
        base: int,
        routed: list[_RoutedAck],
        entries: list[_EntryAck],
    ) -> None:
        """Group what waits by what it waits for: (committed, time-out)."""
        self._session.pending(len(routed) + len(entries))
        groups: dict[
            int | None,
            tuple[list[_RoutedAck], list[_EntryAck]],
        ] = {}
        for ack in routed:
            timeout_ms = ack[0].timeout_ms if ack[0].committed else None
            groups.setdefault(timeout_ms, ([], []))[0].append(ack)
        for entry in entries:
            timeout_ms = entry[0].timeout_ms if entry[0].committed else None
            groups.setdefault(timeout_ms, ([], []))[1].append(entry)
        for timeout_ms, (acks, rest) in groups.items():
            watch = replica.durable if timeout_ms is None else replica.hw
            last = max(item[3] for item in [*acks, *rest])
            if watch.value >= base + last:
                self.settle_waiting(base, last, None, acks, rest)
            else:
                WaitingAcks(self, replica, watch, base, acks, rest).start(base + last, timeout_ms)

    def _append_failed(
        self,
        status: ErrorStatus,
        routed: list[_RoutedAck],
        entries: list[_EntryAck],
    ) -> None:
        for route, correlation_id, _, _ in routed:
            self._refuse_routed(route, correlation_id, status)
        for exchange, number, _, _ in entries:
            self._refuse(exchange, number, status)

    def _refuse_routed(self, route: Route, correlation_id: int, status: ErrorStatus) -> None:
        self._metrics.produce_error_count += 1
        self._answers.append(route.refusal(correlation_id, status, 0))

    def _refuse(self, exchange: ProduceExchange, number: int, status: ErrorStatus) -> None:
        self._metrics.produce_error_count += 1
        exchange.settle(number, status, 0)

    def _corrupt(self, error: CorruptBatch) -> ErrorStatus:
        self._metrics.corrupt_batch_count += 1
        return ErrorStatus.other(str(error))

    def _timed_out(self, timeout_ms: int) -> ErrorStatus:
        self._metrics.produce_timeout_count += 1
        return ErrorStatus(ErrorCode.REQUEST_TIMED_OUT, (timeout_ms, RequestKind.PRODUCE))


def _refusal(replica: Replica, batches: list[tuple[int, int, int, int]]) -> ErrorStatus | None:
    """Why checked batches may not be stored; None when they may."""
    for _, size, _, codec in batches:
        if not replica.codecs_allowed >> codec & 1:
            return _WRONG_CODEC
        if size > replica.batch_size_bytes_max:
            return _TOO_LARGE
    return None


def _collect(
    writer: ReplicaWriter, records: memoryview, batches: list[tuple[int, int, int, int]]
) -> int:
    """Add the batches of a record set to what is appended; returns the record number after it."""
    for position, size, count, _ in batches:
        writer.batches.append((records[position : position + size], count))
        writer.record_count += count
    return writer.record_count
