"""SPUs as processes of this machine: the `SpuRuntime` of a local cluster.

Called by the controller with the SPUs that should exist; keeps those it is in charge of running.
An SPU is a session of its own and outlives the controller: after a kill -9 of the controller the
next one finds it by its file in run/ and adopts it. Files are keyed by process identity, so a
stale one is never believed (process_identity.py).

One task per SPU, woken by whatever may change its fate: the process ended, other SPUs are
wanted, or the time of a restart has come. Restart delays: none after a crash of a process that
ran well, for clients try again within milliseconds; growing with jitter when it keeps crashing.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from fluvio_local.cluster_files import (
    Address,
    DataDirectory,
    SpuProcess,
    UnreadableFile,
    read_file,
    write_file,
)
from fluvio_local.inspection import SPU_MARK_VARIABLE
from fluvio_local.process_identity import (
    ProcessIdentity,
    RunningProcess,
    find_by_environment,
    identify,
)
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_protocol.types import SpuId
from fluvio_sc.core.ports import DesiredSpu
from fluvio_socket.backoff import Backoff

logger = logging.getLogger(__name__)


class Clock(Protocol):
    """Time, as restarts see it."""

    def now_s(self) -> float: ...
    def call_later(self, delay_s: float, callback: Callable[[], None]) -> object: ...


class LoopClock:
    """The real one."""

    def now_s(self) -> float:
        return time.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_later(delay_s, callback)


@dataclass(frozen=True, slots=True)
class ProcessRuntimeConfig:
    """What the runtime is in charge of, and how patient it is.

    command:           words that start an SPU, the program's absolute path first
    spu_ids:           SPUs of this machine; all others are somebody else's
    ran_well_after_s:  a process that lived so long was no failed start
    stop_patience_s:   how long an SPU may take to stop before it is killed
    """

    data_directory: DataDirectory
    log_directory: Path
    command: Callable[[SpuSpec], Sequence[str]]
    spu_ids: frozenset[SpuId]
    ran_well_after_s: float = 1.0
    restart_delay_s: float = 0.1
    restart_delay_s_max: float = 5.0
    stop_patience_s: float = 10.0
    log_size_bytes_max: int = 16 << 20
    log_files_kept: int = 3


class ProcessRuntime:
    """`async with ProcessRuntime(config) as runtime`.

    Leaving the block lets go of the SPUs and leaves them running; `stop_all` stops them.
    """

    def __init__(self, config: ProcessRuntimeConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock: Clock = clock or LoopClock()
        self._keepers: dict[SpuId, _Keeper] = {}
        self._tasks = asyncio.TaskGroup()
        self._looked_for_leftovers = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for keeper in self._keepers.values():
            keeper.let_go()
        await self._tasks.__aexit__(None, None, None)

    async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
        """See the port: starts and stops behind the caller's back."""
        wanted = {
            spu.spec.id: tuple(self._config.command(spu.spec))
            for spu in desired
            if spu.spec.id in self._config.spu_ids
        }
        known = wanted.keys() | self._keepers.keys()
        if not self._looked_for_leftovers:  # processes that are wanted no more are stopped too
            left = await asyncio.to_thread(self._config.data_directory.read_spus)
            known |= {SpuId(spu.spu_id) for spu in left}
            self._looked_for_leftovers = True
        for spu_id in known:
            if spu_id in wanted or not self._has_ended(spu_id):
                self._keeper(spu_id).want(wanted.get(spu_id))

    async def stop_all(self) -> None:
        """Stop every SPU, all at once; returns when none runs any more."""
        for keeper in self._keepers.values():
            keeper.want(None)
        for keeper in tuple(self._keepers.values()):
            await keeper.ended.wait()

    def pid(self, spu_id: SpuId) -> int | None:
        """Process that runs this SPU now."""
        keeper = self._keepers.get(spu_id)
        return keeper.pid if keeper is not None else None

    def _has_ended(self, spu_id: SpuId) -> bool:
        keeper = self._keepers.get(spu_id)
        return keeper is not None and keeper.ended.is_set()

    def _keeper(self, spu_id: SpuId) -> "_Keeper":
        keeper = self._keepers.get(spu_id)
        if keeper is None or keeper.ended.is_set():
            keeper = self._keepers[spu_id] = _Keeper(spu_id, self._config, self._clock)
            self._tasks.create_task(keeper.run(), name=f"spu-{spu_id}")
        return keeper


