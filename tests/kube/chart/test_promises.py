"""What others rely on in the chart's objects: names, selectors, the operator's ConfigMap, rights.

The golden files say what is rendered; these tests say which part of it must not change, and why.
"""

import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

VALUES = Path(__file__).parent / "values"
EVERYTHING = ("--values", str(VALUES / "everything.yaml"))
FEW_RIGHTS = ("--values", str(VALUES / "few-rights.yaml"))
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
LEADER = {"app": "fluvio-sc", "fluvio.io/leader": "true"}


def spu_config(objects: Any) -> Any:
    return json.loads(objects.one("ConfigMap", "spu-k8")["data"]["spuPodConfig"])


def test_the_names_are_those_that_tools_look_for(helm: Any) -> None:
    assert helm.objects().names() >= {
        ("Deployment", "fluvio-sc"),
        ("Service", "fluvio-sc-public"),
        ("Service", "fluvio-sc-internal"),
        ("ConfigMap", "spu-k8"),
        ("ConfigMap", "fluvio-config-map"),
        ("ServiceAccount", "fluvio"),
        ("Role", "fluvio"),
        ("RoleBinding", "fluvio"),
        ("SpuGroup", "main"),
    }


def test_both_services_lead_to_the_leader(helm: Any) -> None:
    objects = helm.objects()
    public = objects.one("Service", "fluvio-sc-public")["spec"]
    internal = objects.one("Service", "fluvio-sc-internal")["spec"]
    assert public["selector"] == internal["selector"] == LEADER
    assert (public["type"], internal["type"]) == ("NodePort", "ClusterIP")
    assert [(one["port"], one.get("nodePort")) for one in public["ports"]] == [(9003, 30003)]
    assert [one["port"] for one in internal["ports"]] == [9004]


