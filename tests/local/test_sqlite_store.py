"""The SQLite store keeps the port's promises, also through kill -9 and against a second user."""

import asyncio
import contextlib
import dataclasses
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluvio_local.sqlite_store import SCHEMA_VERSION, SqliteStore, StoreInUse, StoreUnusable
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.topic import TopicResolution, TopicSpec, TopicStatus
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.cluster_state import (
    OwnerReference,
    StoredObject,
    Tombstone,
)
from fluvio_sc.core.ports import PutObject, RemoveObject, StoreError
from fluvio_sc.core.replication_state import ReplicationState


def topic(name: str, uid: str = "") -> StoredObject:
    return StoredObject(
        kind=Kind.TOPIC, name=name, uid=uid or f"uid-{name}", spec=TopicSpec(), status=TopicStatus()
    )


FULL = StoredObject(
    kind=Kind.PARTITION,
    name="orders-0",
    uid="p-1",
    spec=PartitionSpec(leader=SpuId(5001), replicas=(SpuId(5001), SpuId(5002))),
    status=PartitionStatus(),
    owner=OwnerReference(Kind.TOPIC, "orders", "t-1"),
    finalizers=("files",),
    deletion_requested=True,
    deletion_since_ms=1_700_000_000_000,
    generation=3,
    leader_epoch=LeaderEpoch(7),
    replication=ReplicationState(
        members=(InSyncReplica(spu=SpuId(5002), incarnation=DataIncarnation(1 << 61)),),
        eligible=(InSyncReplica(spu=SpuId(5001)),),
        version=12,
        successor=SpuId(5001),
        target=(SpuId(5003),),
        original=(SpuId(5002),),
        leaving=(SpuId(5004),),
    ),
    min_in_sync=2,
    unclean_election=True,
    is_draining=True,
    tombstones=(Tombstone(ReplicaKey("old", PartitionId(1)), "p-0", LeaderEpoch(2)),),
    is_retained=True,
    annotations={"note": 'any "text" ü'},
    problem="unreadable",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sc.sqlite"


_spec = importlib.util.spec_from_file_location(
    "store_contract", Path(__file__).parent.parent / "sc" / "store_contract.py"
)
assert _spec is not None
assert _spec.loader is not None
store_contract: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(store_contract)
versions_of = store_contract.versions_of


class TestContract(store_contract.StoreContract):  # type: ignore[misc]
    """What every store must do."""

    @pytest.fixture
    def open_store(self, path: Path) -> Callable[[], SqliteStore]:
        return lambda: SqliteStore(path)


@pytest.mark.asyncio
async def test_rows_of_releases_without_replication_load(path: Path) -> None:
    async with SqliteStore(path) as store:
        await store.apply([PutObject(FULL, 0)])
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        (text,) = connection.execute("select meta from objects").fetchone()
        meta = json.loads(text)
        for field in ("replication", "min_in_sync", "unclean_election", "is_draining"):
            del meta[field]
        meta["in_sync"] = [5002, 5001]
        connection.execute("update objects set meta = ?", (json.dumps(meta),))
    async with SqliteStore(path) as store:
        (loaded,) = await store.load()
    assert loaded.replication == ReplicationState.of_spus((SpuId(5002), SpuId(5001)))
    assert (loaded.leader_epoch, loaded.min_in_sync, loaded.is_draining) == (7, None, False)


@pytest.mark.asyncio
async def test_every_field_survives_reopening(path: Path) -> None:
    for declared in dataclasses.fields(StoredObject):  # a new field must not go untested
        if declared.name not in ("resource_version", "kind"):
            assert getattr(FULL, declared.name) != getattr(topic("x"), declared.name)
    async with SqliteStore(path) as store:
        assert await store.load() == ()
        (version,) = await versions_of(store, [PutObject(FULL, 0)])
    async with SqliteStore(path) as store:
        assert await store.load() == (dataclasses.replace(FULL, resource_version=version),)


@pytest.mark.asyncio
async def test_versions_only_grow_also_after_removal_and_reopening(path: Path) -> None:
    async with SqliteStore(path) as store:
        versions = list(
            await versions_of(store, [PutObject(topic("a"), 0), PutObject(topic("b"), 0)])
        )
        versions += await versions_of(store, [RemoveObject(topic("b").key, versions[-1])])
    async with SqliteStore(path) as store:
        versions += await versions_of(store, [PutObject(topic("c"), 0)])
        versions += await versions_of(store, [PutObject(topic("a"), versions[0])])
        loaded = {stored.name: stored.resource_version for stored in await store.load()}
    assert versions == sorted(set(versions))
    assert loaded == {"c": versions[3], "a": versions[4]}


@pytest.mark.asyncio
async def test_a_uid_is_never_used_twice(path: Path) -> None:
    async with SqliteStore(path) as store:
        await versions_of(store, [PutObject(topic("a", uid="same"), 0)])
        with pytest.raises(StoreError, match="uid"):
            await versions_of(store, [PutObject(topic("b", uid="same"), 0)])
        await versions_of(store, [PutObject(topic("c"), 0)])  # and the store goes on


@pytest.mark.asyncio
async def test_work_is_done_in_one_thread_that_is_not_the_loops(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    connect = sqlite3.connect

    def spy(*arguments: object, **named: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda _: threads.add(threading.get_ident()))
        return connection

    monkeypatch.setattr(sqlite3, "connect", spy)
    async with SqliteStore(path) as store, asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(store.apply([PutObject(topic(f"t{number}"), 0)]))
    async with SqliteStore(path) as store:
        assert len(await store.load()) == 20
    assert threading.get_ident() not in threads
    assert len(threads) <= 2  # one for each time it was opened


@pytest.mark.asyncio
async def test_commits_are_durable_before_they_are_answered(path: Path) -> None:
    async with SqliteStore(path) as store:
        pragmas = await store._run(
            lambda: [
                store._opened._connection.execute(f"pragma {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous")
            ]
        )
    assert pragmas == ["wal", 2]  # 2: FULL


@pytest.mark.asyncio
async def test_a_second_controller_is_kept_out_and_told_who_is_in(path: Path) -> None:
    async with SqliteStore(path):
        with pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}"):
            await SqliteStore(path).__aenter__()
    async with SqliteStore(path):
        pass


@pytest.mark.asyncio
async def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    async with SqliteStore(path) as store:
        await versions_of(store, [PutObject(topic("a"), 0)])
    with sqlite3.connect(path) as connection:
        connection.execute("update schema_version set version = ?", (SCHEMA_VERSION + 1,))
    connection.close()
    with pytest.raises(StoreUnusable, match=r"newer release \(schema 2"):
        await SqliteStore(path).__aenter__()


def write_noise(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)


def write_other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table accounts (id integer)")
    connection.close()


@pytest.mark.parametrize(
    ("write", "said"),
    [(write_noise, "not a database"), (write_other_database, "not one of a Fluvio cluster")],
)
@pytest.mark.asyncio
async def test_foreign_files_are_refused(
    path: Path, write: Callable[[Path], None], said: str
) -> None:
    write(path)
    with pytest.raises(StoreUnusable, match=said):
        await SqliteStore(path).__aenter__()


@pytest.mark.asyncio
async def test_a_missing_folder_is_named(path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"nowhere.*cannot be opened"):
        await SqliteStore(path.parent / "nowhere" / "sc.sqlite").__aenter__()


@pytest.mark.asyncio
async def test_an_object_that_cannot_be_read_is_named(path: Path) -> None:
    async with SqliteStore(path) as store:
        await versions_of(store, [PutObject(topic("orders"), 0)])
    with sqlite3.connect(path) as connection:
        connection.execute('update objects set spec = \'{"compression_type": "ZIP"}\'')
    connection.close()
    async with SqliteStore(path) as store:
        with pytest.raises(StoreUnusable, match=r"Topic orders cannot be read back.*ZIP"):
            await store.load()


@pytest.mark.asyncio
async def test_a_full_disk_is_an_error_and_the_store_goes_on(path: Path) -> None:
    async with SqliteStore(path) as store:
        await versions_of(store, [PutObject(topic("a"), 0)])

        def limit(pages: int) -> None:
            store._opened._connection.execute(f"pragma max_page_count = {pages}")

        await store._run(lambda: limit(1))  # as many as there are
        big = dataclasses.replace(topic("big"), annotations={"text": "x" * 100_000})
        with pytest.raises(StoreError, match="full"):
            await versions_of(store, [PutObject(big, 0)])
        await store._run(lambda: limit(1_000_000))
        await versions_of(store, [PutObject(big, 0)])
        assert {stored.name for stored in await store.load()} == {"a", "big"}


WRITER = """
import asyncio, dataclasses, itertools, pathlib, sys
from fluvio_local.sqlite_store import SqliteStore
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.ports import PutObject

async def main():
    async with SqliteStore(pathlib.Path(sys.argv[1])) as store:
        versions = {item.name: item.resource_version for item in await store.load()}
        first = 1 + max(
            (int(item.status.reason) for item in await store.load()), default=-1
        )
        for number in itertools.count(first):
            pair = []
            for name in ("left", "right"):
                status = TopicStatus(reason=str(number))
                item = StoredObject(
                    kind=Kind.TOPIC, name=name, uid=name, spec=TopicSpec(), status=status
                )
                pair.append(PutObject(item, versions.get(name, 0)))
            left, right = await store.apply(pair)
            versions["left"], versions["right"] = left.resource_version, right.resource_version
            print(number, flush=True)

asyncio.run(main())
"""


def start_writer(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)


def kill_after(writer: subprocess.Popen[bytes], answers: int) -> int:
    """kill -9 the writer once it has had so many answers; the last number it was answered."""
    assert writer.stdout is not None
    with writer.stdout:
        lines = [writer.stdout.readline() for _ in range(answers)]
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        lines += [line for line in writer.stdout.readlines() if line.endswith(b"\n")]
    return int(lines[-1])


@pytest.mark.asyncio
async def test_kill_nine_in_the_middle_of_transactions(path: Path) -> None:
    """What was answered is there; the two objects of one transaction never differ."""
    answered = -1
    for round_number in range(5):
        before = answered
        answered = kill_after(start_writer(path), answers=10 + round_number)
        assert answered >= before + 10
        async with SqliteStore(path) as store:
            left, right = sorted(await store.load(), key=lambda stored: stored.name)
        assert left.status == right.status
        assert int(left.status.reason) in (answered, answered + 1)  # the last may be unanswered
        assert left.status.resolution is TopicResolution.INIT


@pytest.mark.asyncio
async def test_the_lock_goes_with_its_process(path: Path) -> None:
    writer = start_writer(path)
    assert writer.stdout is not None
    writer.stdout.readline()
    with pytest.raises(StoreInUse, match=str(writer.pid)):
        await SqliteStore(path).__aenter__()
    kill_after(writer, answers=1)
    async with SqliteStore(path) as store:
        assert len(await store.load()) == 2
