"""The official client sends SmartModules, by path, and reads what the SPU makes of records."""

import gc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from fluvio import ConsumerConfig, Offset, SmartModuleKind

pytestmark = pytest.mark.cluster

MODULES = Path(__file__).parents[1] / "spu" / "modules"


@pytest.fixture(autouse=True)
def _iterators_end_where_they_began() -> Iterator[None]:
    """One that raised is part of a cycle, and the binding complains if another thread frees it."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Path of a module's wasm."""
    directory = tmp_path_factory.mktemp("modules")

    def compiled(name: str) -> str:
        path = directory / f"{name}.wasm"
        if not path.exists():
            path.write_bytes(wasmtime.wat2wasm((MODULES / f"{name}.wat").read_text()))
        return str(path)

    return compiled


@pytest.fixture
def stored(admin: Any, module: Any) -> Iterator[Callable[[str], str]]:
    """Stores a module in the cluster under a name of its own."""
    names: list[str] = []

    def create(file_name: str) -> str:
        name = f"m-{uuid.uuid4()}"
        admin.create_smartmodule(name, module(file_name), False)
        names.append(name)
        return name

    yield create
    for name in names:
        admin.delete_smartmodule(name)


@pytest.fixture
def consume(client: Any) -> Callable[..., Iterator[Any]]:
    """Records of partition 0 through modules, up to what is there now."""

    def stream(topic: str, *paths: str, offset: int = 0, **settings: Any) -> Iterator[Any]:
        config = ConsumerConfig()
        config.disable_continuous()
        for path in paths:
            config.smartmodule(path=path, **settings)
        consumer = client.partition_consumer(topic, 0)
        found: Iterator[Any] = consumer.stream_with_config(Offset.absolute(offset), config)
        return found

    return stream


def fill(client: Any, topic: str, *batches: list[str]) -> None:
    producer = client.topic_producer(topic)
    for values in batches:
        for value in values:
            producer.send_string(value)
        producer.flush()


def seen(records: Iterator[Any]) -> list[tuple[int, str]]:
    return [(record.offset(), record.value_string()) for record in records]


def failure(records: Iterator[Any]) -> str:
    """What the client raises for the next item."""
    with pytest.raises(Exception, match="SmartModule") as caught:
        next(records)
    return str(caught.value)


def test_records_are_filtered(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "2", "3"], ["4"], ["5", "7"])
    for settings in ({}, {"kind": SmartModuleKind.Filter}):
        records = seen(consume(topic, module("odd"), **settings))
        assert [value for _, value in records] == ["1", "3", "5", "7"]


def test_a_stream_begins_within_a_batch(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "3", "5"], ["7"])
    assert seen(consume(topic, module("odd"), offset=1)) == [(1, "3"), (2, "5"), (3, "7")]


def test_a_filter_that_leaves_nothing_comes_to_its_end(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "2", "3"], ["4"])
    assert seen(consume(topic, module("drop_all"))) == []


def test_modules_are_put_one_behind_the_other(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "2", "3"])
    records = seen(consume(topic, module("keep_all"), module("odd")))
    assert [value for _, value in records] == ["1", "3"]


def test_an_error_follows_the_records_before_it_and_the_rest_is_behind_it(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any
) -> None:
    """The client ends a stream with an error; the offset in it says where the next one begins."""
    topic = new_topic()
    fill(client, topic, ["1", "two", "3", "4", "5"], ["7"])
    records = consume(topic, module("odd"))
    assert next(records).value_string() == "1"
    text = failure(records)
    for part in ("no number", "Type: Filter", "Offset: 1", "Value: two"):
        assert part in text
    rest = seen(consume(topic, module("odd"), offset=2))
    assert [value for _, value in rest] == ["3", "5", "7"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trap", "SmartModule transform error"),
        ("no_record_list", "SmartModule transform error"),
        ("init_refuses", "missing a param"),
        ("no_transform", "SmartModule"),
    ],
)
def test_a_bad_module_is_an_error_and_harms_nobody_else(
    client: Any, new_topic: Callable[..., str], consume: Any, module: Any, name: str, text: str
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "2", "3"])
    assert text in failure(consume(topic, module(name)))
    assert [value for _, value in seen(consume(topic, module("odd")))] == ["1", "3"]
    assert [value for _, value in seen(consume(topic))] == ["1", "2", "3"]


def test_a_stored_module_is_used_by_its_name(
    client: Any, new_topic: Callable[..., str], module: Any, stored: Any
) -> None:
    topic = new_topic()
    fill(client, topic, ["1", "2", "3"])
    name = stored("odd")
    for _ in range(2):
        config = ConsumerConfig()
        config.disable_continuous()
        config.smartmodule(name=name)
        records = client.partition_consumer(topic, 0).stream_with_config(Offset.beginning(), config)
        assert [value for _, value in seen(records)] == ["1", "3"]


def test_a_name_that_nothing_is_stored_under_is_said(
    client: Any, new_topic: Callable[..., str]
) -> None:
    topic = new_topic()
    fill(client, topic, ["1"])
    config = ConsumerConfig()
    config.disable_continuous()
    config.smartmodule(name="nothing-like-it")
    records = client.partition_consumer(topic, 0).stream_with_config(Offset.beginning(), config)
    assert "nothing-like-it" in failure(records)
