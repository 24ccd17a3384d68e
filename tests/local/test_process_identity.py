"""A process is known by more than its pid, and a signal reaches nobody else."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fluvio_local.process_identity import (
    RunningProcess,
    find_by_environment,
    identify,
    stop_processes,
)

STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "600"], env={"LOCAL_TEST_MARK": "one two"})
    yield process
    process.kill()
    process.wait()


def open_process(pid: int) -> RunningProcess:
    identity = identify(pid)
    assert identity is not None
    process = RunningProcess.open(identity)
    assert process is not None
    return process


def test_a_running_process_is_alive_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    assert identity.alive
    process = open_process(sleeper.pid)
    assert not process.exited()
    sleeper.kill()
    assert process.wait(10)
    assert not identity.alive  # although nobody has waited for it yet
    assert identify(sleeper.pid) is None
    assert process.reap() == "signal SIGKILL"
    process.close()
    assert RunningProcess.open(identity) is None


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another boot"}])
def test_another_process_with_the_same_pid_is_not_it(
    sleeper: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    stale = dataclasses.replace(identity, **change)  # type: ignore[arg-type]
    assert not stale.alive
    assert RunningProcess.open(stale) is None
    assert sleeper.poll() is None


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: os.PathLike[str]) -> None:
    odd = os.path.join(tmp_path, "a) R 1 (b")
    os.symlink("/bin/sleep", odd)
    process = subprocess.Popen([odd, "600"])
    try:
        expected = identify(os.getpid())
        found = identify(process.pid)
        assert expected is not None
        assert found is not None
        assert found.start_time >= expected.start_time
    finally:
        process.kill()
        process.wait()


def test_signals_to_an_ended_process_do_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    process = open_process(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    process.signal(signal.SIGTERM)
    assert process.reap() == "unknown status"  # somebody else has waited for it
    process.close()


def test_exit_status_is_told() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input(); raise SystemExit(3)"], stdin=-1)
    process = open_process(child.pid)
    assert child.stdin is not None
    with child.stdin:
        child.stdin.write(b"\n")
    assert process.wait(10)
    assert process.reap() == "exit status 3"
    process.close()
    child.wait()


def test_a_process_is_found_by_its_environment(sleeper: subprocess.Popen[bytes]) -> None:
    open_process(sleeper.pid).close()
    assert find_by_environment("LOCAL_TEST_MARK", "one two") == identify(sleeper.pid)
    assert find_by_environment("LOCAL_TEST_MARK", "one") is None


def test_those_that_do_not_stop_are_killed(sleeper: subprocess.Popen[bytes]) -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    with stubborn.stdout:
        stubborn.stdout.readline()
        processes = [open_process(sleeper.pid), open_process(stubborn.pid)]
        stop_processes(processes, patience_s=0.2)
        assert [process.reap() for process in processes] == ["signal SIGTERM", "signal SIGKILL"]
    for process in processes:
        process.close()
    stubborn.wait()
    sleeper.wait()
