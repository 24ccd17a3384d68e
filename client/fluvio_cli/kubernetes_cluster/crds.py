"""The definitions of our resources: are they there, do stored objects fit, put them in force.

Called by check, install, upgrade and removal. Definitions are applied from the bundle, never by
helm, which installs a chart's once and leaves them old for ever.

Order that matters: dry run, then look at what is stored, then apply, then move stored objects to a
new storage version. Nothing is written before everything was found possible.
"""

from collections.abc import Iterator
from enum import StrEnum

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.errors import Refused
from fluvio_cli.kubernetes.resources import CRDS, Object, Resource
from fluvio_cli.kubernetes_cluster import bundle
from fluvio_cli.kubernetes_cluster.rollout import Progress, wait_for
from fluvio_cli.kubernetes_cluster.schema_fit import misfits

ESTABLISHED_TIMEOUT_S = 60
MISFITS_SHOWN_MAX = 10
MIGRATION_TRIES_MAX = 5
RELEASE_ANNOTATION = "meta.helm.sh/release-name"


class State(StrEnum):
    """Of one definition in the cluster, beside ours."""

    MISSING = "missing"
    OLD = "not up to date"
    CURRENT = "up to date"


def states(kubernetes: Kubernetes) -> dict[str, State]:
    """By name. The API server itself says what applying ours would make of each."""
    found = {}
    for definition in bundle.definitions():
        name = definition["metadata"]["name"]
        stored = kubernetes.get(CRDS, name)
        if stored is None:
            found[name] = State.MISSING
            continue
        wanted = kubernetes.apply(CRDS, definition, dry_run=True)
        same = wanted.get("spec") == stored.get("spec")
        found[name] = State.CURRENT if same else State.OLD
    return found


def release_that_owns_them(kubernetes: Kubernetes) -> str | None:
    """The helm release that would delete our definitions with itself, and all objects with them."""
    for definition in bundle.definitions():
        stored = kubernetes.get(CRDS, definition["metadata"]["name"])
        annotations = (stored or {}).get("metadata", {}).get("annotations") or {}
        if RELEASE_ANNOTATION in annotations:
            return str(annotations[RELEASE_ANNOTATION])
    return None


def check_stored_objects(kubernetes: Kubernetes) -> int:
    """Can ours be applied, and does what is stored fit? How many objects there are.

    Raises: Failure that names the objects that do not fit.
    """
    count = 0
    complaints: list[str] = []
    for definition in bundle.definitions():
        stored = kubernetes.get(CRDS, definition["metadata"]["name"])
        kubernetes.apply(CRDS, definition, dry_run=True)
        if stored is None:
            continue
        version = next(one["name"] for one in stored["spec"]["versions"] if one["storage"])
        plural = definition["spec"]["names"]["plural"]
        for item in kubernetes.list(bundle.resource_of(definition, version)):
            count += 1
            metadata = item["metadata"]
            place = f"{plural} {metadata.get('namespace')}/{metadata['name']}: spec"
            complaints += misfits(_spec_schema(definition, version), item.get("spec", {}), place)
    if complaints:
        shown = complaints[:MISFITS_SHOWN_MAX]
        if len(complaints) > len(shown):
            shown.append(f"and {len(complaints) - len(shown)} more")
        raise Failure(
            "Stored objects do not fit the new definitions, and nothing was changed. Correct "
            "them, then try again:\n" + "\n".join(f"    {one}" for one in shown)
        )
    return count


def _spec_schema(definition: Object, version: str) -> Object:
    """Of that version, or of the one that will be stored when it is no more."""
    versions = definition["spec"]["versions"]
    named = [one for one in versions if one["name"] == version]
    stored = [one for one in versions if one.get("storage")]
    schema: Object = (named or stored)[0]["schema"]["openAPIV3Schema"]
    found: Object = schema.get("properties", {}).get("spec", {})
    return found


def apply_all(kubernetes: Kubernetes) -> None:
    """Put ours in force, and wait until the API server serves them. Raises Failure."""
    for definition in bundle.definitions():
        kubernetes.apply(CRDS, definition)

    def look() -> Progress:
        waiting = [
            definition["metadata"]["name"]
            for definition in bundle.definitions()
            if not _established(kubernetes.get(CRDS, definition["metadata"]["name"]))
        ]
        total = len(bundle.definitions())
        return Progress(total - len(waiting), total, why=", ".join(waiting))

    wait_for("Definitions are not served", look, timeout_s=ESTABLISHED_TIMEOUT_S)


def _established(stored: Object | None) -> bool:
    conditions = ((stored or {}).get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def migrate(kubernetes: Kubernetes) -> int:
    """Store every object anew where the storage version has moved; how many there were.

    Afterwards a later release may leave the old version out.
    """
    moved = 0
    for definition in bundle.definitions():
        name = definition["metadata"]["name"]
        stored = kubernetes.get(CRDS, name)
        old = ((stored or {}).get("status") or {}).get("storedVersions") or []
        resource = bundle.resource_of(definition)
        if not set(old) - {resource.version}:
            continue
        for item in kubernetes.list(resource):
            _store_again(kubernetes, resource, item)
            moved += 1
        status = {"status": {"storedVersions": [resource.version]}}
        kubernetes.merge(CRDS, name, None, status, subresource="status")
    return moved


def _store_again(kubernetes: Kubernetes, resource: Resource, item: Object) -> None:
    metadata = item["metadata"]
    for _ in range(MIGRATION_TRIES_MAX):
        current = kubernetes.get(resource, metadata["name"], metadata.get("namespace"))
        if current is None:
            return
        try:
            kubernetes.replace(resource, current)
        except Refused as error:
            if error.status != 409:
                raise
            continue  # somebody else wrote in between, which stored it too or not: look again
        return
    raise Failure(f"{resource.plural} {metadata['name']} changes too often to be stored anew")


def instances(kubernetes: Kubernetes) -> Iterator[str]:
    """Every object of ours in the whole cluster, as `topics default/orders`."""
    for definition in bundle.definitions():
        name = definition["metadata"]["name"]
        stored = kubernetes.get(CRDS, name)
        if stored is None:
            continue
        version = next(one["name"] for one in stored["spec"]["versions"] if one["storage"])
        for item in kubernetes.list(bundle.resource_of(definition, version)):
            metadata = item["metadata"]
            plural = definition["spec"]["names"]["plural"]
            yield f"{plural} {metadata.get('namespace')}/{metadata['name']}"


def delete_all(kubernetes: Kubernetes) -> None:
    """Take our definitions away. The caller has made sure that no object is left."""
    for definition in bundle.definitions():
        kubernetes.delete(CRDS, definition["metadata"]["name"])
