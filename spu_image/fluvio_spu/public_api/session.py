"""One client connection: its requests in order, its streams, and what it may hold at most.

Made by `service` for each connection; called by the socket layer on the event loop thread.

All answers of one read leave together: handlers `write` into an outbox that goes out in one
send when the read is done, or at once when something is written outside of a read. Produce
requests are collected over the read and stored together; before any other request of the same
read is handled they are stored and answered, so a client that asks for offsets after a produce
sees its records.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING

from fluvio_protocol.api.header import encode_response
from fluvio_protocol.codec import Message
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_socket.connection import Connection
from fluvio_socket.send_queue import Buffer
from fluvio_spu.public_api.produce import PRODUCE_KEY, ProduceCollector

if TYPE_CHECKING:
    from fluvio_spu.public_api.service import PublicService
    from fluvio_spu.public_api.stream_fetch import ConsumerStream

_log = logging.getLogger(__name__)

HEAD = Struct(">Hhih")
"""api key, version, correlation id, length of the client id that follows"""

PRODUCE_VERSION_MAX = 25
OUTBOX_BYTES_MAX = 1 << 20
OUTBOX_BUFFERS_MAX = 256


class PublicSession:
    """A client.

    streams:       open streams by session id, which counts from 1 on each connection
    pending_count: answers that wait for something
    deaf:          requests are read and dropped, as if they had never come
    """

    __slots__ = (
        "_background",
        "_background_running",
        "_congested_streams",
        "_in_read",
        "_outbox",
        "_outbox_bytes",
        "_pauses",
        "connection",
        "deaf",
        "last_stream_id",
        "pending_count",
        "produce",
        "service",
        "streams",
    )

    def __init__(self, connection: Connection, service: "PublicService") -> None:
        self.connection = connection
        self.service = service
        self.produce = ProduceCollector(self, service)
        self.streams: dict[int, ConsumerStream] = {}
        self.last_stream_id = 0
        self._outbox: list[Buffer] = []
        self._outbox_bytes = 0
        self._in_read = False
        self.pending_count = 0
        self.deaf = False
        self._pauses: set[str] = set()
        self._congested_streams: deque[ConsumerStream] = deque()
        self._background: deque[Callable[[], Awaitable[None]]] = deque()
        self._background_running = False

    # Called by the connection.

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        """Handle all requests of one read. Raises RemoteProtocolError, which ends the client."""
        if self.deaf:
            return
        self._in_read = True
        produce = self.produce
        add_known = produce.add_known
        unpack_head = HEAD.unpack_from
        try:
            for frame in frames:
                if add_known(frame):
                    continue
                if len(frame) < 10:
                    raise RemoteProtocolError(f"request of {len(frame)} bytes has no header")
                key, version, correlation_id, client_id_length = unpack_head(frame)
                body = 10 + client_id_length if client_id_length > 0 else 10
                if key == PRODUCE_KEY and 0 <= version <= PRODUCE_VERSION_MAX:
                    produce.add(frame, version, correlation_id, body)
                    continue
                if produce.has_work:
                    produce.flush()
                if body > len(frame):
                    raise RemoteProtocolError("client id is cut short")
                self.service.handle(self, key, version, correlation_id, frame[body:])
                if self.connection.closed:
                    return
        except RemoteProtocolError:
            self.service.metrics.protocol_error_count += 1
            raise
        finally:
            # What came before a bad frame was good: store and answer it all the same.
            if produce.has_work:
                produce.flush()
            self._in_read = False
            self._send_outbox()

    def drained(self) -> None:
        """The peer takes data again: let the streams that waited for it go on, in turn."""
        waiting = self._congested_streams
        for _ in range(len(waiting)):
            if self.connection.congested:
                return
            waiting.popleft().room()

    def connection_lost(self, reason: str) -> None:
        """Let go of everything."""
        for stream in tuple(self.streams.values()):
            stream.close()
        self.streams.clear()
        self._congested_streams.clear()
        self._background.clear()
        self._outbox.clear()
        self.service.session_ended(self)

    # Called by handlers.

    def write(self, *buffers: Buffer) -> None:
        """Send buffers that make up whole frames, with the other answers of this read."""
        if not self._in_read:
            self.connection.send(*buffers)
            return
        self._outbox.extend(buffers)
        self._outbox_bytes += sum(map(len, buffers))
        if self._outbox_bytes >= OUTBOX_BYTES_MAX or len(self._outbox) >= OUTBOX_BUFFERS_MAX:
            self._send_outbox()

    def write_file(self, head: Buffer, fd: int, position: int, size: int) -> None:
        """Send `head` and a range of a file, after what was written before."""
        self._send_outbox()
        self.connection.send_file(head, fd, position, size)

    def respond(self, response: Message, *, version: int, correlation_id: int) -> None:
        """Send the answer to a request."""
        self.write(encode_response(response, version=version, correlation_id=correlation_id))

    def wait_drained(self, stream: "ConsumerStream") -> None:
        """Call `stream.room` when the connection is not congested any more."""
        self._congested_streams.append(stream)

    def pending(self, count: int) -> None:
        """That many more answers wait for something (fewer, when negative).

        Above the limit the connection is not read, so a client cannot pile up work here.
        """
        self.pending_count += count
        if self.pending_count > self.service.limits.requests_pending_max:
            self.pause("pending")
        elif self._pauses and self.pending_count * 2 <= self.service.limits.requests_pending_max:
            self.resume("pending")

    def pause(self, why: str) -> None:
        """Read no more until resumed for the same reason."""
        if not self._pauses:
            self.connection.pause_reading()
        self._pauses.add(why)

    def resume(self, why: str) -> None:
        """Undo `pause`; reading goes on when no reason is left."""
        if why in self._pauses:
            self._pauses.discard(why)
            if not self._pauses:
                self.connection.resume_reading()

    def run_in_order(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run what has to wait for others, one after another as the requests came."""
        self.pending(1)
        self._background.append(work)
        if not self._background_running:
            self._background_running = True
            self.connection.spawn(self._run_background())

    async def _run_background(self) -> None:
        try:
            while self._background:
                work = self._background.popleft()
                try:
                    await work()
                finally:
                    self.pending(-1)
        finally:
            self._background_running = False

    def _send_outbox(self) -> None:
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._outbox_bytes = 0
            self.connection.send(*outbox)
