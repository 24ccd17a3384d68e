"""The admin side of the client against a real cluster of two SPUs."""

import asyncio
import uuid
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from fluvio_client import Event, Fluvio, connect
from fluvio_client.desired import Outcome
from fluvio_client.errors import (
    AlreadyExists,
    ClientError,
    ManagedObject,
    NotChangeable,
    NotFound,
    ServerError,
    TopicNotFound,
    WaitTimedOut,
)
from fluvio_client.objects import Owner, Partition, Topic
from fluvio_client.stored_offsets import ConsumerNotFound
from fluvio_client.topics import topic_spec
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import RemoteMirror
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.table_format import TableFormatColumn, TableFormatSpec
from fluvio_protocol.metadata.topic import TopicResolution

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]


def client_of(cluster: Any) -> Fluvio:
    return connect(address=cluster.public_address)


def new_name(word: str = "admin") -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


async def test_topics_by_name_prefix_and_pattern(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topics = client.admin.topics
        name = new_name()
        for suffix in ("", "-log", "-catalog"):
            await topics.create(name + suffix)

        async def names(**conditions: Any) -> list[str]:
            return sorted(one.name for one in await topics.list(**conditions))

        assert await names(names=[name]) == [name], "never a part of a name"
        assert await names(prefix=name) == [name, f"{name}-catalog", f"{name}-log"]
        assert await names(prefix=name[1:]) == []
        assert await names(match=f"{name}-*log") == [f"{name}-catalog", f"{name}-log"]
        assert await names(match=f"*{name[5:]}") == [name]
        assert await names(prefix=name, match="*-log") == [f"{name}-log"]
        many = [f"nosuch-{number}" for number in range(300)]
        assert await names(names=[*many, name]) == [name]
        with pytest.raises(NotFound, match=f"{name}-cattalog. Did you mean {name}-catalog"):
            await topics.get(f"{name}-cattalog")
        with pytest.raises(NotFound, match=f"Did you mean {name}-log"):
            await topics.delete(f"{name}-loog")
        with pytest.raises(NotFound, match=f"Did you mean {name}-log"):
            await topics.add_partitions(f"{name}-lo")
        with pytest.raises(TopicNotFound, match=f"{name}-lag. Did you mean .*{name}-log"):
            await client.producer(f"{name}-lag").start()
        for found in await topics.list(prefix=name):
            await topics.delete(found.name)


async def test_quantities_owners_and_shapes(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        admin, name = client.admin, new_name()
        await admin.topics.create(
            name, 2, retention=timedelta(hours=2), segment_size="2 Ki", max_partition_size="1 MB",
            compression="gzip",
        )  # fmt: skip
        topic = await admin.topics.get(name)
        assert isinstance(topic, Topic)
        assert topic.spec == topic_spec(
            2, retention=7200, segment_size=2048, max_partition_size=1_000_000, compression="GZIP"
        )
        assert topic.status.resolution is TopicResolution.PROVISIONED
        partition = await admin.wait_for(
            "partition",
            f"{name}-1",
            lambda one: one.status.resolution is PartitionResolution.ONLINE,
        )
        assert isinstance(partition, Partition)
        assert partition.owner == Owner(Kind.TOPIC, name)
        described = await admin.partitions.describe(f"{name}-1")
        assert described["owner"] == {"kind": "Topic", "name": name}
        assert described["status"]["resolution"] == "Online"
        assert [one.name for one in await admin.partitions.list(prefix=f"{name}-")] == [
            f"{name}-0", f"{name}-1",
        ]  # fmt: skip
        with pytest.raises(AlreadyExists):
            await admin.topics.create(name)
        await admin.topics.delete(name)


async def test_what_belongs_to_others_is_refused(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        admin, name, group = client.admin, new_name(), new_name("group")
        await admin.topics.create(name)
        for refused in (admin.partitions.delete, admin.partitions.update):
            with pytest.raises(ManagedObject, match=f"{name}-0 belongs to Topic {name}"):
                await refused(f"{name}-0")
        with pytest.raises(ManagedObject, match="made by their topic"):
            await admin.partitions.create("x-0")
        with pytest.raises(NotFound, match="Partition not found"):
            await admin.partitions.delete("nosuch-0")
        await admin.topics.delete(name)
        await admin.spu_groups.create(group, 1, min_id=8000, environment={"A": "b"})
        found = await admin.wait_for("spg", group)
        assert found.shape()["spec"]["spuConfig"]["env"] == [{"name": "A", "value": "b"}]
        assert found.owner is None
        with pytest.raises(NotFound, match=f"SpuGroup not found: {group}x. Did you mean {group}"):
            await admin.spu_groups.delete(f"{group}x")
        await admin.spu_groups.delete(group)
        await admin.spu_groups.wait_until_gone(group, timeout=20)


async def test_custom_spus_and_mirrors_and_table_formats(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        admin = client.admin
        name = await admin.custom_spus.register(
            8100, public=("far.example", 9010), private=("far.example", 9011)
        )
        custom = await admin.custom_spus.get(name)
        assert custom.shape()["spec"]["publicEndpoint"]["ingress"][0]["hostname"] == "far.example"
        assert (await admin.custom_spus.wait_for(name, timeout=5)).spec == custom.spec
        assert (await admin.spus.get(name)).owner is None
        with pytest.raises(NotFound, match="SPU not found: id 8101"):
            await admin.custom_spus.unregister(8101)
        await admin.spus.delete(name)

        mirror = new_name("mirror")
        await admin.mirrors.create(mirror, RemoteMirror(id=mirror))
        shape = (await admin.mirrors.wait_for(mirror, timeout=5)).shape()
        assert shape["spec"] == {"remote": {"id": mirror}}
        with pytest.raises(ClientError, match="cannot be watched"):
            await anext(admin.mirrors.watch())
        await admin.mirrors.delete(mirror)

        spec = TableFormatSpec(name=new_name("table"))
        await admin.table_formats.create(spec)
        columns = (TableFormatColumn(key_path="name"),)
        wider = TableFormatSpec(name=spec.name, columns=columns)
        await admin.table_formats.update(wider)
        assert (await admin.table_formats.get(spec.name)).spec == wider
        await admin.table_formats.delete(spec.name)


async def test_smart_modules_are_replaced(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        modules, name = client.admin.smart_modules, new_name("module")
        await modules.create(name, b"one")
        with pytest.raises(NotFound, match=f"SmartModule not found: {name}x"):
            await modules.update(f"{name}x", b"")
        await modules.update(name, b"two")
        assert (await modules.get(name)).spec.wasm.payload == b"", "lists leave the code out"
        found = await modules.get_with_code(name)
        assert bytes(found.spec.wasm.payload) == b"two"
        again = await client.admin.apply("sm", name, found.spec)
        assert again.outcome is Outcome.UNCHANGED
        await modules.delete(name)


async def test_watching_and_waiting(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        topics, name = client.admin.topics, new_name()
        seen: list[Event] = []

        async def watch(begun: asyncio.Event) -> None:
            async with aclosing(topics.watch()) as changes:
                async for change in changes:
                    begun.set()
                    if change.object.name == name:
                        seen.append(change.event)
                        if change.event is Event.DELETED:
                            return

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            begun = asyncio.Event()
            tasks.create_task(watch(begun))
            await begun.wait()
            waiting = tasks.create_task(
                topics.wait_for(name, lambda topic: len(topic.status.replica_map) == 2)
            )
            await topics.create(name)
            await topics.add_partitions(name)
            assert len((await waiting).status.replica_map) == 2
            await topics.delete(name)
            await topics.wait_until_gone(name, timeout="10s")
        assert seen[0] is Event.UPDATED
        assert seen[-1] is Event.DELETED
        with pytest.raises(WaitTimedOut, match=f"Topic {name} did not .*: it is not there"):
            await topics.wait_for(name, timeout="50ms")
        await topics.create(name, replication=3, wait=0)
        with pytest.raises(WaitTimedOut, match="it is insufficient resources: "):
            await topics.wait_for(
                name,
                lambda topic: topic.status.resolution is TopicResolution.PROVISIONED,
                timeout=0.5,
            )
        with pytest.raises(WaitTimedOut, match="still there"):
            await topics.wait_until_gone(name, timeout=0.05)
        with pytest.raises(ZeroDivisionError):
            await topics.wait_for(name, lambda topic: 1 // 0 == 1)
        await topics.delete(name)


async def test_applying_what_is_wanted(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        admin, name = client.admin, new_name()
        wanted = topic_spec(2, retention="1h")
        assert await admin.diff("topic", name, wanted) is None
        dry = await admin.apply("topic", name, wanted, dry_run=True)
        assert dry.outcome is Outcome.CREATED
        assert await admin.topics.list([name]) == []
        assert (await admin.apply("topic", name, wanted)).outcome is Outcome.CREATED
        assert (await admin.apply("topic", name, wanted)).outcome is Outcome.UNCHANGED
        more = topic_spec(3, retention="1h")
        assert [one.path for one in await admin.diff("topic", name, more) or ()] == [
            "replicas.computed.partitions"
        ]
        assert (await admin.apply("topic", name, more, dry_run=True)).outcome is Outcome.CHANGED
        assert await admin.diff("topic", name, wanted) == []
        assert (await admin.apply("topic", name, more)).outcome is Outcome.CHANGED
        assert await admin.diff("topic", name, more) == []
        assert await admin.topics.update(name, partitions=3) == 0
        for spec, reason in (
            (wanted, "never taken away"),
            (topic_spec(3, retention="2h"), "timeInSeconds is 3600, wanted 7200. Fluvio's"),
            (topic_spec(assignment=[[5001]]), "replicas.assigned is not set"),
        ):
            with pytest.raises(NotChangeable, match=reason):
                await admin.apply("topic", name, spec)
        await admin.topics.delete(name)
        bad = new_name()
        with pytest.raises(ServerError, match="not provisioned"):
            await admin.apply("topic", bad, topic_spec(1, 9), wait=1)
        await admin.topics.delete(bad)


async def test_how_far_consumers_are_behind(local_cluster: Any) -> None:
    async with client_of(local_cluster) as client:
        name, consumer_id = new_name(), new_name("consumer")
        await client.admin.topics.create(name)
        async with client.producer(name) as producer:
            await producer.send_all([(None, b"x")] * 5)
        async with client.consumer(
            name, start="beginning", follow=False, consumer_id=consumer_id, commit="manual"
        ) as consumer:
            await anext(consumer)
            await anext(consumer)
            await consumer.commit()
            await consumer.flush()
        (mine,) = await client.admin.consumers.lags(consumer_id)
        assert (mine.topic, mine.partition, mine.offset, mine.end) == (name, 0, 1, 5)
        assert mine.lag == 3
        assert await client.admin.consumers.lags(topic=name) == [mine]
        assert await client.admin.consumers.list(topic=f"{name}x") == []
        with pytest.raises(ConsumerNotFound, match=f"{consumer_id}x. Did you mean {consumer_id}"):
            await client.admin.consumers.lags(f"{consumer_id}x")
        await client.admin.topics.delete(name)
