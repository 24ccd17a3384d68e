"""Administration with the library: lines 74 and 75 of the checklist."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fluvio_client import Event, connect

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]

NewName = Callable[[], str]


async def test_a_life_of_a_topic(local_cluster: Any, new_name: NewName) -> None:
    name = new_name()
    async with (
        connect(address=local_cluster.public_address) as client,
        asyncio.timeout(30),
    ):
        topics = client.admin.topics
        await topics.create(
            name, retention="10h", segment_size="10M", max_partition_size="1Gb", compression="gzip"
        )
        async for change in topics.watch():
            if change.object.name == name:
                assert change.event is Event.UPDATED
                break
        spec = (await topics.get(name)).spec
        assert spec.cleanup_policy is not None
        assert spec.cleanup_policy.time_in_seconds == 36_000
        assert spec.storage is not None
        assert (spec.storage.segment_size, spec.storage.max_partition_size) == (10**7, 10**9)
        assert name in {one.name for one in await topics.list()}
        assert [one.name for one in await topics.list([name])] == [name]
        assert [one.name for one in await topics.list(match=f"{name[:-1]}?")] == [name]
        listed = {one.name for one in await client.admin.partitions.list()}
        assert f"{name}-0" in listed
        await topics.delete(name)
        assert await topics.list([name]) == []
        assert name not in {one.name for one in await topics.list()}


async def test_a_life_of_a_smart_module(local_cluster: Any, new_name: NewName) -> None:
    name = new_name()
    code = b"\0asm\1\0\0\0"
    async with (
        connect(address=local_cluster.public_address) as client,
        asyncio.timeout(30),
    ):
        modules = client.admin.smart_modules
        await modules.create(name, code)
        async for change in modules.watch():
            if change.object.name == name:
                assert change.event is Event.UPDATED
                break
        assert name in {one.name for one in await modules.list()}
        assert [one.name for one in await modules.list([name])] == [name]
        assert (await modules.get_with_code(name)).spec.wasm.payload == code
        await modules.delete(name)
        assert await modules.list([name]) == []
        assert name not in {one.name for one in await modules.list()}
