"""`produce`: what lines mean, what goes wrong with them, and what a terminal shows."""

import asyncio
import base64
import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_cli.commands import produce
from fluvio_cli.failure import Failure
from fluvio_cli.input_stream import READ_SIZE_BYTES, lines, whole
from fluvio_cli.main import run
from fluvio_cli.record_format import ConsumeOutput, formatter_for
from fluvio_cli.record_input import (
    BadLine,
    InputRecord,
    LineReader,
    LineWithoutSeparator,
    from_base64,
    from_hex,
    read_json,
    text_reader,
)
from fluvio_cli.record_sender import RecordSender
from fluvio_client import FluvioError, Record

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"

# What lines mean


@given(
    key=st.none() | st.binary(max_size=20) | st.text(max_size=20).map(str.encode),
    value=st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
    timestamp=st.just(-1) | st.integers(1, (1 << 63) - 1),
)
def test_json_lines_are_the_inverse_of_jsonl(
    key: bytes | None, value: bytes, timestamp: int
) -> None:
    shown = formatter_for(ConsumeOutput.JSONL)(Record("t", 1, 2, timestamp, key, value))
    assert shown is not None
    assert shown.count("\n") == 1
    time_ms = None if timestamp < 0 else timestamp
    assert read_json(shown.rstrip("\n").encode()) == InputRecord(key, value, time_ms)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"value": "v"}', InputRecord(None, b"v")),
        (b'{"key": "", "value": ""}', InputRecord(b"", b"")),
        (b'{"key": 7, "value": {"a": ["\xc3\xbc"]}}', InputRecord(b"7", b'{"a":["\xc3\xbc"]}')),
        (b'{"value": false, "timestamp": 5, "offset": "x"}', InputRecord(None, b"false", 5)),
        (b'{"key": null, "key_base64": "AP8=", "value": "v"}', InputRecord(b"\x00\xff", b"v")),
    ],
)  # fmt: skip
def test_json_lines(line: bytes, expected: InputRecord) -> None:
    assert read_json(line) == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"", "invalid JSON: expecting value at column 1"),
        (b'{"value": 1', "invalid JSON: expecting ',' delimiter at column 12"),
        (b'{"value": "\xff"}', "invalid JSON: it is not UTF-8"),
        (b"[" * 100_000, "invalid JSON: nested too deeply"),
        (b'{"value": NaN}', "invalid JSON: NaN"),
        (b'{"value": 1e999}', "invalid JSON: "),
        (b"[1]", "invalid record: expected an object with a value"),
        (b'{"valeu": 1}', "invalid record: it has no value"),
        (b'{"value": "a", "value_base64": "YQ=="}', "it has both value and value_base64"),
        (b'{"value_base64": "?"}', "value_base64: invalid base64"),
        (b'{"value_base64": 1}', "value_base64 is no text"),
        (b'{"value_base64": "\xc3\xbc"}', "value_base64: invalid base64"),
        (b'{"value": "\\ud800"}', "value has half of a surrogate pair"),
        (b'{"value": 1, "timestamp": "now"}', "timestamp is no number of milliseconds"),
        (b'{"value": 1, "timestamp": 1e3}', "timestamp is no number of milliseconds"),
        (b'{"value": 1, "timestamp": 9223372036854775808}', "timestamp is no number"),
    ],
)
def test_bad_json_lines(line: bytes, text: str) -> None:
    with pytest.raises(BadLine, match=re.escape(text)):
        read_json(line)


@given(st.binary())
def test_hexadecimal_and_base64(data: bytes) -> None:
    assert from_hex(data.hex(" ").encode()) == data
    assert from_base64(base64.encodebytes(data)) == data


@given(st.binary(max_size=30), st.sampled_from([read_json, from_hex, from_base64]))
def test_nothing_but_a_bad_line_is_raised(line: bytes, read: Callable[[bytes], object]) -> None:
    with contextlib.suppress(BadLine):
        read(line)


def test_keys_and_separators() -> None:
    assert text_reader(key=b"k")(b"a=b") == InputRecord(b"k", b"a=b")
    split = text_reader(separator=b"=", decode=from_hex)
    assert split(b"a=0a") == InputRecord(b"a", b"\n")
    with pytest.raises(LineWithoutSeparator, match="Failed to find separator '=' in record, skip"):
        split(b"0a")
    with pytest.raises(BadLine, match="invalid hexadecimal"):
        split(b"a=0a=")


# Input while it comes


def read_all(stream: AsyncIterator[bytes]) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [line async for line in stream]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\r\n\nb\rc", [b"a", b"", b"b\rc"]),
        (b"x" * READ_SIZE_BYTES + b"\r\ny\r", [b"x" * READ_SIZE_BYTES, b"y"]),
        (b"".join(b"%d\n" % n for n in range(300_000)), [b"%d" % n for n in range(300_000)]),
    ],
    ids=["nothing", "a newline", "ends", "an end across chunks", "many chunks"],
)
def test_lines_of_a_file(tmp_path: Path, text: bytes, expected: list[bytes]) -> None:
    file = tmp_path / "lines"
    file.write_bytes(text)
    told: list[int] = []
    with file.open("rb") as source:
        assert read_all(lines(source, on_bytes=told.append)) == expected
    assert sum(told) == len(text)
    with file.open("rb") as source:
        assert asyncio.run(whole(source, size_bytes_max=len(text))) == text
    if text:
        with file.open("rb") as source, pytest.raises(Failure, match="is larger than"):
            asyncio.run(whole(source, size_bytes_max=len(text) - 1))


