"""Where a consumer begins: the table of the client reference, section 2.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client.consumer.offsets import Anchor, Offset, resolve_offset

TABLE = [
    # place, start, end, stored, expected
    (Offset.beginning(), 10, 20, None, 10),
    (Offset.end(), 10, 20, None, 20),
    (Offset.from_beginning(3), 10, 20, None, 13),
    (Offset.from_beginning(99), 10, 20, None, 20),
    (Offset.from_end(3), 10, 20, None, 17),
    (Offset.from_end(99), 10, 20, None, 10),
    (Offset.absolute(0), 10, 20, None, 0),
    (Offset.absolute(99), 10, 20, None, 99),
    (Offset.absolute(12), 10, 20, 15, 12),
    (Offset.beginning(), 10, 20, 15, 16),
    (Offset.end(), 10, 20, 15, 16),
    (Offset.from_beginning(1), 10, 20, 15, 17),
    (Offset.from_end(2), 10, 20, 15, 14),
    (Offset.beginning(), 10, 20, 3, 10),
    (Offset.end(), 10, 20, 30, 20),
    (Offset.beginning(), 0, 0, None, 0),
    (Offset.from_end(5), 0, 3, None, 0),
]


@pytest.mark.parametrize(("place", "start", "end", "stored", "expected"), TABLE)
def test_resolution(place: Offset, start: int, end: int, stored: int | None, expected: int) -> None:
    assert resolve_offset(place, start=start, end=end, stored=stored) == expected


def test_a_negative_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Offset.absolute(-1)


@pytest.mark.parametrize(
    ("given_place", "expected"),
    [
        ("beginning", Offset.beginning()),
        ("end", Offset.end()),
        (7, Offset.absolute(7)),
        (Offset.from_end(2), Offset.from_end(2)),
    ],
)
def test_places_may_be_written_short(given_place: Offset | int | str, expected: Offset) -> None:
    assert Offset.of(given_place) == expected


@pytest.mark.parametrize("text", ["", "absolute", "middle"])
def test_an_unknown_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place to start"):
        Offset.of(text)


@given(
    st.sampled_from([Anchor.BEGINNING, Anchor.END]),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
    st.none() | st.integers(0, 1 << 40),
)
def test_relative_places_stay_inside(
    anchor: Anchor, count: int, start: int, size: int, stored: int | None
) -> None:
    found = resolve_offset(Offset(anchor, count), start=start, end=start + size, stored=stored)
    assert start <= found <= start + size
