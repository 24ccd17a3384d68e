"""A leader: what is committed, who is in sync, and who leads next."""

from collections.abc import Iterable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.types import DataIncarnation, LeaderEpoch, Offset, SpuId
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
from fluvio_spu.replication.leader import LeaderReplica, ReplicationSettings

Wanted = TypeVar("Wanted")
Members = dict[int, int]
ME, SETTINGS = 1, ReplicationSettings()


def in_sync(version: int, members: Members) -> InSyncSet:
    return InSyncSet(version, {SpuId(s): DataIncarnation(i) for s, i in members.items()})


def incarnation(spu: int) -> int:
    """Of an SPU's data, unless a test says another."""
    return 10 * spu


def all_of(*spus: int) -> Members:
    return {spu: incarnation(spu) for spu in spus}


def leader(
    members: Members,
    *,
    replicas: Iterable[int] = (1, 2, 3),
    minimum: int = 1,
    end: int = 0,
    committed: int = 0,
) -> LeaderReplica:
    machine = LeaderReplica(
        spu_id=SpuId(ME),
        incarnation=DataIncarnation(incarnation(ME)),
        leader_epoch=LeaderEpoch(5),
        replicas=[SpuId(spu) for spu in replicas],
        in_sync=in_sync(1, members),
        min_in_sync=minimum,
        log_end=Offset(end),
        high_watermark=Offset(committed),
        first_session=100,
        now_ms=0,
        settings=SETTINGS,
    )
    machine.started()
    return machine


def only(effects: list[LeaderEffect], kind: type[Wanted]) -> list[Wanted]:
    return [effect for effect in effects if isinstance(effect, kind)]


def joins(
    machine: LeaderReplica, spu: int, now_ms: int = 0, *, data: int | None = None, number: int = 1
) -> list[LeaderEffect]:
    life = incarnation(spu) if data is None else data
    return machine.follower_joined(SpuId(spu), DataIncarnation(life), number, now_ms)


def reports(
    machine: LeaderReplica, spu: int, end: int, now_ms: int = 0, *, send_from: int = -1
) -> list[LeaderEffect]:
    session = machine.followers[SpuId(spu)].session
    return machine.follower_position(SpuId(spu), session, Offset(end), Offset(send_from), now_ms)


def stands(
    machine: LeaderReplica, spu: int, end: int, now_ms: int = 0, *, data: int | None = None
) -> list[LeaderEffect]:
    number = machine.followers[SpuId(spu)].number + 1
    joined = joins(machine, spu, now_ms, data=data, number=number)
    return joined + reports(machine, spu, end, now_ms)


def assigned(
    machine: LeaderReplica,
    version: int,
    members: Members,
    now_ms: int = 0,
    *,
    minimum: int = 1,
    replicas: Iterable[int] = (1, 2, 3),
    successor: int | None = None,
) -> list[LeaderEffect]:
    return machine.assigned(
        in_sync=in_sync(version, members),
        min_in_sync=minimum,
        replicas=[SpuId(spu) for spu in replicas],
        successor=None if successor is None else SpuId(successor),
        now_ms=now_ms,
    )


def proposed(effects: list[LeaderEffect]) -> list[tuple[int, Members]]:
    found = only(effects, ProposeInSync)
    return [(p.version, {int(s): int(i) for s, i in p.members.items()}) for p in found]


# What is committed.


@pytest.mark.parametrize(
    ("positions", "end", "minimum", "committed"),
    [
        ({}, 10, 1, 10),  # a single replica: right after the write
        ({}, 10, 2, 0),  # too few
        ({2: 10}, 10, 2, 10),
        ({2: 4}, 10, 2, 4),
        ({2: 0, 3: 10}, 10, 3, 0),  # with all of them required it is the smallest follower's end
        ({2: 7, 3: 9}, 10, 3, 7),
        ({2: 7, 3: 9}, 10, 1, 7),  # every member counts, however few would be enough
        ({2: 10, 3: 10}, 10, 3, 10),
        ({2: -1, 3: 10}, 10, 2, 0),  # not heard of yet
    ],
)
def test_what_is_committed(positions: Members, end: int, minimum: int, committed: int) -> None:
    machine = leader(all_of(1, *positions), minimum=minimum)
    machine.appended(end, end)
    for spu, position in positions.items():
        if position >= 0:
            stands(machine, spu, position)
    assert machine.high_watermark == committed


