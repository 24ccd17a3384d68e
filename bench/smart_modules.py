"""What SmartModules cost: throughput beside a plain stream, the start of a chain, and what a module
that never ends does to its neighbours.

Called by `run.py`, which prints. One module, of `tests/spu/modules`, keeps every record and looks
at none: what is measured is what the SPU does around a module, and not one author's code. Beside
it are a filter and a map that come with fluvio and work on every byte. Streams are read over plain
sockets by this process, on the load's core.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connection import Connection
from processes import LOAD_CORES, Server, pinned

from fluvio_protocol.codec import decode_exact
from fluvio_protocol.record import Record, encode_batch, iterate_headers
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    ExtraParams,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from fluvio_protocol.types import Isolation, Offset, PartitionId

MODULES = Path(__file__).parents[1] / "tests" / "spu" / "modules"
TOPIC = "bench"
VERSION = 25
BATCH_BYTES = 16 * 1024
NEIGHBOUR_INTERVAL_S = 0.005
LOOPING_STREAMS = 6


@dataclass(frozen=True, slots=True)
class SmartScale:
    """How much is done."""

    rounds: int
    log_bytes: int
    neighbour_records: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: a figure of ours, beside another one or alone."""

    name: str
    unit: str
    ours: list[float]
    other: list[float]
    other_name: str = ""


def module(name: str) -> SmartModuleInvocation:
    """One of the modules, as a client sends it along."""
    import wasmtime

    code = wasmtime.wat2wasm((MODULES / f"{name}.wat").read_text())
    return SmartModuleInvocation(wasm=AdHocModule(wasm=bytes(code)))


def ready_made(name: str, **params: str) -> SmartModuleInvocation:
    """A module that comes with fluvio."""
    from fluvio_cli.smartmodules import ready_made as modules

    code = AdHocModule(wasm=modules.wasm(name))
    return SmartModuleInvocation(wasm=code, params=ExtraParams(params=params))


@dataclass(frozen=True, slots=True)
class _Through:
    """A log through one module: thousand records a second; microseconds, of each batch."""

    rate: list[float]
    added_us: list[float]
    server_us: list[float]


class Client(Connection):
    """A connection that waits for each answer."""

    def produce(self, partition: int, batch: bytes) -> None:
        data = PartitionProduceData(partition=PartitionId(partition), records=batch)
        topic = TopicProduceData(name=TOPIC, partitions=(data,))
        self.send(
            ProduceRequest(isolation=Isolation.READ_UNCOMMITTED, timeout_ms=1500, topics=(topic,)),
            VERSION,
        )
        self.receive()

    def open(self, partition: int, modules: tuple[SmartModuleInvocation, ...], offset: int) -> None:
        self.send(
            StreamFetchRequest(
                topic=TOPIC,
                partition=PartitionId(partition),
                fetch_offset=Offset(offset),
                smartmodules=modules,
            ),
            VERSION,
        )

    def slice(self) -> StreamFetchResponse:
        return decode_exact(StreamFetchResponse, self.receive(), VERSION)

    def acknowledge(self, response: StreamFetchResponse) -> int:
        """Where the stream goes on."""
        end = int(response.partition.next_filter_offset)
        for _, header in iterate_headers(response.partition.records):
            end = max(end, header.next_offset)
        update = OffsetUpdate(offset=Offset(end), session_id=response.stream_id)
        self.send(UpdateOffsetsRequest(offsets=(update,)), 0)
        self.receive()
        return end


