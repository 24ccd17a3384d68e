"""`cluster upgrade`: a running cluster to the version of this command, with its data.

A local cluster is shut down and started again. On Kubernetes nothing stops: see
`fluvio_cli.kubernetes_cluster.upgrade`. The kind of a cluster cannot change.
"""

import sys
from pathlib import Path
from typing import Any

import click

from fluvio_cli.commands.cluster_check import check_before_resume
from fluvio_cli.commands.cluster_kubernetes import (
    CHART_OPTIONS,
    KUBERNETES_TIMEOUT_S,
    NAMESPACE_OPTIONS,
    chart_settings,
    kubernetes_options,
)
from fluvio_cli.commands.cluster_process import data_directory_option, inspect, stop
from fluvio_cli.commands.cluster_start import READY_TIMEOUT_S, launch
from fluvio_cli.failure import Failure, exclude, was_given
from fluvio_cli.kubernetes_cluster import upgrade as kubernetes_upgrade
from fluvio_cli.kubernetes_cluster.target import K8, LOCAL, installation_of, place_of
from fluvio_cli.progress import say


@click.command("upgrade")
@click.option("-f", "--force", is_flag=True, help="Do not ask")
@click.option("--dry-run", is_flag=True, help="K8: find out whether it would work, change nothing")
@click.option(
    "--sys-only",
    "--sys",
    "only_definitions",
    is_flag=True,
    help="K8: the definitions of Fluvio's resources only",
)
@click.option("--skip-sys", is_flag=True, hidden=True)
@click.option("--local", is_flag=True, help="The cluster on this machine")
@click.option("--k8", is_flag=True, help="The cluster on Kubernetes")
@click.option("--skip-checks", is_flag=True, help="Upgrade without the checks before it")
@click.option("--skip-profile-creation", is_flag=True, hidden=True)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="How long each step may take without coming further  "
    f"[default: {READY_TIMEOUT_S}, on Kubernetes {KUBERNETES_TIMEOUT_S}]",
)
@data_directory_option
@kubernetes_options(NAMESPACE_OPTIONS, CHART_OPTIONS)
@click.pass_context
def upgrade(
    context: click.Context,
    /,
    *,
    force: bool,
    dry_run: bool,
    only_definitions: bool,
    skip_sys: bool,
    local: bool,
    k8: bool,
    skip_checks: bool,
    skip_profile_creation: bool,
    timeout_s: int | None,
    data_dir: Path,
    namespace: str | None,
    context_name: str | None,
    **options: Any,
) -> None:
    """Upgrade a cluster to the version of this command: first with --sys, then without."""
    exclude(context, "local", "k8")
    exclude(context, "local", "only_definitions")
    if _is_local(context, local=local, k8=k8 or only_definitions):
        _upgrade_local(data_dir, force=force, timeout_s=timeout_s or READY_TIMEOUT_S)
        return

    def confirm(what: str) -> None:
        if not force:
            _confirm(f"Upgrade {what}?")

    wanted = kubernetes_upgrade.Upgrade(
        place=place_of(context, context_name=context_name, namespace=namespace),
        chart=chart_settings(context, options),
        check=not skip_checks,
        dry_run=dry_run,
        timeout_s=timeout_s or KUBERNETES_TIMEOUT_S,
        confirm=confirm,
    )
    if only_definitions:
        kubernetes_upgrade.upgrade_definitions(wanted)
    else:
        kubernetes_upgrade.upgrade(wanted)


def _is_local(context: click.Context, *, local: bool, k8: bool) -> bool:
    """Raises Failure when the profile is of another kind than what is asked for."""
    current = LOCAL if was_given(context, "data_dir") else installation_of(context)
    asked = LOCAL if local else K8 if k8 else None
    if asked is not None and current not in (None, asked) and context.params["namespace"] is None:
        raise Failure(
            "It is not allowed to change installation type during cluster upgrade. "
            f"Current: {current}, requested: {asked}; choose another profile with -P"
        )
    if (asked or current) not in (None, LOCAL, K8):
        raise Failure(f"upgrade command is not supported for {current} installation type")
    return (asked or current) == LOCAL


def _upgrade_local(data_dir: Path, *, force: bool, timeout_s: int) -> None:
    found = inspect(data_dir)
    if found.settings is None:
        raise Failure(
            f"There is no local cluster in {data_dir}: start one with 'fluvio cluster start'"
        )
    if not force:
        _confirm(f"Upgrade Local Fluvio cluster to version {found.installed_version}?")
    if found.running:
        say("Shutting down the cluster")
        stop(data_dir)
    settings = check_before_resume(data_dir)
    launch(settings, profile=True, timeout_s=timeout_s)


def _confirm(question: str) -> None:
    """Raises Failure when the user says no, or cannot be asked."""
    if not sys.stdin.isatty():
        raise Failure(f"{question} Confirm with --force, for there is no terminal to ask")
    if not click.confirm(question, err=True):
        raise Failure("Nothing was upgraded")
