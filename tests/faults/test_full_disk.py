"""A disk that is really full: a small file system of its own below the SPU's data.

Writing is refused with Fluvio's code, reading goes on, and writing resumes by itself once there is
space again. Needs the right to mount; elsewhere the fake disk of the storage tests has to do.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import Isolation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]

DISK_SIZE = "24m"
BALLAST_BYTES = 12 << 20
TOPIC = "filling"
FULL = ErrorCode.PARTITION_FULL


@pytest.fixture
def small_disk(
    cluster_factory: Callable[..., Any],
    mount_disk: Callable[[Path, str], bool],
    request: pytest.FixtureRequest,
) -> Iterator[Any]:
    """A cluster with one SPU, whose partitions lie on a disk of 24 MiB with ballast on it."""
    data_dirs: list[Path] = []
    whole_data = getattr(request, "param", "spu") == "everything"

    def prepare(cluster: Any) -> None:
        place = cluster.data_dir if whole_data else cluster.data_dir / "spu-logs-5001"
        if not mount_disk(place, DISK_SIZE):
            pytest.skip("a disk of its own needs the right to mount one")
        data_dirs.append(cluster.data_dir)
        (place / "ballast").write_bytes(bytes(BALLAST_BYTES))

    try:
        yield cluster_factory(prepare=prepare)
    finally:
        for data_dir in data_dirs:
            stop = [sys.executable, "-m", "fluvio_local", "stop", "--data-dir", str(data_dir)]
            subprocess.run(stop, check=False)


async def fill(door: Any, acknowledged: dict[int, bytes], *, size_bytes: int) -> Any:
    """Produce until it is refused; returns the refusal."""
    for number in range(10_000):
        value = b"%d " % number + os.urandom(size_bytes)
        answer = await door.produce(TOPIC, [value])
        if answer.error_code.error is not ErrorCode.NONE:
            return answer.error_code
        acknowledged[answer.base_offset] = value
    pytest.fail("the disk is never full")


def test_writing_stops_reading_goes_on_and_writing_resumes(
    small_disk: Any,
    open_spu: Any,
    no_gap: Any,
    processes_of: Callable[[Any, str], list[psutil.Process]],
) -> None:
    (spu,) = processes_of(small_disk, "fluvio_spu")
    acknowledged: dict[int, bytes] = {}

    async def scenario() -> None:
        async with (
            connect(address=small_disk.public_address) as client,
            open_spu(small_disk) as door,
        ):
            await client.admin.topics.create(TOPIC, segment_size=3_000_000)
            await client.admin.topics.create("other")
            consumer = client.consumer(
                TOPIC, partitions=0, start="beginning", consumer_id="reader", commit="manual"
            )
            async with consumer:
                await fill_and_check(door, consumer)
                await other_doors_say_so(client, door)
            (small_disk.data_dir / "spu-logs-5001" / "ballast").unlink()
            answer = await door.produce(TOPIC, [b"there is room again"])
            assert answer.error_code.error is ErrorCode.NONE
            acknowledged[answer.base_offset] = b"there is room again"
            await client.admin.topics.create("late")
            async with client.producer("late") as producer:
                await producer.send_and_wait("also here")
            await fill(door, acknowledged, size_bytes=100_000)

    async def fill_and_check(door: Any, consumer: Any) -> None:
        refused = await fill(door, acknowledged, size_bytes=200_000)
        assert refused.error is FULL
        assert (refused.payload[0].topic, refused.payload[0].partition) == (TOPIC, 0)
        # What is too big for the rest of the disk leaves nothing behind that a small one could not
        # follow, down to the last page.
        await fill(door, acknowledged, size_bytes=2_000)
        refused = await fill(door, acknowledged, size_bytes=10)
        assert refused.error is FULL
        records = await door.read_all(TOPIC)
        no_gap(records)
        assert dict(records) == acknowledged
        read = [await anext(consumer) for _ in acknowledged]
        assert {record.offset: record.value for record in read} == acknowledged
        await consumer.commit()
        with pytest.raises(FluvioError):
            await consumer.flush()

    async def other_doors_say_so(client: Any, door: Any) -> None:
        answer = await door.produce("other", [os.urandom(20_000)])
        assert answer.error_code.error is FULL
        consumers = await client.admin.consumers.list()
        assert [one.consumer_id for one in consumers] == []

    asyncio.run(scenario())
    assert spu.is_running()
    small_disk.shut_down()
    small_disk.resume()

    async def after() -> None:
        async with open_spu(small_disk) as door:
            records = await door.read_all(TOPIC)
            no_gap(records)
            assert dict(records) == acknowledged

    asyncio.run(after())


async def commit_beside_a_full_follower(cluster: Any, disk: Path) -> None:
    async def until_in_sync(client: Any, *wanted: int) -> None:
        async with asyncio.timeout(30):
            while True:
                (found,) = await client.admin.replicas.describe(f"{TOPIC}-0")
                if set(found.in_sync) == set(wanted):
                    return
                await asyncio.sleep(0.05)

    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create(TOPIC, assignment=[[5001, 5002]])
        await until_in_sync(client, 5001, 5002)
        async with client.producer(TOPIC, isolation=Isolation.READ_COMMITTED) as producer:
            for _ in range(16):
                await producer.send_and_wait(os.urandom(1_000_000))
            await until_in_sync(client, 5001)
            (disk / "ballast").unlink()
            await until_in_sync(client, 5001, 5002)
            await producer.send_and_wait("and on")


def test_nobody_waits_for_a_follower_whose_disk_is_full(
    cluster_factory: Callable[..., Any],
    mount_disk: Callable[[Path, str], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so itself: how long a silent follower is waited for does not matter."""
    monkeypatch.setenv("FLV_REPLICA_LAG_MAX_MS", "600000")
    disks: list[Path] = []

    def prepare(cluster: Any) -> None:
        place = cluster.data_dir / "spu-logs-5002"
        if not mount_disk(place, DISK_SIZE):
            pytest.skip("a disk of its own needs the right to mount one")
        disks.append(place)
        (place / "ballast").write_bytes(bytes(BALLAST_BYTES))

    cluster = cluster_factory(spu_count=2, prepare=prepare)
    try:
        asyncio.run(commit_beside_a_full_follower(cluster, disks[0]))
    finally:
        cluster.shut_down()


