"""What all modules of a process share: the compiler, its cache, and the clock that ends long calls.

wasmtime asks, at every loop and call of a module, whether an epoch has passed that the host set
before. A thread moves the epoch on while calls run, and sleeps a second after the last one.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import wasmtime

from fluvio_spu.smartengine.errors import chain_refused
from fluvio_spu.smartengine.memory_budget import MemoryBudget
from fluvio_spu.smartengine.module import SmartModule
from fluvio_spu.smartengine.module_cache import ModuleCache

TICK_MS = 10
IDLE_TICKS_MAX = 100
MEMORY_BYTES_MAX = 1 << 30
TOTAL_MEMORY_BYTES_MAX = 2 << 30
CALL_MS_MAX = 5_000
STACK_BYTES_MAX = 512 << 10


class SmartEngine:
    """One for a process.

    cache_directory:  compiled modules are kept there; None: in memory alone
    memory_bytes_max: of all modules of one chain together
    total_memory_bytes_max: of all chains of the process together, but for small ones
    call_ms_max:      how long one call may take
    with_fuel:        count the instructions that modules run; slows them down
    """

    def __init__(
        self,
        *,
        cache_directory: str | None = None,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        total_memory_bytes_max: int = TOTAL_MEMORY_BYTES_MAX,
        call_ms_max: int = CALL_MS_MAX,
        with_fuel: bool = False,
    ) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.consume_fuel = with_fuel
        config.max_wasm_stack = STACK_BYTES_MAX
        self.engine = wasmtime.Engine(config)
        self.memory_bytes_max = memory_bytes_max
        self.memory_budget = MemoryBudget(total_memory_bytes_max)
        self.with_fuel = with_fuel
        self.call_ticks_max = max(1, -(-call_ms_max // TICK_MS)) + 1
        self.call_ms_max = call_ms_max
        self.linker = wasmtime.Linker(self.engine)
        self.linker.define_wasi()
        self._cache = ModuleCache(self.engine, cache_directory)
        self._own: dict[str, wasmtime.Module] = {}
        self._running = 0
        self._closed = False
        self._is_asleep = False
        self._changed = threading.Condition()
        self._clock: threading.Thread | None = None

    def load(self, code: bytes) -> SmartModule:
        """The module of some code, WebAssembly or gzip of it; compiled if nobody did before.

        Raises SmartModuleRefused: 6002 when it is invalid, 6003 when it exports the wrong things.
        """
        return self._cache.get(code)

    def load_own(self, text: str) -> wasmtime.Module:
        """A module of this package's own, of its text; compiled once."""
        with self._changed:
            found = self._own.get(text)
            if found is None:
                found = self._own[text] = wasmtime.Module(self.engine, text)
            return found

    @contextmanager
    def clock_running(self) -> Iterator[None]:
        """While calls run. Raises SmartModuleRefused once the engine is closed."""
        with self._changed:
            if self._closed:
                raise chain_refused("the SPU stops")
            self._running += 1
            if self._clock is None:
                self._clock = threading.Thread(
                    target=self._run_clock, name="smart-engine-clock", daemon=True
                )
                self._clock.start()
            elif self._is_asleep:
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1

    def close(self) -> None:
        """No call begins any more, and those that run are ended. Waits for them."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._clock is not None:
            self._clock.join()

    def _run_clock(self) -> None:
        """It goes on for a while after the last call: waking a thread takes longer than most do."""
        idle_ticks = 0
        while True:
            with self._changed:
                idle_ticks = 0 if self._running else idle_ticks + 1
                if idle_ticks > IDLE_TICKS_MAX and not self._closed:
                    self._is_asleep = True
                    self._changed.wait_for(lambda: self._running or self._closed)
                    self._is_asleep = False
                if self._closed and not self._running:
                    return
                is_closed = self._closed
            if not is_closed:  # else the time of all calls runs out at once
                time.sleep(TICK_MS / 1000)
            self.engine.increment_epoch()
