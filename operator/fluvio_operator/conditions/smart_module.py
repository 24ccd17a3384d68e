"""Conditions of a SmartModule, and what its status says of its code.

Ready: an SPU could run it. Whether its compiler takes it, an SPU finds out.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fluvio_operator.conditions.condition import Condition, ConditionType, stalled, unready
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol import wasm
from fluvio_sc.core.cluster_state import StoredObject

FINDINGS_MAX = 16
"""A status is worked out far more often than code changes, and code takes milliseconds to see."""

_REASONS = {
    wasm.Problem.NOT_GZIP: Reason.NOT_GZIP,
    wasm.Problem.TOO_LARGE: Reason.TOO_LARGE,
    wasm.Problem.NOT_WASM: Reason.NOT_WASM,
    wasm.Problem.NO_KNOWN_EXPORT: Reason.NO_KNOWN_EXPORT,
    wasm.Problem.WRONG_EXPORTS: Reason.WRONG_EXPORTS,
    wasm.Problem.WRONG_IMPORTS: Reason.WRONG_IMPORTS,
}


@dataclass(frozen=True, slots=True)
class _Finding:
    """size: bytes of the code, unpacked; kind: what it does; problem, message: why nothing."""

    size: int | None = None
    kind: str | None = None
    problem: Reason | None = None
    message: str = ""


def conditions_of_smart_module(smart_module: StoredObject) -> list[Condition]:
    """Ready, and Stalled when it can never be."""
    if smart_module.problem:
        return _stalled(Reason.INVALID_MANIFEST, smart_module.problem)
    found = _look(smart_module.spec.wasm.payload)
    if found.problem is not None:
        return _stalled(found.problem, found.message)
    return [Condition(ConditionType.READY, True, Reason.VALID_MODULE)]


def smart_module_extras(smart_module: StoredObject) -> dict[str, Any]:
    """Fields of the status; what cannot be found out is left out."""
    found = _look(smart_module.spec.wasm.payload)
    extras: dict[str, Any] = {"size": found.size, "kind": found.kind}
    return {name: value for name, value in extras.items() if value is not None}


@lru_cache(FINDINGS_MAX)
def _look(payload: bytes) -> _Finding:
    size = None
    try:
        code = wasm.unpacked(payload)
        size = len(code)
        nature = wasm.nature_of(wasm.read_interface(code))
    except wasm.UnfitCode as unfit:
        return _Finding(size=size, problem=_REASONS[unfit.problem], message=unfit.reason)
    return _Finding(size=size, kind=nature.kind)


def _stalled(reason: Reason, message: str) -> list[Condition]:
    return [unready(reason, message), stalled(reason, message)]
