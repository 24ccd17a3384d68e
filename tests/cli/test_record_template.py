"""Templates of `consume --format`, cells of tables, and text that is cut to a width."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_cli.json_path import MISSING, at_path
from fluvio_cli.record_format import ConsumeOutput, formatter_for, parse_output
from fluvio_cli.record_table import Align, Column, RecordTable, columns_of
from fluvio_cli.record_template import template_formatter
from fluvio_cli.terminal import ELLIPSIS, cut
from fluvio_client import Record
from fluvio_protocol.metadata.table_format import (
    Alignment,
    TableFormatColumn,
    TableFormatSpec,
    TextColor,
)

TIME_MS = 1_627_948_800_123
JSON = b'{"user":{"name":"Ada","tags":["x","y"]},"n":1.5,"a.b":true,"none":null}'


def record(value: bytes = JSON, key: bytes | None = b"\x00k", timestamp: int = TIME_MS) -> Record:
    return Record("orders", 3, 7, timestamp, key, value)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{key|hex}}", "006b"),
        ("{{ key | base64 }}", "AGs="),
        ("{{key|len}}-{{len}}", f"2-{len(JSON)}"),
        ("{{value|json:user.name}}", "Ada"),
        ("{{value|json:user.tags.1}} {{value | json: n}}", "y 1.5"),
        ("{{value|json:user.tags}}", '["x","y"]'),
        ("{{value|json:a.b}}", "true"),
        ("{{value|json:none}} {{value|json:nosuch}} {{value|json:user.tags.9}}", "null null null"),
        ("{{key|json:a}}", "null"),
        ("{{time|%H:%M}}", "00:00"),
        ("{{time|%d|%m|%Y}}!", "03|08|2021!"),
        ("{{topic}}{{nosuch}}", ""),
        ("{ {{offset}} }", "{ 7 }"),
    ],
)
def test_filters(template: str, expected: str) -> None:
    assert template_formatter(template)(record()) == expected + "\n"


def test_what_a_record_does_not_have() -> None:
    bare = record(b"", key=None, timestamp=-1)
    template = "{{key|hex}} {{time|%H}} {{value|json}} {{len}}"
    assert template_formatter(template)(bare) == "null NA null 0\n"


def test_the_topic_is_told_when_there_are_several() -> None:
    assert template_formatter("{{topic}}", several_topics=True)(record()) == "orders\n"


@pytest.mark.parametrize(
    "template", ["{{key|upper}}", "{{offset|hex}}", "{{time|}}", "{{value|hex:2}}", "{{value|}}"]
)
def test_unknown_filters_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="has no filter"):
        template_formatter(template)


def paths(value: object) -> Iterator[tuple[str, object]]:
    """Every place of a value, and what is there."""
    yield "", value
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for name, inner in items:
        for path, found in paths(inner):
            yield f"{name}.{path}" if path else str(name), found


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_every_place_has_a_path(value: object) -> None:
    for path, found in paths(value):
        assert at_path(value, path) is found
    assert at_path(value, "nosuch.9") is MISSING


@pytest.mark.parametrize("text", ["full-table", "FULL_TABLE", "Full-Table"])
def test_output_types_are_spelt_in_several_ways(text: str) -> None:
    assert parse_output(text) is ConsumeOutput.FULL_TABLE


def test_an_unknown_output_type() -> None:
    with pytest.raises(ValueError, match="Supported: dynamic, text"):
        parse_output("xml")


# Tables


FORMAT = TableFormatSpec(
    name="people",
    columns=(
        TableFormatColumn(
            key_path="user.name",
            header_label="Name",
            width="10",
            alignment=Alignment.RIGHT,
            header_text_color=TextColor.BLUE,
            header_bg_color=TextColor.GREEN,
        ),
        TableFormatColumn(key_path="n"),
        TableFormatColumn(key_path="id", display=False, primary_key=True),
    ),
)


def value(name: str, n: object, id: int) -> bytes:
    return json.dumps({"user": {"name": name}, "n": n, "id": id, "other": 1}).encode()


def test_a_stored_format() -> None:
    columns = columns_of(FORMAT)
    assert columns[0] == Column(
        "user.name", "Name", 10, Align.RIGHT, foreground="blue", background="green"
    )
    assert (columns[1].label, columns[2].shown, columns[2].primary) == ("n", False, True)
    assert columns_of(TableFormatSpec(name="empty")) == ()
    assert columns_of(
        TableFormatSpec(name="odd", columns=(TableFormatColumn(key_path="a", width="wide"),))
    ) == (Column("a", "a"),)


def test_rows_of_the_same_primary_key_are_replaced_where_they_are() -> None:
    table = RecordTable(columns_of(FORMAT))
    assert [column.label for column in table.columns] == ["Name", "n"]
    table.add(value("Ada", 1, 1))
    table.add(value("Bob", 2, 2))
    before = [key for key, _ in table.rows()]
    table.add(value("Ada", [3], 1))
    assert [cells for _, cells in table.rows()] == [("Ada", "[3]"), ("Bob", "2")]
    assert [key for key, _ in table.rows()] == before
    table.clear()
    assert (table.count, len(table.columns)) == (0, 2)


def test_without_format_the_columns_are_the_keys_in_order() -> None:
    table = RecordTable(rows_max=3)
    assert table.add(b'[{"b": 1, "a": "x"}, {"b": 2}]')
    assert table.add(b'{"c.d": null}')
    assert [column.label for column in table.columns] == ["a", "b", "c.d"]
    assert [cells for _, cells in table.rows()] == [("x", "1", ""), ("", "2", ""), ("", "", "null")]
    for bad in (b"text", b"1", b"[1]", b"[" * 100_000):
        assert not table.add(bad)
    assert (table.count, table.refused_count) == (3, 4)
    table.add(b'{"a": "y"}')
    assert [cells[0] for _, cells in table.rows()] == ["", "", "y"], "the oldest row went"


def test_a_bordered_table_follows_a_stored_format() -> None:
    show = formatter_for(ConsumeOutput.TABLE, columns=columns_of(FORMAT))
    assert show(record(value("Ada", 1, 1))) == (
        "| Name | n |\n+==========+\n| Ada  | 1 |\n+------+---+\n"
    )


def test_json_that_is_nested_too_deeply_is_an_error_like_others() -> None:
    deep = record(b"[" * 100_000)
    shown = formatter_for(ConsumeOutput.JSON)(deep)
    assert shown is not None
    assert "nested too deeply" in shown


# Widths


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("short\n", 5, "short\n"),
        ("longer\nok\n", 5, f"long{ELLIPSIS}\nok\n"),
        ("日本語\n", 5, f"日本{ELLIPSIS}\n"),
        ("日本語\n", 4, f"日{ELLIPSIS}\n"),
        ("e\u0301a\u0301\n", 2, "e\u0301a\u0301\n"),
        ("abc\n", 1, f"{ELLIPSIS}\n"),
    ],
)
def test_cutting(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected
