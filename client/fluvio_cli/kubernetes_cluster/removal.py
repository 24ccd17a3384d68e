"""`cluster delete --k8`: the release, our objects in the namespace, the volumes of SPUs.

What is ours: the release `fluvio`; objects of our own kinds; claims that bear our label or belong
to a group of ours; the lease `fluvio-sc`. Nothing else in the namespace is touched, and the
namespace stays.

Order that matters: the release goes first, because its controller would undo what follows, and
because its admission policy would refuse it. Then nobody is left to take off our finalizers, so
we do. Pods and Services follow the groups that own them, and claims go when no pod uses them.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.errors import KubernetesError, Refused
from fluvio_cli.kubernetes.resources import CLAIMS, CRDS, LEASES, Object, Resource
from fluvio_cli.kubernetes_cluster import bundle, crds
from fluvio_cli.kubernetes_cluster.helm import Helm
from fluvio_cli.kubernetes_cluster.rollout import CONTROLLER, Progress, wait_for
from fluvio_cli.kubernetes_cluster.target import Place, forget_profiles
from fluvio_cli.progress import say

FINALIZER_SUFFIX = ".finalizer.fluvio.infinyon.com"
PART_OF = "app.kubernetes.io/part-of"
ADMISSION_POLICY = "ValidatingAdmissionPolicy"
POLICY_TIMEOUT_S = 60
GONE_TIMEOUT_S = 120
INSTANCES_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Found:
    """What a removal would remove."""

    kubernetes: Kubernetes
    helm: Helm
    place: Place
    release: bool
    objects: tuple[tuple[Resource, str], ...]
    claims: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the user types to confirm."""
        return self.place.profile or self.kubernetes.context.name

    @property
    def nothing(self) -> bool:
        return not (self.release or self.objects or self.claims)

    def describe(self) -> str:
        parts = ['release "fluvio"'] if self.release else []
        counts: dict[str, int] = {}
        for resource, _ in self.objects:
            counts[resource.plural] = counts.get(resource.plural, 0) + 1
        parts += [f"{count} {plural}" for plural, count in counts.items()]
        if self.claims:
            parts.append(f"{len(self.claims)} volumes with their data")
        return ", ".join(parts)


def find(place: Place) -> Found:
    """Look what there is. Raises Failure."""
    kubernetes = Kubernetes.connect(place.context_name)
    helm = Helm(kubernetes.context.name, place.namespace)
    objects, groups = [], []
    for resource in _our_resources(kubernetes):
        for item in kubernetes.list(resource, place.namespace):
            objects.append((resource, str(item["metadata"]["name"])))
            if resource.plural == "spugroups":
                groups.append(str(item["metadata"]["name"]))
    claims = [
        str(item["metadata"]["name"])
        for item in kubernetes.list(CLAIMS, place.namespace, labels="app=spu")
        if _is_our_claim(item, groups)
    ]
    release = helm.release() is not None
    return Found(kubernetes, helm, place, release, tuple(objects), tuple(claims))


def _our_resources(kubernetes: Kubernetes) -> list[Resource]:
    """In the version that the API server stores; groups before what belongs to them."""
    found = []
    for definition in bundle.definitions():
        stored = kubernetes.get(CRDS, definition["metadata"]["name"])
        if stored is not None:
            version = next(one["name"] for one in stored["spec"]["versions"] if one["storage"])
            found.append(bundle.resource_of(definition, str(version)))
    return found


def _is_our_claim(claim: Mapping[str, Any], groups: list[str]) -> bool:
    """Labelled by us, or made by the StatefulSet of a group of ours."""
    labels = claim["metadata"].get("labels") or {}
    if labels.get(PART_OF) == "fluvio":
        return True
    group = labels.get("group")
    return group in groups and str(claim["metadata"]["name"]).startswith(
        f"data-fluvio-spg-{group}-"
    )


