"""The processes of a measurement: the floor, the SPU and the load, each on a core of its own.

On a machine with two cores or more the servers share the first and the load has the second, so
that no measurement is of the scheduler. A server's processor time and memory are read from /proc.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fake_controller import SPU_ID

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {CORES[0]}
LOAD_CORES = {CORES[1 % len(CORES)]}
FILES_MAX = 65_536


def build(directory: Path) -> None:
    """Compile the two C programs. Raises RuntimeError when there is no compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise RuntimeError("the benchmark compares with a C program: install a C compiler (cc)")
    for name in ("floor", "load"):
        source = str(HERE / f"{name}.c")
        subprocess.run([compiler, "-O2", "-o", str(directory / name), source], check=True)


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Processes started inside run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_many_files() -> None:
    """A thousand connections need more open files than most shells allow at first."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class Server:
    """A process on the servers' core, and what it costs."""

    def __init__(self, command: list[str], **options: Any) -> None:
        with pinned(SERVER_CORES):
            self.process: subprocess.Popen[str] = subprocess.Popen(command, text=True, **options)
        self.port = 0

    def cpu_s(self) -> float:
        """Processor time used so far, of all its threads, in user and kernel."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def resident_bytes(self) -> int:
        """Memory that is its own: mapped log files do not count."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not tell RssAnon")

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


class Floor(Server):
    """The C server, with a log of its own."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "floor.log"
        self._file.unlink(missing_ok=True)
        super().__init__([str(directory / "floor"), str(self._file)], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def remove(self) -> None:
        """End it and delete its log."""
        self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._file.unlink()


class Spu(Server):
    """The SPU, as `python -m fluvio_spu` starts it."""

    def __init__(self, directory: Path, controller_port: int, *options: str) -> None:
        public, private = _free_port(), _free_port()
        log = (directory / "spu.log").open("a")
        super().__init__(
            [
                *(sys.executable, "-m", "fluvio_spu", "--id", str(SPU_ID)),
                *("--public", f"127.0.0.1:{public}", "--private", f"127.0.0.1:{private}"),
                *("--sc", f"127.0.0.1:{controller_port}"),
                *("--log-base-dir", str(directory / "spu"), *options),
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        self.port = public

    def wait_serving(self, timeout_s: float = 30) -> None:
        """Until its public port answers."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("the SPU does not serve; see spu.log") from None
                time.sleep(0.01)


def load(directory: Path, *arguments: object) -> dict[str, Any]:
    """Run the load to its end and return what it measured."""
    with pinned(LOAD_CORES):
        result = subprocess.run(
            [str(directory / "load"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    if result.returncode != 0:
        raise RuntimeError(f"load {' '.join(map(str, arguments))}: {result.stderr.strip()}")
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
