"""The status writer over a small API server and a memory store, on a clock that tests set."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from fluvio_crd.resources import resource_of
from fluvio_operator import kube_api
from fluvio_operator.conditions.spu_group import GroupObservation
from fluvio_operator.kube_api import KubeApi
from fluvio_operator.platform_view import GroupOnPlatform, PlatformView, SpuOnPlatform
from fluvio_operator.status_writer import StatusWriter
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import MirrorStatus, RemoteMirror
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.metadata.smart_module import (
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
)
from fluvio_protocol.metadata.spu_group import SpuGroupResolution, SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.table_format import TableFormatSpec, TableFormatStatus
from fluvio_protocol.metadata.topic import (
    ComputedReplicas,
    TopicResolution,
    TopicSpec,
    TopicStatus,
)
from fluvio_protocol.types import LeaderEpoch, Offset, SpuId
from fluvio_sc.core.cluster_state import ObjectKey, OwnerReference, StoredObject
from fluvio_sc.core.replication_state import ReplicationState
from fluvio_sc.memory_store import MemoryStore

_spec = importlib.util.spec_from_file_location(
    "api_server", Path(__file__).parent.with_name("store") / "api_server.py"
)
assert _spec is not None
assert _spec.loader is not None
api_server: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api_server)

pytestmark = pytest.mark.asyncio


class Parts:
    """now_s: the writer's clock; the day's time has the same seconds."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.memory_store = MemoryStore()
        self.view = PlatformView()
        self.now_s = 0.0
        self.may_write = True
        self.answered: list[Any] = []
        self.writer: StatusWriter

    def connect(self, client: ApiClient) -> None:
        self.writer = StatusWriter(
            KubeApi(client),
            "stream",
            self.memory_store,
            self.view,
            may_write=lambda: self.may_write,
            written=lambda kind, body: self.answered.append(body),
            clock_s=lambda: self.now_s,
            now_rfc3339=lambda: (
                f"2026-01-01T00:{int(self.now_s) // 60:02}:{int(self.now_s) % 60:02}Z"
            ),
        )

    def path(self, item: StoredObject) -> str:
        resource = resource_of(item.kind)
        return f"/apis/{resource.group_version}/namespaces/stream/{resource.plural}/{item.name}"

    def keep(self, items: Iterable[StoredObject]) -> None:
        """The objects exist on the server, with no status, and are published."""
        for item in items:
            self.server.put(self.path(item), {"metadata": {"uid": item.uid}})
            self.writer.observe(item.kind, self.server.objects[self.path(item)])
        self.memory_store.publish(items, ())

    async def settle(self, seconds: float = 0.0) -> None:
        self.now_s += seconds
        self.writer.look_again()
        await self.writer.rest()

    def status(self, item: StoredObject) -> Any:
        return self.server.objects[self.path(item)].get("status")

    def writes_of(self, item: StoredObject) -> int:
        return int(self.server.requests.count(("PATCH", self.path(item) + "/status")))


@asynccontextmanager
async def running() -> AsyncIterator[Parts]:
    async with api_server.ApiServer().serving() as server:
        configuration = Configuration(host=f"http://127.0.0.1:{server.port}")
        parts = Parts(server)
        async with ApiClient(configuration) as client, asyncio.TaskGroup() as tasks:
            parts.connect(client)
            task = tasks.create_task(parts.writer.run())
            await asyncio.sleep(0)
            yield parts
            task.cancel()


def make_topic(partitions: int = 1) -> StoredObject:
    return StoredObject(
        kind=Kind.TOPIC,
        name="orders",
        uid="uid-orders",
        spec=TopicSpec(replicas=ComputedReplicas(partitions=partitions, replication_factor=2)),
        status=TopicStatus(resolution=TopicResolution.PROVISIONED),
        generation=3,
    )


def make_partition(
    number: int = 0, resolution: PartitionResolution = PartitionResolution.ONLINE, leo: int = 7
) -> StoredObject:
    return StoredObject(
        kind=Kind.PARTITION,
        name=f"orders-{number}",
        uid=f"uid-{number}",
        spec=PartitionSpec(leader=SpuId(0), replicas=(SpuId(0), SpuId(1))),
        status=PartitionStatus(
            resolution=resolution,
            leader=ReplicaStatus(spu=SpuId(0), hw=Offset(5), leo=Offset(leo)),
            replicas=(ReplicaStatus(spu=SpuId(1), hw=Offset(5), leo=Offset(5)),),
            size=100,
        ),
        owner=OwnerReference(Kind.TOPIC, "orders", "uid-orders"),
        leader_epoch=LeaderEpoch(2),
        replication=ReplicationState.of_spus((SpuId(0), SpuId(1))),
    )


