"""What is deleted goes, with its files: topics, whatever their leader is up to and however they are
deleted, and whole namespaces, with the controller or without it.

One release of two SPUs for the topics. An SPU that is down is one whose pod cannot come back, for
no node takes pods; one that is gone was of a group that was deleted with all it held.
"""

import re
import subprocess
from collections.abc import Callable

import pytest
from clients import PublishedClient
from kube import Body, Kube, command, no_node_takes_pods, until
from manifests import group, topic
from release import FREE_PORTS, REPOSITORY, Release, merged, namespace_exists

pytestmark = pytest.mark.timeout(600)

VALUES = {"spg": {"replicas": 2}}

PROPAGATIONS = ("background", "foreground", "orphan")
GONE_TIMEOUT_S = 60
NAMESPACE_TIMEOUT_S = 120
DOWN_POD = "fluvio-spg-main-1"


def make_topics(kube: Kube, state: str, spu_id: int) -> dict[str, str]:
    """One for each way to delete it, all led by one SPU: names by way."""
    names = {way: f"{state}-{way}" for way in PROPAGATIONS}
    kube.apply(*(topic(name, assigned=[[spu_id], [spu_id]]) for name in names.values()))
    kube.until_ready("topic", *names.values())
    return names


def delete_topics(kube: Kube, names: dict[str, str]) -> None:
    """Each in its way, and see all of it gone."""
    for way, name in names.items():
        kube.delete("topic", name, f"--cascade={way}", "--wait=false")
    kube.until_gone("topics", *names.values(), timeout_s=GONE_TIMEOUT_S)
    partitions = [f"{name}-{index}" for name in names.values() for index in range(2)]
    kube.until_gone("partitions", *partitions, timeout_s=GONE_TIMEOUT_S)


def folders_of(release: Release, pod: str, spu_id: int, names: dict[str, str]) -> list[str]:
    """The folders of these topics that are there."""
    starts = tuple(f"{name}-" for name in names.values())
    return [one for one in release.spu_files(pod, spu_id) if one.startswith(starts)]


def test_leader_up(release: Release, kube: Kube, published: PublishedClient) -> None:
    pod = "fluvio-spg-main-0"
    names = make_topics(kube, "up", 0)
    for name in names.values():
        published.produce(name, ["a", "b"])
    assert len(folders_of(release, pod, 0, names)) == 6
    delete_topics(kube, names)
    until(lambda: not folders_of(release, pod, 0, names), "their folders are gone")
    until(
        lambda: (
            not kube.execute(
                pod,
                "sh",
                "-c",
                "ls -A /var/lib/fluvio/data/spu-logs-0/.removed 2>/dev/null || true",
            ).strip()
        ),
        "their files are freed",
    )


def test_leader_down(release: Release, kube: Kube) -> None:
    """They go without it; it removes its files when it is back."""
    names = make_topics(kube, "down", 1)
    assert len(folders_of(release, DOWN_POD, 1, names)) == 6
    with no_node_takes_pods():
        kube.delete("pod", DOWN_POD)
        until(lambda: kube.rows("spus")["main-1"]["STATUS"] == "Offline", "its SPU is Offline")
        delete_topics(kube, names)
        assert len(kube.get("spu", "main-1")["status"]["tombstones"]) == 6
        # The same name again, while files of the old one lie there.
        kube.apply(topic(names["background"], assigned=[[1], [1]]))
    kube.until_ready("spugroup", "main")
    kube.until_ready("topic", names["background"])
    fresh = [f"{names['background']}-{index}" for index in range(2)]
    until(lambda: folders_of(release, DOWN_POD, 1, names) == fresh, "the old folders are gone")
    until(lambda: not kube.get("spu", "main-1")["status"].get("tombstones"), "and forgotten")
    kube.delete("topic", names["background"])


def test_leader_gone(kube: Kube) -> None:
    """Its group went by force: nobody is left who could confirm anything."""
    kube.apply(group("brief", minimum_id=3))
    kube.until_ready("spugroup", "brief")
    names = make_topics(kube, "gone", 3)
    kube.run("annotate", "spugroup", "brief", "fluvio.io/skip-scaledown-check=true")
    kube.delete("spugroup", "brief", "--wait=false")
    kube.until_gone("spugroups", "brief")
    kube.until_gone("spus", "brief-0")
    kube.until_gone("pods", "fluvio-spg-brief-0")
    delete_topics(kube, names)


def test_deleted_and_made_again_at_once(kube: Kube, published: PublishedClient) -> None:
    """The new topic of the name is another one, and empty."""
    kube.apply(topic("again", assigned=[[0]]))
    kube.until_ready("topic", "again")
    published.produce("again", ["old"])
    kube.delete("topic", "again", "--cascade=background")
    kube.apply(topic("again", assigned=[[0]]))
    kube.until_ready("topic", "again")
    stored = published.produce("again", ["new"])
    assert stored == [(0, 0, "new")]
    assert published.read_back("again", stored) == stored


@pytest.fixture
def doomed(make_release: Callable[[Body], Release]) -> Release:
    """A release that is well, with topics and a second group."""
    release = make_release(merged(FREE_PORTS, {"spg": {"minId": 0}}))
    kube = release.kube
    kube.apply(group("second", minimum_id=10))
    kube.until_ready("spugroup", "main", "second")
    kube.apply(topic("first", partitions=2), topic("second", assigned=[[10]]))
    kube.until_ready("topic", "first", "second")
    return release


def delete_namespace(name: str) -> None:
    command(["kubectl", "delete", "namespace", name, "--wait=false"])


def until_namespace_gone(name: str) -> None:
    until(
        lambda: not namespace_exists(name),
        f"namespace {name} is gone",
        timeout_s=NAMESPACE_TIMEOUT_S,
    )


def test_a_namespace_with_its_controller(doomed: Release) -> None:
    delete_namespace(doomed.kube.namespace)
    until_namespace_gone(doomed.kube.namespace)


def way_out_of(namespace: str) -> str:
    """The commands of the page about uninstalling, for a controller that went first."""
    page = (REPOSITORY / "docs" / "how-to" / "uninstall-with-helm.md").read_text()
    section = page.split("## When the release went first")[1].split("\n## ")[0]
    found = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1].replace("-n stream", f"-n {namespace}")


def test_a_namespace_without_its_controller(doomed: Release) -> None:
    """Nobody is left to say that the topics may go: the documented commands do."""
    doomed.stop_controller()
    namespace = doomed.kube.namespace
    delete_namespace(namespace)
    subprocess.run(
        ["sh", "-c", way_out_of(namespace)], capture_output=True, timeout=120, check=False
    )
    until_namespace_gone(namespace)
