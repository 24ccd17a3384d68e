"""The client's end of a request/response door: many requests at once over one connection.

Used by `fluvio_client` and by our own links between servers. A response is found by its
correlation id; one with an unknown id (its request timed out or was cancelled) is dropped.

A *stream* is a request with any number of responses. The protocol cannot cancel one: closing it
here only drops what still comes. What a consumer has not taken yet is bounded by frames and by
bytes; a stream that reaches a bound stops the reading of the whole connection until its consumer
has caught up, and then all other requests of the connection wait, as with the upstream client.
So a consumer must not leave its stream untouched while it waits for another answer here.

Requests beyond those allowed in flight, and all while the connection is congested, wait in order;
their timeout runs from the call. A cancelled request leaves the connection usable.

    connect: ApiVersions with correlation id 1, then counting begins again at 1
"""

import asyncio
import platform
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Self

from fluvio_protocol.api.header import CORRELATION, encode_request
from fluvio_protocol.api.versions import (
    PLATFORM_VERSION,
    ApiVersionRange,
    ApiVersionsRequest,
    ApiVersionsResponse,
    negotiate,
)
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_protocol.errors import FluvioError, LocalProtocolError, RemoteProtocolError
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest
from fluvio_socket.connection import Connection, dial
from fluvio_socket.connection_group import ConnectionLimits
from fluvio_socket.errors import ConnectFailed, ConnectionLost, RequestTimedOut

STREAM_FETCH_VERSION_FALLBACK = 17
"""What clients send when the server shares no version of StreamFetch (protocol reference 1.6)."""

_CORRELATION_ID_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits(ConnectionLimits):
    """Bounds of a client's connection.

    requests_in_flight_max: requests sent and not answered; further ones wait
    stream_frames_max:      responses of one stream that its consumer has not taken
    stream_bytes_max:       the same in bytes; both may be passed by what one read brought
    request_timeout_s:      for the response to a request that says nothing else
    """

    requests_in_flight_max: int = 1000
    stream_frames_max: int = 10
    stream_bytes_max: int = 16 * 1024 * 1024
    request_timeout_s: float = 60.0


class _PendingReply:
    """A request that waits for its one response."""

    __slots__ = ("future", "response", "sent", "version")

    def __init__(self, future: asyncio.Future[Any], response: Any, version: int) -> None:
        self.future = future
        self.response = response
        self.version = version
        self.sent = False


