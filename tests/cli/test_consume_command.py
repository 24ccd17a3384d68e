"""`consume`: errors among the records, Ctrl-C, streams that break, and all its options."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluvio_cli.failure import Failure
from fluvio_cli.interrupt import Interrupt
from fluvio_cli.main import run
from fluvio_cli.progress import ERASE_LINE, SIGN_DELAY_S, WaitingSign
from fluvio_cli.record_format import ConsumeOutput, formatter_for
from fluvio_cli.record_output import END_REACHED, STREAM_CLOSED, ErrorAction, RecordOutput
from fluvio_client import FluvioError
from fluvio_client.consumer.record import Batch

Fluvio = Callable[..., str]
FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"


class ScriptedConsumer:
    """Hands out what a test says, and counts what is marked as consumed."""

    def __init__(self, *items: Batch | FluvioError, errors_skipped: int = 0) -> None:
        self.items = items
        self.marked = 0
        self.config = SimpleNamespace(max_records=None)
        self._errors_skipped = errors_skipped

    async def batches(self) -> AsyncIterator[Batch | FluvioError]:
        for item in self.items:
            yield item

    async def commit(self) -> None:
        self.marked += 1

    def stats(self) -> Any:
        return SimpleNamespace(errors_skipped=self._errors_skipped)


def batch(*values: bytes, base: int = 0) -> Batch:
    return Batch("t", 0, [(base + place, -1, None, value) for place, value in enumerate(values)])


def shown(**options: Any) -> RecordOutput:
    wanted: dict[str, Any] = {"end": None, "follow": False, "managed": False, **options}
    sign = WaitingSign("Waiting")
    return RecordOutput(formatter_for(ConsumeOutput.DYNAMIC), sign, **wanted)


def printed(output: RecordOutput, consumer: ScriptedConsumer) -> None:
    asyncio.run(output.run(consumer))  # type: ignore[arg-type]  # it is one as far as it goes


def test_errors_that_are_handed_out_are_told_and_fail_in_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    consumer = ScriptedConsumer(batch(b"a"), FluvioError("bad record"), batch(b"b", base=1))
    output = shown()
    printed(output, consumer)
    assert capsys.readouterr() == ("a\nb\n", "bad record\n")
    with pytest.raises(Failure, match="1 error among the records"):
        output.conclude(consumer)  # type: ignore[arg-type]


def test_errors_that_were_skipped_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    shown().conclude(ScriptedConsumer(errors_skipped=2))  # type: ignore[arg-type]
    assert capsys.readouterr() == ("", "2 errors skipped\n")


def test_actions_are_settings_of_a_consumer() -> None:
    assert [action.of_consumer for action in ErrorAction] == ["raise", "skip", "yield"]


def test_what_was_printed_counts_as_consumed() -> None:
    consumer = ScriptedConsumer(batch(b"a"), batch(b"b", base=1))
    printed(shown(managed=True), consumer)
    assert consumer.marked == 2
    consumer = ScriptedConsumer(batch(b"a"))
    printed(shown(), consumer)
    assert consumer.marked == 0


@pytest.mark.parametrize(
    ("options", "out", "err"),
    [
        ({"follow": True}, "a\nb\nc\n", STREAM_CLOSED + "\n"),
        ({"follow": True, "end": 1}, "a\nb\n", END_REACHED + "\n"),
        ({"follow": False, "end": 1}, "a\nb\nc\n", END_REACHED + "\n"),
        ({"follow": False}, "a\nb\nc\n", ""),
    ],
)
def test_how_it_ends(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], out: str, err: str
) -> None:
    printed(shown(**options), ScriptedConsumer(batch(b"a", b"b"), batch(b"c", base=2)))
    assert capsys.readouterr() == (out, err)


# Ctrl-C


def test_the_first_interrupt_ends_the_work_and_the_rest_goes_on() -> None:
    steps: list[str] = []

    async def work(interrupt: Interrupt) -> None:
        async def wait() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.get_running_loop().create_future()

        assert await interrupt.guard(wait()) is None
        await asyncio.sleep(0)  # not cancelled any more
        steps.append("closed")

    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        asyncio.run(work(interrupt))
    assert (steps, interrupt.happened) == (["closed"], True)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cancellation_by_others_is_none_of_its_business() -> None:
    async def work(interrupt: Interrupt) -> None:
        async def cancelled() -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await interrupt.guard(cancelled())

    with Interrupt() as interrupt:
        asyncio.run(work(interrupt))


STUBBORN = """
import asyncio, os, signal, sys, time
from fluvio_cli import interrupt
interrupt.ORDER_LIMIT_S = float(sys.argv[1])
async def work(one):
    async def wait():
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()
    await one.guard(wait())
    print("leaving", flush=True)
    while True:  # as a write to a full pipe that nobody reads
        time.sleep(60)
