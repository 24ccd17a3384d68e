"""Records as rows of a table, with the columns that a table format says. Pure.

Used by the output types `table` and `full-table`. Values are JSON objects, or lists of them. A
table format puts columns in order and names them; without one they are the keys of the objects in
order of the alphabet. Rows are added, or replaced when the format marks primary keys and they
match.

Invariant: at most `rows_max` rows are kept, the newest ones.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from fluvio_cli.json_path import MISSING, at_path, parse_json

if TYPE_CHECKING:
    from fluvio_protocol.metadata.table_format import TableFormatSpec

ROWS_MAX = 10_000


class Align(StrEnum):
    """Where the text of a cell stands."""

    LEFT = "left"
    RIGHT = "right"
    CENTER = "center"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    path:       where in the object its values are
    label:      its heading
    width:      columns of the terminal; None for what its values need
    primary:    rows that have the same values in all such columns are the same row
    shown:      false for one that only tells rows apart
    foreground: colour of the heading, by name
    background: colour behind it
    """

    path: str
    label: str
    width: int | None = None
    align: Align = Align.LEFT
    primary: bool = False
    shown: bool = True
    foreground: str | None = None
    background: str | None = None


def columns_of(spec: "TableFormatSpec") -> tuple[Column, ...]:
    """The columns of a stored table format."""
    return tuple(
        Column(
            path=one.key_path,
            label=one.header_label or one.key_path,
            width=int(one.width) if one.width and one.width.isascii() and one.width.isdigit()
            else None,
            align=Align.LEFT if one.alignment is None else Align[one.alignment.name],
            primary=bool(one.primary_key),
            shown=one.display is not False,
            foreground=None if one.header_text_color is None
            else one.header_text_color.name.lower(),
            background=None if one.header_bg_color is None else one.header_bg_color.name.lower(),
        )
        for one in spec.columns or ()
    )  # fmt: skip


def cell_text(value: Any) -> str:
    """A value in a cell: text as it is, nothing for what is missing, else JSON."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def objects_in(value: bytes) -> list[Mapping[str, Any]]:
    """The JSON objects that a record holds: one, or a list of them.

    Raises: ValueError for other values, JSONDecodeError for what is no JSON.
    """
    found = parse_json(value)
    items = found if isinstance(found, list) else [found]
    if not all(isinstance(item, dict) for item in items):
        raise ValueError("record is no JSON object")
    return items


class RecordTable:
    """Rows so far."""

    def __init__(self, columns: Iterable[Column] = (), *, rows_max: int = ROWS_MAX) -> None:
        """columns: of a table format; with none, the keys of the objects."""
        self.rows_max = rows_max
        self.refused_count = 0
        self._format = tuple(columns)
        self._primary = tuple(column for column in self._format if column.primary)
        self._names: set[str] = set()
        self._columns = self._format
        self._rows: dict[object, Mapping[str, Any]] = {}
        self._next = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that are shown, in order."""
        return tuple(column for column in self._columns if column.shown)

    @property
    def count(self) -> int:
        """Rows that are there."""
        return len(self._rows)

    def rows(self) -> list[tuple[object, tuple[str, ...]]]:
        """Key and cells of every row; a row keeps its key and its place when it is replaced."""
        columns = self.columns
        return [
            (key, tuple(cell_text(at_path(found, column.path)) for column in columns))
            for key, found in self._rows.items()
        ]

    def window(self, first: int, count: int) -> list[tuple[str, ...]]:
        """Cells of so many rows, or fewer at the end."""
        columns = self.columns
        return [
            tuple(cell_text(at_path(found, column.path)) for column in columns)
            for found in islice(self._rows.values(), first, first + count)
        ]

    def add(self, value: bytes) -> bool:
        """Take a record's value in; false, and counted, when it holds no JSON objects."""
        try:
            found = objects_in(value)
        except ValueError:
            self.refused_count += 1
            return False
        for item in found:
            self._put(item)
        return True

    def clear(self) -> None:
        """Forget the rows, and keep the columns."""
        self._rows.clear()

    def _put(self, item: Mapping[str, Any]) -> None:
        if not self._format and not self._names.issuperset(item):
            self._names.update(item)
            self._columns = tuple(Column(name, name) for name in sorted(self._names))
        self._rows[self._key(item)] = item
        while len(self._rows) > self.rows_max:
            del self._rows[next(iter(self._rows))]

    def _key(self, item: Mapping[str, Any]) -> object:
        if self._primary:
            return tuple(cell_text(at_path(item, column.path)) for column in self._primary)
        self._next += 1
        return self._next
