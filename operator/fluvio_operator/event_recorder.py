"""Kubernetes Events: what happened to an object, for `kubectl describe` and for alerts.

`record` and `performed` put into a bounded queue and return; `run` writes. Events are news, not
state: one that cannot be written is dropped, the same one again within a few minutes is not
written, and a crowd of them (an SPU that led thousands of partitions) is cut short.
"""

import asyncio
import logging
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fluvio_crd.resources import resource_of
from fluvio_operator.conditions.reasons import Reason
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.manifests.names import FIELD_MANAGER
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_protocol.metadata.spu_group import SpuGroupResolution
from fluvio_protocol.metadata.topic import TopicResolution
from fluvio_sc.core.actions import Action, SetLeader, SetStatus
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.memory_store import MemoryStore

_log = logging.getLogger(__name__)

CONTROLLER_NAME = "fluvio.infinyon.com/operator"
QUEUE_MAX = 256
BURST_MAX = 50
RATE_PER_S = 5.0
REPEAT_S = 300.0
REMEMBERED_MAX = 1_000
NOTE_LENGTH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class News:
    """One event. uid: None means that of the object as it is shown when the event is written."""

    key: ObjectKey
    reason: Reason
    note: str
    is_warning: bool
    uid: str | None = None


class EventRecorder:
    """See the module. `dropped_count` counts what nobody will read."""

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        memory_store: MemoryStore,
        *,
        instance: str,
        may_write: Callable[[], bool],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped_count = 0
        self._api = api
        self._namespace = namespace
        self._memory_store = memory_store
        self._instance = instance
        self._may_write = may_write
        self._clock_s = clock_s
        self._queue: deque[News] = deque()
        self._wake = asyncio.Event()
        self._written_at_s: OrderedDict[News, float] = OrderedDict()
        self._allowance = float(BURST_MAX)
        self._allowance_at_s = clock_s()

    def record(
        self, item: StoredObject, reason: Reason, note: str, *, warning: bool = False
    ) -> None:
        """Something happened to an object."""
        self._put(News(item.key, reason, note[:NOTE_LENGTH_MAX], warning, item.uid))

    def performed(self, actions: Sequence[Action]) -> None:
        """The controller did something, and it is stored."""
        for action in actions:
            news = news_of(action)
            if news is not None:
                self._put(news)

    async def run(self) -> None:
        """Write what is queued, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what is queued now."""
        while self._queue:
            await self._write(self._queue.popleft())

    def _put(self, news: News) -> None:
        now_s = self._clock_s()
        written_s = self._written_at_s.get(news)
        if written_s is not None and now_s - written_s < REPEAT_S:
            return
        self._allowance += (now_s - self._allowance_at_s) * RATE_PER_S
        self._allowance = min(self._allowance, float(BURST_MAX))
        self._allowance_at_s = now_s
        if self._allowance < 1 or len(self._queue) >= QUEUE_MAX:
            self.dropped_count += 1
            return
        self._allowance -= 1
        self._written_at_s[news] = now_s
        self._written_at_s.move_to_end(news)
        if len(self._written_at_s) > REMEMBERED_MAX:
            self._written_at_s.popitem(last=False)
        self._queue.append(news)
        self._wake.set()

    async def _write(self, news: News) -> None:
        if not self._may_write():
            return
        item = self._memory_store.get(news.key.kind, news.key.name)
        uid = news.uid or (None if item is None else item.uid)
        if uid is None:
            return  # it came and went
        path = f"/apis/events.k8s.io/v1/namespaces/{self._namespace}/events"
        try:
            await self._api.create(path, self._body(news, uid), manager=FIELD_MANAGER)
        except KubeError as error:
            self.dropped_count += 1
            _log.debug("event=event_not_written key=%s reason=%s", news.key, error)

    def _body(self, news: News, uid: str) -> Body:
        resource = resource_of(news.key.kind)
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{news.key.name}.{uuid.uuid4().hex[:16]}",
                "namespace": self._namespace,
            },
            "eventTime": now,
            "reportingController": CONTROLLER_NAME,
            "reportingInstance": self._instance[:128],
            "action": news.reason.value,
            "reason": news.reason.value,
            "type": "Warning" if news.is_warning else "Normal",
            "note": news.note,
            "regarding": {
                "apiVersion": resource.group_version,
                "kind": resource.kube_kind,
                "name": news.key.name,
                "namespace": self._namespace,
                "uid": uid,
            },
        }


def news_of(action: Action) -> News | None:
    """What people want to hear of an action of the controller; None for most."""
    if isinstance(action, SetLeader):
        note = f"SPU {action.leader} leads, leadership {action.leader_epoch}: {action.reason}"
        return News(action.key, Reason.LEADER_CHANGED, note, is_warning=False)
    if not isinstance(action, SetStatus):
        return None
    told = _STATES.get((action.key.kind, getattr(action.status, "resolution", None)))
    if told is None:
        return None
    reason, is_warning = told
    note = getattr(action.status, "reason", "") or action.reason
    return News(action.key, reason, note[:NOTE_LENGTH_MAX], is_warning)


_STATES: dict[tuple[Kind, object], tuple[Reason, bool]] = {
    (Kind.TOPIC, TopicResolution.PROVISIONED): (Reason.PROVISIONED, False),
    (Kind.TOPIC, TopicResolution.INSUFFICIENT_RESOURCES): (Reason.INSUFFICIENT_SPUS, True),
    (Kind.TOPIC, TopicResolution.INVALID_CONFIG): (Reason.INVALID_CONFIG, True),
    (Kind.PARTITION, PartitionResolution.LEADER_OFFLINE): (Reason.NO_ELIGIBLE_REPLICA, True),
    (Kind.PARTITION, PartitionResolution.OUT_OF_STORAGE): (Reason.DISK_FULL, True),
    (Kind.SPU, SpuStatusResolution.ONLINE): (Reason.SPU_ONLINE, False),
    (Kind.SPU, SpuStatusResolution.OFFLINE): (Reason.SPU_OFFLINE, True),
    (Kind.SPU_GROUP, SpuGroupResolution.RESERVED): (Reason.IDS_RESERVED, False),
    (Kind.SPU_GROUP, SpuGroupResolution.INVALID): (Reason.CONFLICT, True),
}
