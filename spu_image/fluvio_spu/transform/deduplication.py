"""Dropping what a topic has already: one long-lived chain for each partition that asks for it.

    record sets of all producers -> queue -> chain -> store, in that order -> next

The chain remembers the records that went through it, so it must have seen what is in the log and
nothing else. Hence one record set after the other, and hence whenever one was not stored, for a
record failed or the disk was full, the chain is thrown away: it would drop the producer's next
attempt as a duplicate. A new one is shown the log through look_back, uncommitted records too, since
the leader will commit them. That is also what happens at the first record set after a restart or
an election, so nothing needs to be kept on disk or sent to followers.

Source: protocol reference 8.8; our differences: records are looked back on until both bounds are
passed, and uncommitted ones with them.
"""

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.metadata.topic import Deduplication
from fluvio_spu.replica.errors import error_status
from fluvio_spu.replica.replica import Replica
from fluvio_spu.transform.chain_run import RunResult
from fluvio_spu.transform.chain_workers import ChainWorkersClosed, Lane
from fluvio_spu.transform.engine_port import EngineChain
from fluvio_spu.transform.invocations import ChainRefused, ModuleNotFetched, steps_of_deduplication
from fluvio_spu.transform.produced import MadeBatch, run_produced

if TYPE_CHECKING:
    from fluvio_spu.transform.transforms import PreparedChain, Transforms

_log = logging.getLogger(__name__)

JOB_BYTES_MAX = 1 << 20
"""Of record sets that one job takes together."""

ENGINE_VERSION = 25
"""What modules are told; the requests that their records come from may differ."""


class ProducedRecords(Protocol):
    """A record set that waits. `records` are a copy, and were checked: see `check_record_set`."""

    records: bytes
    batches: list[tuple[int, int, int, int]]

    def store(self, made: list[MadeBatch]) -> bool:
        """Append what is left of it, and answer; False when that failed."""

    def refuse(self, status: ErrorStatus) -> None:
        """Answer that nothing of it was stored."""


class Deduplicator:
    """One partition's chain and queue. Used on the event loop thread."""

    def __init__(self, transforms: "Transforms", replica: Replica) -> None:
        self._transforms = transforms
        self._replica = replica
        self._lane = Lane()
        self._queue: deque[ProducedRecords] = deque()
        self._prepared: PreparedChain | None = None
        self._chain: EngineChain | None = None
        self._made_for: Deduplication | None = None
        self._running = False
        replica.subscribe(self)

    def add(self, entry: ProducedRecords) -> None:
        """Store what is new of a record set, after those that came before."""
        self._queue.append(entry)
        if not self._running:
            self._running = True
            self._transforms.spawn(self._work())

    # As an OffsetSubscriber of the replica.

    def offsets_moved(self) -> int:
        """Nothing to do: it never waits for data."""
        return 0

    def replica_stopped(self, status: ErrorStatus) -> None:
        """Led elsewhere now, or deleted."""
        self._transforms.forget(self._replica)
        self._refuse_all(status)
        if not self._running:
            self._discard()

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._work_once()
        finally:
            self._running = False
            if not self._replica.serving:
                self._discard()

    async def _work_once(self) -> None:
        """Raises nothing: what goes wrong is the answer of those who wait."""
        replica = self._replica
        try:
            if (
                self._chain is None
                or self._chain.has_grown
                or self._made_for != replica.assignment.deduplication
            ):
                await self._begin()
            taken = self._take()
            if taken:
                await self._run(taken)
        except ChainRefused as refused:
            self._failed(_told(refused))
        except ChainWorkersClosed:
            self._failed(ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION))
        except FluvioError as error:
            self._failed(error_status(error, replica.key))
        except OSError as error:
            _log.error("event=look_back_failed replica=%s error=%s", replica.key, error)
            self._failed(ErrorStatus(ErrorCode.STORAGE_ERROR))
        except Exception:  # a bug here must not leave producers waiting for ever
            _log.exception("event=deduplication_failed replica=%s", replica.key)
            self._failed(ErrorStatus(ErrorCode.SMART_MODULE_ERROR))

    def _take(self) -> list[ProducedRecords]:
        taken: list[ProducedRecords] = []
        size = 0
        while self._queue and size < JOB_BYTES_MAX:
            taken.append(self._queue.popleft())
            size += len(taken[-1].records)
        return taken

    async def _begin(self) -> None:
        self._discard()
        replica, transforms = self._replica, self._transforms
        wanted_by = replica.assignment.deduplication
        if wanted_by is None:
            raise ChainRefused(ErrorStatus(ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED))
        wanted = steps_of_deduplication(wanted_by)
        prepared = await transforms.prepare(self._lane, wanted, ENGINE_VERSION)
        chain = await transforms.workers.call(self._lane, prepared.begin)
        self._prepared, self._chain, self._made_for = prepared, chain, wanted_by
        try:
            await transforms.look_back(
                self._lane, chain, wanted, replica, end=replica.leo, wide=True
            )
        except BaseException:
            self._discard()
            raise
        _log.info("event=deduplication_begun replica=%s leo=%s", replica.key, replica.leo)

    async def _run(self, taken: list[ProducedRecords]) -> None:
        assert self._chain is not None
        assert self._prepared is not None
        counts = RunResult(0)
        try:
            results = await self._transforms.workers.call(
                self._lane, partial(_run_all, self._chain, taken, counts), is_trial=True
            )
        except BaseException:
            self._queue.extendleft(reversed(taken))
            raise
        self._transforms.count(counts, self._prepared)
        for number, (entry, result) in enumerate(zip(taken, results, strict=False)):
            if isinstance(result, ErrorStatus):
                entry.refuse(result)
            elif entry.store(result):
                continue
            self._discard()
            self._queue.extendleft(reversed(taken[number + 1 :]))
            return

    def _failed(self, status: ErrorStatus) -> None:
        self._discard()
        self._refuse_all(status)

    def _refuse_all(self, status: ErrorStatus) -> None:
        while self._queue:
            self._queue.popleft().refuse(status)

    def _discard(self) -> None:
        chain, self._chain = self._chain, None
        if chain is not None and not self._lane.busy:  # else a thread is in it, and the last to go
            chain.close()


def _run_all(
    chain: EngineChain, taken: list[ProducedRecords], counts: RunResult
) -> list[list[MadeBatch] | ErrorStatus]:
    """In a worker thread: one record set after the other, up to the first that fails."""
    results: list[list[MadeBatch] | ErrorStatus] = []
    for entry in taken:
        results.append(run_produced(chain, entry.records, entry.batches, counts))
        if isinstance(results[-1], ErrorStatus):
            break
    return results


def _told(refused: ChainRefused) -> ErrorStatus:
    """What a producer is told, who named no module."""
    status = refused.status
    if status.error is ErrorCode.SMART_MODULE_NOT_FOUND or isinstance(refused, ModuleNotFetched):
        return ErrorStatus(ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED)
    return status
