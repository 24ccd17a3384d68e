"""Checks before a local start, `cluster check`, and `cluster status`.

Checks are printed one by one, in the words and signs of progress.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.commands.cluster_kubernetes import (
    CHART_OPTIONS,
    NAMESPACE_OPTIONS,
    chart_settings,
    kubernetes_options,
)
from fluvio_cli.commands.cluster_process import (
    ClusterSettings,
    Inspection,
    data_directory_option,
    default_log_directory,
    inspect,
)
from fluvio_cli.failure import Failure, exclude, was_given
from fluvio_cli.kubernetes_cluster.target import K8, installation_of, place_of
from fluvio_cli.progress import Checks, say
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import Target, run_client, target_of

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

NOT_DELETED = (
    "Local Fluvio cluster wasn't deleted. Use 'resume' to resume created cluster or 'delete' "
    "before starting a new one"
)


def check_before_start(settings: ClusterSettings) -> None:
    """May a new cluster be started with these settings? Raises Failure."""
    say("📝 Running pre-flight checks")
    found = inspect(settings.data_directory, ports_of=settings)
    checks = Checks()
    _check_not_running(checks, found)
    if found.settings is None:
        checks.passed(
            "Clean Fluvio Local Installation", "Previous local fluvio installation not found"
        )
    else:
        checks.refused("Clean Fluvio Local Installation", NOT_DELETED)
    if not found.running:
        _check_ports(checks, found)
    checks.conclude()


def check_before_resume(data_directory: Path) -> ClusterSettings:
    """The settings of the cluster that is there and may be resumed. Raises Failure."""
    found = inspect(data_directory)
    if found.settings is None:
        raise Failure(
            f"There is no local cluster in {data_directory}: start one with 'fluvio cluster start'"
        )
    found = inspect(data_directory, ports_of=found.settings)
    assert found.settings is not None
    checks = Checks()
    if found.controller_pid is None and found.spu_pids:
        pids = ", ".join(str(pid) for pid in found.spu_pids.values())
        checks.noted("Fluvio Local Installation", f"SPUs still run and are taken over (pid {pids})")
    else:
        _check_not_running(checks, found)
    if found.platform_version == found.installed_version:
        checks.passed("Versions match", "Platform versions match")
    else:
        checks.noted(
            "Versions match",
            f"Platform version changes from {found.platform_version} to {found.installed_version}",
        )
    if found.controller_pid is None:
        _check_ports(checks, found)
    checks.conclude()
    return found.settings


def _check_not_running(checks: Checks, found: Inspection) -> None:
    for module, pid in found.running:
        click.echo(f"       found existing {module} process. pid: {pid}")
    if found.running:
        checks.refused("Fluvio Local Installation", "Local Fluvio cluster still running")
    else:
        checks.passed("Fluvio Local Installation", "Local Fluvio is not installed")


def _check_ports(checks: Checks, found: Inspection) -> None:
    if found.busy_ports:
        checks.refused("Ports", "; ".join(found.busy_ports))
    else:
        checks.passed("Ports", "All ports are free")


@click.command("check")
@click.option("--local", is_flag=True, help="On this machine")
@click.option("--k8", is_flag=True, help="On Kubernetes")
@click.option("--fix", is_flag=True, help="K8: put right what can be")
@click.option("--spu", "spu_count", type=click.IntRange(1), default=1, hidden=True, metavar="N")
@data_directory_option
@kubernetes_options(NAMESPACE_OPTIONS, CHART_OPTIONS)
@click.pass_context
def check(
    context: click.Context,
    /,
    *,
    local: bool,
    k8: bool,
    fix: bool,
    spu_count: int,
    data_dir: Path,
    namespace: str | None,
    context_name: str | None,
    **options: Any,
) -> None:
    """Check whether a cluster can be started, of the current profile's kind unless told."""
    exclude(context, "local", "k8")
    if not k8 and (local or was_given(context, "data_dir") or installation_of(context) != K8):
        check_before_start(
            ClusterSettings(data_directory=data_dir, log_directory=default_log_directory())
        )
        return
    from fluvio_cli.kubernetes.api import Kubernetes
    from fluvio_cli.kubernetes_cluster.checks import Wanted, run_checks
    from fluvio_cli.kubernetes_cluster.helm import Helm

    place = place_of(context, context_name=context_name, namespace=namespace)
    kubernetes = Kubernetes.connect(place.context_name)
    run_checks(
        Wanted(
            kubernetes=kubernetes,
            helm=Helm(kubernetes.context.name, place.namespace),
            namespace=place.namespace,
            chart=chart_settings(context, options),
            spu_count=spu_count,
            fix=fix,
            # A cluster that runs is in its own way: on its own profile, check what it stands on.
            fresh=place.profile is None,
        )
    )


