"""The SPU's session with the controller: register, take assignments, report replica status.

One connection to door 9004, kept up for the life of the process. While it is down the SPU goes
on serving under its last assignment; nothing here ever closes a replica because the controller
is away. Reports double as the heartbeat, so one is sent at every interval even when empty.

    connect -> RegisterSpuRequest -> RegisterSpuResponse
            -> UpdateSpus, UpdateReplicas (full, then changes)      from the controller
            <- ReplicaStatusReport, ReplicaRemoved                  to the controller
            <- ProposeInSync, ResignLeadership
            <- FetchSmartModuleRequest, answered at some later time
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluvio_protocol.api.header import CORRELATION, decode_request_header, encode_request
from fluvio_protocol.api.versions import PLATFORM_VERSION
from fluvio_protocol.codec import Message, Reader, decode_exact
from fluvio_protocol.errors import FluvioError, RemoteProtocolError
from fluvio_protocol.metadata.spu import SpuSpec
from fluvio_protocol.sc_private.in_sync import ProposeInSync, ResignLeadership
from fluvio_protocol.sc_private.register import RegisterSpuRequest, RegisterSpuResponse
from fluvio_protocol.sc_private.replica_status import ReplicaStatusReport
from fluvio_protocol.sc_private.smart_module import (
    FETCH_CORRELATION_BIT,
    FetchSmartModuleRequest,
    FetchSmartModuleResponse,
)
from fluvio_protocol.sc_private.update_replica import UpdateReplicas
from fluvio_protocol.sc_private.update_spu import UpdateSpus
from fluvio_protocol.types import DataIncarnation, SpuId
from fluvio_socket.backoff import Backoff
from fluvio_socket.connection import Connection, dial
from fluvio_socket.connection_group import ConnectionLimits
from fluvio_spu.replica.controller_news import ControllerNews
from fluvio_spu.replica.data_life import DataLife
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.transform.module_source import ControllerAway

_log = logging.getLogger(__name__)

REGISTER_TIMEOUT_S = 10.0
FETCH_TIMEOUT_S = 10.0
RETURN_PATIENCE_S = 5.0
"""How long a stream that needs a SmartModule waits for a controller that is away."""
URGENT_REPORT_DELAY_S = 0.001
"""News that clients wait for (a replica opened or removed) leaves after this pause, so that a
hundred partitions opened together make one report."""

_LIMITS = ConnectionLimits(unacknowledged_s=15.0)
"""A controller whose machine vanished says no goodbye: without this, what is reported to it would
be repeated for a quarter of an hour, while its successor takes the SPU for dead."""

STEADY_SESSION_S = 5.0
"""A session that ended sooner counts as a failed attempt: two processes with the same id end each
other's, and would do so as fast as they can connect."""


@dataclass(frozen=True, slots=True)
class ControllerAddress:
    """Where door 9004 is."""

    host: str
    port: int


class SpuDirectory:
    """Who else is in the cluster, as the controller last said."""

    def __init__(self) -> None:
        self._spus: dict[SpuId, SpuSpec] = {}

    def replace(self, spus: Sequence[SpuSpec]) -> None:
        self._spus = {spu.id: spu for spu in spus}

    def get(self, spu_id: SpuId) -> SpuSpec | None:
        return self._spus.get(spu_id)


