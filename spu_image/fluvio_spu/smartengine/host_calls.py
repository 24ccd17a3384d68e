"""Calls into a module and copies in and out of its memory, as quick as Python can make them.

A batch takes three calls and two copies. wasmtime's own objects spend about 25 us on a call, for
looking up types and converting values; `QuickCalls` hands raw values to the same C functions, with
the types checked once before. `PlainCalls` does the same through the public interface; it is used
where the raw functions are not as expected, or with FLUVIO_SMART_ENGINE_PLAIN=1.

The C functions are those of the versions of wasmtime that this package is pinned to.
"""

import ctypes
import os
from collections.abc import Sequence
from typing import Protocol

import wasmtime

_PLAIN_VARIABLE = "FLUVIO_SMART_ENGINE_PLAIN"
ARGUMENTS_MAX = 3


class HostCalls(Protocol):
    """Of one store. The functions that are called take and give i32 alone, at most three."""

    def call(self, function: wasmtime.Func, arguments: Sequence[int]) -> int:
        """The result, 0 without one. Raises wasmtime.Trap, WasmtimeError."""

    def size(self, memory: wasmtime.Memory) -> int:
        """Bytes."""

    def write(self, memory: wasmtime.Memory, position: int, content: bytes) -> None:
        """The caller has checked that it is within the memory."""

    def read(self, memory: wasmtime.Memory, position: int, size: int) -> bytes:
        """The caller has checked that it is within the memory."""


class PlainCalls:
    """Through the public interface."""

    def __init__(self, store: wasmtime.Store) -> None:
        self._store = store

    def call(self, function: wasmtime.Func, arguments: Sequence[int]) -> int:
        result = function(self._store, *arguments)
        return result if isinstance(result, int) else 0

    def size(self, memory: wasmtime.Memory) -> int:
        return memory.data_len(self._store)

    def write(self, memory: wasmtime.Memory, position: int, content: bytes) -> None:
        memory.write(self._store, content, position)

    def read(self, memory: wasmtime.Memory, position: int, size: int) -> bytes:
        return bytes(memory.read(self._store, position, position + size))


class QuickCalls:
    """Through the C functions below it."""

    def __init__(self, store: wasmtime.Store) -> None:
        bindings = wasmtime._bindings
        self._store = store  # whose end would end the context
        self._call = bindings._wasmtime_func_call_unchecked
        self._data = bindings._wasmtime_memory_data
        self._data_size = bindings._wasmtime_memory_data_size
        self._context = store._context()
        self._values = (bindings.wasmtime_val_raw_t * ARGUMENTS_MAX)()
        self._no_trap = ctypes.POINTER(bindings.wasm_trap_t)

    def call(self, function: wasmtime.Func, arguments: Sequence[int]) -> int:
        values = self._values
        values[0].i64 = 0
        for number, argument in enumerate(arguments):
            values[number].i32 = argument
        trap = self._no_trap()
        error = self._call(
            self._context,
            ctypes.byref(function._func),
            values,
            ARGUMENTS_MAX,
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        if trap:
            raise wasmtime.Trap._from_ptr(trap)
        result: int = values[0].i32
        return result

    def size(self, memory: wasmtime.Memory) -> int:
        size: int = self._data_size(self._context, ctypes.byref(memory._memory))
        return size

    def write(self, memory: wasmtime.Memory, position: int, content: bytes) -> None:
        ctypes.memmove(self._address(memory) + position, content, len(content))

    def read(self, memory: wasmtime.Memory, position: int, size: int) -> bytes:
        return ctypes.string_at(self._address(memory) + position, size)

    def _address(self, memory: wasmtime.Memory) -> int:
        """Of its first byte; a memory that grows may move."""
        data = self._data(self._context, ctypes.byref(memory._memory))
        return ctypes.addressof(data.contents)


def host_calls(store: wasmtime.Store) -> HostCalls:
    """The quicker ones that there are."""
    if not os.environ.get(_PLAIN_VARIABLE):
        try:
            return QuickCalls(store)
        except AttributeError:  # another version of wasmtime, whose insides are others
            pass
    return PlainCalls(store)
