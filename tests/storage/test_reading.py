"""Slices: their ends, their errors, and what they cost."""

import gc

import pytest
from fake_disk import FakeDisk
from log_twin import SMALL, LogTwin, as_input, make_batch

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.types import Offset
from fluvio_spu.storage import Log, LogConfig, OffsetEvicted, OffsetOutOfRange, SegmentInUse

DIRECTORY = "data/topic-0"
BIG = LogConfig(index_size_bytes_max=1 << 16)


def fill(log: Log, count: int, *, records: int = 2, payload_size: int = 100) -> None:
    for number in range(count):
        log.append(as_input([make_batch(records, payload_size=payload_size, fill=number)]))


def test_errors_say_what_there_is(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    fill(log, 30)
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=3000))
    assert len(log.expire(0)) == 1
    with pytest.raises(OffsetEvicted) as evicted:
        log.read(Offset(3), end=Offset(60), max_bytes=100)
    assert evicted.value.code is ErrorCode.OFFSET_EVICTED
    assert evicted.value.next_available == 24
    with pytest.raises(OffsetOutOfRange) as past:
        log.read(Offset(61), end=Offset(99), max_bytes=100)
    assert past.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.read(Offset(60), end=Offset(60), max_bytes=100) is None


def test_a_batch_above_the_end_is_not_handed_out(disk: FakeDisk) -> None:
    """The end is the high watermark of a reader that wants committed records only."""
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 3, records=10)
    assert log.read(Offset(0), end=Offset(9), max_bytes=1000) is None
    piece = log.read(Offset(0), end=Offset(19), max_bytes=1000)
    assert piece is not None
    assert piece.next_offset == 10
    assert log.read(Offset(20), end=Offset(5), max_bytes=1000) is None


def test_a_read_in_the_middle_of_a_batch_begins_with_that_batch(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 3, records=10)
    piece = log.read(Offset(17), end=Offset(30), max_bytes=1)
    assert piece is not None
    assert (piece.base_offset, piece.next_offset) == (10, 20)
    assert (piece.position, piece.size_bytes) == (157, 157)


def test_readers_at_the_tail_never_touch_the_disk(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 2000)
    before = disk.calls["read_at"]
    for offset in range(3750, 4000):
        for max_bytes in (1, 500, 1 << 20):
            piece = log.read(Offset(offset), end=Offset(3990), max_bytes=max_bytes)
            assert (piece is None) == (offset >= 3990)
    assert disk.calls["read_at"] == before


