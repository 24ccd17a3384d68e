"""Durations and sizes as people write them, and back. Pure; the grammars are Fluvio's.

duration   `150ms`, `20s`, `2d 10s`, `1h30m`: numbers with units, added up
size       `2048`, `2 Ki`, `10MiB`, `1.5 GB`: Ki, Mi.. count by 1024; K, M.. by 1000

Where the library takes a `LengthOfTime` or a `Size`, a text in these grammars will do. The command
line uses the same functions.
"""

import math
import re
from datetime import timedelta
from typing import TypeAlias

from fluvio_protocol.metadata.duration_units import UNIT_NS

_DURATION_PART = re.compile(r"\s*([0-9]+)\s*([A-Za-zµ]+)")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_PREFIXES = "kmgtpe"

LengthOfTime: TypeAlias = timedelta | int | float | str
"""A number counts seconds."""
Size: TypeAlias = int | str
"""A number counts bytes."""


def seconds_of(length: LengthOfTime) -> float:
    """Seconds, never negative. Raises ValueError, also for what is no number."""
    match length:
        case timedelta():
            seconds = length.total_seconds()
        case str():
            seconds = parse_duration_s(length)
        case _:
            seconds = float(length)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{length} is no length of time")
    return seconds


def whole_seconds_of(length: LengthOfTime) -> int:
    """Seconds for a place that holds no fraction. Raises ValueError for half a second."""
    seconds = seconds_of(length)
    if seconds != int(seconds):
        raise ValueError(f"{length}: whole seconds only")
    return int(seconds)


def bytes_of(size: Size) -> int:
    """Bytes, never negative. Raises ValueError."""
    count = parse_size_bytes(size) if isinstance(size, str) else size
    if count < 0:
        raise ValueError(f"{size} is no size")
    return count


def parse_duration_ns(text: str) -> int:
    """Nanoseconds. Raises ValueError.

    `m` is minutes and `M` months; units are case-sensitive for that reason.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError("value was empty")
    total = 0
    position = 0
    while position < len(stripped):
        part = _DURATION_PART.match(stripped, position)
        if part is None:
            if stripped[position:].strip().isdigit():
                raise ValueError(
                    f"time unit needed, for example {stripped[position:].strip()}sec or "
                    f"{stripped[position:].strip()}ms"
                )
            raise ValueError(f"expected number at {position}")
        number, unit = part.groups()
        if unit not in UNIT_NS:
            raise ValueError(
                f'unknown time unit "{unit}", supported units: ns, us, ms, sec, min, hours, '
                "days, weeks, months, years (and few variations)"
            )
        total += int(number) * UNIT_NS[unit]
        position = part.end()
    if total > (1 << 63) - 1:
        raise ValueError("number is too large")
    return total


def parse_duration_s(text: str) -> float:
    """Seconds, possibly with a fraction. Raises ValueError."""
    return parse_duration_ns(text) / 1_000_000_000


def format_duration_s(seconds: int) -> str:
    """`604800` as `7days`, `3661` as `1h 1m 1s`: the largest units first."""
    if seconds == 0:
        return "0s"
    parts = []
    for unit, plural, length in (
        ("year", "years", 31_557_600),
        ("month", "months", 2_630_016),
        ("day", "days", 86_400),
    ):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit if count == 1 else plural}")
    for unit, length in (("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def parse_size_bytes(text: str) -> int:
    """Bytes. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no size: expected a number and a unit, such as 10 MiB')
    number, unit = found.groups()
    plain = unit.lower()
    factor = _size_factor(plain)
    if factor is None:
        raise ValueError(f'unknown size unit "{unit}": use B, K, Ki, M, Mi, G, Gi, T, Ti')
    whole, _, fraction = number.partition(".")
    # Exact for any number of digits, where floating point would not be.
    scaled: int = int(whole + fraction) * factor // 10 ** len(fraction)
    if scaled > (1 << 63) - 1:
        raise ValueError("number is too large")
    return scaled


def _size_factor(unit: str) -> int | None:
    if unit in ("", "b"):
        return 1
    exponent = _PREFIXES.find(unit[0]) + 1
    if not exponent:
        return None
    match unit[1:]:
        case "" | "b":
            return int(1000**exponent)
        case "i" | "ib":
            return int(1024**exponent)
    return None


def format_size_bytes(size: int) -> str:
    """`558 B`, `1.2 KB`, `3.4 GB`: by 1000, one digit after the point."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("KB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95 or unit == "PB":
            return f"{value:.1f} {unit}"
    raise AssertionError("the loop ends at PB")
