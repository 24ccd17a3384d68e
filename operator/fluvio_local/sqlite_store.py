"""The objects of a cluster in one SQLite file: the `ObjectStore` of a local cluster.

Called by the controller through the port in `fluvio_sc.core.ports`. All SQLite work runs in one
thread of the store's own, so the event loop never waits for the disk.

Invariants: `apply` returns only after its transaction is on the disk (write-ahead log,
synchronous=FULL), so a kill -9 or a power cut loses nothing that was answered; one process at a
time has the file open (a lock on `<file>.lock`, which the kernel drops with the process).
"""

import asyncio
import dataclasses
import fcntl
import functools
import json
import os
import sqlite3
import typing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

from fluvio_local.object_json import JsonShapeError, from_json, to_json
from fluvio_protocol.metadata.kinds import Kind, spec_type, status_type
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.core.ports import Conflict, PutObject, StoreError, StoreWrite, Written
from fluvio_sc.core.replication_state import ReplicationState

SCHEMA_VERSION = 1

T = TypeVar("T")

_COLUMNS = frozenset({"kind", "name", "uid", "resource_version", "spec", "status"})
"""Fields of StoredObject with a column of their own; all others are in `meta`."""


class StoreUnusable(StoreError):
    """The file cannot be used as it is; somebody has to do something about it."""

    retriable = False


class StoreInUse(StoreUnusable):
    """Another process has the file open."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(
            f"{path} is in use by {owner}: only one controller at a time may run on it"
        )
        self.path = path


class SqliteStore:
    """`async with SqliteStore(path) as store`: opens, or makes, the file.

    Entering raises StoreInUse, or StoreUnusable for a file that is no store, is damaged, or was
    written by a newer release.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-store")
        self._database: _Database | None = None

    async def __aenter__(self) -> Self:
        try:
            self._database = await self._run(lambda: _Database(self.path))
        except BaseException:
            self._thread.shutdown()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._run(self._opened.close)
        finally:
            self._thread.shutdown()

    async def load(self) -> tuple[StoredObject, ...]:
        """Everything, in the order in which it was last written. Raises StoreError."""
        return await self._run(self._opened.load)

    async def apply(self, writes: Sequence[StoreWrite]) -> tuple[Written, ...]:
        """One transaction; see the port. A caller that is cancelled may still have written."""
        return await self._run(lambda: self._opened.apply(writes))

    @property
    def _opened(self) -> "_Database":
        assert self._database is not None, "the store is used inside its `async with`"
        return self._database

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class _Database:
    """The open file. Lives in the store's thread; synchronous."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_fd = _lock(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            os.close(self._lock_fd)
            raise StoreUnusable(f"{path} cannot be opened: {error}") from error
        except BaseException:
            os.close(self._lock_fd)
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("pragma busy_timeout = 5000")  # somebody may look into the file with a shell
        (mode,) = execute("pragma journal_mode = wal").fetchone()
        if mode != "wal":
            raise StoreUnusable(f"{self._path}: its file system allows no write-ahead log ({mode})")
        execute("pragma synchronous = full")
        tables = {
            name for (name,) in execute("select name from sqlite_master where type = 'table'")
        }
        if not tables:
            schema = resources.files("fluvio_local").joinpath("schema.sql").read_text("utf-8")
            self._connection.executescript(f"begin immediate;\n{schema}\ncommit;")
        elif "schema_version" not in tables:
            raise StoreUnusable(f"{self._path} is a database, but not one of a Fluvio cluster")
        (version,) = execute("select version from schema_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreUnusable(
                f"{self._path} was written by a newer release (schema {version}, this one knows "
                f"{SCHEMA_VERSION}): use that release, or another data directory"
            )

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock_fd)

    def load(self) -> tuple[StoredObject, ...]:
        try:
            rows = self._connection.execute(
                "select kind, name, uid, resource_version, spec, status, meta from objects"
                " order by resource_version"
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} cannot be read: {error}") from error
        return tuple(_object(row) for row in rows)

    def apply(self, writes: Sequence[StoreWrite]) -> tuple[Written, ...]:
        execute = self._connection.execute
        try:
            execute("begin immediate")
            (last,) = execute("select last from resource_version").fetchone()
            versions = []
            for write in writes:
                last += 1
                versions.append(Written(last))
                self._write(write, last)
            execute("update resource_version set last = ?", (last,))
            execute("commit")
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreError(f"{self._path} cannot be written: {error}") from error
        except BaseException:
            self._roll_back()
            raise
        return tuple(versions)

    def _write(self, write: StoreWrite, version: int) -> None:
        key = write.object.key if isinstance(write, PutObject) else write.key
        found = self._connection.execute(
            "select resource_version from objects where kind = ? and name = ?",
            (key.kind.value, key.name),
        ).fetchone()
        current = found[0] if found else 0
        if current != write.expected_resource_version:
            raise Conflict(key, expected=write.expected_resource_version, found=current)
        if isinstance(write, PutObject):
            self._connection.execute(
                "insert into objects (kind, name, uid, resource_version, spec, status, meta)"
                " values (?, ?, ?, ?, ?, ?, ?) on conflict (kind, name) do update set"
                " uid = excluded.uid, resource_version = excluded.resource_version,"
                " spec = excluded.spec, status = excluded.status, meta = excluded.meta",
                _row(write.object, version),
            )
        elif not found:
            raise Conflict(key, expected=write.expected_resource_version, found=0)
        else:
            self._connection.execute(
                "delete from objects where kind = ? and name = ?", (key.kind.value, key.name)
            )

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # some failures have already rolled it back
            self._connection.execute("rollback")


def _lock(path: Path) -> int:
    """Descriptor that keeps other controllers out until it is closed. Raises StoreInUse."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(f"{lock_path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 64, 0).decode("ascii", "replace").strip()
        os.close(fd)
        raise StoreInUse(path, f"process {owner}" if owner else "another process") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
    return fd


def _row(stored: StoredObject, version: int) -> tuple[Any, ...]:
    meta = {
        name: to_json(hint, getattr(stored, name)) for name, hint in _meta_annotations().items()
    }
    return (
        stored.kind.value,
        stored.name,
        stored.uid,
        version,
        json.dumps(to_json(spec_type(stored.kind), stored.spec)),
        json.dumps(to_json(status_type(stored.kind), stored.status)),
        json.dumps(meta),
    )


def _object(row: tuple[Any, ...]) -> StoredObject:
    label, name, uid, version, spec, status, meta = row
    try:
        kind = Kind(label)
        written = _present_form(json.loads(meta))
        return StoredObject(
            kind=kind,
            name=name,
            uid=uid,
            resource_version=version,
            spec=from_json(spec_type(kind), json.loads(spec)),
            status=from_json(status_type(kind), json.loads(status)),
            **{
                field: from_json(hint, written[field])
                for field, hint in _meta_annotations().items()
                if field in written
            },
        )
    except (JsonShapeError, ValueError) as error:
        raise StoreUnusable(f"{ObjectKey(label, name)} cannot be read back: {error}") from error


def _present_form(meta: dict[str, Any]) -> dict[str, Any]:
    """Older releases kept the SPUs in sync, and nothing else about replication."""
    if meta.get("in_sync") and "replication" not in meta:
        in_sync = ReplicationState.of_spus(meta["in_sync"])
        meta["replication"] = to_json(ReplicationState, in_sync)
    return meta


@functools.cache
def _meta_annotations() -> dict[str, Any]:
    hints = typing.get_type_hints(StoredObject, include_extras=True)
    names = (declared.name for declared in dataclasses.fields(StoredObject))
    return {name: hints[name] for name in names if name not in _COLUMNS}
