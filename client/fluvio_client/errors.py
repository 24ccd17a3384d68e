"""What can go wrong for an application, as one tree.

    FluvioError                      code, retriable, refresh_metadata
      SocketError                    fluvio_socket: the network
        ConnectFailed                nobody answers at an address
        ConnectionLost               retriable
        RequestTimedOut
      ClientError
        ConfigError                  the profile file
          NoActiveProfile, ProfileNotFound
        ProfileNotConnected          one of several clusters; its cause says why
        VersionMismatch              the cluster is too old
        LookupTimedOut               the cluster's metadata did not arrive
        TopicNotFound                PartitionNotFound
        ManagedObject                belongs to another object, which is changed instead
        NotChangeable                Fluvio's protocol has no request for the change
        WaitTimedOut                 an object did not become what was waited for
        ServerError                  a server answered with an error code
          AdminError                 AlreadyExists, NotFound, PermissionDenied, InvalidRequest,
                                     SystemObject
          NotLeader                  retriable, refresh_metadata
          NotEnoughReplicas          retriable: nothing was stored
          NotCommittedInTime         retriable: it may have been stored
          OffsetNotStored            retriable
          SmartModuleError           SmartModuleRuntimeError
        ProducerError                RecordTooLarge, QueueFull, DeliveryFailed,
                                     CompressionMismatch, FlushTimedOut, ProducerClosed
        ConsumerError                OffsetEvicted, OffsetOutOfRange, OffsetManagementDisabled,
                                     ConsumerClosed

`server_error` is the only place where a wire code becomes an exception. The class carries the
retry policy, so that producers and consumers retry by attribute, never by a list of codes.
"""

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from fluvio_client.likeness import not_found_text
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.types import ReplicaKey
from fluvio_socket.errors import ConnectFailed, ConnectionLost, RequestTimedOut, SocketError

__all__ = [
    "AdminError",
    "AlreadyExists",
    "ClientError",
    "CompressionMismatch",
    "ConfigError",
    "ConnectFailed",
    "ConnectionLost",
    "ConsumerClosed",
    "ConsumerError",
    "DeliveryFailed",
    "FlushTimedOut",
    "FluvioError",
    "InvalidRequest",
    "LookupTimedOut",
    "ManagedObject",
    "NoActiveProfile",
    "NotChangeable",
    "NotCommittedInTime",
    "NotEnoughReplicas",
    "NotFound",
    "NotLeader",
    "OffsetEvicted",
    "OffsetManagementDisabled",
    "OffsetNotStored",
    "OffsetOutOfRange",
    "PartitionNotFound",
    "PermissionDenied",
    "ProducerClosed",
    "ProducerError",
    "ProfileNotConnected",
    "ProfileNotFound",
    "QueueFull",
    "RecordTooLarge",
    "RequestTimedOut",
    "ServerError",
    "SmartModuleError",
    "SmartModuleRuntimeError",
    "SocketError",
    "SystemObject",
    "TopicNotFound",
    "VersionMismatch",
    "WaitTimedOut",
    "server_error",
]


class ClientError(FluvioError):
    """Root of what the client itself raises.

    replica: the partition that a consumer met it in
    """

    replica: ReplicaKey | None = None


class ConfigError(ClientError):
    """The profile file is missing, unreadable, or says something impossible."""


class NoActiveProfile(ConfigError):
    """Nothing says which cluster is meant."""


class ProfileNotFound(ConfigError):
    """No profile or cluster has that name."""


class ProfileNotConnected(ClientError):
    """One of several clusters could not be connected to; the cause says why.

    profile: which one
    """

    def __init__(self, profile: str, cause: FluvioError) -> None:
        super().__init__(f"profile {profile}: {cause}")
        self.profile = profile


class VersionMismatch(ClientError):
    """The cluster is older than anything this client can talk to."""


class LookupTimedOut(ClientError):
    """The controller did not deliver its metadata in time."""

    retriable: ClassVar[bool] = True


