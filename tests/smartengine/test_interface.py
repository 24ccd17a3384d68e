"""Code that is only looked at is seen as wasmtime sees what it has compiled."""

from functools import cache
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.wasm import Extern, ExternKind, Interface, UnfitCode, read_interface
from fluvio_spu.smartengine import SmartEngine, SmartModuleRefused

MODULES = sorted((Path(__file__).parents[1] / "spu" / "modules").glob("*.wat"))
FEATURES = ("wasm_function_references", "wasm_gc", "wasm_exceptions", "wasm_memory64")
ENDS_THE_PROCESS = ("v128", "anyref", "exnref", "(ref null $nothing)")
"""Types of parameters that wasmtime's interface for C cannot describe."""

EVERYTHING = """
(module
  (type $nothing (func))
  (rec
    (type $a (struct (field i8) (field (mut i16)) (field (ref null $b))))
    (type $b (array (mut i64))))
  (type $parent (sub (struct)))
  (type $child (sub final $parent (struct (field i32))))
  (type (func (param i32 f32 v128 externref (ref $nothing)) (result i32 i64)))
  (import "a" "table" (table 1 2 funcref))
  (import "a" "memory" (memory i64 1 5))
  (import "a" "global" (global (mut (ref null func))))
  (import "a" "tag" (tag (param i32)))
  (import "env" "copy_records" (func $imported (param i32 i32)))
  (memory (export "memory") 1)
  (func (param i64))
  (func (export "alloc") (param i32) (result i32) i32.const 0)
  (func (export "other numbers") (param i64) (result i32) i32.const 0)
  (func (export "nothing") (type $nothing))
  (table (export "table") 1 funcref)
  (global (export "global") i32 (i32.const 1))
  (tag (export "tag") (param i32))
  (export "\\00\\e2\\82\\ac" (func $imported)))
"""

TAKES = """
(module
  (type $nothing (func))
  (import "env" "copy_records" (func (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param {type}) (result i32) i32.const 0)
  (func (export "filter") (param i32 i32 i32) (result i32) i32.const 0))
"""


@cache
def compiler() -> wasmtime.Engine:
    config = wasmtime.Config()
    for feature in FEATURES:
        setattr(config, feature, True)
    return wasmtime.Engine(config)


@cache
def code_of(path: Path) -> bytes:
    return bytes(wasmtime.wat2wasm(path.read_text()))


def seen_by_wasmtime(code: wasmtime.Module, read: Interface) -> Interface:
    """What wasmtime says of a module. It is not asked of the types that were `read` as others than
    i32: if they are what they were read as, the question may end the process."""

    def extern(kind: object, read: Extern | None) -> Extern:
        match kind:
            case wasmtime.FuncType():
                shape = None
                if read is not None and read.shape is not None:
                    i32 = wasmtime.ValType.i32()
                    assert all(one == i32 for one in (*kind.params, *kind.results))
                    shape = len(kind.params), len(kind.results)
                return Extern(ExternKind.FUNCTION, shape)
            case wasmtime.MemoryType():
                return Extern(ExternKind.MEMORY)
            case wasmtime.TableType():
                return Extern(ExternKind.TABLE)
            case wasmtime.GlobalType():
                return Extern(ExternKind.GLOBAL)
            case _:
                assert isinstance(kind, wasmtime.TagType)
                return Extern(ExternKind.TAG)

    imports = [(one.module, one.name, one.type) for one in code.imports]
    assert [one[:2] for one in imports] == [(one.module, one.name) for one in read.imports]
    return Interface(
        imports=tuple(
            type(also)(also.module, also.name, extern(kind, also.extern))
            for (_, _, kind), also in zip(imports, read.imports, strict=True)
        ),
        exports={one.name: extern(one.type, read.exports.get(one.name)) for one in code.exports},
    )


def test_whatever_a_module_may_import_and_export() -> None:
    code = bytes(wasmtime.wat2wasm(EVERYTHING))
    read = read_interface(code)
    assert seen_by_wasmtime(wasmtime.Module(compiler(), code), read) == read
    assert len(read.imports) == 5
    assert {name: one.shape for name, one in read.exports.items()} == {
        "memory": None,
        "alloc": (1, 1),
        "other numbers": None,
        "nothing": (0, 0),
        "table": None,
        "global": None,
        "tag": None,
        "\0€": (2, 0),
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_modules_are_read_as_wasmtime_reads_them(path: Path) -> None:
    code = code_of(path)
    read = read_interface(code)
    assert seen_by_wasmtime(wasmtime.Module(compiler(), code), read) == read


@settings(max_examples=300)
@given(st.data())
def test_what_the_engine_takes_is_seen_alike(data: st.DataObject) -> None:
    """A damaged module may pass a look and not the compiler, and never the other way round."""
    code = bytearray(code_of(data.draw(st.sampled_from(MODULES))))
    # What bodies of functions hold is not looked at: the head is where readers can differ.
    for _ in range(data.draw(st.integers(1, 3))):
        code[data.draw(st.integers(8, min(len(code) - 1, 140)))] = data.draw(st.integers(0, 255))
    try:
        compiled = wasmtime.Module(compiler(), bytes(code))
    except wasmtime.WasmtimeError:
        return
    read = read_interface(bytes(code))
    assert seen_by_wasmtime(compiled, read) == read


@pytest.mark.parametrize("type_", ENDS_THE_PROCESS)
def test_types_that_wasmtime_cannot_describe_are_refused(engine: SmartEngine, type_: str) -> None:
    code = bytes(wasmtime.wat2wasm(TAKES.format(type=type_)))
    with pytest.raises(SmartModuleRefused) as caught:
        engine.load(code)
    assert caught.value.status.error is ErrorCode.SMART_MODULE_INVALID_EXPORTS


def test_damaged_modules_are_refused_in_time(engine: SmartEngine) -> None:
    code = code_of(MODULES[0])
    with pytest.raises(UnfitCode):
        read_interface(code[:-1])
    with pytest.raises(SmartModuleRefused) as caught:
        engine.load(code[:-1])
    assert caught.value.status.error is ErrorCode.SMART_MODULE_INVALID
