"""Which leadership wrote which offsets of a log, and up to where two logs are the same.

A leader writes under one epoch, only at its end, and never cuts. So two logs that have a record of
the same epoch at the same offset are the same up to there; that is all a follower has to know to
join another leader (KIP-101, KIP-279). High watermarks say nothing about it: they lag.

Offsets before the first entry were written before leaderships were counted: epoch -1.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from fluvio_protocol.spu_private.replication import EpochStart
from fluvio_protocol.types import LeaderEpoch, Offset

BEFORE_EPOCHS = LeaderEpoch(-1)


@dataclass(frozen=True, slots=True)
class EpochLineage:
    """Leaderships by the first offset that each gave. Invariant: epochs and offsets both grow."""

    entries: tuple[EpochStart, ...] = ()

    def __post_init__(self) -> None:
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            if after.epoch <= before.epoch or after.offset <= before.offset:
                raise ValueError(f"lineage does not grow from {before} to {after}")

    @property
    def newest_epoch(self) -> LeaderEpoch:
        """Of the last entry; -1 without any."""
        return self.entries[-1].epoch if self.entries else BEFORE_EPOCHS

    def epoch_at(self, offset: Offset) -> LeaderEpoch:
        """Who wrote the record at `offset`, if there is one."""
        found = bisect_right(self.entries, offset, key=_offset_of) - 1
        return self.entries[found].epoch if found >= 0 else BEFORE_EPOCHS

    def start_at(self, offset: Offset) -> Offset:
        """First offset of the run of one epoch that `offset` is in."""
        found = bisect_right(self.entries, offset, key=_offset_of) - 1
        return self.entries[found].offset if found >= 0 else Offset(0)

    def begun(self, epoch: LeaderEpoch, offset: Offset) -> "EpochLineage":
        """With another leadership, which gives offsets from `offset`, the log end, on.

        Raises ValueError when it is not newer than all that wrote records.
        """
        return EpochLineage((*self.cut(offset).entries, EpochStart(epoch=epoch, offset=offset)))

    def cut(self, end: Offset) -> "EpochLineage":
        """Of a log that ends there: what says nothing about a record is left out."""
        if not self.entries or self.entries[-1].offset < end:
            return self
        return EpochLineage(tuple(entry for entry in self.entries if entry.offset < end))

    def trimmed(self, start: Offset) -> "EpochLineage":
        """Of a log that begins there: only what says something about offsets from `start` on."""
        first = bisect_right(self.entries, start, key=_offset_of) - 1
        return self if first <= 0 else EpochLineage(self.entries[first:])


def joined(own: EpochLineage, leader: Iterable[EpochStart]) -> EpochLineage:
    """Of a follower whose log was just cut to what it has in common with its leader.

    The leader's word counts, also for what will come. Of the follower's own only that is kept which
    lies below everything the leader still knows of: the leader's log may begin later.
    """
    theirs = tuple(leader)
    if not theirs:
        return EpochLineage()
    first = theirs[0]
    kept = (e for e in own.entries if e.offset < first.offset and e.epoch < first.epoch)
    return EpochLineage((*kept, *theirs))


def common_end(own: EpochLineage, own_end: int, other: EpochLineage, other_end: int) -> Offset:
    """Up to where two logs hold the same records: the last offset behind a common one, or 0.

    own_end, other_end: log end offsets. Beyond its end a log has no record, whatever is noted.
    """
    end = min(own_end, other_end)
    while end > 0:
        last = Offset(end - 1)
        if own.epoch_at(last) == other.epoch_at(last):
            break
        end = max(own.start_at(last), other.start_at(last))
    return Offset(end)


def _offset_of(entry: EpochStart) -> Offset:
    return entry.offset
