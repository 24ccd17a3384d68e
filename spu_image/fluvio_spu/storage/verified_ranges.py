"""Which bytes of a segment have been compared with their checksums in this process.

Called by `segment.py`. Everything from `checked_from` on was written or walked by this process;
below it, ranges are added as they are read for the first time. Few ranges are kept: readers go
forward, so there are about as many as readers; when there are more, the smallest is forgotten
and will be checked again, which costs time and nothing else.
"""

_RANGES_MAX = 16


class VerifiedRanges:
    """Disjoint ranges of positions, in order, below `checked_from`."""

    __slots__ = ("_ranges", "checked_from")

    def __init__(self, checked_from: int) -> None:
        self.checked_from = checked_from
        self._ranges: tuple[tuple[int, int], ...] = ()

    def lacks(self, start: int, end: int) -> bool:
        """Whether something in [start, end) is still to be checked."""
        if start >= self.checked_from:
            return False
        end = min(end, self.checked_from)
        return not any(low <= start and end <= high for low, high in self._ranges)

    def add(self, start: int, end: int) -> None:
        """[start, end) was checked."""
        if end >= self.checked_from:
            self.checked_from = min(start, self.checked_from)
        else:
            self._ranges += ((start, end),)
        merged: list[tuple[int, int]] = []
        for low, high in sorted(self._ranges):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        while merged and merged[-1][1] >= self.checked_from:
            self.checked_from = min(self.checked_from, merged.pop()[0])
        if len(merged) > _RANGES_MAX:
            merged.remove(min(merged, key=lambda one: one[1] - one[0]))
        self._ranges = tuple(merged)

    def cut(self, end: int) -> None:
        """Bytes at and behind `end` are gone; what is written there next is known to be good."""
        self.checked_from = min(self.checked_from, end)
        self._ranges = tuple((low, min(high, end)) for low, high in self._ranges if low < end)
