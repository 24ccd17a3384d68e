"""The controller as a client sees it: does it answer, and do the SPUs that it names?

Called by install and upgrade. A published port of a container accepts connections before anything
is behind it, so that only an answer counts.
"""

import asyncio
from collections.abc import Sequence

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes_cluster.address import Address
from fluvio_cli.kubernetes_cluster.provider import listens
from fluvio_cli.kubernetes_cluster.rollout import Progress, wait_for
from fluvio_cli.target import client_id

ATTEMPT_TIMEOUT_S = 5.0


class NoAnswer(Failure):
    """Nothing answers at an address that is right as far as Kubernetes knows."""


def wait_until_reached(address: Address, *, timeout_s: float) -> None:
    """Until the controller answers there, and after that its SPUs. Raises NoAnswer."""
    reason = ""

    def look() -> Progress:
        nonlocal reason
        spus, reason = asyncio.run(_spu_addresses(str(address)))
        if spus is None:
            return Progress(0, 2, f"{address}: {reason}")
        silent = [f"{host}:{port}" for host, port in spus if not (host and listens(host, port))]
        return Progress(1 if silent else 2, 2, f"SPU at {', '.join(silent)} does not answer")

    try:
        wait_for("Fluvio runs, and cannot be reached from here", look, timeout_s=timeout_s)
    except Failure as error:
        raise NoAnswer(error.message) from error


async def _spu_addresses(address: str) -> tuple[Sequence[tuple[str, int]] | None, str]:
    """Where clients are sent, of the SPUs that are online; or None and why there is no answer."""
    from fluvio_client.fluvio import connect
    from fluvio_protocol.errors import FluvioError
    from fluvio_protocol.metadata.spu import SpuStatusResolution

    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
            async with connect(address=address, client_id=client_id()) as client:
                spus = await client.admin.spus.list()
    except TimeoutError:
        return None, "no answer"
    except FluvioError as error:
        return None, str(error)
    return [
        (spu.spec.public_endpoint.host or "", spu.spec.public_endpoint.port)
        for spu in spus
        if spu.status.resolution is SpuStatusResolution.ONLINE
    ], ""