def test_the_leaders_own_records_count_when_they_are_durable() -> None:
    machine = leader(all_of(1, 2))
    machine.appended(10, 4)
    stands(machine, 2, 10)
    assert machine.high_watermark == 4
    assert machine.appended(10, 8) == 8
    assert machine.appended(12, 8) is None


def test_a_set_that_is_asked_for_counts_at_once() -> None:
    machine = leader(all_of(1), replicas=(1, 2))
    machine.appended(10, 10)
    assert proposed(stands(machine, 2, 10)) == [(1, all_of(1, 2))]
    assert machine.appended(20, 20) is None  # the controller may have stored it
    reports(machine, 2, 15)
    assert machine.high_watermark == 15


def test_a_member_that_shall_go_counts_until_it_is_gone() -> None:
    machine = leader(all_of(1, 2), replicas=(1, 2))
    stands(machine, 2, 0)
    assert proposed(machine.follower_lost(SpuId(2), 0)) == [(1, all_of(1))]
    assert machine.appended(10, 10) is None
    assert assigned(machine, 2, all_of(1), replicas=(1, 2)) == [AdvanceHighWatermark(Offset(10))]


def test_nothing_is_committed_by_fewer_than_demanded() -> None:
    machine = leader(all_of(1, 2), minimum=2, replicas=(1, 2))
    assert machine.takes_committed
    assigned(machine, 2, all_of(1), minimum=2, replicas=(1, 2))
    assert not machine.takes_committed
    assert machine.appended(10, 10) is None


def test_a_leader_whose_own_data_is_not_the_stored_asks_and_commits_nothing() -> None:
    machine = leader({1: 99, 2: incarnation(2)})
    machine.appended(10, 10)
    assert not machine.takes_committed
    assert proposed(stands(machine, 2, 10) + machine.tick(60_000)) == []
    assert machine.high_watermark == 0
    alone = leader({1: 99})
    assert alone.appended(10, 10) is None


# Joins, sessions, positions.


def test_joins_old_new_and_of_other_data() -> None:
    machine = leader(all_of(1, 2))
    assert only(joins(machine, 2, number=5), AnswerJoin) == [AnswerJoin(SpuId(2), 5, 101)]
    assert joins(machine, 2, number=5) == []
    assert joins(machine, 2, number=4) == []
    assert only(joins(machine, 2, number=6), AnswerJoin) == [AnswerJoin(SpuId(2), 6, 102)]
    reports(machine, 2, 0)
    assert only(joins(machine, 2, number=1, data=77), AnswerJoin)  # its numbers began anew
    assert machine.followers[SpuId(2)].position == -1
    assert joins(machine, 2, number=1, data=77) == []
    machine.follower_lost(SpuId(2), 0)
    assert only(joins(machine, 2, number=1, data=77), AnswerJoin)
    assert machine.follower_joined(SpuId(9), DataIncarnation(1), 1, 0) == []  # no replica


def test_positions_of_older_sessions_and_out_of_range_are_ignored() -> None:
    machine = leader(all_of(1, 2), end=10)
    stands(machine, 2, 3)
    old = machine.followers[SpuId(2)].session
    joins(machine, 2, number=50)
    assert machine.follower_position(SpuId(2), old, Offset(9), Offset(-1), 0) == []
    assert reports(machine, 2, 11) == []
    assert reports(machine, 2, -1) == []
    assert machine.followers[SpuId(2)].position == 3
    reports(machine, 2, 5)
    reports(machine, 2, 4)  # it was overtaken by a later one
    assert machine.followers[SpuId(2)].position == 5
    machine.follower_lost(SpuId(2), 0)
    assert reports(machine, 2, 6) == []


def test_records_are_sent_from_where_the_follower_stands() -> None:
    machine = leader(all_of(1, 2), end=10)
    joins(machine, 2)
    machine.sent(SpuId(2), Offset(10))  # of the session before: nothing is known of this one
    assert machine.next_offset(SpuId(2)) is None
    assert only(reports(machine, 2, 4), SendRecords) == [SendRecords(SpuId(2))]
    assert machine.next_offset(SpuId(2)) == 4
    machine.sent(SpuId(2), Offset(10))
    assert machine.next_offset(SpuId(2)) is None
    assert only(reports(machine, 2, 4, send_from=6), SendRecords)
    assert machine.next_offset(SpuId(2)) == 6


