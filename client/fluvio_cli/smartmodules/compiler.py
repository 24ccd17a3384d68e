"""From C to WebAssembly, through the compiler in the package `ziglang`.

Called by `fluvio smartmodule build` and by `make smartmodules`. The target has no operating system
and no C library: a first compilation then takes 0.4 seconds where WASI's takes 40, for its library
is compiled first, and modules are no larger. The same source gives the same bytes, wherever and
whenever it is compiled.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from fluvio_cli.failure import Failure
from fluvio_cli.smartmodules.sources import source_directory

FLAGS = (
    *("-target", "wasm32-freestanding", "-nostdlib", "-std=c11", "-Os", "-s", "-Wall", "-Wextra"),
    *("-Wl,--no-entry", "-Wl,-z,stack-size=65536"),
)
"""What every module is compiled with; 64 KiB of stack, so that an instance begins small."""
CACHE_VARIABLES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
COMPILE_TIMEOUT_S = 300


def compile_module(
    source: Path, target: Path, *, cache: Path | None = None, flags: tuple[str, ...] = ()
) -> bool:
    """Compile one file; what the compiler says goes to standard error as it is.

    cache:   the compiler's own files; None: what its variables say, or the user's cache folder.
    flags:   more words for the compiler.
    Returns: whether it compiled; when it did not, `target` is as it was.
    Raises:  Failure when the compiler is not installed, or does not end.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise Failure(
            'Compiling needs the Python package "ziglang", which is not installed: '
            "pip install ziglang"
        )
    part = target.with_name(f".{target.name}.{os.getpid()}")
    command = [
        *(sys.executable, "-m", "ziglang", "cc", *FLAGS, *flags),
        *("-I", str(source_directory() / "sdk"), "-o", str(part), str(source)),
    ]
    try:
        result = subprocess.run(
            command, env=_environment(cache), timeout=COMPILE_TIMEOUT_S, check=False
        )
        if result.returncode == 0:
            part.replace(target)
        return result.returncode == 0
    except subprocess.TimeoutExpired:
        raise Failure(f"{source}: the compiler did not end in {COMPILE_TIMEOUT_S} s") from None
    finally:
        part.unlink(missing_ok=True)


def _environment(cache: Path | None) -> dict[str, str]:
    """Ours, with folders for the compiler's files that are not where the user stands."""
    default = cache or _user_cache()
    added = {name: str(default) for name in CACHE_VARIABLES if cache or not os.environ.get(name)}
    return {**os.environ, **added}


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fluvio" / "zig"
