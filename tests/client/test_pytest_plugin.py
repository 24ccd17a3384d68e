"""The pytest plugin, as an application's test suite meets it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

SUITE = """
import asyncio
import pathlib

places = []

def test_a_topic_of_its_own(fluvio_cluster, fluvio_topic):
    with fluvio_cluster.connect_sync() as client:
        assert len(client.admin.spus.list()) == 2, "as the setting says"
        with client.producer(fluvio_topic) as producer:
            producer.send("one pizza")
        (record,) = client.consumer(fluvio_topic, start=0).fetch()
        assert record.text == "one pizza"
    places.append(fluvio_topic)
    pathlib.Path("data_dir").write_text(str(fluvio_cluster.data_dir))

def test_the_same_cluster_without_that_topic(fluvio_cluster, fluvio_topic):
    async def names():
        async with fluvio_cluster.connect() as client:
            return [one.name for one in await client.admin.topics.list()]
    assert asyncio.run(names()) == [fluvio_topic] != places
    assert fluvio_cluster.fluvio("topic", "list").stdout.count(fluvio_topic) == 1
"""


def run_suite(directory: Path, suite: str, *flags: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_suite.py").write_text(suite)
    (directory / "pytest.ini").write_text("[pytest]\nfluvio_spus = 2\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "fluvio_client.pytest_plugin", *flags],
        cwd=directory,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.cluster
def test_a_suite_with_a_cluster_of_its_own(tmp_path: Path) -> None:
    result = run_suite(tmp_path, SUITE)
    assert "2 passed" in result.stdout, result.stdout + result.stderr
    data_dir = Path((tmp_path / "data_dir").read_text())
    assert not data_dir.exists(), "it went with the session"


def test_nothing_is_started_or_imported_for_who_does_not_ask(tmp_path: Path) -> None:
    suite = """
import sys

def test_other_things():
    ours = sorted(name for name in sys.modules if name.startswith("fluvio"))
    assert ours == ["fluvio_client", "fluvio_client.pytest_plugin"]
"""
    result = run_suite(tmp_path, suite)
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"fluvio": "fluvio_client.pytest_plugin"}
