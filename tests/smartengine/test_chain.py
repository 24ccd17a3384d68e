"""Chains over real modules: what comes out, what fails, and that nothing a module does harms."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from fluvio_protocol.api.error_code import SmartModuleErrorKind
from fluvio_protocol.errors import ErrorCode, RemoteProtocolError
from fluvio_protocol.record import BATCH_HEADER_SIZE, Record, encode_batch
from fluvio_protocol.record.record import decode_records, record_bounds
from fluvio_spu.smartengine import (
    Chain,
    ChainOutput,
    ChainStep,
    SmartEngine,
    SmartModule,
    SmartModuleRefused,
)

LoadC = Callable[[str], SmartModule]
MEMORY_BYTES_MAX = 16 << 20
"""As the fixture `engine` has it."""

SOURCES = Path(__file__).parents[1] / "smartmodules" / "sources"
ODD = (SOURCES / "odd.c").read_text("utf-8")
DOUBLE = (SOURCES / "double.c").read_text("utf-8")
WORDS = """
SM_ARRAY_MAP(record, out) {
    sm_bytes word, rest = record->value;
    while (sm_split(&rest, ' ', &word)) { sm_append(&out->value, word); sm_emit(out); }
    return SM_OK;
}
"""
SUM = """
SM_AGGREGATE(accumulator, record, out) {
    int64_t sum = 0, number;
    sm_parse_int(accumulator, &sum);
    if (!sm_parse_int(record->value, &number)) return sm_error("not a number");
    sm_append_int(&out->value, sum + number);
    return SM_OK;
}
"""
TRAP = """
SM_FILTER(record) {
    if (record->value.size) __builtin_trap();
    return SM_KEEP;
}
"""
HEAD = """
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param $length i32) (result i32)
    (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $length) (i32.const 65536)))))
    (i32.const 1024))
"""


def wat(text: str, head: str = HEAD) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {head} {text})"))


def body(text: str, name: str = "filter") -> bytes:
    return wat(
        f'(func (export "{name}") (param $at i32) (param $length i32) (param $version i32)'
        f" (result i32) {text})"
    )


def payload_of(*values: str, keys: bool = False) -> bytes:
    records = [Record(value.encode(), key=b"k" if keys else None) for value in values]
    return bytes(encode_batch(records, first_timestamp=0))[BATCH_HEADER_SIZE:]


def values_of(output: ChainOutput) -> list[str]:
    found = decode_records(output.payload, 4, output.record_count)
    return [value.decode() for _, _, _, value in found]


def run(chain: Chain, *values: str, **named: Any) -> ChainOutput:
    return chain.process(payload_of(*values, **named), base_offset=100, base_timestamp=0)


def begin(engine: SmartEngine, *modules: SmartModule, **named: Any) -> Chain:
    steps = [ChainStep(module, f"m{number}", **named) for number, module in enumerate(modules)]
    return Chain.begin(engine, steps, version=25)


def refused_with(code: ErrorCode, call: Callable[[], object]) -> str:
    with pytest.raises(SmartModuleRefused) as refused:
        call()
    assert refused.value.status.error is code
    return str(refused.value.status.payload)


# What modules are for.


def test_a_filter_keeps_and_drops(engine: SmartEngine, load_c: LoadC) -> None:
    output = run(begin(engine, load_c(ODD)), "1", "2", "3", keys=True)
    assert values_of(output) == ["1", "3"]
    deltas = [delta for _, delta, _, _ in decode_records(output.payload, 4, 2)]
    assert deltas == [0, 2]
    (step,) = output.steps
    assert (step.record_in_count, step.record_out_count, step.failed) == (3, 2, False)
    assert step.elapsed_ns > 0


def test_records_before_the_bad_one_come_with_its_error(engine: SmartEngine, load_c: LoadC) -> None:
    output = run(begin(engine, load_c(ODD)), "1", "two", "3", keys=True)
    assert values_of(output) == ["1"]
    error = output.error
    assert error is not None
    assert (error.offset, error.is_fatal) == (101, False)
    (told,) = error.status.payload
    assert (told.offset, told.kind, told.record_key, told.record_value) == (
        101, SmartModuleErrorKind.FILTER, b"k", b"two",
    )  # fmt: skip
    assert told.hint == 'not a number: two (SmartModule "m0", step 1)'


def test_a_map_and_an_array_map(engine: SmartEngine, load_c: LoadC) -> None:
    assert values_of(run(begin(engine, load_c(DOUBLE)), "1", "2")) == ["2", "4"]
    assert values_of(run(begin(engine, load_c(WORDS)), "a b", "", "c")) == ["a", "b", "", "c"]


def test_a_filter_map(engine: SmartEngine, load_c: LoadC) -> None:
    module = load_c("""
