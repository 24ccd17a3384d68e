"""Checks before a start, and `cluster check` on Kubernetes: is everything there that is needed?

Called by check, install and upgrade. A check of something that rests on a failed one is left out
and counts as failed. Only one thing is put right by itself: definitions that are missing or old.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes.errors import Refused
from fluvio_cli.kubernetes.resources import (
    CRDS,
    DEPLOYMENTS,
    SECRETS,
    SERVICES,
    STORAGE_CLASSES,
    Resource,
)
from fluvio_cli.kubernetes_cluster import crds
from fluvio_cli.kubernetes_cluster.chart_settings import ChartSettings, value_at
from fluvio_cli.kubernetes_cluster.helm import VERSION_MIN, Helm
from fluvio_cli.progress import Checks, say

SERVER_VERSION_MIN = (1, 29)
_PERMISSIONS: tuple[tuple[str, Resource], ...] = (
    ("service", SERVICES),
    ("customresourcedefinitions", CRDS),
    ("secret", SECRETS),
    ("deployment", DEPLOYMENTS),
)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be installed where. fix: put right what can be; fresh: nothing may be there."""

    kubernetes: Kubernetes
    helm: Helm
    namespace: str
    chart: ChartSettings
    spu_count: int
    fix: bool
    fresh: bool


def run_checks(wanted: Wanted) -> None:
    """Print all checks. Raises Failure when one failed."""
    say("📝 Running pre-flight checks")
    checks = Checks()
    checks.passed("Kubernetes config", f'Kubernetes context "{wanted.kubernetes.context.name}"')
    reached = _try(checks, "Kubernetes version", lambda: _check_version(checks, wanted))
    helm_there = _try(checks, "Helm version", lambda: _check_helm(checks))
    if not reached:
        checks.refused("Permissions", "left out, for Kubernetes cannot be asked")
        checks.conclude()
    _try(checks, "Permissions", lambda: _check_permissions(checks, wanted))
    _try(checks, "Fluvio definitions", lambda: _check_definitions(checks, wanted))
    if wanted.fresh and helm_there:
        _try(checks, "Fluvio installation", lambda: _check_installation(checks, wanted))
    _try(checks, "Storage", lambda: _check_storage(checks, wanted))
    if wanted.fresh:
        _try(checks, "Node ports", lambda: _check_node_ports(checks, wanted))
    checks.conclude()


def _try(checks: Checks, name: str, check: Callable[[], None]) -> bool:
    """A check that cannot be made has failed; False then."""
    try:
        check()
    except Failure as error:
        checks.refused(name, error.message)
        return False
    return True


def _check_version(checks: Checks, wanted: Wanted) -> None:
    version = wanted.kubernetes.version()
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    needed = ".".join(map(str, SERVER_VERSION_MIN))
    if numbers < SERVER_VERSION_MIN:
        checks.refused(
            "Kubernetes version",
            f"Must have Kubernetes version {needed} or later. You have {version}",
        )
    else:
        checks.passed("Kubernetes version", f"Supported Kubernetes version is installed: {version}")


def _check_helm(checks: Checks) -> None:
    version = Helm.version()
    installed, needed = (".".join(map(str, one)) for one in (version, VERSION_MIN))
    if version < VERSION_MIN:
        checks.refused(
            "Helm version", f"Must have helm version {needed} or later. You have {installed}"
        )
    else:
        checks.passed("Helm version", f"Supported helm version is installed: {installed}")


def _check_permissions(checks: Checks, wanted: Wanted) -> None:
    for word, resource in _PERMISSIONS:
        if wanted.kubernetes.can_i("create", resource, wanted.namespace):
            checks.passed(f"Permission for {word}", f"Can create {word}")
        elif resource is CRDS and set(crds.states(wanted.kubernetes).values()) == {
            crds.State.CURRENT
        }:
            checks.noted(f"Permission for {word}", "Not allowed, and not needed: they are there")
        else:
            checks.refused(
                f"Permission for {word}",
                f"Permissions to create {word} denied: ask for them, or use another context",
            )


