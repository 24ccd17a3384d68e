"""Time for replicas that replicate: a tick a few times a second, and waits for single ones.

One timer for the process; whatever still waits when it is closed is not called any more.
"""

import asyncio
from collections.abc import Callable

TICK_S = 0.25


class ReplicationTimer:
    """Event loop thread only."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: set[asyncio.TimerHandle] = set()
        self._tick: Callable[[], None] | None = None

    def start(self, tick: Callable[[], None]) -> None:
        """Call `tick` again and again."""
        self._tick = tick
        self.call_later(TICK_S, self._tick_again)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call once, after a while."""

        def called() -> None:
            self._waits.discard(timer)
            callback()

        timer = self._loop.call_later(delay_s, called)
        self._waits.add(timer)

    def close(self) -> None:
        """Call nobody any more."""
        for timer in self._waits:
            timer.cancel()
        self._waits.clear()

    def _tick_again(self) -> None:
        assert self._tick is not None
        self.call_later(TICK_S, self._tick_again)
        self._tick()
