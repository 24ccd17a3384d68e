"""An SPU in this process, fed with assignments by hand, and a client that speaks in frames."""

import asyncio
import hashlib
import importlib.util
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.api.header import (
    CORRELATION,
    decode_request_header,
    encode_request,
    encode_response,
)
from fluvio_protocol.api.versions import ApiVersionsRequest
from fluvio_protocol.codec import Message, Reader, decode, decode_exact
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import BatchCompression, Record, decode_record_set, encode_batch
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.sc_private.register import RegisterSpuRequest, RegisterSpuResponse
from fluvio_protocol.sc_private.replica_status import ReplicaStatusReport
from fluvio_protocol.sc_private.smart_module import (
    FetchSmartModuleRequest,
    FetchSmartModuleResponse,
)
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment, UpdateReplicas
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fluvio_protocol.types import Isolation, LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer
from fluvio_spu.app import SpuApp
from fluvio_spu.config import Address, SpuConfig
from fluvio_spu.storage import Disk

OWN_ID = SpuId(5001)
LENGTH = struct.Struct(">i")
ANSWER_TIMEOUT_S = 20


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here on both event loops, as far as they are installed."""
    factories = {"asyncio": asyncio.new_event_loop}
    if importlib.util.find_spec("uvloop") is not None:
        factories["uvloop"] = importlib.import_module("uvloop").new_event_loop
    return factories


class RawClient:
    """A connection on which every frame is seen, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.next_id = 1

    def send(self, request: Message, version: int) -> int:
        """Send a request without waiting; returns its correlation id."""
        number = self.next_id
        self.next_id += 1
        self.send_bytes(self.frame(request, version, number))
        return number

    @staticmethod
    def frame(request: Message, version: int, correlation_id: int) -> bytes:
        return encode_request(
            request, version=version, correlation_id=correlation_id, client_id="fluvio"
        )

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: correlation id and body."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            (length,) = LENGTH.unpack(await self.reader.readexactly(4))
            payload = await self.reader.readexactly(length)
        return CORRELATION.unpack_from(payload)[0], payload[4:]

    async def receive_as(self, kind: Any, version: int, correlation_id: int) -> Any:
        """The next frame, which must answer that request, decoded to its last byte."""
        number, body = await self.receive()
        assert number == correlation_id
        return decode_exact(kind, body, version)

    async def call(self, request: Message, version: int) -> Any:
        """Send, and decode the next frame as the answer."""
        return await self.receive_as(request.response, version, self.send(request, version))

    async def assert_silent(self) -> None:
        """Nothing was sent to us: the answer to a request made now is the next frame."""
        request = ApiVersionsRequest(client_version="0", client_os="", client_arch="")
        number = self.send(request, 2)
        assert (await self.receive())[0] == number

    async def assert_closed(self) -> None:
        """The server ends the connection, and says nothing more."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            assert await self.reader.read() == b""

    async def produce(
        self, topic: str, *batches: bytes, partition: int = 0, version: int = 25, **options: Any
    ) -> Any:
        """One record set; returns the partition's answer."""
        request = produce_request(topic, *batches, partition=partition, **options)
        return (await self.call(request, version)).responses[0].partitions[0]


