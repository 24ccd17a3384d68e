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
    session: Session, keys: Iterable[ReplicaKey], retry: RetryPolicy = REQUEST
) -> dict[ReplicaKey, PartitionBounds]:
    """Bounds of all these partitions.

    Raises: the error that is not worth retrying, or the last one when time is up.
    """
    loop = asyncio.get_running_loop()
    backoff = retry.backoff()
    deadline = None if retry.total_s is None else loop.time() + retry.total_s
    found: dict[ReplicaKey, PartitionBounds] = {}
    missing = set(keys)
    while missing:
        generation = session.metadata.generation
        error = await _ask_leaders(session, sorted(missing), found)
        missing.difference_update(found)
        if error is not None:
            if backoff.exhausted:
                raise error
            delay_s = backoff.next_delay_s()
            if deadline is not None and loop.time() + delay_s >= deadline:
                raise error
            await session.metadata.wait_change(generation, delay_s)
            await asyncio.sleep(0)
    return found


async def _ask_leaders(
    session: Session,
    keys: list[ReplicaKey],
    found: dict[ReplicaKey, PartitionBounds],
) -> FluvioError | None:
    """Ask every leader once; returns a retriable error of those that did not answer."""
    failed: FluvioError | None = None
    groups: dict[MultiplexedConnection, dict[str, list[PartitionId]]] = {}
    for key in keys:
        try:
            connection = await session.leader(key)
            groups.setdefault(connection, {}).setdefault(key.topic, []).append(key.partition)
        except FluvioError as error:
            if not error.retriable:
                raise
            failed = error
    for connection, group in groups.items():
        try:
            response: FetchOffsetsResponse = await connection.request(
                FetchOffsetsRequest(
                    topics=tuple(
                        TopicPartitions(name=topic, partitions=tuple(partitions))
                        for topic, partitions in group.items()
                    )
                )
            )
            for topic, entry in (
                (one.name, entry) for one in response.topics for entry in one.partitions
            ):
                if entry.error_code:
                    refused = server_error(entry.error_code)
                    if not refused.retriable:
                        raise refused
                    failed = refused
                else:
                    found[ReplicaKey(topic, entry.partition)] = PartitionBounds(
                        entry.start_offset, entry.last_stable_offset
                    )
        except FluvioError as error:
            if not error.retriable:
                raise
            failed = error
    return failed


async def fetch_stored(session: Session, consumer_id: str) -> dict[ReplicaKey, int]:
    """Offsets of the last records that a consumer consumed, of the partitions it is known for."""
    response: FetchConsumerOffsetsResponse = await session.ask_consumer_offsets(
        FetchConsumerOffsetsRequest(filter_opts=ConsumerOffsetFilter(consumer_id=consumer_id))
    )
    return {
        stored.replica: stored.offset
        for stored in response.consumers
        if stored.consumer_id == consumer_id
    }
