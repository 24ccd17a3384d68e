"""Which record was the first at or after a moment: servers are not asked for it, so it is searched.

Called when a consumer starts at a time. By halving: a partition of a billion records takes thirty
small reads. That supposes that times within a partition never fall; where the clocks of producers
disagree it finds a place at which they cross the moment.
"""

import asyncio
from collections.abc import Mapping, Sequence

from fluvio_client.consumer.bounds import PartitionBounds
from fluvio_client.errors import FluvioError, OffsetEvicted, server_error
from fluvio_client.retry import REQUEST
from fluvio_client.session import Session
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record.record_set import RecordTuple, iterate_headers, iterate_tuples
from fluvio_protocol.spu_public.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchTopic,
)
from fluvio_protocol.types import Isolation, Offset, ReplicaKey

SEARCHES_AT_ONCE_MAX = 16
READ_BYTES = 16 * 1024
"""A batch that is larger comes whole from our servers; Fluvio's cut it, and are asked for more."""
READ_BYTES_MAX = 64 * 1024 * 1024
BATCH_DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024


class TimeSearch:
    """The search in one partition, without I/O: read at `probe`, tell what is `seen`, until `over`.

    Invariants: what is sought is in [low, high]; each step halves that at least.
    """

    def __init__(self, when_ms: int, *, start: int, end: int) -> None:
        """when_ms: ms since 1970. start, end: the records are in [start, end)"""
        self.when_ms = when_ms
        self.low = start
        self.high = end

    @property
    def over(self) -> bool:
        """`low` is the first offset at or after the moment, or the end."""
        return self.low >= self.high

    @property
    def probe(self) -> int:
        """Where to read next."""
        return (self.low + self.high) // 2

    def seen(self, records: Sequence[RecordTuple]) -> None:
        """What a read at `probe` gave, in order; nothing means that there is nothing behind it."""
        probe = self.probe
        found = [record for record in records if probe <= record[0] < self.high]
        if not found or found[0][1] >= self.when_ms:
            self.high = probe
            return
        for offset, timestamp, *_ in found:
            if timestamp >= self.when_ms:
                self.low = self.high = offset
                return
        self.low = found[-1][0] + 1

    def evicted(self, next_available: int) -> None:
        """Retention was quicker: the records begin there now."""
        self.low = min(max(self.probe + 1, next_available), self.high)


async def find_offsets(
    session: Session,
    bounds: Mapping[ReplicaKey, PartitionBounds],
    when_ms: int,
    isolation: Isolation,
) -> dict[ReplicaKey, int]:
    """For each partition its first offset at or after the moment; its end when there is none.

    Raises: what a server says, or the transport error that was met last.
    """
    places = asyncio.Semaphore(SEARCHES_AT_ONCE_MAX)

    async def find(key: ReplicaKey) -> int:
        search = TimeSearch(when_ms, start=bounds[key].start, end=bounds[key].end)
        async with places:
            while not search.over:
                try:
                    search.seen(await _read(session, key, search.probe, isolation))
                except OffsetEvicted as error:
                    search.evicted(error.next_available)
        return search.low

    return dict(zip(bounds, await asyncio.gather(*map(find, bounds)), strict=True))


async def _read(
    session: Session, key: ReplicaKey, offset: int, isolation: Isolation
) -> list[RecordTuple]:
    """Some records from an offset on; none when there are none. Retries while leaders move."""
    backoff = REQUEST.backoff()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (REQUEST.total_s or 0)
    max_bytes = READ_BYTES
    while True:
        route = session.metadata.route(key)
        try:
            part = await _fetch(session, key, offset, isolation, max_bytes)
            if part.error_code:
                raise server_error(part.error_code)
            found = _decoded(part.records)
            if found is not None:
                return found
            max_bytes *= 4
            if max_bytes > READ_BYTES_MAX:
                raise RemoteProtocolError(f"{key}: no whole batch at {offset}")
            continue
        except FluvioError as error:
            if not error.retriable or loop.time() > deadline:
                raise
        await session.wait_for_route(key, route, backoff.next_delay_s())


async def _fetch(
    session: Session, key: ReplicaKey, offset: int, isolation: Isolation, max_bytes: int
) -> FetchPartitionResponse:
    wanted = FetchPartition(
        partition=key.partition, fetch_offset=Offset(offset), max_bytes=max_bytes
    )
    connection = await session.leader(key)
    response = await connection.request(
        FetchRequest(
            max_bytes=max_bytes,
            isolation=isolation,
            topics=(FetchTopic(name=key.topic, fetch_partitions=(wanted,)),),
        )
    )
    part: FetchPartitionResponse = response.topics[0].partitions[0]
    return part


def _decoded(records: bytes) -> list[RecordTuple] | None:
    """Records of the first batch that is whole; None when it was cut."""
    for place, header in iterate_headers(records):
        batch = records[place : place + header.size_bytes]
        found: list[RecordTuple] = []
        for some in iterate_tuples(batch, size_bytes_max=BATCH_DECOMPRESSED_BYTES_MAX):
            found += some
        return found
    return None if records else []