async def connect_client(port: int, stack: AsyncExitStack) -> RawClient:
    """A client of whoever listens there, until `stack` is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def close() -> None:
        writer.transport.abort()
        await asyncio.sleep(0)

    stack.push_async_callback(close)
    return RawClient(reader, writer)


def produce_request(
    topic: str,
    *batches: bytes,
    partition: int = 0,
    isolation: Isolation = Isolation.READ_UNCOMMITTED,
    timeout_ms: int = 1500,
) -> ProduceRequest:
    return ProduceRequest(
        isolation=isolation,
        timeout_ms=timeout_ms,
        topics=(
            TopicProduceData(
                name=topic,
                partitions=(
                    PartitionProduceData(
                        partition=PartitionId(partition), records=b"".join(batches)
                    ),
                ),
            ),
        ),
    )


def make_batch(
    *values: str | bytes, compression: BatchCompression = BatchCompression.NONE
) -> bytes:
    """A batch as a client builds it."""
    records = [
        Record(value=value.encode() if isinstance(value, str) else value, offset_delta=number)
        for number, value in enumerate(values)
    ]
    return encode_batch(records, first_timestamp=1_700_000_000_000, compression=compression)


def read_values(records: bytes) -> list[tuple[int, str]]:
    """(offset, value) of every record in a record set."""
    return [
        (header.base_offset + number, record.value.decode())
        for header, batch in decode_record_set(records, size_bytes_max=1 << 26)
        for number, record in enumerate(batch)
    ]


def make_assignment(
    topic: str = "t", partition: int = 0, *, uid: str = "uid-1", epoch: int = 1, **fields: Any
) -> ReplicaAssignment:
    return ReplicaAssignment(
        key=ReplicaKey(topic, PartitionId(partition)),
        uid=uid,
        leader=fields.pop("leader", OWN_ID),
        leader_epoch=LeaderEpoch(epoch),
        replicas=fields.pop("replicas", (OWN_ID,)),
        in_sync=fields.pop("in_sync", (InSyncReplica(spu=OWN_ID),)),
        **fields,
    )


@dataclass
class RunningSpu:
    """An SPU and the clients a test connected to it."""

    app: SpuApp
    stack: AsyncExitStack
    changes: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.app.registry.on_change.append(self.changes.set)

    def apply(self, *assignments: ReplicaAssignment, full: bool = False) -> None:
        self.app.registry.apply(UpdateReplicas(epoch=1, full=full, replicas=assignments))

    async def settle(self) -> None:
        """Wait until the registry has done what it was told."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not self.app.registry.settled():
                await self.app.workers.wait_idle()

    async def assign(self, *assignments: ReplicaAssignment, full: bool = False) -> None:
        self.apply(*assignments, full=full)
        await self.settle()

    def replica(self, topic: str = "t", partition: int = 0) -> Any:
        found = self.app.registry.get(ReplicaKey(topic, PartitionId(partition)))
        assert found is not None
        return found

    async def client(self) -> RawClient:
        return await connect_client(self.app.public_port, self.stack)


class SpuFactory:
    """Starts SPUs over one data folder; a second start is a restart."""

    def __init__(self, data_dir: Path, stack: AsyncExitStack) -> None:
        self.data_dir = data_dir
        self._stack = stack

    def config(self, **settings: Any) -> SpuConfig:
        settings.setdefault("housekeeping_interval_ms", 3_600_000)
        return SpuConfig(
            spu_id=OWN_ID,
            public=Address("127.0.0.1", 0),
            private=Address("127.0.0.1", 0),
            log_base_dir=str(self.data_dir),
            **settings,
        )

    async def start(
        self,
        *assignments: ReplicaAssignment,
        disk: Disk | None = None,
        stack: AsyncExitStack | None = None,
        **settings: Any,
    ) -> RunningSpu:
        """Start one that lives until the test ends, or until `stack` is closed."""
        stack = stack or self._stack
        app = await stack.enter_async_context(SpuApp(self.config(**settings), disk=disk))
        spu = RunningSpu(app, stack)
        if assignments:
            await spu.assign(*assignments)
        return spu


