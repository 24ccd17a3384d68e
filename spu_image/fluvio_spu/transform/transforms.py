"""What an SPU runs SmartModules with, made once by `app`: engine, threads, modules, statistics.

The engine is made by the first chain that is asked for, in a worker thread, since loading wasmtime
takes as long as many requests do. Where it is not installed, chains are refused with a status that
says so.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_spu.replica.replica import Replica
from fluvio_spu.storage import LogSlice
from fluvio_spu.transform.chain_run import RunResult
from fluvio_spu.transform.chain_workers import ChainWorkers, Lane, Standing
from fluvio_spu.transform.deduplication import Deduplicator
from fluvio_spu.transform.engine_port import EngineChain, EngineModule, EngineStep, import_engine
from fluvio_spu.transform.invocations import ChainRefused, ModuleNotFetched, WantedStep
from fluvio_spu.transform.look_back import LookBackRange, find_range, parts_of, slices
from fluvio_spu.transform.module_source import ControllerAway, ModuleSource
from fluvio_spu.transform.module_statistics import ModuleStatistics

_log = logging.getLogger(__name__)

NAMES_MAX = 256
"""Stored modules whose last version is kept for the time when the controller is away."""
FETCHES_MAX = 4
"""Modules that are fetched at a time, each of up to 16 MiB."""
SUSPECTS_MAX = 256
SUSPECT_FOR_S = 600.0
"""So long a module that ran out of time shares a thread with others like it; the machine may have
been busy."""

SMART_MODULES_UNAVAILABLE = ErrorStatus(
    ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR,
    ("this SPU runs no SmartModules: wasmtime is not installed on it",),
)


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """What the process was told.

    memory_bytes_max: of all modules of one chain together
    total_memory_bytes_max: of all chains together, but for small ones
    call_ms_max:      of one call of a module
    worker_count:     threads that run modules
    cache_directory:  compiled modules are kept there; None keeps them in memory only
    with_fuel:        count the instructions that modules run
    """

    memory_bytes_max: int = 1 << 30
    total_memory_bytes_max: int = 2 << 30
    call_ms_max: int = 5_000
    worker_count: int = 4
    cache_directory: str | None = None
    with_fuel: bool = False


@dataclass(frozen=True, slots=True)
class _Stored:
    hash: bytes
    module: EngineModule


class PreparedChain:
    """Modules that were found and compiled, and how to make chains of them.

    remembers:  modules in it keep something from record to record
    one_by_one: and others behind them may fail: see `ChainRun`
    """

    def __init__(self, engine: Any, steps: tuple[EngineStep, ...], version: int) -> None:
        self._engine = engine
        self.steps = steps
        self._version = version
        remembering = [
            step.lookback is not None or step.module.kind == "aggregate" for step in steps
        ]
        self.remembers = any(remembering)
        self.one_by_one = any(remembering[:-1])

    def begin(self) -> EngineChain:
        """A chain, its modules initialized; in a worker thread. Raises ChainRefused."""
        engine = import_engine()
        try:
            chain: EngineChain = engine.Chain.begin(self._engine, self.steps, version=self._version)
        except engine.SmartModuleRefused as refused:
            raise ChainRefused(refused.status) from refused
        return chain


class Transforms:
    """See the module. Used on the event loop thread, except where it says otherwise."""

    def __init__(self, settings: TransformSettings) -> None:
        self.workers = ChainWorkers(settings.worker_count)
        self.statistics = ModuleStatistics()
        self.source: ModuleSource | None = None
        self._settings = settings
        self._engine: Any = None
        self._engine_lock = threading.Lock()
        self._stored: OrderedDict[str, _Stored] = OrderedDict()
        self._fetching = asyncio.Semaphore(FETCHES_MAX)
        self._suspects: OrderedDict[bytes, float] = OrderedDict()
        self._deduplicators: dict[Replica, Deduplicator] = {}
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what runs, modules in the middle of a call too, then the threads."""
        for task in tuple(self._running):
            task.cancel()
        self.workers.drop_queued()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.close)
        await self.workers.close()
        await self._tasks.__aexit__(kind, error, traceback)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run what belongs to no connection."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def deduplicator(self, replica: Replica) -> Deduplicator:
        """What drops duplicates of that partition."""
        found = self._deduplicators.get(replica)
        if found is None:
            found = self._deduplicators[replica] = Deduplicator(self, replica)
        return found

    def forget(self, replica: Replica) -> None:
        """It is not served here any more."""
        self._deduplicators.pop(replica, None)

    async def prepare(
        self, lane: Lane, wanted: Sequence[WantedStep], version: int
    ) -> PreparedChain:
        """Find and compile the modules. Raises ChainRefused, ChainWorkersClosed."""
        modules = [await self._module(lane, step) for step in wanted]
        if any(self._is_suspect(module) for module in modules):
            lane.standing = Standing.SUSPECT
        assert self._engine is not None
        make_step = import_engine().ChainStep
        steps = tuple(
            make_step(
                module=module,
                name=step.name,
                params=step.params,
                lookback=step.lookback,
                accumulator=step.accumulator,
                kind=step.kind,
            )
            for module, step in zip(modules, wanted, strict=True)
        )
        return PreparedChain(self._engine, steps, version)

    async def look_back(
        self,
        lane: Lane,
        chain: EngineChain,
        wanted: Sequence[WantedStep],
        replica: Replica,
        *,
        end: int,
        wide: bool = False,
    ) -> None:
        """Show the modules that ask for it what is stored before `end`.

        Raises: ChainRefused, ChainWorkersClosed, OSError, RemoteProtocolError, of reading a log.
        """
        call = partial(self.workers.call, lane)
        for number, step in enumerate(wanted):
            if step.lookback is None or not chain.looks_back(number):
                continue
            shown = await find_range(
                replica,
                step.lookback,
                end=end,
                now_ms=time.time_ns() // 1_000_000,
                wide=wide,
                call=call,
            )
            async for found in slices(replica, shown):
                await call(partial(_show, chain, number, found, shown))

    def count(self, result: RunResult, chain: PreparedChain) -> None:
        """A job has ended: note what its modules did."""
        for name, counts in result.counts.items():
            self.statistics.add(name, counts)
        if result.timed_out:
            now_s = asyncio.get_running_loop().time()
            for step in chain.steps:
                self._suspects[step.module.hash] = now_s
                self._suspects.move_to_end(step.module.hash)
            while len(self._suspects) > SUSPECTS_MAX:
                self._suspects.popitem(last=False)

    def _is_suspect(self, module: EngineModule) -> bool:
        since_s = self._suspects.get(module.hash)
        return since_s is not None and asyncio.get_running_loop().time() - since_s < SUSPECT_FOR_S

    async def _module(self, lane: Lane, step: WantedStep) -> EngineModule:
        if step.stored is None:
            return await self.workers.call(lane, partial(self._load, step.code))
        async with self._fetching:
            return await self._stored_module(lane, step.stored)

    async def _stored_module(self, lane: Lane, name: str) -> EngineModule:
        known = self._stored.get(name)
        try:
            if self.source is None:
                raise ControllerAway("this SPU has no controller")
            answer = await self.source.fetch_smart_module(name, known.hash if known else b"")
        except ControllerAway as away:
            if known is not None:
                return known.module
            raise ModuleNotFetched(name, away) from away
        if answer.error_code:
            self._stored.pop(name, None)
            raise ChainRefused(answer.error_code)
        if known is not None and answer.hash == known.hash:
            self._stored.move_to_end(name)
            return known.module
        module = await self.workers.call(lane, partial(self._load, answer.code))
        self._stored[name] = _Stored(answer.hash, module)
        self._stored.move_to_end(name)
        while len(self._stored) > NAMES_MAX:
            self._stored.popitem(last=False)
        return module

    def _load(self, code: bytes) -> EngineModule:
        """In a worker thread."""
        try:
            engine = import_engine()
        except ImportError as missing:
            _log.warning("event=smart_modules_unavailable reason=%s", missing)
            raise ChainRefused(SMART_MODULES_UNAVAILABLE) from missing
        with self._engine_lock:
            if self._engine is None:
                settings = self._settings
                self._engine = engine.SmartEngine(
                    cache_directory=settings.cache_directory,
                    memory_bytes_max=settings.memory_bytes_max,
                    total_memory_bytes_max=settings.total_memory_bytes_max,
                    call_ms_max=settings.call_ms_max,
                    with_fuel=settings.with_fuel,
                )
        try:
            module: EngineModule = self._engine.load(code)
        except engine.SmartModuleRefused as refused:
            raise ChainRefused(refused.status) from refused
        return module


def _show(chain: EngineChain, number: int, found: LogSlice, shown: LookBackRange) -> None:
    """In a worker thread."""

    try:
        for payload, batch in parts_of(found, shown):
            chain.look_back(
                number,
                payload,
                base_offset=batch.header.base_offset,
                base_timestamp=batch.header.first_timestamp,
            )
    except import_engine().SmartModuleRefused as refused:
        raise ChainRefused(refused.status) from refused
