"""SmartModules over records on this machine, in the engine that SPUs have, without a cluster.

The one module of the command line that imports a server's package, and of that the engine alone
(decision 0019). Importing it imports wasmtime: commands ask `require_engine` first, and import it
when they run modules.

What follows a failure is what a consumer's stream makes of it (`fluvio_spu.transform.chain_run`): a
record that fails is missing and those behind it are not. After a trap the modules begin anew, which
those that remember records cannot; then, and after several traps in a row, nothing follows.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from fluvio_cli.failure import Failure
from fluvio_client.consumer.transform import Transform
from fluvio_client.errors import error_text
from fluvio_protocol.api.error_code import ErrorStatus, SmartModuleRuntimeFailure
from fluvio_protocol.record import BATCH_HEADER_SIZE, BatchBuilder
from fluvio_protocol.record.record import decode_records
from fluvio_protocol.spu_public.stream_fetch import STREAM_FETCH_VERSION_MAX
from fluvio_spu.smartengine import (
    Chain,
    ChainStep,
    SmartEngine,
    SmartModule,
    SmartModuleRefused,
    StepResult,
    TransformError,
)

TRAPS_MAX = 3
"""In a row, after which a stream ends; the SPU's own number."""
_COUNT_SIZE = 4

KeyAndValue = tuple[bytes | None, bytes]


class ModulesRefused(Failure):
    """The modules cannot be run on any record."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class RecordFailure:
    """Why a record did not go through.

    code:   the number that an SPU answers with
    step:   of the chain, from 1; `module` is its name
    kind:   of the module; None where the code says it all
    offset: of the record as the module names it; key, value: of what the module was given
    """

    code: int
    step: int
    module: str
    message: str
    text: str
    kind: str | None = None
    offset: int = -1
    key: bytes | None = None
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record.

    is_last: the modules cannot go on
    """

    offset: int
    outputs: tuple[KeyAndValue, ...]
    failure: RecordFailure | None
    elapsed_ns: int
    is_last: bool = False


@dataclass(slots=True)
class StepCounts:
    """What one module did of all records."""

    name: str
    kind: str
    record_in_count: int = 0
    record_out_count: int = 0
    error_count: int = 0
    elapsed_ns: int = 0
    fuel: int = 0

    def add(self, result: StepResult) -> None:
        """One record more."""
        self.record_in_count += result.record_in_count
        self.record_out_count += result.record_out_count
        self.error_count += result.failed
        self.elapsed_ns += result.elapsed_ns
        self.fuel += result.fuel


class EngineRun:
    """`with EngineRun(steps) as run:`, then `run.process` with each record.

    counts:       of each step
    memory_bytes: the most that the modules had together
    """

    def __init__(
        self,
        steps: Sequence[tuple[str, Transform]],
        *,
        before: Sequence[KeyAndValue] = (),
        with_fuel: bool = False,
    ) -> None:
        """steps:  names, and transforms that have their code
        before:    records that are there already, of which modules that look back are shown some
        with_fuel: count the instructions that modules run
        """
        self.counts: list[StepCounts] = []
        self.memory_bytes = 0
        self._wanted = steps
        self._before = before
        self._engine = SmartEngine(with_fuel=with_fuel)
        self._steps: list[ChainStep] = []
        self._chain: Chain | None = None
        self._offset = len(before)
        self._trap_count = 0

    def __enter__(self) -> Self:
        """Load the modules and let them begin. Raises ModulesRefused."""
        try:
            for name, transform in self._wanted:
                module = self._load(name, transform)
                self.counts.append(StepCounts(name, module.kind))
                self._steps.append(
                    ChainStep(
                        module=module,
                        name=name,
                        params=transform.params,
                        lookback=transform.invocation().params.lookback,
                        accumulator=transform.accumulator,
                    )
                )
            self._chain = self._begin()
            self._look_back(self._chain)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._chain is not None:
            self._chain.close()
        self._engine.close()

    def process(self, key: bytes | None, value: bytes) -> Outcome:
        """Put the next record through the modules. Raises ModulesRefused."""
        assert self._chain is not None
        offset, self._offset = self._offset, self._offset + 1
        now_ms = _now_ms()
        payload = _payload([(key, value)], now_ms)
        began_ns = time.perf_counter_ns()
        found = self._chain.process(payload, base_offset=offset, base_timestamp=now_ms)
        elapsed_ns = time.perf_counter_ns() - began_ns
        for counts, result in zip(self.counts, found.steps, strict=True):
            counts.add(result)
        self.memory_bytes = max(self.memory_bytes, self._chain.memory_bytes)
        records = decode_records(found.payload, _COUNT_SIZE, found.record_count)
        return Outcome(
            offset,
            tuple((made_key, made_value) for _, _, made_key, made_value in records),
            None if found.error is None else _failure(found.error, found.steps),
            elapsed_ns,
            is_last=not self._can_go_on(found.error),
        )

    def _load(self, name: str, transform: Transform) -> SmartModule:
        assert transform.code is not None, "whoever calls has fetched it"
        try:
            return self._engine.load(transform.code)
        except SmartModuleRefused as refused:
            raise ModulesRefused(f"{name}: {error_text(refused.status)}") from refused

    def _begin(self) -> Chain:
        try:
            return Chain.begin(self._engine, self._steps, version=STREAM_FETCH_VERSION_MAX)
        except SmartModuleRefused as refused:
            raise ModulesRefused(error_text(refused.status)) from refused

    def _look_back(self, chain: Chain) -> None:
        """Show the newest records, as many as a step asks for; all of them are young."""
        for number, step in enumerate(self._steps):
            if step.lookback is None or not chain.looks_back(number):
                continue
            start = max(0, len(self._before) - step.lookback.last)
            if step.lookback.age is not None and not step.lookback.last:
                start = 0  # a count of 0 beside an age is no bound
            shown = self._before[start:]
            if not shown:
                continue
            now_ms = _now_ms()
            try:
                chain.look_back(
                    number, _payload(shown, now_ms), base_offset=start, base_timestamp=now_ms
                )
            except SmartModuleRefused as refused:
                raise ModulesRefused(error_text(refused.status)) from refused

    def _can_go_on(self, error: TransformError | None) -> bool:
        """Behind this; begins the modules anew where that is needed and can be."""
        if error is None or not error.is_fatal:
            self._trap_count = 0
            return True
        self._trap_count += 1
        remembers = any(one.lookback is not None or one.module.is_aggregate for one in self._steps)
        if remembers or self._trap_count >= TRAPS_MAX:
            return False
        assert self._chain is not None
        self._chain.close()
        self._chain = self._begin()
        return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _payload(records: Iterable[KeyAndValue], timestamp_ms: int) -> bytes:
    """Record count and records."""
    builder = BatchBuilder(timestamp_ms)
    for key, value in records:
        builder.append(key, value, timestamp_ms)
    return builder.build()[BATCH_HEADER_SIZE:]


def _failure(error: TransformError, steps: Sequence[StepResult]) -> RecordFailure:
    status: ErrorStatus = error.status
    number = max(index for index, one in enumerate(steps, start=1) if one.failed)
    told = status.payload[0] if status.payload else None
    text = error_text(status)
    if not isinstance(told, SmartModuleRuntimeFailure):
        return RecordFailure(int(status.error), number, steps[number - 1].name, text, text)
    return RecordFailure(
        code=int(status.error),
        step=number,
        module=steps[number - 1].name,
        message=told.hint,
        text=text,
        kind=told.kind.name.lower(),
        offset=int(told.offset),
        key=told.record_key,
        value=told.record_value,
    )
