"""One pod template out of three voices: our defaults, the chart, the group; the later one counts.

One value, or an object that is one decision (affinity, resources): the last word stands alone.
Names with values (labels, annotations, node selectors, security settings): name by name.
Lists: both; of two entries with one name the group's stays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fluvio_operator.manifests.json_block import JsonObject
from fluvio_operator.manifests.names import HOST_LABEL, ZONE_LABEL, pod_labels
from fluvio_operator.manifests.plan import GroupPlan
from fluvio_operator.manifests.settings import PodSettings, SpuPodSettings

T = TypeVar("T")

USER_ID = 65_532
"""Of the image; the volume belongs to it as well."""

TERMINATION_GRACE_S_DEFAULT = 60

POD_SECURITY_DEFAULT: JsonObject = {
    "runAsNonRoot": True,
    "runAsUser": USER_ID,
    "runAsGroup": USER_ID,
    "fsGroup": USER_ID,
    "fsGroupChangePolicy": "OnRootMismatch",  # not file by file at every start of a big volume
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY_DEFAULT: JsonObject = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def chosen_pod(plan: GroupPlan, settings: SpuPodSettings) -> PodSettings:
    """What the chart and the group say together; a field is None when neither says anything."""
    chart, group = settings.pod, plan.pod
    return PodSettings(
        storage_class_name=group.storage_class_name or chart.storage_class_name,
        resources=_last(chart.resources, group.resources),
        node_selector=_by_name(chart.node_selector, group.node_selector),
        tolerations=_both(chart.tolerations, group.tolerations),
        affinity=_last(chart.affinity, group.affinity),
        topology_spread=_last(chart.topology_spread, group.topology_spread),
        priority_class_name=group.priority_class_name or chart.priority_class_name,
        service_account_name=group.service_account_name or chart.service_account_name,
        image_pull_secrets=_both(chart.image_pull_secrets, group.image_pull_secrets, key="name"),
        annotations=_by_name(chart.annotations, group.annotations),
        labels=_by_name(chart.labels, group.labels),
        security_context=_by_name(chart.security_context, group.security_context),
        extra_containers=_both(chart.extra_containers, group.extra_containers, key="name"),
        extra_volumes=_both(chart.extra_volumes, group.extra_volumes, key="name"),
        extra_volume_mounts=_both(
            chart.extra_volume_mounts, group.extra_volume_mounts, key="mountPath"
        ),
        termination_grace_period_s=_last(
            chart.termination_grace_period_s, group.termination_grace_period_s
        ),
    )


def pod_security_of(pod: PodSettings) -> dict[str, Any]:
    """Fit for the restricted pod security standard unless somebody says otherwise."""
    said = pod.security_context or {}
    chosen = {**POD_SECURITY_DEFAULT, **said}
    if chosen["runAsUser"] == 0 and "runAsNonRoot" not in said:
        # Who asks for root has decided; the two together would never start.
        chosen["runAsNonRoot"] = None
    return chosen


def container_security_of(settings: SpuPodSettings) -> dict[str, Any]:
    """The same for the SPU's own container."""
    return {**CONTAINER_SECURITY_DEFAULT, **settings.container_security_context}


def topology_spread_of(plan: GroupPlan, pod: PodSettings) -> list[dict[str, Any]]:
    """Over hosts and zones as far as there are any: one node runs them all."""
    selector = {"matchLabels": pod_labels(plan.name)}
    if pod.topology_spread is None:
        return [
            {
                "maxSkew": 1,
                "topologyKey": topology_key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": selector,
            }
            for topology_key in (HOST_LABEL, ZONE_LABEL)
        ]
    usual = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}
    return [{**usual, **constraint} for constraint in pod.topology_spread]


def _last(chart: T | None, group: T | None) -> T | None:
    return chart if group is None else group


def _by_name(
    chart: Mapping[str, Any] | None, group: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if chart is None and group is None:
        return None
    return {**(chart or {}), **(group or {})}


def _both(
    chart: Sequence[JsonObject] | None, group: Sequence[JsonObject] | None, *, key: str = ""
) -> tuple[JsonObject, ...] | None:
    if chart is None and group is None:
        return None
    entries: list[JsonObject] = []
    for entry in (*(chart or ()), *(group or ())):
        if key:
            entries = [earlier for earlier in entries if earlier.get(key) != entry.get(key)]
        if entry not in entries:
            entries.append(entry)
    return tuple(entries)
