"""Groups of SPUs beside each other: reserved ids, refusals, growing and shrinking, lost pods,
changes by other hands, and what one bad object may not do to the others.

One release without a group of its own; `east` has ids from 0, `west` from 5.
"""

import json
from collections.abc import Mapping

import pytest
from clients import PublishedClient
from kube import Kube, condition_of, until
from manifests import group, topic
from release import SPU_BASE_PORT, Release

pytestmark = pytest.mark.timeout(600)

VALUES = {"spg": {"create": False}}


@pytest.fixture(scope="module")
def groups(kube: Kube) -> None:
    """Two groups, neither named as the chart's. What every cluster has lies on the first."""
    kube.apply(group("east", minimum_id=0))
    kube.until_ready("spugroup", "east")
    kube.until_ready("topic", "consumer-offset")
    kube.apply(group("west", minimum_id=5))
    kube.until_ready("spugroup", "west")


@pytest.mark.usefixtures("groups")
def test_two_groups_side_by_side(release: Release, kube: Kube, published: PublishedClient) -> None:
    assert kube.names("statefulsets") == ["fluvio-spg-east", "fluvio-spg-west"]
    spus = kube.rows("spus", "-o", "wide")
    assert {name: (row["ID"], row["PUBLIC"]) for name, row in spus.items()} == {
        "east-0": ("0", f"{release.host}:{SPU_BASE_PORT}"),
        "west-0": ("5", f"{release.host}:{SPU_BASE_PORT + 5}"),
    }
    kube.apply(topic("both", assigned=[[0], [5]]))
    kube.until_ready("topic", "both")
    stored = published.produce("both", [f"{number}" for number in range(20)])
    assert {partition for partition, _, _ in stored} == {0, 1}
    assert published.read_back("both", stored) == sorted(stored)
    folders = {
        "fluvio-spg-east-0": (0, "both-0"),
        "fluvio-spg-west-0": (5, "both-1"),
    }
    for pod, (spu_id, folder) in folders.items():
        assert folder in release.spu_files(pod, spu_id)


@pytest.mark.usefixtures("groups")
def test_ids_of_another_group_are_refused_and_nobody_else_is_harmed(kube: Kube) -> None:
    before = {kind: kube.names(kind) for kind in ("statefulsets", "services", "spus")}
    kube.apply(group("clash", minimum_id=4, replicas=3))
    until(lambda: kube.rows("spg")["clash"]["STATUS"] == "Invalid", "the group is Invalid")
    body = kube.get("spugroup", "clash")
    assert body["status"]["reason"] == "conflict with: 5"
    for of_type, status in (("Ready", "False"), ("Stalled", "True"), ("IdsReserved", "False")):
        condition = condition_of(body, of_type)
        assert (condition["status"], condition["reason"]) == (status, "Conflict")
    event = until(
        lambda: [one for one in kube.events_of("SpuGroup", "clash") if one["type"] == "Warning"],
        "an Event tells of it",
    )[0]
    assert event["reason"] == "Conflict"
    assert {kind: kube.names(kind) for kind in before} == before
    assert kube.is_ready("spugroup", "east")
    assert kube.is_ready("spugroup", "west")
    # Fewer SPUs would fit: the ids are looked at again.
    kube.apply(group("clash", minimum_id=4, replicas=1))
    kube.until_ready("spugroup", "clash")
    assert kube.rows("spus")["clash-0"]["ID"] == "4"
    kube.delete("spugroup", "clash")
    kube.until_gone("spus", "clash-0")
    kube.until_gone("statefulsets", "fluvio-spg-clash")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ({"storage": {"size": "ten"}}, "size must be a quantity, such as 10Gi"),
        ({"storage": {"logDir": "/etc/fluvio"}}, "logDir must be an absolute path"),
        ({"env": [{"name": "SPU_INDEX", "value": "7"}]}, "are the operator's own"),
    ],
    ids=["size", "logDir", "env"],
)
@pytest.mark.usefixtures("groups")
def test_a_group_that_cannot_be_is_refused(
    kube: Kube, template: dict[str, object], words: str
) -> None:
    answer = kube.apply(group("refused", minimum_id=20, template=template), check=False)
    assert answer.returncode != 0
    assert words in answer.stderr


