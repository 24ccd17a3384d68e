"""Where clients outside the Kubernetes cluster reach the controller.

Called by install and by `profile sync k8`. The Service `fluvio-sc-public` says it, by its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.errors import Refused
from fluvio_cli.kubernetes.resources import NODES, SERVICES, Object
from fluvio_cli.kubernetes_cluster.chart_settings import INGRESS_ANNOTATION
from fluvio_cli.kubernetes_cluster.provider import node_address

PUBLIC_SERVICE = "fluvio-sc-public"


@dataclass(frozen=True, slots=True)
class Address:
    """inside: only pods reach it, and clients there use addresses inside, of SPUs too."""

    host: str
    port: int
    inside: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def nodes_of(kubernetes: Kubernetes) -> list[Object]:
    """All nodes. Raises Failure, which says what to do without the right to see them."""
    try:
        return kubernetes.list(NODES)
    except Refused as error:
        if error.status != 403:
            raise
        raise Failure(
            f"{error.message.rstrip('.')}; or name an address of a node with --proxy-addr HOST"
        ) from error


def public_address(
    kubernetes: Kubernetes, namespace: str, *, inside: bool = False
) -> Address | None:
    """Where the controller is; None while a load balancer has no address yet. Raises Failure.

    inside: the address for pods, whatever the type of the Service.
    """
    service = kubernetes.get(SERVICES, PUBLIC_SERVICE, namespace)
    if service is None:
        raise Failure(
            f'There is no Service {PUBLIC_SERVICE} in namespace "{namespace}" of context '
            f'"{kubernetes.context.name}": is Fluvio installed in another namespace? Name it with '
            "--namespace"
        )
    spec, port = service["spec"], service["spec"]["ports"][0]
    named = (service["metadata"].get("annotations") or {}).get(INGRESS_ANNOTATION)
    if inside:
        return Address(str(spec["clusterIP"]), int(port["port"]), inside=True)
    match spec.get("type", "ClusterIP"):
        case "NodePort":
            host = named or node_address(nodes_of(kubernetes))
            if host is None:
                raise Failure("No node tells its address: name one with --proxy-addr HOST")
            return Address(host, int(port["nodePort"]))
        case "LoadBalancer":
            given = _load_balancer(service) or named
            return None if given is None else Address(given, int(port["port"]))
        case "ExternalName":
            return Address(str(spec["externalName"]), int(port["port"]))
        case _ if named is not None:
            return Address(named, int(port["port"]))
        case _:
            return Address(str(spec["clusterIP"]), int(port["port"]), inside=True)


def _load_balancer(service: Mapping[str, Any]) -> str | None:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for one in ingress:
        found = one.get("hostname") or one.get("ip")
        if found:
            return str(found)
    return None
