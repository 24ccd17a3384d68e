"""An offset that grows, and who waits for it: a replica's durable offset and high watermark.

Used on the event loop thread only, by `replica`; waiters come from the public API.
"""

from collections.abc import Callable

from fluvio_spu.replica.callback_heap import CallbackHeap, Waiter


class OffsetWatch:
    """One growing offset. Invariant: every live waiter wants more than `value`."""

    __slots__ = ("_waiting", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self._waiting: CallbackHeap | None = None  # a thousand quiet partitions need none

    def __len__(self) -> int:
        return 0 if self._waiting is None else len(self._waiting)

    def wait(self, offset: int, callback: Callable[[], None]) -> Waiter:
        """Call back when the value is at least `offset`, which must not be the case yet."""
        assert offset > self.value, "an offset that is reached needs no waiting"
        if self._waiting is None:
            self._waiting = CallbackHeap()
        return self._waiting.push(offset, callback)

    def advance(self, value: int) -> None:
        """Move forward and call back all who waited for it, lowest offset first."""
        if value > self.value:
            self.value = value
            if self._waiting is not None:
                self._waiting.release(value)

    def release_all(self) -> None:
        """Call back everybody although the offset is not reached: the replica stops."""
        if self._waiting is not None:
            self._waiting.release(float("inf"))
            self._waiting = None
