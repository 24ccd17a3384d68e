"""`fluvio cluster` with --k8, against an API server and a helm of the test's own."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fluvio_cli.kubernetes_cluster import bundle, checks, crds, rollout
from fluvio_cli.main import run
from fluvio_client.profile import ProfileStore

START = ["cluster", "start", "--k8", "--use-k8-port-forwarding"]
"""Without a look at the SC as a client: there is none."""


def start(*arguments: str) -> int:
    return run([*START, *arguments])


# Start


def test_start(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--spu", "2", "--spu-storage-size", "3") == 0
    told = capsys.readouterr().err
    for line in (
        "📝 Running pre-flight checks",
        '    ✅ Kubernetes context "lab"',
        "    ✅ Supported helm version is installed: 3.19.5",
        "    ✅ Fixed: 7 definitions were missing",
        "    ✅ Previous fluvio installation not found",
        "    ✅ Node ports 30003, 30004, 30005 are free",
        "🎉 All checks passed!",
        "     📊 Installing Fluvio chart",
        "     ✅ Fluvio app chart has been installed",
        "🔎 Found SC service addr: 172.18.0.2:30003",
        "👤 Profile set",
        "✅ SC Launched",
        "🤖 SPU group launched (2)",
        "     ✅ All SPUs confirmed",
        "🎯 Successfully installed Fluvio!",
    ):
        assert f"{line}\n" in told
    assert kubernetes.names("customresourcedefinitions", None) == sorted(
        one["metadata"]["name"] for one in bundle.definitions()
    )
    values = kubernetes.release["values"]
    assert values["spg"] == {
        "create": True,
        "name": "main",
        "replicas": 2,
        "minId": 0,
        "storageSize": "3Gi",
    }
    annotations = values["loadBalancer"]["serviceAnnotations"]
    assert annotations == {"fluvio.io/ingress-address": "172.18.0.2"}
    words = kubernetes.helm_words("install")
    assert words[:3] == ["install", "fluvio", str(bundle.chart_directory())]
    assert {"--create-namespace", "--skip-crds", "--kube-context", "lab"} <= set(words)


@pytest.mark.usefixtures("kubernetes")
def test_start_writes_a_profile_that_remembers_the_place() -> None:
    assert start("--namespace", "stream") == 0
    cluster = ProfileStore.load().resolve("lab")
    assert cluster.endpoint == "172.18.0.2:30003"
    assert dict(cluster.metadata) == {
        "installation": "k8",
        "kubernetes": {"context": "lab", "namespace": "stream"},
    }
    assert not cluster.use_spu_local_address


@pytest.mark.usefixtures("kubernetes")
def test_start_leaves_the_profile_alone_when_told() -> None:
    assert start("--skip-profile-creation") == 0
    assert not ProfileStore.load().exists


def test_flags_win_over_files_and_set_over_flags(kubernetes: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "one.yaml", tmp_path / "two.yaml"
    first.write_text("image: {tag: one, registry: file.test}\nspg: {replicas: 3}\nscLog: warn\n")
    second.write_text("scLog: debug\n")
    assert (
        start(
            *("--chart-values", str(first), "--values", str(second), "--image-version", "two"),
            *("--set", "spuPod.storageClass=standard", "--proxy-addr", "fluvio.test"),
            *("--service-type", "nodeport"),
        )
        == 0
    )
    words = kubernetes.helm_words("install")
    files = [words[index + 1] for index, word in enumerate(words) if word == "--values"]
    assert files == [str(first), str(second), "-"]
    assert words[words.index("--set") + 1] == "spuPod.storageClass=standard"
    values = kubernetes.release["values"]
    assert (values["image"]["tag"], values["image"]["registry"]) == ("two", "file.test")
    assert values["spg"]["replicas"] == 3
    assert values["scLog"] == "debug"
    assert values["service"]["type"] == "NodePort"
    annotations = values["loadBalancer"]["serviceAnnotations"]
    assert annotations == {"fluvio.io/ingress-address": "fluvio.test"}


def test_start_over_a_group_that_was_kept(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kubernetes.put_definitions()
    kubernetes.put_group("hot", 2, "default", bundle.chart_version())
    assert start() == 0
    assert kubernetes.release["values"]["spg"]["create"] is False
    assert "🤖 SPU group exists, skipping: hot\n" in capsys.readouterr().err


def test_start_over_a_cluster_that_is_there(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start() == 0
    assert start() == 1
    told = capsys.readouterr().err
    assert "❌ Check Fluvio installation failed Fluvio 0.1.0 is installed in namespace" in told
    assert told.endswith("💔 Some pre-flight check failed!\nPreflight check failed\n")
    kubernetes.release["status"] = "failed"
    assert start() == 1
    assert "was left failed: clear it away with" in capsys.readouterr().err


def test_setup_only_checks_and_puts_right(kubernetes: Any) -> None:
    assert start("--setup") == 0
    assert len(kubernetes.names("customresourcedefinitions", None)) == 7
    assert kubernetes.release is None


def test_sys_only(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "start", "--sys"]) == 0
    assert len(kubernetes.names("customresourcedefinitions", None)) == 7
    assert capsys.readouterr().err == "     ✅ Fluvio definitions have been installed\n"
    assert kubernetes.helm_calls == []


def test_skipping_checks_still_installs_definitions(kubernetes: Any) -> None:
    assert start("--skip-checks") == 0
    assert len(kubernetes.names("customresourcedefinitions", None)) == 7


def test_a_load_balancer_is_waited_for(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    looks = 0

    def give_address(plural: str) -> None:
        nonlocal looks
        service = kubernetes.objects.get(("services", "default", "fluvio-sc-public"))
        if service is not None:
            looks += 1
            ingress = [{"hostname": "lb.test"}] if looks > 2 else []
            service["status"] = {"loadBalancer": {"ingress": ingress}}

    kubernetes.on_list = give_address
    original = kubernetes.answer

    def answer(*arguments: Any) -> Any:
        give_address("services")
        return original(*arguments)

    kubernetes.answer = answer
    assert start("--service-type", "LoadBalancer") == 0
    assert "🔎 Found SC service addr: lb.test:9003\n" in capsys.readouterr().err
    assert kubernetes.release["values"]["loadBalancer"]["serviceAnnotations"] == {}


def test_inside_only(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "start", "--k8", "--service-type", "ClusterIP"]) == 0
    cluster = ProfileStore.load().resolve("lab")
    assert (cluster.endpoint, cluster.use_spu_local_address) == ("10.96.0.7:9003", True)
    assert "🟡 10.96.0.7:9003 is reached by pods only" in capsys.readouterr().err
    assert kubernetes.release is not None


def test_an_sc_that_does_not_start_is_explained(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    original = kubernetes._render

    def render(*arguments: Any) -> None:
        original(*arguments)
        kubernetes.objects["deployments", "default", "fluvio-sc"]["status"] = {}
        waiting = {"reason": "ImagePullBackOff", "message": "no such\nimage"}
        kubernetes.put(
            "pods",
            "fluvio-sc-1",
            metadata={"labels": {"app": "fluvio-sc"}},
            spec={"containers": []},
            status={"containerStatuses": [{"name": "sc", "state": {"waiting": waiting}}]},
        )

    kubernetes._render = render
    assert start("--timeout", "1") == 1
    assert capsys.readouterr().err.endswith(
        "The SC did not start within 1 s: pod fluvio-sc-1: ImagePullBackOff: no such image\n"
    )


def test_an_address_that_does_not_answer_is_explained(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kubernetes.objects.clear()
    kubernetes.put_node("lab-control-plane", providerID="kind://docker/lab/lab-control-plane")
    kubernetes.put_storage_class()
    kubernetes.node_port = 1
    assert run(["cluster", "start", "--k8", "--proxy-addr", "127.0.0.1", "--timeout", "1"]) == 1
    told = capsys.readouterr().err
    assert "Fluvio runs, and cannot be reached from here within 1 s: 127.0.0.1:1: " in told
    assert "    kind create cluster --config - <<END\n" in told
    assert "- {containerPort: 30003, hostPort: 30003, listenAddress: 127.0.0.1}\n" in told


# What stands in the way

WRONG = [
    (["--tls"], 1, "TLS is not in this release: start without --tls"),
    (["--domain", "x"], 1, "TLS is not in this release: start without --domain"),
    (["--read-only", "f"], 2, "error: the argument '--k8' cannot be used with '--read-only"),
    (["--kube-context", "nope"], 1, 'has no context "nope": it has expired, lab\n'),
    (["--chart-version", "9.9.9"], 1, "Chart 9.9.9 is not here: this fluvio carries 0.1.0"),
    (["--kube-context", "expired"], 1, "does not accept the credentials of context"),
    (["--service-type", "Tunnel"], 2, "error: invalid value for '--service-type"),
    (["--develop"], 1, "--develop needs git and a checkout"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), WRONG)
def test_start_refuses(
    kubernetes: Any,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    assert start(*arguments) == code
    told = capsys.readouterr().err
    assert text in told
    assert "Traceback" not in told
    assert kubernetes.release is None


def test_without_a_kubeconfig(
    kubernetes: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "nowhere")
    assert start() == 1
    told = capsys.readouterr().err
    assert told.startswith("There is no Kubernetes configuration at nowhere: set KUBECONFIG")
    assert told.count("\n") == 1
    assert kubernetes.requests == []


def test_without_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert start() == 1
    assert capsys.readouterr().err == (
        "Kubernetes support is not installed in this Python: pip install 'fluvio-cluster[k8]'\n"
    )


@pytest.mark.usefixtures("kubernetes")
def test_without_helm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start() == 1
    told = capsys.readouterr().err
    assert "    ❌ Check Helm version failed helm is not installed, or not on the PATH" in told
    assert start("--skip-checks") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("helm is not installed")


def test_when_nobody_answers(
    kubernetes: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = (tmp_path / "kubeconfig").read_text().replace(kubernetes.url, "http://127.0.0.1:1")
    (tmp_path / "silent").write_text(config)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "silent"))
    assert start() == 1
    told = capsys.readouterr().err
    assert 'Kubernetes does not answer at http://127.0.0.1:1 (context "lab"): Connection' in told
    assert "Check Permissions failed left out, for Kubernetes cannot be asked" in told


def test_a_helm_that_fails_shows_its_last_line(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    kubernetes.helm_failure = "Error: INSTALLATION FAILED: quota exceeded"
    assert start() == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "helm install failed: INSTALLATION FAILED: quota exceeded"
    )


CHECKS = [
    ({"version": "v1.28.3"}, "Must have Kubernetes version 1.29 or later. You have 1.28.3"),
    ({"helm_version": "v3.3.4"}, "Must have helm version 3.14.0 or later. You have 3.3.4"),
    ({"denied": {("create", "secrets")}}, "Permissions to create secret denied"),
    ({"denied": {("patch", "customresourcedefinitions")}}, "cannot patch customresourcedefin"),
]


@pytest.mark.parametrize(("changes", "text"), CHECKS)
def test_checks(
    kubernetes: Any, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], text: str
) -> None:
    for name, value in changes.items():
        setattr(kubernetes, name, value)
    kubernetes.put_definitions()
    assert run(["cluster", "check", "--k8"]) == 1
    assert text in capsys.readouterr().err


def test_storage_classes_are_needed(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kubernetes.put("storageclasses", "standard", namespace=None)
    assert run(["cluster", "check", "--k8"]) == 1
    assert "There is no default storage class" in capsys.readouterr().err
    assert run(["cluster", "check", "--k8", "--set", "spuPod.storageClass=standard"]) == 0
    assert run(["cluster", "check", "--k8", "--set", "spuPod.storageClass=fast"]) == 1


def test_node_ports_that_are_taken(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"ports": [{"port": 80, "nodePort": 30004}]}
    kubernetes.put("services", "web", namespace="shop", spec=spec)
    assert run(["cluster", "check", "--k8"]) == 1
    assert "30004 is taken by shop/web" in capsys.readouterr().err
    assert run(["cluster", "check", "--k8", "--set", "spuPod.baseNodePort=30100"]) == 0


def test_check_tells_of_missing_definitions_and_fixes_them(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cluster", "check", "--k8"]) == 0
    assert "🟡 mirrors.fluvio.infinyon.com is missing" in capsys.readouterr().err
    assert kubernetes.names("customresourcedefinitions", None) == []
    assert run(["cluster", "check", "--k8", "--fix"]) == 0
    assert "✅ Fixed: 7 definitions were missing" in capsys.readouterr().err
    assert run(["cluster", "check", "--k8"]) == 0
    assert "✅ Fluvio definitions are up to date" in capsys.readouterr().err


# Upgrade


def make_old(kubernetes: Any) -> None:
    """A cluster of the release before, with two SPUs."""
    assert start("--spu", "2") == 0
    kubernetes.release["appVersion"] = "0.0.9"
    for name in kubernetes.names("pods"):
        pod = kubernetes.objects["pods", "default", name]
        pod["spec"]["containers"][0]["image"] = "fluvio-spu:0.0.9"


def test_upgrade(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_old(kubernetes)
    definition = kubernetes.objects["customresourcedefinitions", None, "topics.fluvio.infinyon.com"]
    definition["spec"] = {**definition["spec"], "names": {"plural": "topics", "kind": "Old"}}
    looks = 0

    def renew_one_by_one(plural: str) -> None:
        nonlocal looks
        if plural == "pods" and "upgrade" in {words[0] for words in kubernetes.helm_calls}:
            looks += 1
            if looks in (2, 4):
                name = f"fluvio-spg-main-{1 - looks // 4}"
                pod = kubernetes.objects["pods", "default", name]
                pod["spec"]["containers"][0]["image"] = "fluvio-spu:0.1.0"

    kubernetes.on_list = renew_one_by_one
    capsys.readouterr()
    assert run(["cluster", "upgrade", "--sys"]) == 0
    assert capsys.readouterr().err.endswith(
        "     ✅ Fluvio definitions have been upgraded: topics.fluvio.infinyon.com\n"
    )
    assert run(["cluster", "upgrade", "--force"]) == 0
    told = capsys.readouterr().err
    assert "     ✅ Fluvio definitions are up to date\n" in told
    first = "🤖 Upgrading SPU: (0/2) fluvio-spg-main-0, fluvio-spg-main-1 not renewed yet\n"
    second = "🤖 Upgrading SPU: (1/2) fluvio-spg-main-0 not renewed yet\n"
    assert told.index(first) < told.index(second) < told.index("🤖 Upgrading SPU: (2/2)\n")
    assert told.endswith("🎯 Successfully upgraded Fluvio to version 0.1.0!\n")
    words = kubernetes.helm_words("upgrade")
    assert "--reset-then-reuse-values" in words
    assert kubernetes.release["values"]["spg"]["replicas"] == 2


def test_an_upgrade_wants_a_yes(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_old(kubernetes)
    capsys.readouterr()
    assert run(["cluster", "upgrade"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        'Upgrade Fluvio cluster "lab" in namespace "default" from version 0.0.9 to 0.1.0? '
        "Confirm with --force, for there is no terminal to ask"
    )
    assert "upgrade" not in {words[0] for words in kubernetes.helm_calls}


def test_a_dry_run_changes_nothing(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_old(kubernetes)
    del kubernetes.objects["customresourcedefinitions", None, "mirrors.fluvio.infinyon.com"]
    before = json.dumps(sorted(kubernetes.objects.values(), key=str))
    assert run(["cluster", "upgrade", "--dry-run"]) == 0
    assert json.dumps(sorted(kubernetes.objects.values(), key=str)) == before
    told = capsys.readouterr().err
    assert "     📊 Would change: mirrors.fluvio.infinyon.com\n" in told
    assert told.endswith("     📊 Would upgrade Fluvio chart: 0.0.9 to 0.1.0\n")
    assert "--dry-run=server" in kubernetes.helm_words("upgrade")


def test_stored_objects_that_do_not_fit_prevent_it(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old(kubernetes)
    kubernetes.put("topics", "odd", spec={"replicas": {"computed": {"partitions": "six"}}, "x": 1})
    capsys.readouterr()
    assert run(["cluster", "upgrade", "--sys"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Stored objects do not fit the new definitions, and nothing was changed")
    assert "    topics default/odd: spec.replicas.computed.partitions: 'six' is not of" in told
    assert "    topics default/odd: spec.x: would be dropped\n" in told


def test_objects_move_to_a_new_storage_version(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old(kubernetes)
    kubernetes.put("smartmodules", "old", spec={"wasm": {"format": "BINARY", "payload": "aGk="}})
    definition = kubernetes.objects[
        "customresourcedefinitions", None, "smartmodules.fluvio.infinyon.com"
    ]
    definition["status"]["storedVersions"] = ["v1", "v2"]
    before = kubernetes.objects["smartmodules", "default", "old"]["metadata"]["resourceVersion"]
    assert run(["cluster", "upgrade", "--sys"]) == 0
    assert "✅ 1 objects have been stored in the new version\n" in capsys.readouterr().err
    after = kubernetes.objects["smartmodules", "default", "old"]["metadata"]["resourceVersion"]
    assert after != before
    definition = kubernetes.objects[
        "customresourcedefinitions", None, "smartmodules.fluvio.infinyon.com"
    ]
    assert definition["status"]["storedVersions"] == ["v2"]


def test_a_cluster_does_not_go_back(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_old(kubernetes)
    kubernetes.release["appVersion"] = "99.0.0"
    assert run(["cluster", "upgrade", "--force"]) == 1
    assert "is of version 99.0.0, and this command would make it" in capsys.readouterr().err


@pytest.mark.usefixtures("kubernetes")
def test_upgrading_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "upgrade", "--k8", "--namespace", "x", "--force"]) == 1
    assert capsys.readouterr().err.startswith('There is no release "fluvio" in namespace "x"')


@pytest.mark.usefixtures("kubernetes")
def test_the_kind_of_a_cluster_does_not_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    capsys.readouterr()
    assert run(["cluster", "upgrade", "--local"]) == 1
    assert capsys.readouterr().err.startswith("It is not allowed to change installation type")


def test_a_paused_group_is_not_waited_for(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_old(kubernetes)
    group = kubernetes.objects["spugroups", "default", "main"]
    group["metadata"]["annotations"] = {"fluvio.io/pause-reconciliation": "true"}
    assert run(["cluster", "upgrade", "--force"]) == 0
    assert "🟡 SPU group main stays as it is" in capsys.readouterr().err


# Delete


def test_delete_takes_what_is_ours_and_leaves_the_rest(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("--spu", "2") == 0
    finalizers = [f"topics.finalizer.{'fluvio.infinyon.com'}"]
    kubernetes.put("topics", "orders", metadata={"finalizers": finalizers}, spec={})
    kubernetes.put("topics", "elsewhere", namespace="other", spec={})
    kubernetes.put("statefulsets", "database")
    kubernetes.put("persistentvolumeclaims", "data-database-0", metadata={"labels": {"app": "db"}})
    stranger = {"labels": {"app": "spu", "group": "thruster"}}
    kubernetes.put("persistentvolumeclaims", "rocket-0", metadata=stranger)
    kubernetes.put("leases", "fluvio-sc")
    capsys.readouterr()
    assert run(["cluster", "delete", "--force"]) == 0
    told = capsys.readouterr().err
    assert told == (
        "Uninstalling fluvio kubernetes components\n"
        "Uninstalled fluvio kubernetes components\n"
        "Removed profile lab\n"
        "Objects and secrets have been cleaned up\n"
    )
    assert kubernetes.names("topics") == kubernetes.names("spugroups") == []
    assert kubernetes.names("spus") == kubernetes.names("pods") == kubernetes.names("leases") == []
    assert kubernetes.names("statefulsets") == ["database"]
    assert kubernetes.names("persistentvolumeclaims") == ["data-database-0", "rocket-0"]
    assert kubernetes.names("topics", "other") == ["elsewhere"]
    assert len(kubernetes.names("customresourcedefinitions", None)) == 7
    assert ProfileStore.load().profiles() == []
    assert kubernetes.release is None


def test_a_policy_that_has_just_gone_is_waited_for(
    kubernetes: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fluvio_cli.kubernetes_cluster import removal, rollout

    monkeypatch.setattr(rollout, "POLL_INTERVAL_S", 0.0)
    assert start() == 0
    kubernetes.put("partitions", "orders-0", spec={})
    refusal = "ValidatingAdmissionPolicy 'fluvio-operator-only.default' denied request"
    kubernetes.refusals = [("DELETE", "partitions", refusal)] * 2
    assert run(["cluster", "delete", "--force"]) == 0
    assert kubernetes.names("partitions") == []

    kubernetes.put("partitions", "orders-0", spec={})
    kubernetes.refusals = [("DELETE", "partitions", "somebody else denied request")]
    assert run(["cluster", "delete", "--k8", "--force"]) == 1
    assert "somebody else denied request" in capsys.readouterr().err

    monkeypatch.setattr(removal, "POLICY_TIMEOUT_S", 0.0)
    kubernetes.refusals = [("DELETE", "partitions", refusal)]
    assert run(["cluster", "delete", "--k8", "--force"]) == 1
    assert "partitions orders-0 cannot be deleted within 0 s" in capsys.readouterr().err


def test_finalizers_of_others_are_respected(
    kubernetes: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fluvio_cli.kubernetes_cluster import removal

    monkeypatch.setattr(removal, "GONE_TIMEOUT_S", 0.2)
    assert start() == 0
    finalizers = ["topics.finalizer.fluvio.infinyon.com", "backup.test/keep"]
    kubernetes.put("topics", "orders", metadata={"finalizers": finalizers}, spec={})
    assert run(["cluster", "delete", "--force"]) == 1
    assert "Not all topics went within 0 s: 1 topics left: orders" in capsys.readouterr().err
    topic = kubernetes.objects["topics", "default", "orders"]
    assert topic["metadata"]["finalizers"] == ["backup.test/keep"]


def test_delete_wants_the_name(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    capsys.readouterr()
    assert run(["cluster", "delete"]) == 1
    assert capsys.readouterr().err == (
        'Deleting cluster "lab" deletes all its data: confirm with --force, for there is no '
        "terminal to ask\n"
    )
    assert kubernetes.release is not None


def test_definitions_stay_while_anything_is_left(
    kubernetes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start() == 0
    kubernetes.put("topics", "elsewhere", namespace="other", spec={})
    assert run(["cluster", "delete", "--sys", "--force"]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("The definitions stay, for deleting them would delete these objects: ")
    assert "topics other/elsewhere" in told
    del kubernetes.objects["topics", "other", "elsewhere"]
    assert run(["cluster", "delete", "--sys", "--force"]) == 0
    assert kubernetes.names("customresourcedefinitions", None) == []


@pytest.mark.usefixtures("kubernetes")
def test_deleting_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "delete", "--k8", "--force"]) == 0
    assert capsys.readouterr().err == (
        'There is no Fluvio cluster in namespace "default" of context "lab"\n'
    )


# Looking


@pytest.mark.usefixtures("kubernetes")
def test_what_is_for_local_clusters_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    capsys.readouterr()
    for word in ("resume", "shutdown"):
        assert run(["cluster", word]) == 1
        told = capsys.readouterr().err
        expected = f"❌ {word.capitalize()} is only implemented for local clusters."
        assert told.startswith(expected)
        assert told.count("\n") == 1


def test_status_tells_of_kubernetes(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kubernetes.node_port = 1
    assert start("--proxy-addr", "127.0.0.1") == 0
    capsys.readouterr()
    assert run(["cluster", "status"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(
        "📝 Running cluster status checks with profile lab\n"
        "    📝 Checking Kubernetes\n"
        '    ✅ Kubernetes 1.34.2, context "lab", namespace "default"\n'
        "    📝 Checking SC\n"
        "    ❌ SC is not ok: "
    )


def test_sync(kubernetes: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--namespace", "stream", "--skip-profile-creation") == 0
    capsys.readouterr()
    assert run(["profile", "sync", "k8", "-n", "stream"]) == 0
    assert capsys.readouterr().out == "k8 profile set\n"
    cluster = ProfileStore.load().resolve()
    assert (cluster.name, cluster.endpoint) == ("lab", "172.18.0.2:30003")
    assert run(["profile", "sync", "k8", "mine", "--namespace", "stream"]) == 0
    assert ProfileStore.load().current == "mine"
    assert run(["profile", "sync", "k8"]) == 1
    assert "There is no Service fluvio-sc-public in namespace" in capsys.readouterr().err
    service = kubernetes.objects["services", "stream", "fluvio-sc-public"]
    service["spec"]["type"] = "LoadBalancer"
    service["metadata"]["annotations"] = {}
    assert run(["profile", "sync", "k8", "-n", "stream"]) == 1
    assert "has no address yet" in capsys.readouterr().err
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    assert run(["profile", "sync", "k8", "-n", "stream"]) == 0
    assert ProfileStore.load().resolve().endpoint == "203.0.113.9:9003"


PEM = "-----BEGIN PRIVATE KEY-----\nMIIsecretkey\n-----END PRIVATE KEY-----"


def test_diagnostics(kubernetes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubernetes.node_port = 1
    assert start("--proxy-addr", "127.0.0.1") == 0
    pod = kubernetes.objects["pods", "default", "fluvio-spg-main-0"]
    pod["status"]["containerStatuses"] = [{"name": "spu", "restartCount": 2}]
    environment = [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "RUST_LOG", "value": "x"}]
    pod["spec"]["containers"][0]["env"] = environment
    kubernetes.logs["fluvio-spg-main-0", "spu", False] = f"ready\n{PEM}\npassword=hunter2 end\n"
    kubernetes.logs["fluvio-spg-main-0", "spu", True] = "it fell\n"
    kubernetes.metrics["fluvio-spg-main-0"] = "fluvio_spu_records 7\n"
    secret = {"tls.key": "aHVudGVyMg==", "note": "aHVudGVyMg=="}
    kubernetes.put("secrets", "fluvio-tls", kind="Secret", type="Opaque", data=secret)
    kubernetes.put("secrets", "others", kind="Secret", data=secret)
    kubernetes.put("configmaps", "others", data={"passphrase": "hunter2"})
    mirror = {"home": {"clientTls": {"clientKey": PEM, "domain": "core.test"}}}
    kubernetes.put(
        "mirrors",
        "hq",
        kind="Mirror",
        metadata={"managedFields": [{"manager": "x"}]},
        spec={"mirrorType": mirror},
        status={"conditions": [{"type": "Ready", "status": "False", "message": "no way"}]},
    )
    capsys.readouterr()
    assert run(["cluster", "diagnostics", "--quiet"]) == 0
    captured = capsys.readouterr()
    (path,) = tmp_path.glob("diagnostics-*.tar.gz")
    assert captured.out == f"Wrote diagnostics to {path}\n"
    assert captured.err == ""
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        files = {
            name.partition("/")[2]: archive.extractfile(name).read().decode()  # type: ignore[union-attr]
            for name in archive.getnames()
        }
    everything = "\n".join(files.values())
    for secret_text in ("hunter2", "aHVudGVyMg", "MIIsecretkey", "token-of-the-lab", "others"):
        assert secret_text not in everything
    assert "managedFields" not in everything
    assert "core.test" in files["kubernetes/mirrors.yaml"]
    assert "fluvio-tls" in files["kubernetes/secrets.yaml"]
    assert files["logs/fluvio-spg-main-0-spu-previous.log"] == "it fell\n"
    assert files["logs/fluvio-spg-main-0-spu.log"].startswith("ready\n[redacted]\npassword=")
    assert files["metrics/fluvio-spg-main-0.txt"] == "fluvio_spu_records 7\n"
    not_well = files["conditions.txt"].split("Well:")[0]
    assert "mirrors hq: Ready=False no way" in not_well
    assert "spus main-0" not in not_well
    missing = files["missing.txt"]
    assert "admin: " in missing  # there is no SC
    assert "disk/fluvio-spg-main-0.txt: exec in pod" in missing
    assert "helm/values.yaml" in files
    assert set(files) - {"contents.txt"} == set(files["contents.txt"].split())


def test_diagnostics_has_a_limit(kubernetes: Any, tmp_path: Path) -> None:
    assert start("--proxy-addr", "127.0.0.1") == 0
    kubernetes.logs["fluvio-spg-main-0", "spu", False] = "0123456789" * 200_000
    assert run(["cluster", "diagnostics", "--quiet", "--max-size", "1"]) == 0
    (path,) = tmp_path.glob("diagnostics-*.tar.gz")
    with tarfile.open(path) as archive:
        (name,) = [one for one in archive.getnames() if one.endswith("missing.txt")]
        missing = archive.extractfile(name).read().decode()  # type: ignore[union-attr]
    assert "logs/fluvio-spg-main-0-spu.log: the archive is big enough" in missing


# With a real SC behind the fake Service


@pytest.mark.cluster
def test_start_ends_when_a_client_is_served(
    kubernetes: Any, local_cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    host, _, port = local_cluster.public_address.rpartition(":")
    kubernetes.node_port = int(port)
    assert run(["cluster", "start", "--k8", "--proxy-addr", host]) == 0
    told = capsys.readouterr().err
    assert "🔗 Trying to connect to SC\n     ✅ All SPUs confirmed\n" in told
    assert run(["cluster", "status"]) == 0
    assert "✅ SC is ok" in capsys.readouterr().err


def test_lists_come_in_pages(kubernetes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fluvio_cli.kubernetes import api

    monkeypatch.setattr(api, "PAGE_SIZE", 3)
    kubernetes.put_definitions()
    for number in range(8):
        kubernetes.put("topics", f"t{number}", spec={})
    found = api.Kubernetes.connect().list(bundle.resource("topics"), "default")
    assert [one["metadata"]["name"] for one in found] == [f"t{number}" for number in range(8)]
    assert crds.State.CURRENT in crds.states(api.Kubernetes.connect()).values()


def test_a_wait_ends_when_nothing_comes_further(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    counts = iter([0, 0, 1, 1, 1, 1])

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 4.0

    from fluvio_cli.failure import Failure

    with pytest.raises(Failure, match=r"^It stays within 10 s: stuck$"):
        rollout.wait_for(
            "It stays",
            lambda: rollout.Progress(next(counts), 2, "stuck"),
            timeout_s=10,
            tell=lambda progress: f"{progress.count}",
            clock=lambda: now,
            sleep=sleep,
        )
    assert next(counts, None) is None
    assert capsys.readouterr().err == "0\n1\n"
    assert checks.SERVER_VERSION_MIN == (1, 29)
