"""Requests and streams over one connection, against a server whose answers the test chooses."""

import asyncio
import platform
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fluvio_protocol.api.header import RequestHeader, decode_request_header, encode_response
from fluvio_protocol.api.versions import (
    ApiVersionRange,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from fluvio_protocol.codec import Message, Reader, decode, field, message
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest
from fluvio_socket.connection import Connection
from fluvio_socket.errors import ConnectFailed, ConnectionLost, RequestTimedOut
from fluvio_socket.multiplexer import ClientLimits, MultiplexedConnection
from fluvio_socket.server import FrameServer

pytestmark = pytest.mark.asyncio

HOST = "127.0.0.1"


@message()
class Answer(Message):
    """What the test's server answers."""

    text: str = field(about="text")
    padding: bytes = field(since=2, default=b"", about="weight")


@message(api_key=7001, versions=(1, 5), response=Answer)
class Question(Message):
    """Anything."""

    text: str = field(about="text")


@message(api_key=7002, versions=(0, 3))
class Note(Message):
    """One way."""

    text: str = field(about="text")


class Asked:
    """A request the server received, and the means to answer it."""

    def __init__(self, connection: Connection, header: RequestHeader, body: bytes) -> None:
        self.connection = connection
        self.header = header
        self.body = body

    @property
    def text(self) -> str:
        return decode(Question, self.body, self.header.api_version).text

    def answer(self, text: str, padding: bytes = b"") -> None:
        self.connection.send(
            encode_response(
                Answer(text=text, padding=padding),
                version=self.header.api_version,
                correlation_id=self.header.correlation_id,
            )
        )


class Server:
    """Greets by itself unless told not to; everything else waits in `asked` for the test."""

    def __init__(self, frames: FrameServer) -> None:
        self.frames = frames
        self.greets = True
        self.asked: asyncio.Queue[Asked] = asyncio.Queue()
        self.greetings: list[Asked] = []
        self.connections: list[Connection] = []
        self.api_keys = (ApiVersionRange(api_key=7001, min_version=0, max_version=3),)

    async def next(self) -> Asked:
        async with asyncio.timeout(10):
            return await self.asked.get()

    async def connect(self, **options: Any) -> MultiplexedConnection:
        async with asyncio.timeout(10):
            return await MultiplexedConnection.connect(HOST, self.frames.port, **options)

    def received(self, connection: Connection, frame: bytes) -> None:
        reader = Reader(frame)
        header = decode_request_header(reader)
        asked = Asked(connection, header, bytes(reader.take(reader.remaining)))
        if header.api_key == 18:
            self.greetings.append(asked)
            if self.greets:
                connection.send(
                    encode_response(
                        ApiVersionsResponse(api_keys=self.api_keys, platform_version="0.18.1"),
                        version=header.api_version,
                        correlation_id=header.correlation_id,
                    )
                )
        else:
            self.asked.put_nowait(asked)


class ServerSession:
    def __init__(self, server: Server, connection: Connection) -> None:
        self.server = server
        self.connection = connection
        server.connections.append(connection)

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            self.server.received(self.connection, bytes(frame))

    def drained(self) -> None:
        pass

    def connection_lost(self, reason: str) -> None:
        pass


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    async with FrameServer("test", lambda connection: ServerSession(server, connection)) as frames:
        server = Server(frames)
        await frames.start(HOST, 0)
        yield server


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_greeting_uses_id_1_and_counting_begins_again() -> None:
    async with serving() as server:
        client = await server.connect(client_id="tester")
        (greeting,) = server.greetings
        assert greeting.header == RequestHeader(18, 2, 1, "tester")
        request = decode(ApiVersionsRequest, greeting.body, 2)
        assert request.client_os == "linux"
        assert request.client_arch == platform.machine()
        assert all(part.isdigit() for part in request.client_version.split("."))
        assert client.platform_version == "0.18.1"
        assert client.api_keys == server.api_keys
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="hi")))
            asked = await server.next()
            assert asked.header == RequestHeader(7001, 3, 1, "tester")
            asked.answer("hello")
        assert reply.result() == Answer(text="hello")
        await client.close()


async def test_without_negotiation_the_first_request_has_id_1() -> None:
    async with serving() as server:
        client = await server.connect(negotiate=False)
        client.notify(Note(text="n"))
        asked = await server.next()
        assert asked.header == RequestHeader(7002, 0, 1, "fluvio")
        assert server.greetings == []
        assert client.version_of(Question) == 5
        await client.close()


