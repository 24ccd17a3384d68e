"""The client on every event loop that is there."""

import asyncio
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from fluvio_client import connect


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_produce_consume_and_administer(local_cluster: Any, name: str) -> None:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if name == "uvloop":
        if importlib.util.find_spec("uvloop") is None:
            pytest.skip("uvloop is not installed")
        factory = importlib.import_module("uvloop").new_event_loop

    async def work() -> None:
        assert name in type(asyncio.get_running_loop()).__module__
        topic = f"loop-{uuid4()}"
        values = [b"%d" % number * 50 for number in range(2000)]
        async with connect(address=local_cluster.public_address) as client:
            await client.admin.topics.create(topic, partitions=2)
            async with (
                client.producer(topic, compression="lz4", isolation="committed") as producer,
                client.consumer(
                    topic, start="beginning", consumer_id=topic, commit="manual"
                ) as consumer,
            ):
                sent = await producer.send_all(values)
                await producer.flush(timeout_s=30)
                async with asyncio.timeout(30):
                    found = [await anext(consumer) for _ in range(len(values))]
                await consumer.commit()
                await consumer.flush()
                assert sorted(record.value for record in found) == sorted(values)
                assert {one.done for one in sent} == {True}
            stored = await client.admin.consumers.list(topic)
            assert sorted(one.offset for one in stored) == [999, 999]
            await client.admin.topics.delete(topic)

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())
