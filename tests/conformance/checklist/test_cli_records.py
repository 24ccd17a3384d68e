"""Producing and consuming by command: lines 15 to 30 of the checklist."""

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def everything(fluvio: Any, topic: str, *options: str) -> str:
    shown: str = fluvio("consume", topic, "-B", "-d", *options)
    return shown


@pytest.mark.parametrize("codec", CODECS)
def test_the_topics_codec_and_any(fluvio: Any, make_topic: Callable[..., str], codec: str) -> None:
    lines = "".join(f"line {number}\n" for number in range(50))
    strict = make_topic("--compression-type", codec)
    fluvio("produce", strict, "--compression", codec, stdin=lines)
    fluvio("produce", strict, stdin=lines)
    assert everything(fluvio, strict) == lines * 2
    free = make_topic("--compression-type", "any")
    fluvio("produce", free, "--compression", codec, stdin=lines)
    assert everything(fluvio, free) == lines
    other = CODECS[(CODECS.index(codec) + 1) % len(CODECS)]
    said = fluvio.refused("produce", strict, "--compression", other, stdin=lines)
    assert f"({other}) does not match with topic level compression ({codec})" in said
    assert everything(fluvio, strict) == lines * 2


SPELLINGS = [
    ("--linger", "0s"),
    ("--linger", "150ms"),
    ("--batch-size", "100"),
    *(
        ("--isolation", spelling)
        for spelling in (
            "read_committed", "ReadCommitted", "readCommitted", "readcommitted",
            "read_uncommitted", "ReadUncommitted", "readUncommitted", "readuncommitted",
        )
    ),
    *(
        ("--delivery-semantic", spelling)
        for spelling in (
            "at_most_once", "atMostOnce", "atmostonce", "AtMostOnce", "at-most-once",
            "at_least_once", "atLeastOnce", "atleastonce", "AtLeastOnce", "at-least-once",
        )
    ),
]  # fmt: skip


