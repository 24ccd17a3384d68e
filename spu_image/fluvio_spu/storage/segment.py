"""One segment of a log: a `.log` file, its `.index`, and where batches lie in it.

Called by `log.py` and made by `recovery.py`. The last segment is active: it is written to, and
answers readers at its tail from a ring. The others are closed, known by name and size only, and
opened when somebody first reads them; `rest()` gives files and index back.

Arithmetic for one append of ten batches of 512 B, and for one of 16 KiB: one pwritev, 2.5 us
(5 us), nearly all of it the copy into the page cache; per batch 0.4 us to stamp and index it;
memory written once; no read. A tail read: two bisects in the ring, 1 us, no system call.

Invariants: `[base_offset, end_offset)` is what `[0, size_bytes)` of the file holds, in whole
batches; memory changes only after a write succeeded; bytes below `checked_from` came from an
earlier process and are compared with their checksums when first read.
"""

import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fluvio_protocol.types import Offset
from fluvio_spu.storage.data_file import (
    LOG_SUFFIX,
    LOOK_UP_READ_SIZE,
    SEQUENTIAL_READ_SIZE,
    BadBatch,
    DataFile,
    segment_path,
    walk_batches,
)
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durability import LogPoint
from fluvio_spu.storage.index_file import IndexFile
from fluvio_spu.storage.log_config import LogConfig
from fluvio_spu.storage.offset_index import OffsetIndex, TailRing
from fluvio_spu.storage.verified_ranges import VerifiedRanges

_PREALLOCATION_STEP_MIN = 1 << 20
"""Smaller files are not worth a system call; so a thousand quiet partitions reserve nothing."""


class _FoundEnd(NamedTuple):
    """Where the good part of a segment ends, and what ends it when that is too early."""

    position: int
    offset: int
    problem: BadBatch | None
    walked_bytes: int


class LogSlice:
    """Whole batches of one segment, to be sent as they are. Keeps the file open while it lives."""

    __slots__ = ("_file", "base_offset", "next_offset", "position", "size_bytes")

    def __init__(
        self, file: DataFile, base_offset: int, next_offset: int, position: int, size_bytes: int
    ) -> None:
        self._file = file
        self.base_offset = Offset(base_offset)
        """of the first batch: at or before the offset that was asked for"""
        self.next_offset = Offset(next_offset)
        """where the next read goes on"""
        self.position = position
        self.size_bytes = size_bytes

    @property
    def fd(self) -> int:
        """For sendfile, with `position` and `size_bytes`; open as long as this slice lives."""
        return self._file.fd

    def view(self) -> memoryview:
        """The bytes, read-only and without a copy. Raises OSError when they cannot be mapped."""
        return self._file.view(self.position, self.size_bytes)


