"""A partition's log that is open, with what is known of who wrote it and whether it is whole.

It outlives the roles: a replica that leads, follows and leads again keeps it open. Everything here
that writes blocks, runs in a worker thread, and is durable when it returns.

    unfit      why the log may lack acknowledged records; from its discovery until the controller
               has been told and has answered, over restarts of the process
"""

from dataclasses import dataclass

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset
from fluvio_spu.replication.lineage import BEFORE_EPOCHS, EpochLineage
from fluvio_spu.storage import Disk, Log
from fluvio_spu.storage.durable_file import replace_durably
from fluvio_spu.storage.epoch_file import read_epochs, write_epochs

UNFIT_FILE = "unfit"
_DAMAGED = "damaged: "
_REASON_BYTES_MAX = 1000


@dataclass(slots=True)
class OpenLog:
    """See the module.

    uid:         identity of the partition object whose data it is
    lineage:     leaderships that wrote it
    noted_epoch: newest epoch that was noted before it was opened, by an earlier process
    unfit:       why it must not lead; empty when it may
    is_damaged:  it has holes, and can only be made anew from the leader's
    """

    disk: Disk
    log: Log
    uid: str
    lineage: EpochLineage
    noted_epoch: LeaderEpoch = BEFORE_EPOCHS
    unfit: str = ""
    is_damaged: bool = False

    @classmethod
    def of(cls, disk: Disk, log: Log, uid: str) -> "OpenLog":
        """What a log that was just opened is fit for. Raises OSError, StorageError."""
        entries = read_epochs(disk, log.directory)
        lineage = EpochLineage(tuple(entries or ())).cut(log.end_offset)
        # Also one without a record: it is known to have begun.
        noted_epoch = entries[-1].epoch if entries else BEFORE_EPOCHS
        opened = cls(disk, log, uid, lineage, noted_epoch)
        opened._read_mark()
        recovery = log.recovery
        if recovery.damaged:
            damage = recovery.damaged[0]
            opened.mark_unfit(f"{damage.file}: {damage.reason}", is_damaged=True)
        elif recovery.lost_records:
            opened.mark_unfit("records were lost when it was opened")
        elif entries is None and log.end_offset > log.start_offset:
            opened.mark_unfit("who wrote it cannot be read")
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
        if self.unfit:
            self.mark_unfit(self.unfit)
        self.log.restart_at(offset)
        self.lineage = EpochLineage()
        self.is_damaged = False

    def mark_unfit(self, reason: str, *, is_damaged: bool = False) -> None:
        """Remember that it may lack records, whatever becomes of this process."""
        self.is_damaged = is_damaged or self.is_damaged
        self.unfit = reason[:_REASON_BYTES_MAX]
        text = (_DAMAGED if self.is_damaged else "") + self.unfit
        replace_durably(self.disk, f"{self.log.directory}/{UNFIT_FILE}", text.encode()[:4000])

    def forget_mark(self) -> None:
        """The controller knows; it counts on this log no more than on an empty one."""
        self.unfit = ""
        try:
            self.disk.unlink(f"{self.log.directory}/{UNFIT_FILE}")
        except FileNotFoundError:
            return

    def _read_mark(self) -> None:
        try:
            content = self.disk.read_file(f"{self.log.directory}/{UNFIT_FILE}", 4096)
        except FileNotFoundError:
            return
        text = content.decode(errors="replace")
        self.is_damaged = text.startswith(_DAMAGED)
        self.unfit = text.removeprefix(_DAMAGED) or "it was found unfit before"
