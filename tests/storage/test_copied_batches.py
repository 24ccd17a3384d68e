"""A follower's log takes what its leader's holds, byte for byte, or nothing of it."""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from fake_disk import FakeDisk
from log_twin import SMALL, as_input, make_batch

from fluvio_protocol.types import Offset
from fluvio_spu.storage import CopiedRecordsDoNotFit, Log, LogFailed, OutOfStorage, StorageError

LEADER = "data/topic-0"
FOLLOWER = "data/topic-1"
RECORDS = (2, 1, 3)


def records_of(log: Log, start: int = 0) -> bytes:
    """Everything from an offset on, as it lies in the files."""
    content = b""
    offset = Offset(start)
    while piece := log.read(offset, end=log.end_offset, max_bytes=1):
        content += bytes(piece.view())
        offset = piece.next_offset
    return content


@pytest.fixture
def records(disk: FakeDisk) -> bytes:
    """Offsets 0 to 6 of a leader."""
    leader = Log.open(disk, LEADER, SMALL)
    leader.append(as_input([make_batch(count, payload_size=100) for count in RECORDS]))
    return records_of(leader)


@pytest.fixture
def log(disk: FakeDisk) -> Log:
    return Log.open(disk, FOLLOWER, SMALL)


def copy(log: Log, records: bytes | memoryview, base: int = 0, end: int = 6) -> Offset:
    return log.append_copied(records, base_offset=Offset(base), end_offset=Offset(end))


@pytest.mark.parametrize("kind", [bytes, lambda data: memoryview(data).toreadonly()])
def test_a_copy_is_the_same_bytes(
    disk: FakeDisk, log: Log, records: bytes, kind: Callable[[bytes], bytes | memoryview]
) -> None:
    # The epoch is not under the checksum, and other servers' files may have one.
    records = records[:12] + b"\0\0\0\7" + records[16:]
    assert copy(log, kind(records)) == log.end_offset == 6
    assert records_of(log) == records
    disk.restart_process()
    assert records_of(Log.open(disk, FOLLOWER, SMALL)) == records


def test_nothing_is_nothing(log: Log) -> None:
    assert copy(log, b"", 0, 0) == 0
    with pytest.raises(CopiedRecordsDoNotFit, match="announced was 1"):
        copy(log, b"", 0, 1)


def test_copies_follow_each_other_from_the_log_end_on(log: Log, records: bytes) -> None:
    first = 57 + 100
    assert copy(log, records[:first], 0, 2) == 2
    for base in (0, 1, 3):
        with pytest.raises(CopiedRecordsDoNotFit, match="begin at") as error:
            copy(log, records[first:], base, 6)
        assert error.value.log_end == 2
    assert copy(log, records[first:], 2, 6) == 6
    assert records_of(log) == records


def damage(position: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda records: records[:position] + new + records[position + len(new) :]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage(157 + 100, b"\xff"), "wrong checksum at offset 2"),
        (damage(156, b"\xff"), "wrong checksum at offset 0"),
        (damage(157, struct.pack(">q", 3)), "batch of offset 3, expected 2"),
        (damage(314, struct.pack(">q", 2)), "batch of offset 2, expected 3"),
        (damage(157 + 16, b"\1"), "no batch header at byte 157"),
        (damage(157 + 8, struct.pack(">i", -5)), "no batch header at byte 157"),
        (damage(157 + 8, struct.pack(">i", 44)), "no batch header at byte 157"),
        (damage(157 + 8, struct.pack(">i", 1 << 30)), "bytes of a batch"),
        (damage(157 + 23, struct.pack(">i", -1)), "no batch header at byte 157"),
        (lambda records: records[:-1], "156 of 157 bytes"),
        (lambda records: records[: 314 + 56], "56 bytes are no batch header"),
        (lambda records: records + b"x", "1 bytes are no batch header"),
        (lambda records: records[:314], "end at offset 3, announced was 6"),
        (lambda records: b"", "end at offset 0, announced was 6"),
    ],
)
def test_what_does_not_fit_leaves_no_trace(
    disk: FakeDisk, log: Log, records: bytes, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(CopiedRecordsDoNotFit, match=reason):
        copy(log, spoil(records))
    assert log.end_offset == log.unsynced_bytes == disk.file(f"{FOLLOWER}/{0:020d}.log").size == 0
    assert log.refusal is None
    assert copy(log, records) == 6


def test_a_batch_that_this_log_would_not_take_from_a_producer_is_copied(disk: FakeDisk) -> None:
    """The leader's limits were others when it took it."""
    wide = replace(SMALL, segment_size_bytes_max=10_000, batch_size_bytes_max=10_000)
    leader = Log.open(disk, LEADER, wide)
    leader.append(as_input([make_batch(1, payload_size=size) for size in (10, 5000, 10)]))
    log = Log.open(disk, FOLLOWER, SMALL)
    assert copy(log, records_of(leader), 0, 3) == 3
    assert log.segment_count == 3
    assert records_of(log) == records_of(leader)
    log.close()
    again = Log.open(disk, FOLLOWER, SMALL)
    assert again.recovery.clean
    assert records_of(again) == records_of(leader)


@pytest.mark.parametrize("payload_size", [10, 900])  # 900: over the end of segments
def test_a_full_disk_keeps_all_or_none(disk: FakeDisk, payload_size: int) -> None:
    leader = Log.open(disk, LEADER, SMALL)
    leader.append(as_input([make_batch(2, payload_size=payload_size) for _ in range(3)]))
    records = records_of(leader)
    log = Log.open(disk, FOLLOWER, SMALL)
    for room in range(0, len(records), 50):
        disk.capacity = disk.used_bytes() + room
        with pytest.raises(OutOfStorage):
            copy(log, records)
        assert (log.end_offset, log.segment_count, log.refusal) == (0, 1, None)
    disk.capacity = None
    assert copy(log, records) == 6
    assert records_of(log) == records


def test_a_log_that_failed_or_is_closed_takes_nothing(
    disk: FakeDisk, log: Log, records: bytes
) -> None:
    disk.fail("write_at")
    with pytest.raises(StorageError):
        copy(log, records)
    with pytest.raises(LogFailed):
        copy(log, records)
    other = Log.open(disk, FOLLOWER, SMALL)
    other.close()
    with pytest.raises(LogFailed):
        copy(other, records)
