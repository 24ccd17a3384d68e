"""Groups become StatefulSets and Services on a small API server, and what is seen is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fluvio_operator import kube_runtime
from fluvio_operator.conditions.reasons import Reason
from fluvio_operator.kube_api import KubeApi
from fluvio_operator.kube_cache import KubeCache, Watched, path_of
from fluvio_operator.kube_runtime import KubeRuntime
from fluvio_operator.manifests.plan import ClusterNames
from fluvio_operator.platform_view import PlatformView
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.spu import IngressPort, SpuStatus
from fluvio_protocol.metadata.spu_group import SpuGroupResolution, SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.types import SpuId
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.memory_store import MemoryStore

pytestmark = pytest.mark.asyncio

NAMES = ClusterNames("stream")
STATEFUL_SET = path_of(Watched.STATEFUL_SETS, "stream", "fluvio-spg-main")
CONFIG_MAP = path_of(Watched.CONFIG_MAPS, "stream", "spu-k8")


class Listener:
    """The controller and the recorder of Events, as far as the runtime speaks to them."""

    def __init__(self) -> None:
        self.reachable: dict[str, IngressPort | None] = {}
        self.problems: dict[int, str | None] = {}
        self.events: list[tuple[str, Reason, str]] = []

    def spu_reachable(self, spu_name: str, endpoint: IngressPort | None) -> None:
        self.reachable[spu_name] = endpoint

    def spu_available(self, spu_id: SpuId, problem: str | None) -> None:
        self.problems[spu_id] = problem

    def record(
        self, item: StoredObject, reason: Reason, note: str, *, warning: bool = False
    ) -> None:
        self.events.append((item.name, reason, note))


class Parts:
    """A runtime, and the means to say what there is."""

    def __init__(self, server: Any, api: KubeApi) -> None:
        self.server = server
        self.api = api
        self.memory_store = MemoryStore()
        self.view = PlatformView()
        self.listener = Listener()
        self.cache = KubeCache("stream")
        self.may_write = True
        self.runtime = KubeRuntime(
            api,
            self.cache,
            NAMES,
            self.memory_store,
            self.view,
            self.listener,  # type: ignore[arg-type]
            may_write=lambda: self.may_write,
            config_map="spu-k8",
        )
        self.runtime.controller = self.listener  # type: ignore[assignment]

    def group(self, replicas: int, **more: Any) -> StoredObject:
        group = StoredObject(
            kind=Kind.SPU_GROUP,
            name="main",
            uid="group-uid",
            spec=SpuGroupSpec(replicas=replicas, min_id=10),
            status=SpuGroupStatus(resolution=SpuGroupResolution.RESERVED),
        )
        group = replace(group, **more)
        spus = [
            StoredObject(
                kind=Kind.SPU,
                name=f"main-{number}",
                uid=f"spu-{number}",
                spec=self.runtime.member_spec(group, number),
                status=SpuStatus(),
                owner=group.as_owner,
            )
            for number in range(replicas)
        ]
        gone = [
            spu.key
            for spu in list(self.memory_store.of(Kind.SPU))
            if spu.name not in {spu.name for spu in spus}
        ]
        self.memory_store.publish([group, *spus], gone)
        return group

    async def until(self, is_so: Callable[[], bool]) -> None:
        """The small server has no clock: whatever it was told, it tells at once."""
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0)
                for path, body in list(self.server.objects.items()):
                    kind = Watched(path.split("/")[-2])
                    known = self.cache.get(kind, body["metadata"]["name"])
                    if known != body:
                        self.cache.observe(kind, body)

    def names(self, kind: Watched) -> list[str]:
        collection = path_of(kind, "stream")
        return sorted(
            path.rpartition("/")[2]
            for path in self.server.objects
            if path.rpartition("/")[0] == collection
        )


@pytest_asyncio.fixture
async def parts(server: Any, api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parts]:
    monkeypatch.setattr(kube_runtime, "PASS_INTERVAL_S", 0.0)
    server.put(CONFIG_MAP, {"data": {"image": "fluvio-spu:1"}})
    parts = Parts(server, api)
    await parts.cache.load(api)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(parts.runtime.run())
        yield parts
        running.cancel()


async def test_a_group_is_built_and_its_spus_are_reached(parts: Parts) -> None:
    parts.group(2)
    await parts.until(lambda: STATEFUL_SET in parts.server.objects)
    assert parts.names(Watched.SERVICES) == [
        "fluvio-spg-main",
        "fluvio-spu-main-0",
        "fluvio-spu-main-1",
    ]
    assert parts.server.objects[STATEFUL_SET]["spec"]["replicas"] == 2
    await parts.until(lambda: parts.names(Watched.DISRUPTION_BUDGETS) == ["fluvio-spu"])
    assert parts.listener.problems[10] == "pod fluvio-spg-main-0 does not exist"

    service = parts.server.objects[path_of(Watched.SERVICES, "stream", "fluvio-spu-main-0")]
    service["spec"]["type"] = "NodePort"
    service["spec"]["ports"][0]["nodePort"] = 31000
    node = {
        "metadata": {"labels": {"topology.kubernetes.io/zone": "north"}},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]},
    }
    parts.server.put(path_of(Watched.NODES, "stream", "n"), node)
    pod = {
        "metadata": {"labels": {"app": "spu"}},
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }
    parts.server.put(path_of(Watched.PODS, "stream", "fluvio-spg-main-0"), pod)
    await parts.until(lambda: parts.listener.problems[10] is None)
    endpoint = parts.listener.reachable["main-0"]
    assert endpoint is not None
    assert (endpoint.host, endpoint.port) == ("10.0.0.7", 31000)
    assert parts.view.spu("main-0").node == "n"
    group = parts.memory_store.get(Kind.SPU_GROUP, "main")
    assert group is not None
    assert parts.runtime.member_spec(group, 0).rack == "north"


async def test_what_others_change_is_changed_back_and_nothing_else_is_written(
    parts: Parts,
) -> None:
    parts.group(1)
    await parts.until(lambda: bool(parts.names(Watched.DISRUPTION_BUDGETS)))
    writes = [request for request in parts.server.requests if request[0] != "GET"]
    assert len(writes) == len(set(writes)) == 4
    changed = parts.server.objects[STATEFUL_SET]
    spec = {**changed["spec"], "replicas": 7}
    parts.server.put(STATEFUL_SET, {**changed, "metadata": dict(changed["metadata"]), "spec": spec})
    await parts.until(lambda: parts.server.objects[STATEFUL_SET]["spec"]["replicas"] == 1)
    await parts.until(lambda: parts.listener.events[-1][1] is Reason.DRIFT_CORRECTED)
    reasons = [reason for _, reason, _ in parts.listener.events]
    assert reasons.count(Reason.DRIFT_CORRECTED) == 1


async def test_a_smaller_group_loses_its_last_service_and_pod(parts: Parts) -> None:
    parts.group(2)
    await parts.until(lambda: STATEFUL_SET in parts.server.objects)
    parts.group(1)
    await parts.until(lambda: parts.server.objects[STATEFUL_SET]["spec"]["replicas"] == 1)
    await parts.until(lambda: "fluvio-spu-main-1" not in parts.names(Watched.SERVICES))
    assert parts.listener.reachable["main-1"] is None


async def test_an_spu_that_should_go_and_holds_replicas_is_named(parts: Parts) -> None:
    group = parts.group(2)
    partition = StoredObject(
        kind=Kind.PARTITION,
        name="t-0",
        uid="p",
        spec=PartitionSpec(leader=SpuId(11), replicas=(SpuId(11),)),
        status=PartitionStatus(),
    )
    smaller = replace(group, spec=replace(group.spec, replicas=1))
    parts.memory_store.publish([partition, smaller], [])
    await parts.until(lambda: parts.view.group("main").observed.held_up_by == "main-1")
    assert parts.server.objects[STATEFUL_SET]["spec"]["replicas"] == 2


async def test_what_cannot_be_built_is_not_built(parts: Parts) -> None:
    parts.group(1)
    await parts.until(lambda: bool(parts.names(Watched.DISRUPTION_BUDGETS)))
    count = len(parts.server.requests)
    parts.server.put(CONFIG_MAP, {"data": {"image": ""}})
    await parts.until(lambda: parts.view.group("main").observed.invalid is not None)
    assert "image" in str(parts.view.group("main").observed.invalid)
    assert len(parts.server.requests) == count


async def test_a_group_that_is_held_back_is_left_alone(parts: Parts) -> None:
    parts.group(1, annotations={"fluvio.io/pause-reconciliation": "true"})
    await parts.until(lambda: parts.view.group("main").observed.paused)
    assert parts.names(Watched.STATEFUL_SETS) == []
    parts.group(1)
    await parts.until(lambda: STATEFUL_SET in parts.server.objects)


async def test_ids_that_are_not_reserved_build_nothing(parts: Parts) -> None:
    status = SpuGroupStatus(resolution=SpuGroupResolution.INVALID, reason="conflict with: 10")
    parts.group(1, status=status)
    await parts.until(lambda: parts.view.group("main").observed is not None)
    assert parts.names(Watched.STATEFUL_SETS) == []


async def test_a_refusal_is_told_and_tried_again(parts: Parts, server: Any) -> None:
    server.fail("PATCH", 403, path="/statefulsets")
    parts.group(1)
    await parts.until(lambda: parts.view.group("main").observed.failing is not None)
    await parts.until(lambda: STATEFUL_SET in parts.server.objects)
    await parts.until(lambda: parts.view.group("main").observed.failing is None)
    assert ("main", Reason.APPLY_FAILED) in [event[:2] for event in parts.listener.events]


async def test_who_does_not_lead_writes_nothing(parts: Parts) -> None:
    parts.may_write = False
    parts.group(1)
    await parts.runtime._pass()
    assert parts.names(Watched.STATEFUL_SETS) == []
