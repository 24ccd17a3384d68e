"""A store that others write to as well: single refusals, its own identities, changes from outside.

And groups of SPUs on a platform that runs them.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
    SpuType,
)
from fluvio_protocol.metadata.spu_group import SpuGroupResolution, SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.topic import TopicResolution, TopicSpec, TopicStatus
from fluvio_protocol.types import SpuId
from fluvio_sc.config import ScConfig, ScTimings
from fluvio_sc.controller import Controller, NotReady
from fluvio_sc.core.actions import Action, RequestDeletion, SetSpec
from fluvio_sc.core.admission import admit_create
from fluvio_sc.core.cluster_state import ClusterState, ObjectKey, StoredObject
from fluvio_sc.core.ports import (
    NotWritten,
    PutObject,
    StoreError,
    StoreWrite,
    WriteOutcome,
    Written,
)
from fluvio_sc.core.reconcile.spu_group import MEMBERS_FINALIZER, held_up_by
from fluvio_sc.core.reconcile.topic import PARTITIONS_FINALIZER
from fluvio_sc.memory_store import MemoryStore

pytestmark = pytest.mark.asyncio

PATIENCE_S = 10.0
CONFIG = ScConfig(timings=ScTimings(tick_s=0.02))


class SharedStore:
    """Keeps objects as Kubernetes does: one by one, under identities it makes itself."""

    def __init__(self, objects: Sequence[StoredObject] = ()) -> None:
        self.objects = {item.key: item for item in objects}
        self.refused: set[str] = set()
        self.refused_often = asyncio.Event()
        self._refusal_count = 0
        self._version = 100

    async def load(self) -> tuple[StoredObject, ...]:
        return tuple(self.objects.values())

    async def apply(self, writes: Sequence[StoreWrite]) -> tuple[WriteOutcome, ...]:
        await asyncio.sleep(0)
        return tuple(self._write(write) for write in writes)

    def _write(self, write: StoreWrite) -> WriteOutcome:
        self._version += 1
        if not isinstance(write, PutObject):
            del self.objects[write.key]
            return Written(self._version)
        item = write.object
        if item.name in self.refused:
            self._refusal_count += 1
            if self._refusal_count == 4:
                self.refused_often.set()
            return NotWritten(StoreError(f"{item.name} may not be written"))
        uid = item.uid
        if write.expected_resource_version == 0:
            uid = f"given-{item.name}"
        self.objects[item.key] = replace(item, uid=uid, resource_version=self._version)
        return Written(self._version, uid)


def member_spec(group: StoredObject, number: int) -> SpuSpec:
    name = f"{group.name}-{number}"
    return SpuSpec(
        id=SpuId(group.spec.min_id + number),
        spu_type=SpuType.MANAGED,
        public_endpoint=IngressPort(port=9005),
        private_endpoint=Endpoint(port=9006, host=name),
    )


class Parts:
    def __init__(self, store: SharedStore, runtime: Any) -> None:
        self.store = store
        self.shown = MemoryStore()
        self.controller = Controller(
            store=store,
            runtime=runtime,
            memory_store=self.shown,
            config=CONFIG,
            member_spec=member_spec,
        )

    async def create(self, name: str, spec: Any) -> None:
        await self.controller.execute(
            lambda state: admit_create(name, spec, dry_run=False, state=state)
        )

    async def until(self, check: Any) -> None:
        assert await self.shown.wait_until(lambda: True if check() else None, PATIENCE_S)

    def names(self, kind: Kind) -> set[str]:
        return {item.name for item in self.shown.of(kind)}

    async def connect(self, spu_id: int) -> int:
        session = self.controller.spu_connected(SpuId(spu_id))
        await self.until(lambda: self.online(spu_id))
        return session

    def online(self, spu_id: int) -> bool:
        return any(
            spu.spec.id == spu_id and spu.status.resolution is SpuStatusResolution.ONLINE
            for spu in self.shown.of(Kind.SPU)
        )


@asynccontextmanager
async def running(store: SharedStore, runtime: Any) -> AsyncIterator[Parts]:
    parts = Parts(store, runtime)
    await parts.controller.load()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(parts.controller.run())
        await parts.controller.execute(lambda state: [])
        yield parts
        task.cancel()


def topic(name: str, uid: str = "theirs") -> StoredObject:
    return StoredObject(
        kind=Kind.TOPIC,
        name=name,
        uid=uid,
        spec=TopicSpec(),
        status=TopicStatus(),
        resource_version=7,
    )


async def test_one_refused_object_does_not_stop_the_others(no_runtime: Any) -> None:
    store = SharedStore()
    store.refused = {"bad"}
    async with running(store, no_runtime) as parts:
        results = await asyncio.gather(
            parts.create("bad", TopicSpec()),
            parts.create("good", TopicSpec()),
            return_exceptions=True,
        )
        assert isinstance(results[0], NotReady)
        assert "may not be written" in str(results[0])
        assert results[1] is None
        assert "bad" not in parts.names(Kind.TOPIC)
        assert "good" in parts.names(Kind.TOPIC)
        store.refused = set()
        await parts.create("bad", TopicSpec())


async def test_what_reconciliation_could_not_write_comes_by_itself(no_runtime: Any) -> None:
    store = SharedStore()
    store.refused = {"main-0"}
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=2, min_id=SpuId(0)))
        assert parts.names(Kind.SPU) == {"main-1"}
        store.refused = set()
        await parts.until(lambda: parts.names(Kind.SPU) == {"main-0", "main-1"})


async def test_what_is_always_refused_is_tried_less_and_less(
    no_runtime: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedStore()
    store.refused = {"main-0"}
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1, min_id=SpuId(0)))
        async with asyncio.timeout(PATIENCE_S):
            await store.refused_often.wait()
    pauses_ms = [int(found) for found in re.findall(r"pause_ms=(\d+)", caplog.text)]
    assert len(pauses_ms) >= 3
    assert pauses_ms == sorted(pauses_ms)
    assert pauses_ms[2] > 2 * pauses_ms[0]


async def test_children_belong_to_the_identity_that_the_store_gave(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        await parts.create("t", TopicSpec())
        await parts.until(lambda: "t-0" in parts.names(Kind.PARTITION))
        partition = parts.shown.get(Kind.PARTITION, "t-0")
        assert partition is not None
        assert partition.owner is not None
        assert (partition.uid, partition.owner.uid) == ("given-t-0", "given-t")
        await parts.controller.execute(
            lambda state: [RequestDeletion(ObjectKey(Kind.TOPIC, "t"), "test")]
        )
        await parts.until(
            lambda: getattr(parts.shown.get(Kind.PARTITION, "t-0"), "deletion_requested", False)
        )


async def test_a_topic_from_outside_becomes_partitions(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        theirs = topic("t")
        store.objects[theirs.key] = theirs
        parts.controller.objects_changed({theirs.key: theirs})
        await parts.until(lambda: "t-0" in parts.names(Kind.PARTITION))
        stored = store.objects[theirs.key]
        assert stored.finalizers == (PARTITIONS_FINALIZER,)
        assert stored.status.resolution is TopicResolution.PROVISIONED

        # An echo that is older than what is known does not take the status back.
        parts.controller.objects_changed({theirs.key: replace(stored, status=TopicStatus())})
        await parts.controller.execute(lambda state: [])
        shown = parts.shown.get(Kind.TOPIC, "t")
        assert shown is not None
        assert shown.status.resolution is TopicResolution.PROVISIONED


async def test_an_unreadable_topic_keeps_its_partitions_and_says_why(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        await parts.create("t", TopicSpec())
        await parts.until(lambda: "t-0" in parts.names(Kind.PARTITION))
        key = ObjectKey(Kind.TOPIC, "t")
        parts.controller.objects_changed({key: replace(store.objects[key], problem="spec.x: no")})
        await parts.until(
            lambda: parts.shown.get(Kind.TOPIC, "t").status.reason == "spec.x: no"  # type: ignore[union-attr]
        )
        partition = parts.shown.get(Kind.PARTITION, "t-0")
        assert partition is not None
        assert not partition.deletion_requested


async def test_an_spu_that_is_to_go_is_given_nothing_more(no_runtime: Any) -> None:
    """Not even the system topic, which would hold its group back for ever."""
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        await parts.until(lambda: "consumer-offset-0" in parts.names(Kind.PARTITION))
        key = ObjectKey(Kind.SPU_GROUP, "main")
        going = replace(store.objects[key], deletion_requested=True)
        parts.controller.objects_changed({key: going})
        await parts.create("t", TopicSpec())
        topic = parts.shown.get(Kind.TOPIC, "t")
        assert topic is not None
        assert topic.status.resolution is TopicResolution.INSUFFICIENT_RESOURCES
        assert "main-0" in parts.names(Kind.SPU)  # it still holds the system topic

        await parts.create("other", SpuGroupSpec(replicas=1, min_id=SpuId(5)))
        await parts.connect(5)
        await parts.until(lambda: "t-0" in parts.names(Kind.PARTITION))
        partition = parts.shown.get(Kind.PARTITION, "t-0")
        assert partition is not None
        assert partition.spec.replicas == (5,)


async def test_partitions_whose_topic_was_cut_off_go(no_runtime: Any) -> None:
    """As `kubectl delete --cascade=orphan` leaves them."""
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        await parts.create("t", TopicSpec())
        await parts.until(lambda: "t-0" in parts.names(Kind.PARTITION))
        partition_key = ObjectKey(Kind.PARTITION, "t-0")
        orphan = replace(store.objects[partition_key], owner=None)
        store.objects[partition_key] = orphan
        parts.controller.objects_changed({ObjectKey(Kind.TOPIC, "t"): None, partition_key: orphan})
        await parts.until(lambda: parts.shown.get(Kind.PARTITION, "t-0").deletion_requested)  # type: ignore[union-attr]


async def test_a_group_gets_its_spus_and_shrinks_only_when_they_are_empty(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=2, min_id=SpuId(4)))
        assert parts.names(Kind.SPU) == {"main-0", "main-1"}
        key = ObjectKey(Kind.SPU_GROUP, "main")
        assert store.objects[key].finalizers == (MEMBERS_FINALIZER,)
        await parts.connect(4)
        await parts.connect(5)
        for name in ("a", "b"):  # one lands on each
            await parts.create(name, TopicSpec())

        def shrink(state: ClusterState) -> list[Action]:
            return [SetSpec(key, SpuGroupSpec(replicas=1, min_id=SpuId(4)), "test")]

        await parts.controller.execute(shrink)
        assert parts.names(Kind.SPU) == {"main-0", "main-1"}
        state = ClusterState(store.objects.values())
        blocking = held_up_by(store.objects[key], state)
        assert blocking is not None
        assert blocking.name == "main-1"


async def test_a_group_that_holds_nothing_goes_with_its_spus(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=2))
        await parts.controller.execute(
            lambda state: [RequestDeletion(ObjectKey(Kind.SPU_GROUP, "main"), "test")]
        )
        await parts.until(lambda: not parts.names(Kind.SPU) and not parts.names(Kind.SPU_GROUP))


async def test_a_group_that_grows_into_another_is_told_so(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("low", SpuGroupSpec(replicas=2, min_id=SpuId(0)))
        await parts.create("high", SpuGroupSpec(replicas=2, min_id=SpuId(2)))
        await parts.controller.execute(
            lambda state: [
                SetSpec(ObjectKey(Kind.SPU_GROUP, "low"), SpuGroupSpec(replicas=3), "test")
            ]
        )
        low = parts.shown.get(Kind.SPU_GROUP, "low")
        high = parts.shown.get(Kind.SPU_GROUP, "high")
        assert low is not None
        assert high is not None
        assert low.status == SpuGroupStatus(
            resolution=SpuGroupResolution.INVALID, reason="conflict with: 2"
        )
        assert high.status.resolution is SpuGroupResolution.RESERVED
        assert parts.names(Kind.SPU) == {"low-0", "low-1", "high-0", "high-1"}


async def test_an_address_of_the_platform_and_a_lost_pod_are_seen(no_runtime: Any) -> None:
    store = SharedStore()
    async with running(store, no_runtime) as parts:
        await parts.create("main", SpuGroupSpec(replicas=1))
        await parts.connect(0)
        reached = IngressPort(port=30004, ingress=(IngressAddress(ip="127.0.0.1"),))
        parts.controller.spu_reachable("main-0", reached)
        await parts.until(
            lambda: parts.shown.get(Kind.SPU, "main-0").spec.public_endpoint == reached  # type: ignore[union-attr]
        )
        parts.controller.spu_reachable("main-0", None)  # the last one stands
        parts.controller.spu_available(SpuId(0), "pod fluvio-spg-main-0 is gone")
        await parts.until(lambda: not parts.online(0))
        parts.controller.spu_available(SpuId(0), None)
        await parts.until(lambda: parts.online(0))
        spu = parts.shown.get(Kind.SPU, "main-0")
        assert spu is not None
        assert spu.spec.public_endpoint == reached


async def test_of_two_spus_with_one_id_the_first_counts(spu_spec: Any) -> None:
    def spu(name: str) -> StoredObject:
        return StoredObject(
            kind=Kind.SPU, name=name, uid=name, spec=spu_spec(7), status=SpuStatus()
        )

    state = ClusterState([spu("first"), spu("second")])
    assert state.spu(SpuId(7)) == spu("first")
    state.put(spu("first"))
    assert state.spu(SpuId(7)) == spu("first")
    state.remove(spu("first").key)
    assert state.spu(SpuId(7)) == spu("second")