class ScriptedController:
    """Door 9004: answers a registration as it is told, and sends what it is told."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.session: ScriptedSession | None = None
        self.registrations = 0
        self.modules: dict[str, bytes] = {}
        self.fetches: list[tuple[str, bytes]] = []
        self.answers_fetches = True
        self.changed = asyncio.Event()
        self.address = Address("127.0.0.1", 0)

    def __call__(self, connection: Connection) -> "ScriptedSession":
        return ScriptedSession(connection, self)

    def assign(self, *assignments: ReplicaAssignment) -> None:
        assert self.session is not None
        self.session.assign(assignments)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the SPU did has made that true."""
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class ScriptedSession:
    def __init__(self, connection: Connection, controller: ScriptedController) -> None:
        self.connection = connection
        self.reports = 0
        self._controller = controller

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        controller = self._controller
        for frame in frames:
            reader = Reader(frame)
            header = decode_request_header(reader)
            if header.api_key == RegisterSpuRequest.api_key:
                self._registered(header.correlation_id)
            elif header.api_key == ReplicaStatusReport.api_key:
                self.reports += 1
            elif header.api_key == FetchSmartModuleRequest.api_key:
                request = decode(FetchSmartModuleRequest, reader, 0)
                self._fetched(request, header.correlation_id)
        controller.changed.set()

    def _registered(self, correlation_id: int) -> None:
        controller = self._controller
        controller.registrations += 1
        answer = RegisterSpuResponse(heartbeat_interval_ms=20)
        if controller.refusal is not None:
            answer = RegisterSpuResponse(
                error_code=ErrorStatus(ErrorCode.SPU_REGISTRATION_FAILED),
                error_message=controller.refusal,
            )
        self.connection.send(encode_response(answer, version=0, correlation_id=correlation_id))
        if controller.refusal is None:
            controller.session = self

    def _fetched(self, request: FetchSmartModuleRequest, correlation_id: int) -> None:
        controller = self._controller
        controller.fetches.append((request.name, request.known_hash))
        code = controller.modules.get(request.name)
        if code is None:
            missing = ErrorStatus(ErrorCode.SMART_MODULE_NOT_FOUND, (request.name,))
            answer = FetchSmartModuleResponse(error_code=missing)
        else:
            found = hashlib.sha256(code).digest()
            sent = b"" if found == request.known_hash else code
            answer = FetchSmartModuleResponse(hash=found, code=sent)
        if controller.answers_fetches:
            self.connection.send(encode_response(answer, version=0, correlation_id=correlation_id))

    def assign(self, assignments: tuple[ReplicaAssignment, ...]) -> None:
        update = UpdateReplicas(epoch=1, full=True, replicas=assignments)
        self.connection.send(
            encode_request(update, version=0, correlation_id=0, client_id="fluvio-sc")
        )

    def drained(self) -> None: ...

    def connection_lost(self, reason: str) -> None:
        if self._controller.session is self:
            self._controller.session = None
        self._controller.changed.set()


@pytest_asyncio.fixture
async def controller() -> AsyncIterator[ScriptedController]:
    script = ScriptedController()
    async with FrameServer("scripted-sc", script) as server:
        await server.start("127.0.0.1", 0)
        script.address = Address("127.0.0.1", server.port)
        yield script


@pytest_asyncio.fixture
async def spu_factory(tmp_path: Path) -> AsyncIterator[SpuFactory]:
    async with AsyncExitStack() as stack:
        yield SpuFactory(tmp_path / "data", stack)


@pytest_asyncio.fixture
async def spu(spu_factory: SpuFactory) -> RunningSpu:
    """An SPU that leads partition 0 of topic `t`."""
    return await spu_factory.start(make_assignment())


@pytest_asyncio.fixture
async def client(spu: RunningSpu) -> RawClient:
    return await spu.client()


@pytest.fixture
def batch() -> Callable[..., bytes]:
    return make_batch


@pytest.fixture
def assignment() -> Callable[..., ReplicaAssignment]:
    return make_assignment


@pytest.fixture
def produce_message() -> Callable[..., ProduceRequest]:
    return produce_request


@pytest.fixture
def values() -> Callable[[bytes], Sequence[tuple[int, str]]]:
    return read_values


@pytest.fixture
def connect() -> Callable[..., Awaitable[RawClient]]:
    return connect_client