def test_the_first_report_of_a_session_replaces_what_was_known() -> None:
    """A log that was found damaged is made anew, by an SPU that is the same otherwise."""
    machine = leader(all_of(1), replicas=(1, 2))
    machine.appended(10, 10)
    stands(machine, 2, 10)
    machine.follower_lost(SpuId(2), 0)
    assigned(machine, 2, all_of(1), replicas=(1, 2))
    assert proposed(joins(machine, 2, 2_000, number=9)) == []  # it has not said what is left
    assert proposed(reports(machine, 2, 0, 2_000)) == []
    assert machine.followers[SpuId(2)].position == 0
    assert proposed(reports(machine, 2, 10, 2_000)) == [(2, all_of(1, 2))]


def test_a_member_that_lacks_what_is_committed_goes_at_once() -> None:
    machine = leader(all_of(1, 2))
    machine.appended(10, 10)
    stands(machine, 2, 10)
    assert machine.high_watermark == 10
    joins(machine, 2, number=9)
    assert proposed(reports(machine, 2, 9)) == [(1, all_of(1))]


# Who is in sync.


def reason_of(effects: list[LeaderEffect]) -> str:
    (proposal,) = only(effects, ProposeInSync)
    return proposal.reason


def test_each_reason_to_drop_a_member() -> None:
    machine = leader(all_of(1, 2))
    assert machine.tick(1_999) == []
    assert reason_of(machine.tick(2_000)) == "spu 2 has not joined"

    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    assert reason_of(machine.follower_lost(SpuId(2), 0)) == "spu 2 is away"

    machine = leader(all_of(1, 2))
    assert reason_of(joins(machine, 2, data=99)) == "spu 2 lost what it had"

    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    machine.appended(10, 10)
    assert machine.tick(4_999) == []
    assert reason_of(machine.tick(5_000)) == "spu 2 lags behind"

    machine = leader(all_of(1, 2))
    effects = assigned(machine, 1, all_of(1, 2), replicas=(1, 3))
    assert reason_of(effects) == "spu 2 is no replica any more"


