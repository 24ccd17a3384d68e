"""Is a spec possible at all? Fluvio's rules, with Fluvio's words, since users search for them.

Called by `admission.py` before an object is made, and by the reconcilers for objects that came
another way. Nothing here looks at the cluster. Every check returns None, or the text of what is
wrong. Source: fluvio-controlplane-metadata/src/topic/spec.rs; fluvio-types/src/defaults.rs.
"""

import re

from fluvio_protocol.metadata.spu_group import SpuGroupSpec
from fluvio_protocol.metadata.topic import (
    PARTITION_SIZE_BYTES_MIN,
    RETENTION_SECONDS_MIN,
    SEGMENT_SIZE_BYTES_DEFAULT,
    SEGMENT_SIZE_BYTES_MIN,
    TOPIC_NAME_LENGTH_MAX,
    AssignedReplicas,
    ComputedReplicas,
    MirrorFromHome,
    MirrorReplicas,
    MirrorToRemotes,
    TopicSpec,
)

PARTITION_COUNT_MAX = 10_000
"""Of one topic. Ours: each partition is an object that everybody watches."""

REPLICATION_FACTOR_MAX = 64

SPU_GROUP_SIZE_MAX = 1_000

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z", re.ASCII)
_SMART_MODULE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\Z", re.ASCII)
_SMART_MODULE_NAME_LENGTH_MAX = 253


def shown(name: str) -> str:
    """A name for a text: whatever a client sent as one, the text stays short."""
    return name if len(name) <= 100 else f"{name[:100]}..."


def name_problem(name: str) -> str | None:
    """Names of topics and of most other objects; a leading digit is allowed."""
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        return f"name of {len(name)} characters is longer than {TOPIC_NAME_LENGTH_MAX}"
    if not _NAME.match(name):
        return (
            "name can contain only lowercase alphanumeric characters or '-', "
            "and '-' is neither first nor last"
        )
    return None


def topic_name_problem(name: str) -> str | None:
    problem = name_problem(name)
    if problem is None:
        return None
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        return f"Invalid topic name: '{shown(name)}'. Topic {problem}."
    return (
        f"Invalid topic name: '{shown(name)}'. Topic name can contain only lowercase alphanumeric "
        "characters or '-'; '-' is neither first nor last."
    )


def smart_module_name_problem(name: str) -> str | None:
    """Like a topic's, and dots, because a packaged module's name ends with its version."""
    if len(name) <= _SMART_MODULE_NAME_LENGTH_MAX and _SMART_MODULE_NAME.match(name):
        return None
    return (
        f"Invalid SmartModule name: '{shown(name)}'. It can contain only lowercase alphanumeric "
        "characters, '-' or '.', beginning and ending with one of the former."
    )


def topic_config_problem(spec: TopicSpec) -> str | None:
    """Retention, sizes, deduplication: answered with TOPIC_INVALID_CONFIGURATION."""
    if spec.cleanup_policy is not None:
        seconds = spec.cleanup_policy.time_in_seconds
        if seconds < RETENTION_SECONDS_MIN:
            return f"retention_secs {seconds} is less than minimum {RETENTION_SECONDS_MIN}"
    if spec.storage is not None:
        segment = spec.storage.segment_size
        if segment is not None and segment < SEGMENT_SIZE_BYTES_MIN:
            return f"segment_size {segment} is less than minimum {SEGMENT_SIZE_BYTES_MIN}"
        partition = spec.storage.max_partition_size
        if partition is not None:
            if partition < PARTITION_SIZE_BYTES_MIN:
                return (
                    f"max_partition_size {partition} is less than minimum "
                    f"{PARTITION_SIZE_BYTES_MIN}"
                )
            segment = SEGMENT_SIZE_BYTES_DEFAULT if segment is None else segment
            if partition < segment:
                return f"max_partition_size {partition} is less than segment size {segment}"
    if spec.deduplication is not None and spec.deduplication.bounds.count == 0:
        return "deduplication bounds count must be greater than 0"
    return None


def topic_replicas_problem(spec: TopicSpec) -> str | None:
    """Partitions and replicas: answered with TOPIC_ERROR."""
    match spec.replicas:
        case ComputedReplicas(partitions=partitions, replication_factor=factor):
            if partitions == 0:
                return "partition must be greater than 0"
            if factor == 0:
                return "replication factor must be greater than 0"
            if factor > REPLICATION_FACTOR_MAX:
                return f"replication factor {factor} is more than {REPLICATION_FACTOR_MAX}"
            return _partition_count_problem(partitions)
        case AssignedReplicas() as assigned:
            return assigned_replicas_problem(assigned)
        case MirrorReplicas(config=MirrorFromHome(home_spus=spus)):
            return _partition_count_problem(len(spus))
        case MirrorReplicas(config=MirrorToRemotes(partitions=remotes)):
            return _partition_count_problem(len(remotes))
        case other:
            return f"{type(other).__name__} is no way to place replicas"


def assigned_replicas_problem(assigned: AssignedReplicas) -> str | None:
    """The order of the checks is upstream's: the first that fails is the text people see."""
    if not assigned.maps:
        return "no assigned partitions found"
    length = len(assigned.maps[0].replicas)
    for expected_id, row in enumerate(assigned.maps):
        if expected_id == 0:
            if row.id != 0:
                return "assigned partitions must start with id 0"
            if length == 0:
                return "assigned replicas must have at least one spu id"
        else:
            if row.id != expected_id:
                return "assigned partition ids must be in sequence and without gaps"
            if len(row.replicas) != length:
                return f"all assigned replicas must have the same number of spu ids: {length}"
        if len(set(row.replicas)) != length:
            return f"duplicate spu ids found in assigned partition with id: {row.id}"
        for spu_id in row.replicas:
            if spu_id < 0:
                return f"invalid spu id: {spu_id} in assigned partition with id: {row.id}"
    return _partition_count_problem(len(assigned.maps))


def _partition_count_problem(count: int) -> str | None:
    if count > PARTITION_COUNT_MAX:
        return f"{count} partitions are more than {PARTITION_COUNT_MAX}"
    return None


def topic_problem(spec: TopicSpec) -> str | None:
    """Everything that is wrong with a topic whatever the cluster looks like."""
    return topic_config_problem(spec) or topic_replicas_problem(spec)


def spu_group_problem(spec: SpuGroupSpec) -> str | None:
    if spec.min_id < 0:
        return f"min id {spec.min_id} is negative"
    if spec.replicas > SPU_GROUP_SIZE_MAX:
        return f"{spec.replicas} replicas are more than {SPU_GROUP_SIZE_MAX}"
    return None


def partition_count(spec: TopicSpec) -> int:
    """How many partitions a topic should have."""
    match spec.replicas:
        case ComputedReplicas(partitions=partitions):
            return int(partitions)
        case AssignedReplicas(maps=maps):
            return len(maps)
        case MirrorReplicas(config=MirrorFromHome(home_spus=spus)):
            return len(spus)
        case MirrorReplicas(config=MirrorToRemotes(partitions=remotes)):
            return len(remotes)
        case _:
            return 0
