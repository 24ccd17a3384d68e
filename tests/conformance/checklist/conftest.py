"""The command in this process, and topics with names of their own.

Running a command in process is what its console script does, less the start of an interpreter;
where streams, signals or terminals matter, tests start the real thing.
"""

import contextlib
import io
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fluvio_cli.main import run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


class CommandLine:
    """`fluvio(...)`: run a command that must succeed. `fluvio.refused(...)`: one that must not."""

    def any(self, *arguments: str, stdin: str | bytes = b"") -> Outcome:
        """Run a command, whatever becomes of it."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = io.StringIO(), io.StringIO()
        before = sys.stdin
        with tempfile.TemporaryFile() as file:  # what reads it may want a file descriptor
            file.write(data)
            file.seek(0)
            with io.TextIOWrapper(file) as sys.stdin:
                try:
                    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                        code = run(arguments)
                finally:
                    sys.stdin = before
        return Outcome(code, out.getvalue(), err.getvalue())

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> str:
        """What a command printed that succeeded and complained of nothing."""
        outcome = self.any(*arguments, stdin=stdin)
        assert (outcome.code, outcome.err) == (0, ""), (arguments, outcome)
        return outcome.out

    def refused(self, *arguments: str, stdin: str | bytes = b"", code: int = 1) -> str:
        """What a command said on standard error when it failed, with nothing on the other."""
        outcome = self.any(*arguments, stdin=stdin)
        assert (outcome.code, outcome.out) == (code, ""), (arguments, outcome)
        return outcome.err


@pytest.fixture
def fluvio(local_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command, with the profile of the cluster that tests share."""
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    monkeypatch.setenv("CI", "true")
    return CommandLine()


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Names that no other test uses."""
    return lambda: f"list-{uuid.uuid4()}"


@pytest.fixture
def make_topic(fluvio: CommandLine, new_name: Callable[[], str]) -> Iterator[Callable[..., str]]:
    """`make_topic("-p", "3")`: a new topic, by the options of `topic create`.

    They go with the test: clients of 0.15.0 and older do not know zstd, and one topic with it is
    enough to make them wait for the rest for ever.
    """
    made: list[str] = []

    def make(*options: str) -> str:
        name = new_name()
        assert fluvio("topic", "create", name, *options) == f'topic "{name}" created\n'
        made.append(name)
        return name

    yield make
    if made:
        fluvio.any("topic", "delete", "--continue-on-error", *made)
