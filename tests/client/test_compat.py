"""The official package's names over our client: what is asked of one is asked of the other.

The tests of `tests/conformance` run here once more with our module in the place of the package, and
records go from each of the two to the other.
"""

import gc
import importlib
import importlib.util
import itertools
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fluvio
import pytest

from fluvio_client import compat
from fluvio_client.compat import TopicSpec

CONFORMANCE = Path(__file__).parents[1] / "conformance"
NOT_OF_NAMES = {
    "test_a_million_records_come_back_without_a_gap",  # of the servers, and slow
    "test_a_dry_run_creates_nothing",  # works around a defect of the package
    "test_watching_topics_shows_new_ones_and_those_that_go",  # likewise; ours is below
}


def with_our_names(name: str) -> ModuleType:
    """A module of conformance tests, in which `fluvio` is our module."""
    spec = importlib.util.spec_from_file_location(f"compat_{name}", CONFORMANCE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    theirs = sys.modules.get("fluvio")
    sys.modules["fluvio"] = compat
    try:
        spec.loader.exec_module(module)
    finally:
        if theirs is None:
            del sys.modules["fluvio"]
        else:
            sys.modules["fluvio"] = theirs
    return module


def gathered(name: str) -> dict[str, Any]:
    """Its tests, and its fixtures."""
    found = vars(with_our_names(name))
    tests = {
        member: pytest.mark.cluster(value)
        for member, value in found.items()
        if member.startswith("test_") and member not in NOT_OF_NAMES
    }
    return tests | {member: found[member] for member in ("letters", "topic") if member in found}


for conformance in ("test_official_admin", "test_official_produce", "test_official_consume"):
    globals().update(gathered(conformance))


def config_of(library: ModuleType, cluster: Any) -> Any:
    config = library.FluvioConfig.new(cluster.public_address)
    config.disable_tls()
    return config


@pytest.fixture(scope="module")
def admin(local_cluster: Any) -> compat.FluvioAdmin:
    return compat.FluvioAdmin.connect_with_config(config_of(compat, local_cluster))


@pytest.fixture(scope="module")
def client(local_cluster: Any) -> compat.Fluvio:
    return compat.Fluvio.connect_with_config(config_of(compat, local_cluster))


@pytest.fixture
def topic_spec() -> Callable[..., Any]:
    """As the conformance tests' own one, made with the package's names."""

    def made(
        *,
        partitions: int = 1,
        compression: Any = None,
        assignment: list[list[int]] | None = None,
        retention_seconds: int | None = None,
        segment_size: int | None = None,
        max_partition_size: int | None = None,
    ) -> Any:
        spec = TopicSpec.create().with_partitions(partitions)
        if assignment is not None:
            rows = [compat.PartitionMap.new(n, row) for n, row in enumerate(assignment)]
            spec = spec.with_assignment(rows)
        if compression is not None:
            spec = spec.with_compression(compat.CompressionType[compression.name.upper()])
        if retention_seconds is not None:
            spec = spec.with_retention_time(retention_seconds)
        if segment_size is not None:
            spec = spec.with_segment_size(segment_size)
        if max_partition_size is not None:
            spec = spec.with_max_partition_size(max_partition_size)
        return spec.build()

    return made


@pytest.fixture
def new_topic(admin: compat.FluvioAdmin) -> Iterator[Callable[..., str]]:
    made: list[str] = []

    def create(spec: Any = None, name: str | None = None) -> str:
        topic = name or f"t-{uuid.uuid4()}"
        admin.create_topic(topic, spec)
        made.append(topic)
        return topic

    yield create
    for topic in made:
        admin.delete_topic(topic)


@pytest.fixture(scope="module")
def official() -> ModuleType:
    """The package itself, where there is one for this Python."""
    module: ModuleType = pytest.importorskip("fluvio")
    return module


def test_no_public_name_is_missing(official: ModuleType) -> None:
    wanted = set(official.__all__) | {"FluviorError", "ConsumerIterator"}
    wanted -= {"FluvioError"}
    assert wanted - set(compat.__all__) == set()
    for name in wanted:
        theirs, ours = getattr(official, name), getattr(compat, name)
        methods = {one for one in vars(theirs) if not one.startswith("_")} - {"mro"}
        missing = {one for one in methods if not hasattr(ours, one)}
        # of objects that hold data in attributes, or whose fields have no default
        fields = set(getattr(ours, "__annotations__", {}))
        assert missing - fields == set(), name


@pytest.mark.cluster
@pytest.mark.parametrize("writer", ["ours", "theirs"])
@pytest.mark.parametrize("reader", ["ours", "theirs"])
def test_data_goes_both_ways(
    local_cluster: Any,
    new_topic: Callable[..., str],
    official: ModuleType,
    writer: str,
    reader: str,
) -> None:
    libraries: dict[str, Any] = {"ours": compat, "theirs": official}
    w, r = libraries[writer], libraries[reader]
    topic = new_topic(TopicSpec.create().with_partitions(3).build())
    pairs = [(b"key %d" % (n % 7), b"value %d \xff" % n * 10) for n in range(300)]

    builder = w.TopicProducerConfigBuilder().linger(5).batch_size(2000)
    config = builder.compression(w.Compression.Gzip).isolation(w.Isolation.ReadCommitted).build()
    producer = w.Fluvio.connect_with_config(config_of(w, local_cluster)).topic_producer_with_config(
        topic, config
    )
    outputs = producer.send_all(pairs)
    outputs.append(producer.send([], [104, 195, 169]))
    outputs.append(producer.send_string("é"))
    producer.flush()
    metadata = [output.wait() for output in outputs]
    assert [output.wait() for output in outputs] == [None] * 302
    where = [(one.partition_id(), one.offset()) for one in metadata]

    reading = r.Fluvio.connect_with_config(config_of(r, local_cluster))
    records: dict[tuple[int, int], Any] = {}
    for partition in range(3):
        count = sum(1 for one in where if one[0] == partition)
        stream = reading.partition_consumer(topic, partition).stream(r.Offset.beginning())
        for record in itertools.islice(stream, count):
            records[partition, record.offset()] = record
    found = [records[one] for one in where]
    assert [(bytes(one.key()), bytes(one.value())) for one in found[:300]] == pairs
    assert [one.value_string() for one in found[300:]] == ["hé", "é"]
    assert [one.key_string() for one in found[300:]] == ["", ""]
    assert len({one[0] for one in where[300:]}) == 1, "the empty key is a key"
    assert all(one.timestamp() > 0 for one in found)


@pytest.mark.cluster
def test_values_are_of_the_same_types(
    local_cluster: Any, new_topic: Callable[..., str], official: ModuleType
) -> None:
    from fluvio_client import sync

    topic = new_topic()
    with (
        sync.connect(address=local_cluster.public_address) as client,
        client.producer(topic) as producer,
    ):
        producer.send_all([(None, b"no key"), (b"key", b"with key")])
    seen = []
    for library in (compat, official):
        reading: Any = library.Fluvio.connect_with_config(config_of(library, local_cluster))
        stream = reading.partition_consumer(topic, 0).stream(library.Offset.beginning())
        seen.append(
            [
                (one.offset(), one.key(), one.key_string(), one.value(), one.value_string())
                for one in itertools.islice(stream, 2)
            ]
        )
    assert seen[0] == seen[1]


@pytest.mark.cluster
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_one_continues_where_the_other_stopped(
    local_cluster: Any, new_topic: Callable[..., str], official: ModuleType, first: str
) -> None:
    topic, me = new_topic(), f"me-{uuid.uuid4()}"
    libraries: list[Any] = [compat, official] if first == "ours" else [official, compat]
    producer = libraries[0].Fluvio.connect_with_config(config_of(libraries[0], local_cluster))
    sender = producer.topic_producer(topic)
    for letter in "abcde":
        sender.send_string(letter)
    sender.flush()
    seen = ""
    for library in libraries:
        reading = library.Fluvio.connect_with_config(config_of(library, local_cluster))
        builder = library.ConsumerConfigExtBuilder(topic)
        builder.offset_start(library.Offset.beginning())
        builder.offset_consumer(me)
        builder.offset_strategy(library.OffsetManagementStrategy.MANUAL)
        stream = reading.consumer_with_config(builder.build())
        seen += "".join(next(stream).value_string() for _ in range(2))
        stream.offset_commit()
        stream.offset_flush()
    assert seen == "abcd"
    for library in libraries:
        reading = library.Fluvio.connect_with_config(config_of(library, local_cluster))
        (kept,) = [one for one in reading.consumer_offsets() if one.consumer_id == me]
        assert (kept.topic, kept.partition, kept.offset) == (topic, 0, 3)


@pytest.mark.cluster
def test_watching_topics(admin: compat.FluvioAdmin) -> None:
    updates = admin.watch_topic()
    first = next(updates)
    topic = f"t-{uuid.uuid4()}"
    assert first.epoch() >= 0
    assert topic not in {one.name() for one in first.all()}
    admin.create_topic(topic)
    seen: list[tuple[str, bool]] = []
    while (topic, False) not in seen:
        update = next(updates)
        seen += [(one.name(), False) for one in update.all()]
        seen += [
            (change.metadata_topic_spec().name(), change.is_delete()) for change in update.changes()
        ]
    request = compat.CommonCreateRequest.new(f"{topic}-dry", True, 5000)
    admin.create_topic_with_config(f"{topic}-dry", request, TopicSpec.create().build())
    assert {one.name() for one in admin.list_topics([topic[:20]])} == {topic}
    admin.delete_topic(topic)
    while (topic, True) not in seen:
        seen += [
            (change.metadata_topic_spec().name(), change.is_delete())
            for change in next(updates).changes()
        ]


@pytest.mark.parametrize("package", [compat, fluvio], ids=["ours", "official"])
def test_wrong_uses_of_a_smart_module(package: Any) -> None:
    config = package.ConsumerConfig()
    with pytest.raises(Exception, match=r"^Require either a path or a name for a smartmodule\.$"):
        config.smartmodule()
    with pytest.raises(Exception, match=r"^Only specify one of path or name not both\.$"):
        config.smartmodule(name="a", path="b")
    with pytest.raises(AttributeError, match="'str' object has no attribute 'value'"):
        config.smartmodule(kind="foobar")
    with pytest.raises(package.FluviorError, match=r"No such file or directory \(os error 2\)"):
        config.smartmodule(path="no/such.wasm", kind=package.SmartModuleKind.Filter)


def test_a_smart_module_is_a_step_of_a_chain() -> None:
    config = compat.ConsumerConfig()
    config.smartmodule(name="a", params={"k": "v"}, aggregate=[b"1"])
    (transform,) = config.transforms
    assert (transform.uses, transform.params, transform.accumulator) == ("a", {"k": "v"}, b"1")


def test_settings_of_a_topic() -> None:
    spec = (
        TopicSpec.new(2, 3, False)
        .with_retention_time("7 days")
        .with_segment_size("10 MiB")
        .with_max_partition_size("2Gi")
        .with_compression(compat.CompressionType.ZSTD)
        .as_system_topic()
    )
    assert (spec.retention_time, spec.segment_size) == (7 * 86_400, 10 * 2**20)
    assert spec.max_partition_size == 2 * 10**9, "by the package's rule: `ib` counts by 1024"
    built = spec.build()
    assert (built.replicas.partitions, built.replicas.replication_factor) == (2, 3)
    for refused in (spec.with_partitions, spec.with_replications):
        with pytest.raises(ValueError, match="positive"):
            refused(-1)
    with pytest.raises(compat.FluviorError, match="mirror"):
        spec.as_mirror_topic().build()


def test_tls_is_refused_rather_than_ignored() -> None:
    config = compat.FluvioConfig.new("127.0.0.1:1")
    config.set_anonymous_tls()
    with pytest.raises(compat.FluviorError, match="TLS"):
        compat.Fluvio.connect_with_config(config)


@pytest.mark.cluster
def test_a_client_ends_with_the_last_of_what_was_made_from_it(
    local_cluster: Any, new_topic: Callable[..., str]
) -> None:
    """Programs drop things; there is no `close` in the package."""
    topic = new_topic()
    before = set(threading.enumerate())
    dropped = compat.Fluvio.connect_with_config(config_of(compat, local_cluster))
    (thread,) = (one for one in set(threading.enumerate()) - before if one.name == "fluvio-client")
    producer = dropped.topic_producer(topic)
    stream = dropped.partition_consumer(topic, 0).stream(compat.Offset.beginning())
    del dropped
    gc.collect()
    producer.send_string("still there")
    producer.flush()
    del producer
    gc.collect()
    assert next(stream).value_string() == "still there"
    assert thread.is_alive()
    del stream
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
