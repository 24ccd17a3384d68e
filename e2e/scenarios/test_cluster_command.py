"""The wheel's command line brings a cluster up on Kubernetes, upgrades it under load, removes it.

One story, told in order. `kubernetes` is a real cluster (e2e/conftest.py): `.kubeconfig`, a fresh
`.namespace`, and the tags `.operator_image` and `.spu_image` of images that its nodes have, which
are one and the same. The upgrade is from that tag to `.next_image`, another name of the same image,
so that every pod is renewed.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 900
FLUVIO = "from fluvio_cli.main import main; main()"
SPU_COUNT = 3
ACKNOWLEDGED_MIN = 20


class Cli:
    """The `fluvio` command of the wheel, with a profile file of the test's own."""

    def __init__(self, kubernetes: Any, wheel: Path, directory: Path) -> None:
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(wheel),
            "KUBECONFIG": str(kubernetes.kubeconfig),
            "FLV_PROFILE_PATH": str(directory / "config"),
            "CI": "true",
        }
        self.directory = directory

    def words(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", FLUVIO, *arguments]

    def __call__(
        self, *arguments: str, stdin: str = "", code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            self.words(arguments),
            env=self.environment,
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert result.returncode == code, f"{arguments}:\n{result.stdout}{result.stderr}"
        return result


class Writer:
    """Produces one record after another, and counts those that were acknowledged."""

    def __init__(self, cli: Cli, topic: str) -> None:
        self._cli, self._topic = cli, topic
        self._stop = threading.Event()
        self._enough = threading.Event()
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self) -> None:
        """Until some records more have been acknowledged."""
        self._enough.clear()
        assert self._enough.wait(timeout=COMMAND_TIMEOUT_S)

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            result = subprocess.run(
                self._cli.words(["produce", self._topic, "--isolation", "read_committed"]),
                env=self._cli.environment,
                input=f"{number}\n",
                capture_output=True,
                text=True,
                check=False,
            )
            if result.returncode == 0:
                self.acknowledged.append(str(number))
                if len(self.acknowledged) % ACKNOWLEDGED_MIN == 0:
                    self._enough.set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel installs; it comes before the checkout's own modules."""
    built, installed = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    options = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", built, REPOSITORY], check=True)
    (file,) = built.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, file], check=True)
    return installed


@pytest.fixture
def cli(kubernetes: Any, wheel: Path, tmp_path: Path) -> Cli:
    cli = Cli(kubernetes, wheel, tmp_path)
    program = "import fluvio_cli; print(fluvio_cli.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=cli.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(wheel)
    return cli


@pytest.mark.timeout(3600)
def test_a_cluster_from_start_to_delete(kubernetes: Any, cli: Cli) -> None:
    namespace = kubernetes.namespace
    started = cli(
        *("cluster", "start", "--k8", "--namespace", namespace, "--spu", str(SPU_COUNT)),
        *("--spu-storage-size", "1", "--image-version", kubernetes.spu_image),
    )
    assert started.stderr.endswith("🎯 Successfully installed Fluvio!\n")
    status = cli("cluster", "status").stderr
    assert "✅ SC is ok" in status
    assert f"✅ ({SPU_COUNT}/{SPU_COUNT}) SPUs are online" in status
    spus = json.loads(cli("cluster", "spu", "list", "-O", "json").stdout)
    assert sorted(one["spec"]["spuId"] for one in spus) == list(range(SPU_COUNT))

    cli("topic", "create", "orders", "--replication", str(SPU_COUNT))
    cli("cluster", "upgrade", "--sys")
    with Writer(cli, "orders") as writer:
        writer.wait()
        upgraded = cli("cluster", "upgrade", "--force", "--image-version", kubernetes.next_image)
        assert "🎯 Successfully upgraded Fluvio" in upgraded.stderr
        writer.wait()
    read = cli("consume", "orders", "-B", "-d").stdout.split()
    assert set(writer.acknowledged) <= set(read)

    archive = cli("cluster", "diagnostics").stdout
    assert archive.startswith("Wrote diagnostics to ")
    cli("cluster", "shutdown", code=1)
    removed = cli("cluster", "delete", "--force").stderr
    assert removed.endswith("Objects and secrets have been cleaned up\n")
    assert cli("profile").stdout == "no current profile set\n"
