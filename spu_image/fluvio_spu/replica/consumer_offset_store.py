"""Offsets that consumers left with the cluster: a map, and the log it is rebuilt from.

The map lives in memory at the leader of `consumer-offset-0`; every change is first appended to
that partition as a record. Entry layout (protocol reference 4.7), the value of each record:

    | 0 u8 | key bytes | value bytes |     offset stored
    | 1 u8 | key bytes |                   offset deleted
    | 2 u8 |                               checkpoint: every live entry follows in this batch

key is a ReplicaKey and the consumer id; value an i64 offset, a u64 time in seconds, and (ours,
behind what Fluvio reads) the identity of the partition object as a string: the offset of a
deleted topic must not be taken for one of a new topic with the same name. After a bounded number
of changes one batch with a checkpoint and all live entries is appended, so loading reads back
only that far, however old the log is. A large table is encoded and decoded in a worker thread; what
changes while a checkpoint is being encoded is appended to it at the end.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Protocol

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import U64, Message, Reader, field, message
from fluvio_protocol.codec import decode as decode_message
from fluvio_protocol.codec import encode as encode_message
from fluvio_protocol.errors import ErrorCode, FluvioError, ProtocolError
from fluvio_protocol.metadata.topic import CONSUMER_OFFSET_REPLICA
from fluvio_protocol.record.batch import BatchBuilder, decode_batch, encode_batch, read_header
from fluvio_protocol.record.record import Record
from fluvio_protocol.spu_private.consumer_offset import (
    PeerFetchConsumerOffset,
    PeerFetchConsumerOffsetResponse,
    PeerUpdateConsumerOffset,
    PeerUpdateConsumerOffsetResponse,
)
from fluvio_protocol.spu_public.consumer_offsets import ConsumerOffset, ConsumerOffsetFilter
from fluvio_protocol.types import Offset, ReplicaKey
from fluvio_spu.replica.errors import NotLeader, ReplicaFailed
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.replica.replica import Replica
from fluvio_spu.storage import LogSlice

_log = logging.getLogger(__name__)

CHANGES_BEFORE_CHECKPOINT_MIN = 100
ENTRIES_MAX = 100_000
"""Consumers times partitions that one cluster keeps; a new one beyond it is refused. A checkpoint
with all of them is one batch: about 11 MB, a third of what a log takes."""

CONSUMER_ID_LENGTH_MAX = 1024
_SCAN_STEP_RECORDS = 1024
_READ_BYTES = 1 << 20
_BATCH_BYTES_MAX = 64 << 20
_UPDATED, _DELETED, _CHECKPOINT = 0, 1, 2
_LENGTH = struct.Struct(">i")
_VALUE = struct.Struct(">qQ")


COMMIT_TIMEOUT_S = 4.0
"""Less than a peer waits for an answer."""


class NotCommitted(FluvioError):
    """An offset was stored at the leader and may yet be committed, or lost with it."""

    retriable = True


class ConsumerOffsetsNotHere(FluvioError):
    """Another SPU keeps the offsets of consumers."""

    code = ErrorCode.PARTITION_NOT_LEADER
    retriable = True
    refresh_metadata = True


class OffsetUnknown(FluvioError):
    """Nobody can tell now whether an offset is stored: to begin anew would be a guess."""

    retriable = True


class TooManyConsumerOffsets(FluvioError):
    """The table is full, or an id is too long: trying again does not help."""


@message()
class _Key(Message):
    replica: ReplicaKey = field(about="partition")
    consumer_id: str = field(about="consumer")


EntryKey = tuple[ReplicaKey, str]


@message()
class _Value(Message):
    offset: Offset = field(about="offset of the last consumed record")
    modified_seconds: U64 = field(about="when it was stored")
    uid: str = field(default="", about="identity of the partition object; empty from Fluvio")


class ConsumerOffsetAccess(Protocol):
    """What serves consumers: the table here, or at the SPU that keeps it."""

    store: "ConsumerOffsetStore"

    async def get(self, replica: ReplicaKey, consumer_id: str) -> Offset | None:
        """Raises OffsetUnknown when nobody can tell now."""

    async def update(
        self, replica: ReplicaKey, consumer_id: str, offset: Offset
    ) -> ErrorStatus: ...


class ConsumerOffsetStore:
    """The table of consumer offsets, loaded when first used after its partition moved here.

    Invariant: what the map says is in the log. All methods raise ConsumerOffsetsNotHere when
    `consumer-offset-0` is led elsewhere.
    """

    def __init__(self, registry: ReplicaRegistry, clock_s: Callable[[], float]) -> None:
        self._registry = registry
        self._clock_s = clock_s
        self._entries: dict[EntryKey, _Value] = {}
        self._changes = 0
        self._loaded_from: Replica | None = None
        self._loading = asyncio.Lock()
        self._changed_meanwhile: list[bytes] | None = None
        """raw changes since a checkpoint began to be encoded; None while none is"""

    async def get(self, replica: ReplicaKey, consumer_id: str) -> Offset | None:
        """The offset of the last consumed record, if one is stored."""
        await self._ready()
        key = (replica, consumer_id)
        found = self._entries.get(key)
        return found.offset if found is not None and self._is_live(key, found) else None

    async def list(self, wanted: ConsumerOffsetFilter | None) -> tuple[ConsumerOffset, ...]:
        """Stored offsets that match, by consumer, topic and partition."""
        await self._ready()
        return tuple(
            ConsumerOffset(
                consumer_id=consumer_id,
                replica=replica,
                offset=value.offset,
                modified_time_seconds=value.modified_seconds,
            )
            for (replica, consumer_id), value in sorted(
                self._entries.items(), key=lambda item: (item[0][1], item[0][0])
            )
            if self._is_live((replica, consumer_id), value)
            and _matches(wanted, replica, consumer_id)
        )

    async def update(self, replica: ReplicaKey, consumer_id: str, offset: Offset) -> None:
        """Store an offset; when this returns it is as safe as a record that was acknowledged.

        Raises: TooManyConsumerOffsets, and the errors of `Replica.append`.
        """
        home = await self._ready()
        key = (replica, consumer_id)
        if len(consumer_id) > CONSUMER_ID_LENGTH_MAX:
            raise TooManyConsumerOffsets(
                f"consumer id of {len(consumer_id)} characters: at most "
                f"{CONSUMER_ID_LENGTH_MAX} are kept"
            )
        if key not in self._entries and len(self._entries) >= ENTRIES_MAX:
            self._drop_dead_entries()
        if key not in self._entries and len(self._entries) >= ENTRIES_MAX:
            raise TooManyConsumerOffsets(
                f"{ENTRIES_MAX} consumer offsets are stored already: delete some first"
            )
        assignment = self._registry.assignment_of(replica)
        value = _Value(
            offset=offset,
            modified_seconds=int(self._clock_s()),
            uid="" if assignment is None else assignment.uid,
        )
        end = self._change(home, _updated_entry(key, value))
        self._entries[key] = value
        self._count_change(home)
        await _until_committed(home, end)

    async def delete(self, replica: ReplicaKey, consumer_id: str) -> None:
        """Forget an offset; an unknown one is fine."""
        home = await self._ready()
        key = (replica, consumer_id)
        if key in self._entries:
            end = self._change(home, _deleted_entry(key))
            del self._entries[key]
            self._count_change(home)
            await _until_committed(home, end)

    def _is_live(self, key: EntryKey, value: _Value) -> bool:
        """Whether the partition an offset speaks of still exists, and is the same one."""
        assignment = self._registry.assignment_of(key[0])
        return assignment is not None and value.uid in ("", assignment.uid)

    def _drop_dead_entries(self) -> None:
        """Forget in memory; the next checkpoint leaves them out of the log, too."""
        self._entries = {
            key: value for key, value in self._entries.items() if self._is_live(key, value)
        }

    async def _ready(self) -> Replica:
        home = self._registry.get(CONSUMER_OFFSET_REPLICA)
        if home is None:
            raise ConsumerOffsetsNotHere("consumer offsets are kept by another SPU")
        if self._loaded_from is not home:
            async with self._loading:
                if self._loaded_from is not home:
                    await self._load(home)
        return home

    async def _load(self, home: Replica) -> None:
        """Read back to the last checkpoint, in growing steps, and replay from there."""
        log = home.log
        reach = _SCAN_STEP_RECORDS
        while True:
            start = Offset(max(log.start_offset, log.end_offset - reach))
            replay = _Replay(complete=start == log.start_offset)
            position = start
            while position < log.end_offset:
                found = log.read(position, end=log.end_offset, max_bytes=_READ_BYTES)
                if found is None:
                    break
                await home.workers.call(partial(replay.take, found))
                position = found.next_offset
            if replay.complete:
                break
            reach *= 4
        self._entries = replay.entries
        self._changes = replay.changes
        self._changed_meanwhile = None
        self._loaded_from = home

    def _change(self, home: Replica, raw: bytes) -> Offset:
        """Append one change; returns the offset behind it."""
        batch = encode_batch([Record(value=raw)], first_timestamp=self._clock_ms())
        _, end = home.append([(memoryview(bytearray(batch)), 1)])
        if self._changed_meanwhile is not None:
            self._changed_meanwhile.append(raw)
        return end

    def _count_change(self, home: Replica) -> None:
        """Begin a checkpoint when it is time. One that fails is tried again at the next change,
        and is not the concern of whoever made this one."""
        self._changes += 1
        due = self._changes > max(CHANGES_BEFORE_CHECKPOINT_MIN, len(self._entries))
        if not due or self._changed_meanwhile is not None:
            return
        self._drop_dead_entries()
        meanwhile: list[bytes] = []
        self._changed_meanwhile = meanwhile
        entries, now_ms = dict(self._entries), self._clock_ms()

        def is_over() -> bool:
            """The table was loaded anew since, from another replica."""
            return self._changed_meanwhile is not meanwhile

        def encoded(batch: BatchBuilder) -> None:
            if is_over():
                return
            self._changed_meanwhile = None
            for raw in meanwhile:
                batch.append(None, raw, now_ms)
            try:
                home.append([(memoryview(bytearray(batch.build())), batch.record_count)])
            except FluvioError as error:
                _log.warning("event=consumer_offset_checkpoint_failed reason=%s", error)
                return
            self._changes = len(meanwhile)

        def failed(error: Exception) -> None:
            _log.error("event=consumer_offset_checkpoint_failed reason=%r", error)
            if not is_over():
                self._changed_meanwhile = None

        home.workers.run(lambda: _encode_checkpoint(entries, now_ms), encoded, failed)

    def _clock_ms(self) -> int:
        return int(self._clock_s() * 1000)


class _Replay:
    """The table as the log tells it, from some offset on.

    complete: a checkpoint was among it, or it began where the log begins
    """

    __slots__ = ("changes", "complete", "entries")

    def __init__(self, *, complete: bool) -> None:
        self.complete = complete
        self.entries: dict[EntryKey, _Value] = {}
        self.changes = 0

    def take(self, found: LogSlice) -> None:
        """Apply the next batches. Runs in a worker thread."""
        for value in _entry_values(found.view()):
            if value[:1] == bytes([_CHECKPOINT]):
                self.entries.clear()
                self.changes = 0
                self.complete = True
            else:
                _replay(self.entries, value)
                self.changes += 1


def _encode_checkpoint(entries: Mapping[EntryKey, _Value], now_ms: int) -> BatchBuilder:
    """Runs in a worker thread."""
    batch = BatchBuilder(now_ms)
    batch.append(None, bytes([_CHECKPOINT]), now_ms)
    for key, value in entries.items():
        batch.append(None, _updated_entry(key, value), now_ms)
    return batch


async def _until_committed(home: Replica, end: Offset) -> None:
    """Wait until the log below `end` is committed: what was stored survives its leader.

    Raises NotLeader when the replica stops before, ReplicaFailed when that cannot be, NotCommitted
    when it takes too long.
    """
    if home.hw.value >= end:
        return
    moved = asyncio.Event()
    waiter = home.hw.wait(end, moved.set)
    try:
        async with asyncio.timeout(COMMIT_TIMEOUT_S):
            await moved.wait()
    except TimeoutError:
        raise NotCommitted(f"not enough replicas of {home.key} have it yet: try again") from None
    finally:
        waiter.cancel()
    if home.hw.value < end:
        if not home.serving:
            raise NotLeader(f"{home.key} is not served here any more")
        raise ReplicaFailed(f"{home.key}: what was appended may not be on disk")


def _encode_key(key: EntryKey) -> bytes:
    return encode_message(_Key(replica=key[0], consumer_id=key[1]), 0)


def _updated_entry(key: EntryKey, value: _Value) -> bytes:
    raw_key = _encode_key(key)
    raw_value = encode_message(value, 0)
    return b"".join(
        (
            bytes([_UPDATED]),
            _LENGTH.pack(len(raw_key)),
            raw_key,
            _LENGTH.pack(len(raw_value)),
            raw_value,
        )
    )


def _deleted_entry(key: EntryKey) -> bytes:
    raw_key = _encode_key(key)
    return bytes([_DELETED]) + _LENGTH.pack(len(raw_key)) + raw_key


def _entry_values(data: memoryview) -> Iterator[bytes]:
    """Values of all records. Clients may produce to the topic: a batch that does not decode was
    one of theirs, and must not take everybody's offsets with it."""
    position = 0
    while position < len(data):
        header = read_header(data, position, len(data))
        end = position + header.size_bytes
        try:
            _, records = decode_batch(data, position, end, size_bytes_max=_BATCH_BYTES_MAX)
        except ProtocolError as error:
            _log.warning(
                "event=consumer_offset_batch_skipped offset=%s reason=%s",
                header.base_offset,
                error,
            )
            records = []
        for record in records:
            yield record.value
        position = end


