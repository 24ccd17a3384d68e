"""A leader's log rots in the middle: others lead, nothing is lost, the log is made whole."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.types import Isolation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

Processes = Callable[[Any, str], list[psutil.Process]]
COUNT = 40


async def until(question: Callable[[Any], bool], client: Any) -> Any:
    """The replicas of the partition, once they are as wanted."""
    async with asyncio.timeout(40):
        while True:
            (found,) = await client.admin.replicas.describe("ledger-0")
            if question(found):
                return found
            await asyncio.sleep(0.05)


def is_whole(found: Any) -> bool:
    return set(found.in_sync) == set(found.replicas)


def rot(folder: Path) -> None:
    """Another byte in the first batch, and nothing that would save the next start from looking."""
    with (folder / f"{0:020d}.log").open("r+b") as file:
        file.seek(70)
        byte = file.read(1)[0]
        file.seek(70)
        file.write(bytes([byte ^ 0xFF]))
    (folder / "tail.checkpoint").unlink(missing_ok=True)


async def story(cluster: Any, processes_of: Processes) -> None:
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("ledger", replication=3)
        before = await until(is_whole, client)
        async with client.producer("ledger", isolation=Isolation.READ_COMMITTED) as producer:
            for number in range(COUNT):
                delivery = await producer.send(str(number))
                await producer.flush()
                await delivery

        victims = [
            process
            for process in processes_of(cluster, "fluvio_spu")
            if str(before.leader) in process.cmdline()
        ]
        folder = cluster.data_dir / f"spu-logs-{before.leader}" / "ledger-0"
        rot(folder)
        for process in victims:
            process.kill()
        found = await until(
            lambda now: now.leader_epoch > before.leader_epoch and is_whole(now), client
        )
        assert found.leader_epoch > before.leader_epoch
        assert list(folder.glob("*.cut-*")), "the damage was not met"

        seen: list[str] = []
        async with (
            asyncio.timeout(20),
            client.consumer("ledger", start="beginning", isolation="read_committed") as consumer,
        ):
            async for record in consumer:
                seen.append(record.value.decode())
                if len(seen) == COUNT:
                    break
        assert seen == [str(number) for number in range(COUNT)]


def test_a_rotten_leader_is_made_whole_by_another(
    cluster_factory: Any, processes_of: Processes
) -> None:
    cluster = cluster_factory(spu_count=3)
    asyncio.run(story(cluster, processes_of))
    cluster.delete()
