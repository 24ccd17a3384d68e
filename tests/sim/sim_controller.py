"""The controller of a simulated cluster: the real core, a store that keeps what it was given.

What was decided counts when it is stored, and is told only then. A crash loses everything that was
not stored, and everything that was observed; whether what was on its way to the store arrived is
chance. A store takes its time: SPUs that register meanwhile are told what was stored before.
"""

import itertools
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
    SpuType,
)
from fluvio_protocol.metadata.topic import AssignedReplicas, PartitionMap, TopicSpec
from fluvio_protocol.types import DataIncarnation, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.actions import WakeAt, apply_action
from fluvio_sc.core.cluster_state import ClusterState, CoreTimings, StoredObject
from fluvio_sc.core.dependents import dependents_of
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.observation import (
    observe_connection,
    observe_disconnection,
    observe_in_sync_proposals,
    observe_removal,
    observe_resignations,
)
from fluvio_sc.core.reconcile import RECONCILERS
from fluvio_sc.core.reconcile.topic import create_topic
from fluvio_sc.core.replica_assignment import assignment_of, removal_of
from fluvio_sc.core.replica_commands import Plan

KEY = ReplicaKey("t", PartitionId(0))
TIMINGS = CoreTimings(spu_silence_ms=10**9, restart_grace_ms=3_000, preferred_leader_delay_ms=2_000)


STORE_MS_MAX = 600
STORE_RETRY_MS = 200
REPLICAS = 3


