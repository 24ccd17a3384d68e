"""Modules for the engine: hostile ones by hand in WAT, others in C; both ways to call them."""

from collections.abc import Callable, Iterator

import pytest

from fluvio_spu.smartengine import SmartEngine, SmartModule

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


@pytest.fixture
def load_c(engine: SmartEngine, compile_c: Callable[[str], bytes]) -> LoadC:
    """`load_c(source)` gives the module."""
    return lambda source: engine.load(compile_c(source))