@click.command("status")
@data_directory_option
@click.pass_context
def status(context: click.Context, data_dir: Path) -> None:
    """Check that the cluster of the current profile works.

    With --data-dir, the local cluster there.
    """
    target = target_of(context)
    if context.get_parameter_source("data_dir") is click.core.ParameterSource.COMMANDLINE:
        settings = inspect(data_dir).settings
        if settings is None:
            raise Failure(f"There is no local cluster in {data_dir}")
        context.obj = Target(cluster=settings.endpoint)
        say(f"📝 Running cluster status checks in {data_dir}")
    elif target.cluster is not None:
        say(f"📝 Running cluster status checks at {target.cluster}")
    else:
        say(f"📝 Running cluster status checks with profile {_profile_name(target)}")
    if target.cluster is None and installation_of(context) == K8:
        _show_kubernetes(context)
    say("    📝 Checking SC")
    if not _show_status(context):
        raise Failure("The cluster does not work")


def _show_kubernetes(context: click.Context) -> None:
    """Is the API server there? Clients do without it, so this is told and decides nothing."""
    from fluvio_cli.kubernetes.api import Kubernetes

    say("    📝 Checking Kubernetes")
    place = place_of(context, context_name=None, namespace=None)
    try:
        kubernetes = Kubernetes.connect(place.context_name)
        version = kubernetes.version()
    except Failure as error:
        say(f"    🟡 {error.message}")
        return
    say(
        f'    ✅ Kubernetes {version}, context "{kubernetes.context.name}", '
        f'namespace "{place.namespace}"'
    )


def _show_status(context: click.Context) -> bool:
    """Print the checks; True when the cluster can serve."""
    from fluvio_client.errors import ConfigError
    from fluvio_protocol.errors import FluvioError

    try:
        return run_client(context, _check_cluster)
    except ConfigError:
        raise
    except FluvioError as error:
        say(f"    ❌ SC is not ok: {error}")
        return False


async def _check_cluster(client: "Fluvio") -> bool:
    from fluvio_protocol.metadata.spu import SpuStatusResolution

    say("    ✅ SC is ok")
    say("    📝 Checking SPUs")
    spus = await client.admin.spus.list()
    online = sum(spu.status.resolution is SpuStatusResolution.ONLINE for spu in spus)
    if not online:
        say("    ❌ No SPUs are online")
    else:
        sign = "✅" if online == len(spus) else "🟡"
        say(f"    {sign} ({online}/{len(spus)}) SPUs are online")
    say("    📝 Checking Topics")
    topics = await client.admin.topics.list()
    if not topics:
        say("    🟡 No topics present")
    else:
        partitions = await client.admin.partitions.list()
        size = sum(max(0, partition.status.size) for partition in partitions)
        noun = "topic" if len(topics) == 1 else "topics"
        say(f"    ✅ {len(topics)} {noun} using {format_size_bytes(size)}")
    return online > 0


def _profile_name(target: Target) -> str:
    from fluvio_client.errors import NoActiveProfile
    from fluvio_client.profile import ProfileStore

    store = ProfileStore.load()
    try:
        store.resolve(target.profile)
    except NoActiveProfile as error:
        raise Failure(str(error)) from error
    return str(target.profile or store.current)
