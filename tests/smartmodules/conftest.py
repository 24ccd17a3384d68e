"""The wasm host and the twins are modules beside the tests; C is compiled once per text."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fluvio_cli.smartmodules.compiler import compile_module

REPOSITORY = Path(__file__).parents[2]
CompileC = Callable[[str], bytes]


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> CompileC:
    """`compile_c(source)` gives the code; warnings are errors."""
    directory = tmp_path_factory.mktemp("modules")

    @cache
    def compiled(source: str) -> bytes:
        path = directory / "module.c"
        path.write_text(f'#include "fluvio_smartmodule.h"\n{source}', "utf-8")
        target = path.with_suffix(".wasm")
        assert compile_module(path, target, cache=REPOSITORY / "build" / "zig", flags=("-Werror",))
        return target.read_bytes()

    return compiled
