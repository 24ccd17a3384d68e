"""Opening a log: what is there, what of it holds, and where writing goes on.

Called by `log.py`, in a worker thread of the caller's: a start after a clean stop reads four small
files, but a walk may read up to a segment. May cut the end of the active segment, and nothing else.

    closed segments   believed by name and size; opened, and their ends checked, at first use.
                      Without a checkpoint to go by, their ends are checked at once.
    active segment    walked with checksums from the checkpoint's mark on. The first batch that is
                      torn, corrupt or out of order ends the log: it and the rest are cut off.
                      If a valid batch lies behind it, this was no torn write, and what is cut
                      is kept in a file beside the log.

Invariant: a byte below the end of the log after opening was checked, or lies below a mark that
matches the file, or is in a closed segment; the last two are checked when they are first read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.types import Offset
from fluvio_spu.storage.checkpoint import (
    HIGH_WATERMARK_FILE,
    TAIL_FILE,
    Mark,
    TailCheckpoint,
    read_high_watermark,
    read_tail,
)
from fluvio_spu.storage.data_file import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SEQUENTIAL_READ_SIZE,
    BadBatch,
    DataFile,
    finds_batch_behind,
    segment_path,
    walk_batches,
)
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durability import LogPoint
from fluvio_spu.storage.log_config import LogConfig
from fluvio_spu.storage.offset_index import ENTRY_SIZE, OffsetIndex
from fluvio_spu.storage.retention import DELETED_SUFFIX
from fluvio_spu.storage.segment import Segment

_NAME_DIGITS = 20
_REPLACEMENT_SUFFIX = ".new"
_EMPTY_FILE = "the file is empty"


@dataclass(frozen=True, slots=True)
class CutTail:
    """What was cut off the end of the active segment.

    saved_as: a copy of it, made when valid batches were among it.
    """

    file: str
    position: int
    size_bytes: int
    reason: str
    saved_as: str | None


@dataclass(frozen=True, slots=True)
class DamagedSegment:
    """A file that misses something. Reading [first_offset, next_offset) raises CorruptSegment."""

    file: str
    position: int
    reason: str
    first_offset: Offset
    next_offset: Offset


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What opening a log found. `damaged` grows when reading finds more."""

    checkpoint_trusted: bool
    walked_bytes: int
    cut: CutTail | None = None
    damaged: tuple[DamagedSegment, ...] = ()
    missing_below: Offset | None = None
    """end of what was certainly there once, when the log now ends before it"""

    @property
    def clean(self) -> bool:
        """Nothing was lost."""
        return self.cut is None and not self.damaged

    @property
    def lost_records(self) -> bool:
        """Whether the log lacks records of its own that may have been acknowledged as safe.

        A torn end is none: whoever waited for a sync was not answered yet. A power cut that took
        what was never synced does not show here either; that is for the data folder to know.
        """
        saved = self.cut is not None and self.cut.saved_as is not None
        return saved or bool(self.damaged) or self.missing_below is not None


@dataclass(slots=True)
class RecoveredLog:
    """What `recover` hands to `Log`. The last segment is the active one; all others are closed.

    durable: what was synced for certain, by an earlier process.
    current: whether a checkpoint would say nothing new.
    """

    segments: list[Segment]
    high_watermark: Offset
    report: RecoveryReport
    durable: LogPoint
    current: bool


@dataclass(slots=True)
class _Findings:
    walked_bytes: int = 0
    damaged: list[DamagedSegment] = field(default_factory=list)


