"""The session with the controller, seen from the SPU."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.api.header import decode_request_header, encode_response
from fluvio_protocol.codec import Reader
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.sc_private.register import RegisterSpuRequest, RegisterSpuResponse
from fluvio_socket.backoff import Backoff
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer
from fluvio_spu.links import controller_link
from fluvio_spu.links.controller_link import ControllerAddress, ControllerLink, SpuDirectory
from fluvio_spu.transform.module_source import ControllerAway

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
            life=spu.app.life,
            backoff=backoff,
        )
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run())
            await controller.enough.wait()
            running.cancel()
    assert backoff.resets == resets


async def test_a_module_is_fetched_and_spared_when_its_hash_is_known(
    spu_factory: Any, controller: Any
) -> None:
    controller.modules["m"] = b"code"
    spu = await spu_factory.start(controller=controller.address)
    fetch = spu.app.link.fetch_smart_module
    found = await fetch("m", b"")
    assert (found.error_code, found.code) == (SUCCESS, b"code")
    spared = await fetch("m", found.hash)
    assert (spared.hash, spared.code) == (found.hash, b"")
    unknown = await fetch("group/x@1.0.0", b"")
    assert unknown.error_code == ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, ("group/x@1.0.0",))
    assert controller.fetches == [("m", b""), ("m", found.hash), ("group/x@1.0.0", b"")]


async def test_whoever_waits_for_a_module_is_told_that_the_controller_is_away(
    spu_factory: Any, controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_link, "RETURN_PATIENCE_S", 0.01)
    spu = await spu_factory.start(controller=controller.address)
    await controller.until(lambda: controller.session is not None)
    controller.answers_fetches = False
    async with asyncio.TaskGroup() as tasks:
        fetch = tasks.create_task(_outcome(spu.app.link.fetch_smart_module("m", b"")))
        await controller.until(lambda: len(controller.fetches) == 1)
        controller.refusal = "not again"
        controller.session.connection.close("gone")
    assert "the controller is away" in fetch.result()
    await controller.until(lambda: controller.registrations > 1)
    assert "not again" in await _outcome(spu.app.link.fetch_smart_module("m", b""))


async def test_a_controller_that_does_not_answer_is_not_waited_for_for_ever(
    spu_factory: Any, controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_link, "FETCH_TIMEOUT_S", 0.01)
    controller.modules["m"] = b"code"
    spu = await spu_factory.start(controller=controller.address)
    controller.answers_fetches = False
    assert "does not answer" in await _outcome(spu.app.link.fetch_smart_module("m", b""))
    monkeypatch.setattr(controller_link, "FETCH_TIMEOUT_S", 10)
    controller.answers_fetches = True
    assert (await spu.app.link.fetch_smart_module("m", b"")).code == b"code"


async def _outcome(fetching: Coroutine[Any, Any, Any]) -> str:
    """What somebody who waits is told."""
    try:
        await fetching
    except ControllerAway as away:
        return str(away)
    return "fetched"
