"""Two small files beside the segments: the high watermark, and how far the log can be trusted.

    replication.chk    | i64 high watermark |                                8 bytes, as upstream

    tail.checkpoint    ours alone; upstream does not look at it.  Big-endian.
    |   0 | magic           8 bytes  "FLVTAIL1"
    |   8 | boot identity  36 bytes  zero padded; empty when the system has none
    |  44 | segment base        i64  which segment the rest speaks of
    |  52 | high watermark      i64
    |  60 | index entries       u32  entries in the index file that belong to the tail mark
    |  64 | index checksum      u32  CRC-32C of those entries
    |  68 | tail mark      28 bytes  end offset i64, position u64, last batch u64, its CRC u32
    |  96 | durable mark   28 bytes  the same
    | 124 | checksum            u32  CRC-32C of everything before

Called by `log.py` (writes) and `recovery.py` (reads). A mark says: below `position` lie whole
batches up to `end offset`, the last of them begins at `last batch` and has that checksum.
The tail mark is what was written, and holds as long as the page cache does, that is for the same
boot identity. The durable mark is what was also synced, and holds after any crash. So neither a
checkpoint nor a start has to wait for a sync. Both are compared with the file before use, and
bytes below a mark are still checked when they are first read: a mark only saves time.
Both files keep their size and are overwritten in one small write, which a killed process does not
leave halfway (and which works on a full disk); what a power cut might tear shows in the checksum.
A file that is torn, missing or too short counts as absent.
"""

import struct
from dataclasses import dataclass

from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.types import Offset
from fluvio_spu.storage.data_file import (
    BATCH_HEADER,
    BATCH_HEADER_SIZE,
    BATCH_PREAMBLE_SIZE,
    DataFile,
)
from fluvio_spu.storage.disk import Disk

HIGH_WATERMARK_FILE = "replication.chk"
TAIL_FILE = "tail.checkpoint"

_MAGIC = b"FLVTAIL1"
_HIGH_WATERMARK = struct.Struct(">q")
_TAIL = struct.Struct(">8s36sqqIIqQQIqQQI")
_CHECKSUM = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a segment up to which it was whole, and how to recognise it."""

    end_offset: int
    position: int
    last_position: int
    last_checksum: int

    def matches(self, file: DataFile, *, base_offset: int, size: int) -> bool:
        """Whether the file still has that batch at that place. Raises OSError."""
        if self.position > size:
            return False
        if self.position == 0:
            return self.end_offset == base_offset
        head = file.read(BATCH_HEADER_SIZE, self.last_position)
        if len(head) < BATCH_HEADER_SIZE:
            return False
        offset, length, _, checksum, last_offset_delta = BATCH_HEADER.unpack_from(head)
        return bool(
            checksum == self.last_checksum
            and offset + last_offset_delta + 1 == self.end_offset
            and self.last_position + BATCH_PREAMBLE_SIZE + length == self.position
        )


@dataclass(frozen=True, slots=True)
class TailCheckpoint:
    """The contents of `tail.checkpoint`. Invariant: durable is at or below tail."""

    boot_identity: bytes
    segment_base: int
    high_watermark: int
    index_entries: int
    index_checksum: int
    tail: Mark
    durable: Mark

    def encode(self) -> bytes:
        """The file's bytes."""
        content = _TAIL.pack(
            _MAGIC,
            self.boot_identity,
            self.segment_base,
            self.high_watermark,
            self.index_entries,
            self.index_checksum,
            self.tail.end_offset,
            self.tail.position,
            self.tail.last_position,
            self.tail.last_checksum,
            self.durable.end_offset,
            self.durable.position,
            self.durable.last_position,
            self.durable.last_checksum,
        )
        return content + _CHECKSUM.pack(crc32c(content))

    @classmethod
    def decode(cls, content: bytes) -> "TailCheckpoint | None":
        """What a file says, or None when it is torn or of another kind."""
        if len(content) != _TAIL.size + _CHECKSUM.size or not content.startswith(_MAGIC):
            return None
        (checksum,) = _CHECKSUM.unpack_from(content, _TAIL.size)
        if crc32c(content[: _TAIL.size]) != checksum:
            return None
        _, boot, base, high_watermark, entries, index_checksum, *marks = _TAIL.unpack_from(content)
        return cls(
            boot.rstrip(b"\0"),
            base,
            high_watermark,
            entries,
            index_checksum,
            Mark(*marks[:4]),
            Mark(*marks[4:]),
        )


def read_tail(disk: Disk, directory: str) -> TailCheckpoint | None:
    """The checkpoint of a log, or None when there is no good one. Raises OSError."""
    try:
        content = disk.read_file(f"{directory}/{TAIL_FILE}", _TAIL.size + _CHECKSUM.size + 1)
    except FileNotFoundError:
        return None
    return TailCheckpoint.decode(content)


def write_tail(disk: Disk, directory: str, checkpoint: TailCheckpoint) -> None:
    """Write the checkpoint over the last one. Raises OSError."""
    disk.overwrite_file(f"{directory}/{TAIL_FILE}", checkpoint.encode())


def forget_tail(disk: Disk, directory: str) -> None:
    """Remove the checkpoint, so that the next start walks the whole segment. Raises OSError."""
    try:
        disk.unlink(f"{directory}/{TAIL_FILE}")
    except FileNotFoundError:
        return


def read_high_watermark(disk: Disk, directory: str) -> Offset | None:
    """The stored high watermark; None when there is none, or not a whole one. Raises OSError."""
    try:
        content = disk.read_file(f"{directory}/{HIGH_WATERMARK_FILE}", _HIGH_WATERMARK.size)
    except FileNotFoundError:
        return None
    if len(content) != _HIGH_WATERMARK.size:
        return None
    (value,) = _HIGH_WATERMARK.unpack(content)
    return Offset(value)


def write_high_watermark(disk: Disk, directory: str, high_watermark: Offset) -> None:
    """Write it over the last one. Raises OSError."""
    disk.overwrite_file(f"{directory}/{HIGH_WATERMARK_FILE}", _HIGH_WATERMARK.pack(high_watermark))
