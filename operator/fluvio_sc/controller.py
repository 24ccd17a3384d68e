"""The work queue: what changed is looked at, what is missing is done, the store first.

Both doors hand it their requests and observations; nobody else changes an object. One turn:

    requests, then dirty keys -> core/reconcile -> actions applied to the state, which makes
    further keys dirty, until nothing is left -> one transaction of the store -> memory store,
    which tells watchers, SPUs and waiters -> requests answered -> SPU runtime

Invariants: nobody hears of a change before the store has it. A turn that the store refuses is
undone whole, and its keys come again later. A key waits at most once, however often it was marked.
Offsets and sizes do not need the store: they are marked `lazily` and shown once per tick.
"""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import IngressPort
from fluvio_protocol.sc_private.in_sync import InSyncProposal, Resignation
from fluvio_protocol.sc_private.replica_status import LeaderReport, ReplicaRemoved
from fluvio_protocol.types import UNKNOWN_INCARNATION, DataIncarnation, SpuId
from fluvio_sc.config import ScConfig
from fluvio_sc.core.actions import (
    Action,
    Applied,
    Decision,
    SetLeader,
    SetReplication,
    ShowStatus,
    WakeAt,
)
from fluvio_sc.core.admission import required_spus
from fluvio_sc.core.cluster_state import (
    ClusterState,
    MemberSpec,
    ObjectKey,
    StoredObject,
)
from fluvio_sc.core.dependents import dependents_of
from fluvio_sc.core.errors import ControlError, Refused
from fluvio_sc.core.observation import (
    observe_availability,
    observe_connection,
    observe_disconnection,
    observe_endpoint,
    observe_in_sync_proposals,
    observe_life,
    observe_pause,
    observe_removal,
    observe_reports,
    observe_resignations,
)
from fluvio_sc.core.ports import (
    Conflict,
    DesiredSpu,
    NotWritten,
    ObjectStore,
    PutObject,
    SpuRuntime,
    StoreError,
    Written,
)
from fluvio_sc.core.reconcile import RECONCILERS
from fluvio_sc.core.reconcile.topic import missing_system_topics
from fluvio_sc.core.transaction import Change, Transaction
from fluvio_sc.memory_store import MemoryStore
from fluvio_socket.backoff import Backoff

_log = logging.getLogger(__name__)

KEYS_PER_TURN_MAX = 4_096
"""More go into the next transaction, so that the event loop gets its turn."""

VISITS_PER_TURN_MAX = 8
"""A key that is still not settled after so many visits waits for the next turn."""

REQUESTS_PER_TURN_MAX = 256

PULSE_S = 0.5
PULSE_MISSED_MS = 1_500
"""Without a pulse for so long this process did not run, or not its event loop."""

Decide = Callable[[ClusterState], Sequence[Action]]


@dataclass(slots=True)
class _Request:
    """A client's wish, in the queue; `keys` are the objects it asked to change."""

    decide: Decide
    answer: asyncio.Future[None]
    error: Exception | None = None
    keys: set[ObjectKey] = field(default_factory=set)


class NotReady(ControlError):
    """The change could not be stored; nothing was changed, the same request may succeed later."""

    retriable = True


def new_uid() -> str:
    """An identity that nothing else has or ever had."""
    return str(uuid.uuid4())


def steady_clock_ms() -> Callable[[], int]:
    """Milliseconds since 1970 that never jump: time of day at the start, monotonic from then."""
    offset_s = time.time() - time.monotonic()
    return lambda: int((offset_s + time.monotonic()) * 1000)


