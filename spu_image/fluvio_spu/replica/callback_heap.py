"""Callbacks in order of a number: an offset to reach, or a time to come.

No task and no timer for each waiter. A cancelled entry stays in the heap until its turn, or until
dead entries are the greater part; so the size is bounded by twice the live ones.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush

_COMPACT_SIZE_MIN = 64


class Waiter:
    """One callback, called at most once, never after `cancel`."""

    __slots__ = ("_heap", "callback")

    def __init__(self, heap: "CallbackHeap", callback: Callable[[], None]) -> None:
        self._heap = heap
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call back."""
        if self.callback is not None:
            self.callback = None
            self._heap.one_died()


class CallbackHeap:
    """Waiters ordered by a number, first come first served among equals."""

    __slots__ = ("_dead_count", "_entries", "_sequence")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Waiter]] = []
        self._sequence = 0
        self._dead_count = 0

    def __len__(self) -> int:
        """Entries, dead ones included."""
        return len(self._entries)

    def push(self, number: float, callback: Callable[[], None]) -> Waiter:
        """Add a waiter for `number`."""
        waiter = Waiter(self, callback)
        self._sequence += 1
        heappush(self._entries, (number, self._sequence, waiter))
        return waiter

    @property
    def first(self) -> float | None:
        """The lowest number somebody waits for, or waited for when cancelled since."""
        return self._entries[0][0] if self._entries else None

    def release(self, number: float) -> None:
        """Call back all who wait for `number` or less, lowest first.

        A callback may add waiters; those that are due already are called in the same go.
        """
        while self._entries and self._entries[0][0] <= number:
            waiter = heappop(self._entries)[2]
            callback, waiter.callback = waiter.callback, None
            if callback is None:
                self._dead_count -= 1
            else:
                callback()

    def one_died(self) -> None:
        """An entry was cancelled; called by `Waiter.cancel`."""
        self._dead_count += 1
        if self._dead_count * 2 > len(self._entries) >= _COMPACT_SIZE_MIN:
            self._entries = [entry for entry in self._entries if entry[2].callback is not None]
            heapify(self._entries)
            self._dead_count = 0
