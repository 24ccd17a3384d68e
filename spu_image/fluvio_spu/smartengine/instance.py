"""One instance of a module in the store of its chain: bytes in, a code and bytes out.

A call, as protocol reference 8.2 has it:

    position = alloc(length)      the module's; it frees what it was given by itself
    copy the input there
    code = f(position, length, version)
        within it: copy_records(position, length), which only notes where the output is
    copy the output

Nobody calls `dealloc`: it has to be told how large the buffer was, and only how much of it was used
is known. Modules from Fluvio's own kit end when they are told that.

`copy_records` is a function of a tiny module of ours and not of Python's: a call out of
WebAssembly into Python costs more than a small batch does.
"""

import wasmtime
from wasmtime._instance import InstanceExports

from fluvio_protocol.wasm.fitness import COPY_RECORDS, INITIALIZE, WASI_MODULE
from fluvio_spu.smartengine.engine import SmartEngine
from fluvio_spu.smartengine.errors import (
    GuestFailed,
    SmartModuleRefused,
    chain_refused,
    memory_status,
)
from fluvio_spu.smartengine.host_calls import HostCalls, host_calls
from fluvio_spu.smartengine.memory_budget import MemoryShare
from fluvio_spu.smartengine.module import SmartModule
from fluvio_spu.smartengine.record_check import NO_RECORDS, RecordCheck

OUTPUT_BYTES_MAX = 64 << 20
"""What one call may give."""
FUEL = 1 << 62
INSTANCES_MAX = 256
TABLE_ELEMENTS_MAX = 1 << 20

_NOTE_WAT = """
(module
  (memory (export "note") 1 1)
  (func (export "copy_records") (param i32 i32)
    (i32.store (i32.const 0) (local.get 0))
    (i32.store (i32.const 4) (local.get 1))
    (i32.store (i32.const 8) (i32.const 1))))
"""
"""Where the output is, how long, and whether anything was said."""
_NOTE_SIZE = 12
_NOTHING = bytes(_NOTE_SIZE)


class ChainStore:
    """The store that the instances of a chain share, and how much memory they have left.

    bytes_max:  of all memories: the chain's limit, or less where others use nearly all there is
    used_bytes: of all memories, since the last call ended
    """

    def __init__(self, engine: SmartEngine) -> None:
        self.engine = engine
        self.store = wasmtime.Store(engine.engine)
        self.calls: HostCalls = host_calls(self.store)
        self.memories: list[wasmtime.Memory] = []
        self.bytes_max = engine.memory_bytes_max
        self._share = MemoryShare(engine.memory_budget)
        self.used_bytes = 0
        self._limited_to = -1
        self.store.set_wasi(wasmtime.WasiConfig())  # no files, no arguments, output to nowhere
        if engine.with_fuel:
            self.store.set_fuel(FUEL)

    def prepare(self, growing: wasmtime.Memory | None = None) -> None:
        """Before a call: a deadline, and what that memory may grow to."""
        engine = self.engine
        self.store.set_epoch_deadline(engine.call_ticks_max)
        self.bytes_max = self._share.may_use(engine.memory_bytes_max)
        others = 0
        if len(self.memories) > 1 or growing is None:
            others = self.used_bytes - (0 if growing is None else self.calls.size(growing))
        limit = max(0, self.bytes_max - others)
        if limit != self._limited_to:
            self._limited_to = limit
            self.store.set_limits(
                memory_size=limit,
                table_elements=TABLE_ELEMENTS_MAX,
                instances=INSTANCES_MAX,
                memories=INSTANCES_MAX,
                tables=INSTANCES_MAX,
            )

    def note_memory(self) -> None:
        """After a call, which alone may have made memory grow: what is used now."""
        self.used_bytes = sum(map(self.calls.size, self.memories))
        self._share.use(self.used_bytes)

    def fuel_used(self) -> int:
        """Since this was last asked; 0 where none is counted."""
        if not self.engine.with_fuel:
            return 0
        used = FUEL - self.store.get_fuel()
        self.store.set_fuel(FUEL)
        return used

    def is_short_of_memory(self, memory: wasmtime.Memory) -> bool:
        """Whether the half that is left of what it may have was too little, most likely."""
        return self.calls.size(memory) * 2 >= self._limited_to

    def close(self) -> None:
        """Give everything back."""
        self.store.close()
        self._share.use(0)


