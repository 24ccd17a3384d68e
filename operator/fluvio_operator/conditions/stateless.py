"""Conditions of kinds that the controller only keeps and hands on."""

import zlib

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

_GZIP_MAGIC = b"\x1f\x8b"
_WASM_MAGIC = b"\0asm"
_GZIP_WINDOW_BITS = 31
_HEAD_BYTES = 4096


def conditions_of_smart_module(smart_module: StoredObject) -> list[Condition]:
    """Ready: its code begins as WebAssembly does; whether it runs, SPUs find out."""
    problem = smart_module.problem
    if not problem and _is_wasm(smart_module.spec.wasm.payload):
        return [_ready(Reason.VALID_MODULE)]
    if problem:
        return [
            unready(Reason.INVALID_MANIFEST, problem),
            stalled(Reason.INVALID_MANIFEST, problem),
        ]
    message = "its code is no WebAssembly, neither plain nor gzip"
    return [unready(Reason.NOT_WASM, message), stalled(Reason.NOT_WASM, message)]


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


def _is_wasm(payload: bytes) -> bool:
    if not payload.startswith(_GZIP_MAGIC):
        return payload.startswith(_WASM_MAGIC)
    try:
        head = zlib.decompressobj(_GZIP_WINDOW_BITS).decompress(
            payload[:_HEAD_BYTES], len(_WASM_MAGIC)
        )
    except zlib.error:
        return False
    return head == _WASM_MAGIC
