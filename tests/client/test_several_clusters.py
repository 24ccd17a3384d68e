"""Clients of several clusters that begin and end together."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fluvio_client import ProfileStore, connect_many, sync
from fluvio_client.errors import (
    ConfigError,
    ConnectFailed,
    ProfileNotConnected,
    ProfileNotFound,
)


def profiles(path: Path, **addresses: str) -> Path:
    store = ProfileStore.load(path)
    for name, address in addresses.items():
        store.add(name, address)
    store.save()
    return path


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Its port; it accepts, answers nothing, and tells when whoever came went again."""
    left = asyncio.Event()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(accepted, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], left


@pytest.mark.parametrize("module", [connect_many, sync.connect_many])
def test_what_is_wrong_before_anything_is_connected(module: Any, tmp_path: Path) -> None:
    path = profiles(tmp_path / "config", a="127.0.0.1:1")
    for names, problem, text in (
        ((), ConfigError, "a profile at least"),
        (("a", "a"), ConfigError, "profile a is named twice"),
        (("a", "nosuch"), ProfileNotFound, "nosuch"),
    ):
        with pytest.raises(problem, match=text):
            module(*names, profile_path=path)


@pytest.mark.asyncio
async def test_one_that_fails_ends_the_others_at_once(
    open_door: Any, make_door: Any, tmp_path: Path, unused_tcp_port: int
) -> None:
    """One is connected, one would be waited for a long time, one cannot be reached."""
    async with open_door(make_door()) as good, silent_server() as (silent, left):
        path = profiles(
            tmp_path / "config",
            good=f"127.0.0.1:{good.port}",
            silent=f"127.0.0.1:{silent}",
            nobody=f"127.0.0.1:{unused_tcp_port}",
        )
        names = ("good", "silent", "nobody")
        async with asyncio.timeout(30):
            with pytest.raises(ProfileNotConnected, match=r"^profile nobody: ") as caught:
                async with connect_many(*names, profile_path=path, timeout_s=600):
                    pytest.fail("one of them is not there")
            assert caught.value.profile == "nobody"
            assert isinstance(caught.value.__cause__, ConnectFailed)
            await left.wait()
            while good.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)  # a door tells nobody
        assert [
            task.get_name() for task in asyncio.all_tasks() if "client" in task.get_name()
        ] == []


def test_one_that_fails_ends_the_others_at_once_without_asyncio(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = profiles(
            tmp_path / "config",
            silent=f"127.0.0.1:{silent.getsockname()[1]}",
            nobody=f"127.0.0.1:{unused_tcp_port}",
        )
        clusters = sync.connect_many("silent", "nobody", profile_path=path, timeout_s=600)
        with pytest.raises(ProfileNotConnected, match=r"^profile nobody: ") as caught, clusters:
            pytest.fail("one of them is not there")
        assert isinstance(caught.value.__cause__, ConnectFailed)
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(30)
            while connection.recv(4096):
                pass  # to its end
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def two_clusters(
    local_cluster: Any, cluster_factory: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A profile file with both."""
    other = cluster_factory(spu_count=1)
    return profiles(
        tmp_path_factory.mktemp("profiles") / "config",
        here=local_cluster.public_address,
        there=other.public_address,
    )


@pytest.mark.cluster
@pytest.mark.asyncio
async def test_records_from_one_cluster_to_another(two_clusters: Path) -> None:
    topic = f"both-{uuid4()}"
    several = connect_many("here", "there", profile_path=two_clusters)
    async with several as clusters:
        assert list(clusters) == ["here", "there"]
        here, there = clusters["here"], clusters["there"]
        assert here.address != there.address
        for client in clusters.values():
            await client.admin.topics.create(topic)
        async with here.producer(topic) as producer:
            await producer.send_all([b"a", b"b"])
        async with there.producer(topic) as producer:
            for record in await here.consumer(topic).fetch("beginning"):
                await producer.send(record.value)
        found = await there.consumer(topic).fetch("beginning")
        assert [record.value for record in found] == [b"a", b"b"]
    assert [client.metrics.connections.open for client in clusters.values()] == [0, 0]
    with pytest.raises(ProfileNotConnected, match="entered once"):
        await several.__aenter__()


@pytest.mark.cluster
def test_without_asyncio(two_clusters: Path) -> None:
    before = threading.active_count()
    with sync.connect_many("here", "there", profile_path=two_clusters) as clusters:
        for name, client in clusters.items():
            topic = f"{name}-{uuid4()}"
            client.admin.topics.create(topic)
            with client.producer(topic) as producer:
                producer.send_and_wait(name)
            (record,) = client.consumer(topic).fetch("beginning")
            assert record.text == name
    assert threading.active_count() == before