class Instance:
    """See the module. Raises SmartModuleRefused when it cannot be made.

    name:         for messages
    records_size: bytes of the records in what its transform gave last, see `RecordCheck`
    """

    def __init__(self, chain: ChainStore, module: SmartModule, name: str) -> None:
        self._chain = chain
        self._calls = chain.calls
        self.module = module
        self.name = name
        self.records_size = NO_RECORDS
        try:
            own = wasmtime.Instance(chain.store, chain.engine.load_own(_NOTE_WAT), [])
            found = own.exports(chain.store)
            self._note = _memory(found, "note")
            chain.prepare()
            with chain.engine.clock_running():
                made = self._instantiate(_function(found, COPY_RECORDS))
                exports = made.exports(chain.store)
                self.memory = _memory(exports, "memory")
                chain.memories.append(self.memory)
                self._check = RecordCheck(chain.engine, chain.store, chain.calls, self.memory)
                if module.has_initialize:
                    chain.prepare(self.memory)
                    chain.calls.call(_function(exports, INITIALIZE), ())
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise self._refused(error) from None
        names = ["alloc", module.kind]
        for name, has_it in (
            ("init", module.has_init),
            ("look_back", module.has_look_back),
        ):
            if has_it:
                names.append(name)
        self._functions = {name: _function(exports, name) for name in names}
        chain.note_memory()

    def call(self, name: str, content: bytes, version: int) -> tuple[int, bytes]:
        """Call an export with bytes: its code, and what it gave. Raises GuestFailed."""
        try:
            return self._call(name, content, version)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise self._failed(error) from None
        finally:
            self._chain.note_memory()

    def _call(self, name: str, content: bytes, version: int) -> tuple[int, bytes]:
        calls, functions, memory = self._calls, self._functions, self.memory
        self._chain.prepare(memory)
        size = len(content)
        position = calls.call(functions["alloc"], (size,)) & 0xFFFF_FFFF
        if not position or position + size > calls.size(memory):
            raise GuestFailed(
                f"it has no room for {size} bytes", out_of_memory=size > 0 and not position
            )
        calls.write(memory, position, content)
        calls.write(self._note, 0, _NOTHING)
        arguments = (position, size, version) if self.module.takes_version else (position, size)
        code = calls.call(functions[name], arguments)
        return code, self._output(is_transform=name == self.module.kind)

    def _output(self, *, is_transform: bool) -> bytes:
        calls, memory = self._calls, self.memory
        note = calls.read(self._note, 0, _NOTE_SIZE)
        if note == _NOTHING:
            return b""
        position = int.from_bytes(note[:4], "little")
        size = int.from_bytes(note[4:8], "little")
        if size > OUTPUT_BYTES_MAX:
            raise GuestFailed(f"it gave {size} bytes, {OUTPUT_BYTES_MAX} is the most")
        if position + size > calls.size(memory):
            raise GuestFailed(f"it gave {size} bytes at {position}, outside of its memory")
        output = calls.read(memory, position, size)
        if is_transform:
            self.records_size = self._check.records_size(position, size)
        return output

    def _instantiate(self, copy_records: wasmtime.Func) -> wasmtime.Instance:
        chain, code = self._chain, self.module.code
        given: list[wasmtime.Func] = []
        for one in code.imports:
            if one.name == COPY_RECORDS:
                given.append(copy_records)
            else:
                found = chain.engine.linker.get(chain.store, WASI_MODULE, str(one.name))
                assert isinstance(found, wasmtime.Func)
                given.append(found)
        return wasmtime.Instance(chain.store, code, given)

    def _refused(self, error: Exception) -> SmartModuleRefused:
        text = _first_line(error)
        if "memory" in text and "limit" in text:
            limit = self._chain.bytes_max
            return SmartModuleRefused(memory_status(limit + 1, limit))
        return chain_refused(f'SmartModule "{self.name}": {text}')

    def _failed(self, error: Exception) -> GuestFailed:
        if isinstance(error, wasmtime.Trap) and error.trap_code is wasmtime.TrapCode.INTERRUPT:
            return GuestFailed(
                f"it ran for more than {self._chain.engine.call_ms_max} ms", timed_out=True
            )
        short = self._chain.is_short_of_memory(self.memory)
        return GuestFailed(f"it ended: {_first_line(error)}", out_of_memory=short)


def _function(exports: InstanceExports, name: str) -> wasmtime.Func:
    found = exports[name]
    assert isinstance(found, wasmtime.Func)
    return found


def _memory(exports: InstanceExports, name: str) -> wasmtime.Memory:
    found = exports[name]
    assert isinstance(found, wasmtime.Memory)
    return found


def _first_line(error: Exception) -> str:
    """The cause; what is before it names places in the module, which say little to most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("1:", "2:", "wasm trap:"))]
    text = causes[-1] if causes else lines[0] if lines else type(error).__name__
    return text.partition(": ")[2] if text[:2] in ("1:", "2:") else text