def _check_definitions(checks: Checks, wanted: Wanted) -> None:
    name = "Fluvio definitions"
    found = crds.states(wanted.kubernetes)
    wrong = {one: state for one, state in found.items() if state is not crds.State.CURRENT}
    owner = crds.release_that_owns_them(wanted.kubernetes)
    if wrong and wanted.fix:
        crds.check_stored_objects(wanted.kubernetes)
        crds.apply_all(wanted.kubernetes)
        crds.migrate(wanted.kubernetes)
        states = sorted(set(wrong.values()))
        checks.passed(name, f"Fixed: {len(wrong)} definitions were {' or '.join(states)}")
    elif wrong:
        named = ", ".join(f"{one} is {state}" for one, state in wrong.items())
        checks.noted(
            name,
            f"{named}. This is put right by 'fluvio cluster start --k8', by 'fluvio cluster "
            "upgrade --sys', and by this check with --fix",
        )
    else:
        checks.passed(name, "Fluvio definitions are up to date")
    if owner is not None:
        checks.noted(
            f"{name}' owner",
            f'They were made by the helm release "{owner}": uninstalling that would delete them '
            "with all topics in all namespaces",
        )


def _check_installation(checks: Checks, wanted: Wanted) -> None:
    name = "Fluvio installation"
    release = wanted.helm.release()
    if release is None:
        checks.passed(name, "Previous fluvio installation not found")
    elif release.status == "deployed":
        checks.refused(
            name,
            f'Fluvio {release.app_version} is installed in namespace "{wanted.namespace}" already: '
            "use 'fluvio cluster upgrade', 'fluvio cluster delete --k8', another --namespace, or "
            "'fluvio profile sync k8' to use it",
        )
    else:
        checks.refused(
            name,
            f'An installation in namespace "{wanted.namespace}" was left {release.status}: clear '
            "it away with 'fluvio cluster delete --k8'",
        )


def _check_storage(checks: Checks, wanted: Wanted) -> None:
    named = value_at(wanted.chart.effective(), ("spuPod", "storageClass"))
    try:
        classes = wanted.kubernetes.list(STORAGE_CLASSES)
    except Refused as error:
        if error.status != 403:
            raise
        checks.noted("Storage", "Storage classes may not be seen: not checked")
        return
    names = sorted(one["metadata"]["name"] for one in classes)
    if named is not None:
        if named in names:
            checks.passed("Storage", f"Storage class {named} exists")
        else:
            checks.refused(
                "Storage",
                f"There is no storage class {named}: there is {', '.join(names) or 'none'}",
            )
        return
    defaults = [
        one["metadata"]["name"]
        for one in classes
        if (one["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if defaults:
        checks.passed("Storage", f"Default storage class is {defaults[0]}")
    else:
        checks.refused(
            "Storage",
            "There is no default storage class, so volumes of SPUs would stay pending: choose one "
            f"with --set spuPod.storageClass=NAME. There is {', '.join(names) or 'none'}",
        )


def wanted_node_ports(chart: ChartSettings, spu_count: int) -> list[int]:
    """Node ports that the chart asks for, the controller's first; none when it leaves them open."""
    values = chart.effective()
    if value_at(values, ("service", "type")) != "NodePort":
        return []
    controller = value_at(values, ("scPod", "nodePort"))
    base = value_at(values, ("spuPod", "baseNodePort"))
    first = value_at(values, ("spg", "minId")) or 0
    ports = [] if controller is None else [int(controller)]
    if base is not None:
        ports += [int(base) + first + number for number in range(spu_count)]
    return ports


def _check_node_ports(checks: Checks, wanted: Wanted) -> None:
    ports = wanted_node_ports(wanted.chart, wanted.spu_count)
    if not ports:
        return
    try:
        services = wanted.kubernetes.list(SERVICES)
    except Refused as error:
        if error.status != 403:
            raise
        checks.noted("Node ports", "Services of other namespaces may not be seen: not checked")
        return
    taken = {
        port["nodePort"]: f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in services
        for port in one["spec"].get("ports") or ()
        if "nodePort" in port
        if not _is_ours(one["metadata"], wanted.namespace)
    }
    conflicts = [f"{port} is taken by {taken[port]}" for port in ports if port in taken]
    if conflicts:
        checks.refused(
            "Node ports",
            f"{'; '.join(conflicts)}: choose others with --set scPod.nodePort=PORT and --set "
            "spuPod.baseNodePort=PORT",
        )
    else:
        checks.passed("Node ports", f"Node ports {', '.join(map(str, ports))} are free")


def _is_ours(metadata: dict[str, object], namespace: str) -> bool:
    """Services that a kept group still has do not stand in the way of its new controller."""
    name = str(metadata["name"])
    return metadata["namespace"] == namespace and name.startswith(("fluvio-spu-", "fluvio-sc-"))
