"""Consumers find the offsets that they left, whichever SPU dies.

A cluster of three SPUs keeps them three times without being asked to. Their leader is killed until
another leads, while a consumer stores the offset of every record that it reads.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from fluvio_client import connect

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

COUNT = 200
OFFSETS = "consumer-offset-0"


async def replicas_of(client: Any) -> Any:
    (found,) = await client.admin.replicas.describe(OFFSETS)
    return found


async def leader_of_three(client: Any) -> int:
    """Who keeps the offsets, once three hold every one."""
    async with asyncio.timeout(40):
        while True:
            found = await replicas_of(client)
            if len(found.in_sync) == 3:
                return int(found.leader)
            await asyncio.sleep(0.05)


async def kill_until_another_leads(client: Any, leader: int, processes: Any) -> None:
    """One that is back at once leads again, under another epoch: then it is killed once more."""
    killed: set[int] = set()
    async with asyncio.timeout(40):
        while (await replicas_of(client)).leader == leader:
            for process in processes():
                if str(leader) in process.cmdline() and process.pid not in killed:
                    killed.add(process.pid)
                    process.kill()
            await asyncio.sleep(0.05)


async def stored(client: Any) -> int:
    (found,) = await client.admin.consumers.list("reader")
    return int(found.offset)


async def read_through_the_death_of_their_keeper(cluster: Any, processes: Any) -> None:
    async with connect(address=cluster.public_address) as client:
        leader = await leader_of_three(client)
        elsewhere = next(spu for spu in (5001, 5002, 5003) if spu != leader)
        await client.admin.topics.create("read", assignment=[[elsewhere]])
        async with client.producer("read") as producer:
            await asyncio.gather(*[await producer.send(str(number)) for number in range(2 * COUNT)])
        managed: dict[str, Any] = {"consumer_id": "reader", "commit": "manual"}
        last = -1
        async with (
            asyncio.timeout(60),
            asyncio.TaskGroup() as tasks,
            client.consumer("read", start="beginning", **managed) as consumer,
        ):
            killing: asyncio.Task[None] | None = None
            async for record in consumer:
                await consumer.commit()
                await consumer.flush()
                last = record.offset
                if last == COUNT // 4:
                    assert await stored(client) == last
                    killing = tasks.create_task(kill_until_another_leads(client, leader, processes))
                if killing is not None and last == COUNT:
                    await killing
                if last == 2 * COUNT - 2:
                    break
        assert (await replicas_of(client)).leader != leader
        assert await stored(client) == last
        async with client.consumer("read", start="beginning", **managed) as consumer:
            assert (await anext(aiter(consumer))).offset == last + 1


def test_offsets_survive_the_spu_that_keeps_them(
    cluster_factory: Any, processes_of: Callable[[Any, str], list[psutil.Process]]
) -> None:
    cluster = cluster_factory(spu_count=3)

    def spus() -> list[psutil.Process]:
        return processes_of(cluster, "fluvio_spu")

    asyncio.run(read_through_the_death_of_their_keeper(cluster, spus))
    cluster.delete()
