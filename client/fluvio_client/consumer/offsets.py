"""Where a consumer begins to read. Pure.

Source: protocol reference 4.9; client reference 2.5.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self


class Anchor(StrEnum):
    """What an offset is counted from."""

    ABSOLUTE = "absolute"
    BEGINNING = "beginning"
    END = "end"
    TIME = "time"


_1970 = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Offset:
    """A place in every partition that is read: make one with the class methods.

    count: records from the anchor on; of a time, ms since 1970
    """

    anchor: Anchor
    count: int = 0

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"{self.count} is no offset: it is negative")

    @classmethod
    def absolute(cls, offset: int) -> Self:
        """Exactly this offset, whatever was read before."""
        return cls(Anchor.ABSOLUTE, offset)

    @classmethod
    def beginning(cls) -> Self:
        """The first record that is still there; a known consumer resumes."""
        return cls(Anchor.BEGINNING)

    @classmethod
    def from_beginning(cls, count: int) -> Self:
        """So many records after the beginning; a known consumer skips so many."""
        return cls(Anchor.BEGINNING, count)

    @classmethod
    def end(cls) -> Self:
        """Only records that arrive from now on; a known consumer resumes."""
        return cls(Anchor.END)

    @classmethod
    def from_end(cls, count: int) -> Self:
        """So many records before the end; a known consumer goes so many back."""
        return cls(Anchor.END, count)

    @classmethod
    def at(cls, when: datetime) -> Self:
        """The first record that was made at this moment or later, whatever was read before; the end
        when there is none yet.

        It is searched for by halving, so it supposes that the times of a partition's records never
        fall. Raises ValueError for a moment without a time zone.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when} has no time zone")
        return cls(Anchor.TIME, max(0, -((_1970 - when) // timedelta(milliseconds=1))))

    @classmethod
    def of(cls, place: "Offset | int | str") -> "Offset":
        """Accepts a number, `"beginning"` and `"end"` too. Raises ValueError."""
        if isinstance(place, Offset):
            return place
        if isinstance(place, int):
            return cls.absolute(place)
        if place in (Anchor.BEGINNING, Anchor.END):
            return cls(Anchor(place))
        raise ValueError(f'"{place}" is no place to start: use "beginning", "end" or an offset')


def resolve_offset(place: Offset, *, start: int, end: int, stored: int | None) -> int:
    """The absolute offset to begin at; a time is none that can be told from these alone.

    start, end: first offset of the partition, and the offset after the last committed record
    stored:     offset of the last record that this consumer has consumed, if it is known
    """
    assert 0 <= start <= end, f"a partition cannot hold [{start}, {end})"
    match place.anchor:
        case Anchor.TIME:
            raise ValueError("records have to be read to find the first of a time")
        case Anchor.ABSOLUTE:
            return place.count
        case Anchor.BEGINNING:
            wanted = (start if stored is None else stored + 1) + place.count
        case Anchor.END:
            wanted = (end if stored is None else stored + 1) - place.count
    return max(start, min(wanted, end))
