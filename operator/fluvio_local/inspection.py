"""What runs of a local cluster, and how to stop it: for the command line, from outside.

Works whether or not the controller lives: a cluster whose controller was killed still has SPUs.
Blocks. Only processes that are proven to be the cluster's are ever named or signalled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fluvio_local.cluster_files import (
    Address,
    ClusterDescription,
    DataDirectory,
    write_file,
)
from fluvio_local.port_check import BusyPort, find_busy
from fluvio_local.process_identity import (
    ProcessIdentity,
    RunningProcess,
    find_by_environment,
    stop_processes,
)

SPU_MARK_VARIABLE = "FLUVIO_SPU_RUN_FILE"
"""In the environment of every SPU that a local cluster starts: the path of its file in run/.

It finds the SPU whose file was not written yet when its controller was killed.
"""


class StillRunning(Exception):
    """A process that must stop did not, not even when it was killed."""


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """The processes of a cluster that run now, SPUs by id."""

    controller: ProcessIdentity | None
    spus: dict[int, ProcessIdentity]


def find_running(directory: DataDirectory, cluster: ClusterDescription | None) -> RunningCluster:
    """Look up every process of the cluster in this data directory."""
    spus = {spu.spu_id: spu.process for spu in directory.read_spus() if spu.process.alive}
    controller = None
    if cluster is not None:
        for spu_id in cluster.spu_ids:
            if spu_id not in spus:
                found = find_by_environment(SPU_MARK_VARIABLE, str(directory.spu_file(spu_id)))
                if found is not None:
                    spus[spu_id] = found
        if cluster.controller is not None and cluster.controller.alive:
            controller = cluster.controller
    return RunningCluster(controller, dict(sorted(spus.items())))


def find_busy_ports(
    cluster: ClusterDescription, *, running_spus: Sequence[int] = ()
) -> tuple[BusyPort, ...]:
    """Ports the cluster would listen on and cannot; SPUs that run already have theirs."""
    addresses: list[Address] = [cluster.public, cluster.private]
    for spu_id in cluster.spu_ids:
        if spu_id not in running_spus:
            addresses += [cluster.spu_public(spu_id), cluster.spu_private(spu_id)]
    twice = {address for address in addresses if addresses.count(address) > 1}
    return (
        *(BusyPort(address, "is wanted twice by this cluster") for address in sorted(twice)),
        *find_busy(addresses),
    )


def stop_cluster(
    directory: DataDirectory, *, patience_s: float, report: Callable[[str], None]
) -> None:
    """Stop everything that runs: the controller, which stops its SPUs, then SPUs left over.

    report: told each process, before it is asked to stop.
    Raises StillRunning, UnreadableFile, or PermissionError for another user's process.
    """
    cluster = directory.read_cluster()
    running = find_running(directory, cluster)
    if running.controller is not None:
        report(f"controller pid {running.controller.pid}")
        _stop([running.controller], patience_s)
    left = find_running(directory, cluster).spus
    for spu_id, process in left.items():
        report(f"spu {spu_id} pid {process.pid}")
    _stop(list(left.values()), patience_s)
    for spu in directory.read_spus():
        directory.spu_file(spu.spu_id).unlink(missing_ok=True)
    cluster = directory.read_cluster()
    if cluster is not None and cluster.controller is not None:
        write_file(directory.cluster_file, replace(cluster, controller=None))


def _stop(identities: Sequence[ProcessIdentity], patience_s: float) -> None:
    processes = [RunningProcess.open(identity) for identity in identities]
    running = [process for process in processes if process is not None]
    try:
        stop_processes(running, patience_s=patience_s)
        for process in running:
            if not process.exited():
                raise StillRunning(f"process {process.identity.pid} does not end")
    finally:
        for process in running:
            process.close()
