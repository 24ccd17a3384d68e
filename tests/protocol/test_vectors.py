"""Golden bytes of every door, read and written, byte for byte.

Each file below `tests/vectors` says where its bytes come from and, in the `.txt` beside it, what
each of them means; the table here says the same once more as values.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.error_code import ErrorStatus, SmartModuleErrorKind
from fluvio_protocol.api.error_code import SmartModuleRuntimeFailure as Failure
from fluvio_protocol.api.frame import FrameSplitter
from fluvio_protocol.api.header import (
    decode_request_header,
    encode_request,
    encode_response,
)
from fluvio_protocol.api.versions import (
    ApiVersionRange,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from fluvio_protocol.codec import Message, Reader, decode, decode_exact, encode
from fluvio_protocol.errors import ErrorCode, ProtocolError
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
    SpuType,
)
from fluvio_protocol.metadata.topic import (
    CompressionType,
    ComputedReplicas,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStatus,
    TopicStorage,
)
from fluvio_protocol.record import (
    BatchBuilder,
    BatchCompression,
    Record,
    check_record_set,
    decode_batch,
    iterate_headers,
    iterate_tuples,
)
from fluvio_protocol.sc_private.in_sync import InSyncProposal, InSyncReplica, ProposeInSync
from fluvio_protocol.sc_private.smart_module import (
    FETCH_CORRELATION_BIT,
    FetchSmartModuleRequest,
    FetchSmartModuleResponse,
)
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest
from fluvio_protocol.sc_public.list import ListRequest, ListResponse
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.watch import Change, ChangeType, WatchRequest, WatchResponse
from fluvio_protocol.spu_private.replication import CopiedRecords
from fluvio_protocol.spu_public.consumer_offsets import (
    ConsumerOffset,
    ConsumerOffsetFilter,
    DeleteConsumerOffsetRequest,
    DeleteConsumerOffsetResponse,
    FetchConsumerOffsetsRequest,
    FetchConsumerOffsetsResponse,
    UpdateConsumerOffsetRequest,
    UpdateConsumerOffsetResponse,
)
from fluvio_protocol.spu_public.fetch import FetchPartitionResponse
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    PartitionOffsets,
    TopicOffsets,
    TopicPartitions,
)
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    AggregateKind,
    ExtraParams,
    FilterKind,
    GenericKind,
    Lookback,
    PredefinedModule,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdate,
    OffsetUpdateStatus,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
    UpdateOffsetsResponse,
)
from fluvio_protocol.types import (
    DataIncarnation,
    Isolation,
    LeaderEpoch,
    Offset,
    PartitionId,
    ReplicaKey,
    SpuId,
)

VECTORS = Path(__file__).parent.parent / "vectors"


def read_vector(name: str) -> bytes:
    """Bytes of a vector; lines that begin with # are about it."""
    lines = (VECTORS / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def version_of(name: str) -> int:
    return int(name.rpartition(".v")[2])


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request frame holds."""

    correlation_id: int
    message: Message
    client_id: str = "fluvio"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response frame holds."""

    correlation_id: int
    message: Message


@dataclass(frozen=True, slots=True)
class Body:
    """A request body alone."""

    message: Message


def ranges(*triples: tuple[int, int, int]) -> tuple[ApiVersionRange, ...]:
    return tuple(
        ApiVersionRange(api_key=key, min_version=low, max_version=high)
        for key, low, high in triples
    )


def spus(*numbers: int) -> tuple[SpuId, ...]:
    return tuple(SpuId(number) for number in numbers)


def computed(partitions: int, *, ignore_rack: bool) -> ComputedReplicas:
    return ComputedReplicas(
        partitions=partitions, replication_factor=1, ignore_rack_assignment=ignore_rack
    )


def topic(name: str, *, ignore_rack: bool, system: bool = False) -> Metadata:
    return Metadata(
        name,
        TopicSpec(replicas=computed(1, ignore_rack=ignore_rack), system=system),
        TopicStatus(
            resolution=TopicResolution.PROVISIONED, replica_map={PartitionId(0): spus(5001)}
        ),
    )


def partition(name: str, *, system: bool = False) -> Metadata:
    return Metadata(
        name,
        PartitionSpec(leader=SpuId(5001), replicas=spus(5001), system=system),
        PartitionStatus(
            resolution=PartitionResolution.ONLINE,
            leader=ReplicaStatus(spu=SpuId(5001), hw=Offset(0), leo=Offset(0)),
            size=0,
        ),
    )


def produce(name: str) -> ProduceRequest:
    """A record set stands at bytes 47 to 4 before the end of these frames."""
    return ProduceRequest(
        topics=(
            TopicProduceData(
                name="t1",
                partitions=(
                    PartitionProduceData(
                        partition=PartitionId(0), records=read_vector(name)[47:-4]
                    ),
                ),
            ),
        )
    )


def lookback_filter(name: str | None) -> SmartModuleInvocation:
    return SmartModuleInvocation(
        wasm=AdHocModule(wasm=bytes.fromhex("deadbeef")),
        kind=FilterKind(),
        params=ExtraParams(lookback=Lookback(last=1)),
        name=name,
    )


CLIENT = ApiVersionsRequest(client_version="0.15.2", client_os="linux", client_arch="x86_64")
SPU_5001 = SpuSpec(
    id=SpuId(5001),
    spu_type=SpuType.CUSTOM,
    public_endpoint=IngressPort(port=19005, ingress=(IngressAddress(hostname="127.0.0.1"),)),
    private_endpoint=Endpoint(port=9006, host="127.0.0.1"),
)
T1 = TopicPartitions(name="t1", partitions=(PartitionId(0),))
T1_0 = ReplicaKey("t1", PartitionId(0))

SC_PUBLIC: dict[str, Ask | Answer | Body] = {
    "api_versions_request.v2": Ask(1, CLIENT),
    "api_versions_response.v2": Answer(
        1,
        ApiVersionsResponse(
            api_keys=ranges(
                (1001, 9, 19),
                (1002, 1, 19),
                (1003, 15, 19),
                (1004, 15, 19),
                (1005, 14, 19),
                (1006, 1, 19),
            ),
            platform_version="0.18.1",
        ),
    ),
    "watch_request-spu.v19": Ask(1, WatchRequest(kind=Kind.SPU), "dummy"),
    "watch_response-spu.v19": Answer(
        1,
        WatchResponse(
            kind=Kind.SPU,
            epoch=1,
            all=(
                Metadata(
                    "custom-spu-5001", SPU_5001, SpuStatus(resolution=SpuStatusResolution.ONLINE)
                ),
            ),
        ),
    ),
    "watch_request-partition.v19": Ask(2, WatchRequest(kind=Kind.PARTITION), "dummy"),
    "watch_request-partition-classic.v10": Ask(2, WatchRequest(kind=Kind.PARTITION), "dummy"),
    "watch_response-partition-all.v19": Answer(
        2,
        WatchResponse(
            kind=Kind.PARTITION,
            epoch=2,
            all=(partition("consumer-offset-0", system=True), partition("t1-0")),
        ),
    ),
    "watch_response-partition-deletion.v19": Answer(
        2,
        WatchResponse(
            kind=Kind.PARTITION,
            epoch=3,
            changes=(Change(change_type=ChangeType.DELETE, object=partition("t1-0")),),
        ),
    ),
    "watch_response-topic-all.v19": Answer(
        3,
        WatchResponse(
            kind=Kind.TOPIC,
            epoch=2,
            all=(
                topic("consumer-offset", ignore_rack=False, system=True),
                topic("t1", ignore_rack=True),
            ),
        ),
    ),
    "create_request-topic.v19": Ask(
        4, CreateRequest(name="t1", spec=TopicSpec(replicas=computed(1, ignore_rack=True)))
    ),
    "create_request-topic-with-storage.v19": Ask(
        5,
        CreateRequest(
            name="t3",
            spec=TopicSpec(
                replicas=computed(2, ignore_rack=False),
                cleanup_policy=SegmentCleanup(time_in_seconds=3600),
                storage=TopicStorage(segment_size=1_000_000_000, max_partition_size=10_485_760),
                compression_type=CompressionType.GZIP,
            ),
        ),
    ),
    "status-success.v19": Answer(4, Status(name="t1")),
    "status-topic-exists.v19": Answer(
        5,
        Status(
            name="t1",
            error_code=ErrorStatus(ErrorCode.TOPIC_ALREADY_EXISTS),
            error_message="topic 't1' already defined",
        ),
    ),
    "list_request-topics.v19": Ask(6, ListRequest(kind=Kind.TOPIC)),
    "list_request-topics-filtered.v19": Ask(7, ListRequest(kind=Kind.TOPIC, name_filters=("t1",))),
    "list_response-topics.v19": Answer(
        6, ListResponse(kind=Kind.TOPIC, objects=(topic("t1", ignore_rack=True),))
    ),
    "list_request-partitions.v19": Ask(8, ListRequest(kind=Kind.PARTITION)),
    "list_response-partitions.v19": Answer(
        8, ListResponse(kind=Kind.PARTITION, objects=(partition("t1-0"),))
    ),
    "delete_request-topic.v19": Ask(9, DeleteRequest(kind=Kind.TOPIC, key="t1")),
    "status-topic-not-found.v19": Answer(
        10,
        Status(
            name="t1",
            error_code=ErrorStatus(ErrorCode.TOPIC_NOT_FOUND),
            error_message="not found",
        ),
    ),
    "create_request-topic-dry-run.v19": Ask(
        4,
        CreateRequest(
            name="cc",
            dry_run=True,
            timeout_ms=5000,
            spec=TopicSpec(replicas=computed(1, ignore_rack=False)),
        ),
    ),
    "create_request-topic-classic.v10": Ask(
        4, CreateRequest(name="t1", spec=TopicSpec(replicas=computed(1, ignore_rack=True)))
    ),
    "delete_request-topic-classic.v10": Ask(6, DeleteRequest(kind=Kind.TOPIC, key="t1")),
}


def sliced(stream_id: int, **fields: Any) -> StreamFetchResponse:
    return StreamFetchResponse(
        topic="t2",
        stream_id=stream_id,
        partition=FetchPartitionResponse(partition=PartitionId(0), **fields),
    )


def stream_fetch(name: str, **fields: Any) -> StreamFetchRequest:
    return StreamFetchRequest(
        topic=name, partition=PartitionId(0), fetch_offset=Offset(0), **fields
    )


SPU_PUBLIC: dict[str, Ask | Answer | Body] = {
    "api_versions_request.v2": Ask(1, CLIENT),
    "api_versions_response.v2": Answer(
        1,
        ApiVersionsResponse(
            api_keys=ranges((0, 0, 25), (1, 0, 25), (1002, 25, 25), (1003, 0, 25), (1005, 0, 0)),
            platform_version="0.0.0",
        ),
    ),
    "produce_request-none.v24": Ask(1, produce("spu_public/produce_request-none.v24")),
    "produce_request-gzip.v24": Ask(2, produce("spu_public/produce_request-gzip.v24")),
    "produce_request-snappy.v24": Ask(3, produce("spu_public/produce_request-snappy.v24")),
    "produce_request-lz4.v24": Ask(4, produce("spu_public/produce_request-lz4.v24")),
    "produce_request-zstd.v24": Ask(5, produce("spu_public/produce_request-zstd.v24")),
    "produce_request-empty.v24": Ask(
        2, ProduceRequest(topics=(TopicProduceData(name="t2", partitions=()),))
    ),
    "produce_response.v24": Answer(
        1,
        ProduceResponse(
            responses=(
                TopicProduceResponse(
                    name="t1", partitions=(PartitionProduceResponse(partition=PartitionId(0)),)
                ),
            )
        ),
    ),
    "fetch_offsets_request.v24": Ask(7, FetchOffsetsRequest(topics=(T1,))),
    "fetch_offsets_response.v24": Answer(
        7,
        FetchOffsetsResponse(
            topics=(
                TopicOffsets(
                    name="t1",
                    partitions=(
                        PartitionOffsets(partition=PartitionId(0), last_stable_offset=Offset(10)),
                    ),
                ),
            )
        ),
    ),
    "fetch_offsets_request-consumer.v23": Ask(
        3,
        FetchOffsetsRequest(
            topics=(TopicPartitions(name="old", partitions=(PartitionId(0),)),), consumer_id="c9"
        ),
    ),
    "stream_fetch_request.v24": Ask(4, stream_fetch("t2", max_bytes=1_048_890)),
    "stream_fetch_request-consumer.v24": Ask(8, stream_fetch("t1", consumer_id="c1")),
    "stream_fetch_request-smart-module.v24": Ask(
        10,
        stream_fetch(
            "t2",
            smartmodules=(
                SmartModuleInvocation(
                    wasm=PredefinedModule(name="nosuch"),
                    kind=GenericKind(context=AggregateKind(accumulator=b"0")),
                ),
            ),
        ),
    ),
    "stream_fetch_response-one-record.v24": Answer(
        4,
        sliced(
            1,
            high_watermark=Offset(1),
            records=read_vector("spu_public/stream_fetch_response-one-record.v24")[51:],
        ),
    ),
    "stream_fetch_response-runtime-error.v24": Answer(
        7,
        sliced(
            2,
            error_code=ErrorStatus(
                ErrorCode.SMART_MODULE_RUNTIME_ERROR,
                (
                    Failure(
                        hint="invalid digit found in string",
                        offset=Offset(0),
                        kind=SmartModuleErrorKind.FILTER_MAP,
                        record_key=b"k1",
                        record_value=b"hello",
                    ),
                ),
            ),
            high_watermark=Offset(1),
            next_filter_offset=Offset(1),
            records=read_vector("spu_public/stream_fetch_response-runtime-error.v24")[101:],
        ),
    ),
    "stream_fetch_response-chain-error.v24": Answer(
        10,
        sliced(3, error_code=ErrorStatus(ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR, ("'nosuch'",))),
    ),
    "update_offsets_request.v0": Ask(
        5, UpdateOffsetsRequest(offsets=(OffsetUpdate(offset=Offset(1), session_id=1),))
    ),
    "update_offsets_response.v0": Answer(
        5, UpdateOffsetsResponse(status=(OffsetUpdateStatus(session_id=1),))
    ),
    "fetch_consumer_offsets_request-one.v24": Ask(
        6,
        FetchConsumerOffsetsRequest(
            filter_opts=ConsumerOffsetFilter(replica=T1_0, consumer_id="c1")
        ),
    ),
    "fetch_consumer_offsets_response-none.v24": Answer(6, FetchConsumerOffsetsResponse()),
    "update_consumer_offset_request.v24": Ask(
        10, UpdateConsumerOffsetRequest(offset=Offset(0), session_id=1)
    ),
    "update_consumer_offset_response.v24": Answer(
        10, UpdateConsumerOffsetResponse(offset=Offset(0))
    ),
    "fetch_consumer_offsets_request-all.v24": Ask(11, FetchConsumerOffsetsRequest()),
    "fetch_consumer_offsets_response-one.v24": Answer(
        11,
        FetchConsumerOffsetsResponse(
            consumers=(
                ConsumerOffset(
                    consumer_id="c1",
                    replica=T1_0,
                    offset=Offset(0),
                    modified_time_seconds=0x6B029C43,
                ),
            )
        ),
    ),
    "delete_consumer_offset_request.v24": Ask(
        12, DeleteConsumerOffsetRequest(replica=T1_0, consumer_id="c1")
    ),
    "delete_consumer_offset_response.v24": Answer(12, DeleteConsumerOffsetResponse()),
    "stream_fetch_request-body.v25": Body(
        StreamFetchRequest(
            topic="one",
            partition=PartitionId(3),
            fetch_offset=Offset(0),
            max_bytes=0,
            smartmodules=(lookback_filter("test-adhoc"),),
        )
    ),
    "produce_request-body.v24": Body(
        ProduceRequest(
            transactional_id="t_id",
            isolation=Isolation.READ_COMMITTED,
            timeout_ms=1000,
            topics=(),
            smartmodules=(lookback_filter(None),),
        )
    ),
}

COPIED = CopiedRecords(
    key=T1_0,
    leader_epoch=LeaderEpoch(3),
    session=7,
    base_offset=Offset(258),
    end_offset=Offset(260),
    log_start=Offset(1),
    high_watermark=Offset(257),
)
PROPOSED = InSyncProposal(
    key=T1_0,
    leader_epoch=LeaderEpoch(3),
    version=9,
    members=(
        InSyncReplica(spu=SpuId(5001), incarnation=DataIncarnation(0x1122334455667788)),
        InSyncReplica(spu=SpuId(5002)),
    ),
)

MODULE_CODE = b"\0asm\1\0\0\0"
MODULE_HASH = sha256(MODULE_CODE).digest()
ASKED, ASKED_AGAIN = FETCH_CORRELATION_BIT | 7, FETCH_CORRELATION_BIT | 8

PRIVATE: dict[str, Ask | Answer | Body] = {
    "spu_private/copied_records.v0": Ask(0, COPIED, "5001"),
    "sc_private/propose_in_sync.v0": Ask(0, ProposeInSync(proposals=(PROPOSED,)), "5001"),
    "sc_private/fetch_smart_module_request.v0": Ask(
        ASKED, FetchSmartModuleRequest(name="cats"), "5001"
    ),
    "sc_private/fetch_smart_module_request-known.v0": Ask(
        ASKED_AGAIN,
        FetchSmartModuleRequest(name="acme/cats@1.2.0", known_hash=MODULE_HASH),
        "5001",
    ),
    "sc_private/fetch_smart_module_response.v0": Answer(
        ASKED, FetchSmartModuleResponse(hash=MODULE_HASH, code=MODULE_CODE)
    ),
    "sc_private/fetch_smart_module_response-known.v0": Answer(
        ASKED_AGAIN, FetchSmartModuleResponse(hash=MODULE_HASH)
    ),
    "sc_private/fetch_smart_module_response-missing.v0": Answer(
        ASKED,
        FetchSmartModuleResponse(
            error_code=ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, ("cats",))
        ),
    ),
}

