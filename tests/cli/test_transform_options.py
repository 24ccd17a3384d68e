"""SmartModules of `produce` and `consume`: flags they share, and what is said of bad records."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import wasmtime

from fluvio_cli.commands import consume, produce
from fluvio_cli.failure import Failure
from fluvio_cli.main import run
from fluvio_cli.record_input import text_reader
from fluvio_cli.record_sender import RecordSender
from fluvio_cli.transforms import refusal_text, transform_options
from fluvio_client import FluvioError, Transform
from fluvio_client.errors import SmartModuleRuntimeError, server_error
from fluvio_protocol.api.error_code import (
    ErrorStatus,
    SmartModuleErrorKind,
    SmartModuleRuntimeFailure,
)
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.types import Offset

ODD = Path(__file__).parents[1] / "spu" / "modules" / "odd.wat"


# What the flags mean


def test_both_commands_have_the_same_options() -> None:
    @click.command()
    @transform_options
    def command(**options: Any) -> None: ...

    shared = {one.name for one in command.params}
    assert len(shared) == 8
    for other in consume.command, produce.command:
        assert {one.name for one in other.params} >= shared


@pytest.fixture
def chain_of(tmp_path: Path) -> Callable[..., tuple[Transform, ...]]:
    """The chain that a command line asks for."""
    (tmp_path / "m.wasm").write_bytes(b"\0asm")
    (tmp_path / "chain.yaml").write_text(
        "transforms:\n- uses: a\n  with: {deep: [1, {x: null}]}\n  lookback: {last: 3, age: 1m}\n"
        f"- path: {tmp_path / 'm.wasm'}\n"
    )
    (tmp_path / "empty.yaml").write_text("transforms: []\n")

    def found(*arguments: str) -> tuple[Transform, ...]:
        seen: list[tuple[Transform, ...]] = []

        @click.command()
        @transform_options
        def command(transforms: tuple[Transform, ...]) -> None:
            seen.append(transforms)

        command.main([one.format(tmp_path) for one in arguments], standalone_mode=False)
        return seen[0]

    return found


@pytest.mark.parametrize(
    ("arguments", "chain"),
    [
        ([], []),
        (["-t", "{}/empty.yaml"], []),
        (["--sm", "a", "-e", "k=v=w", "--params", "l="],
         [{"uses": "a", "params": {"k": "v=w", "l": ""}}]),
        (["--sm_path", "{}/m.wasm", "--a-init", "1", "--lookback-last", "2"],
         [{"code": b"\0asm", "accumulator": b"1", "lookback_last": 2}]),
        (["--transforms", "{}/chain.yaml"],
         [{"uses": "a", "params": {"deep": '[1,{"x":null}]'}, "lookback_last": 3,
           "lookback_age": "1m"},
          {"code": b"\0asm"}]),
        (["--transform", '{{"uses":"a"}}', "--transforms-line", '{{"uses":"b","with":{{"n":1}}}}'],
         [{"uses": "a"}, {"uses": "b", "params": {"n": "1"}}]),
    ],
)  # fmt: skip
def test_flags_make_a_chain(
    chain_of: Callable[..., tuple[Transform, ...]],
    arguments: list[str],
    chain: list[dict[str, Any]],
) -> None:
    assert chain_of(*arguments) == tuple(Transform(**one) for one in chain)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--sm", "a", "-t", "f"], 2, "--smartmodule <NAME>' cannot be used with '--transforms-fi"),
        (["-e", "a=b"], 2, "--params needs --smartmodule or --smartmodule-path"),
        (["--a-init", "1", "-t", "f"], 2, "--aggregate-initial needs --smartmodule"),
        (["--sm", "a", "-e", "ab"], 2, "invalid KEY=value: no `=` found in `ab`"),
        (["--sm", "a", "-e", "=b"], 2, "invalid KEY=value: nothing before the `=` of `=b`"),
        (["--sm_path", "no/such"], 1, "no/such: No such file or directory"),
        (["-t", "no/such"], 1, "no/such: No such file or directory"),
        (["--transform", "{"], 1, "Invalid argument: transform: "),
        (["--transform", '{"use":"a"}'], 1, 'unknown key "use"; there are uses, with, lookback'),
    ],
)
@pytest.mark.parametrize("command", ["produce", "consume"])
def test_flags_that_mean_nothing(
    capsys: pytest.CaptureFixture[str], command: str, options: list[str], code: int, text: str
) -> None:
    assert run([command, "t", *options]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.count("\n") == 1 or code == 2


# Records that a module cannot process


def refused(offset: int, *, hint: str = "no number", value: bytes = b"two") -> FluvioError:
    failure = SmartModuleRuntimeFailure(
        hint=hint, offset=Offset(offset), kind=SmartModuleErrorKind.FILTER_MAP,
        record_key=None, record_value=value,
    )  # fmt: skip
    return server_error(ErrorStatus(ErrorCode.SMART_MODULE_RUNTIME_ERROR, (failure,)))


def test_a_refusal_is_one_line() -> None:
    error = refused(0, hint="first\n\n  second", value=b"a\nb" + b"c" * 300)
    assert isinstance(error, SmartModuleRuntimeError)
    shown = "a b" + "c" * 197
    assert refusal_text(error) == (
        "SmartModule transform error: first second; "
        f"filter_map, key: NULL, value: {shown}... of 303 bytes"
    )
    binary = refused(0, value=b"\xff\0")
    assert isinstance(binary, SmartModuleRuntimeError)
    assert refusal_text(binary).endswith("value: binary of 2 bytes")


class Sent:
    """A delivery whose batch has its outcome when the producer is flushed."""

    def __init__(self, error: FluvioError | None) -> None:
        self.done = False
        self._error = error

    def result(self) -> None:
        if self._error is not None:
            raise self._error

    def __await__(self) -> Any:
        yield from ()
        self.result()


class Batches:
    """A producer whose records share the outcomes that are named, in turn."""

    def __init__(self, *outcomes: FluvioError | None) -> None:
        self._outcomes = outcomes
        self._sent: list[Sent] = []

    async def send(self, value: bytes, **_: Any) -> Any:
        self._sent.append(Sent(self._outcomes[len(self._sent) % len(self._outcomes)]))
        return self._sent[-1]

    async def flush(self) -> None:
        for one in self._sent:
            one.done = True


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ([refused(2)], 3),
        ([None, refused(2)], 6),
        ([refused(1), None, refused(0)], 4),
        ([refused(99)], 1),
        ([refused(-1)], 1),
        ([FluvioError("lost"), refused(1)], 1),
    ],
    ids=["one batch", "every other", "the first batch", "behind it", "before it", "another error"],
)
def test_the_line_of_the_record_within_its_batch_is_told(
    outcomes: Sequence[FluvioError | None], line: int
) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x"

    sender = RecordSender(Batches(*outcomes), text_reader())  # type: ignore[arg-type]
    with pytest.raises(Failure, match=rf"\(line {line}\)$"):
        asyncio.run(sender.pipeline(lines()))


def test_a_refusal_at_a_terminal_and_of_a_whole_input_is_one_line_too() -> None:
    class Refusing(Batches):
        async def flush(self) -> None:
            raise refused(0, hint="no number\nat all")

    async def one_line() -> AsyncIterator[bytes]:
        yield b"two"

    sender = RecordSender(Refusing(None), text_reader())  # type: ignore[arg-type]
    for sending in sender.converse(one_line()), sender.send_whole(b"two"):
        with pytest.raises(Failure, match=r"no number at all; filter_map, .*, value: two$"):
            asyncio.run(sending)


# With a cluster


@pytest.mark.cluster
def test_producing_through_modules_given_in_every_way(
    fluvio: Callable[..., str], tmp_path: Path
) -> None:
    file, path, chain = (tmp_path / name for name in ("lines", "odd.wasm", "chain.yaml"))
    path.write_bytes(wasmtime.wat2wasm(ODD.read_text()))
    names = {
        module: f"{module}-{uuid.uuid4().hex[:8]}"
        for module in ("sum", "contains", "case", "explode-array")
    }
    for module, name in names.items():
        fluvio("smartmodule", "create", name, "--ready-made", module)
    upper = {"uses": names["case"], "with": {"to": "upper"}}
    chain.write_text(json.dumps({"transforms": [{"path": str(path)}, upper]}))
    topic = f"made-{uuid.uuid4().hex[:12]}"
    fluvio("topic", "create", topic)
    first = 0
    for text, options, expected in (
        ("1\n2\n3\n", ["--smartmodule-path", str(path)], ["1", "3"]),
        ("ab\nb\n", ["--smartmodule", names["contains"], "-e", "text=a"], ["ab"]),
        ("2\n3\n4\n", ["--sm", names["sum"], "--a-init", "1"], ["3", "6", "10"]),
        ('["a","b"]\n', ["--sm", names["explode-array"]], ['"a"', '"b"']),
        ("a1\nb2\n", ["-t", str(chain)], ["A1"]),
        ("a\n", ["--transforms-line", json.dumps(upper)], ["A"]),
        ("2\n", ["--sm_path", str(path)], []),
    ):
        file.write_text(text)
        fluvio("produce", topic, "-f", str(file), "--linger", "60s", *options)
        shown = fluvio("consume", topic, "-d", "--start", str(first)).splitlines()
        assert shown == expected, options
        first += len(shown)
    file.write_text("1\ntwo\n")
    said = fluvio("produce", topic, "-f", str(file), "--sm", "wrong", code=1)
    assert "SmartModule wrong was not found" in said
    said = fluvio("produce", topic, "-f", str(file), "--sm_path", str(path), code=1)
    assert said == (
        'SmartModule transform error: no number (SmartModule "ad-hoc", step 1); '
        "filter, key: NULL, value: two (line 2)\n"
    )
    said = fluvio("produce", topic, "--raw", "-f", str(file), "--sm_path", str(path), code=1)
    assert said.endswith("; filter, key: NULL, value: 1 two\n")
    for name in names.values():
        fluvio("smartmodule", "delete", name)
