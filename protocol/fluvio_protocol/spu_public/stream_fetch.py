"""Continuous reading of one partition, and its flow control. Source: protocol reference 4.5.

At most one response per stream is in flight: the next one goes out when UpdateOffsets came.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I32, U32, Message, field, message
from fluvio_protocol.spu_public.fetch import FetchPartitionResponse
from fluvio_protocol.spu_public.smart_module_invocation import ExtraParams, SmartModuleInvocation
from fluvio_protocol.types import Isolation, Offset, PartitionId

STREAM_FETCH_VERSION_MAX = 25
MAX_BYTES_DEFAULT = 1_048_890


@message()
class StreamFetchResponse(Message):
    """One slice of the stream."""

    topic: str = field(about="topic")
    stream_id: U32 = field(about="session, counted per connection from 1; 0 when none was opened")
    partition: FetchPartitionResponse = field(about="batches and offsets")


@message()
class DerivedStreamInvocation(Message):
    """Of old clients; refused."""

    stream: str = field(about="derived stream")
    params: ExtraParams = field(default=ExtraParams(), about="parameters")


@message(api_key=1003, versions=(17, STREAM_FETCH_VERSION_MAX), response=StreamFetchResponse)
class StreamFetchRequest(Message):
    """Open a stream."""

    topic: str = field(about="topic")
    partition: PartitionId = field(about="partition number")
    fetch_offset: Offset = field(about="first offset wanted, absolute")
    max_bytes: I32 = field(default=MAX_BYTES_DEFAULT, about="bytes of batches in a response, soft")
    isolation: Isolation = field(default=Isolation.READ_UNCOMMITTED, about="how far to read")
    wasm_module: bytes = field(since=11, until=18, default=b"", about="of old clients")
    smartmodule: SmartModuleInvocation | None = field(
        since=16, until=18, default=None, about="of old clients"
    )
    derived_stream: DerivedStreamInvocation | None = field(
        since=16, until=18, default=None, about="of old clients"
    )
    smartmodules: tuple[SmartModuleInvocation, ...] = field(
        since=18, default=(), about="chain to run before sending"
    )
    consumer_id: str | None = field(since=23, default=None, about="whose offsets to keep")


@message()
class OffsetUpdate(Message):
    """How far one stream has been read."""

    offset: Offset = field(about="next offset wanted")
    session_id: U32 = field(about="stream")


@message()
class OffsetUpdateStatus(Message):
    """Whether the stream is known."""

    session_id: U32 = field(about="stream")
    error: ErrorStatus = field(default=SUCCESS, about="success, or 3002")


@message()
class UpdateOffsetsResponse(Message):
    """Answer."""

    status: tuple[OffsetUpdateStatus, ...] = field(about="in the order of the request")


@message(api_key=1005, versions=(0, 0), response=UpdateOffsetsResponse)
class UpdateOffsetsRequest(Message):
    """Acknowledge what was read, which asks for more."""

    offsets: tuple[OffsetUpdate, ...] = field(about="streams of this connection")
