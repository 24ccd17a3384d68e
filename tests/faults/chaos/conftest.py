"""The parts of the chaos test are modules beside it; and the cluster it hurts."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

DISK_SIZE = "192m"


@pytest.fixture
def chaos(cluster_factory: Any, processes_of: Any, mount_disk: Any) -> Iterator[Any]:
    """Three SPUs, each with a disk of its own where that is possible; two have to hold a record."""
    from chaos_cluster import CONTROLLER, SPU_IDS, ChaosCluster
    from chaos_cut import lossy_network
    from chaos_faults import DISK_FAULTS, NETWORK_FAULTS

    disks: dict[int, Path] = {}

    def prepare(cluster: Any) -> None:
        places = {spu: cluster.data_dir / f"spu-logs-{spu}" for spu in SPU_IDS}
        if all([mount_disk(place, DISK_SIZE) for place in places.values()]):
            disks.update(places)

    flags = ("--min-in-sync-replicas", "2")
    cluster = cluster_factory(spu_count=3, start_flags=flags, prepare=prepare)
    ports = {spu: cluster.spu_port_base + 10 * n + 1 for n, spu in enumerate(SPU_IDS)}
    ports[CONTROLLER] = int(cluster.private_address.rpartition(":")[2])
    try:
        with lossy_network(ports) as (network, no_network):
            left_out = []
            if network is None:
                left_out.append(f"{', '.join(NETWORK_FAULTS)}: {no_network}")
            if not disks:
                left_out.append(f"{', '.join(DISK_FAULTS)}: no right to mount a disk")
            yield ChaosCluster(cluster, processes_of, network, disks, tuple(left_out))
    finally:
        stop = [sys.executable, "-m", "fluvio_local", "stop", "--data-dir", str(cluster.data_dir)]
        subprocess.run(stop, check=False)
