"""Resources on a real API server: what it accepts, what it refuses and how it says so.

The manifests are the samples of `tests/kube/crd/samples`, so that what the unit tests read is what
the server was shown. Needs `kubectl` on the PATH and a KUBECONFIG that may make namespaces, CRDs
and admission policies; no operator takes part. Everything made here is in namespaces of its own,
which go at the end; the CRDs stay, as they are committed.
"""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "kube" / "crd"))

from cases import SAMPLES, documents, names, refusal, resource_of_manifest

from fluvio_crd.admission import admission_policy
from fluvio_crd.manifest import parse_spec
from fluvio_crd.resources import RESOURCES

REPOSITORY = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 120
EFFECT_TIMEOUT_S = 60
PARTITION_COUNT = 5000

Answer = subprocess.CompletedProcess[str]


def kubectl(*words: str, stdin: str | None = None, check: bool = True) -> Answer:
    """Run kubectl; a failure shows what it printed."""
    answer = subprocess.run(
        ["kubectl", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if check and answer.returncode != 0:
        pytest.fail(f"kubectl {' '.join(words)}: exit {answer.returncode}\n{answer.stderr}")
    return answer


def until(is_so: Callable[[], bool], what: str) -> None:
    """Ask again and again, for what the server needs a moment for."""
    end = time.monotonic() + EFFECT_TIMEOUT_S
    while not is_so():
        if time.monotonic() > end:
            pytest.fail(f"not so after {EFFECT_TIMEOUT_S} s: {what}")


@pytest.fixture(scope="module")
def crds() -> None:
    """The CRDs as committed, known to the server."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    for resource in RESOURCES:
        kubectl("wait", "--for=condition=Established", f"crd/{resource.crd_name}")


def make_namespace() -> str:
    name = f"resources-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    return name


@pytest.fixture(scope="module")
def shared_namespace(crds: None) -> Iterator[str]:
    """One for all tests that clear up what they made."""
    name = make_namespace()
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def namespace(crds: None) -> Iterator[str]:
    """A namespace of the test's own."""
    name = make_namespace()
    yield name
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


class Shelf:
    """kubectl within one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.is_used = False

    def run(self, *words: str, stdin: str | None = None, check: bool = True) -> Answer:
        return kubectl("-n", self.namespace, *words, stdin=stdin, check=check)

    def apply(self, *manifests: dict[str, Any], check: bool = True, words: str = "") -> Answer:
        """As a user applies a file; `words` are more words for kubectl."""
        text = yaml.safe_dump_all(manifests)
        self.is_used = self.is_used or "--dry-run" not in words
        return self.run("apply", "-f", "-", *words.split(), stdin=text, check=check)

    def clear(self) -> None:
        """Delete what was made."""
        if self.is_used:
            kinds = ",".join(resource.plural for resource in RESOURCES)
            self.run("delete", kinds, "--all")
            self.is_used = False

    def set_status(self, manifest: dict[str, Any], status: dict[str, Any]) -> None:
        """Write a status, as an operator does."""
        self.run(
            *("patch", resource_of_manifest(manifest).plural, manifest["metadata"]["name"]),
            *("--subresource=status", "--type=merge", "-p", json.dumps({"status": status})),
        )

    def get(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """The object as the server has it, in the version of the manifest."""
        version = manifest["apiVersion"].partition("/")[2]
        plural = resource_of_manifest(manifest).plural
        found = self.run(
            *("get", f"{plural}.{version}.fluvio.infinyon.com", manifest["metadata"]["name"]),
            *("-o", "json"),
        )
        body: dict[str, Any] = json.loads(found.stdout)
        return body

    def table(self, *words: str) -> list[str]:
        """What `kubectl get` prints, one blank between cells, `-` for empty ones, no ages."""
        lines = self.run("get", *words).stdout.splitlines()
        heading = lines[0]
        starts = [
            index
            for index, letter in enumerate(heading)
            if letter != " " and (index == 0 or heading[index - 1] == " ")
        ]
        ends = [*starts[1:], None]
        rows = [
            [line[start:end].strip() or "-" for start, end in zip(starts, ends, strict=True)]
            for line in lines
        ]
        aged = rows[0].index("AGE")
        return [" ".join(row[:aged] + row[aged + 1 :]) for row in rows]


@pytest.fixture
def shelf(shared_namespace: str) -> Iterator[Shelf]:
    shelf = Shelf(shared_namespace)
    yield shelf
    shelf.clear()


def tidy(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without finalizers: nobody would take them off again."""
    metadata = {name: one for name, one in manifest["metadata"].items() if name != "finalizers"}
    return {**manifest, "metadata": metadata}


def test_the_server_likes_the_definitions(crds: None) -> None:
    for resource in RESOURCES:
        crd = json.loads(kubectl("get", "crd", resource.crd_name, "-o", "json").stdout)
        conditions = {one["type"]: one for one in crd["status"]["conditions"]}
        assert "NonStructuralSchema" not in conditions
        assert conditions["NamesAccepted"]["status"] == "True"
        assert conditions["Established"]["status"] == "True"


@pytest.mark.parametrize("name", names("good"))
def test_good_manifests_are_accepted(shelf: Shelf, name: str) -> None:
    for words in ((), ("--server-side",)):
        shelf.run("apply", "--dry-run=server", "-f", str(SAMPLES / "good" / name), *words)


@pytest.mark.parametrize(
    ("folder", "name"), [(folder, name) for folder in ("good", "plain") for name in names(folder)]
)
def test_what_the_server_keeps_says_the_same(shelf: Shelf, folder: str, name: str) -> None:
    manifests = [tidy(manifest) for manifest in documents(folder, name)]
    shelf.apply(*manifests)
    for manifest in manifests:
        kind = resource_of_manifest(manifest).kind
        assert parse_spec(kind, shelf.get(manifest)) == parse_spec(kind, manifest)


@pytest.mark.parametrize("name", names("bad"))
def test_bad_manifests_are_refused_in_words(shelf: Shelf, name: str) -> None:
    case = refusal(name)
    for words in ("", "--server-side"):
        if case.present:
            shelf.apply(*case.present, words=words)
        answer = shelf.apply(case.refused, check=False, words=f"--dry-run=server {words}")
        assert answer.returncode != 0, answer.stdout
        assert any(one in answer.stderr for one in case.words), answer.stderr
        shelf.clear()


def test_a_topic_of_many_assigned_rows(shelf: Shelf) -> None:
    """More than kubectl's own annotation can hold, so it is applied on the server's side."""
    rows = [
        {"id": index, "replicas": [index % 7, (index + 1) % 7 + 7, 14]}
        for index in range(PARTITION_COUNT)
    ]
    topic: dict[str, Any] = {
        "apiVersion": "fluvio.infinyon.com/v2",
        "kind": "Topic",
        "metadata": {"name": "wide"},
        "spec": {"replicas": {"assigned": rows}},
    }
    shelf.apply(topic, words="--server-side")
    assert len(shelf.get(topic)["spec"]["replicas"]["assigned"]) == PARTITION_COUNT
    shelf.set_status(
        topic, {"replicaMap": {str(row["id"]): row["replicas"] for row in rows}, "partitions": 5000}
    )
    more = [*rows, {"id": PARTITION_COUNT, "replicas": [0, 7, 14]}]
    topic["spec"]["replicas"]["assigned"] = more
    answer = shelf.apply(topic, words="--server-side", check=False)
    assert f"must have at most {PARTITION_COUNT} items" in answer.stderr


def ready(status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": "Tested"}]}


def manifest_of(kind: str, name: str, spec: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    return {
        "apiVersion": f"fluvio.infinyon.com/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


COLUMNS: list[tuple[dict[str, Any], dict[str, Any], str, list[str]]] = [
    (
        manifest_of(
            "Topic",
            "sensors",
            {
                "replicas": {"computed": {"partitions": 6, "replicationFactor": 3}},
                "cleanupPolicy": {"segment": {"timeInSeconds": 60}},
                "compressionType": "Zstd",
            },
            "v2",
        ),
        {
            **ready("True"),
            "resolution": "Provisioned",
            "type": "computed",
            "partitions": 6,
            "replicationFactor": 3,
            "underReplicated": 0,
        },
        "flvt",
        [
            "NAME TYPE PARTITIONS RF STATUS READY UNDER-REPLICATED",
            "sensors computed 6 3 Provisioned True 0",
        ],
    ),
    (
        manifest_of("Partition", "sensors-0", {"leader": 1, "replicas": [0, 1, 2]}),
        {
            "topic": "sensors",
            "inSync": [1, 2],
            "resolution": "Online",
            "leader": {"spu": 1, "hw": 1200, "leo": 1203},
            "size": 524288,
        },
        "flvp",
        [
            "NAME TOPIC LEADER REPLICAS ISR STATUS HW LEO SIZE",
            "sensors-0 sensors 1 [0,1,2] [1,2] Online 1200 1203 524288",
        ],
    ),
    (
        manifest_of(
            "Spu",
            "main-0",
            {
                "spuId": 7,
                "rack": "zone-a",
                "publicEndpoint": {"port": 9005},
                "privateEndpoint": {"host": "main-0.internal.test", "port": 9006},
            },
        ),
        {"resolution": "Online", "leaders": 4, "replicas": 12, "publicAddress": "h.test:9005"},
        "spus -o wide",
        [
            "NAME ID STATUS TYPE RACK LEADERS REPLICAS PUBLIC PRIVATE NODE DISK%",
            "main-0 7 Online Managed zone-a 4 12 h.test:9005 main-0.internal.test - -",
        ],
    ),
    (
        manifest_of("SpuGroup", "main", {"replicas": 3}),
        {**ready("False"), "resolution": "Reserved", "readyReplicas": 2, "version": "0.1.0"},
        "spg",
        [
            "NAME DESIRED READY MINID STATUS READY VERSION",
            "main 3 2 0 Reserved False 0.1.0",
        ],
    ),
    (
        manifest_of(
            "SmartModule",
            "redact",
            {
                "meta": {
                    "package": {
                        **{"name": "redact", "group": "acme"},
                        **{"version": "1.2.0", "apiVersion": "0.1.0"},
                    }
                },
                "wasm": {
                    "payload": "AGFzbQEAAAABEgNgAX8Bf2ACf38AYAN/f38BfwIUAQNlbnYMY29weV9yZWNvcmRzAA"
                    "EDAwIAAgUDAQABBxsDBWFsbG9jAAEGZmlsdGVyAAIGbWVtb3J5AgAKCQIDAAALAwAACw=="
                },
            },
            "v2",
        ),
        {**ready("True"), "size": 100, "kind": "filter"},
        "sm",
        ["NAME GROUP VERSION SIZE READY", "redact acme 1.2.0 100 True"],
    ),
    (
        manifest_of("TableFormat", "trades", {"name": "trades", "inputFormat": "JSON"}),
        {"resolution": "Running"},
        "tf",
        ["NAME FORMAT STATUS", "trades JSON Running"],
    ),
    (
        manifest_of("Mirror", "truck", {"mirrorType": {"remote": {"id": "truck"}}}),
        {
            **{"type": "remote", "connectionStatus": "Online", "pairingSc": "Successful"},
            "pairingSpu": {"DetailFailure": "refused"},
            "connectionStat": {"lastSeen": 1713902927812},
        },
        "mir",
        [
            "NAME TYPE STATUS PAIREDSC PAIREDSPU LASTSEEN",
            'truck remote Online Successful {"DetailFailure":"refused"} 1713902927812',
        ],
    ),
]


@pytest.mark.parametrize(
    ("manifest", "status", "words", "printed"),
    COLUMNS,
    ids=[manifest["kind"] for manifest, *_ in COLUMNS],
)
def test_what_kubectl_get_prints(
    shelf: Shelf,
    manifest: dict[str, Any],
    status: dict[str, Any],
    words: str,
    printed: list[str],
) -> None:
    shelf.apply(manifest)
    shelf.set_status(manifest, status)
    assert shelf.table(*words.split()) == printed
    assert {**shelf.get(manifest)["status"], **status} == shelf.get(manifest)["status"]


def test_a_group_scales_as_a_deployment_does(shelf: Shelf) -> None:
    group = manifest_of("SpuGroup", "main", {"replicas": 1})
    shelf.apply(group)
    shelf.run("scale", "spg", "main", "--replicas=3")
    assert shelf.get(group)["spec"]["replicas"] == 3
    answer = shelf.run("scale", "spg", "main", "--replicas=101", check=False)
    assert "should be less than or equal to 100" in answer.stderr


def test_a_module_of_the_older_version_is_read_as_the_newer(shelf: Shelf) -> None:
    (older,) = [
        manifest
        for manifest in documents("good", "smartmodules.yaml")
        if manifest["metadata"]["name"] == "legacy-filter"
    ]
    shelf.apply(older)
    newer = shelf.get({**older, "apiVersion": "fluvio.infinyon.com/v2"})
    assert newer["spec"] == {"wasm": older["spec"]["wasm"]}


def test_what_the_status_may_not_say(shelf: Shelf) -> None:
    topic = manifest_of("Topic", "typed", {}, "v2")
    shelf.apply(topic)
    for status, words in (
        ({"resolution": "Dreaming"}, 'Unsupported value: "Dreaming"'),
        ({"conditions": [ready("Perhaps")["conditions"][0]]}, "should match"),
        ({"conditions": ready("True")["conditions"] * 2}, "Duplicate value"),
    ):
        answer = shelf.run(
            *("patch", "topic", "typed", "--subresource=status", "--type=merge"),
            *("-p", json.dumps({"status": status})),
            check=False,
        )
        assert words in answer.stderr


PERSON = "--as=person"


class Guarded(Shelf):
    """A namespace with the admission policy, an operator and a person who may do everything."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.operator = f"--as=system:serviceaccount:{namespace}:operator"

    def refused(self, words: str, *command: str, stdin: str | None = None) -> None:
        answer = self.run(*command, PERSON, stdin=stdin, check=False)
        assert answer.returncode != 0, answer.stdout
        assert words in answer.stderr


@pytest.fixture
def guarded(namespace: str) -> Iterator[Guarded]:
    shelf = Guarded(namespace)
    policy = yaml.safe_dump_all(admission_policy(namespace, "operator"))
    shelf.run(
        *("create", "rolebinding", "everything", "--clusterrole=cluster-admin"),
        *("--user=person", f"--serviceaccount={namespace}:operator"),
    )
    kubectl("apply", "-f", "-", stdin=policy)
    trial = yaml.safe_dump(manifest_of("Partition", "trial-0", {"leader": 0}))
    until(
        lambda: (
            shelf.run(
                "create", PERSON, "--dry-run=server", "-f", "-", stdin=trial, check=False
            ).returncode
            != 0
        ),
        "the admission policy has its effect",
    )
    yield shelf
    kubectl("delete", "-f", "-", "--ignore-not-found", stdin=policy)


def test_people_do_not_write_what_the_operator_writes(guarded: Guarded) -> None:
    partition = manifest_of("Partition", "orders-0", {"leader": 0, "replicas": [0, 1]})
    managed = manifest_of(
        "Spu",
        "main-0",
        {"spuId": 1, "publicEndpoint": {"port": 9005}, "privateEndpoint": {"host": "h"}},
    )
    custom = {
        **managed,
        "metadata": {"name": "mine"},
        "spec": {**managed["spec"], "spuId": 2, "spuType": "Custom"},
    }
    topic = manifest_of("Topic", "orders", {}, "v2")
    made_by_operator = yaml.safe_dump_all([partition, managed])
    partitions = "partitions are made, changed and deleted by the operator alone"
    managed_spus = "managed SPUs are made, changed and deleted by the operator alone"

    guarded.refused(partitions, "create", "-f", "-", stdin=yaml.safe_dump(partition))
    guarded.refused(managed_spus, "create", "-f", "-", stdin=yaml.safe_dump(managed))
    guarded.run("create", PERSON, "-f", "-", stdin=yaml.safe_dump_all([custom, topic]))
    guarded.run("create", guarded.operator, "-f", "-", stdin=made_by_operator)

    lead = ("patch", "partition", "orders-0", "--type=merge", "-p", '{"spec":{"leader":1}}')
    rack = ("--type=merge", "-p", '{"spec":{"rack":"r"}}')
    guarded.refused(partitions, *lead)
    guarded.refused(managed_spus, "patch", "spu", "main-0", *rack)
    guarded.run("patch", "spu", "mine", *rack, PERSON)
    guarded.refused(partitions, "delete", "partition", "orders-0")
    guarded.refused(managed_spus, "delete", "spu", "main-0")
    for kind, name in (("topic", "orders"), ("partition", "orders-0"), ("spu", "mine")):
        guarded.refused(
            "status is written by the operator alone",
            *("patch", kind, name, "--subresource=status", "--type=merge"),
            *("-p", '{"status":{"observedGeneration":1}}'),
        )

    # Metadata is everybody's.
    guarded.run("annotate", "partition", "orders-0", "team=data", PERSON)
    guarded.run("label", "spu", "main-0", "team=data", PERSON)

    # The way out, for one field.
    guarded.run("annotate", "partition", "orders-0", "fluvio.io/adopt=true", PERSON)
    guarded.refused(
        partitions,
        *("patch", "partition", "orders-0", "--type=merge"),
        *("-p", '{"spec":{"leader":1,"inSync":[1]}}'),
    )
    guarded.run(*lead, PERSON)

    # The operator is free to do all of it.
    guarded.run("annotate", "partition", "orders-0", "fluvio.io/adopt-", guarded.operator)
    guarded.run("patch", "spu", "main-0", *rack, guarded.operator)
    guarded.run("delete", "spu/main-0", "partition/orders-0", "--wait=false", guarded.operator)
    guarded.run("delete", "spu/mine", "topic/orders", PERSON)


def test_a_retained_topic_is_not_deleted_until_it_is_let_go(guarded: Guarded) -> None:
    guarded.apply(manifest_of("Topic", "orders", {"deletionPolicy": "Retain"}, "v2"))
    for how in ("background", "foreground", "orphan"):
        guarded.refused("this topic is retained", "delete", "topic", "orders", f"--cascade={how}")
    guarded.run(
        *("patch", "topic", "orders", "--type=merge"),
        *("-p", '{"spec":{"deletionPolicy":"Delete"}}', PERSON),
    )
    guarded.run("delete", "topic", "orders", PERSON)


def test_what_an_owner_leaves_is_cleared_away(guarded: Guarded) -> None:
    topic = manifest_of("Topic", "orders", {}, "v2")
    guarded.apply(topic)
    partition = manifest_of("Partition", "orders-0", {"leader": 0})
    partition["metadata"]["ownerReferences"] = [
        {
            **{"apiVersion": topic["apiVersion"], "kind": "Topic", "name": "orders"},
            "uid": guarded.get(topic)["metadata"]["uid"],
        }
    ]
    guarded.run("create", guarded.operator, "-f", "-", stdin=yaml.safe_dump(partition))
    guarded.run("delete", "topic", "orders", "--cascade=foreground", PERSON)
    until(
        lambda: guarded.run("get", "partition", "orders-0", check=False).returncode != 0,
        "the garbage collector has deleted the partition",
    )


def test_a_namespace_goes_with_all_that_is_in_it(guarded: Guarded) -> None:
    stuck = manifest_of("Partition", "orders-0", {"leader": 0})
    guarded.run("create", guarded.operator, "-f", "-", stdin=yaml.safe_dump(stuck))
    kubectl("delete", "namespace", guarded.namespace, "--wait=false")
    until(
        lambda: kubectl("get", "namespace", guarded.namespace, check=False).returncode != 0,
        "the namespace is gone",
    )
