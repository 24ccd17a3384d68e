"""Files of manifests: the YAML that `kubectl apply` takes, for clusters of any kind.

Called by `apply`, `diff` and `object`, and before a read-only cluster is started. All files are
read before anything is changed, and every problem is named.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvio_cli.failure import fail
from fluvio_client import manifests

if TYPE_CHECKING:
    from fluvio_client.manifests import Desired
    from fluvio_protocol.metadata.kinds import Kind

NOT_INSTALLED = "Reading manifests needs pydantic: pip install 'fluvio-cluster[apply]'"


def read_files(paths: tuple[str, ...]) -> "list[Desired]":
    """Everything that these files want, in their order; `-` is standard input. Raises Failure."""
    found: list[Desired] = []
    problems: list[str] = []
    for path in paths:
        text = sys.stdin.read() if path == "-" else _text_of(Path(path))
        try:
            found += manifests.read_manifests(text, path)
        except ModuleNotFoundError:
            fail(NOT_INSTALLED)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        fail("\n".join(problems))
    if not found:
        fail(f"{', '.join(paths)}: no objects in there")
    twins = manifests.find_twins(found)
    if twins is not None:
        fail(twins)
    return found


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > manifests.TEXT_SIZE_BYTES_MAX:
            fail(f"{path}: larger than {manifests.TEXT_SIZE_BYTES_MAX} bytes")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or 'is no text in UTF-8'}")


def write_manifest(kind: "Kind", name: str, spec: Any) -> dict[str, Any]:
    """The manifest that would make this object. Raises Failure."""
    try:
        from fluvio_crd.manifest import render_spec
        from fluvio_crd.resources import resource_of
    except ModuleNotFoundError:
        fail(NOT_INSTALLED)
    resource = resource_of(kind)
    return {
        "apiVersion": resource.group_version,
        "kind": resource.kube_kind,
        "metadata": {"name": name},
        "spec": render_spec(kind, spec),
    }
