"""The Kubernetes objects around our own, as the API server last showed them: plain bodies by name.

Filled by `load` and then by the watches (`observe`); read by the runtime. What is kept: groups'
manifests, StatefulSets, Services, the SPUs' pods, nodes, the settings of the SPUs and the
disruption budget. One event loop.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from fluvio_crd.resources import resource_of
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.manifests.names import APP_LABEL, APP_LABEL_VALUE
from fluvio_protocol.metadata.kinds import Kind

_GROUPS = resource_of(Kind.SPU_GROUP)


class Watched(StrEnum):
    """Kinds that are kept, by the plural that the API server knows them by."""

    GROUPS = _GROUPS.plural
    STATEFUL_SETS = "statefulsets"
    SERVICES = "services"
    PODS = "pods"
    CONFIG_MAPS = "configmaps"
    DISRUPTION_BUDGETS = "poddisruptionbudgets"
    NODES = "nodes"


API_GROUPS: Mapping[Watched, tuple[str, str]] = {
    Watched.GROUPS: tuple(_GROUPS.group_version.split("/")),  # type: ignore[dict-item]
    Watched.STATEFUL_SETS: ("apps", "v1"),
    Watched.SERVICES: ("", "v1"),
    Watched.PODS: ("", "v1"),
    Watched.CONFIG_MAPS: ("", "v1"),
    Watched.DISRUPTION_BUDGETS: ("policy", "v1"),
    Watched.NODES: ("", "v1"),
}
"""API group and version of each."""

CLUSTER_SCOPED = frozenset({Watched.NODES})


def path_of(kind: Watched, namespace: str, name: str = "") -> str:
    """Of one object, or of all."""
    group, version = API_GROUPS[kind]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    scope = "" if kind in CLUSTER_SCOPED else f"/namespaces/{namespace}"
    collection = f"{root}{scope}/{kind.value}"
    return f"{collection}/{name}" if name else collection


class KubeCache:
    """on_change: told that something may look different now.

    has_nodes: whether this process may read nodes; known after `load`
    """

    def __init__(self, namespace: str) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.has_nodes = True
        self._namespace = namespace
        self._bodies: dict[Watched, dict[str, Body]] = {kind: {} for kind in Watched}

    def get(self, kind: Watched, name: str) -> Body | None:
        return self._bodies[kind].get(name)

    def of(self, kind: Watched) -> Iterable[Body]:
        return self._bodies[kind].values()

    async def load(self, api: KubeApi) -> None:
        """Read everything anew. Raises KubeError; nodes that may not be read are done without."""
        for kind in Watched:
            try:
                bodies = await api.list_all(path_of(kind, self._namespace))
            except KubeError as error:
                if kind is not Watched.NODES or error.status != 403:
                    raise
                self.has_nodes, bodies = False, []
            self._bodies[kind] = {
                body["metadata"]["name"]: body for body in bodies if _is_wanted(kind, body)
            }
        self.on_change()

    def observe(self, kind: Watched, body: Body, *, deleted: bool = False) -> None:
        """A watch told of an object, or we have written it."""
        if not _is_wanted(kind, body):
            return
        name = body["metadata"]["name"]
        known = self._bodies[kind].get(name)
        if deleted:
            if known is not None and known["metadata"]["uid"] == body["metadata"]["uid"]:
                del self._bodies[kind][name]
        else:
            self._bodies[kind][name] = body
        self.on_change()


def _is_wanted(kind: Watched, body: Body) -> bool:
    if kind is not Watched.PODS:
        return True
    return (body["metadata"].get("labels") or {}).get(APP_LABEL) == APP_LABEL_VALUE