def test_a_follower_that_is_always_a_little_behind_stays() -> None:
    machine = leader(all_of(1, 2))
    joins(machine, 2)
    for now_ms in range(0, 20_000, 500):
        reports(machine, 2, now_ms // 500, now_ms)
        machine.appended(now_ms // 500 + 1, now_ms // 500 + 1)
        assert proposed(machine.tick(now_ms)) == []


@pytest.mark.parametrize(("position", "grows"), [(0, False), (9, False), (10, True)])
def test_growth_needs_all_of_the_epoch_before(position: int, grows: bool) -> None:
    machine = leader(all_of(1, 3), end=10, committed=2)
    assert bool(proposed(stands(machine, 2, position))) is grows


def test_growth_needs_all_that_is_committed() -> None:
    machine = leader(all_of(1))
    machine.appended(10, 10)
    assert proposed(stands(machine, 2, 9)) == []
    assert proposed(reports(machine, 2, 10)) == [(1, all_of(1, 2))]


def test_who_would_be_dropped_at_once_does_not_come() -> None:
    """With too few in sync the high watermark stands, far below the log end."""
    machine = leader(all_of(1), minimum=2)
    machine.appended(1_000, 1_000)
    now_ms = 60_000
    assert proposed(stands(machine, 2, 500, now_ms)) == []
    assert proposed(reports(machine, 2, 900, now_ms)) == []
    assert proposed(reports(machine, 2, 1_000, now_ms)) == [(1, all_of(1, 2))]
    assert proposed(assigned(machine, 2, all_of(1, 2), now_ms, minimum=2)) == []
    assert machine.high_watermark == 1_000


def test_a_request_is_repeated_until_the_version_moves() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    assert proposed(machine.follower_lost(SpuId(2), 0)) == [(1, all_of(1))]
    assert proposed(machine.tick(499)) == []
    assert proposed(stands(machine, 2, 0, 499)) == []  # nothing else is asked for meanwhile
    assert proposed(machine.tick(500)) == [(1, all_of(1))]
    assert proposed(assigned(machine, 1, all_of(1, 2), 600)) == []
    assert proposed(machine.tick(1_000)) == [(1, all_of(1))]
    assert proposed(assigned(machine, 2, all_of(1), 1_000)) == [(2, all_of(1, 2))]


def test_older_assignments_are_ignored() -> None:
    machine = leader(all_of(1, 2))
    assigned(machine, 3, all_of(1), minimum=2)
    assert assigned(machine, 2, all_of(1, 2), minimum=1) == []
    assert (machine.in_sync.version, machine.takes_committed) == (3, False)


def test_a_refused_follower_is_asked_for_after_a_pause() -> None:
    machine = leader(all_of(1), replicas=(1, 2))
    assert proposed(stands(machine, 2, 0)) == [(1, all_of(1, 2))]
    assert proposed(assigned(machine, 2, all_of(1), replicas=(1, 2))) == []
    assert proposed(machine.tick(1_999)) == []
    assert proposed(machine.tick(2_000)) == [(2, all_of(1, 2))]


def test_a_refused_follower_holds_up_nobody_else() -> None:
    machine = leader(all_of(1, 4), replicas=(1, 2, 3, 4))
    stands(machine, 4, 0)
    assert proposed(stands(machine, 2, 0)) == [(1, all_of(1, 2, 4))]
    stands(machine, 3, 0)
    assert proposed(machine.follower_lost(SpuId(4), 0)) == []
    # 2 is refused; that 4 must go is asked for at once, and without 2 and 3.
    everybody = (1, 2, 3, 4)
    assert proposed(assigned(machine, 2, all_of(1, 4), replicas=everybody)) == [(2, all_of(1))]
    assigned(machine, 3, all_of(1), replicas=everybody)
    assert proposed(machine.tick(2_000)) == [(3, all_of(1, 3))]
    assigned(machine, 4, all_of(1, 3), 2_000, replicas=everybody)


def test_whoever_must_go_goes_before_others_come() -> None:
    everybody = (1, 2, 3, 4)
    machine = leader(all_of(1, 4), replicas=everybody)
    stands(machine, 4, 0)
    assert proposed(stands(machine, 3, 0)) == [(1, all_of(1, 3, 4))]
    stands(machine, 2, 0)
    machine.follower_lost(SpuId(4), 0)
    effects = assigned(machine, 2, all_of(1, 3, 4), replicas=everybody)
    assert proposed(effects) == [(2, all_of(1, 3))]
    effects = assigned(machine, 3, all_of(1, 3), replicas=everybody)
    assert proposed(effects) == [(3, all_of(1, 2, 3))]


def test_followers_that_were_never_refused_come_together() -> None:
    everybody = (1, 2, 3, 4)
    machine = leader(all_of(1), replicas=everybody)
    assert proposed(stands(machine, 4, 0)) == [(1, all_of(1, 4))]
    stands(machine, 2, 0)
    stands(machine, 3, 0)
    effects = assigned(machine, 2, all_of(1, 4), replicas=everybody)
    assert proposed(effects) == [(2, all_of(1, 2, 3, 4))]


def test_two_refused_followers_take_turns() -> None:
    machine = leader(all_of(1), replicas=(1, 2, 3))
    assert proposed(stands(machine, 2, 0)) == [(1, all_of(1, 2))]
    stands(machine, 3, 0)
    assigned(machine, 2, all_of(1))
    assert proposed(machine.tick(2_000)) == [(2, all_of(1, 3))]
    assigned(machine, 3, all_of(1), 2_000)
    assert proposed(machine.tick(4_000)) == [(3, all_of(1, 2))]
    assigned(machine, 4, all_of(1), 4_000)
    assert proposed(machine.tick(6_000)) == [(4, all_of(1, 3))]


def test_unknown_data_is_named_when_it_is_known_to_hold_all() -> None:
    machine = leader({1: incarnation(1), 2: 0}, end=10)
    assert proposed(stands(machine, 2, 4)) == []
    assert proposed(reports(machine, 2, 10)) == [(1, all_of(1, 2))]


def test_unknown_data_that_is_replaced_is_none_of_the_set() -> None:
    machine = leader({1: incarnation(1), 2: 0}, end=10)
    stands(machine, 2, 4)
    assert proposed(joins(machine, 2, data=99)) == [(1, all_of(1))]


# Handing over.


def test_a_leader_that_stops_hands_over_when_somebody_holds_all() -> None:
    machine = leader(all_of(1, 2))
    machine.appended(10, 10)
    stands(machine, 2, 4)
    assert machine.leave(0, 3_000) == [PauseWrites("leadership is handed over")]
    assert machine.writes_paused
    assert only(reports(machine, 2, 9), Resign) == []
    assert only(reports(machine, 2, 10), Resign) == [Resign(SpuId(2))]
    assert machine.tick(499) == []
    assert machine.tick(500) == [Resign(SpuId(2))]  # the controller has not answered


def test_a_leader_that_stops_pauses_also_when_the_successor_lags() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    machine.appended(10, 10)
    assert only(machine.leave(4_000, 3_000), PauseWrites)


def test_a_leader_waits_a_moment_for_other_members() -> None:
    machine = leader(all_of(1, 2, 3))
    machine.appended(10, 10)
    stands(machine, 2, 10)
    stands(machine, 3, 4)
    assert only(machine.leave(0, 3_000), Resign) == []
    assert only(machine.tick(299), Resign) == []
    assert only(machine.tick(300), Resign) == [Resign(SpuId(2))]


def test_a_leader_that_stops_does_not_go_on_for_an_assignment() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    machine.leave(0, 3_000)
    assert only(assigned(machine, 1, all_of(1, 2), successor=2), ResumeWrites) == []
    assert only(assigned(machine, 1, all_of(1, 2)), ResumeWrites) == []
    assert machine.writes_paused


def test_a_leader_that_stops_while_writes_are_paused_knows_that_they_are() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    assigned(machine, 1, all_of(1, 2), successor=2)
    machine.follower_lost(SpuId(2), 0)
    assert machine.leave(0, 3_000) == []
    assert machine.writes_paused
    assert only(machine.tick(3_000), ResumeWrites)


def test_nobody_is_handed_over_to_who_is_not_in_sync() -> None:
    machine = leader(all_of(1))
    stands(machine, 2, 0)
    assert only(machine.leave(0, 3_000) + machine.tick(2_999), Resign) == []
    assert not machine.writes_paused


def test_nobody_is_handed_over_to_before_it_said_what_it_holds() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    joins(machine, 2, number=9)
    assert only(machine.leave(0, 3_000), Resign) == []
    assert only(reports(machine, 2, 0), Resign) == [Resign(SpuId(2))]


def test_only_the_named_successor_takes_over() -> None:
    machine = leader(all_of(1, 2, 3))
    stands(machine, 2, 0)
    stands(machine, 3, 0)
    effects = assigned(machine, 1, all_of(1, 2, 3), successor=3)
    assert effects == [PauseWrites("leadership is handed over"), Resign(SpuId(3))]


def test_writes_are_not_paused_for_a_successor_that_is_far_behind() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    machine.appended(10, 10)
    assert only(assigned(machine, 1, all_of(1, 2), 1_000, successor=2), PauseWrites) == []
    assert only(reports(machine, 2, 10, 1_100), PauseWrites)


def test_a_hand_over_that_does_not_come_about_is_tried_again_later() -> None:
    machine = leader(all_of(1, 2))
    stands(machine, 2, 0)
    assigned(machine, 1, all_of(1, 2), successor=2)
    assert only(machine.tick(1_999), ResumeWrites) == []
    assert only(machine.tick(2_000), ResumeWrites)
    assert not machine.writes_paused
    assert only(machine.tick(11_999), PauseWrites) == []
    assert only(machine.tick(12_000), PauseWrites)


def test_a_successor_can_be_taken_back_and_replaced() -> None:
    machine = leader(all_of(1, 2, 3))
    stands(machine, 2, 0)
    stands(machine, 3, 0)
    assigned(machine, 1, all_of(1, 2, 3), successor=2)
    assert only(assigned(machine, 1, all_of(1, 2, 3)), ResumeWrites)
    assert machine.tick(100) == []
    assigned(machine, 1, all_of(1, 2, 3), 100, successor=2)
    effects = assigned(machine, 1, all_of(1, 2, 3), 100, successor=3)
    assert isinstance(effects[0], ResumeWrites)
    assert effects[-1] == Resign(SpuId(3))


# Whatever happens.

spus = st.integers(2, 4)
calls = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 5), st.integers(0, 5)),
    st.tuples(st.just("join"), spus, st.integers(0, 1)),
    st.tuples(st.just("report"), spus, st.integers(0, 8)),
    st.tuples(st.just("report"), spus, st.just(0)),
    st.tuples(st.just("lost"), spus),
    st.tuples(st.just("tick"), st.sampled_from([1, 500, 2_000, 6_000])),
    st.tuples(st.just("store")),
    st.tuples(st.just("refuse")),
    st.tuples(st.just("minimum"), st.integers(1, 3)),
    st.tuples(st.just("successor"), st.integers(1, 4)),
    st.tuples(st.just("leave")),
)


