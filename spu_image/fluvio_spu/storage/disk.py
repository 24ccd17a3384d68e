"""The only door from the log to the operating system.

`Disk` is what the log needs from a file system; `OsDisk` is the real one, the tests have another
that forgets, tears and fills. Everybody else in `storage/` calls these methods and nothing of `os`.

Methods raise OSError as the system gives it. Files are plain descriptors: their owner is
`DataFile`, which closes one when the last reader has dropped it. Nothing here caches or retries.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Buffer = bytes | bytearray | memoryview

BUFFERS_PER_WRITE_MAX = 1000
"""Linux takes 1,024 pieces in one writev; POSIX promises only 16, but we do not meet such."""

_BOOT_IDENTITY_FILE = Path("/proc/sys/kernel/random/boot_id")
_FALLOC_FL_KEEP_SIZE = 1
_MAP_FIXED = 0x10
_MAP_NORESERVE = 0x4000
_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
# How much of it the group gets is for the umask to say: a volume that belongs to a group outlives
# the user that wrote to it.
_FILE_MODE = 0o664
_DIRECTORY_MODE = 0o775


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What a directory knows of a file: its size, and when it was last written."""

    size_bytes: int
    modified_ms: int


class FileMapping(Protocol):
    """Read-only memory that shows the first `size_bytes` of a file, also what is written later.

    It may reach beyond the end of the file; whoever touches that part dies of SIGBUS, so callers
    only ask for bytes they know to be written.
    """

    size_bytes: int

    def view(self, position: int, size: int) -> memoryview:
        """Those bytes, without a copy; the view keeps the mapping alive."""

    def close(self) -> bool:
        """Unmap now. False when views are alive: they keep it until they are gone."""


