"""A follower: joins, cuts its log to what it shares with its leader, and copies."""

from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.spu_private.replication import EpochStart, JoinAnswer
from fluvio_protocol.types import LeaderEpoch, Offset, PartitionId, ReplicaKey, SpuId
from fluvio_spu.replication.effects import (
    AdoptLineage,
    AdvanceHighWatermark,
    CutLog,
    DropSegments,
    FollowerEffect,
    ReportPosition,
    RestartLog,
    SendJoin,
)
from fluvio_spu.replication.follower import FollowerReplica, FollowerSettings, FollowerState
from fluvio_spu.replication.lineage import EpochLineage

LEADER, EPOCH = SpuId(1), LeaderEpoch(7)
SETTINGS = FollowerSettings(join_ms_max=1_000, silence_ms_max=10_000)


def starts(*entries: tuple[int, int]) -> tuple[EpochStart, ...]:
    return tuple(EpochStart(epoch=LeaderEpoch(e), offset=Offset(o)) for e, o in entries)


OWN = starts((1, 0), (3, 60))
LEADERS = starts((1, 0), (7, 80))


def follower(
    own: tuple[EpochStart, ...] = OWN,
    *,
    start: int = 0,
    end: int = 100,
    committed: int = 50,
    rebuild: bool = False,
) -> FollowerReplica:
    return FollowerReplica(
        leader=LEADER,
        leader_epoch=EPOCH,
        lineage=EpochLineage(own),
        log_start=Offset(start),
        log_end=Offset(end),
        high_watermark=Offset(committed),
        first_number=40,
        now_ms=0,
        settings=SETTINGS,
        rebuild=rebuild,
    )


def answer(
    number: int = 41,
    *,
    epoch: int = EPOCH,
    error: ErrorStatus = SUCCESS,
    session: int = 9,
    start: int = 0,
    end: int = 90,
    lineage: tuple[EpochStart, ...] = LEADERS,
) -> JoinAnswer:
    return JoinAnswer(
        key=ReplicaKey("events", PartitionId(0)),
        number=number,
        error_code=error,
        leader_epoch=LeaderEpoch(epoch),
        session=session,
        log_start=Offset(start),
        log_end=Offset(end),
        high_watermark=Offset(0),
        lineage=lineage,
    )


def cut(machine: FollowerReplica, end: int = 60, now_ms: int = 0) -> list[FollowerEffect]:
    return machine.joined(
        lineage=EpochLineage(LEADERS), log_start=Offset(0), log_end=Offset(end), now_ms=now_ms
    )


def following(end: int = 60) -> FollowerReplica:
    machine = follower()
    machine.join(0)
    machine.answered(answer(), 0)
    assert cut(machine, end) == [ReportPosition(9, Offset(end), Offset(-1))]
    return machine


def fits(
    machine: FollowerReplica, base: int, end: int, *, epoch: int = EPOCH, session: int = 9
) -> bool | list[FollowerEffect]:
    return machine.fits(
        leader_epoch=LeaderEpoch(epoch),
        session=session,
        base=Offset(base),
        end=Offset(end),
        now_ms=0,
    )


def told(
    machine: FollowerReplica,
    committed: int,
    *,
    start: int = 0,
    end: int | None = None,
    epoch: int = EPOCH,
    session: int = 9,
    now_ms: int = 0,
) -> list[FollowerEffect]:
    return machine.committed(
        leader_epoch=LeaderEpoch(epoch),
        session=session,
        high_watermark=Offset(committed),
        log_start=Offset(start),
        log_end=None if end is None else Offset(end),
        now_ms=now_ms,
    )


def test_the_log_is_cut_before_the_lineage_is_noted() -> None:
    machine = follower()
    assert machine.join(0) == [SendJoin(LEADER, EPOCH, 41)]
    assert machine.answered(answer(), 0) == [CutLog(Offset(60)), AdoptLineage(LEADERS)]
    assert machine.state is FollowerState.CUTTING
    assert cut(machine) == [ReportPosition(9, Offset(60), Offset(-1))]
    assert (machine.state, machine.log_end) == (FollowerState.FOLLOWING, 60)


