"""The command without a cluster: help, usage errors, exit codes, plugins, quick start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fluvio_cli.commands.topic_create import check_topic_name, parse_replica_assignment
from fluvio_cli.failure import Failure
from fluvio_cli.main import COMMANDS, run


@pytest.fixture(autouse=True)
def _own_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"], ["help", "topic"]])
def test_help(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: fluvio ")
    for name in COMMANDS:
        assert f"\n  {name} " in out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: fluvio {name}" in capsys.readouterr().out


USAGE_ERRORS = [
    (
        ["produce", "t", "--compression", "zip"],
        "error: invalid value 'zip' for '--compression <COMPRESSION>': "
        "unknown compression format: zip",
    ),
    (
        ["consume", "t", "-B", "-H", "1"],
        "error: the argument '--beginning' cannot be used with '--head <N>'",
    ),
    (
        ["consume", "t", "-T", "1", "--start", "1"],
        "error: the argument '--tail <N>' cannot be used with '--start <N>'",
    ),
    (
        ["consume", "t", "-F", "{{key}}", "-O", "json"],
        "error: the argument '--format <TEMPLATE>' cannot be used with '--output <TYPE>'",
    ),
    (["consume", "t", "--nosuch"], "error: unexpected argument '--nosuch' found"),
    (["consume"], "error: the following required arguments were not provided:\n  <TOPIC>"),
    (["consume", "t", "--end", "-5"], "error: invalid value for '--end <N>'"),
    (
        ["produce", "t", "--raw", "--key-separator", ":"],
        "error: the argument '--raw' cannot be used with '--key-separator <SEPARATOR>'",
    ),
    (
        ["produce", "t", "--key", "k", "--key-separator", ":"],
        "error: the argument '--key <KEY>' cannot be used with '--key-separator <SEPARATOR>'",
    ),
    (["produce", "t", "--key-separator", ""], "error: invalid value '' for '--key-separator"),
    (["produce", "t", "--linger", "5"], "error: invalid value '5' for '--linger <TIME>'"),
    (["topic", "list", "-O", "xml"], "error: invalid value for '--output <TYPE>'"),
    (["topic", "nosuch"], "error: "),
    (["topic", "create", "t", "--segment-size", "1 XB"], "error: invalid value '1 XB'"),
]


@pytest.mark.parametrize(("arguments", "text"), USAGE_ERRORS)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(text)
    assert captured.err.endswith("For more information, try '--help'.\n")


FAILURES = [
    (["topic", "create"], "Invalid argument: Topic name is required"),
    (
        ["topic", "create", "Bad_Name"],
        "Invalid argument: Invalid Topic name Bad_Name. Contain only lowercase alphanumeric "
        "characters or '-'",
    ),
    (["topic", "create", "x", "--replication", "0"], "replication factor must be greater than 0"),
    (
        ["topic", "create", "x", "--max-partition-size", "10"],
        "max_partition_size 10 is less than minimum 2048",
    ),
    (
        ["topic", "create", "x", "--segment-size", "3072", "--max-partition-size", "2048"],
        "max_partition_size 2048 is less than segment size 3072",
    ),
    (["-c", "h:1", "-P", "p", "topic", "list"], "Invalid argument: cluster addr is not valid"),
    (["topic", "list", "--cluster", "h:1", "-P", "p"], "Invalid argument: cluster addr is not"),
    (["topic", "list"], "Config has no active profile"),
    (["-P", "nosuch", "topic", "list"], "No cluster config for profile nosuch"),
    (["--cluster", "127.0.0.1:1", "topic", "list"], ""),
    (["--cluster", "nowhere:port", "topic", "list"], '"nowhere:port" is no address'),
    (["consume", "t", "--start", "5", "--end", "2"], "Argument end-offset must be greater"),
    (["profile", "switch", "nosuch"], "profile nosuch not found"),
]


@pytest.mark.parametrize(("arguments", "text"), FAILURES)
def test_failures_are_one_line_and_exit_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert run(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(text)
    assert captured.err.count("\n") == 1


def test_a_word_that_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topik"]) == 1
    captured = capsys.readouterr()
    assert captured.out == (
        "Unable to find plugin 'fluvio-topik'. "
        'Make sure it is installed in "~/.fluvio/extensions".\n'
    )
    assert captured.err == "Did you mean 'fluvio topic'?\n"


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 15)])
def test_plugins(capfd: pytest.CaptureFixture[str], tmp_path: Path, script: str, code: int) -> None:
    folder = tmp_path / ".fluvio" / "extensions"
    folder.mkdir(parents=True)
    plugin = folder / "fluvio-hello"
    plugin.write_text(f'#!/bin/sh\necho "got $@"\n{script}\n')
    plugin.chmod(0o755)
    assert run(["hello", "a", "--b"]) == code
    assert capfd.readouterr().out == "got a --b\n"


def test_help_imports_neither_client_nor_terminal_libraries() -> None:
    program = (
        "import sys; from fluvio_cli.main import run; code = run(['--help'])\n"
        "heavy = {'fluvio_client.fluvio', 'fluvio_socket', 'asyncio', 'logging', 'rich', 'yaml',"
        " 'tomlkit'}\n"
        "sys.exit(code or ' '.join(heavy & set(sys.modules)) or None)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_a_closed_pipe_is_no_traceback() -> None:
    program = "import sys; from fluvio_cli.main import main; sys.argv[0] = 'fluvio'; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "completions", "bash"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(timeout=30)


def test_version_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " Fluvio Platform                : Not available" in [
        line[:47].rstrip() for line in lines
    ]
    assert len({len(line) for line in lines}) == 1
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["Fluvio Platform"] == "Not available"


@pytest.mark.parametrize("name", ["a", "orders-1", "0", "3f2b-uuid", "a" * 63])
def test_topic_names(name: str) -> None:
    check_topic_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a b", "a.b", "ü", "a" * 64])
def test_bad_topic_names(name: str) -> None:
    with pytest.raises(Failure, match="Invalid Topic name"):
        check_topic_name(name)


@pytest.mark.parametrize("wrap", ["{}", '{{"partitions": {}}}'])
def test_replica_assignments(wrap: str) -> None:
    rows = '[{"id": 0, "replicas": [5001, 5002]}, {"id": 1, "replicas": [5002, 5001]}]'
    assert parse_replica_assignment(wrap.format(rows)) == [[5001, 5002], [5002, 5001]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nothing", "no JSON"),
        ("[]", "expected a list"),
        ("7", "expected a list"),
        ('[{"id": 1, "replicas": [1]}]', "ids must count from 0"),
        ("[7]", "ids must count from 0"),
        ('[{"id": 0, "replicas": []}]', "needs SPU ids"),
        ('[{"id": 0, "replicas": ["a"]}]', "needs SPU ids"),
        ('[{"id": 0, "replicas": [1, 1]}]', "names an SPU twice"),
        ('[{"id": 0, "replicas": [1]}, {"id": 1, "replicas": [1, 2]}]', "partition 0 has 1"),
    ],
)
def test_bad_replica_assignments(text: str, complaint: str) -> None:
    with pytest.raises(Failure, match=complaint):
        parse_replica_assignment(text)
