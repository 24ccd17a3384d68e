"""Plugins that say what they are, and words of older releases."""

import json
import time
from pathlib import Path

import pytest

from fluvio_cli import plugins
from fluvio_cli.main import run


@pytest.fixture(autouse=True)
def extensions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{tmp_path / 'path'}")
    folder = tmp_path / ".fluvio" / "extensions"
    folder.mkdir(parents=True)
    (tmp_path / "path").mkdir()
    return folder


def make(folder: Path, name: str, answer: str, code: int = 0) -> None:
    plugin = folder / f"fluvio-{name}"
    plugin.write_text(
        f"#!/bin/sh\nif [ \"$1\" = metadata ]; then echo '{answer}'; fi\nexit {code}\n"
    )
    plugin.chmod(0o755)


def metadata(title: str) -> str:
    return json.dumps(
        {"title": title, "package": "g/p", "description": f"What {title} does", "version": "1.2.3"}
    )


def test_plugins_are_listed(
    extensions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--help"]) == 0
    assert "Plugins" not in capsys.readouterr().out
    make(extensions, "hello", metadata("Hello"))
    make(extensions, "silent", "no json")
    make(extensions, "list", "[]")
    make(extensions, "failing", metadata("Failing"), code=1)
    make(extensions, "twice", metadata("Hidden"))
    make(tmp_path / "path", "twice", metadata("First"))
    (extensions / "fluvio-notes.txt").write_text("not executable")
    assert run(["--help"]) == 0
    section = capsys.readouterr().out.split("\nPlugins:\n")[1].split("\n\n")[0]
    assert [line.split(maxsplit=1) for line in section.splitlines()] == [
        ["hello", "What Hello does"],
        ["twice", "What First does"],
    ]
    assert run(["version"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        ["===", "Plugin", "Versions", "==="],
        ["Hello", ":", "1.2.3"],
        ["First", ":", "1.2.3"],
    ]
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["Hello"] == "1.2.3"


def test_plugins_that_do_not_answer_hold_nobody_up(
    extensions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "METADATA_TIMEOUT_S", 0.5)
    for number in range(6):
        plugin = extensions / f"fluvio-slow-{number}"
        plugin.write_text("#!/bin/sh\nexec sleep 30\n")
        plugin.chmod(0o755)
    started = time.monotonic()
    assert plugins.installed() == []
    assert time.monotonic() - started < 10


def test_metadata_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metadata"]) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert set(said) == {"title", "package", "description", "version"}
    assert run(["--help"]) == 0
    assert "\n  metadata " not in capsys.readouterr().out


@pytest.mark.parametrize("line", ["update", "update --develop", "install x/y", "install x -d --b"])
def test_words_of_older_releases(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.split()) == 0
    assert "  pip install --upgrade fluvio-cluster\n" in capsys.readouterr().out
    assert run(["--help"]) == 0
    assert f"\n  {line.split()[0]} " not in capsys.readouterr().out


@pytest.mark.parametrize("word", ["tf", "table-format"])
def test_help_of_a_group_with_an_alias(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: fluvio table-format ")
    assert said.count("Also called: tf\n") == 1
    assert run(["--help"]) == 0
    assert "\n  table-format (tf) " in capsys.readouterr().out
