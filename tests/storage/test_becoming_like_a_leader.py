"""A follower's log is cut, dropped and begun anew, and no power cut brings back what went."""

from contextlib import suppress
from random import Random

import pytest
from fake_disk import FakeDisk, Killed
from hypothesis import given
from hypothesis import strategies as st
from log_twin import SMALL, as_input, make_batch

from fluvio_protocol.types import Offset
from fluvio_spu.storage import CorruptSegment, Log, LogFailed, OutOfStorage, StorageError
from fluvio_spu.storage.log import SEGMENTS_EXPIRED_MAX

DIRECTORY = "data/topic-0"
SEEDS = st.integers(0, 1 << 30)


def fill(log: Log, count: int, fill: int) -> None:
    """Append batches of one record, three to a segment."""
    for _ in range(count):
        log.append(as_input([make_batch(payload_size=600, fill=fill)]))


def payloads(log: Log) -> list[bytes]:
    """Of each batch, up to the first hole that a power cut left among what was never synced."""
    found = []
    offset = log.start_offset
    with suppress(CorruptSegment):
        while piece := log.read(offset, end=log.end_offset, max_bytes=1):
            found.append(bytes(piece.view())[57 + 4 :])
            offset = piece.next_offset
    return found


def reopen(disk: FakeDisk) -> Log:
    return Log.open(disk, DIRECTORY, SMALL)


def opened(count: int) -> tuple[FakeDisk, Log]:
    """A log with so many records, all of them durable."""
    disk = FakeDisk()
    log = reopen(disk)
    fill(log, count, 1)
    log.sync_handle().run()
    return disk, log


def payload_fill(log: Log) -> list[int]:
    """The byte that each batch was filled with."""
    return [one[-1] for one in payloads(log)]


class TestCut:
    @given(seed=SEEDS, end=st.integers(0, 11), more=st.integers(0, 12))
    def test_what_was_cut_off_stays_away(self, seed: int, end: int, more: int) -> None:
        """Also when new records lay over it that are lost themselves."""
        disk, log = opened(11)
        log.truncate(Offset(end))
        log.sync_handle().run()
        assert log.durable_offset == end
        fill(log, more, 2)
        disk.lose_power(Random(seed))
        found = payload_fill(reopen(disk))
        assert found[:end] == [1] * end
        assert found[end:] == [2] * (len(found) - end)
        assert len(found) <= end + more

    @given(seed=SEEDS, end=st.integers(0, 11))
    def test_a_cut_that_nobody_synced_is_finished_by_the_next_process(
        self, seed: int, end: int
    ) -> None:
        disk, log = opened(11)
        log.truncate(Offset(end))
        disk.restart_process()
        log = reopen(disk)
        log.truncate(Offset(end))  # nothing to do any more
        log.sync_handle().run()
        disk.lose_power(Random(seed))
        assert payload_fill(reopen(disk)) == [1] * end

    @given(seed=SEEDS, end=st.integers(0, 11), calls=st.integers(0, 40))
    def test_a_crash_in_the_middle_leaves_a_beginning(
        self, seed: int, end: int, calls: int
    ) -> None:
        disk, log = opened(11)
        disk.kill_in_call(calls)
        try:
            log.truncate(Offset(end))
            log.sync_handle().run()
        except Killed:
            least, most = end, 11
        else:
            least = most = end
        disk.lose_power(Random(seed))
        log = reopen(disk)
        found = payload_fill(log)
        assert found == [1] * len(found)
        assert least <= len(found) <= most
        assert not log.recovery.lost_records


