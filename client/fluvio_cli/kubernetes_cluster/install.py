"""`cluster start --k8`: from a Kubernetes cluster to a Fluvio cluster that answers.

Order: checks, definitions, release, address, profile, controller, SPUs, and last a look from here,
as a client. The profile is written before the waits: a start that is cut short leaves something
that `cluster status` and `cluster delete` can be asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.resources import Object
from fluvio_cli.kubernetes_cluster import bundle, crds
from fluvio_cli.kubernetes_cluster.address import Address, nodes_of, public_address
from fluvio_cli.kubernetes_cluster.chart_settings import (
    INGRESS_PATH,
    ChartSettings,
    ValuePath,
    value_at,
)
from fluvio_cli.kubernetes_cluster.checks import Wanted, run_checks, wanted_node_ports
from fluvio_cli.kubernetes_cluster.controller import NoAnswer, wait_until_reached
from fluvio_cli.kubernetes_cluster.helm import Helm
from fluvio_cli.kubernetes_cluster.provider import (
    LOCALHOST,
    Provider,
    how_to_reach,
    node_address,
    provider_of,
    published_here,
)
from fluvio_cli.kubernetes_cluster.rollout import (
    Progress,
    wait_for,
    wait_for_controller,
    wait_for_spus_online,
)
from fluvio_cli.kubernetes_cluster.target import save_profile
from fluvio_cli.progress import say

REACH_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What `cluster start --k8` was told.

    profile:   to write; None for the context's name
    inside:    clients are pods: use addresses inside, and do not look from here
    look:      find out whether controller and SPUs are reached from here
    timeout_s: how long each step may go without coming further
    """

    context_name: str | None
    namespace: str
    chart: ChartSettings
    group: str
    spu_count: int
    storage_size: str
    proxy: str | None
    provider: Provider | None
    profile: str | None
    save_profile: bool
    check: bool
    inside: bool
    look: bool
    timeout_s: int


def check(wanted: Installation, *, fix: bool, fresh: bool = True) -> None:
    """The checks alone. Raises Failure."""
    kubernetes = Kubernetes.connect(wanted.context_name)
    run_checks(_checks(wanted, kubernetes, fix=fix, fresh=fresh))


def _checks(wanted: Installation, kubernetes: Kubernetes, *, fix: bool, fresh: bool) -> Wanted:
    return Wanted(
        kubernetes=kubernetes,
        helm=Helm(kubernetes.context.name, wanted.namespace),
        namespace=wanted.namespace,
        chart=wanted.chart,
        spu_count=wanted.spu_count,
        fix=fix,
        fresh=fresh,
    )


def install_definitions(context_name: str | None) -> None:
    """`cluster start --sys-only`. Raises Failure."""
    kubernetes = Kubernetes.connect(context_name)
    crds.check_stored_objects(kubernetes)
    crds.apply_all(kubernetes)
    crds.migrate(kubernetes)
    say("     ✅ Fluvio definitions have been installed")


def install(wanted: Installation) -> None:
    """Raises Failure; what has been done by then stays."""
    kubernetes = Kubernetes.connect(wanted.context_name)
    if wanted.check:
        run_checks(_checks(wanted, kubernetes, fix=True, fresh=True))
    else:
        install_definitions(wanted.context_name)
    nodes: Sequence[Object] = ()
    ours = _group_values(wanted, kubernetes)
    if value_at(wanted.chart.effective(), ("service", "type")) == "NodePort":
        if wanted.proxy is None or wanted.provider is None:
            nodes = _nodes_if_needed(wanted, kubernetes)
        ours[INGRESS_PATH] = _ingress_address(wanted, nodes)
    elif wanted.proxy is not None:
        ours[INGRESS_PATH] = wanted.proxy
    say("     📊 Installing Fluvio chart")
    Helm(kubernetes.context.name, wanted.namespace).install(wanted.chart.chart(ours))
    say("     ✅ Fluvio app chart has been installed")
    address = _wait_for_address(wanted, kubernetes)
    say(f"🔎 Found SC service addr: {address}")
    if wanted.save_profile:
        save_profile(
            wanted.profile or kubernetes.context.name,
            str(address),
            context_name=kubernetes.context.name,
            namespace=wanted.namespace,
            inside=address.inside,
        )
        say("👤 Profile set")
    wait_for_controller(kubernetes, wanted.namespace, timeout_s=wanted.timeout_s)
    say("✅ SC Launched")
    count = wait_for_spus_online(kubernetes, wanted.namespace, timeout_s=wanted.timeout_s)
    say(f"🤖 SPU group launched ({count})")
    if address.inside:
        say(f"🟡 {address} is reached by pods only: clients elsewhere need another --service-type")
    elif wanted.look:
        _look_from_here(wanted, kubernetes, address, nodes)
    say("     ✅ All SPUs confirmed")
    say("🎯 Successfully installed Fluvio!")


def _group_values(wanted: Installation, kubernetes: Kubernetes) -> dict[ValuePath, Any]:
    """The first group; none when there is one already, which a former installation left."""
    groups = kubernetes.list(bundle.resource("spugroups"), wanted.namespace)
    if groups:
        names = ", ".join(str(one["metadata"]["name"]) for one in groups)
        say(f"🤖 SPU group exists, skipping: {names}")
        return {("spg", "create"): False}
    return {
        ("spg", "create"): True,
        ("spg", "name"): wanted.group,
        ("spg", "replicas"): wanted.spu_count,
        ("spg", "storageSize"): wanted.storage_size,
    }


def _nodes_if_needed(wanted: Installation, kubernetes: Kubernetes) -> Sequence[Object]:
    """Without them only help gets vaguer, when the user has named an address."""
    try:
        return nodes_of(kubernetes)
    except Failure:
        if wanted.proxy is None:
            raise
        return ()


def _ingress_address(wanted: Installation, nodes: Sequence[Object]) -> str:
    """What clients are told as the host of every node port. Raises Failure."""
    if wanted.proxy is not None:
        return wanted.proxy
    provider = wanted.provider or provider_of(nodes)
    ports = wanted_node_ports(wanted.chart, wanted.spu_count)
    if published_here(provider, nodes, ports):
        return LOCALHOST
    address = node_address(nodes)
    if address is None:
        raise Failure("No node tells its address: name one with --proxy-addr HOST")
    return address


def _wait_for_address(wanted: Installation, kubernetes: Kubernetes) -> Address:
    """A load balancer may take a while to get one."""
    found: list[Address] = []

    def look() -> Progress:
        address = public_address(kubernetes, wanted.namespace, inside=wanted.inside)
        if address is None:
            return Progress(0, 1, "the load balancer has no address yet")
        found.append(address)
        return Progress(1, 1)

    wait_for("The SC has no address", look, timeout_s=wanted.timeout_s)
    return found[-1]


def _look_from_here(
    wanted: Installation, kubernetes: Kubernetes, address: Address, nodes: Sequence[Object]
) -> None:
    say("🔗 Trying to connect to SC")
    try:
        wait_until_reached(address, timeout_s=min(wanted.timeout_s, REACH_TIMEOUT_S))
    except NoAnswer as error:
        provider = wanted.provider or provider_of(nodes)
        ports = wanted_node_ports(wanted.chart, wanted.spu_count) or [address.port]
        raise Failure(f"{error.message}\n{how_to_reach(provider, nodes, ports)}") from error
