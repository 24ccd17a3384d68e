"""Lengths of time as people write them: `30s`, `10m`, `1m 30s`, `1day 2h`.

Used by deduplication's `age`. The grammar is the one Fluvio reads and writes: numbers with units,
added up; `m` is minutes and `M` months. Exact to the nanosecond, both ways.
"""

import re
from typing import Any

from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from fluvio_crd.words import Spelling
from fluvio_protocol.metadata.duration_units import SECOND_NS, UNIT_NS
from fluvio_protocol.metadata.topic import Duration

_SECONDS_MAX = (1 << 64) - 1
_WRITTEN = (
    ("year", "years", 31_557_600 * SECOND_NS),
    ("month", "months", 2_630_016 * SECOND_NS),
    ("day", "days", 86_400 * SECOND_NS),
    ("h", "h", 3600 * SECOND_NS),
    ("m", "m", 60 * SECOND_NS),
    ("s", "s", SECOND_NS),
    ("ms", "ms", 1_000_000),
    ("us", "us", 1_000),
    ("ns", "ns", 1),
)
_UNIT = "|".join(sorted(UNIT_NS, key=lambda name: (-len(name), name)))
_PART = re.compile(rf"\s*([0-9]{{1,40}})\s*({_UNIT})(?![A-Za-zµ])")
DURATION_PATTERN = rf"^\s*(0|([0-9]+\s*({_UNIT})\s*)+)$"
DURATION_LENGTH_MAX = 128


def parse_duration(text: str) -> Duration:
    """Raises ValueError."""
    stripped = text.strip()
    if stripped == "0":
        return Duration(seconds=0)
    total = position = 0
    while position < len(stripped):
        part = _PART.match(stripped, position)
        if part is None:
            raise ValueError(f"no number with a unit at {position}")
        total += int(part[1]) * UNIT_NS[part[2]]
        position = part.end()
    if not stripped or total // SECOND_NS > _SECONDS_MAX:
        raise ValueError("empty, or too long a time")
    return Duration(seconds=total // SECOND_NS, nanoseconds=total % SECOND_NS)


def format_duration(duration: Duration) -> str:
    """The largest units first."""
    rest = duration.seconds * SECOND_NS + duration.nanoseconds
    parts = []
    for one, many, length in _WRITTEN:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{one if count == 1 else many}")
    return " ".join(parts) or "0s"


class HumanDuration(Spelling):
    """A `Duration` as such text."""

    def read(self, value: Any) -> Duration:
        if isinstance(value, Duration):
            return value
        try:
            return parse_duration(value)
        except (ValueError, AttributeError):
            raise PydanticCustomError(
                "duration", "expected a length of time, such as 30s, 10m or 1m 30s"
            ) from None

    def write(self, value: Duration) -> str:
        return format_duration(value)

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "pattern": DURATION_PATTERN, "maxLength": DURATION_LENGTH_MAX}
