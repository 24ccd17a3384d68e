"""`fluvio cluster ...` on real processes, as a user types it."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

RESUME = ("Use 'resume' to resume created cluster", "or 'delete' before starting a new one")


@pytest.fixture(scope="module")
def cluster(cluster_factory: Callable[..., Any]) -> Iterator[Any]:
    """A running cluster of two SPUs; every test leaves it running."""
    found = cluster_factory(spu_count=2)
    yield found
    found.delete()


def data_flag(cluster: Any) -> tuple[str, str]:
    return ("--data-dir", str(cluster.data_dir))


def start_flags(cluster: Any) -> list[str]:
    return [
        *("--local", "--spu", str(cluster.spu_count), *data_flag(cluster)),
        *("--log-dir", str(cluster.log_dir)),
        *("--sc-pub-addr", cluster.public_address, "--sc-priv-addr", cluster.private_address),
        *("--spu-port-base", str(cluster.spu_port_base)),
    ]


def inspect(cluster: Any) -> Any:
    output = subprocess.run(
        [sys.executable, "-m", "fluvio_local", "inspect", *data_flag(cluster)],
        capture_output=True,
        check=True,
    ).stdout
    return json.loads(output)


def pids(cluster: Any) -> tuple[int | None, dict[str, int]]:
    found = inspect(cluster)
    return found["controller_pid"], found["spu_pids"]


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_status_of_a_working_cluster(cluster: Any) -> None:
    expected = [
        "    📝 Checking SC",
        "    ✅ SC is ok",
        "    📝 Checking SPUs",
        "    ✅ (2/2) SPUs are online",
        "    📝 Checking Topics",
    ]
    by_profile = cluster.fluvio("cluster", "status")
    assert by_profile.stdout == ""
    lines = by_profile.stderr.splitlines()
    assert lines[:6] == ["📝 Running cluster status checks with profile local", *expected]
    by_folder = cluster.fluvio("cluster", "status", *data_flag(cluster))
    assert by_folder.stderr.splitlines()[1:6] == expected


def test_the_profile_points_at_it(cluster: Any) -> None:
    text = cluster.profile_path.read_text()
    assert f'endpoint = "{cluster.public_address}"' in text
    assert 'installation = "local"' in text
    assert cluster.fluvio("profile").stdout == "local\n"


def test_a_second_start_says_what_runs(cluster: Any) -> None:
    controller, spus = pids(cluster)
    refused = cluster.fluvio("cluster", "start", *start_flags(cluster), check=False)
    assert refused.returncode == 1
    assert refused.stdout.splitlines() == [
        f"       found existing fluvio_local process. pid: {controller}",
        *(f"       found existing fluvio_spu process. pid: {pid}" for pid in spus.values()),
    ]
    lines = refused.stderr.splitlines()
    assert lines[0] == "📝 Running pre-flight checks"
    assert (
        "    ❌ Check Fluvio Local Installation failed Local Fluvio cluster still running" in lines
    )
    assert all(part in refused.stderr for part in RESUME)
    assert lines[-2:] == ["💔 Some pre-flight check failed!", "Preflight check failed"]
    assert pids(cluster) == (controller, spus)


def test_a_start_without_checks_is_refused_too_and_hurts_nothing(cluster: Any) -> None:
    before = pids(cluster)
    refused = cluster.fluvio(
        "cluster", "start", *start_flags(cluster), "--skip-checks", check=False
    )
    assert refused.returncode == 1
    assert f"is running already ({cluster.data_dir}/sc.sqlite is in use by" in refused.stderr
    assert f"process {before[0]}" in refused.stderr
    assert pids(cluster) == before


def test_shut_down_and_resumed_it_has_its_data(cluster: Any) -> None:
    cluster.fluvio("topic", "create", "kept", "-p", "2")
    cluster.fluvio("produce", "kept", stdin="one\ntwo\n")
    shutdown = cluster.fluvio("cluster", "shutdown", *data_flag(cluster))
    assert shutdown.stdout == ""
    assert shutdown.stderr.splitlines()[-1] == "Uninstalled fluvio local components"
    assert pids(cluster) == (None, {})
    again = cluster.fluvio("cluster", "shutdown", *data_flag(cluster))
    assert (again.stdout, again.stderr) == ("", "")
    down = cluster.fluvio("cluster", "status", check=False)
    assert down.returncode == 1
    assert "❌ SC is not ok" in down.stderr
    refused = cluster.fluvio("cluster", "start", *start_flags(cluster), check=False)
    assert refused.returncode == 1
    assert all(part in refused.stderr for part in RESUME)
    resumed = cluster.fluvio("cluster", "resume", *data_flag(cluster))
    assert "✅ Platform versions match" in resumed.stderr
    assert resumed.stderr.splitlines()[-1] == "🎯 Successfully installed Local Fluvio cluster"
    read = cluster.fluvio("consume", "kept", "-B", "-d").stdout
    assert sorted(read.split()) == ["one", "two"]
    refused = cluster.fluvio("cluster", "resume", *data_flag(cluster), check=False)
    assert refused.returncode == 1
    assert "Local Fluvio cluster still running" in refused.stderr


def test_a_killed_controller_is_resumed_over_the_same_spus(cluster: Any) -> None:
    cluster.fluvio("topic", "create", "over")
    controller, spus = pids(cluster)
    assert controller is not None
    os.kill(controller, signal.SIGKILL)
    wait_for(lambda: pids(cluster)[0] is None)
    assert pids(cluster) == (None, spus)
    resumed = cluster.fluvio("cluster", "resume", *data_flag(cluster))
    assert "🟡 SPUs still run and are taken over" in resumed.stderr
    fresh, same = pids(cluster)
    assert same == spus
    assert fresh not in (None, controller)
    cluster.fluvio("produce", "over", stdin="still here\n")
    assert cluster.fluvio("consume", "over", "-B", "-d").stdout == "still here\n"


def test_a_killed_spu_comes_back_with_its_data(cluster: Any) -> None:
    cluster.fluvio("topic", "create", "reborn", "-p", "2")
    cluster.fluvio("produce", "reborn", stdin="a\nb\nc\n")
    _, spus = pids(cluster)
    os.kill(spus["5001"], signal.SIGKILL)
    wait_for(lambda: pids(cluster)[1].get("5001") not in (None, spus["5001"]))
    assert pids(cluster)[1]["5002"] == spus["5002"]
    assert sorted(cluster.fluvio("consume", "reborn", "-B", "-d").stdout.split()) == ["a", "b", "c"]


def test_leftover_spus_of_a_killed_controller_can_be_shut_down(cluster: Any) -> None:
    controller, spus = pids(cluster)
    assert controller is not None
    os.kill(controller, signal.SIGKILL)
    wait_for(lambda: pids(cluster) == (None, spus))
    cluster.fluvio("cluster", "shutdown", *data_flag(cluster))
    assert pids(cluster) == (None, {})
    cluster.fluvio("cluster", "resume", *data_flag(cluster))


def test_spus_are_listed_registered_and_unregistered(cluster: Any) -> None:
    base = cluster.spu_port_base
    register = ("--id", "7", "-p", "localhost:7005", "-v", "localhost:7006")
    quiet = cluster.fluvio("cluster", "spu", "register", *register)
    assert (quiet.stdout, quiet.stderr) == ("", "")
    again = cluster.fluvio("cluster", "spu", "register", *register, check=False)
    assert again.returncode == 1
    lines = cluster.fluvio("cluster", "spu", "list").stdout.splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert words[0] == "ID NAME STATUS TYPE RACK PUBLIC PRIVATE"
    assert sorted(words[1:]) == [
        f'5001 custom-spu-5001 Online "custom" - 127.0.0.1:{base} 127.0.0.1:{base + 1}',
        f'5002 custom-spu-5002 Online "custom" - 127.0.0.1:{base + 10} 127.0.0.1:{base + 11}',
        '7 custom-spu-7 Init "custom" - localhost:7005 localhost:7006',
    ]
    shown = json.loads(cluster.fluvio("cluster", "spu", "list", "-O", "json").stdout)
    (registered,) = (one for one in shown if one["spec"]["spuId"] == 7)
    assert registered["name"] == "custom-spu-7"
    assert registered["spec"]["spuType"] == "Custom"
    status = cluster.fluvio("cluster", "status")
    assert "    🟡 (2/3) SPUs are online" in status.stderr.splitlines()
    cluster.fluvio("cluster", "spu", "unregister", "--id", "7")
    gone = cluster.fluvio("cluster", "spu", "unregister", "--name", "custom-spu-7", check=False)
    assert gone.returncode == 1
    assert gone.stderr.startswith("SPU not found: custom-spu-7. Did you mean custom-spu-500")
    wrong = cluster.fluvio("cluster", "spu", "register", "--id", "x", check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: ")


def test_groups_are_made_listed_and_deleted(cluster: Any) -> None:
    assert cluster.fluvio("cluster", "spg", "list").stdout == "no groups\n"
    quiet = cluster.fluvio("cluster", "spg", "create", "g1", "-r", "2")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert cluster.fluvio("cluster", "spg", "list").stdout == (
        "\n"
        "-------------\n"
        "  NAME  REPLICAS  MIN ID  RACK  SIZE  STATUS   \n"
        "    g1      2          1        10Gi  Reserved \n"
    )
    cluster.fluvio("cluster", "spg", "delete", "g1")
    assert cluster.fluvio("cluster", "spg", "list").stdout == "no groups\n"


def test_deleting_asks_for_the_name_and_takes_everything(
    cluster_factory: Callable[..., Any],
) -> None:
    cluster = cluster_factory(spu_count=1)
    command = ["cluster", "delete", *data_flag(cluster)]
    refused = cluster.fluvio(*command, check=False)
    assert refused.returncode == 1
    assert "confirm with --force" in refused.stderr
    assert type_into(cluster, command, "loco\n") == 1
    assert pids(cluster)[0] is not None
    (cluster.data_dir / "mine.txt").write_text("not of the cluster")
    assert type_into(cluster, command, "local\n") == 0
    assert pids(cluster) == (None, {})
    assert [path.name for path in cluster.data_dir.iterdir()] == ["mine.txt"]
    assert (cluster.log_dir / "sc.log").exists()
    assert "[profile.local]" not in cluster.profile_path.read_text()
    assert cluster.fluvio(*command, "--force").stderr.startswith("There is no local cluster in")
    cluster.start()  # as if it had never been there
    cluster.delete()


def type_into(cluster: Any, arguments: list[str], text: str) -> int:
    """Run a command at a terminal and type into it; its exit code."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, text.encode())
        return subprocess.run(
            [sys.executable, "-m", "fluvio_cli.main", *arguments],
            env=cluster.environment,
            stdin=theirs,
            capture_output=True,
            timeout=60,
            check=False,
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def stopped(cluster_factory: Callable[..., Any]) -> Any:
    """The description of a cluster that is deleted: its ports are free."""
    found = cluster_factory(spu_count=1)
    found.delete()
    return found


@pytest.mark.parametrize("checks", [[], ["--skip-checks"]])
def test_a_busy_port_is_named_before_anything_starts(stopped: Any, checks: list[str]) -> None:
    port = stopped.spu_port_base + 1
    with socket.create_server(("127.0.0.1", port)):
        refused = stopped.fluvio("cluster", "start", *start_flags(stopped), *checks, check=False)
    assert refused.returncode == 1
    assert f"port {port} is in use by process {os.getpid()} (" in refused.stderr
    assert pids(stopped) == (None, {})
    assert not (stopped.data_dir / "cluster.json").exists()
    stopped.start()
    stopped.delete()


def test_an_spu_that_cannot_start_is_reported_with_its_words(stopped: Any) -> None:
    (stopped.data_dir / "spu-logs-5001").parent.mkdir(exist_ok=True)
    (stopped.data_dir / "spu-logs-5001").write_text("a file where a folder should be")
    result = stopped.fluvio(
        "cluster", "start", *start_flags(stopped), "--timeout", "5", check=False
    )
    assert result.returncode == 1
    assert "Only 0 of 1 SPUs came online" in result.stderr
    assert re.search(r"^spu-5001\.log: .*spu-logs-5001", result.stderr, re.MULTILINE)
    assert pids(stopped) == (None, {})
    (stopped.data_dir / "spu-logs-5001").unlink()


def test_where_there_is_no_cluster(tmp_path: Path, cluster: Any) -> None:
    flag = ("--data-dir", str(tmp_path / "none"))
    resume = cluster.fluvio("cluster", "resume", *flag, check=False)
    assert resume.returncode == 1
    assert "start one with 'fluvio cluster start'" in resume.stderr
    status = cluster.fluvio("cluster", "status", *flag, check=False)
    assert (status.returncode, status.stdout) == (1, "")
    shutdown = cluster.fluvio("cluster", "shutdown", *flag)
    assert (shutdown.stdout, shutdown.stderr) == ("", "")
    assert not (tmp_path / "none").exists()


def test_a_cluster_is_here_or_on_kubernetes(cluster: Any) -> None:
    both = cluster.fluvio("cluster", "start", "--k8", "--local", check=False)
    assert both.returncode == 2
    assert "cannot be used with" in both.stderr


@pytest.mark.parametrize("text", ["often", "group:5", "group:0:10", "every-batch:1"])
def test_a_durability_that_is_none_is_refused_at_once(cluster: Any, text: str) -> None:
    refused = cluster.fluvio("cluster", "start", "--durability", text, check=False)
    assert refused.returncode == 2
    assert f"invalid value '{text}' for '--durability <POLICY>'" in refused.stderr
