"""What Kubernetes knows of a cluster: objects, events, logs, conditions, disk usage, metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from fluvio_cli.diagnostics.archive import Archive
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.resources import (
    CLAIMS,
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    Object,
    Resource,
)
from fluvio_cli.kubernetes_cluster import bundle
from fluvio_cli.kubernetes_cluster.helm import RELEASE, Helm
from fluvio_cli.kubernetes_cluster.rollout import SPU_CONFIG_MAP
from fluvio_cli.kubernetes_cluster.target import Place

LOG_LINES_MAX = 20_000
METRICS_PORT = 9100
GROUP = "fluvio.infinyon.com"
APPS = ("fluvio-sc", "spu")
"""Values of the label `app` of our pods."""
_IN_NAMESPACE = (
    *(PODS, SERVICES, CONFIG_MAPS, SECRETS, CLAIMS, EVENTS),
    *(DEPLOYMENTS, STATEFUL_SETS, LEASES),
)
_CLUSTER_WIDE = (NODES, STORAGE_CLASSES)


def collect_kubernetes(archive: Archive, place: Place) -> None:
    """Everything of one namespace that is about Fluvio, and what it rests on."""
    kubernetes = Kubernetes.connect(place.context_name)
    archive.add_text(
        "kubernetes/context.txt",
        f"context: {kubernetes.context.name}\nnamespace: {place.namespace}\n",
    )
    archive.collect(
        "kubernetes/version.txt",
        lambda: archive.add_text("kubernetes/version.txt", kubernetes.version() + "\n"),
    )
    collected: dict[str, list[Object]] = {}
    for resource in (*_our_resources(archive), *_IN_NAMESPACE, *_CLUSTER_WIDE):
        _collect_resource(archive, kubernetes, place, resource, collected)
    archive.collect("kubernetes/definitions.yaml", lambda: _collect_crds(archive, kubernetes))
    archive.add_text("conditions.txt", conditions_summary(collected))
    for pod in collected.get("pods", ()):
        if (pod["metadata"].get("labels") or {}).get("app") in APPS:
            _collect_pod(archive, kubernetes, place.namespace, pod)
    _collect_helm(archive, Helm(kubernetes.context.name, place.namespace))


def _our_resources(archive: Archive) -> list[Resource]:
    found: list[Resource] = []
    archive.collect(
        "our resources",
        lambda: found.extend(bundle.resource_of(one) for one in bundle.definitions()),
    )
    return found


def _collect_resource(
    archive: Archive,
    kubernetes: Kubernetes,
    place: Place,
    resource: Resource,
    collected: dict[str, list[Object]],
) -> None:
    name = f"kubernetes/{resource.plural}.yaml"

    def work() -> None:
        objects = [
            one for one in kubernetes.list(resource, place.namespace) if is_ours(resource, one)
        ]
        collected[resource.plural] = objects
        archive.add_objects(name, objects)

    archive.collect(name, work)


def is_ours(resource: Resource, item: Mapping[str, Any]) -> bool:
    """Others in the same namespace are nobody's business."""
    if not resource.namespaced or resource.group == GROUP:
        return True
    if resource is EVENTS:
        about = item.get("involvedObject") or {}
        return str(about.get("apiVersion", "")).startswith(GROUP) or _is_our_name(
            str(about.get("name", ""))
        )
    labels = item["metadata"].get("labels") or {}
    return (
        labels.get("app.kubernetes.io/part-of") == "fluvio"
        or labels.get("app") in APPS
        or labels.get("name") == RELEASE  # helm's own record of the release
        or _is_our_name(str(item["metadata"]["name"]))
    )


def _is_our_name(name: str) -> bool:
    return name == SPU_CONFIG_MAP or name.startswith(("fluvio-", "data-fluvio-spg-"))


