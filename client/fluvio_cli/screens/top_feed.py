"""Tells a `ClusterModel` of a real cluster: watches of partitions and SPUs, and stored offsets.

Called by `fluvio top`. Uses the client's public administration only. A cluster that goes away is
waited for, and what went meanwhile is forgotten when it is back.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fluvio_cli.screens.top_model import ClusterModel, ConsumerNews, PartitionNews, SpuNews
from fluvio_client.errors import FluvioError
from fluvio_client.objects import Partition, Spu
from fluvio_client.repository import Event
from fluvio_protocol.metadata.partition import PartitionResolution

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

CONSUMERS_INTERVAL_S = 2.0
AGAIN_AFTER_S = 1.0


class TopFeed:
    """Feeds a model until it is cancelled.

    problem: why it does not hear of the cluster right now; None when it does
    """

    def __init__(self, client: "Fluvio", model: ClusterModel) -> None:
        self.problem: str | None = None
        self._client = client
        self._model = model

    async def run(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._watch_partitions, self._watch_spus, self._ask_consumers):
                tasks.create_task(self._persist(work))

    async def ask(self) -> None:
        """What is there at this moment, once. Raises FluvioError."""
        admin, model = self._client.admin, self._model
        partitions = [
            one for system in (False, True) for one in await admin.partitions.list(system=system)
        ]
        now_s = time.monotonic()
        for name in model.partition_names() - {one.name for one in partitions}:
            model.remove_partition(name)
        for partition in partitions:
            model.put_partition(partition.name, partition_news(partition), now_s)
        spus = await admin.spus.list()
        for name in model.spu_names() - {one.name for one in spus}:
            model.remove_spu(name)
        for spu in spus:
            model.put_spu(spu.name, spu_news(spu))
        await self._tell_consumers()

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except FluvioError as error:
                self.problem = str(error)
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _watch_partitions(self) -> None:
        partitions, model = self._client.admin.partitions, self._model
        for name in model.partition_names() - {
            one.name for system in (False, True) for one in await partitions.list(system=system)
        }:
            model.remove_partition(name)
        await self._watch(
            partitions.watch(),
            lambda found: model.put_partition(
                found.name, partition_news(found), time.monotonic()
            ),
            model.remove_partition,
        )  # fmt: skip

    async def _watch_spus(self) -> None:
        spus, model = self._client.admin.spus, self._model
        for name in model.spu_names() - {one.name for one in await spus.list()}:
            model.remove_spu(name)
        await self._watch(
            spus.watch(),
            lambda found: model.put_spu(found.name, spu_news(found)),
            model.remove_spu,
        )

    async def _watch(
        self,
        changes: AsyncGenerator[Any, None],
        put: Callable[[Any], None],
        remove: Callable[[str], None],
    ) -> None:
        async with aclosing(changes):
            async for change in changes:
                self.problem = None
                if change.event is Event.DELETED:
                    remove(change.object.name)
                else:
                    put(change.object)

    async def _ask_consumers(self) -> None:
        while True:
            await self._tell_consumers()
            await asyncio.sleep(CONSUMERS_INTERVAL_S)

    async def _tell_consumers(self) -> None:
        found = await self._client.admin.consumers.lags()
        self._model.set_consumers(
            (
                ConsumerNews(one.consumer_id, one.topic, one.partition, one.offset, one.lag)
                for one in found
            ),
            time.monotonic(),
        )


def partition_news(found: Partition) -> PartitionNews:
    """What a model wants of a partition."""
    status = found.status
    return PartitionNews(
        topic=found.topic,
        number=found.number,
        leader=int(found.spec.leader),
        online=status.resolution is PartitionResolution.ONLINE,
        high_watermark=status.leader.hw if status.leader.hw >= 0 else None,
        size_bytes=status.size if status.size >= 0 else None,
        system=found.spec.system,
    )


def spu_news(found: Spu) -> SpuNews:
    """What a model wants of an SPU."""
    endpoint = found.spec.public_endpoint
    return SpuNews(
        id=int(found.spec.id),
        name=found.name,
        status=found.status.resolution.name.lower(),
        address=f"{endpoint.host or '?'}:{endpoint.port}",
        rack=found.spec.rack,
    )
