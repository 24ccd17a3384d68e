"""What a cluster says of itself to any client: its topics, partitions, SPUs and groups."""

import asyncio
import contextlib
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from fluvio_cli.diagnostics.archive import Archive
from fluvio_cli.target import client_id

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

ANSWER_TIMEOUT_S = 20.0


def collect_objects(archive: Archive, *, address: str | None, profile: str | None) -> None:
    """All that the controller lists, as YAML."""
    archive.collect("admin", lambda: _collect(archive, address, profile))


def _collect(archive: Archive, address: str | None, profile: str | None) -> None:
    from fluvio_client.fluvio import connect

    async def listed() -> dict[str, list[dict[str, Any]]]:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            async with connect(profile, address=address, client_id=client_id()) as client:
                return await _shapes(client)

    for name, shapes in asyncio.run(listed()).items():
        archive.add_data(f"admin/{name}.yaml", shapes)


async def _shapes(client: "Fluvio") -> dict[str, list[dict[str, Any]]]:
    from fluvio_client import shapes

    admin = client.admin
    topics = [*await admin.topics.list(), *await admin.topics.list(system=True)]
    return {
        "topics": [shapes.topic(one) for one in topics],
        "partitions": [shapes.partition(one) for one in await admin.partitions.list()],
        "spus": [shapes.spu(one) for one in await admin.spus.list()],
        "spgs": [shapes.spu_group(one) for one in await admin.spu_groups.list()],
    }


def collect_machine(archive: Archive) -> None:
    """What this command runs on."""
    import importlib.metadata

    version = "not installed as a package"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version("fluvio-cluster")
    archive.add_data(
        "machine.yaml",
        {
            "fluvio": version,
            "python": sys.version,
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "variables": {
                name: value
                for name, value in sorted(os.environ.items())
                if name.startswith(("FLV_", "FLUVIO_", "KUBECONFIG", "RUST_LOG"))
            },
        },
    )
