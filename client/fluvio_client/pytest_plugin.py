"""For the tests of applications: a cluster of their own, as pytest fixtures.

    def test_orders(fluvio_cluster, fluvio_topic):
        with fluvio_cluster.connect_sync() as client, client.producer(fluvio_topic) as producer:
            producer.send("one pizza")

pytest finds this by its entry point; nothing is started, or imported, until a test asks for a
fixture. The cluster is what `fluvio cluster start` gives: processes in a temporary directory, on
free ports, with a profile file of their own. It starts once per test session and goes with it, also
when the session is killed. It needs what `pip install 'fluvio-cluster[local]'` installs.

Settings in pytest's own file: `fluvio_spus`, the number of SPUs, 1 unless set.
"""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from fluvio_client import sync
    from fluvio_client.fluvio import Fluvio

START_ATTEMPTS = 3
COMMAND_TIMEOUT_S = 90
PORT_FIRST, PORT_LAST = 10_000, 32_000
"""Below the ports that systems give to outgoing connections."""

_FLUVIO = "from fluvio_cli.main import main; main()"
_WATCHMAN = """
import pathlib, sys
sys.stdin.read()
if pathlib.Path(sys.argv[1]).exists():
    from fluvio_cli.main import main
    sys.argv[1:] = ["cluster", "delete", "--force", "--data-dir", sys.argv[1]]
    main()
"""


@dataclass(frozen=True, slots=True)
class FluvioCluster:
    """A cluster that runs.

    address:      `host:port` of its controller
    profile_path: a profile file that leads to it, and nowhere else
    data_dir, log_dir: where its processes keep things
    """

    address: str
    profile_path: Path
    data_dir: Path
    log_dir: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """For programs under test: what makes the command line, and clients, find it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("FLUVIO_PROFILE", "FLUVIO_CLUSTER")
        }
        return {**kept, "FLV_PROFILE_PATH": str(self.profile_path), "CI": "true"}

    def connect(self) -> "Fluvio":
        """A client, to be entered with `async with`."""
        from fluvio_client.fluvio import connect

        return connect(address=self.address)

    def connect_sync(self) -> "sync.Fluvio":
        """A client without asyncio, to be entered with `with`."""
        from fluvio_client import sync

        return sync.connect(address=self.address)

    def fluvio(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against it."""
        return subprocess.run(
            [sys.executable, "-c", _FLUVIO, *arguments],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings of this plugin."""
    parser.addini("fluvio_spus", "number of SPUs of the fluvio_cluster fixture", default="1")


@pytest.fixture(scope="session")
def fluvio_cluster(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[FluvioCluster]:
    """A cluster for the whole session; tests make topics of their own in it."""
    spu_count = int(pytestconfig.getini("fluvio_spus"))
    directory = tmp_path_factory.mktemp("fluvio")
    cluster, watchman = _started(directory, spu_count)
    try:
        yield cluster
    finally:
        cluster.fluvio("cluster", "delete", "--force", "--data-dir", str(cluster.data_dir))
        watchman.communicate()


@pytest.fixture
def fluvio_topic(fluvio_cluster: FluvioCluster) -> Iterator[str]:
    """The name of a new topic with one partition, which goes with the test."""
    name = f"test-{uuid4()}"
    with fluvio_cluster.connect_sync() as client:
        client.admin.topics.create(name)
        yield name
        client.admin.topics.delete(name)


def _started(directory: Path, spu_count: int) -> tuple[FluvioCluster, "subprocess.Popen[bytes]"]:
    """Start on ports that are free, again on others when somebody took one meanwhile."""
    printed = ""
    for attempt in range(START_ATTEMPTS):
        port = _free_ports(10 * spu_count + 2)
        controller = port + 10 * spu_count
        place = directory / str(attempt)
        cluster = FluvioCluster(
            address=f"127.0.0.1:{controller}",
            profile_path=place / "config",
            data_dir=place / "data",
            log_dir=place / "log",
        )
        watchman = subprocess.Popen(
            [sys.executable, "-c", _WATCHMAN, str(cluster.data_dir)],
            env=dict(cluster.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        result = cluster.fluvio(
            *("cluster", "start", "--local", "--spu", str(spu_count), "--skip-checks"),
            *("--data-dir", str(cluster.data_dir), "--log-dir", str(cluster.log_dir)),
            *("--sc-pub-addr", cluster.address, "--spu-port-base", str(port)),
            *("--sc-priv-addr", f"127.0.0.1:{controller + 1}"),
        )
        if result.returncode == 0:
            return cluster, watchman
        printed = result.stdout + result.stderr
        watchman.communicate()  # it clears away what came of this attempt
    pytest.fail(f"no cluster after {START_ATTEMPTS} attempts; the last one said:\n{printed}")


def _free_ports(count: int) -> int:
    """The first of so many ports in a row on which nobody listens."""
    for _ in range(200):
        first = random.randrange(PORT_FIRST, PORT_LAST - count)
        if all(_is_free(first + number) for number in range(count)):
            return first
    raise RuntimeError(f"no {count} free ports between {PORT_FIRST} and {PORT_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