def test_a_line_that_never_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fluvio_cli.input_stream.LINE_BYTES_MAX", 1000)
    file = tmp_path / "line"
    file.write_bytes(b"x" * 2000)
    with file.open("rb") as source, pytest.raises(Failure, match="longer than 1000 bytes"):
        read_all(lines(source))


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    with Path(os.devnull).open("rb") as source:
        os.dup2(directory, source.fileno())
        os.close(directory)
        with pytest.raises(OSError, match="directory") as caught:
            read_all(lines(source))
    assert caught.value.errno == errno.EISDIR


# Sending


class ScriptedProducer:
    """Takes records; refuses some at once, and loses others."""

    def __init__(self, *, refused: bytes = b"", lost: bytes = b"") -> None:
        self.sent: list[tuple[bytes | None, bytes, int | None]] = []
        self.flushes = 0
        self._refused = refused
        self._lost = lost

    async def send(
        self, value: bytes, *, key: bytes | None, partition: int | None, timestamp: int | None
    ) -> Any:
        if value == self._refused:
            raise FluvioError("refused")
        self.sent.append((key, value, timestamp))
        return Outcome(FluvioError("lost") if value == self._lost else None)

    async def flush(self) -> None:
        self.flushes += 1


class Outcome:
    def __init__(self, error: FluvioError | None) -> None:
        self.done = error is None
        self._error = error

    def result(self) -> None:
        if self._error is not None:
            raise self._error

    def __await__(self) -> Any:
        yield from ()
        self.result()


async def each(*texts: bytes) -> AsyncIterator[bytes]:
    for text in texts:
        yield text


def send(producer: ScriptedProducer, reader: LineReader, *texts: bytes, **options: Any) -> None:
    sender = RecordSender(producer, reader, **options)  # type: ignore[arg-type]
    asyncio.run(sender.pipeline(each(*texts)))


def test_lines_without_separator_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    producer = ScriptedProducer()
    send(producer, text_reader(separator=b":"), b"a:1", b"none", b"b:2", verbose=True)
    assert [key for key, _, _ in producer.sent] == [b"a", b"b"]
    assert capsys.readouterr() == (
        "[a] 1\n[b] 2\n",
        "Failed to find separator ':' in record, skipping: 'none'\n",
    )


@pytest.mark.parametrize(
    ("options", "text", "sent"),
    [
        ({}, r"invalid JSON: .* at column 1 \(line 3\)", 2),
        ({"refused": b"1"}, r"refused \(line 1\)", 0),
        ({"lost": b"2"}, r"lost \(line 2\)", 2),
        ({"lost": b"1"}, r"lost \(line 1\)", 2),
    ],
)
def test_the_first_line_that_failed_is_told(
    options: dict[str, bytes], text: str, sent: int
) -> None:
    producer = ScriptedProducer(**options)
    with pytest.raises(Failure, match=f"^{text}$"):
        send(producer, read_json, b'{"value":1}', b'{"value":2}', b"x", b'{"value":4}')
    assert (len(producer.sent), producer.flushes) == (sent, 1), "what came before it is sent"


def test_a_count_ends_it_without_asking_for_more() -> None:
    async def two_and_a_wait() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"
        raise AssertionError("asked for more than was wanted")

    producer = ScriptedProducer()
    sender = RecordSender(producer, text_reader(), count_max=2)  # type: ignore[arg-type]
    asyncio.run(sender.pipeline(two_and_a_wait()))
    assert len(producer.sent) == 2


def test_a_rate_is_a_limit() -> None:
    begun = time.monotonic()
    send(ScriptedProducer(), text_reader(), *[b"x"] * 21, rate=200)
    assert time.monotonic() - begun >= 0.1


