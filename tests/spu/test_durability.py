"""Acknowledgements that wait: group commit, every batch, high watermark, time-outs, failures."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from fluvio_protocol.codec import decode_exact
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from fluvio_protocol.types import Isolation, Offset, PartitionId
from fluvio_spu.storage import OsDisk

pytestmark = pytest.mark.asyncio

COMMITTED = Isolation.READ_COMMITTED
NEVER_BY_ITSELF = "group:3600000:1000000000"


class HeldDisk(OsDisk):
    """A disk whose syncs of logs wait until they are let go, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.sync_count = 0
        self.started = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.failure: OSError | None = None

    def sync_data(self, fd: int) -> None:
        if not os.readlink(f"/proc/self/fd/{fd}").endswith(".log"):
            super().sync_data(fd)
            return
        self.sync_count += 1
        self.started.release()
        if not self.let_go.wait(timeout=30):
            raise OSError(errno.ETIMEDOUT, "never let go")
        if self.failure is not None:
            raise self.failure
        super().sync_data(fd)


class FullDisk(OsDisk):
    """A disk with room for so many more bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.room_bytes = 1 << 40

    def write_at(self, fd: int, buffers: Sequence[Any], position: int) -> int:
        size = sum(len(buffer) for buffer in buffers)
        if size > self.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room_bytes -= size
        return super().write_at(fd, buffers, position)

    def free_bytes(self, path: str) -> int:
        return self.room_bytes


async def until_sync_starts(disk: HeldDisk) -> None:
    assert await asyncio.get_running_loop().run_in_executor(
        None, lambda: disk.started.acquire(timeout=20)
    )


@pytest.mark.parametrize("durability", ["every-batch", "group:1:1000000", "group:3600000:1"])
async def test_acknowledged_when_on_disk(
    spu_factory: Any, assignment: Any, batch: Any, durability: str
) -> None:
    disk = HeldDisk()
    spu = await spu_factory.start(assignment(), disk=disk, durability=durability)
    client = await spu.client()
    for isolation in Isolation:
        disk.let_go.clear()
        expected = spu.replica().leo
        request = spu_produce(batch("a"), isolation)
        number = client.send(request, 25)
        await until_sync_starts(disk)
        await client.assert_silent()
        assert (spu.replica().leo, spu.replica().hw.value) == (expected + 1, expected)
        disk.let_go.set()
        answer = await client.receive_as(ProduceResponse, 25, number)
        one = answer.responses[0].partitions[0]
        assert (one.error_code.error, one.base_offset) == (ErrorCode.NONE, expected)


def spu_produce(records: bytes, isolation: Isolation, timeout_ms: int = 20_000) -> ProduceRequest:
    data = PartitionProduceData(partition=PartitionId(0), records=records)
    return ProduceRequest(
        isolation=isolation,
        timeout_ms=timeout_ms,
        topics=(TopicProduceData(name="t", partitions=(data,)),),
    )


async def test_one_sync_covers_all_that_came_meanwhile(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    disk = HeldDisk()
    spu = await spu_factory.start(assignment(), disk=disk, durability="every-batch")
    clients = [await spu.client() for _ in range(20)]
    first = clients[0].send(spu_produce(batch("a"), COMMITTED), 25)
    await until_sync_starts(disk)
    for client in clients[1:]:
        client.send(spu_produce(batch("b"), COMMITTED), 25)
    for client in clients[1:]:
        await client.assert_silent()
    disk.let_go.set()
    await clients[0].receive_as(ProduceResponse, 25, first)
    for client in clients[1:]:
        await client.receive()
    assert spu.app.metrics.sync_count == 2


async def test_requests_that_wait_do_not_stop_later_ones(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    spu = await spu_factory.start(assignment(), durability=NEVER_BY_ITSELF)
    client = await spu.client()
    waiting = client.send(spu_produce(batch("a"), COMMITTED), 25)
    await client.assert_silent()
    refused = client.send(spu_produce(batch("b")[:-1], COMMITTED), 25)
    answer = await client.receive_as(ProduceResponse, 25, refused)
    assert answer.responses[0].partitions[0].error_code.error is ErrorCode.OTHER
    spu.replica().synced(Offset(1))
    await client.receive_as(ProduceResponse, 25, waiting)


async def test_a_commit_that_takes_too_long_is_told_and_the_records_stay(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    spu = await spu_factory.start(assignment(), durability=NEVER_BY_ITSELF)
    client = await spu.client()
    for expected in (0, 1):
        answer = await client.call(spu_produce(batch("a"), COMMITTED, timeout_ms=20), 25)
        one = answer.responses[0].partitions[0]
        assert one.error_code.error is ErrorCode.REQUEST_TIMED_OUT
        assert one.error_code.payload == (20, 0)
        assert one.base_offset == expected
    assert spu.replica().leo == 2
    assert spu.app.metrics.produce_timeout_count == 2
    spu.replica().synced(Offset(2))
    await client.assert_silent()


async def test_of_one_read_each_entry_is_judged_by_its_own_end(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    spu = await spu_factory.start(assignment(), durability=NEVER_BY_ITSELF)
    client = await spu.client()
    frames = [
        client.frame(spu_produce(batch("a"), COMMITTED, timeout_ms=500), 25, number)
        for number in range(4)
    ]
    client.send_bytes(b"".join(frames))
    other = await spu.client()
    while spu.replica().leo < 4:
        await other.assert_silent()
    spu.replica().synced(Offset(2))
    results = {}
    for _ in frames:
        number, body = await client.receive()
        results[number] = int.from_bytes(body[15:17], "big")
    assert results == {0: 0, 1: 0, 2: 7, 3: 7}


async def test_a_failed_sync_refuses_what_waits_and_what_comes(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    disk = HeldDisk()
    spu = await spu_factory.start(assignment(), disk=disk, durability="every-batch")
    client = await spu.client()
    waiting = client.send(spu_produce(batch("a"), COMMITTED), 25)
    await until_sync_starts(disk)
    disk.failure = OSError(errno.EIO, "Input/output error")
    disk.let_go.set()
    expected = {waiting, client.send(spu_produce(batch("b"), COMMITTED), 25)}
    while expected:  # in any order: the second is refused as soon as the worker thread knows
        number, body = await client.receive()
        expected.remove(number)
        answer = decode_exact(ProduceResponse, body, 25)
        code = answer.responses[0].partitions[0].error_code.error
        assert code is ErrorCode.PARTITION_SHORT_CIRCUITED


async def test_a_deletion_answers_what_waits(spu_factory: Any, assignment: Any, batch: Any) -> None:
    spu = await spu_factory.start(assignment(), durability=NEVER_BY_ITSELF)
    client = await spu.client()
    waiting = client.send(spu_produce(batch("a"), COMMITTED), 25)
    await client.assert_silent()
    await spu.assign(assignment(is_being_deleted=True))
    answer = await client.receive_as(ProduceResponse, 25, waiting)
    assert answer.responses[0].partitions[0].error_code.error is ErrorCode.TOPIC_DELETED


async def test_a_full_disk_is_told_and_writing_resumes_by_itself(
    spu_factory: Any, assignment: Any, batch: Any, values: Any
) -> None:
    disk = FullDisk()
    spu = await spu_factory.start(assignment(), disk=disk)
    client = await spu.client()
    assert (await client.produce("t", batch("a"))).base_offset == 0
    disk.room_bytes = 10
    for _ in range(2):
        answer = await client.produce("t", batch("b"))
        assert answer.error_code.error is ErrorCode.PARTITION_FULL
        assert answer.error_code.payload == (spu.replica().key,)
    (report,) = spu.app.registry.take_reports()
    assert report.out_of_storage
    found = spu.replica().read(0, committed=True, max_bytes=1000)
    assert values(found.view()) == [(0, "a")]
    disk.room_bytes = 1 << 40
    spu.app.housekeeping.tick()
    (report,) = spu.app.registry.take_reports()
    assert not report.out_of_storage
    assert (await client.produce("t", batch("c"))).base_offset == 1
