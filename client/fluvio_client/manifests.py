"""Manifests as objects that a cluster shall have: the YAML that `kubectl apply` takes.

Called by the command line, and by a local cluster whose objects are those of a file. A text holds
several documents, a `List`, or Fluvio's own form for read-only clusters, lists by kind:
`{topics: [...], spus: [...]}`. All problems of a text are named at once. What the cluster makes by
itself is refused here: partitions, and SPUs of a group. Specs are read by `fluvio_crd`, imported
when needed; without pydantic that raises ModuleNotFoundError.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fluvio_client import formats
from fluvio_protocol.metadata.kinds import Kind

TEXT_SIZE_BYTES_MAX = 64 * 1024 * 1024
"""More than a handful of SmartModules; a larger file was given by mistake."""


@dataclass(frozen=True, slots=True)
class Desired:
    """An object as a manifest wants it.

    kind, spec: as the controller is asked for it
    ignored:    paths in the manifest that Fluvio's protocol has no place for
    """

    kind: Kind
    name: str
    spec: Any
    ignored: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`Topic orders`."""
        return f"{self.kind.value} {self.name}"


def read_manifests(text: str, where: str) -> list[Desired]:
    """Everything that a text wants, in its order.

    where: what the text is called in messages
    Raises: ValueError, with one line for each problem.
    """
    try:
        documents = formats.read_yaml_documents(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    found: list[Desired] = []
    problems: list[str] = []
    for number, body in enumerate(_flattened(documents), start=1):
        try:
            found.append(read_manifest(body))
        except ValueError as error:
            problems.append(f"{where}, object {number}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return found


def find_twins(found: list[Desired]) -> str | None:
    """What is wrong when an object is wanted twice."""
    seen = set()
    for one in found:
        if (one.kind, one.name) in seen:
            return f"{one.title} is there twice"
        seen.add((one.kind, one.name))
    return None


def _flattened(documents: list[Any]) -> Iterator[Any]:
    for body in documents:
        if isinstance(body, Mapping) and str(body.get("kind", "")).endswith("List"):
            items = body.get("items")
            yield from items if isinstance(items, list) else ()
        elif _is_by_kind(body):
            for items in body.values():
                yield from items
        else:
            yield body


def _is_by_kind(body: Any) -> bool:
    """Whether it is a map of lists, under the plurals of kinds."""
    from fluvio_crd.resources import RESOURCES

    plurals = {one.plural for one in RESOURCES}
    return (
        isinstance(body, Mapping)
        and bool(body)
        and all(key in plurals and isinstance(value, list) for key, value in body.items())
    )


def read_manifest(body: Any) -> Desired:
    """One manifest. Raises ValueError: which object, what is wrong, why."""
    from fluvio_client.desired import changeable
    from fluvio_client.errors import ManagedObject
    from fluvio_crd.manifest import BadManifest, parse_spec, render_spec
    from fluvio_crd.resources import GROUP, RESOURCES

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
