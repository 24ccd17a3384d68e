"""What the operator publishes of itself, gathered when somebody asks."""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum

from fluvio_operator.event_recorder import EventRecorder
from fluvio_operator.kube_api import KubeApi
from fluvio_operator.kube_feed import KubeFeed
from fluvio_operator.status_writer import StatusWriter
from fluvio_process.exposition import Sample
from fluvio_process.process_samples import process_samples
from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.memory_store import MemoryStore

PREFIX = "fluvio_operator_"


class OperatorMetrics:
    """`show` what there is to be read once this process leads."""

    def __init__(self, api: KubeApi, *, is_leader: Callable[[], bool]) -> None:
        self.feed: KubeFeed | None = None
        self._api = api
        self._is_leader = is_leader
        self._memory_store: MemoryStore | None = None
        self._statuses: StatusWriter | None = None
        self._events: EventRecorder | None = None

    def show(
        self, memory_store: MemoryStore, statuses: StatusWriter, events: EventRecorder
    ) -> None:
        self._memory_store = memory_store
        self._statuses = statuses
        self._events = events

    async def samples(self) -> list[Sample]:
        """All that can be told now."""
        return [*self._samples(), *self._object_samples(), *process_samples()]

    def _samples(self) -> Iterator[Sample]:
        about = "1 while this process is the controller"
        yield Sample(f"{PREFIX}leader", "gauge", about, int(self._is_leader()))
        about = "requests to the API server, repetitions included"
        for method, count in sorted(self._api.request_counts.items()):
            name = f"{PREFIX}api_requests_total"
            yield Sample(name, "counter", about, count, {"method": method})
        if self.feed is not None:
            about = "events that the watches told of"
            yield Sample(f"{PREFIX}watch_events_total", "counter", about, self.feed.event_count)
        if self._statuses is not None:
            about = "statuses written"
            count = self._statuses.write_count
            yield Sample(f"{PREFIX}status_writes_total", "counter", about, count)
            about = "objects whose status waits to be written"
            yield Sample(f"{PREFIX}status_pending", "gauge", about, self._statuses.pending_count)
        if self._events is not None:
            about = "Kubernetes Events that were not written"
            count = self._events.dropped_count
            yield Sample(f"{PREFIX}events_dropped_total", "counter", about, count)

    def _object_samples(self) -> Iterator[Sample]:
        if self._memory_store is None:
            return
        about = "objects, by kind and by the state that their status names"
        for kind in Kind:
            states = Counter(_state_of(item) for item in self._memory_store.of(kind))
            for state, count in sorted(states.items()):
                labels = {"kind": str(kind), "state": state}
                yield Sample(f"{PREFIX}objects", "gauge", about, count, labels)


def _state_of(item: StoredObject) -> str:
    """As the status names it, in lower case; empty for kinds that have no states."""
    resolution = getattr(item.status, "resolution", None)
    return resolution.name.lower() if isinstance(resolution, Enum) else ""
