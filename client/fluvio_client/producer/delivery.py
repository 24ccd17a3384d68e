"""What a sender gets for a record: something to wait for, and in the end where it was stored.

Made by the producer. Records of a batch share its outcome, so waiting costs nothing until somebody
waits.
"""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from fluvio_client.producer.accumulator import Batch


@dataclass(frozen=True, slots=True)
class RecordMetadata:
    """Where a record was stored."""

    partition: int
    offset: int


class Delivery:
    """What becomes of one record: await it, as often as you like, for its RecordMetadata.

    Raises DeliveryFailed, or what else made the producer give up.
    """

    __slots__ = ("_batch", "_place", "partition")

    def __init__(self, batch: Batch, place: int, partition: int) -> None:
        self._batch = batch
        self._place = place
        self.partition = partition

    @property
    def done(self) -> bool:
        """The outcome is known."""
        return self._batch.done

    def __await__(self) -> Generator[Any, None, RecordMetadata]:
        return self.metadata().__await__()

    async def metadata(self) -> RecordMetadata:
        """Wait until the record is stored. Cancelling the wait does not take the record back."""
        batch = self._batch
        if not batch.done:
            await outcome_of([batch])
        if batch.error is not None:
            batch.noticed = True
            raise batch.error
        return RecordMetadata(self.partition, batch.base_offset + self._place)


async def outcome_of(batches: list[Batch]) -> None:
    """Wait until all these batches have an outcome."""
    left = sum(not batch.done for batch in batches)
    if not left:
        return
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one_less() -> None:
        nonlocal left
        left -= 1
        if not left and not waiter.done():
            waiter.set_result(None)

    for batch in batches:
        if not batch.done:
            batch.on_done(one_less)
    await waiter
