"""Which segments are too old or too many, and the deletion of their files.

`choose_expired` is pure; `log.py` calls it with what it knows. `ExpiredSegment.delete` is the slow
part (freeing a large file takes hundreds of milliseconds) and runs in a worker thread. Only closed
segments expire, from the oldest on, so a log never gets a hole.

Source: protocol reference 6.3. Our difference: segments expire in order, an old one behind a
younger one waits for it.
"""

from collections.abc import Iterable

from fluvio_protocol.types import Offset
from fluvio_spu.storage.data_file import DataFile
from fluvio_spu.storage.disk import Disk
from fluvio_spu.storage.errors import storage_error

DELETED_SUFFIX = ".deleted"


def count_over_size(
    size_bytes: int, *, partition_size_bytes_max: int, segment_size_bytes_max: int
) -> int:
    """How many of the oldest segments must go for the partition to fit again (upstream's rule)."""
    excess = size_bytes - partition_size_bytes_max
    return -(-excess // segment_size_bytes_max) if excess > 0 else 0


def count_over_age(modified_ms: Iterable[int], *, now_ms: int, retention_ms: int) -> int:
    """How many segments, oldest first, were last written too long ago."""
    count = 0
    for written_ms in modified_ms:
        if now_ms - written_ms <= retention_ms:
            break
        count += 1
    return count


class ExpiredSegment:
    """A segment that is no longer part of its log; its files wait, renamed, for `delete`.

    Holds the open file, if there is one, so that its blocks are freed in `delete`'s thread and
    not wherever the last reader happens to drop it.
    """

    __slots__ = ("_disk", "_file", "_paths", "base_offset", "end_offset", "size_bytes")

    def __init__(
        self,
        disk: Disk,
        paths: tuple[str, ...],
        file: DataFile | None,
        *,
        base_offset: Offset,
        end_offset: Offset,
        size_bytes: int,
    ) -> None:
        self._disk = disk
        self._paths = paths
        self._file = file
        self.base_offset = base_offset
        self.end_offset = end_offset
        self.size_bytes = size_bytes

    def delete(self) -> None:
        """Remove the files; again is harmless. Raises StorageError."""
        for path in self._paths:
            try:
                self._disk.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise storage_error(error, f"deleting {path}") from error
        self._file = None