class Story:
    """A leader, and beside it a twin that knows all that was asked for and all that was told."""

    def __init__(self) -> None:
        self.machine = leader(all_of(1, 2), replicas=(1, 2, 3, 4), end=3)
        self.stored: tuple[int, Members] = (1, all_of(1, 2))
        self.asked: list[Members] = []
        self.minimum = 1
        self.successor: int | None = None
        self.now_ms = 0
        self.number = 0
        self.held: dict[tuple[int, int], int] = {}  # by SPU and data: what it said last
        self.lives: Members = {}

    def position(self, spu: int, data: int) -> int:
        if spu == ME:
            return self.machine.durable_end
        return self.held.get((spu, data), -1) if self.lives.get(spu) == data else -1

    def twin(self, before: int) -> int:
        """The high watermark from scratch."""
        members = self.stored[1]
        if len(members) < self.minimum:
            return before
        counting = [*members.items()] + [item for asked in self.asked for item in asked.items()]
        return max(before, min(self.position(spu, data) for spu, data in counting))

    def assign(self) -> list[LeaderEffect]:
        version, members = self.stored
        return assigned(
            self.machine,
            version,
            members,
            self.now_ms,
            minimum=self.minimum,
            replicas=(1, 2, 3, 4),
            successor=self.successor,
        )

    def step(self, name: object, numbers: list[int]) -> list[LeaderEffect]:
        machine, version = self.machine, self.stored[0]
        match name:
            case "append":
                end = machine.log_end + numbers[0]
                machine.appended(end, max(machine.durable_end, end - numbers[1]))
            case "join":
                spu, other = numbers
                self.number += 1
                data = incarnation(spu) + other
                if self.lives.get(spu) != data:
                    self.held.pop((spu, data), None)
                self.lives[spu] = data
                return joins(machine, spu, self.now_ms, data=data, number=self.number)
            case "report":
                spu, behind = numbers
                follower = machine.followers[SpuId(spu)]
                if follower.connected:
                    end = max(0, machine.log_end - behind)
                    key = (spu, int(follower.incarnation))
                    if follower.has_reported:
                        end = max(end, self.held.get(key, -1))
                    self.held[key] = end
                    return reports(machine, spu, end, self.now_ms)
            case "lost":
                return machine.follower_lost(SpuId(numbers[0]), self.now_ms)
            case "tick":
                self.now_ms += numbers[0]
                return machine.tick(self.now_ms)
            case "store" if self.asked:
                self.stored, self.asked = (version + 1, self.asked[-1]), []
                return self.assign()
            case "refuse" if self.asked:
                self.stored, self.asked = (version + 1, self.stored[1]), []
                return self.assign()
            case "minimum":
                self.minimum = numbers[0]
                return self.assign()
            case "successor":
                self.successor = numbers[0] if numbers[0] != ME else None
                return self.assign()
            case "leave":
                return machine.leave(self.now_ms, 3_000)
        return []


