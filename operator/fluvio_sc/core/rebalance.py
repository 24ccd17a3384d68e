"""Plans that move replicas: everything off one SPU, or evenly over all of them.

Called by `replica_commands.py`. Pure, and the same for the same input, so that a dry run shows what
would be done. A partition counts with the replicas that it has, or will have after its move; one
that is moving or being deleted is left alone.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.types import ReplicaKey, SpuId
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, replica_key_of
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.reconcile.consumer_offsets import keeps_consumer_offsets
from fluvio_sc.core.reconcile.spu_group import may_get_replicas
from fluvio_sc.core.scheduler import ReplicaRow


@dataclass(frozen=True, slots=True)
class Move:
    """Replicas of one partition, before and after; preferred leader first."""

    key: ReplicaKey
    before: ReplicaRow
    after: ReplicaRow
    reason: str


def plan_drain(state: ClusterState, spu_id: SpuId) -> list[Move]:
    """Every replica of this SPU goes to the emptiest that may have it, racks respected.

    Raises Refused when one has no place to go, or is on its way to this SPU.
    """
    layout = _Layout(state)
    layout.spus.pop(spu_id, None)
    reason = f"spu {spu_id} is drained"
    moves = []
    for partition in layout.partitions():
        row = layout.rows[partition.name]
        if spu_id not in row:
            continue
        if partition.replication.is_moving and keeps_consumer_offsets(partition):
            continue  # leaves by itself: turned back, or taken off when the move is over
        if partition.replication.is_moving:
            raise _refused(f"{partition.name} is moving to spu {spu_id}: cancel that first")
        free = layout.free_for(partition, row)
        staying = [other for other in row if other != spu_id]
        if staying and not free and keeps_consumer_offsets(partition):
            layout.change(partition.name, tuple(staying))
            moves.append(Move(replica_key_of(partition), row, tuple(staying), reason))
            continue
        if not free:
            raise _refused(
                f"{partition.name} has no place to go: no SPU but its own is online and may "
                "get replicas"
            )
        chosen = min(free, key=lambda other: layout.cost_of_joining(other, staying))
        after = [chosen if other == spu_id else other for other in row]
        if row[0] == spu_id:
            leader = min(after, key=lambda other: (layout.leaders[other], other))
            after = [leader, *(other for other in after if other != leader)]
        layout.change(partition.name, tuple(after))
        moves.append(Move(replica_key_of(partition), row, tuple(after), reason))
    return moves


def plan_rebalance(state: ClusterState, topics: Collection[str] | None = None) -> list[Move]:
    """No SPU with two replicas, or two preferred leaders, more than another that could have one.

    topics: whose partitions may move, None: all. The counts are those of the whole cluster. No
    move makes a partition use fewer racks than before. Leaders are evened out by the order of the
    replicas, which copies nothing.
    """
    layout = _Layout(state)
    before = dict(layout.rows)
    movable = [
        partition
        for partition in layout.partitions()
        if not partition.replication.is_moving
        and (topics is None or replica_key_of(partition).topic in topics)
    ]
    while _even_out_replicas(layout, movable):
        pass
    while _even_out_leaders(layout, movable):
        pass
    return [
        Move(
            replica_key_of(partition),
            before[partition.name],
            layout.rows[partition.name],
            _reason(before[partition.name], layout.rows[partition.name]),
        )
        for partition in movable
        if layout.rows[partition.name] != before[partition.name]
    ]


def _even_out_replicas(layout: "_Layout", movable: Iterable[StoredObject]) -> bool:
    """One replica from a fuller SPU to an emptier one, the greatest difference first.

    Ends: each lowers the sum of the squares of the counts.
    """
    by_load = sorted(layout.spus, key=lambda spu_id: (layout.replicas[spu_id], spu_id))
    pairs = sorted(
        (
            (layout.replicas[low] - layout.replicas[high], high, low)
            for high in by_load
            for low in by_load
            if layout.replicas[high] - layout.replicas[low] >= 2
        ),
    )
    on: dict[SpuId, list[StoredObject]] = {}
    for partition in movable:
        for spu_id in layout.rows[partition.name]:
            on.setdefault(spu_id, []).append(partition)
    for _, high, low in pairs:
        found = [
            partition
            for partition in on.get(high, ())
            if low in layout.free_for(partition, layout.rows[partition.name])
            and layout.keeps_racks(layout.rows[partition.name], high, low)
        ]
        if not found:
            continue
        # A follower moves without a change of leader.
        chosen = min(found, key=lambda item: layout.rows[item.name][0] == high)
        row = layout.rows[chosen.name]
        layout.change(chosen.name, tuple(low if other == high else other for other in row))
        return True
    return False


def _even_out_leaders(layout: "_Layout", movable: Iterable[StoredObject]) -> bool:
    """One leadership from an SPU with more to one with fewer, if need be over others between them.

    Ends: each lowers the sum of the squares of the counts.
    """
    ways: dict[SpuId, dict[SpuId, str]] = {}
    for partition in movable:
        first, *others = layout.rows[partition.name]
        for other in others:
            if other in layout.spus:
                ways.setdefault(first, {}).setdefault(other, partition.name)
    for start in sorted(ways, key=lambda spu_id: (-layout.leaders[spu_id], spu_id)):
        came_from: dict[SpuId, SpuId] = {start: start}
        waiting = deque([start])
        while waiting:
            here = waiting.popleft()
            if layout.leaders[here] <= layout.leaders[start] - 2:
                while here != start:
                    previous = came_from[here]
                    layout.lead(ways[previous][here], here)
                    here = previous
                return True
            for there in sorted(ways.get(here, ())):
                if there not in came_from:
                    came_from[there] = here
                    waiting.append(there)
    return False


class _Layout:
    """Where all replicas are, while a plan is made.

    spus:     those that may get replicas, and their racks
    rows:     by partition name
    replicas: how many an SPU has
    leaders:  how often an SPU is the preferred leader
    """

    def __init__(self, state: ClusterState) -> None:
        self.spus: dict[SpuId, str | None] = {
            spu.spec.id: spu.spec.rack
            for spu in state.of(Kind.SPU)
            if state.spu(spu.spec.id) is spu and may_get_replicas(spu, state)
        }
        self._racks = {spu.spec.id: spu.spec.rack for spu in state.of(Kind.SPU)}
        self._partitions = {
            partition.name: partition
            for partition in state.of(Kind.PARTITION)
            if not partition.deletion_requested and not partition.problem
        }
        self.rows: dict[str, ReplicaRow] = {
            name: partition.replication.target or partition.spec.replicas
            for name, partition in self._partitions.items()
        }
        self.replicas = Counter(spu_id for row in self.rows.values() for spu_id in row)
        self.leaders = Counter(row[0] for row in self.rows.values() if row)

    def partitions(self) -> list[StoredObject]:
        """By topic and number."""
        return sorted(self._partitions.values(), key=replica_key_of)

    def free_for(self, partition: StoredObject, row: ReplicaRow) -> list[SpuId]:
        """SPUs that may get a replica, and have no files of one."""
        leaving = partition.replication.leaving
        return [spu_id for spu_id in self.spus if spu_id not in row and spu_id not in leaving]

    def cost_of_joining(self, spu_id: SpuId, others: Collection[SpuId]) -> tuple[bool, int, SpuId]:
        """A rack of its own before a small number of replicas before a small id."""
        rack = self._racks.get(spu_id)
        shares = rack is not None and any(self._racks.get(other) == rack for other in others)
        return shares, self.replicas[spu_id], spu_id

    def keeps_racks(self, row: ReplicaRow, leaving: SpuId, joining: SpuId) -> bool:
        """Whether as many racks hold a replica when one takes the place of another."""
        now = {self._racks.get(spu_id) for spu_id in row}
        others = {self._racks.get(spu_id) for spu_id in row if spu_id != leaving}
        return len(others | {self._racks.get(joining)}) >= len(now)

    def change(self, name: str, row: ReplicaRow) -> None:
        before = self.rows[name]
        self.replicas.subtract(before)
        self.replicas.update(row)
        self.leaders[before[0]] -= 1
        self.leaders[row[0]] += 1
        self.rows[name] = row

    def lead(self, name: str, leader: SpuId) -> None:
        """Make one of its replicas the preferred leader of a partition."""
        others = (spu_id for spu_id in self.rows[name] if spu_id != leader)
        self.change(name, (leader, *others))


def _reason(before: ReplicaRow, after: ReplicaRow) -> str:
    if set(before) == set(after):
        return f"spu {before[0]} leads more than spu {after[0]}"
    gone = ", ".join(f"spu {spu_id}" for spu_id in before if spu_id not in after)
    came = ", ".join(f"spu {spu_id}" for spu_id in after if spu_id not in before)
    return f"{gone} has more replicas than {came}"


def _refused(message: str) -> Refused:
    return Refused(ErrorStatus.other(message), message)
