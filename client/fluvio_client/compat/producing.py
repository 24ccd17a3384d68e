"""Sending records, as the official package does it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from fluvio_client import sync
from fluvio_client.producer import delivery
from fluvio_client.producer.partitioner import Partitioner, SpecificPartition
from fluvio_client.producer.producer import ProducerConfig
from fluvio_client.retry import DELIVERY
from fluvio_protocol import types as wire
from fluvio_protocol.record.compression import BatchCompression

Bytes = bytes | bytearray | Sequence[int]


class Compression(Enum):
    """Codec of a producer's batches."""

    None_ = BatchCompression.NONE
    Gzip = BatchCompression.GZIP
    Snappy = BatchCompression.SNAPPY
    Lz4 = BatchCompression.LZ4
    Zstd = BatchCompression.ZSTD


class Isolation(Enum):
    """When a record counts as stored."""

    ReadCommitted = wire.Isolation.READ_COMMITTED
    ReadUncommitted = wire.Isolation.READ_UNCOMMITTED


class DeliverySemantic(Enum):
    """Whether a request is sent again when its answer was lost."""

    AtMostOnce = "at-most-once"
    AtLeastOnce = "at-least-once"


@dataclass(frozen=True, slots=True)
class TopicProducerConfig:
    """Settings of a producer, made by the builder."""

    config: ProducerConfig
    partitioner: Partitioner | None


class TopicProducerConfigBuilder:
    """Settings of a producer, one by one; `build` gives them all."""

    def __init__(self) -> None:
        self._config = ProducerConfig()
        self._partitioner: Partitioner | None = None

    def batch_size(self, batch_size: int) -> Self:
        """Bytes of a batch."""
        self._config = replace(self._config, batch_size_bytes=batch_size)
        return self

    def batch_queue_size(self, batch_queue_size: int) -> Self:
        """Batches of a partition that may wait."""
        self._config = replace(self._config, batch_queue_count_max=batch_queue_size)
        return self

    def max_request_size(self, max_request_size: int) -> Self:
        """Bytes of the largest record."""
        self._config = replace(self._config, max_request_size_bytes=max_request_size)
        return self

    def linger(self, linger: int) -> Self:
        """How long a batch waits for more records, ms."""
        self._config = replace(self._config, linger_s=linger / 1000)
        return self

    def timeout(self, timeout: int) -> Self:
        """How long a leader may take, ms."""
        self._config = replace(self._config, timeout_ms=timeout)
        return self

    def compression(self, compression: Compression) -> Self:
        """Codec of the batches."""
        self._config = replace(self._config, compression=compression.value)
        return self

    def isolation(self, isolation: Isolation) -> Self:
        """When a record counts as stored."""
        self._config = replace(self._config, isolation=isolation.value)
        return self

    def delivery_semantic(self, delivery_semantic: DeliverySemantic) -> Self:
        """Whether to send again."""
        once = delivery_semantic is DeliverySemantic.AtMostOnce
        self._config = replace(self._config, retry=None if once else DELIVERY)
        return self

    def set_specific_partitioner(self, partition: int) -> Self:
        """Send everything to one partition."""
        self._partitioner = SpecificPartition(partition)
        return self

    def build(self) -> TopicProducerConfig:
        """All of them."""
        return TopicProducerConfig(self._config, self._partitioner)


@dataclass(frozen=True, slots=True)
class RecordMetadata:
    """Where a record was stored."""

    _metadata: delivery.RecordMetadata

    def offset(self) -> int:
        """Its offset in the partition."""
        return self._metadata.offset

    def partition_id(self) -> int:
        """The partition."""
        return self._metadata.partition


class ProduceOutput:
    """Says once where a record was stored."""

    def __init__(self, sent: sync.Delivery) -> None:
        self._sent: sync.Delivery | None = sent

    def wait(self) -> RecordMetadata | None:
        """Wait for it; None the second time. Raises FluviorError."""
        sent, self._sent = self._sent, None
        return None if sent is None else RecordMetadata(sent.metadata())

    async def async_wait(self) -> RecordMetadata | None:
        """Like `wait`."""
        sent, self._sent = self._sent, None
        if sent is None:
            return None
        return RecordMetadata(await sent._portal.wait(sent._twin.metadata()))


class TopicProducer:
    """Sends records to one topic."""

    def __init__(self, client: sync.Fluvio, producer: sync.Producer) -> None:
        self._client = client  # as long as this is used, its client is
        self._producer = producer
        producer.start()

    def send_string(self, buf: str) -> ProduceOutput:
        """Send a text under the empty key."""
        return self.send(b"", buf.encode())

    async def async_send_string(self, buf: str) -> ProduceOutput:
        """Like `send_string`."""
        return await self.async_send(b"", buf.encode())

    def send(self, key: Bytes, value: Bytes) -> ProduceOutput:
        """Send a record to the partition of its key, which may be empty."""
        return ProduceOutput(self._producer.send(bytes(value), key=bytes(key)))

    async def async_send(self, key: Bytes, value: Bytes) -> ProduceOutput:
        """Like `send`."""
        portal, twin = self._producer._portal, self._producer._twin
        sent = await portal.wait(twin.send(bytes(value), key=bytes(key)))
        return ProduceOutput(sync.Delivery(portal, sent))

    def send_all(self, records: Iterable[tuple[Bytes, Bytes]]) -> list[ProduceOutput]:
        """Send many (key, value) pairs."""
        pairs = [(bytes(key), bytes(value)) for key, value in records]
        return [ProduceOutput(sent) for sent in self._producer.send_all(pairs)]

    async def async_send_all(self, records: Iterable[tuple[Bytes, Bytes]]) -> list[ProduceOutput]:
        """Like `send_all`."""
        portal, twin = self._producer._portal, self._producer._twin
        pairs = [(bytes(key), bytes(value)) for key, value in records]
        sent = await portal.wait(twin.send_all(pairs))
        return [ProduceOutput(sync.Delivery(portal, one)) for one in sent]

    def flush(self) -> None:
        """Send what waits, and wait until it is stored. Raises FluviorError."""
        self._producer.flush()

    async def async_flush(self) -> None:
        """Like `flush`."""
        await self._producer._portal.wait(self._producer._twin.flush())
