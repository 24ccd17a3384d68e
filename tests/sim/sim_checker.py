"""Looks at a simulated cluster from outside, after everything that happens.

Promised, and checked byte for byte:
- an epoch has one leader, and one batch at an offset, on whatever disk (log matching);
- a high watermark never falls within an epoch nor passes the end of its log;
- at any moment, every stored member and every eligible replica that has the data it joined with
  holds all that was ever committed: looked at whenever something is committed, stored, cut or
  opened. So readers of committed records never see one taken back;
- nobody is elected from outside of those, and whoever begins to lead holds all of it;
- what is committed was on at least `minimum` disks;
- an acknowledged committed record is at its offset for good;
- a reader of committed records sees all of them, in order, and nothing else.

Promised as long as fewer than `minimum` lose data (a power cut in page-cache mode, or damage)
before the first of them is in sync again; the schedule keeps to that. Where acknowledgements wait
for syncs, power goes anywhere, everywhere at once too.
"""

from typing import Any

from fluvio_protocol.record.batch import BATCH_HEADER, BATCH_PREAMBLE_SIZE

_SHOWN_MAX = 3


class PromiseBroken(AssertionError):
    """A checker found something that must never be."""


def split(raw: bytes) -> list[bytes]:
    """Batches behind each other; here each has one record."""
    batches = []
    position = 0
    while position < len(raw):
        size = BATCH_PREAMBLE_SIZE + BATCH_HEADER.unpack_from(raw, position)[1]
        batches.append(raw[position : position + size])
        position += size
    return batches