class TopicNotFound(ClientError):
    """There is no such topic."""

    code: ClassVar[ErrorCode] = ErrorCode.TOPIC_NOT_FOUND

    def __init__(self, topic: str, known: Iterable[str] = ()) -> None:
        """known: names of topics that there are, for a suggestion."""
        super().__init__(not_found_text("Topic", topic, known))
        self.topic = topic


class PartitionNotFound(ClientError):
    """The topic has no such partition."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"Partition not found: {topic}-{partition}")
        self.topic = topic
        self.partition = partition


class ManagedObject(ClientError):
    """The object belongs to another one, and is changed through that alone."""


class NotChangeable(ClientError):
    """An object differs from what is wanted in a way that no request can change."""


class WaitTimedOut(ClientError):
    """An object did not become in time what was waited for."""

    retriable: ClassVar[bool] = True


class ServerError(ClientError):
    """A server answered with an error; `status` is what it sent."""

    def __init__(self, text: str, status: ErrorStatus) -> None:
        super().__init__(text)
        self.status = status

    @property
    def error_code(self) -> ErrorCode:
        """The number on the wire."""
        return self.status.error


class AdminError(ServerError):
    """The controller refused."""


class AlreadyExists(AdminError):
    """An object of that name is there."""


class NotFound(AdminError):
    """No object of that name is there."""


class PermissionDenied(AdminError):
    """The identity of this connection may not do that."""


class InvalidRequest(AdminError):
    """The controller cannot make sense of what was asked for."""


class SystemObject(AdminError):
    """The object belongs to the cluster."""


class NotLeader(ServerError):
    """The partition is led elsewhere by now."""

    retriable: ClassVar[bool] = True
    refresh_metadata: ClassVar[bool] = True


class NotEnoughReplicas(ServerError):
    """The partition has fewer replicas in sync than it demands, or is only coming up.

    Nothing was stored.
    """

    retriable: ClassVar[bool] = True


class NotCommittedInTime(ServerError):
    """The leader stored it, and not enough replicas had it within the time the producer allowed.

    It may be committed a moment later. Sent again it may be there twice.
    """

    retriable: ClassVar[bool] = True


class OffsetNotStored(ServerError):
    """The SPU that keeps consumer offsets is away, or has too few replicas in sync, for now."""

    retriable: ClassVar[bool] = True


_LABEL = re.compile(r'(?:(^)|\()SmartModule "(?P<module>[^"]*)", step (?P<step>\d+)(?(1): |\)\Z)')
"""How an SPU says within the hint which module it was: before words of its own, behind others'."""


class SmartModuleError(ServerError):
    """A SmartModule is missing, does not start, or failed."""


class SmartModuleRuntimeError(SmartModuleError):
    """A SmartModule could not process one record; the text is its author's, with the record."""

    @property
    def hint(self) -> str:
        """What the author says about it."""
        return str(self.status.payload[0].hint)

    @property
    def offset(self) -> int:
        """Offset of the record; for producers, whose records have none yet, its place in its
        batch, from 0."""
        return int(self.status.payload[0].offset)

    @property
    def module(self) -> str | None:
        """Name of the module, when the SPU says it; `ad-hoc` for one that was sent along."""
        found = _LABEL.search(self.hint)
        return None if found is None else found["module"]

    @property
    def step(self) -> int | None:
        """Its place in the chain, from 1, when the SPU says it."""
        found = _LABEL.search(self.hint)
        return None if found is None else int(found["step"])

    @property
    def kind(self) -> str:
        """What the module is: `filter`, `map`, `array_map`, `aggregate`, `filter_map`, ..."""
        return str(self.status.payload[0].kind.name).lower()

    @property
    def key(self) -> bytes | None:
        """Key of the record."""
        key: bytes | None = self.status.payload[0].record_key
        return key

    @property
    def value(self) -> bytes:
        """Value of the record."""
        return bytes(self.status.payload[0].record_value)


class ProducerError(ClientError):
    """Sending did not work."""


