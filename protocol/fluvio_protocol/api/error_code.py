"""An error as it travels: i16 number, then the payload that belongs to the number.

There is no length, so a reader has to know every payload. Source: protocol reference 3.13, 8.6.
"""

import dataclasses
from enum import IntEnum
from typing import Any

from fluvio_protocol.codec import U64, Message, Reader, RecordData, field, message, wire_of
from fluvio_protocol.codec.fields import NumberWire
from fluvio_protocol.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from fluvio_protocol.types import Offset, ReplicaKey


class RequestKind(IntEnum):
    """What timed out."""

    PRODUCE = 0


class SmartModuleErrorKind(IntEnum):
    """Kind of the module that failed; not the numbering of an invocation's kind."""

    FILTER = 0
    MAP = 1
    ARRAY_MAP = 2
    AGGREGATE = 3
    FILTER_MAP = 4
    JOIN = 5
    GENERIC = 6


@message()
class SmartModuleRuntimeFailure(Message):
    """A record that a SmartModule could not process."""

    hint: str = field(about="the author's text")
    offset: Offset = field(about="offset of the record that failed")
    kind: SmartModuleErrorKind = field(about="kind of the module")
    record_key: RecordData | None = field(default=None, about="key of the record")
    record_value: RecordData = field(default=b"", about="value of the record")


_PAYLOADS: dict[ErrorCode, tuple[Any, ...]] = {
    ErrorCode.OTHER: (str,),
    ErrorCode.REQUEST_TIMED_OUT: (U64, RequestKind),
    ErrorCode.OFFSET_EVICTED: (Offset, Offset),
    ErrorCode.PARTITION_FULL: (ReplicaKey,),
    ErrorCode.OFFSET_FLUSH_REQUEST_ERROR: (str,),
    ErrorCode.SMART_MODULE_NOT_FOUND: (str,),
    ErrorCode.SMART_MODULE_INVALID: (str, str | None),
    ErrorCode.SMART_MODULE_INVALID_EXPORTS: (str, str),
    ErrorCode.SMART_MODULE_RUNTIME_ERROR: (SmartModuleRuntimeFailure,),
    ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR: (str,),
    ErrorCode.SMART_MODULE_INIT_ERROR: (str,),
    ErrorCode.SMART_MODULE_LOOK_BACK_ERROR: (str,),
    ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED: (U64, U64),
    ErrorCode.DERIVED_STREAM_NOT_FOUND: (str,),
    ErrorCode.DERIVED_STREAM_INVALID: (str,),
    ErrorCode.DEDUPLICATION_SMART_MODULE_NAME_INVALID: (str,),
    ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT: (str, str),
    ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT: (str, str),
}
_TAG = NumberWire("h")


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorStatus(Message):
    """An error number with its payload, in the order of the table; NONE means success.

    `ErrorStatus(ErrorCode.OFFSET_EVICTED, (offset, next_available))`
    """

    error: ErrorCode = ErrorCode.NONE
    payload: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        """True for an error, false for success."""
        return self.error is not ErrorCode.NONE

    @classmethod
    def other(cls, text: str) -> "ErrorStatus":
        """Code 2 with a text for people, cut to what a string may hold."""
        # A file name in the text may hold bytes that are no Unicode.
        printable = text[:8000].encode(errors="backslashreplace").decode()
        return cls(ErrorCode.OTHER, (printable[:8000],))

    @classmethod
    def custom_encode(cls, value: "ErrorStatus", out: bytearray, version: int) -> None:
        kinds = _PAYLOADS.get(value.error, ())
        if len(kinds) != len(value.payload):
            raise LocalProtocolError(
                f"{value.error.name} takes {len(kinds)} payload values, not {len(value.payload)}"
            )
        _TAG.encode(out, int(value.error), version)
        for kind, item in zip(kinds, value.payload, strict=True):
            wire_of(kind).encode(out, item, version)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "ErrorStatus":
        tag = _TAG.decode(reader, version)
        if tag == 0:
            return SUCCESS
        try:
            error = ErrorCode(tag)
        except ValueError:
            raise RemoteProtocolError(f"{tag} is no error code") from None
        return cls(
            error, tuple(wire_of(kind).decode(reader, version) for kind in _PAYLOADS.get(error, ()))
        )


SUCCESS = ErrorStatus()
