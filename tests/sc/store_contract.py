"""What every ObjectStore must do. Subclass in a test module, and give a fixture `open_store`.

@pytest.fixture
def open_store(tmp_path):
    @asynccontextmanager
    async def open_again():
        ... yield a store over the same data each time ...
    return open_again
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import (
    ClientTls,
    HomeMirror,
    HomePartition,
    MirrorStatus,
    RemoteMirror,
)
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleParameter,
    SmartModuleSpec,
    SmartModuleStatus,
    SmartModuleWasm,
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
from fluvio_protocol.metadata.spu_group import (
    EnvironmentVariable,
    GroupSpuConfig,
    GroupStorage,
    SpuGroupResolution,
    SpuGroupSpec,
    SpuGroupStatus,
)
from fluvio_protocol.metadata.table_format import (
    Alignment,
    DataFormat,
    TableFormatColumn,
    TableFormatSpec,
    TableFormatStatus,
)
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    CompressionType,
    ComputedReplicas,
    Deduplication,
    DeduplicationBounds,
    Duration,
    MirrorReplicas,
    MirrorToRemotes,
    PartitionMap,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStatus,
    TopicStorage,
    Transform,
)
from fluvio_protocol.types import LeaderEpoch, Offset, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.cluster_state import OwnerReference, StoredObject, Tombstone
from fluvio_sc.core.ports import (
    Conflict,
    ObjectStore,
    PutObject,
    RemoveObject,
    StoreWrite,
    Written,
)
from fluvio_sc.core.replication_state import ReplicationState

OpenStore = Callable[[], AbstractAsyncContextManager[ObjectStore]]


async def versions_of(store: ObjectStore, writes: Sequence[StoreWrite]) -> tuple[int, ...]:
    """Apply, and the resource version of each write."""
    outcomes = await store.apply(writes)
    assert all(isinstance(outcome, Written) for outcome in outcomes), outcomes
    return tuple(outcome.resource_version for outcome in outcomes if isinstance(outcome, Written))


def topic_object(name: str = "orders", uid: str = "u-1") -> StoredObject:
    return StoredObject(kind=Kind.TOPIC, name=name, uid=uid, spec=TopicSpec(), status=TopicStatus())


EVERY_KIND = (
    StoredObject(
        kind=Kind.TOPIC,
        name="orders",
        uid="t-1",
        spec=TopicSpec(
            replicas=AssignedReplicas(
                maps=(PartitionMap(id=PartitionId(0), replicas=(SpuId(5001), SpuId(5002))),)
            ),
            cleanup_policy=SegmentCleanup(time_in_seconds=60),
            storage=TopicStorage(segment_size=4096, max_partition_size=1 << 40),
            compression_type=CompressionType.ZSTD,
            deduplication=Deduplication(
                bounds=DeduplicationBounds(count=5, age=Duration(seconds=5, nanoseconds=1)),
                filter=Transform(uses="dedup", with_={"a": "b"}),
            ),
            system=True,
        ),
        status=TopicStatus(
            resolution=TopicResolution.PROVISIONED,
            replica_map={PartitionId(0): (SpuId(5001), SpuId(5002))},
            reason="because",
        ),
        finalizers=("fluvio/partitions", "other"),
        deletion_requested=True,
        deletion_since_ms=1_700_000_000_123,
        generation=7,
        annotations={"note": "ünïcode"},
    ),
    StoredObject(
        kind=Kind.TOPIC,
        name="mirrored",
        uid="t-2",
        spec=TopicSpec(
            replicas=MirrorReplicas(
                config=MirrorToRemotes(
                    partitions=(HomePartition(remote_cluster="edge", remote_replica="m-0"),),
                    source=True,
                )
            )
        ),
        status=TopicStatus(
            mirror_map={PartitionId(0): HomePartition(remote_cluster="edge", remote_replica="m-0")}
        ),
    ),
    StoredObject(
        kind=Kind.PARTITION,
        name="orders-0",
        uid="p-1",
        spec=PartitionSpec(leader=SpuId(5001), replicas=(SpuId(5001), SpuId(5002))),
        status=PartitionStatus(
            resolution=PartitionResolution.ONLINE,
            leader=ReplicaStatus(spu=SpuId(5001), hw=Offset(3), leo=Offset(1 << 40)),
            replicas=(ReplicaStatus(spu=SpuId(5002)),),
            size=12,
            is_being_deleted=True,
            base_offset=Offset(2),
        ),
        owner=OwnerReference(Kind.TOPIC, "orders", "t-1"),
        finalizers=("fluvio/replicas",),
        leader_epoch=LeaderEpoch(9),
        replication=ReplicationState.led_by(SpuId(5001)),
    ),
    StoredObject(
        kind=Kind.SPU,
        name="custom-spu-5001",
        uid="s-1",
        spec=SpuSpec(
            id=SpuId(5001),
            spu_type=SpuType.CUSTOM,
            public_endpoint=IngressPort(
                port=9010, ingress=(IngressAddress(hostname="a.example"), IngressAddress(ip="::1"))
            ),
            private_endpoint=Endpoint(port=9011, host="127.0.0.1"),
            rack="r1",
            public_endpoint_local=Endpoint(port=1, host="l"),
        ),
        status=SpuStatus(resolution=SpuStatusResolution.OFFLINE),
        tombstones=(
            Tombstone(ReplicaKey("gone", PartitionId(0)), "p-9", LeaderEpoch(3)),
            Tombstone(ReplicaKey("gone-1", PartitionId(1)), "p-8", LeaderEpoch(1)),
        ),
    ),
    StoredObject(
        kind=Kind.SPU_GROUP,
        name="main",
        uid="g-1",
        spec=SpuGroupSpec(
            replicas=3,
            min_id=SpuId(10),
            spu_config=GroupSpuConfig(
                rack="r",
                storage=GroupStorage(size="1Gi"),
                env=(EnvironmentVariable(name="A", value="B"),),
            ),
        ),
        status=SpuGroupStatus(resolution=SpuGroupResolution.INVALID, reason="conflict with: 11"),
    ),
    StoredObject(
        kind=Kind.SMART_MODULE,
        name="filter",
        uid="m-1",
        spec=SmartModuleSpec(
            meta=SmartModuleMetadata(
                package=SmartModulePackage(
                    name="filter", group="g", version="0.1.0", api_version="0.1.0"
                ),
                params={"p": SmartModuleParameter(description="d", optional=True)},
            ),
            wasm=SmartModuleWasm(payload=bytes(range(256)) * 300),
        ),
        status=SmartModuleStatus(),
    ),
    StoredObject(
        kind=Kind.TABLE_FORMAT,
        name="table",
        uid="f-1",
        spec=TableFormatSpec(
            name="table",
            input_format=DataFormat.JSON,
            columns=(TableFormatColumn(key_path="a.b", alignment=Alignment.CENTER),),
        ),
        status=TableFormatStatus(reason="r"),
    ),
    StoredObject(
        kind=Kind.MIRROR,
        name="edge",
        uid="x-1",
        spec=RemoteMirror(id="edge"),
        status=MirrorStatus(),
    ),
    StoredObject(
        kind=Kind.MIRROR,
        name="home",
        uid="x-2",
        spec=HomeMirror(
            id="home",
            remote_id="edge",
            public_endpoint="h:9003",
            client_tls=ClientTls(domain="d", ca_cert="a", client_cert="b", client_key="c"),
        ),
        status=MirrorStatus(last_seen_ms=5),
    ),
)


class StoreContract:
    """Tests over the fixture `open_store`, which opens the same data at each call."""

    @pytest.mark.asyncio
    async def test_every_kind_comes_back_as_it_was(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            versions = await versions_of(store, [PutObject(item, 0) for item in EVERY_KIND])
        expected = {
            item.key: replace(item, resource_version=version)
            for item, version in zip(EVERY_KIND, versions, strict=True)
        }
        async with open_store() as store:
            assert {item.key: item for item in await store.load()} == expected

    @pytest.mark.asyncio
    async def test_empty_at_first(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            assert await store.load() == ()
            assert await versions_of(store, []) == ()

    @pytest.mark.asyncio
    async def test_versions_grow_for_every_write_and_over_a_restart(
        self, open_store: OpenStore
    ) -> None:
        seen = [0]
        for _ in range(3):
            async with open_store() as store:
                (created,) = await versions_of(store, [PutObject(topic_object(), 0)])
                (changed,) = await versions_of(store, [PutObject(topic_object(), created)])
                (removed,) = await versions_of(store, [RemoveObject(topic_object().key, changed)])
                seen += [created, changed, removed]
        assert seen == sorted(set(seen))

    @pytest.mark.asyncio
    async def test_create_where_one_exists_is_a_conflict(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            (version,) = await versions_of(store, [PutObject(topic_object(uid="first"), 0)])
            with pytest.raises(Conflict) as caught:
                await versions_of(store, [PutObject(topic_object(uid="second"), 0)])
            assert (caught.value.expected, caught.value.found) == (0, version)
            (kept,) = await store.load()
            assert kept.uid == "first"

    @pytest.mark.asyncio
    async def test_put_and_remove_at_an_old_version_are_conflicts(
        self, open_store: OpenStore
    ) -> None:
        async with open_store() as store:
            (old,) = await versions_of(store, [PutObject(topic_object(), 0)])
            (new,) = await versions_of(store, [PutObject(topic_object(), old)])
            for write in (PutObject(topic_object(), old), RemoveObject(topic_object().key, old)):
                with pytest.raises(Conflict) as caught:
                    await versions_of(store, [write])
                assert caught.value.found == new
            (kept,) = await store.load()
            assert kept.resource_version == new

    @pytest.mark.asyncio
    async def test_writes_to_what_is_missing_are_conflicts(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            for write in (PutObject(topic_object(), 4), RemoveObject(topic_object().key, 4)):
                with pytest.raises(Conflict) as caught:
                    await versions_of(store, [write])
                assert caught.value.found == 0
            assert await store.load() == ()

    @pytest.mark.asyncio
    async def test_a_conflict_keeps_nothing_of_the_transaction(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            (version,) = await versions_of(store, [PutObject(topic_object("kept", "a"), 0)])
            with pytest.raises(Conflict):
                await versions_of(
                    store,
                    [
                        PutObject(topic_object("new", "b"), 0),
                        RemoveObject(topic_object("kept").key, version),
                        PutObject(topic_object("missing", "c"), 99),
                    ],
                )
        async with open_store() as store:
            (kept,) = await store.load()
            assert (kept.name, kept.resource_version) == ("kept", version)

    @pytest.mark.asyncio
    async def test_a_removed_object_stays_away_and_its_name_is_free(
        self, open_store: OpenStore
    ) -> None:
        async with open_store() as store:
            (version,) = await versions_of(store, [PutObject(topic_object(uid="old"), 0)])
            await versions_of(store, [RemoveObject(topic_object().key, version)])
        async with open_store() as store:
            assert await store.load() == ()
            await versions_of(store, [PutObject(topic_object(uid="new"), 0)])
            (found,) = await store.load()
            assert found.uid == "new"

    @pytest.mark.asyncio
    async def test_same_name_of_two_kinds_are_two_objects(self, open_store: OpenStore) -> None:
        table = StoredObject(
            kind=Kind.TABLE_FORMAT,
            name="orders",
            uid="f",
            spec=TableFormatSpec(name="orders"),
            status=TableFormatStatus(),
        )
        async with open_store() as store:
            await versions_of(store, [PutObject(topic_object(), 0), PutObject(table, 0)])
            assert {item.key for item in await store.load()} == {topic_object().key, table.key}

    @pytest.mark.asyncio
    async def test_a_thousand_objects_in_one_transaction(self, open_store: OpenStore) -> None:
        replicas = ComputedReplicas(partitions=1000)
        topic = replace(topic_object(), spec=TopicSpec(replicas=replicas))
        partitions = [
            StoredObject(
                kind=Kind.PARTITION,
                name=f"orders-{number}",
                uid=f"p-{number}",
                spec=PartitionSpec(leader=SpuId(1), replicas=(SpuId(1),)),
                status=PartitionStatus(),
                owner=topic.as_owner,
            )
            for number in range(1000)
        ]
        async with open_store() as store:
            await versions_of(store, [PutObject(item, 0) for item in [topic, *partitions]])
        async with open_store() as store:
            assert len(await store.load()) == 1001