SM_FILTER_MAP(record, out) {
    if (!record->value.size) return SM_DROP;
    sm_append(&out->value, record->value);
    sm_append(&out->value, SM_LITERAL("!"));
    return SM_KEEP;
}
""")
    assert values_of(run(begin(engine, module), "a", "", "b")) == ["a!", "b!"]


def test_an_aggregate_goes_on_with_what_it_has(engine: SmartEngine, load_c: LoadC) -> None:
    chain = begin(engine, load_c(SUM), accumulator=b"1")
    assert values_of(run(chain, "2", "3", "4")) == ["3", "6", "10"]
    assert values_of(run(chain, "5")) == ["15"]
    assert values_of(run(begin(engine, load_c(SUM)), "5")) == ["5"]


def test_one_module_behind_another(engine: SmartEngine, load_c: LoadC) -> None:
    chain = begin(engine, load_c(ODD), load_c(DOUBLE), load_c(SUM))
    assert values_of(run(chain, "1", "2", "3")) == ["2", "8"]
    output = run(chain, "2", "4")
    assert values_of(output) == []
    assert [step.record_in_count for step in output.steps] == [2, 0, 0]


def test_of_two_errors_the_earlier_record_counts(engine: SmartEngine, load_c: LoadC) -> None:
    late = load_c(ODD)
    early = load_c("""
SM_FILTER(record) {
    if (sm_equal(record->value, SM_LITERAL("1"))) return sm_error("a one");
    return SM_KEEP;
}
""")
    output = run(begin(engine, late, early), "3", "1", "5", "two")
    assert values_of(output) == ["3"]
    assert output.error is not None
    assert output.error.offset == 101
    assert output.error.status.payload[0].hint == 'a one (SmartModule "m1", step 2)'
    output = run(begin(engine, late, early), "3", "5", "two")
    assert values_of(output) == ["3", "5"]
    assert output.error is not None
    assert output.error.offset == 102


def test_an_error_behind_an_array_map_names_the_record_it_came_from(
    engine: SmartEngine, load_c: LoadC
) -> None:
    output = run(begin(engine, load_c(WORDS), load_c(ODD)), "1 2", "3", "5 x 7", "9")
    assert values_of(output) == ["1", "3", "5"]
    assert output.error is not None
    assert output.error.offset == 102
    (told,) = output.error.status.payload
    assert (told.offset, told.record_value) == (102, b"x")


@pytest.mark.parametrize("last", [ODD, TRAP])
def test_so_does_one_of_a_record_that_comes_alone(
    engine: SmartEngine, load_c: LoadC, last: str
) -> None:
    """As a stream cuts it out of its batch: it is not the first one there."""
    batch = payload_of("1", "x")
    alone = b"\0\0\0\1" + batch[record_bounds(batch, 4, 2)[1] :]
    chain = begin(engine, load_c(WORDS), load_c(last))
    output = chain.process(alone, base_offset=100, base_timestamp=0)
    assert output.error is not None
    assert output.error.offset == 101
    (told,) = output.error.status.payload
    assert (told.offset, told.record_value) == (101, b"x")


def test_records_that_are_none_are_not_read_for_ever(engine: SmartEngine, load_c: LoadC) -> None:
    """Stored by anybody: so many records of -1 bytes each would never come to an end."""
    payload = b"\x7f\xff\xff\xff" + b"\1" * 40
    with pytest.raises(RemoteProtocolError, match="2147483647 records"):
        begin(engine, load_c(WORDS), load_c(ODD)).process(payload, base_offset=0, base_timestamp=0)
    trapped = begin(engine, engine.load(body("unreachable")))
    with pytest.raises(RemoteProtocolError, match="a record of -1 bytes"):
        trapped.process(payload, base_offset=0, base_timestamp=0)


# Parameters, look-back, kinds.

NEEDS = """
static sm_bytes text;
SM_INIT() { return sm_param_needed("text", &text); }
SM_FILTER(record) { return sm_equal(record->value, text); }
"""


def test_parameters_reach_init(engine: SmartEngine, load_c: LoadC) -> None:
    chain = begin(engine, load_c(NEEDS), params={"text": "b", "other": "x"})
    assert values_of(run(chain, "a", "b")) == ["b"]
    told = refused_with(ErrorCode.SMART_MODULE_INIT_ERROR, lambda: begin(engine, load_c(NEEDS)))
    assert "text" in told
    assert 'SmartModule "m0", step 1' in told


def test_earlier_records_are_shown(engine: SmartEngine, load_c: LoadC) -> None:
    module = load_c("""
