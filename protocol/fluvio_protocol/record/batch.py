"""One batch: header, checksum, payload. Source: protocol reference 5.2 to 5.5.

    |  0 | base_offset i64        |  4 bytes of epoch, magic and crc follow batch_length
    |  8 | batch_length i32       |  bytes after this field
    | 12 | leader_epoch i32       |  always -1
    | 16 | magic i8               |  2
    | 17 | crc u32                |  CRC-32C of everything from attributes to the end
    | 21 | attributes i16         |  bits 0-2 codec, bit 4 schema id present
    | 23 | last_offset_delta i32  |  record count - 1
    | 27 | first_timestamp i64    |  ms since 1970, -1 unset
    | 35 | max_timestamp i64      |
    | 43 | producer_id i64        |  -1
    | 51 | producer_epoch i16     |  -1
    | 53 | first_sequence i32     |  -1
    | 57 | schema_id u32          |  only with bit 4 of attributes
    | .. | payload                |  i32 record count and the records, compressed together

The checksum covers neither base_offset nor leader_epoch, so a server stamps them in place.
Producers and consumers call this; an SPU uses `record_set.check_record_set` instead.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from fluvio_protocol.codec.varint import encode_varint
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError
from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.record.compression import BatchCompression, compress, decompress
from fluvio_protocol.record.record import (
    TABLE_SIZE,
    VARINTS,
    RawRecord,
    Record,
    decode_records,
)

BATCH_HEADER = struct.Struct(">qiibIhiqqqhi")
BATCH_PREAMBLE_SIZE = 12
"""Base offset and batch length: what batch_length does not count."""
BATCH_HEADER_SIZE = 57
BATCH_MAGIC = 2
CODEC_MASK = 0x07
SCHEMA_ID_BIT = 0x10
SCHEMA_ID_SIZE = 4
CHECKED_FROM = 21
"""Where the bytes that the checksum covers begin."""

_COUNT = struct.Struct(">i")
_COUNT_SIZE = 4
_I32_MAX = (1 << 31) - 1
_CODEC_MAX = max(BatchCompression)
_Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The 57 bytes in front of a batch. Invariant: as `read_header` checks them."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    first_sequence: int

    @property
    def size_bytes(self) -> int:
        """The whole batch, header included."""
        return BATCH_PREAMBLE_SIZE + self.batch_length

    @property
    def record_count(self) -> int:
        """How many offsets the batch takes; as many as records, unless a SmartModule made it."""
        return self.last_offset_delta + 1

    @property
    def next_offset(self) -> int:
        """Offset behind the last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> BatchCompression:
        return BatchCompression(self.attributes & CODEC_MASK)

    @property
    def payload_at(self) -> int:
        """Where the payload begins, counted from the batch."""
        return BATCH_HEADER_SIZE + (SCHEMA_ID_SIZE if self.attributes & SCHEMA_ID_BIT else 0)


def read_header(data: _Buffer, position: int, end: int) -> BatchHeader:
    """The header of the batch at `position`, which must lie before `end` with all its bytes.

    Raises RemoteProtocolError when it is cut short, or is no batch that anybody could decode.
    """
    if end - position < BATCH_HEADER_SIZE:
        raise RemoteProtocolError(f"{end - position} bytes are no batch header")
    header = BatchHeader(*BATCH_HEADER.unpack_from(data, position))
    if header.magic != BATCH_MAGIC:
        raise RemoteProtocolError(f"batch of magic {header.magic}, not {BATCH_MAGIC}")
    if header.size_bytes < header.payload_at:
        raise RemoteProtocolError(f"batch length {header.batch_length} is shorter than a header")
    if header.size_bytes > end - position:
        raise RemoteProtocolError(f"{end - position} of {header.size_bytes} bytes of a batch")
    if header.attributes & CODEC_MASK > _CODEC_MAX:
        raise RemoteProtocolError(f"{header.attributes & CODEC_MASK} is no codec")
    if header.last_offset_delta < -1:
        raise RemoteProtocolError(f"last offset delta {header.last_offset_delta}")
    return header


