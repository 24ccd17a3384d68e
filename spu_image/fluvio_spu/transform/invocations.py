"""What a request says of the modules it wants, whichever form it has, as steps to make a chain of.

Three generations of clients ask in three ways (protocol reference 4.5, 4.6):

    version 11 to 18   `wasm_module`, the code alone
    version 16 to 18   `smartmodule`, one invocation; `derived_stream`, which nobody has any more
    version 18 on      `smartmodules`, a chain of invocations

Pure: nothing is looked up here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import Deduplication
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    AggregateKind,
    ArrayMapKind,
    FilterKind,
    FilterMapKind,
    GenericKind,
    InvocationKind,
    JoinKind,
    JoinStreamKind,
    Lookback,
    MapKind,
    PredefinedModule,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest

STEPS_MAX = 64
"""Modules of one chain; each takes memory as long as the stream lives."""

AD_HOC_NAME = "ad-hoc"
"""What a module is called that came without a name."""

_KINDS: tuple[tuple[type[object], str], ...] = (
    (FilterKind, "filter"),
    (MapKind, "map"),
    (ArrayMapKind, "array_map"),
    (FilterMapKind, "filter_map"),
    (AggregateKind, "aggregate"),
)


class ChainRefused(Exception):
    """A chain that cannot be; `status` is what the client is told."""

    def __init__(self, status: ErrorStatus) -> None:
        super().__init__(str(status))
        self.status = status


class ModuleNotFetched(ChainRefused):
    """It may exist, and the controller cannot be asked now."""

    def __init__(self, name: str, reason: Exception) -> None:
        super().__init__(
            ErrorStatus(
                ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR,
                (f'SmartModule "{name}" was not fetched yet: {reason}; try again',),
            )
        )


@dataclass(frozen=True, slots=True)
class WantedStep:
    """One module of a chain.

    name:     for messages and statistics
    stored:   name of a stored module, else None
    code:     the module itself, if it came along: gzip or plain
    kind:     of which it has to be; None takes any
    """

    name: str
    stored: str | None
    code: bytes
    params: Mapping[str, str]
    lookback: Lookback | None = None
    accumulator: bytes = b""
    kind: str | None = None


def steps_of_stream(request: StreamFetchRequest) -> tuple[WantedStep, ...]:
    """The chain that a stream asks for; empty without one. Raises ChainRefused."""
    if request.derived_stream is not None:
        raise ChainRefused(
            ErrorStatus(ErrorCode.DERIVED_STREAM_NOT_FOUND, (request.derived_stream.stream,))
        )
    if request.smartmodules:
        return steps_of(request.smartmodules)
    if request.smartmodule is not None:
        return steps_of((request.smartmodule,))
    if request.wasm_module:
        return (WantedStep(AD_HOC_NAME, None, request.wasm_module, {}),)
    return ()


def steps_of(invocations: Sequence[SmartModuleInvocation]) -> tuple[WantedStep, ...]:
    """A chain of invocations. Raises ChainRefused."""
    if len(invocations) > STEPS_MAX:
        raise _refused(f"{len(invocations)} SmartModules: a chain has at most {STEPS_MAX}")
    return tuple(_step(one) for one in invocations)


def steps_of_deduplication(deduplication: Deduplication) -> tuple[WantedStep, ...]:
    """The filter that drops what a topic has already. Source: protocol reference 8.8."""
    bounds, transform = deduplication.bounds, deduplication.filter
    params = {**transform.with_, "count": str(bounds.count)}
    if bounds.age is not None:
        params["age"] = str(bounds.age.seconds * 1000 + bounds.age.nanoseconds // 1_000_000)
    return (
        WantedStep(
            transform.uses,
            transform.uses,
            b"",
            params,
            lookback=Lookback(last=bounds.count, age=bounds.age),
            kind="filter",
        ),
    )


def age_of(lookback: Lookback) -> timedelta | None:
    """How old the records may be; None when that does not matter."""
    age = lookback.age
    if age is None:
        return None
    seconds = min(age.seconds, timedelta.max.days * 86_400)
    return timedelta(seconds=seconds, microseconds=age.nanoseconds // 1000)


def _step(invocation: SmartModuleInvocation) -> WantedStep:
    kind, accumulator = _kind(invocation.kind)
    source = invocation.wasm
    stored = source.name if isinstance(source, PredefinedModule) else None
    return WantedStep(
        name=stored or invocation.name or AD_HOC_NAME,
        stored=stored,
        code=source.wasm if isinstance(source, AdHocModule) else b"",
        params=invocation.params.params,
        lookback=invocation.params.lookback,
        accumulator=accumulator,
        kind=kind,
    )


def _kind(kind: InvocationKind) -> tuple[str | None, bytes]:
    context = kind.context if isinstance(kind, GenericKind) else kind
    if isinstance(context, JoinKind | JoinStreamKind):
        raise _refused("joins of two topics are not supported; Fluvio removed them in 0.10")
    accumulator = context.accumulator if isinstance(context, AggregateKind) else b""
    if isinstance(kind, GenericKind):
        return None, accumulator
    return next((name for one, name in _KINDS if isinstance(kind, one)), None), accumulator


def _refused(text: str) -> ChainRefused:
    return ChainRefused(ErrorStatus(ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR, (text,)))