def remove(found: Found) -> None:
    """Raises Failure; a second run goes on where the first ended."""
    kubernetes, namespace = found.kubernetes, found.place.namespace
    say("Uninstalling fluvio kubernetes components")
    if found.release:
        found.helm.uninstall()
    for resource, name in found.objects:
        _delete(kubernetes, resource, name, namespace)
    for resource in dict.fromkeys(one for one, _ in found.objects):
        _wait_until_gone(kubernetes, resource, namespace)
    for name in found.claims:
        kubernetes.delete(CLAIMS, name, namespace)
    with contextlib.suppress(KubernetesError):  # a lease that stays hurts nobody
        kubernetes.delete(LEASES, CONTROLLER, namespace)
    _wait_for_claims(kubernetes, namespace, found.claims)
    say("Uninstalled fluvio kubernetes components")
    for profile in forget_profiles(kubernetes.context.name, namespace):
        say(f"Removed profile {profile}")
    say("Objects and secrets have been cleaned up")


def _delete(kubernetes: Kubernetes, resource: Resource, name: str, namespace: str) -> None:
    """The API server goes by an admission policy for some seconds after it is gone."""

    def look() -> Progress:
        try:
            kubernetes.delete(resource, name, namespace)
        except Refused as error:
            if ADMISSION_POLICY not in error.message:
                raise
            return Progress(0, 1, error.message)
        return Progress(1, 1)

    wait_for(f"{resource.plural} {name} cannot be deleted", look, timeout_s=POLICY_TIMEOUT_S)


def _wait_until_gone(kubernetes: Kubernetes, resource: Resource, namespace: str) -> None:
    """Also take off our finalizers: whoever would have done it is gone."""
    total = 0

    def look() -> Progress:
        nonlocal total
        left = kubernetes.list(resource, namespace)
        total = max(total, len(left))
        for item in left:
            _release(kubernetes, resource, item)
        names = ", ".join(str(item["metadata"]["name"]) for item in left[:INSTANCES_SHOWN_MAX])
        return Progress(total - len(left), total, f"{len(left)} {resource.plural} left: {names}")

    wait_for(f"Not all {resource.plural} went", look, timeout_s=GONE_TIMEOUT_S)


def _release(kubernetes: Kubernetes, resource: Resource, item: Object) -> None:
    metadata = item["metadata"]
    if not metadata.get("deletionTimestamp"):
        # Made after we looked, or by an owner that was faster: it goes as well.
        kubernetes.delete(resource, metadata["name"], metadata["namespace"])
    finalizers = metadata.get("finalizers") or []
    others = [one for one in finalizers if not one.endswith(FINALIZER_SUFFIX)]
    if others != finalizers:
        kubernetes.merge(
            resource,
            metadata["name"],
            metadata["namespace"],
            {
                "metadata": {
                    "finalizers": others,
                    # Somebody else's finalizer that came meanwhile must not be lost.
                    "resourceVersion": metadata["resourceVersion"],
                }
            },
        )


def _wait_for_claims(kubernetes: Kubernetes, namespace: str, names: tuple[str, ...]) -> None:
    """They go when their pods have gone."""
    wanted = set(names)

    def look() -> Progress:
        there = {
            str(item["metadata"]["name"])
            for item in kubernetes.list(CLAIMS, namespace, labels="app=spu")
        }
        left = sorted(wanted & there)
        why = f"{', '.join(left)} are still in use"
        return Progress(len(wanted) - len(left), len(wanted), why)

    if wanted:
        wait_for("Not all volumes went", look, timeout_s=GONE_TIMEOUT_S)


def remove_definitions(place: Place) -> None:
    """`--sys`: our definitions, when no object of ours is left anywhere. Raises Failure."""
    kubernetes = Kubernetes.connect(place.context_name)
    left = [*crds.instances(kubernetes)]
    if left:
        shown = ", ".join(left[:INSTANCES_SHOWN_MAX])
        more = len(left) - INSTANCES_SHOWN_MAX
        raise Failure(
            "The definitions stay, for deleting them would delete these objects: "
            f"{shown}{f' and {more} more' if more > 0 else ''}. Delete the clusters in those "
            "namespaces first"
        )
    crds.delete_all(kubernetes)
    say("Fluvio definitions have been uninstalled")
