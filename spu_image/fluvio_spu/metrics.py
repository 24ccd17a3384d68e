"""What an SPU counts about itself, all names and their meaning in one place.

Plain integers, changed only on the event loop thread: once per read or per answer, never per
record. `snapshot()` is for whoever publishes them, which is `gateway`.
"""

COUNTERS = {
    "consumer_offset_update_count": "requests to store a consumer's offset",
    "corrupt_batch_count": "record sets refused because a batch did not check",
    "file_work_failure_count": (
        "failed jobs of the file workers: deletions, checkpoints, syncs, openings"
    ),
    "idle_produce_request_count": (
        "produce requests without a single record set, as each flush of a client sends"
    ),
    "inbound_bytes": "bytes of batches stored for producers",
    "inbound_record_count": "records stored for producers",
    "log_append_count": "appends to logs; one read of a connection makes one per partition",
    "outbound_bytes": "bytes of batches sent to consumers",
    "outbound_response_count": "stream and fetch answers with batches",
    "produce_error_count": "record sets answered with an error",
    "produce_request_count": "produce requests",
    "produce_timeout_count": "record sets whose commit took longer than their producer waits",
    "protocol_error_count": "connections closed because of bytes we could not accept",
    "segment_expired_count": "segments removed by retention",
    "stream_error_count": "streams ended with an error",
    "sync_count": "runs of fdatasync",
}
"""Those that only grow."""

GAUGES = {
    "replica_open_count": "replicas led and served now",
    "stream_open_count": "consumer streams open now",
}
"""Those that also fall."""


class SpuMetrics:
    """All of them, since start; names end in their unit."""

    __slots__ = (*COUNTERS, *GAUGES)

    consumer_offset_update_count: int
    corrupt_batch_count: int
    file_work_failure_count: int
    idle_produce_request_count: int
    inbound_bytes: int
    inbound_record_count: int
    log_append_count: int
    outbound_bytes: int
    outbound_response_count: int
    produce_error_count: int
    produce_request_count: int
    produce_timeout_count: int
    protocol_error_count: int
    replica_open_count: int
    segment_expired_count: int
    stream_error_count: int
    stream_open_count: int
    sync_count: int

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def snapshot(self) -> dict[str, int]:
        """All of them by name."""
        return {name: getattr(self, name) for name in self.__slots__}
