"""Reading records, as the official package does it."""

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Self

from fluvio_client import sync
from fluvio_client.consumer import record
from fluvio_client.consumer.config import Commit
from fluvio_client.consumer.config import ConsumerConfig as Config
from fluvio_client.consumer.offsets import Offset
from fluvio_client.consumer.transform import Transform
from fluvio_client.errors import (
    ConsumerError,
    FluvioError,
    OffsetManagementDisabled,
    PartitionNotFound,
    TopicNotFound,
)

NO_KEY = b"No key"


class OffsetManagementStrategy(Enum):
    """Who says what was consumed."""

    NONE = Commit.NONE
    MANUAL = Commit.MANUAL
    AUTO = Commit.AUTO


class SmartModuleKind(Enum):
    """What a SmartModule does."""

    Filter = "filter"
    Map = "map"
    ArrayMap = "array_map"
    FilterMap = "filter_map"
    Aggregate = "aggregate"


class Record:
    """One record."""

    __slots__ = ("_inner",)

    def __init__(self, inner: record.Record) -> None:
        self._inner = inner

    def offset(self) -> int:
        """Its offset in the partition."""
        return self._inner.offset

    def value(self) -> bytes:
        """The value."""
        return self._inner.value

    def value_string(self) -> str:
        """The value as UTF-8."""
        return self._inner.value.decode()

    def key(self) -> bytes:
        """The key; `No key` for a record without one."""
        return NO_KEY if self._inner.key is None else self._inner.key

    def key_string(self) -> str:
        """The key as UTF-8; empty for a record without one."""
        return (self._inner.key or b"").decode()

    def timestamp(self) -> int:
        """When it was made, ms since 1970; -1 for none."""
        return self._inner.timestamp


@dataclass(frozen=True, slots=True)
class ConsumerOffset:
    """What the cluster keeps of a consumer. These are attributes, as programs read them."""

    consumer_id: str
    topic: str
    partition: int
    offset: int
    modified_time: int


class ConsumerConfig:
    """Settings of `stream_with_config`."""

    def __init__(self) -> None:
        self.continuous = True
        self.transforms: tuple[Transform, ...] = ()

    def disable_continuous(self, val: bool = True) -> None:
        """End with what is there, instead of waiting for more."""
        self.continuous = not val

    def smartmodule(
        self,
        name: str | None = None,
        path: str | None = None,
        kind: SmartModuleKind | None = None,
        params: Mapping[str, str] | None = None,
        aggregate: Sequence[bytes] | None = None,
    ) -> None:
        """Let the SPU run a module, behind those that were named before.

        kind:      has to be one, and is not needed: the module says it
        aggregate: what one begins with
        Raises:    Exception for a wrong use, FluviorError for a file that cannot be read.
        """
        if kind is not None and not isinstance(kind, SmartModuleKind):
            raise AttributeError(f"'{type(kind).__name__}' object has no attribute 'value'")
        if path is None and name is None:
            raise Exception("Require either a path or a name for a smartmodule.")
        if path is not None and name is not None:
            raise Exception("Only specify one of path or name not both.")
        try:
            code = None if path is None else Path(path).read_bytes()
        except OSError as error:
            raise ConsumerError(f"IO Error: {error.strerror} (os error {error.errno})") from error
        self.transforms += (
            Transform(
                uses=name,
                code=code,
                params=params or {},
                accumulator=b"".join(aggregate or ()),
            ),
        )


@dataclass(frozen=True, slots=True)
class ConsumerConfigExt:
    """Settings of a consumer, made by the builder."""

    topic: str
    partitions: tuple[int, ...] = ()
    start: Offset | None = None
    continuous: bool = True
    max_bytes: int | None = None
    consumer_id: str | None = None
    strategy: OffsetManagementStrategy = OffsetManagementStrategy.NONE


class ConsumerConfigExtBuilder:
    """Settings of a consumer, one by one; `build` gives them all."""

    def __init__(self, topic: str) -> None:
        self._config = ConsumerConfigExt(topic)

    def topic(self, topic: str) -> Self:
        """What to read."""
        self._config = replace(self._config, topic=topic)
        return self

    def partition(self, partition: int) -> Self:
        """One partition of it; may be said several times. All when it is not said."""
        self._config = replace(self._config, partitions=(*self._config.partitions, partition))
        return self

    def offset_start(self, offset: Offset) -> Self:
        """Where to begin."""
        self._config = replace(self._config, start=offset)
        return self

    def offset_consumer(self, id: str) -> Self:
        """Resume as this consumer."""
        self._config = replace(self._config, consumer_id=id)
        return self

    def offset_strategy(self, strategy: OffsetManagementStrategy) -> Self:
        """Who says what was consumed."""
        self._config = replace(self._config, strategy=strategy)
        return self

    def disable_continuous(self, val: bool = True) -> Self:
        """End with what is there, instead of waiting for more."""
        self._config = replace(self._config, continuous=not val)
        return self

    def max_bytes(self, max_bytes: int) -> Self:
        """Bytes of one response."""
        self._config = replace(self._config, max_bytes=max_bytes)
        return self

    def build(self) -> ConsumerConfigExt:
        """All of them."""
        return self._config


