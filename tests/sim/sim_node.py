"""One SPU of a simulated cluster: the real log on a disk that forgets, and the real machines.

A driver like `fluvio_spu.replica` for one partition, without an event loop: the same effects in the
same order, and jobs of worker threads take some simulated time, within which the process may die.
"""

from collections.abc import Callable
from typing import Any

from fake_disk import FakeDisk
from sim_controller import KEY

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import Record, decode_record_set, encode_batch
from fluvio_protocol.sc_private.in_sync import (
    InSyncProposal,
    InSyncReplica,
    Resignation,
    UnfitReplica,
)
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.spu_private.replication import (
    CopiedRecords,
    JoinAnswer,
    ReplicaHighWatermark,
    ReplicaJoin,
    ReplicaPosition,
)
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    UNKNOWN_SPU,
    DataIncarnation,
    LeaderEpoch,
    Offset,
    SpuId,
)
from fluvio_spu.replica.open_log import OpenLog
from fluvio_spu.replication.effects import (
    AdoptLineage,
    AdvanceHighWatermark,
    AnswerJoin,
    CutLog,
    PauseWrites,
    ProposeInSync,
    ReportPosition,
    Resign,
    RestartLog,
    ResumeWrites,
    SendJoin,
    SendRecords,
)
from fluvio_spu.replication.follower import FollowerReplica, FollowerSettings, FollowerState
from fluvio_spu.replication.in_sync import InSyncSet
from fluvio_spu.replication.leader import LeaderReplica, ReplicationSettings
from fluvio_spu.storage import Log, LogConfig
from fluvio_spu.storage.data_folder import close_data_folder, open_data_folder

FOLDER = "data/spu"
SLICE_BYTES = 300
SLICES_PER_TURN = 2
LEADER_SETTINGS = ReplicationSettings(lag_ms_max=1_500, join_ms_max=600, proposal_ms=200)
FOLLOWER_SETTINGS = FollowerSettings(join_ms_max=200, silence_ms_max=1_500)
_NOT_LEADER = ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)


