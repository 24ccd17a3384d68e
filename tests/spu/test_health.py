"""Health, readiness and metrics over HTTP, through the states of an SPU."""

import asyncio
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import pytest_asyncio

from fluvio_socket import connection
from fluvio_socket.plain_socket import connect_to
from fluvio_spu.config import Address
from fluvio_spu.gateway import collection
from fluvio_spu.gateway.collection import exported_name
from fluvio_spu.metrics import COUNTERS, GAUGES, SpuMetrics
from fluvio_spu.storage import OsDisk

DOCS = Path(__file__).parents[2] / "docs"
HTTP = Address("127.0.0.1", 0)


class HeldDisk(OsDisk):
    """Opens no log before it is let go."""

    __slots__ = ("gate", "waiting")

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def list_directory(self, path: str) -> list[str]:
        if path.endswith("/t-0"):
            self.waiting.set()
            self.gate.wait(20)
        return super().list_directory(path)


class Probe:
    """Asks the SPU as Kubernetes and Prometheus do."""

    def __init__(self, app: Any) -> None:
        self._url = f"http://127.0.0.1:{app.http_port}"
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> tuple[int, str]:
        async with self._session.get(self._url + path) as response:
            return response.status, await response.text()

    async def ready(self) -> tuple[int, str]:
        return await self.get("/readyz")

    async def metrics(self) -> dict[str, float]:
        status, text = await self.get("/metrics")
        assert status == 200
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name.partition("{")[0]: float(value) for name, _, value in lines}


@pytest_asyncio.fixture
async def probe_of() -> AsyncIterator[Callable[[Any], Any]]:
    async with AsyncExitStack() as stack:

        async def make(spu: Any) -> Probe:
            return await stack.enter_async_context(Probe(spu.app))

        yield make


@pytest.mark.asyncio
async def test_an_spu_is_ready_when_its_first_assignment_is_open_and_stays_so(
    spu_factory: Any, assignment: Any, controller: Any, probe_of: Any
) -> None:
    controller.refusal = "there is no SPU object with id 5001"
    disk = HeldDisk()
    spu = await spu_factory.start(disk=disk, http=HTTP, controller=controller.address)
    probe = await probe_of(spu)
    assert await probe.get("/healthz") == (200, "alive\n")

    await controller.until(lambda: controller.registrations >= 2)
    status, text = await probe.ready()
    assert status == 503
    assert "not registered with the controller: there is no SPU object with id 5001" in text

    controller.refusal = None
    await controller.until(
        lambda: controller.session is not None and controller.session.reports > 0
    )
    assert await probe.ready() == (503, "not ready: waiting for the first assignment\n")

    controller.assign(assignment("t"), assignment("other"))
    assert await asyncio.to_thread(disk.waiting.wait, 20)
    status, text = await probe.ready()
    assert status == 503
    assert re.fullmatch(r"not ready: opening logs, [12] to go\n", text)
    assert await probe.get("/healthz") == (200, "alive\n")
    assert (await probe.metrics())["fluvio_spu_ready"] == 0

    disk.gate.set()
    await spu.settle()
    assert await probe.ready() == (200, "ready\n")

    controller.refusal = "later"
    before = controller.registrations
    controller.session.connection.close("the controller goes away")
    await controller.until(lambda: controller.registrations > before)
    assert await probe.ready() == (200, "ready\n")
    metrics = await probe.metrics()
    assert metrics["fluvio_spu_ready"] == 1
    assert metrics["fluvio_spu_controller_connected"] == 0


@pytest.mark.asyncio
async def test_an_spu_with_nothing_to_lead_is_ready_too(
    spu_factory: Any, controller: Any, probe_of: Any
) -> None:
    spu = await spu_factory.start(http=HTTP, controller=controller.address)
    probe = await probe_of(spu)
    await controller.until(lambda: controller.session is not None)
    controller.assign()
    async with asyncio.timeout(20):
        while await probe.ready() != (200, "ready\n"):
            pass
    assert (await probe.metrics())["fluvio_spu_controller_connected"] == 1


