"""The socket that tells what a command's client has done: there while it is connected."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.cluster

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"


def told(path: Path) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(30)
        asking.connect(str(path))
        with asking.makefile() as answer:
            text = answer.read()  # to the end of the connection
    assert text.startswith('{\n  "producers": {\n    "')
    return json.loads(text)


def with_folder(cluster: Any, folder: Path) -> dict[str, str]:
    return {**cluster.environment, "FLUVIO_METRIC_CLIENT_DIR": str(folder)}


@contextmanager
def command(cluster: Any, folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A command that runs until it is interrupted, or is over with the test."""
    with subprocess.Popen(
        [sys.executable, "-c", FLUVIO_COMMAND, *words],
        env=with_folder(cluster, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_whoever_connects_is_told(local_cluster: Any, tmp_path: Path) -> None:
    topic = f"told-{uuid4()}"
    local_cluster.fluvio("topic", "create", topic)
    local_cluster.fluvio("produce", topic, stdin="a\nb\n")
    with command(local_cluster, tmp_path, "consume", topic, "-B") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
        path = tmp_path / f"fluvio-client-{process.pid}.sock"
        assert list(tmp_path.iterdir()) == [path]
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
        for _ in range(3):
            found = told(path)
            assert found["consumers"]["records_received"] == 2
            assert found["connections"] == {"open": 2, "opened": 2, "lost": 0}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_tells_of_all_its_clients_together(local_cluster: Any, tmp_path: Path) -> None:
    words = ["benchmark", "producer", "--num-producers", "2", "--num-records", "5"]
    pause = ["--time-between-samples", "1h"]
    with command(local_cluster, tmp_path, *words, *pause) as process:
        path = tmp_path / f"fluvio-client-{process.pid}.sock"
        deadline = time.monotonic() + 60
        found: Any = None
        while found is None or found["producers"]["records_acknowledged"] < 5:
            found = told(path) if path.exists() else None
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail(f"the records of the first sample were not told of: {found}")
        opened = found["connections"]["opened"]
        assert opened >= 4, "a client that makes the topic, two producers"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_no_failure(local_cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder, reason in (
        (tmp_path / "nosuch", "No such file or directory"),
        (tmp_path / "file", "Not a directory"),
        (tmp_path / ("long" * 30), "AF_UNIX path too long"),
    ):
        result = subprocess.run(
            [sys.executable, "-c", FLUVIO_COMMAND, "topic", "list", "--system"],
            env=with_folder(local_cluster, folder),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0
        assert result.stderr == f"warning: no client metrics in {folder}: {reason}\n"
        assert "consumer-offset" in result.stdout


def test_what_a_dead_process_of_the_same_number_left_is_replaced(
    local_cluster: Any, tmp_path: Path
) -> None:
    program = (
        "import os, socket, sys\n"
        f"path = {str(tmp_path)!r} + f'/fluvio-client-{{os.getpid()}}.sock'\n"
        "left = socket.socket(socket.AF_UNIX)\n"
        "left.bind(path)\n"
        "left.close()\n"
        "sys.argv[1:] = ['topic', 'list']\n"
        "from fluvio_cli.main import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=with_folder(local_cluster, tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert os.listdir(tmp_path) == []
