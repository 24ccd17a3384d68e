"""The leadership of a partition with several replicas: its followers, and the controller's word.

Belongs to a `Replica`, which appends and publishes; `private_api/follower_session` brings what
followers say. Decisions are `replication.leader`'s; here they are performed.

    append, sync --> machine --> high watermark ------> the replica publishes it
    follower ------> machine --> records, join answers -> the follower's stream
    assignment ----> machine --> proposals, resignations -> news for the controller
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fluvio_protocol.metadata.partition import ReplicaStatus
from fluvio_protocol.sc_private.in_sync import (
    InSyncProposal,
    InSyncReplica,
    Resignation,
)
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.types import UNKNOWN_SPU, DataIncarnation, Offset, SpuId
from fluvio_spu.replica.surroundings import ReplicaSurroundings
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
from fluvio_spu.replication.leader import LeaderReplica

if TYPE_CHECKING:
    from fluvio_spu.replica.replica import Replica

_log = logging.getLogger(__name__)


class FollowerStream(Protocol):
    """Where a follower is sent what it asked for."""

    def answer_join(self, answer: AnswerJoin) -> None:
        """Tell it about the log, under its new session."""

    def send_next(self) -> int:
        """There may be records to send; returns how many bytes were."""

    def superseded(self) -> None:
        """The follower has joined through another one."""


class Leadership:
    """See the module. Made when the epoch is noted with the log.

    machine: decides; read it freely
    """

    __slots__ = ("_proposed", "_replica", "_streams", "_surroundings", "machine")

    def __init__(self, replica: "Replica", surroundings: ReplicaSurroundings) -> None:
        assignment = replica.assignment
        self._replica = replica
        self._surroundings = surroundings
        self._streams: dict[SpuId, FollowerStream] = {}
        self._proposed: ProposeInSync | None = None
        self.machine = LeaderReplica(
            spu_id=surroundings.spu_id,
            incarnation=surroundings.life.incarnation,
            leader_epoch=assignment.leader_epoch,
            replicas=assignment.replicas,
            in_sync=InSyncSet.of(assignment.in_sync_version, assignment.in_sync),
            min_in_sync=assignment.min_in_sync,
            log_end=Offset(replica.leo),
            high_watermark=Offset(replica.hw.value),
            first_session=surroundings.next_number(),
            now_ms=surroundings.clock_ms(),
            settings=surroundings.leader_settings,
        )

    def begin(self) -> None:
        """Once, when the replica knows its leadership."""
        moved = self.machine.appended(self._replica.leo, self._replica.durable.value)
        if moved is not None:
            self._replica.committed(moved)
        self._perform(self.machine.started())
        self.assigned(self._replica.assignment)

    def assigned(self, assignment: ReplicaAssignment) -> None:
        """The controller told the newest state of this leadership."""
        successor = assignment.successor
        self._perform(
            self.machine.assigned(
                in_sync=InSyncSet.of(assignment.in_sync_version, assignment.in_sync),
                min_in_sync=assignment.min_in_sync,
                replicas=assignment.replicas,
                successor=None if successor == UNKNOWN_SPU else successor,
                now_ms=self._surroundings.clock_ms(),
            )
        )
        self._replica.takes_committed = self.machine.takes_committed

    def follower_joined(
        self, spu_id: SpuId, incarnation: DataIncarnation, number: int, stream: FollowerStream
    ) -> bool:
        """A follower wants to be sent records, through `stream` from now on.

        False: it has joined anew meanwhile, through another stream. A network that was cut brings
        what an older link had sent after a newer link stands.
        """
        now_ms = self._surroundings.clock_ms()
        effects = self.machine.follower_joined(spu_id, incarnation, number, now_ms)
        if not effects:
            return False
        older = self._streams.get(spu_id)
        self._streams[spu_id] = stream
        self._perform(effects)
        if older is not None:
            older.superseded()
        return True

    def follower_position(
        self, spu_id: SpuId, session: int, log_end: Offset, send_from: Offset
    ) -> None:
        """A follower tells how far its log reaches."""
        self._surroundings.changed.add(self._replica)
        now_ms = self._surroundings.clock_ms()
        self._perform(self.machine.follower_position(spu_id, session, log_end, send_from, now_ms))

    def follower_lost(self, spu_id: SpuId, stream: FollowerStream) -> None:
        """What is sent through `stream` does not arrive any more."""
        if self._streams.get(spu_id) is stream:
            del self._streams[spu_id]
            if self._replica.serving:
                now_ms = self._surroundings.clock_ms()
                self._perform(self.machine.follower_lost(spu_id, now_ms))

    def leave(self, patience_ms: int) -> bool:
        """Have another lead, if one is in sync. False when there is none."""
        if len(self.machine.in_sync.members) < 2:
            return False
        self._perform(self.machine.leave(self._surroundings.clock_ms(), patience_ms))
        return True

    def found_damage(self, reason: str) -> None:
        """What is on disk cannot be read: have another lead, if one is in sync."""
        opened = self._replica.opened
        if opened.is_damaged or len(self.machine.in_sync.members) < 2:
            return
        opened.is_damaged = True

        def failed(error: Exception) -> None:
            _log.error("event=damage_not_noted replica=%s error=%s", self._replica.key, error)
            opened.is_damaged = False  # found again by the next reader

        self._surroundings.life.lost_now(lambda: opened.mark_damaged(reason), reason, failed)

    def tick(self) -> None:
        """Time went by."""
        self._perform(self.machine.tick(self._surroundings.clock_ms()))

    def status_of(self, spu_id: SpuId) -> ReplicaStatus:
        """Where a follower stands, for the controller."""
        follower = self.machine.followers.get(spu_id)
        if follower is None or follower.position < 0:
            return ReplicaStatus(spu=spu_id)
        end = follower.position
        high_watermark = min(end, self.machine.high_watermark)
        return ReplicaStatus(spu=spu_id, hw=Offset(high_watermark), leo=Offset(end))

    # What the machine decided.

    def _perform(self, effects: Sequence[LeaderEffect]) -> None:
        replica = self._replica
        for effect in effects:
            match effect:
                case AdvanceHighWatermark(offset):
                    replica.committed(offset)
                case AnswerJoin(spu_id):
                    self._streams[spu_id].answer_join(effect)
                case SendRecords(spu_id):
                    stream = self._streams.get(spu_id)
                    if stream is not None:
                        stream.send_next()
                case ProposeInSync():
                    self._propose(effect)
                case Resign(successor):
                    self._resign(successor)
                case PauseWrites(reason):
                    _log.info("event=writes_paused replica=%s reason=%s", replica.key, reason)
                    replica.writes_paused = True
                case ResumeWrites(reason):
                    _log.warning("event=writes_resumed replica=%s reason=%s", replica.key, reason)
                    replica.writes_paused = False

    def _propose(self, effect: ProposeInSync) -> None:
        replica = self._replica
        again, self._proposed = self._proposed == effect, effect
        _log.log(
            logging.DEBUG if again else logging.INFO,
            "event=in_sync_proposed replica=%s epoch=%s version=%s members=%s reason=%s",
            replica.key,
            replica.leader_epoch,
            effect.version,
            sorted(effect.members),
            effect.reason,
        )
        self._surroundings.news.propose(
            InSyncProposal(
                key=replica.key,
                leader_epoch=replica.leader_epoch,
                version=effect.version,
                members=tuple(
                    InSyncReplica(spu=spu_id, incarnation=incarnation)
                    for spu_id, incarnation in effect.members.items()
                ),
            )
        )

    def _resign(self, successor: SpuId) -> None:
        replica = self._replica
        _log.info(
            "event=leadership_resigned replica=%s epoch=%s leo=%s successor=%s",
            replica.key,
            replica.leader_epoch,
            replica.leo,
            successor,
        )
        self._surroundings.news.resign(
            Resignation(key=replica.key, leader_epoch=replica.leader_epoch, successor=successor)
        )
