"""SmartModules, table formats and mirrors: kept, handed on, and said to be readable or not."""

import gzip
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluvio_operator.conditions.condition import Condition
from fluvio_operator.conditions.stateless import (
    conditions_of_mirror,
    conditions_of_smart_module,
    conditions_of_table_format,
)
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
from fluvio_sc.core.cluster_state import StoredObject

Said = Callable[[Iterable[Condition]], dict[str, str]]
WASM = b"\0asm\1\0\0\0"


def stored(kind: Kind, spec: Any, status: Any = None, **rest: Any) -> StoredObject:
    return StoredObject(kind=kind, name="x", uid="u", spec=spec, status=status, **rest)


@pytest.mark.parametrize(
    ("payload", "good"),
    [
        (WASM, True),
        (gzip.compress(WASM * 10_000), True),
        (gzip.compress(b"text"), False),
        (gzip.compress(b""), False),
        (b"\x1f\x8bbroken", False),
        (b"(module)", False),
        (b"", False),
    ],
)
def test_a_smart_module_is_web_assembly(payload: bytes, good: bool, said: Said) -> None:
    spec = SmartModuleSpec(wasm=SmartModuleWasm(payload=payload))
    found = said(conditions_of_smart_module(stored(Kind.SMART_MODULE, spec)))
    if good:
        assert found == {"Ready": "True ValidModule"}
    else:
        assert found == {"Ready": "False NotWasm", "Stalled": "True NotWasm"}


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
