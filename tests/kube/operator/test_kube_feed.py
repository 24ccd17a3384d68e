"""The watches, through kopf and over HTTP: what is there, what comes, changes and goes."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluvio_operator import kube_feed
from fluvio_operator.kube_feed import KubeFeed, Resource

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

TOPICS = Resource("fluvio.infinyon.com", "v2", "topics")
SERVICES = Resource("", "v1", "services")
NODES = Resource("", "v1", "nodes")
PATHS = {
    TOPICS: "/apis/fluvio.infinyon.com/v2/namespaces/stream/topics",
    SERVICES: "/api/v1/namespaces/stream/services",
    NODES: "/api/v1/nodes",
}


class Told:
    """What the feed told, and waiting for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, bool]] = []
        self._news = asyncio.Event()

    def take(self, resource: Resource, body: Any, deleted: bool) -> None:
        if body["metadata"]["name"] == "poison":
            raise RuntimeError("cannot be taken")
        self.events.append((resource.plural, body["metadata"]["name"], deleted))
        self._news.set()

    async def until(self, *event: Any) -> None:
        async with asyncio.timeout(30):
            while event not in self.events:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def kubeconfig(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))


def put(server: Any, resource: Resource, name: str, **more: Any) -> None:
    server.put(f"{PATHS[resource]}/{name}", {"metadata": {"name": name}, **more})


@pytest.mark.usefixtures("kubeconfig")
async def test_everything_that_happens_is_told(server: Any) -> None:
    put(server, TOPICS, "there")
    put(server, NODES, "node")
    told = Told()
    feed = KubeFeed("stream", [TOPICS, SERVICES, NODES], told.take)
    feed.start()
    try:
        await told.until("topics", "there", False)
        await told.until("nodes", "node", False)
        put(server, SERVICES, "new")
        await told.until("services", "new", False)
        put(server, TOPICS, "poison")  # is logged, and hides nothing
        put(server, TOPICS, "there", spec={"changed": True})
        body = server.objects[f"{PATHS[SERVICES]}/new"]
        body["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
        put(server, SERVICES, "new", metadata=dict(body["metadata"]))
        await told.until("services", "new", True)
        async with asyncio.timeout(30):
            while told.events.count(("topics", "there", False)) < 2:
                told._news.clear()
                await told._news.wait()
        assert feed.failure() is None
        assert feed.event_count >= len(told.events)
        assert not any(method in ("PATCH", "POST", "PUT") for method, _ in server.requests)
    finally:
        await feed.stop()
    assert feed.failure() is None


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("missing", [False, True])
async def test_a_watch_that_is_missing_is_noticed(
    server: Any, monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    """kopf goes on without what the API server does not have."""
    monkeypatch.setattr(kube_feed, "LOOK_INTERVAL_S", 0.02)
    monkeypatch.setattr(kube_feed, "LOST_PATIENCE_S", 3.0)
    put(server, TOPICS, "there")
    told = Told()
    nonesuch = Resource("fluvio.infinyon.com", "v2", "nonesuches")
    feed = KubeFeed("stream", [TOPICS, *([nonesuch] if missing else ())], told.take)
    feed.start()
    try:
        await told.until("topics", "there", False)
        begun_s = time.monotonic()
        while feed.failure() is None and time.monotonic() - begun_s < 6.0:
            put(server, TOPICS, "news")
            await asyncio.to_thread(time.sleep, 0.05)
        assert (feed.failure() is not None) is missing
    finally:
        await feed.stop()
