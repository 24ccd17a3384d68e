"""The client against a real cluster of two SPUs."""

import asyncio
import time
import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fluvio_client import (
    Event,
    Fluvio,
    FluvioError,
    Isolation,
    KafkaMurmur2,
    Offset,
    Record,
    RoundRobin,
    SpecificPartition,
    connect,
    shapes,
)
from fluvio_client.errors import (
    AlreadyExists,
    CompressionMismatch,
    InvalidRequest,
    NotFound,
    OffsetManagementDisabled,
    OffsetOutOfRange,
    PartitionNotFound,
    RecordTooLarge,
    ServerError,
    SystemObject,
    TopicNotFound,
)
from fluvio_client.producer.partitioner import murmur2, partition_of_key

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]


def client_of(cluster: Any) -> Fluvio:
    return connect(address=cluster.public_address)


def new_name() -> str:
    return f"client-{uuid.uuid4()}"


async def new_topic(client: Fluvio, **options: Any) -> str:
    name = new_name()
    await client.admin.topics.create(name, **options)
    return name


async def everything(client: Fluvio, topic: str, **options: Any) -> list[Record]:
    options.setdefault("start", "beginning")
    async with client.consumer(topic, follow=False, **options) as consumer:
        return [record async for record in consumer]


async def test_a_profile_leads_to_the_cluster(local_cluster: Any) -> None:
    async with connect("local", profile_path=local_cluster.profile_path) as client:
        assert client.platform_version == "0.18.1"
        assert client.address == local_cluster.public_address


