"""The replicas that hold every committed record, as the controller stored them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import UNKNOWN_INCARNATION, DataIncarnation, SpuId


@dataclass(frozen=True, slots=True)
class InSyncSet:
    """A stored set.

    version: counts its changes, and those of the leader
    members: in which life of its data each joined; 0: not known, any will do
    """

    version: int
    members: Mapping[SpuId, DataIncarnation]

    @classmethod
    def of(cls, version: int, replicas: Iterable[InSyncReplica]) -> "InSyncSet":
        """As an assignment says it."""
        return cls(version, {replica.spu: replica.incarnation for replica in replicas})

    def holds(self, spu_id: SpuId, incarnation: DataIncarnation) -> bool:
        """Whether that very copy is a member."""
        stored = self.members.get(spu_id)
        return stored is not None and stored in (UNKNOWN_INCARNATION, incarnation)
