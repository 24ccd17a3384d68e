"""Opening a log that something happened to: what is cut, what is kept, what is said about it."""

from random import Random

import pytest
from fake_disk import FakeDisk
from log_twin import SMALL, as_input, make_batch, stamped

from fluvio_protocol.types import Offset
from fluvio_spu.storage import CorruptSegment, Log, LogConfig, OutOfStorage, StorageError
from fluvio_spu.storage.checkpoint import TAIL_FILE

DIRECTORY = "data/topic-0"
ONE_SEGMENT = LogConfig(
    segment_size_bytes_max=1 << 20, index_interval_bytes=300, index_size_bytes_max=4096
)


def path(base: int, suffix: str = ".log") -> str:
    return f"{DIRECTORY}/{base:020d}{suffix}"


def write_log(disk: FakeDisk, count: int, config: LogConfig = ONE_SEGMENT) -> list[bytes]:
    """A log of `count` batches of two records, killed without a checkpoint; what it holds."""
    log = Log.open(disk, DIRECTORY, config)
    content = []
    for number in range(count):
        batch = make_batch(2, payload_size=100, fill=number)
        log.append(as_input([batch]))
        content.append(bytes(batch))
    disk.restart_process()
    return content


def reopen(disk: FakeDisk, config: LogConfig = ONE_SEGMENT) -> Log:
    return Log.open(disk, DIRECTORY, config)


def read_all(log: Log) -> list[bytes]:
    found = []
    offset = log.start_offset
    while piece := log.read(offset, end=log.end_offset, max_bytes=0):
        found.append(bytes(piece.view()))
        offset = piece.next_offset
    return found


BATCH_SIZE = 157