def test_killed_on_a_full_disk(small_disk: Any, open_spu: Any, no_gap: Any, kill_nine: Any) -> None:
    """Starting needs no space either, and the start does not lose what was acknowledged."""
    acknowledged: dict[int, bytes] = {}

    async def scenario() -> None:
        async with connect(address=small_disk.public_address) as client:
            await client.admin.topics.create(TOPIC)
            async with open_spu(small_disk) as door:
                await fill(door, acknowledged, size_bytes=300_000)
                await fill(door, acknowledged, size_bytes=1_000)
            kill_nine(small_disk, "fluvio_spu")
            async with client.consumer(TOPIC, partitions=0, start="beginning") as consumer:
                read = [await anext(consumer) for _ in acknowledged]
            assert {record.offset: record.value for record in read} == acknowledged
        async with open_spu(small_disk) as door:
            assert (await fill(door, acknowledged, size_bytes=50_000)).error is FULL
            (small_disk.data_dir / "spu-logs-5001" / "ballast").unlink()
            answer = await door.produce(TOPIC, [b"on it goes"])
            assert answer.error_code.error is ErrorCode.NONE
            records = await door.read_all(TOPIC)
            no_gap(records)
            assert records[-1] == (len(acknowledged), b"on it goes")

    asyncio.run(scenario())


async def create_many(client: Any) -> None:
    for number in range(200):
        await client.admin.topics.create(f"too-much-{number}", partitions=8)


@pytest.mark.parametrize("small_disk", ["everything"], indirect=True)
def test_the_controller_lives_on_a_full_disk(
    small_disk: Any,
    open_spu: Any,
    processes_of: Callable[[Any, str], list[psutil.Process]],
) -> None:
    (controller,) = processes_of(small_disk, "fluvio_local")

    async def scenario() -> None:
        async with connect(address=small_disk.public_address) as client:
            await client.admin.topics.create(TOPIC)
            with (small_disk.data_dir / "rest").open("wb", buffering=0) as rest:
                while True:
                    try:
                        rest.write(bytes(4096))
                    except OSError:
                        break
            with pytest.raises(FluvioError):
                await create_many(client)
            names = {topic.name for topic in await client.admin.topics.list()}
            assert TOPIC in names
            async with open_spu(small_disk) as door:
                answer = await door.produce(TOPIC, [b"x" * 100_000])
                assert answer.error_code.error is FULL
            (small_disk.data_dir / "ballast").unlink()
            await client.admin.topics.create("late", wait=30)
            async with client.producer("late") as producer:
                await producer.send_and_wait("stored")

    asyncio.run(scenario())
    assert controller.is_running()
