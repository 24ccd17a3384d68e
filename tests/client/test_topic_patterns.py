"""A consumer of all topics whose names match: those that are there, that come, and that go."""

import asyncio
import logging
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

import fluvio_client.sync
from fluvio_client import Fluvio, Record, connect
from fluvio_client.consumer.selection import TopicPattern, chosen
from fluvio_client.errors import ConsumerError

THERE: dict[str, Any] = {"start": "beginning", "follow": False}


@pytest.mark.parametrize(
    ("glob", "takes", "leaves"),
    [
        ("metrics-*", ["metrics-", "metrics-a", "metrics-a-b"], ["metrics", "Metrics-a", "a"]),
        ("m?", ["ma", "m1"], ["m", "mab", "Ma"]),
        ("m[a-c]", ["ma", "mc"], ["md", "mA", "m"]),
        ("m[!a]", ["mb"], ["ma"]),
        ("name", ["name"], ["names", "nam", "Name"]),
        ("*", ["a", "b-c"], []),
    ],
)
def test_what_a_pattern_takes(glob: str, takes: list[str], leaves: list[str]) -> None:
    pattern = TopicPattern(glob)
    assert [name for name in takes if not pattern.takes(name, system=False)] == []
    assert [name for name in leaves if pattern.takes(name, system=False)] == []
    assert not any(pattern.takes(name, system=True) for name in takes if name != glob)
    assert pattern.takes(glob, system=True), "the exact name"


