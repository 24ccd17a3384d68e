"""One follower of one leadership of one partition.

Made by `replica/` when an assignment says that another SPU leads; the simulator makes it the same
way. Methods take what happened and return what to do, in order.

    JOINING  --- answer of the leader --->  CUTTING  --- log is cut, lineage noted --->  FOLLOWING
       ^                                                                                    |
       +--------------- link lost, or silence of the leader ---------------------------------+

Within FOLLOWING the log only grows, and only by what fits at its end; whatever came twice, too late
or of another session is ignored, and what is missing is asked for again.
"""

from dataclasses import dataclass
from enum import Enum, auto

from fluvio_protocol.spu_private.replication import JoinAnswer
from fluvio_protocol.types import LeaderEpoch, Offset, SpuId
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
from fluvio_spu.replication.lineage import EpochLineage, common_end, joined

NOTHING_MISSING = Offset(-1)
NO_SESSION = 0


class FollowerState(Enum):
    """Where it stands with its leader."""

    JOINING = auto()
    CUTTING = auto()
    FOLLOWING = auto()


@dataclass(frozen=True, slots=True)
class FollowerSettings:
    """How patient a follower is, in ms.

    join_ms_max:    a join that is not answered is repeated
    silence_ms_max: a leader that has said nothing of the partition for so long is joined again;
                    the driver lets leaders speak far more often
    """

    join_ms_max: int = 200
    silence_ms_max: int = 10_000


