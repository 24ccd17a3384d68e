"""`fluvio smartmodule test`: what comes out, what failed, golden files, traps, and exit codes."""

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.main import run
from fluvio_cli.smartmodules.compiler import compile_module

REPOSITORY = Path(__file__).parents[2]
ODD = (REPOSITORY / "tests" / "smartmodules" / "sources" / "odd.c").read_text("utf-8")
TRAP = """
SM_MAP(record, out) {
    if (record->value.size == 4) __builtin_trap();
    sm_append_int(&out->value, record->offset);
    return SM_OK;
}
"""
COUNT = """
SM_AGGREGATE(before, record, out) {
    if (record->value.size == 4) __builtin_trap();
    sm_append_int(&out->value, (int64_t)before.size + 1);
    return SM_OK;
}
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with odd.wasm, trap.wasm, count.wasm."""
    folder = tmp_path_factory.mktemp("modules")
    for name, source in {"odd": ODD, "trap": TRAP, "count": COUNT}.items():
        path = folder / f"{name}.c"
        path.write_text(f'#include "fluvio_smartmodule.h"\n{source}')
        assert compile_module(path, path.with_suffix(".wasm"), cache=REPOSITORY / "build" / "zig")
    return folder


class Said:
    """What a command said, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def summary(self) -> str:
        """The last line on standard error, without the time."""
        return self.err.splitlines()[-1].rpartition(", ")[0]


@pytest.fixture
def try_module(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs `fluvio smartmodule test` in a folder of its own; modules are found by their names."""
    monkeypatch.chdir(tmp_path)
    for path in modules.glob("*.wasm"):
        (tmp_path / path.name).symlink_to(path)

    def command(*words: str, stdin: str = "") -> Said:
        Path("stdin").write_text(stdin)
        with Path("stdin").open() as lines:
            monkeypatch.setattr("sys.stdin", lines)
            code = run(["smartmodule", "test", *words])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return command


NUMBERS = "1\n2\n3\ntwo\n5\r\n"


def test_what_comes_out_and_what_fails(try_module: Any) -> None:
    said = try_module("odd.wasm", "--stdin", "--key", "k", stdin=NUMBERS)
    assert (said.code, said.out) == (1, "1\n3\n5\n")
    assert said.err.startswith(
        'not a number: two (SmartModule "odd", step 1)\n\nSmartModule Info:\n    Type: Filter\n'
        "    Offset: 3\n    Key: k\n    Value: two\n    Step: 1 (odd)\n    Code: 6004\n"
    )
    assert said.summary == "5 records in, 3 out, 1 failed"
    assert try_module("odd.wasm", "--text", "1", "--text", "2").code == 0


def test_where_records_come_from(try_module: Any) -> None:
    Path("lines.txt").write_text("a=1\nb=2\nc=3")
    said = try_module("odd.wasm", "--file", "lines.txt", "--key-separator", "=", "-k")
    assert said.out == "[a] 1\n[c] 3\n"
    Path("number").write_text("7")
    assert try_module("odd.wasm", "--file", "number", "--raw", "-k").out == "[null] 7\n"
    assert try_module("odd.wasm", "--file", "lines.txt", "--raw").code == 1
    said = try_module("odd.wasm", "--text", "x", "--key-separator", "=")
    assert (said.code, said.err) == (1, "Failed to find separator '=' in record, skipping: 'x'\n")


