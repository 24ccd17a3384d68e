"""`cluster diagnostics`: what somebody needs to find out what is wrong, in one archive."""

import json
from datetime import datetime
from pathlib import Path

import click

from fluvio_cli.commands.cluster_kubernetes import NAMESPACE_OPTIONS, kubernetes_options
from fluvio_cli.commands.cluster_process import data_directory_option, inspect
from fluvio_cli.diagnostics.archive import SIZE_BYTES_MAX, Archive
from fluvio_cli.failure import exclude, was_given
from fluvio_cli.kubernetes_cluster.target import K8, LOCAL, Place, installation_of, place_of
from fluvio_cli.progress import say
from fluvio_cli.target import target_of


@click.command("diagnostics")
@click.option("--quiet", is_flag=True, help="Print only where the archive is")
@click.option("--local", is_flag=True, help="The cluster on this machine")
@click.option("--k8", is_flag=True, help="The cluster on Kubernetes")
@click.option(
    "--max-size",
    "size_mib_max",
    type=click.IntRange(1),
    default=SIZE_BYTES_MAX >> 20,
    show_default=True,
    metavar="MIB",
    help="How much may be collected, before compression",
)
@data_directory_option
@kubernetes_options(NAMESPACE_OPTIONS)
@click.pass_context
def diagnostics(
    context: click.Context,
    *,
    quiet: bool,
    local: bool,
    k8: bool,
    size_mib_max: int,
    data_dir: Path,
    namespace: str | None,
    context_name: str | None,
) -> None:
    """Collect logs, objects and events of a cluster into an archive, without secrets."""
    from fluvio_cli.diagnostics.objects import collect_machine, collect_objects

    exclude(context, "local", "k8")
    target = target_of(context)
    kind = _kind(context, local=local, k8=k8)
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d-%H-%M-%S")
    path = Path.cwd() / f"diagnostics-{stamp}.tar.gz"
    with Archive(path, size_bytes_max=size_mib_max << 20) as archive:
        _tell(quiet, "Collecting what the cluster says of itself")
        collect_objects(archive, address=target.cluster, profile=target.profile)
        if kind == K8:
            place = place_of(context, context_name=context_name, namespace=namespace)
            _tell(quiet, "Collecting what Kubernetes says")
            _collect_kubernetes(archive, place)
        elif kind == LOCAL:
            _tell(quiet, "Collecting logs")
            archive.collect("local", lambda: _collect_local(archive, data_dir))
        collect_machine(archive)
    click.echo(f"Wrote diagnostics to {path}")


def _kind(context: click.Context, *, local: bool, k8: bool) -> str | None:
    """None for a cluster of which only the address is known."""
    if local or was_given(context, "data_dir"):
        return LOCAL
    if k8 or was_given(context, "namespace") or was_given(context, "context_name"):
        return K8
    if target_of(context).cluster is not None:
        return None
    return installation_of(context) or LOCAL


def _tell(quiet: bool, text: str) -> None:
    if not quiet:
        say(text)


def _collect_kubernetes(archive: Archive, place: Place) -> None:
    from fluvio_cli.diagnostics.on_kubernetes import collect_kubernetes

    archive.collect("kubernetes", lambda: collect_kubernetes(archive, place))


def _collect_local(archive: Archive, data_dir: Path) -> None:
    """Settings, processes, logs, metrics, and which files the data folder has."""
    found = inspect(data_dir)
    archive.add_data(
        "local/processes.yaml",
        {
            "controller": found.controller_pid,
            "spus": {str(spu_id): pid for spu_id, pid in found.spu_pids.items()},
            "version": found.installed_version,
            "cluster_version": found.platform_version,
        },
    )
    description = data_dir / "cluster.json"
    if description.exists():
        archive.add_data("local/cluster.yaml", json.loads(description.read_text("utf-8")))
    if found.settings is not None:
        for log in sorted(found.settings.log_directory.glob("*.log")):
            archive.add_text(f"logs/{log.name}", log.read_text("utf-8", "replace"))
    archive.collect("metrics", lambda: _collect_metrics(archive, data_dir))
    files = [
        f"{path.stat().st_size:>14} {path.relative_to(data_dir)}"
        for path in sorted(data_dir.rglob("*"))
        if path.is_file()
    ]
    archive.add_text("local/files.txt", "\n".join(files) + "\n")


def _collect_metrics(archive: Archive, data_dir: Path) -> None:
    """Of the SPUs that run."""
    from fluvio_cli.spu_metrics import sources_on_this_machine

    for source in sources_on_this_machine(data_dir):
        name = f"metrics/{source.name.replace(' ', '-')}.txt"
        archive.collect(
            name,
            lambda name=name, source=source: archive.add_text(name, source.read()),  # type: ignore[misc]
        )
