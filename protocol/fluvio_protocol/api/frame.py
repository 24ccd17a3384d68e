"""Frames: an i32 length, then that many bytes. Source: protocol reference 1.1.

| length i32 | payload (length bytes) |
"""

import struct

from fluvio_protocol.errors import RemoteProtocolError

FRAME_SIZE_BYTES_MAX = 33_554_432 + 65_536
"""One produce batch may be 32 MiB; the rest is room for the request around it."""

LENGTH = struct.Struct(">i")
LENGTH_SIZE_BYTES = 4


def frame_length(data: memoryview | bytes | bytearray, position: int, size_bytes_max: int) -> int:
    """Length of the payload whose length field is at `position`.

    Raises RemoteProtocolError when it is negative or larger than `size_bytes_max`.
    """
    (length,) = LENGTH.unpack_from(data, position)
    if not 0 <= length <= size_bytes_max:
        raise RemoteProtocolError(
            f"frame of {length} bytes: between 0 and {size_bytes_max} are allowed"
        )
    return int(length)


def frame(*parts: bytes | bytearray | memoryview) -> bytes:
    """One frame around the joined parts."""
    body = b"".join(parts)
    return LENGTH.pack(len(body)) + body


class FrameSplitter:
    """Cuts a stream of bytes into frame payloads, however the stream was split on its way.

    Holds at most one unfinished frame. It is the reference for the faster code in
    `fluvio_socket`, and serves everywhere speed does not matter.
    """

    __slots__ = ("_pending", "_size_bytes_max")

    def __init__(self, size_bytes_max: int = FRAME_SIZE_BYTES_MAX) -> None:
        self._pending = bytearray()
        self._size_bytes_max = size_bytes_max

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Return the payloads that `data` completes. Raises RemoteProtocolError on a bad length."""
        self._pending += data
        frames = []
        position = 0
        while len(self._pending) - position >= LENGTH_SIZE_BYTES:
            length = frame_length(self._pending, position, self._size_bytes_max)
            end = position + LENGTH_SIZE_BYTES + length
            if end > len(self._pending):
                break
            frames.append(bytes(self._pending[position + LENGTH_SIZE_BYTES : end]))
            position = end
        del self._pending[:position]
        return frames
