"""Durations and sizes: tables of what Fluvio's own command accepts and refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_cli.quantities import (
    format_duration_s,
    format_size_bytes,
    parse_duration_ns,
    parse_duration_s,
    parse_size_bytes,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("150ms", 150_000_000),
        ("20s", 20 * SECOND),
        ("2d 10s", (2 * 86_400 + 10) * SECOND),
        ("1h30m", 5400 * SECOND),
        ("7 days", 7 * 86_400 * SECOND),
        ("1w", 7 * 86_400 * SECOND),
        ("5sec 3us 7ns", 5 * SECOND + 3_000 + 7),
        ("1m", 60 * SECOND),
        ("1M", 2_630_016 * SECOND),
        ("1year", 31_557_600 * SECOND),
        ("  3hours  ", 3 * 3600 * SECOND),
        ("0s", 0),
    ],
)
def test_durations(text: str, nanoseconds: int) -> None:
    assert parse_duration_ns(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("10", "time unit needed"),
        ("1h 10", "time unit needed"),
        ("10 parsecs", "unknown time unit"),
        ("-5s", "expected number"),
        ("1.5h", "expected number"),
        ("s", "expected number"),
        ("10H", "unknown time unit"),
        ("99999999999999y", "too large"),
    ],
)
def test_what_is_no_duration(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (3600, "1h"),
        (3661, "1h 1m 1s"),
        (604_800, "7days"),
        (86_400, "1day"),
        (90_061, "1day 1h 1m 1s"),
        (31_557_600, "1year"),
        (2_630_016 * 2, "2months"),
    ],
)
def test_durations_are_shown_as_fluvio_shows_them(seconds: int, text: str) -> None:
    assert format_duration_s(seconds) == text


@given(st.integers(0, (1 << 63) // SECOND - 1))
def test_durations_round_trip(seconds: int) -> None:
    assert parse_duration_s(format_duration_s(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2048", 2048),
        ("2 Ki", 2048),
        ("2KiB", 2048),
        ("10 MiB", 10 * 1024**2),
        ("10mb", 10_000_000),
        ("1 GB", 10**9),
        ("10Gb", 10**10),
        ("1.0 KB", 1000),
        ("1.5k", 1500),
        ("1G", 10**9),
        ("3 b", 3),
        ("0.1 Ki", 102),
        ("2Ti", 2 * 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "1 XB", "1 KiX", "ten", "1e3", "1,5 MB", "9999999E"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|too large"):
        parse_size_bytes(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (558, "558 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1234, "1.2 KB"),
        (999_949, "999.9 KB"),
        (999_999, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes_are_shown_as_fluvio_shows_them(size: int, text: str) -> None:
    assert format_size_bytes(size) == text
