"""HTTP for whoever watches over the process: is it alive, is it ready, how much does it do.

    GET /healthz   200 while the event loop turns, unless there is a reason to replace the process:
                   503 and the reason
    GET /readyz    200, or 503 and the reason why nobody should come yet
    GET /metrics   Prometheus' text format

It is up before anything that may take long, so that a process with much to do at its start is not
taken for a dead one. Serves nobody's data: no client of the cluster comes here.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

from fluvio_process.exposition import CONTENT_TYPE, Sample, render

_log = logging.getLogger(__name__)

STOP_PATIENCE_S = 1.0
"""How long an answer that is under way may take when the process stops."""


def _lives() -> None:
    return None


class HealthServer:
    """Listens from `start` until the block is left.

    unready_reason: why nobody should come yet; None when they should
    samples:        what is published now
    dead_reason:    why the process should be replaced; None while it should not
    """

    def __init__(
        self,
        *,
        unready_reason: Callable[[], str | None],
        samples: Callable[[], Awaitable[Iterable[Sample]]],
        dead_reason: Callable[[], str | None] = _lives,
    ) -> None:
        self._unready_reason = unready_reason
        self._samples = samples
        self._dead_reason = dead_reason
        # Requests have no body worth reading, and probes come every few seconds: no access log.
        application = web.Application(client_max_size=1024)
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=STOP_PATIENCE_S,
            keepalive_timeout=30.0,
        )

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 lets the system choose. Raises OSError."""
        await web.TCPSite(self._runner, host, port).start()
        _log.info("event=health_started address=%s port=%s", host, self.port)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._runner.addresses[0][1])

    async def _healthz(self, request: web.Request) -> web.Response:
        reason = self._dead_reason()
        if reason is None:
            return web.Response(text="alive\n")
        return web.Response(status=503, text=f"dead: {reason}\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._unready_reason()
        if reason is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=f"not ready: {reason}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        text = render(await self._samples())
        return web.Response(text=text, headers={"Content-Type": CONTENT_TYPE})
