"""The incarnation of the data changes when acknowledged records may be gone, and only then."""

from contextlib import suppress
from random import Random

import pytest
from fake_disk import FakeDisk, Killed
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from log_twin import SMALL, as_input, make_batch

from fluvio_spu.storage import Log, OsDisk, OutOfStorage, StorageError
from fluvio_spu.storage.data_folder import (
    IDENTITY_FILE,
    INCARNATION_MAX,
    DataFolder,
    OpenedDataFolder,
    close_data_folder,
    open_data_folder,
)

FOLDER = "data/replicas"
PATH = f"{FOLDER}/{IDENTITY_FILE}"


def start(disk: FakeDisk, incarnation: int, *, acks_wait: bool = False) -> tuple[int, bool]:
    """(incarnation, may have lost); `incarnation` is what a new one would be."""
    opened = open_data_folder(
        disk, FOLDER, acks_wait=acks_wait, new_incarnation=lambda: incarnation
    )
    return opened.incarnation, opened.may_have_lost


def power_cut(disk: FakeDisk) -> None:
    disk.lose_power(Random(1))


def test_a_first_start_has_lost_nothing(disk: FakeDisk) -> None:
    assert start(disk, 1) == (1, False)


@pytest.mark.parametrize("acks_wait", [False, True])
def test_a_killed_process_and_a_clean_stop_lose_nothing(disk: FakeDisk, acks_wait: bool) -> None:
    start(disk, 1, acks_wait=acks_wait)
    disk.restart_process()
    assert start(disk, 2, acks_wait=acks_wait) == (1, False)
    close_data_folder(disk, FOLDER)
    power_cut(disk)
    assert start(disk, 3, acks_wait=acks_wait) == (1, False)


def test_a_power_cut_takes_what_nobody_waited_for(disk: FakeDisk) -> None:
    start(disk, 1)
    power_cut(disk)
    assert start(disk, 2) == (2, True)
    assert start(disk, 3) == (2, False)
    power_cut(disk)
    assert start(disk, 4) == (4, True)


def test_what_was_waited_for_survives(disk: FakeDisk) -> None:
    start(disk, 1, acks_wait=True)
    power_cut(disk)
    assert start(disk, 2, acks_wait=False) == (1, False)


def test_it_is_the_policy_of_the_process_that_wrote_which_counts(disk: FakeDisk) -> None:
    start(disk, 1, acks_wait=False)
    power_cut(disk)
    assert start(disk, 2, acks_wait=True) == (2, True)


def test_a_careful_process_does_not_make_good_what_a_killed_one_left(disk: FakeDisk) -> None:
    start(disk, 1, acks_wait=False)
    for _ in range(2):
        disk.restart_process()
        start(disk, 2, acks_wait=True)
    power_cut(disk)
    assert start(disk, 3, acks_wait=True) == (3, True)
    power_cut(disk)
    assert start(disk, 4, acks_wait=True) == (3, False)


def test_a_clean_stop_also_syncs_what_was_not_opened(disk: FakeDisk) -> None:
    start(disk, 1)
    log = Log.open(disk, f"{FOLDER}/topic-0", SMALL)
    log.append(as_input([make_batch(payload_size=900) for _ in range(5)]))
    disk.restart_process()  # killed, started, and stopped before anything was assigned
    start(disk, 2)
    close_data_folder(disk, FOLDER)
    power_cut(disk)
    assert start(disk, 3) == (1, False)
    log = Log.open(disk, f"{FOLDER}/topic-0", SMALL)
    assert log.end_offset == 5
    assert not log.recovery.lost_records


def test_a_stop_with_a_log_that_could_not_be_synced_is_not_clean(disk: FakeDisk) -> None:
    start(disk, 1)
    log = Log.open(disk, f"{FOLDER}/topic-0", SMALL)
    log.append(as_input([make_batch()]))
    disk.fail("sync_data")
    all_durable = log.close()
    assert not all_durable
    assert not log.close()
    close_data_folder(disk, FOLDER, all_durable=all_durable)
    power_cut(disk)
    assert start(disk, 2) == (2, True)


