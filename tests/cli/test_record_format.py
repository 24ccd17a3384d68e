"""How `consume` shows records: transcripts of Fluvio's own command, and what ours adds."""

import json

import pytest

from fluvio_cli.record_format import (
    SEPARATOR,
    ConsumeOutput,
    formatter_for,
    hex_dump,
    looks_binary,
)
from fluvio_cli.record_template import template_formatter
from fluvio_client import Record


def record(
    value: bytes, *, key: bytes | None = None, timestamp: int = -1, offset: int = 7
) -> Record:
    return Record("orders", 3, offset, timestamp, key, value)


def shown(output: ConsumeOutput, value: bytes, **options: bool) -> str | None:
    return formatter_for(output, **options)(record(value))


def test_hex_dump() -> None:
    assert hex_dump(b"one") == (
        "00000000  6f 6e 65                                          |one             |\n"
        f"{SEPARATOR}\n"
    )
    assert hex_dump(b'{"a":1,"b":"x"}').splitlines()[0] == (
        '00000000  7b 22 61 22 3a 31 2c 22  62 22 3a 22 78 22 7d     |{"a":1,"b":"x"} |'
    )
    lines = hex_dump(bytes(range(8, 28))).splitlines()
    assert lines[0].endswith("|  .             |")
    assert lines[1].startswith("00000010  18 19 1a 1b  ")
    assert len(SEPARATOR) == 78 == len(lines[0])
    assert hex_dump(b"") == SEPARATOR + "\n"


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"", False),
        (b"text", False),
        ("grün".encode(), False),
        (b"\xff\xfe\x00a", False),
        (b"\xef\xbb\xbf\0", False),
        (b"a\0b", True),
        (b"%PDF-1.4", True),
        (b"\x89PNG\r\n", True),
        (b"a" * 1024 + b"\0", False),
        (b"\xc3\x28", False),
    ],
)
def test_what_looks_binary(data: bytes, binary: bool) -> None:
    assert looks_binary(data) is binary


def test_dynamic_text_and_raw() -> None:
    assert shown(ConsumeOutput.DYNAMIC, b"hello") == "hello\n"
    assert shown(ConsumeOutput.DYNAMIC, b"\0") == hex_dump(b"\0")
    assert shown(ConsumeOutput.TEXT, b"\0\1") == "binary: (2 bytes)\n"
    assert shown(ConsumeOutput.TEXT, b"\0\1", suppress_unknown=True) is None
    assert shown(ConsumeOutput.RAW, b"a\xff") == "a\N{REPLACEMENT CHARACTER}\n"
    assert shown(ConsumeOutput.BINARY, b"one") == hex_dump(b"one") + "\n"


def test_json() -> None:
    assert shown(ConsumeOutput.JSON, b'{"a":[1],"b":"\xc3\xbc"}') == (
        '{\n  "a": [\n    1\n  ],\n  "b": "ü"\n}\n'
    )
    assert shown(ConsumeOutput.JSON, b"v1") == (
        '{\n  "error": "expected value at line 1 column 1"\n}\n'
    )
    assert shown(ConsumeOutput.JSON, b"v1", suppress_unknown=True) is None


def test_jsonl_keeps_everything() -> None:
    formatter = formatter_for(ConsumeOutput.JSONL, key_value=True)
    line = formatter(record(b"\xff", key=b"k", timestamp=5))
    assert line is not None
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "topic": "orders",
        "partition": 3,
        "offset": 7,
        "timestamp": 5,
        "key": "k",
        "value_base64": "/w==",
    }
    line = formatter(record(b"v"))
    assert line is not None
    assert json.loads(line)["key"] is None


def test_table() -> None:
    assert shown(ConsumeOutput.TABLE, b'{"a":1,"b":"x"}') == (
        "| a | b |\n+=======+\n| 1 | x |\n+---+---+\n"
    )
    wide = shown(ConsumeOutput.TABLE, b'{"name":"x","n":12345}')
    assert wide == "| name | n     |\n+==============+\n| x    | 12345 |\n+------+-------+\n"
    problem = shown(ConsumeOutput.TABLE, b"one")
    assert problem == "error parsing record as json: expected value at line 1 column 1\n"
    assert shown(ConsumeOutput.TABLE, b"[1]", suppress_unknown=True) is None


def test_keys() -> None:
    formatter = formatter_for(ConsumeOutput.DYNAMIC, key_value=True)
    assert formatter(record(b"v", key=b"k")) == "[k] v\n"
    assert formatter(record(b"v")) == "[null] v\n"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{topic}} {{partition}} {{offset}} {{key}} {{value}}", " 3 7 null <b>&\n"),
        ("{{ value }}|{{{value}}}", "<b>&|<b>&\n"),
        ("{{time}}", "2021-08-03T00:00:00.123Z\n"),
        ("no variables {x}", "no variables {x}\n"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    formatter = template_formatter(template)
    assert formatter(record(b"<b>&", timestamp=1_627_948_800_123)) == expected


def test_a_record_without_time() -> None:
    assert template_formatter("{{time}}")(record(b"v")) == "NA\n"


@pytest.mark.parametrize("template", ["{{value", "{{}}", "{{#if x}}"])
def test_bad_templates(template: str) -> None:
    with pytest.raises(ValueError, match="template"):
        template_formatter(template)