def test_json_has_a_line_for_each_record(try_module: Any) -> None:
    said = try_module("odd.wasm", "--text", "1", "--text", "2", "--text", "two", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    for line in lines:
        assert line.pop("elapsed_us") > 0
    summary = lines.pop()
    assert lines == [
        {"event": "record", "offset": 0, "outputs": [{"key": None, "value": "1"}], "error": None},
        {"event": "record", "offset": 1, "outputs": [], "error": None},
        {
            "event": "record",
            "offset": 2,
            "outputs": [],
            "error": {
                "code": 6004,
                "message": 'not a number: two (SmartModule "odd", step 1)',
                "step": 1,
                "module": "odd",
                "kind": "filter",
                "offset": 2,
                "key": None,
                "value": "two",
            },
        },
    ]
    assert summary.pop("memory_bytes") >= 64 << 10
    assert summary.pop("steps")[0]["records_out"] == 1
    assert summary == {"event": "summary", "records_in": 3, "records_out": 1, "errors": 1}
    assert (said.code, said.err) == (1, "")


def test_bytes_that_are_no_text_are_base64_in_json(try_module: Any) -> None:
    Path("bytes").write_bytes(b"\xff\x00")
    said = try_module("trap.wasm", "--file", "bytes", "--raw", "--json")
    assert json.loads(said.out.splitlines()[0])["outputs"] == [{"key": None, "value": "0"}]
    said = try_module("odd.wasm", "--file", "bytes", "--raw", "--json")
    assert json.loads(said.out.splitlines()[0])["error"]["value_base64"] == "/wA="


def test_a_golden_file_has_errors_too(try_module: Any) -> None:
    golden = ("odd.wasm", "--expect", "golden.txt", "--stdin")
    assert try_module(*golden, "--accept", stdin=NUMBERS).out == "golden.txt has been written\n"
    assert Path("golden.txt").read_text().splitlines() == [
        "1",
        "3",
        'error at offset 3: not a number: two (SmartModule "odd", step 1)',
        "5",
    ]
    same = try_module(*golden, stdin=NUMBERS)
    assert (same.code, same.out) == (0, "")
    other = try_module(*golden, stdin=NUMBERS.replace("3", "4"))
    assert other.code == 1
    assert other.out.splitlines()[:5] == [
        "--- golden.txt", "+++ what came out", "@@ -1,4 +1,3 @@", " 1", "-3",
    ]  # fmt: skip


def test_what_cannot_be_run_exits_with_3(try_module: Any) -> None:
    Path("none.wasm").write_text("none")
    said = try_module("none.wasm", "--text", "1")
    assert (said.code, said.err) == (
        3, "none: SmartModule is invalid: this is no WebAssembly\n",
    )  # fmt: skip
    said = try_module("--ready-made", "regex-filter", "--text", "1")
    assert said.code == 3
    assert said.err.startswith('SmartModule init error: SmartModule "regex-filter", step 1: ')
    assert (
        try_module("nosuch.wasm", "--text", "1").err == "nosuch.wasm: No such file or directory\n"
    )


def test_behind_a_trap_a_module_begins_anew(try_module: Any) -> None:
    said = try_module("trap.wasm", *("--text", "a", "--text", "boom", "--text", "b"))
    assert (said.code, said.out) == (1, "0\n2\n")
    assert "Offset: 1\n    Key: NULL\n    Value: boom\n" in said.err
    ended = try_module("trap.wasm", *["--text", "boom"] * 3, "--text", "a")
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.splitlines()[-2].startswith("3 records in, 0 out, 3 failed")


def test_a_module_that_remembers_cannot_go_on_behind_a_trap(try_module: Any) -> None:
    said = try_module("count.wasm", *("--text", "a", "--text", "boom", "--text", "b"))
    assert (said.code, said.out) == (4, "1\n")
    assert said.err.endswith("the module cannot go on: nothing behind this record was tried\n")


def test_traps_are_counted_as_spus_count_them() -> None:
    from fluvio_cli.smartmodules import engine_run
    from fluvio_spu.transform import chain_run

    assert engine_run.TRAPS_MAX == chain_run.TRAPS_MAX


def test_a_chain(try_module: Any) -> None:
    Path("chain.yaml").write_text("transforms: [{path: trap.wasm}, {path: odd.wasm}]\n")
    said = try_module("-t", "chain.yaml", *("--text", "a", "--text", "b"), "-v")
    assert (said.code, said.out) == (0, "1 records outputted\n1\n")
    rows = [line.split()[:6] for line in said.err.splitlines() if line.startswith("  ")]
    assert rows[1:] == [
        ["1", "ad-hoc", "map", "2", "2", "0"],
        ["2", "ad-hoc", "filter", "2", "1", "0"],
    ]
    lines = ('{"path": "odd.wasm"}', '{"path": "trap.wasm"}')
    said = try_module(
        *(word for one in lines for word in ("--transforms-line", one)), "--text", "x"
    )
    assert "Step: 1 (ad-hoc)" in said.err


def test_params_and_what_an_aggregate_begins_with(try_module: Any) -> None:
    said = try_module("count.wasm", "--aggregate-initial", "xx", "--text", "a")
    assert said.out == "3\n"
    said = try_module(
        *("--ready-made", "contains", "-e", "text=cat"), *("--text", "a cat", "--text", "a dog")
    )
    assert (said.code, said.out) == (0, "a cat\n")


def test_records_that_are_there_already(try_module: Any) -> None:
    words = ("--ready-made", "dedup-exact", "-e", "count=10", *("--text", "a", "--text", "b"))
    assert try_module(*words, "-r", "a", "-l", "1").out == "b\n"
    assert try_module(*words, "-r", "a", "-r", "c", "-l", "1").out == "a\nb\n"
    assert try_module(*words, "-r", "a", "-r", "c", "--lookback-age", "1m").out == "b\n"
    said = try_module(*words, "-r", "c", "-l", "1", "--json")
    assert json.loads(said.out.splitlines()[0])["offset"] == 1


def test_fuel_is_the_same_each_time(try_module: Any) -> None:
    words = ("odd.wasm", "--text", "1", "--json")
    fuel = [
        json.loads(try_module(*words, "--fuel").out.splitlines()[-1])["steps"][0]["fuel"]
        for _ in range(2)
    ]
    assert fuel[0] == fuel[1] > 0
    assert "fuel" not in try_module(*words).out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--text", "1"], "say which module"),
        (["odd.wasm"], "No valid input provided"),
        (["odd.wasm", "--name", "odd", "--text", "1"], "cannot be used with"),
        (["odd.wasm", "--stdin", "--text", "1"], "cannot be used with"),
        (["-t", "chain.yaml", "-e", "a=b", "--text", "1"], "cannot be used with"),
        (["odd.wasm", "--text", "1", "--raw"], "--raw needs --file"),
        (["odd.wasm", "--text", "1", "--accept"], "--accept needs --expect"),
        (["odd.wasm", "--text", "1", "--json", "--expect", "f"], "cannot be used with"),
    ],
)
def test_what_is_no_command_line(try_module: Any, words: list[str], complaint: str) -> None:
    said = try_module(*words)
    assert said.code == 2
    assert complaint in said.err


