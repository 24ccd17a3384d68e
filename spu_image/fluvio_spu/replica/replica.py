"""One partition led here: its log, where it stands, and who waits for it.

Made and stopped by `registry`; produce, fetch and streams use it on the event loop thread. It
holds storage in one hand and offsets in the other, and neither knows the other:

    append -> log -> LEO, then durable (at once, or after a sync), then HW -> reports, subscribers

Invariant: start <= hw <= durable <= leo, and a client is told of an offset only after it moved.
A partition with a single replica is committed when it is durable here. With more replicas
`replication.leader` decides, from what followers report (`private_api/follower_session`); what it
decides is performed here.

Memory: about 1 KiB besides the log; no task, no timer.
"""

import logging
from collections.abc import Sequence
from functools import cache

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.partition import ReplicaStatus
from fluvio_protocol.record import BatchCompression, topic_allows
from fluvio_protocol.sc_private.replica_status import LeaderReport
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.types import CompressionType, LeaderEpoch, Offset, ReplicaKey
from fluvio_spu.replica.cold_read import is_cached
from fluvio_spu.replica.errors import NotLeader, ReplicaFailed
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.replica.leadership import Leadership
from fluvio_spu.replica.log_settings import log_config
from fluvio_spu.replica.offsets import OffsetWatch
from fluvio_spu.replica.open_log import OpenLog
from fluvio_spu.replica.surroundings import ReplicaSurroundings
from fluvio_spu.replica.wake_queue import OffsetSubscriber
from fluvio_spu.storage import ExpiredSegment, Log, LogFailed, LogSlice, OutOfStorage

_log = logging.getLogger(__name__)

SYNC_INTERVAL_MS = 60_000
"""Whatever the durability policy, a log is synced so often. A start after a power cut then has
little to doubt, and closed segments do not wait for their sync in ever greater numbers."""

OUT_OF_STORAGE_PATIENCE_MS = 2_000
"""How long a leader without space looks for another that may lead, taking no writes meanwhile."""


