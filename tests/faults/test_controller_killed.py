"""kill -9 of the controller in a burst of changes, and an SPU that keeps dying.

After a resume what clients see, what the store says and what lies on disk agree, and there is one
process of each kind.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.metadata.spu import SpuStatusResolution

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]

Processes = Callable[[Any, str], list[psutil.Process]]
ROUNDS = 3
CREATORS = 4
PARTITIONS = 3
SYSTEM_TOPIC = "consumer-offset"


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again; whoever calls bounds the time."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.02)


def test_in_a_burst_of_changes(
    cluster_factory: Any, processes_of: Processes, kill_nine: Any
) -> None:
    cluster = cluster_factory(spu_count=2)
    acknowledged: set[str] = set()
    gone: set[str] = set()

    async def create(prefix: str) -> None:
        """Topics one after another, every third deleted again, until the controller is gone."""
        try:
            async with connect(address=cluster.public_address) as client:
                for number in range(1000):
                    name = f"{prefix}-{number}"
                    await client.admin.topics.create(name, partitions=PARTITIONS)
                    acknowledged.add(name)
                    if number % 3 == 1:
                        acknowledged.discard(name)
                        await client.admin.topics.delete(name)
                        gone.add(name)
        except (FluvioError, OSError):
            return

    async def burst(number: int) -> None:
        wanted = len(acknowledged) + 6 + 3 * number
        async with asyncio.TaskGroup() as tasks:
            creators = [
                tasks.create_task(create(f"b{number}-{creator}")) for creator in range(CREATORS)
            ]
            await until(lambda: len(acknowledged) >= wanted)
            kill_nine(cluster, "fluvio_local")
            for creator in creators:
                creator.cancel()  # else it would wait for a new controller, and go on

    async def check() -> None:
        async with asyncio.timeout(40), connect(address=cluster.public_address) as client:
            topics = await agreed_topics(client)
            assert acknowledged <= topics
            assert not gone & topics
            for name in sorted(topics):
                async with client.producer(name) as producer:
                    for partition in range(PARTITIONS):
                        await producer.send_and_wait("works", partition=partition)
            await until(lambda: not removals())
        print(f"{len(acknowledged)} topics there, {len(gone)} deleted")

    async def agreed_topics(client: Any) -> set[str]:
        """Once partitions and folders are those of the topics: a deletion takes its time."""
        disagreement = None
        try:
            while True:
                topics = {topic.name for topic in await client.admin.topics.list()} - {SYSTEM_TOPIC}
                wanted = {f"{name}-{p}" for name in topics for p in range(PARTITIONS)}
                partitions = {one.name for one in await client.admin.partitions.list()}
                disagreement = wanted ^ partitions, wanted ^ (folders() - {f"{SYSTEM_TOPIC}-0"})
                if not any(disagreement):
                    return topics
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            print(f"still no agreement: {disagreement}")
            raise

    def folders() -> set[str]:
        return {
            path.name
            for spu in cluster.data_dir.glob("spu-logs-*")
            for path in spu.iterdir()
            if not path.name.startswith(".")
        }

    def removals() -> list[Any]:
        return list(cluster.data_dir.glob("spu-logs-*/.removed/*"))

    spus = {process.pid for process in processes_of(cluster, "fluvio_spu")}
    for number in range(ROUNDS):
        asyncio.run(burst(number))
        cluster.resume()
    asyncio.run(check())
    assert len(processes_of(cluster, "fluvio_local")) == 1
    assert {process.pid for process in processes_of(cluster, "fluvio_spu")} == spus
    cluster.delete()
    assert not [*processes_of(cluster, "fluvio_local"), *processes_of(cluster, "fluvio_spu")]
    assert not cluster.data_dir.exists()


def test_an_spu_that_keeps_dying_is_started_less_and_less(
    cluster_factory: Any, processes_of: Processes
) -> None:
    cluster = cluster_factory()
    seen: set[int] = set()
    begun = time.monotonic()
    while time.monotonic() < begun + 6:
        for process in processes_of(cluster, "fluvio_spu"):
            seen.add(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.005)
    print(f"{len(seen)} processes in 6 s")
    # Without growing pauses it would be several in a second.
    assert 2 <= len(seen) <= 15

    async def works_again() -> None:
        async with asyncio.timeout(40), connect(address=cluster.public_address) as client:
            await until(lambda: bool(processes_of(cluster, "fluvio_spu")))
            while True:
                (spu,) = await client.admin.spus.list()
                if spu.status.resolution is SpuStatusResolution.ONLINE:
                    break
                await asyncio.sleep(0.02)
            await client.admin.topics.create("after")
            async with client.producer("after") as producer:
                await producer.send_and_wait("all is well")

    asyncio.run(works_again())
    (process,) = processes_of(cluster, "fluvio_spu")
    assert process.pid not in seen
    assert len(processes_of(cluster, "fluvio_local")) == 1
    cluster.delete()