async def test_versions() -> None:
    async with serving() as server:
        client = await server.connect()
        assert client.version_of(Question) == 3
        assert client.version_of(Note) == 3, "not advertised: our highest"
        assert client.version_of(StreamFetchRequest) == 17
        client.api_keys = (ApiVersionRange(api_key=1003, min_version=0, max_version=24),)
        assert client.version_of(StreamFetchRequest) == 24
        assert client.version_of(Question) == 5
        await client.close()


async def test_answers_in_any_order_find_their_requests() -> None:
    async with serving() as server:
        client = await server.connect()
        async with asyncio.TaskGroup() as task_group:
            replies = [
                task_group.create_task(client.request(Question(text=str(index))))
                for index in range(50)
            ]
            asked = [await server.next() for _ in replies]
            assert [each.text for each in asked] == [str(index) for index in range(50)]
            for each in [*asked[1::2], *reversed(asked[0::2])]:
                each.answer("re " + each.text)
        assert [reply.result().text for reply in replies] == [f"re {i}" for i in range(50)]
        await client.close()


async def test_a_timed_out_request_leaves_the_connection_usable() -> None:
    async with serving() as server:
        client = await server.connect()
        with pytest.raises(RequestTimedOut, match=r"Question: 127.0.0.1:\d+ did not answer"):
            await client.request(Question(text="slow"), timeout_s=0)
        late = await server.next()
        late.answer("too late")
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="next")))
            asked = await server.next()
            assert asked.header.correlation_id != late.header.correlation_id
            asked.answer("in time")
        assert reply.result().text == "in time"
        assert client._replies == {}
        assert client._in_flight == 0
        await client.close()


async def test_a_request_that_says_nothing_has_the_limits_time() -> None:
    async with serving() as server:
        client = await server.connect(limits=ClientLimits(request_timeout_s=0.01))
        with pytest.raises(RequestTimedOut, match=r"did not answer in 0\.01 s"):
            await client.request(Question(text="slow"))
        await client.close()


async def test_a_cancelled_request_leaves_the_connection_usable() -> None:
    async with serving() as server:
        client = await server.connect()
        async with asyncio.TaskGroup() as task_group:
            cancelled = task_group.create_task(client.request(Question(text="never mind")))
            late = await server.next()
            cancelled.cancel()
            reply = task_group.create_task(client.request(Question(text="next")))
            asked = await server.next()
            late.answer("too late")
            asked.answer("in time")
        assert cancelled.cancelled()
        assert reply.result().text == "in time"
        assert client._replies == {}
        await client.close()


async def test_requests_beyond_the_limit_wait_in_order() -> None:
    async with serving() as server:
        client = await server.connect(limits=ClientLimits(requests_in_flight_max=2))
        async with asyncio.TaskGroup() as task_group:
            replies = [
                task_group.create_task(client.request(Question(text=str(index))))
                for index in range(6)
            ]
            first, second = await server.next(), await server.next()
            await turns()
            assert server.asked.empty()
            replies[3].cancel()  # while it waits: never sent
            second.answer("1")
            third = await server.next()
            assert third.text == "2"
            await turns()
            assert server.asked.empty()
            first.answer("0")
            third.answer("2")
            for expected in ("4", "5"):
                asked = await server.next()
                assert asked.text == expected
                asked.answer(expected)
        assert [r.result().text for r in replies if not r.cancelled()] == ["0", "1", "2", "4", "5"]
        assert client._unsent_bytes == 0
        await client.close()


async def test_nothing_overtakes_a_waiting_request() -> None:
    async with serving() as server:
        client = await server.connect(limits=ClientLimits(requests_in_flight_max=1))
        async with asyncio.TaskGroup() as task_group:
            for text in ("sent", "waits"):
                task_group.create_task(client.request(Question(text=text)))
            first = await server.next()
            client.notify(Note(text="after it"))
            await turns()
            assert server.asked.empty()
            first.answer("fine")
            second = await server.next()
            assert second.text == "waits"
            assert (await server.next()).header.api_key == 7002
            second.answer("fine")
        await client.close()


async def test_a_congested_connection_takes_requests_later_and_in_order() -> None:
    async with serving() as server:
        client = await server.connect(
            limits=ClientLimits(send_queue_bytes_high=100_000, send_queue_bytes_low=1000)
        )
        server.connections[0].pause_reading()
        async with asyncio.TaskGroup() as task_group:
            replies = [
                task_group.create_task(client.request(Question(text=f"{index:03}" * 5000)))
                for index in range(800)
            ]
            await turns()
            connection = client._attached()
            assert connection.congested
            assert connection.queued_bytes < 200_000
            assert client._unsent
            server.connections[0].resume_reading()
            for index in range(800):
                asked = await server.next()
                assert asked.text == f"{index:03}" * 5000
                asked.answer("fine")
        assert all(reply.result().text == "fine" for reply in replies)
        await client.close()


