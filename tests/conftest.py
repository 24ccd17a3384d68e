"""What every test may use: hypothesis profiles, free ports, compiled modules, a real local cluster.

The cluster is what a user gets from `fluvio cluster start --local`: processes of their own, reached
over TCP, started once per test session and shut down after it. Tests that use it carry the mark
`cluster`, and make topics of their own: other tests share it.
"""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Without this, pytest-asyncio makes an event loop only to remember it, and nobody closes it.
asyncio.set_event_loop(None)

# `dev` searches anew at each run and is quick; `ci` looks further and always at the same examples,
# so that a red run there is about the change and shows the same at home.
settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile(
    "ci",
    max_examples=250,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

REPOSITORY = Path(__file__).parents[1]
CLUSTER_COMMAND_TIMEOUT_S = 90
SPU_COUNT = 2
FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"
WATCHMAN = """
import pathlib, sys
sys.stdin.read()
if pathlib.Path(sys.argv[1]).exists():
    from fluvio_cli.main import main
    sys.argv[1:] = ["cluster", "delete", "--force", "--data-dir", sys.argv[1]]
    main()
"""


def free_port_base(offsets: Sequence[int]) -> int:
    """A port such that nothing listens on it plus any of `offsets` on this machine.

    It lies below the range from which the kernel takes ports for outgoing connections, so that
    no connection can take one between this look and the server's start.
    """
    ephemeral_start = 32768
    proc = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if proc.exists():
        ephemeral_start = int(proc.read_text().split()[0])
    highest = max(ephemeral_start, 12_000) - max(offsets) - 1
    for _ in range(200):
        base = random.randrange(10_000, highest)
        if all(_is_free(base + offset) for offset in offsets):
            return base
    raise RuntimeError(f"no free ports between 10000 and {highest}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session")
def find_port_base() -> Callable[[Sequence[int]], int]:
    """`free_port_base`, for tests that start servers themselves."""
    return free_port_base


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """A cluster of real processes, and the commands that act on it."""

    data_dir: Path
    log_dir: Path
    profile_path: Path
    public_address: str
    private_address: str
    spu_port_base: int
    spu_count: int
    start_flags: tuple[str, ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client process needs to find this cluster's profile and no other."""
        return {**os.environ, "FLV_PROFILE_PATH": str(self.profile_path), "CI": "true"}

    def fluvio(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line against this cluster; a failure shows what it printed."""
        result = subprocess.run(
            [sys.executable, "-c", FLUVIO_COMMAND, *arguments],
            env=dict(self.environment),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=CLUSTER_COMMAND_TIMEOUT_S,
            check=False,
        )
        if check and result.returncode != 0:
            pytest.fail(
                f"fluvio {' '.join(arguments)}: exit {result.returncode}\n"
                f"{result.stdout}{result.stderr}\n{self.log_tails()}"
            )
        return result

    def start(self) -> None:
        """Start it, as a user would."""
        self.fluvio(
            *("cluster", "start", "--spu", str(self.spu_count)),
            *("--data-dir", str(self.data_dir), "--log-dir", str(self.log_dir)),
            *("--sc-pub-addr", self.public_address, "--sc-priv-addr", self.private_address),
            *("--spu-port-base", str(self.spu_port_base), "--skip-checks", *self.start_flags),
        )

    def resume(self) -> None:
        """Start it again after a shutdown or a crash."""
        self.fluvio("cluster", "resume", "--data-dir", str(self.data_dir))

    def shut_down(self) -> None:
        """Stop its processes, and keep its data."""
        self.fluvio("cluster", "shutdown", "--data-dir", str(self.data_dir))

    def delete(self) -> None:
        """Stop its processes and delete its data. Fine when there is nothing to delete."""
        self.fluvio(
            *("cluster", "delete", "--force", "--data-dir", str(self.data_dir)), check=False
        )

    def post_watchman(self) -> subprocess.Popen[bytes]:
        """A process that deletes the cluster when ours ends, however it ends.

        It waits for the end of its input, which comes with the end of this process: a session that
        is killed, by a test's timeout for instance, leaves no servers behind.
        """
        return subprocess.Popen(
            [sys.executable, "-c", WATCHMAN, str(self.data_dir)],
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def log_tails(self, *, lines: int = 40) -> str:
        """The ends of all its logs, for a failure's report."""
        tails = []
        for path in sorted(self.log_dir.rglob("*.log")):
            text = path.read_text(errors="replace").splitlines()[-lines:]
            tails.append("\n".join([f"--- {path.name}", *text]))
        return "\n".join(tails) or f"no logs in {self.log_dir}"


def make_local_cluster(
    directory: Path, *, spu_count: int = SPU_COUNT, start_flags: Sequence[str] = ()
) -> LocalCluster:
    """Describe a cluster with its data below `directory`, on ports of its own; not started."""
    spu_offsets = [10 * index + door for index in range(spu_count) for door in (0, 1)]
    spu_port_base = free_port_base([*spu_offsets, 10 * spu_count, 10 * spu_count + 1])
    controller_port = spu_port_base + 10 * spu_count
    return LocalCluster(
        data_dir=directory / "data",
        log_dir=directory / "log",
        profile_path=directory / "config",
        public_address=f"127.0.0.1:{controller_port}",
        private_address=f"127.0.0.1:{controller_port + 1}",
        spu_port_base=spu_port_base,
        spu_count=spu_count,
        start_flags=tuple(start_flags),
    )


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """`compile_c(source)` gives a SmartModule's code; warnings are errors. Once for each text."""
    from fluvio_cli.smartmodules.compiler import compile_module

    directory = tmp_path_factory.mktemp("modules")

    @cache
    def compiled(source: str) -> bytes:
        path = directory / "module.c"
        path.write_text(f'#include "fluvio_smartmodule.h"\n{source}', "utf-8")
        target = path.with_suffix(".wasm")
        zig = REPOSITORY / "build" / "zig"
        assert compile_module(path, target, cache=zig, flags=("-Werror",))
        return target.read_bytes()

    return compiled


ClusterFactory = Callable[..., LocalCluster]


@pytest.fixture(scope="session")
def cluster_factory(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ClusterFactory]:
    """`cluster_factory(spu_count=1)` starts a cluster of one's own, to break it, say.

    `start_flags` are more words for `cluster start`; `prepare` is called with the cluster before.
    All are deleted when the session ends; one that is not needed any more may be deleted earlier
    by its `delete`. When a test failed, the ends of their logs are printed before they go.
    """
    directory = tmp_path_factory.mktemp("clusters")
    clusters: list[LocalCluster] = []
    watchmen: list[subprocess.Popen[bytes]] = []

    def start(
        *,
        spu_count: int = 1,
        start_flags: Sequence[str] = (),
        prepare: Callable[[LocalCluster], None] = lambda _: None,
    ) -> LocalCluster:
        cluster = make_local_cluster(
            directory / str(len(clusters)), spu_count=spu_count, start_flags=start_flags
        )
        clusters.append(cluster)
        watchmen.append(cluster.post_watchman())
        prepare(cluster)
        cluster.start()
        return cluster

    try:
        yield start
    finally:
        for cluster in clusters:
            if request.session.testsfailed:
                print(cluster.log_tails())
            cluster.delete()
        shutil.rmtree(directory, ignore_errors=True)
        for watchman in watchmen:
            watchman.communicate()


@pytest.fixture(scope="session")
def local_cluster(cluster_factory: ClusterFactory) -> LocalCluster:
    """A started cluster with two SPUs, shared by the whole session."""
    return cluster_factory(spu_count=SPU_COUNT)
