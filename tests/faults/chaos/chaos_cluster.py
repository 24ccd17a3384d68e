"""The cluster that is hurt: three SPUs, one partition on all of them, seen as a fault sees it."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from chaos_cut import LossyNetwork

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.metadata.partition import PartitionResolution

SPU_IDS = (5001, 5002, 5003)
CONTROLLER = 0
"""Where a network ends that is no SPU."""
TOPIC = "ledger"
PARTITION = f"{TOPIC}-0"
HEAL_S = 60.0
"""Everything that has to happen by itself happens within this."""

Processes = Callable[[Any, str], list[psutil.Process]]


@dataclass(frozen=True, slots=True)
class ChaosCluster:
    """A started cluster, and what may be done to it here.

    network:  None where packets cannot be lost
    disks:    of each SPU, small ones; empty where none can be mounted
    left_out: what cannot be done here, and why, in words for the report
    """

    cluster: Any
    processes_of: Processes
    network: LossyNetwork | None
    disks: dict[int, Path]
    left_out: tuple[str, ...]

    @property
    def address(self) -> str:
        address: str = self.cluster.public_address
        return address

    def spu(self, spu_id: int) -> psutil.Process:
        """The running process of an SPU."""
        processes = self.processes_of(self.cluster, "fluvio_spu")
        return next(p for p in processes if str(spu_id) in p.cmdline())

    def controller(self) -> psutil.Process:
        (process,) = self.processes_of(self.cluster, "fluvio_local")
        return process

    async def resume(self) -> None:
        """Start the controller again, after its address has been silent for a moment."""
        await asyncio.sleep(0.5)
        await asyncio.to_thread(self.cluster.resume)


async def end(*processes: psutil.Process, by: int = signal.SIGKILL) -> None:
    """All at once; returns when they are gone."""
    for process in processes:
        os.kill(process.pid, by)
    for process in processes:
        await asyncio.to_thread(process.wait, 20)


async def freeze(process: psutil.Process, lasts_s: float) -> None:
    """It stands still for a while, and goes on as if nothing had been."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(lasts_s)
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def fill(disk: Path, lasts_s: float) -> None:
    """Take all space that is left, and give it back after a while."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for chunk_bytes in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(chunk_bytes))
        await asyncio.sleep(lasts_s)
    finally:
        ballast.unlink(missing_ok=True)


async def replicas_of(client: Any) -> Any:
    """Leader and in-sync set of the partition, as the controller knows them."""
    (found,) = await client.admin.replicas.describe(PARTITION)
    return found


async def until_whole(client: Any) -> int:
    """Until the leader serves, and every replica is in the in-sync set. Returns who leads."""
    seen: Any = None
    try:
        async with asyncio.timeout(HEAL_S):
            while True:
                with suppress(FluvioError):
                    replicas = await replicas_of(client)
                    partitions = await client.admin.partitions.list()
                    status = next(p.status for p in partitions if p.name == PARTITION)
                    seen = replicas, status
                    if (
                        status.resolution is PartitionResolution.ONLINE
                        and status.leader.spu == replicas.leader
                        and set(replicas.in_sync) == set(SPU_IDS)
                    ):
                        return int(replicas.leader)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not whole after {HEAL_S} s: {seen}") from None
