"""Errors of replicas, and how any error of this floor and below is told to a client.

FluvioError
  ReplicaError
    NotLeader          another SPU serves the partition, or nobody does
    ReplicaFailed      a write or sync failed; the replica refuses writes until restart
"""

from typing import ClassVar

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import ReplicaKey


class ReplicaError(FluvioError):
    """Something is wrong with one replica."""


class NotLeader(ReplicaError):
    """The partition is not served here."""

    code: ClassVar[ErrorCode] = ErrorCode.NOT_LEADER_FOR_PARTITION
    retriable: ClassVar[bool] = True
    refresh_metadata: ClassVar[bool] = True


class ReplicaFailed(ReplicaError):
    """An earlier write or sync failed, so what is on disk is not certain any more."""

    code: ClassVar[ErrorCode] = ErrorCode.PARTITION_SHORT_CIRCUITED


def error_status(error: FluvioError, key: ReplicaKey) -> ErrorStatus:
    """The status that tells a client about `error` at partition `key`.

    Only codes that the protocol has, each with its payload; OTHER and unknown ones carry the text.
    """
    code = error.code
    if code is ErrorCode.PARTITION_FULL:
        return ErrorStatus(code, (key,))
    if code is ErrorCode.OFFSET_EVICTED:
        offset = int(getattr(error, "offset", -1))
        return ErrorStatus(code, (offset, int(getattr(error, "next_available", -1))))
    if code in _PLAIN:
        return ErrorStatus(code)
    return ErrorStatus.other(str(error))


_PLAIN = frozenset(
    {
        ErrorCode.OFFSET_OUT_OF_RANGE,
        ErrorCode.NOT_LEADER_FOR_PARTITION,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.STORAGE_ERROR,
        ErrorCode.PARTITION_SHORT_CIRCUITED,
        ErrorCode.COMPRESSION_ERROR,
    }
)
