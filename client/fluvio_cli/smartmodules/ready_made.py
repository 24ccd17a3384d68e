"""The modules that come with fluvio: their names, what they do, their parameters, their code.

What is said of a module is the comment its source begins with:

    /* NAME: one sentence.
     *
     * kind: filter | map | filter_map | array_map | aggregate
     * PARAMETER (needed): what it means, which may
     *     go on in indented lines
     * PARAMETER (DEFAULT): ...
     * PARAMETER: one that may be left out and has no default
     *
     * Anything else there is to say.
     */
"""

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fluvio_cli.failure import Failure
from fluvio_cli.smartmodules.sources import source_directory, wasm_directory

_HEADLINE = re.compile(r"/\* (?P<name>[a-z0-9-]+): (?P<description>.+)")
_PARAMETER = re.compile(r" \* (?P<name>[a-z_]+)(?: \((?P<default>.+?)\))?: (?P<text>.+)")
_NEEDED = "needed"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a module. `default` is in words or is the value itself; None: no default."""

    name: str
    needed: bool
    default: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """One module as its source describes it."""

    name: str
    kind: str
    description: str
    parameters: tuple[Parameter, ...]
    source: Path


@cache
def _modules() -> dict[str, ReadyMade]:
    found = [_described(path) for path in sorted((source_directory() / "ready_made").glob("*.c"))]
    return {one.name: one for one in found}


def _described(path: Path) -> ReadyMade:
    comment = path.read_text("utf-8").split("*/", 1)[0].rstrip()
    lines = re.sub(r"\n \*     ", " ", comment).splitlines()
    headline = _HEADLINE.fullmatch(lines[0])
    assert headline is not None, f"{path}: no headline"
    assert headline["name"] == path.stem, f"{path}: a headline with another name"
    block = lines[2 : lines.index(" *", 2) if " *" in lines[2:] else None]
    said = [match for line in block if (match := _PARAMETER.fullmatch(line))]
    assert len(said) == len(block), f"{path}: not all lines are parameters"
    assert said[0]["name"] == "kind", f"{path}: no kind"
    return ReadyMade(
        name=headline["name"],
        kind=said[0]["text"],
        description=headline["description"],
        parameters=tuple(
            Parameter(
                name=one["name"],
                needed=one["default"] == _NEEDED,
                default=None if one["default"] == _NEEDED else one["default"],
                text=one["text"],
            )
            for one in said[1:]
        ),
        source=path,
    )


def names() -> tuple[str, ...]:
    """All of them, by name."""
    return tuple(_modules())


def module(name: str) -> ReadyMade:
    """Everything that is known of one. Raises Failure when there is no such module."""
    try:
        return _modules()[name]
    except KeyError:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(names())}"
        raise Failure(f'No SmartModule "{name}" comes ready-made; {hint}') from None


def description(name: str) -> str:
    """What it does, in a sentence. Raises Failure."""
    return module(name).description


def kind(name: str) -> str:
    """Its transform: filter, map, filter_map, array_map or aggregate. Raises Failure."""
    return module(name).kind


def parameters(name: str) -> tuple[Parameter, ...]:
    """What it takes, those that are needed first. Raises Failure."""
    return tuple(sorted(module(name).parameters, key=lambda one: not one.needed))


def source(name: str) -> str:
    """Its source in C. Raises Failure."""
    return module(name).source.read_text("utf-8")


def wasm(name: str) -> bytes:
    """Its code. Raises Failure when there is no such module, or when it was not built."""
    path = wasm_directory() / f"{module(name).name}.wasm"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Failure(
            "This installation has the ready-made SmartModules as source only; run "
            '"make smartmodules" in the sources of fluvio and install it again'
        ) from None
