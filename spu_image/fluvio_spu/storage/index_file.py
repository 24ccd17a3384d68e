"""The `.index` file of a segment: what of the index in memory is on disk.

Called by `segment.py`. No descriptor is kept: the file is written at checkpoints and when its
segment is closed, always by appending entries, and can be made again from the log at any time.
An active segment's file is presized (and sparse), as upstream maps it; a closed one's is cut.

Invariant: unless `stale`, the file begins with `entries` entries whose checksum is `checksum`, and
zeros or its end follow.
"""

from fluvio_protocol.record.checksum import crc32c
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.offset_index import ENTRY_SIZE, OffsetIndex


class IndexFile:
    """How far one index file is written. Its owner hands in the index."""

    __slots__ = ("_disk", "_path", "checksum", "entries", "stale")

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self.entries = 0
        self.checksum = 0
        self.stale = False

    @property
    def path(self) -> str:
        return self._path

    def presize(self, size_bytes: int) -> None:
        """Make the empty file of a new segment. Raises OSError."""
        self._disk.write_file(self._path, b"", position=0, size_bytes=size_bytes)

    def read(self, size_bytes_max: int) -> bytes:
        """The first bytes; none when there is no file. Raises OSError."""
        try:
            return self._disk.read_file(self._path, size_bytes_max)
        except FileNotFoundError:
            return b""

    def believe(self, entries: int, checksum: int) -> None:
        """The file is known to hold these entries and nothing else."""
        self.entries = entries
        self.checksum = checksum
        self.stale = False

    def save(self, index: OffsetIndex, *, size_bytes: int | None) -> None:
        """Add what is missing and set the size; None: just the entries. Raises OSError."""
        if self.stale:
            # Whatever lies behind the entries must become zeros: a reader stops at the first.
            self._disk.write_file(self._path, b"", position=0, size_bytes=0)
            self.believe(0, 0)
        content = index.encode(self.entries)
        used = len(index) * ENTRY_SIZE
        self._disk.write_file(
            self._path,
            content,
            position=self.entries * ENTRY_SIZE,
            size_bytes=used if size_bytes is None else max(used, size_bytes),
        )
        self.believe(len(index), crc32c(content, self.checksum))