class Disk(Protocol):
    """What a log needs from a file system. Paths are absolute or relative strings."""

    def boot_identity(self) -> bytes:
        """Changes when the page cache may have been lost (a restart); empty when unknown."""

    def make_directory(self, path: str) -> None: ...
    def remove_directory(self, path: str) -> None: ...
    def list_directory(self, path: str) -> list[str]: ...
    def status(self, path: str) -> FileStatus: ...
    def rename(self, source: str, target: str) -> None: ...
    def unlink(self, path: str) -> None: ...
    def free_bytes(self, path: str) -> int: ...

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""

    def read_file(self, path: str, size_bytes_max: int) -> bytes:
        """The beginning of a small file."""

    def write_file(self, path: str, content: bytes, *, position: int, size_bytes: int) -> None:
        """Write into a file, made when missing, and set its length; the rest of it stays."""

    def overwrite_file(self, path: str, content: bytes) -> None:
        """Write over the beginning of a small file, made when missing, in one system call.

        Much cheaper than replacing it, and needs no space. A power cut may tear what is longer
        than a sector, so the content has a checksum or a few bytes.
        """

    def replace_file(self, path: str, content: bytes) -> None:
        """Exchange a small file as a whole: after a crash there is the old one or the new one."""

    def open(self, path: str, *, writable: bool, create: bool) -> int:
        """A descriptor. `create` makes an empty file, or empties the one there is."""

    def close(self, fd: int) -> None: ...
    def size(self, fd: int) -> int: ...
    def read_at(self, fd: int, size: int, position: int) -> bytes: ...

    def write_at(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        """One system call for at most BUFFERS_PER_WRITE_MAX pieces; returns bytes written."""

    def truncate(self, fd: int, size: int) -> None:
        """Set the size; also gives back what was preallocated behind it."""

    def preallocate(self, fd: int, position: int, size: int) -> bool:
        """Reserve blocks without changing the size of the file; False when that does not work."""

    def sync_data(self, fd: int) -> None: ...
    def map(self, fd: int, size_bytes: int) -> FileMapping: ...


class _OsMapping:
    """A mapping of a file. Python's own object counts the views and unmaps after the last one."""

    __slots__ = ("_memory", "_view", "size_bytes")

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._view: memoryview | None = memoryview(memory).toreadonly()
        self.size_bytes = len(memory)

    def view(self, position: int, size: int) -> memoryview:
        assert self._view is not None, "view of a closed mapping"
        return self._view[position : position + size]

    def close(self) -> bool:
        if self._view is not None:
            self._view.release()
            self._view = None
        try:
            self._memory.close()
        except BufferError:
            return False
        return True


class OsDisk:
    """The real disk. Stateless but for what it found out about the system; share one freely."""

    __slots__ = ("_boot_identity", "_fallocate", "_mmap")

    def __init__(self) -> None:
        self._boot_identity = _read_boot_identity()
        self._fallocate = _find_fallocate()
        self._mmap = _find_mmap()

    def boot_identity(self) -> bytes:
        return self._boot_identity

    def make_directory(self, path: str) -> None:
        os.makedirs(path, mode=_DIRECTORY_MODE, exist_ok=True)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def list_directory(self, path: str) -> list[str]:
        return os.listdir(path)

    def status(self, path: str) -> FileStatus:
        status = os.stat(path)
        return FileStatus(status.st_size, status.st_mtime_ns // 1_000_000)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def free_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read_file(self, path: str, size_bytes_max: int) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, size_bytes_max)
        finally:
            os.close(fd)

    def write_file(self, path: str, content: bytes, *, position: int, size_bytes: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            _write_all(fd, content, position)
            os.ftruncate(fd, size_bytes)
        finally:
            os.close(fd)

    def overwrite_file(self, path: str, content: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            _write_all(fd, content, 0)
        finally:
            os.close(fd)

    def replace_file(self, path: str, content: bytes) -> None:
        temporary = path + ".new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
        try:
            _write_all(fd, content, 0)
        finally:
            os.close(fd)
        os.rename(temporary, path)

    def open(self, path: str, *, writable: bool, create: bool) -> int:
        flags = os.O_CLOEXEC | (os.O_RDWR if writable else os.O_RDONLY)
        if create:
            flags |= os.O_CREAT | os.O_TRUNC
        return os.open(path, flags, _FILE_MODE)

    def close(self, fd: int) -> None:
        os.close(fd)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def read_at(self, fd: int, size: int, position: int) -> bytes:
        return os.pread(fd, size, position)

    def write_at(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        if len(buffers) == 1:
            return os.pwrite(fd, buffers[0], position)
        return os.pwritev(fd, buffers, position)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def preallocate(self, fd: int, position: int, size: int) -> bool:
        # posix_fallocate, the only one Python offers, changes the size of the file, and readers of
        # the format would take the zeros for batches.
        if self._fallocate is None:
            return False
        return self._fallocate(fd, _FALLOC_FL_KEEP_SIZE, position, size) == 0

    def sync_data(self, fd: int) -> None:
        os.fdatasync(fd)

    def map(self, fd: int, size_bytes: int) -> FileMapping:
        if self._mmap is None or size_bytes == 0:
            return _OsMapping(mmap.mmap(fd, self.size(fd), prot=mmap.PROT_READ))
        # Python refuses to map beyond the end of a file, and a log that grows would have to be
        # mapped again for every read at its tail. So: let Python own anonymous memory (it counts
        # the views and unmaps it), and put the file in its place.
        memory = mmap.mmap(-1, size_bytes, flags=_ANONYMOUS)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        flags = mmap.MAP_SHARED | _MAP_FIXED
        placed = self._mmap(address, size_bytes, mmap.PROT_READ, flags, fd, 0)
        if placed != address:
            memory.close()
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return _OsMapping(memory)


def _write_all(fd: int, content: bytes, position: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, position)
        view = view[written:]
        position += written


def _read_boot_identity() -> bytes:
    try:
        return _BOOT_IDENTITY_FILE.read_bytes().strip()[:36]
    except OSError:
        return b""


def _find_fallocate() -> Callable[..., int] | None:
    """libc's fallocate with 64-bit offsets, or None."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found


def _find_mmap() -> Callable[..., int] | None:
    """libc's mmap with a 64-bit offset, or None. The flag's number is Linux's."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    function = getattr(library, "mmap64", None) or getattr(library, "mmap", None)
    if function is None:
        return None
    numbers = [ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *numbers]
    function.restype = ctypes.c_void_p
    found: Callable[..., int] = function
    return found
