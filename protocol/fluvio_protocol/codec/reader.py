"""A position in received bytes that never runs past their end."""

from fluvio_protocol.errors import RemoteProtocolError


class Reader:
    """Bytes, a position and an end; decoders advance the position.

    Invariant: 0 <= position <= end <= len(data). Running out raises RemoteProtocolError.
    """

    __slots__ = ("data", "end", "position")

    def __init__(
        self, data: bytes | bytearray | memoryview, position: int = 0, end: int | None = None
    ) -> None:
        self.data = data if isinstance(data, memoryview) else memoryview(data)
        self.position = position
        self.end = len(self.data) if end is None else end

    @property
    def remaining(self) -> int:
        return self.end - self.position

    def take(self, size: int) -> memoryview:
        """The next `size` bytes as a view into the received buffer."""
        start = self.position
        stop = start + size
        if size < 0 or stop > self.end:
            raise RemoteProtocolError(f"{size} bytes wanted, {self.end - start} left")
        self.position = stop
        return self.data[start:stop]

    def advance(self, size: int) -> int:
        """Step over `size` bytes and return where they begin in `data`."""
        start = self.position
        stop = start + size
        if size < 0 or stop > self.end:
            raise RemoteProtocolError(f"{size} bytes wanted, {self.end - start} left")
        self.position = stop
        return start

    def sub_reader(self, size: int) -> "Reader":
        """A reader bounded to the next `size` bytes, which this one steps over."""
        start = self.advance(size)
        return Reader(self.data, start, start + size)
