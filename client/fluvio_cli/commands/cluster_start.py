"""`cluster start` and `cluster resume`: a local cluster, up in about two seconds.

The controller runs on when the command ends. It is ready when a client can connect and all its
SPUs are online; when that does not happen, the end of its log says why. With `--k8` the command
hands over to `fluvio_cli.kubernetes_cluster`.
"""

import asyncio
import re
import socket
import time
from pathlib import Path
from typing import Any

import click

from fluvio_cli.commands.cluster_check import check_before_resume, check_before_start
from fluvio_cli.commands.cluster_kubernetes import (
    CHART_OPTIONS,
    INSTALL_OPTIONS,
    KUBERNETES_TIMEOUT_S,
    NAMESPACE_OPTIONS,
    installation,
    kubernetes_options,
    note_unused,
    refuse_tls,
)
from fluvio_cli.commands.cluster_process import (
    DEFAULT_PRIVATE,
    DEFAULT_PUBLIC,
    DEFAULT_SPU_PORT_BASE,
    ClusterSettings,
    Controller,
    data_directory_option,
    default_log_directory,
)
from fluvio_cli.commands.cluster_stop import refuse_on_kubernetes
from fluvio_cli.failure import Failure, Parsed, exclude
from fluvio_cli.kubernetes_cluster import install as kubernetes_install
from fluvio_cli.progress import say
from fluvio_cli.target import client_id

READY_TIMEOUT_S = 60
PROFILE_NAME = "local"
LOCAL_ONLY = (
    "data_dir",
    "log_dir",
    "public",
    "private",
    "spu_port_base",
    "durability",
    "min_in_sync_replicas",
)
KUBERNETES_ONLY = (
    *("namespace", "context_name", "chart_location", "chart_version", "chart_files", "chart_sets"),
    *("image_version", "registry", "rust_log", "service_type", "proxy_addr", "group_name"),
    *("spu_storage_size", "provider", "only_definitions"),
)
POLL_INTERVAL_S = 0.02


class NotReady(Exception):
    """The cluster did not become ready; the text says how far it came."""