class Replica:
    """One partition's driver.

    serving:        False once stopped: the object is dead and another one may have its key
    leo:            log end offset
    durable, hw:    watched offsets
    codecs_allowed: bit n is set when batches of codec n may be stored
    stop_status:    why it does not serve any more
    leading:        decides what is committed; None with a single replica
    takes_committed: records that are sent now can be committed
    writes_paused:  another SPU is about to lead
    """

    __slots__ = (
        "_data_waiters",
        "_failure",
        "_hw_waiters",
        "_subscribers",
        "_surroundings",
        "_synced_at_ms",
        "assignment",
        "batch_size_bytes_max",
        "checkpointed_hw",
        "codecs_allowed",
        "durable",
        "hw",
        "key",
        "leading",
        "leo",
        "log",
        "opened",
        "out_of_storage",
        "serving",
        "stop_status",
        "takes_committed",
        "writes_paused",
    )

    def __init__(
        self, assignment: ReplicaAssignment, opened: OpenLog, surroundings: ReplicaSurroundings
    ) -> None:
        """With several replicas, the epoch must be noted with the log by now."""
        self.key: ReplicaKey = assignment.key
        self.opened = opened
        self.log: Log = opened.log
        log = opened.log
        self.assignment = assignment
        self.serving = True
        self.stop_status: ErrorStatus = SUCCESS
        self.out_of_storage = False
        self._surroundings = surroundings
        self._failure: str | None = None
        self._synced_at_ms = 0
        self._subscribers: set[OffsetSubscriber] = set()
        self._data_waiters: dict[OffsetSubscriber, None] = {}
        self._hw_waiters: dict[OffsetSubscriber, None] = {}
        self.leading: Leadership | None = None
        self.takes_committed = True
        self.writes_paused = False
        # What survived a restart is on disk as far as recovery can tell.
        self.leo: int = log.end_offset
        self.durable = OffsetWatch(self.leo)
        self.checkpointed_hw: int = log.high_watermark
        if not is_replicated(assignment):  # nobody else has it
            log.set_high_watermark(log.end_offset)
        self.hw = OffsetWatch(log.high_watermark)
        self.codecs_allowed = 0
        self.batch_size_bytes_max = 0
        self._take(assignment)
        if is_replicated(assignment):
            self.begin_replication()

    @property
    def uid(self) -> str:
        """Identity of the partition object whose data this is."""
        return self.assignment.uid

    @property
    def leader_epoch(self) -> LeaderEpoch:
        """Which leadership this is."""
        return self.assignment.leader_epoch

    @property
    def is_leader(self) -> bool:
        """Served here; a replica that is not led here is not opened."""
        return self.serving

    @property
    def start_offset(self) -> Offset:
        """First offset still in the log."""
        return self.log.start_offset

    @property
    def workers(self) -> FileWorkers:
        """Where work that may block goes."""
        return self._surroundings.workers

    def append(self, batches: Sequence[tuple[memoryview, int]]) -> tuple[Offset, Offset]:
        """Store whole batches, each with its record count; return [base, end) of them all.

        Base offsets are stamped in place. Subscribers are woken on the next turn of the loop.
        Raises: NotLeader, ReplicaFailed, and of storage: BatchTooBig, OutOfStorage, LogFailed,
                StorageError. Then nothing of it is stored.
        """
        if not self.serving:
            raise NotLeader(f"{self.key} is not served here")
        if self._failure is not None:
            raise ReplicaFailed(f"{self.key} takes no writes: {self._failure}")
        if self.writes_paused:
            raise NotLeader(f"{self.key} is about to be served by another SPU")
        surroundings = self._surroundings
        try:
            base = self.log.append(batches)
        except OutOfStorage as error:
            if not self.out_of_storage:
                _log.error("event=out_of_storage replica=%s reason=%s", self.key, error)
                if self.leading is not None:
                    self.leading.leave(OUT_OF_STORAGE_PATIENCE_MS)
            self.out_of_storage = True
            surroundings.changed.add(self)
            raise
        except LogFailed as error:
            self._fail("log_failed", str(error))
            raise
        if self.out_of_storage:
            self.out_of_storage = False
            _log.info("event=storage_available replica=%s", self.key)
        end = self.log.end_offset
        self.leo = end
        surroundings.changed.add(self)
        if surroundings.group_sync.acks_wait:
            if self.leading is not None:
                self.leading.machine.appended(end, self.durable.value)
            surroundings.group_sync.appended(self)
        else:
            self._became_durable(end)
        if self._data_waiters:
            surroundings.wake_queue.extend(self._data_waiters)
            self._data_waiters = {}
        return base, end

    def synced(self, end: Offset) -> None:
        """Everything below `end` is on disk now."""
        if self.serving and self._failure is None:
            self._became_durable(end)

    def sync_failed(self, error: Exception) -> None:
        """The system could not write back; after that nobody can say what is on disk."""
        self._fail("sync_failed", f"a sync failed: {error}")

    def write_failure(self) -> ErrorStatus | None:
        """Why waiting acknowledgements will not come; None while they may."""
        if not self.serving:
            return self.stop_status
        if self._failure is not None:
            return ErrorStatus(ErrorCode.PARTITION_SHORT_CIRCUITED)
        return None

    def end_for(self, *, committed: bool) -> int:
        """How far a reader may see."""
        return self.hw.value if committed else self.leo

    def read(self, start: int, *, committed: bool, max_bytes: int) -> LogSlice | None:
        """Whole batches from `start` on, at least one; None when there is nothing to see yet.

        Raises: OffsetEvicted below the start of the log, OffsetOutOfRange past its end.
        """
        end = self.hw.value if committed else self.leo
        if self.leo >= start >= end:
            return None
        return self.log.read(Offset(start), end=Offset(end), max_bytes=max_bytes)

    def is_cold(self, found: LogSlice) -> bool:
        """Whether sending this slice could wait for the disk."""
        return (
            found.next_offset != self.leo
            and self.log.size_bytes > self._surroundings.cold_read_distance_bytes
            and not is_cached(found.fd, found.position, found.size_bytes)
        )

    def subscribe(self, subscriber: OffsetSubscriber) -> None:
        """Tell `subscriber` when the replica stops, and of data whenever it waits for some."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: OffsetSubscriber) -> None:
        """Forget it. One more wake-up may still come."""
        self._subscribers.discard(subscriber)
        self._data_waiters.pop(subscriber, None)
        self._hw_waiters.pop(subscriber, None)

    def wait_for_data(self, subscriber: OffsetSubscriber, *, committed: bool) -> None:
        """Wake the subscriber once when there is more to see than now."""
        waiters = self._hw_waiters if committed else self._data_waiters
        waiters[subscriber] = None

    def follow(self, assignment: ReplicaAssignment) -> None:
        """Take a newer assignment of the same partition object, still led here."""
        self._take(assignment)
        if self.leading is not None:
            self.leading.assigned(assignment)
        self._surroundings.changed.add(self)

    def begin_replication(self) -> None:
        """Others hold it too from now on. Its epoch must be noted with the log by now."""
        self.leading = Leadership(self, self._surroundings)
        self.leading.begin()

    def wake_later(self, subscriber: OffsetSubscriber) -> None:
        """Wake it on a later turn, behind the others."""
        self._surroundings.wake_queue.extend((subscriber,))

    def stop(self, status: ErrorStatus) -> None:
        """Serve no more: everybody who waits is told `status`. The log is the caller's to close."""
        self.serving = False
        self.stop_status = status
        self._surroundings.changed.discard(self)
        self.durable.release_all()
        self.hw.release_all()
        subscribers, self._subscribers = self._subscribers, set()
        self._data_waiters = {}
        self._hw_waiters = {}
        for subscriber in subscribers:
            subscriber.replica_stopped(status)

    def keep_house(self, now_ms: int) -> None:
        """Retention, sync and checkpoint, called by housekeeping now and then."""
        expired = self.log.expire(now_ms)
        if expired:
            _log.info(
                "event=segments_expired replica=%s count=%s start=%s",
                self.key,
                len(expired),
                self.log.start_offset,
            )
            self._surroundings.metrics.segment_expired_count += len(expired)
            self._surroundings.changed.add(self)
            self.workers.run(lambda: delete_segments(expired))
        if (
            not 0 <= now_ms - self._synced_at_ms < SYNC_INTERVAL_MS
            and self._failure is None
            and self.log.unsynced_bytes
        ):
            self._synced_at_ms = now_ms
            self._surroundings.group_sync.sync(self)
        if self.checkpointed_hw != self.hw.value:
            self.log.checkpoint()
            self.checkpointed_hw = self.hw.value

    def storage_available(self) -> None:
        """There is room on the disk again; the next append will tell."""
        self.out_of_storage = False
        self._surroundings.changed.add(self)

    def report(self) -> LeaderReport:
        """What the controller is told."""
        own = self.assignment.leader
        leading = self.leading
        return LeaderReport(
            key=self.key,
            leader_epoch=self.assignment.leader_epoch,
            leader=ReplicaStatus(spu=own, hw=Offset(self.hw.value), leo=Offset(self.leo)),
            followers=tuple(
                ReplicaStatus(spu=spu) if leading is None else leading.status_of(spu)
                for spu in self.assignment.replicas
                if spu != own
            ),
            size_bytes=self.log.size_bytes,
            base_offset=self.log.start_offset,
            out_of_storage=self.out_of_storage,
        )

    def _fail(self, event: str, reason: str) -> None:
        """Take no more writes, and tell all who wait for one: an append may learn of a failed sync
        before the sync itself has reported, and then nothing else would."""
        if self._failure is None:
            _log.error("event=%s replica=%s reason=%s", event, self.key, reason)
            self._failure = reason
            self.durable.release_all()
            self.hw.release_all()

    def _became_durable(self, end: int) -> None:
        if self.leading is not None:
            self.durable.advance(end)
            if self._data_waiters and self._surroundings.group_sync.acks_wait:
                # Followers are sent what is safe here.
                self._surroundings.wake_queue.extend(self._data_waiters)
                self._data_waiters = {}
            moved = self.leading.machine.appended(self.leo, self.durable.value)
            if moved is not None:
                self.committed(moved)
            return
        if end > self.hw.value:
            self.log.set_high_watermark(Offset(end))
            self.durable.advance(end)
            self.committed(end)
        else:
            self.durable.advance(end)

    def committed(self, end: int) -> None:
        """The high watermark moves to `end`: kept first, then everybody knows."""
        self.log.set_high_watermark(Offset(end))
        self.hw.advance(end)
        self._surroundings.changed.add(self)
        if self._hw_waiters:
            self._surroundings.wake_queue.extend(self._hw_waiters)
            self._hw_waiters = {}

    def _take(self, assignment: ReplicaAssignment) -> None:
        self.assignment = assignment
        config = log_config(assignment, self._surroundings.log_defaults)
        self.log.reconfigure(config)
        self.batch_size_bytes_max = min(config.batch_size_bytes_max, config.segment_size_bytes_max)
        self.codecs_allowed = _codecs_allowed(assignment.compression_type)


@cache
def _codecs_allowed(compression_type: CompressionType) -> int:
    """Bit n is set when batches of codec n may be stored."""
    return sum(1 << codec for codec in BatchCompression if topic_allows(compression_type, codec))


def is_replicated(assignment: ReplicaAssignment) -> bool:
    """Whether others hold the partition too."""
    return len(assignment.replicas) > 1


def delete_segments(expired: Sequence[ExpiredSegment]) -> None:
    """The slow part of retention, for a worker thread."""
    for segment in expired:
        segment.delete()
