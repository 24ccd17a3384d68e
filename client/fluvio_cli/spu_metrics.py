"""Where the SPUs of a cluster give their metrics, and fetching them: text as Prometheus takes it.

    a cluster on this machine   a socket of each SPU in the cluster's folder
    one on Kubernetes           port 9100 of each SPU's pod, by way of the API server
    any                         addresses that somebody names

Called by commands that show what SPUs did, and by `cluster diagnostics`. Blocks.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Failure, was_given
from fluvio_cli.kubernetes_cluster.target import K8, LOCAL, place_of, profile_of
from fluvio_cli.target import target_of

if TYPE_CHECKING:
    from fluvio_client.profile import ClusterConfig

PATIENCE_S = 10.0
TEXT_BYTES_MAX = 16 << 20
METRICS_PORT = 9100


class NoMetrics(Failure):
    """An SPU does not tell; the text says why."""


@dataclass(frozen=True, slots=True)
class MetricsSource:
    """One SPU. read: its metrics; raises NoMetrics."""

    name: str
    read: Callable[[], str]


def sources_of(
    context: click.Context,
    *,
    data_dir: Path | None,
    namespace: str | None,
    context_name: str | None,
    urls: tuple[str, ...],
) -> list[MetricsSource]:
    """The SPUs that flags name, else those of the profile's cluster. Raises Failure."""
    if urls:
        return [_at_address(url) for url in urls]
    if was_given(context, "namespace") or was_given(context, "context_name"):
        return _on_kubernetes(context, namespace=namespace, context_name=context_name)
    if data_dir is None and target_of(context).cluster is not None:
        raise Failure(
            "an address of a cluster does not say where its SPUs give their metrics: "
            "say --data-dir, --namespace or --url, or use a profile"
        )
    found = None if data_dir is not None else profile_of(context)
    cluster = None if found is None else found[1]
    if cluster is not None and cluster.metadata.get("installation") == K8:
        return _on_kubernetes(context, namespace=namespace, context_name=context_name)
    return sources_on_this_machine(data_dir or _folder_of(cluster))


def _folder_of(cluster: "ClusterConfig | None") -> Path:
    from fluvio_cli.commands.cluster_process import default_data_directory

    remembered = None if cluster is None else cluster.metadata.get(LOCAL)
    if isinstance(remembered, Mapping) and "data_dir" in remembered:
        return Path(str(remembered["data_dir"]))
    return default_data_directory()


def sources_on_this_machine(folder: Path) -> list[MetricsSource]:
    """The SPUs of the cluster whose data is there. Raises Failure when none runs."""
    found = sorted((folder / "run").glob("spu-*.sock"))
    if not found:
        raise Failure(f"{folder}: no SPU runs there; say where the cluster is: --data-dir")
    return [
        MetricsSource(path.stem.replace("-", " "), lambda path=path: _of_socket(path))  # type: ignore[misc]
        for path in found
    ]


def _of_socket(path: Path) -> str:
    """However long the path is: it is reached through its folder, opened."""
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(PATIENCE_S)
                connection.connect(f"/proc/self/fd/{folder}/{path.name}")
                return _text(connection.makefile("rb").read(TEXT_BYTES_MAX))
        finally:
            os.close(folder)
    except OSError as error:
        raise NoMetrics(error.strerror or str(error)) from error


def _at_address(url: str) -> MetricsSource:
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise Failure(f"Invalid argument: {url}: expected http://HOST:PORT/metrics")

    def read() -> str:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
                return _text(answer.read(TEXT_BYTES_MAX))
        except OSError as error:
            raise NoMetrics(str(error)) from error

    return MetricsSource(url, read)


def _on_kubernetes(
    context: click.Context, *, namespace: str | None, context_name: str | None
) -> list[MetricsSource]:
    from fluvio_cli.kubernetes.api import Kubernetes
    from fluvio_cli.kubernetes.resources import PODS

    place = place_of(context, context_name=context_name, namespace=namespace)
    kubernetes = Kubernetes.connect(place.context_name)
    names = [
        str(pod["metadata"]["name"])
        for pod in kubernetes.list(PODS, place.namespace)
        if (pod["metadata"].get("labels") or {}).get("app") == "spu"
    ]
    if not names:
        raise Failure(f"no SPU runs in the namespace {place.namespace}")

    def read(name: str) -> str:
        try:
            return kubernetes.fetch(name, place.namespace, METRICS_PORT, "metrics")
        except click.ClickException as error:
            raise NoMetrics(error.format_message()) from error

    return [MetricsSource(f"pod {name}", lambda name=name: read(name)) for name in sorted(names)]  # type: ignore[misc]


def _text(content: bytes) -> str:
    if not content:
        raise NoMetrics("it says nothing")
    return content.decode(errors="replace")