# Refusals


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        (["--json", "--raw"], "--json", "--raw"),
        (["--json", "--key", "k"], "--json", "--key <KEY>"),
        (["--json", "--key-separator", ":"], "--json", "--key-separator <SEPARATOR>"),
        (["--hex", "--json"], "--json", "--hex"),
        (["--hex", "--base64"], "--hex", "--base64"),
        (["--raw", "--count", "1"], "--raw", "--count <N>"),
        (["--raw", "--rate", "1"], "--raw", "--rate <N>"),
    ],
)
def test_arguments_that_contradict_each_other(
    capsys: pytest.CaptureFixture[str], options: list[str], first: str, second: str
) -> None:
    assert run(["produce", "t", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: the argument '{first}' cannot be used with '{second}'\n")


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for file, reason in ((tmp_path / "nosuch", "No such file or"), (tmp_path, "Is a directory")):
        assert run(["produce", "t", "--file", str(file)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"{file}: {reason}")
        assert said.err.count("\n") == 1


def test_what_means_nothing_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "none"))
    at_most_once = ["produce", "t", "--delivery-semantic", "at_most_once"]
    for options, warned in (["--isolation", "read_committed"], True), ([], False):
        assert run([*at_most_once, *options]) == 1, "there is no cluster"
        warning = "warning: --isolation means nothing with at_most_once\n"
        assert capsys.readouterr().err.startswith(warning) is warned


def test_closed_input_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(["produce", "t"]) == 1
    assert capsys.readouterr().err == "standard input is closed\n"


def test_the_page_has_every_option() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "produce.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `-")]
    told = {one.split()[0] for row in rows for one in re.findall(r"`(-[^`]+)`", row)}
    options = [one for one in produce.command.params if one.expose_value]  # not those of all
    assert told == {name for one in options for name in one.opts if name.startswith("-")}


# With a cluster


@pytest.fixture
def topic(local_cluster: Any) -> str:
    name = f"pro-{uuid.uuid4().hex[:12]}"
    local_cluster.fluvio("topic", "create", name)
    return name


@pytest.mark.cluster
def test_what_is_consumed_is_produced_again_exactly(
    fluvio: Callable[..., str], topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    rows = [
        {"key": "k", "value": "grün", "timestamp": 1_700_000_000_000},
        {"key_base64": "AP8=", "value_base64": "//4A"},
        {"value": "line\nbreak"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fluvio("produce", topic, "--json", "--file", str(file))
    first = fluvio("consume", topic, "-B", "-d", "-O", "jsonl")
    assert [json.loads(line)["key"] for line in first.splitlines()[::2]] == ["k", None]
    assert json.loads(first.splitlines()[0])["timestamp"] == 1_700_000_000_000
    again = f"{topic}-2"
    fluvio("topic", "create", again)
    file.write_text(first)
    fluvio("produce", again, "--json", "--file", str(file))
    second = fluvio("consume", again, "-B", "-d", "-O", "jsonl")
    assert second == first.replace(f'"{topic}"', f'"{again}"')
    file.write_text('00ff\n"\n0a\n')
    said = fluvio("produce", topic, "--hex", "--file", str(file), code=1)
    assert said.endswith("(line 2)\n")
    assert said.count("\n") == 1
    fluvio("produce", topic, "--hex", "--count", "1", "--file", str(file))
    shown = fluvio("consume", topic, "-d", "-T", "2", "-F", "{{value|hex}}")
    assert shown == "00ff\n00ff\n", "line 1 was stored both times"


class Pseudo:
    """A command at a terminal of its own, which remembers all that it showed."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self._ours, terminal = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", FLUVIO_COMMAND, *arguments],
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Read until that was shown, after what was asked for before."""
        begun = len(self.text)
        while text not in self.text[begun:]:
            chunk = self._read()
            assert chunk, f"it ended without {text!r}: {self.text!r}"
            self.text += chunk

    def finish(self) -> tuple[int, str]:
        while chunk := self._read():
            self.text += chunk
        os.close(self._ours)
        return self.process.wait(timeout=30), self.text

    def _read(self) -> str:
        try:
            return os.read(self._ours, 65536).decode()
        except OSError:  # how Linux tells that the other side is closed
            return ""


def environment_of(cluster: Any, **more: str) -> dict[str, str]:
    environment = {**cluster.environment, "TERM": "xterm", **more}
    return {
        name: value
        for name, value in environment.items()
        if value and not (name == "NO_COLOR" and name not in more)
    }


@pytest.mark.cluster
def test_a_conversation(local_cluster: Any, fluvio: Callable[..., str], topic: str) -> None:
    """Prompts, green words, a line that is no record, and a Ctrl-C that ends it at once."""
    talk = Pseudo(["produce", topic, "--json"], environment_of(local_cluster))
    talk.until("> ")
    talk.type('{"value": "hello"}\n')
    talk.until("\x1b[32mOk!\x1b[0m\r\n> ")
    talk.type("hello\n")
    talk.until("invalid JSON: expecting value at column 1\r\n> ")
    begun = time.monotonic()
    os.kill(talk.process.pid, signal.SIGINT)
    code, text = talk.finish()
    assert code == 128 + signal.SIGINT
    assert time.monotonic() - begun < 10
    assert "Traceback" not in text
    assert fluvio("consume", topic, "-B", "-d") == "hello\n"


@pytest.mark.cluster
@pytest.mark.parametrize(("more", "shown"), [({"CI": ""}, True), ({"CI": "1"}, False)])
def test_a_bar_for_files_at_terminals(
    local_cluster: Any, topic: str, tmp_path: Path, more: dict[str, str], shown: bool
) -> None:
    file = tmp_path / "lines"
    file.write_text("0123456789\n" * 200_000)
    code, text = Pseudo(
        ["produce", topic, "--file", str(file)], environment_of(local_cluster, **more)
    ).finish()
    assert code == 0
    assert ("100%" in text) is shown
    assert shown or text == ""
