"""`consume`: what its options ask of the library, which exclude each other, and their page."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.commands import consume
from fluvio_cli.main import run
from fluvio_cli.moment import parse_moment
from fluvio_cli.record_format import ConsumeOutput
from fluvio_client import Batch, Offset
from fluvio_client.consumer.offsets import Anchor

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "consume.md"


@dataclass
class ToldConsumer:
    """Client and consumer in one: hands out what it was given, and remembers what was asked."""

    found: Sequence[Batch] = ()
    asked: dict[str, Any] = field(default_factory=dict)
    max_records: int | None = None
    errors_skipped: int = 0

    @property
    def config(self) -> "ToldConsumer":
        return self

    def stats(self) -> "ToldConsumer":
        return self

    def consumer(self, topics: Sequence[str] | None, **options: Any) -> "ToldConsumer":
        self.asked = {"topics": topics, **options}
        self.max_records = options["max_records"]
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def batches(self) -> AsyncIterator[Batch]:
        for one in self.found:
            yield one


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> ToldConsumer:
    """In place of a cluster."""
    consumer = ToldConsumer()

    def run_client(context: Any, work: Callable[[Any], Awaitable[None]]) -> None:
        async def working() -> None:
            await work(consumer)

        asyncio.run(working())

    monkeypatch.setattr(consume, "run_client", run_client)
    return consumer


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], {"start": Offset.end(), "partitions": None, "follow": True, "until": None}),
        ([], {"commit": "none", "consumer_id": None, "on_error": "raise", "max_records": None}),
        (["-B"], {"start": Offset.beginning()}),
        (["--from-beginning", "-d"], {"start": Offset.beginning(), "follow": False}),
        (["-H", "3"], {"start": Offset.from_beginning(3)}),
        (["-T", "3"], {"start": Offset.from_end(3)}),
        (["-T"], {"start": Offset.from_end(10)}),
        (["--start", "3", "--end", "3"], {"start": Offset.absolute(3), "until": 4}),
        (
            ["--since", "1970-01-01T00:00:01Z"],
            {"start": Offset(Anchor.TIME, 1000), "until": None, "follow": True},
        ),
        (
            ["-B", "--until", "1970-01-01T02:00:02+02:00"],
            {"start": Offset.beginning(), "until": Offset(Anchor.TIME, 2000), "follow": False},
        ),
        (["-o", "7"], {"start": Offset.absolute(7)}),
        (["-o", "0"], {"start": Offset.absolute(0)}),
        (["-o", "-7"], {"start": Offset.from_end(7)}),
        (["--offset=-7"], {"start": Offset.from_end(7)}),
        (["-B", "--offset", "7"], {"start": Offset.from_beginning(7)}),
        (["-p", "1", "-p", "2"], {"partitions": [1, 2]}),
        (["-A"], {"partitions": None}),
        (["u"], {"topics": ("t", "u")}),
        (["-n", "5"], {"max_records": 5}),
        (["-b", "5"], {"max_bytes": 5}),
        (["-c", "me"], {"commit": "auto", "consumer_id": "me", "flush_interval_s": 2.0}),
        (["--on-error", "skip"], {"on_error": "skip"}),
        (["--on-error", "continue"], {"on_error": "yield"}),
        (["--disable-progressbar"], {"follow": True}),
    ],
)
def test_what_options_ask_of_the_library(
    told: ToldConsumer, options: list[str], asked: dict[str, Any]
) -> None:
    assert run(["consume", "t", *options]) == 0
    assert {name: told.asked[name] for name in asked} == asked


def test_a_pattern_stands_instead_of_topics(
    told: ToldConsumer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["consume", "--pattern", "t-*", "-A"]) == 0
    assert told.asked["topics"] is None
    assert (told.asked["pattern"], told.asked["partitions"]) == ("t-*", None)
    assert run(["consume", "--pattern", "t-*", "-p", "0"]) == 2
    said = "error: the argument '--pattern <GLOB>' cannot be used with '--partition <N>'"
    assert said in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        (["-B", "-H", "1"], "--beginning", "--head <N>"),
        (["-B", "-T", "1"], "--beginning", "--tail <N>"),
        (["-B", "--start", "1"], "--beginning", "--start <N>"),
        (["-H", "1", "-T", "1"], "--head <N>", "--tail <N>"),
        (["-H", "1", "--start", "1"], "--head <N>", "--start <N>"),
        (["-T", "1", "--start", "1"], "--tail <N>", "--start <N>"),
        (["-B", "--since", "1h"], "--beginning", "--since <TIME>"),
        (["--start", "1", "--since", "1h"], "--start <N>", "--since <TIME>"),
        (["--end", "1", "--until", "1h"], "--end <N>", "--until <TIME>"),
        (["-o", "1", "--since", "1h"], "--offset <N>", "--since <TIME>"),
        (["-o", "1", "-H", "1"], "--offset <N>", "--head <N>"),
        (["-o", "1", "-T", "1"], "--offset <N>", "--tail <N>"),
        (["-o", "1", "--start", "1"], "--offset <N>", "--start <N>"),
        (["-p", "1", "-A"], "--partition <N>", "--all-partitions"),
        (["--pattern", "t*"], "<TOPIC>", "--pattern <GLOB>"),
        (["-F", "x", "-O", "json"], "--format <TEMPLATE>", "--output <TYPE>"),
        (["-O", "text", "--truncate"], "--output <TYPE>", "--truncate"),
        (["-F", "x", "--truncate"], "--format <TEMPLATE>", "--truncate"),
    ],
)
def test_options_that_exclude_each_other(
    capsys: pytest.CaptureFixture[str], options: list[str], first: str, second: str
) -> None:
    assert run(["consume", "t", *options]) == 2
    said = f"error: the argument '{first}' cannot be used with '{second}'\n"
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--start", "2", "--end", "1"], 1, "Argument end-offset must be greater than start-"),
        (["-o", "2", "--end", "1"], 1, "Argument end-offset must be greater than start-"),
        (["-F", "{{value|nosuch}}"], 1, "template: value has no filter 'nosuch'"),
        (["-F", "{{offset|hex}}"], 1, "template: offset has no filter 'hex'"),
        (
            ["-O", "full_table"],
            1,
            "full-table fills the screen of a terminal: use '--output table'",
        ),
        (["--since", "1h", "--until", "2h"], 1, "--until is before --since: "),
        (["--since", "noon"], 2, "error: invalid value 'noon' for '--since <TIME>': expected how"),
        (["--until", "99999999years"], 2, "error: invalid value '99999999years' for '--until"),
        (["-n", "0"], 2, "error: invalid value for '--num-records <N>'"),
        (["--end", "-5"], 2, "error: invalid value for '--end <N>'"),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    assert run(["consume", "t", *options]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err[: len(said)]) == ("", said)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", "2024-05-01T11:50:00+00:00"),
        ("1d 12h", "2024-04-30T00:00:00+00:00"),
        ("2024-03-01T12:30:00Z", "2024-03-01T12:30:00+00:00"),
        ("2024-03-01 12:30:00.5+02:00", "2024-03-01T10:30:00.500000+00:00"),
        ("20240301T123000Z", "2024-03-01T12:30:00+00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    now = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert parse_moment(text, now=now) == datetime.fromisoformat(moment)


def test_a_moment_without_a_zone_is_one_of_this_machine() -> None:
    assert parse_moment("2024-05-01") == datetime(2024, 5, 1).astimezone()


def test_output_types_in_any_spelling(
    told: ToldConsumer, capsys: pytest.CaptureFixture[str]
) -> None:
    told.found = [Batch("t", 0, [(0, -1, b"k", b'{"a":1}'), (1, -1, None, b"\xff\0")])]
    for output, lines in (
        ("JSON", ["{", '  "a": 1', "}", "{"]),
        ("Text", ['{"a":1}', "binary: (2 bytes)"]),
        (
            "jsonl",
            ['{"topic": "t", "partition": 0, "offset": 0, "timestamp": -1, "key": "k", "value"'],
        ),
        ("table", ["| a |", "+===+", "| 1 |", "+---+"]),
    ):
        assert run(["consume", "t", "-d", "-O", output]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert [line[:80] for line in shown[: len(lines)]] == lines


def test_values_at_the_edge(told: ToldConsumer, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no JSON, no moment or no letter is told as such, and ends nothing."""
    error = '{\n  "error": "%s"\n}\n'
    for value, template, output, shown in (
        (b"[NaN]", None, "json", error % "NaN is no JSON"),
        (b"1e999", None, "json", error % "number out of range"),
        (b"[" * 100_000, None, "json", error % "nested too deeply"),
        (b'{"a":-Infinity}', None, "table", "error parsing record as json: -Infinity is no JSON\n"),
        (b'"\\ud800!"', None, "json", '"?!"\n'),
        (b"NaN", "{{value|json}} {{time}} {{time|%H}}", None, "null NA NA\n"),
    ):
        told.found = [Batch("t", 0, [(0, 10**18, None, value)])]
        options = ["-F", template] if template else ["-O", str(output)]
        assert run(["consume", "t", "-d", *options]) == 0
        assert capsys.readouterr().out == shown


def test_the_page_has_every_option_and_type() -> None:
    text = PAGE.read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `-")]
    told = {one.split()[0] for row in rows for one in re.findall(r"`(-[^`]+)`", row)}
    own = [one for one in consume.command.params if one.expose_value]  # not those of all commands
    known = {name for param in own for name in param.opts if name[0] == "-"}
    assert told | {"--on-error"} == known
    assert "`--on-error stop`" in text
    for output in ConsumeOutput:
        assert f"| `{output}` |" in text
