"""One leadership of one partition, from its first moment to its last.

Made by `replica/` when an assignment with a new epoch says that this SPU leads; the simulator makes
it the same way. Methods take what happened and return what to do.

High watermark. A record is committed when every member of the in-sync set holds it, and while the
set has `min_in_sync` members. Which set? The controller's word comes late: it may have stored what
was asked for and the answer be on its way. So the stored set and every set asked for under its
version count together (KIP-497), and nothing else is asked for until the version has moved.

    follower joins ---> positions ---> caught up: ask for its membership
    link lost, too slow, other incarnation -----> ask for a set without it

Positions are believed only from the session that the leader made for the follower's newest join,
within which a follower never cuts its log. What a member reported once counts while it is away; the
first report of its next session replaces it, for its log may have been damaged meanwhile.

Sets are asked for so that a refusal of one follower holds up nobody else: whoever must go goes
first, then whoever was never refused comes, then those that were, one by one and after a pause.

Hand-over: stop taking writes, wait until the successor holds everything and, for a moment, until
all of it is committed (so that waiting producers get their answer), then resign.

Invariant: the high watermark never falls, and never passes a position of a member.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    DataIncarnation,
    LeaderEpoch,
    Offset,
    SpuId,
)
from fluvio_spu.replication.effects import (
    AdvanceHighWatermark,
    AnswerJoin,
    LeaderEffect,
    PauseWrites,
    ProposeInSync,
    Resign,
    ResumeWrites,
    SendRecords,
)
from fluvio_spu.replication.in_sync import InSyncSet


@dataclass(frozen=True, slots=True)
class ReplicationSettings:
    """How patient a leader is, in ms.

    lag_ms_max:       a member that has not caught up for so long is dropped
    join_ms_max:      what members have to join a new leadership before they count as too slow
    proposal_ms:      pause before the same request is told to the controller again
    hand_over_ms_max: writes pause no longer than this
    hand_over_pause_ms: after a hand-over that did not come about
    commit_wait_ms_max: how long a leader that may resign waits for other members
    refused_pause_ms: after the controller refused a follower
    """

    lag_ms_max: int = 5_000
    join_ms_max: int = 2_000
    proposal_ms: int = 500
    hand_over_ms_max: int = 2_000
    hand_over_pause_ms: int = 10_000
    commit_wait_ms_max: int = 300
    refused_pause_ms: int = 2_000


@dataclass(slots=True)
class Follower:
    """What the leader knows of one follower.

    connected:   it has joined, and its link stands
    session:     of its newest join; 0: it never joined this leadership
    position:    it holds everything below; -1: not known
    sent:        everything below is on its way to it
    caught_up_at_ms: when it last held all that the leader held at some moment before
    replaced:    another copy of its data joined this leadership before
    refused_at_ms: when the controller last refused it; -1: it did not
    """

    incarnation: DataIncarnation = UNKNOWN_INCARNATION
    connected: bool = False
    session: int = 0
    number: int = -1
    position: int = -1
    sent: int = -1
    caught_up_at_ms: int = 0
    heard_at_ms: int = 0
    end_when_heard: int = 0
    replaced: bool = False
    refused_at_ms: int = -1

    @property
    def has_reported(self) -> bool:
        """Whether it said how far it reaches since it last joined, and its link stands."""
        return self.connected and self.sent >= 0


@dataclass(slots=True)
class _Request:
    """The in-sync set that was asked for."""

    members: dict[SpuId, DataIncarnation]
    told_at_ms: int
    reason: str


@dataclass(slots=True)
class _HandOver:
    """To whom (empty: any member), since when, and what came of it."""

    candidates: frozenset[SpuId]
    ends_at_ms: int
    leaving: bool = False
    paused: bool = False
    paused_at_ms: int = 0
    resigned_at_ms: int = -1


class LeaderReplica:
    """See the module.

    in_sync:   the stored set
    followers: replicas other than the leader, by SPU
    log_end:   what the leader holds, and sends
    durable_end: up to where it holds it as safely as its settings demand
    """

    __slots__ = (
        "_ask_again_at_ms",
        "_epoch_start",
        "_grow_again_at_ms",
        "_hand_over",
        "_hand_over_again_at_ms",
        "_min_in_sync",
        "_now_ms",
        "_request",
        "_session",
        "_settings",
        "_started_ms",
        "_successor",
        "durable_end",
        "followers",
        "high_watermark",
        "in_sync",
        "incarnation",
        "leader_epoch",
        "log_end",
        "spu_id",
    )

    def __init__(
        self,
        *,
        spu_id: SpuId,
        incarnation: DataIncarnation,
        leader_epoch: LeaderEpoch,
        replicas: Iterable[SpuId],
        in_sync: InSyncSet,
        min_in_sync: int,
        log_end: Offset,
        high_watermark: Offset,
        first_session: int,
        now_ms: int,
        settings: ReplicationSettings,
    ) -> None:
        """log_end: where this leadership begins. first_session: no other leadership gives it."""
        assert high_watermark <= log_end
        self.spu_id = spu_id
        self.incarnation = incarnation
        self.leader_epoch = leader_epoch
        self.in_sync = in_sync
        self.log_end: int = log_end
        self.durable_end: int = log_end
        self.high_watermark: int = high_watermark
        self._epoch_start = log_end
        self._min_in_sync = min_in_sync
        self._session = first_session
        self._started_ms = now_ms
        self._now_ms = now_ms
        self._settings = settings
        self._request: _Request | None = None
        self._ask_again_at_ms = self._grow_again_at_ms = now_ms
        self._hand_over: _HandOver | None = None
        self._hand_over_again_at_ms = 0
        self._successor: SpuId | None = None
        self.followers: dict[SpuId, Follower] = {}
        self._take_replicas(replicas)

    # What the driver asks.

    @property
    def takes_committed(self) -> bool:
        """Whether records can be committed at present."""
        return len(self.in_sync.members) >= self._min_in_sync and self._is_member

    @property
    def writes_paused(self) -> bool:
        """Whether a hand-over is under way."""
        return self._hand_over is not None and self._hand_over.paused

    def next_offset(self, spu_id: SpuId) -> Offset | None:
        """From where to send records to a follower; None: nothing to send, or no position yet."""
        follower = self.followers.get(spu_id)
        if follower is None or not follower.connected or not 0 <= follower.sent < self.durable_end:
            return None  # what may yet be lost here must not be found elsewhere, under one epoch
        return Offset(follower.sent)

    def sent(self, spu_id: SpuId, end: Offset) -> None:
        """Records up to `end` are on their way."""
        follower = self.followers.get(spu_id)
        if follower is not None and follower.has_reported:
            follower.sent = max(follower.sent, end)

    # What happens.

    def started(self) -> list[LeaderEffect]:
        """Called once, when the epoch is noted with the log: a set of one commits at once."""
        return self._advance()

    def appended(self, log_end: int, durable_end: int) -> Offset | None:
        """The log grew, or more of it is safe. Returns the high watermark if it moved.

        The hot path: no effects but this, and whoever sends records looks at `next_offset`.
        """
        self.log_end = log_end
        self.durable_end = durable_end
        moved = self._committed()
        if moved <= self.high_watermark:
            return None
        self.high_watermark = moved
        return Offset(moved)

    def follower_joined(
        self, spu_id: SpuId, incarnation: DataIncarnation, number: int, now_ms: int
    ) -> list[LeaderEffect]:
        """A follower asks for the partition; an older request of the same life is ignored."""
        self._now_ms = now_ms
        follower = self.followers.get(spu_id)
        if follower is None:
            return []
        if follower.connected and (
            follower.incarnation == incarnation and number <= follower.number
        ):
            return []
        if follower.incarnation != incarnation:
            # Not the copy that reported: what that one held says nothing about this one.
            follower.position = -1
            follower.replaced = follower.session != 0
        self._session += 1
        follower.incarnation = incarnation
        follower.number = number
        follower.session = self._session
        follower.connected = True
        follower.sent = -1
        follower.heard_at_ms = now_ms
        follower.end_when_heard = self.log_end
        answer = AnswerJoin(spu_id, number, follower.session)
        return [answer, *self._review()]

    def follower_position(
        self, spu_id: SpuId, session: int, log_end: Offset, send_from: Offset, now_ms: int
    ) -> list[LeaderEffect]:
        """A follower tells how far its log reaches; ignored unless it is of its newest join."""
        self._now_ms = now_ms
        follower = self.followers.get(spu_id)
        if follower is None or session != follower.session or not follower.connected:
            return []
        if not 0 <= log_end <= self.log_end:
            return []  # nobody can hold more than there is
        first = follower.sent < 0
        if first:
            follower.position = follower.sent = log_end
        follower.position = max(follower.position, log_end)
        if not first and 0 <= send_from < follower.sent:
            follower.sent = send_from
        self._note_progress(follower, now_ms)
        effects = self._advance()
        if follower.sent < self.log_end and (first or send_from >= 0):
            effects.append(SendRecords(spu_id))
        return [*effects, *self._review(), *self._continue_hand_over()]

    def follower_lost(self, spu_id: SpuId, now_ms: int) -> list[LeaderEffect]:
        """Its link ended, or it left. Not to be told of a link that another took the place of."""
        self._now_ms = now_ms
        follower = self.followers.get(spu_id)
        if follower is None or not follower.connected:
            return []
        follower.connected = False
        follower.sent = -1
        return self._review()

    def assigned(
        self,
        *,
        in_sync: InSyncSet,
        min_in_sync: int,
        replicas: Iterable[SpuId],
        successor: SpuId | None,
        now_ms: int,
    ) -> list[LeaderEffect]:
        """The controller told the state of this same leadership; older ones are ignored."""
        self._now_ms = now_ms
        if in_sync.version < self.in_sync.version:
            return []
        self._take_replicas(replicas)
        self._min_in_sync = min_in_sync
        if in_sync.version > self.in_sync.version:
            self._note_answer(in_sync)
            self.in_sync = in_sync
            self._request = None
        effects = self._advance()
        if successor != self._successor:
            self._successor = successor
            self._hand_over_again_at_ms = now_ms
            if self._hand_over is not None and not self._hand_over.leaving:
                effects += self._end_hand_over("somebody else shall lead")
        return [*effects, *self._review(), *self._continue_hand_over()]

    def leave(self, now_ms: int, patience_ms: int) -> list[LeaderEffect]:
        """This SPU stops: take no writes and hand over, as soon as somebody is in sync."""
        self._now_ms = now_ms
        under_way = self._hand_over
        self._hand_over = _HandOver(frozenset(), now_ms + patience_ms, leaving=True)
        if under_way is not None:
            self._hand_over.paused = under_way.paused
            self._hand_over.paused_at_ms = under_way.paused_at_ms
        return self._continue_hand_over()

    def tick(self, now_ms: int) -> list[LeaderEffect]:
        """Time went by. Often enough: every tenth of a second or so."""
        self._now_ms = now_ms
        for follower in self.followers.values():
            if follower.connected and follower.position >= self.log_end:
                follower.caught_up_at_ms = now_ms
        return [*self._review(), *self._continue_hand_over()]

    # Followers.

    def _take_replicas(self, replicas: Iterable[SpuId]) -> None:
        wanted = [spu_id for spu_id in replicas if spu_id != self.spu_id]
        for spu_id in self.followers.keys() - set(wanted):
            del self.followers[spu_id]
        for spu_id in wanted:
            if spu_id not in self.followers:
                self.followers[spu_id] = Follower(caught_up_at_ms=self._now_ms)

    def _note_progress(self, follower: Follower, now_ms: int) -> None:
        if follower.position >= self.log_end:
            follower.caught_up_at_ms = now_ms
        elif follower.position >= follower.end_when_heard:
            follower.caught_up_at_ms = max(follower.caught_up_at_ms, follower.heard_at_ms)
        follower.heard_at_ms = now_ms
        follower.end_when_heard = self.log_end

    # High watermark.

    def _committed(self) -> int:
        """Up to where every member that counts holds the log; never below what was committed."""
        members = self.in_sync.members
        if len(members) < self._min_in_sync or not self._is_member:
            return self.high_watermark
        end = self.durable_end
        if len(members) == 1 and self._request is None:
            return end
        for spu_id, incarnation in members.items():
            end = min(end, self._position_of(spu_id, incarnation))
        if self._request is not None:
            for spu_id, incarnation in self._request.members.items():
                end = min(end, self._position_of(spu_id, incarnation))
        return max(end, self.high_watermark)

    def _position_of(self, spu_id: SpuId, incarnation: DataIncarnation) -> int:
        """What is known to be held by that very copy."""
        if spu_id == self.spu_id:
            return self.durable_end
        follower = self.followers.get(spu_id)
        if follower is None or incarnation not in (UNKNOWN_INCARNATION, follower.incarnation):
            return -1
        return follower.position

    def _advance(self) -> list[LeaderEffect]:
        moved = self._committed()
        if moved <= self.high_watermark:
            return []
        self.high_watermark = moved
        return [AdvanceHighWatermark(Offset(moved))]

    # The in-sync set.

    @property
    def _is_member(self) -> bool:
        """Whether the own copy is the stored one. If it lost data another has to lead: until the
        controller has noticed, nothing is committed or asked for."""
        return self.in_sync.holds(self.spu_id, self.incarnation)

    def _review(self) -> list[LeaderEffect]:
        """Ask for another set if it should be another; repeat what was not answered."""
        request = self._request
        if request is None:
            if self._now_ms < self._ask_again_at_ms or not self._is_member:
                return []
            wanted, reason = self._wanted_members()
            if wanted == self.in_sync.members:
                return []
            self._request = request = _Request(wanted, self._now_ms, reason)
        elif self._now_ms - request.told_at_ms < self._settings.proposal_ms:
            return []
        request.told_at_ms = self._now_ms
        return [ProposeInSync(self.in_sync.version, dict(request.members), request.reason)]

    def _note_answer(self, stored: InSyncSet) -> None:
        """Whom the controller took, and whom it refused: the same set under another version."""
        before = self.in_sync.members
        asked = self._request.members if self._request is not None else stored.members
        refused = stored.members == before != asked
        added = {spu_id for spu_id in asked if asked[spu_id] != before.get(spu_id)}
        if refused and added - {self.spu_id}:
            self._grow_again_at_ms = self._now_ms + self._settings.refused_pause_ms
        elif refused:
            self._ask_again_at_ms = self._now_ms + self._settings.proposal_ms
        for spu_id, follower in self.followers.items():
            if stored.members.get(spu_id) == follower.incarnation:
                follower.refused_at_ms = -1
            elif refused and spu_id in added:
                follower.refused_at_ms = self._now_ms

    def _wanted_members(self) -> tuple[dict[SpuId, DataIncarnation], str]:
        wanted = {self.spu_id: self.incarnation}
        reasons = []
        for spu_id, stored in self.in_sync.members.items():
            if spu_id == self.spu_id:
                continue
            problem = self._problem_of(self.followers.get(spu_id), stored)
            if problem is None:
                wanted[spu_id] = stored
            else:
                reasons.append(f"spu {spu_id} {problem}")
        if not reasons and self._now_ms >= self._grow_again_at_ms:
            for spu_id in self._joining():
                wanted[spu_id] = self.followers[spu_id].incarnation
                reasons.append(f"spu {spu_id} has caught up")
        return wanted, ", ".join(reasons) or "identities are known"

    def _joining(self) -> list[SpuId]:
        """Who may come into the set, or is in it without its data being known."""
        able = [
            spu_id
            for spu_id, follower in self.followers.items()
            if self.in_sync.members.get(spu_id, UNKNOWN_INCARNATION) == UNKNOWN_INCARNATION
            and self._may_join(follower)
        ]
        never_refused = [spu_id for spu_id in able if self.followers[spu_id].refused_at_ms < 0]
        return never_refused or sorted(able, key=lambda x: self.followers[x].refused_at_ms)[:1]

    def _problem_of(self, follower: Follower | None, stored: DataIncarnation) -> str | None:
        """Why a member should be none."""
        if follower is None:
            return "is no replica any more"
        if not follower.session:
            waited_ms = self._now_ms - max(self._started_ms, follower.caught_up_at_ms)
            return "has not joined" if waited_ms >= self._settings.join_ms_max else None
        if stored != follower.incarnation and (stored != UNKNOWN_INCARNATION or follower.replaced):
            return "lost what it had"
        if not follower.connected:
            return "is away"
        if follower.has_reported and follower.position < self.high_watermark:
            return "lacks what is committed"
        if self._now_ms - follower.caught_up_at_ms >= self._settings.lag_ms_max:
            return "lags behind"
        return None

    def _may_join(self, follower: Follower) -> bool:
        """Whether it holds all that is committed, and would not be dropped again at once.

        The high watermark of a new leader may be older than what its predecessor had committed;
        the start of its epoch is not.
        """
        return (
            follower.has_reported
            and follower.position >= max(self.high_watermark, self._epoch_start)
            and self._now_ms - follower.caught_up_at_ms < self._settings.lag_ms_max
        )

    # Handing over.

    def _end_hand_over(self, reason: str) -> list[LeaderEffect]:
        ended, self._hand_over = self._hand_over, None
        return [ResumeWrites(reason)] if ended is not None and ended.paused else []

    def _continue_hand_over(self) -> list[LeaderEffect]:
        now_ms = self._now_ms
        if (
            self._hand_over is None
            and self._successor is not None
            and now_ms >= self._hand_over_again_at_ms
        ):
            ends_at_ms = now_ms + self._settings.hand_over_ms_max
            self._hand_over = _HandOver(frozenset((self._successor,)), ends_at_ms)
        hand_over = self._hand_over
        if hand_over is None:
            return []
        if now_ms >= hand_over.ends_at_ms:
            self._hand_over_again_at_ms = now_ms + self._settings.hand_over_pause_ms
            return self._end_hand_over("no successor caught up in time")
        effects: list[LeaderEffect] = []
        if not hand_over.paused:
            successors = self._successors(hand_over)
            if not any(hand_over.leaving or self._is_near(spu_id) for spu_id in successors):
                return []
            hand_over.paused = True
            hand_over.paused_at_ms = now_ms
            effects.append(PauseWrites("leadership is handed over"))
        if hand_over.resigned_at_ms >= 0 and (
            now_ms - hand_over.resigned_at_ms < self._settings.proposal_ms
        ):
            return effects
        committed = self.high_watermark == self.log_end
        if not committed and now_ms - hand_over.paused_at_ms < self._settings.commit_wait_ms_max:
            return effects
        for spu_id in self._successors(hand_over):
            follower = self.followers[spu_id]
            if follower.has_reported and follower.position >= self.log_end:
                hand_over.resigned_at_ms = now_ms
                return [*effects, Resign(spu_id)]
        return effects

    def _successors(self, hand_over: _HandOver) -> list[SpuId]:
        """Members that may be handed over to, those that were named if any were."""
        return [
            spu_id
            for spu_id, follower in self.followers.items()
            if follower.connected
            and self.in_sync.holds(spu_id, follower.incarnation)
            and (not hand_over.candidates or spu_id in hand_over.candidates)
        ]

    def _is_near(self, spu_id: SpuId) -> bool:
        """Whether a pause would be short."""
        follower = self.followers[spu_id]
        return self._now_ms - follower.caught_up_at_ms <= 2 * self._settings.commit_wait_ms_max or (
            follower.position >= self.log_end
        )
