"""The sparse index and the ring, against lists that are searched from the front."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from fluvio_spu.storage.offset_index import OffsetIndex, TailRing

batch_sizes = st.lists(st.tuples(st.integers(1, 9), st.integers(57, 3000)), min_size=1, max_size=60)


def new_index(interval: int = 1000, size: int = 1 << 20) -> OffsetIndex:
    return OffsetIndex(interval_bytes=interval, size_bytes_max=size)


def fill(index: OffsetIndex, batches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Notes the batches; returns the entries that upstream's rule asks for."""
    expected = []
    offset = position = counter = 0
    for count, size in batches:
        index.note(offset, position, size)
        if counter < 1000:
            counter += size
        else:
            expected.append((offset, position))
            counter = 0
        offset += count
        position += size
    return expected


@given(batch_sizes)
def test_entries_follow_the_rule_and_the_layout(batches: list[tuple[int, int]]) -> None:
    index = new_index()
    expected = fill(index, batches)
    assert index.encode() == b"".join(struct.pack(">II", *entry) for entry in expected)
    assert index.size_bytes == 8 * len(expected)
    for first in range(len(expected)):
        assert index.encode(first) == index.encode()[first * 8 :]


@given(batch_sizes, st.data())
def test_floors_are_what_a_search_from_the_front_finds(
    batches: list[tuple[int, int]], data: st.DataObject
) -> None:
    index = new_index()
    entries = [(0, 0), *fill(index, batches)]
    offset = data.draw(st.integers(0, 600))
    position = data.draw(st.integers(0, 200_000))
    assert index.floor_of_offset(offset) == [one for one in entries if one[0] <= offset][-1]
    assert index.floor_of_position(position) == [one for one in entries if one[1] <= position][-1]
    index.cut(position)
    assert index.encode() == b"".join(
        struct.pack(">II", *one) for one in entries[1:] if one[1] < position
    )


@given(batch_sizes, st.integers(0, 200))
def test_a_file_is_loaded_up_to_its_end_mark(batches: list[tuple[int, int]], zeros: int) -> None:
    index = new_index()
    fill(index, batches)
    again = new_index()
    again.load(index.encode() + bytes(zeros), position_max=1 << 30)
    assert again.encode() == index.encode()


def test_entries_past_the_end_of_the_log_are_left_out() -> None:
    index = new_index()
    index.load(struct.pack(">6I", 1, 100, 2, 200, 3, 300), position_max=201)
    assert index.encode() == struct.pack(">4I", 1, 100, 2, 200)


@given(st.binary(max_size=200), st.integers(0, 1 << 33), st.integers(0, 1 << 33))
def test_any_bytes_can_be_loaded_and_asked(content: bytes, offset: int, position: int) -> None:
    """A damaged index may answer with too little, never with something behind what was asked."""
    index = new_index()
    index.load(content, position_max=1 << 31)
    assert index.floor_of_offset(offset)[0] <= offset
    assert index.floor_of_position(position)[1] <= position


def test_a_full_index_takes_no_more() -> None:
    index = new_index(interval=0, size=24)
    for number in range(1, 9):
        assert index.full is (number > 3)
        index.note(number, number * 100, 100)
    assert index.size_bytes == 24


def test_the_ring_keeps_the_last_batches() -> None:
    ring = TailRing()
    for number in range(5000):
        ring.offsets.append(number)
        ring.positions.append(number * 10)
        ring.shorten()
        assert len(ring.offsets) == len(ring.positions) < 256
        assert ring.offsets[-1] == number
        assert list(ring.positions) == [one * 10 for one in ring.offsets]
        if number > 128:
            assert len(ring.offsets) >= 128
    ring.cut(49_000)
    assert ring.positions[-1] == 48_990
    ring.cut(0)
    assert not ring.offsets