class SimController:
    """See the module.

    tell:             called with an SPU and an assignment, for every connected SPU that has news
    slow_permille:    of the writes: how many take long, or fail
    """

    def __init__(
        self,
        *,
        spus: Iterable[int],
        minimum: int,
        tell: Callable[[int, Any], None],
        crashed: Callable[[], None],
        stored: Callable[[Any, Any], None],
        later: Callable[[int, Callable[[], None]], None],
        random: Random,
    ) -> None:
        self.spus = tuple(spus)
        self.minimum = minimum
        self.alive = True
        self.crash_before_store = False
        self.slow_permille = 0
        self._later = later
        self._random = random
        self._life = 0
        self._under_way: tuple[StoredObject, ...] | None = None
        self._paused = False
        self._tell = tell
        self._crashed = crashed
        self._stored = stored
        self._uids = itertools.count()
        self._sessions = itertools.count(1)
        self._session_of: dict[int, int] = {}
        self._told: dict[int, Any] = {}
        self._objects: tuple[StoredObject, ...] = tuple(_spu(number) for number in self.spus)
        self.state = self._fresh(0)
        first = tuple(map(SpuId, self.spus[:REPLICAS]))
        rows = (PartitionMap(id=PartitionId(0), replicas=first),)
        topic = create_topic("t", TopicSpec(replicas=AssignedReplicas(maps=rows)), reason="sim")
        apply_action(self.state, topic, now_ms=0, new_uid=self._new_uid)
        self.settle(0)
        assert self.partition is not None

    def _fresh(self, now_ms: int) -> ClusterState:
        return ClusterState(
            self._objects, started_ms=now_ms, timings=TIMINGS, min_in_sync=self.minimum
        )

    def _new_uid(self) -> str:
        return f"u-{next(self._uids)}"

    @property
    def partition(self) -> Any:
        """As it is stored."""
        return next(item for item in self._objects if item.kind is Kind.PARTITION)

    def crash(self) -> None:
        self.alive = False
        self._life += 1
        if self._under_way is not None and self._random.random() < 0.5:
            self._store(self._under_way)
        self._under_way = None
        self._paused = False
        self._crashed()

    def restart(self, now_ms: int) -> None:
        self.alive = True
        self._session_of.clear()
        self._told.clear()
        self.state = self._fresh(now_ms)
        self.settle(now_ms)

    # What SPUs do.

    def connected(self, spu: int, incarnation: int, now_ms: int) -> None:
        session = self._session_of[spu] = next(self._sessions)
        self._told.pop(spu, None)
        observe_connection(self.state, SpuId(spu), session, now_ms, DataIncarnation(incarnation))
        self._tell_news()
        self.settle(now_ms)

    def disconnected(self, spu: int, now_ms: int) -> None:
        session = self._session_of.pop(spu, None)
        if session is not None:
            observe_disconnection(self.state, SpuId(spu), session)
            self.settle(now_ms)

    def heard(self, spu: int, kind: str, message: Any, now_ms: int) -> None:
        session = self._session_of.get(spu)
        if session is None:
            return
        match kind:
            case "propose":
                observe_in_sync_proposals(self.state, SpuId(spu), session, [message])
            case "resign":
                observe_resignations(self.state, SpuId(spu), session, [message])
            case "removed":
                observe_removal(self.state, SpuId(spu), message)
        self.settle(now_ms)

    def ask(self, decide: Callable[[ClusterState], Plan], now_ms: int) -> bool:
        """What an administrator wants; whether it was admitted."""
        if not self.alive or self._under_way is not None or self._paused:
            return False
        try:
            actions = decide(self.state).actions
        except Refused:
            return False
        for action in actions:
            apply_action(self.state, action, now_ms=now_ms, new_uid=self._new_uid)
        self.settle(now_ms)
        return bool(actions)

    def settle(self, now_ms: int) -> None:
        """Decide until nothing is missing, store, tell."""
        if self._under_way is not None or self._paused:
            return  # what was observed is looked at later
        dirty = dict.fromkeys(item.key for item in self.state)
        for _ in range(2_000):
            if not dirty:
                break
            key = next(iter(dirty))
            del dirty[key]
            item, reconcile = self.state.find(key), RECONCILERS.get(key.kind)
            if item is None or reconcile is None:
                continue
            for decision in reconcile(item, self.state, now_ms):
                if isinstance(decision, WakeAt):
                    continue
                applied = apply_action(self.state, decision, now_ms=now_ms, new_uid=self._new_uid)
                dirty.update(dict.fromkeys(dependents_of(applied, self.state)))
        else:
            raise AssertionError("the controller does not settle")
        if self.crash_before_store and tuple(self.state) != self._objects:
            self.crash_before_store = False
            self._die_unstored()
            return
        if self._random.randrange(1000) < self.slow_permille and tuple(self.state) != self._objects:
            self._store_slowly(now_ms)
            return
        self._store()
        self._tell_news()

    def _store_slowly(self, now_ms: int) -> None:
        """Meanwhile SPUs come, go and talk; then it is stored, or refused and undone."""
        self._under_way = tuple(self.state)
        life, delay_ms = self._life, self._random.randint(20, STORE_MS_MAX)
        refused = self._random.random() < 0.3

        def over() -> None:
            if self._life != life:
                return
            self._under_way = None
            if refused:
                for item in self._objects:
                    self.state.put(item)
                self._paused = True
                self._later(STORE_RETRY_MS, again)
                return
            self._store()
            self._tell_news()
            self.settle(now_ms + delay_ms)

        def again() -> None:
            if self._life == life:
                self._paused = False
                self.settle(now_ms + delay_ms + STORE_RETRY_MS)

        self._later(delay_ms, over)

    def _die_unstored(self) -> None:
        """Nobody was told, so nothing happened."""
        self.crash()

    def _store(self, objects: tuple[StoredObject, ...] | None = None) -> None:
        found = [item for item in self._objects if item.kind is Kind.PARTITION]
        self._objects = tuple(self.state) if objects is None else objects
        if found and found[0] is not self.partition:
            before, after = found[0], self.partition
            for spu_id in set(before.replication.leaving) - set(after.replication.leaving):
                self.state.removals.get(before.uid, set()).discard(spu_id)
            self._stored(before, after)

    def _tell_news(self) -> None:
        everybody = assignment_of(self.partition)
        leaving = self.partition.replication.leaving
        for spu in tuple(self._session_of):
            wanted = everybody
            if spu in leaving:
                wanted = removal_of(self.partition, SpuId(spu))
            if self._told.get(spu) != wanted:
                self._told[spu] = wanted
                self._tell(spu, wanted)


def _spu(number: int) -> StoredObject:
    return StoredObject(
        kind=Kind.SPU,
        name=f"custom-spu-{number}",
        uid=f"spu-{number}",
        spec=SpuSpec(
            id=SpuId(number),
            spu_type=SpuType.CUSTOM,
            public_endpoint=IngressPort(port=1),
            private_endpoint=Endpoint(port=2, host="sim"),
        ),
        status=SpuStatus(resolution=SpuStatusResolution.ONLINE),
    )
