"""Retention and checkpoints of all replicas, and the watch for space on a full disk.

One periodic timer for the process. Each tick looks after a share of the replicas, so that a
thousand of them never cost more than a millisecond at a time; files are deleted by the workers.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.types import ReplicaKey
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.storage import Disk

_log = logging.getLogger(__name__)

TICKS_PER_ROUND = 10
FREE_BYTES_MIN = 16 << 20
"""With less than this nothing is said to be available again."""


def now_ms() -> int:
    """Wall clock: retention compares it with the times of files."""
    return time.time_ns() // 1_000_000


class Housekeeping:
    """Visits every replica once in ten intervals."""

    def __init__(
        self,
        registry: ReplicaRegistry,
        disk: Disk,
        replica_dir: str,
        *,
        interval_ms: int,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._registry = registry
        self._disk = disk
        self._replica_dir = replica_dir
        self._interval_s = interval_ms / 1000
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._round: list[ReplicaKey] = []
        self._share = 0

    def start(self) -> None:
        """Arm the timer."""
        self._timer = self._loop.call_later(self._interval_s, self._tick_again)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tick(self) -> None:
        """Look after the next share of the replicas."""
        if not self._round:
            self._round = [replica.key for replica in self._registry.replicas()]
            self._round += [replica.key for replica in self._registry.followers()]
            self._share = -(-len(self._round) // TICKS_PER_ROUND)
        now = self._clock_ms()
        for _ in range(min(self._share, len(self._round))):
            replica = self._registry.held(self._round.pop())
            if replica is None:
                continue
            try:
                replica.keep_house(now)
            except (FluvioError, OSError) as error:
                _log.error("event=housekeeping_failed replica=%s error=%s", replica.key, error)
        self._look_for_space()

    def _tick_again(self) -> None:
        self._timer = self._loop.call_later(self._interval_s, self._tick_again)
        self.tick()

    def _look_for_space(self) -> None:
        full = [replica for replica in self._registry.replicas() if replica.out_of_storage]
        if full and self._disk.free_bytes(self._replica_dir) >= FREE_BYTES_MIN:
            for replica in full:
                replica.storage_available()
