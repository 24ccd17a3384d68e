"""Append record sets to partitions. Source: protocol reference 4.1.

The answer matches the request by position: same topics, same partitions, same order. A partition
may occur several times, and a topic may come without partitions (every flush sends one).
"""

from typing import Annotated

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I32, I64, Message, Reader, WireType, field, message
from fluvio_protocol.codec.fields import NumberWire
from fluvio_protocol.spu_public.smart_module_invocation import SmartModuleInvocation
from fluvio_protocol.types import Isolation, Offset, PartitionId

PRODUCE_VERSION_MAX = 25


class _ProduceIsolationWire(WireType[Isolation]):
    """i16: negative is read-committed, anything else read-uncommitted."""

    zero = Isolation.READ_UNCOMMITTED
    _number = NumberWire("h")

    def encode(self, out: bytearray, value: Isolation, version: int) -> None:
        self._number.encode(out, -1 if value is Isolation.READ_COMMITTED else 1, version)

    def decode(self, reader: Reader, version: int) -> Isolation:
        negative = self._number.decode(reader, version) < 0
        return Isolation.READ_COMMITTED if negative else Isolation.READ_UNCOMMITTED


@message()
class PartitionProduceData(Message):
    """A record set for one partition."""

    partition: PartitionId = field(about="partition number")
    records: bytes = field(about="batches back to back")


@message()
class TopicProduceData(Message):
    """Record sets for one topic."""

    name: str = field(about="topic")
    partitions: tuple[PartitionProduceData, ...] = field(about="record sets, possibly none")


@message()
class PartitionProduceResponse(Message):
    """What became of one record set."""

    partition: PartitionId = field(about="partition number")
    error_code: ErrorStatus = field(default=SUCCESS, about="success, or why not")
    base_offset: Offset = field(default=Offset(0), about="offset of its first record")
    log_append_time_ms: I64 = field(since=2, default=0, about="always 0")
    log_start_offset: I64 = field(since=5, default=0, about="always 0")


@message()
class TopicProduceResponse(Message):
    """What became of one topic's record sets."""

    name: str = field(about="topic")
    partitions: tuple[PartitionProduceResponse, ...] = field(about="in the order of the request")


@message()
class ProduceResponse(Message):
    """Answer to a produce request."""

    responses: tuple[TopicProduceResponse, ...] = field(about="in the order of the request")
    throttle_time_ms: I32 = field(since=1, default=0, about="always 0")


@message(api_key=0, versions=(0, PRODUCE_VERSION_MAX), response=ProduceResponse)
class ProduceRequest(Message):
    """Append record sets to partitions."""

    transactional_id: str | None = field(default=None, about="carried for the wire's sake")
    isolation: Annotated[Isolation, _ProduceIsolationWire()] = field(
        default=Isolation.READ_UNCOMMITTED, about="answer at log end, or at high watermark"
    )
    timeout_ms: I32 = field(default=1500, about="how long the leader may wait for followers")
    topics: tuple[TopicProduceData, ...] = field(about="record sets, by topic and partition")
    smartmodules: tuple[SmartModuleInvocation, ...] = field(
        since=8, default=(), about="chain to run before storing"
    )
