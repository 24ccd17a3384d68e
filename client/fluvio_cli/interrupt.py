"""Ctrl-C of commands that run until somebody has enough.

The first one, or SIGTERM, ends the work in good order and the command succeeds; a second one ends
the process at once, and so does a first one after which the good order takes too long. All exit
with 0: having enough is no failure.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable
from types import FrameType
from typing import Any, Self, TypeVar

T = TypeVar("T")

ORDER_LIMIT_S = 2.0
"""How long storing offsets and taking leave may take."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Enter it around everything, and let the part that can be ended early run in `guard`.

    The handlers are Python's own rather than the event loop's, so that they work while a write to
    a full pipe blocks. Outside the main thread, where there are no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.happened = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._limit: threading.Timer | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._limit is not None:
            self._limit.cancel()

    async def guard(self, work: Awaitable[T]) -> T | None:
        """What `work` returns, or None when the first Ctrl-C ended it.

        Outside of it, before anything was begun, the first one ends the process.
        """
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        assert self._task is not None, "coroutines run in tasks"
        try:
            return await work
        except asyncio.CancelledError:
            if not self.happened:
                raise
            self._task.uncancel()
            return None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.happened or self._loop is None or self._task is None:
            os._exit(0)
        self.happened = True
        self._limit = threading.Timer(ORDER_LIMIT_S, os._exit, (0,))
        self._limit.daemon = True
        self._limit.start()
        self._loop.call_soon_threadsafe(self._task.cancel)
