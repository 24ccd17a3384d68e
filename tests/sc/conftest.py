"""A store in memory, SPUs that speak the private protocol, and whole controllers around them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from fluvio_protocol.api.header import CORRELATION, decode_request_header, encode_request
from fluvio_protocol.codec import Message, Reader, decode_exact
from fluvio_protocol.metadata.partition import ReplicaStatus
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuType,
)
from fluvio_protocol.sc_private.register import (
    PRIVATE_PROTOCOL_VERSION,
    RegisterSpuRequest,
    RegisterSpuResponse,
)
from fluvio_protocol.sc_private.replica_status import (
    LeaderReport,
    ReplicaRemoved,
    ReplicaStatusReport,
)
from fluvio_protocol.sc_private.update_replica import ReplicaAssignment, UpdateReplicas
from fluvio_protocol.sc_private.update_spu import UpdateSpus
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, Offset, SpuId
from fluvio_sc.app import ScApp
from fluvio_sc.config import ScConfig, ScTimings
from fluvio_sc.core.cluster_state import ObjectKey, StoredObject
from fluvio_sc.core.ports import (
    Conflict,
    DesiredSpu,
    NoSpuRuntime,
    PutObject,
    RemoveObject,
    StoreError,
    StoreWrite,
    Written,
)
from fluvio_socket.connection import Connection, dial
from fluvio_socket.multiplexer import MultiplexedConnection

PATIENCE_S = 20.0


class DictStore:
    """An ObjectStore in memory, for tests; `failures` makes the next writes fail."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, StoredObject] = {}
        self.transactions: list[list[StoreWrite]] = []
        self.failures: list[Exception] = []
        self._version = 0

    async def load(self) -> tuple[StoredObject, ...]:
        await asyncio.sleep(0)
        return tuple(self.objects.values())

    async def apply(self, writes: Sequence[StoreWrite]) -> tuple[Written, ...]:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        changed = dict(self.objects)
        versions = []
        for write in writes:
            self._version += 1
            versions.append(Written(self._version))
            key = write.object.key if isinstance(write, PutObject) else write.key
            found = changed[key].resource_version if key in changed else 0
            missing = isinstance(write, RemoveObject) and key not in changed
            if found != write.expected_resource_version or missing:
                raise Conflict(key, expected=write.expected_resource_version, found=found)
            if isinstance(write, PutObject):
                changed[key] = replace(write.object, resource_version=self._version)
            else:
                del changed[key]
        self.objects = changed
        self.transactions.append(list(writes))
        return tuple(versions)


class RecordingRuntime:
    """Remembers what it was asked to run."""

    def __init__(self) -> None:
        self.desired: list[tuple[DesiredSpu, ...]] = []

    async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
        self.desired.append(tuple(desired))


def make_spu_spec(spu_id: int, rack: str | None = None) -> SpuSpec:
    return SpuSpec(
        id=SpuId(spu_id),
        spu_type=SpuType.CUSTOM,
        public_endpoint=IngressPort(
            port=9010 + spu_id % 1000, ingress=(IngressAddress(hostname="127.0.0.1"),)
        ),
        private_endpoint=Endpoint(port=9011 + spu_id % 1000, host="127.0.0.1"),
        rack=rack,
    )


class FakeSpu:
    """Speaks the private protocol: holds replicas by name, reports and confirms as told.

    answers:   report what it leads and confirm deletions on its own
    replicas:  assignments as last told, by partition name
    updates:   every UpdateReplicas, in order
    """

    def __init__(self, spu_id: int) -> None:
        self.spu_id = SpuId(spu_id)
        self.incarnation = DataIncarnation(0)
        self.answers = True
        self.replicas: dict[str, ReplicaAssignment] = {}
        self.updates: list[UpdateReplicas] = []
        self.spus: tuple[SpuSpec, ...] = ()
        self.removed: list[tuple[str, str]] = []
        self.leo: dict[str, int] = {}
        self.welcome: RegisterSpuResponse | None = None
        self.lost: str | None = None
        self._connection: Connection | None = None
        self._changed = asyncio.Event()

    async def connect(
        self, port: int, *, protocol_version: int = PRIVATE_PROTOCOL_VERSION
    ) -> RegisterSpuResponse:
        self.welcome, self.lost = None, None

        def begin(connection: Connection) -> "FakeSpu":
            self._connection = connection
            return self

        await dial("127.0.0.1", port, begin)
        self.send(
            RegisterSpuRequest(
                protocol_version=protocol_version,
                spu_id=self.spu_id,
                platform_version="test",
                incarnation=self.incarnation,
            )
        )
        await self.until(lambda: self.welcome is not None)
        assert self.welcome is not None
        if not self.welcome.error_code:
            await self.until(lambda: any(update.full for update in self.updates))
        return self.welcome

    def disconnect(self) -> None:
        assert self._connection is not None
        self._connection.close("test")

    def send(self, request: Message) -> None:
        assert self._connection is not None
        self._connection.send(
            encode_request(request, version=0, correlation_id=1, client_id="fake")
        )

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        for frame in frames:
            if self.welcome is None:
                self.welcome = decode_exact(RegisterSpuResponse, frame[CORRELATION.size :], 0)
                continue
            reader = Reader(frame)
            header = decode_request_header(reader)
            body = frame[reader.position :]
            if header.api_key == UpdateSpus.api_key:
                self.spus = decode_exact(UpdateSpus, body, 0).spus
            else:
                self._apply(decode_exact(UpdateReplicas, body, 0))
        self._changed.set()

    def drained(self) -> None: ...

    def connection_lost(self, reason: str) -> None:
        self.lost = reason
        self.updates.clear()
        self._changed.set()

    def _apply(self, update: UpdateReplicas) -> None:
        self.updates.append(update)
        if update.full:
            self.replicas.clear()
        for assignment in update.replicas:
            self.replicas[str(assignment.key)] = assignment
        if self.answers:
            self.report_all()
            self.confirm_all()

    def led(self) -> list[ReplicaAssignment]:
        return [
            assignment
            for assignment in self.replicas.values()
            if assignment.leader == self.spu_id and not assignment.is_being_deleted
        ]

    def report_all(self) -> None:
        self.send(ReplicaStatusReport(replicas=tuple(self.report_of(item) for item in self.led())))

    def report_of(
        self, assignment: ReplicaAssignment, *, full_disk: bool = False, epoch: int | None = None
    ) -> LeaderReport:
        leo = Offset(self.leo.get(str(assignment.key), 0))
        return LeaderReport(
            key=assignment.key,
            leader_epoch=assignment.leader_epoch if epoch is None else LeaderEpoch(epoch),
            leader=ReplicaStatus(spu=self.spu_id, hw=leo, leo=leo),
            size_bytes=leo * 10,
            base_offset=Offset(0),
            out_of_storage=full_disk,
        )

    def confirm_all(self) -> None:
        for name, assignment in list(self.replicas.items()):
            if assignment.is_being_deleted and self.spu_id in assignment.replicas:
                del self.replicas[name]
                self.removed.append((name, assignment.uid))
                self.send(ReplicaRemoved(key=assignment.key, uid=assignment.uid))

    async def until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not check():
                self._changed.clear()
                await self._changed.wait()