def test_a_pod_that_stands_by_is_no_endpoint_but_belongs_to_the_deployment(helm: Any) -> None:
    spec = helm.objects().one("Deployment", "fluvio-sc")["spec"]
    assert spec["selector"]["matchLabels"] == {"app": "fluvio-sc"}
    assert "fluvio.io/leader" not in spec["template"]["metadata"]["labels"]


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["default", "everything"])
def test_the_controller_meets_the_restricted_level(helm: Any, values: tuple[str, ...]) -> None:
    pod = helm.objects(*values).one("Deployment", "fluvio-sc")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all("hostPath" not in volume for volume in pod["volumes"])
    (container,) = [one for one in pod["containers"] if one["name"] == "fluvio-sc"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "/tmp" in {one["mountPath"] for one in container["volumeMounts"]}


def test_spus_are_told_the_same_restrictions(helm: Any) -> None:
    objects = helm.objects()
    pod = json.loads(objects.one("ConfigMap", "spu-k8")["data"]["podSecurityContext"])
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spu_config(objects)["containerSecurityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_field_of_a_security_context_can_be_left_out(helm: Any) -> None:
    """To the operator it is told as null: a field that is not mentioned is its own default."""
    objects = helm.objects(*EVERYTHING)
    pod = json.loads(objects.one("ConfigMap", "spu-k8")["data"]["podSecurityContext"])
    assert pod == {
        "runAsNonRoot": True,
        "runAsUser": None,
        "runAsGroup": None,
        "fsGroup": None,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    controller = objects.one("Deployment", "fluvio-sc")["spec"]["template"]["spec"]
    assert controller["securityContext"] == {k: v for k, v in pod.items() if v is not None}


def test_the_operators_config_map_has_fluvios_keys(helm: Any) -> None:
    """As Fluvio's chart writes it; what is ours comes on top, and only when it is set."""
    objects = helm.objects()
    data = objects.one("ConfigMap", "spu-k8")["data"]
    assert data["image"] == "fluvio-spu:0.1.0"
    assert json.loads(data["service"]) == {"type": "NodePort"}
    assert json.loads(data["lbServiceAnnotations"]) == {}
    config = spu_config(objects)
    assert {
        "baseNodePort": 30004,
        "extraContainers": [],
        "extraEnv": [],
        "extraVolumeMounts": [],
        "extraVolumes": [],
        "nodeSelector": {},
        "priorityClassName": None,
        "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "256Mi"}},
        "storageClass": None,
    }.items() <= config.items()
    assert isinstance(config["baseNodePort"], int)
    assert config.keys() - {
        "baseNodePort",
        "extraContainers",
        "extraEnv",
        "extraVolumeMounts",
        "extraVolumes",
        "nodeSelector",
        "priorityClassName",
        "resources",
        "storageClass",
    } == {"imagePullPolicy", "containerSecurityContext", "terminationGracePeriodSeconds"}


def test_every_setting_of_spu_pods_reaches_the_operator(helm: Any) -> None:
    objects = helm.objects(*EVERYTHING)
    config = spu_config(objects)
    assert {
        "tolerations",
        "affinity",
        "topologySpreadConstraints",
        "imagePullSecrets",
        "serviceAccountName",
        "annotations",
        "labels",
    } <= config.keys()
    assert config["imagePullSecrets"] == [{"name": "registry-login"}]
    assert config["imagePullPolicy"] == "Always"
    assert config["baseNodePort"] is None
    data = objects.one("ConfigMap", "spu-k8")["data"]
    assert json.loads(data["service"]) == {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    assert data["image"] == "registry.example.test/team/streaming/unit:0.1.1-rc.1"


def test_a_digest_replaces_the_tag_of_its_image(helm: Any) -> None:
    deployment = helm.objects(*EVERYTHING).one("Deployment", "fluvio-sc")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example.test/team/streaming/controller@sha256:" + 4 * (
        "0123456789abcdef"
    )


def test_the_traffic_policy_is_the_value_and_not_its_name(helm: Any) -> None:
    service = helm.objects(*EVERYTHING).one("Service", "fluvio-sc-public")
    assert service["spec"]["externalTrafficPolicy"] == "Local"


def test_the_account_that_is_named_is_used_everywhere(helm: Any) -> None:
    objects = helm.objects("--set", "serviceAccount.name=other")
    pod = objects.one("Deployment", "fluvio-sc")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "other"
    assert {one["metadata"]["name"] for one in objects.of_kind("ServiceAccount")} == {"other"}
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        (binding,) = objects.of_kind(kind)
        assert [one["name"] for one in binding["subjects"]] == ["other"]


def test_roles_are_left_to_the_administrator_when_asked(helm: Any) -> None:
    objects = helm.objects("--set", "rbac.create=false")
    kinds = {kind for kind, _ in objects.names()}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_a_user_of_one_namespace_can_install(helm: Any) -> None:
    kinds = {kind for kind, _ in helm.objects(*FEW_RIGHTS).names()}
    assert not kinds & CLUSTER_WIDE


def test_cluster_wide_objects_of_two_namespaces_do_not_meet(helm: Any) -> None:
    def cluster_wide(namespace: str) -> set[str]:
        objects = helm.objects("--namespace", namespace)
        return {name for kind, name in objects.names() if kind in CLUSTER_WIDE}

    assert cluster_wide("one") & cluster_wide("two") == set()


def test_the_role_names_every_right(helm: Any) -> None:
    (role,) = helm.objects().of_kind("Role")
    for rule in role["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    assert "secrets" not in {name for rule in role["rules"] for name in rule["resources"]}


def test_the_group_outlives_the_release(helm: Any) -> None:
    group = helm.objects().one("SpuGroup", "main")
    assert group["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert group["spec"] == {
        "replicas": 1,
        "minId": 0,
        "template": {"spec": {"storage": {"size": "10Gi"}}},
    }


def test_nothing_runs_before_a_release_can_go(helm: Any) -> None:
    hooked = [
        one["metadata"]["name"]
        for one in helm.objects(*EVERYTHING).documents
        if "helm.sh/hook" in (one["metadata"].get("annotations") or {})
    ]
    assert hooked == []


def test_the_client_profile_is_one_that_clients_read(helm: Any) -> None:
    text = helm.objects().one("ConfigMap", "fluvio-config-map")["data"]["fluvioClientConfig"]
    profile = tomllib.loads(text)
    name = profile["current_profile"]
    cluster = profile["cluster"][profile["profile"][name]["cluster"]]
    assert cluster == {
        "endpoint": "fluvio-sc-public:9003",
        "use_spu_local_address": True,
        "tls": {"tls_policy": "disabled"},
    }


def allowed(policy: Mapping[str, Any], port: int) -> Any:
    """Who may reach a port: a list of peers, or None for everybody."""
    (rule,) = [
        rule for rule in policy["spec"]["ingress"] if port in {one["port"] for one in rule["ports"]}
    ]
    return rule.get("from")


def test_clients_come_in_by_default_and_strangers_reach_no_private_port(helm: Any) -> None:
    objects = helm.objects()
    controller = objects.one("NetworkPolicy", "fluvio-sc")
    spus = objects.one("NetworkPolicy", "fluvio-spu")
    for policy, public, private in ((controller, 9003, 9004), (spus, 9005, 9006)):
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        assert allowed(policy, public) is None
        assert allowed(policy, 9100) is None
        (peer,) = allowed(policy, private)
        assert peer.keys() == {"podSelector"}


def test_every_port_of_the_controller_has_its_rule(helm: Any) -> None:
    objects = helm.objects()
    pod = objects.one("Deployment", "fluvio-sc")["spec"]["template"]["spec"]
    ports = {one["containerPort"] for one in pod["containers"][0]["ports"]}
    ruled = {
        one["port"]
        for rule in objects.one("NetworkPolicy", "fluvio-sc")["spec"]["ingress"]
        for one in rule["ports"]
    }
    assert ports == ruled == {9003, 9004, 9100}


def test_lists_of_peers_limit_who_comes_in(helm: Any) -> None:
    policy = helm.objects(*EVERYTHING).one("NetworkPolicy", "fluvio-spu")
    assert len(allowed(policy, 9005)) == 2
    assert len(allowed(policy, 9006)) == 2
    assert len(allowed(policy, 9100)) == 1


def test_only_several_controllers_have_a_disruption_budget(helm: Any) -> None:
    """A single one could never be evicted; and the operator makes the one over the SPUs."""
    assert helm.objects().of_kind("PodDisruptionBudget") == []
    (budget,) = helm.objects("--set", "operator.replicas=2").of_kind("PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"] == {"app": "fluvio-sc"}


def test_notes_tell_how_to_begin(helm: Any, tmp_path: Path) -> None:
    """With another type of Service, and without a group, they tell that instead.

    Helm shows notes only where there is a cluster, so a copy of the chart has them in an object.
    """
    chart = tmp_path / "fluvio"
    shutil.copytree(Path(__file__).parents[3] / "charts" / "fluvio", chart)
    (chart / "templates" / "notes.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
        'data: {notes: {{ include (print .Template.BasePath "/NOTES.txt") . | quote }}}\n'
    )

    def notes(*words: str) -> str:
        objects = helm.objects(*words, chart=chart)
        return str(objects.one("ConfigMap", "notes")["data"]["notes"])

    assert "SpuGroup main (1 x 10Gi)" in notes()
    assert "port 30003 of any node" in notes()
    assert "the node port of Service" in notes("--set", "scPod.nodePort=null")
    assert "There is no SPU until" in notes("--set", "spg.create=false")
    assert "the address of Service" in notes("--set", "service.type=LoadBalancer")
    assert "From outside" not in notes("--set", "service.type=ClusterIP")
