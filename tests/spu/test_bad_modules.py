"""Modules of all sorts that do not do what they should, in the real engine: each is a distinct
error to the client that brought it, and nobody else notices.
"""

import gzip
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record.record_set import iterate_tuples
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    AggregateKind,
    ExtraParams,
    Lookback,
    MapKind,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from fluvio_protocol.types import Offset, PartitionId

pytestmark = pytest.mark.asyncio

MODULES = Path(__file__).with_name("modules")
MIB = 1 << 20
CALL_MS_MAX = 20
RUNTIME = ErrorCode.SMART_MODULE_RUNTIME_ERROR


def module(file_name: str, **fields: Any) -> SmartModuleInvocation:
    code = wasmtime.wat2wasm((MODULES / f"{file_name}.wat").read_text())
    return SmartModuleInvocation(wasm=AdHocModule(wasm=gzip.compress(bytes(code))), **fields)


async def open_stream(client: Any, *modules: SmartModuleInvocation, offset: int = 0) -> int:
    request = StreamFetchRequest(
        topic="t", partition=PartitionId(0), fetch_offset=Offset(offset), smartmodules=modules
    )
    return int(client.send(request, 25))


async def next_slice(client: Any, number: int) -> Any:
    return (await client.receive_as(StreamFetchResponse, 25, number)).partition


def values_of(found: Any) -> list[str]:
    batches = iterate_tuples(found.records, size_bytes_max=MIB)
    return [value.decode() for batch in batches for _, _, _, value in batch]


@pytest.fixture
def spu_settings() -> dict[str, int]:
    return {
        "smart_engine_call_ms_max": CALL_MS_MAX,
        "smart_engine_memory_bytes_max": 32 * MIB,
        "smart_engine_worker_count": 2,
    }


@pytest.mark.parametrize(
    ("modules", "code", "text"),
    [
        ("trap", RUNTIME, 'SmartModule "ad-hoc", step 1'),
        ("endless", RUNTIME, 'SmartModule "ad-hoc", step 1'),
        ("deep_recursion", RUNTIME, 'SmartModule "ad-hoc", step 1'),
        ("no_record_list", RUNTIME, "no list of records"),
        ("oversized", RUNTIME, 'SmartModule "ad-hoc", step 1'),
        ("no_output", RUNTIME, 'SmartModule "ad-hoc", step 1'),
        ("memory_bomb", ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED, ""),
        ("init_refuses", ErrorCode.SMART_MODULE_INIT_ERROR, "missing a param"),
        ("no_transform", ErrorCode.SMART_MODULE_INVALID_EXPORTS, "filter"),
    ],
)
async def test_each_bad_module_is_an_error_of_its_own_and_harms_nobody(
    spu_factory: Any,
    assignment: Any,
    batch: Any,
    spu_settings: dict[str, int],
    modules: str,
    code: ErrorCode,
    text: str,
) -> None:
    spu = await spu_factory.start(assignment(), **spu_settings)
    client, good, bad = [await spu.client() for _ in range(3)]
    await client.produce("t", batch("1", "2", "3"))
    follower = await open_stream(good, module("odd"))
    assert values_of(await next_slice(good, follower)) == ["1", "3"]
    stream = await open_stream(bad, module(modules))
    found = await next_slice(bad, stream)
    assert (found.error_code.error, values_of(found)) == (code, [])
    assert text in str(found.error_code.payload)
    update = OffsetUpdate(offset=Offset(3), session_id=1)
    await good.call(UpdateOffsetsRequest(offsets=(update,)), 0)
    await client.produce("t", batch("5"))
    assert values_of(await next_slice(good, follower)) == ["5"]


@pytest.mark.parametrize(
    ("invocation", "code"),
    [
        (SmartModuleInvocation(wasm=AdHocModule(wasm=b"")), ErrorCode.SMART_MODULE_INVALID),
        (SmartModuleInvocation(wasm=AdHocModule(wasm=b"text")), ErrorCode.SMART_MODULE_INVALID),
        (SmartModuleInvocation(wasm=AdHocModule(wasm=b"\0asm")), ErrorCode.SMART_MODULE_INVALID),
        (
            SmartModuleInvocation(wasm=AdHocModule(wasm=gzip.compress(bytes(MIB)))),
            ErrorCode.SMART_MODULE_INVALID,
        ),
        (module("odd", kind=MapKind()), ErrorCode.SMART_MODULE_INVALID_EXPORTS),
        (module("odd", kind=AggregateKind()), ErrorCode.SMART_MODULE_INVALID_EXPORTS),
    ],
)
async def test_what_is_no_such_module_is_refused(
    client: Any, invocation: SmartModuleInvocation, code: ErrorCode
) -> None:
    stream = await open_stream(client, invocation)
    assert (await next_slice(client, stream)).error_code.error is code
    await client.assert_silent()


async def test_superfluous_parameters_and_look_backs_are_nothing_bad(
    client: Any, batch: Any
) -> None:
    await client.produce("t", batch("1", "2", "3"))
    params = ExtraParams(params={"nobody": "asks"}, lookback=Lookback(last=2))
    stream = await open_stream(client, module("odd", params=params))
    assert values_of(await next_slice(client, stream)) == ["1", "3"]


async def test_a_chain_names_the_module_and_the_step_that_failed(client: Any, batch: Any) -> None:
    await client.produce("t", batch("1", "two", "3"))
    stream = await open_stream(client, module("keep_all"), module("odd", name="only-odd"))
    found = await next_slice(client, stream)
    failure = found.error_code.payload[0]
    assert (values_of(found), failure.offset) == (["1"], 1)
    assert failure.hint == 'no number (SmartModule "only-odd", step 2)'


async def test_memory_stays_as_it_is_whatever_is_tried(
    spu_factory: Any, assignment: Any, batch: Any, spu_settings: dict[str, int]
) -> None:
    spu = await spu_factory.start(assignment(), **spu_settings)
    producer = await spu.client()
    await producer.produce("t", batch("1", "2", "3"))

    async def try_all() -> None:
        for name in ("trap", "memory_bomb", "oversized", "no_record_list", "init_refuses"):
            client = await spu.client()
            stream = await open_stream(client, module(name))
            assert (await next_slice(client, stream)).error_code
            client.writer.transport.abort()

    for _ in range(3):
        await try_all()
    before = resident_bytes()
    for _ in range(20):
        await try_all()
    assert resident_bytes() - before < 16 * MIB


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell RssAnon")


async def test_a_stop_does_not_wait_for_a_module_that_never_ends(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    """The limit on its time is longer than that of the test."""
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(assignment(), stack=stack, smart_engine_call_ms_max=3_600_000)
        client = await spu.client()
        await client.produce("t", batch("1"))
        await open_stream(client, module("endless"))
        transforms = spu.app.transforms
        while transforms._engine is None or not transforms._engine._running:
            await spu.app.workers.call(lambda: None)


@pytest.mark.parametrize("counted", [False, True])
async def test_fuel_is_counted_where_it_is_asked_for(
    spu_factory: Any, assignment: Any, batch: Any, counted: bool
) -> None:
    spu = await spu_factory.start(assignment(), smart_engine_fuel=counted)
    client = await spu.client()
    await client.produce("t", batch("1", "2"))
    await next_slice(client, await open_stream(client, module("odd")))
    (counts,) = spu.app.transforms.statistics.modules.values()
    assert (counts.fuel > 0) is counted
