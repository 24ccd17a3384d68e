"""The metrics over a socket of this machine, for `fluvio smartmodule stats` on a local cluster.

Whoever connects is sent what `/metrics` gives, and the end of it; nothing is read. The socket is a
file, so it takes no port, and the rights of its folder say who may ask. A path may be longer than
the system's names of sockets are: it is reached through its folder, opened.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from fluvio_process.exposition import Sample, render

_log = logging.getLogger(__name__)

SEND_PATIENCE_S = 5.0
"""How long somebody may take to read."""
ANSWERS_MAX = 16
"""At a time; who comes then is sent nothing."""


class MetricsSocket:
    """`async with MetricsSocket(path, samples)`; one that cannot listen says so in the log."""

    def __init__(self, path: str, samples: Callable[[], Awaitable[Iterable[Sample]]]) -> None:
        self._path = path
        self._samples = samples
        self._tasks = asyncio.TaskGroup()
        self._answering: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            listening = _listen(self._path)
        except OSError as error:
            _log.warning("event=metrics_socket_failed path=%s reason=%s", self._path, error)
        else:
            self._server = await asyncio.start_unix_server(self._accept, sock=listening)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        for task in tuple(self._answering):
            task.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._answering) >= ANSWERS_MAX:
            writer.close()
            return
        task = self._tasks.create_task(self._answer(writer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SEND_PATIENCE_S):
                writer.write(render(await self._samples()).encode())
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):  # somebody had enough, or does not read
            writer.transport.abort()
        finally:
            writer.close()


def _listen(path: str) -> socket.socket:
    """In the place of one that a killed process left. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    finally:
        os.close(folder)
    return listening