def parse_address(text: str) -> str:
    """`host:port`, as given. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()):
        raise ValueError("expected host:port")
    if not 0 < int(port) < 65536:
        raise ValueError(f"{port} is no port")
    return text


def parse_durability(text: str) -> str:
    """A policy as SPUs take it, as given. Raises ValueError."""
    if not re.fullmatch(r"page-cache|every-batch|group(:[1-9]\d{0,8}:[1-9]\d{0,11})?", text):
        raise ValueError("expected page-cache, every-batch, group or group:<milliseconds>:<bytes>")
    return text


_ADDRESS = Parsed("address", parse_address)
_TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="How long each step may take without coming further  "
    f"[default: {READY_TIMEOUT_S}, on Kubernetes {KUBERNETES_TIMEOUT_S}]",
)


@click.command("start")
@click.option("--local", is_flag=True, help="Processes on this machine (the default)")
@click.option("--k8", is_flag=True, help="On Kubernetes, by kubeconfig and helm")
@click.option("--local-k8", "local_k8", is_flag=True, hidden=True)
@click.option(
    "--read-only",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="On this machine, with the objects of this file, which nobody can change",
)
@click.option(
    "--spu",
    "spu_count",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of SPUs",
)
@data_directory_option
@click.option(
    "--log-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    default=default_log_directory,
    help="Where logs go  [default: ~/.fluvio/log]",
)
@click.option(
    "--sc-pub-addr",
    "public",
    type=_ADDRESS,
    default=DEFAULT_PUBLIC,
    show_default=True,
    metavar="HOST:PORT",
    help="Where clients connect",
)
@click.option(
    "--sc-priv-addr",
    "private",
    type=_ADDRESS,
    default=DEFAULT_PRIVATE,
    show_default=True,
    metavar="HOST:PORT",
    help="Where SPUs connect",
)
@click.option(
    "--spu-port-base",
    type=click.IntRange(1, 65535),
    default=DEFAULT_SPU_PORT_BASE,
    show_default=True,
    metavar="PORT",
    help="Port of the first SPU; each takes two, ten apart",
)
@click.option(
    "--durability",
    type=Parsed("durability", parse_durability),
    metavar="POLICY",
    help="When a record is safe: page-cache, group, group:<ms>:<bytes> or every-batch  "
    "[default: $FLV_DURABILITY, else page-cache]",
)
@click.option(
    "--min-in-sync-replicas",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Replicas in sync that a record needs before it is committed",
)
@click.option(
    "--profile-name",
    metavar="NAME",
    help="Name of the profile  [default: local, on Kubernetes the context's name]",
)
@click.option("--skip-profile-creation", is_flag=True, help="Leave the profile file alone")
@click.option("--skip-checks", is_flag=True, help="Start without the checks before it")
@click.option("--setup", "only_checks", is_flag=True, help="Run the checks only")
@click.option(
    "--sys-only",
    "--sys",
    "only_definitions",
    is_flag=True,
    help="K8: install the definitions of Fluvio's resources only",
)
@_TIMEOUT
@kubernetes_options(NAMESPACE_OPTIONS, CHART_OPTIONS, INSTALL_OPTIONS)
@click.pass_context
def start(
    context: click.Context,
    /,
    *,
    local: bool,
    k8: bool,
    spu_count: int,
    data_dir: Path,
    log_dir: Path,
    public: str,
    private: str,
    spu_port_base: int,
    durability: str | None,
    min_in_sync_replicas: int,
    profile_name: str | None,
    skip_profile_creation: bool,
    skip_checks: bool,
    only_checks: bool,
    only_definitions: bool,
    timeout_s: int | None,
    local_k8: bool,
    read_only: Path | None,
    **kubernetes: Any,
) -> None:
    """Start a cluster: on this machine, or with --k8 on Kubernetes."""
    exclude(context, "local", "k8", "local_k8", "read_only")
    if local_k8:
        raise Failure("--local-k8 is not in this release: use --local or --k8")
    if k8 or (only_definitions and not local and read_only is None):
        note_unused(context, LOCAL_ONLY, "local clusters")
        _start_on_kubernetes(context, profile_name)
        return
    refuse_tls(context)
    note_unused(context, KUBERNETES_ONLY, "clusters on Kubernetes")
    last_port = spu_port_base + 10 * (spu_count - 1) + 1
    if last_port > 65535:
        raise Failure(f"{spu_count} SPUs from port {spu_port_base} on need port {last_port}")
    settings = ClusterSettings(
        data_directory=data_dir,
        log_directory=log_dir.absolute(),
        public=public,
        private=private,
        spu_count=spu_count,
        spu_port_base=spu_port_base,
        name=profile_name or PROFILE_NAME,
        durability=durability,
        min_in_sync_replicas=min_in_sync_replicas,
        read_only=None if read_only is None else read_only.absolute(),
    )
    if read_only is not None:
        _check_objects(read_only)
    if not skip_checks or only_checks:
        check_before_start(settings)
    if not only_checks:
        launch(
            settings,
            profile=not skip_profile_creation,
            timeout_s=timeout_s or READY_TIMEOUT_S,
        )


def _check_objects(path: Path) -> None:
    """Say what is wrong with a file of objects before anything is started. Raises Failure."""
    from fluvio_cli.manifests import read_files

    for one in read_files((str(path),)):
        for ignored in one.ignored:
            click.echo(f"warning: {one.title}: {ignored} is ignored", err=True)


def _start_on_kubernetes(context: click.Context, profile_name: str | None) -> None:
    """What remains of `start` with --k8."""
    options = context.params
    wanted = installation(context, options, profile=profile_name)
    if options["only_checks"]:
        kubernetes_install.check(wanted, fix=True)
    elif options["only_definitions"]:
        kubernetes_install.install_definitions(wanted.context_name)
    else:
        kubernetes_install.install(wanted)


@click.command("resume")
@data_directory_option
@click.option("--skip-profile-creation", is_flag=True, help="Leave the profile file alone")
@_TIMEOUT
@click.pass_context
def resume(
    context: click.Context, *, data_dir: Path, skip_profile_creation: bool, timeout_s: int | None
) -> None:
    """Start a local cluster again that was shut down, with its data."""
    refuse_on_kubernetes(context, "Resume")
    settings = check_before_resume(data_dir)
    launch(settings, profile=not skip_profile_creation, timeout_s=timeout_s or READY_TIMEOUT_S)


def launch(settings: ClusterSettings, *, profile: bool, timeout_s: int) -> None:
    """Start the processes, wait until they serve, point the profile at them. Raises Failure."""
    if not settings.log_directory.exists():
        say("Creating log directory")
    say("🖥️  Starting SC server")
    controller = Controller(settings)
    try:
        _wait_for_controller(settings, controller, timeout_s)
        for number in range(settings.spu_count):
            say(f"🤖 Starting SPU: ({number + 1}/{settings.spu_count})")
        asyncio.run(_wait_for_spus(settings, controller, timeout_s))
    except NotReady as error:
        tail = controller.log_tail()
        if not controller.ended:
            controller.terminate()
        raise Failure(f"{tail}\n❌ {error}; all logs are in {settings.log_directory}") from error
    except KeyboardInterrupt:
        controller.terminate()
        raise
    if profile:
        _write_profile(settings)
    say("🎯 Successfully installed Local Fluvio cluster")


def _wait_for_controller(settings: ClusterSettings, controller: Controller, timeout_s: int) -> None:
    """Until it listens at its public address. Raises NotReady."""
    began = time.monotonic()
    say(f"🖥️  Trying to connect to SC: {settings.endpoint} 0 seconds elapsed")
    while time.monotonic() < began + timeout_s:
        if controller.ended:
            raise NotReady("The SC did not start")
        if controller.accepted and _listens(settings.endpoint):
            break
        time.sleep(POLL_INTERVAL_S)
    else:
        raise NotReady(f"The SC did not answer within {timeout_s} s")
    say("✅ SC Launched")


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


async def _wait_for_spus(settings: ClusterSettings, controller: Controller, timeout_s: int) -> None:
    """Until all SPUs of the cluster are online and answer. Raises NotReady.

    Answer, for after a restart the controller trusts for a while what it knew before.
    """
    from fluvio_client.fluvio import connect
    from fluvio_protocol.errors import FluvioError
    from fluvio_protocol.metadata.spu import SpuStatusResolution

    wanted = settings.spu_count
    began = time.monotonic()
    say(f"🖥️ Waiting for SPUs to be ready and have ingress... (timeout: {timeout_s}s)")
    online = 0
    try:
        async with connect(address=settings.endpoint, client_id=client_id()) as client:
            while online < wanted:
                if controller.ended:
                    raise NotReady("The SC ended")
                if time.monotonic() > began + timeout_s:
                    raise NotReady(f"Only {online} of {wanted} SPUs came online")
                spus = await client.admin.spus.list()
                online = sum(
                    spu.spec.id in settings.spu_ids
                    and spu.status.resolution is SpuStatusResolution.ONLINE
                    and _listens(f"{spu.spec.public_endpoint.host}:{spu.spec.public_endpoint.port}")
                    for spu in spus
                )
                if online < wanted:
                    await asyncio.sleep(POLL_INTERVAL_S)
    except FluvioError as error:
        raise NotReady(f"The SC does not answer: {error}") from error
    elapsed = int(time.monotonic() - began)
    say(f"🖥️ {online}/{wanted} SPU confirmed, {elapsed} seconds elapsed")
    say(f"✅ {wanted} SPU launched")


def _write_profile(settings: ClusterSettings) -> None:
    from fluvio_client.profile import ProfileStore

    say(f"Creating Local Profile to: {settings.endpoint}")
    profiles = ProfileStore.load()
    profiles.add(
        settings.name,
        settings.endpoint,
        installation="local",
        metadata={"local": {"data_dir": str(settings.data_directory)}},
    )
    profiles.save()
    say("👤 Profile set")
