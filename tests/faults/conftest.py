"""What a test that hurts a cluster needs: its processes, found by its data folder, and a door.

`SpuDoor` speaks to one SPU in messages, so a test sees error codes and offsets as they travel, with
no client in between that tries again.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import Record, decode_record_set, encode_batch
from fluvio_protocol.spu_public.fetch import FetchPartition, FetchRequest, FetchTopic
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from fluvio_protocol.types import Isolation, Offset, PartitionId
from fluvio_socket.multiplexer import MultiplexedConnection

ProcessFinder = Callable[[Any, str], list[psutil.Process]]
FETCH_BYTES = 4 << 20
UNMOUNT = """
import subprocess, sys
sys.stdin.read()
subprocess.run(["umount", "--lazy", sys.argv[1]], check=True)
"""


@pytest.fixture
def processes_of() -> ProcessFinder:
    """`processes_of(cluster, "fluvio_spu")`: running processes of that module, on its data."""

    def find(cluster: Any, module: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
                running = process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if running and module in command and any(str(cluster.data_dir) in a for a in command):
                found.append(process)
        return found

    return find


@pytest.fixture
def kill_nine(processes_of: ProcessFinder) -> Callable[[Any, str], psutil.Process]:
    """`kill_nine(cluster, module)`: end the one process of that module, whatever it does."""

    def kill(cluster: Any, module: str) -> psutil.Process:
        (victim,) = processes_of(cluster, module)
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait(20)
        return victim

    return kill


@pytest.fixture
def mount_disk() -> Iterator[Callable[[Path, str], bool]]:
    """`mount_disk(place, "24m")`: a small file system of its own; False where that is not allowed.

    Unmounted at the end of the test, when whoever used it has ended, or of this process, however
    that ends.
    """
    watchmen: list[subprocess.Popen[bytes]] = []

    def mount(place: Path, size: str) -> bool:
        place.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        watchmen.append(
            subprocess.Popen(
                [sys.executable, "-c", UNMOUNT, str(place)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        )
        return True

    yield mount
    for watchman in watchmen:
        watchman.communicate()
        assert watchman.returncode == 0


class SpuDoor:
    """A connection to the public port of an SPU."""

    def __init__(self, connection: MultiplexedConnection) -> None:
        self.connection = connection

    async def produce(
        self,
        topic: str,
        values: Sequence[bytes],
        *,
        partition: int = 0,
        isolation: Isolation = Isolation.READ_UNCOMMITTED,
    ) -> PartitionProduceResponse:
        """One batch; the partition's answer, refusals included."""
        records = [Record(value=value, offset_delta=n) for n, value in enumerate(values)]
        data = PartitionProduceData(
            partition=PartitionId(partition), records=encode_batch(records, first_timestamp=0)
        )
        request = ProduceRequest(
            isolation=isolation,
            timeout_ms=20_000,
            topics=(TopicProduceData(name=topic, partitions=(data,)),),
        )
        answer = await self.connection.request(request, timeout_s=30)
        found: PartitionProduceResponse = answer.responses[0].partitions[0]
        return found

    async def fetch(self, topic: str, partition: int = 0, *, start: int = 0) -> Any:
        """One read, as the partition's answer."""
        where = FetchPartition(
            partition=PartitionId(partition), fetch_offset=Offset(start), max_bytes=FETCH_BYTES
        )
        request = FetchRequest(
            max_bytes=FETCH_BYTES, topics=(FetchTopic(name=topic, fetch_partitions=(where,)),)
        )
        answer = await self.connection.request(request, timeout_s=30)
        return answer.topics[0].partitions[0]

    async def read_all(
        self, topic: str, partition: int = 0, *, start: int = 0
    ) -> list[tuple[int, bytes]]:
        """(offset, value) of every record from `start` to the end; any error fails the test."""
        found: list[tuple[int, bytes]] = []
        position = start
        while True:
            answer = await self.fetch(topic, partition, start=position)
            assert answer.error_code.error is ErrorCode.NONE, answer.error_code
            if not answer.records:
                return found
            found += self.records_of(answer)
            position = found[-1][0] + 1

    @staticmethod
    def records_of(answer: Any) -> list[tuple[int, bytes]]:
        """(offset, value) of every record in a partition's answer."""
        return [
            (header.base_offset + number, record.value)
            for header, records in decode_record_set(answer.records, size_bytes_max=1 << 28)
            for number, record in enumerate(records)
        ]

    async def start_offset(self, topic: str, partition: int = 0) -> int:
        """The first offset that is kept."""
        return int((await self.fetch(topic, partition)).log_start_offset)


OpenDoor = Callable[..., AbstractAsyncContextManager[SpuDoor]]


@pytest.fixture
def open_spu() -> OpenDoor:
    """`async with open_spu(cluster) as door`: a new connection to its first SPU."""

    @contextlib.asynccontextmanager
    async def opened(cluster: Any, *, number: int = 0) -> AsyncIterator[SpuDoor]:
        port = cluster.spu_port_base + 10 * number
        connection = await MultiplexedConnection.connect("127.0.0.1", port)
        try:
            yield SpuDoor(connection)
        finally:
            await connection.close()

    return opened


@pytest.fixture
def no_gap() -> Callable[[Sequence[tuple[int, bytes]]], None]:
    """`no_gap(records)`: offsets follow each other."""

    def check(records: Sequence[tuple[int, bytes]]) -> None:
        for (before, _), (after, _) in itertools.pairwise(records):
            assert after == before + 1, f"a gap between {before} and {after}"

    return check
