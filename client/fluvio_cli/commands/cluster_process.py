"""The local cluster as processes: starts and asks `python -m fluvio_local`, never imports it.

Called by the other `cluster` commands. Knows flags and the JSON that `inspect` prints, and nothing
of how a cluster works.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from fluvio_cli.failure import Failure

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_PUBLIC = "127.0.0.1:9003"
DEFAULT_PRIVATE = "127.0.0.1:9004"
DEFAULT_SPU_PORT_BASE = 9010
SPU_ID_FIRST = 5001
LOG_TAIL_LINES = 12
SPU_LOG_TAIL_LINES = 2
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
_MODULE = (sys.executable, "-P", "-m", "fluvio_local")


def default_data_directory() -> Path:
    """Where a cluster is unless the user says otherwise."""
    return Path.home() / ".fluvio" / "data"


def default_log_directory() -> Path:
    """Where logs go unless the user says otherwise."""
    return Path.home() / ".fluvio" / "log"


def data_directory_option(command: Command) -> Command:
    """Add `--data-dir` to a command; its parameter is `data_dir: Path`."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_data_directory,
        callback=lambda _context, _parameter, value: value.absolute(),
        metavar="DIR",
        help="Where the cluster's data is  [default: ~/.fluvio/data]",
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """What a local cluster is started with; kept with its data, so that `resume` knows it."""

    data_directory: Path
    log_directory: Path
    public: str = DEFAULT_PUBLIC
    private: str = DEFAULT_PRIVATE
    spu_count: int = 1
    spu_port_base: int = DEFAULT_SPU_PORT_BASE
    name: str = "local"
    durability: str | None = None
    min_in_sync_replicas: int = 1
    read_only: Path | None = None

    @property
    def endpoint(self) -> str:
        """Where clients of this machine connect."""
        host, _, port = self.public.rpartition(":")
        return f"{_WILDCARDS.get(host, host)}:{port}"

    @property
    def spu_ids(self) -> range:
        """Ids of the SPUs that the cluster runs by itself."""
        return range(SPU_ID_FIRST, SPU_ID_FIRST + self.spu_count)

    def flags(self) -> list[str]:
        """For `fluvio_local`."""
        return [
            *("--data-dir", str(self.data_directory)),
            *("--log-dir", str(self.log_directory)),
            *("--public", self.public),
            *("--private", self.private),
            *("--spu", str(self.spu_count)),
            *("--spu-port-base", str(self.spu_port_base)),
            *("--name", self.name),
            *(("--durability", self.durability) if self.durability is not None else ()),
            *("--min-in-sync-replicas", str(self.min_in_sync_replicas)),
            *(("--read-only", str(self.read_only)) if self.read_only is not None else ()),
        ]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is in a data directory, and what of it runs.

    settings:         None when there is no cluster
    platform_version: that it was last started with, and that of this installation
    busy_ports:       sentences that name a port and who has it
    """

    settings: ClusterSettings | None
    platform_version: str | None
    installed_version: str
    controller_pid: int | None
    spu_pids: dict[int, int]
    busy_ports: tuple[str, ...]

    @property
    def running(self) -> list[tuple[str, int]]:
        """Module and pid of every process, the controller first."""
        controller = [] if self.controller_pid is None else [("fluvio_local", self.controller_pid)]
        return [*controller, *(("fluvio_spu", pid) for pid in self.spu_pids.values())]


def inspect(data_directory: Path, *, ports_of: ClusterSettings | None = None) -> Inspection:
    """Look; with `ports_of` also whether the ports of those settings are free. Raises Failure."""
    flags = ["--data-dir", str(data_directory)]
    if ports_of is not None:
        flags = ["--ports", *ports_of.flags()]
    answer = json.loads(_ask("inspect", flags))
    cluster = answer["cluster"]
    return Inspection(
        settings=None if cluster is None else _settings(data_directory, cluster),
        platform_version=None if cluster is None else cluster["platform_version"],
        installed_version=answer["platform_version"],
        controller_pid=answer["controller_pid"],
        spu_pids={int(spu_id): pid for spu_id, pid in answer["spu_pids"].items()},
        busy_ports=tuple(answer["busy_ports"]),
    )


def stop(data_directory: Path) -> None:
    """Stop whatever runs of the cluster; returns when it has ended. Raises Failure."""
    _ask("stop", ["--data-dir", str(data_directory)])


def delete(data_directory: Path) -> None:
    """Stop the cluster and remove its data. Raises Failure."""
    _ask("delete", ["--data-dir", str(data_directory)])


class Controller:
    """The controller process that we started; it goes on when we end."""

    def __init__(self, settings: ClusterSettings) -> None:
        """Start it, as leader of a session of its own. Raises Failure."""
        self._log = settings.log_directory / "sc.log"
        self._cluster_file = settings.data_directory / "cluster.json"
        try:
            settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            settings.log_directory.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._log_position = log.tell()
                self._started_at = time.time()
                self._process = subprocess.Popen(
                    [*_MODULE, "run", *settings.flags()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd=settings.data_directory,
                )
        except OSError as error:
            raise Failure(f"The cluster cannot be started: {error}") from error

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def accepted(self) -> bool:
        """It has the data and the ports for itself: who listens there now is no other."""
        try:
            described = json.loads(self._cluster_file.read_text("utf-8"))
        except FileNotFoundError:
            return False
        return (described.get("controller") or {}).get("pid") == self._process.pid

    def log_tail(self) -> str:
        """The last lines that were logged since it was started, its SPUs' last ones too."""
        with self._log.open("rb") as log:
            log.seek(self._log_position)
            lines = log.read().decode("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
        for path in sorted(self._log.parent.glob("spu-*.log")):
            if path.stat().st_mtime >= self._started_at:
                written = path.read_text("utf-8", "replace").splitlines()
                lines += [f"{path.name}: {line}" for line in written[-SPU_LOG_TAIL_LINES:]]
        return "\n".join(lines) or f"nothing was logged in {self._log}"

    def terminate(self) -> None:
        """Ask it to stop, and wait until it has; it stops its SPUs."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _settings(data_directory: Path, cluster: dict[str, Any]) -> ClusterSettings:
    return ClusterSettings(
        data_directory=data_directory,
        log_directory=Path(cluster["log_directory"]),
        public=_address(cluster["public"]),
        private=_address(cluster["private"]),
        spu_count=cluster["spu_count"],
        spu_port_base=cluster["spu_port_base"],
        name=cluster["name"],
        durability=cluster.get("durability"),
        min_in_sync_replicas=cluster.get("min_in_sync_replicas", 1),
        read_only=Path(cluster["read_only"]) if cluster.get("read_only") else None,
    )


def _address(address: dict[str, Any]) -> str:
    host = f"[{address['host']}]" if ":" in address["host"] else address["host"]
    return f"{host}:{address['port']}"


def _ask(command: str, flags: Sequence[str]) -> str:
    """Run one command to its end; what it printed. Raises Failure with what it complained of."""
    result = subprocess.run(
        [*_MODULE, command, *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no reason given"]
        if "No module named" in lines[-1]:
            raise Failure(
                "Local clusters are not installed: install the distribution with its 'local' extra"
            )
        raise Failure(lines[-1])
    return result.stdout
