"""A disk in memory with the interface of `fluvio_spu.storage.disk.Disk`, that can misbehave.

It knows what has been synced and what has not, bytes and names apart, so it can lose power: of what
was not synced, each file keeps some beginning, the last piece torn at any byte. It can be full, end
the process in the middle of a write, and fail any call. It counts calls and bytes. Views of a
mapping are checked: asking for bytes behind the end of a file, or cutting a file under a view,
would be SIGBUS on a real disk, and is an assertion here.
"""

import errno
import os
import weakref
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from fluvio_spu.storage.disk import BUFFERS_PER_WRITE_MAX, FileStatus


class Killed(BaseException):
    """The process ends here: nothing of it runs on."""


class FakeFile:
    """One inode. The history since the last sync is what a power cut may lose."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.allocated = 0
        self.modified_ms = 0
        self.synced = b""
        self.history: list[tuple[int, bytes | None]] = []  # (position, bytes), (size, None) = cut
        self.views: list[tuple[weakref.ref[memoryview], int]] = []

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, position: int, data: bytes) -> None:
        self.history.append((position, data))
        _apply(self.content, position, data)
        self.allocated = max(self.allocated, position + len(data))

    def truncate(self, size: int) -> None:
        for reference, end in self.views:
            assert reference() is None or end <= size, "SIGBUS: a file is cut under a view"
        self.history.append((size, None))
        _apply(self.content, size, None)
        self.allocated = min(self.allocated, size)

    def lose_power(self, random: Random) -> None:
        content = bytearray(self.synced)
        kept = random.randint(0, len(self.history))
        for position, data in self.history[:kept]:
            _apply(content, position, data)
        if kept < len(self.history):
            position, data = self.history[kept]
            if data:
                torn = data[: random.randint(0, len(data))]
                if random.random() < 0.3:
                    torn += bytes(random.randint(0, len(data) - len(torn)))
                _apply(content, position, torn)
        self.content = content
        self.sync()

    def sync(self) -> None:
        self.synced = bytes(self.content)
        self.history = []


def _apply(content: bytearray, position: int, data: bytes | None) -> None:
    if data is None:
        if position < len(content):
            del content[position:]
        else:
            content.extend(bytes(position - len(content)))
        return
    if position > len(content):
        content.extend(bytes(position - len(content)))
    content[position : position + len(data)] = data


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


class FakeMapping:
    """Copies instead of memory shared with the file: right, as a log never rewrites bytes."""

    def __init__(self, file: FakeFile, size_bytes: int) -> None:
        self.file = file
        self.size_bytes = size_bytes
        self.closed = False
        self.own: list[weakref.ref[memoryview]] = []

    def view(self, position: int, size: int) -> memoryview:
        assert not self.closed
        assert position + size <= self.size_bytes, "SIGSEGV: outside of the mapping"
        assert position + size <= self.file.size, "SIGBUS: behind the end of the file"
        view = memoryview(bytes(self.file.content[position : position + size]))
        self.own.append(weakref.ref(view))
        self.file.views.append((weakref.ref(view), position + size))
        return view

    def close(self) -> bool:
        self.closed = True
        return all(reference() is None for reference in self.own)


class FakeDisk:
    """See the module. `clock_ms` is the time that files get; tests set it."""

    def __init__(self) -> None:
        self.names: dict[str, FakeFile] = {}
        self.directories: set[str] = {"", "/", "data"}
        self.durable_names: dict[str, FakeFile] = {}
        self.durable_directories = set(self.directories)
        self.journal: list[tuple[str, str, str | FakeFile]] = []  # (operation, path, other)
        self.open_files: dict[int, FakeFile] = {}
        self.next_fd = 1000
        self.boot = 1
        self.clock_ms = 1_000_000
        self.capacity: int | None = None
        self.short_writes = False
        self.calls: Counter[str] = Counter()
        self.bytes_read = 0
        self.failures: dict[str, list[OSError]] = defaultdict(list)
        self.kill_after_bytes: int | None = None
        self.kill_after_calls: int | None = None
        self.preallocation_works = True

    # misbehaviour

    def fail(self, call: str, number: int = errno.EIO, *, times: int = 1) -> None:
        """The next calls of that name raise."""
        self.failures[call] += [OSError(number, os.strerror(number)) for _ in range(times)]

    def kill_in_write(self, after_bytes: int) -> None:
        """The process ends when it has written so many more bytes into log files."""
        self.kill_after_bytes = after_bytes

    def kill_in_call(self, number: int) -> None:
        """The process ends instead of making the call with that number from here, 0 the next."""
        self.kill_after_calls = number

    def restart_process(self) -> None:
        """Descriptors are gone, the page cache is not."""
        self.open_files.clear()
        self.kill_after_bytes = None
        self.kill_after_calls = None
        self.failures.clear()

    def lose_power(self, random: Random) -> None:
        """What was not synced is lost, in part or as a whole; another boot."""
        self.restart_process()
        kept = random.randint(0, len(self.journal))
        for operation in self.journal[:kept]:
            self._make_durable(operation)
        self.journal = []
        self.directories = set(self.durable_directories)
        self.names = {
            path: file
            for path, file in self.durable_names.items()
            if path.rpartition("/")[0] in self.directories
        }
        self.durable_names = dict(self.names)
        for file in {id(file): file for file in self.names.values()}.values():
            file.lose_power(random)
        self.boot += 1

    def file(self, path: str) -> FakeFile:
        """To look at, or to damage, from outside."""
        return self.names[path]

    def used_bytes(self) -> int:
        alive = [*self.names.values(), *self.open_files.values()]
        return sum(file.allocated for file in {id(one): one for one in alive}.values())

    # Disk

    def boot_identity(self) -> bytes:
        return b"boot-%d" % self.boot

    def make_directory(self, path: str) -> None:
        self._enter("make_directory")
        if path not in self.directories:
            self.directories.add(path)
            self.journal.append(("mkdir", path, ""))

    def remove_directory(self, path: str) -> None:
        self._enter("remove_directory")
        self._require_directory(path)
        if any(name.rpartition("/")[0] == path for name in self.names):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self.directories.discard(path)
        self.journal.append(("rmdir", path, ""))

    def list_directory(self, path: str) -> list[str]:
        self._enter("list_directory")
        self._require_directory(path)
        known = [*self.names, *self.directories]
        return [name.rpartition("/")[2] for name in known if name and _parent(name) == path]

    def status(self, path: str) -> FileStatus:
        self._enter("status")
        file = self._named(path)
        return FileStatus(file.size, file.modified_ms)

    def rename(self, source: str, target: str) -> None:
        self._enter("rename")
        if source in self.directories:
            for name in [one for one in self.names if one.rpartition("/")[0] == source]:
                self.names[target + name.removeprefix(source)] = self.names.pop(name)
            self.directories.discard(source)
            self.directories.add(target)
            self.journal.append(("rename-directory", source, target))
            return
        self.names[target] = self._named(source)
        del self.names[source]
        self.journal.append(("rename", source, target))

    def unlink(self, path: str) -> None:
        self._enter("unlink")
        self._named(path)
        del self.names[path]
        self.journal.append(("unlink", path, ""))

    def free_bytes(self, path: str) -> int:
        return (1 << 40) if self.capacity is None else max(0, self.capacity - self.used_bytes())

    def sync_directory(self, path: str) -> None:
        self._enter("sync_directory")
        self._require_directory(path)
        rest = []
        for operation in self.journal:
            if operation[1].rpartition("/")[0] == path:
                self._make_durable(operation)
            else:
                rest.append(operation)
        self.journal = rest

    def read_file(self, path: str, size_bytes_max: int) -> bytes:
        self._enter("read_file")
        content = bytes(self._named(path).content[:size_bytes_max])
        self.bytes_read += len(content)
        return content

    def write_file(self, path: str, content: bytes, *, position: int, size_bytes: int) -> None:
        self._enter("write_file")
        file = self._named_or_new(path)
        if content:
            self._take_space(file, position + len(content))
            file.write(position, content)
        file.truncate(size_bytes)
        file.modified_ms = self.clock_ms

    def overwrite_file(self, path: str, content: bytes) -> None:
        self._enter("overwrite_file")
        file = self._named_or_new(path)
        self._take_space(file, len(content))
        file.write(0, content)

    def replace_file(self, path: str, content: bytes) -> None:
        self._enter("replace_file")
        file = self._named_or_new(path + ".new")
        file.truncate(0)
        self._take_space(file, len(content))
        file.write(0, content)
        self.rename(path + ".new", path)

    def open(self, path: str, *, writable: bool, create: bool) -> int:
        self._enter("open")
        if create:
            file = self._named_or_new(path)
            if file.size:
                file.truncate(0)
        else:
            file = self._named(path)
        self.next_fd += 1
        self.open_files[self.next_fd] = file
        return self.next_fd

    def close(self, fd: int) -> None:
        self.open_files.pop(fd, None)  # none after a crash

    def size(self, fd: int) -> int:
        return self.open_files[fd].size

    def read_at(self, fd: int, size: int, position: int) -> bytes:
        self._enter("read_at")
        content = bytes(self.open_files[fd].content[position : position + size])
        self.bytes_read += len(content)
        return content

    def write_at(
        self, fd: int, buffers: Sequence[bytes | bytearray | memoryview], position: int
    ) -> int:
        self._enter("write_at")
        assert len(buffers) <= BUFFERS_PER_WRITE_MAX
        file = self.open_files[fd]
        data = b"".join(buffers)
        room = len(data)
        if self.capacity is not None:
            growth = self.capacity - self.used_bytes()
            room = min(room, max(0, file.allocated + growth - position))
            if not room and data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.short_writes and room > 1:
            room = (room + 1) // 2
        if self.kill_after_bytes is not None:
            if room >= self.kill_after_bytes:
                file.write(position, data[: self.kill_after_bytes])
                raise Killed
            self.kill_after_bytes -= room
        file.write(position, data[:room])
        file.modified_ms = self.clock_ms
        return room

    def truncate(self, fd: int, size: int) -> None:
        self._enter("truncate")
        self.open_files[fd].truncate(size)
        self.open_files[fd].modified_ms = self.clock_ms

    def preallocate(self, fd: int, position: int, size: int) -> bool:
        self._enter("preallocate")
        file = self.open_files[fd]
        if not self.preallocation_works:
            return False
        try:
            self._take_space(file, position + size)
        except OSError:
            return False
        file.allocated = max(file.allocated, position + size)
        return True

    def sync_data(self, fd: int) -> None:
        self._enter("sync_data")
        self.open_files[fd].sync()

    def map(self, fd: int, size_bytes: int) -> FakeMapping:
        self._enter("map")
        return FakeMapping(self.open_files[fd], size_bytes)

    def _enter(self, call: str) -> None:
        self.calls[call] += 1
        if self.kill_after_calls is not None:
            self.kill_after_calls -= 1
            if self.kill_after_calls < 0:
                raise Killed
        if self.failures[call]:
            raise self.failures[call].pop(0)

    def _named(self, path: str) -> FakeFile:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.names[path]

    def _named_or_new(self, path: str) -> FakeFile:
        if path not in self.names:
            self._require_directory(path.rpartition("/")[0])
            self.names[path] = FakeFile()
            self.names[path].modified_ms = self.clock_ms
            self.journal.append(("link", path, self.names[path]))
        return self.names[path]

    def _require_directory(self, path: str) -> None:
        if path not in self.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _take_space(self, file: FakeFile, end: int) -> None:
        growth = max(0, end - file.allocated)
        if self.capacity is not None and growth > self.capacity - self.used_bytes():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_durable(self, operation: tuple[str, str, str | FakeFile]) -> None:
        kind, path, other = operation
        match kind:
            case "mkdir":
                self.durable_directories.add(path)
            case "rmdir":
                self.durable_directories.discard(path)
            case "link":
                assert isinstance(other, FakeFile)
                self.durable_names[path] = other
            case "unlink":
                self.durable_names.pop(path, None)
            case "rename":
                assert isinstance(other, str)
                if path in self.durable_names:
                    self.durable_names[other] = self.durable_names.pop(path)
            case "rename-directory":
                assert isinstance(other, str)
                self.durable_directories.discard(path)
                self.durable_directories.add(other)
                for name in [one for one in self.durable_names if one.startswith(path + "/")]:
                    moved = other + name.removeprefix(path)
                    self.durable_names[moved] = self.durable_names.pop(name)
