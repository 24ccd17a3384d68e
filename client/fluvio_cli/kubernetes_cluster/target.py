"""Which cluster a command means: the profile's, unless flags say otherwise.

Called by the `cluster` commands. A profile of a cluster on Kubernetes remembers where it is:

    [cluster.kind-lab.metadata]              installation = "k8"
    [cluster.kind-lab.metadata.kubernetes]   context = "kind-lab", namespace = "default"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.target import target_of

if TYPE_CHECKING:
    from fluvio_client.profile import ClusterConfig

K8 = "k8"
LOCAL = "local"
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster on Kubernetes is. context_name: None means kubeconfig's current one."""

    context_name: str | None
    namespace: str
    profile: str | None = None


def profile_of(context: click.Context) -> "tuple[str, ClusterConfig] | None":
    """The profile of this command line and the cluster it means; None without any.

    Raises: ProfileNotFound, ConfigError, Failure.
    """
    from fluvio_client.errors import NoActiveProfile
    from fluvio_client.profile import ProfileStore

    target = target_of(context)
    if target.cluster is not None:
        return None
    store = ProfileStore.load()
    try:
        cluster = store.resolve(target.profile)
    except NoActiveProfile:
        return None
    return str(target.profile or store.current), cluster


def installation_of(context: click.Context) -> str | None:
    """`k8`, `local`, ... as the profile says; None when it says nothing. Raises as above."""
    found = profile_of(context)
    return None if found is None else _installation(found[1])


def _installation(cluster: "ClusterConfig") -> str | None:
    said = cluster.metadata.get("installation")
    return None if said is None else str(said)


def place_of(context: click.Context, *, context_name: str | None, namespace: str | None) -> Place:
    """Flags first, then what the profile remembers, then kubeconfig's context and `default`."""
    found = profile_of(context)
    remembered: Mapping[str, Any] = {}
    profile = None
    if found is not None and _installation(found[1]) in (None, K8):
        profile, cluster = found
        remembered = cluster.metadata.get("kubernetes") or {}
    if context_name is not None and context_name != remembered.get("context"):
        # Another cluster than the profile's: nothing that it remembers is true of it.
        remembered, profile = {}, None
    if namespace is not None and namespace != remembered.get("namespace", namespace):
        profile = None
    return Place(
        context_name=context_name or remembered.get("context"),
        namespace=namespace or remembered.get("namespace") or DEFAULT_NAMESPACE,
        profile=profile,
    )


def save_profile(
    name: str, endpoint: str, *, context_name: str, namespace: str, inside: bool
) -> None:
    """Make a profile of a cluster on Kubernetes, and switch to it. Raises ConfigError.

    inside: clients are in the Kubernetes cluster, and use addresses that lead there.
    """
    from fluvio_client.profile import ProfileStore

    store = ProfileStore.load()
    store.add(
        name,
        endpoint,
        installation=K8,
        use_spu_local_address=inside,
        metadata={"kubernetes": {"context": context_name, "namespace": namespace}},
    )
    store.save()


def forget_profiles(context_name: str, namespace: str) -> list[str]:
    """Remove the profiles of a cluster that is no more; their names. Raises ConfigError."""
    from fluvio_client.profile import ProfileStore

    store = ProfileStore.load()
    gone = []
    for cluster in store.clusters():
        place = cluster.metadata.get("kubernetes") or {}
        if (place.get("context"), place.get("namespace")) != (context_name, namespace):
            continue
        for profile in store.profiles_of_cluster(cluster.name):
            store.delete(profile)
            gone.append(profile)
        store.delete_cluster(cluster.name)
    if gone:
        store.save()
    return gone
