"""SPU processes are started, restarted, adopted and stopped; real processes, an injected clock."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fluvio_local.cluster_files import Address, DataDirectory, SpuProcess, read_file, write_file
from fluvio_local.inspection import SPU_MARK_VARIABLE
from fluvio_local.process_identity import find_by_environment, identify
from fluvio_local.process_runtime import (
    Clock,
    LoopClock,
    ProcessRuntime,
    ProcessRuntimeConfig,
    rotate_log,
    spu_command,
)
from fluvio_protocol.metadata.spu import Endpoint, IngressAddress, IngressPort, SpuSpec
from fluvio_protocol.types import SpuId
from fluvio_sc.core.ports import DesiredSpu

SPU = SpuId(5001)
OTHER = SpuId(5002)
SLEEP = ("/bin/sleep", "600")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
    "while True: signal.pause()",
)
FAIL = ("/bin/sh", "-c", "echo cannot go on; exit 3")


class FakeClock:
    """Time that stands still until it is told to move."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return self.time_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> object:
        self.calls.append((self.time_s + delay_s, callback))
        return None

    def advance(self, delay_s: float) -> None:
        self.time_s += delay_s
        due = [call for call in self.calls if call[0] <= self.time_s]
        self.calls = [call for call in self.calls if call[0] > self.time_s]
        for _, callback in due:
            callback()


def desired(*spu_ids: SpuId) -> list[DesiredSpu]:
    return [
        DesiredSpu(
            f"custom-spu-{spu_id}",
            f"uid-{spu_id}",
            SpuSpec(
                id=spu_id,
                public_endpoint=IngressPort(
                    port=9010, ingress=(IngressAddress(hostname="127.0.0.1"),)
                ),
                private_endpoint=Endpoint(port=9011, host="127.0.0.1"),
            ),
        )
        for spu_id in spu_ids
    ]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    """A data directory; SPU processes that a test leaves behind are killed."""
    found = DataDirectory(tmp_path / "data")
    found.path.mkdir()
    yield found
    for spu_id in (SPU, OTHER):
        while (
            left := find_by_environment(SPU_MARK_VARIABLE, str(found.spu_file(spu_id)))
        ) is not None:
            os.kill(left.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(left.pid, 0)


@contextlib.asynccontextmanager
async def running(
    directory: DataDirectory,
    command: Sequence[str] = SLEEP,
    *,
    clock: Clock | None = None,
    stop_patience_s: float = 10.0,
) -> AsyncIterator[ProcessRuntime]:
    config = ProcessRuntimeConfig(
        data_directory=directory,
        log_directory=directory.path / "log",
        command=lambda spec: command,
        spu_ids=frozenset({SPU, OTHER}),
        ran_well_after_s=1.0,
        stop_patience_s=stop_patience_s,
    )
    async with ProcessRuntime(config, clock=clock) as runtime:
        yield runtime


async def eventually(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - processes and files tell no event
            await asyncio.sleep(0.005)


async def pid_of(runtime: ProcessRuntime, spu_id: SpuId = SPU, *, other_than: int = 0) -> int:
    await eventually(lambda: runtime.pid(spu_id) not in (None, other_than))
    pid = runtime.pid(spu_id)
    assert pid is not None
    return pid


def log_text(directory: DataDirectory) -> str:
    path = directory.path / "log" / "spu-5001.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.asyncio
async def test_starts_what_is_wanted_and_stops_what_is_not(directory: DataDirectory) -> None:
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU, OTHER, SpuId(7)))
        first, second = await pid_of(runtime, SPU), await pid_of(runtime, OTHER)
        assert runtime.pid(SpuId(7)) is None  # somebody else's
        await runtime.apply_spus(desired(OTHER))
        await eventually(lambda: identify(first) is None)
        assert runtime.pid(OTHER) == second
        assert not directory.spu_file(SPU).exists()
        await runtime.apply_spus(desired(SPU, OTHER))  # wanted again
        await pid_of(runtime, SPU)
        await runtime.stop_all()
        assert identify(second) is None
        assert list(directory.run_directory.iterdir()) == []


