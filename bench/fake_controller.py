"""A controller of one purpose: it gives an SPU the partitions that a measurement needs.

It speaks door 9004 with the real messages and decides nothing, so what is measured is the SPU and
not the controller. One SPU connects at a time; the work is done by a thread of its own.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Self

from fluvio_protocol.api.frame import FRAME_SIZE_BYTES_MAX, FrameSplitter
from fluvio_protocol.api.header import decode_request_header, encode_request, encode_response
from fluvio_protocol.codec import Reader, decode
from fluvio_protocol.metadata.spu import Endpoint, IngressAddress, IngressPort, SpuSpec
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.sc_private.register import RegisterSpuRequest, RegisterSpuResponse
from fluvio_protocol.sc_private.replica_status import (
    LeaderReport,
    ReplicaRemoved,
    ReplicaStatusReport,
)
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment, UpdateReplicas
from fluvio_protocol.sc_private.update_spu import UpdateSpus
from fluvio_protocol.types import LeaderEpoch, PartitionId, ReplicaKey, SpuId

SPU_ID = SpuId(5001)


def assignment(key: ReplicaKey, *, is_being_deleted: bool = False) -> ReplicaAssignment:
    """The SPU leads this partition, alone."""
    return ReplicaAssignment(
        key=key,
        uid=f"bench-{key}",
        leader=SPU_ID,
        leader_epoch=LeaderEpoch(1),
        replicas=(SPU_ID,),
        in_sync=(InSyncReplica(spu=SPU_ID),),
        is_being_deleted=is_being_deleted,
    )


class FakeController:
    """Listens for the SPU; hands out partitions and collects what the SPU says of them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._connection: socket.socket | None = None
        self._wanted: dict[ReplicaKey, ReplicaAssignment] = {}
        self._reports: dict[ReplicaKey, LeaderReport] = {}
        self._removed: set[ReplicaKey] = set()
        self._epoch = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        with self._changed:
            if self._connection is not None:
                self._connection.close()

    def wait_registered(self, timeout_s: float = 30) -> None:
        """Until an SPU is connected and has said who it is."""
        self._wait(lambda: self._connection is not None, timeout_s, "the SPU did not register")

    def assign(self, keys: Iterable[ReplicaKey], *, timeout_s: float = 60) -> None:
        """Give the SPU these partitions and wait until it reports each of them."""
        added = tuple(assignment(key) for key in keys)
        with self._changed:
            for one in added:
                self._wanted[one.key] = one
                self._reports.pop(one.key, None)
            self._send_replicas(added, full=False)
        self.wait_reported([one.key for one in added], timeout_s=timeout_s)

    def want(self, keys: Iterable[ReplicaKey]) -> None:
        """What the next SPU that registers will be given, instead of all before."""
        with self._changed:
            self._wanted = {key: assignment(key) for key in keys}
            self._reports.clear()

    def wait_reported(self, keys: Iterable[ReplicaKey], *, timeout_s: float = 60) -> None:
        """Until the SPU has reported each of these partitions since it was given."""
        expected = set(keys)
        self._wait(
            lambda: expected <= self._reports.keys(), timeout_s, f"no report of {len(expected)}"
        )

    def end_offset(self, key: ReplicaKey) -> int:
        """Log end offset of the last report."""
        with self._changed:
            return self._reports[key].leader.leo

    def remove(self, key: ReplicaKey, *, timeout_s: float = 60) -> None:
        """Have the SPU delete a partition's files, and wait until they are gone."""
        with self._changed:
            del self._wanted[key]
            self._send_replicas((assignment(key, is_being_deleted=True),), full=False)
        self._wait(lambda: key in self._removed, timeout_s, f"{key} was not removed")

    def _wait(self, condition: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout_s):
                raise RuntimeError(complaint)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._serve_one(connection)
            except OSError:
                pass
            finally:
                with self._changed:
                    self._connection = None
                connection.close()

    def _serve_one(self, connection: socket.socket) -> None:
        splitter = FrameSplitter(FRAME_SIZE_BYTES_MAX)
        while data := connection.recv(1 << 18):
            for frame in splitter.feed(data):
                self._handle(connection, frame)

    def _handle(self, connection: socket.socket, frame: bytes) -> None:
        reader = Reader(frame)
        header = decode_request_header(reader)
        body = frame[reader.position :]
        with self._changed:
            if header.api_key == RegisterSpuRequest.api_key:
                answer = RegisterSpuResponse()
                connection.sendall(
                    encode_response(answer, version=0, correlation_id=header.correlation_id)
                )
                self._connection = connection
                self._send_spus()
                self._send_replicas(tuple(self._wanted.values()), full=True)
            elif header.api_key == ReplicaStatusReport.api_key:
                for report in decode(ReplicaStatusReport, body, 0).replicas:
                    self._reports[report.key] = report
            elif header.api_key == ReplicaRemoved.api_key:
                self._removed.add(decode(ReplicaRemoved, body, 0).key)
            self._changed.notify_all()

    def _send_spus(self) -> None:
        public = IngressPort(port=9010, ingress=(IngressAddress(ip="127.0.0.1"),))
        private = Endpoint(port=9011, host="127.0.0.1")
        self._send(
            UpdateSpus(
                epoch=self._epoch,
                spus=(SpuSpec(id=SPU_ID, public_endpoint=public, private_endpoint=private),),
            )
        )

    def _send_replicas(self, replicas: tuple[ReplicaAssignment, ...], *, full: bool) -> None:
        self._epoch += 1
        self._send(UpdateReplicas(epoch=self._epoch, full=full, replicas=replicas))

    def _send(self, message: UpdateSpus | UpdateReplicas) -> None:
        if self._connection is not None:
            self._connection.sendall(
                encode_request(message, version=0, correlation_id=0, client_id="bench")
            )


def partition(number: int) -> ReplicaKey:
    """The measurements' partitions, all of one topic."""
    return ReplicaKey("bench", PartitionId(number))
