"""Sessions that tell a test what happened, and a clock that the test moves."""

import asyncio
import importlib.util
import struct
from collections.abc import Callable, Sequence

import pytest

from fluvio_socket.connection import Connection


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here on both event loops, as far as they are installed."""
    factories = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None:
        factories["uvloop"] = importlib.import_module("uvloop").new_event_loop
    return factories


class Clock:
    """Seconds, as far as the test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class RecordingSession:
    """Keeps copies of all frames; `reply` is called with each and may answer or raise."""

    def __init__(self, connection: Connection, reply: Callable[[Connection, bytes], None]) -> None:
        self.connection = connection
        self.reply = reply
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.calls = 0
        self.drained_count = 0
        self.drained_once = asyncio.Event()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        assert not self.lost.done(), "a call after connection_lost"
        self.calls += 1
        for frame in frames:
            assert not frame.readonly
            copy = bytes(frame)
            self.frames.put_nowait(copy)
            self.reply(self.connection, copy)

    def drained(self) -> None:
        assert not self.lost.done(), "a call after connection_lost"
        self.drained_count += 1
        self.drained_once.set()

    def connection_lost(self, reason: str) -> None:
        self.lost.set_result(reason)


class Sessions:
    """A session factory that remembers what it made."""

    def __init__(self, reply: Callable[[Connection, bytes], None]) -> None:
        self.reply = reply
        self.all: list[RecordingSession] = []
        self._made: asyncio.Queue[RecordingSession] = asyncio.Queue()

    def __call__(self, connection: Connection) -> RecordingSession:
        session = RecordingSession(connection, self.reply)
        self.all.append(session)
        self._made.put_nowait(session)
        return session

    async def next(self) -> RecordingSession:
        async with asyncio.timeout(10):
            return await self._made.get()


def echo(connection: Connection, frame: bytes) -> None:
    connection.send(struct.pack(">i", len(frame)), frame)


def silent(connection: Connection, frame: bytes) -> None:
    pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_sessions() -> Callable[..., Sessions]:
    def make(reply: Callable[[Connection, bytes], None] = silent) -> Sessions:
        return Sessions(reply)

    return make


@pytest.fixture
def echo_sessions() -> Callable[[], Sessions]:
    return lambda: Sessions(echo)
