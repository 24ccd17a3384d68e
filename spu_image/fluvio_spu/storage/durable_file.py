"""Small files that must be on disk before anybody relies on them.

Slower than what the log does with its checkpoints (two syncs), and for what is written rarely.
"""

from fluvio_spu.storage.disk import Disk

_UNFINISHED_SUFFIX = ".new"


def replace_durably(disk: Disk, path: str, content: bytes) -> None:
    """Exchange a file as a whole, and return when that is durable.

    The content is on disk before it gets its name, so whenever the power goes there is the old
    file or the new one. Raises OSError; it may then be either of them.
    """
    unfinished = path + _UNFINISHED_SUFFIX
    disk.write_file(unfinished, content, position=0, size_bytes=len(content))
    sync_file(disk, unfinished)
    disk.rename(unfinished, path)
    disk.sync_directory(directory_of(path))


def sync_file(disk: Disk, path: str) -> None:
    """Make what is in a file durable, not its name. Raises OSError."""
    fd = disk.open(path, writable=False, create=False)
    try:
        disk.sync_data(fd)
    finally:
        disk.close(fd)


def directory_of(path: str) -> str:
    """The directory that a path's last name is in."""
    parent, slash, _ = path.rpartition("/")
    return parent or slash or "."
