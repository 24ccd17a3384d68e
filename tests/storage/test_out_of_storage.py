"""A full disk, a failing disk: what is kept, what is refused, and what goes on."""

import errno

import pytest
from fake_disk import FakeDisk
from log_twin import SMALL, LogTwin, as_input, make_batch

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.types import Offset
from fluvio_spu.storage import (
    BatchTooBig,
    Log,
    LogConfig,
    LogFailed,
    OutOfStorage,
    StorageError,
)

DIRECTORY = "data/topic-0"


@pytest.fixture
def log(disk: FakeDisk) -> Log:
    log = Log.open(disk, DIRECTORY, SMALL)
    log.append(as_input([make_batch(2, payload_size=100)]))
    return log


def readable(log: Log) -> int:
    """Offsets that come back, from the start."""
    offset = log.start_offset
    while piece := log.read(offset, end=Offset(1 << 40), max_bytes=1):
        bytes(piece.view())
        offset = piece.next_offset
    return offset


class TestFull:
    @pytest.mark.parametrize("room", [0, 1, 56, 57, 156, 157, 158, 300])
    def test_nothing_is_kept_and_reading_goes_on(self, disk: FakeDisk, log: Log, room: int) -> None:
        disk.capacity = disk.used_bytes() + room
        for _ in range(3):
            with pytest.raises(OutOfStorage) as error:
                log.append(as_input([make_batch(1, payload_size=100) for _ in range(2)]))
            assert error.value.code is ErrorCode.PARTITION_FULL
            assert error.value.retriable
            assert log.end_offset == readable(log) == 2
            assert disk.file(f"{DIRECTORY}/{0:020d}.log").size == 157
        assert log.refusal is None
        disk.capacity = None
        assert log.append(as_input([make_batch(5)])) == 2
        assert readable(log) == 7
        disk.restart_process()
        assert readable(Log.open(disk, DIRECTORY, SMALL)) == 7

    def test_a_quota_counts_as_full(self, disk: FakeDisk, log: Log) -> None:
        disk.fail("write_at", errno.EDQUOT)
        with pytest.raises(OutOfStorage):
            log.append(as_input([make_batch(1)]))
        assert log.append(as_input([make_batch(1)])) == 2

    @pytest.mark.parametrize("room", range(0, 9000, 250))
    def test_an_append_over_several_segments_is_undone_as_a_whole(
        self, disk: FakeDisk, log: Log, room: int
    ) -> None:
        batches = [make_batch(2, payload_size=900, fill=number) for number in range(8)]
        disk.capacity = disk.used_bytes() + room
        names = set(disk.names)
        try:
            log.append(as_input(batches))
        except OutOfStorage:
            assert room < 8 * 957 + 300
            assert log.end_offset == readable(log) == 2
            assert log.segment_count == 1
            assert {name for name in disk.names if name.endswith(".log")} == {
                name for name in names if name.endswith(".log")
            }
        else:
            assert room >= 8 * 957
            assert log.end_offset == 18
        disk.capacity = None
        first = log.end_offset
        assert log.append(as_input(batches)) == first
        assert readable(log) == first + 16
        disk.restart_process()
        again = Log.open(disk, DIRECTORY, SMALL)
        assert again.recovery.clean
        assert readable(again) == first + 16

    def test_views_stay_whole_while_an_append_is_undone(self, disk: FakeDisk, log: Log) -> None:
        piece = log.read(Offset(0), end=Offset(2), max_bytes=1000)
        assert piece is not None
        view = piece.view()
        disk.capacity = disk.used_bytes() + 2000
        with pytest.raises(OutOfStorage):
            log.append(as_input([make_batch(1, payload_size=900) for _ in range(4)]))
        assert len(view) == 157

    def test_a_checkpoint_and_a_close_on_a_full_disk(self, disk: FakeDisk, log: Log) -> None:
        disk.capacity = disk.used_bytes()
        with pytest.raises(OutOfStorage):
            log.checkpoint()
        log.close()
        disk.capacity = None
        assert readable(Log.open(disk, DIRECTORY, SMALL)) == 2

    def test_making_a_log_on_a_full_disk(self, disk: FakeDisk) -> None:
        disk.fail("make_directory", errno.ENOSPC)
        with pytest.raises(OutOfStorage):
            Log.open(disk, DIRECTORY, SMALL)
        assert Log.open(disk, DIRECTORY, SMALL).end_offset == 0

    def test_preallocation_needs_no_space(self, disk: FakeDisk) -> None:
        """It is a help: where it cannot be had, appending goes on to the last byte."""
        config = LogConfig(index_size_bytes_max=4096)
        log = Log.open(disk, DIRECTORY, config)
        disk.capacity = disk.used_bytes() + (3 << 20)
        batch = make_batch(1, payload_size=100_000)
        for number in range((3 << 20) // len(batch)):
            assert log.append(as_input([batch])) == number
        with pytest.raises(OutOfStorage):
            log.append(as_input([batch]))
        assert disk.calls["preallocate"] > 0


class TestFailing:
    def test_a_write_error_refuses_writes_and_not_reads(self, disk: FakeDisk, log: Log) -> None:
        disk.fail("write_at", errno.EIO)
        for _ in range(3):
            with pytest.raises(LogFailed) as error:
                log.append(as_input([make_batch(1)]))
            assert error.value.code is ErrorCode.PARTITION_SHORT_CIRCUITED
            assert readable(log) == 2
        assert log.refusal is not None
        log.close()
        again = Log.open(disk, DIRECTORY, SMALL)
        assert again.append(as_input([make_batch(1)])) == 2

    def test_when_the_rest_cannot_be_cut_off(self, disk: FakeDisk, log: Log) -> None:
        """Half a batch stays behind the end: nothing may be written over it, or read of it."""
        disk.capacity = disk.used_bytes() + 60
        disk.fail("truncate", errno.EIO)
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1, payload_size=100)]))
        disk.capacity = None
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1)]))
        assert disk.file(f"{DIRECTORY}/{0:020d}.log").size == 157 + 60
        assert readable(log) == 2
        log.close()
        disk.restart_process()
        again = Log.open(disk, DIRECTORY, SMALL)
        assert again.recovery.cut is not None
        assert again.recovery.cut.size_bytes == 60
        assert again.append(as_input([make_batch(1)])) == 2

    def test_when_a_second_segment_cannot_be_undone(self, disk: FakeDisk, log: Log) -> None:
        disk.capacity = disk.used_bytes() + 2500
        disk.fail("unlink", errno.EIO)
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1, payload_size=900) for _ in range(4)]))
        disk.capacity = None
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1)]))
        assert log.end_offset == readable(log) == 2
        piece = log.read(Offset(0), end=Offset(99), max_bytes=1 << 20)
        assert piece is not None
        assert piece.next_offset == 2, "what is left of a refused append is not handed out"
        del piece
        disk.restart_process()
        again = Log.open(disk, DIRECTORY, SMALL)
        assert again.recovery.damaged == ()
        assert again.end_offset >= 2, "what was refused may be there, what was kept must be"
        assert readable(again) == again.end_offset

    def test_a_failed_sync_refuses_writes(self, disk: FakeDisk, log: Log) -> None:
        """The system forgets dirty pages that it could not write, and a later sync succeeds."""
        log.checkpoint()
        handle = log.sync_handle()
        disk.fail("sync_data", errno.EIO)
        with pytest.raises(StorageError):
            handle.run()
        assert log.durable_offset == 0
        assert log.unsynced_bytes == 157
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1)]))
        assert readable(log) == 2
        log.close()
        disk.restart_process()
        again = Log.open(disk, DIRECTORY, SMALL)
        assert not again.recovery.checkpoint_trusted, "what the cache showed is not to be believed"
        assert again.append(as_input([make_batch(1)])) == 2

    def test_a_closed_log(self, log: Log) -> None:
        log.close()
        log.close()
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch(1)]))
        with pytest.raises(LogFailed):
            log.read(Offset(0), end=Offset(2), max_bytes=1)
        assert log.expire(1 << 60) == []


