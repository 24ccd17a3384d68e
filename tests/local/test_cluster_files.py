"""Files that describe a local cluster: replaced whole, read by other releases, removed alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluvio_local.app import controller_config
from fluvio_local.cluster_files import (
    CLUSTER_FORMAT,
    Address,
    ClusterDescription,
    DataDirectory,
    SpuProcess,
    UnreadableFile,
    write_file,
)
from fluvio_local.process_identity import ProcessIdentity

PROCESS = ProcessIdentity(pid=4711, start_time=99, boot_id="b")
CLUSTER = ClusterDescription(
    platform_version="0.18.1",
    public=Address("0.0.0.0", 9003),
    private=Address("127.0.0.1", 9004),
    spu_count=2,
    spu_port_base=9010,
    log_directory="/log",
    controller=PROCESS,
)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    found = DataDirectory(tmp_path / "data")
    found.run_directory.mkdir(parents=True)
    return found


def test_what_is_written_is_read(directory: DataDirectory) -> None:
    assert directory.read_cluster() is None
    assert directory.read_spus() == ()
    write_file(directory.cluster_file, CLUSTER)
    write_file(directory.cluster_file, replace(CLUSTER, controller=None))
    assert directory.read_cluster() == replace(CLUSTER, controller=None)
    spu = SpuProcess(5001, PROCESS, ("/bin/sleep", "1"))
    write_file(directory.spu_file(5001), spu)
    directory.spu_file(5002).write_text("{")
    assert directory.read_spus() == (spu,)
    assert sorted(path.name for path in directory.path.iterdir()) == ["cluster.json", "run"]


def test_descriptions_that_cannot_be_read_are_named(directory: DataDirectory) -> None:
    directory.cluster_file.write_text("{")
    with pytest.raises(UnreadableFile, match=str(directory.cluster_file)):
        directory.read_cluster()
    write_file(directory.cluster_file, replace(CLUSTER, format=CLUSTER_FORMAT + 1))
    with pytest.raises(UnreadableFile, match="newer release"):
        directory.read_cluster()


def test_fields_of_a_later_release_are_ignored(directory: DataDirectory) -> None:
    write_file(directory.cluster_file, CLUSTER)
    written = json.loads(directory.cluster_file.read_text())
    directory.cluster_file.write_text(json.dumps({**written, "colour": "green"}))
    assert directory.read_cluster() == CLUSTER


def test_removal_takes_the_cluster_and_nothing_else(directory: DataDirectory) -> None:
    write_file(directory.cluster_file, CLUSTER)
    partition = directory.path / "spu-logs-5001" / "orders-0"
    partition.mkdir(parents=True)
    (partition / "00000000000000000000.log").write_bytes(b"x")
    for name in ("sc.sqlite", "sc.sqlite-wal", "sc.sqlite.lock", "diary.txt"):
        (directory.path / name).write_text("text")
    directory.remove()
    assert [path.name for path in directory.path.iterdir()] == ["diary.txt"]
    (directory.path / "diary.txt").unlink()
    directory.remove()
    assert not directory.path.exists()


def test_spus_get_ports_in_tens_and_an_address_that_can_be_reached() -> None:
    config = controller_config(CLUSTER)
    found = [
        (
            spu.id,
            spu.public_endpoint.host,
            spu.public_endpoint.port,
            spu.private_endpoint.host,
            spu.private_endpoint.port,
        )
        for spu in config.spus
    ]
    assert found == [
        (5001, "127.0.0.1", 9010, "127.0.0.1", 9011),
        (5002, "127.0.0.1", 9020, "127.0.0.1", 9021),
    ]
