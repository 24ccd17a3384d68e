"""Whole manifests as files: read them to know what an SPU group becomes.

`REWRITE=1` writes the golden files anew; then read the diff.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluvio_operator.manifests.disruption_budget import build_disruption_budget
from fluvio_operator.manifests.group_problem import group_problem
from fluvio_operator.manifests.headless_service import build_headless_service
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import (
    Expose,
    PodSettings,
    ServiceType,
    SpuPodSettings,
    VolumePolicy,
)
from fluvio_operator.manifests.spu_service import build_spu_service
from fluvio_operator.manifests.stateful_set import build_stateful_set

GOLDEN = Path(__file__).parent / "golden"
Manifest = dict[str, Any]


def everything_said(make_plan: Callable[..., GroupPlan]) -> GroupPlan:
    """A group whose author had a word on everything."""
    return make_plan(
        "hot",
        replicas=2,
        min_id=100,
        rack="zone-a",
        log_dir="/data/fluvio/",
        size="50Gi",
        env={"FLV_SOCKET_WAIT": "30", "RUST_LOG": "debug", "EMPTY": ""},
        annotations={"fluvio.io/restart": "2026-01-01", "other": "not ours"},
        volumes=VolumePolicy(when_deleted="Delete", when_scaled="Retain"),
        replicas_now=3,
        public_port=9105,
        private_port=9106,
        expose=Expose(
            type=ServiceType.LOAD_BALANCER,
            annotations={"external-dns.example.test/hostname": "{{spuId}}.stream.example.test"},
            advertised_host_template="{{spuId}}.stream.example.test",
        ),
        pod=PodSettings(
            storage_class_name="fast-ssd",
            resources={"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
            node_selector={"disk": "ssd"},
            tolerations=({"key": "streaming", "operator": "Exists", "effect": "NoSchedule"},),
            affinity={
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"app": "spu"}},
                        }
                    ]
                }
            },
            topology_spread=(
                {
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "DoNotSchedule",
                },
            ),
            priority_class_name="system-cluster-critical",
            service_account_name="default",
            image_pull_secrets=({"name": "registry"},),
            annotations={"example.test/scrape": "true"},
            labels={"team": "streams", "group": "cannot be changed"},
            security_context={"fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
            extra_containers=(
                {
                    "name": "sidecar",
                    "image": "registry.example.test/sidecar:1",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                },
            ),
            extra_volumes=({"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},),
            extra_volume_mounts=({"name": "scratch", "mountPath": "/tmp", "readOnly": False},),
            termination_grace_period_s=120,
        ),
    )


@pytest.fixture
def manifests(
    make_plan: Callable[..., GroupPlan],
    make_settings: Callable[..., SpuPodSettings],
    names: ClusterNames,
) -> dict[str, Manifest]:
    """By the name of the golden file."""
    plain, said = make_plan(), everything_said(make_plan)
    fluvio = make_settings()
    chart = make_settings(
        service={"type": "NodePort", "externalTrafficPolicy": "Local", "externalName": "unused"},
        lbServiceAnnotations={"example.test/pool": "blue"},
        extraEnv=[{"name": "FLV_LOG_INDEX_MAX_BYTES", "value": "4096"}],
        imagePullPolicy="IfNotPresent",
        tolerations=[{"key": "spot", "operator": "Exists"}],
        nodeSelector={"kubernetes.io/os": "linux"},
    )
    for plan, settings in ((plain, fluvio), (said, chart)):
        assert group_problem(plan, settings) is None
    return {
        "stateful-set": build_stateful_set(plain, fluvio, names),
        "stateful-set-everything-said": build_stateful_set(said, chart, names, log_filter="warn"),
        "headless-service": build_headless_service(plain),
        "headless-service-everything-said": build_headless_service(said),
        "spu-service-node-port": build_spu_service(plain, fluvio, 2),
        "spu-service-node-port-local": build_spu_service(plain, chart, 0),
        "spu-service-load-balancer": build_spu_service(said, chart, 1),
        "spu-service-cluster-ip": build_spu_service(
            plain, make_settings(service={"type": "ClusterIP"}), 0
        ),
        "disruption-budget": build_disruption_budget(names, [plain, said]),
    }


def test_manifests_are_as_they_were(manifests: dict[str, Manifest]) -> None:
    if os.environ.get("REWRITE") == "1":
        for path in GOLDEN.glob("*.yaml"):
            path.unlink()
        for name, manifest in manifests.items():
            (GOLDEN / f"{name}.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    golden = {path.stem: yaml.safe_load(path.read_text()) for path in GOLDEN.glob("*.yaml")}
    assert manifests == golden


def test_manifests_are_plain_json_without_nulls(manifests: dict[str, Manifest]) -> None:
    for manifest in manifests.values():
        text = json.dumps(manifest)
        assert json.loads(text) == manifest
        assert "null" not in text.replace('"null"', "")


def test_the_template_does_not_depend_on_the_number_of_spus(
    make_plan: Callable[..., GroupPlan],
    make_settings: Callable[..., SpuPodSettings],
    names: ClusterNames,
) -> None:
    """Otherwise growing would restart everyone."""
    few, many = (
        build_stateful_set(make_plan(replicas=count), make_settings(), names) for count in (1, 90)
    )
    assert few["spec"]["replicas"] != many["spec"]["replicas"]
    assert few["spec"]["template"] == many["spec"]["template"]