class _Keeper:
    """Keeps one SPU running while it is wanted, and ends with it when it is not."""

    def __init__(self, spu_id: SpuId, config: ProcessRuntimeConfig, clock: Clock) -> None:
        self.ended = asyncio.Event()
        self._spu_id = spu_id
        self._config = config
        self._clock = clock
        self._wanted: tuple[str, ...] | None = None
        self._letting_go = False
        self._wake = asyncio.Event()
        self._process: RunningProcess | None = None
        self._running_command: tuple[str, ...] = ()
        self._started_at = 0.0
        self._start_at = 0.0
        self._crash_count = 0
        self._backoff = Backoff(
            initial_s=config.restart_delay_s,
            maximum_s=config.restart_delay_s_max,
            factor=2.0,
            jitter=0.2,
        )

    @property
    def pid(self) -> int | None:
        if self._process is None or self._process.exited():
            return None
        return self._process.identity.pid

    def want(self, command: tuple[str, ...] | None) -> None:
        """The command that should be running; None for none."""
        self._wanted = command
        self._wake.set()

    def let_go(self) -> None:
        self._letting_go = True
        self._wake.set()

    async def run(self) -> None:
        try:
            await self._adopt()
            while not self._letting_go:
                self._wake.clear()
                if self._process is not None and self._process.exited():
                    self._note_exit(self._process)
                if self._process is not None and self._running_command != self._wanted:
                    await self._stop(self._process)
                if self._wanted is None:
                    self._config.data_directory.spu_file(self._spu_id).unlink(missing_ok=True)
                    return
                if self._process is None and self._clock.now_s() >= self._start_at:
                    await self._start(self._wanted)
                await self._wake.wait()
        finally:
            if self._process is not None:
                self._forget(self._process)
            self.ended.set()

    async def _adopt(self) -> None:
        """Take over what a controller before us left running."""
        path = self._config.data_directory.spu_file(self._spu_id)
        try:
            left = await asyncio.to_thread(read_file, SpuProcess, path)
        except UnreadableFile as error:
            logger.warning("spu=%s file=ignored reason=%s", self._spu_id, error)
            left = None
        process = RunningProcess.open(left.process) if left is not None else None
        if process is None:
            found = await asyncio.to_thread(find_by_environment, SPU_MARK_VARIABLE, str(path))
            process = RunningProcess.open(found) if found is not None else None
            left = None
        if process is None:
            return
        self._hold(process, left.command if left is not None else _command_of(process.identity))
        logger.info("spu=%s pid=%s adopted", self._spu_id, process.identity.pid)

    async def _start(self, command: tuple[str, ...]) -> None:
        try:
            process = await asyncio.to_thread(_spawn, self._config, self._spu_id, command)
        except OSError as error:
            logger.error("spu=%s start=failed reason=%s", self._spu_id, error)
            self._restart_after(self._backoff.next_delay_s())
            return
        self._hold(process, command)
        logger.info("spu=%s pid=%s started", self._spu_id, process.identity.pid)

    async def _stop(self, process: RunningProcess) -> None:
        """Ask it to stop, and make it when it does not."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.remove_reader(process.pidfd)
        loop.add_reader(process.pidfd, ended.set)
        process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._config.stop_patience_s):
                await ended.wait()
        except TimeoutError:
            logger.warning(
                "spu=%s pid=%s killed: it did not stop in %s s",
                self._spu_id,
                process.identity.pid,
                self._config.stop_patience_s,
            )
            process.signal(signal.SIGKILL)
            await ended.wait()
        logger.info("spu=%s pid=%s stopped %s", self._spu_id, process.identity.pid, process.reap())
        self._forget(process)
        self._start_at = 0.0

    def _note_exit(self, process: RunningProcess) -> None:
        """It ended by itself: decide when to start it again."""
        ran_s = self._clock.now_s() - self._started_at
        if ran_s >= self._config.ran_well_after_s:
            self._crash_count = 0
            self._backoff.reset()
        self._crash_count += 1
        delay_s = 0.0 if self._crash_count == 1 else self._backoff.next_delay_s()
        logger.error(
            "spu=%s pid=%s ended by itself: %s after %.1f s restart_in_s=%.2f",
            self._spu_id,
            process.identity.pid,
            process.reap(),
            ran_s,
            delay_s,
        )
        self._forget(process)
        self._restart_after(delay_s)

    def _restart_after(self, delay_s: float) -> None:
        self._start_at = self._clock.now_s() + delay_s
        if delay_s > 0:
            self._clock.call_later(delay_s, self._wake.set)

    def _hold(self, process: RunningProcess, command: tuple[str, ...]) -> None:
        self._process = process
        self._running_command = command
        self._started_at = self._clock.now_s()
        asyncio.get_running_loop().add_reader(process.pidfd, self._exit_seen, process.pidfd)

    def _exit_seen(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)  # it would be readable for ever
        self._wake.set()

    def _forget(self, process: RunningProcess) -> None:
        asyncio.get_running_loop().remove_reader(process.pidfd)
        process.close()
        self._process = None


def spu_command(
    spec: SpuSpec,
    *,
    bind_host: str,
    controller: Address,
    log_base_directory: Path,
    durability: str | None = None,
) -> tuple[str, ...]:
    """How an SPU of this distribution is started."""
    public = Address(bind_host, spec.public_endpoint.port)
    private = Address(spec.private_endpoint.host, spec.private_endpoint.port)
    return (
        sys.executable,
        "-P",  # whatever lies in the working directory is no module of ours
        "-m",
        "fluvio_spu",
        *("--id", str(spec.id)),
        *("--public", str(public)),
        *("--private", str(private)),
        *("--sc", str(controller)),
        *("--log-base-dir", str(log_base_directory)),
        *("--metrics-socket", str(log_base_directory / "run" / f"spu-{spec.id}.sock")),
        *(("--durability", durability) if durability is not None else ()),
    )


def _spawn(config: ProcessRuntimeConfig, spu_id: SpuId, command: tuple[str, ...]) -> RunningProcess:
    """Start the process and write its file. Blocks. Raises OSError.

    It leads a session of its own, so neither our end nor a Ctrl-C in our terminal reaches it.
    """
    path = config.data_directory.spu_file(spu_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    config.log_directory.mkdir(parents=True, exist_ok=True)
    log = config.log_directory / f"spu-{spu_id}.log"
    rotate_log(log, size_bytes_max=config.log_size_bytes_max, files_kept=config.log_files_kept)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        {**os.environ, SPU_MARK_VARIABLE: str(path)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable_descriptors()),
        ],
        setsid=True,
        setsigdef=[signal.SIGPIPE],
    )
    pidfd = os.pidfd_open(pid)  # our child, not yet waited for: the pid is still its own
    identity = identify(pid)
    if identity is None:  # it ended at once, and its pidfd says so
        return RunningProcess(ProcessIdentity(pid, 0, ""), pidfd)
    try:
        write_file(path, SpuProcess(int(spu_id), identity, command))
    except OSError as error:  # it runs all the same, and can be found by its environment
        logger.warning("spu=%s pid=%s file=not_written reason=%s", spu_id, pid, error)
    return RunningProcess(identity, pidfd)


def _inheritable_descriptors() -> list[int]:
    """What we were given by whoever started us; kept open, a pipe of theirs would never end."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found


def rotate_log(path: Path, *, size_bytes_max: int, files_kept: int) -> None:
    """Move a log that has grown too large to `.1`, older ones one further; the oldest goes."""
    if not path.exists() or path.stat().st_size < size_bytes_max:
        return
    for number in range(files_kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))


def _command_of(identity: ProcessIdentity) -> tuple[str, ...]:
    """The words a running process was started with."""
    try:
        words = Path("/proc", str(identity.pid), "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode("utf-8", "surrogateescape") for word in words.split(b"\0")[:-1])
