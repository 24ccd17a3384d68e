"""The official client sends modules that are written in C, by path, to a real cluster."""

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fluvio import ConsumerConfig, Offset

from fluvio_cli.smartmodules import ready_made

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "tests" / "smartmodules" / "sources"
TEMPLATES = REPOSITORY / "smartmodules" / "templates"


@pytest.fixture(autouse=True)
def _iterators_end_where_they_began() -> Iterator[None]:
    """One that raised is part of a cycle, and the binding complains if another thread frees it."""
    yield
    gc.collect()


Consume = Callable[..., list[str]]
CompileC = Callable[[str], bytes]


@pytest.fixture
def consume(client: Any, new_topic: Callable[..., str], tmp_path: Path) -> Consume:
    """Values, and the messages of errors, of lines that a module sees in one batch."""

    def values(code: bytes, lines: list[str], **settings: Any) -> list[str]:
        topic = new_topic()
        producer = client.topic_producer(topic)
        for line in lines:
            producer.send_string(line)
        producer.flush()
        path = tmp_path / "module.wasm"
        path.write_bytes(code)
        config = ConsumerConfig()
        config.disable_continuous()
        config.smartmodule(path=str(path), **settings)
        consumer, start, found = client.partition_consumer(topic, 0), 0, list[str]()
        while True:
            stream = consumer.stream_with_config(Offset.absolute(start), config)
            try:
                for record in stream:
                    found.append(record.value_string())
                return found
            except Exception as error:
                found.append(str(error))
                place = re.search(r"Offset: (\d+)", found[-1])
                if place is None:
                    return found
                start = int(place[1]) + 1  # this client's streams end with an error

    return values


@pytest.mark.parametrize(
    ("name", "kind", "before", "after"),
    [("odd", "Filter", ["1", "3"], ["5"]), ("double", "Map", ["2", "4", "6"], ["10", "12"])],
)
def test_an_error_stands_between_what_came_before_and_after(
    consume: Consume, compile_c: CompileC, name: str, kind: str, before: list[str], after: list[str]
) -> None:
    code = compile_c((SOURCES / f"{name}.c").read_text("utf-8"))
    found = consume(code, ["1", "2", "3", "two", "5", "6"])
    error = found.pop(len(before))
    assert found == before + after
    assert "not a number: two" in error
    assert f"Type: {kind}" in error
    assert "Offset: 3" in error
    assert "Value: two" in error


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("filter", {"params": {"text": "4"}}, ["4", "40"]),
        ("map", {"params": {"prefix": "= "}}, ["= 4", "= 40", "= 6"]),
        ("filter_map", {}, ["2", "20", "3"]),
        ("array_map", {}, ["4", "40", "6"]),
        ("aggregate", {"aggregate": b"100"}, ["104", "144", "150"]),
    ],
)
def test_every_kind_runs(
    consume: Consume,
    compile_c: CompileC,
    kind: str,
    settings: dict[str, Any],
    expected: list[str],
) -> None:
    code = compile_c((TEMPLATES / f"{kind}.c").read_text("utf-8"))
    assert consume(code, ["4", "40", "6"], **settings) == expected


def test_a_ready_made_module_runs(consume: Consume) -> None:
    lines = ["a cat", "a dog", "Cat 7", "concatenate"]
    found = consume(ready_made.wasm("regex-filter"), lines, params={"regex": r"\b[Cc]at"})
    assert len(found) == 1
    assert "an escape that is not known here" in found[0]
    found = consume(ready_made.wasm("regex-filter"), lines, params={"regex": "(^| )[Cc]at( |$)"})
    assert found == ["a cat", "Cat 7"]
