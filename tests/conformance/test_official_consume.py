"""Consuming with the official client: every position, several partitions, long backlogs."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fluvio import (
    Compression,
    ConsumerConfig,
    ConsumerConfigExtBuilder,
    Offset,
    OffsetManagementStrategy,
    TopicProducerConfigBuilder,
    TopicSpec,
)

pytestmark = pytest.mark.cluster

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def letters(client: Any, new_topic: Callable[..., str]) -> str:
    """A topic of 26 known records."""
    topic = new_topic()
    producer = client.topic_producer(topic)
    for letter in LETTERS:
        producer.send_string(letter)
    producer.flush()
    return topic


def consumer_config(topic: str, **settings: Any) -> Any:
    """From the beginning, unless told otherwise. The builder's methods return nothing."""
    builder = ConsumerConfigExtBuilder(topic)
    for name, value in {"offset_start": Offset.beginning(), **settings}.items():
        getattr(builder, name)(value)
    return builder.build()


def values(records: Any) -> str:
    return "".join(record.value_string() for record in records)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (Offset.beginning(), LETTERS),
        (Offset.from_beginning(1), LETTERS[1:]),
        (Offset.from_beginning(25), "z"),
        (Offset.from_end(1), "z"),
        (Offset.from_end(26), LETTERS),
        (Offset.absolute(13), LETTERS[13:]),
        (Offset.absolute(0), LETTERS),
    ],
    ids=["beginning", "beginning+1", "beginning+25", "end-1", "end-26", "13", "0"],
)
def test_every_start_offset(client: Any, letters: str, offset: Any, expected: str) -> None:
    stream = client.partition_consumer(letters, 0).stream(offset)
    records = list(itertools.islice(stream, len(expected)))
    assert values(records) == expected
    assert [r.offset() for r in records] == list(range(26 - len(expected), 26))


def test_from_the_end_shows_only_what_is_new(client: Any, letters: str) -> None:
    stream = client.partition_consumer(letters, 0).stream(Offset.end())
    producer = client.topic_producer(letters)
    producer.send_string("new")
    producer.flush()
    record = next(iter(stream))
    assert (record.offset(), record.value_string()) == (26, "new")


def test_without_following_the_stream_ends(client: Any, letters: str) -> None:
    config = consumer_config(letters, disable_continuous=True)
    assert values(client.consumer_with_config(config)) == LETTERS


def test_small_max_bytes_lose_nothing(client: Any, letters: str) -> None:
    for max_bytes in (1, 60, 100, 333):
        config = consumer_config(letters, max_bytes=max_bytes, disable_continuous=True)
        assert values(client.consumer_with_config(config)) == LETTERS
    old_style = ConsumerConfig()
    old_style.disable_continuous()
    stream = client.partition_consumer(letters, 0).stream_with_config(Offset.beginning(), old_style)
    assert values(stream) == LETTERS


