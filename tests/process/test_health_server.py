"""Probes over HTTP, asked as Kubernetes does."""

from collections.abc import Iterable

import aiohttp
import pytest

from fluvio_process.exposition import Sample
from fluvio_process.health import HealthServer

pytestmark = pytest.mark.asyncio


class Process:
    unready: str | None = "reads the cluster"
    dead: str | None = None

    async def samples(self) -> Iterable[Sample]:
        return [Sample("up", "gauge", "always 1", 1)]


async def test_a_process_is_asked_how_it_is() -> None:
    process = Process()
    server = HealthServer(
        unready_reason=lambda: process.unready,
        samples=process.samples,
        dead_reason=lambda: process.dead,
    )
    async with server, aiohttp.ClientSession() as session:
        await server.start("127.0.0.1", 0)

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as response:
                return response.status, await response.text()

        assert await ask("/healthz") == (200, "alive\n")
        assert await ask("/readyz") == (503, "not ready: reads the cluster\n")
        process.unready = None
        assert await ask("/readyz") == (200, "ready\n")
        process.dead = "no watch"
        assert await ask("/healthz") == (503, "dead: no watch\n")
        status, text = await ask("/metrics")
        assert (status, text.splitlines()[-1]) == (200, "up 1")
        assert (await ask("/nothing"))[0] == 404