TABLE: dict[str, Ask | Answer | Body] = {
    **{f"sc_public/{name}": entry for name, entry in SC_PUBLIC.items()},
    **{f"spu_public/{name}": entry for name, entry in SPU_PUBLIC.items()},
    **PRIVATE,
}


def payload_of(name: str) -> bytes:
    """The one payload a frame's vector holds."""
    (payload,) = FrameSplitter().feed(read_vector(name))
    return payload


def test_every_vector_is_in_the_table() -> None:
    on_disk = {str(path.relative_to(VECTORS))[:-4] for path in VECTORS.rglob("*.hex")}
    assert on_disk == set(TABLE)
    assert len(on_disk) == 60
    for name in on_disk:
        assert (VECTORS / f"{name}.txt").exists(), name


@pytest.mark.parametrize("name", TABLE)
def test_reads_golden_bytes(name: str) -> None:
    entry = TABLE[name]
    version = version_of(name)
    match entry:
        case Ask():
            reader = Reader(payload_of(name))
            header = decode_request_header(reader)
            assert header.api_key == entry.message.api_key
            assert header.api_version == version
            assert header.correlation_id == entry.correlation_id
            assert header.client_id == entry.client_id
            assert decode(type(entry.message), reader, version) == entry.message
            assert reader.remaining == 0
        case Answer():
            payload = payload_of(name)
            assert int.from_bytes(payload[:4]) == entry.correlation_id
            assert decode_exact(type(entry.message), payload[4:], version) == entry.message
        case Body():
            found = decode_exact(type(entry.message), read_vector(name), version)
            assert found == entry.message