async def test_two_full_directions_do_not_wait_for_each_other() -> None:
    """The server stops reading until its answers are read; the client must go on reading."""
    async with serving() as server:
        client = await server.connect(limits=ClientLimits(send_queue_bytes_high=100_000))
        stream = client.open_stream(Question(text="stream"))
        asked = await server.next()
        for index in range(200):
            asked.answer(str(index), bytes(100_000))
        assert asked.connection.congested
        async with asyncio.TaskGroup() as task_group:
            replies = [
                task_group.create_task(client.request(Question(text="x" * 30_000)))
                for _ in range(500)
            ]
            await turns(50)
            assert client._attached().congested
            async with asyncio.timeout(20):
                assert [(await anext(stream)).text for _ in range(200)] == [
                    str(index) for index in range(200)
                ]
            for _ in replies:
                (await server.next()).answer("fine")
        await client.close()


async def test_the_server_going_away_fails_everything_open() -> None:
    async with serving() as server:
        client = await server.connect()
        stream = client.open_stream(Question(text="stream"))

        async def consume() -> list[str]:
            texts = [(await anext(stream)).text]
            with pytest.raises(ConnectionLost, match="closed by peer"):
                await anext(stream)
            return texts

        async def ask() -> None:
            with pytest.raises(ConnectionLost, match="closed by peer") as caught:
                await client.request(Question(text="request"))
            assert caught.value.retriable

        async with asyncio.TaskGroup() as task_group:
            task_group.create_task(ask())
            consumer = task_group.create_task(consume())
            asked = [await server.next(), await server.next()]
            next(each for each in asked if each.text == "stream").answer("last words")
            asked[0].connection.close_after_flush("bye")
            assert await client.wait_closed() == "closed by peer"
        assert consumer.result() == ["last words"]
        assert client.closed
        with pytest.raises(ConnectionLost):
            await client.request(Question(text="again"))
        with pytest.raises(ConnectionLost):
            client.open_stream(Question(text="again"))
        with pytest.raises(ConnectionLost):
            client.notify(Note(text="again"))
        await client.close()


async def test_closing_here_fails_what_is_open() -> None:
    async with serving() as server:
        client = await server.connect()
        async with asyncio.TaskGroup() as task_group:

            async def ask() -> None:
                with pytest.raises(ConnectionLost, match="closed here"):
                    await client.request(Question(text="request"))

            task_group.create_task(ask())
            await server.next()
            await client.close()
        assert await client.wait_closed() == "closed here"


async def test_a_response_that_cannot_be_read_fails_its_request_only() -> None:
    async with serving() as server:
        client = await server.connect()

        async def ask() -> None:
            with pytest.raises(RemoteProtocolError):
                await client.request(Question(text="request"))

        async with asyncio.TaskGroup() as task_group:
            task_group.create_task(ask())
            asked = await server.next()
            asked.connection.send(struct.pack(">iih", 6, asked.header.correlation_id, 500))
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="next")))
            (await server.next()).answer("fine")
        assert reply.result().text == "fine"
        await client.close()


async def test_a_frame_without_correlation_id_ends_the_connection() -> None:
    async with serving() as server:
        client = await server.connect()
        server.connections[0].send(struct.pack(">ih", 2, 1))
        async with asyncio.timeout(10):
            assert "no correlation id" in await client.wait_closed()


async def test_unknown_correlation_ids_are_dropped() -> None:
    async with serving() as server:
        client = await server.connect()
        server.connections[0].send(struct.pack(">ii", 4, 77), struct.pack(">iiq", 12, -1, 5))
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="next")))
            (await server.next()).answer("fine")
        assert reply.result().text == "fine"
        await client.close()


async def test_streams_and_requests_share_the_connection() -> None:
    async with serving() as server:
        client = await server.connect()
        one = client.open_stream(Question(text="one"))
        two = client.open_stream(Question(text="two"), version=2)
        first, second = await server.next(), await server.next()
        assert (first.header.api_version, second.header.api_version) == (3, 2)
        for index in range(5):
            first.answer(f"1-{index}")
            second.answer(f"2-{index}", b"v2 has it")
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="between")))
            (await server.next()).answer("fine")
        assert reply.result().text == "fine"
        async with asyncio.timeout(10):
            assert [(await anext(one)).text for _ in range(5)] == [f"1-{i}" for i in range(5)]
            assert (await anext(two)).padding == b"v2 has it"
        two.close()
        two.close()
        second.answer("nobody takes this")
        first.answer("but this")
        async with asyncio.timeout(10):
            assert (await anext(one)).text == "but this"
        with pytest.raises(StopAsyncIteration):
            await anext(two)
        assert list(client._streams.values()) == [one]
        await client.close()


