"""Deadlines of many requests on one timer of the event loop."""

import asyncio
from collections.abc import Callable

from fluvio_spu.replica.callback_heap import CallbackHeap, Waiter


class DeadlineQueue:
    """All deadlines of the process; one timer, armed for the earliest."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting = CallbackHeap()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def after(self, delay_s: float, callback: Callable[[], None]) -> Waiter:
        """Call back once `delay_s` have passed, unless cancelled before."""
        waiter = self._waiting.push(self._loop.time() + delay_s, callback)
        self._arm()
        return waiter

    def close(self) -> None:
        """Forget everything."""
        self._waiting = CallbackHeap()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        when = self._waiting.first
        if when is None:
            return
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._waiting.release(self._loop.time())
        self._arm()
