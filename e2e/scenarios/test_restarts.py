"""The controller dies, again and again, while it has work to do: nothing is lost or done twice.

Two controllers, one of which leads. It is killed E2E_KILLS times (50), at moments chosen by
E2E_SEED, in three ways: its process dies at once (a crash, and it never says good-bye), its pod is
deleted by force, its pod is asked to go. Before each time something is asked of it: topics and
groups are made, grown, shrunk, deleted. What must come of all that is known beforehand, and every
object was seen by a watch all the time.
"""

import json
import os
import random
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from clients import PublishedClient
from kube import Kube, until
from manifests import group, topic
from release import Release

pytestmark = pytest.mark.timeout(1800)

LEASE_DURATION_S = 4
VALUES = {
    "operator": {"replicas": 2},
    "scPod": {"extraEnv": [{"name": "FLV_LEASE_DURATION_S", "value": str(LEASE_DURATION_S)}]},
}

KILLS = int(os.environ.get("E2E_KILLS", "50"))
SEED = int(os.environ.get("E2E_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
PAUSE_S_MAX = 2.0
"""How long after a request the controller lives at most."""

TAKEOVER_TIMEOUT_S = 90
WATCHED = ("topics", "partitions", "spugroups", "spus", "statefulsets", "services")

# Runs in a pod that sees the processes of its node. argv: name of the pod whose process dies.
_KILL = """
import os, pathlib, signal, sys
wanted = b"POD_NAME=" + sys.argv[1].encode()
for process in pathlib.Path("/proc").iterdir():
    if not process.name.isdigit():
        continue
    try:
        words = (process / "cmdline").read_bytes().split(b"\\0")
        names = (process / "environ").read_bytes().split(b"\\0")
    except OSError:
        continue
    if b"fluvio_operator" in words and wanted in names:
        os.kill(int(process.name), signal.SIGKILL)
        print("killed", process.name)
"""


class Executioner:
    """A pod on each node that may kill any process there: SIGKILL never reaches the first process
    of a container from within it."""

    NAME = "executioner"

    def __init__(self, kube: Kube, tag: str) -> None:
        self._kube = kube
        container = {
            "name": "python",
            "image": f"fluvio-operator:{tag}",
            "command": ["sleep", "infinity"],
            "securityContext": {"privileged": True, "runAsUser": 0},
        }
        labels = {"app": self.NAME}
        kube.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": {"name": self.NAME},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {
                            "hostPID": True,
                            "terminationGracePeriodSeconds": 0,
                            "containers": [container],
                        },
                    },
                },
            }
        )
        kube.run("rollout", "status", f"daemonset/{self.NAME}", "--timeout=120s")
        self._pod_of_node = {
            str(pod["spec"]["nodeName"]): str(pod["metadata"]["name"])
            for pod in kube.items("pods", "-l", f"app={self.NAME}")
        }

    def kill(self, pod: str) -> bool:
        """The process in a controller's pod, at once; the pod goes too, for a container that
        ended is made to wait ever longer. False when it had ended before."""
        found = self._kube.find("pod", pod)
        if found is None:
            return False
        where = self._pod_of_node[found["spec"]["nodeName"]]
        printed = self._kube.execute(where, "python", "-c", _KILL, pod)
        self._kube.run("delete", "pod", pod, "--force", "--grace-period=0", "--ignore-not-found")
        return "killed" in printed


