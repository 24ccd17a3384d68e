"""Plugins: executables named `fluvio-<word>`, which run as `fluvio <word>`.

They are looked for beside this executable, on the PATH, and in `~/.fluvio/extensions`. Each answers
the word `metadata` with a JSON object: title, package, description, version. Help and `version`
list those that do; what does not answer so is not listed, and runs all the same.

What starts processes is imported when there is a plugin: help asks here each time.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

METADATA_TIMEOUT_S = 2.0
"""For all of them together: they are asked at the same time."""
PREFIX = "fluvio-"
PLUGINS_MAX = 50
"""More are not asked for their metadata."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin says of itself. name: the word that runs it."""

    name: str
    title: str
    description: str
    version: str


def extensions_directory() -> Path:
    """Where plugins of this user are."""
    return Path.home() / ".fluvio" / "extensions"


def find(name: str) -> Path | None:
    """The executable that runs as `fluvio <name>`."""
    if os.sep in name:
        return None
    return next((path for path in _candidates(PREFIX + name)), None)


def run(executable: Path, arguments: Sequence[str]) -> int:
    """Run a plugin; its exit code, or the number of the signal that ended it."""
    import subprocess

    code = subprocess.run([str(executable), *arguments], check=False).returncode
    return code if code >= 0 else -code


def installed() -> list[Plugin]:
    """Those that say what they are, by name; silent about others."""
    found: dict[str, Path] = {}
    for path in _candidates():
        found.setdefault(path.name.removeprefix(PREFIX), path)
    if not found:
        return []
    import subprocess

    asked = []
    for name, path in sorted(found.items())[:PLUGINS_MAX]:
        try:
            process = subprocess.Popen(
                [str(path), "metadata"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            continue
        asked.append((name, process))
    deadline_s = time.monotonic() + METADATA_TIMEOUT_S
    plugins = [_answer(name, process, deadline_s) for name, process in asked]
    return [plugin for plugin in plugins if plugin is not None]


def _answer(name: str, process: "subprocess.Popen[bytes]", deadline_s: float) -> Plugin | None:
    import json
    import subprocess

    with process:
        try:
            out, _ = process.communicate(timeout=max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            return None
    try:
        said = json.loads(out)
    except ValueError:
        return None
    if process.returncode != 0 or not isinstance(said, dict) or "title" not in said:
        return None
    words = [str(said.get(key, "")) for key in ("title", "description", "version")]
    return Plugin(name, *words)


def _candidates(wanted: str | None = None) -> Iterator[Path]:
    """Executables of that name, or of any plugin's, the one that counts first."""
    ourselves = Path(sys.argv[0]).resolve()
    places = [
        ourselves.parent,
        *(Path(place) for place in os.get_exec_path()),
        extensions_directory(),
    ]
    for place in dict.fromkeys(places):
        try:
            names = [wanted] if wanted else [
                name for name in os.listdir(place) if name.startswith(PREFIX)
            ]  # fmt: skip
        except OSError:
            continue
        for name in names:
            path = place / name
            if path.is_file() and os.access(path, os.X_OK) and path.resolve() != ourselves:
                yield path
