"""What a topic wants of its logs, and the process for what the topic does not say.

Called by replicas, whatever their role, and by the registry when it opens a log.
"""

from dataclasses import replace
from functools import lru_cache

from fluvio_protocol.metadata.topic import CONSUMER_OFFSET_TOPIC, SEGMENT_SIZE_BYTES_MIN
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_spu.storage import LogConfig

RETENTION_FOREVER_MS = 1 << 62


def log_config(assignment: ReplicaAssignment, defaults: LogConfig) -> LogConfig:
    """The log's settings for a topic's, and the process's for what the topic does not say.

    The topic of consumer offsets never loses segments to their age: its live entries are in its
    most recent records, however old those are.
    """
    storage = assignment.storage
    retention_ms = None
    if assignment.key.topic == CONSUMER_OFFSET_TOPIC:
        retention_ms = RETENTION_FOREVER_MS
    elif assignment.cleanup_policy is not None:
        retention_ms = assignment.cleanup_policy.time_in_seconds * 1000
    return _shared_log_config(
        defaults,
        storage.segment_size if storage is not None else None,
        storage.max_partition_size if storage is not None else None,
        retention_ms,
    )


@lru_cache(maxsize=256)
def _shared_log_config(
    default: LogConfig,
    segment_size: int | None,
    partition_size: int | None,
    retention_ms: int | None,
) -> LogConfig:
    """One object for all partitions with the same settings."""
    return replace(
        default,
        segment_size_bytes_max=max(
            segment_size or default.segment_size_bytes_max, SEGMENT_SIZE_BYTES_MIN
        ),
        partition_size_bytes_max=partition_size or default.partition_size_bytes_max,
        retention_ms=default.retention_ms if retention_ms is None else retention_ms,
    )
