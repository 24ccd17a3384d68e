"""What profile commands leave in the file: comments, rights, and the old text when they fail."""

import os
import stat
from pathlib import Path

import pytest

from fluvio_cli.main import run

TEXT = """\
# ours, by hand
version = "2.0"
current_profile = "lab"  # for now

[profile.lab]
cluster = "lab"
topic = "orders"  # not known to this release

# the machine in the corner
[cluster.lab]
endpoint = "lab.test:9003"

[cluster.lab.tls]
tls_policy = "disabled"
"""


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "home" / "config"
    path.parent.mkdir()
    path.write_text(TEXT)
    path.chmod(0o644)
    monkeypatch.setenv("FLV_PROFILE_PATH", str(path))
    return path


def test_comments_stay_and_only_the_owner_reads(config: Path) -> None:
    assert run(["profile", "add", "far", "far.test:9003"]) == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert run(["profile", "switch", "lab"]) == 0
    assert run(["profile", "delete", "far"]) == 0
    assert run(["profile", "delete-cluster", "far"]) == 0
    comments = [line for line in TEXT.splitlines() if "#" in line]
    assert [line for line in config.read_text().splitlines() if "#" in line] == comments
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_a_failure_on_the_way_leaves_the_old_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for function in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, refuse)
            assert run(["profile", "add", "far", "far.test:9003"]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "No space left on device" in said.err
        assert said.err.count("\n") == 1
        assert config.read_text() == TEXT
        assert [item.name for item in config.parent.iterdir()] == ["config"]