class Cluster:
    """A controller over a store that outlives it, with its SPUs and clients."""

    def __init__(self, stack: AsyncExitStack, timings: ScTimings, spu_count: int) -> None:
        self.store: Any = DictStore()
        self.runtime = RecordingRuntime()
        self.timings = timings
        self.settings: dict[str, Any] = {}
        self.spus = [FakeSpu(5001 + number) for number in range(spu_count)]
        self._stack = stack
        self._sc_stack = AsyncExitStack()
        self.app: Any = None

    async def start(self, *, connect: bool = True, timings: ScTimings | None = None) -> None:
        config = ScConfig(
            public_port=0,
            private_port=0,
            spus=tuple(make_spu_spec(spu.spu_id) for spu in self.spus),
            timings=timings or self.timings,
            **self.settings,
        )
        self._sc_stack = AsyncExitStack()
        self.app = await self._sc_stack.enter_async_context(ScApp(config, self.store, self.runtime))
        if connect:
            for spu in self.spus:
                await spu.connect(self.app.private_port)

    async def stop(self) -> None:
        await self._sc_stack.aclose()

    async def client(self) -> MultiplexedConnection:
        client = await MultiplexedConnection.connect("127.0.0.1", self.app.public_port)
        self._stack.push_async_callback(client.close)
        return client

    async def until(self, check: Callable[[], bool]) -> None:
        """Until the published objects satisfy the check."""
        found = await self.app.memory_store.wait_until(
            lambda: True if check() else None, PATIENCE_S
        )
        assert found, "the controller did not get there"

    def get(self, kind: Any, name: str) -> StoredObject | None:
        found: StoredObject | None = self.app.memory_store.get(kind, name)
        return found


ClusterFactory = Callable[..., Any]

QUICK = ScTimings(tick_s=0.02, create_wait_s=10.0, delete_wait_s=10.0)


@pytest_asyncio.fixture
async def make_cluster() -> AsyncIterator[ClusterFactory]:
    """`await make_cluster(spu_count=1, connect=True, timings=...)`: a running Cluster.

    Further settings are those of `ScConfig`, for every start.
    """
    async with AsyncExitStack() as stack:

        async def make(
            spu_count: int = 1,
            *,
            connect: bool = True,
            timings: ScTimings = QUICK,
            **settings: Any,
        ) -> Cluster:
            cluster = Cluster(stack, timings, spu_count)
            cluster.settings = settings
            stack.push_async_callback(cluster.stop)
            await cluster.start(connect=connect)
            if connect and spu_count:
                await cluster.until(
                    lambda: all(
                        spu.status.resolution.name == "ONLINE"
                        for spu in cluster.app.memory_store.of("SPU")
                    )
                )
            return cluster

        yield make


@pytest.fixture
def quick_timings() -> ScTimings:
    return QUICK


@pytest.fixture
def spu_spec() -> Callable[..., SpuSpec]:
    """`spu_spec(5001, rack=None)`: a custom SPU."""
    return make_spu_spec


@pytest.fixture
def dict_store() -> DictStore:
    return DictStore()


@pytest.fixture
def make_fake_spu() -> Callable[[int], FakeSpu]:
    return FakeSpu


@pytest.fixture
def open_dict_store() -> Callable[[], Any]:
    """Opens the same store at each call, as the store contract wants."""
    store = DictStore()

    @asynccontextmanager
    async def open_again() -> AsyncIterator[DictStore]:
        yield store

    return open_again


@pytest.fixture
def store_error() -> Callable[[str], Exception]:
    return StoreError


@pytest.fixture
def no_runtime() -> NoSpuRuntime:
    return NoSpuRuntime()