class FollowerReplica:
    """See the module.

    log_end:        of the own log, as it is
    durable_end:    up to where it is as safe as the settings demand: what the leader is told
    high_watermark: what is known to be committed, of what is held here
    """

    __slots__ = (
        "_heard_at_ms",
        "_log_start",
        "_number",
        "_rebuild",
        "_session",
        "_settings",
        "durable_end",
        "high_watermark",
        "leader",
        "leader_epoch",
        "lineage",
        "log_end",
        "state",
    )

    def __init__(
        self,
        *,
        leader: SpuId,
        leader_epoch: LeaderEpoch,
        lineage: EpochLineage,
        log_start: Offset,
        log_end: Offset,
        high_watermark: Offset,
        first_number: int,
        now_ms: int,
        settings: FollowerSettings,
        rebuild: bool = False,
    ) -> None:
        """first_number: larger than those of all joins this process made of the partition.
        rebuild: the own log has holes, and nothing of it may be kept."""
        self.leader = leader
        self.leader_epoch = leader_epoch
        self.lineage = lineage.cut(log_end)
        self.log_end: int = log_end
        self.durable_end: int = log_end
        self.high_watermark: int = min(high_watermark, log_end)
        self.state = FollowerState.JOINING
        self._log_start: int = log_start
        self._number = first_number
        self._session = NO_SESSION
        self._heard_at_ms = now_ms
        self._settings = settings
        self._rebuild = rebuild

    def join(self, now_ms: int) -> list[FollowerEffect]:
        """Ask the leader: called when its link stands. What was under way before is over.

        While the log is being cut the answer to that join is still good, and nothing is asked.
        """
        if self.state is FollowerState.CUTTING:
            return []
        self.state = FollowerState.JOINING
        self._session = NO_SESSION
        self._number += 1
        self._heard_at_ms = now_ms
        return [SendJoin(self.leader, self.leader_epoch, self._number)]

    def link_lost(self) -> None:
        """What the leader said does not bind it any more, and no answer to a join that it made."""
        self._session = NO_SESSION
        self._number += 1
        if self.state is FollowerState.FOLLOWING:
            self.state = FollowerState.JOINING

    def tick(self, now_ms: int) -> list[FollowerEffect]:
        """Time went by, with the link standing: ask again if the leader does not answer."""
        silent_ms = now_ms - self._heard_at_ms
        match self.state:
            case FollowerState.JOINING if silent_ms >= self._settings.join_ms_max:
                return self.join(now_ms)
            case FollowerState.FOLLOWING if silent_ms >= self._settings.silence_ms_max:
                return self.join(now_ms)
            case _:
                return []

    def answered(self, answer: JoinAnswer, now_ms: int) -> list[FollowerEffect]:
        """The leader's answer: make the own log a beginning of its log.

        Ignored: answers to older joins, and leaders of another epoch than the one followed. They
        are asked again in a while; by then either of the two has heard from the controller.
        """
        if self.state is not FollowerState.JOINING or answer.number != self._number:
            return []
        if answer.error_code or answer.leader_epoch != self.leader_epoch:
            return []
        self._heard_at_ms = now_ms
        self._session = answer.session
        self.state = FollowerState.CUTTING
        theirs = EpochLineage(answer.lineage)
        end = common_end(self.lineage, self.log_end, theirs, answer.log_end)
        adopt = AdoptLineage(joined(self.lineage.cut(end), answer.lineage).entries)
        if self._rebuild or end < answer.log_start or end < self._log_start:
            reason = f"common end {end} is below the leader's start {answer.log_start}"
            if self._rebuild:
                reason = "it is damaged"
            fresh = AdoptLineage(theirs.entries)
            return [RestartLog(answer.log_start, reason), fresh]
        if end < self.log_end:
            return [CutLog(end), adopt]
        return [adopt]

    def joined(
        self, *, lineage: EpochLineage, log_start: Offset, log_end: Offset, now_ms: int
    ) -> list[FollowerEffect]:
        """The log is cut and the lineage noted, both durably; `log_end` may be lower than asked."""
        assert self.state is FollowerState.CUTTING
        self.lineage = lineage
        self._rebuild = False
        self._log_start = log_start
        self.log_end = self.durable_end = log_end
        self.high_watermark = min(self.high_watermark, log_end)
        if self._session == NO_SESSION:  # the link was lost meanwhile
            self.state = FollowerState.JOINING
            return []
        self.state = FollowerState.FOLLOWING
        self._heard_at_ms = now_ms
        return [self._report()]

    def fits(
        self, *, leader_epoch: LeaderEpoch, session: int, base: Offset, end: Offset, now_ms: int
    ) -> bool | list[FollowerEffect]:
        """Whether copied records [base, end) may be appended; if not, what to do instead."""
        if not self._concerns(leader_epoch, session):
            return []
        self._heard_at_ms = now_ms
        if base == self.log_end:
            return True
        if end <= self.log_end:
            return [self._report()]  # it came twice, and the answer to the first may be lost
        return [self._report(send_from=Offset(self.log_end))]

    def appended(self, log_end: Offset) -> None:
        """What fitted is in the log; `durable` follows when it is as safe as demanded."""
        assert log_end >= self.log_end
        self.log_end = log_end

    def durable(self, end: Offset) -> list[FollowerEffect]:
        """Everything below `end` is as safe as demanded: the leader may count on it.

        A sync that began before the log was cut tells of more than there is now.
        """
        if self.state is FollowerState.CUTTING or end <= self.durable_end:
            return []
        self.durable_end = min(end, self.log_end)
        return [self._report()] if self.state is FollowerState.FOLLOWING else []

    def committed(
        self,
        *,
        leader_epoch: LeaderEpoch,
        session: int,
        high_watermark: Offset,
        log_start: Offset,
        log_end: Offset | None,
        now_ms: int,
    ) -> list[FollowerEffect]:
        """The leader told what is committed, and where its log begins and ends.

        log_end: None when records came with it. A leader that has sent more than arrived, and has
                 nothing more to send, would otherwise wait for ever.
        """
        if not self._concerns(leader_epoch, session):
            return []
        self._heard_at_ms = now_ms
        effects: list[FollowerEffect] = []
        known = min(high_watermark, self.log_end)
        if known > self.high_watermark:
            self.high_watermark = known
            effects.append(AdvanceHighWatermark(Offset(known)))
        if log_start > self._log_start:
            self._log_start = min(log_start, self.log_end)
            effects.append(DropSegments(log_start))
        if log_end is not None:
            missing = log_end > self.log_end
            effects.append(self._report(Offset(self.log_end) if missing else NOTHING_MISSING))
        return effects

    def _concerns(self, leader_epoch: LeaderEpoch, session: int) -> bool:
        return (
            self.state is FollowerState.FOLLOWING
            and leader_epoch == self.leader_epoch
            and session == self._session
        )

    def _report(self, send_from: Offset = NOTHING_MISSING) -> ReportPosition:
        return ReportPosition(self._session, Offset(self.durable_end), send_from)
