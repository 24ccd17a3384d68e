"""The client library: produce, consume, and administer a cluster, with asyncio.

    async with connect() as client:
        await client.admin.topics.create("timber", partitions=3)
        async with client.producer("timber") as producer:
            await producer.send_all({"Norway": b"100", "Denmark": b"50"})
        async with client.consumer("timber", start="beginning", follow=False) as consumer:
            async for record in consumer:
                print(record.key_text, record.text)

What is listed here is the public surface. Names are imported when they are first used, so that a
program that only reads a profile does not pay for the rest.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluvio_client.admin import Admin, Change, Event
    from fluvio_client.clusters import connect_many
    from fluvio_client.consumer.config import (
        Commit,
        ConsumerConfig,
        ConsumerStats,
        OnError,
        OnEvicted,
    )
    from fluvio_client.consumer.consumer import Consumer
    from fluvio_client.consumer.offsets import Offset
    from fluvio_client.consumer.record import Batch, Record, TopicPartition
    from fluvio_client.consumer.transform import Transform
    from fluvio_client.desired import Applied, Difference, Outcome
    from fluvio_client.errors import ClientError, FluvioError
    from fluvio_client.fluvio import Fluvio, connect
    from fluvio_client.metrics import (
        ClientMetrics,
        ConnectionMetrics,
        ConsumerMetrics,
        ProducerMetrics,
    )
    from fluvio_client.objects import AdminObject, Owner
    from fluvio_client.producer.delivery import BatchOutcome, Delivery, RecordMetadata
    from fluvio_client.producer.partitioner import (
        HashOrRoundRobin,
        KafkaMurmur2,
        Partitioner,
        RoundRobin,
        SpecificPartition,
    )
    from fluvio_client.producer.producer import Producer, ProducerConfig
    from fluvio_client.profile import ProfileStore
    from fluvio_client.retry import RetryPolicy
    from fluvio_protocol.metadata.kinds import Kind, Metadata
    from fluvio_protocol.record.compression import BatchCompression
    from fluvio_protocol.types import CompressionType, Isolation

_HOMES = {
    "Admin": "fluvio_client.admin",
    "AdminObject": "fluvio_client.objects",
    "Applied": "fluvio_client.desired",
    "Difference": "fluvio_client.desired",
    "Kind": "fluvio_protocol.metadata.kinds",
    "Outcome": "fluvio_client.desired",
    "Owner": "fluvio_client.objects",
    "Batch": "fluvio_client.consumer.record",
    "BatchCompression": "fluvio_protocol.record.compression",
    "Change": "fluvio_client.admin",
    "BatchOutcome": "fluvio_client.producer.delivery",
    "ClientError": "fluvio_client.errors",
    "ClientMetrics": "fluvio_client.metrics",
    "Commit": "fluvio_client.consumer.config",
    "CompressionType": "fluvio_protocol.types",
    "ConnectionMetrics": "fluvio_client.metrics",
    "Consumer": "fluvio_client.consumer.consumer",
    "ConsumerConfig": "fluvio_client.consumer.config",
    "ConsumerMetrics": "fluvio_client.metrics",
    "ConsumerStats": "fluvio_client.consumer.config",
    "Delivery": "fluvio_client.producer.delivery",
    "Event": "fluvio_client.admin",
    "Fluvio": "fluvio_client.fluvio",
    "FluvioError": "fluvio_client.errors",
    "HashOrRoundRobin": "fluvio_client.producer.partitioner",
    "Isolation": "fluvio_protocol.types",
    "KafkaMurmur2": "fluvio_client.producer.partitioner",
    "Metadata": "fluvio_protocol.metadata.kinds",
    "OnError": "fluvio_client.consumer.config",
    "OnEvicted": "fluvio_client.consumer.config",
    "Offset": "fluvio_client.consumer.offsets",
    "Partitioner": "fluvio_client.producer.partitioner",
    "Producer": "fluvio_client.producer.producer",
    "ProducerConfig": "fluvio_client.producer.producer",
    "ProducerMetrics": "fluvio_client.metrics",
    "ProfileStore": "fluvio_client.profile",
    "Record": "fluvio_client.consumer.record",
    "RecordMetadata": "fluvio_client.producer.delivery",
    "RetryPolicy": "fluvio_client.retry",
    "RoundRobin": "fluvio_client.producer.partitioner",
    "Transform": "fluvio_client.consumer.transform",
    "SpecificPartition": "fluvio_client.producer.partitioner",
    "TopicPartition": "fluvio_client.consumer.record",
    "connect": "fluvio_client.fluvio",
    "connect_many": "fluvio_client.clusters",
}

__all__ = [
    "Admin",
    "AdminObject",
    "Applied",
    "Batch",
    "BatchCompression",
    "BatchOutcome",
    "Change",
    "ClientError",
    "ClientMetrics",
    "Commit",
    "CompressionType",
    "ConnectionMetrics",
    "Consumer",
    "ConsumerConfig",
    "ConsumerMetrics",
    "ConsumerStats",
    "Delivery",
    "Difference",
    "Event",
    "Fluvio",
    "FluvioError",
    "HashOrRoundRobin",
    "Isolation",
    "KafkaMurmur2",
    "Kind",
    "Metadata",
    "Offset",
    "OnError",
    "OnEvicted",
    "Outcome",
    "Owner",
    "Partitioner",
    "Producer",
    "ProducerConfig",
    "ProducerMetrics",
    "ProfileStore",
    "Record",
    "RecordMetadata",
    "RetryPolicy",
    "RoundRobin",
    "SpecificPartition",
    "TopicPartition",
    "Transform",
    "connect",
    "connect_many",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
