"""`cluster shutdown` and `cluster delete`, for local clusters."""

import sys
from pathlib import Path

import click

from fluvio_cli.commands.cluster_check import say
from fluvio_cli.commands.cluster_process import (
    ClusterSettings,
    data_directory_option,
    inspect,
)
from fluvio_cli.commands.cluster_process import delete as delete_data
from fluvio_cli.commands.cluster_process import stop as stop_processes
from fluvio_cli.failure import Failure


@click.command("shutdown")
@data_directory_option
def shutdown(data_dir: Path) -> None:
    """Stop a local cluster and keep its data; `resume` starts it again."""
    if not inspect(data_dir).running:
        return
    say("Uninstalling fluvio local components")
    stop_processes(data_dir)
    say("Uninstalled fluvio local components")


@click.command("delete")
@click.option("-f", "--force", is_flag=True, help="Do not ask")
@click.option("--local", is_flag=True, hidden=True)
@click.option("--k8", is_flag=True, help="On Kubernetes: not in this release")
@data_directory_option
def delete(*, force: bool, local: bool, k8: bool, data_dir: Path) -> None:
    """Stop a local cluster and delete its data and its profile."""
    if k8:
        raise Failure("Clusters on Kubernetes are not available in this release")
    found = inspect(data_dir)
    if found.settings is None and not found.running:
        say(f"There is no local cluster in {data_dir}")
        return
    name = found.settings.name if found.settings is not None else "local"
    if not force:
        _confirm(name, data_dir)
    say("Uninstalling fluvio local components")
    delete_data(data_dir)
    if found.settings is not None:
        _delete_profile(found.settings)
        say(f"Logs are kept in {found.settings.log_directory}")
    say("Uninstalled fluvio local components")


def _confirm(name: str, data_directory: Path) -> None:
    """Have the user type the name. Raises Failure when he cannot or does not."""
    if not sys.stdin.isatty():
        raise Failure(
            f'Deleting cluster "{name}" deletes all its data: confirm with --force, for there is '
            "no terminal to ask"
        )
    say(f"WARNING: this deletes the cluster in {data_directory} with all its data.")
    typed = click.prompt(f'Type the name of the cluster, "{name}", to delete it', err=True)
    if typed.strip() != name:
        raise Failure("Nothing was deleted: the name is another one")


def _delete_profile(settings: ClusterSettings) -> None:
    """Remove the profile and cluster entry of that name, if they still mean this cluster."""
    from fluvio_client.errors import ConfigError, ProfileNotFound
    from fluvio_client.profile import ProfileStore

    try:
        profiles = ProfileStore.load()
        cluster = profiles.resolve(settings.name)
        if cluster.endpoint != settings.endpoint or cluster.installation != "local":
            return
        for profile in profiles.profiles_of_cluster(cluster.name):
            profiles.delete(profile)
        profiles.delete_cluster(cluster.name)
        profiles.save()
    except ProfileNotFound:
        return
    except ConfigError as error:
        say(f"🟡 The profile was not removed: {error}")
