"""Streams and produced records through SmartModules over a real socket. The engine is Python here,
so that the tests are about what the SPU does around it; modules are named in place of their code.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from fluvio_protocol.api.error_code import (
    SUCCESS,
    ErrorStatus,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.topic import Deduplication, DeduplicationBounds, Transform
from fluvio_protocol.record import BatchCompression, Record, encode_batch, iterate_headers
from fluvio_protocol.record.record import decode_records
from fluvio_protocol.record.record_set import iterate_tuples
from fluvio_protocol.spu_public.produce import ProduceRequest
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    ExtraParams,
    GenericKind,
    JoinKind,
    Lookback,
    PredefinedModule,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import (
    DerivedStreamInvocation,
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from fluvio_protocol.types import Offset, PartitionId
from fluvio_spu import app
from fluvio_spu.transform import transforms
from fluvio_spu.transform.chain_workers import Lane, Standing
from fluvio_spu.transform.invocations import STEPS_MAX, steps_of

pytestmark = pytest.mark.asyncio

EMPTY = bytes(4)


class SmartModuleRefused(Exception):
    def __init__(self, status: ErrorStatus) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass
class PythonEngine:
    """Stands in for the package: it has the classes, and makes the chains."""

    chains: list["PythonChain"] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    at_gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    SmartModuleRefused = SmartModuleRefused
    ChainStep = SimpleNamespace

    @property
    def SmartEngine(self) -> Any:
        def make(**settings: Any) -> Any:
            self.settings = settings
            return SimpleNamespace(load=self.load, close=lambda: None)

        return make

    @property
    def Chain(self) -> Any:
        def begin(engine: Any, steps: Sequence[Any], *, version: int) -> "PythonChain":
            self.chains.append(PythonChain(self, tuple(steps), version))
            return self.chains[-1]

        return SimpleNamespace(begin=begin)

    @staticmethod
    def load(code: bytes) -> Any:
        if code not in {b"odd", b"new", b"none", b"all", b"trap", b"gate", b"many"}:
            status = ErrorStatus(ErrorCode.SMART_MODULE_INVALID, ("no module", None))
            raise SmartModuleRefused(status)
        return SimpleNamespace(
            code=code.decode(), hash=hashlib.sha256(code).digest(), kind="filter"
        )


class PythonChain:
    """One module in Python, by the name that is its code; of a chain only the first step runs."""

    has_grown = False

    def __init__(self, engine: PythonEngine, steps: tuple[Any, ...], version: int) -> None:
        self.engine = engine
        self.steps = steps
        self.version = version
        self.seen: set[bytes] = set()
        self.shown: list[str] = []
        self.closed = False
        self.closed_within: bool | None = None

    def looks_back(self, step: int) -> bool:
        return bool(self.steps[step].lookback is not None)

    def look_back(
        self, step: int, payload: bytes, *, base_offset: int, base_timestamp: int
    ) -> None:
        for _, _, _, value in records_in(payload):
            if value == b"bad":
                status = ErrorStatus(ErrorCode.SMART_MODULE_LOOK_BACK_ERROR, ("bad",))
                raise SmartModuleRefused(status)
            if value == b"wait":
                self.engine.at_gate.release()
                self.engine.gate.wait()
                self.closed_within = self.closed
            self.seen.add(value)
            self.shown.append(value.decode())

    def process(self, payload: bytes, *, base_offset: int, base_timestamp: int) -> Any:
        name = self.steps[0].module.code
        kept: list[bytes] = []
        error = None
        count = 0
        for _, delta, key, value in records_in(payload):
            count += 1
            try:
                kept += self.values_of(name, value)
            except ValueError as bad:
                failure = SmartModuleRuntimeFailure(
                    hint=str(bad),
                    offset=Offset(base_offset + delta),
                    kind=SmartModuleErrorKind.FILTER,
                    record_key=key,
                    record_value=value,
                )
                status = ErrorStatus(ErrorCode.SMART_MODULE_RUNTIME_ERROR, (failure,))
                error = SimpleNamespace(
                    status=status,
                    offset=base_offset + delta,
                    is_fatal=name == "trap",
                    timed_out=name == "trap",
                )
                break
        output = (
            encode_batch([Record(one) for one in kept], first_timestamp=0)[57:] if kept else EMPTY
        )
        step = SimpleNamespace(
            name=self.steps[0].name,
            record_in_count=count,
            record_out_count=len(kept),
            failed=error is not None,
            elapsed_ns=1000,
            fuel=7,
        )
        return SimpleNamespace(payload=output, record_count=len(kept), error=error, steps=(step,))

    def values_of(self, name: str, value: bytes) -> list[bytes]:
        match name:
            case "odd":
                return [value] if int(value) % 2 else []
            case "new":
                if value == b"bad":
                    raise ValueError("bad")
                fresh = value not in self.seen
                self.seen.add(value)
                return [value] if fresh else []
            case "none":
                return []
            case "many":
                return [value] * 3
            case "trap":
                if value == b"bomb":
                    raise ValueError("trap")
            case "gate":
                self.engine.at_gate.release()
                self.engine.gate.wait()
        return [value]

    def close(self) -> None:
        self.closed = True


def records_in(payload: bytes) -> list[Any]:
    return decode_records(bytes(payload), 4, int.from_bytes(payload[:4], "big"))


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> PythonEngine:
    found = PythonEngine()
    monkeypatch.setattr(transforms, "import_engine", lambda: found)
    return found


def ad_hoc(code: str, **fields: Any) -> SmartModuleInvocation:
    return SmartModuleInvocation(wasm=AdHocModule(wasm=code.encode()), **fields)


def stored(name: str, **fields: Any) -> SmartModuleInvocation:
    return SmartModuleInvocation(wasm=PredefinedModule(name=name), **fields)


class Consumer:
    """One stream on a connection of its own."""

    def __init__(self, client: Any, version: int = 25) -> None:
        self.client = client
        self.version = version
        self.number = 0

    def open(self, *modules: SmartModuleInvocation, offset: int = 0, **fields: Any) -> None:
        if modules:
            fields["smartmodules"] = modules
        topic = fields.pop("topic", "t")
        request = StreamFetchRequest(
            topic=topic, partition=PartitionId(0), fetch_offset=Offset(offset), **fields
        )
        self.number = self.client.send(request, self.version)

    async def slice(self) -> Any:
        response = await self.client.receive_as(StreamFetchResponse, self.version, self.number)
        return response.partition

    async def acknowledge(self, offset: int) -> None:
        update = OffsetUpdate(offset=Offset(offset), session_id=1)
        answer = await self.client.call(UpdateOffsetsRequest(offsets=(update,)), 0)
        assert [one.error for one in answer.status] == [SUCCESS]

    async def next(self) -> tuple[list[tuple[int, str]], int, ErrorCode]:
        """(offset, value) of a slice, where it goes on, and its error; acknowledged."""
        found = await self.slice()
        await self.acknowledge(found.next_filter_offset)
        return values_of(found.records), found.next_filter_offset, found.error_code.error


def values_of(records: bytes) -> list[tuple[int, str]]:
    return [
        (offset, value.decode())
        for batch in iterate_tuples(records, size_bytes_max=1 << 26)
        for offset, _, _, value in batch
    ]


def covered(records: bytes) -> list[tuple[int, int]]:
    """The offsets that the batches stand for."""
    return [(header.base_offset, header.next_offset) for _, header in iterate_headers(records)]


NONE = ErrorCode.NONE
FAILED = ErrorCode.SMART_MODULE_RUNTIME_ERROR


# Streams.


async def test_a_failed_record_is_an_error_in_its_place_and_alone_is_missing(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("1", "two", "3", "4"), batch("5"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("odd"))
    found = await consumer.slice()
    assert (values_of(found.records), found.next_filter_offset) == ([(0, "1")], 2)
    assert covered(found.records) == [(0, 2)]
    failure = found.error_code.payload[0]
    assert (failure.offset, failure.record_value) == (1, b"two")
    await consumer.acknowledge(2)
    assert await consumer.next() == ([(2, "3"), (4, "5")], 5, NONE)
    await client.produce("t", batch("7"))
    assert await consumer.next() == ([(5, "7")], 6, NONE)


async def test_an_error_with_no_record_before_it_is_acknowledged_all_the_same(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("one", "two", "3"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("odd"))
    found = await consumer.slice()
    assert covered(found.records) == [(0, 1)]
    await consumer.client.assert_silent()
    await consumer.acknowledge(1)
    assert await consumer.next() == ([], 2, FAILED)
    assert await consumer.next() == ([(2, "3")], 3, NONE)


async def test_a_stream_that_begins_within_a_batch_shows_it_from_there(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("1", "3", "5", "6", "7"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd"), offset=2)
    found = await consumer.slice()
    assert (values_of(found.records), covered(found.records)) == ([(2, "5"), (3, "7")], [(2, 5)])


async def test_offsets_of_which_nothing_is_left_are_covered(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("2", "4"), batch("1"), batch("6"), batch("3"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd"))
    assert covered((await consumer.slice()).records) == [(0, 2), (2, 3), (3, 4), (4, 5)]


async def test_a_consumer_hears_once_that_it_is_through_with_what_there_was(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("1", "2", "3"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("none"))
    found = await consumer.slice()
    assert (values_of(found.records), covered(found.records)) == ([], [(0, 3)])
    await consumer.acknowledge(3)
    await client.produce("t", batch("1"))
    await consumer.client.assert_silent()


async def test_answers_keep_to_the_size_that_was_asked_for(
    spu: Any, client: Any, batch: Any
) -> None:
    for number in range(6):
        await client.produce("t", batch(f"{number}" * 500))
    size = len(batch("0" * 500))
    consumer = Consumer(client)
    consumer.open(ad_hoc("all"), max_bytes=2 * size + size // 2)
    seen: list[int] = []
    while len(seen) < 6:
        found = await consumer.slice()
        assert len(found.records) in (size, 2 * size)
        seen += [offset for offset, _ in values_of(found.records)]
        await client.assert_silent()
        await consumer.acknowledge(found.next_filter_offset)
    assert seen == list(range(6))


async def test_a_batch_that_became_larger_than_the_size_comes_whole(
    spu: Any, client: Any, batch: Any
) -> None:
    await client.produce("t", batch("x" * 500), batch("y"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("many"), max_bytes=600)
    found = await consumer.slice()
    assert [value[0] for _, value in values_of(found.records)] == ["x"] * 3
    await consumer.acknowledge(1)
    assert [value for _, value in values_of((await consumer.slice()).records)] == ["y"] * 3


@pytest.mark.parametrize("compression", list(BatchCompression))
async def test_batches_come_as_they_were_packed(
    spu: Any, client: Any, batch: Any, compression: BatchCompression
) -> None:
    await client.produce("t", batch("1", "2", "3", compression=compression))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd"))
    records = (await consumer.slice()).records
    assert values_of(records) == [(0, "1"), (1, "3")]
    assert [header.compression for _, header in iterate_headers(records)] == [compression]


async def test_an_acknowledgement_says_where_to_go_on(client: Any, batch: Any) -> None:
    await client.produce("t", batch("1"), batch("3", "5"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd"))
    assert len(values_of((await consumer.slice()).records)) == 3
    await consumer.acknowledge(2)
    assert await consumer.next() == ([(2, "5")], 3, NONE)


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        (11, {"wasm_module": b"odd"}),
        (17, {"wasm_module": b"odd"}),
        (17, {"smartmodule": ad_hoc("odd")}),
        (18, {"smartmodule": ad_hoc("none"), "smartmodules": (ad_hoc("odd"),)}),
        (18, {"smartmodule": ad_hoc("odd")}),
        (22, {"smartmodules": (ad_hoc("odd"),)}),
    ],
)
async def test_modules_are_asked_for_in_the_way_of_every_generation(
    client: Any, engine: PythonEngine, batch: Any, version: int, fields: dict[str, Any]
) -> None:
    await client.produce("t", batch("1", "2", "3"))
    consumer = Consumer(client, version)
    consumer.open(**fields)
    assert [value for _, value in values_of((await consumer.slice()).records)] == ["1", "3"]
    assert engine.chains[0].version == version


@pytest.mark.parametrize(
    ("modules", "code"),
    [
        ((ad_hoc("what is that"),), ErrorCode.SMART_MODULE_INVALID),
        ((stored("unknown"),), ErrorCode.SMART_MODULE_NOT_FOUND),
        (
            (ad_hoc("odd", kind=JoinKind(topic="x")),),
            ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR,
        ),
        (
            (ad_hoc("odd", kind=GenericKind(context=JoinKind(topic="x"))),),
            ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR,
        ),
        ((ad_hoc("odd"),) * (STEPS_MAX + 1), ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR),
    ],
)
async def test_a_chain_that_cannot_be_is_the_first_and_last_thing_said(
    spu_factory: Any, controller: Any, assignment: Any, batch: Any, modules: Any, code: ErrorCode
) -> None:
    spu = await spu_factory.start(assignment(), controller=controller.address)
    client = await spu.client()
    other = Consumer(await spu.client())
    consumer = Consumer(client)
    await controller.until(lambda: controller.session is not None)
    controller.assign(assignment())
    await client.produce("t", batch("1"))
    consumer.open(*modules)
    assert (await consumer.slice()).error_code.error is code
    await client.assert_silent()
    other.open(ad_hoc("odd"))
    assert await other.next() == ([(0, "1")], 1, NONE)


async def test_derived_streams_are_not_found(client: Any) -> None:
    consumer = Consumer(client, 17)
    consumer.open(derived_stream=DerivedStreamInvocation(stream="d"))
    found = await consumer.slice()
    assert found.error_code == ErrorStatus(ErrorCode.DERIVED_STREAM_NOT_FOUND, ("d",))


async def test_without_an_engine_clients_are_told_so(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("No module named 'wasmtime'")

    monkeypatch.setattr(transforms, "import_engine", missing)
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd"))
    status = (await consumer.slice()).error_code
    assert status == transforms.SMART_MODULES_UNAVAILABLE


async def test_a_trap_is_an_error_and_the_others_still_come(
    spu: Any, client: Any, batch: Any, engine: PythonEngine
) -> None:
    await client.produce("t", batch("1", "bomb", "3"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("trap"))
    assert await consumer.next() == ([(0, "1")], 2, FAILED)
    assert await consumer.next() == ([(2, "3")], 3, NONE)
    assert [chain.closed for chain in engine.chains] == [True, True, False]


async def test_modules_that_remember_are_not_begun_anew(spu: Any, client: Any, batch: Any) -> None:
    await client.produce("t", batch("1"), batch("bomb", "3"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("trap", params=ExtraParams(lookback=Lookback(last=0))))
    found = await consumer.slice()
    assert (values_of(found.records), found.error_code.error) == ([(0, "1")], FAILED)
    answer = await consumer.client.call(
        UpdateOffsetsRequest(offsets=(OffsetUpdate(offset=Offset(2), session_id=1),)), 0
    )
    assert answer.status[0].error.error is ErrorCode.FETCH_SESSION_NOT_FOUND
    await consumer.client.assert_silent()


async def test_modules_are_shown_what_is_stored_first(
    spu: Any, client: Any, batch: Any, engine: PythonEngine
) -> None:
    await client.produce("t", batch("1", "3"), batch("5", "7"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd", params=ExtraParams(lookback=Lookback(last=3))), offset=4)
    producer = await spu.client()
    await producer.produce("t", batch("9"))
    assert await consumer.next() == ([(4, "9")], 5, NONE)
    assert engine.chains[0].shown == ["3", "5", "7"]


async def test_a_look_back_that_fails_refuses_the_stream(client: Any, batch: Any) -> None:
    await client.produce("t", batch("bad"))
    consumer = Consumer(client)
    consumer.open(ad_hoc("odd", params=ExtraParams(lookback=Lookback(last=3))))
    assert (await consumer.slice()).error_code.error is ErrorCode.SMART_MODULE_LOOK_BACK_ERROR


async def test_a_module_that_never_ends_does_not_hold_up_its_neighbours(
    spu: Any, client: Any, batch: Any, engine: PythonEngine
) -> None:
    await client.produce("t", batch("1", "2", "3"))
    slow = [Consumer(await spu.client()) for _ in range(6)]
    for one in slow:
        one.open(ad_hoc("gate"))
    await spu.app.workers.call(engine.at_gate.acquire)
    plain, quick = Consumer(await spu.client()), Consumer(await spu.client())
    plain.open()
    assert len(values_of((await plain.slice()).records)) == 3
    try:
        await client.produce("t", batch("5"))
        assert spu.app.transforms.workers.running_count < spu.app.config.smart_engine_worker_count
    finally:
        engine.gate.set()
    for one in slow:
        assert len((await one.next())[0]) >= 3
    quick.open(ad_hoc("odd"))
    assert (await quick.next())[0] == [(0, "1"), (1, "3"), (3, "5")]


async def test_a_client_that_goes_takes_its_chain_with_it(
    spu: Any, client: Any, batch: Any, engine: PythonEngine
) -> None:
    await client.produce("t", batch("1"))
    leaving = await spu.client()
    consumer = Consumer(leaving)
    consumer.open(ad_hoc("gate"))
    await spu.app.workers.call(engine.at_gate.acquire)
    leaving.writer.transport.abort()
    while spu.app.metrics.stream_open_count:
        await client.assert_silent()
    assert not engine.chains[0].closed  # a thread is in it
    engine.gate.set()
    while not engine.chains[0].closed:
        await client.assert_silent()


async def test_what_modules_do_is_counted(spu: Any, client: Any, batch: Any) -> None:
    await client.produce("t", batch("1", "two", "3", "4"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("odd", name="only-odd"))
    await consumer.next()
    await consumer.next()
    counts = spu.app.transforms.statistics.modules["only-odd"]
    assert (counts.call_count, counts.record_in_count, counts.record_out_count) == (2, 4, 2)
    assert (counts.error_count, counts.elapsed_ns, counts.fuel) == (1, 2000, 14)


async def test_a_module_that_ran_out_of_time_is_suspect_for_a_while(
    spu: Any, client: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def standing_of(name: str) -> Standing:
        lane = Lane()
        await spu.app.transforms.prepare(lane, steps_of((ad_hoc(name),)), 25)
        return lane.standing

    assert await standing_of("trap") is Standing.NEW
    await client.produce("t", batch("bomb"))
    consumer = Consumer(await spu.client())
    consumer.open(ad_hoc("trap"))
    assert (await consumer.next())[2] is FAILED
    assert await standing_of("trap") is Standing.SUSPECT
    assert await standing_of("odd") is Standing.NEW
    monkeypatch.setattr(transforms, "SUSPECT_FOR_S", 0.0)
    assert await standing_of("trap") is Standing.NEW


# Stored modules.


@pytest_asyncio.fixture
async def with_controller(spu_factory: Any, controller: Any, assignment: Any, batch: Any) -> Any:
    controller.modules["m"] = b"odd"
    spu = await spu_factory.start(assignment(), controller=controller.address)
    await controller.until(lambda: controller.session is not None)
    controller.assign(assignment())
    producer = await spu.client()
    await producer.produce("t", batch("1", "2", "3"))
    return spu


async def test_a_stored_module_is_fetched_once_and_asked_for_each_time(
    with_controller: Any, controller: Any
) -> None:
    for _ in range(2):
        consumer = Consumer(await with_controller.client())
        consumer.open(stored("m"))
        assert (await consumer.next())[0] == [(0, "1"), (1, "3")]
    known = hashlib.sha256(b"odd").digest()
    assert controller.fetches == [("m", b""), ("m", known)]
    controller.modules["m"] = b"all"
    consumer = Consumer(await with_controller.client())
    consumer.open(stored("m"))
    assert len((await consumer.next())[0]) == 3


async def test_while_the_controller_is_away_the_last_module_serves_on(
    with_controller: Any, controller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer(await with_controller.client())
    consumer.open(stored("m"))
    await consumer.next()
    monkeypatch.setattr("fluvio_spu.links.controller_link.RETURN_PATIENCE_S", 0.01)
    controller.refusal = "not now"
    controller.session.connection.close("gone")
    await controller.until(lambda: controller.registrations > 1)
    again, unknown = (
        Consumer(await with_controller.client()),
        Consumer(await with_controller.client()),
    )
    again.open(stored("m"))
    assert (await again.next())[0] == [(0, "1"), (1, "3")]
    unknown.open(stored("other"))
    status = (await unknown.slice()).error_code
    assert status.error is ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR
    assert "try again" in status.payload[0]


# Produced records.


@pytest.fixture
def produce(produce_message: Any) -> Callable[..., Any]:
    async def send(client: Any, *batches: bytes, module: str = "odd", topic: str = "t") -> Any:
        plain = produce_message(topic, *batches)
        request = ProduceRequest(topics=plain.topics, smartmodules=(ad_hoc(module),))
        return (await client.call(request, 25)).responses[0].partitions[0]

    return send


async def read_all(spu: Any, topic: str = "t") -> list[tuple[int, str]]:
    consumer = Consumer(await spu.client())
    consumer.open(topic=topic)
    return values_of((await consumer.slice()).records)


@pytest.mark.parametrize("compression", list(BatchCompression))
async def test_what_is_left_is_stored_without_gaps_and_packed_as_it_came(
    spu: Any, client: Any, batch: Any, produce: Any, compression: BatchCompression
) -> None:
    await client.produce("t", batch("0"))
    answer = await produce(
        client,
        batch("1", "2", "3", compression=compression),
        batch("4", compression=compression),
        batch("5", compression=compression),
    )
    assert (answer.error_code, answer.base_offset) == (SUCCESS, 1)
    assert await read_all(spu) == [(0, "0"), (1, "1"), (2, "3"), (3, "5")]
    found = spu.replica().read(1, committed=False, max_bytes=1 << 20)
    codecs = [header.compression for _, header in iterate_headers(bytes(found.view()))]
    assert codecs == [compression, compression]


async def test_a_failed_record_fails_its_request_and_nothing_is_stored(
    spu: Any, client: Any, batch: Any, produce: Any
) -> None:
    answer = await produce(client, batch("1"), batch("3", "four"))
    assert answer.error_code.error is FAILED
    failure = answer.error_code.payload[0]
    assert (failure.offset, failure.record_value) == (2, b"four")
    assert spu.replica().leo == 0
    assert (await produce(client, batch("2"))).error_code == SUCCESS
    assert spu.replica().leo == 0
    assert (await produce(client, batch("5"))).base_offset == 0


async def test_a_module_that_cannot_be_fails_the_request(
    spu: Any, client: Any, batch: Any, produce: Any
) -> None:
    answer = await produce(client, batch("1"), module="nothing")
    assert answer.error_code.error is ErrorCode.SMART_MODULE_INVALID
    assert spu.replica().leo == 0


async def test_requests_of_one_connection_keep_their_order(
    spu: Any, client: Any, batch: Any, produce_message: Any
) -> None:
    numbers = []
    for number in range(20):
        plain = produce_message("t", batch(str(number)))
        request = ProduceRequest(topics=plain.topics, smartmodules=(ad_hoc("all"),))
        numbers.append(client.send(request, 25))
    assert [(await client.receive())[0] for _ in numbers] == numbers
    assert await read_all(spu) == [(number, str(number)) for number in range(20)]


# Topics that drop duplicates.


@pytest.fixture
def deduplicated(assignment: Any) -> Any:
    wanted = Deduplication(bounds=DeduplicationBounds(count=100), filter=Transform(uses="m"))
    return assignment("t", deduplication=wanted)


async def start_deduplicating(
    spu_factory: Any, controller: Any, assignment: Any, **more: Any
) -> Any:
    controller.modules["m"] = b"new"
    spu = await spu_factory.start(assignment, controller=controller.address, **more)
    await controller.until(lambda: controller.session is not None)
    controller.assign(assignment)
    return spu


async def test_a_record_is_stored_once_whoever_sends_it(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any, engine: PythonEngine
) -> None:
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    one, other = await spu.client(), await spu.client()
    for _ in range(2):
        assert (await one.produce("t", batch("a", "b"))).error_code == SUCCESS
        assert (await other.produce("t", batch("b", "c"))).error_code == SUCCESS
    answer = await one.produce("t", batch("a"))
    assert (answer.error_code, answer.base_offset) == (SUCCESS, 3)
    assert await read_all(spu) == [(0, "a"), (1, "b"), (2, "c")]
    (chain,) = engine.chains
    assert chain.steps[0].params == {"count": "100"}


async def test_after_a_restart_the_log_tells_what_was_there(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any
) -> None:
    async with AsyncExitStack() as stack:
        spu = await start_deduplicating(spu_factory, controller, deduplicated, stack=stack)
        await (await spu.client()).produce("t", batch("a", "b"))
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    await (await spu.client()).produce("t", batch("b", "c"))
    assert await read_all(spu) == [(0, "a"), (1, "b"), (2, "c")]


async def test_a_module_that_has_grown_is_begun_anew_and_shown_what_there_was(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any, engine: PythonEngine
) -> None:
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    client = await spu.client()
    await client.produce("t", batch("a", "b"))
    engine.chains[0].has_grown = True
    assert (await client.produce("t", batch("b", "c"))).error_code == SUCCESS
    assert await read_all(spu) == [(0, "a"), (1, "b"), (2, "c")]
    first, second = engine.chains
    assert (first.closed, second.shown) == (True, ["a", "b"])


async def test_what_was_not_stored_is_no_duplicate_later(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any, engine: PythonEngine
) -> None:
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    client = await spu.client()
    await client.produce("t", batch("a"))
    assert (await client.produce("t", batch("b", "bad"))).error_code.error is FAILED
    assert (await client.produce("t", batch("b", "a"))).error_code == SUCCESS
    assert await read_all(spu) == [(0, "a"), (1, "b")]
    assert [chain.shown for chain in engine.chains] == [[], ["a"]]


async def test_a_topic_whose_module_is_missing_takes_nothing(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any
) -> None:
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    del controller.modules["m"]
    client = await spu.client()
    code = (await client.produce("t", batch("a"))).error_code.error
    assert code is ErrorCode.DEDUPLICATION_SMART_MODULE_NOT_LOADED
    controller.modules["m"] = b"new"
    assert (await client.produce("t", batch("a"))).error_code == SUCCESS


async def test_a_chain_of_the_request_comes_before_that_of_the_topic(
    spu_factory: Any, controller: Any, deduplicated: Any, batch: Any, produce: Any
) -> None:
    spu = await start_deduplicating(spu_factory, controller, deduplicated)
    client = await spu.client()
    for _ in range(2):
        assert (await produce(client, batch("1", "2", "3"))).error_code == SUCCESS
    assert await read_all(spu) == [(0, "1"), (1, "3")]


async def test_who_waits_for_a_deleted_partition_is_answered(
    spu_factory: Any, controller: Any, assignment: Any, batch: Any, engine: PythonEngine
) -> None:
    wanted = Deduplication(bounds=DeduplicationBounds(count=9), filter=Transform(uses="m"))
    spu = await start_deduplicating(spu_factory, controller, assignment(deduplication=wanted))
    controller.modules["m"] = b"gate"
    client = await spu.client()
    first = client.send(*produce_of(batch("a")))
    await spu.app.workers.call(engine.at_gate.acquire)
    second = client.send(*produce_of(batch("b")))
    await client.writer.drain()
    while len(spu.app.transforms.deduplicator(spu.replica())._queue) < 1:
        await spu.app.workers.call(lambda: None)
    spu.apply(assignment(is_being_deleted=True))
    await spu.settle()
    engine.gate.set()
    numbers = {(await client.receive())[0] for _ in range(2)}
    assert numbers == {first, second}


async def test_a_stop_does_not_close_a_chain_that_a_thread_is_in(
    spu_factory: Any,
    controller: Any,
    deduplicated: Any,
    batch: Any,
    engine: PythonEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "ANSWER_PATIENCE_S", 0.0)
    async with AsyncExitStack() as stack:
        spu = await start_deduplicating(spu_factory, controller, deduplicated, stack=stack)
        await (await spu.client()).produce("t", batch("wait"))
    async with AsyncExitStack() as stack:
        spu = await start_deduplicating(spu_factory, controller, deduplicated, stack=stack)
        (await spu.client()).send(*produce_of(batch("x")))
        await spu.app.workers.call(engine.at_gate.acquire)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stack.aclose())
            while not spu.app.transforms.workers.closing:
                await spu.app.workers.call(lambda: None)
            engine.gate.set()
    assert engine.chains[-1].closed_within is False


def produce_of(records: bytes) -> tuple[ProduceRequest, int]:
    from fluvio_protocol.spu_public.produce import PartitionProduceData, TopicProduceData

    partition = PartitionProduceData(partition=PartitionId(0), records=records)
    return ProduceRequest(topics=(TopicProduceData(name="t", partitions=(partition,)),)), 25
