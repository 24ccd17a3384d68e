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


def nature_of(code: bytes) -> wasm.Nature:
    """What a module is. Raises SmartModuleRefused for one that is no SmartModule.

    By its bytes, and before it is compiled: to ask wasmtime for the type of a function that takes a
    vector, or a reference of most kinds, ends the process.
    """
    try:
        return wasm.nature_of(wasm.read_interface(code))
    except wasm.UnfitCode as error:
        raise SmartModuleRefused(error.status()) from None


def smart_module(code_hash: bytes, code: wasmtime.Module, nature: wasm.Nature) -> SmartModule:
    """A module that was compiled."""
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
