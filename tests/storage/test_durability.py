"""Policies as text, and what a sync covers."""

from random import Random

import pytest
from fake_disk import FakeDisk
from log_twin import SMALL, as_input, make_batch

from fluvio_protocol.types import Offset
from fluvio_spu.storage import DurabilityMode, DurabilityPolicy, Log, LogConfig

DIRECTORY = "data/topic-0"


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("page-cache", DurabilityPolicy()),
        (" every-batch ", DurabilityPolicy(DurabilityMode.EVERY_BATCH)),
        ("group", DurabilityPolicy(DurabilityMode.GROUP, 10, 1 << 20)),
        ("group:5:4096", DurabilityPolicy(DurabilityMode.GROUP, 5, 4096)),
    ],
)
def test_a_policy_is_read_and_written(text: str, policy: DurabilityPolicy) -> None:
    assert DurabilityPolicy.parse(text) == policy
    assert DurabilityPolicy.parse(str(policy)) == policy


@pytest.mark.parametrize(
    "text",
    ["", "fsync", "group:", "group:5", "group:a:b", "group:0:1", "group:1:-1", "page-cache:1:2"],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected page-cache"):
        DurabilityPolicy.parse(text)


def test_when_a_sync_is_due() -> None:
    group = DurabilityPolicy(DurabilityMode.GROUP, interval_ms=10, bytes=1000)
    assert not group.is_due(999, waited_ms=9.9)
    assert group.is_due(1000, waited_ms=0)
    assert group.is_due(1, waited_ms=10)
    assert not group.is_due(0, waited_ms=99)
    assert DurabilityPolicy(DurabilityMode.EVERY_BATCH).is_due(1, waited_ms=0)
    assert not DurabilityPolicy().is_due(1 << 40, waited_ms=1 << 40)


def test_one_sync_covers_all_segments_since_the_last(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(30):
        log.append(as_input([make_batch(2, payload_size=100)]))
    assert log.segment_count == 3
    assert log.unsynced_bytes == 30 * 157
    log.sync_handle().run()
    assert disk.calls["sync_data"] == 3
    assert (log.unsynced_bytes, log.durable_offset) == (0, 60)
    log.append(as_input([make_batch(2)]))
    log.sync_handle().run()
    assert disk.calls["sync_data"] == 4
    assert disk.calls["sync_directory"] == 2, "the folder and the one it is in, once"


@pytest.mark.parametrize("seed", range(20))
def test_the_names_of_new_segments_are_synced_too(disk: FakeDisk, seed: int) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(3):
        for _ in range(20):
            log.append(as_input([make_batch(2, payload_size=100)]))
        log.sync_handle().run()
    durable = log.durable_offset
    assert durable == 120
    disk.lose_power(Random(seed))
    log = Log.open(disk, DIRECTORY, SMALL)
    assert log.recovery.clean
    assert log.end_offset == durable


@pytest.mark.parametrize("seed", range(40))
def test_a_power_cut_after_a_truncation_leaves_no_hole(disk: FakeDisk, seed: int) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(60):
        log.append(as_input([make_batch(2, payload_size=100)]))
    log.sync_handle().run()
    log.truncate(Offset(30))
    disk.lose_power(Random(seed))
    log = Log.open(disk, DIRECTORY, SMALL)
    assert log.recovery.clean
    assert log.end_offset >= 30
    offset = Offset(0)
    while piece := log.read(offset, end=log.end_offset, max_bytes=1):
        offset = piece.next_offset
    assert offset == log.end_offset


def test_a_sync_says_nothing_before_it_has_run(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(50):
        log.append(as_input([make_batch(2)]))
        log.sync_handle()
    assert log.durable_offset == 0
    log.sync_handle().run()
    assert log.durable_offset == 100


def test_syncs_that_end_in_another_order(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    handles = []
    for _ in range(3):
        log.append(as_input([make_batch(2)]))
        handles.append(log.sync_handle())
    handles[2].run()
    assert log.durable_offset == 6
    handles[0].run()
    handles[1].run()
    assert (log.durable_offset, log.unsynced_bytes) == (6, 0)


def test_a_sync_outlives_retention_and_close(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(100):
        log.append(as_input([make_batch(2, payload_size=100)]))
    handle = log.sync_handle()
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=1))
    for one in log.expire(0):
        one.delete()
    log.close()
    handle.run()
    assert handle.end_offset == 200


def test_what_an_earlier_process_did_not_sync_is_unsynced(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    for _ in range(30):
        log.append(as_input([make_batch(2, payload_size=100)]))
    disk.restart_process()
    log = Log.open(disk, DIRECTORY, SMALL)
    assert log.unsynced_bytes == 30 * 157
    before = disk.calls["sync_data"]
    log.sync_handle().run()
    assert disk.calls["sync_data"] - before == 3
    assert log.durable_offset == 60
    log.close()
    log = Log.open(disk, DIRECTORY, SMALL)
    assert log.unsynced_bytes == 0
    assert log.durable_offset == 60


def test_the_high_watermark_is_stored_as_upstream_stores_it(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    log.append(as_input([make_batch(9)]))
    log.set_high_watermark(Offset(5))
    log.checkpoint()
    assert bytes(disk.file(f"{DIRECTORY}/replication.chk").content) == (5).to_bytes(8, "big")
    log.set_high_watermark(Offset(3))
    assert log.high_watermark == 5, "it never falls"
    log.set_high_watermark(Offset(50))
    assert log.high_watermark == 9, "and never leaves the log"


@pytest.mark.parametrize(
    "changes",
    [
        {"segment_size_bytes_max": 10},
        {"segment_size_bytes_max": 1 << 32},
        {"index_size_bytes_max": 7},
        {"batch_size_bytes_max": 1},
        {"checkpoint_interval_bytes": 0},
        {"retention_ms": -1},
        {"preallocation_step_bytes_max": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        LogConfig(**changes)
