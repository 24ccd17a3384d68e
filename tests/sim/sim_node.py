"""One SPU of a simulated cluster: the real log on a disk that forgets, and the real machines.

A driver like `fluvio_spu.replica` for one partition, without an event loop: the same effects in the
same order, and jobs of worker threads take some simulated time, within which the process may die.
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from fake_disk import FakeDisk
from sim_checker import split
from sim_controller import KEY

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.sc_private.in_sync import (
    InSyncProposal,
    InSyncReplica,
    Resignation,
)
from fluvio_protocol.sc_private.replica_status import ReplicaRemoved
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
from fluvio_spu.replica.partition_folder import claim, remove_leftovers, remove_partition
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
from fluvio_spu.storage import CorruptSegment, Log, LogConfig, OutOfStorage, StorageError
from fluvio_spu.storage.data_folder import DataFolder, close_data_folder, open_data_folder

FOLDER = "data/spu"
DIRECTORY = f"{FOLDER}/t-0"
SLICE_BYTES = 300
SLICES_PER_TURN = 2
RETRY_MS = 300
PATIENCE_MS = 1_000
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
        self.folder: DataFolder | None = None
        self.first_incarnation = self.told_incarnation = 0
        self.opened: OpenLog | None = None
        self.assignment: ReplicaAssignment | None = None
        self.leader: LeaderReplica | None = None
        self.follower: FollowerReplica | None = None
        self.busy = False
        self.waiting: list[tuple[int, Callable[[], None]]] = []
        self.paused = False
        self.has_lost_power = False
        self.was_damaged = False
        self.is_lossy = False
        self.incarnation_count = 0
        self.durable = 0
        self.syncing = False
        self.out_of_storage = False
        self.frozen_until_ms = 0

    @property
    def acks_wait(self) -> bool:
        return bool(self.world.plan.acks_wait)

    @property
    def is_damaged(self) -> bool:
        """Somebody has tampered with its log, and it was not made anew since."""
        return self.was_damaged

    @property
    def alive(self) -> bool:
        return self.process != 0

    @property
    def log(self) -> Log:
        assert self.opened is not None
        return self.opened.log

    # The process.

    def start(self) -> bool:
        """False when its disk is too full to begin with; somebody tries again."""
        self.disk.restart_process()
        try:
            self._start()
        except (OSError, StorageError):
            assert self.disk.capacity is not None
            self.opened = None
            self.process = 0
            self.disk.restart_process()
            return False
        return True

    def _start(self) -> None:
        found = open_data_folder(
            self.disk, FOLDER, acks_wait=self.acks_wait, new_incarnation=self._new_incarnation
        )
        if found.incarnation != self.incarnation:
            self.incarnation_count += 1
        self.told_incarnation = self.first_incarnation = found.incarnation
        self.folder = DataFolder(self.disk, FOLDER, found.incarnation, self._new_incarnation)
        self.has_lost_power = False
        self.frozen_until_ms = 0
        self.processes += 1
        self.process = self.processes
        self.opened = None
        remove_leftovers(self.disk, FOLDER)
        if DIRECTORY in self.disk.directories or not self.world.plan.moves:
            self._open()

    def _open(self) -> None:
        log = Log.open(self.disk, DIRECTORY, LogConfig(), losing=self._lost_before)
        if self.acks_wait and log.unsynced_bytes:
            log.sync_handle().run()
        self.opened = OpenLog.of(self.disk, log, "")
        if self.opened.is_damaged:
            self._lost_before("it has holes that were found before")
        if not self.opened.is_known:
            self._lost_before("who wrote it cannot be read")
        self.syncing = self.out_of_storage = False
        if not self.opened.is_damaged:
            self.world.checker.log_opened(self)

    def _new_incarnation(self) -> int:
        return self.world.random.getrandbits(60) + 1

    @property
    def incarnation(self) -> int:
        """Of the life that its data is in, whether or not anybody knows."""
        return 0 if self.folder is None else self.folder.incarnation

    def _lost_before(self, reason: str) -> None:
        """In a real process the log is opened after it has registered, so this is heard later."""
        assert self.folder is not None
        if self.folder.incarnation == self.first_incarnation:
            self.incarnation_count += 1
        self.folder.begin_new_life(self.first_incarnation, reason)
        self.later(self.world.random.randint(1, 300), self._look)

    def _look(self) -> None:
        """Register and follow under the life that has begun."""
        if self.told_incarnation != self.incarnation:
            self.told_incarnation = self.incarnation
            self.world.register_anew(self.number)

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
        self.is_lossy = not self.acks_wait or self.is_lossy
        self.has_lost_power = True

    def stop(self) -> None:
        """A clean stop; handing over came before."""
        durable = self.opened is None or self.log.close()
        close_data_folder(self.disk, FOLDER, all_durable=durable)
        self.kill()

    def damage(self, random: Random) -> bool:
        """While it is down: change a byte of a record that has others behind it.

        The next start looks at all of the log, as it would after a power cut. False: too short.
        """
        path = f"{DIRECTORY}/{0:020d}.log"
        file = self.disk.names.get(path)
        batches = [] if file is None else split(bytes(file.content))
        if file is None or len(batches) < 2:
            return False
        victim = random.randrange(len(batches) - 1)
        end = sum(map(len, batches[: victim + 1]))
        file.content[end - 1] ^= 0xFF
        file.sync()
        with suppress(FileNotFoundError):
            self.disk.unlink(f"{DIRECTORY}/tail.checkpoint")
        self.disk.sync_directory(DIRECTORY)
        self.was_damaged = self.is_lossy = True
        return True

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Unless the process has ended by then."""
        process = self.process

        def called() -> None:
            if self.process != process:
                return
            if self.frozen_until_ms > self.world.now_ms:
                self.world.later(self.frozen_until_ms - self.world.now_ms, called)
                return
            callback()

        self.world.later(delay_ms, called)

    # Assignments.

    def assigned(self, assignment: ReplicaAssignment) -> None:
        known = self.assignment
        if known is not None and known.is_being_deleted and not assignment.is_being_deleted:
            return
        if known is not None and assignment.leader_epoch < known.leader_epoch:
            return
        if (
            known is not None
            and not assignment.is_being_deleted
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
        if wanted.is_being_deleted or self.opened is None or not self._is_held(wanted):
            self._hold_or_let_go(wanted)
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
        if wanted.leader != self.number:
            self._begin_following(wanted)
        elif self._may_lead(wanted):
            self.busy = True
            self.later(self.world.random.randint(0, 5), lambda: self._note_epoch(wanted))

    def _is_held(self, wanted: ReplicaAssignment) -> bool:
        return not wanted.is_being_deleted and self.number in (*wanted.replicas, wanted.leader)

    def _hold_or_let_go(self, wanted: ReplicaAssignment) -> None:
        """The log comes here, or goes; a job of a worker, after which it is looked at again."""
        self._end_role()
        if self._is_held(wanted):
            self._work(self._claim, wanted)
        elif self.opened is not None:
            self._work(self._close, wanted)
        elif wanted.is_being_deleted:
            self._work(self._remove, wanted)

    def _work(self, job: Callable[[ReplicaAssignment], None], wanted: ReplicaAssignment) -> None:
        self.busy = True

        def run() -> None:
            try:
                job(wanted)
            except (OSError, StorageError):
                assert self.disk.capacity is not None
                self.later(RETRY_MS, self._job_ended)
                return
            self._job_ended()

        self.later(self.world.random.randint(0, 20), run)

    def _claim(self, wanted: ReplicaAssignment) -> None:
        claim(self.disk, FOLDER, KEY, wanted.uid)
        self._open()

    def _close(self, _: ReplicaAssignment) -> None:
        self.log.close()
        self.opened = None

    def _remove(self, wanted: ReplicaAssignment) -> None:
        remove_partition(self.disk, FOLDER, KEY, wanted.uid)
        self.was_damaged = False
        self.world.trace(f"spu {self.number} has deleted its replica")
        self.world.to_controller(self.number, "removed", ReplicaRemoved(key=KEY, uid=wanted.uid))
        if self.assignment is wanted:
            self.assignment = None

    def _stored(self, wanted: ReplicaAssignment) -> int | None:
        return {m.spu: m.incarnation for m in wanted.in_sync}.get(SpuId(self.number))

    def _may_lead(self, wanted: ReplicaAssignment) -> bool:
        assert self.opened is not None
        if self._stored(wanted) not in (None, UNKNOWN_INCARNATION, self.incarnation):
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

    def _end_role(self) -> None:
        self.leader = self.follower = None
        self.waiting = []
        self.paused = False

    # Leading.

    def _note_epoch(self, wanted: ReplicaAssignment) -> None:
        opened = self.opened
        assert opened is not None
        try:
            opened.begin_epoch(wanted.leader_epoch)
        except (OSError, StorageError):
            self.later(RETRY_MS, self._job_ended)
            return
        if self.acks_wait:
            self.log.sync_handle().run()
        self.busy = False
        current = self.assignment
        if current is not None and current.leader_epoch == wanted.leader_epoch:
            self._lead(current)
        self.reconcile()

    def _job_ended(self) -> None:
        self.busy = False
        self.reconcile()

    def _lead(self, wanted: ReplicaAssignment) -> None:
        log = self.log
        self.durable = log.end_offset
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
        try:
            base = self.log.append([(memoryview(bytearray(batch)), 1)])
        except OutOfStorage:
            if not self.out_of_storage and len(leader.in_sync.members) > 1:
                self.world.trace(f"spu {self.number} has no room, and leaves")
                self._perform_leader(leader.leave(self.world.now_ms, PATIENCE_MS))
            self.out_of_storage = True
            return "out of storage"
        self.out_of_storage = False
        end = self.log.end_offset
        self.world.checker.written(self, leader.leader_epoch, base, self.raw(base, end))
        if not self.acks_wait:
            self.durable = end
        moved = leader.appended(end, self.durable)
        if committed:
            self.waiting.append((base + 1, lambda: done(base)))
        else:
            done(base)
        if moved is not None:
            self._committed(moved)
        self.send_records()
        self._sync_soon()
        return None

    def _sync_soon(self) -> None:
        """Where acknowledgements wait, a worker syncs what there is, and then what came since."""
        if not self.acks_wait or self.syncing:
            return
        self.syncing = True
        self.later(self.world.random.randint(1, 15), self._sync)

    def _sync(self) -> None:
        if self.busy:  # a worker is at the log already
            self.later(1, self._sync)
            return
        if self.opened is None:  # it has moved away
            self.syncing = False
            return
        role = self.leader or self.follower
        handle = self.log.sync_handle()

        def synced() -> None:
            self.syncing = False
            end = handle.end_offset
            if role is None or role is not (self.leader or self.follower):
                return
            if isinstance(role, LeaderReplica):
                self.durable = max(self.durable, end)
                moved = role.appended(self.log.end_offset, self.durable)
                if moved is not None:
                    self._committed(moved)
                self.send_records()
            else:
                self._perform_follower(role.durable(end))
            if self.log.end_offset > end:
                self._sync_soon()

        def run() -> None:
            handle.run()
            self.later(self.world.random.randint(0, 3), synced)

        self.later(self.world.random.randint(0, 10), run)

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
                try:
                    found = self.log.read(start, end=end, max_bytes=SLICE_BYTES)
                except CorruptSegment as error:
                    self._found_damage(str(error))
                    return
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

    def _found_damage(self, reason: str) -> None:
        """It cannot read what it leads: another life begins."""
        opened, leader, folder = self.opened, self.leader, self.folder
        assert opened is not None
        assert leader is not None
        assert folder is not None
        if opened.is_damaged or len(leader.in_sync.members) < 2:
            return
        ended = folder.incarnation
        opened.is_damaged = True

        def noted() -> None:
            opened.mark_damaged(reason)
            folder.begin_new_life(ended, reason)
            self.incarnation_count += 1
            self._look()

        self.later(self.world.random.randint(0, 20), noted)

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
        try:
            match steps[0]:
                case CutLog(end):
                    opened.cut(end)
                case RestartLog(offset, _):
                    opened.restart_at(offset)
                case AdoptLineage(entries):
                    opened.note_lineage(entries)
        except (OSError, StorageError):
            assert self.disk.capacity is not None
            self.later(RETRY_MS, lambda: self._reshape(steps))
            return
        if len(steps) == 1 and self.acks_wait:
            opened.log.sync_handle().run()
        if not self.is_damaged:
            self.world.checker.everybody_holds()
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
        try:
            self.log.append_copied(
                records, base_offset=head.base_offset, end_offset=head.end_offset
            )
        except OutOfStorage:
            self._rejoin_later(follower)
            return
        self.world.checker.copied(self, head.base_offset, records)
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
        if self.acks_wait:
            self._sync_soon()
        else:
            self._perform_follower(follower.durable(self.log.end_offset))

    def _rejoin_later(self, follower: FollowerReplica) -> None:
        """The leader believes that it has sent what was not stored."""
        follower.link_lost()

        def rejoin() -> None:
            if self.follower is follower:
                self._perform_follower(follower.join(self.world.now_ms))

        self.later(RETRY_MS, rejoin)

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
            f"hw={getattr(role, 'high_watermark', None)} "
            f"damaged={self.opened and self.opened.is_damaged} "
            f"assigned={wanted and (wanted.leader, wanted.leader_epoch, wanted.in_sync_version)}"
        )

    def raw(self, start: int, end: int) -> bytes:
        """Batches [start, end) as they are in the log; fewer when it ends before."""
        if self.opened is None:
            return b""
        log = self.log
        end = min(end, log.end_offset)
        found = b""
        while start < end:
            piece = log.read(Offset(start), end=Offset(end), max_bytes=1 << 20)
            if piece is None:
                break
            found += piece.view()
            start = piece.next_offset
        return found
