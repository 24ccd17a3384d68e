"""Compiled modules are kept, and what else lies in the folder is not run."""

import os
import stat
from pathlib import Path

import pytest
import wasmtime

from fluvio_spu.smartengine import SmartEngine, SmartModule
from fluvio_spu.smartengine import module_cache as module_cache_module

CODE = bytes(
    wasmtime.wat2wasm("""
(module
  (import "env" "copy_records" (func (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "filter") (param i32 i32 i32) (result i32) (i32.const 0)))
""")
)


def load(directory: Path | None) -> SmartModule:
    engine = SmartEngine(cache_directory=None if directory is None else str(directory))
    module = engine.load(CODE)
    engine.close()
    return module


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Hashes of what was compiled."""
    found: list[bytes] = []
    original = module_cache_module.ModuleCache._compile

    def compile_it(self: object, code_hash: bytes, code: bytes) -> wasmtime.Module:
        found.append(code_hash)
        return original(self, code_hash, code)  # type: ignore[arg-type]

    monkeypatch.setattr(module_cache_module.ModuleCache, "_compile", compile_it)
    return found


def test_the_next_process_need_not_compile(tmp_path: Path, compiled: list[bytes]) -> None:
    directory = tmp_path / "cache"
    first = load(directory)
    assert compiled == [first.hash]
    assert load(directory).hash == first.hash
    assert len(compiled) == 1
    (file,) = directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_broken_file_is_made_anew(tmp_path: Path, compiled: list[bytes]) -> None:
    load(tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"broken")
    load(tmp_path / "cache")
    assert len(compiled) == 2
    load(tmp_path / "cache")
    assert len(compiled) == 2


def test_where_others_may_write_nothing_is_taken(tmp_path: Path, compiled: list[bytes]) -> None:
    load(tmp_path / "cache")
    os.chmod(tmp_path / "cache", 0o777)
    load(tmp_path / "cache")
    assert len(compiled) == 2


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(
    tmp_path: Path, compiled: list[bytes]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert load(tmp_path / "file" / "cache").kind == "filter"
    assert load(None).kind == "filter"


def test_old_files_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_cache_module, "FILES_MAX", 3)
    for number in range(5):
        (tmp_path / f"old{number}").write_bytes(b"")
        os.utime(tmp_path / f"old{number}", (number, number))
    tmp_path.chmod(0o700)
    load(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[-2:] == ["old3", "old4"]
    assert len(names) == 3
