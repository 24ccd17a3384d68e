"""The house's own rules: layout, names, the `operator` trap, docstrings, nothing of one machine.

Whatever ruff, mypy and the import walls cannot see. Each test lists its offenders.
"""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOTS = ("protocol", "spu_image", "operator", "client")
FORBIDDEN_STEMS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

# Written in pieces, so that this file is not its own first offender.
REGISTRY_HOSTS = [
    "pypi" + r"\.",
    "python" + r"hosted\.",
    r"(?:index|static)\.cra" + r"tes\.",
    r"(?:proxy|sum)\.gol" + r"ang\.",
    r"registry\.np" + r"mjs\.",
    r"repo1?\.mav" + r"en\.",
    r"deb\.deb" + r"ian\.",
]
MACHINE_PATHS = [
    r"(?<![\w.~-])/" + r"work/",
    r"(?<![\w.~-])/" + r"farm/",
    r"(?<![\w.~-])/" + r"root/",
    r"(?<![\w.~-])/" + r"home/(?!user\b)\w",
    r"(?<![\w.~-])/" + r"Users/\w",
]


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in version control."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return tuple(path for name in names if (path := REPOSITORY / name).is_file())


def our_modules() -> Iterator[Path]:
    """Every module of our packages."""
    for path in repository_files():
        if path.suffix == ".py" and path.relative_to(REPOSITORY).parts[0] in ROOTS:
            yield path


def packages() -> list[Path]:
    """Folders of the packages, by their place in the roots."""
    return sorted(
        child
        for root in ROOTS
        for child in (REPOSITORY / root).iterdir()
        if child.is_dir()
        if child.name.startswith("fluvio_")
    )


def named(paths: list[Path]) -> list[str]:
    """Paths as a reader of a failure wants them."""
    return sorted(str(path.relative_to(REPOSITORY)) for path in paths)


def test_there_is_a_house() -> None:
    assert {path.name for path in packages()} >= {"fluvio_protocol", "fluvio_spu", "fluvio_sc"}
    assert len(list(our_modules())) > 50


def test_no_top_level_folder_is_a_package() -> None:
    assert named(list(REPOSITORY.glob("*/__init__.py"))) == []


def test_operator_is_the_standard_module_when_started_from_the_root() -> None:
    program = "import collections, operator; print(operator.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not Path(result.stdout.strip()).is_relative_to(REPOSITORY / "operator")
    assert Path(result.stdout.strip()).name == "operator.py"


def test_every_package_is_named_for_its_part() -> None:
    strays = [
        path
        for root in ROOTS
        for path in (REPOSITORY / root).iterdir()
        if path.is_dir() and path.name != "__pycache__" and not path.name.startswith("fluvio_")
    ]
    assert named(strays) == []


def test_every_package_is_typed() -> None:
    assert named([path for path in packages() if not (path / "py.typed").is_file()]) == []


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in our_modules() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert named(silent) == []


def test_every_folder_with_modules_is_a_package() -> None:
    bare = {path.parent for path in our_modules() if not (path.parent / "__init__.py").is_file()}
    assert named(list(bare)) == []


def test_no_file_is_named_for_nothing() -> None:
    vague = [
        path
        for path in repository_files()
        if path.suffix == ".py" and path.stem.removeprefix("test_") in FORBIDDEN_STEMS
    ]
    assert named(vague) == []


def test_tests_are_no_packages() -> None:
    assert named(list((REPOSITORY / "tests").rglob("__init__.py"))) == []


@pytest.mark.parametrize("pattern", [*REGISTRY_HOSTS, *MACHINE_PATHS])
def test_nothing_names_a_registry_or_a_path_of_one_machine(pattern: str) -> None:
    expression = re.compile(pattern)
    offenders = []
    for path in repository_files():
        if path.name == "LICENSE":
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if expression.search(line):
                offenders.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:100]}")
    assert offenders == []


def test_constraints_are_names_and_versions_only() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line)
    ] == []


def test_the_wheel_carries_every_file_of_every_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        "/".join(path.relative_to(REPOSITORY).parts[1:])
        for path in repository_files()
        if path.relative_to(REPOSITORY).parts[0] in ROOTS
    }
    assert sorted(wanted - carried) == []


def test_every_package_has_its_place_in_the_import_walls() -> None:
    walls = (REPOSITORY / ".importlinter").read_text()
    roots = walls.split("root_packages =")[1].split("include_external_packages")[0].split()
    assert sorted(roots) == sorted(path.name for path in packages())