@pytest.mark.asyncio
async def test_applying_the_same_again_changes_nothing(directory: DataDirectory) -> None:
    async with running(directory) as runtime:
        for _ in range(3):
            await runtime.apply_spus(desired(SPU))
            pid = await pid_of(runtime)
        await runtime.apply_spus(desired(SPU))
        assert await pid_of(runtime) == pid
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_an_spu_leads_its_own_session_and_logs_to_its_file(directory: DataDirectory) -> None:
    command = ("/bin/sh", "-c", "echo out; echo err >&2; exec /bin/sleep 600")
    async with running(directory, command) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
        assert os.getsid(pid) == pid != os.getsid(0)
        await eventually(lambda: log_text(directory) == "out\nerr\n")
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        assert set(os.listdir(f"/proc/{pid}/fd")) == {"0", "1", "2"}
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_a_killed_spu_is_back_at_once(directory: DataDirectory) -> None:
    """A client tries again after 20 and 400 ms: the restart itself may not cost it that."""
    async with running(directory, clock=LoopClock()) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
        os.kill(pid, signal.SIGKILL)
        before = time.monotonic()
        fresh = await pid_of(runtime, other_than=pid)
        # Far below the time that a first back-off step would take on a busy machine as well.
        assert time.monotonic() - before < 5.0
        assert identify(pid) is None
        saved = read_file(SpuProcess, directory.spu_file(SPU))
        assert saved is not None
        assert saved.process == identify(fresh)
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_the_first_restart_needs_no_clock_and_later_ones_wait_longer(
    directory: DataDirectory,
) -> None:
    clock = FakeClock()
    async with running(directory, clock=clock) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
        os.kill(pid, signal.SIGKILL)
        pid = await pid_of(runtime, other_than=pid)  # time has not moved
        delays = []
        for _ in range(8):
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: bool(clock.calls))
            ((due, _),) = clock.calls
            delays.append(due - clock.time_s)
            clock.advance(delays[-1] * 0.9)
            await asyncio.sleep(0)
            assert runtime.pid(SPU) is None
            clock.advance(delays[-1] * 0.1 + 1e-6)
            pid = await pid_of(runtime, other_than=pid)
        assert 0.05 <= delays[0] <= 0.1
        assert delays[:5] == sorted(delays[:5])
        assert 2.5 < max(delays) <= 5.0
        clock.advance(1.0)  # it ran well, so the next death is a first one again
        os.kill(pid, signal.SIGKILL)
        pid = await pid_of(runtime, other_than=pid)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: bool(clock.calls))
        assert clock.calls[0][0] - clock.time_s <= 0.1
        await runtime.stop_all()  # also while one waits for its restart


@pytest.mark.asyncio
async def test_a_crash_loop_is_slowed_down_and_its_words_are_kept(directory: DataDirectory) -> None:
    clock = FakeClock()
    async with running(directory, FAIL, clock=clock) as runtime:
        await runtime.apply_spus(desired(SPU))
        await eventually(lambda: bool(clock.calls))
        assert log_text(directory) == "cannot go on\n" * 2  # the start, the free restart
        clock.advance(10)
        await eventually(lambda: bool(clock.calls))
        assert log_text(directory) == "cannot go on\n" * 3
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_a_program_that_is_not_there_is_tried_again_later(directory: DataDirectory) -> None:
    program = directory.path / "not-yet"
    clock = FakeClock()
    async with running(directory, (str(program), "600"), clock=clock) as runtime:
        await runtime.apply_spus(desired(SPU))
        await eventually(lambda: bool(clock.calls))
        os.symlink(shutil.which("sleep") or "", program)
        clock.advance(10)
        await pid_of(runtime)
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_one_that_does_not_stop_is_killed(directory: DataDirectory) -> None:
    async with running(directory, STUBBORN, stop_patience_s=0.2) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
        await eventually(lambda: "deaf" in log_text(directory))
        await runtime.stop_all()
        assert identify(pid) is None


@pytest.mark.asyncio
async def test_survivors_are_adopted_watched_and_stopped(directory: DataDirectory) -> None:
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU, OTHER))
        first, second = await pid_of(runtime, SPU), await pid_of(runtime, OTHER)
    assert identify(first) is not None  # leaving the block let go of it
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU, OTHER))
        assert await pid_of(runtime, SPU) == first
        assert await pid_of(runtime, OTHER) == second
        os.kill(first, signal.SIGKILL)
        await pid_of(runtime, SPU, other_than=first)
        await runtime.stop_all()
        assert identify(second) is None


