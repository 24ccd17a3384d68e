"""Options of `cluster start` and `cluster upgrade` for Kubernetes, and what they amount to.

Called by those commands, and by `cluster check`. Spellings are Fluvio's; those that mean nothing
any more are taken and hidden.
"""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from fluvio_cli.failure import Failure, spelling, was_given
from fluvio_cli.kubernetes_cluster.chart_settings import (
    INGRESS_PATH,
    ChartSettings,
    ValuePath,
    value_at,
)
from fluvio_cli.kubernetes_cluster.install import Installation
from fluvio_cli.kubernetes_cluster.provider import Provider
from fluvio_cli.kubernetes_cluster.target import DEFAULT_NAMESPACE
from fluvio_cli.progress import say

Command = TypeVar("Command", bound=Callable[..., Any])
KUBERNETES_TIMEOUT_S = 300
GROUP_NAME = "main"
STORAGE_SIZE_GIB = 10
_AUTO = "auto"
NO_TLS = (
    "TLS is not in this release: start without {flag}, and keep the ports inside a network that "
    "you trust"
)

NAMESPACE_OPTIONS = (
    click.option(
        "--namespace", metavar="NAME", help="K8: namespace of the cluster  [default: default]"
    ),
    click.option(
        "--kube-context",
        "context_name",
        metavar="NAME",
        help="K8: context of kubeconfig, instead of the current one",
    ),
)
CHART_OPTIONS = (
    click.option(
        "--chart-location",
        metavar="PLACE",
        help="K8: chart to install: a folder, an archive or a repository's address, instead of "
        "the one in this command",
    ),
    click.option("--chart-version", metavar="VERSION", help="K8: version of that chart"),
    click.option(
        "--chart-values",
        "--values",
        "chart_files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="K8: values for the chart; may be repeated, the last one wins",
    ),
    click.option(
        "--set",
        "chart_sets",
        multiple=True,
        metavar="NAME=VALUE",
        help="K8: one value for the chart; may be repeated, wins over everything",
    ),
    click.option("--image-version", metavar="TAG", help="K8: tag of the images"),
    click.option("--registry", metavar="PLACE", help="K8: registry of the images"),
    click.option("--rust-log", metavar="LEVEL", help="K8: how much the servers log"),
    click.option(
        "--service-type",
        type=click.Choice(["NodePort", "LoadBalancer", "ClusterIP"], case_sensitive=False),
        metavar="TYPE",
        help="K8: how clients come in: NodePort, LoadBalancer or ClusterIP  [default: NodePort]",
    ),
    click.option(
        "--proxy-addr",
        metavar="HOST",
        help="K8: address that clients are told, instead of a node's",
    ),
    click.option("--develop", is_flag=True, hidden=True),
    click.option("--install-name", hidden=True),
    click.option("--authorization-config-map", hidden=True),
    click.option("--tls", is_flag=True, hidden=True),
    *(
        click.option(f"--{name}", hidden=True)
        for name in (
            *("domain", "ca-cert", "client-cert", "client-key", "server-cert", "server-key"),
            *("tls-client-secret-name", "tls-server-secret-name"),
        )
    ),
)
INSTALL_OPTIONS = (
    click.option(
        "--group-name",
        metavar="NAME",
        default=GROUP_NAME,
        show_default=True,
        help="K8: name of the first group of SPUs",
    ),
    click.option(
        "--spu-storage-size",
        type=click.IntRange(1),
        default=STORAGE_SIZE_GIB,
        show_default=True,
        metavar="GIB",
        help="K8: volume of each SPU",
    ),
    click.option(
        "--provider",
        type=click.Choice([_AUTO, *(one.value for one in Provider)], case_sensitive=False),
        default=_AUTO,
        show_default=True,
        help="K8: what made the Kubernetes cluster",
    ),
    click.option("--use-k8-port-forwarding", is_flag=True, hidden=True),
    click.option("--use-cluster-ip", is_flag=True, hidden=True),
)
_REFUSED = (
    *("tls", "domain", "ca_cert", "client_cert", "client_key", "server_cert", "server_key"),
    *("authorization_config_map",),
)


def kubernetes_options(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Any], Any]:
    """Add groups of options to a command, which takes them as keywords."""

    def add(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


def refuse_tls(context: click.Context) -> None:
    """Raises Failure for options that ask for what is not there yet."""
    for param in context.command.params:
        if param.name in _REFUSED and was_given(context, param.name):
            raise Failure(NO_TLS.format(flag=spelling(param).split(" ")[0]))


def note_unused(context: click.Context, names: tuple[str, ...], mode: str) -> None:
    """Say of options that were given and mean nothing here."""
    for param in context.command.params:
        if param.name in names and was_given(context, param.name):
            say(f"🟡 {spelling(param).split(' ')[0]} concerns only {mode}: not used")


def chart_settings(context: click.Context, options: Mapping[str, Any]) -> ChartSettings:
    """What the options say of the chart. Raises Failure."""
    refuse_tls(context)
    flags: dict[ValuePath, Any] = {}
    for name, path in (
        ("image_version", ("image", "tag")),
        ("registry", ("image", "registry")),
        ("rust_log", ("scLog",)),
        ("service_type", ("service", "type")),
        ("proxy_addr", INGRESS_PATH),
    ):
        if options.get(name) is not None:
            flags[path] = options[name]
    if options.get("develop"):
        flags["image", "tag"] = _git_head()
    if was_given(context, "spu_count"):
        flags["spg", "replicas"] = options["spu_count"]
    if was_given(context, "group_name"):
        flags["spg", "name"] = options["group_name"]
    if was_given(context, "spu_storage_size"):
        flags["spg", "storageSize"] = f"{options['spu_storage_size']}Gi"
    return ChartSettings(
        location=options["chart_location"],
        version=options["chart_version"],
        files=tuple(options["chart_files"]),
        sets=tuple(options["chart_sets"]),
        flags=flags,
    )


def _git_head() -> str:
    """The commit of the folder that we are in: images are tagged with it by developers."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(
            "--develop needs git and a checkout: run it inside one, or use --image-version"
        ) from error
    return result.stdout.strip()


def installation(
    context: click.Context, options: Mapping[str, Any], *, profile: str | None
) -> Installation:
    """What `cluster start --k8` was told. Raises Failure."""
    chart = chart_settings(context, options)
    count = value_at(chart.chosen(), ("spg", "replicas"))
    provider = options["provider"]
    return Installation(
        context_name=options["context_name"],
        namespace=options["namespace"] or DEFAULT_NAMESPACE,
        chart=chart,
        group=options["group_name"],
        spu_count=count if isinstance(count, int) else options["spu_count"],
        storage_size=f"{options['spu_storage_size']}Gi",
        proxy=options["proxy_addr"],
        provider=None if provider == _AUTO else Provider(provider),
        profile=profile,
        save_profile=not options["skip_profile_creation"],
        check=not options["skip_checks"],
        inside=options["use_cluster_ip"],
        look=not options["use_k8_port_forwarding"],
        timeout_s=options["timeout_s"] or KUBERNETES_TIMEOUT_S,
    )