def test_a_log_that_is_a_beginning_of_the_leaders_is_not_cut() -> None:
    machine = follower(starts((1, 0)), end=70)
    machine.join(0)
    assert machine.answered(answer(), 0) == [AdoptLineage(LEADERS)]


def test_a_log_that_ends_below_the_leaders_start_begins_anew() -> None:
    machine = follower(starts((1, 0)), end=70)
    machine.join(0)
    restart, adopt = machine.answered(answer(start=71, lineage=starts((1, 0), (7, 80))), 0)
    assert isinstance(restart, RestartLog)
    assert restart.offset == 71
    assert adopt == AdoptLineage(LEADERS)


def test_a_log_that_begins_above_all_it_shares_begins_anew() -> None:
    machine = follower(starts((3, 60)), start=70)
    machine.join(0)
    restart, _ = machine.answered(answer(), 0)
    assert isinstance(restart, RestartLog)
    assert restart.offset == 0


def test_nothing_of_a_damaged_log_is_kept_once() -> None:
    machine = follower(starts((1, 0)), end=70, rebuild=True)
    machine.join(0)
    assert machine.answered(answer(), 0)[0] == RestartLog(Offset(0), "it is damaged")
    cut(machine, 0)
    machine.link_lost()
    machine.join(0)
    assert machine.answered(answer(43), 0) == [AdoptLineage(LEADERS)]


def test_answers_that_are_ignored() -> None:
    machine = follower()
    assert machine.answered(answer(), 0) == []  # nothing was asked yet
    machine.join(0)
    machine.join(0)
    assert machine.answered(answer(41), 0) == []  # to an older join
    assert (
        machine.answered(answer(42, error=ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)), 0) == []
    )
    assert machine.answered(answer(42, epoch=6), 0) == []
    assert machine.answered(answer(42, epoch=8), 0) == []
    assert machine.state is FollowerState.JOINING
    assert machine.answered(answer(42), 0)
    assert machine.answered(answer(42), 0) == []  # it came twice


def test_a_join_that_is_not_answered_is_repeated() -> None:
    machine = follower()
    machine.join(0)
    assert machine.tick(999) == []
    assert machine.tick(1_000) == [SendJoin(LEADER, EPOCH, 42)]
    assert machine.tick(1_999) == []


def test_a_silent_leader_is_joined_again() -> None:
    machine = following()
    assert machine.tick(9_999) == []
    told(machine, 0, now_ms=9_999)
    assert machine.tick(19_998) == []
    assert machine.tick(19_999) == [SendJoin(LEADER, EPOCH, 42)]
    assert fits(machine, 60, 61) == []  # of the session that is over


def test_a_link_lost_while_cutting_leads_to_another_join() -> None:
    machine = follower()
    machine.join(0)
    machine.answered(answer(), 0)
    machine.link_lost()
    assert machine.join(0) == []  # the log is being cut
    assert machine.tick(50_000) == []
    assert cut(machine, now_ms=50_000) == []
    assert machine.tick(50_001) == [SendJoin(LEADER, EPOCH, 43)]


def test_an_answer_that_comes_after_its_link_is_for_nobody() -> None:
    machine = follower()
    machine.join(0)
    machine.link_lost()
    assert machine.answered(answer(), 0) == []


def test_records_that_fit_and_that_do_not() -> None:
    machine = following()
    assert fits(machine, 60, 65) is True
    machine.appended(Offset(65))
    assert machine.durable(Offset(65)) == [ReportPosition(9, Offset(65), Offset(-1))]
    assert fits(machine, 60, 65) == [ReportPosition(9, Offset(65), Offset(-1))]  # came twice
    assert fits(machine, 66, 70) == [ReportPosition(9, Offset(65), Offset(65))]  # a gap
    assert fits(machine, 63, 70) == [ReportPosition(9, Offset(65), Offset(65))]  # half of it new
    assert fits(machine, 65, 70, session=8) == []
    assert fits(machine, 65, 70, epoch=6) == []
    assert machine.log_end == 65


