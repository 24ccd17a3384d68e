"""Consumer streams over a real socket: flow control, whole batches, errors, many per connection."""

import struct
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.codec import decode_exact
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import SegmentCleanup, TopicStorage
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
    UpdateOffsetsResponse,
)
from fluvio_protocol.types import Isolation, Offset, PartitionId
from fluvio_socket.multiplexer import MultiplexedConnection
from fluvio_spu.config import SessionLimits

pytestmark = pytest.mark.asyncio

VECTORS = Path(__file__).parents[1] / "vectors" / "spu_public"
MIB = 1 << 20


def golden_frame(name: str) -> bytes:
    lines = (VECTORS / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def stream_request(offset: int = 0, topic: str = "t", **fields: Any) -> StreamFetchRequest:
    partition = PartitionId(fields.pop("partition", 0))
    return StreamFetchRequest(
        topic=topic, partition=partition, fetch_offset=Offset(offset), **fields
    )


def acknowledgement(offset: int, stream: int = 1) -> UpdateOffsetsRequest:
    return UpdateOffsetsRequest(offsets=(OffsetUpdate(offset=Offset(offset), session_id=stream),))


class Consumer:
    """One stream on a connection of its own: reads slices and acknowledges them."""

    def __init__(self, client: Any, version: int = 25) -> None:
        self.client = client
        self.version = version
        self.number = 0

    def open(self, request: StreamFetchRequest) -> None:
        self.number = self.client.send(request, self.version)

    async def slice(self) -> Any:
        response = await self.client.receive_as(StreamFetchResponse, self.version, self.number)
        return response.partition

    async def acknowledge(self, offset: int, stream: int = 1) -> None:
        """Send the update and take its answer, which comes before the next slice."""
        answer = await self.client.call(acknowledgement(offset, stream), 0)
        assert [(one.session_id, bool(one.error)) for one in answer.status] == [(stream, False)]


async def test_golden_stream_is_answered_with_the_golden_bytes(spu: Any, assignment: Any) -> None:
    await spu.assign(assignment("t2"))
    response = golden_frame("stream_fetch_response-one-record.v24")
    batch = response[51:]
    client = await spu.client()
    await client.produce("t2", batch)
    client.send_bytes(golden_frame("stream_fetch_request.v24"))
    number, body = await client.receive()
    assert struct.pack(">ii", len(body) + 4, number) + body == response
    client.send_bytes(golden_frame("update_offsets_request.v0"))
    number, body = await client.receive()
    expected = golden_frame("update_offsets_response.v0")
    assert struct.pack(">ii", len(body) + 4, number) + body == expected


@pytest.mark.parametrize("version", range(26))
async def test_every_version_is_served(client: Any, batch: Any, values: Any, version: int) -> None:
    await client.produce("t", batch("a"))
    consumer = Consumer(client, version)
    consumer.open(stream_request())
    found = await consumer.slice()
    assert values(found.records) == [(0, "a")]
    assert (found.high_watermark, found.log_start_offset, found.next_filter_offset) == (1, 0, 0)


async def test_nothing_is_sent_while_there_is_nothing(
    spu: Any, client: Any, batch: Any, values: Any
) -> None:
    consumer = Consumer(client)
    consumer.open(stream_request())
    await client.assert_silent()
    producer = await spu.client()
    await producer.produce("t", batch("a"))
    assert values((await consumer.slice()).records) == [(0, "a")]


async def test_one_slice_is_in_flight_until_it_is_acknowledged(
    spu: Any, client: Any, batch: Any, values: Any
) -> None:
    consumer = Consumer(client)
    producer = await spu.client()
    await producer.produce("t", batch("a"))
    consumer.open(stream_request())
    assert values((await consumer.slice()).records) == [(0, "a")]
    await producer.produce("t", batch("b"))
    await producer.produce("t", batch("c"))
    await client.assert_silent()
    await consumer.acknowledge(1)
    assert values((await consumer.slice()).records) == [(1, "b"), (2, "c")]
    await consumer.acknowledge(3)
    await client.assert_silent()
    await producer.produce("t", batch("d"))
    assert values((await consumer.slice()).records) == [(3, "d")]


async def test_a_wake_up_that_comes_too_late_sends_nothing_twice(
    client: Any, batch: Any, values: Any, produce_message: Any
) -> None:
    """One read brings data, which wakes the stream, and an acknowledgement, which is quicker."""
    consumer = Consumer(client)
    consumer.open(stream_request())
    await client.assert_silent()
    client.send_bytes(
        client.frame(produce_message("t", batch("a")), 25, 100)
        + client.frame(acknowledgement(0), 0, 101)
    )
    assert [(await client.receive())[0] for _ in range(2)] == [100, 101]
    assert values((await consumer.slice()).records) == [(0, "a")]
    await client.assert_silent()


async def test_an_acknowledgement_says_where_to_go_on(client: Any, batch: Any, values: Any) -> None:
    for value in "abcd":
        await client.produce("t", batch(value))
    consumer = Consumer(client)
    consumer.open(stream_request())
    assert len(values((await consumer.slice()).records)) == 4
    await consumer.acknowledge(2)
    assert values((await consumer.slice()).records) == [(2, "c"), (3, "d")]


async def test_an_unknown_session_is_named(client: Any) -> None:
    answer = await client.call(acknowledgement(1, stream=9), 0)
    assert [(one.session_id, one.error.error) for one in answer.status] == [
        (9, ErrorCode.FETCH_SESSION_NOT_FOUND)
    ]


async def test_whole_batches_only_and_at_least_one(client: Any, batch: Any, values: Any) -> None:
    for number in range(6):
        await client.produce("t", batch(f"{number}" * 1000))
    size = len(batch("0" * 1000))
    consumer = Consumer(client)
    for max_bytes, count in ((1, 1), (size - 1, 1), (2 * size, 2), (2 * size + size // 2, 2)):
        consumer.open(stream_request(max_bytes=max_bytes))
        found = await consumer.slice()
        assert len(found.records) == count * size
        assert [offset for offset, _ in values(found.records)] == list(range(count))


async def test_the_first_batch_may_begin_before_the_offset(
    client: Any, batch: Any, values: Any
) -> None:
    await client.produce("t", batch("a", "b", "c"))
    consumer = Consumer(client)
    consumer.open(stream_request(1))
    assert [offset for offset, _ in values((await consumer.slice()).records)] == [0, 1, 2]


async def test_a_backlog_over_many_segments_is_read_whole(
    spu: Any, client: Any, assignment: Any, batch: Any, values: Any
) -> None:
    await spu.assign(assignment("many", storage=TopicStorage(segment_size=4096)))
    for number in range(200):
        await client.produce("many", batch(f"{number:04}" * 50))
    assert spu.replica("many").log.segment_count > 5
    consumer = Consumer(client)
    consumer.open(stream_request(topic="many"))
    seen: list[int] = []
    while len(seen) < 200:
        records = values((await consumer.slice()).records)
        seen += [offset for offset, _ in records]
        await consumer.acknowledge(seen[-1] + 1)
    assert seen == list(range(200))


async def test_start_offsets_that_cannot_be(client: Any, batch: Any) -> None:
    await client.produce("t", batch("a"))
    consumer = Consumer(client)
    consumer.open(stream_request(2))
    found = await consumer.slice()
    assert found.error_code.error is ErrorCode.OTHER
    assert "start offset 2 is greater than leo 1" in found.error_code.payload[0]
    consumer.open(stream_request(-1))
    found = await consumer.slice()
    assert (found.error_code.error, found.error_code.payload) == (ErrorCode.OFFSET_EVICTED, (-1, 0))
    assert found.records == b""


async def test_a_partition_that_is_not_led_here(client: Any) -> None:
    number = client.send(stream_request(topic="elsewhere"), 25)
    response = await client.receive_as(StreamFetchResponse, 25, number)
    assert response.stream_id == 0
    assert response.partition.error_code.error is ErrorCode.NOT_LEADER_FOR_PARTITION
    await client.assert_silent()


async def test_a_deleted_topic_ends_its_streams_with_the_reason(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    waiting, in_flight = Consumer(client), Consumer(await spu.client())
    waiting.open(stream_request())
    await client.assert_silent()
    await in_flight.client.produce("t", batch("a"))
    await waiting.slice()
    in_flight.open(stream_request())
    await in_flight.slice()
    await waiting.acknowledge(1)
    await spu.assign(assignment(is_being_deleted=True))
    for consumer in (waiting, in_flight):
        assert (await consumer.slice()).error_code.error is ErrorCode.TOPIC_DELETED
        await consumer.client.assert_silent()
    answer = await client.call(acknowledgement(1), 0)
    assert answer.status[0].error.error is ErrorCode.FETCH_SESSION_NOT_FOUND
    assert spu.app.metrics.stream_open_count == 0


async def test_a_leader_that_moves_away_ends_its_streams(
    spu: Any, client: Any, assignment: Any
) -> None:
    consumer = Consumer(client)
    consumer.open(stream_request())
    await client.assert_silent()
    await spu.assign(assignment(leader=5002, epoch=2))
    code = (await consumer.slice()).error_code.error
    assert code is ErrorCode.NOT_LEADER_FOR_PARTITION


async def test_a_stream_whose_place_was_evicted_is_told_where_to_go_on(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    storage = TopicStorage(segment_size=4096)
    policy = SegmentCleanup(time_in_seconds=10)
    await spu.assign(assignment("old", storage=storage, cleanup_policy=policy))
    for _ in range(20):
        await client.produce("old", batch(b"x" * 1000))
    consumer = Consumer(client)
    consumer.open(stream_request(topic="old", max_bytes=1))
    await consumer.slice()
    replica = spu.replica("old")
    replica.keep_house(1 << 50)
    assert replica.start_offset > 1
    await consumer.acknowledge(1)
    found = await consumer.slice()
    assert found.error_code.error is ErrorCode.OFFSET_EVICTED
    assert found.error_code.payload == (1, replica.start_offset)
    assert found.log_start_offset == replica.start_offset
    await spu.app.workers.wait_idle()
    folder = Path(spu.app.config.replica_dir) / "old-0"
    assert len(list(folder.glob("*.log*"))) == replica.log.segment_count


async def test_an_oversized_batch_reaches_the_consumer_whole(
    client: Any, batch: Any, values: Any
) -> None:
    await client.produce("t", batch(b"x" * (3 * MIB)))
    consumer = Consumer(client)
    consumer.open(stream_request(max_bytes=100_000))
    assert len(values((await consumer.slice()).records)[0][1]) == 3 * MIB


async def test_many_streams_on_one_connection_each_have_their_turn(
    spu: Any, client: Any, assignment: Any, batch: Any, values: Any
) -> None:
    count = 40
    await spu.assign(*(assignment("p", number) for number in range(count)))
    numbers = {
        client.send(stream_request(topic="p", partition=partition), 25): partition
        for partition in range(count)
    }
    await client.assert_silent()
    producer = await spu.client()
    for turn in range(3):
        for partition in range(count):
            await producer.produce("p", batch(f"{partition}"), partition=partition)
        streams = {}
        for _ in range(count):
            number, body = await client.receive()
            response = decode_exact(StreamFetchResponse, body, 25)
            assert response.partition.partition == numbers[number]
            assert values(response.partition.records) == [(turn, f"{numbers[number]}")]
            streams[numbers[number]] = response.stream_id
        assert sorted(streams.values()) == list(range(1, count + 1))
        updates = tuple(
            OffsetUpdate(offset=Offset(turn + 1), session_id=stream) for stream in streams.values()
        )
        answer = await client.call(UpdateOffsetsRequest(offsets=updates), 0)
        assert len(answer.status) == count


async def test_a_hundred_consumers_of_one_partition_get_each_record(
    spu: Any, client: Any, batch: Any
) -> None:
    numbers = {client.send(stream_request(), 25) for _ in range(100)}
    await client.assert_silent()
    producer = await spu.client()
    await producer.produce("t", batch("news"))
    assert {(await client.receive())[0] for _ in range(100)} == numbers
    await client.assert_silent()


async def test_streams_wait_while_the_connection_is_congested(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    """64 slices of 1 MiB for a client that does not read: what is queued stays bounded."""
    await spu.assign(*(assignment("big", number) for number in range(64)))
    producer = await spu.client()
    for partition in range(64):
        await producer.produce("big", batch(b"x" * MIB), partition=partition)
    for partition in range(64):
        client.send(stream_request(topic="big", partition=partition), 25)
    await producer.produce("t", batch("the server is alive"))
    (connection,) = [
        connection
        for connection in spu.app.public_connections
        if connection.peer.endswith(str(client.writer.get_extra_info("sockname")[1]))
    ]
    assert connection.queued_bytes < 8 * MIB
    seen = set()
    for _ in range(64):
        number, body = await client.receive()
        assert len(body) > MIB
        seen.add(number)
    assert len(seen) == 64
    assert connection.queued_bytes == 0


async def test_committed_readers_see_no_farther_than_the_high_watermark(
    spu_factory: Any, assignment: Any, batch: Any, values: Any
) -> None:
    spu = await spu_factory.start(assignment(), durability="group:3600000:1000000000")
    committed, uncommitted = Consumer(await spu.client()), Consumer(await spu.client())
    committed.open(stream_request(isolation=Isolation.READ_COMMITTED))
    await committed.client.assert_silent()
    uncommitted.open(stream_request())
    await uncommitted.client.assert_silent()
    replica = spu.replica()
    replica.append([(memoryview(bytearray(batch("a"))), 1)])
    assert values((await uncommitted.slice()).records) == [(0, "a")]
    await committed.client.assert_silent()
    replica.synced(Offset(1))
    assert values((await committed.slice()).records) == [(0, "a")]


async def test_the_number_of_streams_is_bounded(spu_factory: Any, assignment: Any) -> None:
    spu = await spu_factory.start(assignment(), session=SessionLimits(streams_max=3))
    client = await spu.client()
    for _ in range(3):
        client.send(stream_request(), 25)
    number = client.send(stream_request(), 25)
    response = await client.receive_as(StreamFetchResponse, 25, number)
    assert response.partition.error_code.error is ErrorCode.OTHER
    assert spu.app.metrics.stream_open_count == 3


async def test_a_lost_connection_lets_go_of_its_streams(spu: Any, client: Any) -> None:
    for _ in range(5):
        client.send(stream_request(), 25)
    await client.assert_silent()
    assert spu.app.metrics.stream_open_count == 5
    client.writer.transport.abort()
    other = await spu.client()
    while spu.app.metrics.stream_open_count:  # until the server has heard of it
        await other.assert_silent()
    replica = spu.replica()
    assert not replica._subscribers
    assert not replica._data_waiters


@pytest.mark.parametrize("sendfile_size_bytes_max", [0, 1 << 30])
async def test_both_ways_of_sending_give_the_same_bytes(
    spu_factory: Any, assignment: Any, batch: Any, sendfile_size_bytes_max: int
) -> None:
    spu = await spu_factory.start(assignment(), sendfile_size_bytes_max=sendfile_size_bytes_max)
    client = await spu.client()
    batches = [batch(f"{number}" * 5000) for number in range(10)]
    for one in batches:
        await client.produce("t", one)
    consumer = Consumer(client)
    consumer.open(stream_request())
    records = (await consumer.slice()).records
    stamped = [
        struct.pack(">q", number) + one[8:12] + b"\xff" * 4 + one[16:]
        for number, one in enumerate(batches)
    ]
    assert records == b"".join(stamped)


async def test_cold_slices_are_read_in_a_worker_first(
    spu_factory: Any, assignment: Any, batch: Any, values: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel cannot be made to forget reliably, so here it always says that it has."""
    monkeypatch.setattr("fluvio_spu.replica.replica.is_cached", lambda *_: False)
    spu = await spu_factory.start(assignment(), cold_read_distance_bytes=0)
    client = await spu.client()
    for value in "abcdef":
        await client.produce("t", batch(value))
    consumer = Consumer(client)
    consumer.open(stream_request(max_bytes=1))
    for offset, value in enumerate("abcdef"):
        assert values((await consumer.slice()).records) == [(offset, value)]
        await consumer.acknowledge(offset + 1)


async def test_the_multiplexed_client_streams(spu: Any, batch: Any, values: Any) -> None:
    connection = await MultiplexedConnection.connect("127.0.0.1", spu.app.public_port)
    producer = await spu.client()
    stream = connection.open_stream(stream_request())
    for number in range(3):
        await producer.produce("t", batch(f"{number}"))
        response = await anext(stream)
        assert values(response.partition.records) == [(number, f"{number}")]
        answer: UpdateOffsetsResponse = await connection.request(
            acknowledgement(number + 1, response.stream_id), version=0
        )
        assert not answer.status[0].error
    await connection.close()