@pytest.mark.parametrize("name", TABLE)
def test_writes_golden_bytes(name: str) -> None:
    entry = TABLE[name]
    version = version_of(name)
    match entry:
        case Ask():
            written = encode_request(
                entry.message,
                version=version,
                correlation_id=entry.correlation_id,
                client_id=entry.client_id,
            )
        case Answer():
            written = encode_response(
                entry.message, version=version, correlation_id=entry.correlation_id
            )
        case Body():
            written = encode(entry.message, version)
    assert written == read_vector(name)


def test_a_name_of_a_module_is_left_out_before_version_25() -> None:
    """The reference gives the bytes of version 24 in words: the name is missing, nothing else."""
    golden = read_vector("spu_public/stream_fetch_request-body.v25")
    name = bytes.fromhex("01000a") + b"test-adhoc"
    assert golden.count(name) == 1
    message = decode_exact(StreamFetchRequest, golden, 25)
    assert encode(message, 24) == golden.replace(name, b"")


PRODUCED = [
    (BatchCompression.NONE, 0x12092A44, 0x1A20232686B),
    (BatchCompression.GZIP, 0xD686D70B, 0x1A20232686C),
    (BatchCompression.SNAPPY, 0x1B538ACE, 0x1A20232686D),
    (BatchCompression.LZ4, 0xA9114F7B, 0x1A20232686F),
    (BatchCompression.ZSTD, 0x7887A64F, 0x1A20232686F),
]


