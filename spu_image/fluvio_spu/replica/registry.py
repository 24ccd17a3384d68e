"""All partitions this SPU knows of, and the replicas it holds.

`links` hands assignments down (`apply`) and takes news up (`take_reports`, `take_removed`); the
doors look replicas up (`get`). Opening, closing and deleting happen in worker threads, a chunk of
logs at a time, so that a start with a thousand partitions never stops the loop.

Each partition has a slot: what is wanted (the newest assignment) and what is there:

    nothing --open--> an open log --begin--> a role: `Replica` leads, `FollowingReplica` follows

A change of roles keeps the log open. `_reconcile` starts the one job that brings a slot nearer to
what is wanted, and is asked again when it ends; while a job runs, newer assignments only change
what is wanted. Nothing is deleted unless an assignment says so by name and identity.

Who may lead: not a replica whose log may lack acknowledged records, under any epoch that was given
before the controller knew; nor a process under an epoch of an earlier one, since it does not know
what that one had asked for. Then the slot has no role until the controller has decided.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.sc_private.in_sync import Resignation
from fluvio_protocol.sc_private.replica_status import LeaderReport, ReplicaRemoved
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment, UpdateReplicas
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    DataIncarnation,
    ReplicaKey,
    SpuId,
)
from fluvio_spu.replica.errors import NotLeader
from fluvio_spu.replica.following import FollowingReplica
from fluvio_spu.replica.log_settings import log_config
from fluvio_spu.replica.open_log import OpenLog
from fluvio_spu.replica.partition_folder import (
    claim,
    partition_directory,
    remove_folder,
    remove_leftovers,
    remove_partition,
)
from fluvio_spu.replica.replica import Replica, is_replicated
from fluvio_spu.replica.surroundings import ReplicaSurroundings
from fluvio_spu.storage import Disk, Log

_log = logging.getLogger(__name__)

LOGS_PER_CHUNK = 16
CHUNKS_AT_A_TIME_MAX = 2
SLOW_CHUNK_S = 0.02
"""A chunk that took longer waited for the disk, and then two at a time are quicker than one. When
everything is cached two threads only take turns at the interpreter, and cost half as much again."""
OPEN_RETRY_DELAY_S = 5.0

_DELETED = ErrorStatus(ErrorCode.TOPIC_DELETED)
_NOT_LEADER = ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)


def _nobody(_: str) -> None:
    """Nobody else counts on what a replica without others holds."""


class _Slot:
    """One partition: what is wanted, what is there, and whether a job is at it."""

    __slots__ = ("assignment", "busy", "forgotten", "opened", "role")

    def __init__(self, assignment: ReplicaAssignment) -> None:
        self.assignment = assignment
        self.opened: OpenLog | None = None
        self.role: Replica | FollowingReplica | None = None
        self.busy = False
        self.forgotten = False


@dataclass(frozen=True, slots=True)
class _Opened:
    """What opening one log came to."""

    slot: _Slot
    assignment: ReplicaAssignment
    log: OpenLog | None
    replaced_folder: str | None
    error: Exception | None


class ReplicaRegistry:
    """The slots. Event loop thread only.

    on_change:   called when `take_reports` or `take_removed` have news that clients wait for
    on_ready:    called once, when the first full assignment is served
    on_followed: called with each replica that begins to follow, and again when it is over
    closed_durably: all logs that were closed are on disk as a whole
    """

    def __init__(
        self,
        *,
        spu_id: SpuId,
        disk: Disk,
        replica_dir: str,
        surroundings: ReplicaSurroundings,
    ) -> None:
        self.spu_id = spu_id
        self.on_followed: list[Callable[[FollowingReplica], None]] = []
        self.on_change: list[Callable[[], None]] = []
        self.on_ready: list[Callable[[], None]] = []
        self.ready = False
        self.closed_durably = True
        self._loop = asyncio.get_running_loop()
        self._disk = disk
        self._replica_dir = replica_dir
        self._surroundings = surroundings
        self._slots: dict[ReplicaKey, _Slot] = {}
        self._serving: dict[ReplicaKey, Replica] = {}
        self._following: dict[ReplicaKey, FollowingReplica] = {}
        self._removed: list[ReplicaRemoved] = []
        self._to_open: deque[_Slot] = deque()
        self._wants_epoch: set[_Slot] = set()
        self._chunks_running = 0
        self._disk_is_slow = False
        self._had_full_update = False
        self._closed = False
        self._retries: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Finish what an earlier process began to remove. Raises OSError without a usable disk."""
        self._disk.make_directory(self._replica_dir)
        await self._surroundings.workers.call(self._prepare_folder)

    def _prepare_folder(self) -> None:
        # Its own name must not go with the power, either.
        self._disk.sync_directory(self._replica_dir.rpartition("/")[0] or "/")
        remove_leftovers(self._disk, self._replica_dir)

    def apply(self, update: UpdateReplicas) -> None:
        """Take assignments: open, follow, stop and delete as they say.

        Ignored: older leader epochs of the same partition object, and anything about one that
        is being deleted already. A full update stops what it does not name, and keeps its data.
        """
        if self._closed:
            return
        for assignment in update.replicas:
            self._take(assignment)
        if update.full:
            named = {assignment.key for assignment in update.replicas}
            for key in self._slots.keys() - named:
                self._forget(key)
            self._had_full_update = True
        self._open_more()
        self._check_ready()

    def get(self, key: ReplicaKey) -> Replica | None:
        """The replica, if this SPU leads the partition and has opened it."""
        return self._serving.get(key)

    def require(self, key: ReplicaKey) -> Replica:
        """Like `get`. Raises NotLeader."""
        replica = self._serving.get(key)
        if replica is None:
            raise NotLeader(f"{key} is not served here")
        return replica

    def assignment_of(self, key: ReplicaKey) -> ReplicaAssignment | None:
        """What the controller said of a partition; None when it is unknown or being deleted."""
        slot = self._slots.get(key)
        if slot is None or slot.forgotten or slot.assignment.is_being_deleted:
            return None
        return slot.assignment

    def leader_of(self, key: ReplicaKey) -> SpuId | None:
        """Who serves a partition, as far as the controller told us."""
        assignment = self.assignment_of(key)
        return None if assignment is None else assignment.leader

    def replicas(self) -> Collection[Replica]:
        """All replicas served here."""
        return self._serving.values()

    def followers(self) -> Collection[FollowingReplica]:
        """All replicas that follow another SPU."""
        return self._following.values()

    def held(self, key: ReplicaKey) -> Replica | FollowingReplica | None:
        """The replica here, whatever its role."""
        return self._serving.get(key) or self._following.get(key)

    def tick(self) -> None:
        """Time went by; a few times a second."""
        for replica in tuple(self._serving.values()):
            if replica.leading is not None:
                replica.leading.tick()
        for slot in tuple(self._wants_epoch):
            self._wants_epoch.discard(slot)
            self._reconcile(slot)

    def leave(self, patience_ms: int) -> int:
        """This SPU stops: have others lead what can be led elsewhere. Returns how many can."""
        return sum(
            replica.leading is not None and replica.leading.leave(patience_ms)
            for replica in tuple(self._serving.values())
        )

    def leaving_count(self) -> int:
        """Partitions with several replicas in sync that are still led here."""
        return sum(
            replica.leading is not None and len(replica.leading.machine.in_sync.members) > 1
            for replica in self._serving.values()
        )

    def take_reports(self, *, everything: bool = False) -> tuple[LeaderReport, ...]:
        """Reports of replicas that changed since last taken, or of all."""
        changed = self._surroundings.changed
        replicas: Iterable[Replica] = self._serving.values() if everything else changed
        reports = tuple(replica.report() for replica in replicas if replica.serving)
        changed.clear()
        return reports

    def take_removed(self) -> tuple[ReplicaRemoved, ...]:
        """Deletions that are done and were not told yet."""
        removed, self._removed = tuple(self._removed), []
        return removed

    def unready_reason(self) -> str | None:
        """What is still missing before the first full assignment is served; None from then on."""
        if self.ready:
            return None
        if not self._had_full_update:
            return "waiting for the first assignment"
        count = sum(slot.opened is None and self._is_held(slot) for slot in self._slots.values())
        return f"opening logs, {count} to go"

    def settled(self) -> bool:
        """Whether no job runs and none waits; for stopping, and for tests."""
        return not self._to_open and not any(slot.busy for slot in self._slots.values())

    def close(self) -> None:
        """Stop serving, with a checkpoint of every log. The workers finish what runs."""
        self._closed = True
        for retry in self._retries:
            retry.cancel()
        self._to_open.clear()
        for slot in self._slots.values():
            role, slot.role = slot.role, None
            opened, slot.opened = slot.opened, None
            if isinstance(role, Replica):
                role.stop(_NOT_LEADER)
            elif role is not None and opened is not None:
                role.stop(partial(self._close_log, opened.log))
                opened = None
            if opened is not None and not slot.busy:
                self._close_log(opened.log)
        self._serving.clear()
        self._following.clear()
        self._surroundings.metrics.replica_open_count = 0

    # What is wanted.

    def _take(self, assignment: ReplicaAssignment) -> None:
        slot = self._slots.get(assignment.key)
        if slot is None:
            slot = self._slots[assignment.key] = _Slot(assignment)
        elif not self._is_news(slot, assignment):
            return
        else:
            slot.assignment = assignment
            slot.forgotten = False
        self._reconcile(slot)

    def _is_news(self, slot: _Slot, assignment: ReplicaAssignment) -> bool:
        known = slot.assignment
        if assignment.uid != known.uid:
            if assignment.is_being_deleted and not known.is_being_deleted:
                # A late word about a predecessor of what we hold; its data went when this came.
                self._confirm_removed(assignment)
                return False
            return True
        if known.is_being_deleted:
            return assignment.is_being_deleted
        return assignment.is_being_deleted or assignment.leader_epoch >= known.leader_epoch

    def _forget(self, key: ReplicaKey) -> None:
        slot = self._slots[key]
        slot.forgotten = True
        self._reconcile(slot)

    # What is there, one job at a time.

    def _reconcile(self, slot: _Slot) -> None:
        if slot.busy or self._closed:
            return
        wanted = slot.assignment
        if slot.role is not None:
            if self._is_right_role(slot, slot.role):
                self._follow(slot, slot.role)
            else:
                self._end_role(slot, slot.role)
        elif slot.opened is not None:
            if self._is_held(slot) and slot.opened.uid == wanted.uid:
                self._begin_role(slot, slot.opened)
            else:
                self._let_go(slot, slot.opened)
        elif slot.forgotten:
            del self._slots[wanted.key]
        elif wanted.is_being_deleted and self.spu_id in wanted.replicas:
            self._remove(slot)
        elif wanted.is_being_deleted:
            del self._slots[wanted.key]
        elif self._is_held(slot):
            slot.busy = True
            self._to_open.append(slot)

    def _is_held(self, slot: _Slot) -> bool:
        wanted = slot.assignment
        return (
            not slot.forgotten
            and not wanted.is_being_deleted
            and (wanted.leader == self.spu_id or self.spu_id in wanted.replicas)
        )

    def _is_led_here(self, slot: _Slot) -> bool:
        return self._is_held(slot) and slot.assignment.leader == self.spu_id

    def _is_right_role(self, slot: _Slot, role: Replica | FollowingReplica) -> bool:
        wanted = slot.assignment
        if not self._is_held(slot) or role.uid != wanted.uid:
            return False
        if isinstance(role, FollowingReplica):
            return role.leader == wanted.leader and role.leader_epoch == wanted.leader_epoch
        return wanted.leader == self.spu_id and (
            role.leader_epoch == wanted.leader_epoch or role.leading is None
        )

    def _follow(self, slot: _Slot, role: Replica | FollowingReplica) -> None:
        """The same leadership goes on, with other settings or another in-sync set."""
        role.follow(slot.assignment)
        if isinstance(role, FollowingReplica):
            return
        if role.leading is None and is_replicated(slot.assignment):
            # It has got followers: note the epoch, while it goes on serving.
            self._note_epoch(slot, role.opened, role.begin_replication)

    def _begin_role(self, slot: _Slot, opened: OpenLog) -> None:
        wanted = slot.assignment
        if not self._is_led_here(slot):
            following = FollowingReplica(wanted, opened, self._surroundings)
            slot.role = following
            self._following[wanted.key] = following
            for listener in self.on_followed:
                listener(following)
        elif not is_replicated(wanted):
            self._lead(slot, opened)
        elif self._may_lead(slot, opened):
            self._note_epoch(slot, opened, lambda: self._lead(slot, opened))

    def _may_lead(self, slot: _Slot, opened: OpenLog) -> bool:
        """Whether the log has all that was acknowledged, as far as this SPU can tell.

        If not, the controller finds out by the incarnation, and decides anew.
        """
        wanted = slot.assignment
        stored = self._stored_incarnation(wanted)
        if stored not in (None, UNKNOWN_INCARNATION, self._surroundings.life.incarnation):
            _log.warning(
                "event=waits_for_election replica=%s epoch=%s reason=records may be lost",
                wanted.key,
                wanted.leader_epoch,
            )
            return False
        if opened.noted_epoch >= wanted.leader_epoch:
            self._ask_for_epoch(slot)
            return False
        return True

    def _run(
        self,
        slot: _Slot,
        job: Callable[[], object],
        event: str,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a worker do something with the slot's files; then look again."""
        slot.busy = True

        def done(_: object) -> None:
            slot.busy = False
            if not self._closed:
                then()
            self._reconcile(slot)
            self._open_more()

        def failed(error: Exception) -> None:
            _log.error("event=%s replica=%s error=%s", event, slot.assignment.key, error)
            self._retry_later(slot)

        self._surroundings.workers.run(job, done, failed)

    def _stored_incarnation(self, wanted: ReplicaAssignment) -> DataIncarnation | None:
        """In which life of its data this SPU is in the in-sync set; None: it is not in it."""
        for member in wanted.in_sync:
            if member.spu == self.spu_id:
                return member.incarnation
        return None

    def _ask_for_epoch(self, slot: _Slot) -> None:
        """An earlier process led under this one. Asked again and again until there is another."""
        wanted = slot.assignment
        self._wants_epoch.add(slot)
        self._surroundings.news.resign(
            Resignation(key=wanted.key, leader_epoch=wanted.leader_epoch, successor=self.spu_id)
        )

    def _note_epoch(self, slot: _Slot, opened: OpenLog, then: Callable[[], None]) -> None:
        """Before anything is appended under an epoch, the epoch is on disk."""
        epoch = slot.assignment.leader_epoch

        def note() -> None:
            opened.begin_epoch(epoch)
            if self._surroundings.group_sync.acks_wait:  # everything in it counts as durable
                opened.log.sync_handle().run()

        def noted() -> None:
            if self._is_led_here(slot) and slot.assignment.leader_epoch == epoch:
                then()

        self._run(slot, note, "epoch_not_noted", noted)

    def _lead(self, slot: _Slot, opened: OpenLog) -> None:
        replica = Replica(slot.assignment, opened, self._surroundings)
        slot.role = replica
        self._serving[replica.key] = replica
        self._surroundings.metrics.replica_open_count += 1
        self._surroundings.changed.add(replica)
        _log.info(
            "event=replica_opened replica=%s epoch=%s start=%s leo=%s",
            replica.key,
            replica.leader_epoch,
            replica.start_offset,
            replica.leo,
        )
        self._tell_change()

    def _end_role(self, slot: _Slot, role: Replica | FollowingReplica) -> None:
        """Serve or follow no more; then look again. The log stays open if it will be used."""
        wanted = slot.assignment
        gone = wanted.is_being_deleted or wanted.uid != role.uid
        slot.role = None
        _log.info("event=replica_stopped replica=%s deleted=%s", role.key, gone)
        if isinstance(role, Replica):
            del self._serving[role.key]
            self._surroundings.metrics.replica_open_count -= 1
            role.stop(_DELETED if gone else _NOT_LEADER)
            self._reconcile(slot)
            return
        del self._following[role.key]
        slot.busy = True
        role.stop(lambda: self._job_ended(slot))
        for listener in self.on_followed:
            listener(role)

    def _let_go(self, slot: _Slot, opened: OpenLog) -> None:
        """Close the log off the loop, then look again."""
        slot.opened = None
        slot.busy = True
        self._close_log(opened.log, lambda: self._job_ended(slot))

    def _close_log(self, log: Log, ended: Callable[[], None] = lambda: None) -> None:
        def failed(error: Exception) -> None:
            _log.error("event=close_failed error=%s", error)
            self.closed_durably = False
            ended()

        def closed(durably: bool) -> None:
            self.closed_durably = self.closed_durably and durably
            ended()

        self._surroundings.workers.run(log.close, closed, failed)

    def _job_ended(self, slot: _Slot) -> None:
        slot.busy = False
        self._reconcile(slot)
        self._open_more()

    def _remove(self, slot: _Slot) -> None:
        """Delete the files, then confirm. A deletion that is told again is confirmed again."""
        slot.busy = True
        wanted = slot.assignment

        def done(_: None) -> None:
            _log.info("event=replica_removed replica=%s uid=%s", wanted.key, wanted.uid)
            slot.busy = False
            self._confirm_removed(wanted)
            if slot.assignment is wanted:
                del self._slots[wanted.key]
            else:
                self._reconcile(slot)
                self._open_more()

        def failed(error: Exception) -> None:
            _log.error("event=remove_failed replica=%s error=%s", wanted.key, error)
            self._retry_later(slot)

        self._surroundings.workers.run(
            lambda: remove_partition(self._disk, self._replica_dir, wanted.key, wanted.uid),
            done,
            failed,
        )

    def _confirm_removed(self, assignment: ReplicaAssignment) -> None:
        if self.spu_id in assignment.replicas:
            self._removed.append(ReplicaRemoved(key=assignment.key, uid=assignment.uid))
            self._tell_change()

    def _retry_later(self, slot: _Slot) -> None:
        """The slot stays busy until then, so that nothing else starts on it."""

        def retry() -> None:
            self._retries.discard(timer)
            self._job_ended(slot)

        timer = self._loop.call_later(OPEN_RETRY_DELAY_S, retry)
        self._retries.add(timer)

    # Opening, a chunk of logs at a time.

    def _open_more(self) -> None:
        at_a_time = CHUNKS_AT_A_TIME_MAX if self._disk_is_slow else 1
        while self._to_open and self._chunks_running < at_a_time:
            chunk: list[tuple[_Slot, ReplicaAssignment]] = []
            while self._to_open and len(chunk) < LOGS_PER_CHUNK:
                slot = self._to_open.popleft()
                if self._is_held(slot):
                    chunk.append((slot, slot.assignment))
                else:  # no longer
                    slot.busy = False
                    self._reconcile(slot)
            if not chunk:
                return
            self._chunks_running += 1
            self._surroundings.workers.run(
                lambda chunk=chunk: [self._open(slot, wanted) for slot, wanted in chunk],  # type: ignore[misc]
                partial(self._chunk_opened, self._loop.time()),
            )

    def _open(self, slot: _Slot, wanted: ReplicaAssignment) -> _Opened:
        """Runs in a worker thread; touches the disk and nothing of the registry."""
        replaced = None
        try:
            replaced = claim(self._disk, self._replica_dir, wanted.key, wanted.uid)
            directory = partition_directory(self._replica_dir, wanted.key)
            config = log_config(wanted, self._surroundings.log_defaults)
            losing = self._surroundings.life.lost_before if is_replicated(wanted) else _nobody
            log = Log.open(self._disk, directory, config, losing=losing)
            if self._surroundings.group_sync.acks_wait and log.unsynced_bytes:
                # Readers will take all of it for committed.
                log.sync_handle().run()
            opened = OpenLog.of(self._disk, log, wanted.uid)
            if opened.is_damaged:
                losing("it has holes that were found before")
            if not opened.is_known:
                losing("who wrote it cannot be read")
        except (FluvioError, OSError, ValueError) as error:
            return _Opened(slot, wanted, None, replaced, error)
        return _Opened(slot, wanted, opened, replaced, None)

    def _chunk_opened(self, begun_s: float, chunk: list[_Opened]) -> None:
        self._chunks_running -= 1
        self._disk_is_slow = self._loop.time() - begun_s > SLOW_CHUNK_S
        self._surroundings.life.look()
        for opened in chunk:
            self._one_opened(opened)
        self._open_more()
        if self._disk_is_slow or not self._chunks_running:
            self._tell_change()  # once for chunks that follow each other quickly
        self._check_ready()

    def _one_opened(self, opened: _Opened) -> None:
        slot = opened.slot
        if opened.replaced_folder is not None:
            folder = opened.replaced_folder
            self._surroundings.workers.run(lambda: remove_folder(self._disk, folder))
        if opened.log is None:
            _log.error("event=open_failed replica=%s error=%s", opened.assignment.key, opened.error)
            self._retry_later(slot)
            return
        if self._closed:
            self._close_log(opened.log.log)
            return
        recovery = opened.log.log.recovery
        if not recovery.clean:
            _log.warning(
                "event=log_recovered replica=%s walked_bytes=%s cut=%s damaged=%s first_damaged=%s",
                opened.assignment.key,
                recovery.walked_bytes,
                recovery.cut,
                len(recovery.damaged),
                next(iter(recovery.damaged), None),
            )
        slot.opened = opened.log
        slot.busy = False
        self._reconcile(slot)

    def _check_ready(self) -> None:
        if (
            not self.ready
            and self._had_full_update
            and not self._to_open
            and not self._chunks_running
        ):
            self.ready = True
            for listener in self.on_ready:
                listener()

    def _tell_change(self) -> None:
        for listener in self.on_change:
            listener()
