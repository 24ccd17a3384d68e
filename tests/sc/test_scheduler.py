"""Replica placement: Fluvio's results, and what holds for any input."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.types import PartitionId, SpuId
from fluvio_sc.core.scheduler import (
    EligibleSpu,
    ReplicaRow,
    RoleCounts,
    Shortage,
    place_replicas,
    rack_sequence,
    round_robin_rows,
    spread_over_racks,
)


def spus(*ids: int) -> list[EligibleSpu]:
    return [EligibleSpu(SpuId(number)) for number in ids]


def racked(**racks: tuple[int, ...]) -> list[EligibleSpu]:
    return [EligibleSpu(SpuId(number), rack) for rack, ids in racks.items() for number in ids]


def row(*ids: int) -> ReplicaRow:
    return tuple(map(SpuId, ids))


def place(
    partitions: int,
    factor: int,
    online: list[EligibleSpu],
    existing: list[ReplicaRow] | None = None,
    kept: dict[int, ReplicaRow] | None = None,
    ignore_racks: bool = False,
) -> list[ReplicaRow] | str:
    placed = place_replicas(
        partitions=partitions,
        replication_factor=factor,
        kept_rows={PartitionId(number): held for number, held in (kept or {}).items()},
        spus=online,
        roles=RoleCounts(existing or []),
        ignore_racks=ignore_racks,
    )
    if isinstance(placed, Shortage):
        return placed.reason
    assert list(placed.rows) == list(range(partitions))
    return list(placed.rows.values())


def test_check_values_by_weight() -> None:
    existing = [row(0, 1, 2), row(1, 2), row(0, 3)]
    assert place(5, 3, spus(0, 1, 2, 3), existing) == [
        row(2, 0, 1), row(3, 0, 1), row(1, 3, 0), row(2, 3, 0), row(3, 2, 1)
    ]  # fmt: skip
    assert place(4, 1, spus(0, 1)) == [row(0), row(1), row(0), row(1)]


def test_existing_rows_do_not_move() -> None:
    assert place(3, 1, spus(0, 1, 2), [row(2)], kept={0: row(2)}) == [row(2), row(0), row(1)]
    # A row whose SPUs are gone stays too, and needs nobody online.
    assert place(1, 2, [], kept={0: row(8, 9)}) == [row(8, 9)]


@pytest.mark.parametrize(
    ("factor", "online", "reason"),
    [(5, spus(1, 2), "needs 5 SPUs, 2 online"), (1, [], "needs 1 SPUs, 0 online")],
)
def test_shortage_says_what_is_missing(factor: int, online: list[EligibleSpu], reason: str) -> None:
    assert place(1, factor, online) == reason


def test_check_values_of_the_rack_sequence() -> None:
    even = racked(a=(0, 1, 2), b=(3, 4, 5), c=(6, 7, 8), d=(9, 10, 11))
    assert rack_sequence(even) == row(0, 4, 8, 9, 1, 5, 6, 10, 2, 3, 7, 11)
    uneven = racked(c=(3, 4, 5), b=(1, 2), a=(0,))
    assert rack_sequence(uneven) == row(3, 2, 0, 4, 1, 5)


def test_check_values_of_round_robin() -> None:
    sequence = row(3, 2, 0, 4, 1, 5)
    assert round_robin_rows(sequence, start=0, partitions=6, replication_factor=3) == [
        row(3, 2, 0), row(2, 0, 4), row(0, 4, 1), row(4, 1, 5), row(1, 5, 3), row(5, 3, 2)
    ]  # fmt: skip


def test_rows_with_a_rack_twice_are_mended() -> None:
    uneven = racked(c=(3, 4, 5), b=(1, 2), a=(0,))
    racks = {spu.id: spu.rack or "" for spu in uneven}
    sequence = rack_sequence(uneven)
    assert spread_over_racks(row(3, 2, 0), sequence, racks) == row(3, 2, 0)
    assert spread_over_racks(row(4, 1, 5), sequence, racks) == row(4, 1, 0)
    two_racks = {SpuId(0): "a", SpuId(1): "a", SpuId(2): "b", SpuId(3): "b"}
    # The second replica moves to rack b; for the third both racks are used, so it stays.
    assert spread_over_racks(row(0, 1, 3), row(0, 1, 2, 3), two_racks) == row(0, 2, 3)


def test_racks_count_only_when_all_online_spus_have_one() -> None:
    some = [EligibleSpu(SpuId(0), "a"), EligibleSpu(SpuId(1), "a"), EligibleSpu(SpuId(2))]
    assert place(1, 2, some) == [row(0, 1)]
    every = racked(a=(0, 1), b=(2,))
    assert place(1, 2, every) == [row(0, 2)]
    assert place(1, 2, every, ignore_racks=True) == [row(0, 1)]


racks = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d"]))
clusters = st.dictionaries(st.integers(0, 12), racks, max_size=8).map(
    lambda found: [EligibleSpu(SpuId(number), rack) for number, rack in found.items()]
)


@given(
    online=clusters,
    partitions=st.integers(1, 20),
    factor=st.integers(1, 5),
    ignore_racks=st.booleans(),
    data=st.data(),
)
def test_rules_hold_for_every_input(
    online: list[EligibleSpu],
    partitions: int,
    factor: int,
    ignore_racks: bool,
    data: st.DataObject,
) -> None:
    kept_numbers = data.draw(st.sets(st.integers(0, partitions - 1), max_size=3))
    kept = {number: row(*range(100, 100 + factor)) for number in kept_numbers}
    placed = place(partitions, factor, online, kept=kept, ignore_racks=ignore_racks)
    again = place(partitions, factor, online[::-1], kept=kept, ignore_racks=ignore_racks)
    assert placed == again, "the order in which SPUs are listed does not matter"
    if isinstance(placed, str):
        assert len(online) < factor
        return
    ids = {spu.id for spu in online}
    rack_of = {spu.id: spu.rack for spu in online}
    every_rack_known = all(rack_of.values())
    for number, replicas in enumerate(placed):
        assert len(set(replicas)) == factor
        if number in kept:
            assert replicas == kept[number]
            continue
        assert set(replicas) <= ids
        if every_rack_known and not ignore_racks:
            used = {rack_of[spu_id] for spu_id in replicas}
            assert len(used) == min(factor, len(set(rack_of.values())))


@given(count=st.integers(1, 8), partitions=st.integers(1, 60))
def test_leaders_are_even_by_weight(count: int, partitions: int) -> None:
    placed = place(partitions, 1, spus(*range(count)))
    assert isinstance(placed, list)
    leaders = Counter(replicas[0] for replicas in placed)
    assert max(leaders.values()) - min(leaders[SpuId(n)] for n in range(count)) <= 1


def twin_by_weight(
    partitions: int, factor: int, ids: list[int], existing: list[ReplicaRow]
) -> list[ReplicaRow]:
    """The same rule, written as slowly and plainly as possible."""
    rows = list(existing)
    made = []
    for _ in range(partitions):
        chosen: list[int] = []
        for position in range(factor):
            best = None
            for number in sorted(ids):
                if number in chosen:
                    continue
                if position == 0:
                    weight = sum(1 for other in rows if other[0] == number)
                else:
                    weight = sum(1 for other in rows if number in other[1:])
                if best is None or weight < best[0]:
                    best = (weight, number)
            assert best is not None
            chosen.append(best[1])
        made.append(row(*chosen))
        rows.append(row(*chosen))
    return made


@given(data=st.data(), partitions=st.integers(1, 12), factor=st.integers(1, 4))
def test_equals_its_twin(data: st.DataObject, partitions: int, factor: int) -> None:
    ids = data.draw(st.lists(st.integers(0, 6), min_size=factor, max_size=7, unique=True))
    existing = data.draw(
        st.lists(
            st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True).map(
                lambda numbers: row(*numbers)
            ),
            max_size=8,
        )
    )
    assert place(partitions, factor, spus(*ids), existing) == twin_by_weight(
        partitions, factor, ids, existing
    )
