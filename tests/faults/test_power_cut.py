"""The power goes: what was not synced is gone, and all that was acknowledged as durable is there.

The SPU's data lies on a file system of its own in an image, whose journal is stopped without a
flush. What reached the image by then is what a disk would hold after a power cut. The one thing
that a real one changes besides is the system's boot identity, which checkpoints name; so the test
changes it there. Needs the right to mount; elsewhere the forgetful disk of the storage tests does.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fluvio_client import connect
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import Isolation
from fluvio_spu.storage.checkpoint import TAIL_FILE, TailCheckpoint

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]

IMAGE_BYTES = 256 << 20
EXT4_SHUTDOWN = 0x8004587D
WITHOUT_FLUSH = (2).to_bytes(4, sys.byteorder)
TOPICS = {"rolling": 8192, "growing": 1 << 30, "young": 1 << 20}
WRITERS_PER_TOPIC = 6
ACKNOWLEDGED_BEFORE_CUT = 400


@dataclass(frozen=True, slots=True)
class CutDisk:
    """A file system that can lose what it was not told to keep."""

    image: Path
    place: Path

    def make(self) -> None:
        """Make and mount it; skips where that is not allowed."""
        if os.geteuid() or not shutil.which("mkfs.ext4"):
            pytest.skip("a disk of its own needs mkfs.ext4 and the right to mount")
        with self.image.open("wb") as image:
            image.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        self.place.mkdir(parents=True)
        if not self.mount():
            pytest.skip("a disk of its own needs a loop device")

    def mount(self) -> bool:
        command = ["mount", "-o", "loop", str(self.image), str(self.place)]
        return not subprocess.run(command, check=False, capture_output=True).returncode

    def cut(self) -> None:
        """From now on nothing reaches the image."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_SHUTDOWN, WITHOUT_FLUSH)
        finally:
            os.close(fd)

    def come_back(self) -> None:
        """Mount what reached the image, on a machine that was started anew."""
        subprocess.run(["umount", str(self.place)], check=True)
        assert self.mount()
        for path in self.place.glob(f"*/{TAIL_FILE}"):
            checkpoint = TailCheckpoint.decode(path.read_bytes())
            if checkpoint is not None:
                path.write_bytes(replace(checkpoint, boot_identity=b"another boot").encode())


@pytest.fixture
def cut_cluster(
    cluster_factory: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Any, CutDisk]]:
    """A cluster with one SPU of the given durability, on a disk that can be cut."""
    disks: list[CutDisk] = []

    def prepare(cluster: Any) -> None:
        disk = CutDisk(tmp_path / "image", cluster.data_dir / "spu-logs-5001")
        disk.make()
        disks.append(disk)

    cluster = None
    try:
        cluster = cluster_factory(start_flags=("--durability", request.param), prepare=prepare)
        yield cluster, disks[0]
    finally:
        if cluster is not None:
            cluster.fluvio("cluster", "shutdown", "--data-dir", str(cluster.data_dir), check=False)
        for disk in disks:
            subprocess.run(["umount", "--lazy", str(disk.place)], check=True)


async def write(
    door: Any, topic: str, writer: int, acknowledged: dict[int, bytes], enough: asyncio.Event
) -> None:
    """Produce until it is refused or the door is gone."""
    isolation = Isolation.READ_COMMITTED if writer % 2 else Isolation.READ_UNCOMMITTED
    for number in range(100_000):
        value = b"%d-%d " % (writer, number) + b"x" * 700
        try:
            answer = await door.produce(topic, [value], isolation=isolation)
        except FluvioError:
            return
        if answer.error_code.error is not ErrorCode.NONE:
            return
        acknowledged[answer.base_offset] = value
        if len(acknowledged) >= ACKNOWLEDGED_BEFORE_CUT:
            enough.set()


@pytest.mark.parametrize(
    "cut_cluster", ["every-batch", "group", "group:3:20000", "page-cache"], indirect=True
)
def test_acknowledged_is_what_survives(
    cut_cluster: tuple[Any, CutDisk],
    open_spu: Any,
    no_gap: Any,
    processes_of: Callable[[Any, str], list[psutil.Process]],
    kill_nine: Any,
    request: pytest.FixtureRequest,
) -> None:
    cluster, disk = cut_cluster
    durability = request.node.callspec.params["cut_cluster"]
    (spu,) = processes_of(cluster, "fluvio_spu")
    assert spu.cmdline()[-2:] == ["--durability", durability]
    acknowledged: dict[str, dict[int, bytes]] = {topic: {} for topic in TOPICS}
    enough = {topic: asyncio.Event() for topic in TOPICS}

    async def before() -> None:
        async with connect(address=cluster.public_address) as client:
            for topic, segment_size in TOPICS.items():
                if topic != "young":
                    await client.admin.topics.create(topic, segment_size=segment_size)
        async with (
            open_spu(cluster) as door,
            open_spu(cluster) as second,
            asyncio.TaskGroup() as tasks,
        ):
            for topic in ("rolling", "growing"):
                for writer in range(WRITERS_PER_TOPIC):
                    one = second if writer % 3 == 0 else door
                    written = acknowledged[topic], enough[topic]
                    tasks.create_task(write(one, topic, writer, *written))
            tasks.create_task(cut())

    async def cut() -> None:
        async with connect(address=cluster.public_address) as client:
            await enough["rolling"].wait()
            await enough["growing"].wait()
            await client.admin.topics.create("young")
            async with open_spu(cluster) as door:
                answer = await door.produce("young", [b"just in time"])
                acknowledged["young"][answer.base_offset] = b"just in time"
        # The controller first: nobody shall start the SPU again on a disk that is away.
        kill_nine(cluster, "fluvio_local")
        disk.cut()
        os.kill(spu.pid, signal.SIGKILL)
        spu.wait(20)

    asyncio.run(before())
    disk.come_back()
    cluster.resume()
    (spu,) = processes_of(cluster, "fluvio_spu")
    assert spu.cmdline()[-2:] == ["--durability", durability]

    async def after() -> None:
        async with open_spu(cluster) as door:
            for topic in TOPICS:
                first = await door.fetch(topic)
                if durability == "page-cache" and first.error_code.error is not ErrorCode.NONE:
                    # Segments that were never synced are empty. That is said, and not passed over.
                    assert first.error_code.error is ErrorCode.STORAGE_ERROR
                    continue
                records = await door.read_all(topic)
                no_gap(records)
                lost = {
                    offset: value
                    for offset, value in acknowledged[topic].items()
                    if dict(records).get(offset) != value
                }
                print(f"{durability} {topic}: {len(acknowledged[topic])} acknowledged, "
                      f"{len(records)} there, {len(lost)} lost")  # fmt: skip
                if durability != "page-cache":
                    assert not lost, sorted(lost)[:5]
                end = records[-1][0] + 1 if records else 0
                answer = await door.produce(topic, [b"and on it goes"])
                assert (answer.error_code.error, answer.base_offset) == (ErrorCode.NONE, end)

    asyncio.run(after())
