"""Templates of `consume --format`: `{{offset}}: {{value|json:user.name}}`. Pure.

A variable is `key`, `value`, `offset`, `partition`, `time`, `len` or `topic`, and may have a
filter behind a bar. Nothing is escaped. An unknown variable is empty, as in Fluvio's command; an
unknown filter is an error, for filters are ours.
"""

import base64
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from fluvio_cli.json_path import MISSING, at_path, parse_json

if TYPE_CHECKING:
    from fluvio_client.consumer.consumer import Record

NOTHING = "null"
"""Shown for a missing key, and for what is not in a JSON value."""
_VARIABLE = re.compile(r"\{\{\{?\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(?:\|([^{}]*))?\}?\}\}")
Piece = Callable[["Record"], str]


def template_formatter(template: str, *, several_topics: bool = False) -> Piece:
    """Shows records by a template.

    several_topics: let `{{topic}}` be the topic; else it is empty, as in Fluvio's command
    Raises:         ValueError for a template that is not well formed
    """
    pieces: list[Piece] = []
    end = 0
    for match in _VARIABLE.finditer(template):
        pieces.append(_literal(template[end : match.start()]))
        name, filtered = match.groups()
        if name == "topic" and not several_topics:
            name = "nothing"
        pieces.append(_variable(name, None if filtered is None else filtered.strip()))
        end = match.end()
    pieces.append(_literal(template[end:] + "\n"))

    def show(record: "Record") -> str:
        return "".join([piece(record) for piece in pieces])

    return show


def time_text(record: "Record") -> str:
    """RFC 3339 in UTC with milliseconds, or `NA`."""
    time = _time_of(record)
    if time is None:
        return "NA"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_text(record: "Record") -> str:
    """The key as text, `null` when there is none."""
    return NOTHING if record.key is None else record.key.decode(errors="replace")


def _time_of(record: "Record") -> datetime | None:
    try:
        return record.time
    except (ValueError, OverflowError, OSError):  # a number that no calendar has
        return None


def _literal(text: str) -> Piece:
    if "{{" in text:
        raise ValueError(f"template has an opening {{{{ without a variable: {text.rstrip()!r}")
    return lambda record: text


def _variable(name: str, filtered: str | None) -> Piece:
    if filtered is None:
        return _PLAIN.get(name, lambda record: "")
    if name == "time" and filtered:
        return _moment(filtered)
    if name in ("key", "value"):
        filter_name, _, argument = filtered.partition(":")
        shown = _filter(filter_name.strip(), argument.strip())
        if shown is not None:
            return _of(name, shown)
    raise ValueError(f"template: {name} has no filter {filtered!r}")


def _of(name: str, shown: Callable[[bytes], str]) -> Piece:
    def show(record: "Record") -> str:
        data = record.key if name == "key" else record.value
        return NOTHING if data is None else shown(data)

    return show


def _filter(name: str, argument: str) -> Callable[[bytes], str] | None:
    match name, bool(argument):
        case "hex", False:
            return bytes.hex
        case "base64", False:
            return lambda data: base64.b64encode(data).decode()
        case "len", False:
            return lambda data: str(len(data))
        case "json", _:
            return lambda data: _json_text(data, argument)
    return None


def _moment(format: str) -> Piece:
    def show(record: "Record") -> str:
        time = _time_of(record)
        return "NA" if time is None else time.strftime(format)

    return show


def _json_text(data: bytes, path: str) -> str:
    """What is at a path of a JSON value: text as it is, everything else as compact JSON."""
    try:
        found = at_path(parse_json(data), path)
    except ValueError:
        return NOTHING
    if found is MISSING:
        return NOTHING
    if isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


_PLAIN: dict[str, Piece] = {
    "key": key_text,
    "value": lambda record: record.value.decode(errors="replace"),
    "offset": lambda record: str(record.offset),
    "partition": lambda record: str(record.partition),
    "time": time_text,
    "len": lambda record: str(len(record.value)),
    "topic": lambda record: record.topic,
}
