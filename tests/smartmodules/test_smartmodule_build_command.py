"""`smartmodule build` and `generate`: from nothing to a module, and what goes wrong on the way."""

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from wasm_host import HostRecord, WasmHost

from fluvio_cli.commands.smartmodule_build import KINDS, build, generate
from fluvio_cli.smartmodules import compiler, ready_made

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _compiler_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in compiler.CACHE_VARIABLES:
        monkeypatch.setenv(name, str(REPOSITORY / "build" / "zig"))


def run_build(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build, [str(one) for one in arguments])


def run_generate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(generate, [str(one) for one in arguments])


GIVEN_AND_EXPECTED = {
    "filter": ([b"abc", b"xyz"], [b"abc"]),
    "map": ([b"abc"], [b"> abc"]),
    "filter_map": ([b"4", b"5"], [b"2"]),
    "array_map": ([b"a  b"], [b"a", b"b"]),
    "aggregate": ([b"4", b"5"], [b"4", b"9"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_template_compiles_without_a_warning_and_works(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = run_generate("my-module", "--kind", kind, "-d", tmp_path)
    assert made.exit_code == 0, made.output
    source = tmp_path / "my-module.c"
    assert source.read_text().startswith("/* my-module: ")
    assert f"fluvio smartmodule build {source}\n" in made.output
    built = run_build(source)
    assert built.exit_code == 0
    target = tmp_path / "my-module.wasm"
    assert built.output == (
        f'smartmodule "{target}" has been built ({target.stat().st_size} bytes)\n'
    )
    assert capfd.readouterr().err == ""
    host = WasmHost(target.read_bytes())
    host.init({"text": "b"})
    given, expected = GIVEN_AND_EXPECTED[kind]
    output = host.process([HostRecord(one) for one in given])
    assert host.kind == kind
    assert [one.value for one in output.records] == expected
    assert output.error is None


@pytest.mark.parametrize("name", ["sum", "regex-filter", "case"])
def test_a_ready_made_module_is_one_to_begin_with(name: str, tmp_path: Path) -> None:
    assert run_generate("mine", "--ready-made", name, "-d", tmp_path).exit_code == 0
    assert (tmp_path / "mine.c").read_text().startswith("/* mine: ")
    assert run_build(tmp_path / "mine.c", "-o", tmp_path / "x.wasm").exit_code == 0
    assert (tmp_path / "x.wasm").read_bytes() == ready_made.wasm(name)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "decimal.h").write_text("mine")
    result = run_generate("mine", "--ready-made", "sum", "-d", tmp_path)
    assert result.exit_code == 1
    assert result.output == f"Error: {tmp_path / 'decimal.h'}: there is such a file already\n"
    assert [path.name for path in tmp_path.iterdir()] == ["decimal.h"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["My_Module"], 1, "\"My_Module\": a SmartModule's name may use a-z, 0-9 and '-'"),
        (["../x"], 1, "a SmartModule's name may use"),
        (["x", "--ready-made", "sums"], 1, 'did you mean "sum"?'),
        (["x", "--kind", "join"], 2, "'join' is not one of"),
        (["x", "--kind", "map", "--ready-made", "sum"], 2, "cannot be used with"),
    ],
)
def test_what_cannot_be_generated_is_told(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    result = run_generate(*arguments, "-d", tmp_path)
    assert result.exit_code == code
    assert said in result.output
    assert list(tmp_path.iterdir()) == []


def test_what_the_compiler_says_is_shown_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "odd.c", tmp_path / "odd.wasm"
    source.write_text('#include "fluvio_smartmodule.h"\nSM_FILTER(record) { return recrod; }\n')
    target.write_bytes(b"before")
    result = run_build(source)
    assert (result.exit_code, result.output) == (1, "")
    said = capfd.readouterr().err
    assert f"{source}:2:28: error: use of undeclared identifier 'recrod'" in said
    assert target.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.c", "odd.wasm"]


def test_a_wrong_format_in_a_message_is_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "odd.c"
    source.write_text(
        '#include "fluvio_smartmodule.h"\n'
        'SM_FILTER(record) { return sm_error("%s", record->offset); }\n'
    )
    assert run_build(source).exit_code == 0
    assert "warning: format specifies type 'char *'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.c"], "none.c: No such file"),
        (["module.rs"], "module.rs: not a C source; its name must end with .c"),
        (["there.c", "-o", "nowhere/x.wasm"], "nowhere: No such directory"),
    ],
)
def test_what_cannot_be_built_is_told(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.c").write_text("")
    result = run_build(*arguments)
    assert (result.exit_code, result.output) == (1, f"Error: {said}\n")


def test_without_the_compiler_its_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.c").write_text("")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = run_build(tmp_path / "odd.c")
    assert result.exit_code == 1
    assert (
        'the Python package "ziglang", which is not installed: pip install ziglang' in result.output
    )


def test_the_compilers_files_are_not_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in compiler.CACHE_VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    assert run_generate("mine").exit_code == 0
    assert run_build("mine.c").exit_code == 0
    assert sorted(path.name for path in place.iterdir()) == ["mine.c", "mine.wasm"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["fluvio"]
