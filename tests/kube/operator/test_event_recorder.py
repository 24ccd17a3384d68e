"""Kubernetes Events: which are written, which are not, and how they read."""

from typing import Any

import pytest

from fluvio_operator.conditions.reasons import Reason
from fluvio_operator.event_recorder import BURST_MAX, EventRecorder, news_of
from fluvio_operator.kube_api import KubeApi
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionResolution, PartitionStatus
from fluvio_protocol.metadata.topic import TopicResolution, TopicSpec, TopicStatus
from fluvio_protocol.types import LeaderEpoch, SpuId
from fluvio_sc.core.actions import SetLeader, SetSpec, SetStatus
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.memory_store import MemoryStore

TOPIC = StoredObject(
    kind=Kind.TOPIC, name="orders", uid="t-uid", spec=TopicSpec(), status=TopicStatus()
)
KEY = TOPIC.key


class Parts:
    def __init__(self, server: Any, api: KubeApi) -> None:
        self.server = server
        self.now_s = 0.0
        self.may_write = True
        self.memory_store = MemoryStore()
        self.memory_store.publish([TOPIC], [])
        self.recorder = EventRecorder(
            api,
            "stream",
            self.memory_store,
            instance="pod-1",
            may_write=lambda: self.may_write,
            clock_s=lambda: self.now_s,
        )

    async def written(self) -> list[dict[str, Any]]:
        """All Events there are once the queue is empty."""
        await self.recorder.flush()
        return list(self.server.objects.values())


@pytest.mark.asyncio
async def test_an_event_says_what_where_and_who(server: Any, api: KubeApi) -> None:
    parts = Parts(server, api)
    status = TopicStatus(resolution=TopicResolution.INVALID_CONFIG, reason="no partitions")
    parts.recorder.performed([SetStatus(KEY, status, "invalid"), SetSpec(KEY, TOPIC.spec, "x")])
    (event,) = await parts.written()
    assert (event["type"], event["reason"], event["note"]) == (
        "Warning",
        "InvalidConfig",
        "no partitions",
    )
    assert event["regarding"] == {
        "apiVersion": "fluvio.infinyon.com/v2",
        "kind": "Topic",
        "name": "orders",
        "namespace": "stream",
        "uid": "t-uid",
    }
    assert event["reportingInstance"] == "pod-1"


@pytest.mark.asyncio
async def test_the_same_is_said_once_in_a_while_and_a_crowd_is_cut_short(
    server: Any, api: KubeApi
) -> None:
    parts = Parts(server, api)
    parts.recorder.record(TOPIC, Reason.UPDATED, "again")
    parts.recorder.record(TOPIC, Reason.UPDATED, "again")
    parts.now_s = 301.0
    parts.recorder.record(TOPIC, Reason.UPDATED, "again")
    assert len(parts.recorder._queue) == 2
    for number in range(BURST_MAX + 5):
        parts.recorder.record(TOPIC, Reason.UPDATED, f"number {number}")
    assert parts.recorder.dropped_count == 6
    assert len(await parts.written()) == BURST_MAX + 1


@pytest.mark.asyncio
async def test_who_does_not_lead_writes_none_and_a_refusal_stops_nobody(
    server: Any, api: KubeApi
) -> None:
    parts = Parts(server, api)
    server.fail("POST", 403)
    parts.recorder.record(TOPIC, Reason.UPDATED, "refused")
    parts.recorder.record(TOPIC, Reason.UPDATED, "written")
    assert [event["note"] for event in await parts.written()] == ["written"]
    parts.may_write = False
    parts.recorder.record(TOPIC, Reason.UPDATED, "too late")
    assert len(await parts.written()) == 1


def test_what_is_news() -> None:
    key = ObjectKey(Kind.PARTITION, "orders-0")
    elected = SetLeader(
        key, SpuId(2), LeaderEpoch(3), (SpuId(2),), PartitionStatus(), "leader is offline"
    )
    news = news_of(elected)
    assert news is not None
    assert (news.reason, news.is_warning) == (Reason.LEADER_CHANGED, False)
    assert news.note == "SPU 2 leads, leadership 3: leader is offline"
    online = PartitionStatus(resolution=PartitionResolution.ONLINE)
    assert news_of(SetStatus(key, online, "reported")) is None
