"""How `consume` shows a record, one function per output type. Pure.

A formatter takes a Record and returns text, or None for a record that is left out. It ends its
text with a newline itself, since a hex dump has more than one line.
"""

import base64
import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fluvio_cli.json_path import at_path, parse_json
from fluvio_cli.record_table import Column, cell_text
from fluvio_cli.record_template import key_text

if TYPE_CHECKING:
    from fluvio_client.consumer.consumer import Record

Formatter = Callable[["Record"], str | None]

SNIFFED_BYTES = 1024
SEPARATOR = "-" * 78
_to_line = json.JSONEncoder(ensure_ascii=False).encode
_BYTE_ORDER_MARKS = (
    b"\xef\xbb\xbf", b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"\xff\xfe", b"\xfe\xff",
)  # fmt: skip
_BINARY_MAGICS = (b"%PDF", b"\x89PNG")


class ConsumeOutput(StrEnum):
    """The output types of `consume`."""

    DYNAMIC = "dynamic"
    TEXT = "text"
    BINARY = "binary"
    JSON = "json"
    JSONL = "jsonl"
    RAW = "raw"
    TABLE = "table"
    FULL_TABLE = "full-table"


def parse_output(text: str) -> ConsumeOutput:
    """An output type in any case, with underscores too. Raises ValueError."""
    plain = text.lower().replace("_", "-")
    for output in ConsumeOutput:
        if output.value == plain:
            return output
    raise ValueError(f"unknown output type. Supported: {', '.join(ConsumeOutput)}")


def formatter_for(
    output: ConsumeOutput,
    *,
    key_value: bool = False,
    suppress_unknown: bool = False,
    columns: tuple[Column, ...] = (),
) -> Formatter:
    """The function that shows records, for every type but the one with a screen of its own.

    key_value:        put `[key] ` before values, `[null] ` without key
    suppress_unknown: leave out values that the output type cannot show
    columns:          of tables, else what is in each record
    """
    if output is ConsumeOutput.TABLE:
        formatter = _table(suppress_unknown, columns)
    else:
        formatter = _FORMATTERS[output](suppress_unknown)
    if not key_value or output is ConsumeOutput.JSONL:
        return formatter

    def with_key(record: "Record") -> str | None:
        shown = formatter(record)
        return None if shown is None else f"[{key_text(record)}] {shown}"

    return with_key


def looks_binary(data: bytes) -> bool:
    """True when the first bytes are no text, by the marks that files carry."""
    head = data[:SNIFFED_BYTES]
    if head.startswith(_BYTE_ORDER_MARKS):
        return False
    return head.startswith(_BINARY_MAGICS) or b"\0" in head


def hex_dump(data: bytes) -> str:
    """Address, sixteen bytes in two groups, and the printable characters between bars.

    A newline shows as a point, other characters that cannot be printed as a space.
    """
    lines = []
    for address in range(0, len(data), 16):
        row = data[address : address + 16]
        shown = "".join(
            chr(byte) if 32 <= byte < 127 else "." if byte == 10 else " " for byte in row
        )
        groups = (row[:8].hex(" "), row[8:].hex(" "))
        lines.append(f"{address:08x}  {groups[0]:<23}  {groups[1]:<23}  |{shown:<16}|")
    lines.append(SEPARATOR)
    return "\n".join(lines) + "\n"


def _raw(suppress_unknown: bool) -> Formatter:
    return lambda record: record.value.decode(errors="replace") + "\n"


def _text(suppress_unknown: bool) -> Formatter:
    def show(record: "Record") -> str | None:
        if looks_binary(record.value):
            return None if suppress_unknown else f"binary: ({len(record.value)} bytes)\n"
        return record.value.decode(errors="replace") + "\n"

    return show


def _dynamic(suppress_unknown: bool) -> Formatter:
    def show(record: "Record") -> str | None:
        if looks_binary(record.value):
            return hex_dump(record.value)
        return record.value.decode(errors="replace") + "\n"

    return show


def _binary(suppress_unknown: bool) -> Formatter:
    return lambda record: hex_dump(record.value) + "\n"


def _json(suppress_unknown: bool) -> Formatter:
    def show(record: "Record") -> str | None:
        try:
            value = parse_json(record.value)
        except ValueError as error:
            if suppress_unknown:
                return None
            value = {"error": json_error(error)}
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"

    return show


def json_error(error: ValueError) -> str:
    """What is wrong with a JSON value, and where."""
    if isinstance(error, json.JSONDecodeError):
        what = error.msg[:1].lower() + error.msg[1:]
        what = what.replace("expecting", "expected")  # the word that Fluvio uses
        return f"{what} at line {error.lineno} column {error.colno}"
    return str(error)


def _jsonl(suppress_unknown: bool) -> Formatter:
    def show(record: "Record") -> str:
        line: dict[str, Any] = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
        }
        line |= json_field("key", record.key)
        line |= json_field("value", record.value)
        return _to_line(line) + "\n"

    return show


def json_field(name: str, data: bytes | None) -> Mapping[str, str | None]:
    """Text where it is UTF-8, else base64 under another name."""
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def _table(suppress_unknown: bool, columns: tuple[Column, ...]) -> Formatter:
    def show(record: "Record") -> str | None:
        try:
            value = parse_json(record.value)
        except ValueError as error:
            return (
                None if suppress_unknown else f"error parsing record as json: {json_error(error)}\n"
            )
        if not isinstance(value, dict):
            return None if suppress_unknown else "error: record is no JSON object\n"
        if columns:
            headers = [column.label for column in columns if column.shown]
            cells = [cell_text(at_path(value, one.path)) for one in columns if one.shown]
        else:
            headers = [str(name) for name in value]
            cells = [cell_text(item) for item in value.values()]
        widths = [max(len(head), len(cell)) for head, cell in zip(headers, cells, strict=True)]
        inner = sum(width + 2 for width in widths) + max(0, len(widths) - 1)
        return (
            _table_row(headers, widths)
            + f"+{'=' * inner}+\n"
            + _table_row(cells, widths)
            + "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"
        )  # fmt: skip

    return show


def _table_row(cells: list[str], widths: list[int]) -> str:
    return (
        "|"
        + "|".join(f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True))
        + "|\n"
    )


_FORMATTERS: dict[ConsumeOutput, Callable[[bool], Formatter]] = {
    ConsumeOutput.DYNAMIC: _dynamic,
    ConsumeOutput.TEXT: _text,
    ConsumeOutput.BINARY: _binary,
    ConsumeOutput.JSON: _json,
    ConsumeOutput.JSONL: _jsonl,
    ConsumeOutput.RAW: _raw,
}
