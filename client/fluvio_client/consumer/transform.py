"""SmartModules that an SPU runs on the records of a consumer, one behind the other. Plain data.

Source: protocol reference 4.6; the client's guide, 3.3 and 3.5.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fluvio_client.quantities import LengthOfTime, seconds_of
from fluvio_protocol.metadata.topic import Duration
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    AggregateKind,
    ExtraParams,
    GenericKind,
    Lookback,
    NoContext,
    PredefinedModule,
    SmartModuleInvocation,
)

_GZIP = b"\x1f\x8b"
_KEYS = {"uses", "path", "with", "lookback"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """One step of a chain.

    uses:          name of a stored module: `name` or `group/name@version`
    code:          or the module itself: WebAssembly, gzip or plain
    params:        what its `init` is given; numbers and truth as JSON writes them
    lookback_last: so many earlier records are shown to it first
    lookback_age:  and none that are older
    accumulator:   what an aggregate begins with
    Raises:        ValueError for both or neither of uses and code, and for negative numbers.
    """

    uses: str | None = None
    code: bytes | None = field(default=None, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    lookback_last: int | None = None
    lookback_age: LengthOfTime | None = None
    accumulator: bytes = b""

    def __post_init__(self) -> None:
        if (self.uses is None) is (self.code is None):
            raise ValueError("a transform needs the name of a SmartModule or its code, not both")
        if self.lookback_last is not None and self.lookback_last < 0:
            raise ValueError(f"{self.lookback_last} is no number of records: it is negative")
        if self.lookback_age is not None:
            seconds_of(self.lookback_age)

    @classmethod
    def of(cls, data: Any) -> Self:
        """From a step as files have it. Raises ValueError, OSError."""
        if not isinstance(data, Mapping):
            raise ValueError(f"a step is a mapping with uses or path, not {data!r}")
        unknown = set(data) - _KEYS
        if unknown:
            raise ValueError(
                f'unknown key "{min(map(str, unknown))}"; there are uses, with, lookback'
            )
        path, params, lookback = (
            data.get("path"),
            data.get("with") or {},
            data.get("lookback") or {},
        )
        if not isinstance(params, Mapping) or not isinstance(lookback, Mapping):
            raise ValueError("with and lookback are mappings")
        return cls(
            uses=data.get("uses"),
            code=None if path is None else Path(str(path)).read_bytes(),
            params={str(name): _text(value) for name, value in params.items()},
            lookback_last=lookback.get("last"),
            lookback_age=lookback.get("age"),
        )

    def invocation(self) -> SmartModuleInvocation:
        """As requests carry it."""
        lookback = None
        if self.lookback_last is not None or self.lookback_age is not None:
            age = None
            if self.lookback_age is not None:
                whole, rest = divmod(seconds_of(self.lookback_age), 1)
                age = Duration(seconds=int(whole), nanoseconds=int(rest * 1e9))
            lookback = Lookback(last=self.lookback_last or 0, age=age)
        context = AggregateKind(accumulator=self.accumulator) if self.accumulator else NoContext()
        return SmartModuleInvocation(
            wasm=PredefinedModule(name=self.uses) if self.uses is not None else self._packed(),
            kind=GenericKind(context=context),
            params=ExtraParams(params=dict(self.params), lookback=lookback),
        )

    def _packed(self) -> AdHocModule:
        assert self.code is not None
        code = self.code if self.code.startswith(_GZIP) else gzip.compress(self.code, mtime=0)
        return AdHocModule(wasm=code)


def transforms_of(data: Any) -> tuple[Transform, ...]:
    """A chain from `{"transforms": [...]}`, as files have it. Raises ValueError, OSError."""
    steps = data.get("transforms") if isinstance(data, Mapping) else None
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise ValueError("expected a list of steps under transforms")
    return tuple(Transform.of(one) for one in steps)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
