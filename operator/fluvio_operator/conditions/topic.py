"""Conditions of a topic.

Ready              every partition is served, and held by as many replicas as are demanded
Provisioned        every partition has its place
UnderReplicated    a replica of some partition lacks records
Deleting           its partitions go first
"""

from collections.abc import Sequence

from fluvio_operator.conditions.condition import (
    Condition,
    ConditionType,
    reconciling,
    stalled,
    unready,
)
from fluvio_operator.conditions.partition import (
    is_online,
    is_starting,
    is_under_replicated,
    lacks_in_sync,
)
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol.metadata.topic import AssignedReplicas, TopicResolution
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.validation import partition_count

_NAMES_MAX = 5


def conditions_of_topic(
    topic: StoredObject, partitions: Sequence[StoredObject], minimum_in_sync: int
) -> list[Condition]:
    """partitions: its children; minimum_in_sync: replicas that must hold a record."""
    provisioned = _provisioned(topic)
    ready = _ready(topic, partitions, minimum_in_sync, provisioned)
    conditions = [ready, provisioned, _under_replicated(partitions)]
    if topic.deletion_requested:
        message = f"{len(partitions)} partitions remain"
        conditions.append(reconciling(Reason.DELETION_REQUESTED, message))
        conditions.append(
            Condition(ConditionType.DELETING, True, Reason.PARTITIONS_REMAIN, message)
        )
    elif provisioned.reason in (Reason.INVALID_CONFIG, Reason.INVALID_MANIFEST):
        conditions.append(stalled(provisioned.reason, provisioned.message))
    elif provisioned.status is not True or ready.reason in (
        Reason.PARTITIONS_MISSING,
        Reason.PARTITIONS_STARTING,
    ):
        conditions.append(reconciling(ready.reason, ready.message))
    return conditions


def _provisioned(topic: StoredObject) -> Condition:
    kind = ConditionType.PROVISIONED
    reason: str = topic.status.reason
    if topic.problem:
        return Condition(kind, False, Reason.INVALID_MANIFEST, topic.problem)
    match topic.status.resolution:
        case TopicResolution.PROVISIONED:
            return Condition(kind, True, Reason.PROVISIONED, reason)
        case TopicResolution.INVALID_CONFIG:
            return Condition(kind, False, Reason.INVALID_CONFIG, reason)
        case TopicResolution.INSUFFICIENT_RESOURCES:
            assigned = isinstance(topic.spec.replicas, AssignedReplicas)
            lacking = Reason.UNKNOWN_SPU if assigned else Reason.INSUFFICIENT_SPUS
            return Condition(kind, False, lacking, reason)
        case TopicResolution.DELETING:
            return Condition(kind, False, Reason.DELETION_REQUESTED, "it is being deleted")
        case _:
            return Condition(kind, None, Reason.WAITING_FOR_SPUS, reason or "not placed yet")


def _ready(
    topic: StoredObject,
    partitions: Sequence[StoredObject],
    minimum_in_sync: int,
    provisioned: Condition,
) -> Condition:
    if topic.deletion_requested:
        return unready(Reason.DELETION_REQUESTED, "it is being deleted")
    if provisioned.status is not True:
        return unready(provisioned.reason, provisioned.message)
    wanted = partition_count(topic.spec)
    if len(partitions) < wanted:
        message = f"{len(partitions)} of {wanted} partitions exist"
        return unready(Reason.PARTITIONS_MISSING, message)
    waiting = [each for each in partitions if not is_online(each)]
    if waiting:
        starting = all(is_starting(each) for each in waiting)
        reason = Reason.PARTITIONS_STARTING if starting else Reason.PARTITIONS_NOT_ONLINE
        return unready(reason, f"not online: {_named(waiting)}")
    lacking = [each for each in partitions if lacks_in_sync(each, minimum_in_sync)]
    if lacking:
        message = f"fewer than {minimum_in_sync} replicas in sync: {_named(lacking)}"
        return unready(Reason.NOT_ENOUGH_IN_SYNC, message)
    return Condition(
        ConditionType.READY, True, Reason.READY, f"{len(partitions)} partitions online"
    )


def _under_replicated(partitions: Sequence[StoredObject]) -> Condition:
    kind = ConditionType.UNDER_REPLICATED
    behind = [each for each in partitions if is_under_replicated(each)]
    if not behind:
        return Condition(kind, False, Reason.ALL_IN_SYNC)
    return Condition(kind, True, Reason.REPLICAS_BEHIND, f"replicas behind: {_named(behind)}")


def _named(partitions: Sequence[StoredObject]) -> str:
    """Some names, in the order of their numbers, and how many more."""
    numbered = sorted(partitions, key=lambda each: (len(each.name), each.name))
    listed = ", ".join(each.name for each in numbered[:_NAMES_MAX])
    more = len(partitions) - _NAMES_MAX
    return f"{listed} and {more} more" if more > 0 else listed
