"""A fresh install is usable: topics by kubectl and by the command line, records from outside and
inside, and what `kubectl get` shows while all goes well, while an SPU is away, and after.

One release of two SPUs; the tests go through it in their order.
"""

import json
from typing import Any

import pytest
from clients import CommandLine, PodClient, PublishedClient
from kube import Kube, no_node_takes_pods, until
from manifests import topic
from release import SPU_BASE_PORT, Release

pytestmark = pytest.mark.timeout(600)

VALUES = {"spg": {"replicas": 2}}

PARTITIONS = 4
RECORDS = [f"record {number}" for number in range(40)]
STATUS_TIMEOUT_S = 60
"""Offsets are shown some seconds later than they are true."""


def without_age(row: dict[str, str]) -> dict[str, str]:
    return {heading: cell for heading, cell in row.items() if heading != "AGE"}


def test_an_installed_chart_is_a_cluster(release: Release, kube: Kube) -> None:
    assert without_age(kube.rows("spg")["main"]) == {
        "NAME": "main",
        "DESIRED": "2",
        "READY": "2",
        "MINID": "0",
        "STATUS": "Reserved",
        "READY 2": "True",
        "VERSION": release.images.tag,
    }
    until(
        lambda: {row["STATUS"] for row in kube.rows("spus").values()} == {"Online"},
        "both SPUs are Online",
    )
    spus = kube.rows("spus", "-o", "wide")
    assert sorted(spus) == ["main-0", "main-1"]
    for number in range(2):
        row = spus[f"main-{number}"]
        pod = kube.get("pod", f"fluvio-spg-main-{number}")
        assert (row["ID"], row["TYPE"]) == (str(number), "Managed")
        assert row["PUBLIC"] == f"{release.host}:{SPU_BASE_PORT + number}"
        private = f"fluvio-spg-main-{number}.fluvio-spg-main.{kube.namespace}.svc.cluster.local"
        assert row["PRIVATE"] == private
        assert row["NODE"] == pod["spec"]["nodeName"]


def test_what_a_group_is_made_of(kube: Kube) -> None:
    """Names and labels that scripts and runbooks know."""
    ours = ("-l", "fluvio.io/group=main,app.kubernetes.io/managed-by=fluvio-operator")
    assert kube.names("statefulsets", *ours) == ["fluvio-spg-main"]
    services = ["fluvio-spg-main", "fluvio-spu-main-0", "fluvio-spu-main-1"]
    assert kube.names("services", *ours) == services
    assert kube.names("pods", "-l", "app=spu,group=main") == [
        "fluvio-spg-main-0",
        "fluvio-spg-main-1",
    ]
    assert kube.names("persistentvolumeclaims", *ours) == [
        "data-fluvio-spg-main-0",
        "data-fluvio-spg-main-1",
    ]


def test_an_applied_topic_comes_online(kube: Kube) -> None:
    kube.apply(topic("orders", partitions=PARTITIONS))
    kube.until_ready("topic", "orders")
    assert without_age(kube.rows("topics")["orders"]) == {
        "NAME": "orders",
        "TYPE": "computed",
        "PARTITIONS": str(PARTITIONS),
        "RF": "1",
        "STATUS": "Provisioned",
        "READY": "True",
        "UNDER-REPLICATED": "0",
    }
    rows = kube.rows("partitions")
    placed = kube.get("topic", "orders")["status"]["replicaMap"]
    assert sorted(placed) == [str(index) for index in range(PARTITIONS)]
    for index in range(PARTITIONS):
        row = rows[f"orders-{index}"]
        replicas = placed[str(index)]
        shown = {heading: row[heading] for heading in ("TOPIC", "LEADER", "REPLICAS", "ISR")}
        written = json.dumps(replicas, separators=(",", ":"))
        assert shown == {
            "TOPIC": "orders",
            "LEADER": str(replicas[0]),
            "REPLICAS": written,
            "ISR": written,
        }
        assert (row["STATUS"], row["HW"], row["LEO"]) == ("Online", "0", "0")
    led = {row["LEADER"] for name, row in rows.items() if name.startswith("orders-")}
    assert led == {"0", "1"}, "both SPUs got their share"


def test_records_from_outside(kube: Kube, published: PublishedClient) -> None:
    stored = published.produce("orders", RECORDS)
    assert sorted(value for _, _, value in stored) == sorted(RECORDS)
    assert {partition for partition, _, _ in stored} == set(range(PARTITIONS))
    assert published.read_back("orders", stored) == sorted(stored)

    def all_are_shown() -> bool:
        rows = kube.rows("partitions")
        cells = [rows[f"orders-{index}"] for index in range(PARTITIONS)]
        ends = [int(row["LEO"]) for row in cells]
        return sum(ends) == len(RECORDS) and ends == [int(row["HW"]) for row in cells]

    until(all_are_shown, "kubectl shows the offsets", timeout_s=STATUS_TIMEOUT_S)
    sizes = [int(kube.rows("partitions")[f"orders-{i}"]["SIZE"]) for i in range(PARTITIONS)]
    assert min(sizes) > 0