def _replay(entries: dict[EntryKey, _Value], value: bytes) -> None:
    """Apply one entry; one that is not ours (clients may produce to the topic) changes nothing."""
    try:
        reader = Reader(value)
        kind = reader.data[reader.advance(1)]
        (size,) = _LENGTH.unpack_from(reader.data, reader.advance(_LENGTH.size))
        key = decode_message(_Key, reader.sub_reader(size), 0)
        if kind == _UPDATED:
            entries[(key.replica, key.consumer_id)] = _decode_value(reader)
        elif kind == _DELETED:
            entries.pop((key.replica, key.consumer_id), None)
    except ProtocolError:
        return


def _decode_value(reader: Reader) -> _Value:
    """With our identity behind it, or without, as Fluvio writes it."""
    (size,) = _LENGTH.unpack_from(reader.data, reader.advance(_LENGTH.size))
    body = reader.sub_reader(size)
    if size > _VALUE.size:
        return decode_message(_Value, body, 0)
    offset, modified = _VALUE.unpack_from(body.data, body.advance(_VALUE.size))
    return _Value(offset=Offset(offset), modified_seconds=modified)


def _matches(wanted: ConsumerOffsetFilter | None, replica: ReplicaKey, consumer_id: str) -> bool:
    return wanted is None or (
        wanted.replica in (None, replica) and wanted.consumer_id in (None, consumer_id)
    )


