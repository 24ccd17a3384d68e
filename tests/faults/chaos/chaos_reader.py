"""A reader of ours that stores how far it is, and begins again there every now and then."""

from dataclasses import dataclass
from typing import Any

from chaos_cluster import TOPIC

from fluvio_protocol.errors import FluvioError
from fluvio_protocol.types import Offset

CONSUMER = "chaos"
RECORDS_BETWEEN_STORES = 10
RECORDS_BETWEEN_STARTS = 500


@dataclass(slots=True)
class Reader:
    """Reads what is committed, and checks at each record that none is missing or comes again.

    stored:        the last offset whose storing was acknowledged; -1: none was
    tried:         the last offset that it tried to store
    started_count: how often it began, each time without a memory of its own
    """

    client: Any
    stored: int = -1
    tried: int = -1
    started_count: int = 0

    async def run(self) -> None:
        """For ever: until it is cancelled, or a check fails."""
        while True:
            self.started_count += 1
            try:
                await self._read_on()
            except FluvioError:
                continue

    async def _read_on(self) -> None:
        next_offset: Offset | None = None
        async with self.client.consumer(
            TOPIC,
            start="beginning",
            isolation="read_committed",
            consumer_id=CONSUMER,
            commit="manual",
        ) as consumer:
            async for record in consumer:
                if next_offset is None:
                    behind = f"stored {self.stored}, tried {self.tried}, began at {record.offset}"
                    assert self.stored < record.offset <= self.tried + 1, behind
                    stop = record.offset + RECORDS_BETWEEN_STARTS
                else:
                    assert record.offset == next_offset, "a record is missing or came again"
                next_offset = record.offset + 1
                if record.offset % RECORDS_BETWEEN_STORES == 0:
                    self.tried = record.offset
                    await consumer.commit(record)
                    await consumer.flush()
                    self.stored = record.offset
                if next_offset == stop:
                    return

    async def check(self) -> None:
        """What is stored is what was acknowledged last, or what was tried after that."""
        (found,) = await self.client.admin.consumers.list(CONSUMER)
        assert self.stored <= found.offset <= self.tried, (self.stored, found.offset, self.tried)