class TestTail:
    @pytest.mark.parametrize("torn_at", range(1, BATCH_SIZE))
    def test_torn_at_any_byte_is_cut_at_the_last_whole_batch(
        self, disk: FakeDisk, torn_at: int
    ) -> None:
        content = write_log(disk, 4)
        disk.file(path(0)).truncate(3 * BATCH_SIZE + torn_at)
        log = reopen(disk)
        assert log.end_offset == 6
        assert read_all(log) == content[:3]
        cut = log.recovery.cut
        assert cut is not None
        assert (cut.file, cut.position, cut.size_bytes) == (path(0), 3 * BATCH_SIZE, torn_at)
        assert cut.saved_as is None
        assert disk.file(path(0)).size == 3 * BATCH_SIZE
        again = make_batch(1)
        assert log.append(as_input([again])) == 6
        assert read_all(log) == [*content[:3], stamped(again, 6)]

    @pytest.mark.parametrize("at", range(BATCH_SIZE))
    def test_any_changed_byte_of_the_last_batch_cuts_it(self, disk: FakeDisk, at: int) -> None:
        content = write_log(disk, 3)
        disk.file(path(0)).content[2 * BATCH_SIZE + at] ^= 0xFF
        log = reopen(disk)
        if 12 <= at < 16:  # the leader epoch says nothing, and no checksum covers it
            assert log.recovery.clean
            return
        assert log.end_offset == 4
        assert read_all(log) == content[:2]
        assert not log.recovery.clean

    def test_zeros_behind_the_end_are_cut(self, disk: FakeDisk) -> None:
        """What a file system shows where a size was written and the data was not."""
        content = write_log(disk, 2)
        disk.file(path(0)).content.extend(bytes(5000))
        log = reopen(disk)
        assert read_all(log) == content
        assert log.recovery.cut is not None
        assert log.recovery.cut.size_bytes == 5000

    @pytest.mark.parametrize("base_offset", [0, 3, 5, 1 << 40])
    def test_a_batch_of_another_offset_is_cut(self, disk: FakeDisk, base_offset: int) -> None:
        content = write_log(disk, 2)
        disk.file(path(0)).content.extend(stamped(bytes(make_batch(1)), base_offset))
        log = reopen(disk)
        assert read_all(log) == content
        assert log.recovery.cut is not None
        assert "expected 4" in log.recovery.cut.reason

    def test_valid_batches_behind_a_bad_one_are_cut_but_kept_in_a_file(
        self, disk: FakeDisk
    ) -> None:
        """That is no torn write: bytes that were acknowledged must not vanish for good."""
        content = write_log(disk, 5)
        disk.file(path(0)).content[2 * BATCH_SIZE + 100] ^= 1
        lost = bytes(disk.file(path(0)).content[2 * BATCH_SIZE :])
        log = reopen(disk)
        assert read_all(log) == content[:2]
        cut = log.recovery.cut
        assert cut is not None
        assert cut.saved_as is not None
        assert bytes(disk.file(cut.saved_as).content) == lost
        assert disk.file(cut.saved_as).synced == lost
        log.close()
        assert reopen(disk).recovery.clean

    def test_a_loss_is_told_before_anything_goes(self, disk: FakeDisk) -> None:
        """Whoever hears of it can still refuse, and the next start finds the same."""
        write_log(disk, 5)
        disk.file(path(0)).content[2 * BATCH_SIZE + 100] ^= 1
        before = bytes(disk.file(path(0)).content)

        def refuse(reason: str) -> None:
            raise OutOfStorage(reason)

        for _ in range(2):
            with pytest.raises(OutOfStorage, match="checksum"):
                Log.open(disk, DIRECTORY, SMALL, losing=refuse)
            assert bytes(disk.file(path(0)).content) == before

    def test_a_torn_end_and_a_whole_log_are_no_loss(self, disk: FakeDisk) -> None:
        write_log(disk, 2)
        disk.file(path(0)).content.extend(bytes(5000))
        told: list[str] = []
        for _ in range(2):
            Log.open(disk, DIRECTORY, SMALL, losing=told.append)
        assert told == []

    def test_nothing_is_cut_when_the_copy_cannot_be_made(self, disk: FakeDisk) -> None:
        write_log(disk, 5)
        disk.file(path(0)).content[2 * BATCH_SIZE + 100] ^= 1
        disk.capacity = disk.used_bytes() + 10
        before = bytes(disk.file(path(0)).content)
        with pytest.raises(StorageError):
            reopen(disk)
        assert bytes(disk.file(path(0)).content) == before

    def test_an_unreadable_disk_cuts_nothing(self, disk: FakeDisk) -> None:
        write_log(disk, 5)
        before = bytes(disk.file(path(0)).content)
        disk.fail("read_at")
        with pytest.raises(StorageError):
            reopen(disk)
        assert bytes(disk.file(path(0)).content) == before
        assert reopen(disk).end_offset == 10


