"""A door that answers as a test tells it, over real sockets, for what a real cluster never does:
wrong versions, silence, errors at chosen moments."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fluvio_protocol.api.header import decode_request_header, encode_response
from fluvio_protocol.api.versions import ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer

Answer = Callable[[Any], Sequence[Message]]


@dataclass
class Door:
    """A scripted server: how to answer each request, and what was asked.

    answers: by request class, a function from the request to responses, all with its correlation
             id; requests of other classes get no answer
    versions_max: of requests of which it takes no newer ones
    """

    platform_version: str = "0.18.1"
    answers: dict[type[Message], Answer] = field(default_factory=dict)
    versions_max: dict[type[Message], int] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    port: int = 0

    def session(self, connection: Connection) -> "_DoorSession":
        self.connections.append(connection)
        return _DoorSession(self, connection)


class _DoorSession:
    def __init__(self, door: Door, connection: Connection) -> None:
        self._door = door
        self._connection = connection

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            reader = Reader(bytes(frame))
            header = decode_request_header(reader)
            kinds: list[type[Message]] = [ApiVersionsRequest, *self._door.answers]
            for kind in kinds:
                if kind.api_key == header.api_key:
                    break
            else:
                continue
            request = decode(kind, reader, header.api_version)
            self._door.asked.append(request)
            answers = self._greeting() if kind is ApiVersionsRequest else (
                self._door.answers[kind](request)
            )  # fmt: skip
            for answer in answers:
                self._connection.send(
                    encode_response(
                        answer,
                        version=header.api_version,
                        correlation_id=header.correlation_id,
                    )
                )

    def _greeting(self) -> Sequence[Message]:
        keys = tuple(
            ApiVersionRange(
                api_key=kind.api_key or 0, min_version=kind.versions[0],
                max_version=self._door.versions_max.get(kind, kind.versions[1]),
            )
            for kind in self._door.answers
        )  # fmt: skip
        return (ApiVersionsResponse(api_keys=keys, platform_version=self._door.platform_version),)

    def drained(self) -> None:
        """Nothing was held back."""

    def connection_lost(self, reason: str) -> None:
        self._door.connections.remove(self._connection)


OpenDoor = Callable[[Door], AbstractAsyncContextManager[Door]]


@pytest.fixture
def open_door() -> OpenDoor:
    """`async with open_door(Door(...)) as door`: it listens on `door.port` of this machine."""

    @asynccontextmanager
    async def opened(door: Door) -> AsyncIterator[Door]:
        async with FrameServer("door", door.session) as server:
            await server.start("127.0.0.1", door.port)
            door.port = server.port
            yield door

    return opened


@pytest.fixture
def make_door() -> type[Door]:
    """The class of doors: test modules cannot import this file."""
    return Door