class RecordTooLarge(ProducerError):
    """A record alone passes the request size limit."""

    code: ClassVar[ErrorCode] = ErrorCode.MESSAGE_TOO_LARGE

    def __init__(self, *, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(
            f"record size ({size_bytes} bytes), exceeded maximum request size "
            f"({size_bytes_max} bytes)"
        )
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class QueueFull(ProducerError):
    """Batches wait because the partition's leader does not take them."""

    retriable: ClassVar[bool] = True


class DeliveryFailed(ProducerError):
    """A batch was given up; the cause says why, the text says for which partition."""


class CompressionMismatch(ProducerError):
    """The topic demands another codec than the producer was told to use."""

    def __init__(self, *, producer: str, topic: str) -> None:
        super().__init__(
            "Producer error: Invalid configuration in producer: Compression in the producer "
            f"({producer}) does not match with topic level compression ({topic})"
        )


class FlushTimedOut(ProducerError):
    """Records are still on their way; they go on, and may be waited for again."""

    code: ClassVar[ErrorCode] = ErrorCode.REQUEST_TIMED_OUT
    retriable: ClassVar[bool] = True


class ProducerClosed(ProducerError):
    """Used after close."""


class ConsumerError(ClientError):
    """Reading did not work."""


class OffsetEvicted(ConsumerError):
    """Retention removed the offset that was asked for."""

    code: ClassVar[ErrorCode] = ErrorCode.OFFSET_EVICTED

    def __init__(self, *, offset: int, next_available: int) -> None:
        super().__init__(f"offset {offset} was evicted, the next available one is {next_available}")
        self.offset = offset
        self.next_available = next_available


class OffsetOutOfRange(ConsumerError):
    """There is no such offset yet."""

    code: ClassVar[ErrorCode] = ErrorCode.OFFSET_OUT_OF_RANGE


class OffsetManagementDisabled(ConsumerError):
    """The consumer keeps no offsets, or has no id to keep them under."""

    code: ClassVar[ErrorCode] = ErrorCode.OFFSET_MANAGEMENT_DISABLED


class ConsumerClosed(ConsumerError):
    """Used after close."""


_NOT_LEADER = frozenset({ErrorCode.NOT_LEADER_FOR_PARTITION, ErrorCode.PARTITION_NOT_LEADER})
_ADMIN_CLASSES: dict[ErrorCode, type[AdminError]] = {
    ErrorCode.PERMISSION_DENIED: PermissionDenied,
    ErrorCode.INVALID_CREATE_REQUEST: InvalidRequest,
    ErrorCode.INVALID_DELETE_REQUEST: InvalidRequest,
    ErrorCode.SPU_NOT_FOUND: NotFound,
    ErrorCode.SPU_ALREADY_EXISTS: AlreadyExists,
    ErrorCode.TOPIC_NOT_FOUND: NotFound,
    ErrorCode.TOPIC_ALREADY_EXISTS: AlreadyExists,
    ErrorCode.TOPIC_INVALID_CONFIGURATION: InvalidRequest,
    ErrorCode.TOPIC_INVALID_NAME: InvalidRequest,
    ErrorCode.TOPIC_INVALID_REPLICA_TYPE: InvalidRequest,
    ErrorCode.TABLE_FORMAT_NOT_FOUND: NotFound,
    ErrorCode.TABLE_FORMAT_ALREADY_EXISTS: AlreadyExists,
    ErrorCode.MIRROR_NOT_FOUND: NotFound,
    ErrorCode.MIRROR_ALREADY_EXISTS: AlreadyExists,
    ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT: SystemObject,
    ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT: SystemObject,
}
_TEXTS: dict[ErrorCode, str] = {
    ErrorCode.UNKNOWN_SERVER_ERROR: "An unknown server error occurred",
    ErrorCode.OFFSET_OUT_OF_RANGE: "Offset out of range",
    ErrorCode.OTHER: "{0}",
    ErrorCode.NOT_LEADER_FOR_PARTITION: "the given SPU is not the leader for the partition",
    ErrorCode.REQUEST_TIMED_OUT: "the request was not answered within {0} ms",
    ErrorCode.MESSAGE_TOO_LARGE: "the message is too large to send",
    ErrorCode.PERMISSION_DENIED: "permission denied",
    ErrorCode.STORAGE_ERROR: "a storage error occurred",
    ErrorCode.INVALID_CREATE_REQUEST: "invalid create request",
    ErrorCode.INVALID_DELETE_REQUEST: "invalid delete request",
    ErrorCode.OFFSET_EVICTED: "offset {0} was evicted, the next available one is {1}",
    ErrorCode.PARTITION_FULL: "the partition {0} is full: its SPU has no storage left",
    ErrorCode.PARTITION_SHORT_CIRCUITED: "the partition takes no writes after a failed write",
    ErrorCode.SPU_ERROR: "an error occurred on the SPU",
    ErrorCode.SPU_REGISTRATION_FAILED: "failed to register an SPU",
    ErrorCode.SPU_OFFLINE: "the SPU is offline",
    ErrorCode.SPU_NOT_FOUND: "SPU not found",
    ErrorCode.SPU_ALREADY_EXISTS: "SPU already exists",
    ErrorCode.TOPIC_ERROR: "an error occurred while managing a topic",
    ErrorCode.TOPIC_NOT_FOUND: "Topic not found",
    ErrorCode.TOPIC_ALREADY_EXISTS: "Topic already exists",
    ErrorCode.TOPIC_PENDING_INITIALIZATION: "the topic has not been initialized",
    ErrorCode.TOPIC_INVALID_CONFIGURATION: "the topic configuration is invalid",
    ErrorCode.TOPIC_NOT_PROVISIONED: "the topic is not provisioned",
    ErrorCode.TOPIC_INVALID_NAME: "the topic name is invalid",
    ErrorCode.TOPIC_DELETED: "the topic is being deleted",
    ErrorCode.TOPIC_INVALID_REPLICA_TYPE: "the topic's replicas are not computed",
    ErrorCode.PARTITION_PENDING_INITIALIZATION: (
        "the partition waits for replicas: fewer are in sync than it needs, nothing was stored"
    ),
    ErrorCode.PARTITION_NOT_LEADER: "this SPU does not lead the partition",
    ErrorCode.FETCH_SESSION_NOT_FOUND: "the fetch session was not found",
    ErrorCode.OFFSET_FLUSH_REQUEST_ERROR: "consumer offset was not stored: {0}",
    ErrorCode.OFFSET_MANAGEMENT_DISABLED: "offset management is disabled",
    ErrorCode.MAX_RETRY_REACHED: "the maximum number of attempts was reached",
    ErrorCode.SMART_MODULE_ERROR: "an error occurred while managing a SmartModule",
    ErrorCode.SMART_MODULE_NOT_FOUND: "SmartModule {0} was not found",
    ErrorCode.SMART_MODULE_INVALID: "SmartModule is invalid: {0}",
    ErrorCode.SMART_MODULE_INVALID_EXPORTS: "SmartModule is no {1}: {0}",
    ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR: "SmartModule chain could not be started: {0}",
    ErrorCode.SMART_MODULE_INIT_ERROR: "SmartModule init error: {0}",
    ErrorCode.SMART_MODULE_LOOK_BACK_ERROR: "SmartModule look_back error: {0}",
    ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED: (
        "SmartModule asked for {0} bytes of memory, {1} is the limit"
    ),
    ErrorCode.TABLE_FORMAT_ERROR: "an error occurred while managing a TableFormat",
    ErrorCode.TABLE_FORMAT_NOT_FOUND: "TableFormat not found",
    ErrorCode.TABLE_FORMAT_ALREADY_EXISTS: "TableFormat already exists",
    ErrorCode.COMPRESSION_ERROR: "a compression error occurred in the SPU",
    ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED: "the deduplication SmartModule is not there",
    ErrorCode.DEDUPLICATION_SMART_MODULE_NAME_INVALID: (
        "the deduplication SmartModule's name is invalid: {0}"
    ),
    ErrorCode.MIRROR_NOT_FOUND: "Mirror not found",
    ErrorCode.MIRROR_ALREADY_EXISTS: "Mirror already exists",
    ErrorCode.MIRROR_PRODUCE_FROM_HOME: "the topic takes no records at home",
    ErrorCode.MIRROR_DELETE_FROM_REMOTE: "the topic cannot be deleted at the remote",
    ErrorCode.MIRROR_INVALID_TYPE: "the mirror is of another type",
    ErrorCode.MIRROR_PRODUCE_FROM_REMOTE_NOT_ALLOWED: "the topic takes no records at the remote",
    ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT: "system {0} '{1}' can only be deleted forcibly",
    ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT: "system {0} '{1}' cannot be updated",
}
_DETAILED_BY_MESSAGE = frozenset(
    {
        ErrorCode.UNKNOWN_SERVER_ERROR,
        ErrorCode.PERMISSION_DENIED,
        ErrorCode.INVALID_CREATE_REQUEST,
        ErrorCode.INVALID_DELETE_REQUEST,
        ErrorCode.SPU_ERROR,
        ErrorCode.TOPIC_ERROR,
        ErrorCode.TOPIC_INVALID_CONFIGURATION,
        ErrorCode.TOPIC_NOT_PROVISIONED,
        ErrorCode.TOPIC_INVALID_NAME,
        ErrorCode.TOPIC_INVALID_REPLICA_TYPE,
        ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED,
    }
)
"""Codes that many things can cause, or that do not name it: the server's own words follow ours."""


_ABOUT_A_KIND = frozenset(
    {ErrorCode.SYSTEM_SPEC_DELETION_ATTEMPT, ErrorCode.SYSTEM_SPEC_UPDATING_ATTEMPT}
)


def error_text(status: ErrorStatus, message: str | None = None) -> str:
    """What to tell people about an error that a server sent."""
    if status.error is ErrorCode.SMART_MODULE_RUNTIME_ERROR:
        return _runtime_failure_text(status.payload[0])
    template = _TEXTS.get(status.error)
    if template is None:
        text = status.error.name.lower().replace("_", " ")
        details = ", ".join(str(item) for item in status.payload)
        return f"{text}: {details}" if details else text
    payload = status.payload
    if status.error in _ABOUT_A_KIND:
        payload = (str(payload[0]).lower(), *payload[1:])  # a label as `Topic`, within a sentence
    text = template.format(*payload)
    if message and status.error in _DETAILED_BY_MESSAGE:
        return message if message.startswith(text) else f"{text}: {message}"
    return text


def _runtime_failure_text(failure: Any) -> str:
    key = "NULL" if failure.record_key is None else _shown(failure.record_key)
    return (
        f"{failure.hint}\n\nSmartModule Info:\n"
        f"    Type: {failure.kind.name.title().replace('_', '')}\n"
        f"    Offset: {failure.offset}\n"
        f"    Key: {key}\n"
        f"    Value: {_shown(failure.record_value)}"
    )


def _shown(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"Binary: {len(data)} bytes"


def server_error(
    status: ErrorStatus, message: str | None = None, *, prefix: str = ""
) -> ClientError:
    """The exception that says what `status` says; it must not be success.

    message: what the server added for people. prefix: where it happened, put before the text.
    """
    assert status, "success is no error"
    text = prefix + error_text(status, message)
    code = status.error
    if code in _NOT_LEADER:
        return NotLeader(text, status)
    if code is ErrorCode.PARTITION_PENDING_INITIALIZATION:
        return NotEnoughReplicas(text, status)
    if code is ErrorCode.REQUEST_TIMED_OUT:
        return NotCommittedInTime(text, status)
    if code is ErrorCode.OFFSET_FLUSH_REQUEST_ERROR:
        return OffsetNotStored(text, status)
    if code is ErrorCode.OFFSET_EVICTED:
        offset, next_available = status.payload
        return OffsetEvicted(offset=offset, next_available=next_available)
    if code is ErrorCode.OFFSET_OUT_OF_RANGE:
        return OffsetOutOfRange(text)
    if code is ErrorCode.SMART_MODULE_RUNTIME_ERROR:
        return SmartModuleRuntimeError(text, status)
    if 6000 <= code < 7000:
        return SmartModuleError(text, status)
    return _ADMIN_CLASSES.get(code, ServerError)(text, status)
