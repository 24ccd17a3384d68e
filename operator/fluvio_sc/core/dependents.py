"""Whom does a change concern? The keys to look at again after an object changed.

Called by `controller.py` for every change, before it is persisted. Naming too many costs time,
naming too few costs correctness; a periodic resync looks at everything anyway.
"""

from collections.abc import Iterable

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import TopicResolution
from fluvio_sc.core.actions import Applied
from fluvio_sc.core.cluster_state import ClusterState, ObjectKey, StoredObject
from fluvio_sc.core.reconcile.consumer_offsets import CONSUMER_OFFSET_PARTITION

CONSUMER_OFFSETS = ObjectKey(Kind.PARTITION, CONSUMER_OFFSET_PARTITION)
"""The partition that any SPU may get a replica of, or is to lose it."""


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
                return  # what else it says, it hands down itself
            for child in state.children_of(after):
                yield child.key
        case Kind.PARTITION:
            if before is not None and (
                after is None
                or after.spec.replicas != before.spec.replicas
                or after.replication.is_moving != before.replication.is_moving
            ):
                yield from _waiting_for_partition(before, state)
        case Kind.SPU:
            yield from _dependents_of_spu(change, state)
        case Kind.SPU_GROUP:
            if before is None or after is None or before.spec != after.spec:
                # Any may lack a place, or have as many replicas in sync as its group wants.
                yield from (topic.key for topic in state.of(Kind.TOPIC))
                yield CONSUMER_OFFSETS
                for group in state.of(Kind.SPU_GROUP):
                    yield group.key
                for version in (before, after):
                    if version is not None:
                        yield from (child.key for child in state.children_of(version))


def _waiting_for_partition(gone: StoredObject, state: ClusterState) -> Iterable[ObjectKey]:
    """Its topic, and groups that would be smaller already if it were not for its replicas.

    It is gone, or its replicas were others, or a move of them began or ended.
    """
    if gone.owner is not None:
        yield ObjectKey(gone.owner.kind, gone.owner.name)
    for spu_id in gone.spec.replicas:
        spu = state.spu(spu_id)
        if spu is not None and spu.owner is not None:
            yield ObjectKey(spu.owner.kind, spu.owner.name)


def _waiting_topics(state: ClusterState) -> Iterable[ObjectKey]:
    """Topics that lack a place for some partition."""
    for topic in state.of(Kind.TOPIC):
        if topic.status.resolution is not TopicResolution.PROVISIONED:
            yield topic.key


def _dependents_of_spu(change: Applied, state: ClusterState) -> Iterable[ObjectKey]:
    before, after = change.before, change.after
    came_or_went = before is None or after is None
    if (
        before is not None
        and after is not None
        and before.status == after.status
        and before.spec == after.spec
        and before.is_draining == after.is_draining
    ):
        return
    for item in (before, after):
        if item is not None:
            for name in state.partitions_on(item.spec.id):
                yield ObjectKey(Kind.PARTITION, name)
    yield from _waiting_topics(state)
    yield CONSUMER_OFFSETS
    if came_or_went:
        for group in state.of(Kind.SPU_GROUP):
            yield group.key
