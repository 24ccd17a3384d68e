"""What of a log is known to be durable, and what the next sync has to cover.

Called by `log.py`, on its thread. Syncs run in worker threads and only say `done`; the ledger looks
at that later, so a truncation in between simply forgets them. Invariant: everything below
`durable.end_offset` was synced, with the names of the files it is in.
"""

from collections.abc import Sequence
from enum import IntEnum

from fluvio_spu.storage.checkpoint import TAIL_FILE
from fluvio_spu.storage.data_file import DataFile
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.durability import LogPoint, SyncHandle, WriteGate
from fluvio_spu.storage.segment import Segment

_SYNCS_REMEMBERED_MAX = 8


class _Names(IntEnum):
    """Which names are not durable yet."""

    NONE = 0
    FILES = 1
    FILES_AND_FOLDER = 2


class SyncLedger:
    """Bytes appended and synced, segments that still need it, syncs on their way."""

    __slots__ = (
        "_directory",
        "_newest_base",
        "_synced_bytes",
        "_syncs",
        "_unsynced",
        "_unsynced_names",
        "appended_bytes",
        "durable",
    )

    def __init__(self, directory: str, segments: Sequence[Segment], durable: LogPoint) -> None:
        *closed, active = segments
        self._directory = directory
        # Whoever made the files may have been killed before their names were safe.
        self._unsynced_names = _Names.FILES_AND_FOLDER
        self._newest_base = active.base_offset
        self._unsynced = [one for one in closed if one.end_offset > durable.end_offset]
        self._syncs: list[SyncHandle] = []
        self._synced_bytes = 0
        self.durable = durable
        self.appended_bytes = sum(one.size_bytes for one in self._unsynced) + active.size_bytes
        """running count; an append adds to it"""
        if durable.segment_base == active.base_offset:
            self.appended_bytes -= durable.position

    @property
    def unsynced_bytes(self) -> int:
        self.look()
        return self.appended_bytes - self._synced_bytes

    def begin(
        self, disk: Disk, gate: WriteGate, point: LogPoint, active: DataFile | None
    ) -> SyncHandle:
        """The work that makes everything up to `point` durable."""
        self.look()
        files: list[DataFile | str] = [one.file or one.log_path for one in self._unsynced]
        if active is not None:
            files.append(active)
        handle = SyncHandle(
            disk,
            gate,
            point,
            appended_bytes=self.appended_bytes,
            files=files,
            directories=self._unsynced_directories(),
            checkpoint_path=f"{self._directory}/{TAIL_FILE}",
        )
        self._syncs.append(handle)
        # One that was never run claims nothing, so it can be forgotten.
        del self._syncs[:-_SYNCS_REMEMBERED_MAX]
        return handle

    def _unsynced_directories(self) -> tuple[str, ...]:
        if self._unsynced_names is _Names.NONE:
            return ()
        if self._unsynced_names is _Names.FILES:
            return (self._directory,)
        return (self._directory, self._directory.rpartition("/")[0] or ".")

    def look(self) -> None:
        """Take note of the syncs that have run."""
        if not self._syncs:
            return
        for handle in [one for one in self._syncs if one.done]:
            self._syncs.remove(handle)
            if handle.appended_bytes < self._synced_bytes:
                continue
            self._synced_bytes = handle.appended_bytes
            self.durable = handle.point
            if handle.point.segment_base == self._newest_base:
                self._unsynced_names = _Names.NONE
            durable_offset = handle.point.end_offset
            self._unsynced = [one for one in self._unsynced if one.end_offset > durable_offset]

    def rolled(self, old: Segment, new: Segment) -> None:
        """A segment was closed, and a file made whose name is not durable."""
        self._unsynced.append(old)
        self._newest_base = new.base_offset
        self._unsynced_names = max(self._unsynced_names, _Names.FILES)

    def unrolled(self, active: Segment) -> None:
        """The newest segment is gone again, and this one is active again."""
        self._newest_base = active.base_offset
        self.expired(active.base_offset)

    def expired(self, base_offset: int) -> None:
        """That segment is no longer a closed one of this log."""
        unsynced = self._unsynced
        if unsynced and unsynced[0].base_offset == base_offset:
            del unsynced[0]  # retention goes from the oldest on; no need to look at all others
        elif unsynced and unsynced[0].base_offset < base_offset:
            self._unsynced = [one for one in unsynced if one.base_offset != base_offset]

    def began_anew(self, base_offset: int) -> None:
        """The log holds nothing and begins there; the name of its only file is durable."""
        self._syncs.clear()
        self._newest_base = base_offset
        self._unsynced.clear()
        self._synced_bytes = self.appended_bytes
        self.durable = LogPoint(base_offset, base_offset, 0, 0)

    def truncated(self, segment_base: int, end_offset: int, active_size: int) -> None:
        """The log was cut: syncs on their way say nothing about what will be written next."""
        self._syncs.clear()
        self._newest_base = segment_base
        if self.durable.end_offset > end_offset:
            # What is below was synced, but no batch is known where a mark could be.
            self.durable = LogPoint(-1, min(self.durable.end_offset, segment_base), 0, 0)
        self._unsynced_names = max(self._unsynced_names, _Names.FILES)
        self._unsynced = [one for one in self._unsynced if one.end_offset <= segment_base]
        left = sum(one.size_bytes for one in self._unsynced) + active_size
        self._synced_bytes = self.appended_bytes - left
