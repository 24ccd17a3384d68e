"""What expires, in which order, and that deleting is somebody else's work."""

import errno

import pytest
from fake_disk import FakeDisk
from hypothesis import given
from hypothesis import strategies as st
from log_twin import as_input, make_batch

from fluvio_protocol.types import Offset
from fluvio_spu.storage import Log, LogConfig, StorageError
from fluvio_spu.storage.retention import count_over_age, count_over_size

DIRECTORY = "data/topic-0"
CONFIG = LogConfig(
    segment_size_bytes_max=2000,
    index_size_bytes_max=4096,
    retention_ms=60_000,
    partition_size_bytes_max=1 << 40,
)


@pytest.fixture
def log(disk: FakeDisk) -> Log:
    """Five segments, one each ten seconds: [0, 24), [24, 48) and so on."""
    log = Log.open(disk, DIRECTORY, CONFIG)
    for number in range(54):
        if number % 12 == 0:
            disk.clock_ms += 10_000
        log.append(as_input([make_batch(2, payload_size=100)]))
    assert log.segment_count == 5
    return log


def test_by_age_of_the_last_write(disk: FakeDisk, log: Log) -> None:
    oldest = disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms
    assert log.expire(oldest + 60_000) == []
    assert [one.base_offset for one in log.expire(oldest + 60_001)] == [0]
    assert log.start_offset == 24
    expired = log.expire(oldest + 10**9)
    assert [(one.base_offset, one.end_offset) for one in expired] == [(24, 48), (48, 72), (72, 96)]
    assert log.segment_count == 1, "the active one stays, whatever its age"
    assert log.end_offset == 108


def test_age_holds_over_a_restart(disk: FakeDisk, log: Log) -> None:
    oldest = disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms
    log.close()
    disk.clock_ms += 10**9
    log = Log.open(disk, DIRECTORY, CONFIG)
    assert [one.base_offset for one in log.expire(oldest + 70_001)] == [0, 24]


def test_by_size(log: Log) -> None:
    total = log.size_bytes
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=total))
    assert log.expire(0) == []
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=total - 1))
    assert [one.base_offset for one in log.expire(0)] == [0]
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=0))
    assert [one.base_offset for one in log.expire(0)] == [24, 48, 72]
    assert log.size_bytes == 6 * 157


def test_files_go_when_they_are_deleted(disk: FakeDisk, log: Log) -> None:
    log.read(Offset(0), end=Offset(2), max_bytes=1)
    before = disk.calls["unlink"]
    (expired,) = log.expire(disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms + 60_001)
    assert disk.calls["unlink"] == before
    assert f"{DIRECTORY}/{0:020d}.log" not in disk.names
    assert f"{DIRECTORY}/{0:020d}.log.deleted" in disk.names
    used = disk.used_bytes()
    expired.delete()
    assert disk.used_bytes() <= used - expired.size_bytes, "blocks are freed in delete"
    assert not [name for name in disk.names if f"{0:020d}" in name]
    expired.delete()


def test_a_crash_before_the_deletion(disk: FakeDisk, log: Log) -> None:
    assert log.expire(disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms + 60_001)
    disk.restart_process()
    log = Log.open(disk, DIRECTORY, CONFIG)
    assert log.recovery.clean
    assert log.start_offset == 24
    assert not [name for name in disk.names if f"{0:020d}" in name]


def test_a_rename_that_fails(disk: FakeDisk, log: Log) -> None:
    now = disk.file(f"{DIRECTORY}/{24:020d}.log").modified_ms + 60_001
    disk.fail("rename", errno.EIO)
    with pytest.raises(StorageError):
        log.expire(now)
    assert log.start_offset == 0
    assert log.read(Offset(0), end=Offset(2), max_bytes=1) is not None
    assert [one.base_offset for one in log.expire(now)] == [0, 24]


def test_a_deletion_that_fails_can_be_tried_again(disk: FakeDisk, log: Log) -> None:
    (expired,) = log.expire(disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms + 60_001)
    disk.fail("unlink", errno.EIO)
    with pytest.raises(StorageError):
        expired.delete()
    expired.delete()
    assert not [name for name in disk.names if f"{0:020d}" in name]


def test_the_high_watermark_stays_within_the_log(disk: FakeDisk, log: Log) -> None:
    assert log.high_watermark == 0
    log.expire(disk.file(f"{DIRECTORY}/{0:020d}.log").modified_ms + 60_001)
    assert log.high_watermark == 24


def test_asking_again_costs_nothing(disk: FakeDisk, log: Log) -> None:
    """A cleaner asks a thousand partitions every few seconds."""
    log.expire(disk.clock_ms)
    before = disk.calls.total()
    for _ in range(100):
        assert log.expire(disk.clock_ms) == []
    assert disk.calls.total() == before


def test_removing_a_log(disk: FakeDisk, log: Log) -> None:
    disk.write_file(f"{DIRECTORY}/partition.uid", b"x", position=0, size_bytes=1)
    names = log.remove()
    assert "partition.uid" in names
    assert not [name for name in disk.names if name.startswith(DIRECTORY)]
    assert DIRECTORY not in disk.directories
    assert log.remove() == []
    assert Log.open(disk, DIRECTORY, CONFIG).end_offset == 0


def test_a_removal_that_stopped_halfway_leaves_the_name_free(disk: FakeDisk, log: Log) -> None:
    disk.fail("unlink", errno.EIO)
    with pytest.raises(StorageError):
        log.remove()
    again = Log.open(disk, DIRECTORY, CONFIG)
    assert again.end_offset == 0
    again.remove()
    assert not [name for name in disk.names if name.startswith(DIRECTORY)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**5))
def test_size_rule(size: int, limit: int, segment: int) -> None:
    count = count_over_size(size, partition_size_bytes_max=limit, segment_size_bytes_max=segment)
    assert size - count * segment <= limit
    assert count == 0 or size - (count - 1) * segment > limit


@given(st.lists(st.integers(0, 1000)), st.integers(0, 2000), st.integers(0, 1000))
def test_age_rule(written: list[int], now: int, retention: int) -> None:
    count = count_over_age(written, now_ms=now, retention_ms=retention)
    assert all(now - one > retention for one in written[:count])
    assert count == len(written) or now - written[count] <= retention
