"""Who is in sync, who may lead, and how replicas move: a table or a story for every rule."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.spu import SpuStatus, SpuStatusResolution
from fluvio_protocol.metadata.topic import AssignedReplicas, PartitionMap, TopicSpec
from fluvio_protocol.sc_private.in_sync import (
    InSyncProposal,
    InSyncReplica,
    Resignation,
)
from fluvio_protocol.sc_private.replica_status import ReplicaRemoved
from fluvio_protocol.sc_public.delete import SpuNumber
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.actions import RequestDeletion, SetDraining, SetSafety, WakeAt, apply_action
from fluvio_sc.core.admission import admit_delete
from fluvio_sc.core.cluster_state import ClusterState, CoreTimings, StoredObject, min_in_sync_of
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
from fluvio_sc.core.reconcile.leadership import set_successor
from fluvio_sc.core.reconcile.replica_move import begin_move, cancel_move
from fluvio_sc.core.reconcile.topic import create_topic
from fluvio_sc.core.replication_state import ReplicationState, effective_min_in_sync

START_MS = 1_000_000


class Scene:
    """One partition on SPUs 1..n, and the loop around the reconcilers."""

    def __init__(
        self,
        make_spec: Callable[[int], Any],
        replicas: Iterable[int],
        minimum: int,
        spus: int,
        topic: str = "t",
    ) -> None:
        self.key = ReplicaKey(topic, PartitionId(0))
        self._make_spec = make_spec
        self.state = ClusterState(
            started_ms=START_MS, timings=CoreTimings(spu_silence_ms=10**9), min_in_sync=minimum
        )
        self.now_ms = START_MS
        self._uids = itertools.count()
        self._sessions = itertools.count(1)
        self.lives: dict[int, int] = {}
        for number in range(1, spus + 1):
            self.add_spu(number)
        rows = (PartitionMap(id=PartitionId(0), replicas=tuple(map(SpuId, replicas))),)
        self.do(create_topic(topic, TopicSpec(replicas=AssignedReplicas(maps=rows)), reason="test"))
        self.settle()

    def add_spu(self, number: int) -> None:
        self.state.put(
            StoredObject(
                kind=Kind.SPU,
                name=f"custom-spu-{number}",
                uid=f"spu-{number}",
                spec=self._make_spec(number),
                status=SpuStatus(resolution=SpuStatusResolution.ONLINE),
            )
        )
        self.lives[number] = 100 * number
        self.connect(number)

    @property
    def partition(self) -> Any:
        found = self.state.get(Kind.PARTITION, str(self.key))
        assert found is not None
        return found

    @property
    def leader(self) -> int:
        return int(self.partition.spec.leader)

    @property
    def replication(self) -> ReplicationState:
        found: ReplicationState = self.partition.replication
        return found

    @property
    def sets(self) -> tuple[set[int], set[int]]:
        return set(self.replication.in_sync), set(self.replication.eligible_spus)

    def do(self, *actions: Any) -> None:
        for action in actions:
            apply_action(
                self.state, action, now_ms=self.now_ms, new_uid=lambda: f"u-{next(self._uids)}"
            )

    def settle(self) -> None:
        dirty = dict.fromkeys(item.key for item in self.state)
        for _ in range(10_000):
            if not dirty:
                return
            key = next(iter(dirty))
            del dirty[key]
            item, reconcile = self.state.find(key), RECONCILERS.get(key.kind)
            if item is None or reconcile is None:
                continue
            for decision in reconcile(item, self.state, self.now_ms):
                if isinstance(decision, WakeAt):
                    continue
                applied = apply_action(
                    self.state,
                    decision,
                    now_ms=self.now_ms,
                    new_uid=lambda: f"u-{next(self._uids)}",
                )
                dirty.update(dict.fromkeys(dependents_of(applied, self.state)))
        raise AssertionError("it does not settle")

    def decisions(self) -> list[Any]:
        """What is asked for once more; nothing, after `settle`."""
        return [
            decision
            for item in list(self.state)
            if item.kind in RECONCILERS
            for decision in RECONCILERS[item.kind](item, self.state, self.now_ms)
            if not isinstance(decision, WakeAt)
        ]

    def connect(self, spu: int, *, life: int | None = None) -> None:
        if life is not None:
            self.lives[spu] = life
        observe_connection(
            self.state,
            SpuId(spu),
            next(self._sessions),
            self.now_ms,
            DataIncarnation(self.lives[spu]),
        )

    def session(self, spu: int) -> int:
        return self.state.observations[SpuId(spu)].session

    def stop(self, *spus: int) -> None:
        for spu in spus:
            observe_disconnection(self.state, SpuId(spu), self.session(spu))
        self.settle()

    def start(self, *spus: int, life: int | None = None) -> None:
        for spu in spus:
            self.connect(spu, life=life)
        self.settle()

    def proposal(self, *members: int, **other: Any) -> InSyncProposal:
        told = InSyncProposal(
            key=self.key,
            leader_epoch=self.partition.leader_epoch,
            version=self.replication.version,
            members=tuple(
                InSyncReplica(spu=SpuId(spu), incarnation=DataIncarnation(self.lives[spu]))
                for spu in members
            ),
        )
        return replace(told, **other)

    def propose(self, *members: int, by: int | None = None, **other: Any) -> None:
        spu = self.leader if by is None else by
        wanted = [self.proposal(*members, **other)]
        observe_in_sync_proposals(self.state, SpuId(spu), self.session(spu), wanted)
        self.settle()

    def resign(self, successor: int = -1, *, epoch: int | None = None) -> None:
        leader = self.leader
        told = Resignation(
            key=self.key,
            leader_epoch=LeaderEpoch(self.partition.leader_epoch if epoch is None else epoch),
            successor=SpuId(successor),
        )
        observe_resignations(self.state, SpuId(leader), self.session(leader), [told])
        self.settle()

    def move(self, *target: int) -> None:
        self.do(begin_move(self.partition, tuple(map(SpuId, target)), "test"))
        self.settle()

    def removed(self, spu: int) -> None:
        observe_removal(
            self.state, SpuId(spu), ReplicaRemoved(key=self.key, uid=self.partition.uid)
        )
        self.settle()


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(spu_spec: Callable[[int], Any]) -> MakeScene:
    """`make_scene(1, 2, 3, minimum=2, in_sync=(1, 2, 3))`."""

    def make(
        *replicas: int,
        minimum: int = 1,
        spus: int = 5,
        in_sync: Iterable[int] = (),
        topic: str = "t",
    ) -> Scene:
        scene = Scene(spu_spec, replicas or (1, 2, 3), minimum, spus, topic)
        if in_sync:
            scene.propose(*in_sync)
            assert set(scene.partition.in_sync) == set(in_sync)
        return scene

    return make


# The set


def member(spu: int, life: int = 0) -> InSyncReplica:
    return InSyncReplica(spu=SpuId(spu), incarnation=DataIncarnation(life))


@pytest.mark.parametrize(
    ("in_sync", "eligible", "new", "minimum", "invalid", "then"),
    [
        ((1, 2, 3), (), (1, 2), 2, (), ()),
        ((1, 2), (), (1,), 2, (), (2,)),
        ((1, 2, 3), (), (1,), 2, (), (2, 3)),
        ((1, 2, 3), (), (1,), 2, (3,), (2,)),
        ((1,), (2, 3), (1,), 2, (), (2, 3)),
        ((1,), (2, 3), (1,), 2, (2,), (3,)),
        ((1,), (2, 3), (1, 2), 2, (), ()),
        ((1,), (2, 3), (1, 2), 3, (), (3,)),
        ((1,), (2,), (2,), 2, (), (1,)),
        ((1,), (2,), (2,), 2, (1,), ()),
        ((1, 2), (), (1,), 1, (), ()),
    ],
)
def test_dropped_members_stay_eligible_exactly_while_the_set_is_too_small(
    in_sync: tuple[int, ...],
    eligible: tuple[int, ...],
    new: tuple[int, ...],
    minimum: int,
    invalid: tuple[int, ...],
    then: tuple[int, ...],
) -> None:
    before = ReplicationState(
        members=tuple(map(member, in_sync)), eligible=tuple(map(member, eligible)), version=7
    )
    after = before.with_members(
        tuple(map(member, new)), minimum=minimum, invalid=tuple(map(SpuId, invalid))
    )
    assert (after.in_sync, set(after.eligible_spus)) == (new, set(then))
    assert after.version == 8


@pytest.mark.parametrize(
    ("wanted", "replicas", "target", "original", "effective"),
    [
        (None, 3, 0, 0, 1),
        (2, 3, 0, 0, 2),
        (2, 1, 0, 0, 1),
        (9, 3, 0, 0, 3),
        (0, 3, 0, 0, 1),
        (2, 2, 1, 1, 1),
        (2, 3, 2, 1, 1),
        (3, 6, 3, 3, 3),
    ],
)
def test_a_record_never_needs_more_replicas_than_there_are(
    wanted: int | None, replicas: int, target: int, original: int, effective: int
) -> None:
    def ids(count: int) -> tuple[SpuId, ...]:
        return tuple(map(SpuId, range(count)))

    moving = ReplicationState(target=ids(target), original=ids(original))
    assert effective_min_in_sync(wanted, ids(replicas), moving) == effective


def test_a_new_partition_has_its_leader_in_sync_with_the_data_it_came_with(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(2, 3)
    assert (scene.partition.leader_epoch, scene.replication.version) == (1, 1)
    assert scene.replication.members == (member(2, 200),)


# Proposals


def test_a_proposal_is_stored_under_the_next_version(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3)
    scene.propose(3, 1)
    assert scene.replication.members == (member(1, 100), member(3, 300))
    assert scene.replication.version == 2
    assert scene.partition.leader_epoch == 1
    scene.propose(1)
    assert (scene.sets, scene.replication.version) == (({1}, set()), 3)


@pytest.mark.parametrize(
    "other",
    [
        {"by": 2},
        {"leader_epoch": LeaderEpoch(2)},
        {"leader_epoch": LeaderEpoch(0)},
        {"version": 0},
        {"version": 2},
    ],
)
def test_what_is_outdated_is_ignored(make_scene: MakeScene, other: dict[str, Any]) -> None:
    scene = make_scene(1, 2, 3)
    before = scene.replication
    scene.propose(1, 2, **other)
    assert scene.replication == before


def test_a_proposal_of_an_older_session_is_ignored(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3)
    wanted, session = scene.proposal(1, 2), scene.session(1)
    observe_in_sync_proposals(scene.state, SpuId(1), session, [wanted])
    scene.connect(1)
    observe_in_sync_proposals(scene.state, SpuId(1), session, [wanted])
    scene.settle()
    assert (scene.sets[0], scene.replication.version) == ({1}, 1)


@pytest.mark.parametrize("why", ["stranger", "no leader", "offline", "other data", "twice", "own"])
def test_a_refusal_is_a_version_too(make_scene: MakeScene, why: str) -> None:
    scene = make_scene(1, 2, 3, spus=4)
    members: list[int] = [1, 2]
    match why:
        case "stranger":
            members = [1, 4]
        case "no leader":
            members = [2]
        case "offline":
            scene.stop(2)
        case "other data":
            scene.lives[2] += 1
        case "twice":
            members = [1, 2, 2]
        case "own":
            scene.lives[1] += 1
    late = scene.proposal(1, 3)
    scene.propose(*members)
    assert (scene.sets[0], scene.replication.version) == ({1}, 2)
    observe_in_sync_proposals(scene.state, SpuId(1), scene.session(1), [late])
    scene.settle()
    assert (scene.sets[0], scene.replication.version) == ({1}, 2), "a late copy comes true never"


def test_members_that_are_away_may_stay(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2))
    scene.stop(2)
    assert scene.sets[0] == {1, 2}, "it is the leader that drops them"
    scene.propose(1, 2, 3)
    assert scene.sets[0] == {1, 2, 3}


def test_a_follower_that_lost_its_data_is_dropped(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, minimum=3, in_sync=(1, 2, 3))
    scene.start(2, life=7)
    assert scene.sets == ({1, 3}, set())
    scene.propose(1)
    assert scene.sets == ({1}, {3})
    scene.start(3, life=8)
    assert scene.sets == ({1}, set())
    scene.propose(1, 2, 3)
    assert scene.sets == ({1, 2, 3}, set())


def test_data_that_was_not_known_is_pinned_when_it_is(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2)
    old = replace(scene.partition, replication=ReplicationState.of_spus((SpuId(1), SpuId(2))))
    scene.state.put(old)
    scene.settle()
    assert scene.replication.members == (member(1, 100), member(2, 200))
    assert scene.replication.version == 2


# Elections


@pytest.mark.parametrize(
    ("in_sync", "stopped", "leader", "sets"),
    [
        ((1, 2, 3), (1,), 2, ({2, 3}, set())),
        ((1, 3), (1,), 3, ({3}, {1})),
        ((1, 2, 3), (2, 1), 3, ({2, 3}, set())),
        ((1, 2), (3, 1), 2, ({2}, {1})),
        ((1, 2), (2, 1), 1, ({1, 2}, set())),
    ],
)
def test_an_in_sync_replica_leads_when_the_leader_goes(
    make_scene: MakeScene,
    in_sync: tuple[int, ...],
    stopped: tuple[int, ...],
    leader: int,
    sets: tuple[set[int], set[int]],
) -> None:
    scene = make_scene(1, 2, 3, minimum=2, in_sync=in_sync)
    version = scene.replication.version
    scene.stop(*stopped)
    assert (scene.leader, scene.sets) == (leader, sets)
    moved = int(leader != 1)
    assert scene.partition.leader_epoch == 1 + moved
    assert scene.replication.version == version + moved


def test_nobody_leads_who_was_not_in_sync(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3)
    scene.stop(1)
    assert (scene.leader, scene.partition.leader_epoch) == (1, 1)
    scene.start(1)
    assert (scene.leader, scene.partition.leader_epoch) == (1, 1)


def test_an_eligible_replica_leads_when_no_other_can(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, minimum=2, in_sync=(1, 2, 3))
    scene.propose(1)
    assert scene.sets == ({1}, {2, 3})
    scene.stop(1)
    assert (scene.leader, scene.sets) == (2, ({2}, {1, 3}))
    scene.propose(2, 3)
    assert scene.sets == ({2, 3}, set())
    scene.start(1)
    assert scene.leader == 2


def test_a_leader_that_lost_data_does_not_go_on(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, minimum=3, in_sync=(1, 2, 3))
    scene.start(1, life=7)
    assert (scene.leader, scene.partition.leader_epoch) == (2, 2)
    assert scene.sets == ({2, 3}, set()), "it is eligible for nothing"


def test_while_a_holder_may_come_back_whole_everybody_waits(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    scene.propose(1)
    scene.stop(2)
    scene.start(1, life=7)
    assert (scene.leader, scene.partition.leader_epoch) == (1, 1)
    assert scene.sets == ({1}, {2})
    scene.start(2)
    assert (scene.leader, scene.sets) == (2, ({2}, set()))


def test_when_all_have_lost_data_the_former_leader_leads_again(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2))
    scene.stop(1, 2)
    leader, epoch = scene.leader, scene.partition.leader_epoch
    scene.start(3 - leader, life=7)
    assert (scene.leader, scene.partition.leader_epoch) == (leader, epoch)
    scene.start(leader, life=8)
    assert (scene.leader, scene.partition.leader_epoch) == (leader, epoch + 1)
    assert scene.replication.members == (member(leader, 8),)


def test_a_single_replica_comes_back_after_a_power_cut(make_scene: MakeScene) -> None:
    scene = make_scene(4)
    scene.stop(4)
    scene.start(4, life=7)
    assert (scene.leader, scene.partition.leader_epoch) == (4, 2)
    assert scene.replication.members == (member(4, 7),)


def test_an_unclean_election_has_to_be_allowed(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3)
    scene.stop(1)
    assert scene.leader == 1
    topic = scene.state.get(Kind.TOPIC, "t")
    assert topic is not None
    scene.state.put(replace(topic, unclean_election=True))
    scene.settle()
    assert (scene.leader, scene.partition.leader_epoch) == (2, 2)
    assert scene.replication.members == (member(2, 200),)


def test_nobody_is_elected_whose_data_is_not_known_yet(make_scene: MakeScene) -> None:
    """Just after a start of the controller SPUs count as online before they come."""
    scene = make_scene(1, 2, in_sync=(1, 2))
    scene.state.observations.clear()
    scene.state.unavailable[SpuId(1)] = "its node is gone"
    scene.settle()
    assert scene.leader == 1
    scene.start(2)
    assert scene.leader == 2


# Resignations


@pytest.mark.parametrize(("successor", "leader"), [(3, 3), (-1, 2), (4, 2), (2, 2)])
def test_who_resigns_by_itself_is_not_waited_for(
    make_scene: MakeScene, successor: int, leader: int
) -> None:
    scene = make_scene(1, 2, 3, 4, in_sync=(1, 2, 3))
    scene.resign(successor)
    assert (scene.leader, scene.partition.leader_epoch) == (leader, 2)
    assert scene.sets == ({2, 3}, set())


def test_below_the_minimum_it_stays_eligible(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    scene.resign(2)
    assert (scene.leader, scene.sets) == (2, ({2}, {1}))


def test_who_hands_over_when_asked_stays_in_sync(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2, 3))
    scene.do(set_successor(scene.partition, SpuId(3), "test"))
    scene.resign(3)
    assert (scene.leader, scene.sets) == (3, ({1, 2, 3}, set()))


def test_a_leader_that_names_itself_gets_an_epoch_of_its_own(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2))
    version = scene.replication.version
    scene.resign(1)
    assert (scene.leader, scene.partition.leader_epoch) == (1, 2)
    assert scene.replication.version == version + 1, "what was asked for before is void"
    assert scene.sets == ({1, 2}, set())
    alone = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    alone.propose(1)
    alone.resign(1)
    assert (alone.leader, alone.partition.leader_epoch) == (1, 2)
    assert alone.sets == ({1}, {2})


def test_a_resignation_that_nobody_can_follow_changes_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, minimum=2, in_sync=(1, 2))
    scene.propose(1)
    before = scene.partition
    scene.resign(2)
    assert scene.partition == before, "an eligible one is not in sync"
    scene.resign(2, epoch=0)
    assert scene.partition == before


# The preferred leader


def test_the_preferred_leader_returns_after_a_while(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2))
    delay_ms = scene.state.timings.preferred_leader_delay_ms
    scene.resign()
    assert scene.leader == 2
    scene.propose(1, 2)
    scene.now_ms += delay_ms - 1
    scene.settle()
    assert scene.replication.successor is None
    (wake,) = RECONCILERS[Kind.PARTITION](scene.partition, scene.state, scene.now_ms)
    assert wake == WakeAt(scene.partition.key, scene.now_ms + 1)
    scene.propose(1, 2, 3)  # something changed: it begins anew
    scene.now_ms += delay_ms - 1
    scene.settle()
    assert scene.replication.successor is None
    version = scene.replication.version
    scene.now_ms += 1
    scene.settle()
    assert scene.replication.successor == 1
    assert scene.replication.version == version, "it is no change of the set"
    scene.resign(1)
    assert (scene.leader, scene.replication.successor) == (1, None)


@pytest.mark.parametrize("how", ["offline", "dropped"])
def test_a_successor_that_cannot_take_over_is_withdrawn(make_scene: MakeScene, how: str) -> None:
    scene = make_scene(1, 2, 3, in_sync=(1, 2, 3))
    scene.resign()
    scene.propose(1, 2, 3)
    scene.now_ms += scene.state.timings.preferred_leader_delay_ms
    scene.settle()
    assert scene.replication.successor == 1
    if how == "offline":
        scene.stop(1)
    else:
        scene.propose(2, 3)
    assert (scene.leader, scene.replication.successor) == (2, None)


# Moves


def test_replicas_move_when_all_new_ones_are_in_sync(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    scene.move(3, 2)
    assert scene.partition.spec.replicas == (1, 2, 3)
    assert min_in_sync_of(scene.partition) == 2
    assert scene.replication.successor is None
    scene.propose(1, 2, 3)
    assert scene.replication.successor == 3
    scene.resign(3)
    assert scene.leader == 3
    assert scene.partition.spec.replicas == (3, 2)
    assert scene.sets == ({2, 3}, set())
    assert scene.replication.leaving == (1,)
    assert not scene.replication.is_moving
    topic = scene.state.get(Kind.TOPIC, "t")
    assert topic is not None
    assert topic.status.replica_map == {0: (3, 2)}
    scene.stop(1)
    assert scene.replication.leaving == (1,), "it is told when it returns"
    scene.removed(1)
    assert scene.replication.leaving == ()


def test_a_move_is_cancelled_at_once_while_an_old_one_leads(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, in_sync=(1, 2))
    scene.move(3, 4)
    scene.propose(1, 3)
    scene.do(cancel_move(scene.partition, "test"))
    scene.settle()
    assert scene.partition.spec.replicas == (1, 2)
    assert (scene.sets[0], scene.replication.leaving) == ({1}, (3, 4))
    assert not scene.replication.is_moving


def test_a_move_is_cancelled_by_handing_back(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, in_sync=(1, 2))
    scene.move(3, 4)
    scene.propose(1, 2, 3)
    scene.resign(3)
    assert scene.leader == 3
    scene.propose(1, 2, 3)
    scene.do(cancel_move(scene.partition, "test"))
    scene.settle()
    assert scene.replication.successor == 1
    assert scene.partition.spec.replicas == (1, 2, 3, 4)
    scene.resign(1)
    assert scene.partition.spec.replicas == (1, 2)
    assert (scene.leader, scene.sets[0]) == (1, {1, 2})


def test_a_partition_that_goes_takes_those_who_left_along(make_scene: MakeScene) -> None:
    scene = make_scene(1, in_sync=())
    scene.move(2)
    scene.propose(1, 2)
    scene.resign(2)
    assert (scene.partition.spec.replicas, scene.replication.leaving) == ((2,), (1,))
    topic = scene.state.get(Kind.TOPIC, "t")
    assert topic is not None
    scene.do(RequestDeletion(topic.key, "test"))
    scene.settle()
    scene.removed(2)
    assert scene.state.get(Kind.PARTITION, "t-0") is not None
    scene.removed(1)
    assert scene.state.get(Kind.PARTITION, "t-0") is None


def test_one_that_left_and_was_unregistered_holds_nobody_up(make_scene: MakeScene) -> None:
    scene = make_scene(1)
    scene.move(2)
    scene.propose(1, 2)
    scene.resign(2)
    spu = scene.state.spu(SpuId(1))
    assert spu is not None
    scene.do(RequestDeletion(spu.key, "test"))
    scene.settle()
    assert scene.replication.leaving == ()


def test_fewer_demanded_replicas_make_nobody_eligible(make_scene: MakeScene) -> None:
    """The leader goes on by itself as soon as it is told: the others must not lead any more."""
    scene = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    scene.propose(1)
    assert scene.sets == ({1}, {2})
    topic = scene.state.get(Kind.TOPIC, "t")
    assert topic is not None
    scene.state.put(replace(topic, min_in_sync=1))
    scene.settle()
    assert (min_in_sync_of(scene.partition), scene.sets) == (1, ({1}, set()))


# The topic of consumer offsets


def offsets_scene(make_scene: MakeScene, *replicas: int, spus: int) -> Scene:
    """Consumer offsets on these SPUs, all in sync, of as many as there are."""
    scene: Scene = make_scene(*replicas, spus=spus, topic="consumer-offset")
    scene.propose(*replicas)
    arrive(scene)
    return scene


def arrive(scene: Scene) -> tuple[int, ...]:
    """Catch up, hand over and delete files, as SPUs do; where the replicas are then."""
    for _ in range(20):
        if scene.replication.successor is not None:
            scene.resign(scene.replication.successor)
        elif scene.replication.is_moving:
            replicas = scene.partition.spec.replicas
            scene.propose(*(spu for spu in replicas if scene.state.spu(spu) is not None))
        elif scene.replication.leaving:
            scene.removed(scene.replication.leaving[0])
        else:
            return tuple(map(int, scene.partition.spec.replicas))
    raise AssertionError(scene.replication)


def drain(scene: Scene, spu: int, is_draining: bool = True) -> None:
    found = scene.state.spu(SpuId(spu))
    assert found is not None
    scene.do(SetDraining(found.key, is_draining, "test"))
    scene.settle()


def unregister(scene: Scene, spu: int) -> None:
    found = scene.state.spu(SpuId(spu))
    assert found is not None
    scene.do(RequestDeletion(found.key, "test"))
    scene.state.forget_observations_of(found)
    scene.settle()


def test_consumer_offsets_get_three_replicas_as_spus_join(make_scene: MakeScene) -> None:
    scene = offsets_scene(make_scene, 1, spus=1)
    assert (scene.partition.spec.replicas, scene.decisions()) == ((1,), [])
    for joining, wanted in ((2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 3))):
        scene.add_spu(joining)
        scene.settle()
        assert arrive(scene) == wanted
    assert scene.leader == 1, "nobody is told to look for another leader"


def test_other_topics_have_the_replicas_that_they_were_given(make_scene: MakeScene) -> None:
    scene = make_scene(1, spus=3)
    assert (scene.partition.spec.replicas, scene.replication.target) == ((1,), ())


def test_an_administrator_may_keep_consumer_offsets_elsewhere_and_more_often(
    make_scene: MakeScene,
) -> None:
    scene = offsets_scene(make_scene, 1, 2, 3, spus=5)
    for wanted in ((5, 4, 2), (5, 4, 2, 1), (4, 5, 1, 2, 3)):
        scene.move(*wanted)
        assert arrive(scene) == wanted
    scene.move(3)
    assert len(arrive(scene)) == 3, "fewer than three are filled up"


def test_an_spu_that_is_drained_loses_its_consumer_offsets(make_scene: MakeScene) -> None:
    scene = offsets_scene(make_scene, 1, 2, 3, spus=4)
    drain(scene, 2)
    assert arrive(scene) == (1, 3, 4)
    drain(scene, 4)
    assert arrive(scene) == (1, 3), "there is no place for a third"
    drain(scene, 1)
    assert arrive(scene) == (3,)
    drain(scene, 3)
    assert (arrive(scene), scene.decisions()) == ((3,), []), "the last one stays"
    drain(scene, 1, is_draining=False)
    assert arrive(scene) == (1,)


def test_an_spu_that_is_gone_is_replaced(make_scene: MakeScene) -> None:
    scene = offsets_scene(make_scene, 1, 2, 3, spus=4)
    unregister(scene, 1)
    assert scene.leader == 2
    assert arrive(scene) == (2, 3, 4)


def test_consumer_offsets_on_their_way_to_an_spu_that_goes_turn_back(
    make_scene: MakeScene,
) -> None:
    """Otherwise its end would be waited for for ever, and nothing else could be done."""
    scene = offsets_scene(make_scene, 1, 2, spus=2)
    scene.add_spu(3)
    scene.settle()
    assert scene.replication.target == (1, 2, 3)
    unregister(scene, 3)
    assert arrive(scene) == (1, 2)
    scene.add_spu(4)
    scene.settle()
    assert scene.replication.target == (1, 2, 4)


def test_consumer_offsets_stay_while_their_leader_is_away(make_scene: MakeScene) -> None:
    scene = offsets_scene(make_scene, 1, spus=1)
    scene.stop(1)
    scene.add_spu(2)
    scene.settle()
    assert scene.replication.target == ()
    scene.start(1)
    assert scene.replication.target == (1, 2)


def test_an_spu_may_be_unregistered_that_consumer_offsets_can_do_without(
    make_scene: MakeScene,
) -> None:
    scene = offsets_scene(make_scene, 1, 2, spus=2)
    for spu in (1, 2):
        admit_delete(Kind.CUSTOM_SPU, SpuNumber(id=SpuId(spu)), force=False, state=scene.state)
    scene.stop(2)
    admit_delete(Kind.CUSTOM_SPU, SpuNumber(id=SpuId(2)), force=False, state=scene.state)
    with pytest.raises(Refused, match="consumer-offset-0 among them"):
        admit_delete(Kind.CUSTOM_SPU, SpuNumber(id=SpuId(1)), force=False, state=scene.state)


# Any history

spus = st.integers(1, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("stop"), spus),
        st.tuples(st.just("start"), spus),
        st.tuples(st.just("start with other data"), spus),
        st.tuples(st.just("propose"), st.sets(spus, min_size=1)),
        st.tuples(st.just("propose all that are well"), st.just(0)),
        st.tuples(st.just("resign"), spus),
        st.tuples(st.just("move"), st.permutations([1, 2, 3, 4]).map(lambda row: row[:3])),
        st.tuples(st.just("cancel"), st.just(0)),
        st.tuples(st.just("removed"), spus),
        st.tuples(st.just("wait"), st.just(0)),
    ),
    max_size=40,
)


def test_demanding_fewer_is_one_write_with_what_follows(make_scene: MakeScene) -> None:
    scene = make_scene(1, 2, minimum=2, in_sync=(1, 2))
    scene.propose(1)
    assert scene.sets == ({1}, {2})
    before = scene.partition
    scene.do(SetSafety(before.key, 1, False, "test"))
    assert scene.sets == ({1}, set())
    assert scene.replication.version == before.replication.version + 1


def perform(scene: Scene, step: tuple[str, Any]) -> None:
    match step:
        case ("stop", spu):
            scene.stop(spu)
        case ("start", spu):
            scene.start(spu)
        case ("start with other data", spu):
            scene.start(spu, life=scene.lives[spu] + 1)
        case ("propose", members):
            scene.propose(*members)
        case ("propose all that are well", _):
            scene.propose(
                *(
                    spu
                    for spu in scene.partition.spec.replicas
                    if scene.state.is_connected(SpuId(spu))
                )
            )
        case ("resign", spu):
            scene.resign(spu)
        case ("move", target):
            if not scene.replication.is_moving and not {*target} & {*scene.replication.leaving}:
                scene.move(*target)
        case ("cancel", _):
            if scene.replication.is_moving:
                scene.do(cancel_move(scene.partition, "test"))
                scene.settle()
        case ("removed", spu):
            scene.removed(spu)
        case ("wait", _):
            scene.now_ms += scene.state.timings.preferred_leader_delay_ms
            scene.settle()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps, minimum=st.integers(1, 3))
def test_any_history_keeps_the_sets_sound(
    make_scene: MakeScene, history: list[tuple[str, Any]], minimum: int
) -> None:
    scene = make_scene(1, 2, 3, minimum=minimum, spus=4)
    for step in history:
        before = scene.partition
        perform(scene, step)
        assert scene.decisions() == [], "reconciling its own result asks for nothing"
        now = scene.partition
        holders = {holder.spu for holder in before.replication.holders}
        sets = now.replication
        assert now.leader_epoch >= before.leader_epoch
        assert sets.version >= before.replication.version
        if (now.spec.leader, sets.members) != (before.spec.leader, before.replication.members):
            assert sets.version > before.replication.version
        if now.spec.leader != before.spec.leader:
            assert now.leader_epoch > before.leader_epoch
            assert now.spec.leader in holders, "only a holder of every record is elected"
        assert now.spec.leader in now.spec.replicas
        assert now.spec.leader in sets.in_sync
        assert not {*sets.in_sync} & {*sets.eligible_spus}
        assert {*sets.in_sync, *sets.eligible_spus} <= {*now.spec.replicas}
        assert len({*now.spec.replicas}) == len(now.spec.replicas)
        if len(sets.members) >= min_in_sync_of(now):
            assert sets.eligible == ()
        assert not {*sets.leaving} & {*now.spec.replicas}
        if now.status.resolution is PartitionResolution.ONLINE:
            assert scene.state.spu_is_online(now.spec.leader)
