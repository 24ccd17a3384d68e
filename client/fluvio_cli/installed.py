"""What exactly is installed: for `fluvio version`, and for those who compare two machines."""

import hashlib
import importlib.metadata
import importlib.util
import json
from pathlib import Path

DISTRIBUTION = "fluvio-cluster"
PACKAGES = ("fluvio_cli", "fluvio_client", "fluvio_crd", "fluvio_protocol", "fluvio_socket")
"""What runs when the command runs."""
_COMMIT_LENGTHS = (40, 64)
_LINKS_MAX = 3


def version() -> str:
    """Of the installed distribution."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def sources_sha256() -> str:
    """One digest of all Python files of the command: the same wherever they are the same.

    Raises OSError.
    """
    digest = hashlib.sha256()
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            root = Path(folder)
            for path in sorted(root.rglob("*.py")):
                name = f"{package}/{path.relative_to(root).as_posix()}"
                digest.update(name.encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def commit() -> str | None:
    """The commit that the command was installed from, or runs in; None when nothing tells it."""
    return _commit_installed() or _commit_checked_out(Path(__file__).parents[2])


def _commit_installed() -> str | None:
    """As an installer notes it that was given the address of a repository (PEP 610)."""
    try:
        text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        noted = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    return _as_commit(noted)


def _commit_checked_out(root: Path) -> str | None:
    """Of the checkout that this file is in, if it is in one of this project."""
    if not (root / "client" / "fluvio_cli").is_dir():
        return None
    try:
        folder = root / ".git"
        if folder.is_file():  # a worktree: `gitdir: <folder>`
            folder = root / folder.read_text("utf-8").removeprefix("gitdir:").strip()
        shared = folder / "commondir"
        common = folder / shared.read_text("utf-8").strip() if shared.is_file() else folder
        head = (folder / "HEAD").read_text("utf-8").strip()
        for _ in range(_LINKS_MAX):
            if not head.startswith("ref: "):
                return _as_commit(head)
            head = _resolved(common, head.removeprefix("ref: "))
    except (OSError, UnicodeDecodeError):
        return None
    return None


def _resolved(common: Path, name: str) -> str:
    """What a branch points at; empty when it has no commit yet. Raises OSError."""
    loose = common / name
    if loose.is_file():
        return loose.read_text("utf-8").strip()
    packed = common / "packed-refs"
    lines = packed.read_text("utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def _as_commit(text: object) -> str | None:
    if not isinstance(text, str) or len(text) not in _COMMIT_LENGTHS:
        return None
    return text if all(letter in "0123456789abcdef" for letter in text) else None
