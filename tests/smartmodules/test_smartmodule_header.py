"""The header: bytes as Fluvio's own modules take and give them, and what it promises to authors."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasm_host import (
    BASE_TIMESTAMP,
    CallFailed,
    HostRecord,
    InitRefused,
    LookBackRefused,
    WasmHost,
    encode_input,
    encode_records,
)

from fluvio_cli.smartmodules import ready_made

CompileC = Callable[[str], bytes]

CONCATENATE = """
SM_AGGREGATE(accumulator, record, out) {
    sm_append(&out->value, accumulator);
    sm_append(&out->value, record->value);
    return SM_OK;
}
"""
HALVE = """
SM_FILTER_MAP(record, out) {
    int64_t number;
    if (!sm_parse_int(record->value, &number)) return sm_error("invalid digit found in string");
    if (number % 2 != 0) return SM_DROP;
    sm_append_int(&out->value, number / 2);
    return SM_KEEP;
}
"""
PLACE = """
SM_MAP(record, out) {
    sm_append_int(&out->value, record->offset);
    sm_append_text(&out->value, " ");
    sm_append_int(&out->value, record->timestamp);
    return SM_OK;
}
"""
SWITCH = """
static sm_bytes mode;
SM_INIT() { return sm_param_needed("mode", &mode); }
SM_MAP(record, out) {
    sm_append(&out->value, record->value);
    if (sm_is(mode, "set")) sm_set_key(out, record->value);
    if (sm_is(mode, "remove")) sm_remove_key(out);
    if (sm_is(mode, "silent")) return SM_ERROR;
    if (sm_is(mode, "long")) {
        for (int i = 0; i < 12; i++) sm_append(&out->value, SM_CONTENT(out->value));
        return sm_error("%.*s", SM_TEXT(SM_CONTENT(out->value)));
    }
    if (sm_is(mode, "formats"))
        return sm_error("%s %.*s %c %d %u %lld %%", "s", SM_TEXT(record->value), 'c', -7, 8u,
                        -9223372036854775807ll - 1);
    return SM_OK;
}
"""
WORDS = """
SM_ARRAY_MAP(record, out) {
    sm_bytes word, rest = record->value;
    while (sm_split(&rest, ' ', &word)) {
        if (sm_is(word, "bad")) return sm_error("a bad word");
        sm_append(&out->value, word);
        sm_emit(out);
    }
    return SM_OK;
}
"""
REMEMBER = """
static int64_t sum;
SM_LOOK_BACK(record) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("no number in the past: %.*s", SM_TEXT(record->value));
    sum += number;
    return SM_OK;
}
SM_MAP(record, out) {
    (void)record;
    sm_append_int(&out->value, sum);
    return SM_OK;
}
"""


def values(records: tuple[HostRecord, ...]) -> list[bytes]:
    return [one.value for one in records]


# Bytes captured from Fluvio's own example modules; see the protocol reference, 12.7.
@pytest.mark.parametrize(
    ("source", "version", "given_hex", "code", "output_hex"),
    [
        (
            HALVE,
            24,
            "000000000000000a 0000001e 00000003 1200000001026b023400 0e0000020002 7800"
            "0e00000400023600 0000018bcfe56800",
            1,
            "00000001 1200000001026b023200 01 001d696e76616c696420646967697420666f756e6420696e"
            "20737472696e67 000000000000000b 04 00 0278",
        ),
        (
            HALVE,
            22,
            "000000000000000a 0000000e 00000001 1200000001026b023400 0000 00 00000000"
            "0000018bcfe56800",
            1,
            "00000001 1200000001026b023200 00",
        ),
        (
            HALVE,
            15,
            "000000000000000a 0000000e 00000001 1200000001026b023400 0000",
            1,
            "00000001 1200000001026b023200 00",
        ),
        (
            CONCATENATE,
            24,
            "0000000000000000 00000016 00000002 1200000001026b026100 0e00000200026200"
            "0000000000000000 00000002 533a",
            2,
            "00000002 1600000001026b06533a6100 140000020008533a616200 00 00000004 533a6162",
        ),
    ],
)
def test_it_takes_and_gives_what_others_modules_do(
    compile_c: CompileC, source: str, version: int, given_hex: str, code: int, output_hex: str
) -> None:
    host = WasmHost(compile_c(source), version=version)
    assert host.call(host.kind, bytes.fromhex(given_hex)) == code
    assert host.output == bytes.fromhex(output_hex)


def test_a_filter_gives_records_back_as_they_were() -> None:
    host = WasmHost(ready_made.wasm("contains"))
    host.init({"text": "a"})
    first, second = "16000000000a6170706c6500", "18000404000c62616e616e6100"
    middle = "16000202000a667275697400"
    batch = f"0000000000000064 00000029 00000003 {first} {middle} {second} 0000018bcfe56800"
    assert host.call("filter", bytes.fromhex(batch)) == 2
    assert host.output == bytes.fromhex(f"00000002 {first} {second} 00")


def test_it_exports_what_the_interface_names_and_imports_one_function() -> None:
    assert WasmHost(ready_made.wasm("contains")).names == {
        *("memory", "alloc", "dealloc", "init", "filter"),
    }
    assert "look_back" in WasmHost(ready_made.wasm("dedup-exact")).names


@pytest.mark.parametrize("version", [0, 15, 16, 19, 20, 21, 22, 23, 24, 25])
def test_every_version_says_the_offset_and_some_the_time(compile_c: CompileC, version: int) -> None:
    host = WasmHost(compile_c(PLACE), version=version)
    batch = [HostRecord(b"", offset_delta=2, timestamp_delta=30)]
    (said,) = host.process(batch, base_offset=40).records
    time = BASE_TIMESTAMP + 30 if version >= 22 else -1
    assert said == HostRecord(b"42 %d" % time, None, 2, 30)


def test_the_rest_of_old_inputs_is_skipped(compile_c: CompileC) -> None:
    host = WasmHost(compile_c(PLACE), version=22)
    batch = encode_records([HostRecord(b"")])
    data = (
        struct.pack(">qi", 7, len(batch))
        + batch
        + b"\0\1\0\1k\0\1v"  # a parameter
        + b"\1" + struct.pack(">Q", 5) + b"\1" + struct.pack(">QI", 60, 0)  # a look-back
        + struct.pack(">i", 3) + b"xyz"  # a record to join with
        + struct.pack(">q", 1000)
    )  # fmt: skip
    assert values(host.transform(data).records) == [b"7 1000"]


@pytest.mark.parametrize(
    ("mode", "key", "after"),
    [
        ("stay", b"k", b"k"),
        ("stay", None, None),
        ("stay", b"", b""),
        ("set", b"k", b"v"),
        ("set", None, b"v"),
        ("remove", b"k", None),
    ],
)
def test_keys_stay_are_set_and_removed(
    compile_c: CompileC, mode: str, key: bytes | None, after: bytes | None
) -> None:
    host = WasmHost(compile_c(SWITCH))
    host.init({"mode": mode})
    output = host.process([HostRecord(b"v", key), HostRecord(b"v", key, 1, 1)])
    assert [one.key for one in output.records] == [after, after]


def test_errors_say_what_where_and_which(compile_c: CompileC) -> None:
    host = WasmHost(compile_c(SWITCH))
    host.init({"mode": "formats"})
    output = host.process([HostRecord(b"v", b"k", offset_delta=3)], base_offset=100)
    assert output.records == ()
    assert output.error is not None
    assert output.error.hint == "s v c -7 8 -9223372036854775808 %"
    assert (output.error.offset, output.error.kind) == (103, 1)
    assert (output.error.key, output.error.value) == (b"k", b"v")


@pytest.mark.parametrize(
    ("mode", "value", "hint"),
    [
        ("silent", b"v", "the module gives no reason"),
        ("long", b"x", "x" * 1000),
        ("long", "é".encode(), "é" * 500),
        ("long", b"xx" + "é".encode(), "xxé" * 250),
        ("long", "€".encode(), "€" * 333 + "?"),
        ("long", b"\xff", "?" * 1000),
    ],
)
def test_messages_are_cut_and_are_text(
    compile_c: CompileC, mode: str, value: bytes, hint: str
) -> None:
    host = WasmHost(compile_c(SWITCH))
    host.init({"mode": mode})
    error = host.process([HostRecord(value)]).error
    assert error is not None
    assert error.hint == hint


def test_nothing_of_a_record_that_is_an_error_is_delivered(compile_c: CompileC) -> None:
    host = WasmHost(compile_c(WORDS))
    batch = [HostRecord(b"a b", b"k"), HostRecord(b"c bad", offset_delta=1), HostRecord(b"d")]
    output = host.process(batch)
    assert output.records == (HostRecord(b"a", b"k"), HostRecord(b"b", b"k"))
    assert output.error is not None
    assert output.error.offset == 1


def test_the_accumulator_is_what_the_last_good_record_left(compile_c: CompileC) -> None:
    host = WasmHost(ready_made.wasm("sum"))
    host.init({})
    output = host.process(
        [HostRecord(b"1"), HostRecord(b"2"), HostRecord(b"two")], accumulator=b"4"
    )
    assert values(output.records) == [b"5", b"7"]
    assert output.error is not None
    assert output.accumulator == b"7"
    assert host.process([], accumulator=b"7").accumulator == b"7"


def test_look_back_sees_the_past_and_may_refuse(compile_c: CompileC) -> None:
    host = WasmHost(compile_c(REMEMBER))
    host.look_back([HostRecord(b"40"), HostRecord(b"2")])
    assert values(host.process([HostRecord(b"")]).records) == [b"42"]
    with pytest.raises(LookBackRefused, match="no number in the past: two"):
        host.look_back([HostRecord(b"1"), HostRecord(b"two", b"k")])


def test_a_host_without_init_gets_the_reason_as_an_error() -> None:
    host = WasmHost(ready_made.wasm("contains"))
    error = host.process([HostRecord(b"v")]).error
    assert error is not None
    assert error.hint == 'missing parameter "text"'


def test_a_host_that_gives_parameters_with_each_call_is_understood() -> None:
    host = WasmHost(ready_made.wasm("contains"), version=15)
    batch = encode_records([HostRecord(b"abc"), HostRecord(b"xyz")])
    data = struct.pack(">qi", 0, len(batch)) + batch + b"\0\1\0\4text\0\1b"
    assert values(host.transform(data).records) == [b"abc"]


def test_an_instance_does_not_grow(compile_c: CompileC) -> None:
    """Sizes vary, so that every kind of block is needed in each round."""
    host = WasmHost(compile_c(CONCATENATE))
    sizes = [1, 300, 20_000, 70_000, 400_000, 5]
    seen = []
    for _ in range(20):
        for size in sizes:
            batch = [HostRecord(b"x" * (size // 10), b"key", n, n) for n in range(10)]
            assert host.process(batch).error is None
        seen.append(host.memory_bytes)
    assert len(set(seen[1:])) == 1


def test_a_batch_of_many_megabytes_goes_through() -> None:
    host = WasmHost(ready_made.wasm("case"))
    host.init({"to": "upper"})
    (record,) = host.process([HostRecord(b"a" * 20_000_000)]).records
    assert record.value == b"A" * 20_000_000


BATCH = encode_records([HostRecord(b"1", b"k"), HostRecord(b"22", None, 1, 1), HostRecord(b"3")])
WHOLE = encode_input(BATCH, version=25, base_offset=0)


@given(
    at=st.integers(0, len(WHOLE)),
    wrong=st.binary(max_size=12),
    cut=st.integers(0, len(WHOLE)),
    version=st.integers(0, 25),
)
def test_no_input_brings_it_down(at: int, wrong: bytes, cut: int, version: int) -> None:
    """A broken input is refused by its code; what can be read is answered in full."""
    host = WasmHost(ready_made.wasm("sum"), version=version)
    host.init({})
    for data in (WHOLE[:at] + wrong + WHOLE[cut:], wrong, WHOLE[:at]):
        for kind in ("init", "aggregate"):
            code = host.call(kind, data)
            assert code >= -11
            assert (host.output is None) == (code == -11 or (kind == "init" and code == 0))
    output = host.process([HostRecord(b"5")], accumulator=b"1")
    assert values(output.records) == [b"6"]


@pytest.mark.parametrize(
    "batch",
    [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"],
)
def test_a_batch_that_lies_about_its_size_is_refused(batch: bytes) -> None:
    host = WasmHost(ready_made.wasm("sum"))
    host.init({})
    with pytest.raises(CallFailed, match="-11"):
        host.transform(encode_input(batch, version=25, base_offset=0))


def test_nothing_is_an_empty_batch(compile_c: CompileC) -> None:
    host = WasmHost(compile_c(PLACE))
    assert host.transform(encode_input(b"", version=25, base_offset=0)).records == ()


def test_init_is_run_once(compile_c: CompileC) -> None:
    source = """
static int runs;
SM_INIT() { runs++; return sm_param_names("a,b"); }
SM_MAP(record, out) { (void)record; sm_append_int(&out->value, runs); return SM_OK; }
"""
    host = WasmHost(compile_c(source))
    host.init({"a": "1"})
    assert values(host.process([HostRecord(b""), HostRecord(b"")]).records) == [b"1", b"1"]
    with pytest.raises(InitRefused, match='unknown parameter "c": this module takes a,b'):
        WasmHost(compile_c(source)).init({"a": "1", "c": "2"})
