"""FetchOffsets (1002): where partitions begin and end for a consumer. Source: reference 4.4."""

from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import decode
from fluvio_protocol.errors import ErrorCode, FluvioError, RemoteProtocolError
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    PartitionOffsets,
    TopicOffsets,
)
from fluvio_protocol.types import Offset, PartitionId, ReplicaKey

if TYPE_CHECKING:
    from fluvio_spu.public_api.session import PublicSession

PARTITIONS_MAX = 65_536
STORED_OFFSETS_MAX = 64
"""Partitions of one request whose stored offsets are looked up; real clients ask for one."""

_NOT_LEADER = ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)


def fetch_offsets(
    session: "PublicSession", version: int, correlation_id: int, body: memoryview
) -> None:
    """Answer at once, or with stored offsets (version 23 with a consumer id) when those come."""
    request = decode(FetchOffsetsRequest, body, version)
    count = sum(len(topic.partitions) for topic in request.topics)
    if count > PARTITIONS_MAX:
        raise RemoteProtocolError(f"offsets of {count} partitions in one request")
    consumer_id = request.consumer_id
    if not consumer_id:
        response = _answer(session, request, {})
        session.respond(response, version=version, correlation_id=correlation_id)
        return
    if count > STORED_OFFSETS_MAX:
        raise RemoteProtocolError(f"stored offsets of {count} partitions in one request")

    async def answer_later() -> None:
        stored = {
            key: await _stored(session, key, consumer_id)
            for topic in request.topics
            for partition in topic.partitions
            if session.service.registry.get(key := ReplicaKey(topic.name, partition))
        }
        response = _answer(session, request, stored)
        session.respond(response, version=version, correlation_id=correlation_id)

    session.run_in_order(answer_later)


Stored = Offset | ErrorStatus | None
"""A consumer's offset; None: it has none; an error: nobody can tell now."""


async def _stored(session: "PublicSession", key: ReplicaKey, consumer_id: str) -> Stored:
    try:
        return await session.service.consumer_offsets.get(key, consumer_id)
    except FluvioError as error:
        return ErrorStatus.other(str(error))


def _answer(
    session: "PublicSession",
    request: FetchOffsetsRequest,
    stored: dict[ReplicaKey, Stored],
) -> FetchOffsetsResponse:
    return FetchOffsetsResponse(
        topics=tuple(
            TopicOffsets(
                name=topic.name,
                partitions=tuple(
                    _partition(session, topic.name, partition, stored)
                    for partition in topic.partitions
                ),
            )
            for topic in request.topics
        )
    )


def _partition(
    session: "PublicSession",
    topic: str,
    partition: PartitionId,
    stored: dict[ReplicaKey, Stored],
) -> PartitionOffsets:
    key = ReplicaKey(topic, partition)
    replica = session.service.registry.get(key)
    if replica is None:
        return PartitionOffsets(error_code=_NOT_LEADER, partition=partition)
    consumed = stored.get(key)
    if isinstance(consumed, ErrorStatus):
        return PartitionOffsets(error_code=consumed, partition=partition)
    start, end = replica.start_offset, Offset(replica.hw.value)
    if consumed is not None:
        # Whatever was stored, and whatever retention took since: clients need start <= end, and
        # would fail at an offset that is not there.
        start = Offset(max(start, min(consumed + 1, end)))
    return PartitionOffsets(partition=partition, start_offset=start, last_stable_offset=end)
