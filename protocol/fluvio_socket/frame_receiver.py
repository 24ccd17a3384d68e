"""From received bytes to whole frames, with one shared buffer for all connections of a loop.

Called by `connection` and `tls` only; touches no socket. Bytes are received into the shared
buffer and cut into frames where they lie:

    shared buffer   | carried-over part | received now ...                |
                    | frame | frame | frame ...  | unfinished frame       |
                                                   copied to its connection

A connection owns memory only while a frame is unfinished. One that fits the shared buffer waits
in a buffer of exactly its received bytes and is put back in front of the next ones; a larger one
gets a buffer that grows with the bytes that have come (by four at most), never with the length a
peer merely announced, and that goes back to the loop's few spares afterwards.

Cost per MiB of 16 KiB frames: 4 reads, 64 slices, at most 64 KiB copied; for frames of 1 MiB: no
copy but the first 256 KiB at most.
"""

import asyncio
import struct
import weakref

from fluvio_protocol.errors import RemoteProtocolError

SHARED_BUFFER_SIZE_BYTES = 256 * 1024
SPARE_BYTES_MAX = 8 * 1024 * 1024
_GROWTH = 4
_LARGE_SIZE_BYTES_MIN = 64 * 1024
_SPARES_MAX = 32
_LENGTH = struct.Struct(">i")


class ReceiveBuffers:
    """The shared buffer of an event loop, its spare large buffers, and what connections hold.

    Invariant: held_bytes is the sum of what all receivers hold for unfinished frames.
    """

    __slots__ = ("_spare_bytes", "_spares", "held_bytes", "view")

    def __init__(self, size_bytes: int = SHARED_BUFFER_SIZE_BYTES) -> None:
        self.view = memoryview(bytearray(size_bytes))
        self.held_bytes = 0
        self._spares: list[bytearray] = []
        self._spare_bytes = 0

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "ReceiveBuffers":
        """The buffers of this loop, made on first use."""
        buffers = _BUFFERS_OF_LOOP.get(loop)
        if buffers is None:
            buffers = _BUFFERS_OF_LOOP[loop] = cls()
        return buffers

    def take(self, size_bytes: int, received_bytes: int) -> bytearray:
        """A buffer for a frame: a spare of the whole size, or a new one to be grown."""
        fitting = [spare for spare in self._spares if len(spare) >= size_bytes]
        if fitting:
            buffer = min(fitting, key=len)
            self._spares = [spare for spare in self._spares if spare is not buffer]
            self._spare_bytes -= len(buffer)
            return buffer
        return bytearray(min(size_bytes, max(_LARGE_SIZE_BYTES_MIN, _GROWTH * received_bytes)))

    def give_back(self, buffer: bytearray) -> None:
        """Keep the buffer for a next large frame, unless enough are kept. It is not resized
        any more, so a view that a session kept against the rules cannot block anyone."""
        if self._spare_bytes + len(buffer) <= SPARE_BYTES_MAX and len(self._spares) < _SPARES_MAX:
            self._spares.append(buffer)
            self._spare_bytes += len(buffer)


_BUFFERS_OF_LOOP: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ReceiveBuffers] = (
    weakref.WeakKeyDictionary()
)


