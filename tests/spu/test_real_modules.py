"""A real module in the real engine: streams of every version, and records that are produced."""

from pathlib import Path
from typing import Any

import pytest
import wasmtime

from fluvio_protocol.api.error_code import SUCCESS
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import BatchCompression
from fluvio_protocol.record.record_set import iterate_tuples
from fluvio_protocol.spu_public.produce import ProduceRequest
from fluvio_protocol.spu_public.smart_module_invocation import (
    AdHocModule,
    FilterKind,
    SmartModuleInvocation,
)
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest, StreamFetchResponse
from fluvio_protocol.types import Offset, PartitionId

pytestmark = pytest.mark.asyncio

ODD = Path(__file__).with_name("modules") / "odd.wat"


@pytest.fixture(scope="module")
def odd() -> bytes:
    """A filter that keeps odd numbers and fails at what is none."""
    return bytes(wasmtime.wat2wasm(ODD.read_text()))


async def read(client: Any, version: int = 25, **fields: Any) -> Any:
    request = StreamFetchRequest(
        topic="t", partition=PartitionId(0), fetch_offset=Offset(0), **fields
    )
    number = client.send(request, version)
    return (await client.receive_as(StreamFetchResponse, version, number)).partition


def values_of(found: Any) -> list[str]:
    batches = iterate_tuples(found.records, size_bytes_max=1 << 20)
    return [value.decode() for batch in batches for _, _, _, value in batch]


@pytest.mark.parametrize("version", range(11, 26))
async def test_streams_of_every_version_that_has_modules(
    spu: Any, client: Any, batch: Any, odd: bytes, version: int
) -> None:
    await client.produce("t", batch("1", "2", "3"), batch("5"))
    invocation = SmartModuleInvocation(wasm=AdHocModule(wasm=odd), kind=FilterKind())
    fields: dict[str, Any] = {"smartmodules": (invocation,)}
    if version < 16:
        fields = {"wasm_module": odd}
    elif version < 18:
        fields = {"smartmodule": invocation}
    found = await read(client, version, **fields)
    assert values_of(found) == ["1", "3", "5"]
    assert found.next_filter_offset == 4


@pytest.mark.parametrize("version", [8, 15, 22, 25])
@pytest.mark.parametrize("compression", [BatchCompression.NONE, BatchCompression.ZSTD])
async def test_records_go_through_before_they_are_stored(
    spu: Any,
    client: Any,
    batch: Any,
    produce_message: Any,
    odd: bytes,
    version: int,
    compression: BatchCompression,
) -> None:
    invocation = SmartModuleInvocation(wasm=AdHocModule(wasm=odd))

    async def send(*values: str) -> Any:
        plain = produce_message("t", batch(*values, compression=compression))
        request = ProduceRequest(topics=plain.topics, smartmodules=(invocation,))
        return (await client.call(request, version)).responses[0].partitions[0]

    assert (await send("1", "2", "3")).error_code == SUCCESS
    refused = (await send("5", "six")).error_code
    assert refused.error is ErrorCode.SMART_MODULE_RUNTIME_ERROR
    failure = refused.payload[0]
    assert (failure.offset, failure.record_value) == (1, b"six")
    assert failure.hint == 'no number (SmartModule "ad-hoc", step 1)'
    assert (await send("7")).base_offset == 2
    assert values_of(await read(client)) == ["1", "3", "7"]
