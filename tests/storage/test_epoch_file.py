"""The lineage of a partition on disk: whole or known to be missing, and durable."""

from contextlib import suppress
from random import Random

import pytest
from fake_disk import FakeDisk
from hypothesis import given
from hypothesis import strategies as st
from log_twin import SMALL, as_input, make_batch

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset
from fluvio_spu.storage import Log, OsDisk, OutOfStorage, StorageError
from fluvio_spu.storage.epoch_file import EPOCH_FILE, EPOCHS_MAX, read_epochs, write_epochs

DIRECTORY = "data"
PATH = f"{DIRECTORY}/{EPOCH_FILE}"


def lineage(*pairs: tuple[int, int]) -> tuple[EpochStart, ...]:
    return tuple(
        EpochStart(epoch=LeaderEpoch(epoch), offset=Offset(offset)) for epoch, offset in pairs
    )


OLD = lineage((1, 0), (4, 100))
NEW = lineage((1, 0), (4, 100), (1 << 40, 1 << 50))
I64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(pairs=st.lists(st.tuples(I64, I64), max_size=20))
def test_reads_what_was_written(pairs: list[tuple[int, int]]) -> None:
    disk = FakeDisk()
    write_epochs(disk, DIRECTORY, lineage(*pairs))
    assert read_epochs(disk, DIRECTORY) == lineage(*pairs)


def test_a_real_disk_does_it_too(tmp_path: object) -> None:
    for entries in (NEW, OLD, ()):
        write_epochs(OsDisk(), str(tmp_path), entries)
        assert read_epochs(OsDisk(), str(tmp_path)) == entries


def test_its_bytes(disk: FakeDisk) -> None:
    write_epochs(disk, DIRECTORY, lineage((2, 258)))
    assert disk.file(PATH).content.hex() == (
        "464c5645504f43310000000100000000000000020000000000000102dd33bdfc"
    )


def test_without_a_file_no_leadership_was_noted(disk: FakeDisk) -> None:
    assert read_epochs(disk, DIRECTORY) == ()


@pytest.mark.parametrize("keep", [0, 1, 12, 40, 59])
def test_a_torn_file_is_not_an_empty_lineage(disk: FakeDisk, keep: int) -> None:
    write_epochs(disk, DIRECTORY, NEW)
    disk.file(PATH).truncate(keep)
    assert read_epochs(disk, DIRECTORY) is None


@given(data=st.data())
def test_a_damaged_file_is_noticed(data: st.DataObject) -> None:
    disk = FakeDisk()
    write_epochs(disk, DIRECTORY, OLD)
    content = disk.file(PATH).content
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert read_epochs(disk, DIRECTORY) is None


def test_bytes_behind_it_are_noticed(disk: FakeDisk) -> None:
    write_epochs(disk, DIRECTORY, OLD)
    disk.file(PATH).content += b"\0"
    assert read_epochs(disk, DIRECTORY) is None


def test_it_is_bounded(disk: FakeDisk) -> None:
    most = lineage(*((number, number) for number in range(EPOCHS_MAX)))
    write_epochs(disk, DIRECTORY, most)
    assert read_epochs(disk, DIRECTORY) == most
    with pytest.raises(ValueError, match="at most"):
        write_epochs(disk, DIRECTORY, (*most, *lineage((EPOCHS_MAX, EPOCHS_MAX))))
    assert read_epochs(disk, DIRECTORY) == most


@given(seed=st.integers(0, 1 << 30))
def test_it_survives_a_power_cut_once_it_was_written(seed: int) -> None:
    disk = FakeDisk()
    write_epochs(disk, DIRECTORY, OLD)
    write_epochs(disk, DIRECTORY, NEW)
    disk.lose_power(Random(seed))
    assert read_epochs(disk, DIRECTORY) == NEW


@given(
    seed=st.integers(0, 1 << 30),
    call=st.sampled_from(["write_file", "open", "sync_data", "rename", "sync_directory"]),
)
def test_a_power_cut_in_the_middle_leaves_the_old_or_the_new(seed: int, call: str) -> None:
    disk = FakeDisk()
    write_epochs(disk, DIRECTORY, OLD)
    disk.fail(call)
    with suppress(StorageError):
        write_epochs(disk, DIRECTORY, NEW)
    disk.lose_power(Random(seed))
    assert read_epochs(disk, DIRECTORY) in (OLD, NEW)
    write_epochs(disk, DIRECTORY, NEW)  # whatever was left behind is not in the way
    assert read_epochs(disk, DIRECTORY) == NEW


def test_a_full_disk_keeps_the_old_one(disk: FakeDisk) -> None:
    write_epochs(disk, DIRECTORY, OLD)
    disk.capacity = disk.used_bytes()
    with pytest.raises(OutOfStorage):
        write_epochs(disk, DIRECTORY, NEW)
    assert read_epochs(disk, DIRECTORY) == OLD


def test_a_disk_that_cannot_be_read_says_so(disk: FakeDisk) -> None:
    write_epochs(disk, DIRECTORY, OLD)
    disk.fail("read_file")
    with pytest.raises(StorageError, match="leader-epochs"):
        read_epochs(disk, DIRECTORY)


def test_it_lives_beside_a_log(disk: FakeDisk) -> None:
    log = Log.open(disk, f"{DIRECTORY}/topic-0", SMALL)
    write_epochs(disk, log.directory, OLD)
    log.append(as_input([make_batch()]))
    log.close()
    log = Log.open(disk, f"{DIRECTORY}/topic-0", SMALL)
    assert read_epochs(disk, log.directory) == OLD
    log.remove()
    assert read_epochs(disk, log.directory) == ()
