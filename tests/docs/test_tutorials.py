"""Tutorials do what they say: their files are written, their commands run, their output compared.

Not compared are sizes of modules, which change with each change of the header, times, and space at
the ends of lines.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.smartmodules.compiler import CACHE_VARIABLES

REPOSITORY = Path(__file__).parents[2]
TUTORIALS = REPOSITORY / "docs" / "tutorials"
FENCE = re.compile(r"^```(\w+)(?: file=([\w.-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n", re.MULTILINE)
COMMAND_TIMEOUT_S = 90


def blocks(text: str) -> Iterator[tuple[str, str | None, str]]:
    """Language, name of the file, content."""
    for match in FENCE.finditer(text):
        yield match[1], match[2], match[3]


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command, and what it prints."""
    parts = COMMAND.split(block)
    assert parts[0] == ""
    yield from zip(parts[1::2], parts[2::2], strict=True)


def normal(output: str) -> str:
    """What is compared of it."""
    output = re.sub(r" +$", "", output, flags=re.MULTILINE)
    return re.sub(r"[0-9.]+ (bytes|ms)\b", r"N \1", output)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the commands that a user has."""
    folder = tmp_path / "programs"
    folder.mkdir()
    python = shlex.quote(sys.executable)
    for name, words in {
        "python": f'{python} "$@"',
        "fluvio": f'{python} -c "from fluvio_cli.main import main; main()" "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\nexec {words}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.cluster
@pytest.mark.parametrize("page", sorted(one.name for one in TUTORIALS.glob("[!R]*.md")))
def test_a_tutorial_does_what_it_says(
    page: str, local_cluster: Any, tmp_path: Path, programs: Path
) -> None:
    cache = str(REPOSITORY / "build" / "zig")
    environment = {
        **local_cluster.environment,
        **{name: cache for name in CACHE_VARIABLES},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    place = tmp_path / "place"
    place.mkdir()
    for language, name, content in blocks((TUTORIALS / page).read_text()):
        if name is not None:
            (place / name).write_text(content)
        elif language == "console":
            for command, expected in commands(content):
                result = subprocess.run(
                    ["sh", "-c", command],
                    cwd=place,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=COMMAND_TIMEOUT_S,
                    check=False,
                )
                assert (command, normal(result.stdout)) == (command, normal(expected))
                assert result.returncode == 0
