"""The process's own log: where it goes, and how a line of it looks.

`start_logging` is called once, by `__main__`. Log calls of this project are templates such as
`event=replica_opened replica=%s epoch=%s`; as JSON their fields become members, taken from the
template and its arguments, so that a reason with spaces in it stays one value.

    {"time": "2026-11-26T04:14:00.123Z", "level": "INFO", "logger": "fluvio_spu.app",
     "message": "event=spu_started spu=5001 ...", "event": "spu_started", "spu": 5001, ...}
"""

import json
import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")

_RUST_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
    "off": "ERROR",  # what someone has to be woken for is said all the same
}
_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FIELD = re.compile(r"(?:^|(?<=\s))([A-Za-z_]\w*)=(\S*)")
_DIRECTIVE = re.compile(r"%[#0\- +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]")
_EVENT = re.compile(r"([a-z][a-z0-9_]*)(?:\s|$)")
_FIXED = frozenset({"time", "level", "logger", "message", "exception", "stack"})


def start_logging(*, level: str, log_format: str, path: str | None = None) -> None:
    """Write entries from `level` on to a file, or to stderr. Raises OSError."""
    handler: logging.Handler = logging.StreamHandler()
    if path is not None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handler = logging.FileHandler(path)
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler])


def rust_log_level(directives: str | None) -> str | None:
    """The level in `RUST_LOG` that is for everything: `info`, or the `warn` of `warn,tokio=off`."""
    levels = [_RUST_LEVELS.get(one.strip().lower()) for one in (directives or "").split(",")]
    return next((level for level in levels if level is not None), None)


class JsonLines(logging.Formatter):
    """One object a line, whatever an entry holds."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(fields_of(record))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return json.dumps(entry, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The `name=value` pairs of an entry; none of a template that is not written so."""
    if not isinstance(record.msg, str):
        return {}
    template = _template(record.msg)
    arguments = record.args or ()
    if not isinstance(arguments, tuple) or len(arguments) != template.directive_count:
        return {}
    fields: dict[str, Any] = {}
    if template.event is not None:
        fields["event"] = template.event
    for field in template.fields:
        chosen = arguments[field.first : field.end]
        if field.is_plain and isinstance(chosen[0], int | float | None):
            fields[field.name] = chosen[0]
        elif chosen:
            fields[field.name] = field.text % chosen
        else:
            fields[field.name] = field.text
    return fields


@dataclass(frozen=True, slots=True)
class _Field:
    """`name=text`, whose text takes the arguments from `first` to `end`."""

    name: str
    text: str
    first: int
    end: int
    is_plain: bool


@dataclass(frozen=True, slots=True)
class _Template:
    """event: the first word, of entries that begin with one and not with `event=`."""

    event: str | None
    fields: tuple[_Field, ...]
    directive_count: int


@lru_cache(maxsize=512)
def _template(text: str) -> _Template:
    directives = [match.start() for match in _DIRECTIVE.finditer(text.replace("%%", "__"))]
    fields = []
    for match in _FIELD.finditer(text):
        name, value = match.groups()
        first = sum(at < match.start() for at in directives)
        end = sum(at < match.end() for at in directives)
        if name not in _FIXED:
            fields.append(_Field(name, value, first, end, value in ("%s", "%d")))
    event = _EVENT.match(text) if fields else None
    return _Template(None if event is None else event[1], tuple(fields), len(directives))
