"""What this package asks of the engine, `fluvio_spu.smartengine`, and loading it when it is needed.

The engine runs WebAssembly, so importing it imports wasmtime, which takes longer than many requests
and is not installed everywhere. Hence the port: types to speak of, and one function that imports.
"""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.spu_public.smart_module_invocation import Lookback


class EngineModule(Protocol):
    """A compiled module."""

    @property
    def hash(self) -> bytes: ...
    @property
    def kind(self) -> str: ...


class EngineFailure(Protocol):
    """Why a call of a chain ended early.

    status:    what a client is told
    offset:    of the record that failed; nothing is said of it when `is_fatal`
    is_fatal:  the chain cannot be used any more
    timed_out: for it did not end in time
    """

    @property
    def status(self) -> ErrorStatus: ...
    @property
    def offset(self) -> int: ...
    @property
    def is_fatal(self) -> bool: ...
    @property
    def timed_out(self) -> bool: ...


class StepCounts(Protocol):
    """What one module of a chain did in one call."""

    @property
    def name(self) -> str: ...
    @property
    def record_in_count(self) -> int: ...
    @property
    def record_out_count(self) -> int: ...
    @property
    def failed(self) -> bool: ...
    @property
    def elapsed_ns(self) -> int: ...
    @property
    def fuel(self) -> int: ...


class EngineOutput(Protocol):
    """Payload and record count of what came out, and of what each step did."""

    @property
    def payload(self) -> bytes: ...
    @property
    def record_count(self) -> int: ...
    @property
    def error(self) -> EngineFailure | None: ...
    @property
    def steps(self) -> Sequence[StepCounts]: ...


class EngineChain(Protocol):
    """Instances of modules, one behind the other.

    has_grown: it uses so much memory that it should be begun anew, with what its modules remember;
               it does so by itself unless a module looks back
    """

    @property
    def has_grown(self) -> bool: ...
    def looks_back(self, step: int) -> bool: ...
    def look_back(
        self, step: int, payload: bytes, *, base_offset: int, base_timestamp: int
    ) -> None: ...
    def process(self, payload: bytes, *, base_offset: int, base_timestamp: int) -> EngineOutput: ...
    def close(self) -> None: ...


class EngineStep(Protocol):
    """One step of a chain to be."""

    @property
    def module(self) -> EngineModule: ...
    @property
    def name(self) -> str: ...
    @property
    def lookback(self) -> Lookback | None: ...


def import_engine() -> Any:
    """The engine's package. Raises ImportError where wasmtime is not installed."""
    return importlib.import_module("fluvio_spu.smartengine")
