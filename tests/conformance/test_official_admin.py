"""Topics through the official client: create, list, watch, delete, and what is refused."""

import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fluvio
import pytest
from fluvio import TopicSpec

pytestmark = pytest.mark.cluster


def names(objects: list[Any]) -> set[str]:
    return {item.name() for item in objects}


def test_a_topic_is_created_listed_and_deleted(admin: Any) -> None:
    topic = f"t-{uuid.uuid4()}"
    admin.create_topic(topic)
    assert topic in names(admin.all_topics())
    assert names(admin.list_topics([topic])) == {topic}
    assert names(admin.list_topics_with_params([topic], True)) == {topic}
    admin.delete_topic(topic)
    assert topic not in names(admin.all_topics())


def test_a_topic_with_every_setting(
    admin: Any, new_topic: Callable[..., str], topic_spec: Callable[..., Any]
) -> None:
    topic = new_topic(
        topic_spec(
            partitions=2,
            retention_seconds=3600,
            segment_size=10_000_000,
            max_partition_size=1_000_000_000,
            compression=fluvio.Compression.Gzip,
        )
    )
    assert {f"{topic}-0", f"{topic}-1"} <= names(admin.list_partitions([]))


def test_a_topic_with_an_assignment(
    admin: Any, new_topic: Callable[..., str], topic_spec: Callable[..., Any]
) -> None:
    topic = new_topic(topic_spec(assignment=[[5001], [5002]]))
    assert {f"{topic}-0", f"{topic}-1"} <= names(admin.list_partitions([]))


def test_a_bad_assignment_is_refused(
    new_topic: Callable[..., str], topic_spec: Callable[..., Any]
) -> None:
    with pytest.raises(Exception, match=r"(?i)topic|duplicate|unique"):
        new_topic(topic_spec(assignment=[[5001, 5001]]))


def test_an_existing_topic_is_refused(admin: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    with pytest.raises(Exception, match="Topic already exists"):
        admin.create_topic(topic)


@pytest.mark.parametrize("name", ["Bad_Name", "-dash", "dash-", "a" * 64, "dot.ted", ""])
def test_a_bad_name_is_refused(admin: Any, name: str) -> None:
    with pytest.raises(Exception, match=r"(?i)name|invalid|topic"):
        admin.create_topic(name)
    assert name not in names(admin.all_topics())


def test_deleting_a_missing_topic_says_so(admin: Any) -> None:
    with pytest.raises(Exception, match="Topic not found"):
        admin.delete_topic("no-such-topic")


def test_a_dry_run_creates_nothing(admin: Any) -> None:
    """By the binding's own type: its Python wrapper passes one argument too many."""
    topic = f"t-{uuid.uuid4()}"
    request = fluvio.CommonCreateRequest.new(topic, True, 5000)
    admin._inner.create_topic_with_config(request._inner, TopicSpec.create().build())
    assert topic not in names(admin.all_topics())


def test_the_system_topic_stays_out_of_the_list(admin: Any) -> None:
    assert "consumer-offset" not in names(admin.all_topics())


def test_a_deleted_name_can_be_used_again_at_once(admin: Any, client: Any) -> None:
    topic = f"t-{uuid.uuid4()}"
    for round_number in range(3):
        admin.create_topic(topic)
        producer = client.topic_producer(topic)
        assert producer.send_string(f"round {round_number}").wait().offset() == 0
        producer.flush()
        admin.delete_topic(topic)


WATCH = """
import sys
import fluvio
config = fluvio.FluvioConfig.new(sys.argv[1])
config.disable_tls()
for update in fluvio.FluvioAdmin.connect_with_config(config).watch_topic():
    names = [item.name() for item in update.all()]
    for change in update.changes():
        sign = "-" if change.is_delete() else ""
        names.append(sign + change.metadata_topic_spec().name())
    print("update", *names, flush=True)
"""


def test_watching_topics_shows_new_ones_and_those_that_go(admin: Any, local_cluster: Any) -> None:
    """In a process of its own: the binding blocks all threads of one that waits for an update."""
    topics = [f"t-{uuid.uuid4()}" for _ in range(2)]
    with subprocess.Popen(
        [sys.executable, "-c", WATCH, local_cluster.public_address],
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stdout is not None
        lines = watcher.stdout

        def read_until(wanted: set[str]) -> None:
            seen: set[str] = set()
            while not wanted <= seen:
                line = lines.readline()
                assert line, "the watch ended"
                seen.update(line.split())

        try:
            first = lines.readline().split()
            assert first[:1] == ["update"]
            assert not set(topics) & set(first)
            for topic in topics:
                admin.create_topic(topic)
            read_until(set(topics))
            for topic in topics:
                admin.delete_topic(topic)
            read_until({f"-{topic}" for topic in topics})
        finally:
            watcher.kill()


def test_a_smart_module_is_created_listed_and_deleted(admin: Any, tmp_path: Path) -> None:
    name = f"m-{uuid.uuid4()}"
    wasm = tmp_path / "module.wasm"
    wasm.write_bytes(b"\0asm\1\0\0\0")
    for _ in range(2):  # one that exists is replaced
        admin.create_smartmodule(name, str(wasm), False)
        assert names(admin.list_smartmodules([name])) == {name}
    admin.delete_smartmodule(name)
    assert name not in names(admin.list_smartmodules([]))


def test_an_unreachable_cluster_is_an_error() -> None:
    config = fluvio.FluvioConfig.new("127.0.0.1:1")
    config.disable_tls()
    with pytest.raises(Exception, match=r"(?i)refused|connect"):
        fluvio.Fluvio.connect_with_config(config)
