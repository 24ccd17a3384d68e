"""Three voices, one pod: our defaults, the chart, the group."""

from collections.abc import Callable
from typing import Any

import pytest

from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import PodSettings, SpuPodSettings
from fluvio_operator.manifests.stateful_set import build_stateful_set

MakePlan = Callable[..., GroupPlan]
MakeSettings = Callable[..., SpuPodSettings]
PodSpec = Callable[..., dict[str, Any]]


@pytest.fixture
def pod_spec_of(make_plan: MakePlan, make_settings: MakeSettings, names: ClusterNames) -> PodSpec:
    """The pod's spec, from what the group and the chart say."""

    def build(pod: PodSettings | None = None, **chart: Any) -> dict[str, Any]:
        plan = make_plan(pod=pod or PodSettings())
        spec: dict[str, Any] = build_stateful_set(plan, make_settings(**chart), names)["spec"]
        return dict(spec["template"]["spec"])

    return build


def test_the_group_has_the_last_word_on_one_value(pod_spec_of: PodSpec) -> None:
    chart = {"priorityClassName": "low", "terminationGracePeriodSeconds": 5}
    assert pod_spec_of(**chart)["priorityClassName"] == "low"
    said = pod_spec_of(
        PodSettings(priority_class_name="high", termination_grace_period_s=7), **chart
    )
    assert said["priorityClassName"] == "high"
    assert said["terminationGracePeriodSeconds"] == 7


def test_resources_are_one_decision(pod_spec_of: PodSpec) -> None:
    """A request of the chart's above a limit of the group's would make pods impossible."""
    said = pod_spec_of(PodSettings(resources={"limits": {"memory": "64Mi"}}))
    assert said["containers"][0]["resources"] == {"limits": {"memory": "64Mi"}}


def test_names_with_values_are_merged(pod_spec_of: PodSpec) -> None:
    said = pod_spec_of(PodSettings(node_selector={"a": "2", "c": "3"}), nodeSelector={"a": "1"})
    assert said["nodeSelector"] == {"a": "2", "c": "3"}


def test_lists_are_joined_and_a_name_occurs_once(pod_spec_of: PodSpec) -> None:
    said = pod_spec_of(
        PodSettings(
            extra_volumes=({"name": "a", "emptyDir": {}}, {"name": "c", "emptyDir": {}}),
            tolerations=({"key": "x"}, {"key": "y"}),
        ),
        extraVolumes=[{"name": "a", "hostPath": {"path": "/x"}}, {"name": "b", "emptyDir": {}}],
        tolerations=[{"key": "x"}],
    )
    assert [volume["name"] for volume in said["volumes"]] == ["fluvio-tmp", "b", "a", "c"]
    assert {"name": "a", "emptyDir": {}} in said["volumes"]
    assert said["tolerations"] == [{"key": "x"}, {"key": "y"}]


def test_an_empty_list_of_the_group_turns_spreading_off(pod_spec_of: PodSpec) -> None:
    chart = {"topologySpreadConstraints": [{"topologyKey": "rack"}]}
    assert [each["topologyKey"] for each in pod_spec_of(**chart)["topologySpreadConstraints"]] == [
        "rack"
    ]
    assert "topologySpreadConstraints" not in pod_spec_of(PodSettings(topology_spread=()), **chart)


def test_a_null_takes_a_security_default_away(pod_spec_of: PodSpec) -> None:
    said = pod_spec_of(
        PodSettings(security_context={"runAsUser": None, "fsGroup": None}),
        podSecurityContext={"runAsGroup": None},
        containerSecurityContext={"readOnlyRootFilesystem": False},
    )
    assert said["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    security = said["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_who_asks_for_root_gets_it(pod_spec_of: PodSpec) -> None:
    assert "runAsNonRoot" not in pod_spec_of(podSecurityContext={"runAsUser": 0})["securityContext"]
    both = {"runAsUser": 0, "runAsNonRoot": True}
    assert pod_spec_of(podSecurityContext=both)["securityContext"]["runAsNonRoot"] is True


def test_only_an_account_of_its_own_gets_a_token(pod_spec_of: PodSpec) -> None:
    assert pod_spec_of()["automountServiceAccountToken"] is False
    said = pod_spec_of(serviceAccountName="with-rights")
    assert said["serviceAccountName"] == "with-rights"
    assert "automountServiceAccountToken" not in said


def test_a_variable_occurs_once_and_the_group_has_the_last_word(
    make_plan: MakePlan, make_settings: MakeSettings, names: ClusterNames
) -> None:
    settings = make_settings(
        extraEnv=[
            {"name": "A", "value": "chart"},
            {"name": "RUST_LOG", "value": "debug"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ]
    )
    built = build_stateful_set(make_plan(min_id=7, env={"A": "group"}), settings, names)
    variables = built["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [(each["name"], each.get("value")) for each in variables] == [
        ("SPU_INDEX", None),
        ("SPU_MIN", "7"),
        ("RUST_LOG", "debug"),
        ("A", "group"),
        ("SECRET", None),
    ]
