"""The session with the controller, seen from the SPU."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fluvio_protocol.api.header import decode_request_header, encode_response
from fluvio_protocol.codec import Reader
from fluvio_protocol.sc_private.register import RegisterSpuRequest, RegisterSpuResponse
from fluvio_socket.backoff import Backoff
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer
from fluvio_spu.links import controller_link
from fluvio_spu.links.controller_link import ControllerAddress, ControllerLink, SpuDirectory

pytestmark = pytest.mark.asyncio

REGISTRATIONS = 4


class CountingBackoff(Backoff):
    def __init__(self) -> None:
        super().__init__(initial_s=0.001, maximum_s=0.002)
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        super().reset()


class BriefController:
    """Welcomes an SPU and hangs up at its first report, as if another one had its id."""

    def __init__(self) -> None:
        self.registrations = 0
        self.enough = asyncio.Event()

    def __call__(self, connection: Connection) -> "BriefSession":
        return BriefSession(connection, self)


class BriefSession:
    def __init__(self, connection: Connection, controller: BriefController) -> None:
        self._connection = connection
        self._controller = controller

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            header = decode_request_header(Reader(frame))
            if header.api_key != RegisterSpuRequest.api_key:
                self._connection.close("replaced")
                return
            welcome = RegisterSpuResponse(heartbeat_interval_ms=10)
            self._connection.send(
                encode_response(welcome, version=0, correlation_id=header.correlation_id)
            )
            self._controller.registrations += 1
            if self._controller.registrations >= REGISTRATIONS:
                self._controller.enough.set()

    def drained(self) -> None: ...

    def connection_lost(self, reason: str) -> None: ...


@pytest.mark.parametrize(("steady_after_s", "resets"), [(1000.0, 0), (0.0, REGISTRATIONS - 1)])
async def test_sessions_that_do_not_last_are_no_reason_to_hurry(
    spu: Any, monkeypatch: pytest.MonkeyPatch, steady_after_s: float, resets: int
) -> None:
    monkeypatch.setattr(controller_link, "STEADY_SESSION_S", steady_after_s)
    controller = BriefController()
    backoff = CountingBackoff()
    async with FrameServer("fake-sc", controller) as server:
        await server.start("127.0.0.1", 0)
        link = ControllerLink(
            spu_id=spu.app.config.spu_id,
            address=ControllerAddress("127.0.0.1", server.port),
            registry=spu.app.registry,
            directory=SpuDirectory(),
            backoff=backoff,
        )
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run())
            await controller.enough.wait()
            running.cancel()
    assert backoff.resets == resets