def test_a_log_that_was_synced_says_so(disk: FakeDisk) -> None:
    log = Log.open(disk, "data/topic-0", SMALL)
    log.append(as_input([make_batch()]))
    assert log.close()
    assert log.close()


@pytest.mark.parametrize("boots", [(b"", b"boot"), (b"boot", b""), (b"", b"")])
def test_an_unknown_boot_counts_as_another(
    disk: FakeDisk, monkeypatch: pytest.MonkeyPatch, boots: tuple[bytes, bytes]
) -> None:
    monkeypatch.setattr(disk, "boot_identity", lambda: boots[0])
    start(disk, 1)
    monkeypatch.setattr(disk, "boot_identity", lambda: boots[1])
    assert start(disk, 2) == (2, True)
    close_data_folder(disk, FOLDER)
    assert start(disk, 3) == (2, False)


def test_a_file_that_is_not_whole_counts_as_a_loss(disk: FakeDisk) -> None:
    start(disk, 1)
    close_data_folder(disk, FOLDER)
    size = disk.file(PATH).size
    for keep in range(size):
        disk.file(PATH).truncate(keep)
        assert start(disk, 2 + keep) == (2 + keep, True)
    for position in range(size):
        disk.file(PATH).content[position] ^= 1
        assert start(disk, 1000 + position) == (1000 + position, True)
    disk.file(PATH).content += b"\0"
    assert start(disk, 5000) == (5000, True)


def test_its_bytes(disk: FakeDisk) -> None:
    start(disk, 258, acks_wait=True)
    assert disk.file(PATH).content[:-4].hex() == (
        "464c56444154413100000000000001020101" + "00" + b"boot-1".hex() + "00" * 30
    )


def test_a_real_disk_does_it_too(tmp_path: object) -> None:
    folder = f"{tmp_path}/one/replicas"
    for expected in (7, 7):
        opened = open_data_folder(OsDisk(), folder, acks_wait=False, new_incarnation=lambda: 7)
        assert opened == OpenedDataFolder(expected, may_have_lost=False)
        close_data_folder(OsDisk(), folder)


@pytest.mark.parametrize("number", [0, -1, INCARNATION_MAX + 1])
def test_an_incarnation_is_a_number_of_the_protocol(disk: FakeDisk, number: int) -> None:
    with pytest.raises(ValueError, match="incarnation"):
        start(disk, number)


def test_a_disk_that_fails(disk: FakeDisk, caplog: pytest.LogCaptureFixture) -> None:
    disk.fail("sync_data")
    with pytest.raises(StorageError):
        start(disk, 1)
    start(disk, 1)
    disk.fail("sync_data", times=2)
    close_data_folder(disk, FOLDER)  # it will be as if the process had been killed
    assert "event=data_folder_closed_uncleanly" in caplog.text
    power_cut(disk)
    assert start(disk, 3) == (3, True)


def test_a_full_disk_has_room_for_what_is_there_already(disk: FakeDisk) -> None:
    disk.capacity = disk.used_bytes()
    with pytest.raises(OutOfStorage):
        start(disk, 1)
    disk.capacity = None
    start(disk, 1)
    disk.capacity = disk.used_bytes()
    close_data_folder(disk, FOLDER)
    power_cut(disk)
    assert start(disk, 2) == (1, False), "the clean stop was noted"
    power_cut(disk)
    assert start(disk, 3) == (3, True), "so was the start"


@given(calls=st.integers(0, 12), seed=st.integers(0, 1 << 30), cut_power=st.booleans())
def test_a_start_that_is_cut_short_is_repeated(calls: int, seed: int, cut_power: bool) -> None:
    """A loss that was not yet told to anybody is not forgotten."""
    disk = FakeDisk()
    start(disk, 1)
    power_cut(disk)
    disk.kill_in_call(calls)
    told = None
    with suppress(Killed):
        told = start(disk, 2)
    disk.lose_power(Random(seed)) if cut_power else disk.restart_process()
    assert told in (None, (2, True))
    incarnation, may_have_lost = start(disk, 3)
    assert incarnation != 1
    assert may_have_lost == (incarnation == 3)
    if told and not cut_power:
        assert incarnation == 2