class BatchBuilder:
    """Collects records and seals them into one batch. Mutable; belongs to one producer.

    Invariant: `size_bytes` is what `build()` without compression returns in bytes.
    """

    __slots__ = (
        "_first_timestamp",
        "_max_timestamp",
        "_parts",
        "record_count",
        "size_bytes",
    )

    def __init__(self, first_timestamp_ms: int) -> None:
        self._first_timestamp = first_timestamp_ms
        self._max_timestamp = first_timestamp_ms
        self._parts: list[bytes] = []
        self.record_count = 0
        self.size_bytes = BATCH_HEADER_SIZE + _COUNT_SIZE

    def append(self, key: bytes | None, value: bytes, timestamp_ms: int) -> None:
        """Add one record.

        Raises LocalProtocolError when the timestamp is 24 days or more away from the first one,
        or when key or value are 2 GiB; the builder stays as it was.
        """
        delta = timestamp_ms - self._first_timestamp
        count = self.record_count
        value_size = len(value)
        timestamp = VARINTS[delta] if 0 <= delta < TABLE_SIZE else encode_varint(delta)
        offset = VARINTS[count] if count < TABLE_SIZE else encode_varint(count)
        value_length = VARINTS[value_size] if value_size < TABLE_SIZE else encode_varint(value_size)
        size = 3 + len(timestamp) + len(offset) + len(value_length) + value_size
        if key is None:
            length = VARINTS[size] if size < TABLE_SIZE else encode_varint(size)
            self._parts += (length, b"\0", timestamp, offset, b"\0", value_length, value, b"\0")
        else:
            key_length = encode_varint(len(key))
            size += len(key_length) + len(key)
            length = VARINTS[size] if size < TABLE_SIZE else encode_varint(size)
            self._parts += (length, b"\0", timestamp, offset, b"\1", key_length, key)
            self._parts += (value_length, value, b"\0")
        self.record_count = count + 1
        self.size_bytes += len(length) + size
        if timestamp_ms > self._max_timestamp:
            self._max_timestamp = timestamp_ms

    def build(
        self,
        compression: BatchCompression = BatchCompression.NONE,
        *,
        base_offset: int | None = None,
    ) -> bytes:
        """The batch. Its base offset is record count - 1, as clients write it, unless given.

        Raises LocalProtocolError without records, and for more than 2 GiB.
        """
        if not self.record_count:
            raise LocalProtocolError("a batch holds at least one record")
        if self.size_bytes > _I32_MAX:
            raise LocalProtocolError(f"batch of {self.size_bytes} bytes")
        count = _COUNT.pack(self.record_count)
        if compression is BatchCompression.NONE:
            payload = b"".join((count, *self._parts))
        else:
            payload = compress(compression, b"".join((count, *self._parts)))
        last_offset_delta = self.record_count - 1
        return seal(
            payload,
            attributes=compression,
            last_offset_delta=last_offset_delta,
            first_timestamp=self._first_timestamp,
            max_timestamp=self._max_timestamp,
            base_offset=last_offset_delta if base_offset is None else base_offset,
        )


def seal(
    payload: bytes,
    *,
    attributes: int,
    last_offset_delta: int,
    first_timestamp: int,
    max_timestamp: int,
    base_offset: int,
) -> bytes:
    """Put a header with a right checksum before a payload. Raises LocalProtocolError."""
    try:
        head = bytearray(
            BATCH_HEADER.pack(
                base_offset,
                BATCH_HEADER_SIZE - BATCH_PREAMBLE_SIZE + len(payload),
                -1,
                BATCH_MAGIC,
                0,
                attributes,
                last_offset_delta,
                first_timestamp,
                max_timestamp,
                -1,
                -1,
                -1,
            )
        )
    except struct.error as error:
        raise LocalProtocolError(f"batch header cannot hold that: {error}") from error
    crc = crc32c(payload, crc32c(memoryview(head)[CHECKED_FROM:]))
    struct.pack_into(">I", head, CHECKED_FROM - 4, crc)
    return b"".join((head, payload))


def encode_batch(
    records: Sequence[Record],
    *,
    first_timestamp: int,
    compression: BatchCompression = BatchCompression.NONE,
    base_offset: int = 0,
) -> bytes:
    """A batch of these records; offset deltas count from 0, whatever the records say.

    Raises LocalProtocolError for no records, and for what the layout cannot hold.
    """
    builder = BatchBuilder(first_timestamp)
    for record in records:
        builder.append(record.key, record.value, first_timestamp + record.timestamp_delta)
    return builder.build(compression, base_offset=base_offset)


def decode_raw_records(
    data: _Buffer,
    position: int,
    header: BatchHeader,
    *,
    size_bytes_max: int,
    is_stored: bool = True,
) -> list[RawRecord]:
    """The records of the batch at `position`, whose header was read, as plain tuples.

    is_stored: it has as many records as offsets; one from a stream stands for the offsets of its
               header, and a SmartModule may have left fewer records of them, or made more

    The checksum is compared first, so bytes that changed on their way never reach a codec.
    Raises RemoteProtocolError.
    """
    view = memoryview(data)
    end = position + header.size_bytes
    if crc32c(view[position + CHECKED_FROM : end]) != header.crc:
        raise RemoteProtocolError(f"batch at offset {header.base_offset} has a wrong checksum")
    payload = decompress(
        header.compression,
        view[position + header.payload_at : end],
        size_bytes_max=size_bytes_max,
    )
    if len(payload) < _COUNT_SIZE:
        raise RemoteProtocolError(f"payload of {len(payload)} bytes has no record count")
    (count,) = _COUNT.unpack_from(payload)
    # -1 with no records is how upstream writes an empty batch.
    if count != header.last_offset_delta + 1 and (is_stored or count < 0):
        raise RemoteProtocolError(
            f"batch of {count} records with last offset delta {header.last_offset_delta}"
        )
    return decode_records(payload, _COUNT_SIZE, count)


def decode_batch(
    data: _Buffer, position: int, end: int, *, size_bytes_max: int
) -> tuple[BatchHeader, list[Record]]:
    """The batch at `position`, header and records.

    size_bytes_max: bound on the payload after decompression.
    Raises:         RemoteProtocolError, for anything that is wrong with it.
    """
    header = read_header(data, position, end)
    raw = decode_raw_records(data, position, header, size_bytes_max=size_bytes_max)
    return header, [
        Record(value, key, timestamp_delta, offset_delta)
        for timestamp_delta, offset_delta, key, value in raw
    ]
