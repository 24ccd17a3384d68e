"""Looks at a simulated cluster from outside, after everything that happens.

Promised, and checked:
- an epoch has one leader, and one record at an offset, on whatever disk (log matching);
- a high watermark never falls within an epoch nor passes the end of its log;
- when it moves, every stored member with the data it joined with holds everything below it, as it
  was committed before (so readers of committed records never see one taken back);
- whoever begins to lead holds everything that was ever committed;
- an acknowledged committed record is at its offset for good.

All of it as long as power is only cut where the promise allows it, which the schedule sees to: some
other holder keeps the data that it joined with. With `minimum` 2 that is what is promised to users.
"""

from typing import Any


class PromiseBroken(AssertionError):
    """A checker found something that must never be."""


class Checker:
    """What is true of the whole cluster, whoever lives.

    committed: the records below the highest high watermark there ever was, in order
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.committed_values: list[bytes] = []
        self.acknowledged: dict[int, bytes] = {}
        self.acknowledged_count = 0
        self._leader_of: dict[int, int] = {}
        self._high_watermark_of: dict[int, int] = {}
        self._written: dict[tuple[int, int], bytes] = {}

    def fail(self, text: str) -> None:
        raise PromiseBroken(text)

    def leader_begins(self, node: Any, epoch: int) -> None:
        known = self._leader_of.setdefault(epoch, node.number)
        if known != node.number:
            self.fail(f"epoch {epoch} is led by spu {known} and by spu {node.number}")
        if epoch < self.world.controller.partition.leader_epoch:
            return  # an assignment that came late; it cannot commit anything any more
        held = node.values(0, node.log.end_offset)
        count = len(self.committed_values)
        if held[:count] != self.committed_values:
            self.fail(
                f"spu {node.number} leads epoch {epoch} without what was committed: "
                f"{len(held)} records, {count} were committed"
            )

    def appended(self, node: Any, epoch: int, offset: int, value: bytes) -> None:
        if self._leader_of.get(epoch) != node.number:
            self.fail(f"spu {node.number} writes under epoch {epoch}, which it does not lead")
        if self._written.setdefault((epoch, offset), value) != value:
            self.fail(f"two records have epoch {epoch} and offset {offset}")

    def committed(self, node: Any, epoch: int, offset: int) -> None:
        if offset < self._high_watermark_of.get(epoch, 0):
            self.fail(f"the high watermark of epoch {epoch} falls to {offset}")
        self._high_watermark_of[epoch] = offset
        if offset > node.log.end_offset:
            self.fail(f"high watermark {offset} is behind the log end {node.log.end_offset}")
        before = len(self.committed_values)
        if offset > before:
            self.committed_values += node.values(before, offset)
        else:
            # An older leader may still commit; only what its successors have, too.
            start = max(0, offset - 20)
            if node.values(start, offset) != self.committed_values[start:offset]:
                self.fail(f"spu {node.number} commits other records below {offset}")
        self._members_hold(node, min(before, offset), offset)

    def _members_hold(self, leader: Any, start: int, end: int) -> None:
        partition = self.world.controller.partition
        if partition.leader_epoch != self._newest_epoch_of(leader):
            return  # its set is not the stored one any more
        for member in partition.replication.members:
            node = self.world.nodes[member.spu]
            if not node.alive or member.incarnation not in (0, node.incarnation):
                continue
            held = node.values(start, end)
            if held != self.committed_values[start:end]:
                self.fail(
                    f"spu {member.spu} is in sync and lacks what is committed below {end}: "
                    f"its log ends at {node.log.end_offset}"
                )

    def _newest_epoch_of(self, node: Any) -> int:
        return int(node.leader.leader_epoch) if node.leader is not None else -1

    def acknowledged_committed(self, offset: int, value: bytes) -> None:
        self.acknowledged_count += 1
        self.acknowledged[offset] = value
        if len(self.committed_values) <= offset or self.committed_values[offset] != value:
            self.fail(f"record {value!r} was acknowledged at {offset} and is not committed there")

    def at_the_end(self, logs: dict[int, list[bytes]]) -> None:
        """Everybody has caught up: all logs are the same, and hold everything."""
        first, *others = logs.values()
        for number, other in zip(list(logs)[1:], others, strict=True):
            if other != first:
                self.fail(f"spu {number} ends with another log: {len(other)} and {len(first)}")
        count = len(self.committed_values)
        if first[:count] != self.committed_values:
            self.fail("the logs lack committed records at the end")
        for offset, value in self.acknowledged.items():
            if first[offset] != value:
                self.fail(f"record {value!r} was acknowledged at {offset} and is gone")
