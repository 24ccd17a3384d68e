"""Producing with the official client, every option it has."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fluvio import (
    Compression,
    DeliverySemantic,
    Isolation,
    Offset,
    TopicProducerConfigBuilder,
    TopicSpec,
)

pytestmark = pytest.mark.cluster

ISOLATIONS = {
    "committed": Isolation.ReadCommitted,
    "uncommitted": Isolation.ReadUncommitted,
}
COMPRESSIONS = {
    "none": Compression.None_,
    "gzip": Compression.Gzip,
    "snappy": Compression.Snappy,
    "lz4": Compression.Lz4,
    "zstd": Compression.Zstd,
}


def read(client: Any, topic: str, count: int, partition: int = 0) -> list[Any]:
    stream = client.partition_consumer(topic, partition).stream(Offset.beginning())
    return list(itertools.islice(stream, count))


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    return new_topic()


def test_one_record_comes_back(client: Any, topic: str) -> None:
    producer = client.topic_producer(topic)
    producer.send_string("hello")
    producer.flush()
    (record,) = read(client, topic, 1)
    assert (record.offset(), record.value_string(), record.timestamp() > 0) == (0, "hello", True)


def test_metadata_of_each_record_is_where_it_was_stored(client: Any, topic: str) -> None:
    producer = client.topic_producer(topic)
    outputs = [producer.send(f"k{i}".encode(), f"v{i}".encode()) for i in range(50)]
    producer.flush()
    metadata = [output.wait() for output in outputs]
    assert [item.offset() for item in metadata] == list(range(50))
    assert {item.partition_id() for item in metadata} == {0}
    assert outputs[0].wait() is None
    records = read(client, topic, 50)
    assert [record.offset() for record in records] == list(range(50))
    assert [record.key_string() for record in records] == [f"k{i}" for i in range(50)]


def test_send_all(client: Any, topic: str) -> None:
    producer = client.topic_producer(topic)
    outputs = producer.send_all([(b"a", b"1"), (b"b", b"2"), (b"", b"3")])
    producer.flush()
    assert [output.wait().offset() for output in outputs] == [0, 1, 2]
    assert [bytes(record.value()) for record in read(client, topic, 3)] == [b"1", b"2", b"3"]


def test_binary_values_are_kept(client: Any, topic: str) -> None:
    value = bytes(range(256)) * 100
    producer = client.topic_producer(topic)
    producer.send(b"\x00\xff", value)
    producer.flush()
    (record,) = read(client, topic, 1)
    assert (bytes(record.key()), bytes(record.value())) == (b"\x00\xff", value)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_every_codec_with_every_isolation(
    client: Any, topic: str, compression: str, isolation: str
) -> None:
    config = (
        TopicProducerConfigBuilder()
        .compression(COMPRESSIONS[compression])
        .isolation(ISOLATIONS[isolation])
        .linger(20)
        .batch_size(4096)
        .build()
    )
    producer = client.topic_producer_with_config(topic, config)
    values = [f"record {i} of codec {compression} " + "abc" * (i % 40) for i in range(500)]
    outputs = [producer.send(b"k", value.encode()) for value in values]
    producer.flush()
    assert [output.wait().offset() for output in outputs] == list(range(500))
    assert [record.value_string() for record in read(client, topic, 500)] == values


def test_at_most_once_delivery(client: Any, topic: str) -> None:
    config = TopicProducerConfigBuilder().delivery_semantic(DeliverySemantic.AtMostOnce).build()
    producer = client.topic_producer_with_config(topic, config)
    for i in range(20):
        producer.send(b"", str(i).encode())
    producer.flush()
    assert [record.value_string() for record in read(client, topic, 20)] == [
        str(i) for i in range(20)
    ]


def test_records_larger_than_a_batch(client: Any, topic: str) -> None:
    config = TopicProducerConfigBuilder().batch_size(1000).max_request_size(10_000_000).build()
    producer = client.topic_producer_with_config(topic, config)
    sizes = [999, 1000, 1001, 100_000, 2_000_000, 1]
    for size in sizes:
        producer.send(b"", b"x" * size)
    producer.flush()
    assert [len(record.value()) for record in read(client, topic, len(sizes))] == sizes


def test_keys_choose_the_partition_as_fluvio_does(
    client: Any, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(TopicSpec.create().with_partitions(7).build())
    producer = client.topic_producer(topic)
    expected = {b"": 3, b"a": 2, b"b": 6, b"hello": 2, b"key-123": 3, b"\x00\xff": 1, b"x" * 40: 1}
    outputs = {key: producer.send(key, b"value") for key in expected}
    producer.flush()
    assert {key: output.wait().partition_id() for key, output in outputs.items()} == expected
    for partition in set(expected.values()):
        count = sum(1 for value in expected.values() if value == partition)
        keys = {bytes(record.key()) for record in read(client, topic, count, partition)}
        assert keys == {key for key, value in expected.items() if value == partition}


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_a_topic_with_a_codec_of_its_own(
    client: Any, new_topic: Callable[..., str], topic_spec: Callable[..., Any], compression: str
) -> None:
    topic = new_topic(topic_spec(compression=COMPRESSIONS[compression]))
    producer = client.topic_producer(topic)
    producer.send_string("compressed by the topic's rule")
    producer.flush()
    assert read(client, topic, 1)[0].value_string() == "compressed by the topic's rule"


def test_another_codec_than_the_topics_is_refused(
    client: Any, new_topic: Callable[..., str], topic_spec: Callable[..., Any]
) -> None:
    topic = new_topic(topic_spec(compression=Compression.Gzip))
    config = TopicProducerConfigBuilder().compression(Compression.Lz4).build()
    with pytest.raises(Exception, match="does not match"):
        client.topic_producer_with_config(topic, config)


def test_producing_to_a_missing_topic_is_an_error(client: Any) -> None:
    with pytest.raises(Exception, match="Topic not found: no-such-topic"):
        client.topic_producer("no-such-topic").send_string("x")