async def test_topics(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topics = client.admin.topics
        name = await new_topic(client, partitions=3, retention="1h", segment_size=10_000)
        found = await topics.get(name)
        shape = shapes.topic(found)
        assert shape["spec"]["replicas"]["computed"]["partitions"] == 3
        assert shape["spec"]["cleanupPolicy"] == {"segment": {"timeInSeconds": 3600}}
        assert shape["status"]["resolution"] == "Provisioned"
        assert sorted(shape["status"]["replicaMap"]) == [0, 1, 2]
        with pytest.raises(AlreadyExists, match="Topic already exists"):
            await topics.create(name)
        with pytest.raises(InvalidRequest):
            await topics.create("Not_A_Name")
        part_of_name = name[: len(name) // 2]
        assert await topics.list([part_of_name]) == [], "names are whole names"
        with pytest.raises(NotFound, match="Topic not found"):
            await topics.get(part_of_name)
        dry = new_name()
        await topics.create(dry, dry_run=True)
        assert await topics.list([dry]) == []
        await topics.delete(name)
        with pytest.raises(NotFound):
            await topics.delete(name)


async def test_system_topics_are_protected(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        assert [one.name for one in await client.admin.topics.list(system=True)] == [
            "consumer-offset"
        ]
        with pytest.raises(SystemObject):
            await client.admin.topics.delete("consumer-offset")


async def test_a_topic_is_usable_by_every_client_as_soon_as_it_was_made(
    local_cluster: Any,
) -> None:
    async with client_of(local_cluster) as maker, client_of(local_cluster) as user:
        for _ in range(10):
            name = await new_topic(maker)
            async with user.producer(name) as producer:
                assert (await producer.send_and_wait(b"x")).offset == 0


async def test_a_topic_without_enough_spus(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        name = new_name()
        with pytest.raises(ServerError, match="not provisioned"):
            await client.admin.topics.create(name, replication=5, wait=1)
        begun = time.monotonic()
        with pytest.raises(FluvioError, match="insufficient resources"):
            await client.producer(name).start()
        assert time.monotonic() - begun < 5
        await client.admin.topics.delete(name)


async def test_watching_topics(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        name = new_name()
        seen: list[Event] = []
        async with asyncio.timeout(30):
            async for change in client.admin.topics.watch():
                if not seen:
                    await client.admin.topics.create(name) if change else None
                    seen.append(Event.UPDATED)
                if change.object.name == name and change.event is Event.DELETED:
                    break
                if change.object.name == name and len(seen) == 1:
                    seen.append(change.event)
                    await client.admin.topics.delete(name)
        assert seen == [Event.UPDATED, Event.UPDATED]


async def test_spus_and_registering_one(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        names = [one.name for one in await client.admin.spus.list()]
        assert {"custom-spu-5001", "custom-spu-5002"} <= set(names)
        custom = client.admin.custom_spus
        await custom.register(77, public=("far.example", 9010), private=("far.example", 9011))
        with pytest.raises(AlreadyExists):
            await custom.register(77, public=("x", 1), private=("x", 2))
        shape = shapes.spu(await client.admin.spus.get("custom-spu-77"))
        assert shape["spec"]["publicEndpoint"] == {
            "port": 9010,
            "ingress": [{"hostname": "far.example", "ip": None}],
            "encryption": "PLAINTEXT",
        }
        await custom.unregister(77)
        with pytest.raises(NotFound):
            await custom.unregister(77)


async def test_spu_groups_are_kept(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        name = new_name()[:40]
        await client.admin.spu_groups.create(name, 2, min_id=900, storage_size="10Gi")
        shape = shapes.spu_group(await client.admin.spu_groups.get(name))
        assert shape["spec"]["replicas"] == 2
        assert shape["spec"]["spuConfig"]["storage"]["size"] == "10Gi"
        await client.admin.spu_groups.delete(name)


async def test_the_map_of_the_founding_page(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client, partitions=3)
        async with client.producer(topic, linger_s=0.01) as producer:
            sent = await producer.send_all({"Norway": b"100", "Denmark": b"50"})
            metadata = await producer.send_and_wait("10", key="Iceland")
            assert metadata.partition == partition_of_key(b"Iceland", 3)
            assert [(await one).partition for one in sent] == [
                partition_of_key(b"Norway", 3), partition_of_key(b"Denmark", 3),
            ]  # fmt: skip
        found = {record.key_text: record.text for record in await everything(client, topic)}
        assert found == {"Norway": "100", "Denmark": "50", "Iceland": "10"}


async def test_no_key_is_not_an_empty_key(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        async with client.producer(topic) as producer:
            await producer.send_all([(None, b"none"), (b"", b"empty")])
        assert [record.key for record in await everything(client, topic)] == [None, b""]


async def test_records_without_key_take_turns_and_keep_their_order(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client, partitions=4)
        async with client.producer(topic, batch_size_bytes=300) as producer:
            for number in range(1000):
                await producer.send(str(number))
        by_partition = defaultdict(list)
        for record in await everything(client, topic):
            by_partition[record.partition].append((record.offset, int(record.text)))
        assert sorted(by_partition) == [0, 1, 2, 3]
        for partition, records in by_partition.items():
            assert records == [(i, 4 * i + partition) for i in range(250)]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_every_codec_and_isolation(local_cluster: Any, codec: str, isolation: str) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        values = [b"value %d " % number * 20 for number in range(500)]
        async with client.producer(topic, compression=codec, isolation=isolation) as producer:
            deliveries = await producer.send_all(values)
            assert [(await one).offset for one in deliveries] == list(range(500))
            big = await producer.send_and_wait(b"b" * 500_000)
            assert big.offset == 500
        found = await everything(client, topic, isolation=isolation, max_bytes=2_000)
        assert [record.value for record in found] == [*values, b"b" * 500_000]
        assert all(abs(record.timestamp / 1000 - time.time()) < 600 for record in found)


async def test_the_topics_codec_rules(local_cluster: Any) -> None:
    from fluvio_client import CompressionType

    async with client_of(local_cluster) as client:
        topic = await new_topic(client, compression=CompressionType.GZIP)
        with pytest.raises(
            CompressionMismatch,
            match=r"Compression in the producer \(lz4\) does not match with topic level "
            r"compression \(gzip\)",
        ):
            await client.producer(topic, compression="lz4").start()
        for compression in (None, "gzip"):
            async with client.producer(topic, compression=compression) as producer:
                await producer.send(b"x")
        assert len(await everything(client, topic)) == 2


async def test_timestamps_of_the_applications_own(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        moment = datetime(2001, 2, 3, 4, 5, 6, 789_000, UTC)
        async with client.producer(topic, linger_s=60) as producer:
            await producer.send(b"then", timestamp=moment)
            await producer.send(b"a bit earlier", timestamp=moment - timedelta(seconds=1))
            await producer.send(b"now")
            await producer.send(b"long ago", timestamp=1)
            for nonsense in (0, -5, datetime(2001, 2, 3)):  # noqa: DTZ001
                with pytest.raises(ValueError, match=r"timestamp|time zone"):
                    await producer.send(b"x", timestamp=nonsense)
        found = await everything(client, topic)
        assert [record.time for record in found[:2]] == [moment, moment - timedelta(seconds=1)]
        assert abs(found[2].timestamp / 1000 - time.time()) < 600
        assert found[3].timestamp == 1


async def test_partitions_by_other_rules(local_cluster: Any) -> None:
    def by_length(key: Any, value: bytes, *, partition_count: int, available: Any) -> int:
        return len(value) % partition_count

    async with client_of(local_cluster) as client:
        topic = await new_topic(client, partitions=3)
        for partitioner, expected in (
            (RoundRobin(), [0, 1, 2]),
            (by_length, [1, 2, 0]),
            (SpecificPartition(2), [2, 2, 2]),
            (KafkaMurmur2(), [murmur2(b"same") % 2**31 % 3] * 3),
        ):
            async with client.producer(topic, partitioner=partitioner) as producer:
                sent = await producer.send_all(
                    [(b"same", b"1"), (b"same", b"22"), (b"same", b"333")]
                )
                assert [one.partition for one in sent] == expected


async def test_too_large_records(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        async with client.producer(topic) as producer:
            with pytest.raises(RecordTooLarge, match="exceeded maximum request size"):
                await producer.send(bytes(1_048_576))
            await producer.send(bytes(1_000_000))
        assert [len(record.value) for record in await everything(client, topic)] == [1_000_000]
        wide = {"batch_size_bytes": 50_000_000, "max_request_size_bytes": 50_000_000}
        async with client.producer(topic, **wide) as producer:
            with pytest.raises(RecordTooLarge, match="exceeded maximum request size"):
                await producer.send(bytes(40_000_000))
            await producer.send(bytes(33_000_000))  # as much as a server takes, nearly
            await producer.send(bytes(33_000_000))
            await producer.flush(30.0)
        await client.admin.topics.delete(topic)


async def test_what_is_not_there(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        with pytest.raises(TopicNotFound, match="Topic not found: nosuch"):
            await client.producer("nosuch").start()
        with pytest.raises(TopicNotFound, match="Topic not found: nosuch"):
            await client.consumer("nosuch").start()
        topic = await new_topic(client)
        with pytest.raises(PartitionNotFound, match=f"Partition not found: {topic}-9"):
            await client.consumer(topic, partitions=9).start()
        async with client.producer(topic) as producer:
            with pytest.raises(PartitionNotFound):
                await producer.send(b"x", partition=9)


async def numbered(client: Fluvio, topic: str, count: int, **options: Any) -> None:
    async with client.producer(topic, **options) as producer:
        await producer.send_all(str(number) for number in range(count))


async def test_places_to_start_from(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        await numbered(client, topic, 20, batch_size_bytes=120)
        for place, expected in (
            ("beginning", range(20)),
            ("end", range(20, 20)),
            (7, range(7, 20)),
            (Offset.from_beginning(18), range(18, 20)),
            (Offset.from_end(5), range(15, 20)),
            (Offset.from_end(50), range(20)),
        ):
            found = await everything(client, topic, start=place)
            assert [record.offset for record in found] == list(expected), place
        until = await everything(client, topic, until=3)
        assert [record.text for record in until] == ["0", "1", "2"]
        async with client.consumer(topic, start=500) as consumer:
            with pytest.raises((OffsetOutOfRange, ServerError), match="500"):
                await anext(consumer)


async def test_places_in_time(local_cluster: Any) -> None:
    """Many batches in two partitions; record n was made n seconds after the first."""
    began = datetime(2001, 2, 3, tzinfo=UTC)

    def after(seconds: float) -> Offset:
        return Offset.at(began + timedelta(seconds=seconds))

    async with client_of(local_cluster) as client:
        topic = await new_topic(client, partitions=2)
        async with client.producer(topic, batch_size_bytes=150, partitioner=RoundRobin()) as made:
            for number in range(100):
                moment = began + timedelta(seconds=number)
                await made.send(str(number), timestamp=moment)
        for since, until, expected in (
            (-5, 200, range(100)),
            (0, 100, range(100)),
            (41, 200, range(41, 100)),
            (40.001, 60, range(41, 60)),
            (41, 41, range(41, 41)),
            (99, 200, range(99, 100)),
            (99.5, 200, range(100, 100)),
        ):
            found = await everything(client, topic, start=after(since), until=after(until))
            assert sorted(int(one.text) for one in found) == list(expected), (since, until)
        async with client.consumer(topic, start="beginning", until=after(2)) as consumer:
            found = [record async for record in consumer]  # it ends, although it follows
            assert sorted(one.text for one in found) == ["0", "1"]
        async with client.consumer(topic, start=after(300)) as consumer:
            await consumer.seek(after(98))
            found = [await anext(consumer) for _ in range(2)]
            assert sorted(one.text for one in found) == ["98", "99"]


async def test_fetch_from_an_offset_is_finite(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        await numbered(client, topic, 150)
        consumer = client.consumer(topic, partitions=0)
        assert [record.offset for record in await consumer.fetch(100)] == list(range(100, 150))
        assert len(await consumer.fetch(100, max_records=7)) == 7
        assert len(await consumer.fetch("beginning", max_bytes=20)) == 15
        assert await consumer.fetch() == [], "its own start is the end"


async def test_following_sees_what_comes(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        await numbered(client, topic, 5)
        async with client.consumer(topic) as consumer, client.producer(topic) as producer:
            assert await consumer.next_batch(timeout_s=0.05) == []
            for number in range(20):
                await producer.send_and_wait(f"new {number}")
                async with asyncio.timeout(10):
                    record = await anext(consumer)
                assert (record.offset, record.text) == (5 + number, f"new {number}")
            assert consumer.position() == {(topic, 0): 25}


async def test_two_consumers_and_a_producer_share_connections(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topics = [await new_topic(client, partitions=2) for _ in range(2)]

        async def all_of(topic: str) -> list[str]:
            async with client.consumer(topic, start="beginning") as consumer:
                return sorted([(await anext(consumer)).text for _ in range(100)])

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(all_of(topic)) for topic in topics]
            for topic in topics:
                await numbered(client, topic, 100)
        assert [await one for one in reading] == [sorted(str(n) for n in range(100))] * 2
        assert len(client._session._spus) == 2


async def test_partitions_that_come_later(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        async with client.consumer(topic) as consumer, client.producer(topic) as producer:
            await producer.send_and_wait(b"old")
            await client.admin.topics.add_partitions(topic, 2)
            async with asyncio.timeout(30):
                while client._session.metadata.online_partitions(topic) != (0, 1, 2):
                    await client._session.metadata.wait_change(
                        client._session.metadata.generation, 1
                    )
            await producer.send_and_wait(b"new", partition=2)
            async with asyncio.timeout(30):
                found = [await anext(consumer) for _ in range(2)]
        assert {(one.partition, one.text) for one in found} == {(0, "old"), (2, "new")}


async def test_a_long_backlog_has_no_gap(local_cluster: Any) -> None:
    count = 50_000
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        async with client.producer(topic, compression="lz4") as producer:
            for number in range(count):
                await producer.send(b"%d" % number)
        expected = 0
        async with client.consumer(topic, start="beginning", follow=False) as consumer:
            async for batch in consumer.batches():
                for offset, _, _, value in batch.tuples:
                    assert (offset, int(value)) == (expected, expected)
                    expected += 1
        assert expected == count


async def test_manual_offsets(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic, consumer_id = await new_topic(client), new_name()
        await numbered(client, topic, 10)
        managed: dict[str, Any] = {"consumer_id": consumer_id, "commit": "manual"}
        async with client.consumer(topic, start="beginning", **managed) as consumer:
            records = [await anext(consumer) for _ in range(5)]
            await consumer.commit(records[2])
            await consumer.flush()
            (stored,) = await client.admin.consumers.list(consumer_id)
            assert (stored.replica.topic, stored.offset) == (topic, 2)
            await consumer.commit()
        found = await everything(client, topic, **managed)
        assert [record.offset for record in found] == [5, 6, 7, 8, 9]
        found = await everything(client, topic, start=Offset.absolute(0), **managed)
        assert len(found) == 10, "an absolute offset ignores what is stored"
        found = await everything(client, topic, start=Offset.from_end(2), **managed)
        assert [record.offset for record in found] == [3, 4, 5, 6, 7, 8, 9]
        await client.admin.consumers.delete(consumer_id, topic, 0)
        assert await client.admin.consumers.list(consumer_id) == []


async def test_a_record_counts_when_the_next_one_is_asked_for(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic, consumer_id = await new_topic(client), new_name()
        await numbered(client, topic, 5)
        managed: dict[str, Any] = {"consumer_id": consumer_id, "commit": "auto"}
        async with client.consumer(topic, start="beginning", **managed) as consumer:
            for _ in range(3):
                await anext(consumer)
        (stored,) = await client.admin.consumers.list(consumer_id)
        assert stored.offset == 1, "the third record was handed out, and perhaps not processed"
        found = await everything(client, topic, **managed)
        assert [record.offset for record in found] == [2, 3, 4]
        (stored,) = await client.admin.consumers.list(consumer_id)
        assert stored.offset == 4
        assert await everything(client, topic, **managed) == []


async def test_offsets_need_a_consumer_id(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        with pytest.raises(OffsetManagementDisabled, match="Consumer id is required"):
            client.consumer("any", commit="auto")
        topic = await new_topic(client)
        async with client.consumer(topic) as consumer:
            with pytest.raises(OffsetManagementDisabled):
                await consumer.commit()
            with pytest.raises(OffsetManagementDisabled):
                await consumer.flush()


async def test_offsets_are_flushed_while_nothing_comes(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic, consumer_id = await new_topic(client), new_name()
        await numbered(client, topic, 2)
        async with client.consumer(
            topic,
            start="beginning",
            consumer_id=consumer_id,
            commit="auto",
            flush_interval_s=0.05,
        ) as consumer:
            async with asyncio.timeout(30):
                for _ in range(2):
                    await anext(consumer)
                assert await consumer.next_batch(timeout_s=0.1) == []
                while not await client.admin.consumers.list(consumer_id):
                    await consumer.next_batch(timeout_s=0.05)
            (stored,) = await client.admin.consumers.list(consumer_id)
            assert stored.offset == 1


async def test_deleting_a_topic_ends_its_readers_and_writers(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        producer = client.producer(topic)
        await producer.start()
        async with client.consumer(topic, start="beginning") as consumer:
            await producer.send_and_wait(b"x")
            await anext(consumer)
            await client.admin.topics.delete(topic)
            async with asyncio.timeout(30):
                with pytest.raises(FluvioError):
                    await anext(consumer)
                with pytest.raises(FluvioError):
                    await producer.send_and_wait(b"y")


async def test_committed_readers_see_committed_records(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topic = await new_topic(client)
        await numbered(client, topic, 10, isolation=Isolation.READ_COMMITTED)
        found = await everything(client, topic, isolation=Isolation.READ_COMMITTED)
        assert [record.text for record in found] == [str(n) for n in range(10)]
