"""Fetch (key 1): the old one-shot read of several partitions. Source: protocol reference 4.2.

Answers at once when `min_bytes` are there or nobody may wait, else when they came or `max_wait`
is over: waiters at the partitions and one deadline, no task. Whole batches only, as everywhere.
"""

from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import decode, encode
from fluvio_protocol.errors import ErrorCode, FluvioError, RemoteProtocolError
from fluvio_protocol.spu_public.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
)
from fluvio_protocol.types import Isolation, Offset, ReplicaKey
from fluvio_spu.replica.callback_heap import Waiter
from fluvio_spu.replica.cold_read import read_ahead
from fluvio_spu.replica.errors import error_status
from fluvio_spu.replica.replica import Replica
from fluvio_spu.storage import LogSlice

if TYPE_CHECKING:
    from fluvio_socket.send_queue import Buffer
    from fluvio_spu.public_api.session import PublicSession

PARTITIONS_MAX = 4096
WAIT_MS_MAX = 30_000

_NOT_LEADER = ErrorStatus(ErrorCode.NOT_LEADER_FOR_PARTITION)


def fetch(session: "PublicSession", version: int, correlation_id: int, body: memoryview) -> None:
    """Answer now or a little later."""
    request = decode(FetchRequest, body, version)
    count = sum(len(topic.fetch_partitions) for topic in request.topics)
    if count > PARTITIONS_MAX:
        raise RemoteProtocolError(f"fetch of {count} partitions")
    PendingFetch(session, request, version, correlation_id).start()


class PendingFetch:
    """One request until it is answered. An `OffsetSubscriber` of its replicas while it waits."""

    __slots__ = (
        "_committed",
        "_correlation_id",
        "_deadline",
        "_done",
        "_replicas",
        "_request",
        "_session",
        "_version",
    )

    def __init__(
        self, session: "PublicSession", request: FetchRequest, version: int, correlation_id: int
    ) -> None:
        self._session = session
        self._request = request
        self._version = version
        self._correlation_id = correlation_id
        self._committed = request.isolation is Isolation.READ_COMMITTED
        self._replicas: list[Replica] = []
        self._deadline: Waiter | None = None
        self._done = False

    def start(self) -> None:
        """Answer, or wait for data."""
        request = self._request
        if request.max_wait_ms <= 0 or self._is_enough():
            self._answer()
            return
        self._session.pending(1)
        for topic in request.topics:
            for wanted in topic.fetch_partitions:
                key = ReplicaKey(topic.name, wanted.partition)
                replica = self._session.service.registry.get(key)
                if replica is not None:
                    self._replicas.append(replica)
                    replica.subscribe(self)
                    replica.wait_for_data(self, committed=self._committed)
        wait_s = min(request.max_wait_ms, WAIT_MS_MAX) / 1000
        self._deadline = self._session.service.deadlines.after(wait_s, self._finish)

    def offsets_moved(self) -> int:
        """One of the partitions has news."""
        if not self._done:
            if self._is_enough():
                self._finish()
            else:
                for replica in self._replicas:
                    replica.wait_for_data(self, committed=self._committed)
        return 0

    def replica_stopped(self, status: ErrorStatus) -> None:
        """The answer says so for that partition."""
        self._finish()

    def _finish(self) -> None:
        if self._done:
            return
        self._done = True
        if self._deadline is not None:
            self._deadline.cancel()
        for replica in self._replicas:
            replica.unsubscribe(self)
        self._session.pending(-1)
        self._answer()

    def _is_enough(self) -> bool:
        """Whether there are `min_bytes`, or an error to tell."""
        found_bytes = 0
        for _, status, found, _ in self._read_all():
            if status:
                return True
            found_bytes += found.size_bytes if found is not None else 0
        return found_bytes >= self._request.min_bytes

    def _answer(self) -> None:
        parts = self._read_all()
        cold = [
            found
            for replica, _, found, _ in parts
            if found is not None and replica is not None and replica.is_cold(found)
        ]
        if not cold:
            self._send(parts)
            return

        def read() -> None:
            for found in cold:
                read_ahead(found.fd, found.position, found.size_bytes)

        def ended(_: object) -> None:
            self._session.pending(-1)
            self._send(parts)

        self._session.pending(1)
        cold_replica = next(replica for replica, *_ in parts if replica is not None)
        cold_replica.workers.run(read, ended, ended)

    def _read_all(
        self,
    ) -> list[tuple[Replica | None, ErrorStatus, LogSlice | None, FetchPartition]]:
        """Per partition: replica, error, slice. Bounded by `max_bytes` in all, softly."""
        limits = self._session.service.limits
        left = min(self._request.max_bytes, limits.fetch_bytes_max)
        parts: list[tuple[Replica | None, ErrorStatus, LogSlice | None, FetchPartition]] = []
        for topic in self._request.topics:
            for wanted in topic.fetch_partitions:
                key = ReplicaKey(topic.name, wanted.partition)
                replica = self._session.service.registry.get(key)
                status: ErrorStatus = SUCCESS
                found: LogSlice | None = None
                if replica is None:
                    status = _NOT_LEADER
                elif left > 0:
                    try:
                        found = replica.read(
                            wanted.fetch_offset,
                            committed=self._committed,
                            max_bytes=max(1, min(wanted.max_bytes, left)),
                        )
                    except FluvioError as error:
                        status = error_status(error, key)
                    if found is not None:
                        left -= found.size_bytes
                parts.append((replica, status, found, wanted))
        return parts

    def _send(
        self, parts: list[tuple[Replica | None, ErrorStatus, LogSlice | None, FetchPartition]]
    ) -> None:
        """One frame: our own bytes between views of the logs."""
        version = self._version
        buffers: list[Buffer] = []
        head = bytearray(4)
        head += self._correlation_id.to_bytes(4, "big", signed=True)
        head += bytes(4) + encode(SUCCESS, version) + bytes(4)
        head += len(self._request.topics).to_bytes(4, "big")
        remaining = iter(parts)
        first = head
        for topic in self._request.topics:
            head += len(topic.name.encode()).to_bytes(2, "big") + topic.name.encode()
            head += len(topic.fetch_partitions).to_bytes(4, "big")
            for _ in topic.fetch_partitions:
                replica, status, found, wanted = next(remaining)
                size = found.size_bytes if found is not None else 0
                head += _encode_partition(replica, status, wanted, version)
                head[-4:] = size.to_bytes(4, "big")
                if found is not None:
                    buffers += (head, found.view())
                    head = bytearray()
                    metrics = self._session.service.metrics
                    metrics.outbound_bytes += size
                    metrics.outbound_response_count += 1
        buffers.append(head)
        length = sum(map(len, buffers)) - 4
        first[:4] = length.to_bytes(4, "big")
        self._session.write(*buffers)


def _encode_partition(
    replica: Replica | None, status: ErrorStatus, wanted: FetchPartition, version: int
) -> bytes:
    """Everything of a partition's answer; the last four bytes are the size of its batches."""
    return encode(
        FetchPartitionResponse(
            partition=wanted.partition,
            error_code=status,
            high_watermark=Offset(replica.hw.value if replica is not None else 0),
            log_start_offset=replica.start_offset if replica is not None else Offset(0),
        ),
        version,
    )
