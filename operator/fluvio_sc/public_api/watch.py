"""Watch (1004): everything of one kind at once, then every change, until the connection ends.

A stream is an object that a publication calls; it has no task and no queue. It remembers the
epoch it has told its client. While the client is slow to read, nothing is sent, and nothing is
kept: later it gets what changed since its epoch, each object once, or everything again when
deletions of that time are forgotten. So a slow client costs no memory.

Frames differ between streams in their correlation id alone; the rest is encoded once for all
streams that stand at the same epoch.
"""

import struct

from fluvio_protocol.codec import Reader, decode, encode
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.kinds import WATCHABLE_KINDS, Kind
from fluvio_protocol.sc_public.watch import Change, ChangeType, WatchRequest, WatchResponse
from fluvio_sc.memory_store import MemoryStore, Publication
from fluvio_sc.public_api.api_versions import check_version
from fluvio_sc.public_api.client_view import as_metadata
from fluvio_socket.connection import Connection

_HEAD = struct.Struct(">ii")

FRAMES_CACHED_MAX = 64


def decode_watch(body: Reader, version: int) -> WatchRequest:
    """Raises RemoteProtocolError, also for a kind that cannot be watched."""
    check_version(version, WatchRequest.versions)
    request = decode(WatchRequest, body, version)
    if request.kind not in WATCHABLE_KINDS:
        raise RemoteProtocolError(f"a {request.kind} cannot be watched")
    return request


class WatchFrames:
    """Bodies of watch responses, encoded once for all streams that need the same."""

    def __init__(self, memory_store: MemoryStore) -> None:
        self._memory_store = memory_store
        self._bodies: dict[tuple[Kind, int, bool, int, int], bytes | None] = {}

    def body(self, kind: Kind, version: int, summary: bool, since: int) -> bytes | None:
        """What happened since an epoch; None when it cannot be said to a client.

        That is so when the kind has become empty and its deletions are forgotten: a client
        takes an empty response for none at all.
        """
        key = (kind, version, summary, since, self._memory_store.epoch(kind))
        if key not in self._bodies:
            if len(self._bodies) >= FRAMES_CACHED_MAX:
                self._bodies.clear()
            self._bodies[key] = self._encode(kind, version, summary, since)
        return self._bodies[key]

    def _encode(self, kind: Kind, version: int, summary: bool, since: int) -> bytes | None:
        changes = self._memory_store.changes_since(kind, since)
        updates = tuple(as_metadata(item, kind, summary=summary) for item in changes.updates)
        if changes.is_all:
            if since > 0 and not updates:
                return None
            response = WatchResponse(kind=kind, epoch=changes.epoch, all=updates)
        else:
            told = [Change(change_type=ChangeType.UPDATE, object=item) for item in updates]
            told += [
                Change(
                    change_type=ChangeType.DELETE,
                    object=as_metadata(item, kind, summary=summary),
                )
                for item in changes.deletions
            ]
            response = WatchResponse(kind=kind, epoch=changes.epoch, changes=tuple(told))
        return encode(response, version)


class WatchStream:
    """One watch of one client."""

    def __init__(
        self,
        *,
        connection: Connection,
        frames: WatchFrames,
        memory_store: MemoryStore,
        correlation_id: int,
        version: int,
        kind: Kind,
        summary: bool,
    ) -> None:
        self._connection = connection
        self._frames = frames
        self._memory_store = memory_store
        self._correlation_id = correlation_id
        self._version = version
        self._kind = kind
        self._summary = summary
        self._epoch_told = 0

    def begin(self) -> None:
        """Send everything, whether the client reads fast or not; from now on, changes."""
        self._memory_store.subscribe((self._kind,), self._published)
        self._send()

    def end(self) -> None:
        self._memory_store.unsubscribe((self._kind,), self._published)

    def send_changes(self) -> None:
        """Send what the client has not been told, if anything, unless it is slow."""
        if self._connection.congested or self._connection.closed:
            return
        if self._epoch_told < self._memory_store.epoch(self._kind):
            self._send()

    def _published(self, publication: Publication) -> None:
        self.send_changes()

    def _send(self) -> None:
        body = self._frames.body(self._kind, self._version, self._summary, self._epoch_told)
        if body is None:
            self._connection.close("too far behind to be told that everything is gone")
            return
        self._epoch_told = self._memory_store.epoch(self._kind)
        self._connection.send(_HEAD.pack(len(body) + 4, self._correlation_id), body)
