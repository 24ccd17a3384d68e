"""`fluvio version`: of the command, and of the cluster when there is one that answers."""

import asyncio
import json
import platform

import click

from fluvio_cli import installed, plugins
from fluvio_cli.failure import Failure
from fluvio_cli.target import client_id, target_of

NOT_AVAILABLE = "Not available"
CLUSTER_TIMEOUT_S = 3.0
NAME_WIDTH = 30


@click.command("version")
@click.option("-j", "--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Show versions. Never fails because no cluster answers."""
    found = {
        "Fluvio CLI": installed.version(),
        "Fluvio CLI Arch": f"{platform.machine()}-{platform.system().lower()}",
        "Fluvio CLI SHA256": _sources_sha256(),
        "Fluvio Platform": _platform_version(context),
        "Git Commit": installed.commit() or NOT_AVAILABLE,
        "Python": platform.python_version(),
        "OS Details": f"{_system_name()} (kernel {platform.release()})",
    }
    found_plugins = {one.title: one.version for one in plugins.installed()}
    if as_json:
        found.update(found_plugins)
        click.echo(json.dumps(found, indent=2))
        return
    width = max(len(value) for value in found.values())
    for name, value in found.items():
        click.echo(f" {name:<{NAME_WIDTH}} : {value:<{width}} ")
    if found_plugins:
        click.echo("=== Plugin Versions ===")
    for name, value in found_plugins.items():
        click.echo(f" {name:<{NAME_WIDTH}} : {value:<{width}} ")


def _sources_sha256() -> str:
    try:
        return installed.sources_sha256()
    except OSError:
        return NOT_AVAILABLE


def _system_name() -> str:
    try:
        release = platform.freedesktop_os_release()
        return f"{release['NAME']} {release.get('VERSION_ID', '')}".strip()
    except (OSError, KeyError):
        return platform.system()


def _platform_version(context: click.Context) -> str:
    from fluvio_client.errors import FluvioError
    from fluvio_client.fluvio import connect
    from fluvio_client.profile import ProfileStore

    async def ask() -> str:
        target = target_of(context)
        client = connect(
            target.profile,
            address=target.cluster,
            client_id=client_id(),
            timeout_s=CLUSTER_TIMEOUT_S,
        )
        async with client:
            name = target.cluster or target.profile or ProfileStore.load().current or "?"
            return f"{client.platform_version} ({name})"

    try:
        return asyncio.run(ask())
    except (FluvioError, Failure):
        return NOT_AVAILABLE