def test_every_spelling_is_accepted(fluvio: Any, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    for option, value in SPELLINGS:
        fluvio("produce", topic, option, value, stdin=f"{option} {value}\n")
    expected = [" ".join(one) for one in SPELLINGS]
    assert everything(fluvio, topic).splitlines() == expected
    for isolation in (value for option, value in SPELLINGS if option == "--isolation"):
        assert everything(fluvio, topic, "--isolation", isolation).splitlines() == expected


def test_a_template_shows_everything_as_it_is(fluvio: Any, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    value = """{"quoted" & 'single' <tag>}"""
    before = datetime.now(UTC)
    fluvio("produce", topic, "--key-separator", "=", stdin=f'"k" & <y>={value}\n')
    template = "key {{key}}, value {{value}}, offset {{offset}}, partition {{partition}}"
    assert everything(fluvio, topic, "--format", template) == (
        f'key "k" & <y>, value {value}, offset 0, partition 0\n'
    )
    shown = everything(fluvio, topic, "--format", "{{time}}")
    moment = datetime.fromisoformat(shown.strip())
    assert shown.endswith("Z\n")
    assert len(shown) == len("2026-01-02T03:04:05.678Z\n")
    assert abs((moment - before).total_seconds()) < 60


def test_committed_and_uncommitted_are_the_same_records(
    fluvio: Any, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    names = ["read_committed", "read_uncommitted"]
    for name in names:
        fluvio("produce", topic, "--isolation", name, stdin=f"{name}\n")
    for name in names:
        assert everything(fluvio, topic, "--isolation", name).splitlines() == names


def test_all_partitions_or_those_that_are_named(
    fluvio: Any, make_topic: Callable[..., str]
) -> None:
    topic = make_topic("-p", "3")
    fluvio("produce", topic, "--key-separator", ":", stdin="1:one\n2:two\n3:three\n")
    assert sorted(everything(fluvio, topic).split()) == ["one", "three", "two"]
    some = everything(fluvio, topic, "-p", "1", "-p", "2", "-F", "{{partition}} {{value}}")
    assert sorted(some.splitlines()) == ["1 one", "2 two"], "as Fluvio's hash says"
    assert everything(fluvio, topic, "-p", "0") == "three\n"


def test_separators_of_two_characters_in_a_file(
    fluvio: Any, make_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = make_topic()
    file = tmp_path / "pairs"
    pairs = [(f"key{number}", f"a|b||value{number}") for number in range(200)]
    file.write_text("".join(f"{key}||{value}\n" for key, value in pairs))
    fluvio("produce", topic, "--key-separator", "||", "--file", str(file))
    shown = everything(fluvio, topic, "-k").splitlines()
    assert shown == [f"[{key}] {value}" for key, value in pairs]


def test_a_record_of_forty_megabytes(
    fluvio: Any, make_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = make_topic("--compression-type", "gzip")
    file = tmp_path / "large"
    file.write_bytes(b"x" * 40_000_000)
    produce = ("produce", topic, "--raw", "--file", str(file))
    assert "exceeded maximum request size" in fluvio.refused(*produce)
    raised = fluvio.refused(*produce, "--batch-size", "50000000")
    assert "exceeded maximum request size" in raised
    assert "does not match" in fluvio.refused(*produce, "--compression", "snappy")
    assert everything(fluvio, topic) == ""


def test_fifteen_megabytes_of_lines_that_linger(
    fluvio: Any, make_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = make_topic()
    line = "0123456789" * 15
    count = 100_000
    file = tmp_path / "lines"
    file.write_text("".join(f"{number:06} {line}\n" for number in range(count)))
    fluvio(
        *("produce", topic, "--linger", "30s", "--batch-size", "16000000"),
        *("--max-request-size", "20000000", "--file", str(file)),
    )
    assert everything(fluvio, topic, "--maxbytes", "16000000") == file.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["consume", "t", "-H", "1", "-T", "1"],
        ["consume", "t", "-B", "-H", "1"],
        ["consume", "t", "-B", "-T", "1"],
        ["consume", "t", "-B", "--start", "1"],
        ["consume", "t", "-H", "1", "--start", "1"],
        ["consume", "t", "--end", "-5"],
        ["consume", "t", "-p", "1", "-A"],
        ["consume"],
        ["consume", "t", "-B", "-F", "{{key}}", "-O", "json"],
    ],
)
def test_arguments_that_contradict_each_other(fluvio: Any, arguments: list[str]) -> None:
    assert fluvio.refused(*arguments, code=2).startswith("error: ")


class Terminal(io.StringIO):
    """Standard error of somebody who looks."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], ""),
        (["-B"], " starting from the beginning of log"),
        (["-H", "2"], " starting 2 from the beginning of log"),
        (["--start", "3"], " starting at offset 3"),
        (["-T", "10"], " starting 10 from the end of log"),
        (["--end", "4"], " until offset 4 (inclusive)"),
        (["-B", "--end", "4"], " starting from the beginning of log until offset 4 (inclusive)"),
        (["-H", "2", "--end", "4"], " starting 2 from the beginning of log until offset 4 (inc"),
        (["--start", "0", "--end", "5"], " starting at offset 0 until offset 5 (inclusive)"),
        (["-T", "1", "--end", "4"], " starting 1 from the end of log until offset 4 (inclusive)"),
    ],
)
def test_the_sentence_about_what_is_shown(
    fluvio: Any,
    make_topic: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    sentence: str,
) -> None:
    topic = make_topic()
    fluvio("produce", topic, stdin="a\nb\nc\nd\n")
    monkeypatch.setattr(io, "StringIO", Terminal)
    outcome = fluvio.any("consume", topic, "-d", *options)
    assert outcome.code == 0
    first = outcome.err.splitlines()[0]
    assert f"Consuming records from '{topic}'{sentence}" in first
    assert sentence or first.strip("\x1b[01m").endswith(f"'{topic}'")


def test_another_process_sees_what_the_official_client_flushed(
    local_cluster: Any, client: Any, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    producer = client.topic_producer(topic)
    for value in ("FOO", "BAR", "BAZ"):
        producer.send_string(value)
    producer.flush()
    shown = subprocess.run(
        [sys.executable, "-c", FLUVIO_COMMAND, "consume", topic, "-B", "-d"],
        env=dict(local_cluster.environment),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert (shown.stdout, shown.stderr) == (b"FOO\nBAR\nBAZ\n", b"")


def test_what_is_consumed_can_be_produced(fluvio: Any, make_topic: Callable[..., str]) -> None:
    topic = make_topic("-p", "2")
    values = [f"value {number}" for number in range(20)]
    fluvio("produce", topic, stdin="\n".join(values))
    records = [json.loads(line) for line in everything(fluvio, topic, "-O", "jsonl").splitlines()]
    assert sorted(one["value"] for one in records) == sorted(values)
    for partition, group in itertools.groupby(
        sorted(records, key=lambda one: one["partition"]), key=lambda one: one["partition"]
    ):
        assert [(one["topic"], one["offset"]) for one in group] == [(topic, n) for n in range(10)]
        assert partition in (0, 1)
