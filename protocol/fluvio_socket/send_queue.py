"""What a connection could not send at once, in order.

Made by a connection when its socket takes no more, dropped when all is sent; touches the
operating system only to close file descriptors it was given. Small buffers are copied together,
so that a thousand small answers to a slow peer do not weigh ten times their bytes; large ones
(a memory-mapped slice of the log) are kept by reference.
"""

import os
from collections import deque
from collections.abc import Iterable

Buffer = bytes | bytearray | memoryview

_COPIED_BELOW_BYTES = 4096
_TAIL_SIZE_BYTES_MAX = 65_536
_PIECES_MAX = 256


class FileSlice:
    """A range of a file that is still to be sent; owns its file descriptor."""

    __slots__ = ("fd", "position", "size")

    def __init__(self, fd: int, position: int, size: int) -> None:
        self.fd = fd
        self.position = position
        self.size = size


class SendQueue:
    """Buffers and file slices, oldest first.

    Invariant: size_bytes is the sum of all that waits; every item has at least one byte.
    """

    __slots__ = ("_items", "_tail", "size_bytes")

    def __init__(self) -> None:
        self._items: deque[memoryview | FileSlice] = deque()
        self._tail = bytearray()
        self.size_bytes = 0

    def append(self, buffers: Iterable[Buffer], skip: int = 0) -> None:
        """Add buffers at the end, without their first `skip` bytes, which are already sent."""
        for buffer in buffers:
            size = len(buffer)
            if skip >= size:
                skip -= size
                continue
            view = memoryview(buffer)[skip:] if skip else buffer
            size -= skip
            skip = 0
            self.size_bytes += size
            if size < _COPIED_BELOW_BYTES:
                self._tail += view
                if len(self._tail) >= _TAIL_SIZE_BYTES_MAX:
                    self._seal()
            else:
                self._seal()
                self._items.append(memoryview(view))

    def append_file(self, fd: int, position: int, size: int) -> None:
        """Add a range of a file; the queue closes `fd` when it is sent or dropped."""
        if not size:
            os.close(fd)
            return
        self._seal()
        self._items.append(FileSlice(fd, position, size))
        self.size_bytes += size

    def head(self) -> FileSlice | list[memoryview]:
        """What to send next: a file slice, or all buffers before the next one, within reason."""
        if not self._items:
            self._seal()
        first = self._items[0]
        if isinstance(first, FileSlice):
            return first
        pieces: list[memoryview] = []
        for item in self._items:
            if isinstance(item, FileSlice) or len(pieces) == _PIECES_MAX:
                break
            pieces.append(item)
        return pieces

    def advance(self, count: int) -> None:
        """The first `count` bytes of `head()` are sent."""
        items = self._items
        self.size_bytes -= count
        while count:
            first = items[0]
            if isinstance(first, FileSlice):
                first.position += count
                first.size -= count
                if not first.size:
                    os.close(first.fd)
                    items.popleft()
                return
            if count < len(first):
                items[0] = first[count:]
                return
            count -= len(first)
            items.popleft()

    def close(self) -> None:
        """Drop everything."""
        for item in self._items:
            if isinstance(item, FileSlice):
                os.close(item.fd)
        self._items.clear()
        self._tail = bytearray()
        self.size_bytes = 0

    def _seal(self) -> None:
        if self._tail:
            self._items.append(memoryview(self._tail))
            self._tail = bytearray()
