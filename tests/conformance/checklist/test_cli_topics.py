"""Topics and partitions by command: lines 1 to 14 of the checklist."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"


def partitions_of(fluvio: Any, topic: str, *options: str) -> list[dict[str, Any]]:
    listed = json.loads(fluvio("partition", "list", "-O", "json", *options))
    return [one for one in listed if re.fullmatch(rf"{topic}-\d+", one["name"])]


def test_a_replica_assignment_of_spus_that_were_listed(
    fluvio: Any, new_name: Callable[[], str], tmp_path: Path
) -> None:
    listed = json.loads(fluvio("cluster", "spu", "list", "-O", "json"))
    first, second = (one["spec"]["spuId"] for one in listed[:2])
    file = tmp_path / "assignment.json"
    file.write_text(json.dumps([{"id": 0, "replicas": [second]}, {"id": 1, "replicas": [first]}]))
    name = new_name()
    fluvio("topic", "create", name, "--replica-assignment", str(file))
    leaders = [one["spec"]["leader"] for one in partitions_of(fluvio, name)]
    assert leaders == [second, first]
    assert "Type:assigned" in fluvio("topic", "describe", name)
    file.write_text('[{"id": 0, "replicas": [9999]}]')
    assert "9999" in fluvio.refused("topic", "create", new_name(), "-f", str(file))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--segment-size", "2 Ki", "--max-partition-size", "10Gb"], None),
        (["--segment-size", "1 GB", "--max-partition-size", "2 GiB"], None),
        (["--max-partition-size", "10"], "max_partition_size 10 is less than minimum 2048\n"),
        (
            ["--segment-size", "3072", "--max-partition-size", "2048"],
            "max_partition_size 2048 is less than segment size 3072\n",
        ),
    ],
)
def test_sizes_on_trial(
    fluvio: Any, new_name: Callable[[], str], options: list[str], complaint: str | None
) -> None:
    name = new_name()
    command = ("topic", "create", name, *options, "--dry-run")
    if complaint is None:
        assert fluvio(*command) == f'topic "{name}" created\n'
    else:
        assert fluvio.refused(*command) == complaint
    assert name not in fluvio("topic", "list")


def test_a_blank_name_on_trial(fluvio: Any) -> None:
    assert "Invalid Topic name" in fluvio.refused("topic", "create", "", "--dry-run")
    assert "Invalid Topic name" in fluvio.refused("topic", "create", " ", "--dry-run")


def test_a_configuration_excludes_every_other_setting(fluvio: Any, tmp_path: Path) -> None:
    file = tmp_path / "topic.yaml"
    file.write_text("meta:\n  name: unused\n")
    for others in (["a-name"], ["--partitions", "2"], ["--retention-time", "1h"], ["--dedup"]):
        said = fluvio.refused("topic", "create", "--config", str(file), *others, code=2)
        assert said.startswith("error: the argument '--config <PATH>' cannot be used with ")


CONFIGURATION = """
version: 0.1.0
meta:
  name: {name}
partition:
  count: 2
  max-size: 10 KB
  replication: 1
  ignore-rack-assignment: true
retention:
  time: 2m
  segment-size: 2.0 KB
compression:
  type: Lz4
deduplication:
  bounds:
    count: 100
    age: 1m
  filter:
    transform:
      uses: {module}
"""


def test_a_topic_from_a_configuration(
    fluvio: Any, new_name: Callable[[], str], tmp_path: Path, add_module: Callable[[str], None]
) -> None:
    name = new_name()
    file = tmp_path / "topic.yaml"
    file.write_text(CONFIGURATION.format(name=name, module=f"{name}-filter"))
    said = fluvio.refused("topic", "create", "--config", str(file))
    assert said.startswith("the deduplication SmartModule is not there")
    assert f"'{name}-filter'" in said
    add_module(f"{name}-filter")
    assert fluvio("topic", "create", "--config", str(file)) == f'topic "{name}" created\n'
    lines = [line.strip() for line in fluvio("topic", "describe", name).splitlines()]
    for line in (
        "Partition Count:2",
        "Ignore Rack Assignment:true",
        f"Deduplication Filter:{name}-filter",
        "Deduplication Count Bound:100",
        "Deduplication Age Bound:1m",
    ):
        assert line in lines
    (found,) = json.loads(fluvio("topic", "describe", name, "-O", "json"))
    assert found["spec"]["cleanupPolicy"] == {"segment": {"timeInSeconds": 120}}
    assert found["spec"]["storage"] == {"segmentSize": 2000, "maxPartitionSize": 10_000}
    assert found["spec"]["compressionType"] == "Lz4"


@pytest.fixture
def add_module(official_config: Any, tmp_path: Path) -> Callable[[str], None]:
    """Makes a SmartModule; its code is nobody's business before it runs."""
    from fluvio import FluvioAdmin

    def add(name: str) -> None:
        code = tmp_path / f"{name}.wasm"
        code.write_bytes(b"")
        FluvioAdmin.connect_with_config(official_config).create_smartmodule(name, str(code), False)

    return add


