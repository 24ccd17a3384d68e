"""A whole local cluster in one process and its children: controller, store, SPU processes.

Called by `__main__`. Puts `ScApp` on the two adapters of this package and decides nothing itself.

Order at start: lock the database, read the file of a read-only cluster, look at every port,
describe the cluster, then start. So a second controller, a file that is wrong, or a busy port, is
named before anything of the cluster has begun.
Order at the end: doors first, SPUs after them, so that no SPU's stop is taken for a failure.
"""

import asyncio
import logging
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

from fluvio_local.cluster_files import (
    Address,
    ClusterDescription,
    DataDirectory,
    UnreadableFile,
    write_file,
)
from fluvio_local.inspection import find_busy_ports, find_running
from fluvio_local.process_identity import identify
from fluvio_local.process_runtime import ProcessRuntime, ProcessRuntimeConfig, spu_command
from fluvio_local.sqlite_store import SqliteStore, StoreInUse
from fluvio_protocol.metadata.spu import (
    CustomSpuSpec,
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuType,
)
from fluvio_protocol.types import SpuId
from fluvio_sc.app import ScApp
from fluvio_sc.config import ScConfig
from fluvio_sc.core.declaration import DeclarationRefused, DeclaredObject

logger = logging.getLogger(__name__)

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class CannotStart(Exception):
    """The cluster cannot be started here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What `run` was told.

    cluster.controller is filled in by `run`.
    """

    data_directory: DataDirectory
    cluster: ClusterDescription


async def run(config: RunConfig) -> None:
    """Run the cluster until SIGTERM or SIGINT, then stop it. Raises CannotStart, StoreError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    directory, cluster = config.data_directory, config.cluster
    try:
        async with SqliteStore(directory.database) as store:
            declared = await asyncio.to_thread(_declared, cluster)
            cluster = await asyncio.to_thread(_describe, directory, cluster)
            async with ProcessRuntime(_runtime_config(directory, cluster)) as runtime:
                async with ScApp(controller_config(cluster, declared), store, runtime):
                    logger.info("cluster=%s public=%s running", directory.path, cluster.public)
                    await stop.wait()
                await runtime.stop_all()
            ended = replace(cluster, controller=None)
            await asyncio.to_thread(write_file, directory.cluster_file, ended)
    except DeclarationRefused as error:
        raise CannotStart(f"{cluster.read_only}: objects cannot be had\n{error}") from error
    except StoreInUse as error:
        raise CannotStart(
            f"the cluster in {directory.path} is running already ({error}): stop it with "
            "'fluvio cluster shutdown', or choose another data directory"
        ) from error
    logger.info("cluster=%s stopped", directory.path)


def _declared(cluster: ClusterDescription) -> tuple[DeclaredObject, ...]:
    """Raises CannotStart."""
    if cluster.read_only is None:
        return ()
    # Imported here: only such a cluster needs what reads manifests.
    from fluvio_local.declared_objects import read_declared

    try:
        return read_declared(Path(cluster.read_only))
    except UnreadableFile as error:
        raise CannotStart(str(error)) from error


def _describe(directory: DataDirectory, cluster: ClusterDescription) -> ClusterDescription:
    """Check that the cluster can start, and write down that it does. Raises CannotStart."""
    try:
        before = directory.read_cluster()
    except UnreadableFile as error:
        raise CannotStart(str(error)) from error
    running = find_running(directory, before if before is not None else cluster)
    busy = find_busy_ports(cluster, running_spus=tuple(running.spus))
    if busy:
        raise CannotStart("; ".join(str(port) for port in busy))
    described = replace(cluster, controller=identify(os.getpid()))
    directory.run_directory.mkdir(mode=0o700, exist_ok=True)
    write_file(directory.cluster_file, described)
    return described


def _runtime_config(directory: DataDirectory, cluster: ClusterDescription) -> ProcessRuntimeConfig:
    return ProcessRuntimeConfig(
        data_directory=directory,
        log_directory=Path(cluster.log_directory),
        command=lambda spec: spu_command(
            spec,
            bind_host=cluster.public.host,
            controller=_reachable(cluster.private),
            log_base_directory=directory.path,
            durability=cluster.durability,
        ),
        spu_ids=frozenset(SpuId(spu_id) for spu_id in cluster.spu_ids),
    )


def controller_config(
    cluster: ClusterDescription, declared: tuple[DeclaredObject, ...] = ()
) -> ScConfig:
    """What the controller of this cluster is told, its own SPUs included.

    An SPU of the cluster's own that its file declares has the name and the addresses given there.
    """
    declared_ids = {one.spec.id for one in declared if isinstance(one.spec, CustomSpuSpec)}
    reason = None
    if cluster.read_only is not None:
        reason = (
            f"this cluster is read-only: its objects are those of {cluster.read_only}, which is "
            "read when the cluster starts"
        )
    return ScConfig(
        public_host=cluster.public.host,
        public_port=cluster.public.port,
        private_host=cluster.private.host,
        private_port=cluster.private.port,
        platform_version=cluster.platform_version,
        spus=tuple(
            _spu_spec(cluster, spu_id) for spu_id in cluster.spu_ids if spu_id not in declared_ids
        ),
        declared=declared,
        read_only_reason=reason,
        min_in_sync_replicas=cluster.min_in_sync_replicas,
    )


def _spu_spec(cluster: ClusterDescription, spu_id: int) -> SpuSpec:
    public = _reachable(cluster.spu_public(spu_id))
    private = cluster.spu_private(spu_id)
    return SpuSpec(
        id=SpuId(spu_id),
        spu_type=SpuType.CUSTOM,
        public_endpoint=IngressPort(
            port=public.port, ingress=(IngressAddress(hostname=public.host),)
        ),
        private_endpoint=Endpoint(port=private.port, host=private.host),
    )


def _reachable(address: Address) -> Address:
    """Where a process of this machine connects to reach what listens there."""
    return replace(address, host=_WILDCARDS.get(address.host, address.host))
