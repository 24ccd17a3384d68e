"""What replicas want the controller to do: other in-sync sets and other leaders.

Filled by replicas and the registry, emptied by `links/controller_link`. Only the newest of a kind
counts for a partition, so there is never more here than there are partitions. What was taken and
got lost with the connection is told again: machines repeat their requests.
"""

from collections.abc import Callable

from fluvio_protocol.sc_private.in_sync import InSyncProposal, Resignation
from fluvio_protocol.types import ReplicaKey


class ControllerNews:
    """By partition.

    on_news: called when there is something that should not wait for the next heartbeat
    """

    def __init__(self) -> None:
        self.on_news: list[Callable[[], None]] = []
        self._proposals: dict[ReplicaKey, InSyncProposal] = {}
        self._resignations: dict[ReplicaKey, Resignation] = {}

    def propose(self, proposal: InSyncProposal) -> None:
        """Another in-sync set."""
        self._proposals[proposal.key] = proposal
        self._tell()

    def resign(self, resignation: Resignation) -> None:
        """Another leader."""
        self._resignations[resignation.key] = resignation
        self._tell()

    def take(self) -> tuple[tuple[InSyncProposal, ...], tuple[Resignation, ...]]:
        """Everything, once."""
        proposals, self._proposals = tuple(self._proposals.values()), {}
        resignations, self._resignations = tuple(self._resignations.values()), {}
        return proposals, resignations

    def _tell(self) -> None:
        for listener in self.on_news:
            listener()
