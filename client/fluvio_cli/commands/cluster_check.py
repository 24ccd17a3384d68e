"""Checks before a start, `cluster check`, and `cluster status`.

Checks are printed one by one on standard error, in the words and signs that Fluvio uses:
✅ fine, 🟡 worth knowing, ❌ in the way.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands.cluster_process import (
    ClusterSettings,
    Inspection,
    data_directory_option,
    default_log_directory,
    inspect,
)
from fluvio_cli.failure import Failure
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import Target, run_client, target_of

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

NOT_DELETED = (
    "Local Fluvio cluster wasn't deleted. Use 'resume' to resume created cluster or 'delete' "
    "before starting a new one"
)


def say(text: str) -> None:
    """One line of progress."""
    click.echo(text, err=True)


class Checks:
    """Prints checks and remembers whether one failed."""

    def __init__(self) -> None:
        self.failed = False

    def passed(self, name: str, text: str) -> None:
        self._show(name, f"✅ {text}")

    def noted(self, name: str, text: str) -> None:
        self._show(name, f"🟡 {text}")

    def refused(self, name: str, text: str) -> None:
        self.failed = True
        self._show(name, f"❌ Check {name} failed {text}")

    def conclude(self) -> None:
        """Say how it went. Raises Failure when a check failed."""
        if self.failed:
            say("💔 Some pre-flight check failed!")
            raise Failure("Preflight check failed")
        say("🎉 All checks passed!")

    def _show(self, name: str, verdict: str) -> None:
        say(f"    📝 Checking {name}")
        say(f"    {verdict}")


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
@data_directory_option
def check(data_dir: Path) -> None:
    """Check whether a local cluster can be started."""
    check_before_start(
        ClusterSettings(data_directory=data_dir, log_directory=default_log_directory())
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
    say("    📝 Checking SC")
    if not _show_status(context):
        raise Failure("The cluster does not work")


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
