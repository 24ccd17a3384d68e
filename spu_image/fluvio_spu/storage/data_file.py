"""One open `.log` file: its descriptor, its mapping, and the batches that lie in it.

    | batch | batch | batch | ...      back to back, no file header, no padding

Called by `segment.py` and `recovery.py`. The descriptor lives as long as somebody refers to the
`DataFile` - a segment, a slice that is being sent, a sync in a worker thread - and is closed with
the last reference, never before: a number that was closed early would soon name another file.

Headers are read with pread, not through the mapping: a disk error is then an exception, where a
touched page would be SIGBUS and the end of the process. The mapping is for sending.

Source: batch layout, protocol reference 5.2.
"""

import errno
import struct
from collections.abc import Iterator, Sequence

from fluvio_protocol.record.checksum import crc32c
from fluvio_spu.storage.disk import BUFFERS_PER_WRITE_MAX, Buffer, Disk, FileMapping

BATCH_PREAMBLE_SIZE = 12
BATCH_HEADER_SIZE = 57
BATCH_HEADER = struct.Struct(">qi4xbI2xi")
"""base offset, batch length, magic, crc, last offset delta; the rest does not matter to a log."""
BATCH_STAMP = struct.Struct(">qii")
"""base offset, batch length, leader epoch: the first 16 bytes, none of them under the checksum."""
LAST_OFFSET_DELTA = struct.Struct(">i")
LAST_OFFSET_DELTA_AT = 23
CHECKSUM_FROM = 21
MAGIC = 2

SEQUENTIAL_READ_SIZE = 1 << 20
LOOK_UP_READ_SIZE = 8192
_PAGE_SIZE = 4096
_MAPPING_SIZE_MIN = 1 << 20


LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"


def segment_path(directory: str, base_offset: int, suffix: str) -> str:
    """A file of a segment: its base offset in twenty digits."""
    return f"{directory}/{base_offset:020d}{suffix}"