async def answer_peer(
    store: ConsumerOffsetStore, request: PeerFetchConsumerOffset | PeerUpdateConsumerOffset
) -> PeerFetchConsumerOffsetResponse | PeerUpdateConsumerOffsetResponse:
    """What the table here says to a request of another SPU, or of this one."""
    if isinstance(request, PeerUpdateConsumerOffset):
        try:
            await store.update(request.replica, request.consumer_id, request.offset)
        except TooManyConsumerOffsets as error:
            return PeerUpdateConsumerOffsetResponse(error_code=ErrorStatus.other(str(error)))
        except FluvioError as error:
            return PeerUpdateConsumerOffsetResponse(error_code=_not_stored(error))
        return PeerUpdateConsumerOffsetResponse()
    try:
        offset = await store.get(request.replica, request.consumer_id)
    except FluvioError as error:
        return PeerFetchConsumerOffsetResponse(error_code=error_status(error))
    return PeerFetchConsumerOffsetResponse(offset=offset)


def _not_stored(error: FluvioError) -> ErrorStatus:
    """Trying again may help, here or at the next leader."""
    if error.refresh_metadata:
        return ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)
    return ErrorStatus(ErrorCode.OFFSET_FLUSH_REQUEST_ERROR, (str(error)[:1000],))


def error_status(error: FluvioError) -> ErrorStatus:
    """What a client is told when the table cannot be used."""
    if error.refresh_metadata:
        return ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)
    return ErrorStatus.other(str(error))
