"""What replicas want the controller to do: other in-sync sets, other leaders, and which are unfit.

Filled by replicas and the registry, emptied by `links/controller_link`. Only the newest of a kind
counts for a partition, so there is never more here than there are partitions. What was taken and
got lost with the connection is told again: machines repeat their requests, and the registry tells
of unfit replicas at every registration.
"""

from collections.abc import Callable

from fluvio_protocol.sc_private.in_sync import InSyncProposal, Resignation, UnfitReplica
from fluvio_protocol.types import ReplicaKey


class ControllerNews:
    """By partition.

    on_news: called when there is something that should not wait for the next heartbeat
    """

    def __init__(self) -> None:
        self.on_news: list[Callable[[], None]] = []
        self._proposals: dict[ReplicaKey, InSyncProposal] = {}
        self._resignations: dict[ReplicaKey, Resignation] = {}
        self._unfit: dict[ReplicaKey, UnfitReplica] = {}

    def propose(self, proposal: InSyncProposal) -> None:
        """Another in-sync set."""
        self._proposals[proposal.key] = proposal
        self._tell()

    def resign(self, resignation: Resignation) -> None:
        """Another leader."""
        self._resignations[resignation.key] = resignation
        self._tell()

    def unfit(self, replica: UnfitReplica) -> None:
        """A replica that must not lead."""
        self._unfit[replica.key] = replica
        self._tell()

    def take(
        self,
    ) -> tuple[tuple[InSyncProposal, ...], tuple[Resignation, ...], tuple[UnfitReplica, ...]]:
        """Everything, once."""
        proposals, self._proposals = tuple(self._proposals.values()), {}
        resignations, self._resignations = tuple(self._resignations.values()), {}
        unfit, self._unfit = tuple(self._unfit.values()), {}
        return proposals, resignations, unfit

    def _tell(self) -> None:
        for listener in self.on_news:
            listener()
