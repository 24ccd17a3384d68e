"""Frames that the official client really sent, at the controller's public door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.api.frame import FrameSplitter
from fluvio_protocol.api.header import decode_request_header
from fluvio_protocol.api.versions import ApiVersionsResponse
from fluvio_protocol.codec import Reader, decode
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import ComputedReplicas, TopicSpec
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.list import ListResponse
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.watch import WatchResponse

pytestmark = pytest.mark.asyncio

VECTORS = Path(__file__).parents[1] / "vectors" / "sc_public"


def vector(name: str) -> bytes:
    lines = (VECTORS / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


class Wire:
    """One raw connection: send a frame, read the next payload."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = FrameSplitter()
        self._payloads: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def ask(self, name: str) -> bytes:
        """Send a vector; the body of the answer, whose correlation id is checked."""
        data = vector(name)
        self.write(data)
        correlation = decode_request_header(Reader(data[4:])).correlation_id
        payload = await self.payload()
        assert int.from_bytes(payload[:4], "big") == correlation
        return payload[4:]

    async def payload(self) -> bytes:
        async with asyncio.timeout(10):
            while not self._payloads:
                data = await self._reader.read(65536)
                assert data, "the connection was closed"
                self._payloads += self._splitter.feed(data)
        return self._payloads.pop(0)


@asynccontextmanager
async def wire_to(cluster: Any) -> AsyncIterator[Wire]:
    port = cluster.app.public_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_connection_of_the_official_client(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    async with wire_to(cluster) as wire:
        captured = decode(ApiVersionsResponse, vector("api_versions_response.v2")[8:], 2)
        answered = decode(ApiVersionsResponse, await wire.ask("api_versions_request.v2"), 2)
        assert answered.platform_version == captured.platform_version
        assert [(item.api_key, item.max_version) for item in answered.api_keys] == [
            (item.api_key, item.max_version) for item in captured.api_keys if item.api_key != 1005
        ]
        # The official client opens each watch twice, and each wants its own snapshot.
        for _ in range(2):
            for kind, name in (("spu", "custom-spu-5001"), ("partition", "consumer-offset-0")):
                body = await wire.ask(f"watch_request-{kind}.v19")
                first = decode(WatchResponse, body, 19)
                assert [item.name for item in first.all] == [name]
                assert first.changes == ()


async def test_administration_by_the_official_client(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    exists = decode(Status, vector("status-topic-exists.v19")[8:], 19)
    missing = decode(Status, vector("status-topic-not-found.v19")[8:], 19)
    async with wire_to(cluster) as wire:
        created = await wire.ask("create_request-topic.v19")
        assert created == vector("status-success.v19")[8:]
        again = decode(Status, await wire.ask("create_request-topic.v19"), 19)
        assert again.error_code == exists.error_code
        listed = decode(ListResponse, await wire.ask("list_request-topics.v19"), 19)
        assert [item.name for item in listed.objects] == ["t1"]
        listed = decode(ListResponse, await wire.ask("list_request-partitions.v19"), 19)
        assert [item.name for item in listed.objects] == ["t1-0"]
        deleted = decode(Status, await wire.ask("delete_request-topic.v19"), 19)
        assert not deleted.error_code
        again = decode(Status, await wire.ask("delete_request-topic.v19"), 19)
        assert again.error_code == missing.error_code


async def test_the_classic_envelope(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    async with wire_to(cluster) as wire:
        created = decode(Status, await wire.ask("create_request-topic-classic.v10"), 10)
        assert (created.name, bool(created.error_code)) == ("t1", False)
        deleted = decode(Status, await wire.ask("delete_request-topic-classic.v10"), 10)
        assert not deleted.error_code


async def test_a_dry_run(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    async with wire_to(cluster) as wire:
        status = decode(Status, await wire.ask("create_request-topic-dry-run.v19"), 19)
        assert not status.error_code, status
        assert cluster.get(Kind.TOPIC, status.name) is None


async def test_settings_are_read_and_judged(make_cluster: Any) -> None:
    """The captured topic has a partition size below its segment size, which Fluvio refuses."""
    cluster = await make_cluster(1)
    async with wire_to(cluster) as wire:
        status = decode(Status, await wire.ask("create_request-topic-with-storage.v19"), 19)
        assert status.error_code.error is ErrorCode.TOPIC_INVALID_CONFIGURATION
        assert status.error_message == (
            "max_partition_size 10485760 is less than segment size 1000000000"
        )


async def test_a_client_that_does_not_read_costs_no_memory_and_gets_the_last_state(
    make_cluster: Any,
) -> None:
    cluster = await make_cluster(1)
    spu = cluster.spus[0]
    busy = await cluster.client()
    spec = TopicSpec(replicas=ComputedReplicas(partitions=1000))
    assert not (await busy.request(CreateRequest(name="big", spec=spec))).error_code

    async def report(number: int) -> None:
        spu.leo = {f"big-{partition}": number for partition in range(1000)}
        spu.report_all()
        await cluster.until(
            lambda: cluster.get(Kind.PARTITION, "big-999").status.leader.leo == number
        )

    def congested() -> list[int]:
        connections = cluster.app.public_connections
        return [connection.queued_bytes for connection in connections if connection.congested]

    async with wire_to(cluster) as wire:
        for _ in range(40):
            wire.write(vector("watch_request-partition.v19"))
        rounds = 0
        while not congested():
            rounds += 1
            await report(rounds)
        (queued,) = congested()
        for _ in range(5):
            rounds += 1
            await report(rounds)
        assert congested() == [queued], "nothing more is queued for a client that does not read"
        seen: dict[str, int] = {}
        while seen.get("big-999") != rounds:
            update = decode(WatchResponse, (await wire.payload())[4:], 19)
            for item in [*update.all, *(change.object for change in update.changes)]:
                seen[item.name] = item.status.leader.leo