class LogsOfAnIncarnation(RuleBasedStateMachine):
    """As long as the incarnation is the same, whatever was acknowledged is there."""

    @initialize(acks_wait=st.booleans())
    def begin(self, acks_wait: bool) -> None:
        self.disk = FakeDisk()
        self.number = 0
        self.incarnation = 0
        self.acknowledged = [0, 0]
        self.logs: list[Log | None] = [None, None]
        self.start(acks_wait)

    def start(self, acks_wait: bool) -> None:
        self.number += 1
        self.acks_wait = acks_wait
        incarnation, may_have_lost = start(self.disk, self.number, acks_wait=acks_wait)
        assert may_have_lost == (incarnation != self.incarnation and self.incarnation != 0)
        if incarnation != self.incarnation:
            self.acknowledged = [0, 0]
        self.incarnation = incarnation
        self.logs = [None, None]

    @rule(which=st.integers(0, 1))
    def produce(self, which: int) -> None:
        log = self.open(which)
        log.append(as_input([make_batch(payload_size=300)]))
        if self.acks_wait:
            log.sync_handle().run()
        self.acknowledged[which] = log.end_offset

    @rule(which=st.integers(0, 1))
    def look(self, which: int) -> None:
        self.open(which)

    def open(self, which: int) -> Log:
        log = self.logs[which] or Log.open(self.disk, f"{FOLDER}/topic-{which}", SMALL)
        self.logs[which] = log
        assert log.end_offset >= self.acknowledged[which]
        if self.acknowledged[which]:
            offset = log.start_offset
            while offset < self.acknowledged[which]:
                piece = log.read(offset, end=log.end_offset, max_bytes=1)
                assert piece is not None
                offset = piece.next_offset
        return log

    @rule(acks_wait=st.booleans())
    def kill(self, acks_wait: bool) -> None:
        self.disk.restart_process()
        self.start(acks_wait)

    @rule(acks_wait=st.booleans(), seed=st.integers(0, 1 << 30))
    def lose_power(self, acks_wait: bool, seed: int) -> None:
        self.disk.lose_power(Random(seed))
        self.start(acks_wait)
        for which in range(2):
            if not self.acknowledged[which]:
                self.make_anew(which)

    def make_anew(self, which: int) -> None:
        """What a controller makes of a replica that does not count: another one's copy."""
        Log.open(self.disk, f"{FOLDER}/topic-{which}", SMALL).remove()
        self.disk.sync_directory(FOLDER)

    @rule(acks_wait=st.booleans(), seed=st.none() | st.integers(0, 1 << 30))
    def stop(self, acks_wait: bool, seed: int | None) -> None:
        all_durable = all([log.close() for log in self.logs if log is not None])
        close_data_folder(self.disk, FOLDER, all_durable=all_durable)
        if seed is not None:
            self.disk.lose_power(Random(seed))
        before = self.incarnation
        self.start(acks_wait)
        assert self.incarnation == before


LogsOfAnIncarnation.TestCase.settings = settings(stateful_step_count=25)
TestLogsOfAnIncarnation = LogsOfAnIncarnation.TestCase


def test_a_loss_that_is_noticed_begins_a_life_once_and_for_good(disk: FakeDisk) -> None:
    start(disk, 1, acks_wait=True)
    numbers = iter([2, 3])
    folder = DataFolder(disk, FOLDER, 1, lambda: next(numbers))
    folder.begin_new_life(1, "a hole")
    assert folder.incarnation == 2
    folder.begin_new_life(1, "another log of the same life")
    assert folder.incarnation == 2
    power_cut(disk)
    assert start(disk, 9, acks_wait=True) == (2, False)


def test_a_loss_is_noted_on_a_full_disk(disk: FakeDisk) -> None:
    start(disk, 1)
    disk.capacity = disk.used_bytes()
    DataFolder(disk, FOLDER, 1, lambda: 2).begin_new_life(1, "a hole")
    disk.capacity = None
    assert start(disk, 9) == (2, False)
