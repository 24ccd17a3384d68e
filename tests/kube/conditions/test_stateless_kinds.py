"""SmartModules, table formats and mirrors: kept, handed on, and said to be readable or not."""

import gzip
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluvio_operator.conditions.condition import Condition
from fluvio_operator.conditions.smart_module import (
    conditions_of_smart_module,
    smart_module_extras,
)
from fluvio_operator.conditions.stateless import conditions_of_mirror, conditions_of_table_format
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import (
    ConnectionStatus,
    MirrorStatus,
    PairDetailFailure,
    PairSuccessful,
    PairUnauthorized,
    RemoteMirror,
)
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasm
from fluvio_protocol.wasm import unpacking
from fluvio_sc.core.cluster_state import StoredObject

Said = Callable[[Iterable[Condition]], dict[str, str]]
WASM = b"\0asm\1\0\0\0"
FILTER = bytes.fromhex(
    "0061736d0100000001120360017f017f60027f7f0060037f7f7f017f021401"
    "03656e760c636f70795f7265636f726473000103030200020503010001071b"
    "0305616c6c6f6300010666696c7465720002066d656d6f727902000a09020300000b0300000b"
)
"""Exports what a filter has to, and imports `copy_records`."""


def stored(kind: Kind, spec: Any, status: Any = None, **rest: Any) -> StoredObject:
    return StoredObject(kind=kind, name="x", uid="u", spec=spec, status=status, **rest)


@pytest.mark.parametrize(
    ("payload", "reason", "extras"),
    [
        (FILTER, "ValidModule", {"size": len(FILTER), "kind": "filter"}),
        (gzip.compress(FILTER), "ValidModule", {"size": len(FILTER), "kind": "filter"}),
        (FILTER[:-1], "NotWasm", {"size": len(FILTER) - 1}),
        (gzip.compress(b"text"), "NotWasm", {}),
        (gzip.compress(b""), "NotWasm", {}),
        (b"(module)", "NotWasm", {}),
        (b"", "NotWasm", {}),
        (b"\x1f\x8bbroken", "NotGzip", {}),
        (gzip.compress(FILTER)[:-1], "NotGzip", {}),
        (gzip.compress(bytes(2000)), "TooLarge", {}),
        (WASM, "WrongExports", {"size": 8}),
        (FILTER.replace(b"filter", b"fliter"), "NoKnownExport", {"size": len(FILTER)}),
        (FILTER.replace(b"records", b"recards"), "WrongImports", {"size": len(FILTER)}),
    ],
)
def test_a_smart_module_can_be_run(
    payload: bytes,
    reason: str,
    extras: dict[str, Any],
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unpacking, "CODE_BYTES_MAX", 1000)
    spec = SmartModuleSpec(wasm=SmartModuleWasm(payload=payload))
    module = stored(Kind.SMART_MODULE, spec)
    found = conditions_of_smart_module(module)
    if reason == "ValidModule":
        assert said(found) == {"Ready": f"True {reason}"}
    else:
        assert said(found) == {"Ready": f"False {reason}", "Stalled": f"True {reason}"}
        assert all(one.message for one in found)
    assert smart_module_extras(module) == extras


def test_an_object_that_cannot_be_read_is_stalled(said: Said) -> None:
    for conditions_of in (
        conditions_of_smart_module,
        conditions_of_table_format,
        conditions_of_mirror,
    ):
        broken = stored(Kind.MIRROR, None, problem="spec: is missing")
        assert said(conditions_of(broken)) == {
            "Ready": "False InvalidManifest",
            "Stalled": "True InvalidManifest",
        }


def test_a_table_format_is_ready_when_it_can_be_read(said: Said) -> None:
    assert said(conditions_of_table_format(stored(Kind.TABLE_FORMAT, None))) == {
        "Ready": "True Ready"
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            MirrorStatus(),
            {
                "Ready": "False NotConnected",
                "Paired": "None NotConnected",
                "Reconciling": "True NotConnected",
            },
        ),
        (
            MirrorStatus(connection_status=ConnectionStatus.ONLINE, pairing_sc=PairSuccessful()),
            {"Ready": "True Connected", "Paired": "True Connected"},
        ),
        (
            MirrorStatus(pairing_sc=PairUnauthorized()),
            {
                "Ready": "False NotConnected",
                "Paired": "False Unauthorized",
                "Stalled": "True Unauthorized",
            },
        ),
        (
            MirrorStatus(pairing_sc=PairDetailFailure(reason="no route")),
            {
                "Ready": "False NotConnected",
                "Paired": "False NotConnected",
                "Reconciling": "True NotConnected",
            },
        ),
    ],
)
def test_a_mirror(status: MirrorStatus, expected: dict[str, str], said: Said) -> None:
    mirror = stored(Kind.MIRROR, RemoteMirror(id="edge"), status)
    assert said(conditions_of_mirror(mirror)) == expected