static int64_t last;
SM_LOOK_BACK(record) {
    if (!sm_parse_int(record->value, &last)) return sm_error("no number before");
    return SM_OK;
}
SM_FILTER(record) { int64_t n; sm_parse_int(record->value, &n); return n > last; }
""")
    chain = begin(engine, module)
    assert chain.looks_back(0)
    chain.look_back(0, payload_of("3", "7"), base_offset=0, base_timestamp=0)
    assert values_of(run(chain, "6", "8")) == ["8"]
    told = refused_with(
        ErrorCode.SMART_MODULE_LOOK_BACK_ERROR,
        lambda: chain.look_back(0, payload_of("x"), base_offset=0, base_timestamp=0),
    )
    assert "no number before" in told
    assert not begin(engine, load_c(ODD)).looks_back(0)


def test_another_kind_than_was_asked_for(engine: SmartEngine, load_c: LoadC) -> None:
    told = refused_with(
        ErrorCode.SMART_MODULE_INVALID_EXPORTS, lambda: begin(engine, load_c(ODD), kind="map")
    )
    assert '"map"' in told
    assert begin(engine, load_c(ODD), kind="filter") is not None


# Modules of other times.

LENGTH_OF_ONE = len(payload_of("a")) + 12
KEEP = """
  (i32.store8 (i32.add (i32.add (local.get $at) (i32.const 12)) (i32.const {size})) (i32.const 0))
  (call $copy_records (i32.add (local.get $at) (i32.const 12)) (i32.const {behind}))
  (i32.const 1)
""".format(size=len(payload_of("a")), behind=len(payload_of("a")) + 1)  # fmt: skip


def test_functions_without_a_version_get_the_oldest_input(engine: SmartEngine) -> None:
    expected = LENGTH_OF_ONE + 2 + 6  # one parameter of a letter and a letter
    code = wat(f"""
(func (export "filter") (param $at i32) (param $length i32) (result i32)
  (if (i32.ne (local.get $length) (i32.const {expected})) (then (return (i32.const -11))))
  {KEEP})
""")
    chain = begin(engine, engine.load(code), params={"k": "v"})
    assert values_of(run(chain, "a")) == ["a"]


def test_a_module_that_knows_no_newer_version(engine: SmartEngine) -> None:
    code = body(f"""
  (if (i32.gt_u (local.get $version) (i32.const 22)) (then (return (i32.const -11))))
  {KEEP}""")
    chain = begin(engine, engine.load(code))
    assert values_of(run(chain, "a")) == ["a"]
    assert values_of(run(chain, "b")) == ["b"]


def test_parameters_in_every_call_for_a_module_without_init(engine: SmartEngine) -> None:
    code = body(f"""
  (if (i32.ne (local.get $version) (i32.const 22)) (then (return (i32.const -44))))
  {KEEP}""")
    assert values_of(run(begin(engine, engine.load(code), params={"k": "v"}), "a")) == ["a"]


def test_the_system_is_there_and_does_nothing(
    engine: SmartEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    code = wat(
        f"""
(data (i32.const 64) "\\48\\00\\00\\00\\05\\00\\00\\00hello")
(func (export "_initialize")
  (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 80))))
(func (export "filter") (param $at i32) (param $length i32) (param $version i32) (result i32)
  {KEEP})
