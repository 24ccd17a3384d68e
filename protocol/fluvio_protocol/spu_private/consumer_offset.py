"""Consumer offsets, forwarded to the leader of the `consumer-offset` topic."""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import Message, field, message
from fluvio_protocol.types import Offset, ReplicaKey


@message()
class PeerFetchConsumerOffsetResponse(Message):
    """Answer."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or 3001")
    offset: Offset | None = field(default=None, about="offset of the last consumed record")


@message(api_key=1, versions=(0, 0), response=PeerFetchConsumerOffsetResponse)
class PeerFetchConsumerOffset(Message):
    """Where did this consumer leave off?"""

    replica: ReplicaKey = field(about="partition consumed")
    consumer_id: str = field(about="consumer")


@message()
class PeerUpdateConsumerOffsetResponse(Message):
    """Answer."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")


@message(api_key=2, versions=(0, 0), response=PeerUpdateConsumerOffsetResponse)
class PeerUpdateConsumerOffset(Message):
    """Store this."""

    replica: ReplicaKey = field(about="partition consumed")
    consumer_id: str = field(about="consumer")
    offset: Offset = field(about="offset of the last consumed record")
