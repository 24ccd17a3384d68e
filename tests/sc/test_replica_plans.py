"""Plans that move replicas, and what an administrator may ask for."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.spu import SpuStatus, SpuStatusResolution
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus
from fluvio_protocol.types import UNKNOWN_SPU, LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.actions import SetDraining, SetLeader, SetReplication, apply_action
from fluvio_sc.core.cluster_state import ClusterState, SpuObservation, StoredObject
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.rebalance import Move, plan_drain, plan_rebalance
from fluvio_sc.core.replica_commands import (
    NOTHING,
    Plan,
    admit_cancel,
    admit_drain,
    admit_election,
    admit_move,
    admit_rebalance,
    admit_undrain,
)
from fluvio_sc.core.replication_state import ReplicationState

Rows = Sequence[tuple[int, ...]]
MakeLayout = Callable[..., ClusterState]


@pytest.fixture
def make_layout(spu_spec: Callable[..., Any]) -> MakeLayout:
    """`make_layout([(1, 2), (2, 1)], spus=3, racks={1: "a"}, offline=[3])`: topic `t`."""

    def make(
        rows: Rows,
        *,
        spus: int = 4,
        racks: dict[int, str] | None = None,
        offline: Iterable[int] = (),
        topic_name: str = "t",
    ) -> ClusterState:
        state = ClusterState()
        for number in range(1, spus + 1):
            online = number not in offline
            status = SpuStatusResolution.ONLINE if online else SpuStatusResolution.OFFLINE
            state.put(
                StoredObject(
                    kind=Kind.SPU,
                    name=f"custom-spu-{number}",
                    uid=f"spu-{number}",
                    spec=spu_spec(number, (racks or {}).get(number)),
                    status=SpuStatus(resolution=status),
                )
            )
            state.observations[SpuId(number)] = SpuObservation(1, online, 0)
        topic = StoredObject(
            kind=Kind.TOPIC, name=topic_name, uid="t", spec=TopicSpec(), status=TopicStatus()
        )
        state.put(topic)
        for number, row in enumerate(rows):
            spu_ids = tuple(map(SpuId, row))
            state.put(
                StoredObject(
                    kind=Kind.PARTITION,
                    name=f"{topic_name}-{number}",
                    uid=f"p-{number}",
                    spec=PartitionSpec(leader=spu_ids[0], replicas=spu_ids),
                    status=PartitionStatus(),
                    owner=topic.as_owner,
                    leader_epoch=LeaderEpoch(1),
                    replication=ReplicationState.of_spus(spu_ids),
                )
            )
        return state

    return make


def shown(moves: Iterable[Move]) -> dict[int, tuple[int, ...]]:
    return {move.key.partition: move.after for move in moves}


def key(number: int = 0) -> ReplicaKey:
    return ReplicaKey("t", PartitionId(number))


def spus(*ids: int) -> tuple[SpuId, ...]:
    return tuple(map(SpuId, ids))


def perform(state: ClusterState, plan: Plan) -> None:
    uids = itertools.count()
    for action in plan.actions:
        apply_action(state, action, now_ms=0, new_uid=lambda: str(next(uids)))


# Draining


@pytest.mark.parametrize(
    ("rows", "racks", "plan"),
    [
        ([(1, 2), (3, 4)], {}, {0: (2, 3)}),
        ([(2, 1)], {}, {0: (2, 3)}),
        ([(1,), (1,), (1,)], {}, {0: (2,), 1: (3,), 2: (4,)}),
        ([(1, 2), (1, 2)], {1: "a", 2: "b", 3: "b", 4: "a"}, {0: (2, 4), 1: (4, 2)}),
        ([(2, 3)], {}, {}),
    ],
)
def test_a_drained_spu_is_emptied(
    make_layout: MakeLayout,
    rows: Rows,
    racks: dict[int, str],
    plan: dict[int, tuple[int, ...]],
) -> None:
    found = plan_drain(make_layout(rows, racks=racks), SpuId(1))
    assert shown(found) == plan
    assert all(1 not in move.after and 1 in move.before for move in found)


def test_there_must_be_a_place_to_go(make_layout: MakeLayout) -> None:
    with pytest.raises(Refused, match=r"t-0 has no place to go"):
        plan_drain(make_layout([(1, 2)], spus=3, offline=[3]), SpuId(1))


def test_consumer_offsets_are_no_obstacle(make_layout: MakeLayout) -> None:
    """They have as many replicas as there are places; the last one needs one to go to."""
    state = make_layout([(1, 2, 3)], spus=3, topic_name="consumer-offset")
    plan = admit_drain(SpuId(1), state)
    assert shown(plan.moves) == {0: (2, 3)}
    perform(state, plan)
    assert admit_drain(SpuId(2), state).moves == (), "it moves already, and turns back by itself"
    with pytest.raises(Refused, match=r"consumer-offset-0 has no place to go"):
        plan_drain(make_layout([(1,)], spus=1, topic_name="consumer-offset"), SpuId(1))


def test_a_drained_spu_gets_nothing_until_it_is_used_again(make_layout: MakeLayout) -> None:
    state = make_layout([(1, 2), (2, 3)], spus=4)
    plan = admit_drain(SpuId(1), state)
    assert shown(plan.moves) == {0: (2, 4)} or shown(plan.moves) == {0: (4, 2)}
    perform(state, plan)
    assert admit_drain(SpuId(1), state) == NOTHING
    with pytest.raises(Refused, match=r"spu 1 is drained"):
        admit_move(key(1), spus(1), state)
    assert all(1 not in move.after for move in plan_rebalance(state))
    back = admit_undrain(SpuId(1), state)
    perform(state, back)
    moving = state.get(Kind.PARTITION, "t-0")
    assert moving is not None
    assert moving.replication.is_cancelling
    assert admit_undrain(SpuId(1), state) == NOTHING
    assert [type(action) for action in back.actions] == [SetDraining, SetReplication]


# Rebalancing


@pytest.mark.parametrize(
    ("rows", "spu_count", "copies", "orders"),
    [
        ([(1,), (2,), (3,)], 3, 0, 0),
        ([(1,), (1,)], 2, 1, 0),
        ([(1,), (1,), (1,)], 2, 1, 0),
        ([(1, 2), (1, 2)], 2, 0, 1),
        ([(1, 2), (1, 2), (1, 2)], 3, 2, 1),
        ([(1, 2), (2, 1), (2, 3)], 3, 1, 1),
        ([(1, 2), (2, 3), (3, 1)], 3, 0, 0),
    ],
)
def test_few_moves_make_it_even(
    make_layout: MakeLayout, rows: Rows, spu_count: int, copies: int, orders: int
) -> None:
    found = plan_rebalance(make_layout(rows, spus=spu_count))
    assert sum(len(set(move.after) - set(move.before)) for move in found) == copies
    assert sum(set(move.after) == set(move.before) for move in found) == orders


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.lists(
        st.permutations([1, 2, 3, 4, 5]).map(lambda row: tuple(row[:2])), min_size=1, max_size=20
    )
)
def test_a_rebalanced_cluster_is_even_and_stays(make_layout: MakeLayout, rows: Rows) -> None:
    plan = shown(plan_rebalance(make_layout(rows, spus=5)))
    after = [plan.get(number, row) for number, row in enumerate(rows)]
    assert all(len(set(row)) == 2 for row in after)
    for counts in (
        Counter(spu for row in after for spu in row),
        Counter(row[0] for row in after),
    ):
        filled = [counts[spu] for spu in range(1, 6)]
        assert max(filled) - min(filled) <= 1
    assert plan_rebalance(make_layout(after, spus=5)) == []


def test_racks_are_not_given_up_for_balance(make_layout: MakeLayout) -> None:
    racks = {1: "a", 2: "b", 3: "b"}
    found = plan_rebalance(make_layout([(1, 2)] * 6, spus=3, racks=racks))
    for move in found:
        assert {racks[spu] for spu in move.after} == {"a", "b"}
    assert found


def test_only_named_topics_move(make_layout: MakeLayout) -> None:
    state = make_layout([(1,), (1,)], spus=2)
    assert plan_rebalance(state, {"other"}) == []
    assert len(admit_rebalance(("t",), state).moves) == 1
    with pytest.raises(Refused, match=r"topic 'other' not found"):
        admit_rebalance(("other",), state)


# Single partitions


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ((), "name at least one SPU"),
        ((2, 2), "named twice"),
        ((9,), "there is no spu 9"),
        ((2, 4), "spu 4 is not online"),
        (tuple(range(1, 66)), "more than 64"),
    ],
)
def test_a_target_must_make_sense(
    make_layout: MakeLayout, target: tuple[int, ...], why: str
) -> None:
    state = make_layout([(1, 2)], offline=[4])
    with pytest.raises(Refused, match=why):
        admit_move(key(), spus(*target), state)


def test_a_move_is_asked_for_once(make_layout: MakeLayout) -> None:
    state = make_layout([(1, 2)])
    assert admit_move(key(), spus(1, 2), state) == NOTHING
    with pytest.raises(Refused, match=r"t-0 is not moving"):
        admit_cancel(key(), state)
    plan = admit_move(key(), spus(3, 2), state)
    assert (plan.moves[0].before, plan.moves[0].after) == ((1, 2), (3, 2))
    perform(state, plan)
    assert admit_move(key(), spus(3, 2), state) == NOTHING
    with pytest.raises(Refused, match=r"t-0 is moving to 3, 2 already"):
        admit_move(key(), spus(4), state)
    perform(state, admit_cancel(key(), state))
    assert admit_cancel(key(), state) == NOTHING


def test_one_that_still_deletes_its_files_is_no_target(make_layout: MakeLayout) -> None:
    state = make_layout([(1, 2)])
    partition = state.get(Kind.PARTITION, "t-0")
    assert partition is not None
    leaving = replace(partition.replication, leaving=spus(3))
    state.put(replace(partition, replication=leaving))
    with pytest.raises(Refused, match=r"spu 3 still deletes"):
        admit_move(key(), spus(3, 2), state)
    assert shown(plan_drain(state, SpuId(1))) == {0: (2, 4)}


@pytest.mark.parametrize("number", [7, 0])
def test_the_partition_must_be_there(make_layout: MakeLayout, number: int) -> None:
    state = make_layout([(1, 2)])
    topic = "t" if number else "x"
    with pytest.raises(Refused, match="has no partition 7" if number else "topic 'x' not found"):
        admit_move(ReplicaKey(topic, PartitionId(number)), spus(3), state)


@pytest.mark.parametrize(
    ("spu", "unclean", "why"),
    [
        (3, False, "spu 3 is no replica of t-0"),
        (4, False, "not in sync and online"),
        (2, True, "would only lose records"),
        (UNKNOWN_SPU, True, "say which SPU"),
    ],
)
def test_an_election_must_make_sense(
    make_layout: MakeLayout, spu: int, unclean: bool, why: str
) -> None:
    state = make_layout([(1, 2, 4)], offline=[4])
    with pytest.raises(Refused, match=why):
        admit_election(key(), SpuId(spu), unclean=unclean, state=state)


def test_a_clean_election_asks_the_leader_to_hand_over(make_layout: MakeLayout) -> None:
    state = make_layout([(1, 2)])
    assert admit_election(key(), UNKNOWN_SPU, unclean=False, state=state) == NOTHING
    (action,) = admit_election(key(), SpuId(2), unclean=False, state=state).actions
    assert isinstance(action, SetReplication)
    assert action.replication.successor == 2


def test_an_unclean_election_is_done_at_once(make_layout: MakeLayout) -> None:
    state = make_layout([(1, 2, 3)], offline=[1, 3])
    with pytest.raises(Refused, match="an unclean election helps"):
        admit_election(key(), SpuId(2), unclean=False, state=state)
    with pytest.raises(Refused, match="spu 3 is not online"):
        admit_election(key(), SpuId(3), unclean=True, state=state)
    (action,) = admit_election(key(), SpuId(2), unclean=True, state=state).actions
    assert isinstance(action, SetLeader)
    assert (action.leader, action.leader_epoch, action.replication.in_sync) == (2, 2, (2,))
    assert "UNCLEAN" in action.reason
