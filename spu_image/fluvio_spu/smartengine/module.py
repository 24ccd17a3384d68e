"""A compiled SmartModule: what it exports decides what it is. Source: protocol reference 8.1."""

import zlib
from dataclasses import dataclass
from hashlib import sha256

import wasmtime

from fluvio_protocol.api.error_code import SmartModuleErrorKind
from fluvio_spu.smartengine.errors import invalid, wrong_exports

CODE_BYTES_MAX = 64 << 20
"""Unpacked."""

KINDS = {
    "filter": SmartModuleErrorKind.FILTER,
    "map": SmartModuleErrorKind.MAP,
    "filter_map": SmartModuleErrorKind.FILTER_MAP,
    "array_map": SmartModuleErrorKind.ARRAY_MAP,
    "aggregate": SmartModuleErrorKind.AGGREGATE,
}
"""The transforms, in the order in which they are looked for."""

COPY_RECORDS = "copy_records"
WASI_MODULE = "wasi_snapshot_preview1"
INITIALIZE = "_initialize"

_MAGIC = b"\0asm"
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31


@dataclass(frozen=True, slots=True, eq=False)
class SmartModule:
    """A module that can be run.

    hash:           SHA-256 of its code, unpacked
    kind:           name of the transform that it exports
    takes_version:  modules of old releases do not: they read the oldest input alone
    has_init, has_look_back, has_dealloc: what else it exports
    needs_wasi:     it imports functions of the system, of which it gets none that does anything
    """

    hash: bytes
    code: wasmtime.Module
    kind: str
    takes_version: bool
    has_init: bool
    has_look_back: bool
    has_dealloc: bool
    has_initialize: bool
    needs_wasi: bool

    @property
    def is_aggregate(self) -> bool:
        """Whether it takes an accumulator and gives another."""
        return self.kind == "aggregate"


def unpacked(code: bytes) -> bytes:
    """Plain WebAssembly of what may be gzip. Raises SmartModuleRefused."""
    if code.startswith(_GZIP):
        unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
        try:
            code = unpacker.decompress(code, CODE_BYTES_MAX + 1)
        except zlib.error as error:
            raise invalid(f"it does not unpack: {error}") from None
        if len(code) > CODE_BYTES_MAX:
            raise invalid(f"it unpacks to more than {CODE_BYTES_MAX} bytes")
        if not unpacker.eof:
            raise invalid("it is cut short")
    if not code.startswith(_MAGIC):
        raise invalid("this is no WebAssembly" if code else "it is empty")
    return code


def hash_of(code: bytes) -> bytes:
    """What a module is known by."""
    return sha256(code).digest()


def inspected(code_hash: bytes, code: wasmtime.Module) -> SmartModule:
    """What a compiled module is. Raises SmartModuleRefused for one that is no SmartModule."""
    exports = {one.name: one.type for one in code.exports}
    if not isinstance(exports.get("memory"), wasmtime.MemoryType):
        raise wrong_exports('it exports no memory named "memory"')
    if _shape(exports.get("alloc")) != (1, 1):
        raise wrong_exports('it exports no function "alloc" that takes and gives one i32')
    kind = next((one for one in KINDS if one in exports), None)
    if kind is None:
        names = ", ".join(KINDS)
        raise wrong_exports(f"it exports none of the functions {names}")
    shapes = {
        name: _shape(exports[name]) for name in (kind, "init", "look_back") if name in exports
    }
    for name, shape in shapes.items():
        if shape not in ((3, 1), (2, 1)):
            raise wrong_exports(f'its function "{name}" does not take position, length and version')
    if len(set(shapes.values())) > 1:
        raise wrong_exports("some of its functions take a version and others do not")
    needs_wasi = _check_imports(code)
    return SmartModule(
        code_hash,
        code,
        kind,
        takes_version=shapes[kind] == (3, 1),
        has_init="init" in exports,
        has_look_back="look_back" in exports,
        has_dealloc=_shape(exports.get("dealloc")) == (2, 0),
        has_initialize=_shape(exports.get(INITIALIZE)) == (0, 0),
        needs_wasi=needs_wasi,
    )


def _check_imports(code: wasmtime.Module) -> bool:
    """Whether it needs WASI. Raises SmartModuleRefused for what nobody gives it."""
    has_copy_records = needs_wasi = False
    for one in code.imports:
        if one.name == COPY_RECORDS:
            if _shape(one.type) != (2, 0):
                raise invalid("it imports a copy_records that does not take position and length")
            has_copy_records = True
        elif one.module == WASI_MODULE:
            needs_wasi = True
        else:
            raise invalid(f'it imports "{one.module}.{one.name}", which there is not')
    if not has_copy_records:
        raise invalid("it does not import copy_records, so nothing can come out of it")
    return needs_wasi


def _shape(kind: object) -> tuple[int, int] | None:
    """How many numbers a function takes and gives; None for anything else than i32."""
    if not isinstance(kind, wasmtime.FuncType):
        return None
    i32 = wasmtime.ValType.i32()
    if any(one != i32 for one in (*kind.params, *kind.results)):
        return None
    return len(kind.params), len(kind.results)
