"""What commands print: tables byte for byte as Fluvio's, and JSON, YAML and TOML.

Called by every command; prints nothing itself except in `emit`. Tables are padded to their
contents, never to a terminal, because scripts match them with exact double spaces.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import click

from fluvio_client import formats

LIST_MARGIN = 1
DESCRIBE_MARGIN = 2
DESCRIBE_TABLE_MARGIN = 5
DRY_RUN_MARK = " (dry run)"
"""Ends the line that tells of a change which was only tried."""


class OutputType(StrEnum):
    """Formats of lists and descriptions."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"
    TOML = "toml"


def output_option(default: OutputType = OutputType.TABLE) -> Callable[[Any], Any]:
    """The `-O/--output` option of a command; the parameter is `output: OutputType`."""
    return click.option(
        "-O",
        "--output",
        type=click.Choice([item.value for item in OutputType], case_sensitive=False),
        default=default.value,
        show_default=True,
        metavar="TYPE",
        callback=lambda _context, _parameter, value: OutputType(value),
        help="Output format: table, yaml, json or toml.",
    )


def format_columns(
    rows: Sequence[Sequence[str]],
    *,
    headers: Sequence[str] = (),
    margin: int = LIST_MARGIN,
) -> str:
    """Lines of a table without borders, each ended by a newline.

    A line is the margin and then, for each cell, a space, the text padded to its column, and a
    space. Rows may be longer than the headers.
    """
    lines: list[Sequence[str]] = [headers, *rows] if headers else list(rows)
    widths = [0] * max((len(line) for line in lines), default=0)
    for line in lines:
        for column, cell in enumerate(line):
            widths[column] = max(widths[column], len(cell))
    out = []
    for line in lines:
        out.append(" " * margin)
        for column, width in enumerate(widths):
            cell = line[column] if column < len(line) else ""
            out.append(f" {cell:<{width}} ")
        out.append("\n")
    return "".join(out)


def emit(
    output: OutputType,
    objects: Sequence[Mapping[str, Any]],
    *,
    kind: str,
    empty: str,
    table: Callable[[], str],
) -> None:
    """Print a list of objects on standard output.

    objects: the shapes of `fluvio_client.shapes`.
    kind:    plural name, the key of the list in TOML, which has no bare lists.
    empty:   sentence for a table with no rows; machine formats print an empty list instead.
    table:   called only when a table is wanted.
    """
    if output is OutputType.TABLE:
        sys.stdout.write(table() if objects else empty + "\n")
    else:
        sys.stdout.write(format_data(output, list(objects), kind=kind))


def format_data(output: OutputType, data: Any, *, kind: str = "items") -> str:
    """JSON, YAML or TOML text of plain data; `kind` names a bare list in TOML."""
    if output is OutputType.TABLE:
        raise ValueError("a table is no data format")
    # Fluvio's own command ends YAML with an empty line.
    return formats.write(data, output.value, kind=kind) + "\n" * (output is OutputType.YAML)


def format_json(data: Any) -> str:
    """Pretty JSON, two spaces, without a newline at the end."""
    return formats.write_json(data)


def format_yaml(data: Any) -> str:
    """YAML with a newline at the end; variants carry a tag, as in `!computed`."""
    return formats.write_yaml(data)


def format_toml(data: Any, *, kind: str) -> str:
    """TOML with a newline at the end; absent values are left out, since TOML has no null."""
    return formats.write_toml(data, kind=kind)
