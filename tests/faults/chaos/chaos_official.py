"""The official client beside ours: a producer and a consumer, each a process of its own.

Processes, because the binding's calls hold the interpreter while they wait. The producer delivers
at least once: at most once, the binding drops error codes and calls stored what was not. But then
it tries again over the connection that broke, for minutes; and a client that was connected when the
controller died learns no new leader any more. So whoever gets nothing done for a while is ended,
and another one takes over; how often is counted.

Its streams show records before they are committed, and may thus skip some when those are taken
back; so what was acknowledged is looked for by a reader that begins when all is over.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chaos_cluster import HEAL_S, TOPIC

PATIENCE_S = 4.0
"""Whoever is silent for so long is replaced."""

CONNECT = """
import os, sys, time, fluvio
parent = os.getppid()
def failed():
    if os.getppid() != parent:
        sys.exit()  # nobody is there who would end this one
    time.sleep(0.1)
address, topic, start = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = fluvio.FluvioConfig.new(address)
config.disable_tls()
while True:
    try:
        client = fluvio.Fluvio.connect_with_config(config)
        break
    except Exception:
        failed()
"""
PRODUCE = f"""{CONNECT}
config = fluvio.TopicProducerConfigBuilder().isolation(fluvio.Isolation.ReadCommitted).build()
while True:
    try:
        producer = client.topic_producer_with_config(topic, config)
        while True:
            output = producer.send(b"", b"official %d" % start)
            producer.flush()
            output.wait()
            print(start, flush=True)
            start += 1
            time.sleep(0.02)  # the processors are few
    except Exception:
        failed()
"""
CONSUME = f"""{CONNECT}
while True:
    try:
        for record in client.partition_consumer(topic, 0).stream(fluvio.Offset.absolute(start)):
            start = record.offset() + 1
            print(record.offset(), record.value_string(), flush=True)
    except Exception:
        failed()
"""


@asynccontextmanager
async def started(program: str, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments), stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: Process) -> AsyncIterator[str]:
    """Until it is silent for too long, or ends."""
    assert process.stdout is not None
    while True:
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
        except TimeoutError:
            return
        if not line:
            return
        yield line.decode().strip()


@dataclass(slots=True)
class OfficialProducer:
    """Numbered records, each sent again until it was acknowledged, whoever sends it."""

    address: str
    acknowledged_count: int = 0
    started_count: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.started_count += 1
            arguments = (self.address, TOPIC, str(self.acknowledged_count))
            async with started(PRODUCE, *arguments) as process:
                async for line in lines(process):
                    assert int(line) == self.acknowledged_count
                    self.acknowledged_count += 1
                    self._news.set()

    async def more(self, count: int) -> None:
        """Until so many more were acknowledged."""
        wanted = self.acknowledged_count + count
        async with asyncio.timeout(HEAL_S):
            while self.acknowledged_count < wanted:
                self._news.clear()
                await self._news.wait()


@dataclass(slots=True)
class OfficialConsumer:
    """Reads on and on, behind the last record when it has to begin anew."""

    address: str
    next_offset: int = 0
    started_count: int = 0
    seen: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.started_count += 1
            async with started(CONSUME, self.address, TOPIC, str(self.next_offset)) as process:
                async for line in lines(process):
                    offset, value = line.split(" ", 1)
                    self.next_offset = int(offset) + 1
                    self.seen.add(value)
                    self._news.set()

    async def until_seen(self, value: str) -> None:
        """It got so far."""
        async with asyncio.timeout(HEAL_S):
            while value not in self.seen:
                self._news.clear()
                await self._news.wait()


async def read_everything_officially(address: str, wanted: set[str]) -> list[str]:
    """All values in the order of the log, until these were among them."""
    values: list[str] = []
    waiting = set(wanted)
    async with asyncio.timeout(HEAL_S), started(CONSUME, address, TOPIC, "0") as process:
        async for line in lines(process):
            values.append(line.split(" ", 1)[1])
            waiting.discard(values[-1])
            if not waiting:
                return values
    raise AssertionError(f"the official client does not see {waiting}")
