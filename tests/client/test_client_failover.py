"""The client when processes die under it: it goes on by itself, and loses nothing that was
acknowledged."""

import asyncio
import os
import signal
from typing import Any

import psutil
import pytest

from fluvio_client import Fluvio, RetryPolicy, connect
from fluvio_client.errors import DeliveryFailed

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio, pytest.mark.timeout(180)]

COUNT = 3000


def kill(cluster: Any, module: str) -> None:
    """kill -9 one process of a cluster of this test's own, found by its data folder."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if module in command and any(str(cluster.data_dir) in one for one in command):
            os.kill(process.pid, signal.SIGKILL)
            return
    pytest.fail(f"no {module} of {cluster.data_dir} runs")


async def test_killing_the_spu_loses_nothing_that_was_acknowledged(cluster_factory: Any) -> None:
    cluster = await asyncio.to_thread(cluster_factory, spu_count=1)
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("survivor")
        acknowledged: dict[int, bytes] = {}
        milestones = {number: asyncio.Event() for number in (200, 700, 1500)}

        async def produce() -> None:
            async with client.producer("survivor") as producer:
                for number in range(COUNT):
                    value = b"%d" % number
                    metadata = await producer.send_and_wait(value)
                    acknowledged[metadata.offset] = value
                    if number in milestones:
                        milestones[number].set()

        async def consume() -> dict[int, bytes]:
            found: dict[int, bytes] = {}
            async with client.consumer("survivor", start="beginning") as consumer:
                async for record in consumer:
                    assert record.offset == len(found), "a gap, or a record twice"
                    found[record.offset] = record.value
                    if record.value == b"%d" % (COUNT - 1):
                        break
            return found

        async with asyncio.timeout(150), asyncio.TaskGroup() as tasks:
            tasks.create_task(produce())
            consuming = tasks.create_task(consume())
            for milestone in milestones.values():
                await milestone.wait()
                await asyncio.to_thread(kill, cluster, "fluvio_spu")
        found = await consuming
        assert len(acknowledged) == COUNT
        assert {offset: found[offset] for offset in acknowledged} == acknowledged
        order = [int(found[offset]) for offset in sorted(acknowledged)]
        assert order == list(range(COUNT))


async def test_the_data_plane_works_while_the_controller_is_gone(cluster_factory: Any) -> None:
    cluster = await asyncio.to_thread(cluster_factory, spu_count=1)
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("alone")
        async with client.producer("alone") as producer:
            await producer.send_and_wait(b"before")
            await asyncio.to_thread(kill, cluster, "fluvio_local")
            await _controller_lost(client)
            await producer.send_and_wait(b"without")
            found = await client.consumer("alone").fetch("beginning")
            assert [record.value for record in found] == [b"before", b"without"]
            await asyncio.to_thread(
                cluster.fluvio, "cluster", "resume", "--data-dir", str(cluster.data_dir)
            )
            async with asyncio.timeout(60):
                await client._session._controller_up.wait()
            await client.admin.topics.create("afterwards")
            await producer.send_and_wait(b"after")
        async with client.producer("afterwards") as producer:
            await producer.send_and_wait(b"x")


async def test_a_pattern_keeps_its_topics_while_the_controller_is_gone(
    cluster_factory: Any,
) -> None:
    """Neither its end nor what it tells when it is back takes a topic away, or reads it anew."""
    cluster = await asyncio.to_thread(cluster_factory, spu_count=1)
    async with connect(address=cluster.public_address) as client:
        for name in ("kept-a", "kept-b"):
            await client.admin.topics.create(name)
        async with (
            client.producer("kept-a") as to_a,
            client.producer("kept-b") as to_b,
            client.consumer(pattern="kept-*", start="beginning") as consumer,
        ):
            found = []
            for begun in range(3):
                await to_a.send_and_wait(b"%d" % begun)
                await to_b.send_and_wait(b"%d" % begun)
                async with asyncio.timeout(60):
                    found += [await anext(consumer) for _ in range(2)]
                if begun == 0:
                    await asyncio.to_thread(kill, cluster, "fluvio_local")
                    await _controller_lost(client)
                elif begun == 1:
                    await asyncio.to_thread(
                        cluster.fluvio, "cluster", "resume", "--data-dir", str(cluster.data_dir)
                    )
                    async with asyncio.timeout(60):
                        await client._session._controller_up.wait()
                    await client.admin.topics.create("kept-c")
            assert sorted((one.topic, one.offset) for one in found) == [
                (name, offset) for name in ("kept-a", "kept-b") for offset in range(3)
            ]
            metadata = client._session.metadata
            async with asyncio.timeout(60):
                while "kept-c" not in consumer.topics:
                    await metadata.wait_change(metadata.generation, 1)
            assert await client.consumer(pattern="kept-*", follow=False).fetch("beginning")


async def test_offsets_are_stored_after_the_spu_came_back(cluster_factory: Any) -> None:
    """The new stream has no name until a record comes; the offset is stored all the same."""
    cluster = await asyncio.to_thread(cluster_factory, spu_count=1)
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("marked")
        async with client.producer("marked") as producer:
            await producer.send_all([b"a", b"b", b"c"])
        async with client.consumer(
            "marked", start="beginning", consumer_id="me", commit="manual"
        ) as consumer:
            for _ in range(3):
                await anext(consumer)
            await consumer.commit()
            await asyncio.to_thread(kill, cluster, "fluvio_spu")
            async with asyncio.timeout(60):
                await consumer.flush()
            (stored,) = await client.admin.consumers.list("me")
            assert stored.offset == 2


async def test_a_producer_says_so_when_nobody_takes_its_records_any_more(
    cluster_factory: Any,
) -> None:
    cluster = await asyncio.to_thread(cluster_factory, spu_count=1)
    async with connect(address=cluster.public_address) as client:
        await client.admin.topics.create("doomed")
        retry = RetryPolicy(total_s=0.5)
        producer = client.producer("doomed", retry=retry)
        await producer.start()
        sent = await producer.send_all([bytes(5000)] * 1000)
        await producer.flush(timeout_s=60)
        assert [one.result().offset for one in sent] == list(range(1000))
        for module in ("fluvio_local", "fluvio_spu"):  # the first would start the second again
            await asyncio.to_thread(kill, cluster, module)
        lost = await producer.send(b"lost")
        with pytest.raises(DeliveryFailed, match="doomed-0"):
            await producer.flush(timeout_s=60)
        with pytest.raises(DeliveryFailed):
            lost.result()


async def _controller_lost(client: Fluvio) -> None:
    connection = client._session._controller
    assert connection is not None
    async with asyncio.timeout(60):
        await connection.wait_closed()