""",
        '(import "wasi_snapshot_preview1" "fd_write"'
        f" (func $write (param i32 i32 i32 i32) (result i32))) {HEAD}",
    )
    assert values_of(run(begin(engine, engine.load(code)), "a")) == ["a"]
    assert "hello" not in capfd.readouterr().out


# What is no SmartModule.


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (b"", "empty"),
        (b"plain text", "no WebAssembly"),
        (b"\0asm\1\0\0\0junk", ""),
        (gzip.compress(b"text"), "no WebAssembly"),
        (gzip.compress(b"x" * 100)[:-9], "cut short"),
        (b"\x1f\x8bjunk", "unpack"),
        (gzip.compress(bytes((64 << 20) + 1), 1), "more than"),
    ],
)
def test_what_is_no_module(engine: SmartEngine, code: bytes, said: str) -> None:
    assert said in refused_with(ErrorCode.SMART_MODULE_INVALID, lambda: engine.load(code))


FILTER = '(func (export "filter") (param i32 i32 i32) (result i32) (i32.const 0))'


@pytest.mark.parametrize(
    ("text", "head", "code", "said"),
    [
        ("", HEAD, ErrorCode.SMART_MODULE_INVALID_EXPORTS, "none of the functions"),
        (FILTER, "", ErrorCode.SMART_MODULE_INVALID_EXPORTS, "memory"),
        (FILTER, '(memory (export "memory") 1)', ErrorCode.SMART_MODULE_INVALID_EXPORTS, "alloc"),
        (
            FILTER,
            HEAD.replace("copy_records", "copy_others", 1),
            ErrorCode.SMART_MODULE_INVALID,
            "copy_others",
        ),
        (
            '(func (export "filter") (result i32) (i32.const 0))',
            HEAD,
            ErrorCode.SMART_MODULE_INVALID_EXPORTS,
            "position",
        ),
        (
            FILTER,
            '(memory (export "memory") 1)'
            '(func (export "alloc") (param i32) (result i32) (i32.const 9))',
            ErrorCode.SMART_MODULE_INVALID,
            "copy_records",
        ),
    ],
)
def test_what_is_no_smart_module(
    engine: SmartEngine, text: str, head: str, code: ErrorCode, said: str
) -> None:
    assert said in refused_with(code, lambda: engine.load(wat(text, head)))


def test_packed_code_is_the_same_module(engine: SmartEngine) -> None:
    code = wat(FILTER)
    assert engine.load(gzip.compress(code)) is engine.load(code)


# What a module may do, and does not get away with.

BAD = {
    "ran for more than": "(loop $again (br $again)) (i32.const 0)",
    "unreachable": "unreachable",
    "stack": "(call $deeper) (i32.const 0)",
    "no list of records": "(i32.store (i32.const 64) (i32.const -1))"
    " (call $copy_records (i32.const 64) (i32.const 4)) (i32.const 0)",
    "an output of 0 bytes": "(i32.const 0)",
    "is the most": "(call $copy_records (i32.const 0) (i32.const 0x7fffffff)) (i32.const 0)",
    "outside of its memory": "(call $copy_records (i32.const -8) (i32.const 16)) (i32.const 0)",
    "could not decode the records": "(i32.const -22)",
    "means nothing": "(i32.const -12345)",
}


@pytest.mark.parametrize("said", BAD)
def test_a_bad_module_ends_alone(engine: SmartEngine, load_c: LoadC, said: str) -> None:
    good = begin(engine, load_c(ODD))
    code = wat(
        f"""
