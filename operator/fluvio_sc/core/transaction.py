"""Changes that belong together: already in the state, not yet in the store.

Used by `controller.py`, one per turn of its queue. Either its writes reach the store, or `undo`
takes it all back; in between the state runs ahead of what anybody was told.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fluvio_sc.core.actions import Action, Applied, ShowStatus, apply_action
from fluvio_sc.core.cluster_state import ClusterState, ObjectKey, StoredObject
from fluvio_sc.core.dependents import dependents_of
from fluvio_sc.core.ports import PutObject, RemoveObject, StoreWrite


@dataclass(slots=True)
class Change:
    """One object before and after the whole transaction; None where there is none."""

    before: StoredObject | None
    after: StoredObject | None
    to_store: bool


class Transaction:
    """Performs actions on the state and remembers how it was.

    changes:   by key, each once however often it was changed
    touched:   keys to look at again because of what was performed; the caller empties it
    performed: actions that changed something, in order
    renamed:   identities that the store gave, by those that were asked for
    """

    def __init__(self, state: ClusterState, *, now_ms: int, new_uid: Callable[[], str]) -> None:
        self.now_ms = now_ms
        self.changes: dict[ObjectKey, Change] = {}
        self.touched: dict[ObjectKey, None] = {}
        self.performed: list[Action] = []
        self.renamed: dict[str, str] = {}
        self._state = state
        self._new_uid = new_uid

    def perform(self, action: Action) -> None:
        """Raises KeyError when the object is not as the action assumes."""
        applied = apply_action(self._state, action, now_ms=self.now_ms, new_uid=self._new_uid)
        if applied.before == applied.after:
            return
        self._record(applied, to_store=not isinstance(action, ShowStatus))
        self.performed.append(action)
        self.touched.update(dict.fromkeys(dependents_of(applied, self._state)))

    def _record(self, applied: Applied, *, to_store: bool) -> None:
        change = self.changes.get(applied.key)
        if change is None:
            self.changes[applied.key] = Change(applied.before, applied.after, to_store)
        else:
            change.after = applied.after
            change.to_store = change.to_store or to_store

    def writes(self) -> list[StoreWrite]:
        """What the store has to do; each key once."""
        writes: list[StoreWrite] = []
        for key, change in self.changes.items():
            expected = 0 if change.before is None else change.before.resource_version
            if change.after is not None:
                if change.to_store:
                    writes.append(PutObject(change.after, expected))
            elif change.before is not None:
                writes.append(RemoveObject(key, expected))
        return writes

    def undo(self) -> None:
        """Put everything back as it was."""
        for key in tuple(self.changes):
            self.undo_one(key)

    def undo_one(self, key: ObjectKey) -> None:
        """Put one object back as it was; it did not change."""
        before = self.changes.pop(key).before
        if before is None:
            self._state.remove(key)
        else:
            self._state.put(before)