@pytest.mark.asyncio
async def test_a_controller_whose_name_has_no_address_yet_is_waited_for(
    spu_factory: Any, controller: Any, probe_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the name server is played: the link itself asks, fails, says so, and asks again."""
    known = False

    async def connect(
        loop: asyncio.AbstractEventLoop, host: str, port: int, **limits: Any
    ) -> socket.socket:
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: not known")
        return await connect_to(loop, "127.0.0.1", port, **limits)

    monkeypatch.setattr(connection, "connect_to", connect)
    spu = await spu_factory.start(
        http=HTTP, controller=Address("fluvio-sc-internal.stream.svc", controller.address.port)
    )
    probe = await probe_of(spu)
    async with asyncio.timeout(20):
        while "fluvio-sc-internal.stream.svc: not known" not in (await probe.ready())[1]:
            pass
    known = True
    await controller.until(lambda: controller.session is not None)


@pytest.mark.asyncio
async def test_without_a_controller_the_doors_are_all_that_is_waited_for(
    spu_factory: Any, probe_of: Any
) -> None:
    spu = await spu_factory.start(http=HTTP)
    assert await (await probe_of(spu)).ready() == (200, "ready\n")


@pytest.mark.asyncio
async def test_a_stopping_spu_is_not_ready(spu_factory: Any, probe_of: Any) -> None:
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(http=HTTP, stack=stack)
        probe = await probe_of(spu)
        await spu.client()
        answers = []

        async def ask() -> None:
            while spu.app.unready_reason() is None:
                await probe.get("/healthz")
            answers.append(await probe.ready())

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            tasks.create_task(stack.aclose())
    assert answers == [(503, "not ready: stopping\n")]


@pytest.mark.asyncio
async def test_metrics_are_what_the_spu_did(
    spu_factory: Any, assignment: Any, batch: Any, probe_of: Any
) -> None:
    spu = await spu_factory.start(assignment(), http=HTTP, log_size_bytes=10 << 30)
    client = await spu.client()
    await client.produce("t", batch("a", "b"))
    metrics = await (await probe_of(spu)).metrics()
    assert metrics["fluvio_spu_inbound_record_total"] == 2
    assert metrics["fluvio_spu_produce_request_total"] == 1
    assert metrics["fluvio_spu_replica_open"] == 1
    assert metrics["fluvio_spu_connection_open"] == 1
    assert metrics["fluvio_spu_log_size_bytes"] == spu.replica().log.size_bytes > 0
    assert metrics["fluvio_spu_log_limit_bytes"] == 10 << 30
    assert metrics["fluvio_spu_volume_size_bytes"] > metrics["fluvio_spu_volume_free_bytes"] > 0
    assert metrics["process_resident_memory_bytes"] > 1 << 20
    assert metrics["process_open_fds"] > 3
    assert metrics["process_start_time_seconds"] > 1_600_000_000
    expected = {exported_name(name, is_counter=True) for name in COUNTERS}
    expected |= {exported_name(name, is_counter=False) for name in GAUGES}
    assert expected <= metrics.keys()


@pytest.mark.asyncio
async def test_every_metric_is_documented_and_means_the_same_there(
    spu_factory: Any, probe_of: Any
) -> None:
    spu = await spu_factory.start(http=HTTP, log_size_bytes=1)
    page = (DOCS / "reference" / "metrics.md").read_text()
    said = set(re.findall(r"`((?:fluvio_spu|process)_\w+)`", page)) - {"fluvio_spu"}
    assert said == (await (await probe_of(spu)).metrics()).keys()
    for name, about in {**COUNTERS, **GAUGES}.items():
        assert (
            f"| `{name}` | `{exported_name(name, is_counter=name in COUNTERS)}` | {about} |" in page
        )
    assert set(SpuMetrics.__annotations__) == set(SpuMetrics.__slots__)


@pytest.mark.asyncio
async def test_a_volume_that_does_not_answer_costs_its_own_samples_alone(
    spu_factory: Any, probe_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    calls = []

    def hang(directory: str) -> Any:
        calls.append(directory)
        held.wait(20)
        raise OSError("too late")

    monkeypatch.setattr(collection.shutil, "disk_usage", hang)
    monkeypatch.setattr(collection, "VOLUME_PATIENCE_S", 0.01)
    spu = await spu_factory.start(http=HTTP)
    probe = await probe_of(spu)
    for _ in range(3):
        metrics = await probe.metrics()
        assert "fluvio_spu_ready" in metrics
        assert "fluvio_spu_volume_size_bytes" not in metrics
    assert len(calls) == 1
    held.set()


@pytest.mark.asyncio
async def test_other_paths_and_methods_are_refused(spu_factory: Any, probe_of: Any) -> None:
    spu = await spu_factory.start(http=HTTP)
    probe = await probe_of(spu)
    assert (await probe.get("/"))[0] == 404
    async with aiohttp.ClientSession() as session:
        async with session.post(f"http://127.0.0.1:{spu.app.http_port}/metrics") as response:
            assert response.status == 405
        async with session.head(f"http://127.0.0.1:{spu.app.http_port}/healthz") as response:
            assert response.status == 200


def test_aiohttp_is_not_imported_unless_it_is_needed() -> None:
    program = "import sys, fluvio_spu.__main__; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