def test_a_slice_costs_its_two_ends_and_not_what_is_between(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 3000)
    for start, end, max_bytes in ((5, 4000, 1 << 20), (1001, 6000, 100_000), (7, 9, 1 << 20)):
        before = disk.calls["read_at"], disk.bytes_read
        piece = log.read(Offset(start), end=Offset(end), max_bytes=max_bytes)
        assert piece is not None
        assert disk.calls["read_at"] - before[0] <= 4
        assert disk.bytes_read - before[1] <= 4 * 8192
        assert piece.base_offset == start // 2 * 2
        full = (min(end, 6000) - piece.base_offset) // 2 * 157
        assert piece.size_bytes == min(full, max_bytes // 157 * 157)


def test_a_restarted_log_checks_a_byte_once(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 1000)
    log.close()
    log = Log.open(disk, DIRECTORY, BIG)

    def read_all() -> int:
        before = disk.bytes_read
        offset = Offset(0)
        while piece := log.read(offset, end=log.end_offset, max_bytes=20_000):
            offset = piece.next_offset
        return disk.bytes_read - before

    assert read_all() > 157_000
    assert read_all() < 157_000, "only what finding the ends takes"


def test_many_readers_of_different_parts(disk: FakeDisk) -> None:
    """More ranges than are remembered: some are checked again, all come back right."""
    log = Log.open(disk, DIRECTORY, BIG)
    twin = LogTwin(config=BIG)
    batches = [make_batch(1, payload_size=100, fill=number) for number in range(900)]
    log.append(as_input(batches))
    twin.append(batches)
    log.close()
    log = Log.open(disk, DIRECTORY, BIG)
    for step in range(20):
        for reader in range(40):
            start = reader * 22 + step
            piece = log.read(Offset(start), end=Offset(900), max_bytes=400)
            assert piece is not None
            expected = twin.read(start, 900, 400)
            assert (piece.base_offset, piece.next_offset, bytes(piece.view())) == expected


def test_few_older_segments_stay_open(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, SMALL)
    fill(log, 240)
    assert log.segment_count == 20
    gc.collect()
    assert len(disk.open_files) <= 5
    for _ in range(2):
        for offset in range(480):
            assert log.read(Offset(offset), end=Offset(480), max_bytes=1) is not None
            assert len(disk.open_files) <= 5
    log.close()
    assert not disk.open_files


def test_a_slice_outlives_its_segment(disk: FakeDisk) -> None:
    """Retention may take a segment while a consumer is being sent a part of it."""
    log = Log.open(disk, DIRECTORY, SMALL)
    fill(log, 40)
    piece = log.read(Offset(0), end=Offset(80), max_bytes=1000)
    assert piece is not None
    expected = bytes(piece.view())
    log.reconfigure(LogConfig(segment_size_bytes_max=2000, partition_size_bytes_max=1))
    for one in log.expire(0):
        one.delete()
    log.close()
    assert piece.fd in disk.open_files
    assert bytes(piece.view()) == expected
    fd = piece.fd
    del piece
    assert fd not in disk.open_files


class TestTruncate:
    def test_waits_for_views_to_be_released(self, disk: FakeDisk) -> None:
        log = Log.open(disk, DIRECTORY, BIG)
        fill(log, 10)
        piece = log.read(Offset(0), end=Offset(20), max_bytes=1 << 20)
        assert piece is not None
        view = piece.view()
        with pytest.raises(SegmentInUse):
            log.truncate(Offset(10))
        assert log.end_offset == 20
        assert len(view) == 1570
        del view
        log.truncate(Offset(10))
        assert log.end_offset == 10
        with pytest.raises(OSError, match="was cut"):
            piece.view()
        fill(log, 3)
        again = log.read(Offset(0), end=Offset(16), max_bytes=1 << 20)
        assert again is not None
        assert len(again.view()) == 8 * 157

    def test_a_view_of_a_segment_that_was_closed_since(self, disk: FakeDisk) -> None:
        log = Log.open(disk, DIRECTORY, SMALL)
        fill(log, 100)
        piece = log.read(Offset(0), end=Offset(200), max_bytes=1 << 20)
        assert piece is not None
        view = piece.view()
        for offset in range(24, 200, 24):  # so many others that the first one is let go
            log.read(Offset(offset), end=Offset(200), max_bytes=1)
        with pytest.raises(SegmentInUse):
            log.truncate(Offset(10))
        del view
        log.truncate(Offset(10))
        assert (log.end_offset, log.segment_count) == (10, 1)
        fill(log, 1)
        assert log.end_offset == 12

    @pytest.mark.parametrize("end", [0, 1, 23, 24, 25, 47, 48, 60, 79, 80])
    def test_whole_batches_go(self, disk: FakeDisk, end: int) -> None:
        log = Log.open(disk, DIRECTORY, SMALL)
        fill(log, 40)
        log.set_high_watermark(Offset(80))
        log.truncate(Offset(end))
        kept = end // 2 * 2
        assert (log.end_offset, log.high_watermark) == (kept, kept)
        disk.restart_process()
        log = Log.open(disk, DIRECTORY, SMALL)
        assert log.recovery.clean
        assert log.end_offset == kept
        assert log.high_watermark <= kept
        assert log.append(as_input([make_batch(1)])) == kept

    def test_outside_of_the_log(self, disk: FakeDisk) -> None:
        log = Log.open(disk, DIRECTORY, SMALL)
        fill(log, 1)
        with pytest.raises(OffsetOutOfRange):
            log.truncate(Offset(3))
        with pytest.raises(OffsetOutOfRange):
            log.truncate(Offset(-1))

    def test_forgets_that_more_was_durable(self, disk: FakeDisk) -> None:
        log = Log.open(disk, DIRECTORY, BIG)
        fill(log, 10)
        before = log.sync_handle()
        late = log.sync_handle()
        before.run()
        assert log.durable_offset == 20
        log.truncate(Offset(10))
        fill(log, 10)
        late.run()
        assert log.durable_offset <= 10
        assert log.unsynced_bytes == 15 * 157


def test_offsets_that_no_longer_fit_the_index_roll_a_segment(disk: FakeDisk) -> None:
    """Relative offsets are u32; three batches may claim more records than that."""
    log = Log.open(disk, DIRECTORY, BIG)
    huge = (1 << 31) - 1
    for number in range(5):
        assert log.append(as_input([make_batch(huge)])) == number * huge
    assert log.segment_count == 3
    assert log.read(Offset(3 * huge + 5), end=log.end_offset, max_bytes=1) is not None
    log.close()
    log = Log.open(disk, DIRECTORY, BIG)
    assert log.recovery.clean
    assert log.end_offset == 5 * huge


def test_a_full_index_rolls_a_segment(disk: FakeDisk) -> None:
    config = LogConfig(index_interval_bytes=0, index_size_bytes_max=80)
    log = Log.open(disk, DIRECTORY, config)
    fill(log, 35)
    assert log.segment_count > 3
    for name, file in disk.names.items():
        if name.endswith(".index"):
            assert file.size <= 80


def test_a_batch_whose_header_says_another_count_is_refused(disk: FakeDisk) -> None:
    """It would be taken for damage at the next start."""
    log = Log.open(disk, DIRECTORY, BIG)
    with pytest.raises(AssertionError):
        log.append([(memoryview(make_batch(3)), 2)])
    with pytest.raises(AssertionError):
        log.append([(memoryview(make_batch(0)), 0)])
    assert log.append([]) == 0


def test_what_is_stamped(disk: FakeDisk) -> None:
    log = Log.open(disk, DIRECTORY, BIG)
    fill(log, 1, records=7)
    batch = make_batch(3)
    before = bytes(batch)
    batch[12:16] = b"\0\0\0\5"
    log.append(as_input([batch]))
    assert bytes(batch) == (7).to_bytes(8, "big") + before[8:12] + b"\xff" * 4 + before[16:]