def recover(
    disk: Disk, directory: str, config: LogConfig, *, losing: Callable[[str], None]
) -> RecoveredLog:
    """Open the log in a directory, which is made when missing.

    losing: told why records are lost, before anything that shows it goes
    Raises OSError, and what `losing` raises, with the files as they were.
    """
    try:
        names = disk.list_directory(directory)
    except FileNotFoundError:
        disk.make_directory(directory)
        names = []
    bases = sorted(_base_offsets(names))
    _sweep(disk, directory, names, bases)
    if not bases:
        missing = _missing_below(disk, read_tail(disk, directory), end_offset=0)
        if missing is not None:
            losing(_missing_text(directory, missing))
        segment = Segment.create(disk, directory, config, 0)
        return RecoveredLog(
            [segment],
            Offset(0),
            RecoveryReport(checkpoint_trusted=False, walked_bytes=0, missing_below=missing),
            LogPoint(0, 0, 0, 0),
            # Of a log that was dropped and not begun anew yet, these are still there.
            current=not {HIGH_WATERMARK_FILE, TAIL_FILE} & set(names),
        )
    checkpoint = read_tail(disk, directory)
    findings = _Findings()
    sizes = set(names)
    closed = [
        _closed_segment(disk, directory, config, base, end, sizes) for base, end in pairwise(bases)
    ]
    active, trusted, cut = _recover_active(
        disk, directory, config, bases[-1], checkpoint, findings, losing
    )
    believed = _believed_below(disk, checkpoint if trusted else None)
    for segment in closed:
        if segment.end_offset > believed or segment.size_bytes == 0:
            _check_closed(segment, findings)
    missing = _missing_below(disk, checkpoint, end_offset=active.end_offset)
    if findings.damaged:
        losing(f"{findings.damaged[0].file}: {findings.damaged[0].reason}")
    elif missing is not None:
        losing(_missing_text(directory, missing))
    high_watermark, stored = _high_watermark(
        disk, directory, checkpoint, start=bases[0], active=active
    )
    return RecoveredLog(
        [*closed, active],
        high_watermark,
        RecoveryReport(
            trusted,
            findings.walked_bytes,
            cut,
            tuple(findings.damaged),
            missing,
        ),
        _durable_point(checkpoint, start=bases[0], active=active),
        current=(
            trusted
            and checkpoint is not None
            and checkpoint.boot_identity == _boot_identity(disk)
            and checkpoint.tail.position == active.size_bytes
            and checkpoint.high_watermark == high_watermark == stored
            and not active.index_file.stale
        ),
    )


def damaged_segment(segment: Segment, bad: BadBatch, *, next_offset: int) -> DamagedSegment:
    """The report of a bad batch in a segment."""
    return DamagedSegment(
        segment.log_path, bad.position, bad.reason, Offset(bad.offset), Offset(next_offset)
    )


def _base_offsets(names: Iterable[str]) -> Iterable[int]:
    for name in names:
        stem = name.removesuffix(LOG_SUFFIX)
        if stem != name and len(stem) == _NAME_DIGITS and stem.isascii() and stem.isdigit():
            yield int(stem)


def _sweep(disk: Disk, directory: str, names: Iterable[str], bases: Iterable[int]) -> None:
    """Remove what a crash left halfway: expired segments, unfinished replacements, lone indexes."""
    kept = {f"{base:020d}" for base in bases}
    for name in names:
        stem = name.removesuffix(INDEX_SUFFIX)
        lone_index = stem != name and len(stem) == _NAME_DIGITS and stem not in kept
        if lone_index or name.endswith((DELETED_SUFFIX, _REPLACEMENT_SUFFIX)):
            disk.unlink(f"{directory}/{name}")


def _boot_identity(disk: Disk) -> bytes | None:
    """None when the system has none: then no mark of an earlier process may rely on the cache."""
    return disk.boot_identity() or None


def _missing_below(
    disk: Disk, checkpoint: TailCheckpoint | None, *, end_offset: int
) -> Offset | None:
    """What a checkpoint knows to be on disk, or in the cache that we still have; None for less.

    Whoever cuts a log on purpose removes the checkpoint first.
    """
    if checkpoint is None:
        return None
    there = checkpoint.durable.end_offset
    if checkpoint.boot_identity == _boot_identity(disk):
        there = max(there, checkpoint.tail.end_offset)
    return Offset(there) if there > end_offset else None


