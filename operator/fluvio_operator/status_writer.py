"""Writes what the objects are to their `/status`, by server-side apply, and no more than needed.

Runs in the process that leads, in the event loop of the controller. Called by `app.py`; fed by the
memory store, the view of the platform, and every body that a watch or a listing shows (`observe`).

An object is marked when its status may read differently, and computed when a worker takes it, so
that many changes cost one write. Structural changes go at once; numbers of traffic (hw, leo, size,
what followers have) seldom, and all of them together within a budget. Nothing is written that the
live status says already.

Invariants: one object is in the hands of one worker at most; a mark made meanwhile is not lost.
"""

import asyncio
import heapq
import json
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fluvio_crd.resources import RESOURCES, resource_of
from fluvio_operator.conditions.condition import merge_conditions
from fluvio_operator.conditions.partition import is_starting
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.kube_objects import object_path
from fluvio_operator.platform_view import PlatformView
from fluvio_operator.status_body import (
    Relations,
    StatusBodies,
    affected_by,
    is_structural,
    says,
    what_we_say,
)
from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.memory_store import MemoryStore, Publication

_log = logging.getLogger(__name__)

FIELD_MANAGER = "fluvio-operator-status"
WORKERS = 16
SPACING_S = 0.5
"""Between two writes of one object."""
START_PATIENCE_S = 1.0
"""A new partition is given this long to come online before its status is written."""
FOREIGN_SPACING_S = 5.0
"""Between two writes of one object whose status somebody else writes as well."""
TELEMETRY_SPACING_S = 10.0
TELEMETRY_WRITES_PER_S = 50.0
TELEMETRY_BURST = 10
RETRY_INITIAL_S = 0.2
RETRY_MAX_S = 60.0
HELD_BACK_S = 1.0
"""While we may not write, how often we ask whether we may."""

_KINDS = tuple(resource.kind for resource in RESOURCES)
_LONG_AGO = float("-inf")
_NEVER = float("inf")


def _now_rfc3339() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Record:
    """What is known of one object.

    live:          its live status as far as it can be ours, as JSON; None: not known to have one
    version:       resource version of the live status; older news are stale
    urgent_at:     when a structural change is due; never: there is none
    telemetry_at:  the same of numbers
    """

    __slots__ = (
        "failures", "held_until", "in_hand", "key", "live", "retry_at", "seen", "telemetry_at",
        "uid", "urgent_at", "version", "written_at",
    )  # fmt: skip

    def __init__(self, key: ObjectKey) -> None:
        self.key = key
        self.seen: StoredObject | None = None
        self.uid = ""
        self.version = 0
        self.live: str | None = None
        self.urgent_at = _NEVER
        self.telemetry_at = _NEVER
        self.written_at = _LONG_AGO
        self.retry_at = _LONG_AGO
        self.held_until = _LONG_AGO
        self.failures = 0
        self.in_hand = False

    @property
    def is_pending(self) -> bool:
        return self.in_hand or min(self.urgent_at, self.telemetry_at) < _NEVER


_Heap = list[tuple[float, ObjectKey]]


