"""What an SPU counts about itself, all names in one place.

Plain integers, changed only on the event loop thread: once per read or per answer, never per
record. `snapshot()` is for whoever publishes them.
"""


class SpuMetrics:
    """Counters since start; names end in their unit."""

    __slots__ = (
        "consumer_offset_update_count",
        "corrupt_batch_count",
        "file_work_failure_count",
        "idle_produce_request_count",
        "inbound_bytes",
        "inbound_record_count",
        "log_append_count",
        "outbound_bytes",
        "outbound_response_count",
        "produce_error_count",
        "produce_request_count",
        "produce_timeout_count",
        "protocol_error_count",
        "replica_open_count",
        "segment_expired_count",
        "stream_error_count",
        "stream_open_count",
        "sync_count",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    consumer_offset_update_count: int
    """requests to store a consumer's offset"""
    corrupt_batch_count: int
    """record sets refused because a batch did not check"""
    file_work_failure_count: int
    """failed jobs of the file workers: deletions, checkpoints, syncs, openings"""
    idle_produce_request_count: int
    """produce requests without a single record set, as each flush of a client sends"""
    inbound_bytes: int
    """bytes of batches stored for producers"""
    inbound_record_count: int
    """records stored for producers"""
    log_append_count: int
    """appends to logs; one read of a connection makes one per partition"""
    outbound_bytes: int
    """bytes of batches sent to consumers"""
    outbound_response_count: int
    """stream and fetch answers with batches"""
    produce_error_count: int
    """record sets answered with an error"""
    produce_request_count: int
    """produce requests"""
    produce_timeout_count: int
    """record sets whose commit took longer than their producer waits"""
    protocol_error_count: int
    """connections closed because of bytes we could not accept"""
    replica_open_count: int
    """replicas led and served now"""
    segment_expired_count: int
    """segments removed by retention"""
    stream_error_count: int
    """streams ended with an error"""
    stream_open_count: int
    """consumer streams open now"""
    sync_count: int
    """runs of fdatasync"""

    def snapshot(self) -> dict[str, int]:
        """All counters by name."""
        return {name: getattr(self, name) for name in self.__slots__}
