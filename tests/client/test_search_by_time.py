"""The first record of a time or later: found by halving, and as by looking at every record."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client import Offset
from fluvio_client.consumer.by_time import TimeSearch
from fluvio_client.consumer.offsets import Anchor, resolve_offset

TIMES = st.lists(st.integers(-1, 50), max_size=200)


def search(times: list[int], when_ms: int, *, start: int, batch_size: int) -> tuple[int, int]:
    """Offset that is found, and how many reads it took; a read gives one whole batch."""
    end = start + len(times)
    sought = TimeSearch(when_ms, start=start, end=end)
    reads = 0
    while not sought.over:
        reads += 1
        first = sought.probe - sought.probe % batch_size
        offsets = range(max(start, first), min(first + batch_size, end))
        sought.seen([(one, times[one - start], None, b"") for one in offsets])
    return sought.low, reads


@given(TIMES, st.integers(-1, 51), st.integers(0, 1000), st.integers(1, 30))
def test_with_times_that_never_fall_it_is_the_first(
    times: list[int], when_ms: int, start: int, batch_size: int
) -> None:
    times.sort()
    found, reads = search(times, when_ms, start=start, batch_size=batch_size)
    assert found == start + bisect_left(times, when_ms)
    assert reads <= len(times).bit_length()


@given(TIMES, st.integers(-1, 51), st.integers(1, 30))
def test_with_clocks_that_disagree_it_is_a_place_where_they_cross_it(
    times: list[int], when_ms: int, batch_size: int
) -> None:
    found, reads = search(times, when_ms, start=0, batch_size=batch_size)
    assert reads <= len(times).bit_length()
    assert found == len(times) or times[found] >= when_ms
    assert found == 0 or times[found - 1] < when_ms


def test_what_retention_takes_meanwhile_is_not_waited_for() -> None:
    sought = TimeSearch(5, start=0, end=100)
    sought.evicted(80)
    assert (sought.low, sought.over) == (80, False)
    sought.evicted(200)
    assert (sought.low, sought.over) == (100, True)


@pytest.mark.parametrize(
    ("when", "count"),
    [
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1000),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 1001, tzinfo=UTC), 2),
        (datetime(1969, 1, 1, tzinfo=UTC), 0),
    ],
)
def test_a_moment_is_the_first_millisecond_at_it_or_later(when: datetime, count: int) -> None:
    assert Offset.at(when) == Offset(Anchor.TIME, count)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Offset.at(datetime(2001, 2, 3))  # noqa: DTZ001


def test_a_moment_cannot_be_resolved_without_reading() -> None:
    with pytest.raises(ValueError, match="records have to be read"):
        resolve_offset(Offset.at(datetime.now(UTC)), start=0, end=9, stored=None)
