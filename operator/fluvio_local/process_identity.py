"""Which process is meant: a pid alone is not enough, since the kernel uses pids again.

A process is named by its pid, the time it started and the boot of the machine. Signals go through
a pidfd that was checked after it was opened, so they can never reach a stranger. Linux only.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of one boot of this machine.

    start_time: clock ticks since boot, field 22 of /proc/<pid>/stat
    boot_id:    /proc/sys/kernel/random/boot_id
    """

    pid: int
    start_time: int
    boot_id: str

    @property
    def alive(self) -> bool:
        """It still runs; an ended process that nobody has waited for does not count."""
        return identify(self.pid) == self


class RunningProcess:
    """A process held by its pidfd: it may end, but nobody else can take its place.

    Not of necessity our child. `close` it when done.
    """

    def __init__(self, identity: ProcessIdentity, pidfd: int) -> None:
        self.identity = identity
        self.pidfd = pidfd

    @classmethod
    def open(cls, identity: ProcessIdentity) -> "RunningProcess | None":
        """None when the process is gone, whoever has its pid now."""
        try:
            pidfd = os.pidfd_open(identity.pid)
        except OSError:
            return None
        if identity.alive:  # asked after opening: the pidfd is of this process or of nobody
            return cls(identity, pidfd)
        os.close(pidfd)
        return None

    def signal(self, number: signal.Signals) -> None:
        """No effect on a process that has ended. Raises PermissionError for another user's."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def exited(self) -> bool:
        return self.wait(0.0)

    def wait(self, timeout_s: float) -> bool:
        """Block until it has ended, or not longer than this; say whether it has."""
        poll = select.poll()  # select.select knows no descriptors above 1023
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def reap(self) -> str:
        """Say how the exited process ended, and release it when it was our child."""
        with contextlib.suppress(ChildProcessError):
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
            if result is not None:
                if result.si_code == os.CLD_EXITED:
                    return f"exit status {result.si_status}"
                return f"signal {signal.Signals(result.si_status).name}"
        return "unknown status"

    def close(self) -> None:
        os.close(self.pidfd)


def identify(pid: int) -> ProcessIdentity | None:
    """Identity of the process that has this pid now; None when none has, or it has ended."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    if not fields or fields[0] in ("Z", "X"):
        return None
    return ProcessIdentity(pid, int(fields[19]), boot_id)


def find_by_environment(name: str, value: str) -> ProcessIdentity | None:
    """A process of ours that was started with this environment variable."""
    wanted = f"{name}={value}".encode()
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # ended, or of another user
                continue
            if wanted in environment.split(b"\0"):
                found = identify(int(entry.name))
                if found is not None:
                    return found
    return None


def stop_processes(processes: Sequence[RunningProcess], *, patience_s: float) -> None:
    """SIGTERM to all, wait, SIGKILL to those that are left. Blocks; for the command line."""
    _signal_and_wait(processes, signal.SIGTERM, patience_s)
    _signal_and_wait(processes, signal.SIGKILL, 5.0)


def _signal_and_wait(
    processes: Sequence[RunningProcess], number: signal.Signals, patience_s: float
) -> None:
    deadline = time.monotonic() + patience_s
    running = [process for process in processes if not process.exited()]
    for process in running:
        process.signal(number)
    for process in running:
        process.wait(max(0.0, deadline - time.monotonic()))
