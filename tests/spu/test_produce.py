"""Produce over a real socket: offsets, errors, positions, order."""

import struct
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import decode_exact
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import (
    CompressionType,
    Deduplication,
    DeduplicationBounds,
    TopicStorage,
    Transform,
)
from fluvio_protocol.record import BatchCompression, crc32c
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    TopicPartitions,
)
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from fluvio_protocol.spu_public.smart_module_invocation import (
    PredefinedModule,
    SmartModuleInvocation,
)
from fluvio_protocol.types import Isolation, PartitionId

pytestmark = pytest.mark.asyncio

VECTORS = Path(__file__).parents[1] / "vectors" / "spu_public"


def golden_frame(name: str) -> bytes:
    lines = (VECTORS / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


async def test_golden_produce_is_answered_with_the_golden_bytes(spu: Any, assignment: Any) -> None:
    await spu.assign(assignment("t1"))
    client = await spu.client()
    client.send_bytes(golden_frame("produce_request-none.v24"))
    number, body = await client.receive()
    expected = golden_frame("produce_response.v24")
    assert struct.pack(">ii", len(body) + 4, number) + body == expected


@pytest.mark.parametrize("codec", list(BatchCompression))
async def test_golden_batches_of_every_codec_are_stored_unchanged(
    spu: Any, assignment: Any, codec: BatchCompression
) -> None:
    await spu.assign(assignment("t1"))
    client = await spu.client()
    frame = golden_frame(f"produce_request-{codec.name.lower()}.v24")
    client.send_bytes(frame)
    _, body = await client.receive()
    response = decode_exact(ProduceResponse, body, 24)
    assert response.responses[0].partitions[0].error_code == ErrorStatus()
    found = spu.replica("t1").read(0, committed=False, max_bytes=1 << 20)
    stored = bytes(found.view())
    assert stored[:8] == bytes(8)
    assert stored[12:16] == b"\xff" * 4
    assert stored[16:] in frame


async def test_offsets_follow_each_other(client: Any, batch: Any) -> None:
    assert (await client.produce("t", batch("a", "b"))).base_offset == 0
    assert (await client.produce("t", batch("c"))).base_offset == 2
    assert (await client.produce("t", batch("d", "e"), batch("f"))).base_offset == 3
    assert (await client.produce("t", batch("g"))).base_offset == 6


@pytest.mark.parametrize("version", range(26))
async def test_every_version_is_answered(client: Any, batch: Any, version: int) -> None:
    for expected in (0, 1, 2):  # the first goes the general way, the others the quick one
        answer = await client.produce("t", batch("x"), version=version)
        assert (answer.error_code, answer.base_offset) == (ErrorStatus(), expected)


async def test_two_versions_with_the_same_beginning_are_not_confused(
    client: Any, batch: Any
) -> None:
    for version in (25, 1, 25, 4, 0):
        await client.produce("t", batch("x"), version=version)


async def test_a_version_we_do_not_know_ends_the_connection(
    client: Any, produce_message: Any, batch: Any
) -> None:
    client.send(produce_message("t", batch("x")), 26)
    await client.assert_closed()


async def test_requests_of_one_read_are_appended_together_and_answered_each(
    spu: Any, client: Any, batch: Any, produce_message: Any
) -> None:
    await client.produce("t", batch("first"))
    appends = spu.app.metrics.log_append_count
    frames = [
        client.frame(produce_message("t", batch("x", "y")), 25, number) for number in range(100)
    ]
    client.send_bytes(b"".join(frames))
    for number in range(100):
        answer = await client.receive_as(ProduceResponse, 25, number)
        assert answer.responses[0].partitions[0].base_offset == 1 + 2 * number
    assert spu.app.metrics.log_append_count - appends < 10
    assert spu.app.metrics.inbound_record_count == 201


async def test_a_produce_is_seen_by_the_next_request_of_the_same_read(
    client: Any, batch: Any, produce_message: Any
) -> None:
    offsets = FetchOffsetsRequest(topics=(TopicPartitions(name="t", partitions=(PartitionId(0),)),))
    client.send_bytes(
        b"".join(
            (
                client.frame(produce_message("t", batch("a")), 25, 1),
                client.frame(offsets, 25, 2),
                client.frame(produce_message("t", batch("b")), 25, 3),
                client.frame(offsets, 25, 4),
            )
        )
    )
    ends = []
    for number in (1, 2, 3, 4):
        if number % 2:
            await client.receive_as(ProduceResponse, 25, number)
        else:
            answer = await client.receive_as(FetchOffsetsResponse, 25, number)
            ends.append(answer.topics[0].partitions[0].last_stable_offset)
    assert ends == [1, 2]


async def test_requests_of_any_shape_are_answered_by_position(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await spu.assign(assignment("u", 0), assignment("u", 1))

    def partition(number: int, records: bytes) -> PartitionProduceData:
        return PartitionProduceData(partition=PartitionId(number), records=records)

    request = ProduceRequest(
        topics=(
            TopicProduceData(
                name="u",
                partitions=(
                    partition(1, batch("a")),
                    partition(0, batch("b", "c")),
                    partition(1, batch("d")),
                    partition(7, batch("nobody leads it")),
                ),
            ),
            TopicProduceData(name="idle", partitions=()),
            TopicProduceData(name="missing", partitions=(partition(0, batch("x")),)),
            TopicProduceData(name="t", partitions=(partition(0, b""), partition(0, batch("e")))),
        )
    )
    for start in (0, 1):
        response = await client.call(request, 25)
        seen = [
            (topic.name, one.partition, one.error_code.error, one.base_offset)
            for topic in response.responses
            for one in topic.partitions
        ]
        assert seen == [
            ("u", 1, ErrorCode.NONE, 2 * start),
            ("u", 0, ErrorCode.NONE, 2 * start),
            ("u", 1, ErrorCode.NONE, 2 * start + 1),
            ("u", 7, ErrorCode.NOT_LEADER_FOR_PARTITION, 0),
            ("missing", 0, ErrorCode.NOT_LEADER_FOR_PARTITION, 0),
            ("t", 0, ErrorCode.NONE, 0),
            ("t", 0, ErrorCode.NONE, start),
        ]
        assert [topic.name for topic in response.responses] == ["u", "idle", "missing", "t"]


async def test_a_flush_without_partitions_is_answered(client: Any, spu: Any) -> None:
    request = ProduceRequest(topics=(TopicProduceData(name="t", partitions=()),))
    response = await client.call(request, 24)
    assert [(topic.name, topic.partitions) for topic in response.responses] == [("t", ())]
    assert (await client.call(ProduceRequest(topics=()), 24)).responses == ()
    assert spu.app.metrics.idle_produce_request_count == 2


async def test_an_empty_record_set_is_fine_and_stores_nothing(client: Any, spu: Any) -> None:
    answer = await client.produce("t")
    assert (answer.error_code, answer.base_offset) == (ErrorStatus(), 0)
    assert spu.replica().leo == 0


async def test_a_wrong_checksum_is_refused_and_the_others_are_stored(
    client: Any, spu: Any, batch: Any, produce_message: Any
) -> None:
    await client.produce("t", batch("warm"))
    bad = bytearray(batch("bad"))
    bad[-3] ^= 1
    frames = [
        client.frame(produce_message("t", records), 25, number)
        for number, records in enumerate((batch("a"), bytes(bad), batch("b")))
    ]
    client.send_bytes(b"".join(frames))
    answers = {}
    for _ in frames:
        number, body = await client.receive()
        answers[number] = decode_exact(ProduceResponse, body, 25).responses[0].partitions[0]
    assert answers[0].base_offset == 1
    assert answers[2].base_offset == 2
    assert answers[1].error_code.error is ErrorCode.OTHER
    assert "checksum" in answers[1].error_code.payload[0]
    assert spu.replica().leo == 3
    assert spu.app.metrics.corrupt_batch_count == 1


def resealed(batch: bytes) -> bytes:
    """With the checksum that belongs to what was changed."""
    return batch[:17] + struct.pack(">I", crc32c(batch[21:])) + batch[21:]


def changed(batch: bytes, layout: str, position: int, value: int) -> bytes:
    out = bytearray(batch)
    struct.pack_into(layout, out, position, value)
    return bytes(out)


UNUSUAL_SETS = {
    "plain": lambda b: b,
    "another base offset": lambda b: changed(b, ">q", 0, 77),
    "another epoch": lambda b: changed(b, ">i", 12, 5),
    "length too small": lambda b: changed(b, ">i", 8, len(b) - 13),
    "length too large": lambda b: changed(b, ">i", 8, len(b) - 11),
    "length negative": lambda b: changed(b, ">i", 8, -1),
    "magic 1": lambda b: changed(b, ">b", 16, 1),
    "checksum": lambda b: changed(b, ">I", 17, 1),
    **{
        f"attributes {bits}": lambda b, bits=bits: resealed(changed(b, ">h", 21, bits))
        for bits in (1, 2, 3, 4, 5, 7, 8, 16, 17, -32768, 0x20)
    },
    **{
        f"last offset delta {delta}": lambda b, delta=delta: resealed(changed(b, ">i", 23, delta))
        for delta in (-1, 0, 1, 3, 0x7FFFFFFF)
    },
    **{
        f"count {count}": lambda b, count=count: resealed(changed(b, ">i", 57, count))
        for count in (-1, 0, 1, 2, 4, 0x7FFFFFFF)
    },
    "delta and count -1": lambda b: resealed(
        changed(changed(b, ">i", 23, -2), ">i", 57, -1),
    ),
    "more records than bytes": lambda b: resealed(
        changed(changed(b, ">i", 23, 99), ">i", 57, 100),
    ),
    "header only": lambda b: resealed(changed(b[:61], ">i", 8, 61 - 12)),
    "less than a header": lambda b: b[:57],
    "nothing": lambda b: b"",
    "two": lambda b: b + b,
    "one and a half": lambda b: b + b[:70],
}


@pytest.mark.parametrize("name", UNUSUAL_SETS)
async def test_the_quick_way_says_what_the_careful_way_says(
    spu: Any, client: Any, batch: Any, name: str
) -> None:
    """A connection's first request to a partition goes the careful way, later ones the quick."""
    records = UNUSUAL_SETS[name](batch("a", "bb", "ccc"))
    await client.produce("t", batch("makes it known"))
    answers, ends = [], [spu.replica().leo]
    for one in (await spu.client(), client):
        answer = await one.produce("t", records)
        answers.append((answer.error_code, answer.base_offset and answer.base_offset - ends[-1]))
        ends.append(spu.replica().leo)
    assert answers[0] == answers[1]
    assert ends[1] - ends[0] == ends[2] - ends[1]


async def test_a_cut_batch_is_refused(client: Any, spu: Any, batch: Any) -> None:
    answer = await client.produce("t", batch("a"), batch("b")[:-1])
    assert answer.error_code.error is ErrorCode.OTHER
    assert spu.replica().leo == 0


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        (CompressionType.ANY, set(BatchCompression)),
        (CompressionType.NONE, {BatchCompression.NONE}),
        (CompressionType.GZIP, {BatchCompression.GZIP}),
        (CompressionType.SNAPPY, {BatchCompression.SNAPPY}),
        (CompressionType.LZ4, {BatchCompression.LZ4}),
        (CompressionType.ZSTD, {BatchCompression.ZSTD}),
    ],
)
async def test_the_topic_says_which_codecs_may_be_stored(
    spu: Any,
    client: Any,
    assignment: Any,
    batch: Any,
    topic: CompressionType,
    allowed: set[BatchCompression],
) -> None:
    await spu.assign(assignment("c", compression_type=topic))
    for _ in range(2):  # the general way, then the quick one
        for codec in BatchCompression:
            answer = await client.produce("c", batch("x", compression=codec))
            expected = ErrorCode.NONE if codec in allowed else ErrorCode.COMPRESSION_ERROR
            assert answer.error_code.error is expected