class StatusWriter:
    """written: given the body that the API server answered.

    now_rfc3339: time of conditions; clock_s: of everything else
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        memory_store: MemoryStore,
        view: PlatformView,
        *,
        may_write: Callable[[], bool],
        written: Callable[[Kind, Body], None] = lambda kind, body: None,
        clock_s: Callable[[], float] = time.monotonic,
        now_rfc3339: Callable[[], str] = _now_rfc3339,
    ) -> None:
        self.write_count = 0
        self._api = api
        self._namespace = namespace
        self._store = memory_store
        self._view = view
        self._may_write = may_write
        self._written = written
        self._clock_s = clock_s
        self._now_rfc3339 = now_rfc3339
        self._relations = Relations()
        self._bodies = StatusBodies(memory_store, view, self._relations)
        self._records: dict[ObjectKey, _Record] = {}
        self._partition_count = 0
        self._urgent: _Heap = []
        self._telemetry: _Heap = []
        self._telemetry_free_at = _LONG_AGO
        self._hands = 0
        self._hurries = False
        self._taking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._rested = asyncio.Event()

    @property
    def pending_count(self) -> int:
        """Objects whose status waits to be written, or is being written."""
        return sum(record.is_pending for record in self._records.values())

    @property
    def lag(self) -> float:
        """How long the structural change that waits longest has been due, in seconds."""
        return max(0.0, self._clock_s() - self._first(self._urgent, "urgent_at"))

    def observe(self, kind: Kind, body: Body, *, deleted: bool = False) -> None:
        """What a watch or a listing shows of an object."""
        metadata = body.get("metadata") or {}
        key = ObjectKey(kind, str(metadata.get("name") or ""))
        record = self._records.get(key)
        uid = str(metadata.get("uid") or "")
        if deleted:
            if record is not None and record.uid == uid:
                record.live = None
                if record.seen is None:
                    del self._records[key]
            return
        if record is None:
            record = self._records[key] = _Record(key)
        before, known = record.live, record.uid == uid
        if self._remember(record, body) and known and record.live != before and record.seen:
            self._mark(record, not_before=record.written_at + FOREIGN_SPACING_S)

    async def run(self) -> None:
        """For ever."""
        self._store.subscribe(_KINDS, self._published)
        self._view.on_change = self._view_changed
        try:
            for kind in _KINDS:
                for item in list(self._store.of(kind)):
                    self._changed(item.key)
            async with asyncio.TaskGroup() as workers:
                for _ in range(WORKERS):
                    workers.create_task(self._work())
        finally:
            self._store.unsubscribe(_KINDS, self._published)
            self._view.on_change = lambda key: None

    async def flush(self, timeout_s: float) -> None:
        """Write structural changes that still wait, as far as the time suffices; `run` runs."""
        self._hurries = True
        for record in self._records.values():
            if record.urgent_at < _NEVER and not record.failures:
                self._mark(record)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.rest()
        finally:
            self._hurries = False

    async def rest(self) -> None:
        """Return when nothing is due at this time, nor being written."""
        while self._hands or (self._may_write() and self._due_at() <= self._clock_s()):
            self._rested.clear()
            self._wake.set()
            await self._rested.wait()

    def look_again(self) -> None:
        """The clock was set, or we may write again: do not wait for the old time."""
        self._wake.set()

    # What may have to be written.

    def _published(self, publication: Publication) -> None:
        for key in publication.keys:
            self._changed(key)

    def _view_changed(self, key: ObjectKey) -> None:
        record = self._records.get(key)
        if record is not None and record.seen is not None:
            self._mark(record)

    def _changed(self, key: ObjectKey) -> None:
        item = self._store.get(key.kind, key.name)
        record = self._records.get(key)
        before = None if record is None else record.seen
        if item is before:
            return
        if item is not None and record is None:
            record = self._records[key] = _Record(key)
        assert record is not None
        record.seen = item
        if item is None:
            del self._records[key]
        elif before is not None and not is_structural(before, item):
            if before.status != item.status:
                self._mark_telemetry(record)
            return
        if key.kind is Kind.PARTITION:
            self._partition_count += (item is not None) - (before is not None)
        self._relations.change(before, item)
        if item is not None:
            if before is None or before.uid != item.uid:
                record.held_until = self._clock_s() + START_PATIENCE_S
            self._mark(record)
        for other in affected_by(before, item, self._relations):
            self._view_changed(other)

    def _mark(self, record: _Record, not_before: float = _LONG_AGO) -> None:
        due_at = self._clock_s()
        if not self._hurries:
            due_at = max(due_at, not_before, record.written_at + SPACING_S)
            if _is_only_starting(record):
                due_at = max(due_at, record.held_until)
        due_at = max(due_at, record.retry_at)
        if due_at < record.urgent_at:
            record.urgent_at = due_at
            if not record.in_hand:
                self._push(self._urgent, due_at, record)

    def _mark_telemetry(self, record: _Record) -> None:
        if record.telemetry_at < _NEVER:
            return
        spacing_s = max(TELEMETRY_SPACING_S, self._partition_count / TELEMETRY_WRITES_PER_S)
        due_at = max(self._clock_s(), record.written_at + spacing_s, record.retry_at)
        record.telemetry_at = due_at + spacing_s * 0.2 * random.random()
        if not record.in_hand:
            self._push(self._telemetry, record.telemetry_at, record)

    def _push(self, heap: _Heap, due_at: float, record: _Record) -> None:
        heapq.heappush(heap, (due_at, record.key))
        self._wake.set()

    # Who writes what, and when.

    async def _work(self) -> None:
        while True:
            async with self._taking:  # one waits for work, the others for their turn to wait
                record = await self._take()
            try:
                await self._write(record)
            finally:
                self._put_down(record)
            await asyncio.sleep(0)  # what needs no write needs no pause either: let others in

    async def _take(self) -> _Record:
        while True:
            self._wake.clear()
            if not self._may_write():
                self._rested.set()
                await self._wait(HELD_BACK_S)
                continue
            now = self._clock_s()
            if self._first(self._urgent, "urgent_at") <= now:
                return self._pick_up(self._urgent)
            if self._telemetry_at() <= now:
                earliest = now - TELEMETRY_BURST / TELEMETRY_WRITES_PER_S
                free_at = max(self._telemetry_free_at, earliest)
                self._telemetry_free_at = free_at + 1 / TELEMETRY_WRITES_PER_S
                return self._pick_up(self._telemetry)
            self._rested.set()
            await self._wait(self._due_at() - now)

    async def _wait(self, delay_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if delay_s == _NEVER else delay_s):
                await self._wake.wait()

    def _first(self, heap: _Heap, name: str) -> float:
        """When the first of a heap is due; entries that mean nothing any more are dropped."""
        while heap:
            due_at, key = heap[0]
            record = self._records.get(key)
            if record is not None and not record.in_hand and getattr(record, name) == due_at:
                return due_at
            heapq.heappop(heap)
        return _NEVER

    def _telemetry_at(self) -> float:
        return max(self._first(self._telemetry, "telemetry_at"), self._telemetry_free_at)

    def _due_at(self) -> float:
        return min(self._first(self._urgent, "urgent_at"), self._telemetry_at())

    def _pick_up(self, heap: _Heap) -> _Record:
        _, key = heapq.heappop(heap)
        record = self._records[key]
        record.urgent_at = record.telemetry_at = _NEVER
        record.in_hand = True
        self._hands += 1
        return record

    def _put_down(self, record: _Record) -> None:
        record.in_hand = False
        self._hands -= 1
        if self._records.get(record.key) is record:
            if record.urgent_at < _NEVER:
                # Marked while it was in hand, with a time from before the write: count anew.
                marked_for, record.urgent_at = record.urgent_at, _NEVER
                self._mark(record, not_before=marked_for)
            if record.telemetry_at < _NEVER:
                record.telemetry_at = _NEVER
                self._mark_telemetry(record)
        self._rested.set()

    # One write.

    async def _write(self, record: _Record) -> None:
        item = record.seen
        if item is None:
            return
        try:
            status = self._wanted(record, item)
            if status is None:
                return
            body = await self._apply(item, status)
        except KubeError as error:
            self._failed(record, error)
        except Exception as error:  # one object that cannot be told of must not silence the others
            _log.exception("event=status_not_computed object=%s", record.key)
            self._failed(record, error)
        else:
            self.write_count += 1
            record.failures = 0
            record.retry_at = _LONG_AGO
            record.written_at = self._clock_s()
            self._remember(record, body)
            self._written(item.kind, body)

    def _wanted(self, record: _Record, item: StoredObject) -> Body | None:
        """The status to be applied; None when the live one says all of it."""
        is_known = record.live is not None and record.uid == item.uid
        live: Body = json.loads(record.live or "{}") if is_known else {}
        status, conditions = self._bodies.status_of(item)
        old = live.get("conditions") or ()
        status["conditions"] = merge_conditions(
            old, conditions, item.generation, self._now_rfc3339()
        )
        return None if says(item.kind, live, status) else status

    async def _apply(self, item: StoredObject, status: Body) -> Body:
        resource = resource_of(item.kind)
        path = object_path(item.kind, self._namespace, item.name)
        body = {
            "apiVersion": resource.group_version,
            "kind": resource.kube_kind,
            "metadata": {"name": item.name, "namespace": self._namespace, "uid": item.uid},
            "status": status,
        }
        return await self._api.apply(f"{path}/status", body, manager=FIELD_MANAGER)

    def _failed(self, record: _Record, error: Exception) -> None:
        if isinstance(error, KubeError) and error.status in (404, 409):
            return  # gone, or another by now: what is published next says which
        if not record.failures:
            _log.warning("event=status_not_written object=%s error=%s", record.key, error)
        delay_s = min(RETRY_MAX_S, RETRY_INITIAL_S * 2.0 ** min(record.failures, 16))
        record.failures += 1
        record.retry_at = self._clock_s() + delay_s
        self._mark(record)

    def _remember(self, record: _Record, body: Any) -> bool:
        """False for news that are older than what is known."""
        metadata = body.get("metadata") or {}
        uid, text = str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
        version = int(text) if text.isdecimal() else 0
        if uid == record.uid and version and version <= record.version:
            return False
        record.uid, record.version = uid, version
        record.live = json.dumps(
            what_we_say(body.get("status") or {}), sort_keys=True, separators=(",", ":")
        )
        return True


def _is_only_starting(record: _Record) -> bool:
    """A partition of which nothing was written yet, and which will soon be more."""
    item = record.seen
    if item is None or item.kind is not Kind.PARTITION or record.written_at > _LONG_AGO:
        return False
    has_status = record.live is not None and '"resolution"' in record.live
    return not has_status and is_starting(item) and not item.problem and not item.deletion_requested
