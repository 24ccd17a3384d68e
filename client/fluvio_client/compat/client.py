"""Connecting, as the official package does it: at once, and for as long as the program runs."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from fluvio_client import fluvio as asynchronous
from fluvio_client import sync
from fluvio_client.compat.consuming import (
    ConsumerConfigExt,
    ConsumerIterator,
    ConsumerOffset,
    MultiplePartitionConsumer,
    PartitionConsumer,
    PartitionSelectionStrategy,
)
from fluvio_client.compat.producing import TopicProducer, TopicProducerConfig
from fluvio_client.consumer.config import ConsumerConfig
from fluvio_client.consumer.offsets import Offset
from fluvio_client.errors import ConfigError
from fluvio_client.profile import ProfileStore


class FluvioConfig:
    """Where a cluster is."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._tls = "disabled"
        self._client_id: str | None = None
        self._use_spu_local_address = False

    @classmethod
    def load(cls) -> Self:
        """The current profile's. Raises FluviorError."""
        cluster = ProfileStore.load().resolve()
        config = cls(cluster.endpoint)
        config._tls = cluster.tls_policy
        config._use_spu_local_address = cluster.use_spu_local_address
        return config

    @classmethod
    def new(cls, addr: str) -> Self:
        """At this address of a controller."""
        return cls(addr)

    def set_endpoint(self, endpoint: str) -> None:
        """Another address."""
        self._endpoint = endpoint

    def set_use_spu_local_address(self, val: bool) -> None:
        """Whether to reach SPUs by their second address."""
        self._use_spu_local_address = val

    def disable_tls(self) -> None:
        """No TLS."""
        self._tls = "disabled"

    def set_anonymous_tls(self) -> None:
        """TLS without verification."""
        self._tls = "anonymous"

    def set_inline_tls(self, domain: str, key: str, cert: str, ca_cert: str) -> None:
        """TLS with certificates as text."""
        self._tls = "verified"

    def set_tls_file_paths(
        self, domain: str, key_path: str, cert_path: str, ca_cert_path: str
    ) -> None:
        """TLS with certificates in files."""
        self._tls = "verified"

    def set_client_id(self, client_id: str) -> None:
        """What the client calls itself."""
        self._client_id = client_id

    def unset_client_id(self) -> None:
        """What it calls itself unless told otherwise."""
        self._client_id = None

    def connected(self) -> sync.Fluvio:
        """A client that is connected. Raises FluviorError."""
        if self._tls != "disabled":
            raise ConfigError(f"TLS ({self._tls}) is wanted, which this release does not speak yet")
        client = asynchronous.connect(address=self._endpoint, client_id=self._client_id)
        if self._use_spu_local_address:
            client = asynchronous.Fluvio(
                asynchronous.parse_address(self._endpoint),
                client_id=self._client_id or asynchronous.DEFAULT_CLIENT_ID,
                use_spu_local_address=True,
            )
        return opened(sync.Fluvio(client))


def opened(client: sync.Fluvio) -> sync.Fluvio:
    """Connect, and end the connection when nobody uses it any more: programs do not close."""
    client.open()
    weakref.finalize(client, client._portal.close, 0.0)
    return client


class Fluvio:
    """A client of a cluster."""

    def __init__(self, client: sync.Fluvio) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> Self:
        """To the current profile's cluster. Raises FluviorError."""
        return cls(opened(sync.connect()))

    @classmethod
    def connect_with_config(cls, config: FluvioConfig) -> Self:
        """To a cluster. Raises FluviorError."""
        return cls(config.connected())

    def consumer_with_config(self, config: ConsumerConfigExt) -> ConsumerIterator:
        """Records, as the settings say. Raises FluviorError."""
        found = ConsumerConfig(
            start=config.start or Offset.beginning(),
            follow=config.continuous,
            consumer_id=config.consumer_id,
            commit=config.strategy.value,
        )
        if config.max_bytes is not None:
            found = replace(found, max_bytes=config.max_bytes)
        return ConsumerIterator(
            self._client,
            self._client.consumer(config.topic, partitions=config.partitions or None, config=found),
        )

    def topic_producer(self, topic: str) -> TopicProducer:
        """A producer for a topic. Raises FluviorError."""
        return TopicProducer(self._client, self._client.producer(topic))

    def topic_producer_with_config(self, topic: str, config: TopicProducerConfig) -> TopicProducer:
        """A producer for a topic. Raises FluviorError."""
        return TopicProducer(
            self._client,
            self._client.producer(topic, config=config.config, partitioner=config.partitioner),
        )

    def partition_consumer(self, topic: str, partition: int) -> PartitionConsumer:
        """A consumer of one partition."""
        return PartitionConsumer(self._client, {topic: [partition]})

    def multi_partition_consumer(self, topic: str) -> MultiplePartitionConsumer:
        """A consumer of all partitions of a topic."""
        strategy = PartitionSelectionStrategy.with_all(topic)
        return MultiplePartitionConsumer(self._client, strategy.selection)

    def multi_topic_partition_consumer(
        self, selections: Sequence[tuple[str, int]]
    ) -> MultiplePartitionConsumer:
        """A consumer of pairs of topic and partition."""
        strategy = PartitionSelectionStrategy.with_multiple(selections)
        return MultiplePartitionConsumer(self._client, strategy.selection)

    def consumer_offsets(self) -> list[ConsumerOffset]:
        """What the cluster keeps of consumers."""
        return [
            ConsumerOffset(
                consumer_id=one.consumer_id,
                topic=one.replica.topic,
                partition=one.replica.partition,
                offset=one.offset,
                modified_time=one.modified_time_seconds,
            )
            for one in self._client.admin.consumers.list()
        ]

    def delete_consumer_offset(self, consumer: str, topic: str, partition: int) -> None:
        """Forget one of them; one that is not there is fine."""
        self._client.admin.consumers.delete(consumer, topic, partition)
