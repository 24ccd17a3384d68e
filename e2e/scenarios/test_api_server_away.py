"""The API server stands still until the controller gives up; then everything goes on by itself.

On clusters of kind, whose control plane is a container of this machine's engine. Elsewhere there is
no way to the API server's process, and the story says so.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from clients import PublishedClient
from kube import Kube, command, until
from manifests import topic
from release import CONTROLLER_PORT, Release

pytestmark = pytest.mark.timeout(600)

DOCKER = os.environ.get("DOCKER", "docker")
ANSWERS_S = 2.0


@pytest.fixture(scope="module")
def control_plane() -> str:
    """The node's container."""
    listed = command(
        ["kubectl", "get", "nodes", "-l", "node-role.kubernetes.io/control-plane", "-o", "name"]
    )
    name = listed.stdout.split()[0].partition("/")[2]
    found = subprocess.run([DOCKER, "inspect", name], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("the control plane is no container of this machine: nothing to hold still")
    return name


@contextmanager
def held_still(control_plane: str) -> Iterator[None]:
    """Its process does nothing; connections stay open and get no answer."""
    signal = [DOCKER, "exec", control_plane, "sh", "-c"]
    command([*signal, "kill -STOP $(pidof kube-apiserver)"])
    try:
        yield
    finally:
        command([*signal, "kill -CONT $(pidof kube-apiserver)"])


def controller_answers(host: str) -> bool:
    """A proxy on the way takes every connection, and ends those that nobody behind it takes."""
    try:
        with socket.create_connection((host, CONTROLLER_PORT), timeout=ANSWERS_S) as connection:
            return connection.recv(1) != b""
    except TimeoutError:
        return True  # it is heard: the client speaks first
    except OSError:
        return False


def test_everything_goes_on_when_it_is_back(
    release: Release, kube: Kube, published: PublishedClient, control_plane: str
) -> None:
    kube.apply(topic("steady", partitions=2))
    kube.until_ready("topic", "steady")
    before = published.produce("steady", [f"before {number}" for number in range(10)])
    spu = kube.get("pod", "fluvio-spg-main-0")
    with held_still(control_plane):
        during = published.produce("steady", [f"during {number}" for number in range(10)])
        until(
            lambda: not controller_answers(release.host),
            "a controller that cannot renew its lease gives up",
        )

    until(
        lambda: command(["kubectl", "get", "nodes"], check=False).returncode == 0,
        "the API server answers",
        timeout_s=240,
    )
    kube.apply(topic("later"))
    kube.until_ready("topic", "later", "steady", timeout_s=240)
    after = published.produce("steady", [f"after {number}" for number in range(10)])
    stored = sorted([*before, *during, *after])
    assert published.read_back("steady", stored) == stored
    again = kube.get("pod", "fluvio-spg-main-0")
    assert again["metadata"]["uid"] == spu["metadata"]["uid"]
