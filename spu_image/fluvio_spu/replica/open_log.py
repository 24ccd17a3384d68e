"""A partition's log that is open, with what is known of who wrote it and whether it is whole.

It outlives the roles: a replica that leads, follows and leads again keeps it open. Everything here
that writes blocks, runs in a worker thread, and is durable when it returns.

    damaged    a file beside the log: reading found a hole; there until the log was made anew
"""

from contextlib import suppress
from dataclasses import dataclass

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset
from fluvio_spu.replication.lineage import BEFORE_EPOCHS, EpochLineage
from fluvio_spu.storage import Disk, Log
from fluvio_spu.storage.durable_file import replace_durably
from fluvio_spu.storage.epoch_file import read_epochs, write_epochs

DAMAGED_FILE = "damaged"
_REASON_BYTES_MAX = 1000


@dataclass(slots=True)
class OpenLog:
    """See the module.

    uid:         identity of the partition object whose data it is
    lineage:     leaderships that wrote it
    noted_epoch: newest epoch that was noted before it was opened, by an earlier process
    is_known:    who wrote it could be read, or there was nothing to read
    is_damaged:  it has holes, and can only be made anew from the leader's
    """

    disk: Disk
    log: Log
    uid: str
    lineage: EpochLineage
    noted_epoch: LeaderEpoch = BEFORE_EPOCHS
    is_known: bool = True
    is_damaged: bool = False

    @classmethod
    def of(cls, disk: Disk, log: Log, uid: str) -> "OpenLog":
        """What a log that was just opened is fit for. Raises OSError, StorageError."""
        entries = read_epochs(disk, log.directory)
        lineage = EpochLineage(tuple(entries or ())).cut(log.end_offset)
        # Also one without a record: it is known to have begun.
        noted_epoch = entries[-1].epoch if entries else BEFORE_EPOCHS
        is_known = entries is not None or log.end_offset == log.start_offset
        opened = cls(disk, log, uid, lineage, noted_epoch, is_known)
        opened.is_damaged = bool(log.recovery.damaged) or opened._is_marked()
        return opened

    def begin_epoch(self, epoch: LeaderEpoch) -> None:
        """Note that what is appended from now on is of this leadership."""
        if self.lineage.newest_epoch != epoch:
            self.note_lineage(self.lineage.begun(epoch, self.log.end_offset).entries)

    def note_lineage(self, entries: tuple[EpochStart, ...]) -> None:
        """Keep another lineage."""
        lineage = EpochLineage(entries)
        write_epochs(self.disk, self.log.directory, lineage.trimmed(self.log.start_offset).entries)
        self.lineage = lineage

    def cut(self, end: Offset) -> None:
        """Drop everything from `end` on. Raises SegmentInUse, StorageError."""
        self.log.truncate(end)
        self.log.sync_handle().run()
        self.lineage = self.lineage.cut(self.log.end_offset)

    def restart_at(self, offset: Offset) -> None:
        """Drop everything and begin at `offset`. Raises StorageError."""
        self.log.restart_at(offset)
        self.lineage = EpochLineage()
        with suppress(FileNotFoundError):
            self.disk.unlink(f"{self.log.directory}/{DAMAGED_FILE}")
        self.is_damaged = False

    def mark_damaged(self, reason: str) -> None:
        """Remember that it has holes, whatever becomes of this process: no start may notice."""
        self.is_damaged = True
        text = reason.encode()[:_REASON_BYTES_MAX]
        replace_durably(self.disk, f"{self.log.directory}/{DAMAGED_FILE}", text)

    def _is_marked(self) -> bool:
        try:
            self.disk.status(f"{self.log.directory}/{DAMAGED_FILE}")
        except FileNotFoundError:
            return False
        return True