@pytest.mark.parametrize(("codec", "crc", "timestamp"), PRODUCED)
def test_reads_the_batch_in_a_produce_request(
    codec: BatchCompression, crc: int, timestamp: int
) -> None:
    request = produce(f"spu_public/produce_request-{codec.name.lower()}.v24")
    records = request.topics[0].partitions[0].records
    assert check_record_set(memoryview(records)) == [(0, len(records), 2, codec)]
    header, found = decode_batch(records, 0, len(records), size_bytes_max=32)
    assert found == [
        Record(b"hello", key=b"k1"),
        Record(b"world", key=b"", offset_delta=1),
    ]
    assert header.compression is codec
    assert header.crc == crc
    assert header.base_offset == 1
    assert header.leader_epoch == -1
    assert header.first_timestamp == header.max_timestamp == timestamp
    assert (header.producer_id, header.producer_epoch, header.first_sequence) == (-1, -1, -1)
    assert header.size_bytes == len(records)


def test_writes_the_batch_in_a_produce_request() -> None:
    request = produce("spu_public/produce_request-none.v24")
    builder = BatchBuilder(0x1A20232686B)
    builder.append(b"k1", b"hello", 0x1A20232686B)
    builder.append(b"", b"world", 0x1A20232686B)
    assert builder.build() == request.topics[0].partitions[0].records


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_writes_compressed_batches_that_differ_only_in_the_codec(codec: BatchCompression) -> None:
    builder = BatchBuilder(0x1A20232686B)
    builder.append(b"k1", b"hello", 0x1A20232686B)
    builder.append(b"", b"world", 0x1A20232686B)
    batch = builder.build(codec)
    header, found = decode_batch(batch, 0, len(batch), size_bytes_max=32)
    assert header.compression is codec
    assert [(record.key, record.value) for record in found] == [(b"k1", b"hello"), (b"", b"world")]


