"""Where partitions begin and end right now: one question to every SPU that leads some of them.

Called when a consumer starts. Sends requests through the session, and repeats them while leaders
move.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from fluvio_client.errors import FluvioError, server_error
from fluvio_client.retry import REQUEST, RetryPolicy
from fluvio_client.session import Session
from fluvio_protocol.spu_public.consumer_offsets import (
    ConsumerOffsetFilter,
    FetchConsumerOffsetsRequest,
    FetchConsumerOffsetsResponse,
)
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    TopicPartitions,
)
from fluvio_protocol.types import PartitionId, ReplicaKey
from fluvio_socket.multiplexer import MultiplexedConnection


@dataclass(frozen=True, slots=True)
class PartitionBounds:
    """Committed records of a partition: [start, end)."""

    start: int
    end: int


async def fetch_bounds(
    session: Session, topic: str, partitions: Iterable[PartitionId], retry: RetryPolicy = REQUEST
) -> dict[PartitionId, PartitionBounds]:
    """Bounds of all these partitions of a topic.

    Raises: the error that is not worth retrying, or the last one when time is up.
    """
    loop = asyncio.get_running_loop()
    backoff = retry.backoff()
    deadline = None if retry.total_s is None else loop.time() + retry.total_s
    found: dict[PartitionId, PartitionBounds] = {}
    missing = set(partitions)
    while missing:
        generation = session.metadata.generation
        error = await _ask_leaders(session, topic, sorted(missing), found)
        missing.difference_update(found)
        if error is not None:
            delay_s = backoff.next_delay_s()
            if deadline is not None and loop.time() + delay_s >= deadline:
                raise error
            await session.metadata.wait_change(generation, delay_s)
            await asyncio.sleep(0)
    return found


async def _ask_leaders(
    session: Session,
    topic: str,
    partitions: list[PartitionId],
    found: dict[PartitionId, PartitionBounds],
) -> FluvioError | None:
    """Ask every leader once; returns a retriable error of those that did not answer."""
    failed: FluvioError | None = None
    groups: dict[MultiplexedConnection, list[PartitionId]] = {}
    for partition in partitions:
        try:
            connection = await session.leader(ReplicaKey(topic, partition))
            groups.setdefault(connection, []).append(partition)
        except FluvioError as error:
            if not error.retriable:
                raise
            failed = error
    for connection, group in groups.items():
        try:
            response: FetchOffsetsResponse = await connection.request(
                FetchOffsetsRequest(topics=(TopicPartitions(name=topic, partitions=tuple(group)),))
            )
            for entry in (entry for one in response.topics for entry in one.partitions):
                if entry.error_code:
                    refused = server_error(entry.error_code)
                    if not refused.retriable:
                        raise refused
                    failed = refused
                else:
                    found[entry.partition] = PartitionBounds(
                        entry.start_offset, entry.last_stable_offset
                    )
        except FluvioError as error:
            if not error.retriable:
                raise
            failed = error
    return failed


async def fetch_stored(session: Session, topic: str, consumer_id: str) -> dict[PartitionId, int]:
    """Offsets of the last records that a consumer consumed, of the partitions it is known for."""
    response: FetchConsumerOffsetsResponse = await session.ask_consumer_offsets(
        FetchConsumerOffsetsRequest(filter_opts=ConsumerOffsetFilter(consumer_id=consumer_id))
    )
    return {
        stored.replica.partition: stored.offset
        for stored in response.consumers
        if stored.consumer_id == consumer_id and stored.replica.topic == topic
    }