class Witness:
    """Watches kinds of objects, and remembers every object that there ever was."""

    def __init__(self, kube: Kube, kinds: tuple[str, ...]) -> None:
        self.uids: dict[str, set[str]] = defaultdict(set)
        self._threads = []
        self._watches = []
        for kind in kinds:
            watch = subprocess.Popen(
                [
                    *("kubectl", "--namespace", kube.namespace, "get", kind, "--watch"),
                    *("-o", 'jsonpath={.metadata.name} {.metadata.uid}{"\\n"}'),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            self._watches.append(watch)
            self._threads.append(threading.Thread(target=self._read, args=(kind, watch)))
            self._threads[-1].start()

    def _read(self, kind: str, watch: "subprocess.Popen[str]") -> None:
        assert watch.stdout is not None
        for line in watch.stdout:
            name, uid = line.split()
            self.uids[f"{kind}/{name}"].add(uid)

    def stop(self) -> None:
        """Fails when a watch ended by itself: it has not seen everything."""
        ended = [watch.args for watch in self._watches if watch.poll() is not None]
        for watch in self._watches:
            watch.terminate()
        for thread, watch in zip(self._threads, self._watches, strict=True):
            thread.join()
            watch.wait()
            assert watch.stdout is not None
            watch.stdout.close()
        assert ended == []


class Work:
    """What is asked of the controller, step by step, and what must come of it.

    Topics are on the first SPU, so that no other group is held up by them.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.partitions_of: dict[str, int] = {}
        self.spus_of: dict[str, int] = {"main": 1}

    def step(self, number: int) -> None:
        """No name is used twice, and no group grows after it has shrunk: an object that is made
        a second time has no excuse."""
        kinds: list[Callable[[int], None]] = [
            self._make_topic,
            self._make_topic,
            self._grow_topic,
            self._make_group,
            self._make_topic,
            self._grow_group,
            self._delete_topic,
            self._shrink_group,
            self._make_topic,
            self._delete_group,
        ]
        kinds[number % len(kinds)](number)

    def _make_topic(self, number: int) -> None:
        name = f"t{number}"
        self.partitions_of[name] = 2
        self._kube.apply(topic(name, assigned=[[0], [0]]))

    def _grow_topic(self, number: int) -> None:
        name = f"t{number - 1}"
        self.partitions_of[name] = 4
        self._kube.apply(topic(name, assigned=[[0], [0], [0], [0]]))

    def _delete_topic(self, number: int) -> None:
        name = f"t{number - 5}"
        del self.partitions_of[name]
        self._kube.delete("topic", name, "--wait=false")

    def _make_group(self, number: int) -> None:
        self.spus_of[f"g{number}"] = 1
        # Apart from each other, so that each may grow.
        self._kube.apply(group(f"g{number}", minimum_id=100 + 10 * number))

    def _grow_group(self, number: int) -> None:
        self._scale(f"g{number - 2}", 2)

    def _shrink_group(self, number: int) -> None:
        self._scale(f"g{number - 4}", 1)

    def _delete_group(self, number: int) -> None:
        name = f"g{number - 6}"
        del self.spus_of[name]
        self._kube.delete("spugroup", name, "--wait=false")

    def _scale(self, name: str, replicas: int) -> None:
        self.spus_of[name] = replicas
        self._kube.run("scale", "spugroup", name, f"--replicas={replicas}")


def leaders(kube: Kube) -> list[str]:
    """Pods that bear the mark and are not on their way out."""
    marked = kube.items("pods", "-l", "app=fluvio-sc,fluvio.io/leader=true")
    return [
        str(pod["metadata"]["name"])
        for pod in marked
        if not pod["metadata"].get("deletionTimestamp")
    ]


def holder(kube: Kube) -> str:
    """Who has the lease; empty when nobody has."""
    lease = kube.find("lease", "fluvio-sc")
    return str((lease or {}).get("spec", {}).get("holderIdentity") or "")


def leading(kube: Kube) -> str | None:
    """The pod that leads, once lease and label agree and it is the only one."""
    marked = leaders(kube)
    return marked[0] if len(marked) == 1 and holder(kube).startswith(marked[0]) else None


def public_addresses(kube: Kube) -> list[str]:
    """Where Service fluvio-sc-public leads."""
    slices = kube.items("endpointslices", "-l", "kubernetes.io/service-name=fluvio-sc-public")
    return [
        str(address)
        for one in slices
        for endpoint in one.get("endpoints") or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    ]


def test_of_two_controllers_one_leads(
    release: Release, kube: Kube, published: PublishedClient
) -> None:
    first = until(lambda: leading(kube), "one controller leads")
    pods = {str(pod["metadata"]["name"]): pod for pod in release.controllers()}
    assert len(pods) == 2
    (other,) = set(pods) - {first}
    address = pods[first]["status"]["podIP"]
    until(lambda: public_addresses(kube) == [address], "clients are led to it alone")
    kube.apply(topic("before"))
    kube.until_ready("topic", "before")
    stored = published.produce("before", ["before"])

    kube.run("delete", "pod", first, "--force", "--grace-period=0")
    second = until(lambda: leading(kube), "a controller leads", timeout_s=TAKEOVER_TIMEOUT_S)
    assert second == other, "the one that stood by takes over"
    address = pods[other]["status"]["podIP"]
    until(lambda: public_addresses(kube) == [address], "clients are led to it alone")
    kube.apply(topic("after"))
    kube.until_ready("topic", "after")
    assert published.read_back("before", stored) == stored
    assert published.produce("after", ["after"]) == [(0, 0, "after")]


@pytest.fixture
def witness(kube: Kube) -> Iterator[Witness]:
    witness = Witness(kube, WATCHED)
    yield witness
    witness.stop()


def test_killed_at_any_moment(
    release: Release, kube: Kube, published: PublishedClient, witness: Witness
) -> None:
    print(f"E2E_SEED={SEED} E2E_KILLS={KILLS}")
    chance = random.Random(SEED)
    executioner = Executioner(kube, release.images.tag)
    work = Work(kube)
    work.partitions_of |= {"before": 1, "after": 1, "data": 2}
    kube.apply(topic("data", assigned=[[0], [0]]))
    kube.until_ready("topic", "data")
    stored = published.produce("data", [f"{number}" for number in range(50)])
    crashes: list[bool] = []
    for number in range(KILLS):
        victim = until(lambda: leading(kube), "a controller leads", timeout_s=TAKEOVER_TIMEOUT_S)
        work.step(number)
        time.sleep(chance.uniform(0, PAUSE_S_MAX))  # the moment is what is tried
        match chance.choice(("crash", "force", "ask")):
            case "crash":
                crashes.append(executioner.kill(victim))
            case "force":
                words = ("--force", "--grace-period=0", "--ignore-not-found")
                kube.run("delete", "pod", victim, *words)
            case _:
                kube.run("delete", "pod", victim, "--wait=false", "--ignore-not-found")

    assert any(crashes) or not crashes, "no process died by our hand"
    print(f"crashed {sum(crashes)} of {len(crashes)} times")
    until(lambda: leading(kube), "a controller leads", timeout_s=TAKEOVER_TIMEOUT_S)
    kube.until_ready("spugroup", *work.spus_of)
    kube.until_ready("topic", *work.partitions_of)
    expected = expected_objects(kube, work)
    until(lambda: actual_objects(kube) == expected, f"there is {json.dumps(expected)}")
    assert {row["STATUS"] for row in kube.rows("partitions").values()} == {"Online"}
    twice = {name: uids for name, uids in witness.uids.items() if len(uids) > 1}
    assert twice == {}, "these were made more than once"
    assert published.read_back("data", stored) == sorted(stored)
    more = published.produce("data", ["more"])
    assert published.read_back("data", [*stored, *more]) == sorted([*stored, *more])


def expected_objects(kube: Kube, work: Work) -> dict[str, list[str]]:
    """What there must be, by kind; the system's own topic is the system's."""
    members = [f"{name}-{n}" for name, count in work.spus_of.items() for n in range(count)]
    partitions = [
        f"{name}-{index}" for name, count in work.partitions_of.items() for index in range(count)
    ]
    groups = sorted(work.spus_of)
    return {
        "topics": sorted(["consumer-offset", *work.partitions_of]),
        "partitions": sorted(["consumer-offset-0", *partitions]),
        "spugroups": groups,
        "spus": sorted(members),
        "statefulsets": [f"fluvio-spg-{name}" for name in groups],
        "services": sorted(
            [f"fluvio-spg-{name}" for name in groups]
            + [f"fluvio-spu-{name}" for name in members]
            + ["fluvio-sc-internal", "fluvio-sc-public"]
        ),
    }


def actual_objects(kube: Kube) -> dict[str, list[str]]:
    return {kind: kube.names(kind) for kind in WATCHED}
