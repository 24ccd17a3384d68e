"""`fluvio profile`, as Fluvio's own command was seen to behave."""

import json
from pathlib import Path

import pytest

from fluvio_cli.main import run

EXPORTED = """\
version = "2.0"
current_profile = "local"

[profile.local]
cluster = "local"

[cluster.local]
endpoint = "localhost:9003"
use_spu_local_address = false

[cluster.local.tls]
tls_policy = "disabled"

[cluster.local.metadata]
installation = "local"

"""


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "config"
    monkeypatch.setenv("FLV_PROFILE_PATH", str(path))
    return path


@pytest.fixture
def _local(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "sync", "local"]) == 0
    assert capsys.readouterr().out == "local context is set to: localhost:9003\n"


@pytest.mark.usefixtures("path")
def test_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile"]) == 0
    assert capsys.readouterr().out == "no profile can be found\n"
    assert run(["profile", "list"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Unable to find Fluvio config\n")


@pytest.mark.usefixtures("_local")
def test_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["profile"], ["profile", "current"]):
        assert run(arguments) == 0
        assert capsys.readouterr().out == "local\n"
    assert run(["profile", "list"]) == 0
    assert capsys.readouterr().out == (
        "     PROFILE  CLUSTER  ADDRESS         TLS       INSTALLATION \n"
        "  *  local    local    localhost:9003  Disabled  Local        \n"
    )
    assert run(["profile", "list", "-O", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "version": "2.0",
        "current_profile": "local",
        "profile": {"local": {"cluster": "local", "topic": None, "partition": None}},
        "cluster": {
            "local": {
                "endpoint": "localhost:9003",
                "use_spu_local_address": False,
                "tls": {"tls_policy": "disabled"},
                "metadata": {"installation": "local"},
            }
        },
        "client_id": None,
    }


@pytest.mark.usefixtures("_local")
def test_export(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "export"]) == 0
    assert capsys.readouterr().out == EXPORTED
    assert run(["profile", "export", "-O", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "endpoint": "localhost:9003",
        "use_spu_local_address": False,
        "tls": {"tls_policy": "disabled"},
        "metadata": {"installation": "local"},
    }
    assert run(["profile", "export", "nosuch"]) == 1


@pytest.mark.usefixtures("_local")
def test_a_life_of_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[tuple[list[str], int, str]] = [
        (["add", "far", "far.example:9003", "cloud"], 0, "Switched to profile far\n"),
        (["current"], 0, "far\n"),
        (["switch", "local"], 0, ""),
        (["rename", "local", "here"], 0, ""),
        (["current"], 0, "here\n"),
        (["switch", "local"], 1, ""),
        (["delete-cluster", "far"], 1, ""),
        (["delete", "far"], 0, "profile far deleted\n"),
        (["delete-cluster", "far"], 0, "Cluster far deleted\n"),
        (["delete", "here"], 0, "profile here deleted\n"),
        (["current"], 0, "no current profile set\n"),
        (["add", "x", "no address"], 1, ""),
    ]
    for arguments, code, out in steps:
        assert run(["profile", *arguments]) == code, arguments
        assert capsys.readouterr().out == out, arguments