class TestBeginAnew:
    @pytest.mark.parametrize("offset", [0, 5, 11, 500, 1 << 40])
    def test_it_is_empty_there_and_goes_on(self, offset: int) -> None:
        disk, log = opened(11)
        log.set_high_watermark(Offset(9))
        log.checkpoint()
        log.restart_at(Offset(offset))
        assert log.start_offset == log.end_offset == log.high_watermark == offset
        assert (log.durable_offset, log.unsynced_bytes, log.segment_count) == (offset, 0, 1)
        assert payloads(log) == []
        assert log.append(as_input([make_batch(fill=2)])) == offset
        disk.restart_process()
        log = reopen(disk)
        assert (log.start_offset, log.end_offset) == (offset, offset + 1)
        assert log.high_watermark == offset
        assert log.recovery.clean
        assert not log.recovery.lost_records

    @given(seed=SEEDS, offset=st.sampled_from([0, 3, 11, 500]), more=st.integers(0, 7))
    def test_it_is_durable_at_once(self, seed: int, offset: int, more: int) -> None:
        disk, log = opened(11)
        log.restart_at(Offset(offset))
        fill(log, more, 2)
        disk.lose_power(Random(seed))
        log = reopen(disk)
        assert log.start_offset == offset
        found = payload_fill(log)
        assert found == [2] * len(found)
        assert len(found) <= more

    @given(
        seed=SEEDS | st.none(), offset=st.sampled_from([0, 3, 11, 500]), calls=st.integers(0, 40)
    )
    def test_a_crash_in_the_middle_leaves_no_hole(
        self, seed: int | None, offset: int, calls: int
    ) -> None:
        disk, log = opened(11)
        log.set_high_watermark(Offset(9))
        log.checkpoint()
        disk.kill_in_call(calls)
        try:
            log.restart_at(Offset(offset))
            done = True
        except Killed:
            done = False
        disk.restart_process() if seed is None else disk.lose_power(Random(seed))
        log = reopen(disk)
        assert log.recovery.clean
        assert not log.recovery.lost_records
        found = payload_fill(log)
        assert found == [1] * len(found)
        if found:
            assert not done
            assert log.start_offset == 0
        else:
            assert log.start_offset in ((offset,) if done else (0, offset))
            # No high watermark of the past comes true when the log has grown up to it.
            fill(log, 10, 2)
            disk.restart_process()
            assert reopen(disk).high_watermark == log.start_offset

    def test_readers_keep_what_they_hold(self) -> None:
        _, log = opened(11)
        pieces = [log.read(Offset(at), end=Offset(11), max_bytes=1) for at in (0, 10)]
        views = [piece.view() for piece in pieces if piece is not None]
        log.restart_at(Offset(0))
        fill(log, 5, 2)
        assert [view[-1] for view in views] == [1, 1]
        assert [piece.view()[-1] for piece in pieces if piece is not None] == [1, 1]

    def test_damage_is_forgotten_with_what_was_damaged(self) -> None:
        disk, log = opened(11)
        log.close()
        disk.file(f"{DIRECTORY}/{3:020d}.log").content[100] ^= 1
        disk.file(f"{DIRECTORY}/{6:020d}.log").truncate(100)
        disk.unlink(f"{DIRECTORY}/tail.checkpoint")
        log = reopen(disk)
        assert log.recovery.lost_records
        log.restart_at(Offset(7))
        assert not log.recovery.lost_records
        log.close()
        assert reopen(disk).recovery.clean

    @pytest.mark.parametrize("call", ["unlink", "sync_directory", "open"])
    def test_a_disk_that_fails_ends_the_writing_until_it_is_opened_again(self, call: str) -> None:
        disk, log = opened(11)
        disk.fail(call)
        with pytest.raises(StorageError, match="beginning anew"):
            log.restart_at(Offset(500))
        with pytest.raises(LogFailed):
            log.append(as_input([make_batch()]))
        with pytest.raises(LogFailed):
            log.restart_at(Offset(500))
        log.close()
        log = reopen(disk)
        assert not log.recovery.lost_records
        log.restart_at(Offset(500))
        assert log.end_offset == 500

    def test_a_full_disk_is_told_as_such(self) -> None:
        disk, log = opened(11)
        disk.fail("open", 28)
        with pytest.raises(OutOfStorage):
            log.restart_at(Offset(500))

    def test_a_closed_log_stays(self) -> None:
        disk, log = opened(11)
        log.close()
        with pytest.raises(LogFailed):
            log.restart_at(Offset(0))
        assert len(payloads(reopen(disk))) == 11


class TestDropBefore:
    @pytest.mark.parametrize(
        ("offset", "start"),
        [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (8, 6), (9, 9), (11, 9), (1000, 9)],
    )
    def test_whole_closed_segments_go(self, offset: int, start: int) -> None:
        disk, log = opened(11)
        dropped = log.drop_before(Offset(offset))
        assert [one.base_offset for one in dropped] == list(range(0, start, 3))
        assert (log.start_offset, log.end_offset) == (start, 11)
        assert log.high_watermark == start
        for one in dropped:
            one.delete()
        assert len(payloads(log)) == 11 - start
        disk.restart_process()
        assert reopen(disk).start_offset == start

    def test_it_takes_a_bounded_number(self) -> None:
        _, log = opened(3 * SEGMENTS_EXPIRED_MAX + 9)
        assert len(log.drop_before(Offset(1 << 40))) == SEGMENTS_EXPIRED_MAX
        assert log.start_offset == 3 * SEGMENTS_EXPIRED_MAX
        assert len(log.drop_before(Offset(1 << 40))) == 2

    def test_a_disk_that_fails(self) -> None:
        disk, log = opened(11)
        disk.fail("rename")
        with pytest.raises(StorageError):
            log.drop_before(Offset(11))
        assert log.start_offset == 0
        assert len(log.drop_before(Offset(11))) == 3

    def test_a_closed_log_keeps_all(self) -> None:
        _, log = opened(11)
        log.close()
        assert log.drop_before(Offset(11)) == []


@given(st.integers(0, 1 << 30))
def test_a_restart_outlives_the_power_in_a_folder_just_made(seed: int) -> None:
    disk = FakeDisk()
    reopen(disk).restart_at(Offset(70))
    disk.lose_power(Random(seed))
    assert reopen(disk).end_offset == 70
