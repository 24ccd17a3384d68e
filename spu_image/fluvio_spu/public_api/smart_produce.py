"""Record sets that go through SmartModules before they are stored: those of a request's own chain,
and those of topics that drop duplicates.

Made by `produce` for a connection that needs it; other requests never come here. The record sets of
one connection that have a chain go through it one after another, so a producer's records keep their
order; a topic's deduplication comes after that, and has an order of its own for all producers. A
waiting record set is a copy, and while `WAITING_BYTES_MAX` of them wait the connection is not read.
"""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_spu.public_api.produce_answer import ProduceExchange
from fluvio_spu.replica.errors import error_status
from fluvio_spu.replica.replica import Replica
from fluvio_spu.transform.chain_run import RunResult
from fluvio_spu.transform.chain_workers import ChainWorkersClosed, Lane
from fluvio_spu.transform.engine_port import EngineChain
from fluvio_spu.transform.invocations import ChainRefused, WantedStep
from fluvio_spu.transform.produced import MadeBatch, run_produced
from fluvio_spu.transform.transforms import PreparedChain

if TYPE_CHECKING:
    from fluvio_spu.public_api.produce import ProduceCollector
    from fluvio_spu.public_api.session import PublicSession

_log = logging.getLogger(__name__)

WAITING_BYTES_MAX = 8 << 20
PREPARED_FOR_S = 1.0
"""So long a chain's modules are not asked for again by the next request."""
_PAUSE = "smart modules"


class WaitingRecords:
    """One record set of a request. `ProducedRecords` for a deduplicator."""

    __slots__ = ("_exchange", "_number", "_owner", "batches", "records", "replica", "wanted")

    def __init__(
        self,
        owner: "SmartProduce",
        exchange: ProduceExchange,
        number: int,
        replica: Replica,
        records: bytes,
        batches: list[tuple[int, int, int, int]],
        wanted: tuple[WantedStep, ...],
    ) -> None:
        self._owner = owner
        self._exchange = exchange
        self._number = number
        self.replica = replica
        self.records = records
        self.batches = batches
        self.wanted = wanted

    @property
    def version(self) -> int:
        """Of the request."""
        return self._exchange.version

    def store(self, made: list[MadeBatch]) -> bool:
        """Append what is left of it, and answer; False when that failed."""
        self._owner.ended(self)
        return self._owner.collector.store_made(self._exchange, self._number, self.replica, made)

    def refuse(self, status: ErrorStatus) -> None:
        """Answer that nothing of it was stored."""
        self._owner.ended(self)
        self._owner.collector.refuse_made(self._exchange, self._number, status)


class SmartProduce:
    """The record sets of one connection that wait for SmartModules."""

    def __init__(self, session: "PublicSession", collector: "ProduceCollector") -> None:
        self.collector = collector
        self._session = session
        self._transforms = session.service.transforms
        self._lane = Lane()
        self._queue: deque[WaitingRecords] = deque()
        self._waiting_bytes = 0
        self._running = False
        self._prepared: tuple[tuple[WantedStep, ...], int, float, PreparedChain] | None = None

    def add(
        self,
        exchange: ProduceExchange,
        number: int,
        replica: Replica,
        records: memoryview,
        batches: list[tuple[int, int, int, int]],
        wanted: tuple[WantedStep, ...],
    ) -> None:
        """Take a record set that was checked; `wanted` is empty when only its topic has modules."""
        entry = WaitingRecords(self, exchange, number, replica, bytes(records), batches, wanted)
        session = self._session
        session.pending(1)
        self._waiting_bytes += len(entry.records)
        if self._waiting_bytes >= WAITING_BYTES_MAX:
            session.pause(_PAUSE)
        if not wanted and not self._running:
            self._transforms.deduplicator(replica).add(entry)
            return
        self._queue.append(entry)
        if not self._running:
            self._running = True
            session.connection.spawn(self._work())

    def ended(self, entry: WaitingRecords) -> None:
        """It is about to be answered."""
        session = self._session
        session.pending(-1)
        self._waiting_bytes -= len(entry.records)
        if self._waiting_bytes < WAITING_BYTES_MAX:
            session.resume(_PAUSE)

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._transform(self._queue.popleft())
        finally:
            self._running = False

    async def _transform(self, entry: WaitingRecords) -> None:
        """Raises nothing: what goes wrong is the answer."""
        if entry.wanted:
            status = await self._run_chain(entry)
            if status is not None:
                entry.refuse(status)
                return
        if entry.batches and entry.replica.assignment.deduplication is not None:
            self._transforms.deduplicator(entry.replica).add(entry)
            return
        entry.store(
            [
                (memoryview(bytearray(entry.records[position : position + size])), count)
                for position, size, count, _ in entry.batches
            ]
        )

    async def _run_chain(self, entry: WaitingRecords) -> ErrorStatus | None:
        """Put what the request's own chain makes of the records in their place."""
        key = entry.replica.key
        try:
            made = await self._made(entry)
        except ChainRefused as refused:
            return refused.status
        except ChainWorkersClosed:
            return ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)
        except FluvioError as error:
            return error_status(error, key)
        except OSError as error:
            _log.error("event=look_back_failed replica=%s error=%s", key, error)
            return ErrorStatus(ErrorCode.STORAGE_ERROR)
        except Exception:  # a bug here must not end the connection
            _log.exception("event=chain_failed replica=%s", key)
            return ErrorStatus(ErrorCode.SMART_MODULE_ERROR)
        if isinstance(made, ErrorStatus):
            return made
        batches = []
        position = 0
        for batch, count in made:
            batches.append((position, len(batch), count, batch[22] & 0x07))
            position += len(batch)
        self._waiting_bytes -= len(entry.records)
        entry.records = b"".join(batch for batch, _ in made)
        entry.batches = batches
        self._waiting_bytes += len(entry.records)
        return None

    async def _made(self, entry: WaitingRecords) -> list[MadeBatch] | ErrorStatus:
        prepared = await self._prepare(entry.wanted, entry.version)
        workers, lane = self._transforms.workers, self._lane
        chain: EngineChain | None = None
        if any(step.lookback is not None for step in entry.wanted):
            chain = await workers.call(lane, prepared.begin)
            await self._transforms.look_back(
                lane, chain, entry.wanted, entry.replica, end=entry.replica.hw.value
            )
        counts = RunResult(0)
        made = await workers.call(
            lane, partial(_run, prepared, chain, entry, counts), is_trial=True
        )
        self._transforms.count(counts, prepared)
        return made

    async def _prepare(self, wanted: tuple[WantedStep, ...], version: int) -> PreparedChain:
        now_s = asyncio.get_running_loop().time()
        known = self._prepared
        if (
            known is not None
            and known[:2] == (wanted, version)
            and now_s - known[2] < PREPARED_FOR_S
        ):
            return known[3]
        prepared = await self._transforms.prepare(self._lane, wanted, version)
        self._prepared = (wanted, version, now_s, prepared)
        return prepared


def _run(
    prepared: PreparedChain, chain: EngineChain | None, entry: WaitingRecords, counts: RunResult
) -> list[MadeBatch] | ErrorStatus:
    """In a worker thread: a chain of its own for each record set."""
    if chain is None:
        chain = prepared.begin()
    try:
        return run_produced(chain, entry.records, entry.batches, counts)
    finally:
        chain.close()
