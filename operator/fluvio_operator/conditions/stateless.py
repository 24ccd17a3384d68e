"""Conditions of kinds that the controller only keeps and hands on."""

from fluvio_operator.conditions.condition import (
    Condition,
    ConditionType,
    reconciling,
    stalled,
    unready,
)
from fluvio_operator.conditions.reasons import Reason
from fluvio_protocol.metadata.mirror import (
    ConnectionStatus,
    PairDetailFailure,
    PairDisabled,
    PairFailed,
    PairSuccessful,
    PairUnauthorized,
)
from fluvio_sc.core.cluster_state import StoredObject


def conditions_of_table_format(table_format: StoredObject) -> list[Condition]:
    """Ready: it can be read."""
    problem = table_format.problem
    if problem:
        return [
            unready(Reason.INVALID_MANIFEST, problem),
            stalled(Reason.INVALID_MANIFEST, problem),
        ]
    return [_ready(Reason.READY)]


def conditions_of_mirror(mirror: StoredObject) -> list[Condition]:
    """Ready: connected to the other cluster. Paired: the other cluster takes us."""
    problem = mirror.problem
    if problem:
        return [
            unready(Reason.INVALID_MANIFEST, problem),
            stalled(Reason.INVALID_MANIFEST, problem),
        ]
    paired = _paired(mirror)
    if mirror.status.connection_status is ConnectionStatus.ONLINE:
        return [_ready(Reason.CONNECTED), paired]
    conditions = [unready(Reason.NOT_CONNECTED, "the other cluster is not connected"), paired]
    if paired.reason is Reason.UNAUTHORIZED:
        return [*conditions, stalled(Reason.UNAUTHORIZED, paired.message)]
    return [*conditions, reconciling(Reason.NOT_CONNECTED, "waits for the other cluster")]


def _paired(mirror: StoredObject) -> Condition:
    kind = ConditionType.PAIRED
    match mirror.status.pairing_sc:
        case PairSuccessful():
            return Condition(kind, True, Reason.CONNECTED)
        case PairUnauthorized():
            return Condition(kind, False, Reason.UNAUTHORIZED, "the other cluster refused us")
        case PairDetailFailure(reason=reason):
            return Condition(kind, False, Reason.NOT_CONNECTED, reason)
        case PairFailed() | PairDisabled():
            return Condition(kind, False, Reason.NOT_CONNECTED)
        case _:
            return Condition(kind, None, Reason.NOT_CONNECTED, "not tried yet")


def _ready(reason: Reason) -> Condition:
    return Condition(ConditionType.READY, True, reason)