def make_spu(number: int = 0, name: str = "") -> StoredObject:
    ingress = (IngressAddress(hostname="edge.example.test"),)
    return StoredObject(
        kind=Kind.SPU,
        name=name or f"main-{number}",
        uid=f"uid-spu-{name or number}",
        spec=SpuSpec(
            id=SpuId(number),
            public_endpoint=IngressPort(port=30004, ingress=ingress),
            private_endpoint=Endpoint(port=9006, host="inside"),
        ),
        status=SpuStatus(resolution=SpuStatusResolution.ONLINE),
        owner=OwnerReference(Kind.SPU_GROUP, "main", "uid-main"),
    )


def make_group() -> StoredObject:
    return StoredObject(
        kind=Kind.SPU_GROUP,
        name="main",
        uid="uid-main",
        spec=SpuGroupSpec(replicas=1),
        status=SpuGroupStatus(resolution=SpuGroupResolution.RESERVED),
    )


FILTER = bytes.fromhex(
    "0061736d0100000001120360017f017f60027f7f0060037f7f7f017f021401"
    "03656e760c636f70795f7265636f726473000103030200020503010001071b"
    "0305616c6c6f6300010666696c7465720002066d656d6f727902000a09020300000b0300000b"
)
"""Code that exports what a filter has to."""


def stateless() -> list[StoredObject]:
    module = SmartModuleSpec(wasm=SmartModuleWasm(payload=FILTER))
    return [
        StoredObject(Kind.SMART_MODULE, "sift", "uid-sift", module, SmartModuleStatus()),
        StoredObject(
            Kind.TABLE_FORMAT, "rows", "uid-rows", TableFormatSpec(name="rows"), TableFormatStatus()
        ),
        StoredObject(Kind.MIRROR, "edge", "uid-edge", RemoteMirror(id="edge"), MirrorStatus()),
    ]


def as_text(status: Any) -> str:
    """Conditions first, then fields by name; one to a line."""
    lines = [f"{each['type']}={each['status']} {each['reason']}" for each in status["conditions"]]
    fields = sorted((name, value) for name, value in status.items() if name != "conditions")
    lines += (f"{name}: {value}" for name, value in fields)
    return "".join(f"    {line}\n" for line in lines)


def changed(item: StoredObject, **status: Any) -> StoredObject:
    return replace(item, status=replace(item.status, **status))


async def test_a_cluster_as_text() -> None:
    async with running() as parts:
        parts.view.show_spu("main-0", SpuOnPlatform(node="worker"))
        observed = GroupObservation(replicas=1, ready=1, updated=1)
        parts.view.show_group("main", GroupOnPlatform(observed, "spu:0.1.0"))
        items = [make_topic(), make_partition(), make_spu(), make_group(), *stateless()]
        parts.keep(items)
        await parts.settle()
        told = "\n".join(f"{item.kind}\n{as_text(parts.status(item))}" for item in items)
        assert told == Path(__file__).with_name("statuses.txt").read_text()
        assert len(parts.answered) == parts.writer.write_count == len(items)
        assert parts.writer.pending_count == 0
        await parts.settle(100)
        assert parts.writer.write_count == len(items)


async def test_what_is_so_already_is_not_written() -> None:
    async with running() as parts:
        topic = make_topic()
        parts.keep([topic])
        await parts.settle()
        body = parts.server.objects[parts.path(topic)]
        since = body["status"]["conditions"][0]["lastTransitionTime"]
        second = StatusWriter(  # of the next process
            parts.writer._api, "stream", parts.memory_store, PlatformView(), may_write=lambda: True
        )
        second.observe(Kind.TOPIC, body)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(second.run())
            await asyncio.sleep(0)
            await second.rest()
            task.cancel()
        assert second.write_count == 0
        # A condition whose status stays keeps its time.
        parts.memory_store.publish([replace(topic, generation=4)], ())
        await parts.settle(30)
        again = parts.status(topic)
        assert again["observedGeneration"] == 4
        assert again["conditions"][0]["lastTransitionTime"] == since == "2026-01-01T00:00:00Z"


async def test_many_partitions_cost_a_topic_few_writes() -> None:
    async with running() as parts:
        topic, spu = make_topic(200), make_spu()
        starting = [make_partition(n, PartitionResolution.OFFLINE) for n in range(200)]
        parts.keep([topic, spu, *starting])
        await parts.settle()
        assert parts.writes_of(starting[0]) == 0
        for item in starting:
            parts.memory_store.publish([changed(item, resolution=PartitionResolution.ONLINE)], ())
        await parts.settle(0.6)
        await parts.settle(10)
        assert all(parts.writes_of(item) == 1 for item in starting)
        assert parts.writes_of(topic) == 2
        assert parts.writes_of(spu) == 1
        assert parts.status(topic)["partitions"] == 200
        assert parts.status(topic)["conditions"][0]["status"] == "True"


async def test_a_partition_that_does_not_come_online_is_told_of() -> None:
    async with running() as parts:
        waiting = make_partition(0, PartitionResolution.OFFLINE)
        parts.keep([waiting])
        await parts.settle(0.9)
        assert parts.status(waiting) is None
        await parts.settle(0.2)
        assert parts.status(waiting)["resolution"] == "Offline"


