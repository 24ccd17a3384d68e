"""`cluster shutdown`, for local clusters, and `cluster delete`, for those on Kubernetes as well."""

import sys
from pathlib import Path

import click

from fluvio_cli.commands.cluster_kubernetes import NAMESPACE_OPTIONS, kubernetes_options
from fluvio_cli.commands.cluster_process import (
    ClusterSettings,
    data_directory_option,
    inspect,
)
from fluvio_cli.commands.cluster_process import delete as delete_data
from fluvio_cli.commands.cluster_process import stop as stop_processes
from fluvio_cli.failure import Failure, exclude, was_given
from fluvio_cli.kubernetes_cluster import removal
from fluvio_cli.kubernetes_cluster.target import K8, installation_of, place_of
from fluvio_cli.progress import say


def refuse_on_kubernetes(context: click.Context, what: str) -> None:
    """Raises Failure when the profile is of a cluster on Kubernetes and no folder is named."""
    if not was_given(context, "data_dir") and installation_of(context) == K8:
        raise Failure(
            f"❌ {what} is only implemented for local clusters. For one beside the cluster of the "
            "current profile name its folder with --data-dir"
        )


@click.command("shutdown")
@data_directory_option
@click.pass_context
def shutdown(context: click.Context, data_dir: Path) -> None:
    """Stop a local cluster and keep its data; `resume` starts it again."""
    refuse_on_kubernetes(context, "Shutdown")
    if not inspect(data_dir).running:
        return
    say("Uninstalling fluvio local components")
    stop_processes(data_dir)
    say("Uninstalled fluvio local components")


@click.command("delete")
@click.option("-f", "--force", is_flag=True, help="Do not ask")
@click.option("--local", is_flag=True, help="The cluster on this machine")
@click.option("--k8", is_flag=True, help="The cluster on Kubernetes")
@click.option(
    "--sys",
    "definitions",
    is_flag=True,
    help="K8: also the definitions of Fluvio's resources, when no cluster is left",
)
@click.option("--name", hidden=True)
@click.option("--no-wait", is_flag=True, hidden=True)
@data_directory_option
@kubernetes_options(NAMESPACE_OPTIONS)
@click.pass_context
def delete(
    context: click.Context,
    *,
    force: bool,
    local: bool,
    k8: bool,
    definitions: bool,
    name: str | None,
    no_wait: bool,
    data_dir: Path,
    namespace: str | None,
    context_name: str | None,
) -> None:
    """Delete a cluster with its data and its profile, of the profile's kind unless told."""
    exclude(context, "local", "k8")
    exclude(context, "local", "definitions")
    asked_local = local or was_given(context, "data_dir")
    if k8 or definitions or (not asked_local and installation_of(context) == K8):
        _delete_on_kubernetes(
            context,
            force=force,
            definitions=definitions,
            namespace=namespace,
            context_name=context_name,
        )
    else:
        _delete_local(force=force, data_dir=data_dir)


def _delete_on_kubernetes(
    context: click.Context,
    *,
    force: bool,
    definitions: bool,
    namespace: str | None,
    context_name: str | None,
) -> None:
    place = place_of(context, context_name=context_name, namespace=namespace)
    found = removal.find(place)
    where = f'namespace "{place.namespace}" of context "{found.kubernetes.context.name}"'
    if found.nothing:
        say(f"There is no Fluvio cluster in {where}")
    else:
        if not force:
            _confirm(found.name, f"{where}: {found.describe()}")
        removal.remove(found)
    if definitions:
        if found.nothing and not force:
            _confirm("fluvio", f'context "{found.kubernetes.context.name}": the definitions')
        removal.remove_definitions(place)


def _delete_local(*, force: bool, data_dir: Path) -> None:
    found = inspect(data_dir)
    if found.settings is None and not found.running:
        say(f"There is no local cluster in {data_dir}")
        return
    name = found.settings.name if found.settings is not None else "local"
    if not force:
        _confirm(name, f"{data_dir} with all its data")
    say("Uninstalling fluvio local components")
    delete_data(data_dir)
    if found.settings is not None:
        _delete_profile(found.settings)
        say(f"Logs are kept in {found.settings.log_directory}")
    say("Uninstalled fluvio local components")


def _confirm(name: str, what: str) -> None:
    """Have the user type the name. Raises Failure when he cannot or does not."""
    if not sys.stdin.isatty():
        raise Failure(
            f'Deleting cluster "{name}" deletes all its data: confirm with --force, for there is '
            "no terminal to ask"
        )
    say(f"WARNING: this deletes the cluster in {what}.")
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
