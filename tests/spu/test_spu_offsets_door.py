"""FetchOffsets, Fetch, consumer offsets, ApiVersions, and requests nobody knows."""

import struct
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.api.versions import ApiVersionsRequest, ApiVersionsResponse
from fluvio_protocol.codec import decode_exact
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.spu_public.consumer_offsets import (
    ConsumerOffsetFilter,
    DeleteConsumerOffsetRequest,
    FetchConsumerOffsetsRequest,
    UpdateConsumerOffsetRequest,
)
from fluvio_protocol.spu_public.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
)
from fluvio_protocol.spu_public.fetch_offsets import FetchOffsetsRequest, TopicPartitions
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest
from fluvio_protocol.types import Isolation, Offset, PartitionId, ReplicaKey, SpuId
from fluvio_spu.config import SessionLimits
from fluvio_spu.links import peer_link
from fluvio_spu.public_api.api_versions import ADVERTISED

pytestmark = pytest.mark.asyncio

VECTORS = Path(__file__).parents[1] / "vectors" / "spu_public"
T0 = ReplicaKey("t", PartitionId(0))


def golden_frame(name: str) -> bytes:
    lines = (VECTORS / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def offsets_request(*topics: tuple[str, tuple[int, ...]], **fields: Any) -> FetchOffsetsRequest:
    return FetchOffsetsRequest(
        topics=tuple(
            TopicPartitions(name=name, partitions=tuple(map(PartitionId, partitions)))
            for name, partitions in topics
        ),
        **fields,
    )


async def test_advertised_versions(client: Any) -> None:
    request = ApiVersionsRequest(client_version="0.15.2", client_os="linux", client_arch="x")
    answer = await client.call(request, 2)
    assert isinstance(answer, ApiVersionsResponse)
    assert answer.platform_version == "0.0.0"
    assert answer.api_keys == ADVERTISED
    listed = {one.api_key: (one.min_version, one.max_version) for one in answer.api_keys}
    assert listed == {0: (0, 25), 1: (0, 25), 1002: (23, 25), 1003: (0, 25), 1005: (0, 0)}


@pytest.mark.parametrize("key", [2, 999, 1004, 1009, 2000, 65535])
async def test_an_unknown_request_ends_the_connection_with_a_warning(
    spu: Any, client: Any, caplog: pytest.LogCaptureFixture, key: int
) -> None:
    client.send_bytes(struct.pack(">iHhih", 10, key, 0, 1, 0))
    await client.assert_closed()
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(f"key {key}," in text for text in warnings)
    other = await spu.client()
    await other.assert_silent()


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(9), b"\3\352\0\27\0\0\0\1\177\377"])
async def test_a_frame_without_a_whole_header_ends_the_connection(
    client: Any, payload: bytes
) -> None:
    client.send_bytes(struct.pack(">i", len(payload)) + payload)
    await client.assert_closed()


@pytest.mark.parametrize("version", range(22, 26))
async def test_offsets_of_partitions(client: Any, batch: Any, version: int) -> None:
    await client.produce("t", batch("a", "b"))
    answer = await client.call(offsets_request(("t", (0, 1)), ("missing", (0,))), version)
    seen = [
        (one.error_code.error, one.partition, one.start_offset, one.last_stable_offset)
        for topic in answer.topics
        for one in topic.partitions
    ]
    assert seen == [
        (ErrorCode.NONE, 0, 0, 2),
        (ErrorCode.PARTITION_NOT_LEADER, 1, 0, 0),
        (ErrorCode.PARTITION_NOT_LEADER, 0, 0, 0),
    ]


async def test_golden_fetch_offsets(spu: Any, assignment: Any, batch: Any) -> None:
    await spu.assign(assignment("t1"))
    client = await spu.client()
    await client.produce("t1", batch(*"abcdefghij"))
    client.send_bytes(golden_frame("fetch_offsets_request.v24"))
    number, body = await client.receive()
    expected = golden_frame("fetch_offsets_response.v24")
    assert struct.pack(">ii", len(body) + 4, number) + body == expected


