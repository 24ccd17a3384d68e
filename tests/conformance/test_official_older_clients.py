"""Older published clients: each in a process of its own, producing and consuming."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

# Every release in between that has a wheel for this Python.
VERSIONS = ["0.14.0", "0.14.1", "0.14.2"]
VERSIONS += ["0.15.0", "0.15.3", "0.15.4", "0.15.5", "0.15.6", "0.15.7"]
VERSIONS += ["0.16.0", "0.16.1", "0.16.3", "0.16.4", "0.16.5"]
VERSIONS += ["0.17.0", "0.18.0", "0.18.1", "0.19.0", "0.20.0"]

SMOKE = """
import itertools, sys, uuid
sys.path.insert(0, sys.argv[1])
import fluvio
topic = sys.argv[2]
client = fluvio.Fluvio.connect()
producer = client.topic_producer(topic)
for number in range(100):
    producer.send(b"key", b"value %d" % number)
producer.flush()
stream = client.partition_consumer(topic, 0).stream(fluvio.Offset.beginning())
got = [bytes(record.value()) for record in itertools.islice(stream, 100)]
assert got == [b"value %d" % number for number in range(100)], got
print("read", len(got))
"""


@pytest.fixture(scope="session")
def older_clients() -> Path:
    """Where older wheels are unpacked: kept beside the environment, fetched once."""
    return Path(sys.prefix) / "older-clients"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_client_produces_and_consumes(
    version: str, older_clients: Path, local_cluster: Any, admin: Any
) -> None:
    folder = older_clients / version
    if not (folder / "fluvio").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--target", str(folder), f"fluvio=={version}"]
        subprocess.run(command, check=True, timeout=100)
    topic = f"older-{version.replace('.', '-')}"
    admin.create_topic(topic)
    try:
        done = subprocess.run(
            [sys.executable, "-c", SMOKE, str(folder), topic],
            env=local_cluster.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "read 100\n"), done.stderr
    finally:
        admin.delete_topic(topic)
