"""Code that is only looked at is seen as the engine sees what it has compiled."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from fluvio_protocol.wasm import UnfitCode, examined, read_interface
from fluvio_spu.smartengine.errors import SmartModuleRefused
from fluvio_spu.smartengine.module import inspected, interface_of

MODULES = sorted((Path(__file__).parents[1] / "spu" / "modules").glob("*.wat"))
FEATURES = ("wasm_function_references", "wasm_gc", "wasm_exceptions", "wasm_memory64")

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


@cache
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for feature in FEATURES:
        setattr(config, feature, True)
    return wasmtime.Engine(config)


@cache
def code_of(path: Path) -> bytes:
    return bytes(wasmtime.wat2wasm(path.read_text()))


def refusal_of(judge: Callable[[], object]) -> object:
    """None when it is taken."""
    try:
        judge()
    except UnfitCode as error:
        return error.status()
    except SmartModuleRefused as error:
        return error.status
    return None


def test_whatever_a_module_may_import_and_export() -> None:
    code = bytes(wasmtime.wat2wasm(EVERYTHING))
    interface = read_interface(code)
    assert interface == interface_of(wasmtime.Module(engine(), code))
    assert len(interface.imports) == 5
    assert len(interface.exports) == 8


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_engine_refuses_what_was_refused_before(path: Path) -> None:
    code = code_of(path)
    compiled = wasmtime.Module(engine(), code)
    assert read_interface(code) == interface_of(compiled)
    assert refusal_of(lambda: examined(code)) == refusal_of(lambda: inspected(b"", compiled))


@settings(max_examples=300)
@given(st.data())
def test_what_the_engine_takes_is_seen_alike(data: st.DataObject) -> None:
    """A damaged module may pass a look and not the compiler, and never the other way round."""
    code = bytearray(code_of(data.draw(st.sampled_from(MODULES))))
    # What bodies of functions hold is not looked at: the head is where readers can differ.
    for _ in range(data.draw(st.integers(1, 3))):
        code[data.draw(st.integers(8, min(len(code) - 1, 140)))] = data.draw(st.integers(0, 255))
    try:
        compiled = wasmtime.Module(engine(), bytes(code))
    except wasmtime.WasmtimeError:
        refusal_of(lambda: read_interface(bytes(code)))
    else:
        assert read_interface(bytes(code)) == interface_of(compiled)