with interrupt.Interrupt() as one:
    asyncio.run(work(one))
"""


@pytest.mark.parametrize(("limit_s", "signals"), [("0.05", 1), ("600", 2)])
def test_whatever_blocks_it_ends(limit_s: str, signals: int) -> None:
    """By itself after the limit, and at once when told twice."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN, limit_s], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for word in ("ready\n", "leaving\n")[:signals]:
            assert process.stdout.readline() == word
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


# The sign


class Terminal:
    """A stream that says it is one, and remembers."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("environment", "wanted", "turns"),
    [({}, True, True), ({"CI": "1"}, True, False), ({"TERM": "dumb"}, True, False), ({}, False, 0)],
)
def test_the_sign_turns_on_terminals_and_goes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], wanted: bool, turns: bool
) -> None:
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    callbacks: list[tuple[float, Callable[[], None]]] = []

    class Loop:
        def call_later(self, delay_s: float, callback: Callable[[], None]) -> Any:
            callbacks.append((delay_s, callback))
            return SimpleNamespace(cancel=lambda: None)

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    sign = WaitingSign("Waiting", wanted=wanted)
    sign.rest()
    assert [delay_s for delay_s, _ in callbacks] == [SIGN_DELAY_S] * bool(turns)
    if turns:
        callbacks.pop()[1]()
        callbacks.pop()[1]()
        sign.clear()
        assert terminal.text.split("\r")[1:3] == ["⠋ Waiting", "⠙ Waiting"]
        assert terminal.text.endswith(ERASE_LINE)


# With a cluster


Filled = Callable[..., str]


@pytest.fixture
def filled(fluvio: Fluvio, tmp_path: Path) -> Filled:
    """`filled("a", "b")`: a new topic with these lines."""

    def make(*lines: str) -> str:
        name = f"con-{uuid.uuid4().hex[:12]}"
        fluvio("topic", "create", name)
        file = tmp_path / name
        file.write_text("".join(f"{line}\n" for line in lines))
        fluvio("produce", name, "--file", str(file))
        return name

    return make


@pytest.mark.cluster
def test_places_amounts_and_widths(
    fluvio: Fluvio, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = filled(*(f"line {number:02} {'x' * 30}" for number in range(12)))
    some = fluvio("consume", topic, "-d", "-T", "-F", "{{offset}} {{len}}").splitlines()
    assert some == [f"{offset} 38" for offset in range(2, 12)]
    monkeypatch.setenv("COLUMNS", "10")
    assert fluvio("consume", topic, "-B", "-n", "1", "--truncate") == "line 00 x…\n"
    monkeypatch.delenv("COLUMNS")
    assert len(fluvio("consume", topic, "-B", "-n", "1", "--truncate")) == 39, "no terminal"
    other = filled("other")
    both = fluvio("consume", topic, other, "-B", "-d", "-F", "{{topic}}").split()
    assert sorted(both) == sorted([topic] * 12 + [other])


@pytest.mark.cluster
def test_a_consumer_has_consumed_what_was_printed_and_no_more(
    fluvio: Fluvio, filled: Filled
) -> None:
    topic = filled("a", "b", "c", "d", "e")
    consumer = f"c-{uuid.uuid4()}"
    managed = ("consume", topic, "-B", "-c", consumer)
    assert fluvio(*managed, "-n", "2") == "a\nb\n"
    assert fluvio(*managed, "--end", "3") == "c\nd\n"
    assert fluvio(*managed, "-d") == "e\n"
    assert fluvio(*managed, "-d") == ""


@pytest.mark.cluster
def test_tables_by_a_stored_format(fluvio: Fluvio, filled: Filled, tmp_path: Path) -> None:
    topic = filled('{"b": 1, "a": {"c": "x"}}')
    name = f"tf-{uuid.uuid4().hex[:12]}"
    file = tmp_path / "format.yaml"
    file.write_text(f"name: {name}\ncolumns: [{{keyPath: a.c, headerLabel: C}}, {{keyPath: b}}]\n")
    fluvio("table-format", "create", "-c", str(file))
    consume = ("consume", topic, "-B", "-d", "--table-format")
    assert fluvio(*consume, name, "-O", "table").splitlines()[:3:2] == ["| C | b |", "| x | 1 |"]
    missing = fluvio(*consume, f"{name}-not", "-O", "table", code=1)
    assert missing == f"TableFormat not found: {name}-not. Did you mean {name}?\n"
    refused = fluvio(*consume, name, "-O", "json", code=2)
    assert refused.startswith(
        "error: the argument '--table-format <NAME>' cannot be used with '--output <TYPE>'"
    )


@pytest.mark.cluster
def test_readers_that_have_enough_and_disks_that_are_full(
    local_cluster: Any, filled: Filled
) -> None:
    topic = filled(*(f"{number:040}" for number in range(20_000)))
    command = [sys.executable, "-c", FLUVIO_COMMAND, "consume", topic, "-B", "-d"]

    def started(stdout: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=dict(local_cluster.environment),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    with started(subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"{0:040}\n"
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (128 + signal.SIGPIPE, "")
    with Path("/dev/full").open("w") as full, started(full) as process:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (1, "Cannot write output: No space left on device\n")


@pytest.mark.cluster
def test_at_a_terminal(local_cluster: Any, fluvio: Fluvio, filled: Filled) -> None:
    """A bold sentence, records, a sign while nothing comes, and offsets stored at Ctrl-C."""
    topic, consumer = filled("a", "b"), f"c-{uuid.uuid4()}"
    ours, terminal = os.openpty()
    unwanted = ("CI", "NO_COLOR")
    environment = {k: v for k, v in local_cluster.environment.items() if k not in unwanted}
    with subprocess.Popen(
        [sys.executable, "-c", FLUVIO_COMMAND, "consume", topic, "-B", "-c", consumer],
        env={**environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        text = ""
        while "⠙ Waiting for records" not in text:
            text += os.read(ours, 65536).decode()
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - begun < 4, "two seconds, and a slow machine's two"
    rest = os.read(ours, 65536).decode()
    os.close(ours)
    sentence = f"Consuming records from '{topic}' starting from the beginning of log"
    assert text.startswith(f"\x1b[1m{sentence}\x1b[0m\r\n")
    assert "\r\na\r\nb\r\n" in text.replace(ERASE_LINE, "\r\n")
    assert rest.endswith(ERASE_LINE)
    stored = json.loads(fluvio("consumer", "list", "-O", "json"))
    assert [one["offset"] for one in stored if one["consumer_id"] == consumer] == [1]


def test_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    cases: Sequence[tuple[Sequence[str], str]] = [
        (["--truncate", "-O", "json"], "'--output <TYPE>' cannot be used with '--truncate'"),
        (["--truncate", "-F", "x"], "'--format <TEMPLATE>' cannot be used with '--truncate'"),
        (["--table-format", "f", "-F", "x"], "'--table-format <NAME>' cannot be used with"),
        (["--on-error", "cry"], "invalid value for '--on-error <ACTION>'"),
        (["-O", "xml"], "invalid value 'xml' for '--output <TYPE>': unknown output type"),
        (["-o", "1", "--start", "1"], "'--offset <N>' cannot be used with '--start <N>'"),
    ]
    for options, text in cases:
        assert run(["consume", "t", *options]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert text in said
