"""One table: request of a peer -> what answers it; and the connections of followers.

Peers ask rarely (a consumer flushes its offset), so each request is decoded in full and answered
from a child task of its connection; how many may run at once is bounded. A connection that says
hello as a follower is another conversation (`follower_session`), in which nothing is answered.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from fluvio_protocol.api.header import decode_request_header, encode_response
from fluvio_protocol.codec import Message, Reader, decode_exact
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.spu_private.consumer_offset import (
    PeerFetchConsumerOffset,
    PeerUpdateConsumerOffset,
)
from fluvio_protocol.spu_private.replication import FollowerHello
from fluvio_socket.connection import Connection
from fluvio_spu.private_api.follower_session import FollowerSession
from fluvio_spu.replica.consumer_offset_store import ConsumerOffsetStore, answer_peer
from fluvio_spu.replica.registry import ReplicaRegistry

REQUESTS_IN_FLIGHT_MAX = 256


class PrivateService:
    """Makes a session for every connection of a peer."""

    def __init__(
        self,
        store: ConsumerOffsetStore,
        registry: ReplicaRegistry,
        *,
        catch_up_bytes_per_second: int = 0,
    ) -> None:
        self.registry = registry
        self.catch_up_bytes_per_second = catch_up_bytes_per_second
        self.handlers: dict[
            int | None, tuple[type[Message], Callable[[Any], Awaitable[Message]]]
        ] = {
            request.api_key: (request, partial(answer_peer, store))
            for request in (PeerFetchConsumerOffset, PeerUpdateConsumerOffset)
        }

    def __call__(self, connection: Connection) -> "PrivateSession":
        return PrivateSession(connection, self)


class PrivateSession:
    """One peer."""

    def __init__(self, connection: Connection, service: PrivateService) -> None:
        self._connection = connection
        self._service = service
        self._in_flight = 0
        self._follower: FollowerSession | None = None

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            reader = Reader(frame)
            header = decode_request_header(reader)
            if self._follower is not None:
                self._follower.received(header, reader)
                continue
            if header.api_key == FollowerHello.api_key:
                hello = decode_exact(FollowerHello, frame[reader.position :], 0)
                self._follower = FollowerSession(self._connection, self._service, hello)
                continue
            entry = self._service.handlers.get(header.api_key)
            if entry is None:
                raise RemoteProtocolError(f"a peer sent unknown request {header.api_key}")
            if self._in_flight >= REQUESTS_IN_FLIGHT_MAX:
                raise RemoteProtocolError(f"a peer has {self._in_flight} requests in flight")
            kind, handler = entry
            request = decode_exact(kind, frame[reader.position :], 0)
            self._in_flight += 1
            self._connection.spawn(self._answer(handler, request, header.correlation_id))

    def drained(self) -> None:
        """Answers are small; only a follower may have been waiting."""
        if self._follower is not None:
            self._follower.drained()

    def connection_lost(self, reason: str) -> None:
        """Children of the connection are cancelled by it."""
        if self._follower is not None:
            self._follower.lost(reason)

    async def _answer(
        self, handler: Callable[[Any], Awaitable[Message]], request: Message, correlation_id: int
    ) -> None:
        try:
            response = await handler(request)
        finally:
            self._in_flight -= 1
        self._connection.send(encode_response(response, version=0, correlation_id=correlation_id))
