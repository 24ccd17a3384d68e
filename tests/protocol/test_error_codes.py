"""Every error number with its payload, both ways. The table is the protocol reference's, 3.13."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.error_code import (
    SUCCESS,
    ErrorStatus,
    RequestKind,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.codec import decode_exact, encode
from fluvio_protocol.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from fluvio_protocol.types import Offset, PartitionId, ReplicaKey

NUMBERS = [
    *(-1, 0, 1, 2, 6, 7, 10, 13, 56, 60, 61, 71, 72, 73),
    *range(1000, 1005),
    *range(2000, 2009),
    *range(3000, 3006),
    *(5000, 5001, 5002),
    *range(6000, 6009),
    *(7000, 7001, 7002, 8000, 8001, 8002, 8003, 9000, 10000, 10001),
    *range(11001, 11007),
    *(12001, 12002),
]
TEXT = b"\0\4text"
WITH_PAYLOAD: dict[ErrorCode, tuple[tuple[Any, ...], bytes]] = {
    ErrorCode.OTHER: (("text",), TEXT),
    ErrorCode.REQUEST_TIMED_OUT: ((1500, RequestKind.PRODUCE), struct.pack(">QB", 1500, 0)),
    ErrorCode.OFFSET_EVICTED: ((Offset(3), Offset(7)), struct.pack(">qq", 3, 7)),
    ErrorCode.PARTITION_FULL: (
        (ReplicaKey("t1", PartitionId(2)),),
        b"\0\2t1" + struct.pack(">I", 2),
    ),
    ErrorCode.OFFSET_FLUSH_REQUEST_ERROR: (("text",), TEXT),
    ErrorCode.SMART_MODULE_NOT_FOUND: (("text",), TEXT),
    ErrorCode.SMART_MODULE_INVALID: (("text", "name"), TEXT + b"\1\0\4name"),
    ErrorCode.SMART_MODULE_INVALID_EXPORTS: (("text", "kind"), TEXT + b"\0\4kind"),
    ErrorCode.SMART_MODULE_RUNTIME_ERROR: (
        (
            SmartModuleRuntimeFailure(
                hint="text",
                offset=Offset(9),
                kind=SmartModuleErrorKind.AGGREGATE,
                record_key=None,
                record_value=b"v",
            ),
        ),
        TEXT + struct.pack(">q", 9) + b"\3\0\2v",
    ),
    ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR: (("text",), TEXT),
    ErrorCode.SMART_MODULE_INIT_ERROR: (("text",), TEXT),
    ErrorCode.SMART_MODULE_LOOK_BACK_ERROR: (("text",), TEXT),
    ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED: ((5, 4), struct.pack(">QQ", 5, 4)),
    ErrorCode.DERIVED_STREAM_NOT_FOUND: (("text",), TEXT),
    ErrorCode.DERIVED_STREAM_INVALID: (("text",), TEXT),
    ErrorCode.DEDUPLICATION_SMART_MODULE_NAME_INVALID: (("text",), TEXT),
    ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT: (("text", "name"), TEXT + b"\0\4name"),
    ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT: (("text", "name"), TEXT + b"\0\4name"),
}


def test_the_table_is_complete() -> None:
    assert sorted(ErrorCode) == NUMBERS


@pytest.mark.parametrize("error", list(ErrorCode))
def test_a_code_travels_with_its_payload(error: ErrorCode) -> None:
    payload, payload_bytes = WITH_PAYLOAD.get(error, ((), b""))
    status = ErrorStatus(error, payload)
    written = encode(status, 0)
    assert written == int(error).to_bytes(2, signed=True) + payload_bytes
    assert decode_exact(ErrorStatus, written, 0) == status
    assert bool(status) is (error is not ErrorCode.NONE)


@pytest.mark.parametrize("error", list(ErrorCode))
def test_a_wrong_number_of_payload_values_is_refused(error: ErrorCode) -> None:
    payload, _ = WITH_PAYLOAD.get(error, ((), b""))
    with pytest.raises(LocalProtocolError):
        encode(ErrorStatus(error, (*payload, "more")), 0)
    if payload:
        with pytest.raises(LocalProtocolError):
            encode(ErrorStatus(error, payload[1:]), 0)


@pytest.mark.parametrize("error", list(WITH_PAYLOAD))
def test_a_payload_cut_short_is_refused(error: ErrorCode) -> None:
    written = encode(ErrorStatus(error, WITH_PAYLOAD[error][0]), 0)
    for size in range(len(written)):
        with pytest.raises(RemoteProtocolError):
            decode_exact(ErrorStatus, written[:size], 0)


@pytest.mark.parametrize("number", [3, 9999, -2, 32767, -32768])
def test_an_unknown_number_is_refused(number: int) -> None:
    with pytest.raises(RemoteProtocolError, match="no error code"):
        decode_exact(ErrorStatus, number.to_bytes(2, signed=True), 0)


def test_success_is_one_object() -> None:
    assert decode_exact(ErrorStatus, b"\0\0", 0) is SUCCESS
    assert not SUCCESS


@given(
    text=st.text() | st.text(st.characters(codec=None), max_size=20), copies=st.integers(1, 9000)
)
def test_any_text_can_be_said_to_people(text: str, copies: int) -> None:
    status = ErrorStatus.other(text * copies)
    assert decode_exact(ErrorStatus, encode(status, 0), 0) == status
