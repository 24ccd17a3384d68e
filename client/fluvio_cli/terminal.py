"""What the streams of this process can show: movement, bold letters, how many columns.

Called by commands before they draw anything. Reads the environment as people set it: `CI` and
`TERM=dumb` want no movement, `NO_COLOR` and `TERM=dumb` no style.
"""

import os
import sys
import unicodedata
from typing import Any, TextIO

import click

ELLIPSIS = "…"


def may_move(stream: TextIO) -> bool:
    """True when bars and spinners make sense there."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def may_style(stream: TextIO) -> bool:
    """True when bold and coloured letters make sense there, or `--color` says so."""
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: TextIO, **styles: Any) -> str:
    """The text with these styles of click, where they make sense."""
    return click.style(text, **styles) if may_style(stream) else text


def width_columns(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream, `COLUMNS` above all; None where there is none."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def cut(text: str, columns: int) -> str:
    """The lines of a text, none wider than so many columns; what is cut ends in an ellipsis."""
    return "".join(_cut_line(line, columns) for line in text.splitlines(keepends=True))


def _cut_line(line: str, columns: int) -> str:
    bare = line.rstrip("\r\n")
    if len(bare) * 2 <= columns:  # no character is wider than two columns
        return line
    widths = [_width(character) for character in bare]
    if sum(widths) <= columns:
        return line
    left = columns - len(ELLIPSIS)
    kept = 0
    while kept < len(widths) and widths[kept] <= left:
        left -= widths[kept]
        kept += 1
    return bare[:kept] + (ELLIPSIS if columns > 0 else "") + line[len(bare) :]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def is_interactive() -> bool:
    """True when somebody sits there: input and output are a terminal's."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def discard_output() -> None:
    """Whoever read our output has enough: let nothing complain about it, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