class Segment:
    """A part of a log. Belongs to one `Log`, like everything in it."""

    __slots__ = (
        "_disk",
        "_index_doubtful",
        "_index_size_bytes",
        "_reserve_at",
        "_reserved_end",
        "_rested",
        "_ring",
        "base_offset",
        "config",
        "directory",
        "end_offset",
        "file",
        "index",
        "index_file",
        "last_position",
        "modified_ms",
        "problem",
        "size_bytes",
        "verified",
    )

    def __init__(
        self,
        disk: Disk,
        directory: str,
        config: LogConfig,
        *,
        base_offset: int,
        end_offset: int,
        size_bytes: int,
        index_size_bytes: int = 0,
    ) -> None:
        self._disk = disk
        self.directory = directory
        self.config = config
        self.base_offset = base_offset
        self.end_offset = end_offset
        self.size_bytes = size_bytes
        self.last_position = 0
        """of the last batch of the active segment"""
        self.file: DataFile | None = None
        self.index: OffsetIndex | None = None
        self.index_file = IndexFile(disk, directory, base_offset)
        self.problem: BadBatch | None = None
        """what ends this closed segment before its successor begins"""
        self.modified_ms: int | None = None
        self.verified = VerifiedRanges(size_bytes)
        self._ring: TailRing | None = None
        self._index_size_bytes = index_size_bytes
        self._index_doubtful = False
        self._rested: list[weakref.ref[DataFile]] = []
        self._reserve_at = _PREALLOCATION_STEP_MIN
        self._reserved_end = 0

    @classmethod
    def create(cls, disk: Disk, directory: str, config: LogConfig, base_offset: int) -> "Segment":
        """A new, empty, active segment with its files. Raises OSError, having left no file."""
        segment = cls(
            disk, directory, config, base_offset=base_offset, end_offset=base_offset, size_bytes=0
        )
        segment.file = DataFile.open(disk, segment.log_path, writable=True, create=True)
        segment.index = segment.new_index()
        segment._ring = TailRing()
        try:
            segment.index_file.presize(config.index_size_bytes_max)
        except OSError:
            # An index can be made again from the log; only a log without a place to go cannot.
            segment.index_file.stale = True
        return segment

    # names and sizes

    @property
    def log_path(self) -> str:
        return segment_path(self.directory, self.base_offset, LOG_SUFFIX)

    @property
    def total_size_bytes(self) -> int:
        """Log and used index, as upstream counts the size of a partition."""
        index_size = self.index.size_bytes if self.index is not None else self._index_size_bytes
        return self.size_bytes + index_size

    @property
    def is_open(self) -> bool:
        return self.file is not None

    def new_index(self) -> OffsetIndex:
        return OffsetIndex(
            interval_bytes=self.config.index_interval_bytes,
            size_bytes_max=self.config.index_size_bytes_max,
        )

    # writing: the active segment only

    def append(self, batches: Sequence[tuple[memoryview, int]], total: int) -> None:
        """Write stamped batches that fit, (bytes, record count) each, behind what is there.

        Raises OSError; memory is then unchanged, and the caller cuts the file back to it.
        """
        assert self.file is not None
        assert self.index is not None
        assert self._ring is not None
        position = self.size_bytes
        if position + total > self._reserve_at:
            self._reserve(position + total)
        self.file.write([data for data, _ in batches], position, total)
        index, ring = self.index, self._ring
        note_offset = ring.offsets.append
        note_position = ring.positions.append
        due_position = index.due_position
        relative = self.end_offset - self.base_offset
        for data, count in batches:
            note_offset(relative)
            note_position(position)
            size = len(data)
            if position >= due_position:
                index.note(relative, position, size)
                due_position = index.due_position
            relative += count
            position += size
        ring.shorten()
        self.last_position = position - size
        self.size_bytes = position
        self.end_offset = self.base_offset + relative

    def _reserve(self, needed_end: int) -> None:
        """Preallocate a step behind `needed_end`, which the coming write reaches."""
        assert self.file is not None
        config = self.config
        step = min(self.size_bytes, config.preallocation_step_bytes_max)
        step = min(step, config.segment_size_bytes_max - needed_end)
        if step <= 0:
            self._reserve_at = needed_end + _PREALLOCATION_STEP_MIN
            return
        # When it does not work, there is no space or no support: the next step tries again.
        self.file.preallocate(self.size_bytes, needed_end - self.size_bytes + step)
        self._reserve_at = self._reserved_end = needed_end + step

    def trim(self, *, closing: bool) -> None:
        """Give back what was preallocated and not used. Raises OSError; nothing is lost then.

        closing: for good, so also what a killed process may have left.
        """
        if closing or self._reserved_end > self.size_bytes:
            assert self.file is not None
            self.file.truncate(self.size_bytes)
        self._reserved_end = 0
        self._reserve_at = self.size_bytes + _PREALLOCATION_STEP_MIN

    def cut_file(self) -> None:
        """Throw away what a failed write left behind the end. Raises OSError.

        No reader can hold a view of those bytes, since no slice ever reached them.
        """
        assert self.file is not None
        self._reserved_end = 0
        self._reserve_at = self.size_bytes + _PREALLOCATION_STEP_MIN
        self.file.truncate(self.size_bytes)

    def cut(self, point: LogPoint) -> None:
        """Make an open, writable segment end earlier, at a batch boundary. Raises OSError."""
        assert self.index is not None
        assert point.segment_base == self.base_offset
        assert self.base_offset <= point.end_offset <= self.end_offset
        self.size_bytes = point.position
        self.end_offset = point.end_offset
        self.last_position = point.last_position
        self.index.cut(point.position)
        self.index_file.stale = True
        if self._ring is not None:
            self._ring.cut(point.position)
        self.verified.cut(point.position)
        self.cut_file()

    def save_index(self, *, closed: bool) -> None:
        """Bring the index file up to date: as long as its entries when closed, else presized.

        Raises OSError; the file can then still be made again from the log.
        """
        assert self.index is not None
        size = None if closed else self.config.index_size_bytes_max
        self.index_file.save(self.index, size_bytes=size)

    # opening and closing

    def activate(
        self,
        file: DataFile,
        index: OffsetIndex,
        *,
        last_position: int,
        on_disk: tuple[int, int] | None,
    ) -> None:
        """Become the active segment, with what recovery found.

        on_disk: how many entries of the index the index file has, and their checksum, when that
                 is known for certain.
        """
        self.file = file
        self.index = index
        self.last_position = last_position
        self._ring = TailRing()
        self._index_doubtful = on_disk is not None
        if on_disk is not None:
            self.index_file.believe(*on_disk)
        else:
            self.index_file.stale = True
        self._reserve_at = self.size_bytes + _PREALLOCATION_STEP_MIN

    def deactivate(self) -> None:
        """Become a closed one, still open for readers."""
        self._ring = None

    def open(self) -> int:
        """Open a closed segment for reading; returns the bytes walked to find its end.

        A segment that does not end where its successor begins gets a `problem`, and ends at its
        last good batch. Raises OSError.
        """
        assert self.file is None
        file = DataFile.open(self._disk, self.log_path, writable=False)
        size = min(self.size_bytes, file.size())
        index = self.new_index()
        content = self.index_file.read(self.config.index_size_bytes_max)
        index.load(content, position_max=size)
        loaded = len(index)
        found = self._find_end(file, index, size)
        if found.problem is not None and loaded and not found.walked_bytes:
            # The last entry itself may be what is wrong; the log is the truth.
            fresh = self.new_index()
            again = self._find_end(file, fresh, size)
            if again.position > found.position:
                index, found, loaded = fresh, again, 0
        self.size_bytes, self.end_offset = found.position, found.offset
        self.problem = found.problem or self.problem
        self.file = file
        self.index = index
        self._index_doubtful = loaded > 0
        self.index_file.stale = True
        if len(index) > loaded and self.problem is None:
            self._save_found_index()
        return found.walked_bytes

    def _find_end(self, file: DataFile, index: OffsetIndex, size: int) -> "_FoundEnd":
        """Walk from the last entry to where the segment ends; the index gets what is found."""
        relative, start = index.floor_of_position(size)
        position, offset = start, self.base_offset + relative
        problem = None
        try:
            for at, length, next_offset in walk_batches(
                file,
                position=position,
                end=size,
                offset=offset,
                verify=False,
                read_size=LOOK_UP_READ_SIZE,
            ):
                if next_offset > self.end_offset:
                    raise BadBatch(at, offset, f"overlaps the segment at {self.end_offset}")
                if at != start:
                    index.note(offset - self.base_offset, at, length)
                position, offset = at + length, next_offset
        except BadBatch as bad:
            problem = bad
        if problem is None and offset != self.end_offset:
            problem = BadBatch(
                position,
                offset,
                f"ends at offset {offset}, the next segment begins at {self.end_offset}",
            )
        return _FoundEnd(position, offset, problem, position - start)

    def _save_found_index(self) -> None:
        try:
            self.save_index(closed=True)
        except OSError:
            self.index_file.stale = True  # it will be found again

    def rest(self) -> None:
        """Give back file and index of a closed segment; a slice that still uses it keeps it."""
        if self.index is not None:
            self._index_size_bytes = self.index.size_bytes
        if self.file is not None:
            self._rested = [known for known in self._rested if known() is not None]
            self._rested.append(weakref.ref(self.file))
        self.file = None
        self.index = None

    def reactivate(self) -> None:
        """Become the active segment again, writable; the caller cuts it next. Raises OSError."""
        assert self.index is not None
        self.file = DataFile.open(self._disk, self.log_path, writable=True)
        self._ring = TailRing()
        self.problem = None
        self.modified_ms = None

    def retire_views(self) -> bool:
        """Before bytes are cut that readers may see: nobody gets a view through an old slice.

        False while views are held; then nothing has changed. Raises OSError.
        """
        known = [self.file, *(reference() for reference in self._rested)]
        files = [file for file in known if file is not None]
        if not all([file.release_views() for file in files]):
            return False
        if self.file is not None:
            self.file = DataFile.open(self._disk, self.log_path, writable=False)
        for file in files:
            file.retire()
        self._rested.clear()
        return True

    # reading

    def read(self, start: int, *, end: int, max_bytes: int) -> LogSlice | None:
        """Whole batches from the one that holds `start`, none beyond `end`; at least one, or None.

        Raises BadBatch at bytes that are no valid batch; OSError.
        """
        try:
            return self._read(start, end, max_bytes)
        except BadBatch as bad:
            if not self._index_doubtful or not self._remake_index(bad):
                raise
            return self._read(start, end, max_bytes)

    def _read(self, start: int, end: int, max_bytes: int) -> LogSlice | None:
        assert self.file is not None
        first, position = self._batch_at(start)
        if end >= self.end_offset:
            stop_offset, stop = self.end_offset, self.size_bytes
        else:
            stop_offset, stop = self._batch_at(end)
        if stop <= position:
            return None
        if stop - position > max_bytes:
            stop_offset, stop = self._boundary_below(first, position, position + max_bytes)
        if self.verified.lacks(position, stop):
            stop_offset, stop = self._verify(first, position, stop)
        return LogSlice(self.file, first, stop_offset, position, stop - position)

    def _remake_index(self, bad: BadBatch) -> bool:
        """Walk the whole segment, since an index from disk may have led to a wrong place.

        False when the batch is really bad; the index is then kept, for what lies behind it.
        """
        assert self.file is not None
        self._index_doubtful = False
        fresh = self.new_index()
        position, offset = 0, self.base_offset
        try:
            for at, size, next_offset in self._walk((0, 0)):
                fresh.note(offset - self.base_offset, at, size)
                position, offset = at + size, next_offset
        except BadBatch:
            if position <= bad.position:
                return False
        self.index = fresh
        self.index_file.stale = True
        return True

    def _batch_at(self, offset: int) -> tuple[int, int]:
        """(base offset, position) of the batch that holds an offset of this segment."""
        relative = offset - self.base_offset
        ring = self._ring
        if ring is not None and ring.offsets and relative >= ring.offsets[0]:
            found = bisect_right(ring.offsets, relative) - 1
            return self.base_offset + ring.offsets[found], ring.positions[found]
        assert self.index is not None
        floor = self.index.floor_of_offset(relative)
        batch_offset = self.base_offset + floor[0]
        for at, _, next_offset in self._walk(floor):
            if next_offset > offset:
                return batch_offset, at
            batch_offset = next_offset
        raise AssertionError(f"offset {offset} is not in {self.log_path}")

    def point_at(self, offset: int) -> LogPoint:
        """The batch boundary at or before an offset of this open segment, or at its end."""
        if offset >= self.end_offset:
            boundary, position = self.end_offset, self.size_bytes
        else:
            boundary, position = self._batch_at(offset)
        last_position = self._batch_at(boundary - 1)[1] if position else 0
        return LogPoint(self.base_offset, boundary, position, last_position)

    def _boundary_below(self, first: int, position: int, limit: int) -> tuple[int, int]:
        """(offset, position) of the last batch boundary up to a position, past the first batch."""
        ring = self._ring
        if ring is not None and ring.positions and position >= ring.positions[0]:
            found = bisect_right(ring.positions, limit) - 1
            if ring.positions[found] > position:
                return self.base_offset + ring.offsets[found], ring.positions[found]
            if found + 1 < len(ring.positions):
                return self.base_offset + ring.offsets[found + 1], ring.positions[found + 1]
            return self.end_offset, self.size_bytes
        assert self.index is not None
        floor = self.index.floor_of_position(limit)
        if floor[1] <= position:
            floor = (first - self.base_offset, position)
        boundary = (self.base_offset + floor[0], floor[1])
        for at, size, next_offset in self._walk(floor):
            if at + size > limit and at > position:
                break
            boundary = (next_offset, at + size)
            if at + size >= limit:
                break
        return boundary

    def _walk(self, floor: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
        """Batch headers from an indexed one (relative offset, position) on."""
        assert self.file is not None
        return walk_batches(
            self.file,
            position=floor[1],
            end=self.size_bytes,
            offset=self.base_offset + floor[0],
            verify=False,
            read_size=LOOK_UP_READ_SIZE,
        )

    def _verify(self, first: int, position: int, stop: int) -> tuple[int, int]:
        """Compare checksums; returns (offset, position) of the end of what is good.

        Raises BadBatch when that is nothing.
        """
        assert self.file is not None
        good_offset, good = first, position
        try:
            for at, size, next_offset in walk_batches(
                self.file,
                position=position,
                end=stop,
                offset=first,
                verify=True,
                read_size=SEQUENTIAL_READ_SIZE,
            ):
                good_offset, good = next_offset, at + size
        except BadBatch:
            if good == position:
                raise
        self.verified.add(position, good)
        return good_offset, good
