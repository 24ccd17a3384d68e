"""Lineages: where two logs part. A dumb twin keeps the epoch of every single record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset
from fluvio_spu.replication.lineage import EpochLineage, common_end, joined

Entries = list[tuple[int, int]]


def lineage(*entries: tuple[int, int]) -> EpochLineage:
    return EpochLineage(
        tuple(EpochStart(epoch=LeaderEpoch(e), offset=Offset(o)) for e, o in entries)
    )


def pairs(of: EpochLineage) -> Entries:
    return [(entry.epoch, entry.offset) for entry in of.entries]


@pytest.mark.parametrize(
    "entries", [[(2, 0), (1, 5)], [(1, 0), (1, 5)], [(1, 5), (2, 5)], [(1, 5), (2, 4)]]
)
def test_a_lineage_that_does_not_grow_is_refused(entries: Entries) -> None:
    with pytest.raises(ValueError, match="does not grow"):
        lineage(*entries)


@pytest.mark.parametrize(
    ("offset", "epoch", "start"),
    [(0, -1, 0), (9, -1, 0), (10, 1, 10), (19, 1, 10), (20, 4, 20), (999, 4, 20)],
)
def test_who_wrote_an_offset(offset: int, epoch: int, start: int) -> None:
    known = lineage((1, 10), (4, 20))
    assert known.epoch_at(Offset(offset)) == epoch
    assert known.start_at(Offset(offset)) == start


@pytest.mark.parametrize(
    ("start", "left"),
    [
        (0, [(1, 10), (4, 20)]),
        (19, [(1, 10), (4, 20)]),
        (20, [(4, 20)]),
        (99, [(4, 20)]),
    ],
)
def test_a_trimmed_lineage_still_tells_of_what_is_left(start: int, left: Entries) -> None:
    assert pairs(lineage((1, 10), (4, 20)).trimmed(Offset(start))) == left


@pytest.mark.parametrize(
    ("end", "left"), [(0, []), (10, []), (11, [(1, 10)]), (20, [(1, 10)]), (21, [(1, 10), (4, 20)])]
)
def test_a_cut_lineage_tells_of_no_record_that_is_gone(end: int, left: Entries) -> None:
    assert pairs(lineage((1, 10), (4, 20)).cut(Offset(end))) == left


def test_a_leadership_without_records_leaves_no_trace() -> None:
    assert pairs(lineage((1, 0), (2, 10)).begun(LeaderEpoch(3), Offset(10))) == [(1, 0), (3, 10)]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_leadership_that_is_not_newer_does_not_begin(epoch: int) -> None:
    with pytest.raises(ValueError, match="does not grow"):
        lineage((2, 0)).begun(LeaderEpoch(epoch), Offset(10))


@pytest.mark.parametrize(
    ("own", "leader", "result"),
    [
        ([], [(1, 0)], [(1, 0)]),
        ([(1, 0)], [(1, 0), (3, 50)], [(1, 0), (3, 50)]),
        ([(1, 0), (2, 30)], [(2, 30), (3, 50)], [(1, 0), (2, 30), (3, 50)]),  # begins later there
        ([(9, 0)], [(2, 30)], [(2, 30)]),  # the leader's word counts
        ([(1, 0)], [], []),
    ],
)
def test_a_follower_takes_what_its_leader_knows(
    own: Entries, leader: Entries, result: Entries
) -> None:
    assert pairs(joined(lineage(*own), lineage(*leader).entries)) == result


@pytest.mark.parametrize(
    ("own", "own_end", "other", "other_end", "end"),
    [
        ([], 0, [(1, 0)], 10, 0),
        ([(1, 0)], 10, [(1, 0)], 7, 7),
        ([(1, 0)], 10, [(1, 0), (2, 7)], 20, 7),  # KIP-101: the tail of epoch 1 was never shared
        ([(1, 0), (2, 5)], 10, [(1, 0), (3, 8)], 20, 5),  # KIP-279: one epoch each after a fall
        ([(1, 0), (2, 5), (4, 9)], 12, [(1, 0), (2, 5), (3, 7)], 12, 7),
        ([(2, 0)], 5, [(3, 0)], 5, 0),
        ([], 5, [], 5, 5),  # written before leaderships were counted
        ([(1, 3)], 5, [(2, 4)], 5, 3),
    ],
)
def test_where_two_logs_part(
    own: Entries, own_end: int, other: Entries, other_end: int, end: int
) -> None:
    assert common_end(lineage(*own), own_end, lineage(*other), other_end) == end
    assert common_end(lineage(*other), other_end, lineage(*own), own_end) == end


class Copy:
    """A log as the epoch of each record, beside the lineage that should say the same."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.lineage = EpochLineage()

    def lead(self, epoch: int, records: int) -> None:
        self.lineage = self.lineage.begun(LeaderEpoch(epoch), Offset(len(self.epochs)))
        self.epochs += [epoch] * records

    def follow(self, leader: "Copy", records: int) -> None:
        end = common_end(self.lineage, len(self.epochs), leader.lineage, len(leader.epochs))
        assert end == brute_common_end(self, leader)
        del self.epochs[end:]
        self.lineage = joined(self.lineage.cut(end), leader.lineage.entries)
        self.epochs += leader.epochs[end : end + records]

    def reopen(self) -> None:
        self.lineage = self.lineage.cut(Offset(len(self.epochs)))

    def check(self) -> None:
        assert [self.lineage.epoch_at(Offset(o)) for o in range(len(self.epochs))] == self.epochs


def brute_common_end(one: Copy, other: Copy) -> int:
    end = 0
    for mine, theirs in zip(one.epochs, other.epochs, strict=False):
        if mine != theirs:
            break
        end += 1
    return end


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # who leads next
            st.integers(0, 5),  # what it writes
            st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=4),  # who copies
            st.booleans(),
        ),
        max_size=25,
    )
)
def test_any_history_of_leaderships_ends_where_the_records_say(
    history: list[tuple[int, int, list[tuple[int, int]], bool]],
) -> None:
    copies = [Copy() for _ in range(4)]
    for epoch, (leading, records, following, reopens) in enumerate(history):
        leader = copies[leading]
        leader.lead(epoch, records)
        for number, copied in following:
            if number != leading:
                copies[number].follow(leader, copied)
                if reopens:
                    copies[number].reopen()
                copies[number].check()
        leader.check()
    for one in copies:
        for other in copies:
            found = common_end(one.lineage, len(one.epochs), other.lineage, len(other.epochs))
            assert found == brute_common_end(one, other)
