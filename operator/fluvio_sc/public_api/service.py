"""Door 9003: the table of requests, and the session that hands them out.

To find a request: look its key up here, then open the file of its verb. Requests whose answer
needs no waiting are answered at once; the others run as children of the connection, a bounded
number of them, and are answered in the order in which they end. A connection with too many of
them is not read until one ends.

A request that cannot be decoded, an unknown key, or a version we do not speak closes the
connection: the protocol has no other answer (protocol reference 3.12).
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fluvio_protocol.api.header import RequestHeader, decode_request_header, encode_response
from fluvio_protocol.api.versions import API_VERSIONS_KEY
from fluvio_protocol.codec import STR, Message, Reader
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest
from fluvio_protocol.sc_public.envelope import ENVELOPE_VERSION_MIN
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.replication import (
    DescribeReplicasRequest,
    DrainSpuRequest,
    ElectLeaderRequest,
    MovePartitionRequest,
    RebalanceTopicsRequest,
)
from fluvio_protocol.sc_public.update import UpdateRequest
from fluvio_protocol.sc_public.watch import WatchRequest
from fluvio_sc.config import ScConfig
from fluvio_sc.controller import Controller
from fluvio_sc.memory_store import MemoryStore
from fluvio_sc.public_api.api_versions import answer_api_versions
from fluvio_sc.public_api.create import handle_create
from fluvio_sc.public_api.delete import handle_delete
from fluvio_sc.public_api.list import answer_list
from fluvio_sc.public_api.replication import (
    answer_describe_replicas,
    handle_drain_spu,
    handle_elect_leader,
    handle_move_partition,
    handle_rebalance_topics,
)
from fluvio_sc.public_api.update import handle_update
from fluvio_sc.public_api.watch import WatchFrames, WatchStream, decode_watch
from fluvio_socket.connection import Connection

_log = logging.getLogger(__name__)

REQUESTS_IN_FLIGHT_MAX = 16
"""Per connection: requests that wait for something. Each may wait for minutes."""

WATCHES_MAX = 64
"""Per connection. Clients open six; the protocol cannot close one."""

BODY_SIZE_BYTES_MAX = 1024 * 1024
"""Of a request that carries no SmartModule: reading it must not hold other clients up."""

CLASSIC_CREATE_SIZE_BYTES_MAX = 4 * 1024 * 1024
"""Of a Create below version 11, whose kind shows only after its name."""


@dataclass(frozen=True, slots=True)
class PublicContext:
    """What handlers work with."""

    config: ScConfig
    controller: Controller
    memory_store: MemoryStore
    watch_frames: WatchFrames


AnswerAtOnce = Callable[[PublicContext, int, Reader], Message]
AnswerLater = Callable[[PublicContext, int, Reader], Awaitable[Message]]

ANSWERED_AT_ONCE: dict[int | None, AnswerAtOnce] = {
    API_VERSIONS_KEY: lambda context, version, body: answer_api_versions(
        body, version, context.config.platform_version
    ),
    ListRequest.api_key: lambda context, version, body: answer_list(
        body, version, context.memory_store
    ),
    DescribeReplicasRequest.api_key: lambda context, version, body: answer_describe_replicas(
        body, version, context.memory_store
    ),
}
ANSWERED_LATER: dict[int | None, AnswerLater] = {
    CreateRequest.api_key: lambda context, version, body: handle_create(
        body, version, context.controller, context.memory_store, context.config.timings
    ),
    DeleteRequest.api_key: lambda context, version, body: handle_delete(
        body, version, context.controller, context.memory_store, context.config.timings
    ),
    UpdateRequest.api_key: lambda context, version, body: handle_update(
        body, version, context.controller, context.memory_store, context.config.timings
    ),
    MovePartitionRequest.api_key: lambda context, version, body: handle_move_partition(
        body, version, context.controller
    ),
    ElectLeaderRequest.api_key: lambda context, version, body: handle_elect_leader(
        body, version, context.controller
    ),
    DrainSpuRequest.api_key: lambda context, version, body: handle_drain_spu(
        body, version, context.controller
    ),
    RebalanceTopicsRequest.api_key: lambda context, version, body: handle_rebalance_topics(
        body, version, context.controller
    ),
}


class PublicService:
    """Makes a session for each connection; hand it to `FrameServer` as the session factory."""

    def __init__(
        self, *, config: ScConfig, controller: Controller, memory_store: MemoryStore
    ) -> None:
        self._context = PublicContext(config, controller, memory_store, WatchFrames(memory_store))

    def __call__(self, connection: Connection) -> "PublicSession":
        return PublicSession(connection, self._context)


class PublicSession:
    """The requests of one client connection."""

    def __init__(self, connection: Connection, context: PublicContext) -> None:
        self._connection = connection
        self._context = context
        self._watches: list[WatchStream] = []
        self._in_flight = 0
        self._waiting: deque[bytes] = deque()

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            if self._waiting or not self._may_serve():
                # What one read brought is all that can come: reading stops here. Without this,
                # a few bytes of List requests could ask for any amount of answers at once.
                self._waiting.append(bytes(frame))
                self._connection.pause_reading()
            else:
                self._frame_received(frame)
            if self._connection.closed:
                return

    def drained(self) -> None:
        for watch in self._watches:
            watch.send_changes()
        self._serve_waiting()

    def connection_lost(self, reason: str) -> None:
        self._waiting.clear()
        for watch in self._watches:
            watch.end()

    def _may_serve(self) -> bool:
        """Whether one more request may be looked at now."""
        return (
            self._in_flight < REQUESTS_IN_FLIGHT_MAX
            and not self._connection.congested
            and not self._connection.closed
        )

    def _frame_received(self, frame: memoryview | bytes) -> None:
        body = Reader(frame)
        header = decode_request_header(body)
        key, version = header.api_key, header.api_version
        _check_size(header, body)
        if key in ANSWERED_AT_ONCE:
            self._answer(header, ANSWERED_AT_ONCE[key](self._context, version, body))
        elif key == WatchRequest.api_key:
            self._watch(header, body)
        elif key in ANSWERED_LATER:
            # The handler runs after this call, when the shared buffer holds something else.
            later = Reader(bytes(body.take(body.remaining)))
            self._in_flight += 1
            self._connection.spawn(self._handle(header, later))
        else:
            raise RemoteProtocolError(f"request {key} is not of the controller's public door")

    async def _handle(self, header: RequestHeader, body: Reader) -> None:
        handle = ANSWERED_LATER[header.api_key]
        try:
            self._answer(header, await handle(self._context, header.api_version, body))
        finally:
            self._in_flight -= 1
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting and self._may_serve():
            self._frame_received(self._waiting.popleft())
        if not self._waiting and not self._connection.closed:
            self._connection.resume_reading()

    def _watch(self, header: RequestHeader, body: Reader) -> None:
        request = decode_watch(body, header.api_version)
        if len(self._watches) >= WATCHES_MAX:
            raise RemoteProtocolError(f"more than {WATCHES_MAX} watches on one connection")
        watch = WatchStream(
            connection=self._connection,
            frames=self._context.watch_frames,
            memory_store=self._context.memory_store,
            correlation_id=header.correlation_id,
            version=header.api_version,
            kind=request.kind,
            summary=request.summary,
        )
        self._watches.append(watch)
        watch.begin()

    def _answer(self, header: RequestHeader, response: Message) -> None:
        self._connection.send(
            encode_response(
                response, version=header.api_version, correlation_id=header.correlation_id
            )
        )


def _check_size(header: RequestHeader, body: Reader) -> None:
    """Raises RemoteProtocolError for a request larger than any honest one."""
    size = body.remaining
    if size <= BODY_SIZE_BYTES_MAX:
        return
    if header.api_key == CreateRequest.api_key:
        if header.api_version < ENVELOPE_VERSION_MIN:
            if size <= CLASSIC_CREATE_SIZE_BYTES_MAX:
                return
        elif STR.decode(Reader(body.data, body.position, body.end), 0) == Kind.SMART_MODULE:
            return
    raise RemoteProtocolError(f"request {header.api_key} of {size} bytes")
