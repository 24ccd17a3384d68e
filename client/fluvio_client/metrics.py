"""What one client has done so far, as `client.metrics` tells it.

`ClientCounts` is what sessions, producers and consumers add to, by batch, request and connection,
never by record; so what is closed stays counted. `ClientMetrics` is a picture of it at one moment.
Plain data: no I/O, no clock. Invariant: no number ever falls, but that of open connections.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

from fluvio_client.consumer.config import ConsumerStats


@dataclass(slots=True)
class ProducerCounts:
    """What producers add to; the fields are those of ProducerMetrics."""

    requests_sent: int = 0
    batches_sent: int = 0
    records_sent: int = 0
    bytes_sent: int = 0
    requests_acknowledged: int = 0
    batches_acknowledged: int = 0
    records_acknowledged: int = 0
    bytes_acknowledged: int = 0
    batches_failed: int = 0
    records_failed: int = 0
    attempts_failed: int = 0
    requests_retried: int = 0
    smartmodule_failures: int = 0


@dataclass(slots=True)
class ClientCounts:
    """What everything of one client adds to.

    connections_opened: dialled with success, to controllers and SPUs
    connections_closed: those of them that the client itself ended, when it was closed
    """

    producers: ProducerCounts = field(default_factory=ProducerCounts)
    consumers: ConsumerStats = field(default_factory=ConsumerStats)
    connections_opened: int = 0
    connections_closed: int = 0

    def metrics(self, *, connections_open: int) -> "ClientMetrics":
        """A picture of this moment."""
        over = self.connections_opened - self.connections_closed - connections_open
        return ClientMetrics(
            producers=ProducerMetrics(**asdict(self.producers)),
            consumers=ConsumerMetrics(**asdict(self.consumers)),
            connections=ConnectionMetrics(
                open=connections_open, opened=self.connections_opened, lost=max(0, over)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerMetrics:
    """What all producers of a client have done, also those that are closed.

    requests_sent:         produce requests that left, each time that they did
    batches_sent:          batches in them
    records_sent:          records in them
    bytes_sent:            of those batches, compressed, with their headers
    requests_acknowledged: requests of which the leader stored every batch
    batches_acknowledged:  batches that a leader stored
    records_acknowledged:  records in them, before SmartModules
    bytes_acknowledged:    of those batches, compressed, with their headers
    batches_failed:        batches that were given up
    records_failed:        records in them
    attempts_failed:       times that there was no leader to send to, no answer, or a refusal in it,
                           whether it was tried again or not
    requests_retried:      times that what had failed was to be sent again
    smartmodule_failures:  batches that a SmartModule failed on a record of
    """

    requests_sent: int
    batches_sent: int
    records_sent: int
    bytes_sent: int
    requests_acknowledged: int
    batches_acknowledged: int
    records_acknowledged: int
    bytes_acknowledged: int
    batches_failed: int
    records_failed: int
    attempts_failed: int
    requests_retried: int
    smartmodule_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerMetrics:
    """What all consumers of a client have met, also those that are closed; see ConsumerStats."""

    evictions: int
    errors_skipped: int
    streams_resumed: int
    batches_received: int
    records_received: int
    bytes_received: int
    smartmodule_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionMetrics:
    """Connections of a client to controllers and SPUs.

    open:   right now
    opened: since the client was made
    lost:   those of them that ended before the client did
    """

    open: int
    opened: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetrics:
    """What a client has done since it was made, on all its clusters: a picture of one moment.

    `dataclasses.asdict` makes plain numbers of it. Records are counted by whole batches: a batch
    counts when it leaves, when its outcome is known, or when a reader comes to it.
    """

    producers: ProducerMetrics
    consumers: ConsumerMetrics
    connections: ConnectionMetrics


def total(pictures: Iterable[ClientMetrics]) -> ClientMetrics:
    """What several clients have done together; nothing, when there are none."""
    every = tuple(pictures)
    return ClientMetrics(
        producers=_sum(ProducerMetrics, [one.producers for one in every]),
        consumers=_sum(ConsumerMetrics, [one.consumers for one in every]),
        connections=_sum(ConnectionMetrics, [one.connections for one in every]),
    )


_Part = TypeVar("_Part", ProducerMetrics, ConsumerMetrics, ConnectionMetrics)


def _sum(kind: type[_Part], parts: list[_Part]) -> _Part:
    names = [one.name for one in fields(kind)]
    return kind(**{name: sum(getattr(part, name) for part in parts) for name in names})