class Controller:
    """See the module. `load()` once, then `run()` for ever; everything else in between.

    clock_ms:    ms since 1970; should not jump
    member_spec: how SPUs of groups are made; None where groups have none
    performed:   told of what was done, after it was stored
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        runtime: SpuRuntime,
        memory_store: MemoryStore,
        config: ScConfig,
        clock_ms: Callable[[], int] | None = None,
        member_spec: MemberSpec | None = None,
        performed: Callable[[Sequence[Action]], None] | None = None,
    ) -> None:
        self._member_spec = member_spec
        self._performed = performed
        self._observed_changes: dict[ObjectKey, StoredObject | None] = {}
        self._store = store
        self._runtime = runtime
        self._memory_store = memory_store
        self._config = config
        self._clock_ms = clock_ms or steady_clock_ms()
        self._state = ClusterState()
        self._requests: deque[_Request] = deque()
        self._dirty: dict[ObjectKey, None] = {}
        self._lazily_dirty: dict[ObjectKey, None] = {}
        self._wake_at_ms: dict[ObjectKey, int] = {}
        self._tick_at_ms: int | None = None
        self._resync_at_ms = 0
        self._paused_until_ms = 0
        self._pulse_ms = 0
        self._pulse_timer: asyncio.TimerHandle | None = None
        self._backoff = Backoff(initial_s=0.1, maximum_s=10.0)
        self._key_backoffs: dict[ObjectKey, Backoff] = {}
        self._write_backoffs: dict[ObjectKey, Backoff] = {}
        self._wake = asyncio.Event()
        self._session_count = 0
        self._spus_applied: tuple[DesiredSpu, ...] | None = None
        self._is_set_up = False
        self._read_only_reason: str | None = None

    async def load(self) -> None:
        """Read the store and show what is in it. Raises StoreError."""
        objects = await self._store.load()
        now_ms = self._clock_ms()
        self._state = ClusterState(
            objects,
            started_ms=now_ms,
            timings=self._config.timings.for_core(),
            member_spec=self._member_spec,
            min_in_sync=self._config.min_in_sync_replicas,
        )
        self._memory_store.publish(objects, ())
        _log.info("event=loaded objects=%s", len(objects))
        self._resync_at_ms = now_ms  # the first turn looks at everything
        self._pulse_ms = now_ms

    async def run(self) -> None:
        """Turn after turn, until cancelled."""
        self._feel_pulse()
        try:
            while True:
                await self._wait_for_work()
                await self._turn()
                await asyncio.sleep(0)  # a full queue must not starve the sockets
        finally:
            if self._pulse_timer is not None:
                self._pulse_timer.cancel()

    async def execute(self, decide: Decide) -> None:
        """Do what `decide` asks for, given the state at its turn; return once it is published.

        Raises what `decide` raises, NotReady when the store failed, and Refused when nothing may
        be changed.
        """
        self._check_changeable()
        request = _Request(decide, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._wake.set()
        await request.answer

    def check(self, decide: Decide) -> None:
        """Raise what `execute` would raise, and do nothing."""
        self._check_changeable()
        decide(self._state)

    def refuse_changes(self, reason: str) -> None:
        """Refuse every request from now on; what follows from observations is still done."""
        self._read_only_reason = reason

    def _check_changeable(self) -> None:
        if self._read_only_reason is not None:
            # Fluvio's client shows this text alone, whatever the number.
            message = f"permission denied: {self._read_only_reason}"
            raise Refused(ErrorCode.PERMISSION_DENIED, message)

    # What is observed. Called by the private door; each marks what may have to be done.

    def spu_connected(
        self, spu_id: SpuId, incarnation: DataIncarnation = UNKNOWN_INCARNATION
    ) -> int:
        """A session begins; it replaces an older one. Returns its number."""
        self._session_count += 1
        session, now_ms = self._session_count, self._clock_ms()
        self._mark_all(observe_connection(self._state, spu_id, session, now_ms, incarnation))
        return session

    def spu_heard(self, spu_id: SpuId, session: int) -> None:
        """The SPU is alive."""
        self._mark_all(observe_life(self._state, spu_id, session, self._clock_ms()))

    def spu_disconnected(self, spu_id: SpuId, session: int) -> None:
        """The session is over; a newer one is not concerned."""
        self._mark_all(observe_disconnection(self._state, spu_id, session))

    def replicas_reported(
        self, spu_id: SpuId, session: int, reports: Iterable[LeaderReport]
    ) -> None:
        """A leader tells where its partitions stand."""
        news = observe_reports(self._state, spu_id, session, reports)
        self._mark_all(news.urgent)
        for key in news.for_the_next_tick:
            self._mark_lazily(key)

    def in_sync_proposed(
        self, spu_id: SpuId, session: int, proposals: Iterable[InSyncProposal]
    ) -> None:
        """A leader wants other in-sync sets."""
        self._mark_all(observe_in_sync_proposals(self._state, spu_id, session, proposals))

    def leadership_resigned(
        self, spu_id: SpuId, session: int, resignations: Iterable[Resignation]
    ) -> None:
        """A leader gives leaderships up."""
        self._mark_all(observe_resignations(self._state, spu_id, session, resignations))

    def replica_removed(self, spu_id: SpuId, removed: ReplicaRemoved) -> None:
        """An SPU has deleted the files of a replica."""
        self._mark_all(observe_removal(self._state, spu_id, removed))

    def spu_available(self, spu_id: SpuId, problem: str | None) -> None:
        """Whether the platform can run an SPU at present; `problem` says why it cannot."""
        self._mark_all(observe_availability(self._state, spu_id, problem))

    def spu_reachable(self, spu_name: str, endpoint: IngressPort | None) -> None:
        """Where clients reach an SPU of a group, as the platform says."""
        self._mark_all(observe_endpoint(self._state, spu_name, endpoint))

    def objects_changed(self, changes: Mapping[ObjectKey, StoredObject | None]) -> None:
        """Somebody else wrote to the store; None: the object is gone. Taken at the next turn.

        A status is never taken from outside: what the controller knows is newer.
        """
        self._observed_changes.update(changes)
        self._wake.set()

    # The queue.

    def _mark_all(self, keys: Iterable[ObjectKey]) -> None:
        for key in keys:
            self._mark(key)

    def _mark(self, key: ObjectKey) -> None:
        self._dirty[key] = None
        self._wake.set()

    def _mark_lazily(self, key: ObjectKey) -> None:
        self._lazily_dirty[key] = None
        if self._tick_at_ms is None:
            self._tick_at_ms = self._clock_ms() + int(self._config.timings.tick_s * 1000)
            self._wake.set()

    def _wake_later(self, key: ObjectKey, at_ms: int) -> None:
        known = self._wake_at_ms.get(key)
        if known is None or at_ms < known:
            self._wake_at_ms[key] = at_ms

    def _feel_pulse(self) -> None:
        self._note_pulse()
        self._pulse_timer = asyncio.get_running_loop().call_later(PULSE_S, self._feel_pulse)

    def _note_pulse(self) -> None:
        """Notice that this process was frozen, or busy: SPUs may have spoken and not been heard.

        At every turn, too: one may come before the timer does.
        """
        now_ms = self._clock_ms()
        missed_ms = now_ms - self._pulse_ms
        if missed_ms >= PULSE_MISSED_MS:
            _log.warning("event=stood_still ms=%s", missed_ms)
            observe_pause(self._state, now_ms)
        self._pulse_ms = now_ms

    async def _wait_for_work(self) -> None:
        while True:
            self._wake.clear()
            now_ms = self._clock_ms()
            due_ms = self._due_at_ms()
            if due_ms <= now_ms:
                return
            timer = asyncio.get_running_loop().call_later((due_ms - now_ms) / 1000, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    def _due_at_ms(self) -> int:
        if self._requests:
            return 0  # also while the store fails: a client wants to know
        due_ms = min(self._wake_at_ms.values(), default=self._resync_at_ms)
        due_ms = min(due_ms, self._resync_at_ms)
        if self._tick_at_ms is not None:
            due_ms = min(due_ms, self._tick_at_ms)
        if self._dirty or self._observed_changes:
            due_ms = 0
        return max(due_ms, self._paused_until_ms)

    def _take_keys(self, now_ms: int) -> list[ObjectKey]:
        """Keys whose time has come, at most a turn's worth."""
        if now_ms < self._paused_until_ms:
            return []
        if now_ms >= self._resync_at_ms:
            self._resync_at_ms = now_ms + int(self._config.timings.resync_s * 1000)
            self._dirty.update(dict.fromkeys(item.key for item in self._state))
            self._spus_applied = None
        if self._tick_at_ms is not None and now_ms >= self._tick_at_ms:
            self._tick_at_ms = None
            self._dirty.update(self._lazily_dirty)
            self._lazily_dirty.clear()
        for key in [key for key, at_ms in self._wake_at_ms.items() if at_ms <= now_ms]:
            del self._wake_at_ms[key]
            self._dirty[key] = None
        keys = list(self._dirty)[:KEYS_PER_TURN_MAX]
        for key in keys:
            del self._dirty[key]
            self._lazily_dirty.pop(key, None)
        return keys

    # One turn.

    async def _turn(self) -> None:
        self._note_pulse()
        now_ms = self._clock_ms()
        self._take_changes()
        turn = Transaction(self._state, now_ms=now_ms, new_uid=new_uid)
        requests = [
            self._requests.popleft() for _ in range(min(len(self._requests), REQUESTS_PER_TURN_MAX))
        ]
        keys = self._take_keys(now_ms)
        error: Exception | None = NotReady("the controller stops")
        try:
            self._set_up(turn)
            for request in requests:
                self._decide(turn, request)
            self._settle(turn, keys)
            refused = await self._commit(turn)
            self._is_set_up = True
            error = None
            for request in requests:
                for key in request.keys & refused.keys():
                    request.error = request.error or NotReady(
                        f"the change could not be stored: {refused[key]}"
                    )
        except Exception as failure:
            await self._commit_failed(turn, failure)
            error = NotReady(f"the change could not be stored: {failure}")
        finally:
            for request in requests:
                _answer(request.answer, request.error or error)
        await self._apply_spus()

    def _take_changes(self) -> None:
        """What others wrote becomes the state, is shown, and is looked at."""
        changes, self._observed_changes = self._observed_changes, {}
        shown: list[StoredObject] = []
        gone: list[ObjectKey] = []
        for key, item in changes.items():
            before = self._state.find(key)
            if item is not None:
                if before is not None and before.uid == item.uid:
                    item = replace(item, status=before.status, tombstones=before.tombstones)
                if before == item:
                    continue
                self._state.put(item)
                shown.append(item)
            elif before is None:
                continue
            else:
                self._state.remove(key)
                gone.append(key)
            self._forget(Change(before, item, to_store=False))
            self._mark_all(dependents_of(Applied(key, before, item), self._state))
        self._memory_store.publish(shown, gone)

    def _set_up(self, turn: Transaction) -> None:
        """What every cluster has; the SPUs of its setup only once, a user may remove them."""
        if not self._is_set_up:
            for action in required_spus(self._config.spus, self._state):
                turn.perform(action)
        for creation in missing_system_topics(self._state):
            turn.perform(creation)

    def _decide(self, turn: Transaction, request: _Request) -> None:
        try:
            for action in request.decide(self._state):
                turn.perform(action)
                request.keys.add(action.key)
        except ControlError as error:
            request.error = error
        except Exception as error:  # answered as an error of ours; the queue goes on
            _log.exception("event=request_failed")
            request.error = error

    def _settle(self, turn: Transaction, keys: Iterable[ObjectKey]) -> None:
        """Reconcile until nothing is dirty, within bounds; the rest waits for the next turn."""
        queue = dict.fromkeys([*turn.touched, *keys])
        turn.touched.clear()
        visits: dict[ObjectKey, int] = {}
        visit_count = 0
        while queue:
            key = next(iter(queue))
            del queue[key]
            visits[key] = visits.get(key, 0) + 1
            visit_count += 1
            if visits[key] > VISITS_PER_TURN_MAX or visit_count > 2 * KEYS_PER_TURN_MAX:
                if visits[key] > VISITS_PER_TURN_MAX:
                    _log.error("event=not_settling key=%s", key)
                self._dirty[key] = None
                continue
            self._reconcile(turn, key)
            queue.update(turn.touched)
            turn.touched.clear()

    def _reconcile(self, turn: Transaction, key: ObjectKey) -> None:
        item = self._state.find(key)
        reconcile = RECONCILERS.get(key.kind)
        if item is None or reconcile is None:
            return
        try:
            decisions: list[Decision] = reconcile(item, self._state, turn.now_ms)
            for decision in decisions:
                if isinstance(decision, WakeAt):
                    self._wake_later(decision.key, decision.at_ms)
                else:
                    turn.perform(decision)
        except Exception:  # one object that cannot be handled must not stop the others
            backoff = self._key_backoffs.setdefault(key, Backoff(initial_s=1.0, maximum_s=60.0))
            _log.exception("event=reconcile_failed key=%s", key)
            self._wake_later(key, turn.now_ms + int(backoff.next_delay_s() * 1000))
        else:
            self._key_backoffs.pop(key, None)

    async def _commit(self, turn: Transaction) -> dict[ObjectKey, StoreError]:
        """Store first, then tell. The order is the promise. Returns what the store refused."""
        refused: dict[ObjectKey, StoreError] = {}
        writes = turn.writes()
        if writes:
            outcomes = await self._store.apply(writes)
            for write, outcome in zip(writes, outcomes, strict=True):
                key = write.object.key if isinstance(write, PutObject) else write.key
                if isinstance(outcome, NotWritten):
                    refused[key] = outcome.error
                    self._write_refused(turn, key, outcome.error)
                    continue
                self._write_backoffs.pop(key, None)
                if isinstance(write, PutObject):
                    self._write_done(turn, write.object, outcome)
            self._backoff.reset()
        performed = [action for action in turn.performed if action.key not in refused]
        for action in performed:
            _log_action(action)
        if self._performed is not None:
            self._performed(performed)
        for change in turn.changes.values():
            self._forget(change)
        self._memory_store.publish(
            [change.after for change in turn.changes.values() if change.after is not None],
            [
                key
                for key, change in turn.changes.items()
                if change.after is None and change.before is not None
            ],
        )
        return refused

    def _write_done(self, turn: Transaction, item: StoredObject, outcome: Written) -> None:
        """An object has its resource version now, and the identities that the store gave."""
        if outcome.uid is not None and outcome.uid != item.uid:
            turn.renamed[item.uid] = outcome.uid
            item = replace(item, uid=outcome.uid)
        if item.owner is not None and item.owner.uid in turn.renamed:
            owner = replace(item.owner, uid=turn.renamed[item.owner.uid])
            item = replace(item, owner=owner)
        stored = replace(item, resource_version=outcome.resource_version)
        self._state.put(stored)
        turn.changes[stored.key].after = stored

    def _write_refused(self, turn: Transaction, key: ObjectKey, error: StoreError) -> None:
        """One object stays as it was, and is tried again later; the others go on.

        What was to be made is its owner's to try: there is nothing else to look at.
        """
        backoff = self._write_backoffs.setdefault(key, Backoff(initial_s=0.2, maximum_s=60.0))
        pause_ms = int(backoff.next_delay_s() * 1000)
        _log.warning("event=not_stored key=%s pause_ms=%s reason=%s", key, pause_ms, error)
        wanted = turn.changes[key].after
        turn.undo_one(key)
        if self._state.find(key) is None and wanted is not None and wanted.owner is not None:
            key = ObjectKey(wanted.owner.kind, wanted.owner.name)
        self._wake_later(key, turn.now_ms + pause_ms)

    def _forget(self, change: Change) -> None:
        before, after = change.before, change.after
        if before is None:
            return
        if after is None or after.uid != before.uid:
            self._state.forget_observations_of(before)
            if after is None:
                self._wake_at_ms.pop(before.key, None)
                self._key_backoffs.pop(before.key, None)
                self._write_backoffs.pop(before.key, None)
                if before.kind is Kind.TOPIC:
                    self._mark(before.key)  # it may be one that every cluster has
        kept = () if after is None else after.tombstones
        for tombstone in before.tombstones:
            if tombstone not in kept:
                self._state.removals.pop(tombstone.uid, None)
        leaving = () if after is None else after.replication.leaving
        for spu_id in before.replication.leaving:
            if spu_id not in leaving:  # it may get a replica again, and lose it again
                self._state.removals.get(before.uid, set()).discard(spu_id)

    async def _commit_failed(self, turn: Transaction, error: Exception) -> None:
        turn.undo()
        pause_ms = int(self._backoff.next_delay_s() * 1000)
        unexpected = not isinstance(error, StoreError)
        _log.error("event=store_failed pause_ms=%s reason=%s", pause_ms, error, exc_info=unexpected)
        self._paused_until_ms = self._clock_ms() + pause_ms
        if isinstance(error, Conflict):
            await self._read_again()
        # What was to be done is found again by looking at everything.
        self._resync_at_ms = 0

    async def _read_again(self) -> None:
        """Somebody else wrote: believe the store."""
        try:
            objects = await self._store.load()
        except StoreError as error:
            _log.error("event=store_failed reason=%s", error)
            return
        present = {item.key: item for item in objects}
        gone = [item for item in self._state if item.key not in present]
        changed = [item for item in objects if self._state.find(item.key) != item]
        for item in gone:
            self._state.remove(item.key)
            self._state.forget_observations_of(item)
        for item in changed:
            self._state.put(item)
        self._memory_store.publish(changed, [item.key for item in gone])

    async def _apply_spus(self) -> None:
        desired = tuple(
            DesiredSpu(spu.name, spu.uid, spu.spec)
            for spu in self._memory_store.of(Kind.SPU)
            if not spu.deletion_requested
        )
        if desired == self._spus_applied:
            return
        try:
            await self._runtime.apply_spus(desired)
        except Exception:  # a runtime that fails is asked again at the next resync
            _log.exception("event=runtime_failed")
        self._spus_applied = desired


def _answer(answer: asyncio.Future[None], error: Exception | None) -> None:
    if answer.done():  # whoever asked is gone
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)


def _log_action(action: Action) -> None:
    if isinstance(action, ShowStatus):
        return
    # Partitions come in thousands, and what they do follows from topics and SPUs.
    loud = isinstance(action, SetLeader | SetReplication)
    quiet = action.key.kind is Kind.PARTITION and not loud
    _log.log(
        logging.DEBUG if quiet else logging.INFO,
        "event=%s key=%s reason=%s",
        type(action).__name__,
        action.key,
        action.reason,
    )