class _Session:
    """The frames of one connection: first the answer to the registration, then requests."""

    def __init__(self, connection: Connection, link: "ControllerLink") -> None:
        self._connection = connection
        self._link = link
        self._loop = asyncio.get_running_loop()
        self.registered: asyncio.Future[RegisterSpuResponse] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._fetches: dict[int, asyncio.Future[FetchSmartModuleResponse]] = {}
        self._last_fetch = 0

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            if not self.registered.done():
                response = decode_exact(RegisterSpuResponse, frame[CORRELATION.size :], 0)
                self.registered.set_result(response)
                continue
            if self._is_fetched(frame):
                continue
            reader = Reader(frame)
            header = decode_request_header(reader)
            body = frame[reader.position :]
            if header.api_key == UpdateReplicas.api_key:
                self._link.replicas_updated(decode_exact(UpdateReplicas, body, 0))
            elif header.api_key == UpdateSpus.api_key:
                self._link.spus_updated(decode_exact(UpdateSpus, body, 0))
            else:
                raise RemoteProtocolError(f"the controller sent unknown request {header.api_key}")

    def drained(self) -> None:
        """Reports are small and paced; there is nothing to resume."""

    def connection_lost(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for waiting in self._fetches.values():
            if not waiting.done():
                waiting.set_exception(ControllerAway(f"the controller is away: {reason}"))
        self._fetches.clear()
        self._link.wake()

    def send(self, request: Message, correlation_id: int = 1) -> None:
        self._connection.send(
            encode_request(
                request,
                version=0,
                correlation_id=correlation_id,
                client_id=f"spu-{self._link.spu_id}",
            )
        )

    async def fetch(self, request: FetchSmartModuleRequest) -> FetchSmartModuleResponse:
        """Ask and wait. Raises ControllerAway."""
        if self.lost.done():
            raise ControllerAway(f"the controller is away: {self.lost.result()}")
        self._last_fetch += 1
        number = FETCH_CORRELATION_BIT | self._last_fetch % FETCH_CORRELATION_BIT
        # Kept when nobody waits any more: the answer may still come.
        answer: asyncio.Future[FetchSmartModuleResponse] = self._loop.create_future()
        self._fetches[number] = answer
        self.send(request, number)
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                await answer
        except TimeoutError:
            raise ControllerAway("the controller does not answer") from None
        return answer.result()

    def _is_fetched(self, frame: memoryview) -> bool:
        """Take it if it answers `fetch`."""
        if len(frame) < CORRELATION.size:
            return False
        answer = self._fetches.pop(CORRELATION.unpack_from(frame)[0], None)
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(decode_exact(FetchSmartModuleResponse, frame[CORRELATION.size :], 0))
        return True


class ControllerLink:
    """Keeps the SPU registered. `run()` returns only when cancelled.

    Whatever keeps it from the controller is waited out, a name that has no address yet included:
    the controller's Service may be younger than the SPU.

    trouble: why the last attempt failed; empty while registered
    """

    def __init__(
        self,
        *,
        spu_id: SpuId,
        address: ControllerAddress,
        registry: ReplicaRegistry,
        directory: SpuDirectory,
        life: DataLife,
        news: ControllerNews | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.spu_id = spu_id
        self._life = life
        life.on_change.append(self.wake)
        self._news = news or ControllerNews()
        self._address = address
        self._registry = registry
        self._directory = directory
        self._backoff = backoff or Backoff(initial_s=0.05, maximum_s=1.0)
        self._urgent = asyncio.Event()
        self.connected = asyncio.Event()
        self.trouble = ""
        self.on_spus: list[Callable[[], None]] = []
        self._session: _Session | None = None

    def wake(self) -> None:
        """Report now instead of at the next heartbeat."""
        self._urgent.set()

    def replicas_updated(self, update: UpdateReplicas) -> None:
        """Hand an assignment down; what it changes on disk happens off the event loop."""
        self._registry.apply(update)

    def spus_updated(self, update: UpdateSpus) -> None:
        self._directory.replace(update.spus)
        for listener in self.on_spus:
            listener()

    async def fetch_smart_module(self, name: str, known_hash: bytes) -> FetchSmartModuleResponse:
        """The module, without its code when its hash is the known one.

        Raises: ControllerAway, after a while.
        """
        try:
            async with asyncio.timeout(RETURN_PATIENCE_S):
                await self.connected.wait()
        except TimeoutError:
            raise ControllerAway(f"the controller is away: {self.trouble}") from None
        assert self._session is not None
        return await self._session.fetch(FetchSmartModuleRequest(name=name, known_hash=known_hash))

    async def run(self) -> None:
        """Register, report, reconnect; for ever."""
        self._registry.on_change.append(self.wake)
        self._news.on_news.append(self.wake)
        refused = ""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    await self._serve_one_connection(tasks)
            except* (FluvioError, OSError, TimeoutError) as errors:
                reason = "; ".join(
                    str(error) or type(error).__name__ for error in errors.exceptions
                )
                if reason != refused:
                    _log.warning(
                        "event=controller_away spu=%s address=%s:%s reason=%s",
                        self.spu_id,
                        self._address.host,
                        self._address.port,
                        reason,
                    )
                refused = self.trouble = reason
            else:
                refused = ""
            self.connected.clear()
            await asyncio.sleep(self._backoff.next_delay_s())

    async def _serve_one_connection(self, tasks: asyncio.TaskGroup) -> None:
        sessions: list[_Session] = []

        def make_session(connection: Connection) -> _Session:
            sessions.append(_Session(connection, self))
            return sessions[0]

        connection = await dial(
            self._address.host,
            self._address.port,
            make_session,
            limits=_LIMITS,
            task_group=tasks,
        )
        session = sessions[0]
        incarnation = self._life.incarnation
        try:
            session.send(
                RegisterSpuRequest(
                    spu_id=self.spu_id,
                    platform_version=PLATFORM_VERSION,
                    incarnation=incarnation,
                )
            )
            response = await self._registration(session)
            if response.error_code:
                self.trouble = response.error_message or response.error_code.error.name
                _log.warning(
                    "event=registration_refused spu=%s reason=%s", self.spu_id, self.trouble
                )
                return
            self.trouble = ""
            self._session = session
            self.connected.set()
            _log.info("event=registered spu=%s", self.spu_id)
            registered_at_s = asyncio.get_running_loop().time()
            await self._report(session, response.heartbeat_interval_ms / 1000, incarnation)
            if asyncio.get_running_loop().time() - registered_at_s >= STEADY_SESSION_S:
                self._backoff.reset()
        finally:
            connection.close("link ends")

    async def _registration(self, session: _Session) -> RegisterSpuResponse:
        async with asyncio.timeout(REGISTER_TIMEOUT_S):
            await asyncio.wait(
                (session.registered, session.lost), return_when=asyncio.FIRST_COMPLETED
            )
        if not session.registered.done():
            raise RemoteProtocolError(f"connection ended: {session.lost.result()}")
        return session.registered.result()

    async def _report(
        self, session: _Session, interval_s: float, incarnation: DataIncarnation
    ) -> None:
        """Until the connection is lost, or data of another life has to be registered."""
        everything = True
        while not session.lost.done():
            if self._life.incarnation != incarnation:
                _log.warning("event=registers_anew spu=%s reason=records were lost", self.spu_id)
                return
            self._urgent.clear()
            reports = self._registry.take_reports(everything=everything)
            everything = False
            session.send(ReplicaStatusReport(replicas=reports))
            for removed in self._registry.take_removed():
                session.send(removed)
            self._send_news(session)
            await self._pause(session, interval_s)
        _log.info("event=controller_lost spu=%s reason=%s", self.spu_id, session.lost.result())

    def _send_news(self, session: _Session) -> None:
        proposals, resignations = self._news.take()
        if proposals:
            session.send(ProposeInSync(proposals=proposals))
        if resignations:
            session.send(ResignLeadership(resignations=resignations))

    async def _pause(self, session: _Session, interval_s: float) -> None:
        """Until the next heartbeat, urgent news, or the end of the connection."""
        timer = asyncio.get_running_loop().call_later(interval_s, self._urgent.set)
        try:
            await self._urgent.wait()
        finally:
            timer.cancel()
        if not session.lost.done():
            await asyncio.sleep(URGENT_REPORT_DELAY_S)
