"""Where batches lie: the sparse index of a segment, and the ring of its last batches.

Called by `segment.py`. Pure: numbers in, numbers out; the files are written elsewhere.

    index entry on disk:  | u32 offset - base offset | u32 position |   big-endian, 8 bytes

An entry with position 0 ends the file, so the batch at position 0 has none: looking up what lies
before the first entry gives (0, 0). Invariant: offsets and positions grow strictly together.

Arithmetic: 1 GiB of 16 KiB batches is 32,768 entries, 256 KiB here and on disk; a look-up is one
bisect, half a microsecond. A reader at the tail is answered from the ring and never searches.
Source: protocol reference 6.1.
"""

import sys
from array import array
from bisect import bisect_right

ENTRY_SIZE = 8
U32_MAX = 0xFFFF_FFFF
_NEVER = 1 << 62
_RING_SIZE_MAX = 224
_RING_SIZE_KEPT = 128

assert array("I").itemsize == 4


class OffsetIndex:
    """Sparse map from relative offset to position: about one entry each `interval_bytes`.

    due_position: the first batch at or behind it gets the next entry
    """

    __slots__ = (
        "_entries_max",
        "_interval_bytes",
        "_offsets",
        "_positions",
        "due_position",
        "full",
    )

    def __init__(self, *, interval_bytes: int, size_bytes_max: int) -> None:
        self._interval_bytes = interval_bytes
        self._entries_max = size_bytes_max // ENTRY_SIZE
        self._offsets = array("I")
        self._positions = array("I")
        self.due_position = interval_bytes
        self.full = False
        """No more entries fit in the file: time for another segment."""

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def size_bytes(self) -> int:
        """What the entries take on disk."""
        return len(self._offsets) * ENTRY_SIZE

    def note(self, relative_offset: int, position: int, size: int) -> None:
        """A batch was appended; in front of `due_position` there is no need to say so."""
        if position >= self.due_position:
            self._offsets.append(relative_offset)
            self._positions.append(position)
            self._expect_next(position + size)

    def _expect_next(self, position: int) -> None:
        """Entries are complete up to a position."""
        self.full = len(self._offsets) >= self._entries_max
        self.due_position = _NEVER if self.full else position + self._interval_bytes

    def floor_of_offset(self, relative_offset: int) -> tuple[int, int]:
        """(relative offset, position) of the last indexed batch that starts at or before it."""
        found = bisect_right(self._offsets, relative_offset) - 1
        return (self._offsets[found], self._positions[found]) if found >= 0 else (0, 0)

    def floor_of_position(self, position: int) -> tuple[int, int]:
        """(relative offset, position) of the last indexed batch at or before that position."""
        found = bisect_right(self._positions, position) - 1
        return (self._offsets[found], self._positions[found]) if found >= 0 else (0, 0)

    def cut(self, position: int) -> None:
        """Forget the entries at and behind a position."""
        count = bisect_right(self._positions, position - 1) if position else 0
        del self._offsets[count:]
        del self._positions[count:]
        self._expect_next(position)

    def encode(self, first: int = 0) -> bytes:
        """The entries as they are on disk, from the given one on."""
        entries = array("I", bytes((len(self._offsets) - first) * ENTRY_SIZE))
        entries[0::2] = self._offsets[first:]
        entries[1::2] = self._positions[first:]
        if sys.byteorder == "little":
            entries.byteswap()
        return entries.tobytes()

    def load(self, content: bytes, *, position_max: int) -> None:
        """Take the entries of a file, up to the first with position 0 or past `position_max`.

        They are not compared with each other: a look-up checks the header at the place that it
        was given, and whatever a damaged index holds, `floor_of_*` answers with a lower entry.
        """
        entries = array("I", content[: len(content) // ENTRY_SIZE * ENTRY_SIZE])
        if sys.byteorder == "little":
            entries.byteswap()
        offsets, positions = entries[0::2], entries[1::2]
        count = positions.index(0) if positions and 0 in positions else len(positions)
        while count and positions[count - 1] >= position_max:
            count -= 1
        self._offsets = offsets[:count]
        self._positions = positions[:count]
        self._expect_next(positions[count - 1] if count else 0)


class TailRing:
    """The last hundred or two batches of the active segment, without a gap up to its end.

    An append adds to both arrays itself: a call for each batch would cost as much again.
    """

    __slots__ = ("offsets", "positions")

    def __init__(self) -> None:
        self.offsets = array("I")
        """relative to the segment's base, of each batch's first record"""
        self.positions = array("I")

    def shorten(self) -> None:
        """Forget the oldest batches when there are too many. Called after each append."""
        excess = len(self.offsets) - _RING_SIZE_KEPT
        if excess >= _RING_SIZE_MAX - _RING_SIZE_KEPT:
            del self.offsets[:excess]
            del self.positions[:excess]

    def cut(self, position: int) -> None:
        """Forget the batches at and behind a position."""
        count = bisect_right(self.positions, position - 1) if position else 0
        del self.offsets[count:]
        del self.positions[count:]
