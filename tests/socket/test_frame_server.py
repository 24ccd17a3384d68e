"""The server over real sockets: framing, order, slow and rude peers, children, refusals."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_socket.connection import Connection, dial
from fluvio_socket.errors import ConnectFailed, ListenFailed
from fluvio_socket.server import FrameServer, ServerLimits

pytestmark = pytest.mark.asyncio

MIB = 1024 * 1024
HOST = "127.0.0.1"


def framed(*payloads: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(payload)) + payload for payload in payloads)


class Peer:
    """A client that knows only bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: FrameServer) -> "Peer":
        return cls(*await asyncio.open_connection(HOST, server.port))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readexactly(count)

    async def frame(self) -> bytes:
        (length,) = struct.unpack(">i", await self.read(4))
        return await self.read(length)

    async def end(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def frames_of(session: Any, count: int) -> list[bytes]:
    async with asyncio.timeout(20):
        return [await session.frames.get() for _ in range(count)]


async def lost(session: Any) -> str:
    async with asyncio.timeout(20):
        return str(await session.lost)


async def turns(count: int = 20) -> None:
    """Let the loop look at its sockets a few times; for checking that nothing happens."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_coalesced_frames_come_in_one_call(make_sessions: Any) -> None:
    sessions = make_sessions()
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        payloads = [b"%d" % index for index in range(1000)]
        peer.write(framed(*payloads))
        session = await sessions.next()
        assert await frames_of(session, 1000) == payloads
        assert session.calls == 1
        await peer.close()


async def test_single_bytes_make_frames(make_sessions: Any) -> None:
    sessions = make_sessions()
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        payloads = [b"", b"one", b"two two", b""]
        peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(*payloads):
            peer.write(bytes([byte]))
            await turns(2)
        assert await frames_of(await sessions.next(), 4) == payloads
        await peer.close()


async def test_large_frames_both_ways_among_small_ones(echo_sessions: Any) -> None:
    sessions = echo_sessions()
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        large = os.urandom(MIB) * 3
        payloads = [b"first", large, b"between", large[: 300 * 1024], b"last"]
        peer.write(framed(*payloads))
        assert [await peer.frame() for _ in payloads] == payloads
        await peer.close()


@pytest.mark.parametrize("length", [-1, 101])
async def test_a_bad_length_closes_only_this_connection(
    make_sessions: Any, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    sessions = make_sessions()
    async with FrameServer(
        "test", sessions, limits=ServerLimits(frame_size_bytes_max=100)
    ) as server:
        await server.start(HOST, 0)
        good, bad = await Peer.connect(server), await Peer.connect(server)
        good_session, bad_session = await sessions.next(), await sessions.next()
        bad.write(framed(b"fine") + struct.pack(">i", length))
        assert await frames_of(bad_session, 1) == [b"fine"]
        assert f"frame of {length} bytes" in await lost(bad_session)
        assert await bad.end() == b""
        good.write(framed(b"still here"))
        assert await frames_of(good_session, 1) == [b"still here"]
        assert server.connection_count == 1
        (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert bad_session.connection.peer in record.getMessage()
        await good.close()
        await bad.close()


@pytest.mark.parametrize(
    ("error", "level"),
    [(RemoteProtocolError("no such request"), logging.WARNING), (KeyError("oops"), logging.ERROR)],
)
async def test_a_session_that_raises_loses_only_its_connection(
    make_sessions: Any, caplog: pytest.LogCaptureFixture, error: Exception, level: int
) -> None:
    def reply(connection: Connection, frame: bytes) -> None:
        if frame == b"fail":
            raise error
        connection.send(framed(frame))

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        good, bad = await Peer.connect(server), await Peer.connect(server)
        bad.write(framed(b"fail"))
        assert await bad.end() == b""
        good.write(framed(b"hello"))
        assert await good.frame() == b"hello"
        assert [r.levelno for r in caplog.records if r.levelno >= logging.WARNING] == [level]
        await good.close()
        await bad.close()


async def test_a_factory_that_raises_loses_only_its_connection(
    make_sessions: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = make_sessions()
    failures = [ValueError("no session for you")]

    def factory(connection: Connection) -> Any:
        if failures:
            raise failures.pop()
        return sessions(connection)

    async with FrameServer("test", factory) as server:
        await server.start(HOST, 0)
        bad = await Peer.connect(server)
        assert await bad.end() == b""
        good = await Peer.connect(server)
        good.write(framed(b"hello"))
        assert await frames_of(await sessions.next(), 1) == [b"hello"]
        assert "no session for you" in caplog.text
        await good.close()
        await bad.close()


async def test_a_slow_reader_is_not_read_and_memory_stays_bounded(echo_sessions: Any) -> None:
    """A peer that sends for ever and reads nothing stops itself at the high-water mark."""
    sessions = echo_sessions()
    limits = ServerLimits(send_queue_bytes_high=256 * 1024, send_queue_bytes_low=1000)
    async with FrameServer("test", sessions, limits=limits) as server:
        await server.start(HOST, 0)
        plain_socket = socket.create_connection((HOST, server.port))
        plain_socket.setblocking(False)
        session = await sessions.next()
        data = framed(b"x" * 10_000) * 200
        sent = 0
        idle = 0
        while idle < 50:  # until neither side moves
            try:
                sent += plain_socket.send(data[sent % len(data) :])
                idle = 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        assert session.connection.congested
        # One read may be answered wholly above the mark.
        assert session.connection.queued_bytes < 256 * 1024 + 300 * 1024
        assert session.drained_count == 0
        loop = asyncio.get_running_loop()
        received = 0
        while not session.drained_once.is_set() or session.connection.queued_bytes:
            received += len(await loop.sock_recv(plain_socket, MIB))
        assert not session.connection.congested
        rest = data[sent % len(data) :]
        await loop.sock_sendall(plain_socket, rest)
        total = sent + len(rest)
        while received < total:
            piece = await loop.sock_recv(plain_socket, MIB)
            assert piece
            received += len(piece)
        assert received == total
        plain_socket.close()
        await lost(session)


async def test_sends_of_all_kinds_keep_their_order(make_sessions: Any, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(os.urandom(3 * MIB))
    content = path.read_bytes()
    expected: list[bytes] = []

    def reply(connection: Connection, frame: bytes) -> None:
        fd = os.open(path, os.O_RDONLY)
        try:
            for index in range(40):
                small = framed(b"small %d" % index)
                connection.send(small)
                size = 100_000 + index
                connection.send_file(
                    struct.pack(">i", size + 2) + b"ab", fd, position=index * 1000, size=size
                )
                middle = memoryview(content)[index * 500 : index * 500 + 50_000]
                connection.send(struct.pack(">i", 50_003), b"xyz", middle)
                expected.append(
                    small
                    + struct.pack(">i", size + 2)
                    + b"ab"
                    + content[index * 1000 : index * 1000 + size]
                    + struct.pack(">i", 50_003)
                    + b"xyz"
                    + bytes(middle)
                )
        finally:
            os.close(fd)

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        await frames_of(await sessions.next(), 1)
        assert sessions.all[0].connection.queued_bytes > 0, "the test should fill the socket"
        assert await peer.read(sum(map(len, expected))) == b"".join(expected)
        assert sessions.all[0].connection.queued_bytes == 0
        await peer.close()


async def test_thousands_of_buffers_in_one_send(make_sessions: Any) -> None:
    sessions = make_sessions(
        lambda connection, frame: connection.send(*[framed(b"%d" % i) for i in range(5000)])
    )
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        assert [await peer.frame() for _ in range(5000)] == [b"%d" % i for i in range(5000)]
        await peer.close()


async def test_a_file_that_ends_early_closes_the_connection(
    make_sessions: Any, tmp_path: Path
) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"only this")

    def reply(connection: Connection, frame: bytes) -> None:
        fd = os.open(path, os.O_RDONLY)
        connection.send_file(struct.pack(">i", 100), fd, 0, 100)
        os.close(fd)

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        assert await peer.end() == struct.pack(">i", 100) + b"only this"
        assert "ended early" in await lost(await sessions.next())
        await peer.close()


async def test_close_after_flush_sends_everything_and_ignores_the_rest(
    make_sessions: Any,
) -> None:
    answer = os.urandom(8 * MIB)

    def reply(connection: Connection, frame: bytes) -> None:
        connection.send(framed(answer))
        connection.close_after_flush("done")
        connection.send(framed(b"too late"))

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        assert await peer.end() == framed(answer)
        assert await lost(await sessions.next()) == "done"
        await peer.close()


async def test_pause_and_resume_reading(make_sessions: Any) -> None:
    sessions = make_sessions(lambda connection, frame: connection.pause_reading())
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        session = await sessions.next()
        peer.write(framed(b"one"))
        await frames_of(session, 1)
        peer.write(framed(b"two"))
        await turns()
        assert session.frames.empty()
        session.connection.resume_reading()
        assert await frames_of(session, 1) == [b"two"]
        await peer.close()


async def test_an_unfinished_frame_has_its_time(make_sessions: Any, clock: Any) -> None:
    sessions = make_sessions()
    limits = ServerLimits(partial_frame_timeout_s=30)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        slow, idle, large = [await Peer.connect(server) for _ in range(3)]
        slow_session, idle_session, large_session = [await sessions.next() for _ in range(3)]
        for peer, session, rest in (
            (slow, slow_session, struct.pack(">i", 10) + b"part"),
            (idle, idle_session, b""),
            (large, large_session, struct.pack(">i", MIB) + b"x" * 300_000),
        ):
            peer.write(framed(b"whole") + rest)
            await peer.writer.drain()
            await frames_of(session, 1)
        large.write(b"more")
        await turns()
        clock.now_s += 29
        slow.write(b"2")
        await turns()
        server.sweep()
        assert server.connection_count == 3
        clock.now_s += 2
        server.sweep()
        assert server.connection_count == 1
        assert "did not finish a frame" in await lost(slow_session)
        assert "did not finish a frame" in await lost(large_session)
        assert not idle_session.lost.done()
        for peer in (slow, idle, large):
            await peer.close()


async def test_each_frame_has_its_own_time(make_sessions: Any, clock: Any) -> None:
    """A busy peer always has some frame unfinished; that is no reason to close it."""
    sessions = make_sessions()
    limits = ServerLimits(partial_frame_timeout_s=30)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        session = await sessions.next()
        stream = framed(*[b"0123456789"] * 10)
        for begin in range(0, len(stream), 14):
            peer.write(stream[begin + 7 if begin else 0 : begin + 21])
            await frames_of(session, 1)
            clock.now_s += 20
            server.sweep()
        assert server.connection_count == 1
        await peer.close()


async def test_time_in_which_we_do_not_read_is_not_the_peers(
    make_sessions: Any, clock: Any
) -> None:
    sessions = make_sessions()
    limits = ServerLimits(partial_frame_timeout_s=30, idle_timeout_s=30)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        session = await sessions.next()
        peer.write(framed(b"whole") + b"\0")
        await frames_of(session, 1)
        session.connection.pause_reading()
        clock.now_s += 100
        server.sweep()
        session.connection.resume_reading()
        server.sweep()
        assert server.connection_count == 1
        clock.now_s += 31
        server.sweep()
        assert server.connection_count == 0
        await peer.close()


async def test_idle_peers_may_be_limited(make_sessions: Any, clock: Any) -> None:
    sessions = make_sessions()
    limits = ServerLimits(idle_timeout_s=100)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        talking, idle = await Peer.connect(server), await Peer.connect(server)
        session, idle_session = await sessions.next(), await sessions.next()
        clock.now_s += 99
        talking.write(framed(b"hello"))
        await frames_of(session, 1)
        clock.now_s += 2
        server.sweep()
        assert await lost(idle_session) == "sent nothing for too long"
        assert server.connection_count == 1
        await talking.close()
        await idle.close()


async def test_a_peer_that_takes_nothing_is_closed(make_sessions: Any, clock: Any) -> None:
    answer = framed(bytes(16 * MIB))
    sessions = make_sessions(lambda connection, frame: connection.send(answer))
    limits = ServerLimits(send_stall_timeout_s=30)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        plain_socket = socket.create_connection((HOST, server.port))
        plain_socket.setblocking(False)
        plain_socket.send(framed(b"go"))
        session = await sessions.next()
        await frames_of(session, 1)
        await turns(50)
        assert session.connection.queued_bytes
        loop = asyncio.get_running_loop()
        clock.now_s += 29
        received, before = 0, session.connection.queued_bytes
        while session.connection.queued_bytes == before:  # some progress
            received += len(await loop.sock_recv(plain_socket, MIB))
        await turns(50)
        clock.now_s += 29
        server.sweep()
        assert server.connection_count == 1
        clock.now_s += 2
        server.sweep()
        assert "queued bytes in time" in await lost(session)
        plain_socket.close()


async def test_a_peer_that_leaves_far_too_much_is_given_up(make_sessions: Any) -> None:
    def reply(connection: Connection, frame: bytes) -> None:
        for _ in range(100):
            connection.send(bytes(MIB))

    sessions = make_sessions(reply)
    limits = ServerLimits(send_queue_bytes_max=20 * MIB)
    async with FrameServer("test", sessions, limits=limits) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.write(framed(b"go"))
        assert "bytes unread" in await lost(await sessions.next())
        await peer.close()


async def test_the_timer_sweeps_by_itself(make_sessions: Any, clock: Any) -> None:
    sessions = make_sessions()
    limits = ServerLimits(idle_timeout_s=10, sweep_interval_s=0.005)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        session = await sessions.next()
        clock.now_s += 11
        assert await lost(session) == "sent nothing for too long"
        await peer.close()


async def test_connections_above_the_maximum_are_refused(
    echo_sessions: Any, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    sessions = echo_sessions()
    limits = ServerLimits(connections_max=3)
    async with FrameServer("test", sessions, limits=limits, clock=clock) as server:
        await server.start(HOST, 0)
        peers = [await Peer.connect(server) for _ in range(3)]
        for _ in range(3):
            await sessions.next()
        refused = [await Peer.connect(server) for _ in range(5)]
        assert [await peer.end() for peer in refused] == [b""] * 5
        assert len([r for r in caplog.records if "connection_refused" in r.getMessage()]) == 1
        await peers.pop().close()
        await lost(sessions.all[-1])
        again = await Peer.connect(server)
        again.write(framed(b"in"))
        assert await again.frame() == b"in"
        for peer in [*peers, *refused, again]:
            await peer.close()


async def test_many_connections_and_little_memory_each(echo_sessions: Any) -> None:
    sessions = echo_sessions()
    count = 500
    async with FrameServer("test", lambda connection: sessions(connection)) as server:
        await server.start(HOST, 0)
        sockets = []
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(count):
                plain_socket = socket.create_connection((HOST, server.port))
                plain_socket.setblocking(False)
                sockets.append(plain_socket)
                await asyncio.sleep(0)
            for _ in range(count):
                await sessions.next()
            loop = asyncio.get_running_loop()
            for index, plain_socket in enumerate(sockets):
                await loop.sock_sendall(plain_socket, framed(b"%d" % index))
            for index, plain_socket in enumerate(sockets):
                expected = framed(b"%d" % index)
                assert await loop.sock_recv(plain_socket, 100) == expected
            for session in sessions.all:
                session.connection._session = None  # weigh the connection, not the test's session
            sessions.all.clear()
            sessions._made = asyncio.Queue()
            gc.collect()
            each = (tracemalloc.get_traced_memory()[0] - before) / count
        finally:
            tracemalloc.stop()
        assert each < 4096
        assert len(asyncio.all_tasks()) == 1
        for plain_socket in sockets:
            plain_socket.close()


async def test_no_file_descriptors_left_is_survived(
    echo_sessions: Any, caplog: pytest.LogCaptureFixture
) -> None:
    limits = ServerLimits(accept_retry_s=0.01)
    async with FrameServer("test", echo_sessions(), limits=limits) as server:
        await server.start(HOST, 0)
        sockets = [socket.socket() for _ in range(3)]
        for plain_socket in sockets:
            plain_socket.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = os.dup(0)
        os.close(spare)
        logged = asyncio.Event()

        class Watch(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "accept_failed" in record.getMessage():
                    logged.set()

        watch = Watch()
        logging.getLogger("fluvio_socket.server").addHandler(watch)
        loop = asyncio.get_running_loop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
        try:
            for plain_socket in sockets:
                await loop.sock_connect(plain_socket, (HOST, server.port))
                await loop.sock_sendall(plain_socket, framed(b"hello"))
            async with asyncio.timeout(10):
                await logged.wait()
                (listener,) = server._listeners
                assert not loop.remove_reader(listener.fileno()), "it would spin"
                server._on_acceptable(listener)  # fails again, not logged again
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            logging.getLogger("fluvio_socket.server").removeHandler(watch)
        for plain_socket in sockets:
            async with asyncio.timeout(10):
                assert await loop.sock_recv(plain_socket, 100) == framed(b"hello")
            plain_socket.close()
        assert caplog.text.count("accept_failed") == 1


async def test_a_child_ends_with_its_connection(make_sessions: Any) -> None:
    ended = asyncio.Event()
    started = asyncio.Event()

    async def child() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    sessions = make_sessions(lambda connection, frame: connection.spawn(child()))
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        async with asyncio.timeout(10):
            await started.wait()
        await peer.close()
        async with asyncio.timeout(10):
            await ended.wait()
        session = await sessions.next()
        assert await lost(session) == "closed by peer"
        session.connection.spawn(child())  # too late: does not start, does not complain
        await turns()
        assert session.connection.children == ()


async def test_a_child_spawned_and_cancelled_at_once(make_sessions: Any) -> None:
    async def child() -> None:
        raise AssertionError("never runs")

    def reply(connection: Connection, frame: bytes) -> None:
        connection.spawn(child())
        connection.close("changed my mind")

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        peer.write(framed(b"go"))
        assert await lost(await sessions.next()) == "changed my mind"
        await peer.close()
    gc.collect()


async def test_a_failing_child_closes_its_connection_only(
    make_sessions: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise LookupError("the child's mistake")

    async def answer(connection: Connection, frame: bytes) -> None:
        connection.send(framed(frame))

    def reply(connection: Connection, frame: bytes) -> None:
        connection.spawn(fail() if frame == b"fail" else answer(connection, frame))

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        good, bad = await Peer.connect(server), await Peer.connect(server)
        bad.write(framed(b"fail"))
        assert await bad.end() == b""
        good.write(framed(b"hello"))
        assert await good.frame() == b"hello"
        assert "the child's mistake" in caplog.text
        await good.close()
        await bad.close()


async def test_stop_closes_everything_and_waits_for_children(make_sessions: Any) -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("child")

    sessions = make_sessions(lambda connection, frame: connection.spawn(child()))
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        port = server.port
        peers = [await Peer.connect(server) for _ in range(3)]
        for peer in peers:
            peer.write(framed(b"go"))
        for _ in peers:
            await frames_of(await sessions.next(), 1)
        await turns(2)
        await server.stop()
        assert ended == ["child"] * 3
        assert all(session.lost.result() == "the server stops" for session in sessions.all)
        assert server.connection_count == 0
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((HOST, port))
        with pytest.raises(ListenFailed):
            _ = server.port
        await server.start(HOST, port)  # and it can begin again
        again = await Peer.connect(server)
        await sessions.next()
        for peer in [*peers, again]:
            await peer.close()


async def test_an_exception_in_the_block_ends_the_server_too(make_sessions: Any) -> None:
    sessions = make_sessions()

    async def serve() -> None:
        async with FrameServer("test", sessions) as server:
            await server.start(HOST, 0)
            peers.append(await Peer.connect(server))
            await sessions.next()
            raise ValueError("ours")

    peers: list[Peer] = []
    with pytest.raises(ValueError, match="ours"):
        await serve()
    assert await peers[0].end() == b""
    await peers[0].close()


async def test_a_busy_port_is_named(make_sessions: Any) -> None:
    async with (
        FrameServer("one", make_sessions()) as one,
        FrameServer("two", make_sessions()) as two,
    ):
        await one.start(HOST, 0)
        with pytest.raises(ListenFailed, match=f"127.0.0.1:{one.port}: Address already in use"):
            await two.start(HOST, one.port)


async def test_start_needs_the_block(make_sessions: Any) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await FrameServer("test", make_sessions()).start(HOST, 0)


async def test_dial_and_serve(make_sessions: Any, echo_sessions: Any) -> None:
    here = make_sessions()
    async with FrameServer("test", echo_sessions()) as server:
        await server.start("localhost", 0)
        connection = await dial("localhost", server.port, here)
        connection.send(framed(b"one"), framed(b"two"))
        session = await here.next()
        assert await frames_of(session, 2) == [b"one", b"two"]

        async def child() -> None:
            raise AssertionError("never runs")

        with pytest.raises(RuntimeError, match="task_group"):
            connection.spawn(child())
        connection.close("done")
        connection.close("again")
        connection.send(b"nobody listens")
        assert connection.closed
        assert not session.lost.done(), "the news comes from the loop, not from inside close"
        assert await lost(session) == "done"


async def test_a_dialled_connection_spawns_into_the_given_group(
    make_sessions: Any, echo_sessions: Any
) -> None:
    done = asyncio.Event()

    async def child() -> None:
        done.set()

    async with FrameServer("test", echo_sessions()) as server:
        await server.start(HOST, 0)
        async with asyncio.TaskGroup() as task_group:
            connection = await dial(HOST, server.port, make_sessions(), task_group=task_group)
            connection.spawn(child())
            async with asyncio.timeout(10):
                await done.wait()
            connection.close()


async def test_dialling_nobody_says_whom() -> None:
    with socket.socket() as reserved:
        reserved.bind((HOST, 0))
        port = reserved.getsockname()[1]

        def factory(connection: Connection) -> Any:
            raise AssertionError("never called")

        with pytest.raises(ConnectFailed, match=f"{HOST}:{port}: Connection refused") as caught:
            await dial(HOST, port, factory)
        assert caught.value.retriable


@pytest.mark.parametrize("when", ["frames", "lost"])
async def test_connection_lost_comes_once(make_sessions: Any, when: str) -> None:
    """Closing from inside every call, and twice, is one loss."""

    def reply(connection: Connection, frame: bytes) -> None:
        if when == "frames":
            connection.close("first")
            connection.close("second")

    sessions = make_sessions(reply)
    async with FrameServer("test", sessions) as server:
        await server.start(HOST, 0)
        peer = await Peer.connect(server)
        session = await sessions.next()
        if when == "lost":
            session.lost.add_done_callback(lambda _: session.connection.close("again"))
        peer.write(framed(b"a", b"b", b"c"))
        if when == "frames":
            assert await lost(session) == "first"
        await peer.close()
        await lost(session)
        await turns()
