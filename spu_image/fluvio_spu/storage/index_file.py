"""The `.index` file of a segment: what of the index in memory is on disk.

Called by `segment.py`. No descriptor is kept: the file is written at checkpoints and when its
segment is closed, always by appending entries, and can be made again from the log at any time.
An active segment's file is presized (and sparse), as upstream maps it; a closed one's is cut.

Invariant: unless `stale`, the file begins with `entries` entries whose checksum is `checksum`, and
zeros or its end follow.
"""

from fluvio_protocol.record.checksum import crc32c
from fluvio_spu.storage.data_file import INDEX_SUFFIX, segment_path
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.offset_index import ENTRY_SIZE, OffsetIndex


class IndexFile:
    """How far one index file is written. Its owner hands in the index."""

    __slots__ = ("_base_offset", "_directory", "_disk", "checksum", "entries", "stale")

    def __init__(self, disk: Disk, directory: str, base_offset: int) -> None:
        self._disk = disk
        self._directory = directory
        self._base_offset = base_offset
        self.entries = 0
        self.checksum = 0
        self.stale = False

    @property
    def path(self) -> str:
        return segment_path(self._directory, self._base_offset, INDEX_SUFFIX)

    def presize(self, size_bytes: int) -> None:
        """Make the empty file of a new segment. Raises OSError."""
        self._disk.write_file(self.path, b"", position=0, size_bytes=size_bytes)

    def read(self, size_bytes_max: int) -> bytes:
        """The first bytes; none when there is no file. Raises OSError."""
        try:
            return self._disk.read_file(self.path, size_bytes_max)
        except FileNotFoundError:
            return b""

    def believe(self, entries: int, checksum: int) -> None:
        """The file is known to hold these entries and nothing else."""
        self.entries = entries
        self.checksum = checksum
        self.stale = False

    def save(self, index: OffsetIndex, *, size_bytes: int | None) -> None:
        """Add what is missing and set the size; None: just the entries. Raises OSError."""
        was_stale = self.stale
        if was_stale:
            # Whatever lies behind the entries must become zeros: a reader stops at the first.
            self._disk.write_file(self.path, b"", position=0, size_bytes=0)
            self.believe(0, 0)
        if size_bytes is not None and len(index) == self.entries and not was_stale:
            return
        content = index.encode(self.entries)
        used = len(index) * ENTRY_SIZE
        self._disk.write_file(
            self.path,
            content,
            position=self.entries * ENTRY_SIZE,
            size_bytes=used if size_bytes is None else max(used, size_bytes),
        )
        self.believe(len(index), crc32c(content, self.checksum))
