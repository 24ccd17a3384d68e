"""The same frames over TLS: both ends, both ways, certificates checked."""

import asyncio
import os
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
import trustme

from fluvio_socket.connection import Connection, dial
from fluvio_socket.errors import ConnectFailed
from fluvio_socket.multiplexer import MultiplexedConnection
from fluvio_socket.server import FrameServer, ServerLimits
from fluvio_socket.tls import TlsConnection

pytestmark = pytest.mark.asyncio

HOST = "127.0.0.1"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("spu.example").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def framed(*payloads: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(payload)) + payload for payload in payloads)


async def frames_of(session: Any, count: int) -> list[bytes]:
    async with asyncio.timeout(20):
        return [await session.frames.get() for _ in range(count)]


async def lost(session: Any) -> str:
    async with asyncio.timeout(20):
        return str(await session.lost)


async def test_frames_of_all_sizes_both_ways(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], echo_sessions: Any, make_sessions: Any
) -> None:
    here = make_sessions()
    there = echo_sessions()
    async with FrameServer("test", there, ssl_context=contexts[0]) as server:
        await server.start(HOST, 0)
        connection = await dial(
            HOST,
            server.port,
            here,
            ssl_context=contexts[1],
            server_hostname="spu.example",
        )
        session = await here.next()
        large = os.urandom(5 * MIB)
        payloads = [b"", b"small", large, *[b"%d" % index for index in range(1000)], large[:MIB]]
        for payload in payloads:
            connection.send(struct.pack(">i", len(payload)), payload)
        assert await frames_of(session, len(payloads)) == payloads
        assert there.all[0].connection.queued_bytes == 0
        connection.close("done")
        assert await lost(session) == "done"
        assert await lost(await there.next()) in ("closed by peer", "connection failed: ")
        assert server.connection_count == 0


async def test_a_slow_reader_is_not_read(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    echo_sessions: Any,
    make_sessions: Any,
    tmp_path: Path,
) -> None:
    path = tmp_path / "segment"
    path.write_bytes(os.urandom(MIB))
    file_size = 300_000

    def reply(connection: Connection, frame: bytes) -> None:
        connection.send(framed(frame))
        fd = os.open(path, os.O_RDONLY)
        connection.send_file(struct.pack(">i", file_size), fd, 1000, file_size)
        os.close(fd)

    here = make_sessions()
    there = make_sessions(reply)
    limits = ServerLimits(send_queue_bytes_high=2 * MIB, send_queue_bytes_low=1000)
    async with FrameServer("test", there, ssl_context=contexts[0], limits=limits) as server:
        await server.start(HOST, 0)
        connection = await dial(
            HOST, server.port, here, ssl_context=contexts[1], server_hostname="spu.example"
        )
        session, far = await here.next(), await there.next()
        connection.pause_reading()
        for index in range(400):
            connection.send(framed(b"%03d" % index + bytes(50_000)))
        for _ in range(3000):
            await asyncio.sleep(0)
        assert far.connection.congested
        assert far.connection.queued_bytes < 5 * MIB
        connection.resume_reading()
        content = path.read_bytes()[1000 : 1000 + file_size]
        for index in range(400):
            answer, file_part = await frames_of(session, 2)
            assert answer[:3] == b"%03d" % index
            assert file_part == content
        assert far.drained_count > 0
        assert not far.connection.congested
        connection.close()
        await lost(far)


async def test_close_after_flush_delivers(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], make_sessions: Any
) -> None:
    answer = os.urandom(MIB)

    def reply(connection: Connection, frame: bytes) -> None:
        # A small socket buffer, so that the last bytes are still in the transport at the end.
        assert isinstance(connection, TlsConnection)
        own_socket = connection._transport.get_extra_info("socket")
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.send(framed(answer))
        connection.close_after_flush("done")

    here = make_sessions()
    async with FrameServer("test", make_sessions(reply), ssl_context=contexts[0]) as server:
        await server.start(HOST, 0)
        connection = await dial(
            HOST, server.port, here, ssl_context=contexts[1], server_hostname="spu.example"
        )
        connection.send(framed(b"go"))
        session = await here.next()
        assert await frames_of(session, 1) == [answer]
        assert await lost(session) == "closed by peer"


async def test_a_stranger_is_not_talked_to(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    make_sessions: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FrameServer("test", make_sessions(), ssl_context=contexts[0]) as server:
        await server.start(HOST, 0)
        with pytest.raises(ConnectFailed, match=r"certificate|CERTIFICATE"):
            await MultiplexedConnection.connect(
                HOST, server.port, ssl_context=contexts[1], server_hostname="other.example"
            )
        with pytest.raises(ConnectFailed, match=r"certificate|CERTIFICATE"):
            await MultiplexedConnection.connect(
                HOST,
                server.port,
                ssl_context=ssl.create_default_context(),
                server_hostname="spu.example",
            )


async def test_plain_bytes_on_a_tls_port_harm_nobody(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], echo_sessions: Any, make_sessions: Any
) -> None:
    here = make_sessions()
    async with FrameServer("test", echo_sessions(), ssl_context=contexts[0]) as server:
        await server.start(HOST, 0)
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(framed(b"this is no TLS at all, and long enough to be seen as such"))
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
        await writer.wait_closed()
        connection = await dial(
            HOST, server.port, here, ssl_context=contexts[1], server_hostname="spu.example"
        )
        connection.send(framed(b"hello"))
        assert await frames_of(await here.next(), 1) == [b"hello"]
        connection.close()


async def test_a_silent_handshake_is_ended_and_counts_as_a_connection(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], make_sessions: Any
) -> None:
    limits = ServerLimits(handshake_timeout_s=0.2, connections_max=1)
    async with FrameServer(
        "test", make_sessions(), ssl_context=contexts[0], limits=limits
    ) as server:
        await server.start(HOST, 0)
        reader, writer = await asyncio.open_connection(HOST, server.port)
        refused, refused_writer = await asyncio.open_connection(HOST, server.port)
        async with asyncio.timeout(10):
            assert await refused.read() == b""
            assert server.connection_count == 1
            assert await reader.read() == b""
        writer.close()
        refused_writer.close()


async def test_stop_ends_handshakes_too(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], make_sessions: Any
) -> None:
    async with FrameServer("test", make_sessions(), ssl_context=contexts[0]) as server:
        await server.start(HOST, 0)
        reader, writer = await asyncio.open_connection(HOST, server.port)
        for _ in range(100):
            await asyncio.sleep(0)
        assert server.connection_count == 1
        async with asyncio.timeout(10):
            await server.stop()
            assert await reader.read() == b""
        writer.close()