class BadBatch(Exception):
    """Internal to `storage/`: at this position there should be a valid batch, and is none."""

    def __init__(self, position: int, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.offset = offset
        self.reason = reason


class DataFile:
    """An open segment file. Not for several threads, but for the reference itself (see above)."""

    __slots__ = ("__weakref__", "_disk", "_mapping", "_old_mappings", "_retired", "fd", "path")

    def __init__(self, disk: Disk, path: str, fd: int) -> None:
        self._disk = disk
        self.path = path
        self.fd = fd
        self._mapping: FileMapping | None = None
        self._old_mappings: list[FileMapping] = []
        self._retired = False

    @classmethod
    def open(cls, disk: Disk, path: str, *, writable: bool, create: bool = False) -> "DataFile":
        return cls(disk, path, disk.open(path, writable=writable, create=create))

    def __del__(self) -> None:
        self._disk.close(self.fd)

    def size(self) -> int:
        return self._disk.size(self.fd)

    def read(self, size: int, position: int) -> bytes:
        return self._disk.read_at(self.fd, size, position)

    def write(self, buffers: Sequence[Buffer], position: int, total: int) -> None:
        """Write all of it, in one system call when the system takes it so. Raises OSError."""
        if len(buffers) <= BUFFERS_PER_WRITE_MAX:
            written = self._disk.write_at(self.fd, buffers, position)
            if written == total:
                return
        else:
            written = 0
        self._write_rest(buffers, position, written)

    def _write_rest(self, buffers: Sequence[Buffer], position: int, skip: int) -> None:
        """The slow way: more pieces than one call takes, or a call that stopped halfway."""
        left = []
        position += skip
        for buffer in buffers:
            if skip < len(buffer):
                left.append(memoryview(buffer)[skip:])
            skip = max(0, skip - len(buffer))
        while left:
            written = self._disk.write_at(self.fd, left[:BUFFERS_PER_WRITE_MAX], position)
            if written <= 0:
                raise OSError(errno.EIO, f"writing {self.path} makes no progress")
            position += written
            count = 0
            while count < len(left) and written >= len(left[count]):
                written -= len(left[count])
                count += 1
            left = left[count:]
            if written:
                left[0] = left[0][written:]

    def truncate(self, size: int) -> None:
        self._disk.truncate(self.fd, size)

    def preallocate(self, position: int, size: int) -> bool:
        return self._disk.preallocate(self.fd, position, size)

    def sync(self) -> None:
        self._disk.sync_data(self.fd)

    def view(self, position: int, size: int) -> memoryview:
        """Written bytes, without a copy. The mapping grows by doubling, ahead of the file.

        The caller promises that they are in the file: see `FileMapping`.
        """
        mapping = self._mapping
        end = position + size
        if mapping is None or mapping.size_bytes < end:
            if self._retired:
                raise OSError(errno.ESTALE, f"{self.path} was cut since")
            self.release_views()
            wanted = max(_MAPPING_SIZE_MIN, 1 << (end - 1).bit_length())
            mapping = self._mapping = self._disk.map(self.fd, wanted)
            assert mapping.size_bytes >= end, f"{self.path} is shorter than {end} bytes"
        return mapping.view(position, size)

    def release_views(self) -> bool:
        """Unmap the file; False when views are still held, which keep their memory as it is."""
        if self._mapping is not None:
            self._old_mappings.append(self._mapping)
            self._mapping = None
        self._old_mappings = [old for old in self._old_mappings if not old.close()]
        return not self._old_mappings

    def retire(self) -> None:
        """The file is about to be cut: from now on there are no views through this object."""
        assert self._mapping is None
        assert not self._old_mappings
        self._retired = True


def walk_batches(
    file: DataFile, *, position: int, end: int, offset: int, verify: bool, read_size: int
) -> Iterator[tuple[int, int, int]]:
    """(position, size, next offset) of every batch in [position, end), which must be `offset` on.

    verify:    also compare checksums, which reads every byte; else headers only.
    read_size: bytes asked of the disk at a time.
    Raises BadBatch at the first one that is not whole, valid and next in order; OSError.
    """
    chunk = b""
    chunk_at = position
    while position < end:
        at = position - chunk_at
        if at + BATCH_HEADER_SIZE > len(chunk):
            if at > read_size and not verify:
                read_size = _PAGE_SIZE  # big batches: reading between their headers is waste
            chunk = file.read(min(read_size, end - position), position)
            chunk_at = position
            at = 0
            if len(chunk) < BATCH_HEADER_SIZE:
                raise BadBatch(position, offset, f"{len(chunk)} bytes are no batch header")
        base_offset, length, magic, crc, last_offset_delta = BATCH_HEADER.unpack_from(chunk, at)
        size = BATCH_PREAMBLE_SIZE + length
        if magic != MAGIC or size < BATCH_HEADER_SIZE or last_offset_delta < 0:
            raise BadBatch(position, offset, "no batch header")
        if base_offset != offset:
            raise BadBatch(position, offset, f"batch of offset {base_offset}, expected {offset}")
        if size > end - position:
            raise BadBatch(position, offset, f"{end - position} of {size} bytes of a batch")
        if verify:
            if at + size > len(chunk) and at:
                chunk = file.read(min(read_size, end - position), position)
                chunk_at = position
                at = 0
            if _checksum(file, chunk, at, position, size) != crc:
                raise BadBatch(position, offset, "wrong checksum")
        offset += last_offset_delta + 1
        yield position, size, offset
        position += size


def _checksum(file: DataFile, chunk: bytes, at: int, position: int, size: int) -> int:
    """Of the batch at `position`, which is at `at` in `chunk`; what `chunk` lacks is read."""
    with memoryview(chunk) as view:
        value = crc32c(view[at + CHECKSUM_FROM : at + size])
    done = min(size, len(chunk) - at)
    while done < size:
        piece = file.read(min(SEQUENTIAL_READ_SIZE, size - done), position + done)
        if not piece:
            break
        value = crc32c(piece, value)
        done += len(piece)
    return value


def finds_batch_behind(file: DataFile, bad: BadBatch, end: int) -> bool:
    """Whether a whole valid batch follows the bad one: then this is more than a torn write.

    Follows the bad batch's own length, as long as that makes sense.
    """
    head = file.read(BATCH_HEADER_SIZE, bad.position)
    if len(head) < BATCH_HEADER_SIZE:
        return False
    _, length, *_ = BATCH_HEADER.unpack_from(head)
    position = bad.position + BATCH_PREAMBLE_SIZE + length
    if length < BATCH_HEADER_SIZE - BATCH_PREAMBLE_SIZE or position >= end:
        return False
    head = file.read(BATCH_HEADER_SIZE, position)
    if len(head) < BATCH_HEADER_SIZE:
        return False
    offset, *_ = BATCH_HEADER.unpack_from(head)
    walk = walk_batches(
        file,
        position=position,
        end=end,
        offset=offset,
        verify=True,
        read_size=SEQUENTIAL_READ_SIZE,
    )
    try:
        next(walk)
    except BadBatch:
        return False
    return bool(offset > bad.offset)
