"""Our client's part of the workload: numbered records, each until it is committed."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from chaos_cluster import HEAL_S, TOPIC

from fluvio_client import ProducerConfig
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.types import Isolation


@dataclass(slots=True)
class Workload:
    """What was acknowledged, and when.

    acknowledged_at_s: by record number, in order
    """

    client: Any
    acknowledged_at_s: list[float] = field(default_factory=list)
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    async def run(self) -> None:
        """Number after number, each until it is acknowledged."""
        config = ProducerConfig(isolation=Isolation.READ_COMMITTED, timeout_ms=1000)
        async with self.client.producer(TOPIC, config=config) as producer:
            while not self.stopping:
                number = len(self.acknowledged_at_s)
                try:
                    delivery = await producer.send(f"ours {number}")
                    await producer.flush()
                    await delivery
                except FluvioError:
                    continue
                self.acknowledged_at_s.append(time.monotonic())
                self.acknowledged.set()

    async def more(self, count: int) -> None:
        """Until so many more were acknowledged."""
        wanted = len(self.acknowledged_at_s) + count
        async with asyncio.timeout(HEAL_S):
            while len(self.acknowledged_at_s) < wanted:
                self.acknowledged.clear()
                await self.acknowledged.wait()

    def longest_silence_s(self, since_s: float) -> float:
        """Between two acknowledgements that followed each other, from some moment on."""
        times = [at for at in self.acknowledged_at_s if at >= since_s]
        return max((b - a for a, b in zip([since_s, *times], times, strict=False)), default=0.0)


async def read_everything(client: Any, last: str) -> list[str]:
    """All that is committed in the order of the log, up to this one."""
    values: list[str] = []
    async with (
        asyncio.timeout(HEAL_S),
        client.consumer(TOPIC, start="beginning", isolation="read_committed") as consumer,
    ):
        async for record in consumer:
            values.append(record.value.decode())
            if values[-1] == last:
                return values
    raise AssertionError(f"the log ended before {last!r}")


def check(values: list[str], whose: str, count: int) -> None:
    """Every acknowledged one is there, in order. One sent again may be there twice, later."""
    numbers = [int(number) for name, number in map(str.split, values) if name == whose]
    first_seen = list(dict.fromkeys(numbers))
    missing = sorted(set(range(count)) - set(numbers))
    assert not missing, f"lost of {whose}: {missing[:20]}"
    assert first_seen[:count] == list(range(count)), f"out of order: {whose}"
