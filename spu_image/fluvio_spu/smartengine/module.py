"""A compiled SmartModule: what it exports decides what it is. Source: protocol reference 8.1."""

from dataclasses import dataclass
from hashlib import sha256

import wasmtime

from fluvio_protocol import wasm
from fluvio_spu.smartengine.errors import SmartModuleRefused

KINDS = wasm.KINDS
"""The transforms, in the order in which they are looked for."""


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
    try:
        return wasm.unpacked(code)
    except wasm.UnfitCode as error:
        raise SmartModuleRefused(error.status()) from None


def hash_of(code: bytes) -> bytes:
    """What a module is known by."""
    return sha256(code).digest()


def inspected(code_hash: bytes, code: wasmtime.Module) -> SmartModule:
    """What a compiled module is. Raises SmartModuleRefused for one that is no SmartModule."""
    try:
        nature = wasm.nature_of(interface_of(code))
    except wasm.UnfitCode as error:
        raise SmartModuleRefused(error.status()) from None
    return SmartModule(
        code_hash,
        code,
        nature.kind,
        takes_version=nature.takes_version,
        has_init=nature.has_init,
        has_look_back=nature.has_look_back,
        has_dealloc=nature.has_dealloc,
        has_initialize=nature.has_initialize,
        needs_wasi=nature.needs_wasi,
    )


def interface_of(code: wasmtime.Module) -> wasm.Interface:
    """What a compiled module imports and exports."""
    return wasm.Interface(
        imports=tuple(
            wasm.Import(one.module, one.name or "", _extern(one.type)) for one in code.imports
        ),
        exports={one.name: _extern(one.type) for one in code.exports},
    )


def _extern(kind: object) -> wasm.Extern:
    match kind:
        case wasmtime.FuncType():
            i32 = wasmtime.ValType.i32()
            are_i32 = all(one == i32 for one in (*kind.params, *kind.results))
            shape = (len(kind.params), len(kind.results)) if are_i32 else None
            return wasm.Extern(wasm.ExternKind.FUNCTION, shape)
        case wasmtime.MemoryType():
            return wasm.Extern(wasm.ExternKind.MEMORY)
        case wasmtime.TableType():
            return wasm.Extern(wasm.ExternKind.TABLE)
        case wasmtime.GlobalType():
            return wasm.Extern(wasm.ExternKind.GLOBAL)
        case _:
            return wasm.Extern(wasm.ExternKind.TAG)
