"""Shared by the tests of generated manifests: plans, and settings as Fluvio's chart writes them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import SpuPodSettings, parse_spu_settings
from fluvio_protocol.metadata.spu_group import (
    EnvironmentVariable,
    GroupSpuConfig,
    GroupStorage,
    SpuGroupSpec,
)
from fluvio_protocol.types import SpuId

NAMESPACE = "stream"

MakePlan = Callable[..., GroupPlan]
MakeSettings = Callable[..., SpuPodSettings]


def make_plan(
    name: str = "main",
    *,
    replicas: int = 3,
    min_id: int = 0,
    rack: str | None = None,
    log_dir: str | None = None,
    size: str | None = None,
    env: dict[str, str] | None = None,
    **rest: Any,
) -> GroupPlan:
    """A group's plan; `rest` are fields of the plan itself."""
    config = GroupSpuConfig(
        rack=rack,
        storage=GroupStorage(log_dir=log_dir, size=size) if log_dir or size else None,
        env=tuple(EnvironmentVariable(name=key, value=text) for key, text in (env or {}).items()),
    )
    return GroupPlan(
        name=name,
        namespace=NAMESPACE,
        uid=f"uid-of-{name}",
        spec=SpuGroupSpec(replicas=replicas, min_id=SpuId(min_id), spu_config=config),
        **rest,
    )


def make_settings(*, service: dict[str, Any] | None = None, **keys: Any) -> SpuPodSettings:
    """The ConfigMap of Fluvio's own chart, with other values for some keys of `spuPodConfig`."""
    pod_config = {
        "baseNodePort": 30004,
        "extraContainers": [],
        "extraEnv": [],
        "extraVolumeMounts": [],
        "extraVolumes": [],
        "nodeSelector": {},
        "priorityClassName": None,
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "256Mi"}},
        "storageClass": None,
    }
    pod_security = keys.pop("podSecurityContext", {})
    annotations = keys.pop("lbServiceAnnotations", {})
    return parse_spu_settings(
        {
            "image": keys.pop("image", "registry.example.test/fluvio-spu:0.1.0"),
            "lbServiceAnnotations": json.dumps(annotations),
            "podSecurityContext": json.dumps(pod_security),
            "service": json.dumps({"type": "NodePort"} if service is None else service),
            "spuPodConfig": json.dumps(pod_config | keys),
        }
    )


@pytest.fixture(name="make_plan")
def _make_plan() -> MakePlan:
    return make_plan


@pytest.fixture(name="make_settings")
def _make_settings() -> MakeSettings:
    return make_settings


@pytest.fixture
def names() -> ClusterNames:
    return ClusterNames(NAMESPACE)