async def test_a_batch_larger_than_a_segment_is_too_large(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    storage = TopicStorage(segment_size=4096)
    await spu.assign(assignment("small", storage=storage))
    for _ in range(2):
        assert (await client.produce("small", batch("ok"))).error_code == ErrorStatus()
        answer = await client.produce("small", batch(b"x" * 5000))
        assert answer.error_code == ErrorStatus(ErrorCode.MESSAGE_TOO_LARGE)


async def test_modules_that_cannot_be_fetched_are_refused_and_nothing_is_stored(
    spu: Any, client: Any, batch: Any, produce_message: Any
) -> None:
    plain = produce_message("t", batch("x"))
    await client.call(plain, 25)
    module = SmartModuleInvocation(wasm=PredefinedModule(name="m"))
    request = ProduceRequest(topics=plain.topics, smartmodules=(module,))
    answer = (await client.call(request, 25)).responses[0].partitions[0]
    assert answer.error_code.error is ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR
    assert spu.replica().leo == 1


async def test_a_topic_that_drops_duplicates_takes_nothing_without_its_module(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    deduplication = Deduplication(
        bounds=DeduplicationBounds(count=10), filter=Transform(uses="dedup")
    )
    await spu.assign(assignment("d", deduplication=deduplication))
    for _ in range(2):
        answer = await client.produce("d", batch("x"))
        assert answer.error_code.error is ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED


async def test_committed_is_answered_at_once_when_this_is_the_only_replica(
    client: Any, batch: Any
) -> None:
    for expected in (0, 1):
        answer = await client.produce("t", batch("x"), isolation=Isolation.READ_COMMITTED)
        assert (answer.error_code, answer.base_offset) == (ErrorStatus(), expected)


async def test_a_negative_time_out_ends_the_connection(
    client: Any, produce_message: Any, batch: Any
) -> None:
    client.send(produce_message("t", batch("x"), timeout_ms=-1), 25)
    await client.assert_closed()


async def test_what_came_before_a_bad_frame_is_stored_and_answered(
    spu: Any, client: Any, batch: Any, produce_message: Any
) -> None:
    bad = struct.pack(">iHhi", 8, 4711, 0, 2)
    client.send_bytes(client.frame(produce_message("t", batch("x")), 25, 1) + bad)
    await client.receive_as(ProduceResponse, 25, 1)
    await client.assert_closed()
    assert spu.replica().leo == 1
    assert spu.app.metrics.protocol_error_count == 1


@pytest.mark.parametrize("cut", range(1, 80, 7))
async def test_a_request_that_is_cut_short_ends_the_connection(
    spu: Any, client: Any, batch: Any, produce_message: Any, cut: int
) -> None:
    await client.produce("t", batch("x"))
    frame = client.frame(produce_message("t", batch("x")), 25, 1)[4:-cut]
    client.send_bytes(struct.pack(">i", len(frame)) + frame)
    await client.assert_closed()
    assert spu.replica().leo == 1


async def test_the_quick_way_forgets_a_replica_that_moved_away(
    spu: Any, client: Any, assignment: Any, batch: Any
) -> None:
    await client.produce("t", batch("x"))
    await client.produce("t", batch("x"))
    await spu.assign(assignment(leader=5002, epoch=2))
    answer = await client.produce("t", batch("x"))
    assert answer.error_code.error is ErrorCode.NOT_LEADER_FOR_PARTITION
    await spu.assign(assignment(epoch=3))
    assert (await client.produce("t", batch("x"))).base_offset == 2