def test_only_what_is_durable_is_reported() -> None:
    machine = following()
    machine.appended(Offset(80))
    assert fits(machine, 90, 95) == [ReportPosition(9, Offset(60), Offset(80))]
    assert machine.durable(Offset(70)) == [ReportPosition(9, Offset(70), Offset(-1))]
    assert machine.durable(Offset(65)) == []


def test_a_sync_of_before_the_cut_says_nothing_of_what_is_left() -> None:
    machine = follower()
    machine.join(0)
    machine.answered(answer(), 0)
    assert machine.durable(Offset(100)) == []
    cut(machine)
    assert machine.durable(Offset(100)) in ([], [ReportPosition(9, Offset(60), Offset(-1))])
    assert machine.durable_end == 60


def test_the_high_watermark_is_never_beyond_the_own_end() -> None:
    machine = following()
    assert told(machine, 80) == [AdvanceHighWatermark(Offset(60))]
    assert told(machine, 55) == []  # an old word
    assert told(machine, 99, session=8) == []
    assert told(machine, 99, epoch=6) == []
    assert machine.high_watermark == 60


def test_a_follower_asks_for_what_it_lacks_and_drops_what_the_leader_dropped() -> None:
    machine = following()
    assert told(machine, 0, end=60) == [ReportPosition(9, Offset(60), Offset(-1))]
    assert told(machine, 0, end=61) == [ReportPosition(9, Offset(60), Offset(60))]
    assert told(machine, 0, start=30) == [DropSegments(Offset(30))]
    assert told(machine, 0, start=30) == []


calls = st.one_of(
    st.tuples(st.just("join")),
    st.tuples(st.just("lost")),
    st.tuples(st.just("tick"), st.integers(0, 20_000)),
    st.tuples(st.just("answer"), st.integers(0, 1), st.integers(80, 120)),
    st.tuples(st.just("cut")),
    st.tuples(st.just("records"), st.integers(0, 130), st.integers(1, 30), st.integers(0, 1)),
    st.tuples(st.just("durable"), st.integers(0, 150)),
    st.tuples(st.just("told"), st.integers(0, 150), st.integers(0, 60), st.integers(0, 1)),
)


@given(st.lists(calls, max_size=60))
def test_whatever_happens_positions_stay_in_order(story: list[tuple[object, ...]]) -> None:
    machine, now_ms, session, number = follower(), 0, 0, 40
    effects: list[FollowerEffect] = []
    to_cut = 100
    for step in story:
        name, numbers = step[0], [n for n in step[1:] if isinstance(n, int)]
        before = machine.high_watermark
        effects = []
        if name == "join":
            effects = machine.join(now_ms)
        elif name == "lost":
            machine.link_lost()
        elif name == "tick":
            now_ms += numbers[0]
            effects = machine.tick(now_ms)
        elif name == "answer":
            session += 1
            reply = answer(number - numbers[0], session=session, end=numbers[1])
            effects = machine.answered(reply, now_ms)
            to_cut = machine.log_end
            for effect in effects:
                if isinstance(effect, CutLog):
                    to_cut = effect.end
        elif name == "cut" and machine.state is FollowerState.CUTTING:
            effects, before = cut(machine, to_cut, now_ms), 0
        elif name == "records":
            base, count, old = numbers
            if fits(machine, base, base + count, session=session - old) is True:
                assert base == machine.log_end
                machine.appended(Offset(base + count))
        elif name == "durable":
            effects = machine.durable(Offset(numbers[0]))
        elif name == "told":
            effects = told(machine, numbers[0], start=numbers[1], session=session - numbers[2])
        for effect in effects:
            if isinstance(effect, SendJoin):
                assert effect.number > number
                number = effect.number
            if isinstance(effect, ReportPosition):
                assert effect.log_end <= machine.log_end
        assert machine.durable_end <= machine.log_end
        assert before <= machine.high_watermark <= machine.log_end