async def test_consumer_offsets_are_kept_and_resumed_from(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await spu.assign(assignment("consumer-offset"))
    await client.produce("t", batch("a", "b", "c"))
    for name in ("one", "two", None):
        request = StreamFetchRequest(
            topic="t",
            partition=PartitionId(0),
            fetch_offset=Offset(0),
            consumer_id=name,
        )
        number = client.send(request, 25)
        assert (await client.receive())[0] == number
    for session, offset in ((1, 1), (2, 0)):
        answer = await client.call(
            UpdateConsumerOffsetRequest(offset=Offset(offset), session_id=session), 24
        )
        assert (answer.offset, answer.error_code.error) == (offset, ErrorCode.NONE)
    answer = await client.call(offsets_request(("t", (0,)), consumer_id="one"), 23)
    assert answer.topics[0].partitions[0].start_offset == 2
    answer = await client.call(offsets_request(("t", (0,)), consumer_id="unknown"), 23)
    assert answer.topics[0].partitions[0].start_offset == 0

    answer = await client.call(FetchConsumerOffsetsRequest(), 24)
    found = {(one.consumer_id, one.replica, one.offset) for one in answer.consumers}
    assert found == {("one", T0, 1), ("two", T0, 0)}
    wanted = ConsumerOffsetFilter(replica=T0, consumer_id="two")
    answer = await client.call(FetchConsumerOffsetsRequest(filter_opts=wanted), 25)
    assert [one.offset for one in answer.consumers] == [0]

    for name in ("one", "one", "never seen"):
        request = DeleteConsumerOffsetRequest(replica=T0, consumer_id=name)
        assert (await client.call(request, 24)).error_code.error is ErrorCode.NONE
    answer = await client.call(FetchConsumerOffsetsRequest(), 23)
    assert [one.consumer_id for one in answer.consumers] == ["two"]


@pytest.mark.parametrize(
    ("stored", "start"),
    [(0, 1), (2, 3), (3, 3), (100, 3), ((1 << 63) - 1, 3), (-1, 0), (-(1 << 63), 0)],
)
async def test_older_clients_start_where_there_is_something(
    spu: Any, client: Any, assignment: Any, batch: Any, stored: int, start: int
) -> None:
    await spu.assign(assignment("consumer-offset"))
    await client.produce("t", batch("a", "b", "c"))
    stream = StreamFetchRequest(
        topic="t", partition=PartitionId(0), fetch_offset=Offset(3), consumer_id="c"
    )
    client.send(stream, 25)
    update = UpdateConsumerOffsetRequest(offset=Offset(stored), session_id=1)
    assert (await client.call(update, 25)).error_code.error is ErrorCode.NONE
    answer = await client.call(offsets_request(("t", (0,)), consumer_id="c"), 23)
    (found,) = answer.topics[0].partitions
    assert (found.start_offset, found.last_stable_offset) == (start, 3)


async def test_consumer_offset_of_a_stream_that_has_none(
    spu: Any, client: Any, assignment: Any
) -> None:
    await spu.assign(assignment("consumer-offset"))
    request = StreamFetchRequest(
        topic="t", partition=PartitionId(0), fetch_offset=Offset(0), consumer_id=None
    )
    client.send(request, 25)
    update = UpdateConsumerOffsetRequest(offset=Offset(1), session_id=1)
    answer = await client.call(update, 25)
    assert answer.error_code.error is ErrorCode.OTHER
    assert answer.error_code.payload == ("stream without consumer id",)
    update = UpdateConsumerOffsetRequest(offset=Offset(1), session_id=2)
    answer = await client.call(update, 25)
    assert answer.error_code.error is ErrorCode.FETCH_SESSION_NOT_FOUND


async def test_consumer_offsets_that_another_spu_keeps(client: Any) -> None:
    answer = await client.call(FetchConsumerOffsetsRequest(), 24)
    assert answer.error_code.error is ErrorCode.PARTITION_NOT_LEADER
    request = DeleteConsumerOffsetRequest(replica=T0, consumer_id="c")
    answer = await client.call(request, 24)
    assert answer.error_code.error is ErrorCode.PARTITION_NOT_LEADER


async def test_a_consumer_whose_offset_nobody_knows_now_does_not_begin_anew(
    spu: Any, client: Any, assignment: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_link, "PEER_TIMEOUT_S", 0.2)
    await client.produce("t", batch("a", "b", "c"))
    answer = await client.call(offsets_request(("t", (0,)), consumer_id="c"), 23)
    (found,) = answer.topics[0].partitions
    assert not found.error_code, "nobody keeps offsets yet, so none is stored"
    away = SpuId(5009)
    await spu.assign(assignment("consumer-offset", leader=away, replicas=(away,)))
    answer = await client.call(offsets_request(("t", (0,)), consumer_id="c"), 23)
    (found,) = answer.topics[0].partitions
    assert "SPU 5009, which keeps consumer offsets, does not answer" in found.error_code.payload[0]


async def test_waiting_answers_come_in_the_order_of_their_requests(
    spu: Any, client: Any, assignment: Any
) -> None:
    """In one read, far more of them than may wait at a time."""
    await spu.assign(assignment("consumer-offset"))
    stream = StreamFetchRequest(
        topic="t", partition=PartitionId(0), fetch_offset=Offset(0), consumer_id="c"
    )
    frames = [client.frame(stream, 25, 0)]
    for number in range(1, 3001):
        if number % 2:
            update = UpdateConsumerOffsetRequest(offset=Offset(number), session_id=1)
            frames.append(client.frame(update, 25, number))
        else:
            frames.append(client.frame(FetchConsumerOffsetsRequest(), 25, number))
    client.send_bytes(b"".join(frames))
    for number in range(1, 3001):
        seen, body = await client.receive()
        assert seen == number
        if not number % 2:
            answer = decode_exact(FetchConsumerOffsetsRequest.response, body, 25)
            assert [one.offset for one in answer.consumers] == [number - 1]


def fetch_request(*partitions: tuple[str, int, int], **fields: Any) -> FetchRequest:
    topics: dict[str, list[FetchPartition]] = {}
    for topic, partition, offset in partitions:
        topics.setdefault(topic, []).append(
            FetchPartition(
                partition=PartitionId(partition), fetch_offset=Offset(offset), max_bytes=1 << 20
            )
        )
    return FetchRequest(
        topics=tuple(
            FetchTopic(name=name, fetch_partitions=tuple(items)) for name, items in topics.items()
        ),
        **fields,
    )


@pytest.mark.parametrize("version", range(26))
async def test_fetch_answers_every_partition(
    spu: Any, client: Any, assignment: Any, batch: Any, values: Any, version: int
) -> None:
    await spu.assign(assignment("u"))
    await client.produce("t", batch("a", "b"))
    await client.produce("u", batch("c"))
    request = fetch_request(("t", 0, 0), ("t", 3, 0), ("u", 0, 0), ("t", 0, 9), ("t", 0, -1))
    answer = await client.call(request, version)
    seen = [
        (topic.name, one.partition, one.error_code.error, values(one.records))
        for topic in answer.topics
        for one in topic.partitions
    ]
    assert seen == [
        ("t", 0, ErrorCode.NONE, [(0, "a"), (1, "b")]),
        ("t", 3, ErrorCode.NOT_LEADER_FOR_PARTITION, []),
        ("t", 0, ErrorCode.OFFSET_OUT_OF_RANGE, []),
        ("t", 0, ErrorCode.OFFSET_EVICTED, []),
        ("u", 0, ErrorCode.NONE, [(0, "c")]),
    ]


async def test_fetch_waits_for_enough_bytes(spu: Any, client: Any, batch: Any, values: Any) -> None:
    size = len(batch("a"))
    number = client.send(fetch_request(("t", 0, 0), max_wait_ms=20_000, min_bytes=2 * size), 25)
    producer = await spu.client()
    await producer.produce("t", batch("a"))
    await client.assert_silent()
    await producer.produce("t", batch("b"))
    answer = await client.receive_as(FetchResponse, 25, number)
    assert values(answer.topics[0].partitions[0].records) == [(0, "a"), (1, "b")]


async def test_fetch_waits_no_longer_than_it_may(client: Any) -> None:
    request = fetch_request(("t", 0, 0), max_wait_ms=30, min_bytes=1)
    answer = await client.call(request, 25)
    assert answer.topics[0].partitions[0].records == b""


async def test_a_waiting_fetch_hears_of_a_deletion(spu: Any, client: Any, assignment: Any) -> None:
    number = client.send(fetch_request(("t", 0, 0), max_wait_ms=20_000, min_bytes=1), 25)
    await client.assert_silent()
    await spu.assign(assignment(is_being_deleted=True))
    answer = await client.receive_as(FetchResponse, 25, number)
    code = answer.topics[0].partitions[0].error_code.error
    assert code is ErrorCode.NOT_LEADER_FOR_PARTITION


async def test_fetch_is_bounded_by_its_maximum(spu: Any, client: Any, batch: Any) -> None:
    for _ in range(10):
        await client.produce("t", batch("x" * 1000))
    size = len(batch("x" * 1000))
    request = fetch_request(("t", 0, 0), ("t", 0, 5), ("t", 0, 9), max_bytes=6 * size)
    answer = await client.call(request, 25)
    counts = [len(one.records) // size for one in answer.topics[0].partitions]
    assert counts == [6, 0, 0]


async def test_committed_fetch_ends_at_the_high_watermark(
    spu_factory: Any, assignment: Any, batch: Any, values: Any
) -> None:
    spu = await spu_factory.start(assignment(), durability="group:3600000:1000000000")
    client = await spu.client()
    spu.replica().append([(memoryview(bytearray(batch("a"))), 1)])
    for isolation, expected in (
        (Isolation.READ_COMMITTED, []),
        (Isolation.READ_UNCOMMITTED, [(0, "a")]),
    ):
        answer = await client.call(fetch_request(("t", 0, 0), isolation=isolation), 25)
        assert values(answer.topics[0].partitions[0].records) == expected


async def test_a_client_with_too_much_waiting_is_not_read(
    spu_factory: Any, assignment: Any, batch: Any, produce_message: Any
) -> None:
    """Its other requests stay in the socket until its waiting ones are answered."""
    spu = await spu_factory.start(
        assignment(),
        durability="group:3600000:1000000000",
        session=SessionLimits(requests_pending_max=10),
    )
    client, other = await spu.client(), await spu.client()
    for _ in range(11):
        client.send(produce_message("t", batch("x")), 25)
    while spu.replica().leo < 11:
        await other.assert_silent()
    # Whatever the first read brought is taken; what comes after it must wait.
    await other.assert_silent()
    client.send(produce_message("t", batch("late")), 25)
    for _ in range(20):
        await other.assert_silent()
    assert spu.replica().leo == 11
    spu.replica().synced(Offset(11))
    for _ in range(11):
        await client.receive()
    while spu.replica().leo < 12:
        await other.assert_silent()
