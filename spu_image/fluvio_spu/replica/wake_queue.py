"""Wakes those who wait for data, in turn, between other work of the event loop.

A publish puts its subscribers here once, however many batches it brought; they are served on the
next turn of the loop, each with at most one slice, and after a bounded number of bytes everybody
else's sockets get their turn first. So a hundred consumers share one connection's news fairly.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from fluvio_protocol.api.error_code import ErrorStatus

BYTES_PER_TURN = 4 << 20
SUBSCRIBERS_PER_TURN = 128


class OffsetSubscriber(Protocol):
    """Who follows a replica: a consumer's stream."""

    def offsets_moved(self) -> int:
        """There may be something to send; returns how many bytes were."""

    def replica_stopped(self, status: ErrorStatus) -> None:
        """The replica is not served here any more; `status` says why."""


class WakeQueue:
    """Subscribers to call on a later turn of the event loop, first come first served."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._subscribers: deque[OffsetSubscriber] = deque()
        self._scheduled = False

    def extend(self, subscribers: Iterable[OffsetSubscriber]) -> None:
        """Call each one soon. Being called twice does no harm, so nobody looks for doubles."""
        self._subscribers.extend(subscribers)
        if not self._scheduled and self._subscribers:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        budget = BYTES_PER_TURN
        subscribers = self._subscribers
        for _ in range(min(len(subscribers), SUBSCRIBERS_PER_TURN)):
            budget -= subscribers.popleft().offsets_moved()
            if budget <= 0:
                break
        if subscribers:
            self._loop.call_soon(self._turn)
        else:
            self._scheduled = False
