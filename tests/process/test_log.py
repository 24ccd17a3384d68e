"""The process's own log as JSON: one object a line, with the fields that the calls wrote."""

import json
import logging
import sys
from typing import Any

import pytest

from fluvio_process.log import JsonLines, fields_of


def record(template: Any, *arguments: Any, **options: Any) -> logging.LogRecord:
    return logging.LogRecord("spu", logging.INFO, "f.py", 1, template, arguments, None, **options)


@pytest.mark.parametrize(
    ("template", "arguments", "fields"),
    [
        (
            "event=opened replica=%s epoch=%s leo=%d",
            ("t-0", 3, 17),
            {"event": "opened", "replica": "t-0", "epoch": 3, "leo": 17},
        ),
        (
            "event=away address=%s:%s reason=%s",
            ("sc", 9004, "no such host = 7"),
            {"event": "away", "address": "sc:9004", "reason": "no such host = 7"},
        ),
        (
            "server_started server=%s deleted=%s first=%s",
            ("public", True, None),
            {"event": "server_started", "server": "public", "deleted": True, "first": None},
        ),
        ("event=failed error=%r", ("a b",), {"event": "failed", "error": "'a b'"}),
        ("took %s steps of %s name=%s", (1, 2, "x"), {"event": "took", "name": "x"}),
        ("event=full share=%.1f%% left=%s", (12.34, 5), {"event": "full", "left": 5}),
        ("event=plain reason=none", (), {"event": "plain", "reason": "none"}),
        ("event=odd message=%s time=%s", ("m", 1), {"event": "odd"}),
        ("Nothing of the kind: %s", ("x",), {}),
        ("event=mapping name=%(name)s", ({"name": "x"},), {}),
        (ValueError("a=b"), (), {}),
    ],
)
def test_fields_come_from_the_template_and_its_arguments(
    template: Any, arguments: tuple[Any, ...], fields: dict[str, Any]
) -> None:
    found = fields_of(record(template, *arguments))
    found.pop("share", None)
    assert found == fields


def test_whatever_an_entry_holds_it_is_one_line() -> None:
    try:
        raise ValueError('two\nlines, and a "quote"')
    except ValueError:
        entry = record("event=failed reason=%s", "a\nb", sinfo="Stack:\n x")
        entry.exc_info = sys.exc_info()
    entry.created = 1_700_000_000.0625
    line = JsonLines().format(entry)
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed["time"] == "2023-11-14T22:13:20.062Z"
    assert parsed["level"] == "INFO"
    assert parsed["logger"] == "spu"
    assert parsed["message"] == "event=failed reason=a\nb"
    assert parsed["reason"] == "a\nb"
    assert 'ValueError: two\nlines, and a "quote"' in parsed["exception"]
    assert parsed["stack"] == "Stack:\n x"
