"""HTTP for whoever watches over the process: is it alive, is it ready, how much does it do.

    GET /healthz   200 while the event loop turns; there is nothing else that could answer
    GET /readyz    200 when registered and done with what was first assigned, and from then on, for
                   an SPU serves while the controller is away; 503 and the reason before, and while
                   it stops
    GET /metrics   Prometheus' text format

Made by `app` when an address is given, which is also when aiohttp is imported. It is up before
the logs are opened, so that an SPU with much to recover is not taken for a dead one. Serves
nobody's data: no client of the cluster comes here.
"""

import logging
from types import TracebackType
from typing import Self

from aiohttp import web

from fluvio_spu.gateway.collection import SpuCollection, SpuView
from fluvio_spu.gateway.exposition import CONTENT_TYPE, render

_log = logging.getLogger(__name__)

STOP_PATIENCE_S = 1.0
"""How long an answer that is under way may take when the process stops."""


class HealthServer:
    """Listens from `start` until the block is left."""

    def __init__(self, spu: SpuView) -> None:
        self._spu = spu
        self._collection = SpuCollection(spu)
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
        return web.Response(text="alive\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = self._spu.unready_reason()
        if reason is None:
            return web.Response(text="ready\n")
        return web.Response(status=503, text=f"not ready: {reason}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        text = render(await self._collection.samples())
        return web.Response(text=text, headers={"Content-Type": CONTENT_TYPE})