def _missing_text(directory: str, missing_below: Offset) -> str:
    return f"{directory}: records below {missing_below} were there once"


def _believed_below(disk: Disk, checkpoint: TailCheckpoint | None) -> int:
    """Closed segments that end at or below this offset were whole when last written to."""
    if checkpoint is None:
        return -1
    if checkpoint.boot_identity == _boot_identity(disk):
        return checkpoint.segment_base
    return checkpoint.durable.end_offset


def _closed_segment(
    disk: Disk, directory: str, config: LogConfig, base: int, end: int, names: set[str]
) -> Segment:
    size = disk.status(segment_path(directory, base, LOG_SUFFIX)).size_bytes
    index_size = 0
    if f"{base:020d}{INDEX_SUFFIX}" in names:
        index_size = disk.status(segment_path(directory, base, INDEX_SUFFIX)).size_bytes
        # One that was not cut to its entries yet is as large as an active one.
        index_size = min(index_size, size // max(1, config.index_interval_bytes) * ENTRY_SIZE)
    return Segment(
        disk,
        directory,
        config,
        base_offset=base,
        end_offset=end,
        size_bytes=size,
        index_size_bytes=index_size,
    )


def _check_closed(segment: Segment, findings: _Findings) -> None:
    """Check the end of a closed segment; what is wrong is reported and does not stop the start."""
    next_offset = segment.end_offset
    try:
        findings.walked_bytes += segment.open()
    except OSError as error:
        bad = BadBatch(0, segment.base_offset, f"cannot be read: {error.strerror or error}")
        findings.damaged.append(damaged_segment(segment, bad, next_offset=next_offset))
        return
    if segment.problem is not None:
        findings.damaged.append(damaged_segment(segment, segment.problem, next_offset=next_offset))
    segment.rest()


def _recover_active(
    disk: Disk,
    directory: str,
    config: LogConfig,
    base: int,
    checkpoint: TailCheckpoint | None,
    findings: _Findings,
    losing: Callable[[str], None],
) -> tuple[Segment, bool, CutTail | None]:
    """(the active segment, whether a mark was trusted, what was cut)."""
    file = DataFile.open(disk, segment_path(directory, base, LOG_SUFFIX), writable=True)
    size = file.size()
    segment = Segment(disk, directory, config, base_offset=base, end_offset=base, size_bytes=0)
    index: OffsetIndex | None = None
    on_disk: tuple[int, int] | None = None
    mark = _trusted_mark(disk, checkpoint, file, base=base, size=size)
    position = last_position = 0
    offset = base
    if mark is not None and checkpoint is not None:
        position, offset, last_position = mark.position, mark.end_offset, mark.last_position
        index = _stored_index(segment, checkpoint, mark)
        if index is not None and len(index) == checkpoint.index_entries:
            on_disk = (len(index), checkpoint.index_checksum)
        if index is None:
            index = _walked_index(segment, file, mark, findings)
    index = index if index is not None else segment.new_index()
    start = position
    cut = None
    try:
        for at, length, next_offset in walk_batches(
            file,
            position=position,
            end=size,
            offset=offset,
            verify=True,
            read_size=SEQUENTIAL_READ_SIZE,
        ):
            index.note(offset - base, at, length)
            last_position, position, offset = at, at + length, next_offset
    except BadBatch as bad:
        cut = _cut_off(disk, file, bad, size, losing)
        on_disk = None
    findings.walked_bytes += size - start
    segment.size_bytes = position
    segment.end_offset = offset
    segment.verified.checked_from = start
    segment.activate(file, index, last_position=last_position, on_disk=on_disk)
    return segment, mark is not None, cut


def _trusted_mark(
    disk: Disk, checkpoint: TailCheckpoint | None, file: DataFile, *, base: int, size: int
) -> Mark | None:
    """The mark from which on to walk; None for the whole segment."""
    if checkpoint is None or checkpoint.segment_base != base:
        return None
    if checkpoint.boot_identity == _boot_identity(disk) and checkpoint.tail.matches(
        file, base_offset=base, size=size
    ):
        return checkpoint.tail
    if checkpoint.durable.matches(file, base_offset=base, size=size):
        return checkpoint.durable
    return None


def _stored_index(segment: Segment, checkpoint: TailCheckpoint, mark: Mark) -> OffsetIndex | None:
    """The index below a mark from its file; None when the file is not what it was."""
    index = segment.new_index()
    size = checkpoint.index_entries * ENTRY_SIZE
    if not size:
        return index
    content = segment.index_file.read(size)
    if len(content) != size or crc32c(content) != checkpoint.index_checksum:
        return None
    index.load(content, position_max=mark.position)
    return index


def _walked_index(segment: Segment, file: DataFile, mark: Mark, findings: _Findings) -> OffsetIndex:
    """The index below a mark from the batch headers there."""
    index = segment.new_index()
    base = offset = segment.base_offset
    try:
        for at, length, next_offset in walk_batches(
            file,
            position=0,
            end=mark.position,
            offset=offset,
            verify=False,
            read_size=SEQUENTIAL_READ_SIZE,
        ):
            index.note(offset - base, at, length)
            offset = next_offset
            findings.walked_bytes += length
    except BadBatch as bad:
        # The mark itself matches, so the log goes on behind it; only this part cannot be read.
        findings.damaged.append(damaged_segment(segment, bad, next_offset=mark.end_offset))
    return index


def _cut_off(
    disk: Disk, file: DataFile, bad: BadBatch, size: int, losing: Callable[[str], None]
) -> CutTail:
    """End a file before its first bad batch. Raises OSError, with the file as it was."""
    saved_as = None
    if finds_batch_behind(file, bad, size):
        losing(f"{file.path}: {bad.reason}")
        saved_as = f"{file.path}.cut-{bad.position}"
        _copy(disk, file, saved_as, position=bad.position, end=size)
    file.truncate(bad.position)
    return CutTail(file.path, bad.position, size - bad.position, bad.reason, saved_as)


def _copy(disk: Disk, file: DataFile, target: str, *, position: int, end: int) -> None:
    """Copy the end of a file into one of its own, durably: the original is about to go."""
    start = position
    copy = DataFile.open(disk, target, writable=True, create=True)
    while position < end:
        piece = file.read(min(SEQUENTIAL_READ_SIZE, end - position), position)
        if not piece:
            break
        copy.write([memoryview(piece)], position - start, len(piece))
        position += len(piece)
    copy.sync()


def _high_watermark(
    disk: Disk,
    directory: str,
    checkpoint: TailCheckpoint | None,
    *,
    start: int,
    active: Segment,
) -> tuple[Offset, Offset | None]:
    """As stored, within what the log holds, and the bare contents of the file.

    When unknown it is the start of the log: upstream takes the active segment's base, which may
    lie above what was committed; the leader moves it forward soon enough.
    """
    stored = known = read_high_watermark(disk, directory)
    if known is None and checkpoint is not None:
        known = Offset(checkpoint.high_watermark)
    if known is None:
        known = Offset(start)
    return Offset(min(max(known, start), active.end_offset)), stored


def _durable_point(checkpoint: TailCheckpoint | None, *, start: int, active: Segment) -> LogPoint:
    """Up to where an earlier process had synced, as far as it is known."""
    if checkpoint is None or checkpoint.durable.end_offset > active.end_offset:
        return LogPoint(-1, start, 0, 0)
    durable = checkpoint.durable
    same_segment = (
        checkpoint.segment_base == active.base_offset and durable.end_offset >= active.base_offset
    )
    if not same_segment:
        return LogPoint(-1, durable.end_offset, 0, 0)
    return LogPoint(active.base_offset, durable.end_offset, durable.position, durable.last_position)