class TestTooBig:
    def test_a_batch_over_the_limit(self, log: Log) -> None:
        fits = make_batch(1, payload_size=SMALL.batch_size_bytes_max - 57)
        big = make_batch(1, payload_size=SMALL.batch_size_bytes_max - 56)
        with pytest.raises(BatchTooBig) as error:
            log.append(as_input([make_batch(1), big]))
        assert error.value.code is ErrorCode.MESSAGE_TOO_LARGE
        assert log.end_offset == 2, "the small one before it is not kept either"
        assert log.append(as_input([fits])) == 2

    def test_a_batch_over_the_segment_size(self, disk: FakeDisk) -> None:
        log = Log.open(disk, "data/other-0", LogConfig(segment_size_bytes_max=1000))
        log.append(as_input([make_batch(1, payload_size=943)]))
        with pytest.raises(BatchTooBig):
            log.append(as_input([make_batch(1, payload_size=944)]))


def test_writes_that_take_only_a_part_are_completed(disk: FakeDisk) -> None:
    disk.short_writes = True
    log = Log.open(disk, DIRECTORY, SMALL)
    twin = LogTwin()
    batches = [make_batch(1, payload_size=number) for number in range(4, 60)]
    assert log.append(as_input(batches)) == twin.append(batches)
    assert log.segment_count == len(twin.bases) > 1
    assert readable(log) == twin.end == 56


def test_more_pieces_than_one_call_takes(disk: FakeDisk) -> None:
    config = LogConfig(index_size_bytes_max=1 << 16)
    log = Log.open(disk, DIRECTORY, config)
    log.append(as_input([make_batch(1) for _ in range(2500)]))
    assert disk.calls["write_at"] == 3
    disk.short_writes = True
    log.append(as_input([make_batch(1) for _ in range(2500)]))
    disk.restart_process()
    assert Log.open(disk, DIRECTORY, config).end_offset == 5000
