"""`fluvio smartmodule create` looks at code: it warns, and with `--strict` refuses."""

import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from fluvio_cli.commands.smartmodule import _look_at
from fluvio_client.errors import SmartModuleError
from fluvio_protocol.errors import ErrorCode

MODULE = """
(module
  (import "env" "copy_records" (func (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) i32.const 0)
  (func $f (param i32 i32 i32) (result i32) i32.const 0)
  {exports})
"""


def module(*names: str) -> bytes:
    exports = " ".join(f'(export "{name}" (func $f))' for name in names)
    return bytes(wasmtime.wat2wasm(MODULE.format(exports=exports)))


def test_what_no_spu_could_run(local_cluster: Any, tmp_path: Path) -> None:
    name, path = f"unfit-{uuid.uuid4()}", tmp_path / "unfit.wasm"
    path.write_bytes(b"")
    words = ("smartmodule", "create", name, "--wasm-file", str(path))
    refused = local_cluster.fluvio(*words, "--strict", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "it is empty" in refused.stderr
    assert name not in local_cluster.fluvio("smartmodule", "list").stdout
    made = local_cluster.fluvio(*words)
    assert made.stdout == f'smartmodule "{name}" has been created.\n'
    assert made.stderr == "warning: no SPU can run it: it is empty\n"
    local_cluster.fluvio("smartmodule", "delete", name)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (module("filter"), "kind: filter\n"),
        (module("map", "init"), "kind: map with init\n"),
        (module("aggregate", "look_back", "init"), "kind: aggregate with init and look_back\n"),
        (
            module("map", "filter"),
            "warning: it runs as filter; map: never called\nkind: filter\n",
        ),
    ],
)
def test_a_terminal_is_told_what_was_found(
    code: bytes, told: str, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _look_at("m", code, strict=True)
    assert capsys.readouterr() == ("", told)


def test_others_are_told_nothing_of_good_modules(capsys: Any) -> None:
    _look_at("m", module("filter"), strict=True)
    assert capsys.readouterr() == ("", "")


def test_a_refusal_has_the_number_that_an_spu_would_answer() -> None:
    for code, expected in (
        (b"", ErrorCode.SMART_MODULE_INVALID),
        (module("none"), ErrorCode.SMART_MODULE_INVALID_EXPORTS),
    ):
        with pytest.raises(SmartModuleError) as caught:
            _look_at("m", code, strict=True)
        assert caught.value.error_code is expected