(func $deeper (call $deeper) (call $deeper))
(func (export "filter") (param i32 i32 i32) (result i32) {BAD[said]})
"""
    )
    output = run(begin(engine, engine.load(code)), "1")
    error = output.error
    assert error is not None
    assert (error.is_fatal, error.offset, output.record_count) == (True, 100, 0)
    assert error.timed_out == (said == "ran for more than")
    (told,) = error.status.payload
    assert said in told.hint
    assert told.hint.startswith('SmartModule "m0", step 1: ')
    assert told.record_value == b"1"
    assert output.steps[0].failed
    assert values_of(run(good, "1", "2")) == ["1"]


def test_too_much_memory_has_a_code_of_its_own(engine: SmartEngine) -> None:
    greedy = body(
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
        " unreachable"
    )
    error = run(begin(engine, engine.load(greedy)), "1").error
    assert error is not None
    assert error.status.error is ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED
    large = wat(FILTER, HEAD.replace('"memory") 1', '"memory") 300'))
    refused_with(
        ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED, lambda: begin(engine, engine.load(large))
    )


def test_modules_of_a_chain_share_their_memory(engine: SmartEngine) -> None:
    ten_mebibytes = wat(FILTER, HEAD.replace('"memory") 1', '"memory") 160'))
    module = engine.load(ten_mebibytes)
    assert begin(engine, module) is not None
    refused_with(
        ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED, lambda: begin(engine, module, module)
    )


def test_chains_share_the_memory_of_the_process(compile_c: Any) -> None:
    engine = SmartEngine(memory_bytes_max=64 << 20, total_memory_bytes_max=100 << 20)
    grown = wat(FILTER, HEAD.replace('"memory") 1', '"memory") 640'))  # 40 MiB
    module, small = engine.load(grown), engine.load(compile_c(ODD))
    first, second = begin(engine, module), begin(engine, module)
    refused_with(ErrorCode.SMART_MODULE_MEMORY_LIMIT_EXCEEDED, lambda: begin(engine, module))
    assert values_of(run(begin(engine, small), "1", "2")) == ["1"], "small ones go on"
    second.close()
    third = begin(engine, module)
    del third  # without an end
    assert begin(engine, module) is not None
    first.close()
    engine.close()


def test_an_init_that_does_not_end(engine: SmartEngine) -> None:
    code = wat(
        FILTER
        + """
(func (export "init") (param i32 i32 i32) (result i32) (loop $again (br $again)) (i32.const 0))
"""
    )
    told = refused_with(ErrorCode.SMART_MODULE_INIT_ERROR, lambda: begin(engine, engine.load(code)))
    assert "ran for more than" in told


def test_what_a_module_gave_is_not_given_back(engine: SmartEngine) -> None:
    """Modules from Fluvio's kit end when they are told how much of a buffer they used."""
    code = wat(f"""
(func (export "dealloc") (param i32 i32) unreachable)
(func (export "filter") (param $at i32) (param $length i32) (param $version i32) (result i32)
  {KEEP})
""")
    chain = begin(engine, engine.load(code))
    assert values_of(run(chain, "a")) == ["a"]


LEAKING_FILTER = """
SM_FILTER(record) { __builtin_wasm_memory_grow(0, 16); return record->value.size == 1; }
"""
LEAKING_AGGREGATE = """
SM_AGGREGATE(accumulator, record, out) {
    __builtin_wasm_memory_grow(0, 16);
    sm_append(&out->value, accumulator);
    sm_append(&out->value, record->value);
    return SM_OK;
}
"""


@pytest.mark.parametrize("source", [LEAKING_FILTER, LEAKING_AGGREGATE], ids=["filter", "aggregate"])
def test_a_chain_that_grows_is_begun_anew_and_goes_on(
    engine: SmartEngine, load_c: LoadC, source: str
) -> None:
    """Modules made by Fluvio's kit grow with each call."""
    chain = begin(engine, load_c(source))
    most_bytes = 0
    for number in range(4 * MEMORY_BYTES_MAX >> 20):
        output = run(chain, "a")
        assert output.error is None
        assert values_of(output) == ["a" * (number + 1 if source == LEAKING_AGGREGATE else 1)]
        most_bytes = max(most_bytes, chain._store.used_bytes)
    assert MEMORY_BYTES_MAX // 2 <= most_bytes < MEMORY_BYTES_MAX


def test_an_instance_does_not_grow_with_its_calls(engine: SmartEngine, load_c: LoadC) -> None:
    chain = begin(engine, load_c(DOUBLE))
    run(chain, *(["7"] * 500))
    before = chain._store.used_bytes
    for _ in range(300):
        run(chain, *(["7"] * 500))
    assert chain._store.used_bytes == before


def test_fuel_is_counted_where_it_is_wanted(load_c: LoadC, compile_c: Any) -> None:
    engine = SmartEngine(with_fuel=True)
    chain = begin(engine, engine.load(compile_c(DOUBLE)))
    first, second = (run(chain, "7").steps[0].fuel for _ in range(2))
    assert 0 < second <= first
    engine.close()


def test_nothing_begins_after_the_end(load_c: LoadC, compile_c: Any) -> None:
    engine = SmartEngine()
    module = engine.load(compile_c(ODD))
    engine.close()
    refused_with(ErrorCode.SMART_MODULE_CHAIN_INIT_ERROR, lambda: begin(engine, module))