class SimNode:
    """A machine with its disk; `process` counts its processes, 0 while none runs."""

    def __init__(self, number: int, world: Any) -> None:
        self.number = number
        self.world = world
        self.disk = FakeDisk()
        self.process = 0
        self.processes = 0
        self.incarnation = 0
        self.opened: OpenLog | None = None
        self.assignment: ReplicaAssignment | None = None
        self.leader: LeaderReplica | None = None
        self.follower: FollowerReplica | None = None
        self.busy = False
        self.unfit_epoch: int | None = None
        self.waiting: list[tuple[int, Callable[[], None]]] = []
        self.paused = False
        self.has_lost_power = False

    @property
    def alive(self) -> bool:
        return self.process != 0

    @property
    def log(self) -> Log:
        assert self.opened is not None
        return self.opened.log

    # The process.

    def start(self) -> None:
        self.disk.restart_process()
        folder = open_data_folder(
            self.disk,
            FOLDER,
            acks_wait=False,
            new_incarnation=lambda: self.world.random.getrandbits(60) + 1,
        )
        self.incarnation = folder.incarnation
        self.has_lost_power = False
        self.may_have_lost = folder.may_have_lost
        self.processes += 1
        self.process = self.processes
        log = Log.open(self.disk, f"{FOLDER}/t-0", LogConfig())
        self.opened = OpenLog.of(self.disk, log, "")
        self.unfit_epoch = None

    def kill(self) -> None:
        """The process is gone; what it wrote is in the page cache."""
        self._end_role()
        self.process = 0
        self.opened = self.assignment = None
        self.busy = False
        self.disk.restart_process()

    def lose_power(self) -> None:
        self.kill()
        self.disk.lose_power(self.world.random)
        self.has_lost_power = True

    def stop(self) -> None:
        """A clean stop; handing over came before."""
        durable = self.log.close()
        close_data_folder(self.disk, FOLDER, all_durable=durable)
        self.kill()

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Unless the process has ended by then."""
        process = self.process

        def called() -> None:
            if self.process == process:
                callback()

        self.world.later(delay_ms, called)

    # Assignments.

    def assigned(self, assignment: ReplicaAssignment) -> None:
        known = self.assignment
        if known is not None and assignment.leader_epoch < known.leader_epoch:
            return
        if (
            known is not None
            and assignment.leader_epoch == known.leader_epoch
            and assignment.in_sync_version < known.in_sync_version
        ):
            return
        self.assignment = assignment
        self.reconcile()

    def reconcile(self) -> None:
        wanted = self.assignment
        if wanted is None or self.busy or not self.alive:
            return
        role = self.leader or self.follower
        if role is not None and role.leader_epoch == wanted.leader_epoch:
            if self.leader is not None:
                self._perform_leader(
                    self.leader.assigned(
                        in_sync=InSyncSet.of(wanted.in_sync_version, wanted.in_sync),
                        min_in_sync=wanted.min_in_sync,
                        replicas=wanted.replicas,
                        successor=None if wanted.successor == UNKNOWN_SPU else wanted.successor,
                        now_ms=self.world.now_ms,
                    )
                )
            return
        self._end_role()
        self._judge(wanted)
        opened = self.opened
        assert opened is not None
        if opened.unfit and (
            (self.unfit_epoch is not None and wanted.leader_epoch > self.unfit_epoch)
            or self._stored(wanted) is None
        ):
            opened.forget_mark()
        if wanted.leader != self.number:
            if opened.unfit:
                self._tell_unfit(wanted)
            self._begin_following(wanted)
        elif self._may_lead(wanted):
            self.busy = True
            self.later(self.world.random.randint(0, 5), lambda: self._note_epoch(wanted))

    def _stored(self, wanted: ReplicaAssignment) -> int | None:
        return {m.spu: m.incarnation for m in wanted.in_sync}.get(SpuId(self.number))

    def _judge(self, wanted: ReplicaAssignment) -> None:
        assert self.opened is not None
        unknown = self._stored(wanted) == UNKNOWN_INCARNATION
        if self.may_have_lost and unknown and not self.opened.unfit and self.unfit_epoch is None:
            self.opened.mark_unfit("unsynced records may be lost")

    def _may_lead(self, wanted: ReplicaAssignment) -> bool:
        assert self.opened is not None
        if self._stored(wanted) not in (None, UNKNOWN_INCARNATION, self.incarnation):
            return False
        if self.opened.unfit:
            self._tell_unfit(wanted)
            return False
        if self.opened.noted_epoch >= wanted.leader_epoch:
            self._ask_for_epoch(wanted)
            return False
        return True

    def _ask_for_epoch(self, wanted: ReplicaAssignment) -> None:
        """An earlier process led under this one."""
        told = Resignation(key=KEY, leader_epoch=wanted.leader_epoch, successor=SpuId(self.number))
        self.world.to_controller(self.number, "resign", told)
        self.later(250, self.reconcile)

    def _tell_unfit(self, wanted: ReplicaAssignment) -> None:
        assert self.opened is not None
        self.unfit_epoch = wanted.leader_epoch
        told = UnfitReplica(
            key=KEY,
            uid=wanted.uid,
            leader_epoch=wanted.leader_epoch,
            reason=self.opened.unfit or "unfit",
        )
        self.world.to_controller(self.number, "unfit", told)

    def _end_role(self) -> None:
        self.leader = self.follower = None
        self.waiting = []
        self.paused = False

    # Leading.

    def _note_epoch(self, wanted: ReplicaAssignment) -> None:
        opened = self.opened
        assert opened is not None
        opened.begin_epoch(wanted.leader_epoch)
        self.busy = False
        current = self.assignment
        if current is not None and current.leader_epoch == wanted.leader_epoch:
            self._lead(current)
        self.reconcile()

    def _lead(self, wanted: ReplicaAssignment) -> None:
        log = self.log
        self.leader = LeaderReplica(
            spu_id=SpuId(self.number),
            incarnation=DataIncarnation(self.incarnation),
            leader_epoch=wanted.leader_epoch,
            replicas=wanted.replicas,
            in_sync=InSyncSet.of(wanted.in_sync_version, wanted.in_sync),
            min_in_sync=wanted.min_in_sync,
            log_end=log.end_offset,
            high_watermark=log.high_watermark,
            first_session=self.world.next_number(),
            now_ms=self.world.now_ms,
            settings=LEADER_SETTINGS,
        )
        self.world.trace(f"spu {self.number} leads epoch {wanted.leader_epoch}")
        self.world.checker.leader_begins(self, wanted.leader_epoch)
        self._perform_leader(self.leader.started())

    def produce(self, value: bytes, *, committed: bool, done: Callable[[int], None]) -> str | None:
        """Append; `done(offset)` when it counts as stored. Returns why it was refused."""
        leader = self.leader
        if leader is None or self.paused:
            return "not leader"
        if committed and not leader.takes_committed:
            return "not enough replicas"
        batch = encode_batch([Record(value=value)], first_timestamp=0)
        base = self.log.append([(memoryview(bytearray(batch)), 1)])
        self.world.checker.appended(self, leader.leader_epoch, base, value)
        moved = leader.appended(self.log.end_offset, self.log.end_offset)
        if committed:
            self.waiting.append((base + 1, lambda: done(base)))
        else:
            done(base)
        if moved is not None:
            self._committed(moved)
        self.send_records()
        return None

    def send_records(self) -> None:
        leader = self.leader
        if leader is None:
            return
        for spu_id, follower in leader.followers.items():
            for _ in range(SLICES_PER_TURN):
                start = leader.next_offset(spu_id)
                if start is None:
                    break
                end = Offset(leader.durable_end)
                found = self.log.read(start, end=end, max_bytes=SLICE_BYTES)
                if found is None:
                    break
                message = CopiedRecords(
                    key=KEY,
                    leader_epoch=leader.leader_epoch,
                    session=follower.session,
                    base_offset=found.base_offset,
                    end_offset=found.next_offset,
                    log_start=self.log.start_offset,
                    high_watermark=Offset(leader.high_watermark),
                )
                self.world.send(self.number, spu_id, (message, bytes(found.view())))
                leader.sent(spu_id, found.next_offset)

    def heartbeat(self) -> None:
        """What a leader tells all the time, and the ticks of both machines."""
        now_ms = self.world.now_ms
        if self.leader is not None:
            self._perform_leader(self.leader.tick(now_ms))
        if self.leader is not None:
            for spu_id, follower in self.leader.followers.items():
                if follower.has_reported:
                    told = ReplicaHighWatermark(
                        key=KEY,
                        leader_epoch=self.leader.leader_epoch,
                        session=follower.session,
                        high_watermark=Offset(self.leader.high_watermark),
                        log_start=self.log.start_offset,
                        log_end=Offset(follower.sent),
                    )
                    self.world.send(self.number, spu_id, told)
            self.send_records()
        if self.follower is not None:
            self._perform_follower(self.follower.tick(now_ms))

    def _committed(self, offset: int) -> None:
        assert self.leader is not None
        self.log.set_high_watermark(Offset(offset))
        self.world.checker.committed(self, self.leader.leader_epoch, offset)
        ready = [done for end, done in self.waiting if end <= offset]
        self.waiting = [item for item in self.waiting if item[0] > offset]
        for done in ready:
            done()

    def _perform_leader(self, effects: Any) -> None:
        for effect in effects:
            leader = self.leader
            if leader is None:
                return
            match effect:
                case AdvanceHighWatermark(offset):
                    self._committed(offset)
                case AnswerJoin(spu_id, number, session):
                    assert self.opened is not None
                    answer = JoinAnswer(
                        key=KEY,
                        number=number,
                        leader_epoch=leader.leader_epoch,
                        session=session,
                        log_start=self.log.start_offset,
                        log_end=self.log.end_offset,
                        high_watermark=Offset(leader.high_watermark),
                        lineage=self.opened.lineage.entries,
                    )
                    self.world.send(self.number, spu_id, answer)
                case SendRecords():
                    self.send_records()
                case ProposeInSync(version, members, _):
                    proposal = InSyncProposal(
                        key=KEY,
                        leader_epoch=leader.leader_epoch,
                        version=version,
                        members=tuple(
                            InSyncReplica(spu=spu, incarnation=life)
                            for spu, life in members.items()
                        ),
                    )
                    self.world.to_controller(self.number, "propose", proposal)
                case Resign(successor):
                    told = Resignation(
                        key=KEY, leader_epoch=leader.leader_epoch, successor=successor
                    )
                    self.world.to_controller(self.number, "resign", told)
                case PauseWrites():
                    self.paused = True
                case ResumeWrites():
                    self.paused = False

    # Following.

    def _begin_following(self, wanted: ReplicaAssignment) -> None:
        opened = self.opened
        assert opened is not None
        self.follower = FollowerReplica(
            leader=wanted.leader,
            leader_epoch=wanted.leader_epoch,
            lineage=opened.lineage,
            log_start=self.log.start_offset,
            log_end=self.log.end_offset,
            high_watermark=self.log.high_watermark,
            first_number=self.world.next_number(),
            now_ms=self.world.now_ms,
            settings=FOLLOWER_SETTINGS,
            rebuild=opened.is_damaged,
        )
        self._perform_follower(self.follower.join(self.world.now_ms))

    def _perform_follower(self, effects: Any) -> None:
        steps = []
        for effect in effects:
            follower = self.follower
            if follower is None:
                return
            match effect:
                case SendJoin(leader, epoch, number):
                    join = ReplicaJoin(key=KEY, uid="", leader_epoch=epoch, number=number)
                    self.world.send(self.number, leader, (join, self.incarnation))
                case ReportPosition(session, log_end, send_from):
                    position = ReplicaPosition(
                        key=KEY,
                        leader_epoch=follower.leader_epoch,
                        session=session,
                        log_end=log_end,
                        send_from=send_from,
                    )
                    self.world.send(self.number, follower.leader, position)
                case AdvanceHighWatermark(offset):
                    self.log.set_high_watermark(offset)
                case CutLog() | RestartLog() | AdoptLineage():
                    steps.append(effect)
        if steps:
            self.busy = True
            self._reshape(steps)

    def _reshape(self, steps: list[Any]) -> None:
        """One step after the other; the process may die in between."""
        opened = self.opened
        assert opened is not None
        if not steps:
            self.busy = False
            if self.follower is not None and self.follower.state is FollowerState.CUTTING:
                self._perform_follower(
                    self.follower.joined(
                        lineage=opened.lineage,
                        log_start=self.log.start_offset,
                        log_end=self.log.end_offset,
                        now_ms=self.world.now_ms,
                    )
                )
            self.reconcile()
            return
        self.world.log_changes(self.number)
        match steps[0]:
            case CutLog(end):
                opened.cut(end)
            case RestartLog(offset, _):
                opened.restart_at(offset)
            case AdoptLineage(entries):
                opened.note_lineage(entries)
        self.later(self.world.random.randint(0, 5), lambda: self._reshape(steps[1:]))

    # Messages of other nodes.

    def received(self, source: int, message: Any) -> None:
        now_ms = self.world.now_ms
        match message:
            case (ReplicaJoin() as join, incarnation):
                leader = self.leader
                if leader is None or leader.leader_epoch != join.leader_epoch:
                    refusal = JoinAnswer(
                        key=KEY,
                        number=join.number,
                        error_code=_NOT_LEADER,
                        leader_epoch=LeaderEpoch(-1),
                    )
                    self.world.send(self.number, source, refusal)
                else:
                    self._perform_leader(
                        leader.follower_joined(
                            SpuId(source), DataIncarnation(incarnation), join.number, now_ms
                        )
                    )
            case ReplicaPosition():
                leader = self.leader
                if leader is not None and leader.leader_epoch == message.leader_epoch:
                    self._perform_leader(
                        leader.follower_position(
                            SpuId(source),
                            message.session,
                            message.log_end,
                            message.send_from,
                            now_ms,
                        )
                    )
                    self.send_records()
            case JoinAnswer():
                if self.follower is not None and self.follower.leader == source:
                    self._perform_follower(self.follower.answered(message, now_ms))
            case ReplicaHighWatermark():
                if self.follower is not None and not self.busy:
                    self._perform_follower(
                        self.follower.committed(
                            leader_epoch=message.leader_epoch,
                            session=message.session,
                            high_watermark=message.high_watermark,
                            log_start=message.log_start,
                            log_end=message.log_end,
                            now_ms=now_ms,
                        )
                    )
            case (CopiedRecords() as head, bytes() as records):
                self._records(head, records)

    def _records(self, head: CopiedRecords, records: bytes) -> None:
        follower = self.follower
        if follower is None or self.busy:
            return
        now_ms = self.world.now_ms
        verdict = follower.fits(
            leader_epoch=head.leader_epoch,
            session=head.session,
            base=head.base_offset,
            end=head.end_offset,
            now_ms=now_ms,
        )
        if verdict is not True:
            self._perform_follower(verdict or [])
            return
        self.log.append_copied(records, base_offset=head.base_offset, end_offset=head.end_offset)
        follower.appended(self.log.end_offset)
        self._perform_follower(
            follower.committed(
                leader_epoch=head.leader_epoch,
                session=head.session,
                high_watermark=head.high_watermark,
                log_start=head.log_start,
                log_end=None,
                now_ms=now_ms,
            )
        )
        self._perform_follower(follower.durable(self.log.end_offset))

    def lost_link(self, other: int) -> None:
        """The connection to or from another node ended."""
        if self.leader is not None:
            self._perform_leader(self.leader.follower_lost(SpuId(other), self.world.now_ms))
        if self.follower is not None and self.follower.leader == other:
            self.follower.link_lost()

    # For the checker.

    def summary(self) -> str:
        """How it stands, for people."""
        wanted = self.assignment
        role: Any = self.leader or self.follower
        return (
            f"spu {self.number} alive={self.alive} busy={self.busy} paused={self.paused} "
            f"incarnation={self.incarnation} role={type(role).__name__} "
            f"epoch={getattr(role, 'leader_epoch', None)} state={getattr(role, 'state', None)} "
            f"end={self.opened.log.end_offset if self.opened else None} "
            f"hw={getattr(role, 'high_watermark', None)} unfit={self.opened and self.opened.unfit} "
            f"assigned={wanted and (wanted.leader, wanted.leader_epoch, wanted.in_sync_version)}"
        )

    def values(self, start: int, end: int) -> list[bytes]:
        """Records [start, end) as the log has them; shorter when it ends before."""
        found: list[bytes] = []
        log = self.log
        position = start
        while position < min(end, log.end_offset):
            piece = log.read(Offset(position), end=Offset(end), max_bytes=1 << 20)
            if piece is None:
                break
            for header, records in decode_record_set(bytes(piece.view()), size_bytes_max=1 << 28):
                for number, record in enumerate(records):
                    if start <= header.base_offset + number < end:
                        found.append(bytes(record.value))
            position = piece.next_offset
        return found