def test_a_system_topic_is_listed_apart(fluvio: Any, make_topic: Callable[..., str]) -> None:
    name = make_topic("--system")
    assert partitions_of(fluvio, name) == []
    (found,) = partitions_of(fluvio, name, "--system")
    assert found["spec"]["system"] is True
    assert fluvio("topic", "delete", "--system", "--force", name) == (
        f'system topic "{name}" deleted\n'
    )
    assert partitions_of(fluvio, name, "--system") == []


def test_partitions_are_added(fluvio: Any, make_topic: Callable[..., str]) -> None:
    name = make_topic()
    said = fluvio("topic", "add-partition", name, "-c", "2").splitlines()
    assert said[0] == f'added new partitions to topic: "{name}"'
    assert said[1].split() == ["PARTITION", "SPU"]
    assert [line.split()[0] for line in said[2:]] == ["1", "2"]
    assert len(partitions_of(fluvio, name)) == 3
    leaders = {str(one["spec"]["leader"]) for one in partitions_of(fluvio, name)[1:]}
    assert {line.split()[1] for line in said[2:]} == leaders
    missing = fluvio.refused("topic", "add-partition", "nosuch-topic-at-all")
    assert missing.startswith('topic "nosuch-topic-at-all" not found')


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows up to and with `text`."""
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 4096).decode()
    return shown


def test_a_producer_at_a_terminal_uses_a_partition_that_was_added(
    local_cluster: Any, fluvio: Any, make_topic: Callable[..., str]
) -> None:
    name = make_topic()
    ours, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", FLUVIO_COMMAND, "produce", name],
        env=dict(local_cluster.environment),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        read_until(ours, "> ")
        os.write(ours, b"before\n")
        assert "Ok!" in read_until(ours, "> ")
        fluvio("topic", "add-partition", name)
        sent = 0
        while not fluvio("consume", name, "-p", "1", "-B", "-d"):
            assert sent < 50, "the producer did not notice"
            sent += 1
            os.write(ours, b"after %d\n" % sent)
            assert "Ok!" in read_until(ours, "> ")
        os.write(ours, b"\x04")
        assert process.wait(timeout=30) == 0
    os.close(ours)
    everything = fluvio("consume", name, "-B", "-d").splitlines()
    assert sorted(everything) == sorted(["before", *(f"after {n + 1}" for n in range(sent))])


def test_partitions_go_with_their_topic(fluvio: Any, make_topic: Callable[..., str]) -> None:
    name = make_topic("-p", "5")
    assert len(partitions_of(fluvio, name)) == 5
    deleted_at = time.monotonic()
    fluvio("topic", "delete", name)
    left = partitions_of(fluvio, name)
    assert left == []
    assert time.monotonic() - deleted_at < 1


@pytest.mark.parametrize("size", [1024, 2048, 4096])
def test_segments_roll_without_errors(
    local_cluster: Any, fluvio: Any, make_topic: Callable[..., str], size: int
) -> None:
    """A batch must fit into a segment: the smallest one has no room for 1000 bytes and headers."""
    name = make_topic("--segment-size", str(size))
    lines = [f"{number:>{1000 if size > 1024 else 900}}\n" for number in range(6)]
    for line in lines:
        fluvio("produce", name, stdin=line)
    assert fluvio("consume", name, "-B", "-d") == "".join(lines)
    (folder,) = local_cluster.data_dir.rglob(f"{name}-0")
    assert len(list(folder.glob("*.log"))) >= 6 * 1000 // size
    if size == 1024:
        said = fluvio.refused("produce", name, stdin="x" * 1000)
        assert "the message is too large to send" in said
    logs = [path.read_text() for path in local_cluster.log_dir.rglob("*spu*.log")]
    told = [line for log in logs for line in log.splitlines() if name in line]
    assert told
    assert [line for line in told if re.search(r"(?i)error|warning", line)] == []


@pytest.mark.parametrize(("count", "replicas"), [(1, 1), (2, 1), (5, 1), (1, 2), (5, 2)])
def test_lines_of_a_file_take_turns(
    fluvio: Any, make_topic: Callable[..., str], tmp_path: Path, count: int, replicas: int
) -> None:
    name = make_topic("-p", str(count), "-r", str(replicas))
    file = tmp_path / "lines"
    file.write_text("".join(f"line {number}\n" for number in range(2 * count)))
    fluvio("produce", name, "--file", str(file))
    for partition in range(count):
        found = fluvio("consume", name, "-p", str(partition), "-B", "-d").splitlines()
        assert found == [f"line {partition}", f"line {partition + count}"]


def test_a_list_is_a_header_and_a_line_each(fluvio: Any, make_topic: Callable[..., str]) -> None:
    name = make_topic("-p", "3")
    topics = fluvio("topic", "list").splitlines()
    assert topics[0].split()[:3] == ["NAME", "TYPE", "PARTITIONS"]
    assert len([line for line in topics[1:] if line.split()[0] == name]) == 1
    partitions = fluvio("partition", "list").splitlines()
    assert partitions[0].split()[:3] == ["TOPIC", "PARTITION", "LEADER"]
    mine = [line.split()[1] for line in partitions[1:] if line.split()[0] == name]
    assert mine == ["0", "1", "2"]
