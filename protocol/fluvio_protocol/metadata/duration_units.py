"""The units in which people write lengths of time: `30s`, `10m`, `1day 2h`. Fluvio's own.

Used by the command line and by manifests, which word their errors differently. `m` is minutes and
`M` months, so case counts.
"""

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS

_NAMES: tuple[tuple[tuple[str, ...], int], ...] = (
    (("nanos", "nsec", "ns"), 1),
    (("usec", "us", "µs"), 1_000),
    (("millis", "msec", "ms"), 1_000_000),
    (("seconds", "second", "secs", "sec", "s"), SECOND_NS),
    (("minutes", "minute", "mins", "min", "m"), 60 * SECOND_NS),
    (("hours", "hour", "hrs", "hr", "h"), 3600 * SECOND_NS),
    (("days", "day", "d"), DAY_NS),
    (("weeks", "week", "wks", "wk", "w"), 7 * DAY_NS),
    (("months", "month", "M"), 2_630_016 * SECOND_NS),  # 30.44 days
    (("years", "year", "yrs", "yr", "y"), 31_557_600 * SECOND_NS),  # 365.25 days
)

UNIT_NS = {name: length for names, length in _NAMES for name in names}
"""Nanoseconds of one unit, by every name it may be written with."""
