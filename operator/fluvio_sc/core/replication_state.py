"""Which replicas hold every committed record of a partition, and the arithmetic of that set.

Part of a stored partition (`cluster_state.StoredObject.replication`). Pure; knows no objects.

Invariants: `members` and `eligible` have no SPU in common, and none twice. While there are as many
members as a record needs, nobody else is eligible: the high watermark may have moved on without
the others. `version` grows by one with every change of leader or members, and with every refused
proposal, so that whatever a leader asked for under an older one can never come true.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import UNKNOWN_INCARNATION, DataIncarnation, SpuId

MIN_IN_SYNC_DEFAULT = 1
"""Replicas that a record needs where nobody said another number."""


@dataclass(frozen=True, slots=True)
class ReplicationState:
    """Who holds what, and what is to become of it.

    members:   the in-sync set: replicas that hold every committed record, the leader among them
    eligible:  left the set while it was, or thereby became, smaller than a record needs; since
               nothing is committed meanwhile, they hold every committed record as well
    version:   counts the changes; 0 for objects that are no partitions
    successor: whom the leader shall hand over to; None: it shall stay
    target:    replicas that a move is to lead to, preferred leader first; empty: no move
    original:  replicas before the move; equal to the target: the move is being cancelled
    leaving:   SPUs that are no replicas any more and still have to delete the files
    """

    members: tuple[InSyncReplica, ...] = ()
    eligible: tuple[InSyncReplica, ...] = ()
    version: int = 0
    successor: SpuId | None = None
    target: tuple[SpuId, ...] = ()
    original: tuple[SpuId, ...] = ()
    leaving: tuple[SpuId, ...] = ()

    @classmethod
    def led_by(
        cls, leader: SpuId, incarnation: DataIncarnation = UNKNOWN_INCARNATION
    ) -> "ReplicationState":
        """Of a new partition: its leader holds all there is."""
        return cls(members=(InSyncReplica(spu=leader, incarnation=incarnation),), version=1)

    @classmethod
    def of_spus(cls, in_sync: Iterable[SpuId], *, version: int = 1) -> "ReplicationState":
        """As it was kept before incarnations were: any will do."""
        return cls(members=tuple(InSyncReplica(spu=spu) for spu in in_sync), version=version)

    @property
    def in_sync(self) -> tuple[SpuId, ...]:
        return tuple(member.spu for member in self.members)

    @property
    def eligible_spus(self) -> tuple[SpuId, ...]:
        return tuple(member.spu for member in self.eligible)

    @property
    def holders(self) -> tuple[InSyncReplica, ...]:
        """Whoever holds every committed record, unless its data was lost."""
        return (*self.members, *self.eligible)

    @property
    def is_moving(self) -> bool:
        return bool(self.target)

    @property
    def is_cancelling(self) -> bool:
        return bool(self.target) and self.target == self.original

    def member(self, spu: SpuId) -> InSyncReplica | None:
        return next((member for member in self.members if member.spu == spu), None)

    def with_members(
        self,
        members: Sequence[InSyncReplica],
        *,
        minimum: int,
        invalid: Collection[SpuId] = (),
    ) -> Self:
        """Another set, one version later.

        minimum: replicas that a record needs
        invalid: SPUs whose data is not what it was: they are eligible for nothing
        """
        named = {member.spu for member in members}
        eligible: tuple[InSyncReplica, ...] = ()
        if len(members) < minimum:
            eligible = tuple(
                holder
                for holder in (*self.eligible, *self.members)
                if holder.spu not in named and holder.spu not in invalid
            )
        return replace(
            self,
            members=tuple(members),
            eligible=eligible,
            version=self.version + 1,
            successor=self.successor if self.successor in named else None,
        )

    def only(self, spu: SpuId, incarnation: DataIncarnation) -> Self:
        """One that may lack records is all there is left."""
        return replace(
            self,
            members=(InSyncReplica(spu=spu, incarnation=incarnation),),
            eligible=(),
            version=self.version + 1,
            successor=None,
        )

    def refused(self) -> Self:
        """The same set, one version later."""
        return replace(self, version=self.version + 1)

    def within(self, replicas: Collection[SpuId], *, minimum: int) -> Self:
        """Cut to these replicas, one version later."""
        cut = replace(
            self, eligible=tuple(holder for holder in self.eligible if holder.spu in replicas)
        )
        kept = tuple(member for member in self.members if member.spu in replicas)
        gone = {member.spu for member in self.members} - set(replicas)
        return cut.with_members(kept, minimum=minimum, invalid=gone)


def effective_min_in_sync(
    wanted: int | None, replicas: Sequence[SpuId], replication: ReplicationState
) -> int:
    """In-sync replicas that a record needs: as wanted, but never more than there are.

    During a move not more than there were, nor more than there will be: replicas that are only
    on their way do not count.
    """
    count = len(replicas)
    if replication.is_moving:
        count = min(len(replication.original) or count, len(replication.target))
    return max(1, min(wanted or MIN_IN_SYNC_DEFAULT, count))
