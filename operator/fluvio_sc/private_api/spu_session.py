"""One SPU's session: registration, assignments pushed, reports taken.

    SPU                              controller
     | RegisterSpuRequest  ------------> |   refused: answered, then closed
     | <------------ RegisterSpuResponse |
     | <- UpdateSpus, UpdateReplicas (full)
     | <- UpdateSpus, UpdateReplicas (what changed)        after every publication
     | ReplicaStatusReport, ReplicaRemoved ->              each is a sign of life,
     | ProposeInSync, ResignLeadership ->     answered by UpdateReplicas alone

Everything pushed was published, so it was stored before. What was sent is remembered per
partition, and only differences are sent: offsets that change cost nothing here. While the SPU is
slow to read, changed keys are collected and sent in one message when it has caught up.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.api.header import (
    RequestHeader,
    decode_request_header,
    encode_request,
    encode_response,
)
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_protocol.errors import ErrorCode, RemoteProtocolError
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_protocol.sc_private.in_sync import ProposeInSync, ResignLeadership
from fluvio_protocol.sc_private.register import (
    PRIVATE_PROTOCOL_VERSION,
    RegisterSpuRequest,
    RegisterSpuResponse,
)
from fluvio_protocol.sc_private.replica_status import ReplicaRemoved, ReplicaStatusReport
from fluvio_protocol.sc_private.smart_module import FetchSmartModuleRequest
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment, UpdateReplicas
from fluvio_protocol.sc_private.update_spu import UpdateSpus
from fluvio_protocol.types import SpuId
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.replica_assignment import assignment_of_tombstone, removal_of
from fluvio_sc.memory_store import Publication
from fluvio_socket.connection import Connection

if TYPE_CHECKING:
    from fluvio_sc.private_api.service import PrivateService

_log = logging.getLogger(__name__)

_KINDS = (Kind.SPU, Kind.PARTITION)


class SpuSession:
    """A connection at door 9004. Until it has registered, it may do nothing else."""

    def __init__(self, connection: Connection, service: "PrivateService") -> None:
        self._connection = connection
        self._service = service
        self._spu_id: SpuId | None = None
        self._spu_uid = ""
        self._number = 0
        self._spus_sent: tuple[SpuSpec, ...] | None = None
        self._sent: dict[str, ReplicaAssignment] = {}
        self._held_back: set[str] = set()  # partition names that stand for deleted ones here
        self._unsent: dict[str, None] = {}

    # From the connection.

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            reader = Reader(frame)
            self._request_received(decode_request_header(reader), reader)
            if self._connection.closed:
                return

    def drained(self) -> None:
        self._push()

    def connection_lost(self, reason: str) -> None:
        if self._spu_id is None:
            return
        self._service.memory_store.unsubscribe(_KINDS, self._published)
        self._service.session_ended(self._spu_id, self)
        self._service.controller.spu_disconnected(self._spu_id, self._number)
        _log.info("event=spu_session_ended spu=%s reason=%s", self._spu_id, reason)

    def end(self, reason: str) -> None:
        """Close the connection; what follows comes through `connection_lost`."""
        self._connection.close(reason)

    # What an SPU may send.

    def _request_received(self, header: RequestHeader, reader: Reader) -> None:
        if header.api_version != 0:
            raise RemoteProtocolError(f"version {header.api_version} at the private door")
        if header.api_key == RegisterSpuRequest.api_key:
            self.registered(decode(RegisterSpuRequest, reader, 0), header.correlation_id)
            return
        if self._spu_id is None:
            raise RemoteProtocolError(f"request {header.api_key} before registration")
        match header.api_key:
            case ReplicaStatusReport.api_key:
                self.replicas_reported(self._spu_id, decode(ReplicaStatusReport, reader, 0))
            case ReplicaRemoved.api_key:
                self.replica_removed(self._spu_id, decode(ReplicaRemoved, reader, 0))
            case ProposeInSync.api_key:
                self.in_sync_proposed(self._spu_id, decode(ProposeInSync, reader, 0))
            case ResignLeadership.api_key:
                self.leadership_resigned(self._spu_id, decode(ResignLeadership, reader, 0))
            case FetchSmartModuleRequest.api_key:
                asked = decode(FetchSmartModuleRequest, reader, 0)
                self.module_asked_for(asked, header.correlation_id)
            case unknown:
                raise RemoteProtocolError(f"unknown request {unknown} at the private door")

    def registered(self, request: RegisterSpuRequest, correlation_id: int) -> None:
        """Welcome an SPU that has an object, and tell it everything."""
        refusal = self._refusal(request)
        if refusal is not None:
            _log.warning(
                "event=registration_refused spu=%s peer=%s reason=%s",
                request.spu_id,
                self._connection.peer,
                refusal,
            )
            response = RegisterSpuResponse(
                error_code=ErrorStatus(ErrorCode.SPU_REGISTRATION_FAILED), error_message=refusal
            )
            self._answer(response, correlation_id)
            self._connection.close_after_flush(refusal)
            return
        spu = self._spu_object(request.spu_id)
        assert spu is not None  # otherwise it is refused
        self._spu_id, self._spu_uid = request.spu_id, spu.uid
        self._service.session_begins(request.spu_id, self)
        self._number = self._service.controller.spu_connected(request.spu_id, request.incarnation)
        interval_ms = self._service.timings.heartbeat_interval_ms
        self._answer(RegisterSpuResponse(heartbeat_interval_ms=interval_ms), correlation_id)
        self._service.memory_store.subscribe(_KINDS, self._published)
        self._push_everything()
        _log.info(
            "event=spu_registered spu=%s peer=%s version=%s",
            self._spu_id,
            self._connection.peer,
            request.platform_version,
        )

    def replicas_reported(self, spu_id: SpuId, report: ReplicaStatusReport) -> None:
        """Where the partitions stand that are led there; also the heartbeat."""
        controller = self._service.controller
        controller.spu_heard(spu_id, self._number)
        controller.replicas_reported(spu_id, self._number, report.replicas)

    def replica_removed(self, spu_id: SpuId, removed: ReplicaRemoved) -> None:
        """The files of a deleted partition are gone there."""
        self._service.controller.spu_heard(spu_id, self._number)
        self._service.controller.replica_removed(spu_id, removed)

    def in_sync_proposed(self, spu_id: SpuId, request: ProposeInSync) -> None:
        """Other in-sync sets that the SPU wants for partitions it leads."""
        self._service.controller.spu_heard(spu_id, self._number)
        self._service.controller.in_sync_proposed(spu_id, self._number, request.proposals)

    def leadership_resigned(self, spu_id: SpuId, request: ResignLeadership) -> None:
        """Leaderships that the SPU gives up."""
        self._service.controller.spu_heard(spu_id, self._number)
        self._service.controller.leadership_resigned(spu_id, self._number, request.resignations)

    def module_asked_for(self, request: FetchSmartModuleRequest, correlation_id: int) -> None:
        """A SmartModule that a client of the SPU wants to use."""
        self._answer(self._service.smart_modules.answer(request), correlation_id)

    def _refusal(self, request: RegisterSpuRequest) -> str | None:
        if self._spu_id is not None:
            return f"this connection is registered already, as spu {self._spu_id}"
        if request.protocol_version != PRIVATE_PROTOCOL_VERSION:
            return (
                f"spu {request.spu_id} speaks version {request.protocol_version} of the private "
                f"protocol, this controller {PRIVATE_PROTOCOL_VERSION}: run the same release"
            )
        if self._spu_object(request.spu_id) is None:
            return f"there is no SPU object with id {request.spu_id}: register it first"
        return None

    def _spu_object(self, spu_id: SpuId) -> StoredObject | None:
        for spu in self._service.memory_store.of(Kind.SPU):
            if spu.spec.id == spu_id:
                return spu
        return None

    # What it is told.

    def _published(self, publication: Publication) -> None:
        spus_changed = False
        for key in publication.keys:
            if key.kind is Kind.PARTITION:
                self._unsent[key.name] = None
            elif key.kind is Kind.SPU:
                spus_changed = True
        if spus_changed and not self._own_object_stands():
            self.end(f"spu {self._spu_id} was unregistered")
            return
        self._push()

    def _own_object_stands(self) -> bool:
        """Notices what changed about the SPU itself: its tombstones. False when it is gone."""
        assert self._spu_id is not None
        spu = self._spu_object(self._spu_id)
        if spu is None or spu.uid != self._spu_uid:
            return False
        self._tombstones_changed(spu)
        return True

    def _tombstones_changed(self, spu: StoredObject) -> None:
        now = {str(tombstone.key) for tombstone in spu.tombstones}
        for name in now | self._held_back:
            self._unsent[name] = None
        self._held_back = now

    def _push_everything(self) -> None:
        store = self._service.memory_store
        assert self._spu_id is not None
        spu = self._spu_object(self._spu_id)
        assert spu is not None
        self._held_back = {str(tombstone.key) for tombstone in spu.tombstones}
        self._send_spus()
        names = dict.fromkeys([*(item.name for item in store.of(Kind.PARTITION)), *self._held_back])
        self._send_replicas(names, full=True)

    def _push(self) -> None:
        if self._spu_id is None or self._connection.congested or self._connection.closed:
            return
        self._send_spus()
        if self._unsent:
            names, self._unsent = self._unsent, {}
            self._send_replicas(names, full=False)

    def _send_spus(self) -> None:
        store = self._service.memory_store
        spus = tuple(item.spec for item in store.of(Kind.SPU))
        if spus != self._spus_sent:
            self._spus_sent = spus
            self._send(UpdateSpus(epoch=store.epoch(Kind.SPU), spus=spus))

    def _send_replicas(self, names: Iterable[str], *, full: bool) -> None:
        assert self._spu_id is not None
        spu = self._spu_object(self._spu_id)
        assert spu is not None
        tombstones = {
            str(tombstone.key): assignment_of_tombstone(tombstone, self._spu_id)
            for tombstone in spu.tombstones
        }
        news: list[ReplicaAssignment] = []
        for name in names:
            tombstone = tombstones.get(name)
            wanted = tombstone or self._assignment(name)
            if wanted is None:
                self._sent.pop(name, None)
            elif self._sent.get(name) != wanted:
                self._sent[name] = wanted
                news.append(wanted)
        if news or full:
            epoch = self._service.memory_store.epoch(Kind.PARTITION)
            self._send(UpdateReplicas(epoch=epoch, full=full, replicas=tuple(news)))

    def _assignment(self, name: str) -> ReplicaAssignment | None:
        partition = self._service.memory_store.get(Kind.PARTITION, name)
        if partition is None:
            self._service.forget_assignment(name)
            return None
        if self._spu_id is not None and self._spu_id in partition.replication.leaving:
            return removal_of(partition, self._spu_id)
        return self._service.assignment_of(partition)

    def _send(self, request: Message) -> None:
        self._connection.send(
            encode_request(request, version=0, correlation_id=0, client_id="fluvio-sc")
        )

    def _answer(self, response: Message, correlation_id: int) -> None:
        self._connection.send(encode_response(response, version=0, correlation_id=correlation_id))
