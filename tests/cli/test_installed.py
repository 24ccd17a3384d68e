"""`fluvio version` tells which files are installed, and from which commit they come."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli import installed
from fluvio_cli.main import run

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without commits, which the command is in."""
    package = tmp_path / "client" / "fluvio_cli"
    package.mkdir(parents=True)
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.setattr(installed, "__file__", str(package / "installed.py"))
    monkeypatch.setattr(installed, "_commit_installed", lambda: None)
    return tmp_path


def test_a_branch_of_its_own_file(checkout: Path) -> None:
    assert installed.commit() is None
    (checkout / ".git" / "refs" / "heads" / "main").write_text(COMMIT + "\n")
    assert installed.commit() == COMMIT


def test_a_branch_among_packed_ones(checkout: Path) -> None:
    packed = f"# pack-refs with: peeled\n{OTHER} refs/heads/not-main\n{COMMIT} refs/heads/main\n"
    (checkout / ".git" / "packed-refs").write_text(packed)
    assert installed.commit() == COMMIT


def test_no_branch(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").write_text(COMMIT + "\n")
    assert installed.commit() == COMMIT


def test_a_worktree(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".git" / "refs" / "heads" / "side").write_text(COMMIT)
    folder = checkout / ".git" / "worktrees" / "side"
    folder.mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/side\n")
    (folder / "commondir").write_text("../..\n")
    tree = tmp_path / "tree"
    (tree / "client" / "fluvio_cli").mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {folder}\n")
    assert installed._commit_checked_out(tree) == COMMIT


@pytest.mark.parametrize("head", ["", "ref: refs/heads/gone", "nonsense", "Z" * 40, "\udcff"])
def test_what_is_no_commit_is_none(checkout: Path, head: str) -> None:
    (checkout / ".git" / "HEAD").write_bytes(head.encode(errors="surrogateescape"))
    assert installed.commit() is None


def test_another_projects_checkout_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(COMMIT)
    assert installed._commit_checked_out(tmp_path) is None


@pytest.mark.parametrize(
    ("noted", "commit"),
    [
        (json.dumps({"url": "x", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}), COMMIT),
        (json.dumps({"url": "x", "dir_info": {"editable": True}}), None),
        (None, None),
        ("[]", None),
        ("{", None),
    ],
)
def test_what_an_installer_noted(
    noted: str | None, commit: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            return noted if name == "direct_url.json" else None

    def distribution(name: str) -> Any:
        return Distribution()

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    assert installed._commit_installed() == commit


def test_the_digest_follows_names_and_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(installed, "PACKAGES", ("fluvio_example",))
    package = tmp_path / "fluvio_example"
    (package / "inner").mkdir(parents=True)
    digests = set()
    for name, text in (("__init__.py", ""), ("a.py", "1"), ("a.py", "2"), ("inner/a.py", "2")):
        (package / name).write_text(text)
        digests.add(installed.sources_sha256())
    (package / "a.pyc").write_text("not a source")
    digests.add(installed.sources_sha256())
    assert len(digests) == 4


def test_version_shows_both(capsys: pytest.CaptureFixture[str], checkout: Path) -> None:
    (checkout / ".git" / "HEAD").write_text(COMMIT)
    assert run(["version", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["Fluvio CLI SHA256"] == installed.sources_sha256()
    assert shown["Git Commit"] == COMMIT
    assert list(shown)[:3] == ["Fluvio CLI", "Fluvio CLI Arch", "Fluvio CLI SHA256"]