@given(st.lists(calls, max_size=80))
def test_whatever_happens_only_what_all_hold_is_committed(
    told: list[tuple[object, ...]],
) -> None:
    story = Story()
    machine = story.machine
    paused = False
    for name, *numbers in told:
        before = machine.high_watermark
        effects = story.step(name, [n for n in numbers if isinstance(n, int)])
        assert machine.high_watermark == story.twin(before)
        for effect in effects:
            match effect:
                case ProposeInSync(version, members, _):
                    asked = {int(s): int(i) for s, i in members.items()}
                    assert version == story.stored[0]
                    assert asked[ME] == incarnation(ME)
                    if story.asked:  # asked again, whatever came in between
                        assert asked == story.asked[-1]
                        continue
                    story.asked = [asked]
                    for spu in asked.items() - story.stored[1].items():
                        assert story.position(*spu) >= machine.high_watermark
                case PauseWrites():
                    paused = True
                case ResumeWrites():
                    assert paused
                    paused = False
                case Resign(successor):
                    data = int(machine.followers[successor].incarnation)
                    assert paused
                    assert story.stored[1][successor] == data
                    assert story.position(successor, data) == machine.log_end
                case _:
                    pass
        assert before <= machine.high_watermark <= machine.durable_end <= machine.log_end
        assert machine.writes_paused == paused
