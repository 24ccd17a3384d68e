"""The chart's admission policy is the one of `fluvio_crd.admission`: the operator's only."""

from typing import Any

from fluvio_crd.admission import admission_policy


def test_the_charts_policy_is_the_generated_one(helm: Any) -> None:
    objects = helm.objects("--namespace", "other", "--set", "serviceAccount.name=streaming")
    for wanted in admission_policy("other", "streaming"):
        found = objects.one(wanted["kind"], wanted["metadata"]["name"])
        assert found["apiVersion"] == wanted["apiVersion"]
        assert found["spec"] == wanted["spec"]


def test_without_it_nothing_is_cluster_wide_but_the_roles(helm: Any) -> None:
    kinds = {kind for kind, _ in helm.objects("--set", "admissionPolicy.enabled=false").names()}
    assert not {kind for kind in kinds if kind.startswith("ValidatingAdmissionPolicy")}
