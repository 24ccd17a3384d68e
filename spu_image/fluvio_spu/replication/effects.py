"""Everything that a leader or a follower can ask its driver to do.

Effects come in lists, and their order is part of the decision: what has to be on disk is in front
of what says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, Offset, SpuId


@dataclass(frozen=True, slots=True)
class AdvanceHighWatermark:
    """Everything below `offset` is committed: keep it, then let readers and producers know."""

    offset: Offset


@dataclass(frozen=True, slots=True)
class ProposeInSync:
    """Ask the controller to store another in-sync set instead of the one of `version`."""

    version: int
    members: Mapping[SpuId, DataIncarnation]
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerJoin:
    """Tell a follower what it has to know, under a new session."""

    spu_id: SpuId
    number: int
    session: int


@dataclass(frozen=True, slots=True)
class SendRecords:
    """A follower can be sent records, from `LeaderReplica.next_offset` on."""

    spu_id: SpuId


@dataclass(frozen=True, slots=True)
class PauseWrites:
    """Take no records: another is about to lead."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResumeWrites:
    """Take records again: the hand-over did not come about."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resign:
    """Tell the controller that `successor` holds everything and may lead."""

    successor: SpuId


LeaderEffect = (
    AdvanceHighWatermark
    | ProposeInSync
    | AnswerJoin
    | SendRecords
    | PauseWrites
    | ResumeWrites
    | Resign
)


@dataclass(frozen=True, slots=True)
class SendJoin:
    """Ask the leader for the partition; `number` comes back in the answer."""

    leader: SpuId
    leader_epoch: LeaderEpoch
    number: int


@dataclass(frozen=True, slots=True)
class CutLog:
    """Drop everything from `end` on, durably."""

    end: Offset


@dataclass(frozen=True, slots=True)
class RestartLog:
    """Drop everything, and begin at `offset`."""

    offset: Offset
    reason: str


@dataclass(frozen=True, slots=True)
class AdoptLineage:
    """Note, durably, who wrote what of the log, and of what will come.

    Behind `CutLog`, never before it: noted first, records that are about to be cut would count as
    written by somebody else. Then call `FollowerReplica.joined`.
    """

    entries: tuple[EpochStart, ...]


@dataclass(frozen=True, slots=True)
class ReportPosition:
    """Tell the leader how far the log reaches; `send_from` -1: nothing is missing."""

    session: int
    log_end: Offset
    send_from: Offset


@dataclass(frozen=True, slots=True)
class DropSegments:
    """Whole segments below `before` may go: the leader does not have them any more."""

    before: Offset


FollowerEffect = (
    SendJoin
    | CutLog
    | RestartLog
    | AdoptLineage
    | ReportPosition
    | AdvanceHighWatermark
    | DropSegments
)
