"""The same connection over TLS: frames and sessions cannot tell the difference.

Called by `connection.dial` and `server` when they are given an SSL context. asyncio's transport
does the cryptography and is fed through `BufferedProtocol`, so bytes are decrypted straight into
the loop's shared buffer and cut into frames by the same `FrameReceiver`. Sending goes through the
same `SendQueue`, written to the transport in slices, as far as its own buffer allows.

A TLS connection costs much more memory than a plain one: asyncio keeps a buffer of 256 KiB each.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from fluvio_protocol.errors import ProtocolError
from fluvio_socket.connection import Connection, SessionFactory
from fluvio_socket.connection_group import ConnectionGroup
from fluvio_socket.send_queue import Buffer, FileSlice

_SLICE_SIZE_BYTES = 256 * 1024


class TlsConnection(Connection):
    """A connection over a TLS transport. Its socket belongs to the transport."""

    __slots__ = ("_full", "_transport")

    def __init__(self, group: ConnectionGroup, peer: str, transport: asyncio.Transport) -> None:
        super().__init__(group, peer)
        self._transport = transport
        self._full = False

    def send(self, *buffers: Buffer) -> None:
        """See `Connection.send`."""
        if self.closed or self._close_reason is not None:
            return
        self._enqueue(buffers, 0)

    def send_file(self, head: Buffer, fd: int, position: int, size: int) -> None:
        """See `Connection.send_file`; here the bytes pass through memory, a slice at a time."""
        if self.closed or self._close_reason is not None:
            return
        queue = self._queue_to_append_to()
        queue.append((head,))
        try:
            queue.append_file(os.dup(fd), position, size)
        except OSError as error:
            self.close(f"sending a file failed: {error.strerror}")
            return
        self._after_append()

    def _enqueue(self, buffers: Sequence[Buffer], skip: int) -> None:
        self._queue_to_append_to().append(buffers, skip)
        self._after_append()

    def _after_append(self) -> None:
        self._write()
        if not self.closed:
            self._queue_grew()

    def _write(self) -> None:
        """Move the queue into the transport until that is full."""
        queue = self._queue
        if queue is None:
            return
        before = queue.size_bytes
        try:
            while queue.size_bytes and not self._full and not self.closed:
                head = queue.head()
                if isinstance(head, FileSlice):
                    size = min(head.size, _SLICE_SIZE_BYTES)
                    piece: Buffer = os.pread(head.fd, size, head.position)
                    if not piece:
                        self.close("sending failed: the file ended early")
                        return
                else:
                    piece = head[0][:_SLICE_SIZE_BYTES]
                self._transport.write(piece)
                queue.advance(len(piece))
        except OSError as error:
            self.close(f"sending failed: {error.strerror}")
        if not self.closed:
            self._queue_shrank(before - queue.size_bytes)

    def _set_reading(self, wanted: bool) -> None:
        if self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _queue_began(self) -> None:
        pass

    def _queue_ended(self) -> None:
        pass

    def _disconnect(self) -> None:
        self._reading = False
        if self._close_reason is not None and self._queue is None:
            self._transport.close()  # what the transport still has is sent first
        else:
            self._transport.abort()

    # What follows is called by `_TlsProtocol`.

    def target(self) -> memoryview | None:
        """Where to decrypt to; None when the connection had to be closed."""
        try:
            return self._receiver.target()
        except ProtocolError as error:
            self._blame_peer(error)
            return None

    def received(self, count: int) -> None:
        """Bytes were decrypted into the target."""
        if not self.closed:
            self._received(count)

    def transport_full(self, full: bool) -> None:
        """The transport takes no more, or takes more again."""
        self._full = full
        if not full and not self.closed:
            self._sent_at_s = self._group.clock()
            self._write()


class _TlsProtocol(asyncio.BufferedProtocol):
    """Ties asyncio's transport to a connection, which is made when the handshake is done."""

    def __init__(self, make: Callable[[asyncio.Transport], TlsConnection]) -> None:
        self._make = make
        self.connection: TlsConnection | None = None
        self.failure: BaseException | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            self.connection = self._make(cast("asyncio.Transport", transport))
        except BaseException as error:
            self.failure = error
            transport.close()

    def get_buffer(self, sizehint: int) -> memoryview | bytearray:
        target = self.connection.target() if self.connection is not None else None
        return bytearray(_SLICE_SIZE_BYTES) if target is None else target

    def buffer_updated(self, nbytes: int) -> None:
        if self.connection is not None:
            self.connection.received(nbytes)

    def eof_received(self) -> bool | None:
        return None

    def pause_writing(self) -> None:
        if self.connection is not None:
            self.connection.transport_full(True)

    def resume_writing(self) -> None:
        if self.connection is not None:
            self.connection.transport_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.connection is not None:
            self.connection.close("closed by peer" if exc is None else f"connection failed: {exc}")


async def dial_tls(
    group: ConnectionGroup,
    plain_socket: socket.socket,
    session_factory: SessionFactory,
    *,
    peer: str,
    ssl_context: ssl.SSLContext,
    server_hostname: str,
) -> Connection:
    """Begin TLS on a socket that is connected. Raises OSError (SSLError too) when it fails."""
    protocol = _protocol(group, session_factory, peer)
    try:
        await group.loop.create_connection(
            lambda: protocol,
            sock=plain_socket,
            ssl=ssl_context,
            server_hostname=server_hostname,
            ssl_handshake_timeout=group.limits.handshake_timeout_s,
        )
    except BaseException:
        plain_socket.close()
        raise
    return _made(protocol)


async def accept_tls(
    group: ConnectionGroup,
    plain_socket: socket.socket,
    session_factory: SessionFactory,
    *,
    peer: str,
    ssl_context: ssl.SSLContext,
) -> Connection:
    """Begin TLS on an accepted socket. Raises OSError (SSLError too) when it fails."""
    protocol = _protocol(group, session_factory, peer)
    try:
        await group.loop.connect_accepted_socket(
            lambda: protocol,
            plain_socket,
            ssl=ssl_context,
            ssl_handshake_timeout=group.limits.handshake_timeout_s,
        )
    except BaseException:
        plain_socket.close()
        raise
    return _made(protocol)


def _protocol(group: ConnectionGroup, session_factory: SessionFactory, peer: str) -> _TlsProtocol:
    def make(transport: asyncio.Transport) -> TlsConnection:
        connection = TlsConnection(group, peer, transport)
        connection.begin(session_factory)
        return connection

    return _TlsProtocol(make)


def _made(protocol: _TlsProtocol) -> Connection:
    if protocol.failure is not None:
        raise protocol.failure
    if protocol.connection is None:
        raise ConnectionAbortedError("the connection ended in its TLS handshake")
    return protocol.connection
