"""What the shell is offered: asked as the shell asks, within this process and by the real shell."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from fluvio_cli import completion
from fluvio_cli.main import COMMANDS, root, run


@pytest.fixture(autouse=True)
def _own_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "config"))
    for name in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER"):
        monkeypatch.delenv(name, raising=False)


def offered(line: str) -> list[str]:
    """What the shell is offered for the last word of a line."""
    *words, last = line.split(" ")
    shell = ShellComplete(root, {}, "fluvio", "_FLUVIO_COMPLETE")
    return [item.value for item in shell.get_completions(words, last)]


def test_commands_and_options() -> None:
    assert offered("") == list(COMMANDS)
    assert offered("cons") == ["consume", "consumer"]
    assert offered("topic des") == ["describe"]
    assert offered("--cl") == ["--cluster"]
    assert "--partitions" in offered("topic create --part")
    assert offered("completions ") == ["bash", "zsh", "fish"]
    assert offered("tf cr") == ["create"]


def test_a_word_that_is_no_command_starts_no_plugin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = tmp_path / "fluvio-hello"
    plugin.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    offered("hello wor")
    assert not (tmp_path / "started").exists()


def test_profiles_need_no_cluster(tmp_path: Path) -> None:
    for name in ("lab", "laptop", "staging"):
        assert run(["profile", "add", name, "127.0.0.1:1"]) == 0
    assert offered("profile switch la") == ["lab", "laptop"]
    assert offered("-P ") == ["lab", "laptop", "staging"]
    assert offered("topic list --profile s") == ["staging"]
    assert offered("profile rename ") == ["lab", "laptop", "staging"]
    assert offered("profile rename lab ") == [], "a new name is free"
    assert offered("profile delete-cluster stag") == ["staging"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere:port", "silent"])
def test_without_a_cluster_there_is_silence(
    address: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        if address == "silent":
            monkeypatch.setattr(completion, "TIMEOUT_S", 0.1)
            address = f"127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        assert offered(f"--cluster {address} topic describe ") == []
        assert time.monotonic() - started < 5
    assert offered("consume ") == [], "nor without any profile"
    assert capfd.readouterr() == ("", "")


@pytest.mark.cluster
def test_names_of_a_cluster(
    local_cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
    monkeypatch.setattr(completion, "TIMEOUT_S", 20.0)  # the machine may be busy
    names = ["completed-a", "completed-b"]
    for name in names:
        assert run(["topic", "create", name]) == 0
    lines = tmp_path / "lines"
    lines.write_text("one\n")
    table = tmp_path / "table.yaml"
    table.write_text("name: completed-tf\ninputFormat: JSON\ncolumns: [{keyPath: a}]\n")
    assert run(["produce", names[0], "-f", str(lines)]) == 0
    assert run(["consume", names[0], "-B", "-d", "-c", "completed-by"]) == 0
    assert run(["table-format", "create", "-c", str(table)]) == 0
    assert run(["cluster", "spg", "create", "completed-g", "--min-id", "9100", "--no-wait"]) == 0
    try:
        for line in (
            "produce completed-",
            "consume completed-",
            "topic describe completed-",
            "topic update completed-",
            "partition list --topic completed-",
            "consumer delete x --topic completed-",
        ):
            assert offered(line) == names, line
        assert offered("topic delete completed-a completed-") == ["completed-b"]
        assert offered(f"topic create {names[0][:-1]}") == [], "a new name is free"
        assert offered("partition describe completed-") == ["completed-a-0", "completed-b-0"]
        for line in ("consumer describe", "consumer delete", f"consume {names[0]} --consumer"):
            assert offered(f"{line} completed-") == ["completed-by"], line
        assert offered("tf delete completed") == ["completed-tf"]
        assert offered("consume x --table-format completed") == ["completed-tf"]
        assert offered("cluster spg delete completed-") == ["completed-g"]
        assert "custom-spu-5001" in offered("cluster spu describe ")
        assert "5001" in offered("cluster spu unregister --id 50")
        address = local_cluster.public_address
        monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "none"))
        assert offered(f"--cluster {address} produce completed-") == names
        monkeypatch.setenv("FLUVIO_CLUSTER", address)
        assert offered("produce completed-") == names
    finally:
        monkeypatch.setenv("FLV_PROFILE_PATH", str(local_cluster.profile_path))
        run(["topic", "delete", *names])
        run(["consumer", "delete", "completed-by"])
        run(["table-format", "delete", "completed-tf"])
        run(["cluster", "spg", "delete", "completed-g", "--force"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", ["fluvio", "flv"])
def test_scripts(shell: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("no bash here")
    assert run(["completions", shell, "--name", name]) == 0
    script = capsys.readouterr().out
    assert f"_FLUVIO_COMPLETE={shell}_complete" in script
    assert f" {name}\n" in script or f" {name};" in script or f" {name})" in script
    if (program := shutil.which(shell)) is not None:
        result = subprocess.run(
            [program, "-n"], input=script, text=True, capture_output=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, "")


def test_the_command_answers_the_shell() -> None:
    import sys

    program = "from fluvio_cli.main import main; main()"
    environment = {
        "_FLUVIO_COMPLETE": "bash_complete",
        "COMP_WORDS": "fluvio prof",
        "COMP_CWORD": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "plain,profile\n", "")