class TestCheckpoint:
    def test_after_a_clean_stop_nothing_is_walked(self, disk: FakeDisk) -> None:
        log = reopen(disk)
        for number in range(300):
            log.append(as_input([make_batch(2, payload_size=1000, fill=number)]))
        log.set_high_watermark(Offset(555))
        log.close()
        disk.restart_process()
        before = disk.bytes_read
        log = reopen(disk)
        assert (log.end_offset, log.high_watermark) == (600, 555)
        assert log.recovery.checkpoint_trusted
        assert log.recovery.walked_bytes == 0
        index_bytes = disk.file(path(0)).size // 1057 // 2 * 8
        assert disk.bytes_read - before < 500 + index_bytes

    def test_after_a_crash_only_the_tail_is_read(self, disk: FakeDisk) -> None:
        config = LogConfig(
            segment_size_bytes_max=1 << 20,
            index_size_bytes_max=4096,
            checkpoint_interval_bytes=50_000,
        )
        log = reopen(disk, config)
        for number in range(500):
            log.append(as_input([make_batch(2, payload_size=1000, fill=number)]))
        disk.restart_process()
        before = disk.bytes_read
        log = reopen(disk, config)
        assert log.end_offset == 1000
        assert log.recovery.checkpoint_trusted
        assert 0 < log.recovery.walked_bytes < 52_000
        assert disk.bytes_read - before < 55_000

    def test_a_walk_is_not_repeated_by_the_next_start(self, disk: FakeDisk) -> None:
        write_log(disk, 50)
        assert reopen(disk).recovery.walked_bytes == 50 * BATCH_SIZE
        disk.restart_process()
        assert reopen(disk).recovery.walked_bytes == 0

    def test_after_a_power_cut_what_was_synced_is_not_walked(self, disk: FakeDisk) -> None:
        log = reopen(disk)
        for number in range(20):
            log.append(as_input([make_batch(2, payload_size=100, fill=number)]))
        log.sync_handle().run()
        log.checkpoint()
        for number in range(5):
            log.append(as_input([make_batch(2, payload_size=100, fill=number)]))
        log.checkpoint()
        disk.restart_process()
        disk.boot += 1
        log = reopen(disk)
        assert log.end_offset == 50
        assert log.recovery.walked_bytes == 5 * BATCH_SIZE

    def test_without_a_boot_identity_only_what_was_synced_is_believed(
        self, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(disk, "boot_identity", lambda: b"")
        log = reopen(disk)
        log.append(as_input([make_batch(2, payload_size=100)]))
        log.checkpoint()
        disk.restart_process()
        assert reopen(disk).recovery.walked_bytes == BATCH_SIZE

    def test_a_high_watermark_from_beyond_the_end_does_not_come_true(self, disk: FakeDisk) -> None:
        log = reopen(disk)
        log.append(as_input([make_batch(2)]))
        log.set_high_watermark(Offset(2))
        log.checkpoint()
        disk.restart_process()
        disk.file(path(0)).truncate(0)
        assert reopen(disk).high_watermark == 0
        disk.restart_process()
        reopen(disk).append(as_input([make_batch(5)]))
        disk.restart_process()
        assert reopen(disk).high_watermark == 0

    def test_torn_anywhere_or_changed_anywhere_it_is_not_believed(self, disk: FakeDisk) -> None:
        content = write_log(disk, 10)
        log = reopen(disk)
        log.close()
        whole = bytes(disk.file(f"{DIRECTORY}/{TAIL_FILE}").content)
        for at in range(len(whole)):
            for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
                disk.file(f"{DIRECTORY}/{TAIL_FILE}").content[:] = damaged
                disk.restart_process()
                log = reopen(disk)
                assert not log.recovery.checkpoint_trusted
                assert log.recovery.clean
                assert read_all(log) == content
                disk.file(f"{DIRECTORY}/{TAIL_FILE}").content[:] = whole

    @pytest.mark.parametrize("kept", [0, 1, 5, 9])
    def test_a_log_that_is_shorter_than_it_says(self, disk: FakeDisk, kept: int) -> None:
        content = write_log(disk, 10)
        reopen(disk).close()
        disk.restart_process()
        disk.file(path(0)).truncate(kept * BATCH_SIZE + 30)
        log = reopen(disk)
        assert not log.recovery.checkpoint_trusted
        assert read_all(log) == content[:kept]

    def test_one_of_other_batches_is_not_believed(self, disk: FakeDisk) -> None:
        """As after a restore from a backup: sizes agree, contents do not."""
        write_log(disk, 10)
        reopen(disk).close()
        stale = bytes(disk.file(f"{DIRECTORY}/{TAIL_FILE}").content)
        disk = FakeDisk()
        log = reopen(disk)
        others = []
        for number in range(12):
            batch = make_batch(2, payload_size=100, fill=100 + number)
            log.append(as_input([batch]))
            others.append(bytes(batch))
        disk.restart_process()
        disk.replace_file(f"{DIRECTORY}/{TAIL_FILE}", stale)
        log = reopen(disk)
        assert not log.recovery.checkpoint_trusted
        assert read_all(log) == others

    def test_a_lost_index_file_is_made_again(self, disk: FakeDisk) -> None:
        content = write_log(disk, 40)
        reopen(disk).close()
        whole = bytes(disk.file(path(0, ".index")).content)
        for damage in ("missing", "empty", "zeros", "one bit"):
            disk.restart_process()
            index = disk.file(path(0, ".index"))
            if damage == "missing":
                disk.unlink(path(0, ".index"))
            elif damage == "empty":
                index.truncate(0)
            elif damage == "zeros":
                index.content[:] = bytes(len(index.content))
            else:
                index.content[13] ^= 4
            log = reopen(disk)
            assert log.recovery.checkpoint_trusted
            assert log.recovery.clean
            assert read_all(log) == content
            log.append(as_input([make_batch(1)]))
            log.truncate(Offset(80))
            log.close()
            assert bytes(disk.file(path(0, ".index")).content) == whole, damage

    def test_a_checkpoint_that_cannot_be_written_fails_no_append(self, disk: FakeDisk) -> None:
        log = reopen(disk, SMALL)
        disk.fail("overwrite_file", times=100)
        for _ in range(30):
            log.append(as_input([make_batch(2, payload_size=100)]))
        disk.restart_process()
        log = reopen(disk, SMALL)
        assert log.end_offset == 60
        assert log.recovery.clean

    def test_asking_for_one_says_when_it_fails(self, disk: FakeDisk) -> None:
        log = reopen(disk)
        log.append(as_input([make_batch(2)]))
        disk.fail("overwrite_file")
        with pytest.raises(StorageError):
            log.checkpoint()
        log.checkpoint()
        writes = disk.calls["overwrite_file"]
        log.checkpoint()
        assert disk.calls["overwrite_file"] == writes, "nothing had changed"


class TestOlderSegments:
    """SMALL has segments of 2,000 bytes: twelve batches of 157 bytes, 24 records, in each."""

    @pytest.fixture
    def content(self, disk: FakeDisk) -> list[bytes]:
        return write_log(disk, 40, SMALL)

    def without_checkpoint(self, disk: FakeDisk) -> Log:
        if f"{DIRECTORY}/{TAIL_FILE}" in disk.names:
            disk.unlink(f"{DIRECTORY}/{TAIL_FILE}")
        return reopen(disk, SMALL)

    def test_they_are_not_touched_by_a_start(self, disk: FakeDisk, content: list[bytes]) -> None:
        before = disk.calls["open"]
        log = reopen(disk, SMALL)
        assert log.segment_count == 4
        assert disk.calls["open"] - before == 1
        assert read_all(log) == content

    @pytest.mark.parametrize("size", [0, 30, 157, 1500, 1883])
    def test_one_that_is_too_short(self, disk: FakeDisk, content: list[bytes], size: int) -> None:
        disk.file(path(24)).truncate(size)
        log = self.without_checkpoint(disk)
        (damaged,) = log.recovery.damaged
        whole = size // BATCH_SIZE
        assert (damaged.file, damaged.position) == (path(24), whole * BATCH_SIZE)
        assert (damaged.first_offset, damaged.next_offset) == (24 + 2 * whole, 48)
        self._check_around(log, content, first=12 + whole, behind=24)

    @pytest.mark.parametrize("size", [0, 30, 157, 1500, 1883])
    def test_one_that_is_too_short_with_a_checkpoint(
        self, disk: FakeDisk, content: list[bytes], size: int
    ) -> None:
        """Found when it is read, if not before; reported then."""
        disk.file(path(24)).truncate(size)
        log = reopen(disk, SMALL)
        whole = size // BATCH_SIZE
        self._check_around(log, content, first=12 + whole, behind=24)
        (damaged,) = log.recovery.damaged
        assert (damaged.file, damaged.position) == (path(24), whole * BATCH_SIZE)

    @pytest.mark.parametrize("at", [*range(0, 12), *range(16, BATCH_SIZE)])
    def test_a_changed_byte_is_never_handed_out(
        self, disk: FakeDisk, content: list[bytes], at: int
    ) -> None:
        disk.file(path(24)).content[5 * BATCH_SIZE + at] ^= 0x10
        log = reopen(disk, SMALL)
        with pytest.raises(CorruptSegment) as error:
            read_all(log)
        assert (error.value.file, error.value.position) == (path(24), 5 * BATCH_SIZE)
        (damaged,) = log.recovery.damaged
        assert damaged.first_offset == 34
        assert damaged.next_offset == 48
        self._check_around(log, content, first=17, behind=24)

    def test_a_missing_one(self, disk: FakeDisk, content: list[bytes]) -> None:
        disk.unlink(path(24))
        log = self.without_checkpoint(disk)
        (damaged,) = log.recovery.damaged
        assert (damaged.file, damaged.position) == (path(0), 12 * BATCH_SIZE)
        assert "the next segment begins at 48" in damaged.reason
        self._check_around(log, content, first=12, behind=24)

    def test_one_that_reaches_into_the_next(self, disk: FakeDisk, content: list[bytes]) -> None:
        disk.file(path(0)).content.extend(stamped(bytes(make_batch(2)), 24))
        log = self.without_checkpoint(disk)
        (damaged,) = log.recovery.damaged
        assert (damaged.file, damaged.position) == (path(0), 12 * BATCH_SIZE)
        assert "overlaps" in damaged.reason
        assert read_all(log) == content

    def test_one_that_cannot_be_opened(self, disk: FakeDisk, content: list[bytes]) -> None:
        log = reopen(disk, SMALL)
        disk.fail("open")
        with pytest.raises(StorageError):
            log.read(Offset(0), end=log.end_offset, max_bytes=1)
        assert read_all(log) == content, "a passing trouble is no damage"

    @pytest.mark.parametrize("damage", ["missing", "zeros", "shifted", "random", "last entry"])
    def test_its_index_does_not_matter(
        self, disk: FakeDisk, content: list[bytes], damage: str
    ) -> None:
        index = disk.file(path(24, ".index"))
        assert index.size >= 16
        match damage:
            case "missing":
                disk.unlink(path(24, ".index"))
            case "zeros":
                index.content[:] = bytes(index.size)
            case "shifted":
                for at in range(7, index.size, 8):
                    index.content[at] += 1
            case "random":
                index.content[:] = Random(7).randbytes(index.size)
            case "last entry":
                index.content[-1] ^= 1
        log = reopen(disk, SMALL)
        assert read_all(log) == content
        assert log.recovery.clean
        for offset in range(0, 80, 3):
            piece = log.read(Offset(offset), end=log.end_offset, max_bytes=400)
            assert piece is not None
            assert bytes(piece.view()).startswith(content[offset // 2])

    def test_leftovers_of_a_crash_are_removed(self, disk: FakeDisk, content: list[bytes]) -> None:
        for name in ("00000000000000000000.log.deleted", "tail.checkpoint.new"):
            disk.write_file(f"{DIRECTORY}/{name}", b"x", position=0, size_bytes=1)
        disk.write_file(path(7, ".index"), b"", position=0, size_bytes=8)
        disk.write_file(f"{DIRECTORY}/partition.uid", b"x", position=0, size_bytes=1)
        log = reopen(disk, SMALL)
        assert read_all(log) == content
        names = {name.rpartition("/")[2] for name in disk.names}
        assert not [name for name in names if name.endswith((".deleted", ".new"))]
        assert "00000000000000000007.index" not in names
        assert "partition.uid" in names, "somebody else's file"

    def _check_around(self, log: Log, content: list[bytes], *, first: int, behind: int) -> None:
        """Batches [first, behind) raise wherever a read begins; all others come back."""
        with pytest.raises(CorruptSegment) as error:
            log.read(Offset(2 * first), end=log.end_offset, max_bytes=1 << 20)
        assert error.value.position in (first % 12 * BATCH_SIZE, 12 * BATCH_SIZE)
        offset = Offset(0)
        found = []
        while offset < 2 * first:
            piece = log.read(offset, end=log.end_offset, max_bytes=1 << 20)
            assert piece is not None
            found.append(bytes(piece.view()))
            offset = piece.next_offset
        assert offset == 2 * first
        assert b"".join(found) == b"".join(content[:first])
        offset = Offset(2 * behind)
        found = []
        while piece := log.read(offset, end=log.end_offset, max_bytes=1 << 20):
            found.append(bytes(piece.view()))
            offset = piece.next_offset
        assert b"".join(found) == b"".join(content[behind:])
