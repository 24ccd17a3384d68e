"""The error tree's root, and the numbers that errors have on the wire.

    FluvioError            code, retriable, refresh_metadata
      ProtocolError        bytes that do not follow the protocol
        LocalProtocolError     we tried to send something impossible
        RemoteProtocolError    the other side sent something impossible

Branches live where they arise: storage, replica, control and client errors each
derive from `FluvioError` in their own package. A class carries its wire code and
its retry policy, so that answering and retrying are data.
"""

from enum import IntEnum
from typing import ClassVar


class ErrorCode(IntEnum):
    """Every error number a Fluvio peer understands. Source: protocol reference, section 3.13.

    A number outside this table makes the rest of a message unreadable to a client, because
    some numbers carry a payload and none carries a length; so none is ever invented.
    """

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    OTHER = 2
    NOT_LEADER_FOR_PARTITION = 6
    REQUEST_TIMED_OUT = 7
    MESSAGE_TOO_LARGE = 10
    PERMISSION_DENIED = 13
    STORAGE_ERROR = 56
    INVALID_CREATE_REQUEST = 60
    INVALID_DELETE_REQUEST = 61
    OFFSET_EVICTED = 71
    PARTITION_FULL = 72
    PARTITION_SHORT_CIRCUITED = 73
    SPU_ERROR = 1000
    SPU_REGISTRATION_FAILED = 1001
    SPU_OFFLINE = 1002
    SPU_NOT_FOUND = 1003
    SPU_ALREADY_EXISTS = 1004
    TOPIC_ERROR = 2000
    TOPIC_NOT_FOUND = 2001
    TOPIC_ALREADY_EXISTS = 2002
    TOPIC_PENDING_INITIALIZATION = 2003
    TOPIC_INVALID_CONFIGURATION = 2004
    TOPIC_NOT_PROVISIONED = 2005
    TOPIC_INVALID_NAME = 2006
    TOPIC_DELETED = 2007
    TOPIC_INVALID_REPLICA_TYPE = 2008
    PARTITION_PENDING_INITIALIZATION = 3000
    PARTITION_NOT_LEADER = 3001
    FETCH_SESSION_NOT_FOUND = 3002
    OFFSET_FLUSH_REQUEST_ERROR = 3003
    OFFSET_MANAGEMENT_DISABLED = 3004
    MAX_RETRY_REACHED = 3005
    MANAGED_CONNECTOR_ERROR = 5000
    MANAGED_CONNECTOR_NOT_FOUND = 5001
    MANAGED_CONNECTOR_ALREADY_EXISTS = 5002
    SMART_MODULE_ERROR = 6000
    SMART_MODULE_NOT_FOUND = 6001
    SMART_MODULE_INVALID = 6002
    SMART_MODULE_INVALID_EXPORTS = 6003
    SMART_MODULE_RUNTIME_ERROR = 6004
    SMART_MODULE_CHAIN_INIT_ERROR = 6005
    SMART_MODULE_INIT_ERROR = 6006
    SMART_MODULE_LOOK_BACK_ERROR = 6007
    SMART_MODULE_MEMORY_LIMIT_EXCEEDED = 6008
    TABLE_FORMAT_ERROR = 7000
    TABLE_FORMAT_NOT_FOUND = 7001
    TABLE_FORMAT_ALREADY_EXISTS = 7002
    DERIVED_STREAM_OBJECT_ERROR = 8000
    DERIVED_STREAM_NOT_FOUND = 8001
    DERIVED_STREAM_JOIN_FETCH_ERROR = 8002
    DERIVED_STREAM_INVALID = 8003
    COMPRESSION_ERROR = 9000
    DEDUPLICATION_SMART_MODULE_NOT_LOADED = 10000
    DEDUPLICATION_SMART_MODULE_NAME_INVALID = 10001
    MIRROR_NOT_FOUND = 11001
    MIRROR_ALREADY_EXISTS = 11002
    MIRROR_PRODUCE_FROM_HOME = 11003
    MIRROR_DELETE_FROM_REMOTE = 11004
    MIRROR_INVALID_TYPE = 11005
    MIRROR_PRODUCE_FROM_REMOTE_NOT_ALLOWED = 11006
    SYSTEM_SPEC_DELETION_ATTEMPT = 12001
    SYSTEM_SPEC_UPDATING_ATTEMPT = 12002


class FluvioError(Exception):
    """Root of every error this project raises on purpose.

    code:             the number that says this on the wire
    retriable:        the same request may succeed later
    refresh_metadata: look up the leader again before retrying
    """

    code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN_SERVER_ERROR
    retriable: ClassVar[bool] = False
    refresh_metadata: ClassVar[bool] = False


class ProtocolError(FluvioError):
    """Bytes that do not follow the protocol; the connection they came from cannot go on."""


class LocalProtocolError(ProtocolError):
    """We tried to send something the protocol cannot express."""


class RemoteProtocolError(ProtocolError):
    """The other side sent bytes that the protocol does not allow."""
