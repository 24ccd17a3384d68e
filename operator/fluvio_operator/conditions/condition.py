"""A condition, and how a new set of them is laid over the old one of a status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fluvio_operator.conditions.reasons import Reason

MESSAGE_BYTES_MAX = 1024
_ELLIPSIS = "..."


class ConditionType(StrEnum):
    """Every type that we ever write."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DELETING = "Deleting"
    PROVISIONED = "Provisioned"
    UNDER_REPLICATED = "UnderReplicated"
    LEADER_ELECTED = "LeaderElected"
    IN_SYNC = "InSync"
    OUT_OF_STORAGE = "OutOfStorage"
    ADDRESS_READY = "AddressReady"
    IDS_RESERVED = "IdsReserved"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SCALE_DOWN_BLOCKED = "ScaleDownBlocked"
    PAUSED = "Paused"
    PAIRED = "Paired"


_OUR_TYPES = frozenset(kind.value for kind in ConditionType)


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement about an object. status: None says that it is not known."""

    type: ConditionType
    status: bool | None
    reason: Reason
    message: str = ""


def merge_conditions(
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Condition],
    observed_generation: int,
    now_rfc3339: str,
) -> list[dict[str, Any]]:
    """The list for a status: `new` in its order, then those of other writers as they were.

    A condition keeps its time while its status stays; ours that are not in `new` are gone.
    """
    before = {str(condition.get("type")): condition for condition in old}
    merged = [
        _written(condition, before.get(condition.type), observed_generation, now_rfc3339)
        for condition in new
    ]
    return merged + [dict(each) for kind, each in before.items() if kind not in _OUR_TYPES]


def _written(
    condition: Condition,
    before: Mapping[str, Any] | None,
    observed_generation: int,
    now_rfc3339: str,
) -> dict[str, Any]:
    status = "Unknown" if condition.status is None else str(condition.status)
    since = now_rfc3339
    if before is not None and before.get("status") == status:
        since = before.get("lastTransitionTime") or now_rfc3339
    return {
        "type": condition.type.value,
        "status": status,
        "reason": condition.reason.value,
        "message": _capped(condition.message),
        "lastTransitionTime": since,
        "observedGeneration": observed_generation,
    }


def _capped(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MESSAGE_BYTES_MAX:
        return message
    kept = encoded[: MESSAGE_BYTES_MAX - len(_ELLIPSIS)]
    return kept.decode(errors="ignore") + _ELLIPSIS


def reconciling(reason: Reason, message: str = "") -> Condition:
    """It is on its way, or will go on by itself."""
    return Condition(ConditionType.RECONCILING, True, reason, message)


def stalled(reason: Reason, message: str) -> Condition:
    """Somebody has to change something first."""
    return Condition(ConditionType.STALLED, True, reason, message)


def unready(reason: Reason, message: str = "") -> Condition:
    return Condition(ConditionType.READY, False, reason, message)
