"""The release goes and comes back: definitions, topics, groups, volumes and records stay."""

import pytest
from clients import PublishedClient
from kube import Kube, command, until
from manifests import topic
from release import Release

pytestmark = pytest.mark.timeout(600)

KEPT = ("topics", "partitions", "spugroups", "spus", "persistentvolumeclaims", "pods")
"""What is the same object before and after, pods of SPUs among them."""


def identities(kube: Kube) -> dict[str, str]:
    """By kind and name, who is there; pods of the controller left out."""
    return {
        f"{kind}/{item['metadata']['name']}": str(item["metadata"]["uid"])
        for kind in KEPT
        for item in kube.items(kind)
        if item["metadata"].get("labels", {}).get("app") != "fluvio-sc"
    }


def test_uninstall_and_install_again(
    release: Release, kube: Kube, published: PublishedClient
) -> None:
    kube.apply(topic("orders", partitions=2))
    kube.until_ready("topic", "orders")
    stored = published.produce("orders", [f"{number}" for number in range(20)])
    before = identities(kube)

    release.uninstall()
    until(lambda: not kube.names("pods", "-l", "app=fluvio-sc"), "the controller is gone")
    assert identities(kube) == before
    assert kube.find("deployment", "fluvio-sc") is None
    definitions = command(["kubectl", "get", "crd", "-o", "name"]).stdout
    assert "topics.fluvio.infinyon.com" in definitions
    (spu,) = kube.items("pods", "-l", "app=spu")
    assert spu["status"]["phase"] == "Running"

    # What is asked for meanwhile, waits.
    kube.apply(topic("meanwhile"))

    release.reinstall()
    kube.until_ready("spugroup", "main")
    kube.until_ready("topic", "orders", "meanwhile")
    after = identities(kube)
    assert {name: uid for name, uid in after.items() if name in before} == before
    assert set(after) - set(before) == {"topics/meanwhile", "partitions/meanwhile-0"}
    assert published.read_back("orders", stored) == sorted(stored)
    more = published.produce("orders", ["more"])
    assert published.read_back("orders", [*stored, *more]) == sorted([*stored, *more])