def test_records_from_a_pod(in_pod: PodClient, kube: Kube, published: PublishedClient) -> None:
    kube.apply(topic("inside", partitions=2))
    kube.until_ready("topic", "inside")
    in_pod("produce", "inside", stdin="one\ntwo\nthree\n")
    assert sorted(in_pod("consume", "inside", "-B", "-d").split()) == ["one", "three", "two"]
    # The same from outside: both ways lead to one cluster.
    rows = until(
        lambda: _with_leo(kube, "inside", 2, 3),
        "kubectl shows the offsets",
        timeout_s=STATUS_TIMEOUT_S,
    )
    read = published.consume("inside", {index: leo for index, leo in enumerate(rows) if leo})
    assert sorted(value for _, _, value in read) == ["one", "three", "two"]


def _with_leo(kube: Kube, name: str, partitions: int, total: int) -> list[int] | None:
    rows = kube.rows("partitions")
    ends = [int(rows[f"{name}-{index}"]["LEO"]) for index in range(partitions)]
    return ends if sum(ends) == total else None


def test_kubectl_and_the_command_line_see_the_same(kube: Kube, fluvio: CommandLine) -> None:
    fluvio("topic", "create", "by-command", "--partitions", "2")
    kube.until_ready("topic", "by-command")
    assert kube.rows("topics")["by-command"]["PARTITIONS"] == "2"
    kube.apply(topic("by-kubectl"))
    kube.until_ready("topic", "by-kubectl")
    assert {"by-command", "by-kubectl", "orders"} <= set(fluvio.topics())
    fluvio("topic", "delete", "by-command")
    kube.until_gone("topics", "by-command")
    kube.until_gone("partitions", "by-command-0", "by-command-1")
    kube.delete("topic", "by-kubectl")
    until(lambda: "by-kubectl" not in fluvio.topics(), "the command line sees it gone")


def test_more_partitions_for_a_topic_that_is_there(kube: Kube, published: PublishedClient) -> None:
    kube.apply(topic("growing", partitions=1))
    kube.until_ready("topic", "growing")
    stored = published.produce("growing", ["before"])
    uid = kube.get("partition", "growing-0")["metadata"]["uid"]
    kube.apply(topic("growing", partitions=3))
    kube.until_ready("topic", "growing")
    assert [name for name in kube.names("partitions") if name.startswith("growing-")] == [
        "growing-0",
        "growing-1",
        "growing-2",
    ]
    assert kube.get("partition", "growing-0")["metadata"]["uid"] == uid
    assert published.read_back("growing", stored) == stored


def test_what_is_shown_while_an_spu_is_away(kube: Kube, published: PublishedClient) -> None:
    """Of the partitions, those that it leads; of the topics, those with such a partition."""
    kube.apply(topic("here", assigned=[[0]]), topic("away", assigned=[[0], [1]]))
    kube.until_ready("topic", "here", "away")
    stored = published.produce("away", ["a", "b", "c", "d"])

    with no_node_takes_pods():
        kube.delete("pod", "fluvio-spg-main-1")
        until(lambda: kube.rows("spus")["main-1"]["STATUS"] == "Offline", "its SPU is Offline")
        until(
            lambda: kube.rows("partitions")["away-1"]["STATUS"] == "LeaderOffline",
            "its partition has no leader",
        )
        until(lambda: kube.rows("topics")["away"]["READY"] == "False", "the topic is not Ready")
        until(lambda: kube.rows("spg")["main"]["READY 2"] == "False", "the group is not Ready")
        assert kube.rows("spg")["main"]["READY"] == "1"
        assert kube.rows("spus")["main-0"]["STATUS"] == "Online"
        assert kube.rows("partitions")["away-0"]["STATUS"] == "Online"
        assert kube.rows("topics")["here"]["READY"] == "True"
        away = kube.condition("topic", "away", "Ready")
        assert (away["reason"], away["message"]) == (
            "PartitionsNotOnline",
            "not online: away-1",
        )
        degraded = kube.condition("spugroup", "main", "Degraded")
        assert (degraded["status"], degraded["message"]) == ("True", "offline: main-1")
        # What the other SPU leads goes on.
        assert published.produce("here", ["still"])

    kube.until_ready("spugroup", "main")
    kube.until_ready("topic", "here", "away")
    assert kube.rows("spus")["main-1"]["STATUS"] == "Online"
    assert kube.rows("partitions")["away-1"]["STATUS"] == "Online"
    assert kube.rows("spg")["main"]["READY"] == "2"
    assert published.read_back("away", stored) == sorted(stored)


def test_what_is_shown_of_a_topic_without_enough_spus(kube: Kube, fluvio: CommandLine) -> None:
    """It says so, waits, and is placed when there are enough."""
    kube.apply(topic("wide", replication=3))
    until(
        lambda: kube.rows("topics")["wide"]["STATUS"] == "InsufficientResources",
        "the topic says what it lacks",
    )
    row = kube.rows("topics", "-o", "wide")["wide"]
    assert (row["PARTITIONS"], row["RF"], row["READY"]) == ("0", "3", "False")
    assert row["REASON"] != ""
    assert kube.condition("topic", "wide", "Provisioned")["reason"] == "InsufficientSpus"
    kube.run("scale", "spugroup", "main", "--replicas=3")
    kube.until_ready("spugroup", "main")
    kube.until_ready("topic", "wide")
    row = kube.rows("topics")["wide"]
    assert (row["PARTITIONS"], row["STATUS"]) == ("1", "Provisioned")
    listed: list[dict[str, Any]] = json.loads(fluvio("cluster", "spu", "list", "-O", "json"))
    assert sorted(one["spec"]["spuId"] for one in listed) == [0, 1, 2]
