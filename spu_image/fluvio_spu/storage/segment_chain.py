"""The segments of one log in order: which one holds an offset, which are open.

Called by `log.py`. Closed segments are opened when first read, and only a few stay open. The last
one is the active one. Invariant: never empty; base offsets grow; a segment ends where the next
begins, unless it is damaged.
"""

import logging
from bisect import bisect_right

from fluvio_protocol.types import Offset
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.log_config import LogConfig
from fluvio_spu.storage.retention import DELETED_SUFFIX, ExpiredSegment
from fluvio_spu.storage.segment import Segment

logger = logging.getLogger(__name__)

_OPEN_CLOSED_SEGMENTS_MAX = 4
"""Readers of old data come one after the other; more would only hold files and indexes."""


class SegmentChain:
    """An ordered set of segments. Methods that touch files raise OSError."""

    __slots__ = ("_bases", "_disk", "_in_use", "_segments", "active")

    def __init__(self, disk: Disk, segments: list[Segment]) -> None:
        self._disk = disk
        self._segments = segments
        self._bases = [segment.base_offset for segment in segments]
        self._in_use: list[Segment] = []
        self.active = segments[-1]

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def start_offset(self) -> int:
        return self._bases[0]

    @property
    def closed(self) -> list[Segment]:
        """All but the active one, oldest first."""
        return self._segments[:-1]

    @property
    def size_bytes(self) -> int:
        return sum(segment.total_size_bytes for segment in self._segments)

    def find(self, offset: int) -> Segment:
        """The segment whose range has that offset, open for reading."""
        segment = self._segments[bisect_right(self._bases, offset) - 1]
        if segment is not self.active:
            if not segment.is_open:
                segment.open()
            self._use(segment)
        return segment

    def count_below(self, offset: int) -> int:
        """How many segments end at or below an offset, of the closed ones."""
        return max(0, bisect_right(self._bases, offset) - 1)

    def base_behind(self, segment: Segment) -> int | None:
        """Where the segment behind that one begins; None for the active one."""
        following = bisect_right(self._bases, segment.base_offset)
        return self._bases[following] if following < len(self._bases) else None

    def _use(self, segment: Segment) -> None:
        """A closed segment is in use: it stays open longest; of too many, the first is let go."""
        kept = self._in_use
        if kept and kept[-1] is segment:
            return
        if segment in kept:
            kept.remove(segment)
        kept.append(segment)
        if len(kept) > _OPEN_CLOSED_SEGMENTS_MAX:
            kept.pop(0).rest()

    def roll(self, directory: str, config: LogConfig) -> Segment:
        """Begin another active segment; returns the one that is now closed. All or nothing."""
        old = self.active
        new = Segment.create(self._disk, directory, config, old.end_offset)
        self._segments.append(new)
        self._bases.append(new.base_offset)
        self.active = new
        try:
            old.trim(closing=True)
            old.save_index(closed=True)
        except OSError as error:
            # The index can be made again, and the blocks behind the end cost space alone.
            logger.warning("event=segment_not_trimmed file=%s error=%s", old.log_path, error)
        old.deactivate()
        self._use(old)
        return old

    def drop_last(self) -> None:
        """Remove the active segment with its files; the one before it becomes active.

        The caller cuts that one right after, and has made sure that nobody views it.
        """
        doomed, successor = self._segments[-1], self._segments[-2]
        if not successor.is_open:
            successor.open()
        self._disk.unlink(doomed.log_path)
        self._segments.pop()
        self._bases.pop()
        if successor in self._in_use:
            self._in_use.remove(successor)
        self.active = successor
        try:
            self._disk.unlink(doomed.index_file.path)
        except OSError as error:
            logger.warning(
                "event=index_not_removed file=%s error=%s", doomed.index_file.path, error
            )

    def detach_first(self) -> ExpiredSegment:
        """Take the oldest segment out, its files renamed. All or nothing."""
        assert len(self._segments) > 1
        segment = self._segments[0]
        log, index = segment.log_path, segment.index_file.path
        self._disk.rename(log, log + DELETED_SUFFIX)
        paths = [log + DELETED_SUFFIX]
        try:
            self._disk.rename(index, index + DELETED_SUFFIX)
            paths.append(index + DELETED_SUFFIX)
        except OSError:
            paths.append(index)  # without its log it is nothing
        del self._segments[0]
        del self._bases[0]
        if segment in self._in_use:
            self._in_use.remove(segment)
        return ExpiredSegment(
            self._disk,
            tuple(paths),
            segment.file,
            base_offset=Offset(segment.base_offset),
            end_offset=Offset(self._bases[0]),
            size_bytes=segment.size_bytes,
        )

    def begin_anew(self, directory: str, config: LogConfig, base_offset: int) -> None:
        """Remove every segment, from the last one on, and begin with an empty one.

        None of them is opened, so damaged ones go too; readers keep the files they have. When it
        fails, memory still has the old segments, of which the disk may lack the last ones.
        """
        for doomed in reversed(self._segments):
            for path in (doomed.log_path, doomed.index_file.path):
                try:
                    self._disk.unlink(path)
                except FileNotFoundError:
                    continue  # an index can be missing
        # Or a power cut could keep old segments beside the new one, with a hole in between.
        self._disk.sync_directory(directory)
        new = Segment.create(self._disk, directory, config, base_offset)
        self._segments = [new]
        self._bases = [base_offset]
        self._in_use.clear()
        self.active = new
        self._disk.sync_directory(directory)

    def rest(self) -> None:
        """Let go of every file."""
        self._in_use.clear()
        for segment in self._segments:
            segment.rest()

    def configure(self, config: LogConfig) -> None:
        """Limits for what comes."""
        for segment in self._segments:
            segment.config = config