class FrameReceiver:
    """Cuts the bytes of one connection into frames.

    Per read: `target()`, receive into it, `received(count)`, let the session see the frames,
    then `finish()` if `lent`. Two receivers of a loop never interleave these steps.

    error: set when the bytes cannot go on; frames returned with it came before and are good
    lent:  the returned frame lies in a large buffer that `finish` gives back
    """

    __slots__ = (
        "_buffers",
        "_filled",
        "_frame_size_bytes_max",
        "_held_bytes_max",
        "_large",
        "_needed",
        "_partial",
        "error",
        "lent",
    )

    def __init__(
        self, buffers: ReceiveBuffers, *, frame_size_bytes_max: int, held_bytes_max: int
    ) -> None:
        self._buffers = buffers
        self._frame_size_bytes_max = frame_size_bytes_max
        self._held_bytes_max = held_bytes_max
        self._partial: bytearray | None = None
        self._large: bytearray | None = None
        self._filled = 0
        self._needed = 0
        self.error: RemoteProtocolError | None = None
        self.lent = False

    @property
    def is_partial(self) -> bool:
        """A frame has begun and has not ended."""
        return self._partial is not None or self._large is not None

    def target(self) -> memoryview:
        """Where to receive the next bytes; drop the view before asking for the next one.

        Raises RemoteProtocolError when a growing frame would exceed the memory allowed to all.
        """
        if self._partial is not None:
            return self._buffers.view[len(self._partial) :]
        if self._large is None:
            return self._buffers.view
        if self._filled == len(self._large):
            self._grow()
        return memoryview(self._large)[self._filled : self._needed]

    def received(self, count: int) -> list[memoryview]:
        """The payloads that `count` more bytes in the target completed, in order.

        They are writable views, good until the next `target()`.
        """
        if self._large is not None:
            return self._received_large(count)
        view = self._buffers.view
        end = count
        partial = self._partial
        if partial is not None:
            carried = len(partial)
            end += carried
            if end < self._needed:
                self._hold_partial(partial, view[carried:end])
                return []
            view[:carried] = partial
            self._buffers.held_bytes -= carried
            self._partial = None
        return self._cut(view, end)

    def finish(self) -> None:
        """The session has seen the frame in the large buffer."""
        buffer = self._large
        assert buffer is not None
        self.lent = False
        self._release()
        self._buffers.give_back(buffer)

    def close(self) -> None:
        """Forget an unfinished frame."""
        if not self.lent:
            self._release()

    def _release(self) -> None:
        if self._partial is not None:
            self._buffers.held_bytes -= len(self._partial)
            self._partial = None
        if self._large is not None:
            self._buffers.held_bytes -= len(self._large)
            self._large = None

    def _cut(self, view: memoryview, end: int) -> list[memoryview]:
        frames: list[memoryview] = []
        append = frames.append
        unpack_from = _LENGTH.unpack_from
        size_bytes_max = self._frame_size_bytes_max
        position = 0
        needed = 4
        while end - position >= 4:
            (length,) = unpack_from(view, position)
            start = position + 4
            if not 0 <= length <= size_bytes_max:
                self.error = RemoteProtocolError(
                    f"frame of {length} bytes: between 0 and {size_bytes_max} are allowed"
                )
                return frames
            stop = start + length
            if stop > end:
                needed = length + 4
                break
            append(view[start:stop])
            position = stop
        if position < end:
            self._needed = needed
            if needed > len(view):
                self._begin_large(view[position:end])
            else:
                self._hold_partial(bytearray(), view[position:end])
        return frames

    def _hold_partial(self, partial: bytearray, more: memoryview) -> None:
        if self._may_hold(len(more)):
            partial += more
            self._partial = partial
            self._buffers.held_bytes += len(more)

    def _begin_large(self, begun: memoryview) -> None:
        large = self._buffers.take(self._needed, len(begun))
        if self._may_hold(len(large)):
            self._filled = len(begun)
            large[: self._filled] = begun
            self._large = large
            self._buffers.held_bytes += len(large)

    def _received_large(self, count: int) -> list[memoryview]:
        assert self._large is not None
        self._filled += count
        if self._filled < self._needed:
            return []
        self.lent = True
        return [memoryview(self._large)[4 : self._needed]]

    def _grow(self) -> None:
        assert self._large is not None
        size = min(self._needed, _GROWTH * len(self._large))
        more = size - len(self._large)
        if not self._may_hold(more):
            assert self.error is not None
            raise self.error
        try:
            self._large += bytes(more)
        except BufferError:  # somebody still holds the last target: leave that memory to him
            self._large = self._large + bytes(more)
        self._buffers.held_bytes += more

    def _may_hold(self, more: int) -> bool:
        if self._buffers.held_bytes + more <= self._held_bytes_max:
            return True
        self.error = RemoteProtocolError(
            f"unfinished frames of all peers would hold more than {self._held_bytes_max} bytes"
        )
        return False