def throughput(
    server: Server, partition: int, value_bytes: int, scale: SmartScale
) -> Iterator[Figure]:
    """A log from its beginning, by a plain stream and through a module that keeps everything."""
    count = max(1, BATCH_BYTES // (value_bytes + 12))
    batch = encode_batch([Record(b"x" * value_bytes)] * count, first_timestamp=1)
    batches = max(1, scale.log_bytes // len(batch))
    client = Client(server.port)
    for _ in range(batches):
        client.produce(partition, batch)
    client.close()
    modules = {
        "filter that keeps all": module("keep_all"),
        "filter `contains`, keeps all": ready_made("contains", text="x"),
        "map `case`, to capitals": ready_made("case", to="upper"),
    }
    plain: list[float] = []
    measured = {name: _Through([], [], []) for name in modules}
    with pinned(LOAD_CORES):
        for one in modules.values():
            _read(server.port, partition, (one,), batches * count)  # compiled now
        for _ in range(scale.rounds):
            plain_s = _read(server.port, partition, (), batches * count)
            plain.append(batches * count / plain_s / 1000)
            for name, one in modules.items():
                cpu_s = server.cpu_s()
                through_s = _read(server.port, partition, (one,), batches * count)
                found = measured[name]
                found.server_us.append((server.cpu_s() - cpu_s) / batches * 1e6)
                found.rate.append(batches * count / through_s / 1000)
                found.added_us.append((through_s - plain_s) / batches * 1e6)
    size = f"{count} x {value_bytes} B"
    for name, found in measured.items():
        yield Figure(f"{name}, {size}", "k rec/s", found.rate, plain, "plain")
        yield Figure(f"adds to a batch: {name}, {size}", "us", found.added_us, [])
        yield Figure(f"server CPU of a batch: {name}, {size}", "us", found.server_us, [])


def start(server: Server, partition: int) -> Iterator[Figure]:
    """From the request to the first answer: the first module of a process, another, and again."""
    client = Client(server.port)
    client.produce(partition, encode_batch([Record(b"x")], first_timestamp=1))
    client.close()
    for name, title in (
        ("keep_all", "first module of the process, engine loaded"),
        ("drop_all", "another module, compiled"),
        ("drop_all", "the same again"),
    ):
        code = (module(name),)
        client = Client(server.port)
        began = time.perf_counter()
        client.open(partition, code, 0)
        client.slice()
        yield Figure(title, "ms", [(time.perf_counter() - began) * 1000], [])
        client.close()


def neighbours(server: Server, partition: int, scale: SmartScale) -> Iterator[Figure]:
    """Latency of a filtered stream, alone and beside streams whose module never ends."""
    batch = encode_batch([Record(b"x" * 100)], first_timestamp=1)
    producer, reader = Client(server.port), Client(server.port)
    producer.produce(partition, batch)
    reader.open(partition, (module("keep_all"),), 0)
    end = reader.acknowledge(reader.slice())
    alone = _latencies(producer, reader, partition, batch, scale.neighbour_records)
    looping = [Client(server.port) for _ in range(LOOPING_STREAMS)]
    for one in looping:
        one.open(partition, (module("endless"),), end - 1)
    beside = _latencies(producer, reader, partition, batch, scale.neighbour_records)
    for one in (producer, reader, *looping):
        one.close()
    for name, rank in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            f"{name} beside {LOOPING_STREAMS} modules that loop",
            "us",
            [_quantile(beside, rank)],
            [_quantile(alone, rank)],
            "alone",
        )


def _read(port: int, partition: int, modules: tuple[SmartModuleInvocation, ...], end: int) -> float:
    """Seconds to read everything."""
    client = Client(port)
    began = time.perf_counter()
    client.open(partition, modules, 0)
    while client.acknowledge(client.slice()) < end:
        pass
    client.close()
    return time.perf_counter() - began


def _latencies(
    producer: Client, reader: Client, partition: int, batch: bytes, count: int
) -> list[float]:
    """Microseconds from sending a record to having it back, one after the other."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        producer.produce(partition, batch)
        response = reader.slice()
        found.append((time.perf_counter() - began) * 1e6)
        reader.acknowledge(response)
        time.sleep(NEIGHBOUR_INTERVAL_S)
    return found


def _quantile(values: list[float], rank: float) -> float:
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[min(int(rank * 100), 99) - 1]