@pytest.mark.usefixtures("groups")
def test_what_the_schema_cannot_see_is_said_by_a_condition(kube: Kube) -> None:
    """A container by the name of ours: legal as a manifest, impossible as a pod."""
    pod = {"extraContainers": [{"name": "spu", "image": "any"}]}
    kube.apply(group("odd", minimum_id=20, template={"pod": pod}))
    until(
        lambda: kube.condition("spugroup", "odd", "Stalled").get("status") == "True",
        "the group is Stalled",
    )
    ready = kube.condition("spugroup", "odd", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "SettingsInvalid")
    assert "extraContainers" in ready["message"]
    assert kube.find("statefulset", "fluvio-spg-odd") is None
    assert kube.is_ready("spugroup", "east")
    kube.delete("spugroup", "odd")


@pytest.mark.usefixtures("groups")
def test_a_topic_on_an_unknown_spu_waits_and_holds_up_nobody(kube: Kube) -> None:
    kube.apply(topic("lost", assigned=[[77]]), topic("fine", assigned=[[0]]))
    kube.until_ready("topic", "fine")
    until(
        lambda: kube.condition("topic", "lost", "Provisioned").get("status") == "False",
        "the topic is not provisioned",
    )
    provisioned = kube.condition("topic", "lost", "Provisioned")
    assert (provisioned["reason"], provisioned["message"]) == ("UnknownSpu", "invalid spu id: 77")
    assert kube.rows("topics")["lost"]["STATUS"] == "InsufficientResources"
    # It changes its mind as often as the cluster does, not by itself.
    version = kube.get("topic", "lost")["metadata"]["resourceVersion"]
    kube.apply(topic("later"))
    kube.until_ready("topic", "later")
    assert kube.get("topic", "lost")["metadata"]["resourceVersion"] == version
    kube.delete("topic", "lost")
    kube.delete("topic", "later")


def until_consumer_offsets_on(kube: Kube, *spus: int) -> None:
    """They are on as many SPUs as there are, three at most, without anybody asking for it."""

    def kept_by() -> list[int]:
        partition = kube.get("partition", "consumer-offset-0")
        return sorted(partition["spec"]["replicas"])

    until(lambda: kept_by() == sorted(spus), f"SPUs {spus} keep consumer offsets")

    def replication_factor() -> object:
        replicas = kube.get("topic", "consumer-offset")["spec"]["replicas"]
        return replicas["computed"]["replicationFactor"]

    until(lambda: replication_factor() == len(spus), "the topic says so")


@pytest.mark.usefixtures("groups")
def test_more_spus_take_replicas(kube: Kube, published: PublishedClient) -> None:
    kube.run("scale", "spugroup", "east", "--replicas=2")
    kube.until_ready("spugroup", "east")
    assert kube.rows("spus")["east-1"]["STATUS"] == "Online"
    kube.apply(topic("second", assigned=[[1]]))
    kube.until_ready("topic", "second")
    stored = published.produce("second", ["x", "y"])
    assert published.read_back("second", stored) == stored
    until_consumer_offsets_on(kube, 0, 1, 5)


@pytest.mark.usefixtures("groups")
def test_fewer_spus_wait_for_their_replicas(kube: Kube) -> None:
    """The one before made the SPU and the topic on it."""
    kube.run("scale", "spugroup", "east", "--replicas=1")
    until(
        lambda: kube.condition("spugroup", "east", "ScaleDownBlocked").get("status") == "True",
        "the group says what it waits for",
    )
    blocked = kube.condition("spugroup", "east", "ScaleDownBlocked")
    assert blocked["reason"] == "ReplicasPresent"
    assert "east-1" in blocked["message"]
    until_consumer_offsets_on(kube, 0, 5)
    assert kube.get("statefulset", "fluvio-spg-east")["spec"]["replicas"] == 2
    assert kube.is_ready("topic", "second")
    kube.delete("topic", "second")
    kube.until_gone("spus", "east-1")
    kube.until_gone("pods", "fluvio-spg-east-1")
    kube.until_gone("services", "fluvio-spu-east-1")
    kube.until_ready("spugroup", "east")
    assert kube.condition("spugroup", "east", "ScaleDownBlocked") == {}
    assert kube.find("persistentvolumeclaim", "data-fluvio-spg-east-1") is not None


