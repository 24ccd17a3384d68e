"""Clients at door 9003: create, delete, update, list, watch, over real sockets."""

import asyncio
import gzip
from typing import Any

import pytest

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.api.frame import frame
from fluvio_protocol.api.header import encode_request
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import RemoteMirror
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleWasm,
)
from fluvio_protocol.metadata.spu import CustomSpuSpec
from fluvio_protocol.metadata.spu_group import SpuGroupResolution, SpuGroupSpec
from fluvio_protocol.metadata.table_format import TableFormatSpec
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    PartitionMap,
    SegmentCleanup,
    TopicSpec,
)
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest, SpuName, SpuNumber
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.update import AddPartition, UpdateRequest
from fluvio_protocol.sc_public.watch import ChangeType, WatchRequest
from fluvio_protocol.types import PartitionId, SpuId
from fluvio_protocol.wasm import unpacking

pytestmark = pytest.mark.asyncio


def topic(partitions: int = 1, factor: int = 1) -> TopicSpec:
    return TopicSpec(replicas=ComputedReplicas(partitions=partitions, replication_factor=factor))


def names(response: Any) -> list[str]:
    return [item.name for item in response.objects]


async def test_system_topic_is_there_before_any_client(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    assert names(await client.request(ListRequest(kind=Kind.TOPIC))) == []
    (system,) = (await client.request(ListRequest(kind=Kind.TOPIC, system=True))).objects
    assert system.name == "consumer-offset"
    assert system.spec.storage.segment_size == 512_000_000
    assert system.spec.storage.max_partition_size == 2_048_000_000
    assert system.spec.cleanup_policy.time_in_seconds == 7 * 24 * 3600
    partitions = await client.request(ListRequest(kind=Kind.PARTITION, system=True))
    assert names(partitions) == ["consumer-offset-0"]


async def test_system_topic_object_exists_without_an_spu(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    found = await client.request(ListRequest(kind=Kind.TOPIC, system=True))
    assert names(found) == ["consumer-offset"]


async def test_api_versions(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    offered = {item.api_key: (item.min_version, item.max_version) for item in client.api_keys}
    assert offered == {
        1001: (9, 19), 1002: (1, 19), 1003: (9, 19), 1004: (9, 19), 1006: (1, 19)
    }  # fmt: skip
    assert client.platform_version == "0.18.1"


async def test_created_topic_is_online_and_was_watched_before_the_answer(
    make_cluster: Any,
) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()
    # One connection keeps the order of frames: what arrived before the answer is queued.
    watch = client.open_stream(WatchRequest(kind=Kind.PARTITION))
    first = await anext(watch)
    assert [item.name for item in first.all] == ["consumer-offset-0"]
    status = await client.request(CreateRequest(name="t1", spec=topic(4)))
    assert not status.error_code
    assert status.name == "t1"
    told: dict[str, str] = {}
    for _ in range(watch.waiting_count):
        update = await anext(watch)
        for change in update.changes:
            told[change.object.name] = change.object.status.resolution.name
    assert {name: told.get(name) for name in ("t1-0", "t1-1", "t1-2", "t1-3")} == dict.fromkeys(
        ("t1-0", "t1-1", "t1-2", "t1-3"), "ONLINE"
    )


async def test_watch_of_another_connection_hears_before_the_answer(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    creator, watcher = await cluster.client(), await cluster.client()
    stream = watcher.open_stream(WatchRequest(kind=Kind.TOPIC))
    await anext(stream)
    await creator.request(CreateRequest(name="t1", spec=topic()))
    # The frame was sent before the answer was: an answer on the watcher's own connection,
    # asked for only now, comes after it.
    await watcher.request(ListRequest(kind=Kind.TOPIC))
    assert stream.waiting_count >= 1
    update = await anext(stream)
    assert [change.object.name for change in update.changes] == ["t1"]


async def test_delete_takes_partitions_along_and_frees_the_name(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()
    for _ in range(2):
        await client.request(CreateRequest(name="t1", spec=topic(3)))
        uid = cluster.get(Kind.TOPIC, "t1").uid
        watch = client.open_stream(WatchRequest(kind=Kind.PARTITION))
        await anext(watch)
        status = await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))
        assert not status.error_code
        assert cluster.get(Kind.TOPIC, "t1") is None
        deleted = []
        for _ in range(watch.waiting_count):
            kinds = [
                (change.change_type, change.object.name) for change in (await anext(watch)).changes
            ]
            assert kinds == sorted(kinds, key=lambda kind: kind[0]), "updates first, deletes last"
            deleted += [name for kind, name in kinds if kind is ChangeType.DELETE]
        assert sorted(deleted) == ["t1-0", "t1-1", "t1-2"]
        watch.close()
        assert uid not in {item.uid for item in cluster.store.objects.values()}
    assert sorted(name for spu in cluster.spus for name, _ in spu.removed) == sorted(
        ["t1-0", "t1-1", "t1-2"] * 2
    )


@pytest.mark.parametrize(
    ("name", "spec", "code", "text"),
    [
        ("Bad Name", topic(), ErrorCode.TOPIC_INVALID_NAME, "Invalid topic name: 'Bad Name'"),
        ("t", topic(0), ErrorCode.TOPIC_ERROR, "partition must be greater than 0"),
        (
            "t",
            TopicSpec(cleanup_policy=SegmentCleanup(time_in_seconds=9)),
            ErrorCode.TOPIC_INVALID_CONFIGURATION,
            "retention_secs 9 is less than minimum 10",
        ),
        (
            "consumer-offset",
            topic(),
            ErrorCode.TOPIC_ALREADY_EXISTS,
            "topic 'consumer-offset' already defined",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_refused_topics(
    make_cluster: Any, name: str, spec: TopicSpec, code: ErrorCode, text: str, dry_run: bool
) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    status = await client.request(CreateRequest(name=name, spec=spec, dry_run=dry_run))
    assert status.error_code.error is code
    assert text in status.error_message
    assert status.name == name


async def test_dry_run_creates_nothing(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    status = await client.request(CreateRequest(name="t1", spec=topic(), dry_run=True))
    assert not status.error_code
    assert names(await client.request(ListRequest(kind=Kind.TOPIC))) == []


async def test_too_few_spus_is_answered_at_once_and_mended_later(
    make_cluster: Any, spu_spec: Any, make_fake_spu: Any
) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()
    status = await client.request(CreateRequest(name="t1", spec=topic(1, 3)), timeout_s=5)
    assert status.error_code.error is ErrorCode.TOPIC_NOT_PROVISIONED
    assert status.error_message == (
        "topic stored, but it is not provisioned yet: needs 3 SPUs, 2 online"
    )
    spec = CustomSpuSpec.from_spu(spu_spec(7))
    assert not (await client.request(CreateRequest(name="seven", spec=spec))).error_code
    await make_fake_spu(7).connect(cluster.app.private_port)
    await cluster.until(
        lambda: cluster.get(Kind.TOPIC, "t1").status.resolution.name == "PROVISIONED"
    )
    assert set(cluster.get(Kind.PARTITION, "t1-0").spec.replicas) == {7, 5001, 5002}


async def test_create_gives_up_after_the_time_the_client_allows(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    cluster.spus[0].answers = False
    client = await cluster.client()
    status = await client.request(CreateRequest(name="t1", spec=topic(3), timeout_ms=50))
    assert status.error_code.error is ErrorCode.TOPIC_NOT_PROVISIONED
    assert status.error_message == "only 0 out of 3 provisioned"


async def test_assigned_replicas(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()

    def assigned(*rows: tuple[int, ...]) -> TopicSpec:
        maps = tuple(
            PartitionMap(id=PartitionId(number), replicas=tuple(SpuId(i) for i in row))
            for number, row in enumerate(rows)
        )
        return TopicSpec(replicas=AssignedReplicas(maps=maps))

    good = await client.request(
        CreateRequest(name="good", spec=assigned((5002, 5001), (5001, 5002)))
    )
    assert not good.error_code
    assert cluster.get(Kind.PARTITION, "good-0").spec.leader == 5002
    unknown = await client.request(CreateRequest(name="unknown", spec=assigned((9,))))
    assert unknown.error_code.error is ErrorCode.TOPIC_NOT_PROVISIONED
    assert "invalid spu id: 9" in unknown.error_message
    grown = await client.request(
        UpdateRequest(kind=Kind.TOPIC, key="good", action=AddPartition(count=1))
    )
    assert grown.error_code.error is ErrorCode.TOPIC_INVALID_REPLICA_TYPE


async def test_add_partitions(make_cluster: Any) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()
    await client.request(CreateRequest(name="t1", spec=topic(2)))
    before = [cluster.get(Kind.PARTITION, f"t1-{n}").uid for n in range(2)]
    status = await client.request(
        UpdateRequest(kind=Kind.TOPIC, key="t1", action=AddPartition(count=3))
    )
    assert not status.error_code
    found = names(await client.request(ListRequest(kind=Kind.PARTITION)))
    assert found == [f"t1-{number}" for number in range(5)]
    assert [cluster.get(Kind.PARTITION, f"t1-{n}").uid for n in range(2)] == before


async def test_added_partitions_do_not_wait_for_old_ones_that_are_offline(
    make_cluster: Any,
) -> None:
    cluster = await make_cluster(2)
    client = await cluster.client()
    await client.request(CreateRequest(name="t1", spec=topic(4)))
    cluster.spus[0].disconnect()
    await cluster.until(
        lambda: any(
            item.status.resolution is PartitionResolution.LEADER_OFFLINE
            for item in cluster.app.memory_store.of(Kind.PARTITION)
            if item.name.startswith("t1-")
        )
    )
    status = await client.request(
        UpdateRequest(kind=Kind.TOPIC, key="t1", action=AddPartition(count=2))
    )
    assert not status.error_code
    for number in (4, 5):
        added = cluster.get(Kind.PARTITION, f"t1-{number}")
        assert added.spec.leader == cluster.spus[1].spu_id
        assert added.status.resolution is PartitionResolution.ONLINE


@pytest.mark.parametrize(
    ("name", "count", "status"),
    [
        ("nope", 1, ErrorStatus(ErrorCode.TOPIC_NOT_FOUND)),
        (
            "consumer-offset",
            1,
            ErrorStatus(ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT, ("Topic", "consumer-offset")),
        ),
        ("t1", 0, ErrorStatus(ErrorCode.TOPIC_INVALID_CONFIGURATION)),
        ("t1", 4_000_000_000, ErrorStatus(ErrorCode.TOPIC_INVALID_CONFIGURATION)),
    ],
)
async def test_refused_updates(
    make_cluster: Any, name: str, count: int, status: ErrorStatus
) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    await client.request(CreateRequest(name="t1", spec=topic()))
    request = UpdateRequest(kind=Kind.TOPIC, key=name, action=AddPartition(count=count))
    assert (await client.request(request)).error_code == status


@pytest.mark.parametrize(
    ("kind", "key", "status"),
    [
        (Kind.TOPIC, "nope", ErrorStatus(ErrorCode.TOPIC_NOT_FOUND)),
        (
            Kind.TOPIC,
            "consumer-offset",
            ErrorStatus(ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT, ("Topic", "consumer-offset")),
        ),
        (Kind.SMART_MODULE, "nope", ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, ("nope",))),
        (Kind.TABLE_FORMAT, "nope", ErrorStatus(ErrorCode.TABLE_FORMAT_NOT_FOUND)),
        (Kind.MIRROR, "nope", ErrorStatus(ErrorCode.MIRROR_NOT_FOUND)),
        (Kind.SPU_GROUP, "nope", ErrorStatus(ErrorCode.SPU_NOT_FOUND)),
        (Kind.CUSTOM_SPU, SpuName(name="nope"), ErrorStatus(ErrorCode.SPU_NOT_FOUND)),
        (Kind.CUSTOM_SPU, SpuNumber(id=SpuId(1)), ErrorStatus(ErrorCode.SPU_NOT_FOUND)),
        (Kind.PARTITION, "consumer-offset-0", ErrorStatus.other("unknown admin object type")),
    ],
)
async def test_refused_deletes(
    make_cluster: Any, kind: Kind, key: Any, status: ErrorStatus
) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    answer = await client.request(DeleteRequest(kind=kind, key=key))
    assert answer.error_code == status


async def test_forced_deletion_of_the_system_topic_makes_a_new_one(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    uid = cluster.get(Kind.TOPIC, "consumer-offset").uid
    request = DeleteRequest(kind=Kind.TOPIC, key="consumer-offset", force=True)
    assert not (await client.request(request)).error_code
    await cluster.until(lambda: cluster.get(Kind.TOPIC, "consumer-offset") is not None)
    assert cluster.get(Kind.TOPIC, "consumer-offset").uid != uid


async def test_list_filters(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    for name in ("catalog", "log", "orders"):
        await client.request(CreateRequest(name=name, spec=topic()))

    async def listed(kind: Kind, *filters: str) -> list[str]:
        return names(await client.request(ListRequest(kind=kind, name_filters=filters)))

    assert await listed(Kind.TOPIC, "log") == ["catalog", "log"]
    assert await listed(Kind.TOPIC, "log", "ord") == ["catalog", "log", "orders"]
    assert await listed(Kind.TOPIC, "x") == []
    assert await listed(Kind.PARTITION, "x") == ["catalog-0", "log-0", "orders-0"]
    assert await listed(Kind.SPU, "5001") == ["custom-spu-5001"]
    assert await listed(Kind.SPU, "5002") == []
    assert await listed(Kind.CUSTOM_SPU) == ["custom-spu-5001"]


async def test_custom_spus(make_cluster: Any, spu_spec: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    spec = CustomSpuSpec.from_spu(spu_spec(7))

    async def register(name: str, spu: CustomSpuSpec) -> ErrorCode:
        return (await client.request(CreateRequest(name=name, spec=spu))).error_code.error

    assert await register("seven", spec) is ErrorCode.NONE
    assert await register("seven", spec) is ErrorCode.SPU_ALREADY_EXISTS
    assert await register("other", spec) is ErrorCode.SPU_ALREADY_EXISTS
    (found,) = (
        await client.request(ListRequest(kind=Kind.CUSTOM_SPU, name_filters=("seven",)))
    ).objects
    assert found.spec == spec
    assert found.status.resolution.name == "INIT"
    assert [item.name for item in cluster.runtime.desired[-1]] == ["custom-spu-5001", "seven"]
    by_number = DeleteRequest(kind=Kind.CUSTOM_SPU, key=SpuNumber(id=SpuId(7)))
    assert not (await client.request(by_number)).error_code
    assert names(await client.request(ListRequest(kind=Kind.SPU))) == ["custom-spu-5001"]


async def test_an_spu_with_partitions_is_unregistered_only_by_force(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()
    await client.request(CreateRequest(name="t1", spec=topic()))
    key = SpuName(name="custom-spu-5001")
    status = await client.request(DeleteRequest(kind=Kind.CUSTOM_SPU, key=key))
    assert status.error_code.error is ErrorCode.SPU_ERROR
    assert "holds 2 partitions" in status.error_message
    forced = await client.request(DeleteRequest(kind=Kind.CUSTOM_SPU, key=key, force=True))
    assert not forced.error_code
    await cluster.spus[0].until(lambda: cluster.spus[0].lost is not None)
    assert cluster.get(Kind.PARTITION, "t1-0").status.resolution.name == "LEADER_OFFLINE"
    deleted = await client.request(DeleteRequest(kind=Kind.TOPIC, key="t1"))
    assert not deleted.error_code, "nobody has its files"


async def test_spu_groups_reserve_ids(make_cluster: Any, spu_spec: Any) -> None:
    cluster = await make_cluster(1)
    client = await cluster.client()

    async def create(name: str, min_id: int, replicas: int) -> Any:
        spec = SpuGroupSpec(replicas=replicas, min_id=SpuId(min_id))
        await client.request(CreateRequest(name=name, spec=spec))
        return cluster.get(Kind.SPU_GROUP, name).status

    assert (await create("main", 0, 3)).resolution is SpuGroupResolution.RESERVED
    overlapping = await create("second", 2, 2)
    assert overlapping.resolution is SpuGroupResolution.INVALID
    assert overlapping.reason == "conflict with: 2"
    assert (await create("third", 5000, 9)).reason == "conflict with: 5001"
    registered = await client.request(
        CreateRequest(name="one", spec=CustomSpuSpec.from_spu(spu_spec(1)))
    )
    assert registered.error_code.error is ErrorCode.SPU_ALREADY_EXISTS
    again = await client.request(CreateRequest(name="main", spec=SpuGroupSpec(replicas=1)))
    assert again.error_code.error is ErrorCode.SPU_ALREADY_EXISTS
    await client.request(DeleteRequest(kind=Kind.SPU_GROUP, key="main"))
    await cluster.until(
        lambda: (
            cluster.get(Kind.SPU_GROUP, "second").status.resolution is SpuGroupResolution.RESERVED
        )
    )


async def test_smart_modules(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    meta = SmartModuleMetadata(
        package=SmartModulePackage(name="odd", group="mine", version="1.0.0", api_version="0.1.0")
    )

    def module(payload: bytes) -> SmartModuleSpec:
        return SmartModuleSpec(meta=meta, wasm=SmartModuleWasm(payload=payload))

    watch = client.open_stream(WatchRequest(kind=Kind.SMART_MODULE, summary=True))
    assert (await anext(watch)).all == ()
    for payload in (b"\0asm-one", b"\0asm-three"):  # creating again replaces
        created = await client.request(CreateRequest(name="odd-v1", spec=module(payload)))
        assert not created.error_code
        update = await anext(watch)
        (shown,) = update.all or tuple(change.object for change in update.changes)
        assert shown.spec.summary.wasm_length == len(payload)
        assert shown.spec.wasm.payload == b""
    (full,) = (await client.request(ListRequest(kind=Kind.SMART_MODULE))).objects
    assert full.spec == module(b"\0asm-three")
    for name_filter, count in (
        ("odd-v1", 1), ("odd", 1), ("mine/odd@1", 1), ("mine/odd@2", 0), ("yours/odd", 0),
        ("dd", 0), ("a/b/c", 0),
    ):  # fmt: skip
        request = ListRequest(kind=Kind.SMART_MODULE, name_filters=(name_filter,), summary=True)
        assert len((await client.request(request)).objects) == count, name_filter
    bad = await client.request(CreateRequest(name="-x", spec=module(b"")))
    assert bad.error_code.error is ErrorCode.SMART_MODULE_INVALID
    deleted = await client.request(DeleteRequest(kind=Kind.SMART_MODULE, key="mine/odd@1.0.0"))
    assert not deleted.error_code
    (gone,) = (await anext(watch)).changes
    assert (gone.change_type, gone.object.name) == (ChangeType.DELETE, "odd-v1")


async def test_table_formats_and_mirrors(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    for kind, spec, exists in (
        (Kind.TABLE_FORMAT, TableFormatSpec(name="n"), ErrorCode.TABLE_FORMAT_ALREADY_EXISTS),
        (Kind.MIRROR, RemoteMirror(id="n"), ErrorCode.MIRROR_ALREADY_EXISTS),
    ):
        assert not (await client.request(CreateRequest(name="n", spec=spec))).error_code
        again = await client.request(CreateRequest(name="n", spec=spec))
        assert again.error_code.error is exists
        (found,) = (await client.request(ListRequest(kind=kind))).objects
        assert found.spec == spec
        assert not (await client.request(DeleteRequest(kind=kind, key="n"))).error_code
        assert names(await client.request(ListRequest(kind=kind))) == []


@pytest.mark.parametrize("kind", [Kind.CUSTOM_SPU, Kind.MIRROR])
async def test_kinds_that_cannot_be_watched_close_the_connection(
    make_cluster: Any, kind: Kind
) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    client.open_stream(WatchRequest(kind=kind))
    async with asyncio.timeout(10):
        await client.wait_closed()


@pytest.mark.parametrize("key", [1001, 1002, 1006])
async def test_unknown_kinds_are_answered(make_cluster: Any, key: int) -> None:
    cluster = await make_cluster(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.app.public_port)
    label = b"Nonsense"
    body = len(label).to_bytes(2, "big") + label + (3).to_bytes(4, "big") + b"\0\1x"
    head = key.to_bytes(2, "big") + (19).to_bytes(2, "big") + (77).to_bytes(4, "big") + b"\0\0"
    writer.write((len(head) + len(body)).to_bytes(4, "big") + head + body)
    size = int.from_bytes(await reader.readexactly(4), "big")
    answer = await reader.readexactly(size)
    assert answer[:4] == (77).to_bytes(4, "big")
    assert answer[4:8] == b"\0\0\0\2"
    assert b"unknown admin object type" in answer
    writer.close()
    await writer.wait_closed()


def list_payload(version: int) -> bytes:
    request = ListRequest(kind=Kind.TOPIC)
    return encode_request(request, version=version, correlation_id=1, client_id="x")[4:]


@pytest.mark.parametrize(
    "data",
    [
        frame(list_payload(19)[:-1]),
        frame(list_payload(19).replace(b"Topic", b"topic")),
        frame(b"\0\x63\0\0\0\0\0\1\0\0"),
        frame(b"\0\0\0"),
        frame(list_payload(19)[:2] + b"\0\x63" + list_payload(19)[4:]),
        b"\xff\xff\xff\xff",
    ],
    ids=["cut", "unknown kind", "unknown key", "no header", "unknown version", "bad length"],
)
async def test_nonsense_closes_the_connection_and_hurts_nobody_else(
    make_cluster: Any, data: bytes
) -> None:
    cluster = await make_cluster(0)
    bystander = await cluster.client()
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.app.public_port)
    writer.write(data)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await bystander.request(ListRequest(kind=Kind.TOPIC))


async def test_many_requests_at_once_on_one_connection(make_cluster: Any) -> None:
    cluster = await make_cluster(1)
    cluster.spus[0].answers = False
    client = await cluster.client()
    answers = []

    async def create(number: int) -> None:
        request = CreateRequest(name=f"t{number}", spec=topic(), timeout_ms=100)
        answers.append(await client.request(request))

    async with asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(create(number))
    assert len(answers) == 60
    assert len(names(await client.request(ListRequest(kind=Kind.TOPIC)))) == 60


async def test_requests_wait_while_too_many_are_in_flight(make_cluster: Any) -> None:
    """Creations that never come online fill the connection; the rest is served once they end."""
    cluster = await make_cluster(1)
    cluster.spus[0].answers = False
    client = await cluster.client()
    slow = [
        client.open_stream(CreateRequest(name=f"t{number}", spec=topic(), timeout_ms=60_000))
        for number in range(16)
    ]
    await cluster.until(lambda: cluster.get(Kind.PARTITION, "t15-0") is not None)
    with pytest.raises(Exception, match="answer"):
        await client.request(ListRequest(kind=Kind.TOPIC), timeout_s=0.2)
    cluster.spus[0].report_all()
    assert len(names(await client.request(ListRequest(kind=Kind.TOPIC)))) == 16
    for answer in slow:
        assert not (await anext(answer)).error_code


async def test_a_name_of_any_length_is_answered(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    for spec, code in (
        (topic(), ErrorCode.TOPIC_INVALID_NAME),
        (SmartModuleSpec(wasm=SmartModuleWasm(payload=b"")), ErrorCode.SMART_MODULE_INVALID),
        (TableFormatSpec(name="x"), ErrorCode.TABLE_FORMAT_ERROR),
        (RemoteMirror(id="x"), ErrorCode.OTHER),
        (SpuGroupSpec(replicas=1), ErrorCode.SPU_ERROR),
    ):
        status = await client.request(CreateRequest(name="ü" * 16_000, spec=spec))
        assert status.error_code.error is code
        assert len(status.error_message) < 1000


async def test_a_large_smart_module_and_nothing_else_large(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    spec = SmartModuleSpec(wasm=SmartModuleWasm(payload=bytes(3_000_000)))
    assert not (await client.request(CreateRequest(name="large", spec=spec))).error_code
    (found,) = (await client.request(ListRequest(kind=Kind.SMART_MODULE))).objects
    assert found.spec == spec
    filters = tuple("x" * 30_000 for _ in range(50))
    client.open_stream(ListRequest(kind=Kind.TOPIC, name_filters=filters))
    async with asyncio.timeout(10):
        await client.wait_closed()


async def test_filters_are_bounded(make_cluster: Any) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()
    client.open_stream(ListRequest(kind=Kind.TOPIC, name_filters=("x",) * 257))
    async with asyncio.timeout(10):
        await client.wait_closed()


async def test_code_of_smart_modules_is_looked_at(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = await make_cluster(0)
    client = await cluster.client()

    async def created(payload: bytes, *, dry_run: bool = False) -> Status:
        spec = SmartModuleSpec(wasm=SmartModuleWasm(payload=payload))
        status = await client.request(CreateRequest(name="cats", spec=spec, dry_run=dry_run))
        assert isinstance(status, Status)
        return status

    without_exports = b"\0asm\1\0\0\0"
    for payload, code, reason in (
        (b"", ErrorCode.SMART_MODULE_INVALID, "it is empty"),
        (without_exports, ErrorCode.SMART_MODULE_INVALID_EXPORTS, "it exports no memory"),
    ):
        caplog.clear()
        checked = await created(payload, dry_run=True)
        assert checked.error_code.error is code
        assert checked.error_code.payload[0].startswith(reason)
        assert not caplog.records
        assert not (await created(payload)).error_code  # as by Fluvio's controller
        (told,) = caplog.messages
        assert told.startswith("event=smart_module_unfit name='cats' problem=")
        assert reason in told

    monkeypatch.setattr(unpacking, "CODE_BYTES_MAX", 1 << 20)
    bomb = gzip.compress(without_exports + bytes(2 << 20))
    refused = await created(bomb)
    assert refused.error_code.error is ErrorCode.SMART_MODULE_INVALID
    assert refused.error_code.payload == ("it unpacks to more than 1048576 bytes", "cats")
    (stored,) = (await client.request(ListRequest(kind=Kind.SMART_MODULE))).objects
    assert stored.spec.wasm.payload == without_exports
