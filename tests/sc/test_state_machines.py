"""What each reconciler asks for, one situation a test; and what holds for any history."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.metadata.spu import SpuStatus, SpuStatusResolution
from fluvio_protocol.metadata.spu_group import (
    GroupReplication,
    GroupSpuConfig,
    SpuGroupSpec,
    SpuGroupStatus,
)
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    CompressionType,
    ComputedReplicas,
    PartitionMap,
    TopicResolution,
    TopicSpec,
    TopicStatus,
)
from fluvio_protocol.sc_private.replica_status import LeaderReport
from fluvio_protocol.sc_public.update import AddPartition
from fluvio_protocol.types import LeaderEpoch, Offset, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.actions import (
    Action,
    CreateObject,
    RequestDeletion,
    SetDraining,
    SetLeader,
    SetSpec,
    SetStatus,
    ShowStatus,
    WakeAt,
    apply_action,
)
from fluvio_sc.core.admission import Refused, admit_delete, admit_topic_update
from fluvio_sc.core.cluster_state import (
    ClusterState,
    CoreTimings,
    LiveReport,
    ObjectKey,
    SpuObservation,
    StoredObject,
)
from fluvio_sc.core.dependents import dependents_of
from fluvio_sc.core.reconcile import RECONCILERS
from fluvio_sc.core.reconcile.partition import reconcile_partition
from fluvio_sc.core.reconcile.topic import create_topic, missing_system_topics
from fluvio_sc.core.replication_state import ReplicationState
from fluvio_sc.core.spu_health import judge_health

SpuMaker = Callable[[int], Any]
START_MS = 1_000_000
ONLINE, OFFLINE, INIT = (
    SpuStatusResolution.ONLINE,
    SpuStatusResolution.OFFLINE,
    SpuStatusResolution.INIT,
)


class World:
    """A cluster state and the loop around the reconcilers, without anything else."""

    def __init__(self, spu_spec: SpuMaker, spu_ids: Iterable[int] = ()) -> None:
        self.state = ClusterState(started_ms=START_MS, timings=CoreTimings())
        self.now_ms = START_MS
        self._uids = itertools.count()
        self._spu_spec = spu_spec
        for spu_id in spu_ids:
            self.add_spu(spu_id)

    def add_spu(self, spu_id: int, resolution: SpuStatusResolution = ONLINE) -> None:
        if self.state.spu(SpuId(spu_id)) is not None:
            return
        self.state.put(
            StoredObject(
                kind=Kind.SPU,
                name=f"custom-spu-{spu_id}",
                uid=f"spu-{next(self._uids)}",
                spec=self._spu_spec(spu_id),
                status=SpuStatus(resolution=resolution),
            )
        )
        if resolution is ONLINE:
            self.connect(spu_id)

    def connect(self, spu_id: int) -> None:
        known = self.state.observations.get(SpuId(spu_id))
        self.state.observations[SpuId(spu_id)] = SpuObservation(
            session=1 if known is None else known.session + 1,
            connected=True,
            last_heard_ms=self.now_ms,
        )

    def disconnect(self, spu_id: int) -> None:
        known = self.state.observations.get(SpuId(spu_id))
        if known is not None:
            self.state.observations[SpuId(spu_id)] = replace(known, connected=False)

    def do(self, *actions: Action) -> None:
        for action in actions:
            apply_action(
                self.state,
                action,
                now_ms=self.now_ms,
                new_uid=lambda: f"uid-{next(self._uids)}",
            )

    def create(self, name: str, spec: TopicSpec) -> None:
        if self.state.get(Kind.TOPIC, name) is None:
            self.do(create_topic(name, spec, reason="test"))

    def decisions(self) -> list[Any]:
        """What all reconcilers ask for now."""
        found: list[Any] = []
        for item in list(self.state):
            reconcile = RECONCILERS.get(item.kind)
            if reconcile is not None:
                found += reconcile(item, self.state, self.now_ms)
        return found

    def settle(self) -> None:
        """As the controller does it: dirty keys, and whom each change concerns."""
        dirty = dict.fromkeys(item.key for item in self.state)
        for _ in range(100_000):
            if not dirty:
                return
            key = next(iter(dirty))
            del dirty[key]
            item = self.state.find(key)
            reconcile = RECONCILERS.get(key.kind)
            if item is None or reconcile is None:
                continue
            for decision in reconcile(item, self.state, self.now_ms):
                if isinstance(decision, WakeAt):
                    continue
                applied = apply_action(
                    self.state,
                    decision,
                    now_ms=self.now_ms,
                    new_uid=lambda: f"uid-{next(self._uids)}",
                )
                dirty.update(dict.fromkeys(dependents_of(applied, self.state)))
        raise AssertionError("it does not settle")

    def report(
        self, name: str, *, epoch: int | None = None, leo: int = 0, full: bool = False
    ) -> None:
        """The leader reports, if it has a session."""
        item = self.state.get(Kind.PARTITION, name)
        if item is None:
            return
        observed = self.state.observations.get(item.spec.leader)
        if observed is None or not observed.connected:
            return
        self.state.reports[name] = LiveReport(
            item.spec.leader,
            observed.session,
            LeaderReport(
                key=ReplicaKey.parse(name),
                leader_epoch=item.leader_epoch if epoch is None else LeaderEpoch(epoch),
                leader=ReplicaStatus(spu=item.spec.leader, hw=Offset(leo), leo=Offset(leo)),
                size_bytes=leo,
                base_offset=Offset(0),
                out_of_storage=full,
            ),
        )

    def topic(self, name: str) -> Any:
        found = self.state.get(Kind.TOPIC, name)
        assert found is not None
        return found

    def partition(self, name: str) -> Any:
        found = self.state.get(Kind.PARTITION, name)
        assert found is not None
        return found


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(spu_spec: SpuMaker) -> MakeWorld:
    return lambda *spu_ids: World(spu_spec, spu_ids)


def computed(partitions: int = 1, factor: int = 1) -> TopicSpec:
    return TopicSpec(replicas=ComputedReplicas(partitions=partitions, replication_factor=factor))


def assigned(*rows: tuple[int, ...]) -> TopicSpec:
    return TopicSpec(
        replicas=AssignedReplicas(
            maps=tuple(
                PartitionMap(id=PartitionId(number), replicas=tuple(map(SpuId, row)))
                for number, row in enumerate(rows)
            )
        )
    )


# Topics


def test_a_topic_is_placed_and_gets_its_partitions(make_world: MakeWorld) -> None:
    world = make_world(1, 2)
    world.create("t", computed(3))
    world.settle()
    topic = world.topic("t")
    assert topic.status.resolution is TopicResolution.PROVISIONED
    assert topic.status.replica_map == {0: (1,), 1: (2,), 2: (1,)}
    for number in range(3):
        partition = world.partition(f"t-{number}")
        assert partition.owner.uid == topic.uid
        assert partition.leader_epoch == 1
        assert partition.in_sync == (partition.spec.leader,)
        assert partition.status.resolution is PartitionResolution.OFFLINE


def test_an_invalid_topic_says_why_and_gets_nothing(make_world: MakeWorld) -> None:
    world = make_world(1)
    world.create("t", computed(0))
    world.settle()
    status = world.topic("t").status
    assert status.resolution is TopicResolution.INVALID_CONFIG
    assert status.reason == "partition must be greater than 0"
    world.do(SetSpec(ObjectKey(Kind.TOPIC, "t"), computed(1), "mended"))
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.PROVISIONED
    assert world.topic("t").status.reason == ""


def test_too_few_spus_until_there_are_enough(make_world: MakeWorld) -> None:
    world = make_world(1, 2)
    world.create("t", computed(1, 3))
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.INSUFFICIENT_RESOURCES
    assert world.topic("t").status.reason == "needs 3 SPUs, 2 online"
    assert world.state.get(Kind.PARTITION, "t-0") is None
    world.add_spu(3)
    world.settle()
    assert world.topic("t").status.replica_map == {0: (1, 2, 3)}


def test_unknown_spu_of_an_assigned_topic_is_a_lack_not_an_oscillation(
    make_world: MakeWorld,
) -> None:
    world = make_world(1)
    world.create("t", assigned((1,), (9,)))
    world.settle()
    status = world.topic("t").status
    assert status.resolution is TopicResolution.INSUFFICIENT_RESOURCES
    assert status.reason == "invalid spu id: 9"
    world.add_spu(9, INIT)  # registered is enough: liveness is not asked of assigned maps
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.PROVISIONED


def test_more_partitions_keep_the_rows_there_are(make_world: MakeWorld) -> None:
    world = make_world(1, 2)
    world.create("t", computed(2))
    world.settle()
    rows = dict(world.topic("t").status.replica_map)
    world.do(*admit_topic_update("t", AddPartition(count=2), world.state))
    world.settle()
    grown = world.topic("t").status.replica_map
    assert len(grown) == 4
    assert {number: grown[number] for number in rows} == rows


def test_a_topic_that_cannot_grow_keeps_working(make_world: MakeWorld) -> None:
    world = make_world(1)
    world.create("t", computed(1))
    world.settle()
    world.disconnect(1)
    world.settle()
    world.do(*admit_topic_update("t", AddPartition(count=1), world.state))
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.INSUFFICIENT_RESOURCES
    assert world.topic("t").status.replica_map == {0: (1,)}
    world.connect(1)
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.PROVISIONED
    assert world.partition("t-1").spec.leader == 1


def test_settings_reach_existing_partitions(make_world: MakeWorld) -> None:
    world = make_world(1)
    world.create("t", computed(2))
    world.settle()
    spec = replace(world.topic("t").spec, compression_type=CompressionType.ZSTD)
    world.do(SetSpec(ObjectKey(Kind.TOPIC, "t"), spec, "edited"))
    world.settle()
    assert world.partition("t-1").spec.compression_type is CompressionType.ZSTD
    assert world.partition("t-1").generation == 2


def test_a_record_needs_as_many_replicas_as_topic_group_or_cluster_say(
    make_world: MakeWorld,
) -> None:
    world = make_world(1, 2, 3)

    def needed() -> list[int]:
        world.settle()
        return [world.partition(f"{name}-0").min_in_sync for name in ("own", "other", "alone")]

    def group_wants(count: int | None) -> None:
        replication = GroupReplication(in_sync_replica_min=count)
        config = GroupSpuConfig(replication=replication)
        world.do(SetSpec(group.key, SpuGroupSpec(replicas=2, spu_config=config), "test"))

    world.do(
        CreateObject(Kind.SPU_GROUP, "main", SpuGroupSpec(replicas=2), SpuGroupStatus(), "test")
    )
    group = world.state.get(Kind.SPU_GROUP, "main")
    assert group is not None
    for spu_id in (1, 2):
        spu = world.state.spu(SpuId(spu_id))
        assert spu is not None
        world.state.put(replace(spu, owner=group.as_owner))
    world.create("own", assigned((1, 2)))
    world.state.put(replace(world.topic("own"), min_in_sync=1))
    world.create("other", assigned((2, 3)))
    world.create("alone", assigned((3,)))
    assert needed() == [1, 1, 1]
    group_wants(2)
    assert needed() == [1, 2, 1]
    world.state.min_in_sync = 3
    assert needed() == [1, 2, 3]
    group_wants(None)
    assert needed() == [1, 3, 3]


def test_another_replication_factor_is_told_and_left_alone(make_world: MakeWorld) -> None:
    world = make_world(1, 2, 3)
    world.create("t", computed(2, 1))
    world.settle()
    rows = world.topic("t").status.replica_map

    def reason_for(factor: int) -> str:
        world.do(SetSpec(world.topic("t").key, computed(2, factor), "test"))
        world.settle()
        status: TopicStatus = world.topic("t").status
        assert (status.resolution, status.replica_map) == (TopicResolution.PROVISIONED, rows)
        return status.reason

    assert reason_for(2) == (
        "t-0, and 1 more have another replication factor than 2: 'fluvio partition move' changes it"
    )
    assert reason_for(1) == ""


def test_system_topic_is_wanted_once(make_world: MakeWorld) -> None:
    world = make_world()
    world.do(*missing_system_topics(world.state))
    assert missing_system_topics(world.state) == []
    world.settle()
    assert (
        world.topic("consumer-offset").status.resolution is TopicResolution.INSUFFICIENT_RESOURCES
    )


def test_system_topic_says_how_many_replicas_it_got(make_world: MakeWorld) -> None:
    world = make_world(1)
    world.do(*missing_system_topics(world.state))
    world.settle()
    assert world.topic("consumer-offset").spec.replicas.replication_factor == 1
    world.add_spu(2)
    world.settle()
    assert world.topic("consumer-offset").spec.replicas.replication_factor == 1
    perform(world, ("in sync", "consumer"))
    world.settle()
    assert world.topic("consumer-offset").spec.replicas.replication_factor == 2
    assert world.topic("consumer-offset").status.replica_map == {0: (1, 2)}


# Partitions


def served(world: World) -> World:
    """A topic on SPU 1 that is online."""
    world.create("t", assigned((1, 2)))
    world.settle()
    world.report("t-0", leo=5)
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.ONLINE
    return world


def test_online_needs_a_report_under_this_epoch_and_session(make_world: MakeWorld) -> None:
    world = make_world(1, 2)
    world.create("t", assigned((1, 2)))
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.OFFLINE
    world.report("t-0", epoch=0)
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.OFFLINE
    world.report("t-0")
    world.connect(1)  # a newer session: what the older one said does not count
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.OFFLINE
    world.report("t-0")
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.ONLINE


def test_offsets_are_shown_and_states_are_stored(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    world.report("t-0", leo=6)
    (shown,) = reconcile_partition(world.partition("t-0"), world.state, world.now_ms)
    assert isinstance(shown, ShowStatus)
    assert shown.status.leader.leo == 6
    world.report("t-0", leo=6, full=True)
    (stored,) = reconcile_partition(world.partition("t-0"), world.state, world.now_ms)
    assert isinstance(stored, SetStatus)
    assert stored.status.resolution is PartitionResolution.OUT_OF_STORAGE


def test_unknown_offsets_do_not_overwrite_known_ones(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    world.report("t-0", leo=-1)
    world.settle()
    assert world.partition("t-0").status.leader.leo == 5


def test_no_in_sync_replica_means_no_leader(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    world.disconnect(1)
    world.settle()
    partition = world.partition("t-0")
    assert partition.status.resolution is PartitionResolution.LEADER_OFFLINE
    assert (partition.spec.leader, partition.leader_epoch) == (1, 1)


def test_an_in_sync_replica_takes_over_under_the_next_epoch(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    world.state.put(
        replace(world.partition("t-0"), replication=ReplicationState.of_spus((SpuId(1), SpuId(2))))
    )
    world.disconnect(1)
    world.settle()
    partition = world.partition("t-0")
    assert (partition.spec.leader, partition.leader_epoch) == (2, 2)
    assert partition.in_sync == (2,)
    assert partition.status.resolution is PartitionResolution.ELECTION_LEADER_FOUND
    world.report("t-0", epoch=1)
    world.settle()
    assert partition.status.resolution is PartitionResolution.ELECTION_LEADER_FOUND
    world.report("t-0")
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.ONLINE


# SPUs


def test_health(make_world: MakeWorld) -> None:
    world = make_world()
    world.add_spu(1, INIT)
    spu = world.state.spu(SpuId(1))
    assert spu is not None
    assert judge_health(spu, world.state, world.now_ms).resolution is INIT
    before = replace(spu, status=SpuStatus(resolution=ONLINE))
    health = judge_health(before, world.state, START_MS)
    assert (health.resolution, health.again_at_ms) == (ONLINE, START_MS + 15_000)
    assert judge_health(before, world.state, START_MS + 15_000).resolution is OFFLINE
    world.connect(1)
    health = judge_health(spu, world.state, START_MS)
    assert (health.resolution, health.again_at_ms) == (ONLINE, START_MS + 10_000)
    assert judge_health(spu, world.state, START_MS + 9_999).resolution is ONLINE
    assert judge_health(spu, world.state, START_MS + 10_000).resolution is OFFLINE
    world.disconnect(1)
    assert judge_health(spu, world.state, START_MS).resolution is OFFLINE


# Deletion


def test_deletion_waits_for_confirmations_then_releases(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    topic = world.topic("t")
    uid = world.partition("t-0").uid
    world.do(RequestDeletion(topic.key, "test"))
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.DELETING
    assert world.partition("t-0").status.is_being_deleted
    world.state.removals[uid] = {SpuId(1)}
    world.settle()
    assert world.state.get(Kind.PARTITION, "t-0") is not None, "SPU 2 has not confirmed"
    world.state.removals[uid].add(SpuId(2))
    world.settle()
    assert world.state.get(Kind.TOPIC, "t") is None
    assert world.state.get(Kind.PARTITION, "t-0") is None


def test_a_retained_topic_keeps_its_partitions_until_it_is_let_go(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    retained = replace(world.topic("t"), is_retained=True)
    world.state.put(retained)
    with pytest.raises(Refused, match="topic 't' is retained: set its spec"):
        admit_delete(Kind.TOPIC, "t", force=True, state=world.state)

    # Somebody deletes it past the client's door and the admission policy.
    world.do(RequestDeletion(retained.key, "test"))
    world.settle()
    assert world.topic("t").status.resolution is TopicResolution.DELETING
    assert "records are retained" in world.topic("t").status.reason
    assert not world.partition("t-0").deletion_requested

    world.state.put(replace(world.topic("t"), is_retained=False))
    world.settle()
    assert world.partition("t-0").deletion_requested
    assert world.topic("t").status.reason == ""


def test_deletion_leaves_a_tombstone_on_those_who_are_away(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    uid = world.partition("t-0").uid
    world.disconnect(2)
    world.settle()
    world.do(RequestDeletion(world.topic("t").key, "test"))
    world.state.removals[uid] = {SpuId(1)}
    world.settle()
    assert world.state.get(Kind.TOPIC, "t") is None
    first, second = world.state.spu(SpuId(1)), world.state.spu(SpuId(2))
    assert first is not None
    assert second is not None
    assert first.tombstones == ()
    assert [tombstone.uid for tombstone in second.tombstones] == [uid]
    world.state.removals[uid] = {SpuId(2)}
    world.settle()
    second = world.state.spu(SpuId(2))
    assert second is not None
    assert second.tombstones == ()


def test_deletion_gives_up_on_an_online_spu_that_does_not_answer(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    world.do(RequestDeletion(world.topic("t").key, "test"))
    world.settle()
    wakes = [item for item in world.decisions() if isinstance(item, WakeAt)]
    at_ms = START_MS + world.state.timings.deletion_release_ms
    assert WakeAt(ObjectKey(Kind.PARTITION, "t-0"), at_ms) in wakes
    world.now_ms = at_ms
    world.settle()
    assert world.state.get(Kind.TOPIC, "t") is None


def test_asking_again_does_not_put_the_release_off(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    partition = world.partition("t-0").key
    world.do(RequestDeletion(partition, "test"))
    world.now_ms += 5_000
    world.do(RequestDeletion(partition, "test"))
    assert world.partition("t-0").deletion_since_ms == START_MS


def test_deletion_asks_nothing_of_an_spu_that_is_unregistered(make_world: MakeWorld) -> None:
    world = served(make_world(1, 2))
    for spu in list(world.state.of(Kind.SPU)):
        world.do(RequestDeletion(spu.key, "test"))
    world.do(RequestDeletion(world.topic("t").key, "test"))
    world.settle()
    assert list(world.state) == []


def test_a_partition_alone_is_not_reset_by_a_restart(make_world: MakeWorld) -> None:
    """After a restart there is no session and no report: what was stored stands for a while."""
    world = make_world()
    world.add_spu(1, ONLINE)
    world.state.observations.clear()
    world.state.put(
        StoredObject(
            kind=Kind.PARTITION,
            name="t-0",
            uid="p",
            spec=PartitionSpec(leader=SpuId(1), replicas=(SpuId(1),)),
            status=PartitionStatus(resolution=PartitionResolution.ONLINE),
            leader_epoch=LeaderEpoch(4),
            replication=ReplicationState.led_by(SpuId(1)),
        )
    )
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.ONLINE
    world.now_ms += world.state.timings.restart_grace_ms
    world.settle()
    assert world.partition("t-0").status.resolution is PartitionResolution.LEADER_OFFLINE


# Any history

steps = st.lists(
    st.one_of(
        st.tuples(st.just("spu"), st.integers(1, 4)),
        st.tuples(st.just("connect"), st.integers(1, 4)),
        st.tuples(st.just("disconnect"), st.integers(1, 4)),
        st.tuples(st.just("unregister"), st.integers(1, 4)),
        st.tuples(st.just("drain"), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("system")),
        st.tuples(st.just("create"), st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("assign"), st.sampled_from("ab"), st.permutations([1, 2, 3, 4])),
        st.tuples(st.just("grow"), st.sampled_from("ab"), st.integers(1, 3)),
        st.tuples(st.just("delete"), st.sampled_from("ab")),
        st.tuples(st.just("in sync"), st.sampled_from("abc")),
        st.tuples(st.just("report"), st.sampled_from("abc"), st.integers(0, 9)),
        st.tuples(st.just("confirm"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.sampled_from([1_000, 20_000, 100_000])),
    ),
    max_size=40,
)


def perform(world: World, step: tuple[Any, ...]) -> None:
    match step:
        case ("spu", spu_id):
            world.add_spu(spu_id)
        case ("connect", spu_id):
            if world.state.spu(SpuId(spu_id)) is not None:
                world.connect(spu_id)
        case ("disconnect", spu_id):
            world.disconnect(spu_id)
        case ("unregister", spu_id):
            spu = world.state.spu(SpuId(spu_id))
            if spu is not None:
                world.do(RequestDeletion(spu.key, "test"))
                world.state.forget_observations_of(spu)
        case ("drain", spu_id, is_draining):
            spu = world.state.spu(SpuId(spu_id))
            if spu is not None:
                world.do(SetDraining(spu.key, is_draining, "test"))
        case ("system",):
            world.do(*missing_system_topics(world.state))
        case ("create", name, partitions, factor):
            world.create(name, computed(partitions, factor))
        case ("assign", name, order):
            world.create(name, assigned(tuple(order[:2])))
        case ("grow", name, count):
            topic = world.state.get(Kind.TOPIC, name)
            if topic is not None and not topic.deletion_requested:
                replicas = topic.spec.replicas
                if isinstance(replicas, ComputedReplicas):
                    world.do(*admit_topic_update(name, AddPartition(count=count), world.state))
        case ("delete", name):
            if world.state.get(Kind.TOPIC, name) is not None:
                world.do(RequestDeletion(ObjectKey(Kind.TOPIC, name), "test"))
        case ("in sync", name):
            for item in list(world.state.of(Kind.PARTITION)):
                if item.name.startswith(name):
                    all_of_them = ReplicationState.of_spus(item.spec.replicas)
                    changed = item.replication.with_members(all_of_them.members, minimum=1)
                    world.state.put(replace(item, replication=changed))
        case ("report", name, leo):
            for item in list(world.state.of(Kind.PARTITION)):
                if item.name.startswith(name):
                    world.report(item.name, leo=leo)
        case ("confirm", spu_id):
            for item in world.state.of(Kind.PARTITION):
                if item.deletion_requested:
                    world.state.removals.setdefault(item.uid, set()).add(SpuId(spu_id))
        case ("wait", duration_ms):
            world.now_ms += duration_ms


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
def test_any_history_settles_in_a_sound_state(
    make_world: MakeWorld, history: list[tuple[Any, ...]]
) -> None:
    world = make_world(1, 2)
    epochs: dict[str, tuple[int, int]] = {}
    for step in history:
        perform(world, step)
        world.settle()
        left = [item for item in world.decisions() if not isinstance(item, WakeAt)]
        assert left == [], "reconciling its own result asks for nothing"
        for partition in world.state.of(Kind.PARTITION):
            replicas = partition.spec.replicas
            assert len(set(replicas)) == len(replicas)
            assert partition.spec.leader in replicas
            assert partition.owner is not None
            owner = world.state.get(Kind.TOPIC, partition.owner.name)
            assert owner is not None
            assert owner.uid == partition.owner.uid
            epoch, leader = epochs.get(partition.uid, (0, -1))
            assert partition.leader_epoch >= epoch
            if partition.leader_epoch == epoch:
                assert partition.spec.leader == leader, "one leader in an epoch"
            epochs[partition.uid] = (partition.leader_epoch, partition.spec.leader)
            if partition.status.resolution is PartitionResolution.ONLINE:
                online = world.state.spu_is_online(partition.spec.leader)
                assert online or partition.deletion_requested
        for topic in world.state.of(Kind.TOPIC):
            status: TopicStatus = topic.status
            if status.resolution is TopicResolution.PROVISIONED:
                assert {child.name for child in world.state.children_of(topic)} == {
                    f"{topic.name}-{number}" for number in status.replica_map
                }
    # Whatever happened: deleting everything works, and in bounded time.
    for topic in list(world.state.of(Kind.TOPIC)):
        world.do(RequestDeletion(topic.key, "test"))
    world.settle()
    world.now_ms += world.state.timings.deletion_release_ms
    world.settle()
    assert list(world.state.of(Kind.TOPIC)) == []
    assert list(world.state.of(Kind.PARTITION)) == []


def test_a_leader_change_is_one_action(make_world: MakeWorld) -> None:
    """Leader and epoch must not be written apart: a crash in between would fork the log."""
    world = served(make_world(1, 2))
    world.state.put(
        replace(world.partition("t-0"), replication=ReplicationState.of_spus((SpuId(1), SpuId(2))))
    )
    spu = world.state.spu(SpuId(1))
    assert spu is not None
    world.do(SetStatus(spu.key, SpuStatus(resolution=OFFLINE), "test"))
    (only,) = reconcile_partition(world.partition("t-0"), world.state, world.now_ms)
    assert isinstance(only, SetLeader)
