"""Modules for the engine: hostile ones by hand in WAT, others in C; both ways to call them."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from fluvio_cli.smartmodules.compiler import compile_module
from fluvio_spu.smartengine import SmartEngine, SmartModule

REPOSITORY = Path(__file__).parents[2]
MEMORY_BYTES_MAX = 16 << 20


@pytest.fixture(params=["quick", "plain"])
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmartEngine]:
    """With a short patience and little memory; once for each way to call modules."""
    monkeypatch.setenv("FLUVIO_SMART_ENGINE_PLAIN", "1" if request.param == "plain" else "")
    engine = SmartEngine(call_ms_max=300, memory_bytes_max=MEMORY_BYTES_MAX)
    yield engine
    engine.close()


LoadC = Callable[[str], SmartModule]


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """`compile_c(source)` gives the code."""
    directory = tmp_path_factory.mktemp("modules")

    @cache
    def compiled(source: str) -> bytes:
        path = directory / "module.c"
        path.write_text(f'#include "fluvio_smartmodule.h"\n{source}', "utf-8")
        target = path.with_suffix(".wasm")
        assert compile_module(path, target, cache=REPOSITORY / "build" / "zig", flags=("-Werror",))
        return target.read_bytes()

    return compiled


@pytest.fixture
def load_c(engine: SmartEngine, compile_c: Callable[[str], bytes]) -> LoadC:
    """`load_c(source)` gives the module."""
    return lambda source: engine.load(compile_c(source))