class Checker:
    """What is true of the whole cluster, whoever lives.

    committed_batches: those below the highest high watermark there ever was, in order
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.committed_batches: list[bytes] = []
        self.acknowledged: dict[int, bytes] = {}
        self.acknowledged_count = 0
        self.read_count = 0
        self._committed_raw = bytearray()
        self._leader_of: dict[int, int] = {}
        self._high_watermark_of: dict[int, int] = {}
        self._written: dict[tuple[int, int], bytes] = {}
        self._holders: dict[bytes, set[int]] = {}

    def fail(self, text: str) -> None:
        raise PromiseBroken(text)

    # Leaders and records.

    def leader_begins(self, node: Any, epoch: int) -> None:
        known = self._leader_of.setdefault(epoch, node.number)
        if known != node.number:
            self.fail(f"epoch {epoch} is led by spu {known} and by spu {node.number}")
        if epoch < self.world.controller.partition.leader_epoch:
            return  # an assignment that came late; it cannot commit anything any more
        self._holds(node, f"leads epoch {epoch}")

    def written(self, node: Any, epoch: int, offset: int, raw: bytes) -> None:
        """A leader has appended."""
        if self._leader_of.get(epoch) != node.number:
            self.fail(f"spu {node.number} writes under epoch {epoch}, which it does not lead")
        self._is_on(node, epoch, offset, raw)

    def copied(self, node: Any, offset: int, raw: bytes) -> None:
        """A follower has appended what its leader sent."""
        for number, batch in enumerate(split(raw), start=offset):
            self._is_on(node, node.opened.lineage.epoch_at(number), number, batch)

    def _is_on(self, node: Any, epoch: int, offset: int, raw: bytes) -> None:
        if self._written.setdefault((epoch, offset), raw) != raw:
            self.fail(f"spu {node.number} has another batch for epoch {epoch} and offset {offset}")
        self._holders.setdefault(raw, set()).add(node.number)

    # What is committed.

    def committed(self, node: Any, epoch: int, offset: int) -> None:
        if offset < self._high_watermark_of.get(epoch, 0):
            self.fail(f"the high watermark of epoch {epoch} falls to {offset}")
        self._high_watermark_of[epoch] = offset
        if offset > node.log.end_offset:
            self.fail(f"high watermark {offset} is behind the log end {node.log.end_offset}")
        before = len(self.committed_batches)
        if offset <= before:
            # An older leader may still commit; only what its successors have, too.
            start = max(0, offset - 20)
            wanted = self.committed_batches[start:offset]
            if not node.is_damaged and split(node.raw(start, offset)) != wanted:
                self.fail(f"spu {node.number} commits other records below {offset}")
            return
        raw = node.raw(before, offset)
        for batch in split(raw):
            if len(self._holders[batch]) < self.world.plan.minimum:
                self.fail(f"a record of offset {before} or later is committed on too few disks")
        self.committed_batches += split(raw)
        self._committed_raw += raw
        assert len(self.committed_batches) == offset
        self.everybody_holds(before)

    def everybody_holds(self, start: int = 0) -> None:
        """Every holder with the data that it joined with has what is committed, from `start` on."""
        for holder in self.world.controller.partition.replication.holders:
            node = self.world.nodes[holder.spu]
            if not node.alive or node.is_damaged:
                continue
            if holder.incarnation != node.incarnation and (
                holder.incarnation or node.incarnation_count > 1
            ):
                continue
            self._holds(node, "is in sync or eligible", start)

    def _holds(self, node: Any, what: str, start: int = 0) -> None:
        end = len(self.committed_batches)
        if split(node.raw(start, end)) != self.committed_batches[start:]:
            self.fail(
                f"spu {node.number} {what} and lacks committed records: its log ends at "
                f"{node.log.end_offset}, {end} are committed"
            )

    def log_opened(self, node: Any) -> None:
        """A process has opened its log."""
        for number, batch in enumerate(split(node.raw(0, node.log.end_offset))):
            epoch = node.opened.lineage.epoch_at(number)
            # It may be new to us: a write that failed halfway, and whose undoing the power took.
            self._is_on(node, epoch, number, batch)
        self.everybody_holds()

    # The controller.

    def stored(self, before: Any, after: Any) -> None:
        """The partition, as it was stored and as it is now."""
        if after.leader_epoch < before.leader_epoch:
            self.fail(f"epoch {after.leader_epoch} is stored behind {before.leader_epoch}")
        if after.replication.version < before.replication.version:
            self.fail("the version of the in-sync set falls")
        was = {holder.spu: holder for holder in before.replication.holders}
        for member in after.replication.members:
            node = self.world.nodes[member.spu]
            grown = after.leader_epoch == before.leader_epoch
            if grown and member.spu not in before.replication.in_sync and node.alive:
                node.was_damaged = False
                node.is_lossy = member.incarnation != node.incarnation
        leader = after.spec.leader
        # Taken into the set and elected in one step: what its leader asked for counts already.
        able = {*was, *self._asked_for(before)}
        if after.leader_epoch != before.leader_epoch and leader not in able:
            self.fail(f"spu {leader} is elected from outside of {sorted(able)}")
        if leader not in after.replication.in_sync:
            self.fail(f"spu {leader} leads and is not in sync")
        self.everybody_holds()

    def _asked_for(self, partition: Any) -> set[int]:
        """The set that the leader of this very state wants, of which it commits nothing less."""
        live = self.world.controller.state.proposals.get(partition.name)
        if live is None:
            return set()
        asked = live.proposal
        if (asked.leader_epoch, asked.version) != (
            partition.leader_epoch,
            partition.replication.version,
        ):
            return set()
        return {member.spu for member in asked.members}

    # Clients.

    def acknowledged_committed(self, offset: int, value: bytes) -> None:
        self.acknowledged_count += 1
        self.acknowledged[offset] = value
        if len(self.committed_batches) <= offset or value not in self.committed_batches[offset]:
            self.fail(f"record {value!r} was acknowledged at {offset} and is not committed there")

    def read(self, start: int, raw: bytes) -> int:
        """A consumer of committed records got this from `start` on; returns where it is then."""
        batches = split(raw)
        end = start + len(batches)
        if self.committed_batches[start:end] != batches:
            self.fail(f"a reader at {start} is given records that are not committed there")
        self.read_count += len(batches)
        return end

    def at_the_end(self, nodes: Any, end: int) -> None:
        """Everybody has caught up: all logs are the same, and hold everything."""
        logs = {number: node.raw(0, end) for number, node in nodes.items()}
        first = next(iter(logs.values()))
        for number, other in logs.items():
            if other != first:
                self.fail(f"spu {number} ends with another log: {len(other)} and {len(first)}")
        if not first.startswith(bytes(self._committed_raw)):
            self.fail("the logs lack committed records at the end")
        batches = split(first)
        if len(set(batches)) != len(batches):
            self.fail("a record is there twice")
        for offset, value in self.acknowledged.items():
            if value not in batches[offset]:
                self.fail(f"record {value!r} was acknowledged at {offset} and is gone")
