"""Stored consumer offsets are as safe as acknowledged records, and the table's log stays short."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.types import Offset, PartitionId, ReplicaKey
from fluvio_spu.replica import consumer_offset_store
from fluvio_spu.replica.consumer_offset_store import ConsumerOffsetStore
from fluvio_spu.storage import OsDisk

pytestmark = pytest.mark.asyncio

T0 = ReplicaKey("t", PartitionId(0))
OFFSETS = "consumer-offset"


class HeldDisk(OsDisk):
    """A disk whose syncs of logs wait until they are let go, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Event()
        self.let_go = threading.Event()
        self.failure: OSError | None = None

    def sync_data(self, fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".log"):
            self.started.set()
            assert self.let_go.wait(timeout=30)
            if self.failure is not None:
                raise self.failure
        super().sync_data(fd)


class SmallDisk(OsDisk):
    """A disk that takes small writes only."""

    size_max = 1 << 40

    def write_at(self, fd: int, buffers: Sequence[Any], position: int) -> int:
        if sum(len(buffer) for buffer in buffers) > self.size_max:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write_at(fd, buffers, position)


def store_of(spu: Any) -> ConsumerOffsetStore:
    return ConsumerOffsetStore(spu.app.registry, clock_s=time.time)


@pytest.mark.parametrize("durability", ["every-batch", "group:1:1000000"])
async def test_an_offset_is_acknowledged_when_it_is_on_disk(
    spu_factory: Any, assignment: Any, durability: str
) -> None:
    disk = HeldDisk()
    spu = await spu_factory.start(
        assignment(), assignment(OFFSETS), disk=disk, durability=durability
    )
    store = store_of(spu)
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(store.update(T0, "c", Offset(3)))
        await asyncio.to_thread(disk.started.wait, 20)
        assert await store.get(T0, "c") == 3
        assert not storing.done()
        disk.let_go.set()
    disk.failure = OSError(errno.EIO, "Input/output error")
    with pytest.raises(FluvioError):
        await store.update(T0, "c", Offset(4))


async def test_a_checkpoint_has_what_changed_while_it_was_encoded(
    spu_factory: Any, assignment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = consumer_offset_store._encode_checkpoint
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(timeout=30)
        return encode(*arguments)

    monkeypatch.setattr(consumer_offset_store, "_encode_checkpoint", slowly)
    assigned = (assignment(), assignment(OFFSETS))
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(*assigned, stack=stack)
        store = store_of(spu)
        await store.update(T0, "steady", Offset(1))
        await store.update(T0, "leaves", Offset(1))
        for number in range(consumer_offset_store.CHANGES_BEFORE_CHECKPOINT_MIN - 1):
            await store.update(T0, "busy", Offset(number))
        assert begun.wait(timeout=30)
        await store.update(T0, "busy", Offset(5000))
        await store.update(T0, "comes", Offset(6000))
        await store.delete(T0, "leaves")
        before = spu.replica(OFFSETS).leo
        go_on.set()
        await spu.app.workers.wait_idle()
        # A marker, three entries, three changes: one batch.
        assert spu.replica(OFFSETS).leo == before + 7
    spu = await spu_factory.start(*assigned)
    found = {one.consumer_id: one.offset for one in await store_of(spu).list(None)}
    assert found == {"steady": 1, "busy": 5000, "comes": 6000}


async def test_a_checkpoint_that_fails_is_nobodys_error_and_comes_later(
    spu_factory: Any, assignment: Any
) -> None:
    disk = SmallDisk()
    spu = await spu_factory.start(assignment(), assignment(OFFSETS), disk=disk)
    store = store_of(spu)
    for number in range(50):
        await store.update(T0, f"consumer {number}", Offset(number))
    disk.size_max = 1000
    for number in range(consumer_offset_store.CHANGES_BEFORE_CHECKPOINT_MIN):
        await store.update(T0, "busy", Offset(number))
        await spu.app.workers.wait_idle()
    disk.size_max = 1 << 40
    before = spu.replica(OFFSETS).leo
    await store.update(T0, "busy", Offset(0))
    await spu.app.workers.wait_idle()
    assert spu.replica(OFFSETS).leo == before + 1 + 1 + 51