@pytest.mark.parametrize(
    ("limits", "padding"),
    [
        (ClientLimits(stream_frames_max=10, stream_bytes_max=1 << 30), 100_000),
        (ClientLimits(stream_frames_max=10_000, stream_bytes_max=1_000_000), 100_000),
    ],
)
async def test_a_slow_consumer_stops_the_reading(limits: ClientLimits, padding: int) -> None:
    async with serving() as server:
        client = await server.connect(limits=limits)
        stream = client.open_stream(Question(text="stream"))
        asked = await server.next()
        for index in range(300):
            asked.answer(str(index), bytes(padding))
        await turns(300)
        # What one read of 256 KiB brings may come on top: at most three such frames.
        assert 10 <= stream.waiting_count <= 13
        assert asked.connection.queued_bytes > 10_000_000, "the server should be stuck"
        texts = []
        async with asyncio.timeout(20):
            for _ in range(300):
                texts.append((await anext(stream)).text)
        assert texts == [str(index) for index in range(300)]
        assert stream.waiting_count == 0
        assert client._full_streams == set()
        await client.close()


async def test_closing_a_full_stream_lets_the_others_go_on() -> None:
    async with serving() as server:
        client = await server.connect()
        stream = client.open_stream(Question(text="stream"))
        asked = await server.next()
        for _ in range(300):
            asked.answer("x", bytes(100_000))
        await turns(100)
        assert client._full_streams == {stream}
        async with asyncio.TaskGroup() as task_group:
            reply = task_group.create_task(client.request(Question(text="next")))
            stream.close()
            (await server.next()).answer("fine")
        assert reply.result().text == "fine"
        await client.close()


async def test_a_cancelled_consumer_loses_nothing() -> None:
    async with serving() as server:
        client = await server.connect()
        stream = client.open_stream(Question(text="stream"))
        asked = await server.next()
        async with asyncio.TaskGroup() as task_group:
            consumer = task_group.create_task(anext(stream))  # type: ignore[arg-type]
            await turns(2)
            with pytest.raises(RuntimeError, match="one consumer"):
                await anext(stream)
            asked.answer("one")
            consumer.cancel()
        assert consumer.cancelled()
        async with asyncio.timeout(10):
            assert (await anext(stream)).text == "one"
        await client.close()


async def test_a_stream_response_that_cannot_be_read_ends_the_stream() -> None:
    async with serving() as server:
        client = await server.connect()
        stream = client.open_stream(Question(text="stream"))
        asked = await server.next()
        asked.answer("good")
        asked.connection.send(struct.pack(">iih", 6, asked.header.correlation_id, 500))
        asked.answer("not any more")
        async with asyncio.timeout(10):
            assert (await anext(stream)).text == "good"
            for _ in range(2):
                with pytest.raises(RemoteProtocolError):
                    await anext(stream)
        assert not client.closed
        await client.close()


async def test_requests_without_response_are_told_apart() -> None:
    async with serving() as server:
        client = await server.connect()
        with pytest.raises(LocalProtocolError, match="use notify"):
            await client.request(Note(text="n"))
        with pytest.raises(LocalProtocolError, match="use notify"):
            client.open_stream(Note(text="n"))
        with pytest.raises(LocalProtocolError):
            await client.request(Question(text="x" * 40_000))
        assert client._replies == {}
        await client.close()


async def test_correlation_ids_wrap_and_skip_those_in_use() -> None:
    async with serving() as server:
        client = await server.connect()
        stream = client.open_stream(Question(text="stream"))
        assert (await server.next()).header.correlation_id == 1
        client._next_id = 2**31 - 1
        ids = []
        for _ in range(2):
            async with asyncio.TaskGroup() as task_group:
                task_group.create_task(client.request(Question(text="next")))
                asked = await server.next()
                ids.append(asked.header.correlation_id)
                asked.answer("fine")
        assert ids == [2**31 - 1, 2]
        stream.close()
        await client.close()


async def test_a_server_that_does_not_greet_is_left() -> None:
    async with serving() as server:
        server.greets = False
        with pytest.raises(ConnectFailed, match="did not greet us"):
            await server.connect(limits=ClientLimits(connect_timeout_s=0.05))


async def test_a_server_that_hangs_up_on_the_greeting_is_named() -> None:
    async with serving() as server:
        server.received = lambda connection, frame: connection.close("go away")  # type: ignore[method-assign]
        with pytest.raises(ConnectFailed, match=rf"{HOST}:{server.frames.port}.*closed by peer"):
            await server.connect()