async def test_numbers_have_a_budget() -> None:
    async with running() as parts:
        items = [make_partition(number) for number in range(200)]
        parts.keep(items)
        await parts.settle()
        before = parts.writer.write_count
        for second in range(1, 31):
            fresh = ReplicaStatus(spu=SpuId(0), hw=Offset(5), leo=Offset(7 + second))
            parts.memory_store.publish([changed(item, leader=fresh) for item in items], ())
            at = parts.writer.write_count
            await parts.settle(1)
            assert parts.writer.write_count - at <= 60
        written = parts.writer.write_count - before
        assert 200 <= written <= 600
        assert all(1 <= parts.writes_of(item) - 1 <= 3 for item in items)
        for _ in range(40):
            await parts.settle(1)
        assert all(parts.status(item)["leader"]["leo"] == 37 for item in items)
        at = parts.writer.write_count
        await parts.settle(1000)
        assert parts.writer.write_count == at


async def test_what_others_write_is_put_right_every_five_seconds() -> None:
    async with running() as parts:
        topic = make_topic()
        parts.keep([topic])
        await parts.settle()
        body = parts.server.objects[parts.path(topic)]
        body["status"]["type"] = "mine"
        body["status"]["conditions"].append({"type": "Theirs", "status": "True"})
        parts.writer.observe(Kind.TOPIC, parts.server.put(parts.path(topic), body))
        await parts.settle(4.9)
        assert parts.status(topic)["type"] == "mine"
        await parts.settle(0.2)
        assert parts.status(topic)["type"] == "computed"
        assert {"type": "Theirs", "status": "True"} in parts.status(topic)["conditions"]
        assert parts.writes_of(topic) == 2


@pytest.mark.parametrize("status", [404, 409])
async def test_one_that_is_gone_is_let_go(status: int) -> None:
    async with running() as parts:
        topic = make_topic()
        parts.server.failures.append(api_server.Failure("PATCH", status))
        parts.keep([topic])
        await parts.settle()
        await parts.settle(100)
        assert parts.writes_of(topic) == 1
        assert parts.writer.pending_count == 0


async def test_one_that_was_replaced_is_not_written() -> None:
    async with running() as parts:
        topic = make_topic()
        parts.server.put(parts.path(topic), {"metadata": {"uid": "successor"}})
        parts.memory_store.publish([topic], ())
        await parts.settle()
        assert parts.status(topic) is None


@pytest.mark.parametrize("status", [400, 422, 500])
async def test_one_that_is_refused_does_not_block_others(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kube_api, "ATTEMPTS_MAX", 1)
    async with running() as parts:
        topic, other = make_topic(), make_spu()
        parts.server.failures += [api_server.Failure("PATCH", status, "/topics/")] * 2
        parts.keep([topic, other])
        await parts.settle()
        assert parts.status(other)["resolution"] == "Online"
        await parts.settle(0.1)
        assert parts.writes_of(topic) == 1
        await parts.settle(0.15)
        assert parts.writes_of(topic) == 2
        await parts.settle(0.3)
        assert parts.writes_of(topic) == 2
        await parts.settle(0.2)
        assert parts.status(topic)["resolution"] == "Provisioned"
        assert caplog.text.count("status_not_written") == 1


async def test_nothing_is_written_while_we_may_not() -> None:
    async with running() as parts:
        parts.may_write = False
        topic = make_topic()
        parts.keep([topic])
        await parts.settle(10)
        assert parts.status(topic) is None
        assert parts.writer.pending_count == 1
        assert parts.writer.lag == 10
        parts.may_write = True
        await parts.settle()
        assert parts.status(topic)["resolution"] == "Provisioned"


async def test_a_flush_writes_what_waits() -> None:
    async with running() as parts:
        waiting = make_partition(0, PartitionResolution.OFFLINE)
        parts.keep([waiting])
        await parts.writer.flush(5.0)
        assert parts.status(waiting)["resolution"] == "Offline"
        parts.may_write = False
        parts.memory_store.publish([changed(waiting, resolution=PartitionResolution.ONLINE)], ())
        await parts.writer.flush(5.0)
        assert parts.status(waiting)["resolution"] == "Offline"


async def test_the_second_spu_of_an_id_is_told_so() -> None:
    async with running() as parts:
        first, second = make_spu(0), make_spu(0, "edge")
        parts.keep([first])
        parts.keep([second])
        await parts.settle()
        assert parts.status(second)["conditions"][0]["reason"] == "IdTaken"
        parts.memory_store.publish((), [ObjectKey(Kind.SPU, first.name)])
        await parts.settle(1)
        assert parts.status(second)["conditions"][0]["reason"] == "Registered"


async def test_tombstones_are_left_alone() -> None:
    async with running() as parts:
        spu = make_spu()
        parts.server.put(
            parts.path(spu),
            {"metadata": {"uid": spu.uid}, "status": {"tombstones": [{"topic": "t"}]}},
        )
        parts.memory_store.publish([spu], ())
        await parts.settle()
        assert parts.status(spu)["tombstones"] == [{"topic": "t"}]
        assert parts.status(spu)["resolution"] == "Online"
