"""What a data directory of a local cluster holds, and the small files that describe it.

    cluster.json           how the cluster was started, and its controller process
    sc.sqlite              objects (sqlite_store.py), with -wal, -shm and .lock beside it
    run/spu-<id>.json      SPU process (process_runtime.py)
    spu-logs-<id>/         partitions of an SPU (fluvio_spu)

The controller alone writes cluster.json and run/. Files are replaced whole and durably, so a
reader sees the old or the new one. JSON as in `object_json.py`.
"""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fluvio_local.object_json import JsonShapeError, from_json, to_json
from fluvio_local.process_identity import ProcessIdentity

T = TypeVar("T")

CLUSTER_FORMAT = 1
SPU_ID_FIRST = 5001
SPU_PORT_STEP = 10


class UnreadableFile(Exception):
    """A description that cannot be read: damaged, or written by a newer release."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From `host:port`; an IPv6 host stands in brackets. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError(f'"{text}" is no address: expected "host:port"')
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """How a local cluster is started; `resume` starts it the same way.

    name:       what its profile is called, and what is typed to delete it
    durability: policy that every SPU is told; None leaves it to the environment, or the default
    min_in_sync_replicas: replicas in sync that a record needs before it is committed
    read_only:  file with the objects of the cluster, which clients cannot change; None: they can
    controller: its process while it runs, and after it was killed; None after a clean stop
    """

    platform_version: str
    public: Address
    private: Address
    spu_count: int
    spu_port_base: int
    log_directory: str
    name: str = "local"
    durability: str | None = None
    min_in_sync_replicas: int = 1
    read_only: str | None = None
    controller: ProcessIdentity | None = None
    format: int = CLUSTER_FORMAT

    @property
    def spu_ids(self) -> tuple[int, ...]:
        """Ids of the SPUs that belong to the cluster from its start."""
        return tuple(range(SPU_ID_FIRST, SPU_ID_FIRST + self.spu_count))

    def spu_public(self, spu_id: int) -> Address:
        """Where clients reach one of `spu_ids`."""
        port = self.spu_port_base + SPU_PORT_STEP * (spu_id - SPU_ID_FIRST)
        return Address(self.public.host, port)

    def spu_private(self, spu_id: int) -> Address:
        """Where other SPUs reach one of `spu_ids`."""
        return Address(self.private.host, self.spu_public(spu_id).port + 1)


@dataclass(frozen=True, slots=True)
class SpuProcess:
    """A started SPU: adopted by the next controller when it still runs and is still wanted."""

    spu_id: int
    process: ProcessIdentity
    command: tuple[str, ...]


class DataDirectory:
    """Paths in a data directory, and its description."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.cluster_file = self.path / "cluster.json"
        self.database = self.path / "sc.sqlite"
        self.run_directory = self.path / "run"

    def spu_file(self, spu_id: int) -> Path:
        return self.run_directory / f"spu-{spu_id}.json"

    def read_cluster(self) -> ClusterDescription | None:
        """None when there is no cluster. Raises UnreadableFile."""
        found = read_file(ClusterDescription, self.cluster_file)
        if found is not None and found.format > CLUSTER_FORMAT:
            raise UnreadableFile(
                f"{self.cluster_file} was written by a newer release (format {found.format}, this "
                f"one knows {CLUSTER_FORMAT}): use that release, or another data directory"
            )
        return found

    def read_spus(self) -> tuple[SpuProcess, ...]:
        """Started SPUs, running or not; a file that cannot be read is left out."""
        found = []
        for path in sorted(self.run_directory.glob("spu-*.json")):
            with contextlib.suppress(UnreadableFile):
                spu = read_file(SpuProcess, path)
                if spu is not None:
                    found.append(spu)
        return tuple(found)

    def remove(self) -> None:
        """Delete the cluster, and nothing else that may lie in the directory.

        The description goes last: what is left after a failure can be deleted again.
        """
        for path in self.path.glob("spu-logs-*"):
            shutil.rmtree(path)
        if self.run_directory.exists():
            shutil.rmtree(self.run_directory)
        for ending in ("", "-wal", "-shm", "-journal", ".lock"):
            self.database.with_name(self.database.name + ending).unlink(missing_ok=True)
        self.cluster_file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other things are in it
            self.path.rmdir()


def read_file(cls: type[T], path: Path) -> T | None:
    """None when there is no such file. Raises UnreadableFile."""
    try:
        value: T = from_json(cls, json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, JsonShapeError) as error:
        raise UnreadableFile(f"{path}: {error}") from error
    return value


def write_file(path: Path, value: object) -> None:
    """Replace a file whole, durably."""
    text = json.dumps(to_json(type(value), value), indent=2) + "\n"
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
