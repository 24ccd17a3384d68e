"""One table: request of a client -> what answers it.

| key  | request              | versions  | handled in         |
| 0    | Produce              | 0..25     | `produce`, straight from `session` |
| 1    | Fetch                | 0..25     | `fetch`            |
| 18   | ApiVersions          | any       | `api_versions`     |
| 1002 | FetchOffsets         | 0..25     | `fetch_offsets`    |
| 1003 | StreamFetch          | 0..25     | `stream_fetch`     |
| 1005 | UpdateOffsets        | any       | `stream_fetch`     |
| 1006 | UpdateConsumerOffset | from 23   | `consumer_offsets` |
| 1007 | DeleteConsumerOffset | from 23   | `consumer_offsets` |
| 1008 | FetchConsumerOffsets | from 23   | `consumer_offsets` |

A request that is not in it ends the connection, with a warning: the protocol has no answer for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_socket.connection import Connection
from fluvio_spu.config import SessionLimits
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.public_api.api_versions import answer_api_versions
from fluvio_spu.public_api.consumer_offsets import (
    delete_consumer_offset,
    fetch_consumer_offsets,
    update_consumer_offset,
)
from fluvio_spu.public_api.fetch import fetch
from fluvio_spu.public_api.fetch_offsets import fetch_offsets
from fluvio_spu.public_api.session import PublicSession
from fluvio_spu.public_api.stream_fetch import stream_fetch, update_offsets
from fluvio_spu.replica.consumer_offset_store import ConsumerOffsetAccess
from fluvio_spu.replica.deadlines import DeadlineQueue
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.transform.transforms import Transforms

VERSION_MAX = 25
ANY_VERSION = 32_767
CONSUMER_OFFSETS_SINCE = 23


@dataclass(frozen=True, slots=True)
class Handler:
    """What answers a request, and the versions of it that we can read."""

    name: str
    version_min: int
    version_max: int
    answer: Callable[[PublicSession, int, int, memoryview], None]


HANDLERS = {
    1: Handler("Fetch", 0, VERSION_MAX, fetch),
    18: Handler("ApiVersions", 0, ANY_VERSION, answer_api_versions),
    1002: Handler("FetchOffsets", 0, VERSION_MAX, fetch_offsets),
    1003: Handler("StreamFetch", 0, VERSION_MAX, stream_fetch),
    1005: Handler("UpdateOffsets", 0, ANY_VERSION, update_offsets),
    1006: Handler(
        "UpdateConsumerOffset", CONSUMER_OFFSETS_SINCE, ANY_VERSION, update_consumer_offset
    ),
    1007: Handler(
        "DeleteConsumerOffset", CONSUMER_OFFSETS_SINCE, ANY_VERSION, delete_consumer_offset
    ),
    1008: Handler(
        "FetchConsumerOffsets", CONSUMER_OFFSETS_SINCE, ANY_VERSION, fetch_consumer_offsets
    ),
}


class PublicService:
    """What all sessions of the door share; calling it with a connection makes a session.

    Until the registry has opened what the controller first assigned, connections are accepted and
    not read: an error would reach the user of a client, a short wait does not.
    """

    def __init__(
        self,
        *,
        registry: ReplicaRegistry,
        transforms: Transforms,
        consumer_offsets: ConsumerOffsetAccess,
        deadlines: DeadlineQueue,
        metrics: SpuMetrics,
        limits: SessionLimits,
        sendfile_size_bytes_max: int = 0,
        wait_until_ready: bool = False,
    ) -> None:
        self.registry = registry
        self.transforms = transforms
        self.consumer_offsets = consumer_offsets
        self.deadlines = deadlines
        self.metrics = metrics
        self.limits = limits
        self.sendfile_size_bytes_max = sendfile_size_bytes_max
        self._sessions: set[PublicSession] = set()
        self._stopping = False
        self._unready: set[PublicSession] | None = None
        if wait_until_ready and not registry.ready:
            self._unready = set()
            registry.on_ready.append(self._now_ready)

    def __call__(self, connection: Connection) -> PublicSession:
        session = PublicSession(connection, self)
        self._sessions.add(session)
        session.deaf = self._stopping
        if self._unready is not None:
            self._unready.add(session)
            session.pause("not ready")
        return session

    def handle(
        self,
        session: PublicSession,
        key: int,
        version: int,
        correlation_id: int,
        body: memoryview,
    ) -> None:
        """Answer one request. Raises RemoteProtocolError for one that we cannot read."""
        handler = HANDLERS.get(key)
        if handler is None:
            raise RemoteProtocolError(f"unknown request: key {key}, version {version}")
        if not handler.version_min <= version <= handler.version_max:
            raise RemoteProtocolError(
                f"{handler.name} (key {key}) in version {version}: "
                f"{handler.version_min} to {handler.version_max} are understood"
            )
        handler.answer(session, version, correlation_id, body)

    @property
    def pending_count(self) -> int:
        """Answers of all sessions that wait for something."""
        return sum(session.pending_count for session in self._sessions)

    def stop_listening(self) -> None:
        """Take no more requests, of those who connect from now on neither.

        They are read all the same: a connection that is closed with unread requests is reset, and
        that takes answers with it that the client has not read yet.
        """
        self._stopping = True
        for session in self._sessions:
            session.deaf = True

    def session_ended(self, session: PublicSession) -> None:
        """A connection is over."""
        self._sessions.discard(session)
        if self._unready is not None:
            self._unready.discard(session)

    def _now_ready(self) -> None:
        sessions, self._unready = self._unready, None
        for session in sessions or ():
            session.resume("not ready")
