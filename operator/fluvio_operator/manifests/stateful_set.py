"""The StatefulSet of a group: its SPUs' pods and volumes.

Nothing of it depends on how many SPUs there are or where they run: a pod template that listed
peers would restart all of them whenever one is added. Pods start side by side, for an SPU needs
no other one to start; they are replaced one by one, each when the one before is ready again.
"""

from typing import Any

from fluvio_operator.manifests.environment import environment_of
from fluvio_operator.manifests.json_block import without_nulls
from fluvio_operator.manifests.names import (
    DATA_VOLUME,
    RESTART_ANNOTATION,
    SPU_CONTAINER,
    TEMPORARY_PATH,
    TEMPORARY_VOLUME,
    headless_service_name,
    labels_of,
    metadata_of,
    pod_labels,
    stateful_set_name,
)
from fluvio_operator.manifests.plan import (
    HTTP_PORT,
    ClusterNames,
    GroupPlan,
)
from fluvio_operator.manifests.pod_choices import (
    TERMINATION_GRACE_S_DEFAULT,
    chosen_pod,
    container_security_of,
    pod_security_of,
    topology_spread_of,
)
from fluvio_operator.manifests.settings import PodSettings, SpuPodSettings


def build_stateful_set(
    plan: GroupPlan,
    settings: SpuPodSettings,
    names: ClusterNames,
    *,
    log_filter: str = "info",
) -> dict[str, Any]:
    """plan: one of which `group_problem` has nothing to say."""
    pod = chosen_pod(plan, settings)
    manifest: dict[str, Any] = without_nulls(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata_of(plan, stateful_set_name(plan.name)),
            "spec": {
                "replicas": plan.replicas,
                "serviceName": headless_service_name(plan.name),
                "selector": {"matchLabels": pod_labels(plan.name)},
                "podManagementPolicy": "Parallel",
                "updateStrategy": {"type": "RollingUpdate"},
                "persistentVolumeClaimRetentionPolicy": {
                    "whenDeleted": plan.volumes.when_deleted,
                    "whenScaled": plan.volumes.when_scaled,
                },
                "template": {
                    "metadata": _pod_metadata(plan, pod),
                    "spec": _pod_spec(plan, settings, names, pod, log_filter),
                },
                "volumeClaimTemplates": [_volume_claim(plan, pod)],
            },
        }
    )
    return manifest


def _pod_metadata(plan: GroupPlan, pod: PodSettings) -> dict[str, Any]:
    annotations = dict(pod.annotations or {})
    if RESTART_ANNOTATION in plan.annotations:
        # A new value is a new template, and a new template is a rolling restart.
        annotations[RESTART_ANNOTATION] = plan.annotations[RESTART_ANNOTATION]
    return {
        "labels": {**(pod.labels or {}), **labels_of(plan.name), **pod_labels(plan.name)},
        "annotations": annotations or None,
    }


def _pod_spec(
    plan: GroupPlan,
    settings: SpuPodSettings,
    names: ClusterNames,
    pod: PodSettings,
    log_filter: str,
) -> dict[str, Any]:
    own_account = pod.service_account_name is not None
    return {
        "containers": [
            _spu_container(plan, settings, names, pod, log_filter),
            *(pod.extra_containers or ()),
        ],
        "volumes": [
            {"name": TEMPORARY_VOLUME, "emptyDir": {}},
            *(pod.extra_volumes or ()),
        ],
        "securityContext": pod_security_of(pod),
        "terminationGracePeriodSeconds": (
            pod.termination_grace_period_s or TERMINATION_GRACE_S_DEFAULT
        ),
        # An SPU never calls the Kubernetes API; an account that somebody chose has its reasons.
        "automountServiceAccountToken": None if own_account else False,
        "serviceAccountName": pod.service_account_name,
        "enableServiceLinks": False,
        "topologySpreadConstraints": topology_spread_of(plan, pod) or None,
        "nodeSelector": pod.node_selector or None,
        "tolerations": pod.tolerations or None,
        "affinity": pod.affinity or None,
        "priorityClassName": pod.priority_class_name,
        "imagePullSecrets": pod.image_pull_secrets or None,
    }


def _spu_container(
    plan: GroupPlan,
    settings: SpuPodSettings,
    names: ClusterNames,
    pod: PodSettings,
    log_filter: str,
) -> dict[str, Any]:
    return {
        "name": SPU_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": [
            "--sc-addr",
            names.controller_private,
            "--log-base-dir",
            plan.log_dir,
            "--log-size",
            plan.volume_size,
            "--public",
            f"0.0.0.0:{plan.public_port}",
            "--private",
            f"0.0.0.0:{plan.private_port}",
            "--http",
            f"0.0.0.0:{HTTP_PORT}",
        ],
        "env": environment_of(plan, settings.extra_env, log_filter=log_filter),
        "ports": [
            _port("public", plan.public_port),
            _port("private", plan.private_port),
            _port("http", HTTP_PORT),
        ],
        # Ten minutes to read its logs after a crash, then a minute of silence is too long.
        "startupProbe": _probe("/healthz", period_s=2, timeout_s=5, failures=300),
        "livenessProbe": _probe("/healthz", period_s=10, timeout_s=5, failures=6),
        "readinessProbe": _probe("/readyz", period_s=2, timeout_s=2, failures=3),
        "resources": pod.resources or None,
        "securityContext": container_security_of(settings),
        "volumeMounts": _volume_mounts(plan, pod),
    }


def _volume_mounts(plan: GroupPlan, pod: PodSettings) -> list[dict[str, Any]]:
    own = {
        plan.log_dir: DATA_VOLUME,
        TEMPORARY_PATH: TEMPORARY_VOLUME,  # the rest of the file system cannot be written
    }
    extra = pod.extra_volume_mounts or ()
    taken = {mount["mountPath"].rstrip("/") for mount in extra}
    return [
        *({"name": name, "mountPath": path} for path, name in own.items() if path not in taken),
        *(dict(mount) for mount in extra),
    ]


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _probe(path: str, *, period_s: int, timeout_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


def _volume_claim(plan: GroupPlan, pod: PodSettings) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": DATA_VOLUME, "labels": labels_of(plan.name)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem",
            "storageClassName": pod.storage_class_name,
            "resources": {"requests": {"storage": plan.volume_size}},
        },
    }