def test_topics_or_a_pattern() -> None:
    assert chosen(None, None, "a*") == TopicPattern("a*")
    assert chosen("a", None, None) == {"a": None}
    for topics, partitions, pattern in (
        ("a", None, "a*"), (None, 0, "a*"), (None, None, None), (None, None, ""), ([], None, "a"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="topic"):
            chosen(topics, partitions, pattern)


async def filled(client: Fluvio, name: str, count: int = 0, *, partitions: int = 1) -> str:
    """A new topic with so many numbered records in every partition."""
    await client.admin.topics.create(name, partitions=partitions)
    async with client.producer(name) as producer:
        for number in range(count):
            for partition in range(partitions):
                await producer.send(b"%d" % number, partition=partition)
    return name


async def read(consumer: Any, count: int) -> list[Record]:
    async with asyncio.timeout(60):
        return [await anext(consumer) for _ in range(count)]


def by_place(records: list[Record]) -> Counter[tuple[str, int]]:
    return Counter((record.topic, record.partition) for record in records)


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_what_is_there(local_cluster: Any) -> None:
    address, family = local_cluster.public_address, f"p-{uuid4()}"
    async with connect(address=address) as maker, connect(address=address) as client:
        a = await filled(maker, f"{family}-a", 3, partitions=2)
        b = await filled(maker, f"{family}-b", 5)
        await filled(maker, f"x-{family}", 1)
        async with client.consumer(pattern=f"{family}-*", **THERE) as consumer:
            found = [record async for record in consumer]
            assert by_place(found) == {(a, 0): 3, (a, 1): 3, (b, 0): 5}
            assert consumer.topics == (a, b)
            assert set((await consumer.lag()).values()) == {0}
        assert by_place(await client.consumer(pattern=f"{family}-a", **THERE).fetch()) == {
            (a, 0): 3, (a, 1): 3,
        }  # fmt: skip


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_a_match_of_nothing_is_an_empty_stream(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        for glob in ("nosuch-*", "nosuch"):
            async with client.consumer(pattern=glob, **THERE) as consumer:
                assert [record async for record in consumer] == []
                assert await consumer.lag() == consumer.position() == {}
                await consumer.seek("beginning")
                consumer.pause()
                consumer.resume()
                with pytest.raises(ConsumerError, match="does not read a-3"):
                    consumer.pause(topic="a", partition=3)
            assert await client.consumer(pattern=glob).fetch("beginning") == []


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_topics_of_the_cluster_only_by_their_exact_name(local_cluster: Any) -> None:
    async with connect(address=local_cluster.public_address) as client:
        topic = await filled(client, f"p-{uuid4()}", 1)
        stored: dict[str, Any] = {"consumer_id": f"me-{uuid4()}", "commit": "auto"}
        async with client.consumer(topic, **stored, **THERE) as consumer:
            await read(consumer, 1)
            assert await consumer.next_batch(timeout_s=0.1) == []
        for glob, takes in (("consumer-*", False), ("*", False), ("consumer-offset", True)):
            async with client.consumer(pattern=glob, **THERE) as consumer:
                assert ("consumer-offset" in consumer.topics) is takes
        assert await client.consumer(pattern="consumer-offset", **THERE).fetch()


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_topics_that_come_join_and_topics_that_go_leave(local_cluster: Any) -> None:
    """Over a consumer that began with nothing at all, at the end of everything."""
    family = f"p-{uuid4()}"
    address = local_cluster.public_address
    async with connect(address=address) as maker, connect(address=address) as client:
        metadata = client._session.metadata
        async with client.consumer(pattern=f"{family}-*") as consumer:
            assert consumer.topics == ()
            a = await filled(maker, f"{family}-a", 3, partitions=2)
            found = await read(consumer, 6)
            assert by_place(found) == {(a, 0): 3, (a, 1): 3}
            await maker.admin.topics.add_partitions(a, 1)
            await filled(maker, f"x{family}-b", 1)
            b = await filled(maker, f"{family}-b", 1)
            assert by_place(await read(consumer, 1)) == {(b, 0): 1}
            async with asyncio.timeout(30):
                while len(consumer.position()) < 4:
                    await metadata.wait_change(metadata.generation, 1)
            assert consumer.topics == (a, b)
            for count in (2, 4):  # a topic of the same name is another one
                await maker.admin.topics.delete(a)
                assert await metadata.wait_until(lambda: metadata.topic(a) is None, 30)
                async with maker.producer(b) as producer:
                    await producer.send_and_wait(b"x")
                assert by_place(await read(consumer, 1)) == {(b, 0): 1}
                assert consumer.topics == (b,)
                await filled(maker, a, count)
                again = await read(consumer, count)
                assert [(one.topic, one.offset) for one in again] == [
                    (a, number) for number in range(count)
                ]
                assert consumer.topics == (a, b)


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_what_was_read_of_a_topic_is_handed_out_before_it_goes(local_cluster: Any) -> None:
    family = f"p-{uuid4()}"
    async with connect(address=local_cluster.public_address) as client:
        a, b = await filled(client, f"{family}-a", 50), await filled(client, f"{family}-b", 1)
        metadata = client._session.metadata
        for follow in (True, False):
            reading: dict[str, Any] = {"start": "beginning", "follow": follow}
            async with client.consumer(pattern=f"{family}-*", **reading) as consumer:
                found = await read(consumer, 10)
                while {one.topic for one in found} != {a, b}:  # so all of `a` is here
                    found += await read(consumer, 1)
                await client.admin.topics.delete(a)
                assert await metadata.wait_until(lambda: metadata.topic(a) is None, 30)
                found += await read(consumer, 51 - len(found))
                assert by_place(found) == {(a, 0): 50, (b, 0): 1}
                if not follow:
                    assert [record async for record in consumer] == []
            await filled(client, a, 50)


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_offsets_are_kept_for_each_topic(
    local_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    family, caught = f"p-{uuid4()}", caplog.at_level(logging.WARNING)
    managed: dict[str, Any] = {
        "pattern": f"{family}-*", "consumer_id": f"me-{uuid4()}", "commit": "auto",
        "start": "beginning",
    }  # fmt: skip
    async with connect(address=local_cluster.public_address) as client:
        a, b = await filled(client, f"{family}-a", 5), f"{family}-b"
        with caught:
            async with client.consumer(**managed) as consumer:
                assert by_place(await read(consumer, 5)) == {(a, 0): 5}
                await filled(client, b, 3)
                gone = await filled(client, f"{family}-gone", 1)
                assert by_place(await read(consumer, 4)) == {(b, 0): 3, (gone, 0): 1}
                assert await consumer.next_batch(timeout_s=0.01) == []
                await client.admin.topics.delete(gone)
        assert caplog.records == []
        async with client.producer(b) as producer:
            await producer.send_and_wait(b"3")
        async with client.consumer(**managed, follow=False) as consumer:
            assert [(one.topic, one.text) async for one in consumer] == [(b, "3")]


@pytest.mark.cluster
def test_without_asyncio(local_cluster: Any) -> None:
    family = f"p-{uuid4()}"
    with fluvio_client.sync.connect(address=local_cluster.public_address) as client:
        with client.consumer(pattern=f"{family}-*", max_records=2) as consumer:
            for name in ("a", "b"):
                client.admin.topics.create(f"{family}-{name}")
                with client.producer(f"{family}-{name}") as producer:
                    producer.send_and_wait(name)
            assert sorted(record.text for record in consumer) == ["a", "b"]
            assert consumer.topics == (f"{family}-a", f"{family}-b")
        with pytest.raises(ValueError, match="not both"):
            client.consumer("a", pattern="b*")
