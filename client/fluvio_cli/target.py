"""Which cluster a command talks to, and how it gets a client for it.

Every command that needs the cluster calls `run_client` with a coroutine function; the connection
lives as long as that runs.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from fluvio_cli.failure import Failure

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.metrics import ClientMetrics

CLIENT_ID = "FLUVIO_CLI"
T = TypeVar("T")


@dataclass(slots=True)
class Target:
    """What the global options say; the current profile when they say nothing.

    verbose: a failure is told with its causes
    tls:     encrypted; the fields below it are the client's certificate and whom to expect
    """

    cluster: str | None = None
    profile: str | None = None
    verbose: bool = False
    tls: bool = False
    enable_client_cert: bool = False
    domain: str | None = None
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def check(self) -> None:
        """Raises Failure for options that contradict each other."""
        if self.cluster is not None and self.profile is not None:
            raise Failure("Invalid argument: cluster addr is not valid when profile is used")
        certificates = (self.domain, self.ca_cert, self.client_cert, self.client_key)
        if not (self.tls or self.enable_client_cert or any(certificates)):
            return
        if self.profile is not None:
            raise Failure("Invalid argument: tls is not valid when profile is used")
        if self.cluster is None:
            raise Failure("Invalid argument: tls is only valid if cluster addr is used")
        if self.enable_client_cert and not all(certificates):
            raise Failure(
                "Missing required args after --tls: "
                "--domain, --ca-cert, --client-cert, --client-key"
            )
        raise Failure(f"cluster {self.cluster}: TLS is not spoken by this release yet")


def target_of(context: click.Context) -> Target:
    """The target that the global options of this command line describe. Raises Failure."""
    target = context.find_object(Target) or Target()
    target.check()
    return target


def client_id() -> str:
    """How servers see this process in their logs."""
    return os.environ.get("FLUVIO_CLIENT_ID") or CLIENT_ID


def run_client(context: click.Context, work: "Callable[[Fluvio], Awaitable[T]]") -> T:
    """Connect, run `work` with the client, disconnect; returns what `work` returns.

    Raises: Failure, and any error of the client, which `main` prints.
    """
    import asyncio

    from fluvio_client.fluvio import connect

    target = target_of(context)

    async def connected() -> T:
        client = connect(target.profile, address=target.cluster, client_id=client_id())
        async with client, telling(lambda: client.metrics):
            return await work(client)

    return asyncio.run(connected())


def telling(metrics: "Callable[[], ClientMetrics]") -> AbstractAsyncContextManager[None]:
    """While it is entered, these can be had from a socket, where the environment wants one."""
    folder = os.environ.get("FLUVIO_METRIC_CLIENT_DIR")
    if not folder:
        return nullcontext()
    from fluvio_cli.metrics_socket import metrics_socket

    return metrics_socket(folder, metrics)
