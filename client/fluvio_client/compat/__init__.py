"""The names of the official Python package `fluvio`, over this client: for programs that move.

    from fluvio_client import compat as fluvio

Names, arguments and results are those of `fluvio` 0.21, with what programs came to rely on: an
output is waited for once, a record without a key has the key `No key`, `send_string` sends an empty
key, lists filter by parts of names. New programs use `fluvio_client` or `fluvio_client.sync`.

What differs: TLS is refused, and producers send no SmartModules; iterators wake at once on Ctrl-C;
retries and the order of records are this client's.
"""

from fluvio_client.compat.administration import (
    CommonCreateRequest,
    FluvioAdmin,
    MessageMetadataSmartModuleSpec,
    MessageMetadataTopicSpec,
    MetadataPartitionSpec,
    MetadataSmartModuleSpec,
    MetadataTopicSpec,
    MetaUpdateSmartModuleSpec,
    MetaUpdateTopicSpec,
    SmartModuleSpec,
)
from fluvio_client.compat.client import Fluvio, FluvioConfig
from fluvio_client.compat.consuming import (
    ConsumerConfig,
    ConsumerConfigExt,
    ConsumerConfigExtBuilder,
    ConsumerIterator,
    ConsumerOffset,
    MultiplePartitionConsumer,
    OffsetManagementStrategy,
    PartitionConsumer,
    PartitionSelectionStrategy,
    Record,
    SmartModuleKind,
)
from fluvio_client.compat.producing import (
    Compression,
    DeliverySemantic,
    Isolation,
    ProduceOutput,
    RecordMetadata,
    TopicProducer,
    TopicProducerConfig,
    TopicProducerConfigBuilder,
)
from fluvio_client.compat.topics import CompressionType, PartitionMap, TopicMode, TopicSpec
from fluvio_client.consumer.offsets import Offset
from fluvio_client.errors import FluvioError as FluviorError

__all__ = [
    "CommonCreateRequest",
    "Compression",
    "CompressionType",
    "ConsumerConfig",
    "ConsumerConfigExt",
    "ConsumerConfigExtBuilder",
    "ConsumerIterator",
    "ConsumerOffset",
    "DeliverySemantic",
    "Fluvio",
    "FluvioAdmin",
    "FluvioConfig",
    "FluviorError",
    "Isolation",
    "MessageMetadataSmartModuleSpec",
    "MessageMetadataTopicSpec",
    "MetaUpdateSmartModuleSpec",
    "MetaUpdateTopicSpec",
    "MetadataPartitionSpec",
    "MetadataSmartModuleSpec",
    "MetadataTopicSpec",
    "MultiplePartitionConsumer",
    "Offset",
    "OffsetManagementStrategy",
    "PartitionConsumer",
    "PartitionMap",
    "PartitionSelectionStrategy",
    "ProduceOutput",
    "Record",
    "RecordMetadata",
    "SmartModuleKind",
    "SmartModuleSpec",
    "TopicMode",
    "TopicProducer",
    "TopicProducerConfig",
    "TopicProducerConfigBuilder",
    "TopicSpec",
]
