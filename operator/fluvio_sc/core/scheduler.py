"""Replica placement: which SPU holds which replica of a new partition.

Called by `reconcile/topic.py`. Pure, and the same for the same input. Existing rows never move.

Two ways, both Fluvio's, so that results match what its users know:
- by weight (fluvio-sc 0.10.15 to 0.18, controllers/scheduler/partition.rs): the default;
- by rack (fluvio-sc 0.9.0, controllers/topics/policy.rs): when every online SPU has a rack and
  the topic does not ignore racks. Ours: a row that would use a rack twice although another rack
  is free is mended, so that losing a rack costs as few replicas as possible.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fluvio_protocol.types import PartitionId, SpuId

ReplicaRow = tuple[SpuId, ...]
"""SPUs of one partition, preferred leader first; all different."""


@dataclass(frozen=True, slots=True)
class EligibleSpu:
    """An SPU that may get replicas: it is online."""

    id: SpuId
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A row for every partition asked for."""

    rows: dict[PartitionId, ReplicaRow]


@dataclass(frozen=True, slots=True)
class Shortage:
    """No placement is possible now."""

    reason: str


class RoleCounts:
    """How often each SPU is leader and follower, over all partitions there are."""

    def __init__(self, rows: Iterable[ReplicaRow] = ()) -> None:
        self.leaders: Counter[SpuId] = Counter()
        self.followers: Counter[SpuId] = Counter()
        for row in rows:
            self.add(row)

    def add(self, row: ReplicaRow) -> None:
        for position, spu_id in enumerate(row):
            (self.followers if position else self.leaders)[spu_id] += 1


def place_replicas(
    *,
    partitions: int,
    replication_factor: int,
    kept_rows: Mapping[PartitionId, ReplicaRow],
    spus: Iterable[EligibleSpu],
    roles: RoleCounts,
    ignore_racks: bool,
) -> Placement | Shortage:
    """Rows for partitions 0..partitions-1; all of them or none.

    kept_rows: rows that exist already; they stay as they are
    roles:     roles taken by existing partitions; changed by what is placed here
    """
    online = sorted(spus, key=lambda spu: spu.id)
    rows = {
        PartitionId(number): kept_rows[PartitionId(number)]
        for number in range(partitions)
        if PartitionId(number) in kept_rows
    }
    missing = [PartitionId(number) for number in range(partitions) if number not in rows]
    if missing and len(online) < replication_factor:
        return Shortage(f"needs {replication_factor} SPUs, {len(online)} online")
    if not ignore_racks and missing and all(spu.rack is not None for spu in online):
        placed = _rows_by_rack(missing, replication_factor, online, sum(roles.leaders.values()))
    else:
        placed = _rows_by_weight(missing, replication_factor, online, roles)
    rows.update(placed)
    return Placement({number: rows[number] for number in sorted(rows)})


def _rows_by_weight(
    missing: Sequence[PartitionId],
    replication_factor: int,
    online: Sequence[EligibleSpu],
    roles: RoleCounts,
) -> dict[PartitionId, ReplicaRow]:
    rows = {}
    for number in missing:
        row: list[SpuId] = []
        for position in range(replication_factor):
            counts = roles.followers if position else roles.leaders
            free = (spu.id for spu in online if spu.id not in row)
            chosen = min(free, key=lambda spu_id: (counts[spu_id], spu_id))
            counts[chosen] += 1
            row.append(chosen)
        rows[number] = tuple(row)
    return rows


def _rows_by_rack(
    missing: Sequence[PartitionId],
    replication_factor: int,
    online: Sequence[EligibleSpu],
    start: int,
) -> dict[PartitionId, ReplicaRow]:
    sequence = rack_sequence(online)
    racks = {spu.id: spu.rack or "" for spu in online}
    drawn = round_robin_rows(
        sequence, start=start, partitions=len(missing), replication_factor=replication_factor
    )
    return {
        number: spread_over_racks(row, sequence, racks)
        for number, row in zip(missing, drawn, strict=True)
    }


def rack_sequence(spus: Iterable[EligibleSpu]) -> tuple[SpuId, ...]:
    """All SPUs, neighbours in different racks as long as racks last.

    Racks by size, largest first (equal ones by name), read diagonally.
    """
    by_rack: dict[str, list[SpuId]] = {}
    for spu in sorted(spus, key=lambda spu: (spu.rack or "", spu.id)):
        by_rack.setdefault(spu.rack or "", []).append(spu.id)
    racks = sorted(by_rack.values(), key=len, reverse=True)
    rows, columns = len(racks), max((len(rack) for rack in racks), default=0)
    sequence: dict[SpuId, None] = {}
    row = column = 0
    for step in range(rows * columns):
        rack = racks[row]
        sequence.setdefault(rack[column % len(rack)])
        row = (row + 1) % rows
        column = ((step + 1) // rows + row) % columns
    for rack in racks:  # the diagonal misses some SPUs of unequal racks: they come last
        for spu_id in rack:
            sequence.setdefault(spu_id)
    return tuple(sequence)


def round_robin_rows(
    sequence: Sequence[SpuId], *, start: int, partitions: int, replication_factor: int
) -> list[ReplicaRow]:
    """Replica r of partition p is the SPU at start + p + r, round and round."""
    return [
        tuple(
            sequence[(start + partition + position) % len(sequence)]
            for position in range(replication_factor)
        )
        for partition in range(partitions)
    ]


def spread_over_racks(
    row: ReplicaRow, sequence: Sequence[SpuId], racks: Mapping[SpuId, str]
) -> ReplicaRow:
    """Replace each SPU whose rack the row uses already by one of a rack it does not use yet.

    Leaves the rest as it is; when every rack is used, a rack has to serve twice.
    """
    mended = list(row)
    begin = sequence.index(row[0])
    order = [*sequence[begin:], *sequence[:begin]]
    for position in range(1, len(mended)):
        used = {racks[spu_id] for spu_id in mended[:position]}
        if racks[mended[position]] not in used:
            continue
        free = (spu_id for spu_id in order if racks[spu_id] not in used and spu_id not in mended)
        mended[position] = next(free, mended[position])
    return tuple(mended)
