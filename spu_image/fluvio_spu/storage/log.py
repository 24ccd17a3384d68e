"""The log of one partition: append batches, read slices, expire, recover.

Called by `replica/`, from one thread. Only the work that is handed out (`SyncHandle`,
`ExpiredSegment`) runs elsewhere. Opening, closing, truncating and removing may take long and
belong in a worker thread too, while nobody else uses the log; appending, reading at the tail and
expiring do not block for more than the page cache does.

Invariants
- `[start_offset, end_offset)` is one run of batches over all segments, but for damaged ones, which
  are reported and never skipped.
- An append is kept as a whole or not at all: what fails halfway is cut off before it returns, and
  when even that fails no other write is taken until the log has been opened again.
- `high_watermark` lies within the log and only moves back by a truncation or a restart.

Source: protocol reference 6; upstream fluvio-storage/src/replica.rs. Our differences: checksums are
verified, marks make the start flat, a full disk is not fatal.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from fluvio_protocol.types import Offset
from fluvio_spu.storage import checkpoint as checkpoint_files
from fluvio_spu.storage.checkpoint import Mark, TailCheckpoint
from fluvio_spu.storage.copied_batches import split_copied
from fluvio_spu.storage.data_file import (
    BATCH_HEADER,
    BATCH_HEADER_SIZE,
    BATCH_PREAMBLE_SIZE,
    BATCH_STAMP,
    LAST_OFFSET_DELTA,
    LAST_OFFSET_DELTA_AT,
    BadBatch,
)
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durability import LogPoint, SyncHandle, WriteGate
from fluvio_spu.storage.durable_file import directory_of
from fluvio_spu.storage.errors import (
    BatchTooBig,
    CorruptSegment,
    LogFailed,
    OffsetEvicted,
    OffsetOutOfRange,
    SegmentInUse,
    StorageError,
    is_out_of_space,
    storage_error,
)
from fluvio_spu.storage.log_config import LogConfig
from fluvio_spu.storage.offset_index import U32_MAX
from fluvio_spu.storage.recovery import RecoveredLog, RecoveryReport, damaged_segment, recover
from fluvio_spu.storage.retention import (
    DELETED_SUFFIX,
    ExpiredSegment,
    count_over_age,
    count_over_size,
)
from fluvio_spu.storage.segment import LogSlice, Segment
from fluvio_spu.storage.segment_chain import SegmentChain
from fluvio_spu.storage.sync_ledger import SyncLedger

__all__ = ["Batches", "Log", "LogConfig"]

logger = logging.getLogger(__name__)

_UNKNOWN_EPOCH = -1
_CLOSED = "the log is closed"
SEGMENTS_EXPIRED_MAX = 256
"""In one go: two renames for each, so a few milliseconds on the caller's thread."""

Batches = Sequence[tuple[memoryview, int]]
"""Whole batches with their record counts; those to be stamped are writable."""


