"""A cluster whose objects are those of a file, on real processes, for both clients."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fluvio import FluvioAdmin, FluvioConfig

pytestmark = pytest.mark.cluster


def metadata(spu_port_base: int, *, partitions: int) -> str:
    """In the form of Fluvio's own files for such clusters."""
    topic = {
        "apiVersion": "fluvio.infinyon.com/v2",
        "kind": "Topic",
        "metadata": {"name": "my-topic"},
        "spec": {"replicas": {"computed": {"partitions": partitions}}},
    }
    spu = {
        "apiVersion": "fluvio.infinyon.com/v1",
        "kind": "Spu",
        "metadata": {"name": "spu1"},
        "spec": {
            "spuId": 5001,
            "spuType": "Custom",
            "publicEndpoint": {
                "encryption": "PLAINTEXT",
                "ingress": [{"hostname": "localhost", "ip": None}],
                "port": spu_port_base,
            },
            "privateEndpoint": {
                "encryption": "PLAINTEXT",
                "host": "localhost",
                "port": spu_port_base + 1,
            },
        },
    }
    return json.dumps({"topics": [topic], "spus": [spu]}, indent=2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read-only") / "metadata.json"


@pytest.fixture(scope="module")
def cluster(cluster_factory: Any, file: Path) -> Iterator[Any]:
    found = cluster_factory(
        start_flags=("--read-only", str(file)),
        prepare=lambda one: file.write_text(metadata(one.spu_port_base, partitions=1)),
    )
    yield found
    found.delete()


@pytest.fixture
def here(cluster: Any, fluvio: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in this process, with the profile of the read-only cluster."""
    monkeypatch.setenv("FLV_PROFILE_PATH", str(cluster.profile_path))
    return fluvio


def test_what_is_listed_is_served_and_nothing_is_changed(
    cluster: Any, file: Path, here: Any
) -> None:
    before = file.read_bytes()
    here("produce", "my-topic", stdin="one\ntwo\n")
    assert here("consume", "my-topic", "-B", "-d") == "one\ntwo\n"
    here("consume", "my-topic", "--consumer", "c", "-B", "-d")
    assert "my-topic" in here("consumer", "list")
    assert "spu1" in here("cluster", "spu", "list")

    config = FluvioConfig.new(cluster.public_address)
    config.disable_tls()
    admin = FluvioAdmin.connect_with_config(config)
    assert [one.name() for one in admin.all_topics()] == ["my-topic"]
    with pytest.raises(Exception, match="permission denied"):
        admin.create_topic("other-topic")

    for words in (
        ("topic", "create", "other-topic"),
        ("topic", "create", "other-topic", "--dry-run"),
        ("topic", "delete", "my-topic"),
        ("topic", "add-partition", "my-topic", "--count", "1"),
        ("cluster", "spu", "unregister", "--id", "5001"),
        ("cluster", "spu", "drain", "5001", "--dry-run"),
        ("topic", "rebalance"),
    ):
        said = here.refused(*words)
        reason = f"this cluster is read-only: its objects are those of {file}"
        assert f"permission denied: {reason}" in said, words
    assert file.read_bytes() == before


def test_resumed_it_has_its_records_and_what_the_file_says_now(
    cluster: Any, file: Path, here: Any
) -> None:
    here("produce", "my-topic", stdin="before\n")
    cluster.shut_down()
    file.write_text(metadata(cluster.spu_port_base, partitions=2))
    cluster.resume()
    listed = json.loads(here("partition", "list", "-O", "json"))
    assert [one["name"] for one in listed] == ["my-topic-0", "my-topic-1"]
    assert "before\n" in here("consume", "my-topic", "-B", "-d", "-p", "0")

    cluster.shut_down()
    file.write_text(metadata(cluster.spu_port_base, partitions=1))
    refused = cluster.fluvio("cluster", "resume", "--data-dir", str(cluster.data_dir), check=False)
    assert refused.returncode == 1
    assert "Topic my-topic: it has 2 partitions: they can be added, never taken" in refused.stderr