def _collect_crds(archive: Archive, kubernetes: Kubernetes) -> None:
    stored = [kubernetes.get(CRDS, one["metadata"]["name"]) for one in bundle.definitions()]
    archive.add_objects("kubernetes/definitions.yaml", [one for one in stored if one is not None])


def _collect_pod(
    archive: Archive, kubernetes: Kubernetes, namespace: str, pod: Mapping[str, Any]
) -> None:
    name = str(pod["metadata"]["name"])
    restarts = {
        one["name"]: int(one.get("restartCount", 0))
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
    }
    for container in [str(one["name"]) for one in pod["spec"]["containers"]]:
        for previous in (False, True) if restarts.get(container) else (False,):
            file = f"logs/{name}-{container}{'-previous' if previous else ''}.log"

            def work(
                container: str = container, previous: bool = previous, file: str = file
            ) -> None:
                text = kubernetes.logs(
                    name, namespace, container, previous=previous, lines=LOG_LINES_MAX
                )
                archive.add_text(file, text)

            archive.collect(file, work)
    metrics = f"metrics/{name}.txt"
    archive.collect(
        metrics,
        lambda: archive.add_text(
            metrics, kubernetes.fetch(name, namespace, METRICS_PORT, "metrics")
        ),
    )
    if any(one["name"] == "spu" for one in pod["spec"]["containers"]):
        usage = f"disk/{name}.txt"
        archive.collect(
            usage,
            lambda: archive.add_text(
                usage, kubernetes.run(name, namespace, "spu", _disk_usage(pod))
            ),
        )


def _disk_usage(pod: Mapping[str, Any]) -> Sequence[str]:
    """Of the volume `data`, where the pod has it."""
    for container in pod["spec"]["containers"]:
        for mount in container.get("volumeMounts") or ():
            if mount["name"] == "data":
                path = str(mount["mountPath"])
                return ("sh", "-c", 'df -h "$1"; du -a "$1"', "sh", path)
    return ("df", "-h")


def _collect_helm(archive: Archive, helm: Helm) -> None:
    archive.collect("helm/list.txt", lambda: archive.add_text("helm/list.txt", helm.list()))
    archive.collect("helm/values.yaml", lambda: _collect_values(archive, helm))


def _collect_values(archive: Archive, helm: Helm) -> None:
    import yaml

    archive.add_data("helm/values.yaml", yaml.safe_load(helm.values()))


def conditions_summary(collected: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What is not as it should be first, one line per condition or resolution."""
    bad: list[str] = []
    good: list[str] = []
    for plural, objects in collected.items():
        for one in objects:
            where = f"{plural} {one['metadata']['name']}"
            status = one.get("status")
            if not isinstance(status, Mapping):
                continue
            if "resolution" in status:
                line = f"{where}: {status['resolution']} {status.get('reason') or ''}".rstrip()
                (good if status["resolution"] in _FINE else bad).append(line)
            for condition in status.get("conditions") or ():
                text = condition.get("message") or condition.get("reason") or ""
                line = f"{where}: {condition['type']}={condition['status']} {text}".rstrip()
                (good if _is_fine(condition) else bad).append(line)
    return "\n".join(["Not well:", *(bad or ["nothing"]), "", "Well:", *good]) + "\n"


_FINE = {"Online", "Provisioned", "Reserved"}
_BAD_WHEN_TRUE = {
    *("Stalled", "Degraded", "UnderReplicated", "OutOfStorage", "DiskPressure", "MemoryPressure"),
    *("PIDPressure", "NetworkUnavailable", "ScaleDownBlocked", "Paused", "Cordoned", "Draining"),
    *("Reconciling", "Reassigning", "Deleting", "NonStructuralSchema", "Terminating"),
    *("ReplicaFailure", "DisruptionTarget", "PodReadyToStartContainersFailed"),
}


def _is_fine(condition: Mapping[str, Any]) -> bool:
    wanted = "False" if condition["type"] in _BAD_WHEN_TRUE else "True"
    return bool(condition["status"] == wanted)