class Log:
    """One partition on disk. See the module's invariants."""

    __slots__ = (
        "_batch_size_max",
        "_chain",
        "_checkpoint_at",
        "_checkpointed",
        "_config",
        "_directory",
        "_disk",
        "_end",
        "_gate",
        "_high_watermark",
        "_high_watermark_stored",
        "_ledger",
        "_segment_size_max",
        "recovery",
    )

    def __init__(
        self, disk: Disk, directory: str, config: LogConfig, recovered: RecoveredLog
    ) -> None:
        """For `open` alone."""
        self._disk = disk
        self._directory = directory
        self._chain = SegmentChain(disk, recovered.segments)
        self._ledger = SyncLedger(directory, recovered.segments, recovered.durable)
        self._end = self._chain.active.end_offset
        self._high_watermark = recovered.high_watermark
        self._high_watermark_stored = recovered.high_watermark if recovered.current else None
        self._gate = WriteGate()
        self._checkpointed = self._checkpoint_state() if recovered.current else None
        self._checkpoint_at = self._chain.active.size_bytes + config.checkpoint_interval_bytes
        self.recovery: RecoveryReport = recovered.report
        """What opening found; its `damaged` grows when reading finds more."""
        self._take_config(config)

    @classmethod
    def open(
        cls,
        disk: Disk,
        directory: str,
        config: LogConfig,
        *,
        losing: Callable[[str], None] = lambda _: None,
    ) -> "Log":
        """Open the log of a directory, which is made when missing, and recover what is there.

        Slow when there is much to walk: run it in a worker thread. Look at `recovery` afterwards.
        losing: told why records of this log are lost, before anything that shows it goes
        Raises StorageError when the disk does not let us; OutOfStorage when it is full.
        """
        try:
            recovered = recover(disk, directory, config, losing=losing)
        except OSError as error:
            raise storage_error(error, f"opening {directory}") from error
        log = cls(disk, directory, config, recovered)
        if not recovered.current:
            # The same bytes need not be walked again; and a high watermark from beyond the end
            # must not come true when the log has grown up to it.
            log._checkpoint_quietly()
        return log

    # what it holds

    @property
    def directory(self) -> str:
        return self._directory

    @property
    def config(self) -> LogConfig:
        return self._config

    @property
    def start_offset(self) -> Offset:
        """The oldest offset that is kept."""
        return Offset(self._chain.start_offset)

    @property
    def end_offset(self) -> Offset:
        """The offset that the next record gets (log end offset, LEO)."""
        return Offset(self._end)

    @property
    def size_bytes(self) -> int:
        """Logs and used indexes, as upstream reports it."""
        return self._chain.size_bytes

    @property
    def segment_count(self) -> int:
        return len(self._chain)

    @property
    def high_watermark(self) -> Offset:
        return self._high_watermark

    def set_high_watermark(self, offset: Offset) -> None:
        """Move it forward, in memory; clipped to the log end. `checkpoint` persists it."""
        offset = Offset(min(offset, self._end))
        if offset > self._high_watermark:
            self._high_watermark = offset

    @property
    def refusal(self) -> str | None:
        """Why appends are refused until the log is opened again, or None."""
        return self._gate.refusal

    @property
    def unsynced_bytes(self) -> int:
        """Appended, and not known to be durable."""
        return self._ledger.unsynced_bytes

    @property
    def durable_offset(self) -> Offset:
        """Everything below it is known to be durable."""
        self._ledger.look()
        return Offset(self._ledger.durable.end_offset)

    # append

    def append(self, batches: Batches) -> Offset:
        """Write batches behind the log end, with one system call; returns the first's base offset.

        Base offset and leader epoch are stamped into the batches in place, also when the append
        then fails. All are kept, or none.
        batches: each whole and checked, writable, with the record count that its header says.
        Raises:  BatchTooBig; OutOfStorage, after which the next append may work; LogFailed;
                 StorageError.
        """
        if self._gate.refusal is not None:
            raise LogFailed(f"{self._directory}: {self._gate.refusal}")
        first = self._end
        if not batches:
            return Offset(first)
        total = 0
        end = first
        stamp = BATCH_STAMP.pack_into
        for data, count in batches:
            size = len(data)
            # A count that differs from the header's would be taken for damage at the next start.
            assert count == LAST_OFFSET_DELTA.unpack_from(data, LAST_OFFSET_DELTA_AT)[0] + 1 > 0
            stamp(data, 0, end, size - BATCH_PREAMBLE_SIZE, _UNKNOWN_EPOCH)
            total += size
            end += count
        if total > self._batch_size_max:
            self._check_sizes(batches)
        self._write(batches, total, end)
        return Offset(first)

    def append_copied(
        self, records: bytes | memoryview, *, base_offset: Offset, end_offset: Offset
    ) -> Offset:
        """Write whole batches as another log holds them behind the log end; returns the new end.

        Not a byte of them is changed. All are kept, or none. Whatever size another log took is
        taken: a batch that is larger than a segment gets one for itself.
        base_offset, end_offset: of the first record, and behind the last one.
        Raises: CopiedRecordsDoNotFit; OutOfStorage, after which the next append may work;
                LogFailed; StorageError.
        """
        if self._gate.refusal is not None:
            raise LogFailed(f"{self._directory}: {self._gate.refusal}")
        whole = memoryview(records).cast("B")
        batches = split_copied(
            whole, base_offset=base_offset, end_offset=end_offset, log_end=self.end_offset
        )
        if batches:
            self._write(batches, len(whole), end_offset)
        return self.end_offset

    def _write(self, batches: Batches, total: int, end: int) -> None:
        """Append what was checked, `total` bytes, after which the log ends at `end`."""
        active = self._chain.active
        if self._has_room(active, total, end):
            try:
                active.append(batches, total)
            except OSError as error:
                raise self._cut_failed_append(error) from error
        else:
            self._append_rolling(batches)
            active = self._chain.active
        self._end = end
        self._ledger.appended_bytes += total
        if active.size_bytes >= self._checkpoint_at:
            self._checkpoint_quietly()

    def _check_sizes(self, batches: Batches) -> None:
        for data, _ in batches:
            if len(data) > self._batch_size_max:
                raise BatchTooBig(len(data), size_bytes_max=self._batch_size_max)

    def _has_room(self, active: Segment, size: int, end_offset: int) -> bool:
        assert active.index is not None
        return (
            active.size_bytes + size <= self._segment_size_max
            and end_offset - active.base_offset <= U32_MAX
            and not active.index.full
        )

    def _append_rolling(self, batches: Batches) -> None:
        """Append over a segment's end: fill it, roll, go on. Undone when any part of it fails."""
        point = self._point()
        group: list[tuple[memoryview, int]] = []
        size = 0
        end = self._end
        try:
            for batch in batches:
                data, count = batch
                if not self._has_room(self._chain.active, size + len(data), end + count):
                    self._append_group(group, size)
                    group, size = [], 0
                    if self._chain.active.size_bytes:
                        self._roll()
                group.append(batch)
                size += len(data)
                end += count
            self._append_group(group, size)
        except OSError as error:
            self._undo_to(point)
            raise self._cut_failed_append(error) from error

    def _append_group(self, group: Batches, size: int) -> None:
        if group:
            self._chain.active.append(group, size)

    def _roll(self) -> None:
        """Raises OSError; nothing has changed then."""
        old = self._chain.roll(self._directory, self._config)
        self._ledger.rolled(old, self._chain.active)
        # The checkpoint comes after the append, which may yet be undone.
        self._checkpoint_at = 0

    def _undo_to(self, point: LogPoint) -> None:
        """Drop the segments that a failed append began, and cut off what it wrote before."""
        try:
            while self._chain.active.base_offset > point.segment_base:
                self._chain.drop_last()
                self._ledger.unrolled(self._chain.active)
                # Whatever views there are of it end below the point, so they keep their bytes.
                self._chain.active.reactivate()
            self._chain.active.cut(point)
        except OSError as error:
            self._gate.refusal = f"a failed append could not be undone: {error}"

    def _cut_failed_append(self, error: OSError) -> StorageError:
        """Bring the file back to what memory says, or refuse writes; returns what to raise."""
        if self._gate.refusal is None:
            try:
                self._chain.active.cut_file()
            except OSError as second:
                self._gate.refusal = f"a failed append could not be cut off: {second}"
            else:
                if not is_out_of_space(error):
                    self._gate.refusal = f"a write failed: {error.strerror or error}"
        if self._gate.refusal is not None:
            logger.error(
                "event=log_failed directory=%s reason=%s", self._directory, self._gate.refusal
            )
            return LogFailed(f"{self._directory}: {self._gate.refusal}")
        return storage_error(error, f"appending to {self._directory}")

    # read

    def read(self, start: Offset, *, end: Offset, max_bytes: int) -> LogSlice | None:
        """Whole batches from the one that holds `start`, of one segment, at least one.

        end:       nothing at or behind it, clipped to the log end; a batch that reaches over it
                   is left out. None when there is nothing in between.
        max_bytes: soft, one larger batch is still returned.
        Raises:    OffsetOutOfRange past the log end; OffsetEvicted below the log start;
                   CorruptSegment; StorageError; LogFailed when closed.
        Source:    fluvio-storage/src/replica.rs, read_partition_slice (our difference: no batch
                   is ever cut, since clients lose records over it).
        """
        chain = self._chain
        if start < chain.start_offset:
            raise OffsetEvicted(start, start=self.start_offset, end=self.end_offset)
        if start >= end or start >= self._end:
            if start > self._end:
                raise OffsetOutOfRange(start, start=self.start_offset, end=self.end_offset)
            return None
        if end > self._end:
            end = Offset(self._end)  # a failed append may have left more than that
        segment = chain.active
        if segment.file is None:
            raise LogFailed(f"{self._directory}: {_CLOSED}")
        try:
            if start < segment.base_offset:
                segment = chain.find(start)
                if start >= segment.end_offset:
                    assert segment.problem is not None
                    raise segment.problem
            return segment.read(start, end=end, max_bytes=max_bytes)
        except BadBatch as bad:
            raise self._report_damage(segment, bad) from None
        except OSError as error:
            raise storage_error(error, f"reading {segment.log_path}") from error

    def _report_damage(self, segment: Segment, bad: BadBatch) -> CorruptSegment:
        behind = self._chain.base_behind(segment)
        found = damaged_segment(segment, bad, next_offset=self._end if behind is None else behind)
        known = {(one.file, one.position) for one in self.recovery.damaged}
        if (found.file, found.position) not in known:
            logger.error(
                "event=damaged_segment file=%s position=%d offset=%d reason=%s",
                found.file,
                found.position,
                found.first_offset,
                found.reason,
            )
            self.recovery = replace(self.recovery, damaged=(*self.recovery.damaged, found))
        return CorruptSegment(found.file, position=found.position, reason=found.reason)

    # durability

    def sync_handle(self) -> SyncHandle:
        """The work of making durable everything appended so far; run it in a worker thread."""
        return self._ledger.begin(self._disk, self._gate, self._point(), self._chain.active.file)

    def _point(self) -> LogPoint:
        active = self._chain.active
        return LogPoint(
            active.base_offset, active.end_offset, active.size_bytes, active.last_position
        )

    # checkpoints

    def checkpoint(self) -> None:
        """Persist the high watermark, the index so far, and how far a start may skip.

        Two or three small writes, no sync; nothing when nothing has changed. Raises StorageError.
        """
        if self._chain.active.file is None:
            return
        try:
            self._write_checkpoint()
        except OSError as error:
            raise storage_error(error, f"checkpoint of {self._directory}") from error

    def _checkpoint_quietly(self) -> None:
        """A checkpoint that is late makes the next start slower, and must not fail an append."""
        interval = self._config.checkpoint_interval_bytes
        self._checkpoint_at = self._chain.active.size_bytes + interval
        try:
            self._write_checkpoint()
        except OSError as error:
            logger.warning("event=checkpoint_failed directory=%s error=%s", self._directory, error)

    def _write_checkpoint(self) -> None:
        if self._high_watermark != self._high_watermark_stored:
            checkpoint_files.write_high_watermark(self._disk, self._directory, self._high_watermark)
            self._high_watermark_stored = self._high_watermark
        self._ledger.look()
        active = self._chain.active
        state = self._checkpoint_state()
        if state == self._checkpointed or self._gate.refusal is not None:
            return
        assert active.file is not None
        assert active.index is not None
        active.save_index(closed=False)
        checkpoint = TailCheckpoint(
            boot_identity=self._disk.boot_identity(),
            segment_base=active.base_offset,
            high_watermark=self._high_watermark,
            index_entries=len(active.index),
            index_checksum=active.index_file.checksum,
            tail=self._mark(self._point()),
            durable=self._mark(self._ledger.durable),
        )
        checkpoint_files.write_tail(self._disk, self._directory, checkpoint)
        self._checkpointed = state
        self._checkpoint_at = active.size_bytes + self._config.checkpoint_interval_bytes

    def _checkpoint_state(self) -> tuple[int, ...]:
        """Everything that a checkpoint says, to know whether there is news."""
        active = self._chain.active
        durable = self._ledger.durable.end_offset
        return active.base_offset, active.size_bytes, durable, self._high_watermark

    def _mark(self, point: LogPoint) -> Mark:
        """What is written of a point; of one before the active segment, only the offset."""
        active = self._chain.active
        if point.segment_base != active.base_offset or point.position == 0:
            return Mark(point.end_offset, 0, 0, 0)
        assert active.file is not None
        head = active.file.read(BATCH_HEADER_SIZE, point.last_position)
        checksum = BATCH_HEADER.unpack_from(head)[3]
        return Mark(point.end_offset, point.position, point.last_position, checksum)

    # retention

    def expire(self, now_ms: int) -> list[ExpiredSegment]:
        """Detach the closed segments that are too old or too many, and rename their files.

        Quick, since it takes a bounded number and leaves the rest for the next call; the caller
        runs `delete` of each in a worker thread. Slices of them stay readable.
        Raises StorageError, when not even the first one can be renamed.
        """
        return self._detach(self._count_expired(now_ms))

    def drop_before(self, offset: Offset) -> list[ExpiredSegment]:
        """Detach the closed segments that hold nothing at or behind `offset`, as `expire` does.

        So a follower's log begins where its leader's does, but for the segment that holds the
        offset. Raises StorageError, when not even the first one can be renamed.
        """
        if self._chain.active.file is None or offset <= self._chain.start_offset:
            return []
        return self._detach(min(self._chain.count_below(offset), SEGMENTS_EXPIRED_MAX))

    def _detach(self, count: int) -> list[ExpiredSegment]:
        expired: list[ExpiredSegment] = []
        try:
            for _ in range(count):
                expired.append(self._detach_first())
        except OSError as error:
            if not expired:
                raise storage_error(error, f"expiring segments of {self._directory}") from error
            logger.warning(
                "event=segment_not_expired directory=%s error=%s", self._directory, error
            )
        return expired

    def _count_expired(self, now_ms: int) -> int:
        closed = self._chain.closed
        if not closed or self._chain.active.file is None:
            return 0
        over_age = count_over_age(
            (self._modified_ms(segment) for segment in closed),
            now_ms=now_ms,
            retention_ms=self._config.retention_ms,
        )
        over_size = count_over_size(
            self.size_bytes,
            partition_size_bytes_max=self._config.partition_size_bytes_max,
            segment_size_bytes_max=self._config.segment_size_bytes_max,
        )
        return min(len(closed), SEGMENTS_EXPIRED_MAX, max(over_age, over_size))

    def _modified_ms(self, segment: Segment) -> int:
        if segment.modified_ms is None:
            segment.modified_ms = self._disk.status(segment.log_path).modified_ms
        return segment.modified_ms

    def _detach_first(self) -> ExpiredSegment:
        expired = self._chain.detach_first()
        self._ledger.expired(expired.base_offset)
        self._high_watermark = max(self._high_watermark, self.start_offset)
        return expired

    # rare things

    def reconfigure(self, config: LogConfig) -> None:
        """Take other limits from now on; segments that are there keep their size."""
        self._take_config(config)

    def _take_config(self, config: LogConfig) -> None:
        self._config = config
        self._segment_size_max = config.segment_size_bytes_max
        self._batch_size_max = min(config.batch_size_bytes_max, config.segment_size_bytes_max)
        self._chain.configure(config)

    def truncate(self, end: Offset) -> None:
        """Forget everything from `end` on, and all of a batch that reaches over it.

        Offsets are given out again afterwards. Slow; for a worker thread.
        Raises: OffsetOutOfRange; SegmentInUse while views of what goes are held; CorruptSegment;
                LogFailed; StorageError, after which writes are refused.
        """
        if self._gate.refusal is not None:
            raise LogFailed(f"{self._directory}: {self._gate.refusal}")
        if not self.start_offset <= end <= self._end:
            raise OffsetOutOfRange(end, start=self.start_offset, end=self.end_offset)
        if end == self._end:
            return
        kept = self._chain.active
        try:
            kept = self._chain.find(end)
            if end > kept.end_offset:
                assert kept.problem is not None
                raise kept.problem
            point = kept.point_at(end)
            if not kept.retire_views():
                raise SegmentInUse(f"{kept.log_path} is still being read")
            kept.reactivate()
        except BadBatch as bad:
            raise self._report_damage(kept, bad) from None
        except OSError as error:
            raise storage_error(error, f"truncating {self._directory}") from error
        try:
            self._truncate_to(point)
        except OSError as error:
            self._gate.refusal = f"a truncation failed: {error.strerror or error}"
            raise storage_error(error, f"truncating {self._directory}") from error

    def _truncate_to(self, point: LogPoint) -> None:
        """What could claim more goes first, then segments from the last one on: so a crash in
        between leaves a log that is shorter or as it was, and never one with a hole."""
        chain = self._chain
        self._checkpointed = None
        checkpoint_files.forget_tail(self._disk, self._directory)
        self._disk.sync_directory(self._directory)
        if chain.active.base_offset > point.segment_base:
            while chain.active.base_offset > point.segment_base:
                chain.drop_last()
                self._end = chain.active.end_offset
            # Or a power cut could keep a later segment, and the cut of the one before it.
            self._disk.sync_directory(self._directory)
        chain.active.cut(point)
        self._end = point.end_offset
        self._ledger.truncated(point.segment_base, point.end_offset, point.position)
        self._high_watermark = Offset(min(self._high_watermark, self._end))
        # A file that goes and comes again may be damaged at the same place once more.
        damaged = tuple(one for one in self.recovery.damaged if one.first_offset < self._end)
        self.recovery = replace(self.recovery, damaged=damaged)
        self._checkpoint_quietly()

    def restart_at(self, offset: Offset) -> None:
        """Forget everything, and begin with an empty segment at `offset`; durable on return.

        For a worker thread. Readers keep what they hold: files are removed and not cut. A crash in
        between leaves a log that is shorter, or empty (and then begins at 0), without a hole.
        Raises: LogFailed; StorageError, after which writes are refused.
        """
        if self._gate.refusal is not None:
            raise LogFailed(f"{self._directory}: {self._gate.refusal}")
        assert offset >= 0
        self._checkpointed = None
        try:
            checkpoint_files.forget_tail(self._disk, self._directory)
            self._disk.sync_directory(self._directory)
            self._chain.begin_anew(self._directory, self._config, offset)
            # A folder that was just made goes with the power, and everything in it.
            self._disk.sync_directory(directory_of(self._directory))
        except OSError as error:
            self._gate.refusal = f"a restart of the log failed: {error.strerror or error}"
            raise storage_error(error, f"beginning anew in {self._directory}") from error
        self._end = offset
        self._high_watermark = offset
        self._ledger.began_anew(offset)
        self.recovery = replace(self.recovery, cut=None, damaged=())
        self._checkpoint_quietly()

    def close(self) -> bool:
        """Sync, checkpoint and let the files go; for a worker thread. Never raises for a full disk:
        what could not be written will be found by walking at the next start.

        Returns whether everything the log holds is durable.
        """
        if self._chain.active.file is None:
            return self.unsynced_bytes == 0
        try:
            if self._gate.refusal is None:
                if self.unsynced_bytes:
                    self.sync_handle().run()
                self._chain.active.trim(closing=False)
            self._write_checkpoint()
        except (OSError, StorageError) as error:
            logger.warning(
                "event=log_closed_uncleanly directory=%s error=%s", self._directory, error
            )
        self._let_go()
        return self.unsynced_bytes == 0

    def _let_go(self) -> None:
        if self._gate.refusal is None:
            self._gate.refusal = _CLOSED
        self._chain.rest()

    def remove(self) -> list[str]:
        """Close, and delete the directory with all that is in it; for a worker thread.

        The directory is renamed first, so its name is free and a crash leaves no half of a log.
        Returns the names of the files deleted. Raises StorageError.
        """
        self._let_go()
        doomed = self._directory + DELETED_SUFFIX
        try:
            # A removal that a crash stopped may have left one of that name.
            names = _delete_directory(self._disk, doomed)
            self._disk.rename(self._directory, doomed)
            names += _delete_directory(self._disk, doomed)
        except FileNotFoundError:
            return names
        except OSError as error:
            raise storage_error(error, f"removing {self._directory}") from error
        return names


def _delete_directory(disk: Disk, path: str) -> list[str]:
    """Delete a directory of plain files, if it is there. Raises OSError."""
    try:
        names = disk.list_directory(path)
    except FileNotFoundError:
        return []
    for name in names:
        disk.unlink(f"{path}/{name}")
    disk.remove_directory(path)
    return names
