"""Offsets that the cluster keeps for consumers, and how far consumers lag behind.

Reached as `client.admin.consumers`. Stored offsets are no objects with spec and status: they live
in a topic of the cluster, and a consumer is there for as long as it has one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fluvio_client.errors import ClientError, FluvioError, ServerError, TopicNotFound
from fluvio_client.likeness import not_found_text
from fluvio_client.retry import RetryPolicy
from fluvio_client.session import Session
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.spu_public.consumer_offsets import (
    ConsumerOffset,
    ConsumerOffsetFilter,
    DeleteConsumerOffsetRequest,
    FetchConsumerOffsetsRequest,
)
from fluvio_protocol.spu_public.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    PartitionOffsets,
    TopicPartitions,
)
from fluvio_protocol.types import PartitionId, ReplicaKey

LAG_RETRY = RetryPolicy(initial_s=0.05, maximum_s=0.5, total_s=3.0)
"""An offline partition has no known end; who asks for lags wants the others soon."""


class ConsumerNotFound(ClientError):
    """The cluster keeps no offset for that consumer."""


@dataclass(frozen=True, slots=True)
class ConsumerLag:
    """A consumer on a partition.

    offset: of the last record that it has consumed
    start:  first offset that is still there; None when the partition's leader does not answer
    end:    offset after the last committed record; None in the same case
    """

    consumer_id: str
    topic: str
    partition: int
    offset: int
    modified_time_s: int
    start: int | None
    end: int | None

    @property
    def lag(self) -> int | None:
        """Records that it has still to read; None when that is not known."""
        if self.start is None or self.end is None:
            return None
        return max(0, self.end - max(self.offset + 1, self.start))


class Consumers:
    """Offsets that the cluster keeps for consumers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, consumer_id: str | None = None, *, topic: str | None = None
    ) -> list[ConsumerOffset]:
        """Stored offsets, of all consumers or of one, of all topics or of one, in order."""
        chosen = None if consumer_id is None else ConsumerOffsetFilter(consumer_id=consumer_id)
        try:
            response = await self._session.ask_consumer_offsets(
                FetchConsumerOffsetsRequest(filter_opts=chosen)
            )
        except TopicNotFound:
            return []
        except ServerError as error:
            if error.error_code is ErrorCode.TOPIC_NOT_FOUND:
                return []
            raise
        return sorted(
            (
                stored
                for stored in response.consumers
                if consumer_id in (None, stored.consumer_id)
                if topic in (None, stored.replica.topic)
            ),
            key=lambda stored: (stored.consumer_id, stored.replica),
        )

    async def lags(
        self, consumer_id: str | None = None, *, topic: str | None = None
    ) -> Sequence[ConsumerLag]:
        """How far consumers are behind, in order of consumer, topic and partition.

        The ends are asked of the partitions' leaders. Raises: ConsumerNotFound for a consumer
        that is named and has no offset.
        """
        stored = await self.list(consumer_id, topic=topic)
        if consumer_id is not None and not stored:
            known = {one.consumer_id for one in await self.list()}
            if consumer_id not in known:
                raise ConsumerNotFound(not_found_text("Consumer", consumer_id, known))
        async with asyncio.TaskGroup() as tasks:
            asked = {
                key: tasks.create_task(self._bounds(key)) for key in {one.replica for one in stored}
            }
        lags = []
        for one in stored:
            place = asked[one.replica].result()
            lags.append(
                ConsumerLag(
                    consumer_id=one.consumer_id,
                    topic=one.replica.topic,
                    partition=one.replica.partition,
                    offset=one.offset,
                    modified_time_s=one.modified_time_seconds,
                    start=None if place is None else place.start_offset,
                    end=None if place is None else place.last_stable_offset,
                )
            )
        return lags

    async def _bounds(self, key: ReplicaKey) -> PartitionOffsets | None:
        """What a partition's leader says of its ends; None when it says nothing in time."""
        request = FetchOffsetsRequest(
            topics=(TopicPartitions(name=key.topic, partitions=(key.partition,)),)
        )
        try:
            response: FetchOffsetsResponse = await self._session.ask_leader(
                key, request, status=lambda said: _only(said).error_code, retry=LAG_RETRY
            )
        except (FluvioError, LookupError):  # the latter when the answer holds nothing
            return None
        return _only(response)

    async def delete(self, consumer_id: str, topic: str, partition: int) -> None:
        """Forget an offset; one that is not known is fine."""
        await self._session.ask_consumer_offsets(
            DeleteConsumerOffsetRequest(
                replica=ReplicaKey(topic, PartitionId(partition)), consumer_id=consumer_id
            )
        )


def _only(response: FetchOffsetsResponse) -> PartitionOffsets:
    return response.topics[0].partitions[0]