class ConsumerIterator:
    """Records as they come; stores offsets when it goes."""

    def __init__(self, client: sync.Fluvio, consumer: sync.Consumer) -> None:
        self._client = client  # as long as this is used, its client is
        self._consumer = consumer
        consumer.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        return Record(next(self._consumer))

    def offset_commit(self) -> None:
        """Say that everything handed out was consumed."""
        self._check_managed()
        self._consumer.commit()

    def offset_flush(self) -> None:
        """Store what was consumed; with `AUTO`, everything that was handed out."""
        self._check_managed()
        if self._consumer.config.commit is Commit.AUTO:
            self._consumer.commit()
        self._consumer.flush()

    def _check_managed(self) -> None:
        if self._consumer.config.commit is Commit.NONE:
            raise OffsetManagementDisabled("the offset management is disabled for the stream")

    def __del__(self) -> None:
        # Programs drop streams; there is nothing to close them with.
        if not sys.is_finalizing():
            with contextlib.suppress(FluvioError, AttributeError):
                if self._consumer.config.commit is Commit.AUTO:
                    self._consumer.commit()
                self._consumer.close()


async def _records(client: sync.Fluvio, consumer: sync.Consumer) -> AsyncIterator[Record]:
    """Records for an event loop of another thread. client: is in use as long as they are."""
    try:
        while True:
            try:
                found = await consumer._portal.wait(consumer._twin.__anext__())
            except StopAsyncIteration:
                return
            yield Record(found)
    finally:
        with contextlib.suppress(FluvioError):
            await consumer._portal.wait(consumer._twin.close())


class _Reader:
    """Streams of a fixed choice of partitions."""

    def __init__(self, client: sync.Fluvio, selection: dict[str, list[int] | None]) -> None:
        self._client = client
        self._selection = selection

    def stream(self, offset: Offset) -> Iterator[Record]:
        """Records from a place on, without end."""
        return self.stream_with_config(offset, ConsumerConfig())

    async def async_stream(self, offset: Offset) -> AsyncIterator[Record]:
        """Like `stream`."""
        return await self.async_stream_with_config(offset, ConsumerConfig())

    def stream_with_config(self, offset: Offset, config: ConsumerConfig) -> Iterator[Record]:
        """Records from a place on."""
        consumer = self._consumer(offset, config)
        try:
            return ConsumerIterator(self._client, consumer)
        except TopicNotFound as error:
            raise self._as_the_package_says(error) from error

    async def async_stream_with_config(
        self, offset: Offset, config: ConsumerConfig
    ) -> AsyncIterator[Record]:
        """Like `stream_with_config`."""
        consumer = self._consumer(offset, config)
        try:
            await consumer._portal.wait(consumer._twin.start())
        except TopicNotFound as error:
            raise self._as_the_package_says(error) from error
        return _records(self._client, consumer)

    def _consumer(self, offset: Offset, config: ConsumerConfig) -> sync.Consumer:
        return self._client.consumer(
            self._selection,
            config=Config(start=offset, follow=config.continuous, transforms=config.transforms),
        )

    def _as_the_package_says(self, error: TopicNotFound) -> FluvioError:
        numbers = self._selection.get(error.topic)
        return error if not numbers else PartitionNotFound(error.topic, numbers[0])


class PartitionConsumer(_Reader):
    """Reads one partition."""


class MultiplePartitionConsumer(_Reader):
    """Reads several partitions, of one topic or of several."""


@dataclass(frozen=True, slots=True)
class PartitionSelectionStrategy:
    """Which partitions to read."""

    selection: dict[str, list[int] | None]

    @classmethod
    def with_all(cls, topic: str) -> Self:
        """All of a topic."""
        return cls({topic: None})

    @classmethod
    def with_multiple(cls, topic: Sequence[tuple[str, int]]) -> Self:
        """Pairs of topic and partition."""
        selection: dict[str, list[int] | None] = {}
        for name, partition in topic:
            numbers = selection.setdefault(name, [])
            assert numbers is not None, "all of them have numbers"
            numbers.append(partition)
        return cls(selection)
