"""When what was appended becomes durable: at once, in groups, or whenever the system likes.

Called by replicas after each append, and by their housekeeping. A sync runs in a worker thread, at
most one per replica; the next one covers everything appended in the meantime (group commit). One
timer serves all replicas that wait for their interval; while nothing is dirty there is none.
"""

import asyncio
from typing import Protocol

from fluvio_protocol.types import Offset
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.storage import DurabilityMode, DurabilityPolicy, Log, SyncHandle


class SyncedReplica(Protocol):
    """Whose log is made durable: a replica that leads, or one that follows."""

    log: Log
    serving: bool

    def synced(self, end: Offset) -> None:
        """Everything below `end` is on disk now."""

    def sync_failed(self, error: Exception) -> None:
        """Nobody can say what is on disk."""


class GroupSync:
    """The policy of this process at work.

    acks_wait: producers are answered only when their batches are durable
    """

    def __init__(self, policy: DurabilityPolicy, workers: FileWorkers, metrics: SpuMetrics) -> None:
        self._loop = asyncio.get_running_loop()
        self._policy = policy
        self._workers = workers
        self._metrics = metrics
        self._dirty: set[SyncedReplica] = set()
        self._running: set[SyncedReplica] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.acks_wait = policy.mode is not DurabilityMode.PAGE_CACHE

    def appended(self, replica: SyncedReplica) -> None:
        """The log of `replica` grew; make it durable as the policy says."""
        self._dirty.add(replica)
        if self._policy.is_due(replica.log.unsynced_bytes, waited_ms=0):
            self._start(replica)
        elif self._timer is None:
            delay_s = self._policy.interval_ms / 1000
            self._timer = self._loop.call_later(delay_s, self._interval_over)

    def sync(self, replica: SyncedReplica) -> None:
        """Make durable what `replica` holds, whatever the policy; one that runs is enough."""
        self._start(replica)

    def sync_dirty(self) -> None:
        """Make durable now whatever somebody waits for."""
        for replica in tuple(self._dirty):
            self._start(replica)

    def close(self) -> None:
        """Start no more syncs; those that run end with the workers."""
        self._dirty.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _interval_over(self) -> None:
        self._timer = None
        self.sync_dirty()

    def _start(self, replica: SyncedReplica) -> None:
        if replica in self._running:
            return  # _finished starts the next one
        self._dirty.discard(replica)
        if not replica.serving:
            return  # its log is being closed in a worker thread, which syncs it
        self._running.add(replica)
        handle = replica.log.sync_handle()
        self._workers.run(
            lambda: _sync(handle),
            lambda end: self._finished(replica, end),
            lambda error: self._failed(replica, error),
        )

    def _finished(self, replica: SyncedReplica, end: Offset) -> None:
        self._metrics.sync_count += 1
        self._running.discard(replica)
        replica.synced(end)
        if replica in self._dirty:
            # Appends came while the sync ran; they have waited at least that long already.
            self._start(replica)

    def _failed(self, replica: SyncedReplica, error: Exception) -> None:
        self._metrics.file_work_failure_count += 1
        self._running.discard(replica)
        self._dirty.discard(replica)
        replica.sync_failed(error)


def _sync(handle: SyncHandle) -> Offset:
    handle.run()
    return handle.end_offset
