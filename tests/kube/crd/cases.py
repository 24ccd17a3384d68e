"""The sample manifests: `samples/good` are accepted, `samples/bad` are refused and say why.

    good/*.yaml     manifests that Fluvio accepts, and ours with additions
    plain/*.yaml    accepted of plain requests alone: server-side apply does not drop their nulls
    older/*.yaml    forms that older releases stored: read, though no longer accepted anew
    bad/*.yaml      starts with `# refused: <words>`; its last document is refused with them, those
                    before it are there already (rules about changes need something to change).
                    `<words> | <words>`: the server says the first of a plain request, the second
                    of a server-side apply, which compares types before it validates

The story in `e2e/scenarios/test_resources.py` shows the same files to a real API server.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fluvio_crd.resources import RESOURCES, Resource

SAMPLES = Path(__file__).with_name("samples")
_REFUSED = "# refused: "
_BY_KUBE_KIND = {resource.kube_kind: resource for resource in RESOURCES}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A manifest that the API server refuses, and words of its answer, one of which it gives."""

    words: tuple[str, ...]
    present: tuple[dict[str, Any], ...]
    refused: dict[str, Any]


def names(folder: str) -> list[str]:
    """File names of a folder of samples."""
    return sorted(path.name for path in (SAMPLES / folder).glob("*.yaml"))


def documents(folder: str, name: str) -> list[dict[str, Any]]:
    """The manifests of a file."""
    return list(yaml.safe_load_all((SAMPLES / folder / name).read_text()))


def refusal(name: str) -> Refusal:
    """A file of `samples/bad`."""
    first = (SAMPLES / "bad" / name).read_text().splitlines()[0]
    assert first.startswith(_REFUSED), f"{name} does not start with {_REFUSED!r}"
    *present, refused = documents("bad", name)
    return Refusal(tuple(first.removeprefix(_REFUSED).split(" | ")), tuple(present), refused)


def resource_of_manifest(manifest: dict[str, Any]) -> Resource:
    """The resource a manifest is of."""
    return _BY_KUBE_KIND[manifest["kind"]]
