"""The check of records in WebAssembly says what the one in Python says, of anything."""

from collections.abc import Callable

import pytest
import wasmtime
from hypothesis import example, given
from hypothesis import strategies as st

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.record.record import decode_records, record_bounds
from fluvio_spu.smartengine import SmartEngine
from fluvio_spu.smartengine.host_calls import host_calls
from fluvio_spu.smartengine.record_check import NO_RECORDS, RecordCheck

PAGE_BYTES = 65_536
AT = 70
HEADER_BYTES = 57

records = st.lists(
    st.builds(
        Record,
        st.binary(max_size=200),
        st.none() | st.binary(max_size=130),
        timestamp_delta=st.integers(-(1 << 20), 1 << 30),
    ),
    min_size=1,
    max_size=5,
)


def in_python(content: bytes) -> int:
    """The dumb twin."""
    if len(content) < 4:
        return NO_RECORDS
    count = int.from_bytes(content[:4], "big", signed=True)
    if count < 0:
        return NO_RECORDS
    try:
        end = record_bounds(content, 4, count)[-1]
        decode_records(content[:end], 4, count)
    except RemoteProtocolError:
        return NO_RECORDS
    return end


@pytest.fixture(scope="module")
def in_wasm() -> Callable[[bytes], int]:
    engine = SmartEngine()
    store = wasmtime.Store(engine.engine)
    store.set_epoch_deadline(1 << 40)
    calls = host_calls(store)
    memory = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 1)))
    check = RecordCheck(engine, store, calls, memory)

    def checked(content: bytes) -> int:
        # What is around it would go on well: a check that looks there is found out.
        calls.write(memory, 0, b"\x0e\0\0\0\0\2x\0" * (PAGE_BYTES // 8))
        calls.write(memory, AT, content)
        return check.records_size(AT, len(content))

    return checked


@given(records, st.binary(max_size=20))
def test_records_with_something_behind_them(
    in_wasm: Callable[[bytes], int], given_records: list[Record], rest: bytes
) -> None:
    payload = encode_batch(given_records, first_timestamp=0)[HEADER_BYTES:]
    assert in_wasm(payload + rest) == len(payload) == in_python(payload + rest)


@given(records, st.data())
def test_records_that_were_changed(
    in_wasm: Callable[[bytes], int], given_records: list[Record], data: st.DataObject
) -> None:
    content = bytearray(encode_batch(given_records, first_timestamp=0)[HEADER_BYTES:])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0xFF, content[place] ^ 1)))
    end = data.draw(st.integers(0, len(content)))
    assert in_wasm(bytes(content[:end])) == in_python(bytes(content[:end]))


@given(st.binary(max_size=100))
@example(b"")
@example(b"\0\0\0")
@example(bytes(4))
@example(b"\0\0\0\1" + b"\x80" * 11)
@example(b"\0\0\0\1" + b"\xff" * 9 + b"\1")
@example(b"\0\0\0\1" + b"\xff" * 9 + b"\2")
@example(b"\xff\xff\xff\xff")
def test_any_bytes(in_wasm: Callable[[bytes], int], content: bytes) -> None:
    assert in_wasm(content) == in_python(content)


def test_a_batch_at_the_end_of_the_memory(in_wasm: Callable[[bytes], int]) -> None:
    size = PAGE_BYTES - AT
    content = encode_batch([Record(bytes(size - 20))], first_timestamp=0)[HEADER_BYTES:]
    assert in_wasm(content) == len(content)
    cut = (1 << 20).to_bytes(4, "big") + b"\x0e\0\0\0\0\2x\0" * ((size - 4) // 8)
    assert in_wasm(cut) == in_python(cut) == NO_RECORDS