@pytest.mark.asyncio
async def test_a_survivor_that_is_not_wanted_any_more_is_stopped(directory: DataDirectory) -> None:
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU, OTHER))
        first, second = await pid_of(runtime, SPU), await pid_of(runtime, OTHER)
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(OTHER))
        await eventually(lambda: identify(first) is None)
        assert await pid_of(runtime, OTHER) == second
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_a_survivor_with_other_settings_is_replaced(directory: DataDirectory) -> None:
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
    async with running(directory, ("/bin/sleep", "601")) as runtime:
        await runtime.apply_spus(desired(SPU))
        await eventually(lambda: identify(pid) is None)
        await pid_of(runtime, other_than=pid)
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_a_survivor_without_a_file_is_found(directory: DataDirectory) -> None:
    """Its controller was killed between starting it and writing the file."""
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
    directory.spu_file(SPU).unlink()
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        assert await pid_of(runtime) == pid
        await runtime.stop_all()


@pytest.mark.asyncio
async def test_an_spu_whose_file_cannot_be_written_is_kept_and_found_again(
    directory: DataDirectory,
) -> None:
    fresh = directory.spu_file(SPU).with_name("spu-5001.json.new")
    fresh.mkdir(parents=True)  # in the way of the file
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        pid = await pid_of(runtime)
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        assert await pid_of(runtime) == pid
        await runtime.stop_all()


@pytest.mark.parametrize("content", ["stale", "foreign boot", "garbage"])
@pytest.mark.asyncio
async def test_a_stale_file_is_neither_adopted_nor_killed(
    directory: DataDirectory, content: str
) -> None:
    stranger = await asyncio.to_thread(subprocess.Popen, ["/bin/sleep", "600"])
    try:
        identity = identify(stranger.pid)
        assert identity is not None
        match content:
            case "stale":
                start_time, boot_id = identity.start_time - 1, identity.boot_id
            case _:
                start_time, boot_id = identity.start_time, "another boot"
        directory.run_directory.mkdir()
        stale = type(identity)(identity.pid, start_time, boot_id)
        write_file(directory.spu_file(SPU), SpuProcess(SPU, stale, SLEEP))
        if content == "garbage":
            directory.spu_file(SPU).write_text('{"spu_id": ')
        async with running(directory) as runtime:
            await runtime.apply_spus(desired(SPU))
            assert await pid_of(runtime) != stranger.pid
            await runtime.stop_all()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


CONTROLLER = """
import asyncio, os, pathlib, sys
sys.path[:0] = [sys.argv[2]]
from test_process_runtime import DataDirectory, SPU, desired, pid_of, running

async def main():
    async with running(DataDirectory(pathlib.Path(sys.argv[1]))) as runtime:
        await runtime.apply_spus(desired(SPU))
        print(await pid_of(runtime), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def start_controller(directory: DataDirectory) -> tuple[subprocess.Popen[bytes], int]:
    here = str(Path(__file__).parent)
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(directory.path), here], stdout=subprocess.PIPE
    )
    assert controller.stdout is not None
    with controller.stdout:
        return controller, int(controller.stdout.readline())


def kill_nine(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.mark.asyncio
async def test_spus_outlive_a_controller_that_is_killed(directory: DataDirectory) -> None:
    controller, pid = await asyncio.to_thread(start_controller, directory)
    await asyncio.to_thread(kill_nine, controller)
    assert identify(pid) is not None
    async with running(directory) as runtime:
        await runtime.apply_spus(desired(SPU))
        assert await pid_of(runtime) == pid
        await runtime.stop_all()
    assert identify(pid) is None


def test_the_command_of_an_spu() -> None:
    command = spu_command(
        desired(SPU)[0].spec,
        bind_host="0.0.0.0",
        controller=Address("127.0.0.1", 9004),
        log_base_directory=Path("/data"),
    )
    assert command[0] == sys.executable
    assert " ".join(command[1:]) == (
        "-P -m fluvio_spu --id 5001 --public 0.0.0.0:9010 --private 127.0.0.1:9011"
        " --sc 127.0.0.1:9004 --log-base-dir /data --metrics-socket /data/run/spu-5001.sock"
    )


def test_the_command_of_an_spu_with_a_durability() -> None:
    command = spu_command(
        desired(SPU)[0].spec,
        bind_host="127.0.0.1",
        controller=Address("127.0.0.1", 9004),
        log_base_directory=Path("/data"),
        durability="group:5:65536",
    )
    assert command[-2:] == ("--durability", "group:5:65536")


def test_large_logs_move_on_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "spu-1.log"
    rotate_log(log, size_bytes_max=10, files_kept=2)
    for text in ("first" * 3, "second" * 3, "third" * 3, "short"):
        rotate_log(log, size_bytes_max=10, files_kept=2)
        log.write_text(text)
    rotate_log(log, size_bytes_max=10, files_kept=2)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "spu-1.log": "short",
        "spu-1.log.1": "third" * 3,
        "spu-1.log.2": "second" * 3,
    }
