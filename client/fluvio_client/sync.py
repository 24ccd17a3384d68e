"""The client for programs without asyncio: the same names, without `await`.

    with fluvio_client.sync.connect() as client:
        with client.producer("timber") as producer:
            producer.send("10", key="Iceland")
        with client.consumer("timber", start="beginning", follow=False) as consumer:
            for record in consumer:
                print(record.key_text, record.text)

Each client has one thread in the background, with the event loop in which its asynchronous twin
lives. It may be used from several threads; a consumer has one reader at a time, and others wait
for their turn. Ctrl-C wakes whoever waits. Callbacks run in the background thread, and must not
call the client.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, overload

from fluvio_client import fluvio as asynchronous
from fluvio_client.clusters import check_profiles
from fluvio_client.consumer.config import ConsumerConfig, ConsumerStats
from fluvio_client.consumer.consumer import Consumer as AsyncConsumer
from fluvio_client.consumer.consumer import Lent
from fluvio_client.consumer.offsets import Offset
from fluvio_client.consumer.record import Batch, Record, TopicPartition
from fluvio_client.consumer.selection import Topics
from fluvio_client.errors import FluvioError, ProfileNotConnected
from fluvio_client.metrics import ClientMetrics
from fluvio_client.portal import Blocking, BlockingIterator, Portal
from fluvio_client.producer.delivery import Delivery as AsyncDelivery
from fluvio_client.producer.delivery import RecordMetadata
from fluvio_client.producer.partitioner import Partitioner
from fluvio_client.producer.producer import Data, ProducerConfig, ProducerStats
from fluvio_client.producer.producer import Producer as AsyncProducer
from fluvio_client.sync_admin import Admin

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Item = TypeVar("Item", default=Record, covariant=True)
else:
    from typing import TypeVar

    Item = TypeVar("Item", covariant=True)

__all__ = [
    "Admin",
    "Clusters",
    "Consumer",
    "Delivery",
    "Fluvio",
    "Producer",
    "connect",
    "connect_many",
]


def connect(
    profile: str | None = None,
    *,
    address: str | None = None,
    client_id: str | None = None,
    timeout_s: float = 10.0,
    profile_path: str | Path | None = None,
) -> "Fluvio":
    """A client to enter with `with`, or to `open` and `close`; see `fluvio_client.connect`."""
    return Fluvio(
        asynchronous.connect(
            profile,
            address=address,
            client_id=client_id,
            timeout_s=timeout_s,
            profile_path=profile_path,
        )
    )


def connect_many(
    *profiles: str,
    client_id: str | None = None,
    timeout_s: float = 10.0,
    profile_path: str | Path | None = None,
) -> "Clusters":
    """Clients of these profiles' clusters, by profile; see `fluvio_client.connect_many`."""
    check_profiles(profiles)
    return Clusters(
        {
            name: connect(name, client_id=client_id, timeout_s=timeout_s, profile_path=profile_path)
            for name in profiles
        }
    )


class Clusters:
    """Made by `connect_many`; entered with `with`, once."""

    def __init__(self, clients: "Mapping[str, Fluvio]") -> None:
        """Use `connect_many`."""
        self._clients = MappingProxyType(dict(clients))
        self._entered = ExitStack()

    def __enter__(self) -> "Mapping[str, Fluvio]":
        """Connect to all of them at the same time.

        Raises: ProfileNotConnected for the first that fails; by then the others are closed.
        """
        with ExitStack() as entered:
            connecting = {}
            for name, client in self._clients.items():
                connecting[client._portal.begin()] = name
                entered.callback(client.close)
            for opened in as_completed(connecting):
                try:
                    opened.result()
                except FluvioError as error:
                    raise ProfileNotConnected(connecting[opened], error) from error
            self._entered = entered.pop_all()
        return self._clients

    def __exit__(self, *error: object) -> None:
        self._entered.close()