def test_several_partitions_at_once(client: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic(TopicSpec.create().with_partitions(3).build())
    producer = client.topic_producer(topic)
    sent = {f"{i}": f"value {i}" for i in range(60)}
    for key, value in sent.items():
        producer.send(key.encode(), value.encode())
    producer.flush()
    stream = client.multi_partition_consumer(topic).stream(Offset.beginning())
    got = {r.key_string(): r.value_string() for r in itertools.islice(stream, len(sent))}
    assert got == sent
    selected = client.multi_topic_partition_consumer([(topic, 0), (topic, 1), (topic, 2)])
    stream = selected.stream(Offset.beginning())
    got = {r.key_string(): r.value_string() for r in itertools.islice(stream, len(sent))}
    assert got == sent


def test_many_streams_on_one_connection(client: Any, letters: str) -> None:
    consumers = [client.partition_consumer(letters, 0) for _ in range(20)]
    streams = [iter(consumer.stream(Offset.beginning())) for consumer in consumers]
    read = [[next(stream).value_string() for stream in streams] for _ in LETTERS]
    assert read == [[letter] * 20 for letter in LETTERS]


@pytest.mark.parametrize("strategy", ["MANUAL", "AUTO"])
def test_a_consumer_resumes_where_it_left_off(client: Any, letters: str, strategy: str) -> None:
    consumer_id = f"consumer-{strategy.lower()}"

    def config() -> Any:
        return consumer_config(
            letters,
            offset_consumer=consumer_id,
            offset_strategy=getattr(OffsetManagementStrategy, strategy),
        )

    stream = client.consumer_with_config(config())
    assert [next(stream).value_string() for _ in range(2)] == ["a", "b"]
    if strategy == "MANUAL":
        stream.offset_commit()
        stream.offset_flush()
    else:
        stream.offset_flush()
    del stream
    stored = {
        (offset.consumer_id, offset.topic, offset.partition): offset.offset
        for offset in client.consumer_offsets()
    }
    assert stored[(consumer_id, letters, 0)] in (0, 1)
    resumed = client.consumer_with_config(config())
    expected = LETTERS[stored[(consumer_id, letters, 0)] + 1]
    assert next(resumed).value_string() == expected


def test_a_deleted_consumer_offset_is_gone(client: Any, letters: str) -> None:
    manual = OffsetManagementStrategy.MANUAL
    config = consumer_config(letters, offset_consumer="leaving", offset_strategy=manual)
    stream = client.consumer_with_config(config)
    next(stream)
    stream.offset_commit()
    stream.offset_flush()
    assert [o.consumer_id for o in client.consumer_offsets() if o.topic == letters] == ["leaving"]
    for _ in range(2):
        client.delete_consumer_offset("leaving", letters, 0)
        assert not [o for o in client.consumer_offsets() if o.topic == letters]


def test_offsets_of_a_deleted_topic_are_gone(admin: Any, client: Any) -> None:
    topic = "short-lived"
    for _ in range(2):
        admin.create_topic(topic)
        producer = client.topic_producer(topic)
        for letter in "abc":
            producer.send_string(letter)
        producer.flush()
        config = consumer_config(
            topic,
            offset_consumer="returning",
            offset_strategy=OffsetManagementStrategy.MANUAL,
        )
        stream = client.consumer_with_config(config)
        assert [next(stream).value_string() for _ in range(3)] == ["a", "b", "c"]
        stream.offset_commit()
        stream.offset_flush()
        del stream
        admin.delete_topic(topic)
    assert not [o for o in client.consumer_offsets() if o.topic == topic]


def test_each_partition_has_its_own_consumer_offset(
    client: Any, new_topic: Callable[..., str]
) -> None:
    """The same consumer id, one partition after the other: what one commits moves no other."""
    topic = new_topic(TopicSpec.create().with_partitions(3).build())
    producer = client.topic_producer(topic)
    where = [producer.send(f"{i}".encode(), f"value {i}".encode()) for i in range(60)]
    producer.flush()
    counts = [0, 0, 0]
    for output in where:
        counts[output.wait().partition_id()] += 1
    assert min(counts) > 2

    def stream_of(partition: int) -> Any:
        return client.consumer_with_config(
            consumer_config(
                topic,
                partition=partition,
                offset_consumer="each-on-its-own",
                offset_strategy=OffsetManagementStrategy.MANUAL,
            )
        )

    for partition in range(3):
        stream = stream_of(partition)
        for expected in range(partition + 1):
            assert next(stream).offset() == expected
        stream.offset_commit()
        stream.offset_flush()
    kept = {o.partition: o.offset for o in client.consumer_offsets() if o.topic == topic}
    assert kept == {0: 0, 1: 1, 2: 2}
    assert [next(stream_of(partition)).offset() for partition in range(3)] == [1, 2, 3]


def test_asynchronous_calls(client: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()

    async def produce_and_consume() -> list[str]:
        producer = client.topic_producer(topic)
        for letter in LETTERS:
            output = await producer.async_send(b"", letter.encode())
        await producer.async_flush()
        assert (await output.async_wait()).offset() == 25
        stream = await client.partition_consumer(topic, 0).async_stream(Offset.beginning())
        return [(await anext(stream)).value_string() for _ in LETTERS]

    assert "".join(asyncio.run(produce_and_consume())) == LETTERS


def test_an_offset_past_the_end_is_an_error(client: Any, letters: str) -> None:
    with pytest.raises(Exception, match=r"(?i)offset"):
        next(iter(client.partition_consumer(letters, 0).stream(Offset.absolute(27))))


def test_an_unknown_partition_is_an_error(client: Any, letters: str) -> None:
    with pytest.raises(Exception, match=r"(?i)not found|unknown"):
        next(iter(client.partition_consumer(letters, 7).stream(Offset.beginning())))


def test_an_unknown_topic_is_an_error(client: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)not found"):
        next(iter(client.partition_consumer("no-such-topic", 0).stream(Offset.beginning())))


def test_a_million_records_come_back_without_a_gap(
    client: Any, new_topic: Callable[..., str]
) -> None:
    """Fluvio's own server loses some here: its slices end inside a batch (protocol 13.11)."""
    topic = new_topic()
    config = (
        TopicProducerConfigBuilder()
        .batch_size(60_000)
        .linger(5)
        .batch_queue_size(1000)
        .compression(Compression.None_)
        .build()
    )
    producer = client.topic_producer_with_config(topic, config)
    count = 1_000_000
    step = 10_000
    for base in range(0, count, step):
        producer.send_all([(b"", b"%d" % number) for number in range(base, base + step)])
    producer.flush()
    stream = client.partition_consumer(topic, 0).stream(Offset.beginning())
    expected = 0
    for record in itertools.islice(stream, count):
        assert record.offset() == expected
        if expected % 997 == 0:
            assert record.value_string() == str(expected)
        expected += 1
    assert expected == count
