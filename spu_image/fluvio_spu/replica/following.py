"""One partition that another SPU leads: its log here is made like the leader's, and kept so.

Made and stopped by `registry`; `links/leader_link` brings what the leader says and takes what the
leader shall know. Decisions are `replication.follower`'s; here they are performed, on the event
loop thread but for what may take long: cutting a log and noting its lineage run in a worker, and
meanwhile nothing else touches the log.

    records -> append -> log end; then durable (at once, or after a sync) -> position to the leader

Nobody reads here but the leader-to-be: a consumer is sent to the leader.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.spu_private.replication import (
    CopiedRecords,
    JoinAnswer,
    ReplicaHighWatermark,
    ReplicaJoin,
    ReplicaPosition,
)
from fluvio_protocol.types import LeaderEpoch, Offset, ReplicaKey, SpuId
from fluvio_spu.replica.log_settings import log_config
from fluvio_spu.replica.open_log import OpenLog
from fluvio_spu.replica.replica import delete_segments
from fluvio_spu.replica.surroundings import ReplicaSurroundings
from fluvio_spu.replication.effects import (
    AdoptLineage,
    AdvanceHighWatermark,
    CutLog,
    DropSegments,
    FollowerEffect,
    ReportPosition,
    RestartLog,
    SendJoin,
)
from fluvio_spu.replication.follower import FollowerReplica, FollowerState
from fluvio_spu.storage import CopiedRecordsDoNotFit, OutOfStorage, SegmentInUse

_log = logging.getLogger(__name__)

RETRY_IN_USE_S = 0.05
RETRY_FAILED_S = 5.0
RETRY_STORE_S = 1.0
"""Until a follower that had no room asks for the same records again."""

_Reshape = CutLog | RestartLog | AdoptLineage


class LeaderConversation(Protocol):
    """The link to the leader, as long as it stands."""

    def join(self, join: ReplicaJoin) -> None:
        """Send it soon, with others."""

    def report(self, position: ReplicaPosition) -> None:
        """Send it soon, with others; a later one of the same partition replaces it."""

    def leave(self, key: ReplicaKey) -> None:
        """Let it send no more of this partition, and count on this replica no longer."""


class FollowingReplica:
    """One partition's driver while another SPU leads it.

    serving: False once stopped
    busy:    a worker is at the log
    """

    def __init__(
        self,
        assignment: ReplicaAssignment,
        opened: OpenLog,
        surroundings: ReplicaSurroundings,
    ) -> None:
        self.key: ReplicaKey = assignment.key
        self.assignment = assignment
        self.opened = opened
        self.log = opened.log
        self.serving = True
        self.busy = False
        self.out_of_storage = False
        self._surroundings = surroundings
        self._leader: LeaderConversation | None = None
        self._stopped: Callable[[], None] | None = None
        self._failure: str | None = None
        self._rejoins_later = False
        self.machine = FollowerReplica(
            leader=assignment.leader,
            leader_epoch=assignment.leader_epoch,
            lineage=opened.lineage,
            log_start=self.log.start_offset,
            log_end=self.log.end_offset,
            high_watermark=self.log.high_watermark,
            first_number=surroundings.next_number(),
            now_ms=surroundings.clock_ms(),
            settings=surroundings.follower_settings,
            rebuild=opened.is_damaged,
        )
        self.follow(assignment)

    @property
    def uid(self) -> str:
        """Identity of the partition object whose data this is."""
        return self.assignment.uid

    @property
    def leader(self) -> SpuId:
        """Who is followed."""
        return self.assignment.leader

    @property
    def leader_epoch(self) -> LeaderEpoch:
        """Which leadership is followed."""
        return self.assignment.leader_epoch

    def follow(self, assignment: ReplicaAssignment) -> None:
        """Take a newer assignment of the same leadership."""
        self.assignment = assignment
        if not self.busy:
            self.log.reconfigure(log_config(assignment, self._surroundings.log_defaults))

    def stop(self, ended: Callable[[], None]) -> None:
        """Follow no more; `ended` is called when nothing is at the log any more."""
        self.serving = False
        self._leader = None
        if self.busy:
            self._stopped = ended
        else:
            ended()

    # From the link.

    def connected(self, leader: LeaderConversation) -> None:
        """The link stands: join."""
        self._leader = leader
        self._perform(self.machine.join(self._surroundings.clock_ms()))

    def disconnected(self) -> None:
        """The link is gone."""
        self._leader = None
        self.machine.link_lost()

    def tick(self) -> None:
        """Join again if the leader has not answered. For partitions that do not follow yet."""
        if self._leader is None or self._rejoins_later:
            return
        if self.machine.state is not FollowerState.FOLLOWING:
            self._perform(self.machine.tick(self._surroundings.clock_ms()))

    def answered(self, answer: JoinAnswer) -> None:
        """What the leader says to the join."""
        self._perform(self.machine.answered(answer, self._surroundings.clock_ms()))

    def records(self, message: CopiedRecords, records: memoryview) -> None:
        """Records of the leader's log; `records` is good until this returns.

        Who cannot store them says so, so that the leader does not wait for what will not come, and
        joins again later.
        """
        machine = self.machine
        now_ms = self._surroundings.clock_ms()
        verdict = machine.fits(
            leader_epoch=message.leader_epoch,
            session=message.session,
            base=message.base_offset,
            end=message.end_offset,
            now_ms=now_ms,
        )
        if verdict is not True:
            self._perform(verdict or [])
            return
        if self._failure is not None or not self._store(message, records):
            return
        machine.appended(self.log.end_offset)
        self._perform(
            machine.committed(
                leader_epoch=message.leader_epoch,
                session=message.session,
                high_watermark=message.high_watermark,
                log_start=message.log_start,
                log_end=None,
                now_ms=now_ms,
            )
        )
        group_sync = self._surroundings.group_sync
        if group_sync.acks_wait:
            group_sync.appended(self)
        else:
            self._perform(machine.durable(self.log.end_offset))

    def committed(self, told: ReplicaHighWatermark) -> None:
        """The leader's offsets, without records."""
        self._perform(
            self.machine.committed(
                leader_epoch=told.leader_epoch,
                session=told.session,
                high_watermark=told.high_watermark,
                log_start=told.log_start,
                log_end=told.log_end,
                now_ms=self._surroundings.clock_ms(),
            )
        )

    def _store(self, message: CopiedRecords, records: memoryview) -> bool:
        try:
            self.log.append_copied(
                records, base_offset=message.base_offset, end_offset=message.end_offset
            )
        except OutOfStorage as error:
            if not self.out_of_storage:
                _log.error("event=out_of_storage replica=%s reason=%s", self.key, error)
            self.out_of_storage = True
            self._rejoin_later()
            return False
        except CopiedRecordsDoNotFit as error:
            _log.error("event=copied_records_refused replica=%s reason=%s", self.key, error)
            self._rejoin_later()
            return False
        except FluvioError as error:
            self._fail(str(error))
            return False
        self.out_of_storage = False
        return True

    def _rejoin_later(self) -> None:
        """The leader believes that it has sent what was not stored: start again from a join."""
        self._leave()
        if not self._rejoins_later:
            self._rejoins_later = True
            self._surroundings.call_later(RETRY_STORE_S, self._rejoin)

    def _rejoin(self) -> None:
        self._rejoins_later = False
        if self.machine.state is FollowerState.FOLLOWING:  # over another link, meanwhile
            return
        if self.serving and self._leader is not None:
            self._perform(self.machine.join(self._surroundings.clock_ms()))

    def _fail(self, reason: str) -> None:
        """Nothing more is stored or reported until the process starts again."""
        if self._failure is None:
            _log.error("event=follower_failed replica=%s reason=%s", self.key, reason)
            self._failure = reason
            self._leave()

    def _leave(self) -> None:
        self.machine.link_lost()
        if self._leader is not None:
            self._leader.leave(self.key)

    # From group sync and housekeeping.

    def synced(self, end: Offset) -> None:
        """Everything below `end` is on disk now."""
        if self.serving and self._failure is None:
            self._perform(self.machine.durable(end))

    def sync_failed(self, error: Exception) -> None:
        """The system could not write back; after that nobody can say what is on disk."""
        self._fail(f"a sync failed: {error}")

    def keep_house(self, now_ms: int) -> None:
        """Retention and checkpoint, as at the leader."""
        if self.busy or not self.serving:
            return
        expired = self.log.expire(now_ms)
        if expired:
            self._surroundings.workers.run(lambda: delete_segments(expired))
        self.log.checkpoint()

    # What the machine decided.

    def _perform(self, effects: list[FollowerEffect]) -> None:
        reshape: list[_Reshape] = []
        for effect in effects:
            match effect:
                case SendJoin():
                    self._send_join(effect)
                case ReportPosition():
                    self._report(effect)
                case AdvanceHighWatermark(offset):
                    self.log.set_high_watermark(offset)
                case DropSegments(before):
                    self._drop(before)
                case _:
                    reshape.append(effect)
        if reshape:
            self._reshape(reshape)

    def _send_join(self, effect: SendJoin) -> None:
        if self._leader is not None and self._failure is None:
            self._leader.join(
                ReplicaJoin(
                    key=self.key,
                    uid=self.uid,
                    leader_epoch=effect.leader_epoch,
                    number=effect.number,
                )
            )

    def _report(self, effect: ReportPosition) -> None:
        if self._leader is not None and self._failure is None:
            self._leader.report(
                ReplicaPosition(
                    key=self.key,
                    leader_epoch=self.leader_epoch,
                    session=effect.session,
                    log_end=effect.log_end,
                    send_from=effect.send_from,
                )
            )

    def _drop(self, before: Offset) -> None:
        try:
            dropped = self.log.drop_before(before)
        except FluvioError as error:
            _log.warning("event=segments_not_dropped replica=%s error=%s", self.key, error)
            return
        if dropped:
            self._surroundings.workers.run(lambda: delete_segments(dropped))

    def _reshape(self, steps: list[_Reshape]) -> None:
        """Cut, then note: in a worker, in this order, each durable before the next."""
        self.busy = True
        self._announce(steps)
        opened = self.opened
        acks_wait = self._surroundings.group_sync.acks_wait

        def work() -> None:
            for step in steps:
                match step:
                    case CutLog(end):
                        opened.cut(end)
                    case RestartLog(offset, _):
                        opened.restart_at(offset)
                    case AdoptLineage(entries):
                        opened.note_lineage(entries)
            if acks_wait:  # the leader will count on everything that is left
                opened.log.sync_handle().run()

        def done(_: None) -> None:
            self.busy = False
            if self._stopped is not None:
                self._stopped()
                return
            self._perform(
                self.machine.joined(
                    lineage=opened.lineage,
                    log_start=self.log.start_offset,
                    log_end=self.log.end_offset,
                    now_ms=self._surroundings.clock_ms(),
                )
            )

        def failed(error: Exception) -> None:
            in_use = isinstance(error, SegmentInUse)
            if not in_use:
                _log.error("event=cut_failed replica=%s error=%s", self.key, error)
            if self._stopped is not None:
                self.busy = False
                self._stopped()
                return
            delay_s = RETRY_IN_USE_S if in_use else RETRY_FAILED_S
            self._surroundings.call_later(delay_s, lambda: self._reshape(steps))

        self._surroundings.workers.run(work, done, failed)

    def _announce(self, steps: list[_Reshape]) -> None:
        for step in steps:
            if isinstance(step, CutLog):
                below = step.end < self.log.high_watermark
                _log.log(
                    logging.ERROR if below else logging.INFO,
                    "event=log_cut replica=%s epoch=%s end=%s before=%s high_watermark=%s",
                    self.key,
                    self.leader_epoch,
                    step.end,
                    self.log.end_offset,
                    self.log.high_watermark,
                )
            elif isinstance(step, RestartLog):
                _log.warning(
                    "event=log_restarted replica=%s epoch=%s at=%s before=%s reason=%s",
                    self.key,
                    self.leader_epoch,
                    step.offset,
                    self.log.end_offset,
                    step.reason,
                )
