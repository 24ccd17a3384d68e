"""Files of manifests: the YAML that `kubectl apply` takes, for clusters of any kind.

Called by `apply`, `diff` and `object`. A file holds several documents, or a `List`; all of them are
read before anything is changed, and every problem is named. What the cluster makes by itself is
refused here: partitions, and SPUs of a group. Specs are read by `fluvio_crd`, imported when needed.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluvio_cli.failure import fail
from fluvio_client import formats

if TYPE_CHECKING:
    from fluvio_protocol.metadata.kinds import Kind

FILE_SIZE_BYTES_MAX = 64 * 1024 * 1024
"""More than a handful of SmartModules; a larger file was given by mistake."""
NOT_INSTALLED = "Reading manifests needs pydantic: pip install 'fluvio-cluster[apply]'"


@dataclass(frozen=True, slots=True)
class Desired:
    """An object as a file wants it.

    kind, spec: as the controller is asked for it
    ignored:    paths in the manifest that Fluvio's protocol has no place for
    """

    kind: "Kind"
    name: str
    spec: Any
    ignored: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`Topic orders`."""
        return f"{self.kind.value} {self.name}"


def read_files(paths: tuple[str, ...]) -> list[Desired]:
    """Everything that these files want, in their order; `-` is standard input. Raises Failure."""
    found: list[Desired] = []
    problems: list[str] = []
    for path in paths:
        text = sys.stdin.read() if path == "-" else _text_of(Path(path))
        try:
            documents = formats.read_yaml_documents(text)
        except ValueError as error:
            fail(f"{path}: {error}")
        for number, body in enumerate(_flattened(documents), start=1):
            try:
                found.append(read_manifest(body))
            except ValueError as error:
                problems.append(f"{path}, object {number}: {error}")
    if problems:
        fail("\n".join(problems))
    if not found:
        fail(f"{', '.join(paths)}: no objects in there")
    seen = set()
    for one in found:
        if (one.kind, one.name) in seen:
            fail(f"{one.title} is there twice")
        seen.add((one.kind, one.name))
    return found


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_SIZE_BYTES_MAX:
            fail(f"{path}: larger than {FILE_SIZE_BYTES_MAX} bytes")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or 'is no text in UTF-8'}")


def _flattened(documents: list[Any]) -> Iterator[Any]:
    for body in documents:
        if isinstance(body, Mapping) and str(body.get("kind", "")).endswith("List"):
            items = body.get("items")
            yield from items if isinstance(items, list) else ()
        else:
            yield body


def read_manifest(body: Any) -> Desired:
    """One manifest. Raises ValueError: which object, what is wrong, why."""
    try:
        from fluvio_crd.manifest import BadManifest, parse_spec, render_spec
        from fluvio_crd.resources import GROUP, RESOURCES
    except ModuleNotFoundError:
        fail(NOT_INSTALLED)
    from fluvio_client.desired import changeable
    from fluvio_client.errors import ManagedObject

    if not isinstance(body, Mapping):
        raise ValueError("expected an object with apiVersion, kind, metadata and spec")
    word, version = body.get("kind"), str(body.get("apiVersion", ""))
    resource = next((one for one in RESOURCES if one.kube_kind == word), None)
    if resource is None or version.rpartition("/")[0] != GROUP:
        raise ValueError(
            f"{version or 'no apiVersion'}, {word or 'no kind'}: expected one of "
            f"{', '.join(one.kube_kind for one in RESOURCES)} of {GROUP}"
        )
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"{word}: metadata.name is missing")
    if version != resource.group_version:
        raise ValueError(f"{word} {name}: apiVersion is {version}, not {resource.group_version}")
    try:
        spec = parse_spec(resource.kind, body)
        ignored = tuple(_lost("spec", body["spec"], render_spec(resource.kind, spec)))
        kind, spec = changeable(resource.kind, name, spec)
    except BadManifest as error:
        raise ValueError(f"{word} {name}: {error}") from None
    except ManagedObject as error:
        raise ValueError(str(error)) from None
    if word == "TableFormat" and spec.name != name:
        raise ValueError(f"{word} {name}: spec.name is {spec.name}: it is to be the same")
    return Desired(kind, name, spec, ignored)


_OTHER_NAMES = {"headerFgColor"}
"""Read under another name, so not lost."""


def _lost(path: str, said: Any, kept: Any) -> Iterator[str]:
    """Paths of what a manifest says and the spec does not hold."""
    if isinstance(said, Mapping) and isinstance(kept, Mapping):
        for key, value in said.items():
            if value is None or key in _OTHER_NAMES:
                continue
            if key in kept:
                yield from _lost(f"{path}.{key}", value, kept[key])
            elif value not in ({}, []):
                yield f"{path}.{key}"
    elif isinstance(said, list) and isinstance(kept, list):
        for number, (one, other) in enumerate(zip(said, kept, strict=False)):
            yield from _lost(f"{path}[{number}]", one, other)


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
