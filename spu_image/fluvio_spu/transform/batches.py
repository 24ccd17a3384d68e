"""Stored batches as SmartModules get them, and what modules make of them as batches again.

A module takes an uncompressed payload, the record count and the records, and gives one back. Here
such payloads are taken out of stored batches, cut by records without decoding any, and put back
behind a header. Pure bytes, except that `read_slice` reads a file; runs in worker threads.

A batch that comes out stands for the offsets of the records that went in, whatever became of them:
`last_offset_delta` counts those offsets, so a client knows how far it got although records are
missing. Source: protocol reference 4.5, 5.
"""

import os
from collections.abc import Sequence
from struct import Struct

from fluvio_protocol.codec.varint import decode_varint
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record import (
    BatchBuilder,
    BatchCompression,
    BatchHeader,
    compress,
    decompress,
)
from fluvio_protocol.record.batch import seal
from fluvio_protocol.record.record import decode_records, record_bounds

BATCH_UNPACKED_BYTES_MAX = 64 << 20
"""What a batch may unfold to: on the wire it has at most 32 MiB."""

_COUNT = Struct(">i")
NO_RECORDS = _COUNT.pack(0)


def read_slice(fd: int, position: int, size: int) -> bytes:
    """Those bytes of a file. Raises OSError, also when the file ends before."""
    parts = []
    while size:
        part = os.pread(fd, size, position)
        if not part:
            raise OSError(f"the file ends at {position}, {size} bytes too early")
        parts.append(part)
        position += len(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class OpenBatch:
    """A stored batch, unpacked.

    payload: its record count and records
    """

    __slots__ = ("_starts", "header", "payload")

    def __init__(self, header: BatchHeader, payload: bytes) -> None:
        self.header = header
        self.payload = payload
        self._starts: list[int] | None = None

    @classmethod
    def unpack(cls, data: bytes, position: int, header: BatchHeader) -> "OpenBatch":
        """Raises RemoteProtocolError when it unfolds to too much, or to something else."""
        end = position + header.size_bytes
        payload = decompress(
            header.compression,
            memoryview(data)[position + header.payload_at : end],
            size_bytes_max=BATCH_UNPACKED_BYTES_MAX,
        )
        count = _COUNT.unpack_from(payload)[0] if len(payload) >= _COUNT.size else -1
        if count != header.record_count:
            raise RemoteProtocolError(
                f"batch at offset {header.base_offset}: {count} records, not {header.record_count}"
            )
        return cls(header, payload)

    @property
    def record_count(self) -> int:
        """As many as offsets."""
        return self.header.record_count

    def part(self, first: int, end: int) -> bytes:
        """Payload of the records [first, end), counted from 0; they keep their deltas."""
        if first == 0 and end == self.record_count:
            return self.payload
        starts = self._record_starts()
        return _COUNT.pack(end - first) + self.payload[starts[first] : starts[end]]

    def index_of(self, offset: int, first: int, end: int) -> int | None:
        """Which of the records [first, end) has that offset, by its own delta; None: none has."""
        delta = offset - self.header.base_offset
        if first <= delta < end and self._delta_at(delta) == delta:
            return delta
        return next((one for one in range(first, end) if self._delta_at(one) == delta), None)

    def not_before(self, timestamp_ms: int, first: int, end: int) -> list[int]:
        """Which of the records [first, end) are not older."""
        earliest = timestamp_ms - self.header.first_timestamp
        records = decode_records(self.payload, _COUNT.size, self.record_count)
        return [number for number in range(first, end) if records[number][0] >= earliest]

    def selection(self, numbers: Sequence[int]) -> bytes:
        """Payload of some of the records; they keep their deltas."""
        starts = self._record_starts()
        parts = [self.payload[starts[number] : starts[number + 1]] for number in numbers]
        return b"".join((_COUNT.pack(len(parts)), *parts))

    def _record_starts(self) -> list[int]:
        """Where each record begins, and where the last one ends."""
        if self._starts is None:
            try:
                self._starts = record_bounds(self.payload, _COUNT.size, self.record_count)
            except RemoteProtocolError as error:
                raise RemoteProtocolError(
                    f"batch at offset {self.header.base_offset}: {error}"
                ) from None
        return self._starts

    def _delta_at(self, number: int) -> int:
        # length, attributes, timestamp delta, offset delta
        starts = self._record_starts()
        end = starts[number + 1]
        position = decode_varint(self.payload, starts[number], end)[1] + 1
        position = decode_varint(self.payload, position, end)[1]
        return decode_varint(self.payload, position, end)[0]


def made_batch(
    payload: bytes, source: BatchHeader, *, base_offset: int, offset_count: int
) -> bytes:
    """A batch of what a chain made of `offset_count` records from `base_offset` on.

    Packed as its source was, whose timestamps its records still count from.
    """
    codec = source.compression
    if payload[: _COUNT.size] == NO_RECORDS:
        codec = BatchCompression.NONE
    return seal(
        payload if codec is BatchCompression.NONE else compress(codec, payload),
        attributes=codec,
        last_offset_delta=offset_count - 1,
        first_timestamp=source.first_timestamp,
        max_timestamp=source.max_timestamp,
        base_offset=base_offset,
    )


def empty_batch(base_offset: int, offset_count: int) -> bytes:
    """No record of that many offsets."""
    return seal(
        NO_RECORDS,
        attributes=0,
        last_offset_delta=offset_count - 1,
        first_timestamp=-1,
        max_timestamp=-1,
        base_offset=base_offset,
    )


def stored_batch(payload: bytes, source: BatchHeader) -> bytes | None:
    """What a chain made of a producer's batch, to be stored: numbered anew, without gaps.

    None when no record is left. Raises RemoteProtocolError, or LocalProtocolError for records
    that no batch can hold together.
    """
    (count,) = _COUNT.unpack_from(payload)
    if not count:
        return None
    builder = BatchBuilder(source.first_timestamp)
    for timestamp_delta, _, key, value in decode_records(payload, _COUNT.size, count):
        builder.append(key, value, source.first_timestamp + timestamp_delta)
    return builder.build(source.compression)
