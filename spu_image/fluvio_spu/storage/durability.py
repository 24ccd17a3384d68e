"""When an append counts as safe, and the work that makes it so.

`DurabilityPolicy` is plain data from the configuration; `replica/` waits as it says. `SyncHandle`
is one fdatasync to be run in a worker thread. Invariant: a handle's `end_offset` never claims more
than what was handed to the disk before its sync began.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from fluvio_protocol.types import Offset
from fluvio_spu.storage.data_file import DataFile
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.errors import StorageError

_INTERVAL_MS_DEFAULT = 10
_BYTES_DEFAULT = 1 << 20


class DurabilityMode(StrEnum):
    """What must have happened to a batch before its producer is answered."""

    PAGE_CACHE = "page-cache"
    """the system has it: survives a crash of the process, not one of the machine"""
    GROUP = "group"
    """on disk; one fdatasync for all that came in some milliseconds or bytes"""
    EVERY_BATCH = "every-batch"
    """on disk; one fdatasync for each append"""


@dataclass(frozen=True, slots=True)
class DurabilityPolicy:
    """A mode and its numbers; interval_ms and bytes matter to GROUP alone."""

    mode: DurabilityMode = DurabilityMode.PAGE_CACHE
    interval_ms: int = _INTERVAL_MS_DEFAULT
    bytes: int = _BYTES_DEFAULT

    def __post_init__(self) -> None:
        if self.interval_ms <= 0 or self.bytes <= 0:
            raise ValueError(f"durability {self}: interval and bytes must be positive")

    @classmethod
    def parse(cls, text: str) -> "DurabilityPolicy":
        """`page-cache`, `every-batch`, `group` or `group:<milliseconds>:<bytes>`. ValueError."""
        mode, *numbers = text.strip().split(":")
        try:
            if not numbers:
                return cls(DurabilityMode(mode))
            if mode == DurabilityMode.GROUP and len(numbers) == 2:
                return cls(DurabilityMode.GROUP, int(numbers[0]), int(numbers[1]))
        except ValueError:
            pass
        raise ValueError(
            f'durability "{text}": expected page-cache, every-batch, group '
            "or group:<milliseconds>:<bytes>, such as group:10:1048576"
        )

    def __str__(self) -> str:
        if self.mode is DurabilityMode.GROUP:
            return f"{self.mode}:{self.interval_ms}:{self.bytes}"
        return str(self.mode)

    def is_due(self, unsynced_bytes: int, *, waited_ms: float) -> bool:
        """Whether a sync should start now, for what has been appended and not yet synced."""
        if unsynced_bytes <= 0 or self.mode is DurabilityMode.PAGE_CACHE:
            return False
        if self.mode is DurabilityMode.EVERY_BATCH:
            return True
        return unsynced_bytes >= self.bytes or waited_ms >= self.interval_ms


@dataclass(frozen=True, slots=True)
class LogPoint:
    """The end of a log at some moment: where it was in the segment, and the last batch before."""

    segment_base: int
    end_offset: int
    position: int
    last_position: int


class WriteGate:
    """Why nothing may be written to a log any more, or None. Shared with the syncs it started:
    `SyncHandle.run` closes the gate from a worker thread, in one assignment."""

    __slots__ = ("refusal",)

    def __init__(self) -> None:
        self.refusal: str | None = None


class SyncHandle:
    """One sync of everything that a log held when the handle was made. Run it once, anywhere.

    The log looks at `done` later, on its own thread, so a truncation in between cannot be
    overtaken by the news of an older sync.
    """

    __slots__ = (
        "_checkpoint_path",
        "_directories",
        "_disk",
        "_files",
        "_gate",
        "appended_bytes",
        "done",
        "point",
    )

    def __init__(
        self,
        disk: Disk,
        gate: WriteGate,
        point: LogPoint,
        *,
        appended_bytes: int,
        files: Sequence[DataFile | str],
        directories: Sequence[str],
        checkpoint_path: str,
    ) -> None:
        self._disk = disk
        self._checkpoint_path = checkpoint_path
        self._gate = gate
        self._files = files
        self._directories = directories
        self.point = point
        self.appended_bytes = appended_bytes
        self.done = False

    @property
    def end_offset(self) -> Offset:
        """Everything below it is durable once `run` has returned."""
        return Offset(self.point.end_offset)

    def run(self) -> None:
        """Block until it is on disk.

        Raises StorageError; the log then refuses writes until it is opened again, since after a
        failed sync the system may have dropped the bytes while it still shows them to readers.
        """
        try:
            for file in self._files:
                self._sync(file)
            for directory in self._directories:
                self._disk.sync_directory(directory)
        except OSError as error:
            failure = f"sync failed, appended bytes may be lost: {error.strerror or error}"
            self._gate.refusal = failure
            self._distrust_checkpoint()
            raise StorageError(failure) from error
        finally:
            self._files = ()
        self.done = True

    def _sync(self, file: DataFile | str) -> None:
        if isinstance(file, DataFile):
            file.sync()
            return
        try:
            fd = self._disk.open(file, writable=False, create=False)
        except FileNotFoundError:
            return  # retention took it in the meantime
        try:
            self._disk.sync_data(fd)
        finally:
            self._disk.close(fd)

    def _distrust_checkpoint(self) -> None:
        """The next start shall walk: what the page cache showed may not be what is on disk."""
        with suppress(OSError):
            self._disk.unlink(self._checkpoint_path)
