"""Modules one behind the other: what comes out of one goes into the next, a batch at a time.

One chain belongs to one stream, or to one partition of a producer's request; it keeps what its
modules keep in their memory. Source: protocol reference 8.2-8.8.

A module stops at the first record that it cannot process. What it made of those before goes on
through the chain, so that they reach the reader, and the error follows them; of several errors in
one batch the last step's counts, whose record is the earliest. Behind a module that makes several
records of one nobody could tell which record failed, so there batches go through record by record.
"""

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from fluvio_protocol.api.error_code import (
    ErrorStatus,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.errors import ErrorCode, RemoteProtocolError
from fluvio_protocol.record.record import decode_records, record_bounds
from fluvio_protocol.spu_public.smart_module_invocation import Lookback
from fluvio_protocol.types import Offset
from fluvio_spu.smartengine import abi
from fluvio_spu.smartengine.engine import SmartEngine
from fluvio_spu.smartengine.errors import (
    GuestFailed,
    SmartModuleRefused,
    cut,
    init_refused,
    look_back_refused,
    memory_status,
    wrong_exports,
)
from fluvio_spu.smartengine.instance import ChainStore, Instance
from fluvio_spu.smartengine.module import KINDS, SmartModule

_COUNT = struct.Struct(">i")
_NO_RECORDS = _COUNT.pack(0)
UNKNOWN_OFFSET = Offset(-1)
GROWN_BYTES = 64 << 20
"""Memory after which the instances of a chain are made anew, or twice what it began with."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One module of a chain to be.

    name:        for messages and statistics
    lookback:    which earlier records it wants to be shown
    accumulator: what an aggregate begins with
    kind:        what the module has to be; None: whatever it is
    """

    module: SmartModule
    name: str
    params: Mapping[str, str] = field(default_factory=dict)
    lookback: Lookback | None = None
    accumulator: bytes = b""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class TransformError:
    """Why a batch did not go through whole.

    status:    what a client is told
    offset:    of the record that failed; -1 when nobody can tell
    is_fatal:  the chain cannot be used any more
    timed_out: for it did not end in time
    """

    status: ErrorStatus
    offset: Offset
    is_fatal: bool = False
    timed_out: bool = False


@dataclass(slots=True)
class StepResult:
    """What one module did in one call of `process`. elapsed_ns: wall clock; fuel: if counted."""

    name: str
    record_in_count: int = 0
    record_out_count: int = 0
    failed: bool = False
    elapsed_ns: int = 0
    fuel: int = 0


@dataclass(frozen=True, slots=True)
class ChainOutput:
    """payload: record count and records, as a batch has them before it is packed."""

    payload: bytes
    record_count: int
    error: TransformError | None
    steps: tuple[StepResult, ...]


class _Link:
    """One step, running."""

    def __init__(self, step: ChainStep, number: int, instance: Instance, version: int) -> None:
        module = step.module
        self.step = step
        self.label = f'SmartModule "{step.name}", step {number}'
        self.instance = instance
        self.module = module
        self.accumulator = step.accumulator
        self.version = version
        if not module.takes_version:
            self.version = abi.VERSION_MIN
        elif step.params and not module.has_init:
            # It was made when every call brought the parameters.
            self.version = min(version, abi.VERSION_WITH_PARAMS_MAX)
        self.may_be_older = module.takes_version and not module.has_init

    def input(self, payload: bytes, base_offset: int, base_timestamp: int) -> bytes:
        return abi.encode_input(
            payload,
            version=self.version,
            base_offset=base_offset,
            base_timestamp=base_timestamp,
            params=self.step.params,
            lookback=self.step.lookback,
            accumulator=self.accumulator if self.module.is_aggregate else None,
        )


class Chain:
    """See the module. For one thread at a time."""

    def __init__(self, engine: SmartEngine, steps: Sequence[ChainStep], version: int) -> None:
        self._engine = engine
        self._is_dead = False
        self._links: list[_Link] = []
        for step in steps:
            if step.kind is not None and step.kind != step.module.kind:
                raise wrong_exports(
                    f'SmartModule "{step.name}" exports "{step.module.kind}" and no "{step.kind}"',
                    step.kind,
                )
        self._store = ChainStore(engine)
        try:
            for number, step in enumerate(steps, start=1):
                instance = Instance(self._store, step.module, step.name)
                self._links.append(_Link(step, number, instance, version))
        except BaseException:
            self._store.close()
            raise
        self._steps = tuple(steps)
        self._version = version
        self._grown_bytes: int | None = None
        fans_out = [link.module.kind == "array_map" for link in self._links[:-1]]
        self._goes_one_by_one = any(fans_out)

    @classmethod
    def begin(cls, engine: SmartEngine, steps: Sequence[ChainStep], *, version: int) -> "Chain":
        """Make the instances and let them begin, in order.

        version: of the interface: that of the request which asks for the chain
        Raises SmartModuleRefused: 6003 another kind than was asked for, 6005 cannot be made,
        6006 refused by init, 6008 too little memory.
        """
        chain = cls(engine, steps, version)
        try:
            for link in chain._links:
                if link.module.has_init:
                    chain._init(link)
        except BaseException:
            chain.close()
            raise
        return chain

    @property
    def memory_bytes(self) -> int:
        """What all modules have now, which they never give back; 0 behind a fatal error."""
        return 0 if self._is_dead else self._store.used_bytes

    def looks_back(self, step: int) -> bool:
        """Whether that module, counted from 0, wants to be shown earlier records."""
        return self._links[step].module.has_look_back

    def look_back(
        self, step: int, payload: bytes, *, base_offset: int, base_timestamp: int
    ) -> None:
        """Show that module earlier records. Raises SmartModuleRefused: 6007, 6008."""
        link = self._links[step]
        content = link.input(payload, base_offset, base_timestamp)
        code, output = self._asked(link, "look_back", content, look_back_refused)
        if code == abi.LOOK_BACK_REFUSED:
            raise look_back_refused(f"{link.label}: {abi.decode_hint(output)}")
        if code < 0:
            raise look_back_refused(f"{link.label}: {abi.meaning_of(code)}")

    def process(self, payload: bytes, *, base_offset: int, base_timestamp: int) -> ChainOutput:
        """Put the records of a batch, or some of them, through the chain.

        payload:     record count and records, not packed
        base_offset: of the batch; a record's offset is that plus its delta
        Never raises for what a module does. Raises RemoteProtocolError when the payload itself is
        no list of records, as soon as that is noticed.
        """
        assert not self._is_dead, "after a fatal error a chain is begun anew"
        if self.has_grown and not any(link.module.has_look_back for link in self._links):
            self._renew()
        results = [StepResult(link.step.name) for link in self._links]
        with self._engine.clock_running():
            if self._goes_one_by_one and _count_of(payload):
                return self._one_by_one(payload, base_offset, base_timestamp, results)
            found, error = self._through(payload, base_offset, base_timestamp, results)
        return ChainOutput(found, _count_of(found), error, tuple(results))

    @property
    def has_grown(self) -> bool:
        """Whether it would be well to begin anew, with all that modules remember.

        Those that Fluvio's own kit makes free nothing of what they give, so they grow for ever.
        """
        used_bytes = self._store.used_bytes
        if self._grown_bytes is None:
            most_bytes = min(GROWN_BYTES, self._engine.memory_bytes_max // 2)
            self._grown_bytes = max(most_bytes, 2 * used_bytes)
        return used_bytes >= self._grown_bytes

    def close(self) -> None:
        """Give the memory of the modules back."""
        self._is_dead = True
        self._links.clear()
        self._store.close()

    # How.

    def _renew(self) -> None:
        """New instances, which go on with the accumulators; when they cannot be, with the old."""
        try:
            fresh = Chain.begin(self._engine, self._steps, version=self._version)
        except SmartModuleRefused:
            self._grown_bytes = 2 * self._store.used_bytes
            return
        for old, new in zip(self._links, fresh._links, strict=True):
            new.accumulator, new.version, new.may_be_older = (
                old.accumulator,
                old.version,
                old.may_be_older,
            )
        self._store.close()
        self._store, self._links, self._grown_bytes = fresh._store, fresh._links, None

    def _init(self, link: _Link) -> None:
        step = link.step
        content = abi.encode_params(step.params, step.lookback, link.version)
        code, output = self._asked(link, "init", content, init_refused)
        if code == abi.INIT_REFUSED:
            raise init_refused(f"{link.label}: {abi.decode_hint(output)}")
        if code < 0:
            raise init_refused(f"{link.label}: {abi.meaning_of(code)}")

    def _asked(
        self,
        link: _Link,
        name: str,
        content: bytes,
        refused: Callable[[str], SmartModuleRefused],
    ) -> tuple[int, bytes]:
        try:
            with self._engine.clock_running():
                return link.instance.call(name, content, link.version)
        except GuestFailed as failure:
            self._is_dead = True
            if failure.out_of_memory:
                limit = self._store.bytes_max
                raise SmartModuleRefused(memory_status(limit + 1, limit)) from None
            raise refused(f"{link.label}: {failure}") from None

    def _one_by_one(
        self, payload: bytes, base_offset: int, base_timestamp: int, results: list[StepResult]
    ) -> ChainOutput:
        made: list[bytes] = []
        count = 0
        error = None
        bounds = record_bounds(payload, _COUNT.size, _count_of(payload))
        for start, end in pairwise(bounds):
            record = payload[start:end]
            found, error = self._through(
                _COUNT.pack(1) + record, base_offset, base_timestamp, results
            )
            count += _count_of(found)
            made.append(found[_COUNT.size :])
            if error is not None:
                if error.status.error is ErrorCode.SMART_MODULE_RUNTIME_ERROR:
                    error = _at(error, Offset(base_offset + _delta_of(record)))
                break
        return ChainOutput(_COUNT.pack(count) + b"".join(made), count, error, tuple(results))

    def _through(
        self, payload: bytes, base_offset: int, base_timestamp: int, results: list[StepResult]
    ) -> tuple[bytes, TransformError | None]:
        """What came out of the last step, and the earliest record's error."""
        error: TransformError | None = None
        for number, link in enumerate(self._links):
            if number and payload[: _COUNT.size] == _NO_RECORDS:
                break
            result = results[number]
            result.record_in_count += _count_of(payload)
            began_ns = time.perf_counter_ns()
            try:
                output = self._transform(link, payload, base_offset, base_timestamp)
            except GuestFailed as failure:
                self._is_dead = True
                result.failed = True
                fatal = self._fatal(link, failure, payload, base_offset)
                return _NO_RECORDS, fatal
            finally:
                result.elapsed_ns += time.perf_counter_ns() - began_ns
                result.fuel += self._store.fuel_used()
            payload = output.payload
            result.record_out_count += output.record_count
            if output.error is not None:
                result.failed = True
                error = _runtime_error(link, output.error)
        return payload, error

    def _transform(
        self, link: _Link, payload: bytes, base_offset: int, base_timestamp: int
    ) -> abi.GuestOutput:
        """Raises GuestFailed."""
        content = link.input(payload, base_offset, base_timestamp)
        kind = link.module.kind
        code, output = link.instance.call(kind, content, link.version)
        if (
            code == abi.CANNOT_DECODE_INPUT
            and link.may_be_older
            and link.version > abi.VERSION_WITH_PARAMS_MAX
        ):
            # Of a release that does not know of this version: the last one with all fields.
            link.version = abi.VERSION_WITH_PARAMS_MAX
            content = link.input(payload, base_offset, base_timestamp)
            code, output = link.instance.call(kind, content, link.version)
        link.may_be_older = False
        if code < 0:
            raise GuestFailed(abi.meaning_of(code))
        try:
            found = abi.decode_output(
                output,
                is_aggregate=link.module.is_aggregate,
                version=link.version,
                records_size=link.instance.records_size,
            )
        except RemoteProtocolError as error:
            raise GuestFailed(f"what it gave is no list of records: {error}") from None
        if found.accumulator is not None:
            link.accumulator = found.accumulator
        return found

    def _fatal(
        self, link: _Link, failure: GuestFailed, payload: bytes, base_offset: int
    ) -> TransformError:
        if failure.out_of_memory:
            limit = self._store.bytes_max
            status = memory_status(limit + 1, limit)
            return TransformError(status, UNKNOWN_OFFSET, is_fatal=True)
        count = _count_of(payload)
        delta, key, value = _first_record(payload) if count else (0, None, b"")
        offset = Offset(base_offset + delta)
        told = SmartModuleRuntimeFailure(
            hint=cut(f"{link.label}: {failure}"),
            offset=offset,
            kind=KINDS.get(link.module.kind, SmartModuleErrorKind.GENERIC),
            record_key=key if count == 1 else None,
            record_value=value if count == 1 else b"",
        )
        return TransformError(
            ErrorStatus(ErrorCode.SMART_MODULE_RUNTIME_ERROR, (told,)),
            offset,
            is_fatal=True,
            timed_out=failure.timed_out,
        )


def _runtime_error(link: _Link, told: SmartModuleRuntimeFailure) -> TransformError:
    named = replace(told, hint=cut(f"{told.hint} ({link.label})"))
    status = ErrorStatus(ErrorCode.SMART_MODULE_RUNTIME_ERROR, (named,))
    return TransformError(status, told.offset)


def _at(error: TransformError, offset: Offset) -> TransformError:
    """The error of a record that comes from the one with that offset."""
    (told,) = error.status.payload
    status = ErrorStatus(error.status.error, (replace(told, offset=offset),))
    return replace(error, status=status, offset=offset)


def _count_of(payload: bytes) -> int:
    return int(_COUNT.unpack_from(payload)[0])


def _first_record(payload: bytes) -> tuple[int, bytes | None, bytes]:
    """Offset delta, key, value."""
    start, end = record_bounds(payload, _COUNT.size, 1)
    return _record_of(payload[start:end])


def _record_of(record: bytes) -> tuple[int, bytes | None, bytes]:
    """Offset delta, key, value."""
    ((_, delta, key, value),) = decode_records(record, 0, 1)
    return delta, key, value


def _delta_of(record: bytes) -> int:
    return _record_of(record)[0]
