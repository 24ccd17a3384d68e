"""The checklist page names tests that exist, and leaves out no line and no test of its folder."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reference" / "conformance.md").read_text()
LINES = [*(str(number) for number in range(1, 71)), "70a", *(str(n) for n in range(71, 85))]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)


@cache
def defined_in(path: Path) -> frozenset[str]:
    """Names of the tests that a file defines."""
    return frozenset(
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_")
    )


def rows() -> list[list[str]]:
    """Cells of the rows that have a number."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in PAGE.splitlines()
        if line.startswith("|")
    ]
    return [row for row in cells if re.fullmatch(r"\d+a?", row[0])]


def test_no_line_is_missing() -> None:
    assert [row[0] for row in rows()] == LINES


def test_every_line_is_proved_or_says_why_not() -> None:
    proofs = {row[0]: row[2].split("<br>") for row in rows()}
    for line, parts in proofs.items():
        waiting = [part for part in parts if re.fullmatch(r"waits: \w.{10,}", part)]
        naming = [part for part in parts if re.fullmatch(r"`[\w/]+\.py::\w+`", part)]
        assert parts == naming + waiting, line


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 100
    missing = [
        f"{path}::{name}"
        for path, name in NAMED
        if not (TESTS / path).is_file() or name not in defined_in(TESTS / path)
    ]
    assert missing == []


def test_every_test_of_the_checklist_is_named() -> None:
    folder = TESTS / "conformance" / "checklist"
    written = {
        (path.relative_to(TESTS).as_posix(), name)
        for path in folder.glob("test_*.py")
        for name in defined_in(path)
    }
    assert written - set(NAMED) == set()
