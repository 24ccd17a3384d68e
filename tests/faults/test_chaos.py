"""Faults while records are produced and committed: nothing acknowledged is lost, order holds.

A cluster of three SPUs, a topic with three replicas of which two have to hold a record. One
producer sends numbered records, read committed, each after the one before was acknowledged, and
sends again what was not. From a seed: the SPU that leads is killed, told to stop (SIGTERM), or
frozen for a while (SIGSTOP), or the controller is killed. Between two faults the partition gets
whole again.

`make chaos ROUNDS=50` runs it for long, and prints how long no record could be committed for each
kind of fault. The suite runs a few rounds; a time is never asserted.
"""

import asyncio
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from fluvio_client import ProducerConfig, connect
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.types import Isolation

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
KINDS = ("kill", "restart", "freeze", "controller")
FREEZE_S = 4.0
HEAL_S = 40.0
TOPIC = "ledger"

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(90 + 60 * ROUNDS)]

Processes = Callable[[Any, str], list[psutil.Process]]


@dataclass(slots=True)
class Workload:
    """What was acknowledged, and when.

    acknowledged_at_s: by record number, in order
    """

    client: Any
    acknowledged_at_s: list[float] = field(default_factory=list)
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    async def run(self) -> None:
        """Number after number, each until it is acknowledged."""
        config = ProducerConfig(isolation=Isolation.READ_COMMITTED, timeout_ms=1000)
        async with self.client.producer(TOPIC, config=config) as producer:
            while not self.stopping:
                number = len(self.acknowledged_at_s)
                try:
                    delivery = await producer.send(str(number))
                    await producer.flush()
                    await delivery
                except FluvioError:
                    continue
                self.acknowledged_at_s.append(time.monotonic())
                self.acknowledged.set()

    async def more(self, count: int) -> None:
        """Until so many more were acknowledged."""
        wanted = len(self.acknowledged_at_s) + count
        async with asyncio.timeout(HEAL_S):
            while len(self.acknowledged_at_s) < wanted:
                self.acknowledged.clear()
                await self.acknowledged.wait()

    def longest_silence_s(self, since_s: float) -> float:
        """Between two acknowledgements that followed each other, from some moment on."""
        times = [at for at in self.acknowledged_at_s if at >= since_s]
        return max((b - a for a, b in zip([since_s, *times], times, strict=False)), default=0.0)


async def partition_of(client: Any) -> Any:
    return next(p for p in await client.admin.partitions.list() if p.name == f"{TOPIC}-0")


async def until_whole(client: Any) -> None:
    """Until the leader serves and both followers have caught up with it."""
    async with asyncio.timeout(HEAL_S):
        while True:
            try:
                status = (await partition_of(client)).status
                if (
                    status.resolution is PartitionResolution.ONLINE
                    and status.live_replica_count == 2
                ):
                    return
            except FluvioError:
                pass
            await asyncio.sleep(0.05)


def process_of_spu(processes: list[psutil.Process], spu_id: int) -> psutil.Process:
    return next(p for p in processes if str(spu_id) in p.cmdline())


async def hurt(kind: str, cluster: Any, processes_of: Processes, client: Any) -> None:
    if kind == "controller":
        (controller,) = processes_of(cluster, "fluvio_local")
        os.kill(controller.pid, signal.SIGKILL)
        await asyncio.to_thread(controller.wait, 20)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(cluster.resume)
        return
    leader = (await partition_of(client)).spec.leader
    victim = process_of_spu(processes_of(cluster, "fluvio_spu"), leader)
    if kind == "freeze":
        os.kill(victim.pid, signal.SIGSTOP)
        await asyncio.sleep(FREEZE_S)
        os.kill(victim.pid, signal.SIGCONT)
    else:
        os.kill(victim.pid, signal.SIGKILL if kind == "kill" else signal.SIGTERM)
        await asyncio.to_thread(victim.wait, 20)


async def read_everything(client: Any, last: int) -> list[int]:
    """All numbers in the order of the log, up to the last one that was acknowledged."""
    numbers: list[int] = []
    async with (
        asyncio.timeout(HEAL_S),
        client.consumer(TOPIC, start="beginning", isolation="read_committed") as consumer,
    ):
        async for record in consumer:
            numbers.append(int(record.value))
            if numbers[-1] >= last:
                return numbers
    return numbers


async def run_rounds(cluster: Any, processes_of: Processes) -> dict[str, list[float]]:
    dice = random.Random(SEED)
    order = [kind for _ in range(-(-ROUNDS // len(KINDS))) for kind in dice.sample(KINDS, 4)]
    silences: dict[str, list[float]] = defaultdict(list)
    async with connect(address=cluster.public_address) as client, asyncio.TaskGroup() as tasks:
        await client.admin.topics.create(TOPIC, partitions=1, replication=3)
        await until_whole(client)
        workload = Workload(client)
        running = tasks.create_task(workload.run())
        await workload.more(20)
        for kind in order[:ROUNDS]:
            since_s = time.monotonic()
            await hurt(kind, cluster, processes_of, client)
            await workload.more(20)
            await until_whole(client)
            await workload.more(20)
            silences[kind].append(workload.longest_silence_s(since_s))
        workload.stopping = True
        await running
        last = len(workload.acknowledged_at_s) - 1
        found = await read_everything(client, last)
        first_seen = list(dict.fromkeys(found))
        assert first_seen[: last + 1] == list(range(last + 1))
    return silences


def test_nothing_acknowledged_is_lost(cluster_factory: Any, processes_of: Processes) -> None:
    print(f"seed {SEED}: make chaos ROUNDS={ROUNDS} SEED={SEED}")
    cluster = cluster_factory(spu_count=3, start_flags=("--min-in-sync-replicas", "2"))
    silences = asyncio.run(run_rounds(cluster, processes_of))
    for kind, values in sorted(silences.items()):
        values.sort()
        print(
            f"{kind:<10} without a commit, s: p50 {values[len(values) // 2]:.2f} "
            f"p99 {values[int(len(values) * 0.99)]:.2f} max {values[-1]:.2f} ({len(values)} faults)"
        )
    cluster.delete()
