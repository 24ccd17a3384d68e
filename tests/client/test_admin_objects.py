"""Admin without a cluster: quantities, names, formats, owners, comparisons, topic files."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client import formats, shapes
from fluvio_client.admin import kind_named
from fluvio_client.desired import Difference, changeable, compare
from fluvio_client.errors import ManagedObject
from fluvio_client.likeness import not_found_text
from fluvio_client.objects import Owner, Partition, Spu, Topic
from fluvio_client.quantities import bytes_of, seconds_of, whole_seconds_of
from fluvio_client.table_format_file import read_table_format
from fluvio_client.topic_config import read_topic_config, write_topic_config
from fluvio_client.topics import topic_spec
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec, SpuStatus, SpuType
from fluvio_protocol.metadata.table_format import Alignment, TextColor
from fluvio_protocol.metadata.topic import (
    Deduplication,
    DeduplicationBounds,
    Duration,
    TopicSpec,
    TopicStatus,
    Transform,
)
from fluvio_protocol.types import CompressionType, SpuId


@pytest.mark.parametrize(
    ("length", "seconds"),
    [(3, 3), (0.5, 0.5), ("1h 1m", 3660), ("150ms", 0.15), (timedelta(days=1), 86_400), (0, 0)],
)
def test_lengths_of_time(length: Any, seconds: float) -> None:
    assert seconds_of(length) == seconds


@pytest.mark.parametrize("length", [-1, "", "3", "1 parsec", float("nan"), timedelta(seconds=-1)])
def test_what_is_no_length_of_time(length: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        seconds_of(length)


def test_whole_seconds() -> None:
    assert whole_seconds_of("7d") == 604_800
    with pytest.raises(ValueError, match="whole seconds"):
        whole_seconds_of("1500ms")


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (7, 7), ("2 Ki", 2048), ("10MiB", 10 << 20), ("1.5 KB", 1500)]
)
def test_sizes(size: Any, count: int) -> None:
    assert bytes_of(size) == count


@pytest.mark.parametrize("size", [-1, "", "ten", "1 parsec"])
def test_what_is_no_size(size: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        bytes_of(size)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ordrs", "Topic not found: ordrs. Did you mean orders?"),
        ("metrics-eu3", "Topic not found: metrics-eu3. Did you mean metrics-eu2 or metrics-eu1?"),
        ("invoices", "Topic not found: invoices"),
        ("orders", "Topic not found: orders"),
    ],
)
def test_a_name_that_is_not_there(name: str, text: str) -> None:
    assert not_found_text("Topic", name, ["orders", "metrics-eu2", "metrics-eu1"]) == text


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("topic", Kind.TOPIC),
        ("topics", Kind.TOPIC),
        ("spu-group", Kind.SPU_GROUP),
        ("spg", Kind.SPU_GROUP),
        ("TableFormat", Kind.TABLE_FORMAT),
        (Kind.SPU, Kind.SPU),
    ],
)
def test_words_for_kinds(word: str, kind: Kind) -> None:
    assert kind_named(word) is kind


def test_a_word_that_is_no_kind() -> None:
    with pytest.raises(ValueError, match='"queue" is no kind of object: Topic, '):
        kind_named("queue")


def spu(name: str, spu_type: SpuType) -> Spu:
    spec = SpuSpec(
        id=SpuId(3),
        spu_type=spu_type,
        public_endpoint=IngressPort(port=9010),
        private_endpoint=Endpoint(port=9011, host="here"),
    )
    return Spu(name, spec, SpuStatus())


def test_owners() -> None:
    topic = Topic("orders", TopicSpec(), TopicStatus())
    assert topic.owner is None
    partition = Partition(
        "my-orders-12", PartitionSpec(leader=SpuId(1), replicas=(SpuId(1),)), PartitionStatus()
    )
    assert (partition.topic, partition.number) == ("my-orders", 12)
    assert partition.owner == Owner(Kind.TOPIC, "my-orders")
    assert spu("custom-spu-3", SpuType.CUSTOM).owner is None
    assert spu("main-3", SpuType.MANAGED).owner == Owner(Kind.SPU_GROUP, "main")
    with pytest.raises(AttributeError):
        topic.status = TopicStatus(reason="because I say so")  # type: ignore[misc]


def test_objects_as_text() -> None:
    topic = Topic("orders", topic_spec(3, retention="1h"), TopicStatus())
    assert formats.read(topic.text(), "json") == formats.read(topic.text("TOML"), "toml") | {
        "status": formats.read(topic.text(), "json")["status"]
    }
    assert "replicas: !computed\n" in topic.text("yaml")
    assert formats.read(topic.text("yaml"), "yaml") == topic.shape()


def test_a_format_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_FORMATS", dict(formats._FORMATS))
    formats.register(formats.Format("Names", lambda data, kind: f"{kind}: {data['name']}\n"))
    assert "names" in formats.format_names()
    topic = Topic("orders", TopicSpec(), TopicStatus())
    assert topic.text("names") == "items: orders\n"
    with pytest.raises(ValueError, match="only written"):
        formats.read("orders", "names")
    with pytest.raises(ValueError, match='unknown format "xml": known are json, names, toml'):
        topic.text("xml")


def test_yaml_is_version_1_2() -> None:
    text = "{a: on, b: 010, c: 12:30, d: 1e3, e: ~, f: True, g: .5, h: 0.1.0, i: -3, j: 2020-01-01}"
    assert formats.read(text, "yaml") == {
        "a": "on", "b": 10, "c": "12:30", "d": 1000.0, "e": None, "f": True, "g": 0.5,
        "h": "0.1.0", "i": -3, "j": "2020-01-01",
    }  # fmt: skip
    assert formats.read("", "yaml") is None
    assert formats.read_yaml_documents("a: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    for bad in ("{", "a: [", "1\n---\n2", "!x\n- ]", "!!bool x", "!!timestamp x", "!!int x"):
        with pytest.raises(ValueError, match=r"\w"):
            formats.read(bad, "yaml")


@given(st.text(max_size=60))
def test_bad_yaml_is_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        formats.read(text, "yaml")


def test_comparing_specs() -> None:
    now = topic_spec(3, retention="1h")
    assert compare(Kind.TOPIC, now, topic_spec(3, retention=3600)) == []
    assert compare(Kind.TOPIC, now, topic_spec(5, segment_size="1 MB")) == [
        Difference("replicas.computed.partitions", 3, 5),
        Difference("cleanupPolicy.segment.timeInSeconds", 3600, None),
        Difference("storage.segmentSize", None, 1_000_000),
    ]
    text = str(Difference("a.b", None, 3))
    assert text == "a.b is not set, wanted 3"


def test_what_only_the_cluster_makes() -> None:
    with pytest.raises(ManagedObject, match="change the topic"):
        changeable(Kind.PARTITION, "orders-0", None)
    with pytest.raises(ManagedObject, match="change the group"):
        changeable(Kind.SPU, "main-0", spu("main-0", SpuType.MANAGED).spec)
    assert changeable(Kind.SPU, "x", spu("x", SpuType.CUSTOM).spec)[0] is Kind.CUSTOM_SPU


def test_a_topic_of_nothing_is_no_topic() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        topic_spec(0)
    with pytest.raises(ValueError, match="unknown compression"):
        topic_spec(compression="zip")


TOPIC_FILE = """
version: 0.1.0
meta:
  name: my-topic
