"""Consumers, table formats and profiles by command: lines 31 to 34, 38 and 39 of the checklist,
and the smoke run of line 84."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluvio_client.objects import Partition
from fluvio_client.sync import connect

pytestmark = pytest.mark.cluster


def stored(fluvio: Any, consumer: str) -> dict[tuple[str, int], int]:
    """Offsets that the cluster keeps for a consumer, by topic and partition."""
    listed = json.loads(fluvio("consumer", "list", "-O", "json"))
    return {
        (one["topic"], one["partition"]): one["offset"]
        for one in listed
        if one["consumer_id"] == consumer
    }


def test_a_consumer_of_one_partition(
    fluvio: Any, make_topic: Callable[..., str], new_name: Callable[[], str]
) -> None:
    topic, consumer = make_topic("-p", "2"), new_name()
    fluvio("produce", topic, "-p", "1", stdin="a\nb\n")
    fluvio("produce", topic, "-p", "0", stdin="not this\n")
    assert fluvio("consume", topic, "--consumer", consumer, "-p", "1", "-B", "-d") == "a\nb\n"
    assert stored(fluvio, consumer) == {(topic, 1): 1}
    assert fluvio("consumer", "delete", consumer) == (
        f'consumer "{consumer}" on topic "{topic}" and partition "1" deleted\n'
    )
    assert stored(fluvio, consumer) == {}


def test_a_consumer_of_all_partitions(
    fluvio: Any, make_topic: Callable[..., str], new_name: Callable[[], str]
) -> None:
    topic, consumer = make_topic("-p", "2"), new_name()
    fluvio("produce", topic, stdin="a\nb\nc\nd\n")
    shown = fluvio("consume", topic, "--consumer", consumer, "-B", "-d")
    assert sorted(shown.split()) == ["a", "b", "c", "d"]
    assert stored(fluvio, consumer) == {(topic, 0): 1, (topic, 1): 1}
    deleted = fluvio("consumer", "delete", consumer).splitlines()
    assert sorted(deleted) == [
        f'consumer "{consumer}" on topic "{topic}" and partition "{number}" deleted'
        for number in (0, 1)
    ]


def test_consumers_go_with_their_topic(
    fluvio: Any, make_topic: Callable[..., str], new_name: Callable[[], str]
) -> None:
    topic, consumer = make_topic(), new_name()
    fluvio("produce", topic, stdin="a\n")
    fluvio("consume", topic, "--consumer", consumer, "-B", "-d")
    assert stored(fluvio, consumer) == {(topic, 0): 0}
    fluvio("topic", "delete", topic)
    assert stored(fluvio, consumer) == {}


def test_a_known_consumer_resumes_whatever_it_is_told(
    fluvio: Any, make_topic: Callable[..., str], new_name: Callable[[], str]
) -> None:
    topic, consumer = make_topic(), new_name()
    fluvio("produce", topic, stdin="a\nb\n")
    fluvio("consume", topic, "-c", consumer, "-B", "-d")
    fluvio("produce", topic, stdin="c\nd\n")
    assert fluvio("consume", topic, "-c", consumer, "-d") == "c\nd\n", "not from the end"
    assert stored(fluvio, consumer) == {(topic, 0): 3}
    fluvio("produce", topic, stdin="e\n")
    assert fluvio("consume", topic, "-c", consumer, "-B", "-d") == "e\n", "not from the beginning"
    assert stored(fluvio, consumer) == {(topic, 0): 4}


TABLE_FORMAT = """
name: {name}
inputFormat: JSON
columns:
  - headerLabel: Key
    keyPath: key
    primaryKey: true
  - keyPath: value
"""


def table_formats(fluvio: Any) -> set[str]:
    return {one["name"] for one in json.loads(fluvio("table-format", "list", "-O", "json"))}


def test_a_life_of_a_table_format(fluvio: Any, new_name: Callable[[], str], tmp_path: Path) -> None:
    name = new_name()
    file = tmp_path / "format.yaml"
    file.write_text(TABLE_FORMAT.format(name=name))
    create = ("table-format", "create", "--config", str(file))
    assert fluvio(*create) == f'tableformat "{name}" created\n'
    assert fluvio.refused(*create).startswith("TableFormat already exists")
    assert name in table_formats(fluvio)
    assert fluvio("table-format", "list").split()[:2] == ["NAME", "STATUS"]
    fluvio("table-format", "delete", name)
    assert name not in table_formats(fluvio)
    assert fluvio.refused("table-format", "delete", name).startswith("TableFormat not found")


def test_an_exported_profile_is_a_profile(
    fluvio: Any,
    local_cluster: Any,
    make_topic: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    topic = make_topic()
    data = json.loads(fluvio("profile", "export", "-O", "json"))
    assert data["endpoint"] == local_cluster.public_address
    assert "tls" in data
    exported = tmp_path / "exported"
    exported.write_text(fluvio("profile", "export"))
    monkeypatch.setenv("FLV_PROFILE_PATH", str(exported))
    assert topic in fluvio("topic", "list")
    assert fluvio("profile") == "local\n"


def nobody_is_behind(partition: Partition) -> bool:
    end = partition.status.leader.leo
    return all((one.hw, one.leo) == (end, end) for one in partition.status.replicas)


def test_a_smoke_run_with_everything_at_once(
    local_cluster: Any,
    fluvio: Any,
    make_topic: Callable[..., str],
    new_name: Callable[[], str],
    tmp_path: Path,
) -> None:
    topic, name = make_topic("-p", "2", "-r", "2"), new_name()
    file = tmp_path / "format.yaml"
    file.write_text(TABLE_FORMAT.format(name=name))
    fluvio("table-format", "create", "--config", str(file))
    values = [f"{topic}/{number:04}/".ljust(100 + number, "x") for number in range(200)]
    fluvio("produce", topic, "--isolation", "read_committed", stdin="\n".join(values))
    fluvio("table-format", "delete", name)
    shown = fluvio("consume", topic, "-B", "-d", "--isolation", "read_committed").splitlines()
    for number, value in enumerate(sorted(shown)):
        assert value.startswith(f"{topic}/{number:04}/")
        assert len(value) == 100 + number
    assert len(shown) == len(values)
    # The followers tell how far they are every now and then.
    with connect(address=local_cluster.public_address) as client:
        for number in (0, 1):
            client.admin.partitions.wait_for(f"{topic}-{number}", nobody_is_behind, timeout=20)
    listed = json.loads(fluvio("partition", "list", "-O", "json"))
    mine = [one["status"] for one in listed if one["name"].startswith(f"{topic}-")]
    assert [one["resolution"] for one in mine] == ["Online", "Online"]
    assert [len(one["replicas"]) for one in mine] == [1, 1]
    for one in mine:
        end = one["leader"]["leo"]
        assert [(replica["hw"], replica["leo"]) for replica in one["replicas"]] == [(end, end)]