@pytest.mark.usefixtures("groups")
def test_a_deleted_pod_comes_back_as_who_it_was(kube: Kube, published: PublishedClient) -> None:
    kube.apply(topic("kept", assigned=[[5]]))
    kube.until_ready("topic", "kept")
    stored = published.produce("kept", ["before"])
    before = kube.get("pod", "fluvio-spg-west-0")["metadata"]["uid"]
    kube.delete("pod", "fluvio-spg-west-0")
    until(
        lambda: (
            (kube.find("pod", "fluvio-spg-west-0") or {}).get("metadata", {}).get("uid")
            not in (None, before)
        ),
        "there is another pod",
    )
    kube.run("wait", "pod/fluvio-spg-west-0", "--for=condition=Ready", "--timeout=120s")
    kube.until_ready("spugroup", "west")
    kube.until_ready("topic", "kept")
    row = kube.rows("spus")["west-0"]
    assert (row["ID"], row["STATUS"]) == ("5", "Online")
    stored += published.produce("kept", ["after"])
    assert [offset for _, offset, _ in stored] == [0, 1]
    assert published.read_back("kept", stored) == stored


@pytest.mark.usefixtures("groups")
def test_what_other_hands_change_is_changed_back(kube: Kube) -> None:
    """Nothing of it may touch a running pod."""
    pod = kube.get("pod", "fluvio-spg-west-0")["metadata"]["uid"]
    policy = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}
    _patch(kube, "statefulset", "fluvio-spg-west", policy)
    until(
        lambda: (
            kube.get("statefulset", "fluvio-spg-west")["spec"][
                "persistentVolumeClaimRetentionPolicy"
            ]["whenDeleted"]
            == "Retain"
        ),
        "the StatefulSet is as it was",
    )
    name = "fluvio-spu-west-0"
    service = kube.get("service", name)
    _patch(kube, "service", name, {"selector": {"app": "somebody-else"}})
    until(
        lambda: kube.get("service", name)["spec"]["selector"] == service["spec"]["selector"],
        "the Service is as it was",
    )
    kube.delete("service", name)
    again = until(lambda: kube.find("service", name), "the Service is there again")
    assert again["spec"]["ports"][0]["nodePort"] == service["spec"]["ports"][0]["nodePort"]
    kube.run("label", "service", "fluvio-spg-west", "fluvio.io/group-")
    until(
        lambda: (
            kube.get("service", "fluvio-spg-west")["metadata"]["labels"].get("fluvio.io/group")
            == "west"
        ),
        "the label is there again",
    )
    kube.until_ready("spugroup", "west")
    assert kube.get("pod", "fluvio-spg-west-0")["metadata"]["uid"] == pod


def _patch(kube: Kube, kind: str, name: str, spec: Mapping[str, object]) -> None:
    kube.run("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))


@pytest.mark.usefixtures("groups")
def test_a_group_goes_when_nothing_is_on_it(kube: Kube) -> None:
    """Until then its deletion waits, and says for what."""
    kube.delete("spugroup", "west", "--wait=false")
    until(
        lambda: kube.condition("spugroup", "west", "ScaleDownBlocked").get("status") == "True",
        "the group says what it waits for",
    )
    assert kube.is_ready("topic", "kept")
    kube.delete("topic", "kept")
    kube.delete("topic", "both")
    kube.until_gone("spugroups", "west")
    until_consumer_offsets_on(kube, 0)
    kube.until_gone("statefulsets", "fluvio-spg-west")
    kube.until_gone("services", "fluvio-spg-west", "fluvio-spu-west-0")
    assert kube.is_ready("spugroup", "east")
    assert kube.find("persistentvolumeclaim", "data-fluvio-spg-west-0") is not None
