"""What the operator does on its way in and out: marks, and finalizers that nobody serves."""

from typing import Any

import pytest

from fluvio_operator.finalizer_release import (
    namespace_is_going,
    release,
    release_all,
    wants_release,
)
from fluvio_operator.kube_api import KubeApi
from fluvio_operator.leader_mark import LEADER_LABEL, mark_leader, unmark
from fluvio_protocol.metadata.kinds import Kind

pytestmark = pytest.mark.asyncio

OURS = "topics.finalizer.fluvio.infinyon.com"
TOPIC = "/apis/fluvio.infinyon.com/v2/namespaces/stream/topics/t"
GROUP = "/apis/fluvio.infinyon.com/v1/namespaces/stream/spugroups/g"
PODS = "/api/v1/namespaces/stream/pods"


async def test_finalizers_of_others_stay(server: Any, api: KubeApi) -> None:
    server.put(TOPIC, {"metadata": {"finalizers": ["theirs", OURS]}})
    group = {"metadata": {"finalizers": ["spugroups.finalizer.fluvio.infinyon.com"]}}
    server.put(GROUP, group)
    assert await release_all(api, "stream") == 2
    assert server.objects[TOPIC]["metadata"]["finalizers"] == ["theirs"]
    assert server.objects[GROUP]["metadata"]["finalizers"] == []
    assert await release_all(api, "stream") == 0


async def test_a_successor_of_the_same_name_keeps_its_own(server: Any, api: KubeApi) -> None:
    server.put(TOPIC, {"metadata": {"finalizers": [OURS]}})
    await release(api, "stream", Kind.TOPIC, "t", uid="of the one before")
    assert server.objects[TOPIC]["metadata"]["finalizers"] == [OURS]
    await release(api, "stream", Kind.TOPIC, "gone")
    server.fail("PATCH", 409)
    await release(api, "stream", Kind.TOPIC, "t")
    assert server.objects[TOPIC]["metadata"]["finalizers"] == []


async def test_an_author_may_say_that_it_need_not_wait() -> None:
    said = {"fluvio.io/release-finalizers": "true"}
    going = {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": [OURS]}
    assert wants_release({"metadata": {**going, "annotations": said}})
    assert not wants_release({"metadata": going})
    assert not wants_release({"metadata": {"finalizers": [OURS], "annotations": said}})
    assert not wants_release({"metadata": {**going, "finalizers": ["x"], "annotations": said}})


async def test_whether_the_namespace_goes(server: Any, api: KubeApi) -> None:
    path = "/api/v1/namespaces/stream"
    server.put(path, {"metadata": {}})
    assert not await namespace_is_going(api, "stream")
    server.put(path, {"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": "k"}})
    assert await namespace_is_going(api, "stream")
    server.fail("GET", 403)
    assert not await namespace_is_going(api, "stream")


async def test_one_pod_is_marked(server: Any, api: KubeApi) -> None:
    for name, app in (("sc-1", "fluvio-sc"), ("sc-2", "fluvio-sc"), ("other", "web")):
        labels = {"app": app, LEADER_LABEL: "true"} if name != "sc-2" else {"app": app}
        server.put(f"{PODS}/{name}", {"metadata": {"labels": labels}})
    await mark_leader(api, "stream", "sc-2")
    marked = [
        path.rpartition("/")[2]
        for path, body in server.objects.items()
        if LEADER_LABEL in body["metadata"]["labels"]
    ]
    assert marked == ["sc-2", "other"]
    count = sum(method == "PATCH" for method, _ in server.requests)
    await mark_leader(api, "stream", "sc-2")
    assert sum(method == "PATCH" for method, _ in server.requests) == count
    await unmark(api, "stream", "sc-2")
    await unmark(api, "stream", "gone")
    assert LEADER_LABEL not in server.objects[f"{PODS}/sc-2"]["metadata"]["labels"]
