"""The old one-shot fetch, and the partition answer it shares with streams.

Source: protocol reference 4.2, 4.3.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I32, I64, Message, field, message
from fluvio_protocol.types import Isolation, Offset, PartitionId


@message()
class AbortedTransaction(Message):
    """Never sent: there are no transactions."""

    producer_id: I64 = field(about="producer")
    first_offset: I64 = field(about="offset")


@message()
class FetchPartitionResponse(Message):
    """Batches of one partition, and where it stands."""

    partition: PartitionId = field(about="partition number")
    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")
    high_watermark: Offset = field(default=Offset(0), about="offsets below it are committed")
    next_filter_offset: Offset = field(
        since=11, default=Offset(0), about="where a filtered stream goes on; 0 without filter"
    )
    log_start_offset: Offset = field(default=Offset(0), about="first offset in the log")
    aborted: tuple[AbortedTransaction, ...] | None = field(default=None, about="always None")
    records: bytes = field(default=b"", about="whole batches back to back")


@message()
class FetchTopicResponse(Message):
    """Answer for one topic."""

    name: str = field(about="topic")
    partitions: tuple[FetchPartitionResponse, ...] = field(about="in the order of the request")


@message()
class FetchResponse(Message):
    """Answer to a fetch."""

    throttle_time_ms: I32 = field(default=0, about="always 0")
    error_code: ErrorStatus = field(default=SUCCESS, about="always success")
    session_id: I32 = field(default=0, about="always 0")
    topics: tuple[FetchTopicResponse, ...] = field(about="in the order of the request")


@message()
class FetchPartition(Message):
    """Where to read in one partition."""

    partition: PartitionId = field(about="partition number")
    current_leader_epoch: I32 = field(since=9, default=-1, about="ignored")
    fetch_offset: Offset = field(about="first offset wanted")
    log_start_offset: I64 = field(since=5, default=-1, about="ignored")
    max_bytes: I32 = field(about="bytes of batches, soft")


@message()
class FetchTopic(Message):
    """Where to read in one topic."""

    name: str = field(about="topic")
    fetch_partitions: tuple[FetchPartition, ...] = field(about="partitions")


@message()
class ForgottenTopic(Message):
    """Ignored."""

    name: str = field(about="topic")
    partitions: tuple[I32, ...] = field(about="partitions")


@message(api_key=1, versions=(0, 25), response=FetchResponse)
class FetchRequest(Message):
    """Read once from several partitions."""

    max_wait_ms: I32 = field(default=0, about="how long to wait for data")
    min_bytes: I32 = field(default=0, about="how much to wait for")
    max_bytes: I32 = field(since=3, default=1_048_576, about="bytes in all, soft")
    isolation: Isolation = field(
        since=4, default=Isolation.READ_UNCOMMITTED, about="how far to read"
    )
    topics: tuple[FetchTopic, ...] = field(about="where to read")
    forgotten: tuple[ForgottenTopic, ...] = field(since=7, default=(), about="ignored")
