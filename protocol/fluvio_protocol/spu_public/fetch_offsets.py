"""First offset and high watermark of partitions. Source: protocol reference 4.4."""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import Message, field, message
from fluvio_protocol.types import Offset, PartitionId


@message()
class PartitionOffsets(Message):
    """Where one partition begins and ends. The error comes before the partition here."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")
    partition: PartitionId = field(about="partition number")
    start_offset: Offset = field(
        default=Offset(0), about="first offset, or where a consumer resumes"
    )
    last_stable_offset: Offset = field(default=Offset(0), about="the high watermark")


@message()
class TopicOffsets(Message):
    """Offsets of one topic."""

    name: str = field(about="topic")
    partitions: tuple[PartitionOffsets, ...] = field(about="in the order of the request")


@message()
class FetchOffsetsResponse(Message):
    """Answer."""

    topics: tuple[TopicOffsets, ...] = field(about="in the order of the request")


@message()
class TopicPartitions(Message):
    """Partitions of one topic."""

    name: str = field(about="topic")
    partitions: tuple[PartitionId, ...] = field(about="partition numbers")


@message(api_key=1002, versions=(22, 25), response=FetchOffsetsResponse)
class FetchOffsetsRequest(Message):
    """Ask for the offsets of partitions."""

    topics: tuple[TopicPartitions, ...] = field(about="which partitions")
    consumer_id: str | None = field(
        since=23, until=23, default=None, about="start where this consumer left off"
    )
