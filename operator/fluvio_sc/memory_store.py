"""What clients and SPUs may see: the objects as persisted, by kind, with a change history.

Written by `controller.py` alone, after the store has accepted a change; read by both doors. What
is published here is true already, so nobody is ever told of a change that a crash takes back.

Each kind has an epoch, a counter that grows with every publication that touches it. A reader that
knows its epoch gets what changed since, one entry per object however often it changed; one that is
further behind than deletions are remembered gets everything.

Order on publication: watchers first, in the same call, then those who wait for a state. So what a
waiter answers to its client never overtakes what the watchers are told.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject

_log = logging.getLogger(__name__)

T = TypeVar("T")

DELETIONS_REMEMBERED_MAX = 4_096
"""Of each kind. A watcher further behind is given the whole kind again."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What to tell a reader: everything (`is_all`), or updates first and deletions last.

    A deletion carries the last full object.
    """

    epoch: int
    is_all: bool
    updates: tuple[StoredObject, ...]
    deletions: tuple[StoredObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """Keys of all objects that changed, came or went together."""

    keys: frozenset[ObjectKey]


Listener = Callable[[Publication], None]


class _KindStore:
    """Objects of one kind. `changed_at` is ordered by epoch: the newest change comes last."""

    def __init__(self) -> None:
        self.epoch = 0
        self.objects: dict[str, StoredObject] = {}
        self.changed_at: dict[str, int] = {}
        self.deletions: deque[tuple[int, StoredObject]] = deque()
        self.complete_since = 0

    def update(self, item: StoredObject) -> None:
        if item.name not in self.objects and self.deletions:
            # It came back under its old name: updates are told first, so a deletion told
            # after it would take the new object away again.
            self.deletions = deque(d for d in self.deletions if d[1].name != item.name)
        self.objects[item.name] = item
        self.changed_at.pop(item.name, None)
        self.changed_at[item.name] = self.epoch

    def delete(self, name: str) -> None:
        gone = self.objects.pop(name, None)
        if gone is None:
            return
        del self.changed_at[name]
        self.deletions.append((self.epoch, gone))
        if len(self.deletions) > DELETIONS_REMEMBERED_MAX:
            self.complete_since = self.deletions.popleft()[0]

    def changes_since(self, epoch: int) -> Changes:
        if epoch < self.complete_since or epoch <= 0 or epoch > self.epoch:
            return Changes(self.epoch, True, tuple(self.objects.values()))
        updates = []
        for name, changed_at in reversed(self.changed_at.items()):
            if changed_at <= epoch:
                break
            updates.append(self.objects[name])
        updates.reverse()
        deletions = tuple(gone for deleted_at, gone in self.deletions if deleted_at > epoch)
        return Changes(self.epoch, False, tuple(updates), deletions)


class MemoryStore:
    """The published objects. Synchronous; one event loop."""

    def __init__(self) -> None:
        self._kinds = {kind: _KindStore() for kind in Kind}
        self._listeners: dict[Kind, dict[Listener, None]] = {kind: {} for kind in Kind}
        self._waiters: dict[Listener, None] = {}

    def get(self, kind: Kind, name: str) -> StoredObject | None:
        return self._kinds[kind].objects.get(name)

    def of(self, kind: Kind) -> Iterable[StoredObject]:
        """All objects of a kind, oldest first. Do not publish while iterating."""
        return self._kinds[kind].objects.values()

    def epoch(self, kind: Kind) -> int:
        """0 until something of the kind was published."""
        return self._kinds[kind].epoch

    def changes_since(self, kind: Kind, epoch: int) -> Changes:
        """What a reader that saw `epoch` has to be told; everything for epoch 0."""
        return self._kinds[kind].changes_since(epoch)

    def subscribe(self, kinds: Iterable[Kind], listener: Listener) -> None:
        """Call `listener` at every publication that touches one of the kinds.

        It is called once per publication, in the middle of it, and must not publish.
        """
        for kind in kinds:
            self._listeners[kind][listener] = None

    def unsubscribe(self, kinds: Iterable[Kind], listener: Listener) -> None:
        for kind in kinds:
            self._listeners[kind].pop(listener, None)

    def publish(self, updated: Iterable[StoredObject], deleted: Iterable[ObjectKey]) -> None:
        """Replace and remove objects, then tell listeners, then waiters."""
        updated, deleted = list(updated), list(deleted)
        keys = frozenset([*(item.key for item in updated), *deleted])
        if not keys:
            return
        kinds = {key.kind for key in keys}
        for kind in kinds:
            self._kinds[kind].epoch += 1
        for item in updated:
            self._kinds[item.kind].update(item)
        for key in deleted:
            self._kinds[key.kind].delete(key.name)
        publication = Publication(keys)
        listeners = dict.fromkeys(
            listener for kind in Kind if kind in kinds for listener in self._listeners[kind]
        )
        for listener in [*listeners, *self._waiters]:
            try:
                listener(publication)
            except Exception:
                _log.exception("event=listener_failed")

    async def wait_until(self, check: Callable[[], T | None], timeout_s: float) -> T | None:
        """The first thing other than None that `check` returns, now or after a publication.

        None when there is none within the time.
        """
        found = check()
        if found is not None:
            return found
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def look(publication: Publication) -> None:
            if outcome.done():
                return
            seen = check()
            if seen is not None:
                outcome.set_result(seen)

        self._waiters[look] = None
        try:
            async with asyncio.timeout(timeout_s):
                return await outcome
        except TimeoutError:
            return outcome.result() if outcome.done() and not outcome.cancelled() else None
        finally:
            del self._waiters[look]
