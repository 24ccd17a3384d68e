"""Offsets that the cluster keeps for consumers. Source: protocol reference 4.7.

Not advertised in ApiVersions, yet used by clients at any version from 23 on.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import U32, U64, Message, field, message
from fluvio_protocol.types import Offset, ReplicaKey


@message()
class UpdateConsumerOffsetResponse(Message):
    """Answer."""

    offset: Offset = field(about="what was stored")
    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")


@message(api_key=1006, versions=(23, 25), response=UpdateConsumerOffsetResponse)
class UpdateConsumerOffsetRequest(Message):
    """Store the offset of the last consumed record."""

    offset: Offset = field(about="offset of the last consumed record")
    session_id: U32 = field(about="stream of this connection, opened with a consumer id")


@message()
class DeleteConsumerOffsetResponse(Message):
    """Answer."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")


@message(api_key=1007, versions=(23, 25), response=DeleteConsumerOffsetResponse)
class DeleteConsumerOffsetRequest(Message):
    """Forget an offset; an unknown one is fine."""

    replica: ReplicaKey = field(about="partition")
    consumer_id: str = field(about="consumer")


@message()
class ConsumerOffset(Message):
    """One stored offset."""

    consumer_id: str = field(about="consumer")
    replica: ReplicaKey = field(about="partition")
    offset: Offset = field(about="offset of the last consumed record")
    modified_time_seconds: U64 = field(about="when it was stored, seconds since 1970")


@message()
class FetchConsumerOffsetsResponse(Message):
    """Answer."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")
    consumers: tuple[ConsumerOffset, ...] = field(
        default=(), about="offsets of existing partitions"
    )


@message()
class ConsumerOffsetFilter(Message):
    """Which offsets are wanted; None means any."""

    replica: ReplicaKey | None = field(default=None, about="of this partition")
    consumer_id: str | None = field(default=None, about="of this consumer")


@message(api_key=1008, versions=(23, 25), response=FetchConsumerOffsetsResponse)
class FetchConsumerOffsetsRequest(Message):
    """Ask for stored offsets."""

    filter_opts: ConsumerOffsetFilter | None = field(since=24, default=None, about="which ones")
