"""The file that describes a table format, with keys in camelCase.

    name: my-table
    inputFormat: JSON
    columns:
      - {keyPath: name, headerLabel: Name, width: "20", alignment: LEFT, primaryKey: true}

Pure: works on plain data. What is not known is reported, not refused. `headerFgColor` is another
name of `headerTextColor`, as in Fluvio's definition for Kubernetes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from fluvio_protocol.metadata.table_format import (
    Alignment,
    DataFormat,
    TableFormatColumn,
    TableFormatSpec,
    TextColor,
)

E = TypeVar("E", bound=IntEnum)

_TOP_KEYS = ("name", "inputFormat", "columns", "smartmodule")
_COLUMN_KEYS = (
    "headerLabel", "width", "alignment", "keyPath", "format", "display", "primaryKey",
    "headerBgColor", "headerTextColor", "headerFgColor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableFormatFile:
    """What a file says; unknown: paths of keys that mean nothing."""

    spec: TableFormatSpec
    unknown: tuple[str, ...] = ()


def read_table_format(data: Any) -> TableFormatFile:
    """Raises ValueError that names the key."""
    if not isinstance(data, Mapping):
        raise ValueError("expected keys with values")
    unknown = [str(key) for key in data if key not in _TOP_KEYS]
    rows = data.get("columns")
    if rows is not None and not isinstance(rows, list):
        raise ValueError("columns: expected a list")
    columns = []
    for number, row in enumerate(rows or ()):
        path = f"columns[{number}]"
        if not isinstance(row, Mapping):
            raise ValueError(f"{path}: expected keys with values")
        unknown += [f"{path}.{key}" for key in row if key not in _COLUMN_KEYS]
        columns.append(_column(path, row))
    spec = TableFormatSpec(
        name=_required(_text("name", data.get("name")), "name"),
        input_format=_word("inputFormat", DataFormat, data.get("inputFormat")),
        columns=None if rows is None else tuple(columns),
        smartmodule=_text("smartmodule", data.get("smartmodule")),
    )
    return TableFormatFile(spec, tuple(unknown))


def _column(path: str, row: Mapping[str, Any]) -> TableFormatColumn:
    def text(key: str) -> str | None:
        return _text(f"{path}.{key}", row.get(key))

    def word(kind: type[E], key: str) -> E | None:
        return _word(f"{path}.{key}", kind, row.get(key))

    def flag(key: str) -> bool | None:
        value = row.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise ValueError(f"{path}.{key}: expected true or false, found {value!r}")

    foreground = word(TextColor, "headerTextColor")
    if foreground is None:
        foreground = word(TextColor, "headerFgColor")
    return TableFormatColumn(
        header_label=text("headerLabel"),
        width=text("width"),
        alignment=word(Alignment, "alignment"),
        key_path=_required(text("keyPath"), f"{path}.keyPath"),
        format=text("format"),
        display=flag("display"),
        primary_key=flag("primaryKey"),
        header_bg_color=word(TextColor, "headerBgColor"),
        header_text_color=foreground,
    )


def _text(path: str, value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a width, which Fluvio's definition has as a number
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"{path}: expected text, found {value!r}")


def _required(value: str | None, path: str) -> str:
    if not value:
        raise ValueError(f"{path}: is missing")
    return value


def _word(path: str, kind: type[E], value: Any) -> E | None:
    if value is None:
        return None
    for member in kind:
        if member.name == str(value).upper():
            return member
    names = ", ".join(member.name for member in kind)
    raise ValueError(f"{path}: {value!r} is none of {names}")
