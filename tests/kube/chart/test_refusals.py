"""Values that are misspelt, of the wrong type, or cannot work are refused before anything is made.

The first kind by `values.schema.json`, in helm's words, which differ between its versions: so only
the value's name is looked for. The second kind by the chart, in its own.
"""

import json
from pathlib import Path
from typing import Any

import pytest

CHART = Path(__file__).parents[3] / "charts" / "fluvio"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("imagee.tag=1", "imagee"),
        ("image.tagg=1", "tagg"),
        ("spg.replica=3", "replica"),
        ("scPod.resource.limits.memory=1Gi", "resource"),
        ("spuPod.storageclass=fast", "storageclass"),
        ("scPod.probes.readiness.path=/", "path"),
        ("networkPolicy.allow=x", "allow"),
        ("serviceMonitor.enabled=true", "serviceMonitor"),
    ],
)
def test_an_unknown_value_is_refused(helm: Any, setting: str, named: str) -> None:
    told = helm.refusal("--set", setting)
    assert "values don't meet the specifications of the schema" in told
    assert "dditional propert" in told
    assert named in told


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("spg.replicas=three", "replicas"),
        ("spg.replicas=0", "replicas"),
        ("spg.replicas=101", "replicas"),
        ("spg.minId=-1", "minId"),
        ("spg.name=Main", "name"),
        ("spg.name=a-name-that-leaves-no-room-for-the-labels-of-its-pods", "name"),
        ("spg.storageSize=ten", "storageSize"),
        ("spg.create=yes", "create"),
        ("service.type=nodeport", "type"),
        ("service.externalTrafficPolicy=Global", "externalTrafficPolicy"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.spuDigest=sha256:abc", "spuDigest"),
        ("imagePullSecrets[0]=login", "imagePullSecrets"),
        ("scPod.nodePort=70000", "nodePort"),
        ("scPod.extraEnv.NAME=value", "extraEnv"),
        ("spuPod.tolerations=all", "tolerations"),
        ("operator.replicas=-1", "replicas"),
        ("podMonitor.interval=30", "interval"),
        ("tls=yes", "tls"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(helm: Any, setting: str, named: str) -> None:
    told = helm.refusal("--set", setting)
    assert "values don't meet the specifications of the schema" in told
    assert named in told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["tls=true"], "tls: this version speaks plain TCP only"),
        (["authorizationConfigMap=rules"], "authorizationConfigMap: this version does not"),
        (["service.type=ExternalName"], "service.externalName: the type ExternalName needs"),
    ],
)
def test_what_cannot_work_is_refused(helm: Any, settings: list[str], told: str) -> None:
    assert told in helm.refusal("--set", ",".join(settings))


def test_a_chart_above_ours_may_have_global_values(helm: Any) -> None:
    helm.rendered("--set", "global.anything=1")


def test_every_map_of_the_schema_with_named_values_knows_no_others() -> None:
    """A map is either closed, or a piece of a pod that Kubernetes checks."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def open_maps(one: dict[str, Any], path: str) -> list[str]:
        found = [path] if "properties" in one and one["additionalProperties"] is not False else []
        for name, inner in one.get("properties", {}).items():
            found += open_maps(inner, f"{path}.{name}")
        return found

    assert open_maps(schema, "") == []
