"""The client against servers that do what no real one does on command."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fluvio_client import (
    ConnectionMetrics,
    Offset,
    ProducerConfig,
    ProfileStore,
    Record,
    RecordMetadata,
    RetryPolicy,
    Transform,
    connect,
)
from fluvio_client.errors import (
    ClientError,
    ConnectFailed,
    ConsumerError,
    DeliveryFailed,
    FlushTimedOut,
    LookupTimedOut,
    OffsetEvicted,
    ProducerClosed,
    ProfileNotFound,
    RecordTooLarge,
    ServerError,
    SmartModuleRuntimeError,
    TopicNotFound,
    VersionMismatch,
)
from fluvio_protocol.api.error_code import (
    SUCCESS,
    ErrorStatus,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
)
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
)
from fluvio_protocol.metadata.topic import ComputedReplicas, TopicSpec, TopicStatus
from fluvio_protocol.record.batch import encode_batch
from fluvio_protocol.record.record import Record as WireRecord
from fluvio_protocol.sc_public.list import ListRequest, ListResponse
from fluvio_protocol.sc_public.watch import WatchRequest, WatchResponse
from fluvio_protocol.spu_public.fetch import FetchPartitionResponse
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    PartitionOffsets,
    TopicOffsets,
)
from fluvio_protocol.spu_public.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdateStatus,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
    UpdateOffsetsResponse,
)
from fluvio_protocol.types import Offset as WireOffset
from fluvio_protocol.types import PartitionId, SpuId

QUICK = RetryPolicy(initial_s=0.001, maximum_s=0.01, total_s=5.0)
NOT_LEADER = ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)


def cluster_answers(spu_port: int, *, partitions: int = 1) -> dict[Any, Any]:
    """A controller with one topic, `events`, whose partitions are all on one SPU."""
    objects = {
        Kind.SPU: (
            Metadata(
                "custom-spu-5001",
                SpuSpec(
                    id=SpuId(5001),
                    public_endpoint=IngressPort(
                        port=spu_port, ingress=(IngressAddress(hostname="127.0.0.1"),)
                    ),
                    private_endpoint=Endpoint(port=1, host="127.0.0.1"),
                ),
                SpuStatus(resolution=SpuStatusResolution.ONLINE),
            ),
        ),
        Kind.PARTITION: tuple(
            Metadata(
                f"events-{number}",
                PartitionSpec(leader=SpuId(5001), replicas=(SpuId(5001),)),
                PartitionStatus(resolution=PartitionResolution.ONLINE),
            )
            for number in range(partitions)
        ),
        Kind.TOPIC: (
            Metadata(
                "events", TopicSpec(replicas=ComputedReplicas(partitions=partitions)), TopicStatus()
            ),
        ),
    }
    return {
        WatchRequest: lambda request: [
            WatchResponse(kind=request.kind, epoch=1, all=objects[request.kind])
        ],
        ListRequest: lambda request: [
            ListResponse(kind=request.kind, objects=objects[request.kind])
        ],
    }


def produced(request: ProduceRequest, error: ErrorStatus, base: int = 0) -> list[ProduceResponse]:
    return [
        ProduceResponse(
            responses=tuple(
                TopicProduceResponse(
                    name=topic.name,
                    partitions=tuple(
                        PartitionProduceResponse(
                            partition=entry.partition,
                            error_code=error,
                            base_offset=WireOffset(base),
                        )
                        for entry in topic.partitions
                    ),
                )
                for topic in request.topics
            )
        )
    ]


def bounds(start: int, end: int) -> Callable[[FetchOffsetsRequest], list[FetchOffsetsResponse]]:
    return lambda request: [
        FetchOffsetsResponse(
            topics=tuple(
                TopicOffsets(
                    name=topic.name,
                    partitions=tuple(
                        PartitionOffsets(
                            partition=partition,
                            start_offset=WireOffset(start),
                            last_stable_offset=WireOffset(end),
                        )
                        for partition in topic.partitions
                    ),
                )
                for topic in request.topics
            )
        )
    ]


def batch(base: int, *values: bytes) -> bytes:
    records = [WireRecord(value) for value in values]
    return encode_batch(records, first_timestamp=1000, base_offset=base)


def slice_of(
    records: bytes = b"", *, error: ErrorStatus = SUCCESS, next_filter: int = 0, session: int = 1
) -> StreamFetchResponse:
    return StreamFetchResponse(
        topic="events",
        stream_id=session,
        partition=FetchPartitionResponse(
            partition=PartitionId(0),
            error_code=error,
            next_filter_offset=WireOffset(next_filter),
            records=records,
        ),
    )


def acknowledged(request: UpdateOffsetsRequest) -> list[UpdateOffsetsResponse]:
    return [
        UpdateOffsetsResponse(
            status=tuple(OffsetUpdateStatus(session_id=one.session_id) for one in request.offsets)
        )
    ]


@pytest.fixture
def scripted(open_door: Any, make_door: Any) -> Any:
    """`async with scripted(answers) as (client, spu)`: a cluster whose one SPU answers so."""

    @asynccontextmanager
    async def started(answers: dict[Any, Any]) -> AsyncIterator[tuple[Any, Any]]:
        async with (
            open_door(make_door(answers=answers)) as spu,
            open_door(make_door(answers=cluster_answers(spu.port))) as door,
            connect(address=f"127.0.0.1:{door.port}") as client,
        ):
            yield client, spu

    return started


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["0.8.9", "0.9.0-alpha.1"])
async def test_a_cluster_that_is_too_old(open_door: Any, make_door: Any, version: str) -> None:
    async with open_door(make_door(platform_version=version)) as door:
        with pytest.raises(VersionMismatch, match=version):
            async with connect(address=f"127.0.0.1:{door.port}"):
                pass


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["not a version", "1.2", ""])
async def test_a_version_that_is_none(open_door: Any, make_door: Any, version: str) -> None:
    async with open_door(make_door(platform_version=version)) as door:
        with pytest.raises(VersionMismatch, match="not valid semver"):
            async with connect(address=f"127.0.0.1:{door.port}"):
                pass


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["0.9.0", "9.9.9", "0.18.2-dev-1+build"])
async def test_versions_that_are_fine(open_door: Any, make_door: Any, version: str) -> None:
    async with (
        open_door(make_door(platform_version=version)) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        assert client.platform_version == version


@pytest.mark.asyncio
async def test_nobody_there(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectFailed, match=str(unused_tcp_port)):
        async with connect(address=f"127.0.0.1:{unused_tcp_port}"):
            pass


@pytest.mark.asyncio
async def test_a_missing_topic_is_told_at_once(open_door: Any, make_door: Any) -> None:
    async with (
        open_door(make_door(answers=cluster_answers(1))) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        with pytest.raises(TopicNotFound, match="Topic not found: nosuch"):
            await client.producer("nosuch").start()


@pytest.mark.asyncio
async def test_a_controller_that_tells_nothing(open_door: Any, make_door: Any) -> None:
    async with (
        open_door(make_door(answers={WatchRequest: lambda request: []})) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        with pytest.raises(LookupTimedOut, match="did not send its metadata"):
            await client._session.find_topic("events", timeout_s=0.05)


@pytest.mark.asyncio
async def test_the_watches_come_back_after_the_controller_did(
    open_door: Any, make_door: Any
) -> None:
    async with (
        open_door(make_door(answers=cluster_answers(1))) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        metadata = client._session.metadata
        assert await metadata.wait_until(lambda: metadata.synchronized, 5)
        door.answers = cluster_answers(1, partitions=3)
        for connection in tuple(door.connections):
            connection.close("test")
        assert await metadata.wait_until(lambda: metadata.partition_count("events") == 3, 10)


@pytest.mark.asyncio
async def test_switching_to_the_cluster_of_another_profile(
    open_door: Any, make_door: Any, tmp_path: Path
) -> None:
    """What is open stays where it is; everything new goes to the other cluster, and back."""
    old_spu = make_door(
        answers={
            FetchOffsetsRequest: bounds(0, 2),
            StreamFetchRequest: streams([slice_of(batch(0, b"old")), slice_of(batch(1, b"older"))]),
            UpdateOffsetsRequest: acknowledged,
        }
    )
    new_spu = make_door(answers={ProduceRequest: lambda request: produced(request, SUCCESS, 9)})
    async with open_door(old_spu), open_door(new_spu):
        old = make_door(platform_version="0.18.1", answers=cluster_answers(old_spu.port))
        new = make_door(platform_version="0.18.2", answers=cluster_answers(new_spu.port))
        async with open_door(old), open_door(new):
            path = tmp_path / "config"
            store = ProfileStore.load(path)
            for name, port in (("new", new.port), ("nobody", 1), ("old", old.port)):
                store.add(name, f"127.0.0.1:{port}")
            store.save()
            async with (
                connect("old", profile_path=path) as client,
                client.consumer("events", start=0) as consumer,
            ):
                assert (await anext(consumer)).value == b"old"
                await client.switch_profile("new")
                assert (client.address, client.platform_version) == (
                    f"127.0.0.1:{new.port}", "0.18.2",
                )  # fmt: skip
                async with client.producer("events") as producer:
                    assert (await producer.send_and_wait(b"x")).offset == 9
                assert (await anext(consumer)).value == b"older"
                for name, problem in (("nosuch", ProfileNotFound), ("nobody", ConnectFailed)):
                    with pytest.raises(problem):
                        await client.switch_profile(name)
                    assert client.platform_version == "0.18.2"
                await client.switch_profile("old")
                assert client.platform_version == "0.18.1"
                assert len(old.connections) == 1, "the connection that is open is used again"
                assert client.metrics.connections == ConnectionMetrics(open=4, opened=4, lost=0)
                assert client.metrics.producers.records_acknowledged == 1
                assert client.metrics.consumers.records_received == 2
            async with asyncio.timeout(10):
                while new_spu.connections or old_spu.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0)  # all end with the client; a door tells nobody
            with pytest.raises(ClientError):
                await client.switch_profile("new")


@pytest.mark.asyncio
async def test_not_leader_is_tried_again_and_the_order_stays(scripted: Any) -> None:
    stored: list[int] = []
    refusals = [NOT_LEADER, NOT_LEADER]

    def answer(request: ProduceRequest) -> list[ProduceResponse]:
        if refusals:
            return produced(request, refusals.pop())
        base = len(stored)
        stored.extend(len(entry.records) for entry in request.topics[0].partitions)
        return produced(request, SUCCESS, base)

    async with (
        scripted({ProduceRequest: answer}) as (client, _spu),
        client.producer("events", retry=QUICK) as producer,
    ):
        deliveries = await producer.send_all([b"a", b"b", b"c"])
        assert [(await one).offset for one in deliveries] == [0, 1, 2]
        assert producer.stats().requests_retried == 2
        counted = client.metrics.producers
        assert (counted.requests_sent, counted.requests_acknowledged) == (3, 1)
        assert (counted.attempts_failed, counted.requests_retried) == (2, 2)
        assert (counted.records_sent, counted.records_acknowledged) == (9, 3)
        assert (counted.records_failed, counted.smartmodule_failures) == (0, 0)
    assert len(stored) == 1, "the three records travelled as one batch"


@pytest.mark.asyncio
async def test_delivery_ends_with_the_time_allowed(scripted: Any) -> None:
    retry = RetryPolicy(initial_s=0.001, maximum_s=0.01, total_s=0.05)
    answers = {ProduceRequest: lambda request: produced(request, NOT_LEADER)}
    async with (
        scripted(answers) as (client, _spu),
        client.producer("events", retry=retry) as producer,
    ):
        with pytest.raises(DeliveryFailed, match=r"events-0: .*not the leader"):
            await producer.send_and_wait(b"x")


@pytest.mark.asyncio
async def test_at_most_once_asks_once(scripted: Any) -> None:
    answers = {ProduceRequest: lambda request: produced(request, NOT_LEADER)}
    async with (
        scripted(answers) as (client, spu),
        client.producer("events", retry=None) as producer,
    ):
        with pytest.raises(DeliveryFailed):
            await producer.send_and_wait(b"x")
    assert sum(isinstance(one, ProduceRequest) for one in spu.asked) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("retries", [0, 3])
async def test_delivery_ends_with_the_attempts_allowed(scripted: Any, retries: int) -> None:
    answers = {ProduceRequest: lambda request: produced(request, NOT_LEADER)}
    policy = RetryPolicy.fixed(0.001, retries_max=retries)
    async with (
        scripted(answers) as (client, spu),
        client.producer("events", retry=policy) as producer,
    ):
        with pytest.raises(DeliveryFailed):
            await producer.send_and_wait(b"x")
    assert sum(isinstance(one, ProduceRequest) for one in spu.asked) == 1 + retries


@pytest.mark.asyncio
async def test_everybody_is_told_of_the_outcome_and_the_next_record_goes_on(
    scripted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [ErrorStatus(ErrorCode.STORAGE_ERROR)]
    records: list[Any] = []
    batches: list[Any] = []

    def answer(request: ProduceRequest) -> list[ProduceResponse]:
        return produced(request, refusals.pop() if refusals else SUCCESS, 5)

    def told(error: Exception | None, metadata: Any) -> None:
        records.append((type(error), metadata))
        raise RuntimeError("the application's own affair")

    async with (
        scripted({ProduceRequest: answer}) as (client, _spu),
        client.producer("events", on_delivery=told, on_batch=batches.append) as producer,
    ):
        lost = await producer.send(b"lost")
        with pytest.raises(asyncio.InvalidStateError):
            lost.result()
        with pytest.raises(ServerError):
            await lost
        kept = await producer.send(b"kept")
        done: list[Any] = []
        kept.add_done_callback(done.append)
        await producer.flush(timeout_s=10)
        kept.add_done_callback(done.append)
        await asyncio.sleep(0)
        assert done == [kept, kept]
        assert kept.result() == RecordMetadata(0, 5)
    assert records == [(ServerError, None), (type(None), RecordMetadata(0, 5))]
    assert caplog.text.count("RuntimeError: the application's own affair") == 2
    assert [(one.record_count, one.partition, type(one.error)) for one in batches] == [
        (1, 0, ServerError), (1, 0, type(None)),
    ]  # fmt: skip
    assert batches[1].size_bytes > batches[0].size_bytes == 0
    assert 0 <= batches[1].elapsed_s < 10


@pytest.mark.asyncio
async def test_flush_waits_as_long_as_it_may(scripted: Any) -> None:
    async with scripted({ProduceRequest: lambda request: []}) as (client, _spu):
        producer = client.producer("events")
        await producer.start()
        await producer.send_all([b"x", b"y"])
        with pytest.raises(FlushTimedOut, match="2 records of events"):
            await producer.flush(timeout_s=0.01)


@pytest.mark.asyncio
async def test_a_refusal_concerns_its_records_only(scripted: Any) -> None:
    refusals = [ErrorStatus(ErrorCode.STORAGE_ERROR)]

    def answer(request: ProduceRequest) -> list[ProduceResponse]:
        return produced(request, refusals.pop() if refusals else SUCCESS, 5)

    async with (
        scripted({ProduceRequest: answer}) as (client, _spu),
        client.producer("events", retry=QUICK) as producer,
    ):
        lost = await producer.send(b"lost")
        with pytest.raises(ServerError, match="Producer received an error code"):
            await lost
        with pytest.raises(ServerError):
            await lost  # as often as you like
        assert (await producer.send_and_wait(b"fine")).offset == 5
        await producer.flush()  # the failure was noticed by its delivery


@pytest.mark.asyncio
async def test_a_record_that_a_module_cannot_process_fails_its_batch_at_once(scripted: Any) -> None:
    refusals = [failed_record(1, 'no number (SmartModule "odd", step 1)')]

    def answer(request: ProduceRequest) -> list[ProduceResponse]:
        return produced(request, refusals.pop() if refusals else SUCCESS, 5)

    transforms = (Transform(uses="odd", params={"a": "b"}), Transform(code=b"\0asm"))
    async with (
        scripted({ProduceRequest: answer}) as (client, spu),
        client.producer("events", retry=QUICK, transforms=transforms) as producer,
    ):
        lost = await producer.send_all([b"1", b"two", b"3"])
        for delivery in lost:
            with pytest.raises(SmartModuleRuntimeError, match="no number") as caught:
                await delivery
        failed = caught.value
        assert (failed.module, failed.step, failed.offset, failed.kind) == ("odd", 1, 1, "filter")
        assert (failed.key, failed.value, failed.status.error) == (b"k", b"two", 6004)
        stored = await producer.send_all([b"3", b"5"])
        assert [(await one).offset for one in stored] == [5, 5], "where what is left of them begins"
        asked = [one for one in spu.asked if isinstance(one, ProduceRequest)]
        wanted = tuple(one.invocation() for one in transforms)  # and none asked a second time:
        assert [one.smartmodules for one in asked] == [wanted, wanted]
        counted = client.metrics.producers
        assert (counted.smartmodule_failures, counted.batches_failed) == (1, 1)
        assert (counted.records_failed, counted.records_acknowledged) == (3, 2)
        assert (counted.attempts_failed, counted.requests_retried) == (1, 0)


@pytest.mark.parametrize(
    ("version", "transforms", "taken"),
    [
        (7, (), True),
        (7, (Transform(uses="m"),), False),
        (8, (Transform(uses="m"),), True),
        (19, (Transform(uses="m"), Transform(uses="n", lookback_last=1)), False),
        (20, (Transform(uses="m", lookback_last=1),), True),
        (20, (Transform(uses="m", lookback_age=5),), False),
        (21, (Transform(uses="m", lookback_age=5),), True),
    ],
)
@pytest.mark.asyncio
async def test_an_spu_that_would_pass_modules_over_gets_no_records(
    scripted: Any, version: int, transforms: tuple[Transform, ...], taken: bool
) -> None:
    answers = {ProduceRequest: lambda request: produced(request, SUCCESS)}
    async with scripted(answers) as (client, spu):
        spu.versions_max[ProduceRequest] = version
        async with client.producer("events", retry=QUICK, transforms=transforms) as producer:
            delivery = await producer.send(b"x")
            if taken:
                await delivery
            else:
                with pytest.raises(VersionMismatch, match=f"of version {version}"):
                    await delivery
        assert any(isinstance(one, ProduceRequest) for one in spu.asked) is taken


@pytest.mark.asyncio
async def test_modules_that_travel_along_leave_less_room_for_records(scripted: Any) -> None:
    packed = b"\x1f\x8b" + bytes(32 * 1024 * 1024 - 2000)
    answers = {ProduceRequest: lambda request: produced(request, SUCCESS)}
    async with scripted(answers) as (client, _spu):
        with pytest.raises(ValueError, match="no room for records"):
            client.producer("events", transforms=(Transform(code=packed + bytes(2000)),))
        how: dict[str, Any] = {"max_request_size_bytes": 1 << 25, "batch_size_bytes": 1 << 25}
        transforms = (Transform(code=packed),)
        async with client.producer("events", transforms=transforms, **how) as producer:
            await producer.send_and_wait(bytes(1800))
            with pytest.raises(RecordTooLarge):
                await producer.send(bytes(2000))


@pytest.mark.asyncio
async def test_flush_tells_of_a_failure_that_nobody_noticed_once(scripted: Any) -> None:
    full = ErrorStatus(ErrorCode.STORAGE_ERROR)
    answers = {ProduceRequest: lambda request: produced(request, full)}
    async with (
        scripted(answers) as (client, _spu),
        client.producer("events", retry=QUICK) as producer,
    ):
        await producer.send(b"lost")
        with pytest.raises(ServerError):
            await producer.flush()
        await producer.flush()


@pytest.mark.asyncio
async def test_send_waits_while_the_queue_is_full(scripted: Any) -> None:
    held: list[ProduceRequest] = []

    def hold(request: ProduceRequest) -> Sequence[ProduceResponse]:
        held.append(request)
        return []  # the leader takes its time

    config = ProducerConfig(batch_size_bytes=100, batch_queue_count_max=3, retry=QUICK)
    async with scripted({ProduceRequest: hold}) as (client, _spu):
        producer = client.producer("events", config=config)
        await producer.start()
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while sent < 1000:
                    await producer.send(bytes(80))
                    sent += 1
        # what the first request took, and then no more than the queue holds
        taken = len(held[0].topics[0].partitions)
        assert taken + 3 <= sent <= taken + 3 + 1


@pytest.mark.asyncio
async def test_closing_the_client_leaves_nobody_waiting(scripted: Any) -> None:
    async with scripted({ProduceRequest: lambda request: []}) as (client, _spu):
        producer = client.producer("events")
        await producer.start()
        deliveries = [await producer.send(b"x") for _ in range(3)]
    for delivery in deliveries:
        with pytest.raises(ProducerClosed):
            async with asyncio.timeout(5):
                await delivery


def streams(*slices: list[StreamFetchResponse]) -> Callable[[StreamFetchRequest], Any]:
    """The first stream gets the first list, and so on; later ones nothing."""
    left = list(slices)
    return lambda request: left.pop(0) if left else []


async def read(client: Any, count: int, **options: Any) -> list[tuple[int, bytes]]:
    found = []
    async with client.consumer("events", **options) as consumer:
        async with asyncio.timeout(10):
            for _ in range(count):
                record = await anext(consumer)
                found.append((record.offset, record.value))
    return found


@pytest.mark.asyncio
async def test_a_batch_may_begin_before_the_offset_asked_for(scripted: Any) -> None:
    answers = {
        FetchOffsetsRequest: bounds(0, 4),
        StreamFetchRequest: streams([slice_of(batch(0, b"a", b"b", b"c") + batch(3, b"d"))]),
        UpdateOffsetsRequest: acknowledged,
    }
    async with scripted(answers) as (client, _spu):
        found = await read(client, 2, start=2, follow=False)
        assert found == [(2, b"c"), (3, b"d")]


@pytest.mark.asyncio
async def test_what_was_read_is_acknowledged(scripted: Any) -> None:
    answers = {
        FetchOffsetsRequest: bounds(0, 2),
        StreamFetchRequest: streams([slice_of(batch(0, b"a", b"b"), session=9)]),
        UpdateOffsetsRequest: acknowledged,
    }
    async with scripted(answers) as (client, spu):
        await read(client, 2, start="beginning")
    updates = [one for one in spu.asked if isinstance(one, UpdateOffsetsRequest)]
    assert [(one.offsets[0].offset, one.offsets[0].session_id) for one in updates] == [(2, 9)]


@pytest.mark.asyncio
async def test_a_filtered_stream_goes_on_where_the_server_says(scripted: Any) -> None:
    answers = {
        FetchOffsetsRequest: bounds(0, 100),
        StreamFetchRequest: streams([slice_of(batch(0, b"a"), next_filter=100)]),
        UpdateOffsetsRequest: acknowledged,
    }
    async with (
        scripted(answers) as (client, _spu),
        client.consumer("events", start=0, follow=False) as consumer,
    ):
        assert [record.value async for record in consumer] == [b"a"]


@pytest.mark.asyncio
async def test_a_lost_stream_goes_on_without_gap_or_repetition(scripted: Any) -> None:
    asked: list[int] = []
    doors: list[Any] = []

    def answer(request: StreamFetchRequest) -> list[StreamFetchResponse]:
        asked.append(request.fetch_offset)
        match len(asked):
            case 1:
                return [slice_of(batch(0, b"a", b"b"))]
            case 2:
                return [slice_of(error=NOT_LEADER, session=0)]
            case _:
                return [slice_of(batch(0, b"a", b"b", b"c"))]

    def acknowledge(request: UpdateOffsetsRequest) -> list[UpdateOffsetsResponse]:
        if len(asked) == 1:
            for connection in tuple(doors[0].connections):
                connection.close("test")
        return acknowledged(request)

    answers = {
        FetchOffsetsRequest: bounds(0, 3),
        StreamFetchRequest: answer,
        UpdateOffsetsRequest: acknowledge,
    }
    async with scripted(answers) as (client, spu):
        doors.append(spu)
        found = await read(client, 3, start=0, retry=QUICK)
        assert found == [(0, b"a"), (1, b"b"), (2, b"c")]
        received = client.metrics.consumers
        assert (received.records_received, received.batches_received) == (3, 2)
        assert received.streams_resumed == 2
        assert client.metrics.connections == ConnectionMetrics(open=2, opened=3, lost=1)
    assert asked[:3] == [0, 2, 2]


@pytest.mark.asyncio
async def test_an_application_error_comes_after_the_records_before_it(scripted: Any) -> None:
    deleted = ErrorStatus(ErrorCode.TOPIC_DELETED)
    answers = {
        FetchOffsetsRequest: bounds(0, 9),
        StreamFetchRequest: streams([slice_of(batch(0, b"a"), error=deleted)]),
    }
    async with (
        scripted(answers) as (client, _spu),
        client.consumer("events", start=0, follow=False) as consumer,
    ):
        assert (await anext(consumer)).value == b"a"
        with pytest.raises(ServerError, match="being deleted"):
            await anext(consumer)
        with pytest.raises(StopAsyncIteration):
            await anext(consumer)


@pytest.mark.asyncio
async def test_evicted_offsets_resume_or_raise(scripted: Any) -> None:
    evicted = ErrorStatus(ErrorCode.OFFSET_EVICTED, (0, 7))

    def answers() -> dict[Any, Any]:
        return {
            FetchOffsetsRequest: bounds(7, 8),
            StreamFetchRequest: streams([slice_of(error=evicted)], [slice_of(batch(7, b"h"))]),
            UpdateOffsetsRequest: acknowledged,
        }

    async with scripted(answers()) as (client, spu):
        assert await read(client, 1, start=0, follow=False) == [(7, b"h")]
        spu.answers = answers()
        with pytest.raises(OffsetEvicted):
            await read(client, 1, start=0, on_evicted="raise")


def failed_record(offset: int, hint: str = "no number") -> ErrorStatus:
    failure = SmartModuleRuntimeFailure(
        hint=hint, offset=WireOffset(offset), kind=SmartModuleErrorKind.FILTER,
        record_key=b"k", record_value=b"two",
    )  # fmt: skip
    return ErrorStatus(ErrorCode.SMART_MODULE_RUNTIME_ERROR, (failure,))


def one_bad_record() -> dict[Any, Any]:
    """Offset 1 fails in a SmartModule, and offset 2 is damaged on its way."""
    damaged = bytearray(batch(2, b"c"))
    damaged[-1] ^= 0xFF

    return {
        FetchOffsetsRequest: bounds(0, 4),
        StreamFetchRequest: lambda request: (
            [slice_of(batch(0, b"a"), error=failed_record(1))]
            if request.fetch_offset == 0
            else [slice_of(bytes(damaged) + batch(3, b"d"))]
        ),
        UpdateOffsetsRequest: acknowledged,
    }


@pytest.mark.asyncio
async def test_errors_among_the_records(scripted: Any) -> None:
    """Every record but the one that failed, each in its place, by all three policies."""
    async with scripted(one_bad_record()) as (client, spu):
        async with client.consumer("events", start=0, follow=False, on_error="yield") as consumer:
            found = [await anext(consumer) for _ in range(2)]
            for connection in tuple(spu.connections):
                connection.close("test")  # the stream is taken up behind the record that failed
            found += [item async for item in consumer]
        assert [item.offset for item in found if isinstance(item, Record)] == [0, 3]
        failed, damaged = found[1:3]
        assert isinstance(failed, SmartModuleRuntimeError)
        assert (failed.hint, failed.offset, failed.kind) == ("no number", 1, "filter")
        assert (failed.key, failed.value, str(failed.replica)) == (b"k", b"two", "events-0")
        assert isinstance(damaged, ConsumerError)
        assert "checksum" in str(damaged)
        assert str(damaged.replica) == "events-0"


@pytest.mark.asyncio
async def test_errors_that_are_raised_do_not_end_the_iteration(scripted: Any) -> None:
    answers = {
        FetchOffsetsRequest: bounds(0, 3),
        StreamFetchRequest: streams(
            [slice_of(batch(0, b"a"), error=failed_record(1)), slice_of(batch(1, b"b", b"c"))]
        ),
        UpdateOffsetsRequest: acknowledged,
    }
    async with (
        scripted(answers) as (client, spu),
        client.consumer("events", start=0, follow=False) as consumer,
    ):
        assert (await anext(consumer)).offset == 0
        with pytest.raises(SmartModuleRuntimeError, match="no number"):
            await anext(consumer)
        assert [record.offset async for record in consumer] == [2], "from the failed one on"
        updates = [one for one in spu.asked if isinstance(one, UpdateOffsetsRequest)]
        assert updates[0].offsets[0].offset == 2, "and the server is told so"
        assert client.metrics.consumers.smartmodule_failures == 1


@pytest.mark.asyncio
async def test_errors_that_are_skipped_are_counted(scripted: Any) -> None:
    deleted = ErrorStatus(ErrorCode.TOPIC_DELETED)
    answers = {
        FetchOffsetsRequest: bounds(0, 9),
        StreamFetchRequest: streams([slice_of(batch(0, b"a"), error=deleted)]),
    }
    async with (
        scripted(answers) as (client, _spu),
        client.consumer("events", start=0, follow=False, on_error="skip") as consumer,
    ):
        assert [record.value async for record in consumer] == [b"a"]
        assert consumer.stats().errors_skipped == 1
        assert client.metrics.consumers.errors_skipped == 1


@pytest.mark.asyncio
async def test_a_topic_that_a_pattern_took_may_be_deleted(scripted: Any) -> None:
    """The SPU says so before the controller does: what came before is read, and that is all."""
    deleted = ErrorStatus(ErrorCode.TOPIC_DELETED)
    answers = {
        FetchOffsetsRequest: bounds(0, 9),
        StreamFetchRequest: streams([slice_of(batch(0, b"a"), error=deleted)]),
    }
    async with (
        scripted(answers) as (client, _spu),
        client.consumer(pattern="event?", start=0, follow=False) as consumer,
    ):
        assert consumer.topics == ("events",)
        assert [record.value async for record in consumer] == [b"a"]
        assert consumer.topics == ()


@pytest.mark.asyncio
async def test_a_batch_that_does_not_decode_is_an_error(scripted: Any) -> None:
    broken = bytearray(batch(0, b"a"))
    broken[-1] ^= 0xFF
    answers = {
        FetchOffsetsRequest: bounds(0, 1),
        StreamFetchRequest: streams([slice_of(bytes(broken))]),
        UpdateOffsetsRequest: acknowledged,
    }
    async with scripted(answers) as (client, _spu):
        with pytest.raises(ConsumerError, match=r"events-0: .*checksum"):
            await read(client, 1, start=0, follow=False)


@pytest.mark.asyncio
async def test_a_batch_that_was_cut_is_asked_for_again(scripted: Any) -> None:
    """Old servers cut at the byte limit, even inside the first batch."""
    whole = batch(0, bytes(5000))

    def answer(request: StreamFetchRequest) -> list[StreamFetchResponse]:
        return [slice_of(whole[: request.max_bytes])]

    answers = {
        FetchOffsetsRequest: bounds(0, 1),
        StreamFetchRequest: answer,
        UpdateOffsetsRequest: acknowledged,
    }
    async with scripted(answers) as (client, _spu):
        found = await read(client, 1, start=0, follow=False, max_bytes=1000, retry=QUICK)
        assert found == [(0, bytes(5000))]


@pytest.mark.asyncio
async def test_a_slow_reader_is_not_flooded(scripted: Any) -> None:
    """A slice is acknowledged, and so the next one sent, when the one before it was taken."""
    sent: list[int] = []
    second = asyncio.Event()

    def more(request: UpdateOffsetsRequest) -> list[Any]:
        sent.append(request.offsets[0].offset)
        if sent == [1, 2]:
            second.set()
        return acknowledged(request)

    def answer(request: StreamFetchRequest) -> list[StreamFetchResponse]:
        return [slice_of(batch(number, b"v")) for number in range(5)]

    answers = {
        FetchOffsetsRequest: bounds(0, 5),
        StreamFetchRequest: answer,
        UpdateOffsetsRequest: more,
    }
    async with (
        scripted(answers) as (client, _spu),
        client.consumer("events", start=0, follow=False) as consumer,
    ):
        assert (await anext(consumer)).offset == 0
        async with asyncio.timeout(5):
            await second.wait()
        await client.admin.topics.list()  # plenty of turns for more, if there were any
        assert sent == [1, 2]
        assert [record.offset async for record in consumer] == [1, 2, 3, 4]


@pytest.mark.asyncio
async def test_places_beyond_the_end_finish_at_once(scripted: Any) -> None:
    answers = {FetchOffsetsRequest: bounds(0, 3)}
    async with scripted(answers) as (client, _spu):
        consumer = client.consumer("events")
        assert await consumer.fetch(Offset.absolute(99)) == []
        assert await consumer.fetch("end") == []
