"""Every code a server may send becomes an exception with a text, and the right retry policy."""

import pytest

from fluvio_client.errors import (
    AlreadyExists,
    NotFound,
    NotLeader,
    OffsetEvicted,
    ServerError,
    SmartModuleError,
    SystemObject,
    error_text,
    server_error,
)
from fluvio_protocol.api.error_code import (
    ErrorStatus,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import Offset, PartitionId, ReplicaKey

PAYLOADS: dict[ErrorCode, tuple[object, ...]] = {
    ErrorCode.OTHER: ("text",),
    ErrorCode.REQUEST_TIMED_OUT: (1500, 0),
    ErrorCode.OFFSET_EVICTED: (Offset(3), Offset(9)),
    ErrorCode.PARTITION_FULL: (ReplicaKey("t", PartitionId(1)),),
    ErrorCode.OFFSET_FLUSH_REQUEST_ERROR: ("why",),
    ErrorCode.SMART_MODULE_NOT_FOUND: ("odd",),
    ErrorCode.SMART_MODULE_INVALID: ("why", None),
    ErrorCode.SMART_MODULE_INVALID_EXPORTS: ("why", "filter"),
    ErrorCode.SMART_MODULE_RUNTIME_ERROR: (
        SmartModuleRuntimeFailure(
            hint="not a number",
            offset=Offset(7),
            kind=SmartModuleErrorKind.FILTER_MAP,
            record_key=None,
            record_value=b"\xff\xfe",
        ),
    ),
    ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR: ("why",),
    ErrorCode.SMART_MODULE_INIT_ERROR: ("hint",),
    ErrorCode.SMART_MODULE_LOOK_BACK_ERROR: ("why",),
    ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED: (2, 1),
    ErrorCode.DERIVED_STREAM_NOT_FOUND: ("s",),
    ErrorCode.DERIVED_STREAM_INVALID: ("s",),
    ErrorCode.DEDUPLICATION_SMART_MODULE_NAME_INVALID: ("n",),
    ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT: ("Topic", "consumer-offset"),
    ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT: ("topic", "consumer-offset"),
}


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.NONE])
def test_every_code_has_a_text(code: ErrorCode) -> None:
    error = server_error(ErrorStatus(code, PAYLOADS.get(code, ())), prefix="here: ")
    assert isinstance(error, FluvioError)
    assert len(str(error)) > len("here: ")
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (ErrorCode.TOPIC_ALREADY_EXISTS, AlreadyExists, "Topic already exists"),
        (ErrorCode.TOPIC_NOT_FOUND, NotFound, "Topic not found"),
        (ErrorCode.NOT_LEADER_FOR_PARTITION, NotLeader, "the given SPU is not the leader"),
        (ErrorCode.SMART_MODULE_NOT_FOUND, SmartModuleError, "SmartModule odd was not found"),
        (
            ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT,
            SystemObject,
            "system topic 'consumer-offset' can only be deleted forcibly",
        ),
        (ErrorCode.STORAGE_ERROR, ServerError, "storage"),
    ],
)
def test_texts_that_people_and_scripts_know(
    code: ErrorCode, kind: type[Exception], text: str
) -> None:
    error = server_error(ErrorStatus(code, PAYLOADS.get(code, ())))
    assert isinstance(error, kind)
    assert text in str(error)


def test_only_a_moved_leader_is_retried() -> None:
    moved = server_error(ErrorStatus(ErrorCode.PARTITION_NOT_LEADER))
    assert moved.retriable
    assert moved.refresh_metadata
    assert not server_error(ErrorStatus(ErrorCode.STORAGE_ERROR)).retriable


def test_an_offset_that_is_not_stored_is_stored_again() -> None:
    for code, again in ((ErrorCode.OFFSET_FLUSH_REQUEST_ERROR, True), (ErrorCode.OTHER, False)):
        assert server_error(ErrorStatus(code, PAYLOADS[code])).retriable is again


def test_an_evicted_offset_tells_where_to_go_on() -> None:
    error = server_error(ErrorStatus(ErrorCode.OFFSET_EVICTED, (3, 9)))
    assert isinstance(error, OffsetEvicted)
    assert (error.offset, error.next_available) == (3, 9)


def test_the_servers_words_follow_where_many_causes_are_possible() -> None:
    detail = "only 0 out of 1 provisioned"
    assert detail in error_text(ErrorStatus(ErrorCode.TOPIC_NOT_PROVISIONED), detail)
    assert error_text(ErrorStatus(ErrorCode.TOPIC_NOT_FOUND), "other words") == "Topic not found"


def test_a_runtime_failure_shows_the_record() -> None:
    code = ErrorCode.SMART_MODULE_RUNTIME_ERROR
    lines = error_text(ErrorStatus(code, PAYLOADS[code])).splitlines()
    assert lines[0] == "not a number"
    assert [line.strip() for line in lines[-4:]] == [
        "Type: FilterMap", "Offset: 7", "Key: NULL", "Value: Binary: 2 bytes",
    ]  # fmt: skip


def test_why_permission_is_denied_is_said_once() -> None:
    denied = ErrorStatus(ErrorCode.PERMISSION_DENIED)
    assert error_text(denied, "permission denied") == "permission denied"
    assert error_text(denied, "permission denied: read-only") == "permission denied: read-only"
    assert error_text(denied, "read-only") == "permission denied: read-only"
