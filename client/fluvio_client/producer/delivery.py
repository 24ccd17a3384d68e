"""What a sender gets for a record: something to wait for, and in the end where it was stored.

Made by the producer. Records of a batch share its outcome, so waiting costs nothing until somebody
waits.
"""

import asyncio
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from fluvio_client.errors import FluvioError
from fluvio_client.producer.accumulator import Batch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordMetadata:
    """Where a record was stored.

    offset: with SmartModules, where that begins which they left of the record's whole batch, or
            would begin when they left nothing of it; what became of the record is not before it
    """

    partition: int
    offset: int


OnDelivery = Callable[[FluvioError | None, RecordMetadata | None], None]
"""Told of every record: why it was given up, or where it was stored. The other one is None."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch.

    size_bytes: as it was sent, compressed; 0 when it was not stored
    created_ms: when its first record came, ms since 1970
    elapsed_s:  from then to its outcome
    error:      why it was given up; None when it was stored
    """

    topic: str
    partition: int
    record_count: int
    size_bytes: int
    created_ms: int
    elapsed_s: float
    error: FluvioError | None


OnBatch = Callable[[BatchOutcome], None]
"""Told of every batch."""


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
        if not self._batch.done:
            await outcome_of([self._batch])
        return self.result()

    def result(self) -> RecordMetadata:
        """The outcome, without waiting. Raises: InvalidStateError while it is not known."""
        batch = self._batch
        if not batch.done:
            raise asyncio.InvalidStateError("the record is still on its way: await it")
        if batch.error is not None:
            batch.noticed = True
            raise batch.error
        return RecordMetadata(self.partition, batch.base_offset + self._place)

    def add_done_callback(self, callback: Callable[["Delivery"], None]) -> None:
        """Call with this delivery when the outcome is known, soon when it is already.

        What the callback raises is logged. It runs between the producer's own steps: be quick.
        """
        if self._batch.done:
            asyncio.get_running_loop().call_soon(called, callback, self)
        else:
            self._batch.on_done(lambda: called(callback, self))

    def tell(self, callback: OnDelivery) -> None:
        """Call with the outcome when it is known."""

        def told(delivery: Delivery) -> None:
            try:
                metadata = delivery.result()
            except FluvioError as error:
                callback(error, None)
            else:
                callback(None, metadata)

        self.add_done_callback(told)


def called(callback: Callable[..., None], *arguments: object) -> None:
    """Call back an application; what it raises is its own affair, and is logged."""
    try:
        callback(*arguments)
    except Exception:
        log.exception("callback=%r raised", callback)


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
