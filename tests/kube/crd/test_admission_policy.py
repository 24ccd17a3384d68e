"""The policy that keeps people out of what the operator writes: as Kubernetes wants it written."""

from typing import Any

import pytest
import yaml

from fluvio_crd.admission import admission_policy


@pytest.fixture
def policy() -> dict[str, Any]:
    return admission_policy("stream", "fluvio")[0]


def test_the_binding_is_for_one_namespace() -> None:
    policy, binding = admission_policy("stream", "fluvio")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "stream"
    }
    other, _ = admission_policy("other", "fluvio")
    assert other["metadata"]["name"] != policy["metadata"]["name"]


def test_the_operator_is_not_asked(policy: dict[str, Any]) -> None:
    conditions = [one["expression"] for one in policy["spec"]["matchConditions"]]
    assert "request.userInfo.username != 'system:serviceaccount:stream:fluvio'" in conditions


def test_what_it_is_about(policy: dict[str, Any]) -> None:
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["partitions", "spus", "topics", "*/status"]
    assert rule["apiGroups"] == ["fluvio.infinyon.com"]


def test_variables_are_named_before_they_are_used(policy: dict[str, Any]) -> None:
    known: list[str] = []
    for variable in policy["spec"]["variables"]:
        for other in (one["name"] for one in policy["spec"]["variables"]):
            if f"variables.{other}" in variable["expression"]:
                assert other in known
        known.append(variable["name"])


def test_it_is_plain_yaml(policy: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml.safe_dump(policy)) == policy
    for validation in policy["spec"]["validations"]:
        assert "\n" not in validation["message"]