class ResponseStream:
    """Responses of one request, for one consumer: `async for response in stream`.

    Ends by raising ConnectionLost when the connection is over, and RemoteProtocolError when a
    response cannot be read; both after everything that came before was taken.
    """

    __slots__ = (
        "_bytes",
        "_connection",
        "_correlation_id",
        "_error",
        "_queue",
        "_response",
        "_version",
        "_waiter",
        "closed",
    )

    def __init__(
        self,
        connection: "MultiplexedConnection",
        correlation_id: int,
        response: Any,
        version: int,
    ) -> None:
        self._connection = connection
        self._correlation_id = correlation_id
        self._response = response
        self._version = version
        self._queue: deque[tuple[Any, int]] = deque()
        self._bytes = 0
        self._error: FluvioError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._queue:
            if self.closed:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            if self._waiter is not None:
                raise RuntimeError("a stream has one consumer")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        response, size_bytes = self._queue.popleft()
        self._bytes -= size_bytes
        self._connection._stream_changed(self)
        return response

    @property
    def waiting_count(self) -> int:
        """Responses that came and were not taken."""
        return len(self._queue)

    def close(self) -> None:
        """Take no more; what still comes is dropped. The server is not told: it cannot be."""
        if self.closed:
            return
        self.closed = True
        self._queue.clear()
        self._bytes = 0
        self._connection._forget_stream(self, self._correlation_id)
        self._wake()

    def _is_full(self, limits: ClientLimits) -> bool:
        return (
            len(self._queue) >= limits.stream_frames_max or self._bytes >= limits.stream_bytes_max
        )

    def _frame_received(self, body: Reader) -> None:
        size_bytes = body.remaining
        if self._error is not None:
            return
        try:
            response = decode(self._response, body, self._version)
        except RemoteProtocolError as error:
            self._fail(error)
            return
        self._queue.append((response, size_bytes))
        self._bytes += size_bytes
        self._wake()

    def _fail(self, error: FluvioError) -> None:
        if self._error is None:
            self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class MultiplexedConnection:
    """One connection to a server, shared by everyone in this process who talks to it.

    platform_version: what the server says it is; empty without negotiation
    api_keys:         what it says it answers
    """

    def __init__(self, client_id: str, limits: ClientLimits) -> None:
        """For `connect`, which everyone else calls."""
        self.platform_version = ""
        self.api_keys: tuple[ApiVersionRange, ...] = ()
        self._client_id = client_id
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._next_id = 1
        self._replies: dict[int, _PendingReply] = {}
        self._streams: dict[int, ResponseStream] = {}
        self._full_streams: set[ResponseStream] = set()
        self._in_flight = 0
        self._unsent: deque[tuple[bytes, _PendingReply | None]] = deque()
        self._unsent_bytes = 0
        self._lost: asyncio.Future[str] = self._loop.create_future()

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        client_id: str = "fluvio",
        ssl_context: SSLContext | None = None,
        server_hostname: str | None = None,
        limits: ClientLimits | None = None,
        negotiate: bool = True,
    ) -> Self:
        """Connect and, unless `negotiate` is off, ask which requests the server answers.

        Raises ConnectFailed, also when the server does not answer that in time.
        """
        limits = limits or ClientLimits()
        made = cls(client_id, limits)
        made._connection = await dial(
            host,
            port,
            lambda connection: made,
            limits=limits,
            ssl_context=ssl_context,
            server_hostname=server_hostname,
        )
        if negotiate:
            try:
                await made._greet()
            except BaseException as error:
                made._connection.close("not greeted")
                if isinstance(error, FluvioError):
                    raise ConnectFailed(f"{host}:{port} did not greet us: {error}") from error
                raise
        return made

    @property
    def peer(self) -> str:
        """The server's address."""
        return self._attached().peer

    @property
    def closed(self) -> bool:
        """The connection is over; every call from now on raises ConnectionLost."""
        return self._lost.done() or self._attached().closed

    def version_of(self, request: type[Message]) -> int:
        """The version to send: the highest both sides speak, else the highest of ours.

        Source: protocol reference 1.6 (StreamFetch falls back to 17).
        """
        version = negotiate(request, self.api_keys)
        if version is not None:
            return version
        if request is StreamFetchRequest and self.api_keys:
            return STREAM_FETCH_VERSION_FALLBACK
        return request.versions[1]

    async def request(
        self, request: Message, *, version: int | None = None, timeout_s: float | None = None
    ) -> Any:
        """Send a request and return its decoded response.

        timeout_s: from this call to the response, waiting for a turn included; else the limits'
        Raises:    ConnectionLost, RequestTimedOut, RemoteProtocolError for a response that
                   cannot be read, LocalProtocolError for a request that cannot be written
        """
        if request.response is None:
            raise LocalProtocolError(f"{type(request).__name__} has no response: use notify")
        version, correlation_id, frame = self._encode(request, version)
        reply = _PendingReply(self._loop.create_future(), request.response, version)
        self._replies[correlation_id] = reply
        if timeout_s is None:
            timeout_s = self._limits.request_timeout_s
        timer = self._loop.call_later(
            timeout_s, self._time_out, reply, type(request).__name__, timeout_s
        )
        try:
            self._submit(frame, reply)
            return await reply.future
        finally:
            timer.cancel()
            self._replies.pop(correlation_id, None)
            if reply.sent:
                self._in_flight -= 1
                self._send_waiting()

    def open_stream(self, request: Message, *, version: int | None = None) -> ResponseStream:
        """Send a request whose responses keep coming. Close the stream when done with it.

        Raises ConnectionLost, LocalProtocolError.
        """
        if request.response is None:
            raise LocalProtocolError(f"{type(request).__name__} has no response: use notify")
        version, correlation_id, frame = self._encode(request, version)
        stream = ResponseStream(self, correlation_id, request.response, version)
        self._streams[correlation_id] = stream
        self._submit(frame, None)
        return stream

    def notify(self, request: Message, *, version: int = 0) -> None:
        """Send a one-way request. Raises ConnectionLost, LocalProtocolError."""
        _, _, frame = self._encode(request, version)
        self._submit(frame, None)

    async def wait_closed(self) -> str:
        """Wait until the connection is over; returns why."""
        return await asyncio.shield(self._lost)

    async def close(self) -> None:
        """Close now; open requests and streams fail with ConnectionLost."""
        self._attached().close("closed here")
        await self.wait_closed()

    # What follows is the FrameSession that the connection calls.

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        """Give each response to who waits for it."""
        for frame in frames:
            if len(frame) < CORRELATION.size:
                raise RemoteProtocolError(f"response of {len(frame)} bytes has no correlation id")
            (correlation_id,) = CORRELATION.unpack_from(frame)
            body = Reader(frame, CORRELATION.size)
            reply = self._replies.get(correlation_id)
            if reply is not None:
                _answer(reply, body)
                continue
            stream = self._streams.get(correlation_id)
            if stream is not None:
                stream._frame_received(body)
                self._stream_changed(stream)

    def drained(self) -> None:
        """The connection takes requests again."""
        self._send_waiting()

    def connection_lost(self, reason: str) -> None:
        """Everyone who waits hears of it."""
        for reply in self._replies.values():
            _fail(reply, ConnectionLost(self._lost_text(reason)))
        for stream in tuple(self._streams.values()):
            stream._fail(ConnectionLost(self._lost_text(reason)))
        self._streams.clear()
        self._unsent.clear()
        self._unsent_bytes = 0
        if not self._lost.done():
            self._lost.set_result(reason)

    def _lost_text(self, reason: str) -> str:
        return f"connection to {self._attached().peer} lost: {reason}"

    async def _greet(self) -> None:
        response: ApiVersionsResponse = await self.request(
            ApiVersionsRequest(
                client_version=PLATFORM_VERSION,
                client_os=platform.system().lower(),
                client_arch=platform.machine(),
            ),
            version=ApiVersionsRequest.versions[1],
            timeout_s=self._limits.connect_timeout_s,
        )
        self._next_id = 1
        self.api_keys = response.api_keys
        self.platform_version = response.platform_version

    def _attached(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _encode(self, request: Message, version: int | None) -> tuple[int, int, bytes]:
        if self.closed:
            reason = self._lost.result() if self._lost.done() else "closed"
            raise ConnectionLost(self._lost_text(reason))
        if version is None:
            version = self.version_of(type(request))
        correlation_id = self._next_id
        while correlation_id in self._replies or correlation_id in self._streams:
            correlation_id = correlation_id % _CORRELATION_ID_MAX + 1
        frame = encode_request(
            request, version=version, correlation_id=correlation_id, client_id=self._client_id
        )
        self._next_id = correlation_id % _CORRELATION_ID_MAX + 1
        return version, correlation_id, frame

    def _submit(self, frame: bytes, reply: _PendingReply | None) -> None:
        """Send a frame in its turn, which is now unless others wait or nothing may be sent."""
        if self._unsent or not self._may_send(reply):
            self._unsent.append((frame, reply))
            self._unsent_bytes += len(frame)
            if reply is None and self._unsent_bytes > self._limits.send_queue_bytes_max:
                self._attached().close("the server leaves too much unread")
        else:
            self._send(frame, reply)

    def _may_send(self, reply: _PendingReply | None) -> bool:
        if self._attached().congested:
            return False
        return reply is None or self._in_flight < self._limits.requests_in_flight_max

    def _send(self, frame: bytes, reply: _PendingReply | None) -> None:
        if reply is not None:
            reply.sent = True
            self._in_flight += 1
        self._attached().send(frame)

    def _send_waiting(self) -> None:
        while self._unsent:
            frame, reply = self._unsent[0]
            abandoned = reply is not None and reply.future.done()
            if not abandoned and not self._may_send(reply):
                return
            self._unsent.popleft()
            self._unsent_bytes -= len(frame)
            if not abandoned:
                self._send(frame, reply)

    def _time_out(self, reply: _PendingReply, name: str, timeout_s: float) -> None:
        _fail(
            reply,
            RequestTimedOut(f"{name}: {self._attached().peer} did not answer in {timeout_s:g} s"),
        )

    def _stream_changed(self, stream: ResponseStream) -> None:
        """Stop or resume reading as the streams have room."""
        if stream._is_full(self._limits):
            if not self._full_streams:
                self._attached().pause_reading()
            self._full_streams.add(stream)
        elif stream in self._full_streams:
            self._full_streams.discard(stream)
            if not self._full_streams:
                self._attached().resume_reading()

    def _forget_stream(self, stream: ResponseStream, correlation_id: int) -> None:
        self._streams.pop(correlation_id, None)
        self._stream_changed(stream)


def _answer(reply: _PendingReply, body: Reader) -> None:
    if reply.future.done():
        return
    try:
        reply.future.set_result(decode(reply.response, body, reply.version))
    except RemoteProtocolError as error:
        _fail(reply, error)


def _fail(reply: _PendingReply, error: FluvioError) -> None:
    if not reply.future.done():
        reply.future.set_exception(error)
        reply.future.exception()  # seen: its caller may be cancelled before it looks