def test_reads_the_batch_in_a_stream_fetch_response() -> None:
    records = read_vector("spu_public/stream_fetch_response-one-record.v24")[51:]
    assert list(iterate_tuples(records, size_bytes_max=100)) == [
        [(0, 0x1A2023682AB, b"k1", b"hello")]
    ]


def test_reads_the_empty_batch_that_comes_with_a_runtime_error() -> None:
    records = read_vector("spu_public/stream_fetch_response-runtime-error.v24")[101:]
    [(position, header)] = iterate_headers(records)
    assert (position, header.base_offset, header.record_count) == (0, -1, 0)
    assert list(iterate_tuples(records, size_bytes_max=100)) == [[]]


@given(data=st.data(), name=st.sampled_from(sorted(TABLE)))
def test_damaged_golden_bytes_raise_nothing_but_protocol_errors(
    data: st.DataObject, name: str
) -> None:
    entry = TABLE[name]
    damaged = bytearray(read_vector(name))
    if not isinstance(entry, Body):
        del damaged[:4]
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=4) | st.just(b"\x7f\xff\xff\xff"))
        damaged[position : position + len(patch)] = patch
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    reader = Reader(damaged)
    version = version_of(name)
    try:
        match entry:
            case Ask():
                version = decode_request_header(reader).api_version
            case Answer():
                reader.advance(4)
        decode(type(entry.message), reader, version)
    except ProtocolError:
        pass
    assert 0 <= reader.position <= reader.end
