"""Who made the Kubernetes cluster, and how its node ports are reached from this machine.

Called by install, and by whoever must explain that an address does not answer. Pure, but for
`published_here`, which asks Docker or Podman.
"""

import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

LOCALHOST = "127.0.0.1"
ENGINE_TIMEOUT_S = 10
PROBE_TIMEOUT_S = 1.0


class Provider(StrEnum):
    """Tools that make clusters on one's own machine, and everything else."""

    KIND = "kind"
    MINIKUBE = "minikube"
    K3D = "k3d"
    MICROK8S = "microk8s"
    LIMA = "lima"
    DOCKER_DESKTOP = "docker-desktop"
    OTHER = "other"


IN_CONTAINERS = frozenset({Provider.KIND, Provider.MINIKUBE, Provider.K3D})
"""Their nodes are containers, whose ports may be published on this machine."""


def provider_of(nodes: Sequence[Mapping[str, Any]]) -> Provider:
    """By names and labels of nodes."""
    for node in nodes:
        name = str(node["metadata"]["name"])
        labels = node["metadata"].get("labels") or {}
        made_by = str((node.get("spec") or {}).get("providerID") or "")
        if made_by.startswith("kind://"):
            return Provider.KIND
        if "minikube.k8s.io/name" in labels or name == "minikube":
            return Provider.MINIKUBE
        if name.startswith("k3d-"):
            return Provider.K3D
        if "microk8s.io/cluster" in labels:
            return Provider.MICROK8S
        if name.startswith("lima-"):
            return Provider.LIMA
        if name == "docker-desktop":
            return Provider.DOCKER_DESKTOP
        if name.endswith("-control-plane") and not made_by:
            return Provider.KIND
    return Provider.OTHER


def node_address(nodes: Sequence[Mapping[str, Any]]) -> str | None:
    """The first external address of a node, else the first internal one."""
    for wanted in ("ExternalIP", "InternalIP"):
        for node in nodes:
            for address in (node.get("status") or {}).get("addresses") or ():
                if address.get("type") == wanted and address.get("address"):
                    return str(address["address"])
    return None


def published_here(
    provider: Provider, nodes: Sequence[Mapping[str, Any]], ports: Sequence[int]
) -> bool:
    """Are all these node ports reached on this machine's loopback under their own numbers?"""
    if provider is Provider.DOCKER_DESKTOP:
        return True
    if provider not in IN_CONTAINERS or not ports:
        return False
    names = [str(node["metadata"]["name"]) for node in nodes]
    if provider is Provider.K3D:
        names += [f"{name.rsplit('-server-', 1)[0]}-serverlb" for name in names]
    published = _published_by_engine(names)
    if published is None:
        return all(listens(LOCALHOST, port) for port in ports)
    return set(ports) <= published


def _published_by_engine(containers: Sequence[str]) -> set[int] | None:
    """Ports that these containers publish under the same number; None when nobody knows."""
    known = False
    found = set()
    for engine in ("docker", "podman"):
        if shutil.which(engine) is None:
            continue
        for container in containers:
            try:
                result = subprocess.run(
                    [engine, "port", container],
                    capture_output=True,
                    text=True,
                    timeout=ENGINE_TIMEOUT_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            known = known or result.returncode == 0
            for line in result.stdout.splitlines():  # 30003/tcp -> 127.0.0.1:30003
                inner, _, outer = line.partition(" -> ")
                host, _, port = outer.strip().rpartition(":")
                if host in (LOCALHOST, "0.0.0.0") and inner == f"{port}/tcp":
                    found.add(int(port))
    return found if known else None


def listens(host: str, port: int) -> bool:
    """Does something accept connections there?"""
    try:
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S):
            return True
    except OSError:
        return False


def how_to_reach(
    provider: Provider, nodes: Sequence[Mapping[str, Any]], ports: Sequence[int]
) -> str:
    """What the user can type so that node ports answer on this machine; several lines."""
    first, last = min(ports), max(ports)
    again = f"and start again with: --proxy-addr {LOCALHOST}"
    match provider:
        case Provider.KIND:
            mappings = "\n".join(
                f"        - {{containerPort: {port}, hostPort: {port}, listenAddress: {LOCALHOST}}}"
                for port in ports
            )
            return (
                "kind publishes ports of a node only when it makes the cluster. Make it with:\n"
                "    kind create cluster --config - <<END\n"
                "    kind: Cluster\n"
                "    apiVersion: kind.x-k8s.io/v1alpha4\n"
                "    nodes:\n"
                "      - role: control-plane\n"
                "        extraPortMappings:\n"
                f"{mappings}\n"
                f"    END\n{again}"
            )
        case Provider.K3D:
            server = str(nodes[0]["metadata"]["name"]) if nodes else "k3d-CLUSTER-server-0"
            cluster = server.removeprefix("k3d-").rsplit("-server-", 1)[0].rsplit("-agent-", 1)[0]
            return (
                "k3d can publish the ports of a node now:\n"
                f"    k3d cluster edit {cluster} --port-add "
                f"{first}-{last}:{first}-{last}@server:0\n{again}"
            )
        case Provider.MINIKUBE:
            mappings = ",".join(f"{port}:{port}" for port in ports)
            return (
                "minikube publishes ports only when it makes the cluster. Make it with:\n"
                f"    minikube delete && minikube start --ports={mappings}\n{again}"
            )
        case Provider.LIMA:
            return (
                f"lima forwards ports to this machine. Start again with: --proxy-addr {LOCALHOST}"
            )
        case _:
            return (
                f"Clients need the TCP ports {first}-{last} of a node: open them in the firewall, "
                "name an address that leads there with --proxy-addr HOST, or let the cloud make "
                "load balancers with --service-type LoadBalancer"
            )