partition:
  count: 3
  max-size: 10.0 KB
  replication: 2
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
      uses: infinyon-labs/deduplication-filter@0.1.0
      with: {limit: 5}
"""


def test_a_topic_file() -> None:
    found = read_topic_config(formats.read(TOPIC_FILE, "yaml"))
    assert (found.name, found.unknown) == ("my-topic", ())
    assert found.spec == topic_spec(
        3,
        2,
        ignore_rack_assignment=True,
        retention=120,
        segment_size=2000,
        max_partition_size=10_000,
        compression="lz4",
        deduplication=Deduplication(
            bounds=DeduplicationBounds(count=100, age=Duration(seconds=60)),
            filter=Transform(uses="infinyon-labs/deduplication-filter@0.1.0", with_={"limit": "5"}),
        ),
    )
    assert read_topic_config(write_topic_config(found.name, found.spec)) == found


def test_the_smallest_topic_file() -> None:
    found = read_topic_config({"meta": {"name": "t"}})
    assert found.spec == TopicSpec()
    assert read_topic_config(write_topic_config("t", found.spec)) == found
    assigned = read_topic_config(
        {"meta": {"name": "t"}, "partition": {"maps": [{"id": 0, "replicas": [5001, 5002]}]}}
    )
    assert assigned.spec == topic_spec(assignment=[[5001, 5002]])
    assert read_topic_config(write_topic_config("t", assigned.spec)) == assigned


def test_keys_that_mean_nothing() -> None:
    data = yaml.safe_load(TOPIC_FILE)
    data["partition"]["max_size"] = 5
    data["metadata"] = {}
    assert read_topic_config(data).unknown == ("metadata", "partition.max_size")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "the file: expected keys with values"),
        ({}, "meta.name: is missing"),
        ({"meta": {"name": 5}}, "meta.name: expected text, found 5"),
        ({"meta": {"name": "t"}, "partition": 3}, "partition: expected keys"),
        ({"meta": {"name": "t"}, "partition": {"count": 0}}, "partition.count: must be greater"),
        ({"meta": {"name": "t"}, "partition": {"max-size": "1 x"}}, "partition.max-size: unknown"),
        ({"meta": {"name": "t"}, "retention": {"time": "soon"}}, "retention.time: "),
        ({"meta": {"name": "t"}, "compression": {"type": "zip"}}, "compression.type: unknown"),
        (
            {"meta": {"name": "t"}, "partition": {"count": 1, "maps": [{"id": 0}]}},
            "partition.maps: partition 0 needs SPU ids",
        ),
        (
            {"meta": {"name": "t"}, "deduplication": {"bounds": {"count": 5}}},
            "deduplication: bounds.count and filter.transform.uses are both needed",
        ),
        (
            {"meta": {"name": "t"}, "deduplication": {"bounds": {"count": 0}}},
            "deduplication.bounds.count: must be greater than 0",
        ),
    ],
)
def test_bad_topic_files(data: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_topic_config(data)


def test_a_table_format_file() -> None:
    found = read_table_format(
        {
            "name": "people",
            "inputFormat": "JSON",
            "columns": [
                {"keyPath": "name", "width": 20, "alignment": "LEFT", "primaryKey": True},
                {"keyPath": "age", "headerFgColor": "Blue", "hidden": True},
            ],
            "version": 1,
        }
    )
    assert found.unknown == ("version", "columns[1].hidden")
    name, age = found.spec.columns or ()
    assert (name.width, name.alignment, name.primary_key) == ("20", Alignment.LEFT, True)
    assert age.header_text_color is TextColor.BLUE
    assert shapes.spec(Kind.TABLE_FORMAT, found.spec)["columns"][1] == {
        "keyPath": "age", "headerTextColor": "BLUE",
    }  # fmt: skip
    for bad, complaint in (
        ({}, "name: is missing"),
        ({"name": "t", "columns": [{}]}, r"columns\[0\].keyPath: is missing"),
        ({"name": "t", "columns": [{"keyPath": "a", "alignment": "UP"}]}, "none of LEFT, RIGHT"),
        ({"name": "t", "inputFormat": "XML"}, "inputFormat: 'XML' is none of JSON"),
    ):
        with pytest.raises(ValueError, match=complaint):
            read_table_format(bad)


def test_every_compression_by_name() -> None:
    for member in CompressionType:
        assert topic_spec(compression=member.name.lower()).compression_type is member
