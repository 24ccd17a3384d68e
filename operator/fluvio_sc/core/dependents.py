"""Whom does a change concern? The keys to look at again after an object changed.

Called by `controller.py` for every change, before it is persisted. Naming too many costs time,
naming too few costs correctness; a periodic resync looks at everything anyway.
"""

from collections.abc import Iterable

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import TopicResolution
from fluvio_sc.core.actions import Applied
from fluvio_sc.core.cluster_state import ClusterState, ObjectKey


def dependents_of(change: Applied, state: ClusterState) -> Iterable[ObjectKey]:
    """Keys whose reconciliation may come out differently now; the changed one among them."""
    before, after = change.before, change.after
    if after is not None:
        yield change.key
    match change.key.kind:
        case Kind.TOPIC:
            if before is None or after is None:
                return
            if before.deletion_requested == after.deletion_requested and before.spec == after.spec:
                return
            for child in state.children_of(after):
                yield child.key
        case Kind.PARTITION:
            if after is None and before is not None and before.owner is not None:
                yield ObjectKey(before.owner.kind, before.owner.name)
        case Kind.SPU:
            yield from _dependents_of_spu(change, state)
        case Kind.SPU_GROUP:
            if before is None or after is None or before.spec != after.spec:
                for group in state.of(Kind.SPU_GROUP):
                    yield group.key


def _dependents_of_spu(change: Applied, state: ClusterState) -> Iterable[ObjectKey]:
    before, after = change.before, change.after
    came_or_went = before is None or after is None
    if (
        before is not None
        and after is not None
        and before.status == after.status
        and before.spec == after.spec
    ):
        return
    for item in (before, after):
        if item is not None:
            for name in state.partitions_on(item.spec.id):
                yield ObjectKey(Kind.PARTITION, name)
    for topic in state.of(Kind.TOPIC):
        if topic.status.resolution is not TopicResolution.PROVISIONED:
            yield topic.key
    if came_or_went:
        for group in state.of(Kind.SPU_GROUP):
            yield group.key
