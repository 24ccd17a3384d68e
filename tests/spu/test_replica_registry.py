"""Assignments: what is opened, followed, stopped, deleted, adopted, and what is told about it."""

import asyncio
import logging
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import SegmentCleanup, TopicStorage
from fluvio_protocol.sc_private.replica_status import ReplicaRemoved
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId
from fluvio_spu.app import DataFolderInUse, SpuApp
from fluvio_spu.config import Address
from fluvio_spu.replica.log_settings import RETENTION_FOREVER_MS
from fluvio_spu.replica.partition_folder import REMOVED_FOLDER, UID_FILE

pytestmark = pytest.mark.asyncio

T0 = ReplicaKey("t", PartitionId(0))
OTHER = SpuId(5002)


def folder(spu: Any, name: str = "t-0") -> Path:
    return Path(spu.app.config.replica_dir) / name


def removed_folders(spu: Any) -> list[str]:
    removed = Path(spu.app.config.replica_dir) / REMOVED_FOLDER
    return sorted(path.name for path in removed.iterdir()) if removed.exists() else []


async def test_an_opened_replica_is_reported_at_once(spu_factory: Any, assignment: Any) -> None:
    spu = await spu_factory.start()
    assert spu.app.registry.take_reports(everything=True) == ()
    await spu.assign(assignment(epoch=7, replicas=(5001, 5002)))
    assert spu.changes.is_set()
    (report,) = spu.app.registry.take_reports()
    assert (report.key, report.leader_epoch, report.base_offset) == (T0, 7, 0)
    assert (report.leader.spu, report.leader.hw, report.leader.leo) == (5001, 0, 0)
    assert [(one.spu, one.leo) for one in report.followers] == [(5002, -1)]
    assert spu.app.registry.take_reports() == ()
    assert len(spu.app.registry.take_reports(everything=True)) == 1


