"""An administrator moves replicas of a topic that is in use, and empties an SPU: nothing is lost.

Through the command line, on real SPUs; the files of replicas that moved away are gone.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from fluvio_cli.main import run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

Processes = Callable[[Any, str], list[psutil.Process]]
LINES = [f"line {number}" for number in range(500)]


def described(cluster: Any, name: str) -> Any:
    (found,) = json.loads(cluster.fluvio("partition", "replicas", name, "-O", "json").stdout)
    return found


def held(cluster: Any, spu: int) -> set[str]:
    return {path.name for path in (cluster.data_dir / f"spu-logs-{spu}").glob("*-[0-9]*")}


def stop_waiting_and_cancel(cluster: Any, processes_of: Processes, unused: int) -> None:
    """A move to an SPU that stands still: whoever waits may stop, and bring the replicas back."""
    cluster.fluvio("cluster", "spu", "drain", str(unused), "--cancel")
    before = described(cluster, "ledger-1")
    (target,) = [one for one in processes_of(cluster, "fluvio_spu") if str(unused) in one.cmdline()]
    target.suspend()
    try:
        words = ("partition", "move", "ledger-1", "--replicas", f"{unused}", "--wait")
        command = "from fluvio_cli.main import main; main()"
        with subprocess.Popen(
            [sys.executable, "-c", command, *words],
            env=dict(cluster.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline() == "0 of 1 moved\n"
            waiting.send_signal(signal.SIGINT)
            _, said = waiting.communicate(timeout=30)
        assert waiting.returncode == 130
        assert "go on moving" in said
        assert described(cluster, "ledger-1")["target"] == [unused]
        cluster.fluvio("partition", "move", "ledger-1", "--cancel")
    finally:
        target.resume()
    cluster.fluvio("partition", "move", "ledger-1", "--cancel", "--wait", check=False)
    after = described(cluster, "ledger-1")
    assert (after["replicas"], after["target"]) == (before["replicas"], [])


def test_replicas_move_and_an_spu_is_emptied(cluster_factory: Any, processes_of: Processes) -> None:
    cluster = cluster_factory(spu_count=3)
    cluster.fluvio("topic", "create", "ledger", "-p", "2", "-r", "2")
    cluster.fluvio("produce", "ledger", stdin="\n".join(LINES))
    before = described(cluster, "ledger-0")
    (unused,) = {5001, 5002, 5003} - set(before["replicas"])
    target = f"{unused},{before['replicas'][1]}"

    plan = cluster.fluvio("partition", "move", "ledger-0", "--replicas", target, "--dry-run")
    assert target in plan.stdout
    assert described(cluster, "ledger-0")["replicas"] == before["replicas"]

    moved = cluster.fluvio("partition", "move", "ledger-0", "--replicas", target, "--wait")
    assert "1 of 1 moved" in moved.stderr
    after = described(cluster, "ledger-0")
    assert ",".join(map(str, after["replicas"])) == target
    assert (after["leader"], set(after["inSync"])) == (unused, set(after["replicas"]))
    assert after["leaderEpoch"] > before["leaderEpoch"]
    assert "ledger-0" not in held(cluster, before["replicas"][0])

    cluster.fluvio("cluster", "spu", "drain", str(unused), "--wait")
    assert held(cluster, unused) == set()
    rest = {5001, 5002, 5003} - {unused}
    for name in ("ledger-0", "ledger-1"):
        assert set(described(cluster, name)["replicas"]) <= rest
    refused = cluster.fluvio(
        "partition", "move", "ledger-0", "--replicas", "5001,5001", check=False
    )
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)

    stop_waiting_and_cancel(cluster, processes_of, unused)
    consumed = cluster.fluvio("consume", "ledger", "-B", "-d").stdout.split("\n")
    assert sorted(filter(None, consumed)) == sorted(LINES)
    cluster.delete()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("partition", "move", "t-0"), "either --replicas or --cancel"),
        (("partition", "move", "t-0", "--replicas", "a,b"), "ids of SPUs"),
        (("partition", "elect", "t-0", "--unclean"), "--unclean needs --spu"),
    ],
)
def test_a_wrong_word_is_named(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(list(words)) == 2
    assert said in capsys.readouterr().err
