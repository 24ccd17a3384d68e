"""A release of the chart in a namespace of its own: installed, changed, and cleared away.

Called by the fixtures of `conftest.py`. The values are small ones, for a machine of two cores, and
tell clients the address at which this machine reaches the node ports. A namespace is cleared away
the hard way: helm first, then whatever finalizers hold, so that a story that failed cannot hold up
the next one. Whether all of it also goes by itself is a story of its own (`test_deletion.py`).
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kube import Body, Kube, command, until

REPOSITORY = Path(__file__).parents[1]
CHART = REPOSITORY / "charts" / "fluvio"
NAME = "fluvio"
CONTROLLER_PORT = int(os.environ.get("FLUVIO_E2E_CONTROLLER_PORT", "30003"))
SPU_BASE_PORT = int(os.environ.get("FLUVIO_E2E_SPU_PORT", "30004"))
"""Node port of the SPU with id 0; the stories use those up to id 5."""

NAMESPACE_LABEL = "fluvio-e2e"
INSTALL_TIMEOUT_S = 240
GONE_TIMEOUT_S = 180
HELD_BY_FINALIZERS = ("topics", "partitions", "spugroups")

FREE_PORTS: Body = {"scPod": {"nodePort": None}, "spuPod": {"baseNodePort": None}}
"""For a second release beside another one: Kubernetes chooses."""


@dataclass(frozen=True)
class Images:
    """Tags of the operator's and the SPUs' images in the nodes, and one more name of both."""

    tag: str
    next_tag: str


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Body:
    """Values as helm lays one file over another."""
    result = dict(base)
    for name, value in over.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            value = merged(old, value)
        result[name] = value
    return result


def base_values(tag: str, host: str) -> Body:
    return {
        "image": {"tag": tag},
        "loadBalancer": {"serviceAnnotations": {"fluvio.io/ingress-address": host}},
        "spg": {"storageSize": "1Gi"},
        "scPod": {
            "nodePort": CONTROLLER_PORT,
            "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "512Mi"}},
            "probes": {"startup": {"periodSeconds": 1}, "readiness": {"periodSeconds": 1}},
        },
        "spuPod": {
            "baseNodePort": SPU_BASE_PORT,
            "terminationGracePeriodSeconds": 10,
            "resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        },
    }


@dataclass
class Release:
    """The release `fluvio` of a namespace.

    host:     at which this machine reaches node ports
    values:   of the chart, as they are now
    """

    kube: Kube
    images: Images
    host: str
    values: Body = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where clients outside begin."""
        return f"{self.host}:{CONTROLLER_PORT}"

    def install(self, values: Body) -> None:
        self.values = merged(base_values(self.images.tag, self.host), values)
        self._helm("install")
        groups = self.kube.names("spugroups")
        self.kube.until_ready("spugroup", *groups, timeout_s=INSTALL_TIMEOUT_S)

    def upgrade(self, values: Body) -> None:
        """With these values over those of before."""
        self.values = merged(self.values, values)
        self._helm("upgrade")

    def reinstall(self) -> None:
        self._helm("install")

    def uninstall(self) -> None:
        uninstall(self.kube)

    def controllers(self) -> list[Body]:
        """Pods of the controller that are not on their way out."""
        return [
            pod
            for pod in self.kube.items("pods", "-l", "app=fluvio-sc")
            if not pod["metadata"].get("deletionTimestamp")
        ]

    def stop_controller(self) -> None:
        """Scale it to nothing, and see it gone."""
        self.kube.run("scale", "deployment", "fluvio-sc", "--replicas=0")
        until(
            lambda: not self.kube.names("pods", "-l", "app=fluvio-sc"),
            "the controller's pods are gone",
        )

    def spu_files(self, pod: str, spu_id: int) -> list[str]:
        """What lies in the data folder of an SPU, as seen in its pod."""
        listed = self.kube.execute(pod, "ls", "-A", f"/var/lib/fluvio/data/spu-logs-{spu_id}")
        return sorted(listed.split())

    def _helm(self, verb: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump(self.values))
            file.flush()
            command(
                [
                    *("helm", verb, NAME, str(CHART), "--namespace", self.kube.namespace),
                    *("--values", file.name, "--wait", "--timeout", f"{INSTALL_TIMEOUT_S}s"),
                ],
                timeout_s=INSTALL_TIMEOUT_S + 30,
            )


def uninstall(kube: Kube) -> None:
    command(
        ["helm", "uninstall", NAME, "--namespace", kube.namespace, "--ignore-not-found", "--wait"]
    )


def make_namespace(name: str) -> Kube:
    command(["kubectl", "create", "namespace", name])
    command(["kubectl", "label", "namespace", name, f"{NAMESPACE_LABEL}=yes"])
    return Kube(name)


def left_over_namespaces() -> list[str]:
    """Of a run that was cut short."""
    found = command(["kubectl", "get", "namespaces", "-l", f"{NAMESPACE_LABEL}=yes", "-o", "name"])
    return [line.partition("/")[2] for line in found.stdout.split()]


def namespace_exists(name: str) -> bool:
    answer = command(["kubectl", "get", "namespace", name, "--ignore-not-found", "-o", "name"])
    return bool(answer.stdout.strip())


def clear_away(kube: Kube) -> None:
    """Release and namespace, whatever state they are in; returns when the ports are free again."""
    if not namespace_exists(kube.namespace):
        _delete_what_is_outside(kube.namespace)
        return
    uninstall(kube)
    _delete_what_is_outside(kube.namespace)
    command(["kubectl", "delete", "namespace", kube.namespace, "--wait=false"])

    def is_gone() -> bool:
        _release_finalizers(kube)
        return not namespace_exists(kube.namespace)

    until(is_gone, f"namespace {kube.namespace} is gone", timeout_s=GONE_TIMEOUT_S)


@contextmanager
def fresh_namespace(name: str) -> Iterator[Kube]:
    kube = make_namespace(name)
    try:
        yield kube
    finally:
        clear_away(kube)


def _delete_what_is_outside(namespace: str) -> None:
    """What a release has outside its namespace stays when the namespace went first."""
    kinds = "clusterroles,clusterrolebindings"
    command(["kubectl", "delete", kinds, f"fluvio-sc-{namespace}", "--ignore-not-found"])
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    policy = f"fluvio-operator-only.{namespace}"
    command(["kubectl", "delete", kinds, policy, "--ignore-not-found"])


def _release_finalizers(kube: Kube) -> None:
    nothing: dict[str, Any] = {"metadata": {"finalizers": None}}
    for kind in HELD_BY_FINALIZERS:
        listed = kube.run("get", kind, "-o", "json", check=False)
        if listed.returncode != 0:  # no such kind: the story never installed anything
            continue
        for item in json.loads(listed.stdout)["items"]:
            metadata = item["metadata"]
            if metadata.get("finalizers") and metadata.get("deletionTimestamp"):
                kube.run(
                    *("patch", kind, metadata["name"], "--type=merge", "-p", json.dumps(nothing)),
                    check=False,  # it may have gone meanwhile
                )
