"""A plain connection to an SPU, so that its client costs nearly nothing."""

import socket
import struct

from fluvio_protocol.api.header import CORRELATION, encode_request
from fluvio_protocol.codec.message import Message

TIMEOUT_S = 120


class Connection:
    """Sends requests; answers come in their order."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._next = 0

    def close(self) -> None:
        """Both directions."""
        self._socket.close()

    def send(self, request: Message, version: int) -> None:
        """Whole, before it returns."""
        self._next += 1
        self.send_frame(
            encode_request(request, version=version, correlation_id=self._next, client_id="bench")
        )

    def send_frame(self, frame: bytes) -> None:
        """A request that was encoded before."""
        self._socket.sendall(frame)

    def receive(self) -> bytes:
        """The body of the next answer. Raises RuntimeError when the SPU closed the connection."""
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)[CORRELATION.size :]

    def _exactly(self, size: int) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise RuntimeError("the SPU closed a connection")
            view = view[count:]
        return bytes(data)
