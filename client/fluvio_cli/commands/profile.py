"""`fluvio profile`: which cluster commands talk to."""

import sys
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.failure import Failure
from fluvio_cli.output import OutputType, format_columns, format_data, output_option

if TYPE_CHECKING:
    from fluvio_client.profile import ProfileStore

HEADERS = ("", "PROFILE", "CLUSTER", "ADDRESS", "TLS", "INSTALLATION")
NO_CONFIG = "Unable to find Fluvio config\nTry using 'fluvio cluster start'"
INSTALLATION_TYPES = ("k8", "local", "local-k8", "read-only", "docker", "cloud")


def _load() -> "ProfileStore":
    from fluvio_client.profile import ProfileStore

    return ProfileStore.load()


@click.group("profile", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Choose which cluster commands talk to. Alone, prints the current profile."""
    if context.invoked_subcommand is None:
        _print_current()


def _print_current() -> None:
    store = _load()
    if not store.exists:
        click.echo("no profile can be found")
    else:
        click.echo(store.current or "no current profile set")


@command.command("current")
def current() -> None:
    """Print the current profile."""
    _print_current()


@command.command("list")
@output_option()
def list_profiles(*, output: OutputType) -> None:
    """Show all profiles."""
    store = _load()
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, config_shape(store)))
        return
    if not store.exists:
        click.echo(NO_CONFIG, err=True)
        return
    rows = []
    for profile in store.profiles():
        cluster = store.cluster(profile.cluster)
        rows.append(
            [
                "*" if profile.current else "",
                profile.name,
                profile.cluster,
                cluster.endpoint,
                cluster.tls_policy.capitalize(),
                cluster.installation.replace("_", " ").title().replace(" ", ""),
            ]
        )
    sys.stdout.write(format_columns(rows, headers=HEADERS))


def config_shape(store: "ProfileStore") -> dict[str, Any]:
    """The whole file as Fluvio's JSON shows it: absent values are null."""
    return {
        "version": store.version,
        "current_profile": store.current,
        "profile": {
            profile.name: {"cluster": profile.cluster, "topic": None, "partition": None}
            | dict(store.profile_entry(profile.name))
            for profile in store.profiles()
        },
        "cluster": {
            cluster.name: cluster_shape(store, cluster.name) for cluster in store.clusters()
        },
        "client_id": store.client_id,
    }


def cluster_shape(store: "ProfileStore", name: str) -> dict[str, Any]:
    """One cluster as Fluvio's JSON shows it."""
    cluster = store.cluster(name)
    shape: dict[str, Any] = {
        "endpoint": cluster.endpoint,
        "use_spu_local_address": cluster.use_spu_local_address,
        "tls": {"tls_policy": cluster.tls_policy}
        | {key: value for key, value in cluster.tls.items() if key != "tls_policy"},
    }
    if cluster.metadata:
        shape["metadata"] = dict(cluster.metadata)
    return shape


@command.command("switch")
@click.argument("name")
def switch(*, name: str) -> None:
    """Make a profile the current one."""
    store = _load()
    store.switch(name)
    store.save()


@command.command("rename")
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO")
def rename(*, old: str, new: str) -> None:
    """Rename a profile."""
    store = _load()
    store.rename(old, new)
    store.save()


@command.command("delete")
@click.argument("name")
def delete(*, name: str) -> None:
    """Delete a profile; its cluster stays as it is."""
    store = _load()
    was_current = store.delete(name)
    store.save()
    click.echo(f"profile {name} deleted")
    if was_current:
        click.echo(
            "warning: this was your current profile; choose another one with "
            "'fluvio profile switch'",
            err=True,
        )


@command.command("delete-cluster")
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Also when profiles use it.")
def delete_cluster(*, name: str, force: bool) -> None:
    """Delete a cluster's address from the file; the cluster itself stays as it is."""
    store = _load()
    users = store.profiles_of_cluster(name)
    if users and not force:
        raise Failure(
            f"cluster {name} is used by the profiles: {', '.join(users)}. "
            "Use --force to delete it anyway"
        )
    store.delete_cluster(name)
    store.save()
    click.echo(f"Cluster {name} deleted")


@command.command("add")
@click.argument("name")
@click.argument("address", metavar="HOST:PORT")
@click.argument(
    "installation",
    metavar="[TYPE]",
    required=False,
    type=click.Choice(INSTALLATION_TYPES, case_sensitive=False),
)
def add(*, name: str, address: str, installation: str | None) -> None:
    """Make a profile for a cluster that runs already, and switch to it."""
    from fluvio_client.fluvio import parse_address

    store = _load()
    store.add(
        name,
        str(parse_address(address)),
        installation=None if installation is None else installation.replace("-", "_"),
    )
    store.save()
    click.echo(f"Switched to profile {name}")


@command.group("sync")
def sync() -> None:
    """Make a profile for a cluster that is found."""


@sync.command("local")
@click.argument("address", metavar="[HOST:PORT]", default="localhost:9003")
def sync_local(*, address: str) -> None:
    """Make the profile `local` for a cluster on this machine."""
    from fluvio_client.fluvio import parse_address

    place = str(parse_address(address))
    store = _load()
    store.add("local", place, installation="local")
    store.save()
    click.echo(f"local context is set to: {place}")


@sync.command("k8")
@click.argument("name", required=False)
@click.option(
    "-n", "--namespace", default="default", show_default=True, metavar="NAME", help="Where it is"
)
@click.option(
    "--kube-context",
    "context_name",
    metavar="NAME",
    help="Context of kubeconfig, instead of the current one",
)
def sync_k8(*, name: str | None, namespace: str, context_name: str | None) -> None:
    """Make a profile for a cluster on Kubernetes, named after the context unless told."""
    from fluvio_cli.kubernetes.api import Kubernetes
    from fluvio_cli.kubernetes_cluster.address import PUBLIC_SERVICE, public_address
    from fluvio_cli.kubernetes_cluster.target import save_profile

    kubernetes = Kubernetes.connect(context_name)
    address = public_address(kubernetes, namespace)
    if address is None:
        raise Failure(
            f"The load balancer of Service {PUBLIC_SERVICE} has no address yet: try again later"
        )
    save_profile(
        name or kubernetes.context.name,
        str(address),
        context_name=kubernetes.context.name,
        namespace=namespace,
        inside=address.inside,
    )
    click.echo("k8 profile set")


@command.command("export")
@click.argument("name", required=False)
@output_option(OutputType.TOML)
def export(*, name: str | None, output: OutputType) -> None:
    """Print a profile: a whole file as toml, only the cluster as json or yaml."""
    from fluvio_client.errors import ConfigError

    store = _load()
    cluster = store.resolve(name)
    if output is OutputType.TOML:
        wanted = name or store.current
        if wanted is None:
            raise ConfigError("Config has no active profile")
        click.echo(store.export(wanted))
    elif output is OutputType.TABLE:
        raise Failure("a profile is exported as toml, json or yaml")
    else:
        sys.stdout.write(format_data(output, cluster_shape(store, cluster.name)))