class Fluvio:
    """A client of one cluster at a time; made by `connect`, for any number of threads."""

    def __init__(self, client: asynchronous.Fluvio) -> None:
        """Use `connect`."""
        self._twin = client
        self._portal = Portal(client)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> Self:
        """Connect. Raises: ConnectFailed, VersionMismatch."""
        self._portal.open()
        return self

    def close(self) -> None:
        """End everything of this client. Later calls do nothing."""
        self._portal.close()

    @property
    def platform_version(self) -> str:
        """Version of the cluster, as its controller says."""
        return self._twin.platform_version

    @property
    def address(self) -> str:
        """Address of the controller."""
        return self._twin.address

    @property
    def metrics(self) -> ClientMetrics:
        """What this client has done since it was made, also when it is closed."""
        return self._twin.metrics

    @property
    def admin(self) -> Admin:
        """Changes and shows what is in the cluster."""
        return Admin(self._portal, self._twin.admin)

    switch_profile = Blocking(asynchronous.Fluvio.switch_profile)

    def producer(
        self,
        topic: str,
        *,
        config: ProducerConfig | None = None,
        partitioner: Partitioner | None = None,
        **options: Any,
    ) -> "Producer":
        """A producer for one topic, to be entered with `with`; see the asynchronous twin."""
        twin = self._twin.producer(topic, config=config, partitioner=partitioner, **options)
        return Producer(self._portal, twin)

    @overload
    def consumer(
        self,
        topics: Topics | None = None,
        *,
        on_error: Literal["yield"],
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> "Consumer[Record | FluvioError]": ...

    @overload
    def consumer(
        self,
        topics: Topics | None = None,
        *,
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> "Consumer[Record]": ...

    def consumer(
        self,
        topics: Topics | None = None,
        *,
        pattern: str | None = None,
        partitions: Sequence[int] | int | None = None,
        config: ConsumerConfig | None = None,
        **options: Any,
    ) -> "Consumer[Any]":
        """A consumer, to be entered with `with`; see the asynchronous twin."""
        twin = self._twin.consumer(
            topics, pattern=pattern, partitions=partitions, config=config, **options
        )
        return Consumer(self._portal, twin)


class Delivery:
    """What becomes of one record."""

    def __init__(self, portal: Portal, twin: AsyncDelivery) -> None:
        """Made by the producer."""
        self._portal = portal
        self._twin = twin

    @property
    def partition(self) -> int:
        """Where it goes."""
        return self._twin.partition

    @property
    def done(self) -> bool:
        """The outcome is known."""
        return self._twin.done

    metadata = Blocking(AsyncDelivery.metadata)

    def result(self) -> RecordMetadata:
        """The outcome, without waiting. Raises: InvalidStateError while it is not known."""
        return self._twin.result()

    def add_done_callback(self, callback: Callable[["Delivery"], None]) -> None:
        """Call with this delivery, in the background thread, when the outcome is known."""
        self._portal.call(self._twin.add_done_callback, lambda _: callback(self))


class Producer:
    """Use as `with client.producer(topic) as producer`."""

    def __init__(self, portal: Portal, twin: AsyncProducer) -> None:
        """Use `Fluvio.producer`."""
        self._portal = portal
        self._twin = twin

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._portal.run(self._twin.__aexit__(kind, error, None))

    @property
    def topic(self) -> str:
        """Where records go."""
        return self._twin.topic

    start = Blocking(AsyncProducer.start)
    close = Blocking(AsyncProducer.close)
    send_and_wait = Blocking(AsyncProducer.send_and_wait)
    flush = Blocking(AsyncProducer.flush)

    def send(
        self,
        value: Data,
        *,
        key: Data | None = None,
        partition: int | None = None,
        timestamp: int | datetime | None = None,
    ) -> Delivery:
        """Hand over a record; waits only while the queue of its partition is full."""
        twin = self._portal.run(
            self._twin.send(value, key=key, partition=partition, timestamp=timestamp)
        )
        return Delivery(self._portal, twin)

    def send_nowait(
        self,
        value: Data,
        *,
        key: Data | None = None,
        partition: int | None = None,
        timestamp: int | datetime | None = None,
    ) -> Delivery:
        """Like `send`, and raises QueueFull instead of waiting."""
        twin = self._portal.call(
            self._twin.send_nowait, value, key=key, partition=partition, timestamp=timestamp
        )
        return Delivery(self._portal, twin)

    def send_all(
        self,
        records: Mapping[Any, Data] | Iterable[Data | tuple[Data | None, Data]],
    ) -> list[Delivery]:
        """Hand over many: a mapping of keys to values, or values and (key, value) pairs.

        Much quicker than one by one: threads are changed once.
        """
        items = records if isinstance(records, Mapping) else list(records)
        return [
            Delivery(self._portal, twin) for twin in self._portal.run(self._twin.send_all(items))
        ]

    def stats(self) -> ProducerStats:
        """Counts since the start."""
        return self._twin.stats()


class Consumer(Generic[Item]):
    """Use as `with client.consumer(topic) as consumer`, then `for record in consumer`.

    Records come from the background thread by whole batches; what is not handed out stays the
    asynchronous twin's, so places, offsets and marks are as if they came one by one.
    """

    def __init__(self, portal: Portal, twin: AsyncConsumer[Any]) -> None:
        """Use `Fluvio.consumer`."""
        self._portal = portal
        self._twin = twin
        self._turn = threading.Lock()  # held while a reader waits
        self._place = threading.Lock()  # held for a moment: how far the batch came
        self._lent: Lent | None = None
        self._records: Iterator[Record] = iter(())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def topics(self) -> tuple[str, ...]:
        """What is read."""
        return self._twin.topics

    @property
    def config(self) -> ConsumerConfig:
        """How it is read."""
        return self._twin.config

    start = Blocking(AsyncConsumer.start)

    def close(self) -> None:
        """Send the offsets that were marked, then stop. Later calls do nothing."""
        self._give_back()
        self._portal.run(self._twin.close())

    # Reading

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        with self._turn:
            while True:
                with self._place:
                    record = next(self._records, None)
                    if record is not None:
                        assert self._lent is not None, "records come out of what was lent"
                        self._lent.count += 1
                        return record  # type: ignore[return-value]  # an Item is one at least
                    self._lent = None
                found = self._portal.run(self._twin.lend())
                if found is None:
                    raise StopIteration
                if not isinstance(found, Lent):
                    return found  # type: ignore[return-value]  # the caller asked for errors
                with self._place:
                    self._lent, self._records = found, iter(found.batch)

    @overload
    def batches(self: "Consumer[Record]") -> BlockingIterator[Batch]: ...

    @overload
    def batches(
        self: "Consumer[Record | FluvioError]",
    ) -> BlockingIterator[Batch | FluvioError]: ...

    def batches(self) -> BlockingIterator[Any]:
        """Whole batches, the quick way."""
        self._give_back()
        return BlockingIterator(self._portal, self._twin.batches())

    def next_batch(self, max_records: int = 500, timeout_s: float = 1.0) -> list[Item]:
        """What comes within the timeout, and at most so many; empty when nothing came."""
        self._give_back()
        found: list[Item] = self._portal.run(
            self._twin.next_batch(max_records=max_records, timeout_s=timeout_s)
        )
        return found

    def fetch(
        self,
        offset: Offset | int | str | None = None,
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
    ) -> list[Item]:
        """The records from `offset` to what is the end at this moment: a finite list."""
        found: list[Item] = self._portal.run(
            self._twin.fetch(offset, max_records=max_records, max_bytes=max_bytes)
        )
        return found

    # Places and offsets

    def seek(
        self, place: Offset | int | str, *, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Go on reading somewhere else; what was read ahead is forgotten."""
        self._give_back()
        self._portal.run(self._twin.seek(place, topic=topic, partition=partition))

    def pause(self, *, topic: str | None = None, partition: int | None = None) -> None:
        """Hand out nothing of these partitions, else of all, and soon read no more of them."""
        self._give_back()
        self._portal.call(self._twin.pause, topic=topic, partition=partition)

    def resume(self, *, topic: str | None = None, partition: int | None = None) -> None:
        """Go on with partitions that were paused, where they were."""
        self._portal.call(self._twin.resume, topic=topic, partition=partition)

    def paused(self) -> list[TopicPartition]:
        """Partitions that are paused."""
        return self._portal.call(self._twin.paused)

    def position(self) -> dict[TopicPartition, int]:
        """By partition, the offset of the record to be handed out next."""
        self._give_back()
        return self._portal.call(self._twin.position)

    def lag(self) -> dict[TopicPartition, int]:
        """By partition, how many committed records there are behind the position, right now."""
        self._give_back()
        return self._portal.run(self._twin.lag())

    def stats(self) -> ConsumerStats:
        """Counts since the start."""
        return self._twin.stats()

    def commit(self, record: Record | None = None) -> None:
        """Mark as consumed what was handed out, or one record and all before it."""
        self._give_back()
        self._portal.run(self._twin.commit(record))

    def flush(self) -> None:
        """Store the marked offsets in the cluster."""
        self._give_back()
        self._portal.run(self._twin.flush())

    def _give_back(self) -> None:
        """Let the twin know how far the batch came that it lent; the rest of it comes again."""
        with self._place:
            lent, self._lent, self._records = self._lent, None, iter(())
            if lent is not None:
                self._portal.call(self._twin.give_back)
