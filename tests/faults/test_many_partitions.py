"""A thousand partitions and a thousand idle connections at one SPU are ordinary.

What is asserted is structure: no thread for each, few descriptors, memory within generous bounds,
another client served meanwhile. Times are printed and not judged: the machine may be busy.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.errors import ErrorCode

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

PARTITIONS = 1000
CONNECTIONS = 1000
BYTES_PER_PARTITION_MAX = 64 << 10
BYTES_PER_CONNECTION_MAX = 48 << 10
THREADS_MAX = 16


class Prober:
    """Another client: produces to its own topic all the time, and notes how long it waited."""

    def __init__(self, door: Any) -> None:
        self._door = door
        self.waits_ms: list[float] = []

    async def run(self) -> None:
        while True:
            begun = time.perf_counter()
            answer = await self._door.produce("probe", [b"x"])
            assert answer.error_code.error is ErrorCode.NONE
            self.waits_ms.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(0.005)

    def report(self, while_what: str) -> None:
        waits, self.waits_ms = sorted(self.waits_ms), []
        assert waits, f"no answer while {while_what}"
        print(
            f"  another client while {while_what}: {len(waits)} requests, "
            f"p50 {waits[len(waits) // 2]:.1f} ms, p99 {waits[len(waits) * 99 // 100]:.1f} ms, "
            f"worst {waits[-1]:.1f} ms"
        )


def test_a_thousand_partitions_and_connections(
    cluster_factory: Any,
    open_spu: Any,
    processes_of: Callable[[Any, str], list[psutil.Process]],
    kill_nine: Any,
) -> None:
    cluster = cluster_factory()
    print()

    async def everything() -> None:
        (spu,) = processes_of(cluster, "fluvio_spu")
        async with connect(address=cluster.public_address) as client:
            await client.admin.topics.create("probe")
            async with open_spu(cluster) as door, asyncio.TaskGroup() as tasks:
                prober = Prober(door)
                probing = tasks.create_task(prober.run())
                await many_partitions(client, spu, prober)
                await many_connections(spu, prober)
                probing.cancel()
        for how in ("kill -9", "clean stop"):
            await restart(how)

    async def many_partitions(client: Any, spu: psutil.Process, prober: Prober) -> None:
        before = spu.memory_info().rss
        fds = spu.num_fds()
        begun = time.monotonic()
        await client.admin.topics.create("wide", partitions=PARTITIONS, wait=60)
        print(f"  {PARTITIONS} partitions created in {time.monotonic() - begun:.2f} s")
        prober.report("they were created")
        async with client.producer("wide") as producer:
            for partition in range(PARTITIONS):
                await producer.send(b"%d" % partition, partition=partition)
        prober.report("all of them were written")
        each = (spu.memory_info().rss - before) / PARTITIONS
        print(f"  {each / 1024:.1f} KiB and {(spu.num_fds() - fds) / PARTITIONS:.2f} "
              f"descriptors for each, {spu.num_threads()} threads")  # fmt: skip
        assert each < BYTES_PER_PARTITION_MAX
        assert spu.num_fds() - fds <= 2 * PARTITIONS + 50
        assert spu.num_threads() <= THREADS_MAX

    async def many_connections(spu: psutil.Process, prober: Prober) -> None:
        before = spu.memory_info().rss
        fds = spu.num_fds()
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                one = socket.create_connection(("127.0.0.1", cluster.spu_port_base), timeout=10)
                stack.enter_context(one)
                await asyncio.sleep(0)
            async with asyncio.timeout(30):
                while True:
                    if spu.num_fds() - fds >= CONNECTIONS:
                        break
                    await asyncio.sleep(0.05)
            prober.report(f"{CONNECTIONS} connections came")
            each = (spu.memory_info().rss - before) / CONNECTIONS
            print(f"  {each / 1024:.1f} KiB for each connection, {spu.num_threads()} threads")
            assert each < BYTES_PER_CONNECTION_MAX
            assert spu.num_threads() <= THREADS_MAX
            idle = spu.cpu_times().user + spu.cpu_times().system
            begun = time.monotonic()
            await asyncio.sleep(2)
            busy = spu.cpu_times().user + spu.cpu_times().system - idle
            print(f"  {busy / (time.monotonic() - begun):.1%} of a processor with all of them")
        async with asyncio.timeout(30):
            while True:
                if spu.num_fds() - fds <= 20:
                    break
                await asyncio.sleep(0.05)
        prober.report("they were idle and went")

    async def restart(how: str) -> None:
        begun = time.monotonic()
        if how == "kill -9":
            kill_nine(cluster, "fluvio_spu")
        else:
            (process,) = processes_of(cluster, "fluvio_spu")
            process.terminate()
            process.wait(30)
            print(f"  clean stop took {time.monotonic() - begun:.2f} s")
            begun = time.monotonic()
        async with connect(address=cluster.public_address) as client:
            for partition in (PARTITIONS - 1, 0, PARTITIONS // 2):
                consumer = client.consumer("wide", partitions=partition, start="beginning")
                async with asyncio.timeout(30), consumer:
                    assert (await anext(consumer)).value == b"%d" % partition
            print(f"  served again {time.monotonic() - begun:.2f} s after a {how}")
        async with open_spu(cluster) as door:
            for partition in range(PARTITIONS):
                answer = await door.fetch("wide", partition)
                assert [v for _, v in door.records_of(answer)] == [b"%d" % partition]

    asyncio.run(everything())
    cluster.delete()
