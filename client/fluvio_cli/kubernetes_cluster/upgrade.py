"""`cluster upgrade` on Kubernetes: definitions first, then the release, then every SPU.

Definitions go first because a new controller may write what old ones do not know; the other way
round is safe, for a new definition accepts what an old controller writes. SPUs are renewed by the
operator, one at a time and only while every partition keeps its copies: this only waits for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.api import Kubernetes
from fluvio_cli.kubernetes_cluster import bundle, crds
from fluvio_cli.kubernetes_cluster.chart_settings import ChartSettings
from fluvio_cli.kubernetes_cluster.checks import Wanted, run_checks
from fluvio_cli.kubernetes_cluster.helm import Helm, Release
from fluvio_cli.kubernetes_cluster.rollout import (
    paused_groups,
    wait_for_controller,
    wait_for_spus_online,
    wait_for_spus_renewed,
)
from fluvio_cli.kubernetes_cluster.target import Place
from fluvio_cli.progress import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """confirm: is told what will happen, and raises Failure to prevent it."""

    place: Place
    chart: ChartSettings
    check: bool
    dry_run: bool
    timeout_s: int
    confirm: Callable[[str], None]


def upgrade_definitions(wanted: Upgrade) -> None:
    """`cluster upgrade --sys`: definitions only. Raises Failure."""
    _definitions(Kubernetes.connect(wanted.place.context_name), dry_run=wanted.dry_run)


def _definitions(kubernetes: Kubernetes, *, dry_run: bool) -> None:
    states = crds.states(kubernetes)
    count = crds.check_stored_objects(kubernetes)
    say(f"     ✅ {count} stored objects fit the new definitions")
    changes = [name for name, state in states.items() if state is not crds.State.CURRENT]
    if dry_run:
        say(f"     📊 Would change: {', '.join(changes) or 'no definition'}")
        return
    crds.apply_all(kubernetes)
    moved = crds.migrate(kubernetes)
    if moved:
        say(f"     ✅ {moved} objects have been stored in the new version")
    if changes:
        say(f"     ✅ Fluvio definitions have been upgraded: {', '.join(changes)}")
    else:
        say("     ✅ Fluvio definitions are up to date")


def upgrade(wanted: Upgrade) -> None:
    """Everything. Raises Failure; a second run goes on where the first ended."""
    kubernetes = Kubernetes.connect(wanted.place.context_name)
    namespace = wanted.place.namespace
    helm = Helm(kubernetes.context.name, namespace)
    release = helm.release()
    if release is None:
        raise Failure(
            f'There is no release "fluvio" in namespace "{namespace}" of context '
            f'"{kubernetes.context.name}": name the namespace with --namespace, or start a cluster '
            "with 'fluvio cluster start --k8'"
        )
    _refuse_to_go_back(wanted, release)
    version = _target_version(wanted)
    if wanted.check:
        run_checks(
            Wanted(
                kubernetes=kubernetes,
                helm=helm,
                namespace=namespace,
                chart=wanted.chart,
                spu_count=0,
                fix=False,
                fresh=False,
            )
        )
    if not wanted.dry_run:
        wanted.confirm(
            f'Fluvio cluster "{wanted.place.profile or kubernetes.context.name}" in namespace '
            f'"{namespace}" from version {release.app_version} to {version}'
        )
    _definitions(kubernetes, dry_run=wanted.dry_run)
    if wanted.dry_run:
        helm.upgrade(wanted.chart.chart({}), dry_run=True)
        say(f"     📊 Would upgrade Fluvio chart: {release.app_version} to {version}")
        return
    say("     📊 Upgrading Fluvio chart")
    helm.upgrade(wanted.chart.chart({}))
    say("     ✅ Fluvio app chart has been upgraded")
    wait_for_controller(kubernetes, namespace, timeout_s=wanted.timeout_s)
    say("✅ SC Launched")
    for name in paused_groups(kubernetes, namespace):
        say(f"🟡 SPU group {name} stays as it is: its reconciliation is paused")
    renewed = wait_for_spus_renewed(kubernetes, namespace, timeout_s=wanted.timeout_s)
    wait_for_spus_online(kubernetes, namespace, timeout_s=wanted.timeout_s)
    say(f"     ✅ All SPUs confirmed ({renewed})")
    say(f"🎯 Successfully upgraded Fluvio to version {version}!")


def _target_version(wanted: Upgrade) -> str:
    if wanted.chart.location is None:
        return bundle.chart_version()
    return wanted.chart.version or f"that of {wanted.chart.location}"


def _refuse_to_go_back(wanted: Upgrade, release: Release) -> None:
    """A downgrade may meet data that the old version cannot read."""
    if wanted.chart.location is not None:
        return
    ours = bundle.chart_version()
    if _numbers(release.app_version) > _numbers(ours):
        raise Failure(
            f"The cluster is of version {release.app_version}, and this command would make it "
            f"{ours}: a cluster cannot go back; install a newer fluvio"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])