async def test_reports_speak_of_what_changed(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await spu.assign(assignment("u"))
    spu.app.registry.take_reports()
    await client.produce("t", batch("a", "b"))
    (report,) = spu.app.registry.take_reports()
    assert (report.key, report.leader.leo, report.leader.hw) == (T0, 2, 2)
    assert report.size_bytes >= len(batch("a", "b"))


async def test_replicas_led_elsewhere_are_held_and_not_served(spu: Any, assignment: Any) -> None:
    await spu.assign(assignment("far", leader=OTHER, replicas=(OTHER, 5001)))
    key = ReplicaKey("far", PartitionId(0))
    assert spu.app.registry.get(key) is None
    assert spu.app.registry.leader_of(key) == OTHER
    assert [replica.key for replica in spu.app.registry.followers()] == [key]
    assert folder(spu, "far-0").exists()
    assert spu.app.registry.leader_of(ReplicaKey("unknown", PartitionId(0))) is None


async def test_older_epochs_are_ignored(spu: Any, assignment: Any) -> None:
    await spu.assign(assignment(epoch=5))
    assert spu.replica().leader_epoch == 5
    await spu.assign(assignment(epoch=4, leader=OTHER))
    assert spu.replica().leader_epoch == 5
    assert spu.app.registry.leader_of(T0) == 5001
    await spu.assign(assignment(epoch=6, leader=OTHER))
    assert spu.app.registry.get(T0) is None


async def test_a_moved_leadership_keeps_the_data(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await client.produce("t", batch("a", "b"))
    await spu.assign(assignment(epoch=2, leader=OTHER))
    await spu.assign(assignment(epoch=3))
    assert (spu.replica().leo, spu.replica().leader_epoch) == (2, 3)


async def test_settings_of_a_topic_reach_its_log(spu: Any, assignment: Any) -> None:
    await spu.assign(
        assignment(
            epoch=2,
            storage=TopicStorage(segment_size=5000, max_partition_size=9000),
            cleanup_policy=SegmentCleanup(time_in_seconds=60),
        )
    )
    config = spu.replica().log.config
    assert config.segment_size_bytes_max == 5000
    assert config.partition_size_bytes_max == 9000
    assert config.retention_ms == 60_000
    assert spu.replica().batch_size_bytes_max == 5000


async def test_consumer_offsets_never_grow_too_old(spu: Any, assignment: Any) -> None:
    policy = SegmentCleanup(time_in_seconds=60)
    await spu.assign(assignment("consumer-offset", cleanup_policy=policy))
    assert spu.replica("consumer-offset").log.config.retention_ms == RETENTION_FOREVER_MS


async def test_deletion_removes_the_files_and_confirms(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await client.produce("t", batch("a"))
    assert folder(spu).exists()
    spu.changes.clear()
    await spu.assign(assignment(is_being_deleted=True))
    assert not folder(spu).exists()
    assert removed_folders(spu) == []
    assert spu.changes.is_set()
    assert spu.app.registry.take_removed() == (ReplicaRemoved(key=T0, uid="uid-1"),)
    assert spu.app.registry.take_removed() == ()
    assert spu.app.registry.assignment_of(T0) is None
    assert spu.app.registry.settled()


async def test_deletion_is_confirmed_whenever_it_is_told(spu: Any, assignment: Any) -> None:
    """Also of what was never here, unless it concerns other SPUs only."""
    for _ in range(2):
        await spu.assign(assignment("x", is_being_deleted=True))
        assert len(spu.app.registry.take_removed()) == 1
    await spu.assign(assignment("x", is_being_deleted=True, leader=OTHER, replicas=(OTHER,)))
    assert spu.app.registry.take_removed() == ()


async def test_a_deletion_that_overtakes_the_opening(spu: Any, assignment: Any) -> None:
    """Nothing of it is left, however the two jobs met."""
    spu.apply(assignment("x"))
    spu.apply(assignment("x", is_being_deleted=True))
    spu.apply(assignment("y"), assignment("z"), assignment("y", is_being_deleted=True))
    await spu.settle()
    assert spu.app.registry.get(ReplicaKey("x", PartitionId(0))) is None
    assert not folder(spu, "x-0").exists()
    assert not folder(spu, "y-0").exists()
    assert folder(spu, "z-0").exists()
    assert {one.key.topic for one in spu.app.registry.take_removed()} == {"x", "y"}


async def test_a_topic_made_again_does_not_serve_old_data(
    spu: Any, client: Any, assignment: Any, batch: Any, values: Any
) -> None:
    await client.produce("t", batch("old"))
    await spu.assign(assignment(uid="uid-2"))
    await spu.app.workers.wait_idle()
    assert spu.replica().uid == "uid-2"
    assert (await client.produce("t", batch("new"))).base_offset == 0
    found = spu.replica().read(0, committed=True, max_bytes=1000)
    assert values(found.view()) == [(0, "new")]
    assert removed_folders(spu) == []
    assert (folder(spu) / UID_FILE).read_text() == "uid-2\n"
    # A late word about the old one leaves the new one alone.
    await spu.assign(assignment(uid="uid-1", is_being_deleted=True))
    assert spu.replica().leo == 1
    assert spu.app.registry.take_removed() == (ReplicaRemoved(key=T0, uid="uid-1"),)


async def test_a_folder_of_another_identity_is_replaced_at_start(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    async with AsyncExitStack() as first:
        spu = await spu_factory.start(assignment(), stack=first)
        await (await spu.client()).produce("t", batch("old"))
    spu = await spu_factory.start(assignment(uid="uid-2"))
    assert spu.replica().leo == 0


async def test_a_folder_that_fluvio_made_is_adopted(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    async with AsyncExitStack() as first:
        spu = await spu_factory.start(assignment(), stack=first)
        await (await spu.client()).produce("t", batch("a", "b"))
        uid_file = folder(spu) / UID_FILE
    uid_file.unlink()
    spu = await spu_factory.start(assignment(uid="uid-9"))
    assert spu.replica().leo == 2
    assert uid_file.read_text() == "uid-9\n"


async def test_a_full_update_stops_what_it_does_not_name_and_keeps_its_data(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await client.produce("t", batch("a"))
    await spu.assign(assignment("u"), full=True)
    assert spu.app.registry.get(T0) is None
    assert folder(spu).exists()
    answer = await client.produce("t", batch("b"))
    assert answer.error_code.error is ErrorCode.NOT_LEADER_FOR_PARTITION
    await spu.assign(assignment("u"), assignment(), full=True)
    assert (await client.produce("t", batch("b"))).base_offset == 1


async def test_a_restart_gives_everything_back(
    spu_factory: Any, assignment: Any, batch: Any, values: Any
) -> None:
    for start in range(3):
        async with AsyncExitStack() as stack:
            spu = await spu_factory.start(assignment(), stack=stack)
            replica = spu.replica()
            assert (replica.leo, replica.hw.value) == (start, start)
            assert replica.log.recovery.walked_bytes == 0
            client = await spu.client()
            assert (await client.produce("t", batch(f"{start}"))).base_offset == start
            found = replica.read(0, committed=True, max_bytes=1 << 20)
            assert [value for _, value in values(found.view())] == ["0", "1", "2"][: start + 1]


async def test_a_restarted_leader_asks_for_an_epoch_of_its_own(
    spu_factory: Any, assignment: Any
) -> None:
    """Of what the process before it asked the controller for, it knows nothing."""
    wanted = assignment(replicas=(5001, OTHER), epoch=3)
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(wanted, stack=stack)
        assert spu.replica().leader_epoch == 3
    spu = await spu_factory.start(wanted)
    registry = spu.app.registry
    assert registry.get(T0) is None
    registry.tick()  # and asks again, should the controller have forgotten
    _, resignations = spu.app._news.take()
    assert [(told.leader_epoch, told.successor) for told in resignations] == [(3, 5001)]
    await spu.assign(assignment(replicas=(5001, OTHER), epoch=4))
    assert spu.replica().leader_epoch == 4


async def test_a_crash_loses_nothing_that_was_acknowledged(
    spu_factory: Any, assignment: Any, batch: Any, tmp_path: Path
) -> None:
    """A copy of the folder taken while it is served is what a killed process leaves."""
    spu = await spu_factory.start(assignment())
    client = await spu.client()
    for _ in range(10):
        await client.produce("t", batch("a", "b"))
    spu_factory.data_dir, original = tmp_path / "copy", spu_factory.data_dir
    shutil.copytree(original, spu_factory.data_dir)
    copy = await spu_factory.start(assignment())
    assert (copy.replica().leo, copy.replica().hw.value) == (20, 20)
    assert (await (await copy.client()).produce("t", batch("c"))).base_offset == 20


async def test_two_processes_cannot_serve_one_folder(spu_factory: Any) -> None:
    await spu_factory.start()
    with pytest.raises(DataFolderInUse):
        async with SpuApp(spu_factory.config()):
            pytest.fail("it started")


async def test_a_busy_port_is_named_and_nothing_stays_behind(spu_factory: Any, spu: Any) -> None:
    port = spu.app.public_port
    spu_factory.data_dir = spu_factory.data_dir.with_name("other")
    config = spu_factory.config()
    config = type(config)(
        spu_id=config.spu_id,
        public=Address("127.0.0.1", port),
        private=config.private,
        log_base_dir=config.log_base_dir,
    )
    with pytest.raises(Exception, match=str(port)):
        async with SpuApp(config):
            pytest.fail("it started")
    await spu_factory.start()


async def test_leftovers_of_a_cut_short_removal_go_at_the_next_start(
    spu_factory: Any,
) -> None:
    config = spu_factory.config()
    left = Path(config.replica_dir) / REMOVED_FOLDER / "t-0.0"
    left.mkdir(parents=True)
    (left / "00000000000000000000.log").write_bytes(b"x")
    spu = await spu_factory.start()
    assert removed_folders(spu) == []


@pytest.mark.parametrize("topic", ["../escape", "a/b", "..", ".hidden", ""])
async def test_no_topic_leaves_the_data_folder(
    spu: Any, assignment: Any, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        spu.apply(assignment(topic))
        await spu.app.workers.wait_idle()
    assert "open_failed" in caplog.text
    assert spu.app.registry.get(ReplicaKey(topic, PartitionId(0))) is None


async def test_a_log_that_cannot_be_opened_does_not_stop_the_others(
    spu_factory: Any, assignment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluvio_spu.replica.registry.OPEN_RETRY_DELAY_S", 0.01)
    spu = await spu_factory.start()
    blocked = folder(spu, "bad-0")
    blocked.write_text("a file where a folder must be")
    spu.apply(assignment("bad"), assignment("good"), full=True)
    await spu.app.workers.wait_idle()
    assert spu.app.registry.ready
    assert spu.app.registry.get(ReplicaKey("good", PartitionId(0))) is not None
    blocked.unlink()
    async with asyncio.timeout(20):
        while not spu.app.registry.settled():
            spu.changes.clear()
            await spu.changes.wait()
    assert spu.app.registry.get(ReplicaKey("bad", PartitionId(0))) is not None


async def test_a_thousand_partitions_open_while_clients_are_served(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    spu.apply(*(assignment("many", number) for number in range(1000)))
    served = 0
    while not spu.app.registry.settled():
        assert not (await client.produce("t", batch("x"))).error_code
        served += 1
    assert served > 5
    assert len(spu.app.registry.replicas()) == 1001
    assert len(spu.app.registry.take_reports()) == 1001
    tasks = len(asyncio.all_tasks())
    assert tasks < 10


async def test_clients_wait_until_the_first_assignment_is_served(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    """With a controller that is not there yet: connected, and not answered with an error."""
    spu = await spu_factory.start(controller=Address("127.0.0.1", 1))
    client = await spu.client()
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(client.produce("t", batch("a")))
        other = await spu.client()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await other.assert_silent()
        assert not answer.done()
        spu.apply(assignment(), full=True)
    assert answer.result().base_offset == 0


async def test_retention_and_checkpoints_visit_every_replica(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    storage = TopicStorage(segment_size=4096, max_partition_size=8192)
    spu = await spu_factory.start(*(assignment("r", n, storage=storage) for n in range(25)))
    client = await spu.client()
    for partition in range(25):
        for _ in range(20):
            await client.produce("r", batch(b"x" * 1000), partition=partition)
    spu.app.registry.take_reports()
    for _ in range(10):
        spu.app.housekeeping.tick()
    await spu.app.workers.wait_idle()
    for partition in range(25):
        replica = spu.replica("r", partition)
        assert replica.start_offset > 0
        assert replica.checkpointed_hw == 20
        stored = (folder(spu, f"r-{partition}") / "replication.chk").read_bytes()
        assert int.from_bytes(stored, "big") == 20
    assert len(spu.app.registry.take_reports()) == 25


@pytest.mark.parametrize("left", [b"", b"uid-", b"\0\0\0\0\0\0"])
async def test_an_identity_that_was_lost_with_the_power_costs_no_records(
    spu_factory: Any, assignment: Any, batch: Any, left: bytes
) -> None:
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(assignment(), stack=stack)
        client = await spu.client()
        await client.produce("t", batch("kept"))
        identity = folder(spu, "t-0") / "partition.uid"
        whole = identity.read_bytes()
    identity.write_bytes(left)
    spu = await spu_factory.start(assignment())
    assert spu.replica().leo == 1
    assert identity.read_bytes() == whole


async def test_every_log_is_synced_now_and_then(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    spu = await spu_factory.start(assignment())
    client = await spu.client()
    await client.produce("t", batch("a"))
    log = spu.replica().log
    now_ms = 1_700_000_000_000

    async def visit(after_ms: int) -> int:
        nonlocal now_ms
        now_ms += after_ms
        spu.replica().keep_house(now_ms)
        await spu.app.workers.wait_idle()
        return int(log.unsynced_bytes)

    assert log.unsynced_bytes
    assert await visit(0) == 0
    await client.produce("t", batch("b"))
    assert await visit(1000) > 0
    assert await visit(60_000) == 0
    await client.produce("t", batch("c"))
    assert await visit(-7_200_000) == 0  # the clock was set back