def test_without_wasmtime_it_says_what_to_install(
    try_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = try_module("odd.wasm", "--text", "1")
    assert (said.code, said.err) == (
        1,
        "smartmodule test needs wasmtime: install the distribution with its 'smartmodules' extra\n",
    )


def test_only_a_run_imports_the_engine() -> None:
    program = (
        "import sys; from fluvio_cli.main import run\n"
        "code = run(['--help']) or run(['smartmodule', 'test', '--help'])\n"
        "sys.exit(code or ' '.join({'wasmtime', 'fluvio_spu'} & set(sys.modules)) or None)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.cluster
def test_a_consumer_gets_what_the_test_shows(
    try_module: Any, local_cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    name = f"odd-{uuid.uuid4()}"
    Path("numbers.txt").write_text(NUMBERS)

    def fluvio(*words: str) -> Said:
        code = run(list(words))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    assert fluvio("topic", "create", name).code == 0
    assert fluvio("produce", name, "-f", "numbers.txt").code == 0
    assert fluvio("smartmodule", "create", name, "--wasm-file", "odd.wasm").code == 0
    consumed = fluvio("consume", name, "-B", "-d", "--smartmodule", name, "--on-error", "continue")
    tried = try_module("--name", name, "--file", "numbers.txt")
    assert fluvio("smartmodule", "delete", name).code == 0
    assert (tried.code, tried.out) == (consumed.code, consumed.out)
    text, count = consumed.err.rstrip("\n").rsplit("\n", 1)
    assert count == "1 error among the records"
    assert tried.err.startswith(text)
    missing = try_module("--name", name, "--text", "1")
    assert (missing.code, name in missing.err) == (1, True)
