"""A socket on this machine that tells what the client of a running command has done.

Opened by `fluvio_cli.target` when FLUVIO_METRIC_CLIENT_DIR names a folder: whoever connects to
`fluvio-client-<pid>.sock` there gets the client's metrics as JSON, and the end of the connection.
Invariants: only the user of the command can connect; a command never fails because of it; it
starts no task, and keeps nothing for those who do not read.
"""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import cast

import click

from fluvio_client.metrics import ClientMetrics

CONNECTIONS_WAITING_MAX = 16


@asynccontextmanager
async def metrics_socket(folder: str, metrics: Callable[[], ClientMetrics]) -> AsyncIterator[None]:
    """Answer for as long as this is entered; where that is not possible, say so and go on.

    metrics: called for every connection
    """
    path = Path(folder) / f"fluvio-client-{os.getpid()}.sock"
    try:
        listening = _listen(path)
    except OSError as error:
        reason = error.strerror or str(error)
        click.echo(f"warning: no client metrics in {folder}: {reason}", err=True)
        yield
        return
    try:
        server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Answer(metrics), sock=listening
        )
        try:
            yield
        finally:
            server.close()
    finally:
        listening.close()
        path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    """A socket at this path, instead of one that a dead process of our number left there.

    It appears when it can be connected to: until then it has another name.
    """
    unready = path.with_suffix(".new")
    unready.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(unready))
        try:
            unready.chmod(stat.S_IRUSR | stat.S_IWUSR)
            listening.listen(CONNECTIONS_WAITING_MAX)
            unready.rename(path)
        except OSError:
            unready.unlink()
            raise
    except OSError:
        listening.close()
        raise
    return listening


class _Answer(asyncio.Protocol):
    """One connection: the answer fits what the kernel takes at once, so it is over with that."""

    def __init__(self, metrics: Callable[[], ClientMetrics]) -> None:
        self._metrics = metrics

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        to_asker = cast(asyncio.Transport, transport)
        to_asker.write(json.dumps(asdict(self._metrics()), indent=2).encode() + b"\n")
        to_asker.close()
