"""What `client.metrics` counts on a real cluster; test_scripted_servers.py has what goes wrong."""

import dataclasses
import json
from typing import Any
from uuid import uuid4

import pytest

import fluvio_client.sync
from fluvio_client import (
    ClientMetrics,
    ConnectionMetrics,
    ConsumerMetrics,
    ConsumerStats,
    Fluvio,
    ProducerMetrics,
    connect,
)
from fluvio_client.metrics import ClientCounts, ProducerCounts, total
from fluvio_protocol.types import PartitionId, ReplicaKey


def names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def test_a_picture_has_all_that_is_counted_and_cannot_be_changed() -> None:
    assert names(ProducerMetrics) == names(ProducerCounts)
    assert names(ConsumerMetrics) == names(ConsumerStats)
    for kind in (ClientMetrics, ProducerMetrics, ConsumerMetrics, ConnectionMetrics):
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for kind in (ProducerMetrics, ConsumerStats, ConnectionMetrics):
        assert [name for name in names(kind) if f"    {name}:" not in str(kind.__doc__)] == []


def test_what_several_clients_have_done_together() -> None:
    counts = ClientCounts(connections_opened=3, connections_closed=1)
    counts.producers.records_sent, counts.consumers.evictions = 5, 2
    one = counts.metrics(connections_open=1)
    assert one.connections == ConnectionMetrics(open=1, opened=3, lost=1)
    both = total([one, one])
    assert both.connections == ConnectionMetrics(open=2, opened=6, lost=2)
    assert (both.producers.records_sent, both.consumers.evictions) == (10, 4)
    assert total([]) == ClientCounts().metrics(connections_open=0)


async def topic_of(client: Fluvio, *, partitions: int = 1) -> str:
    name = f"metrics-{uuid4()}"
    await client.admin.topics.create(name, partitions=partitions)
    return name


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_what_producers_and_consumers_did_stays_counted(local_cluster: Any) -> None:
    client = connect(address=local_cluster.public_address)
    assert set(dataclasses.asdict(client.metrics.connections).values()) == {0}
    async with client:
        topic = await topic_of(client, partitions=2)
        assert client.metrics.connections == ConnectionMetrics(open=1, opened=1, lost=0)
        keys = [ReplicaKey(topic, PartitionId(number)) for number in range(2)]
        sizes: list[int] = []
        for count in (30, 70):
            async with client.producer(
                topic, batch_size_bytes=200, on_batch=lambda batch: sizes.append(batch.size_bytes)
            ) as producer:
                await producer.send_all(b"value %d" % number for number in range(count))
        found = client.metrics.producers
        assert (found.records_sent, found.records_acknowledged) == (100, 100)
        assert found.batches_sent == found.batches_acknowledged == len(sizes)
        assert found.bytes_sent == found.bytes_acknowledged == sum(sizes)
        assert 2 <= found.requests_sent == found.requests_acknowledged <= len(sizes)
        assert (found.records_failed, found.attempts_failed, found.requests_retried) == (0, 0, 0)
        reading: dict[str, Any] = {"start": "beginning", "follow": False, "max_bytes": 1000}
        async with client.consumer(topic, **reading) as consumer:
            first = [await anext(consumer) for _ in range(3)]
            consumer.pause()  # in the middle of a batch, which is taken apart again
            consumer.resume()
            rest = [record async for record in consumer]
            assert len(first + rest) == consumer.stats().records_received == 100
        assert len(await client.consumer(topic, **reading).fetch()) == 100
        received = client.metrics.consumers
        assert received.records_received == 200
        assert received.batches_received == 2 * len(sizes)
        assert received.bytes_received == 2 * sum(sizes)
        leaders = {client._session.metadata.route(key).leader for key in keys}  # type: ignore[union-attr]
        there = 1 + len(leaders)
        assert client.metrics.connections == ConnectionMetrics(open=there, opened=there, lost=0)
    after = client.metrics
    assert after.connections == ConnectionMetrics(open=0, opened=there, lost=0)
    assert (after.producers, after.consumers) == (found, received)
    assert json.loads(json.dumps(dataclasses.asdict(after)))["producers"]["records_sent"] == 100


@pytest.mark.cluster
def test_without_asyncio(local_cluster: Any) -> None:
    with fluvio_client.sync.connect(address=local_cluster.public_address) as client:
        name = f"metrics-{uuid4()}"
        client.admin.topics.create(name)
        with client.producer(name) as producer:
            producer.send_and_wait("x")
        assert client.metrics.producers.records_acknowledged == 1
        assert client.metrics.connections.open == 2
    assert client.metrics.connections == ConnectionMetrics(open=0, opened=2, lost=0)
