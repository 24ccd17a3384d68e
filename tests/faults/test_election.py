"""A leader is killed, another leads; when the preferred one has caught up, it leads again.

Checklist line 73, on a real cluster: one producer and one consumer live through all of it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.types import Isolation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(90)]

Processes = Callable[[Any, str], list[psutil.Process]]
COUNT = 60


async def leader_of(client: Any) -> int:
    (found,) = await client.admin.replicas.describe("votes-0")
    return int(found.leader)


async def kill_until_another_leads(
    client: Any, preferred: int, victims: Callable[[], list[psutil.Process]]
) -> None:
    """One that is back at once leads again, under another epoch: then it is killed once more."""
    killed: set[int] = set()
    async with asyncio.timeout(40):
        while await leader_of(client) == preferred:
            for process in victims():
                if process.pid not in killed:
                    killed.add(process.pid)
                    process.kill()
            await asyncio.sleep(0.05)


async def until_all_in_sync(client: Any) -> None:
    """Before that, no other may be elected."""
    async with asyncio.timeout(40):
        while True:
            (found,) = await client.admin.replicas.describe("votes-0")
            if set(found.in_sync) == set(found.replicas):
                return
            await asyncio.sleep(0.05)


async def until_leader(client: Any, wanted: Callable[[int], bool]) -> int:
    async with asyncio.timeout(40):
        while True:
            leader = await leader_of(client)
            if wanted(leader):
                return leader
            await asyncio.sleep(0.05)


async def through_two_elections(cluster: Any, processes_of: Processes) -> None:
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("votes", replication=3)
        preferred = await leader_of(client)
        (before,) = await client.admin.replicas.describe("votes-0")
        async with (
            client.producer("votes", isolation=Isolation.READ_COMMITTED) as producer,
            client.consumer("votes", start="beginning", isolation="read_committed") as consumer,
        ):

            async def produce(first: int) -> None:
                for number in range(first, first + COUNT):
                    delivery = await producer.send(str(number))
                    await producer.flush()
                    await delivery

            await produce(0)
            await until_all_in_sync(client)

            def victims() -> list[psutil.Process]:
                running = processes_of(cluster, "fluvio_spu")
                return [one for one in running if str(preferred) in one.cmdline()]

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(kill_until_another_leads(client, preferred, victims))
                await produce(COUNT)
            await produce(2 * COUNT)
            await until_leader(client, lambda leader: leader == preferred)
            await produce(3 * COUNT)

            seen: list[int] = []
            async with asyncio.timeout(20):
                async for record in consumer:
                    seen.append(int(record.value))
                    if seen[-1] == 4 * COUNT - 1:
                        break
        assert list(dict.fromkeys(seen)) == list(range(4 * COUNT))
        await until_all_in_sync(client)
        (after,) = await client.admin.replicas.describe("votes-0")
        assert after.leader_epoch >= before.leader_epoch + 2


def test_another_leads_and_the_preferred_one_returns(
    cluster_factory: Any, processes_of: Processes
) -> None:
    cluster = cluster_factory(spu_count=3)
    asyncio.run(through_two_elections(cluster, processes_of))
    cluster.delete()
