"""What users of SmartModules rely on, on a real cluster, by our client and by the official one.

Each case says what a consumer sees of some lines: values, failed records in their places, or why
its modules are refused. The official client's streams end with an error; it goes on behind the
record that failed, as its users have to.
"""

import asyncio
import gc
import itertools
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fluvio
import pytest
import wasmtime

from fluvio_cli.smartmodules import ready_made
from fluvio_client import Transform, connect
from fluvio_client.errors import SmartModuleError, SmartModuleRuntimeError

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = REPOSITORY / "smartmodules" / "templates"
HANDWRITTEN = REPOSITORY / "tests" / "spu" / "modules"

NUMBERS = """
SM_MAP(record, out) {
    int64_t number;
    if (!sm_parse_int(record->value, &number))
        return sm_error("not a number: %.*s", SM_TEXT(record->value));
    if (number == 13) __builtin_trap();
    sm_append_int(&out->value, 2 * number);
    return SM_OK;
}
"""
PLACES = """
SM_MAP(record, out) {
    if (record->timestamp < 1600000000000) return sm_error("no time");
    sm_append_int(&out->value, record->offset);
    return SM_OK;
}
"""
HIGHEST = """
static int64_t highest;
static bool look(sm_bytes value) {
    int64_t number;
    if (!sm_parse_int(value, &number)) return false;
    if (number > highest) highest = number;
    return true;
}
SM_LOOK_BACK(record) {
    return look(record->value) ? SM_OK : sm_error("cannot remember %.*s", SM_TEXT(record->value));
}
SM_MAP(record, out) {
    sm_append_int(&out->value, highest);
    look(record->value);
    return SM_OK;
}
"""


@dataclass(frozen=True)
class Step:
    """A module of a chain."""

    code: bytes
    params: Mapping[str, str] = field(default_factory=dict)
    accumulator: bytes = b""
    lookback_last: int | None = None


@dataclass(frozen=True)
class Failed:
    """A record that a module could not process: of what kind it is, which record it was."""

    kind: str
    offset: int
    value: str
    said: str = ""
    key: str | None = None


Line = str | tuple[str, str]
Item = str | Failed
Consume = Callable[..., list[Item]]
CompileC = Callable[[str], bytes]
Template = Callable[..., Step]


@pytest.fixture(autouse=True)
def _iterators_end_where_they_began() -> Iterator[None]:
    """One that raised is part of a cycle, and the binding complains if another thread frees it."""
    yield
    gc.collect()


def in_wat(name: str) -> bytes:
    return bytes(wasmtime.wat2wasm((HANDWRITTEN / f"{name}.wat").read_text()))


@pytest.fixture
def template(compile_c: CompileC) -> Template:
    """`template(kind, params=..)`: the module that `smartmodule generate` begins with."""
    return lambda kind, **settings: Step(
        compile_c((TEMPLATES / f"{kind}.c").read_text()), **settings
    )


class Ours:
    """Our consumer, whose iteration goes on behind an error."""

    def __init__(self, address: str) -> None:
        self._address = address

    def read(self, topic: str, steps: Sequence[Step], start: int) -> list[Item]:
        """Raises what refuses the stream."""
        return asyncio.run(self._read(topic, steps, start))

    async def _read(self, topic: str, steps: Sequence[Step], start: int) -> list[Item]:
        found: list[Item] = []
        transforms = [
            Transform(
                code=step.code,
                params=step.params,
                accumulator=step.accumulator,
                lookback_last=step.lookback_last,
            )
            for step in steps
        ]
        async with (
            connect(address=self._address) as client,
            client.consumer(
                topic, start=start, follow=False, on_error="yield", transforms=transforms
            ) as consumer,
        ):
            async for item in consumer:
                if isinstance(item, SmartModuleRuntimeError):
                    found.append(failed(str(item)))
                elif isinstance(item, SmartModuleError):
                    raise item
                else:
                    found.append(item.value.decode())
        return found


class Official:
    """The official consumer, which is begun again behind an error."""

    def __init__(self, client: Any, directory: Path) -> None:
        self._client = client
        self._directory = directory
        self._numbers = itertools.count()

    def read(self, topic: str, steps: Sequence[Step], start: int) -> list[Item]:
        """Raises what refuses the stream."""
        config = fluvio.ConsumerConfig()
        config.disable_continuous()
        for step in steps:
            path = self._directory / f"{next(self._numbers)}.wasm"
            path.write_bytes(step.code)
            more = {"aggregate": step.accumulator} if step.accumulator else {}
            config.smartmodule(path=str(path), params=dict(step.params), **more)
        consumer = self._client.partition_consumer(topic, 0)
        found: list[Item] = []
        while True:
            stream = consumer.stream_with_config(fluvio.Offset.absolute(start), config)
            try:
                found.extend(record.value_string() for record in stream)
                return found
            except Exception as error:
                if "Offset: " not in str(error):
                    raise
                item = failed(str(error))
                found.append(item)
                start = item.offset + 1


def failed(text: str) -> Failed:
    """From the text that every client shows."""
    said, _, details = text.partition("SmartModule Info:")
    fields = dict(re.findall(r"^\s*(Type|Offset|Key|Value): (.*)$", details, re.MULTILINE))
    key = None if fields["Key"] == "NULL" else fields["Key"]
    return Failed(fields["Type"], int(fields["Offset"]), fields["Value"], said.strip(), key)


@pytest.fixture(params=["ours", "official"])
def consume(
    request: pytest.FixtureRequest,
    local_cluster: Any,
    client: Any,
    new_topic: Callable[..., str],
    tmp_path: Path,
) -> Consume:
    """`consume(lines, *steps)`: what a consumer sees. Raises what refuses it."""
    reader = (
        Ours(local_cluster.public_address)
        if request.param == "ours"
        else Official(client, tmp_path)
    )

    def run(lines: Sequence[Line], *steps: Step, start: int = 0, times: int = 1) -> list[Item]:
        topic = new_topic()
        asyncio.run(produce(local_cluster.public_address, topic, lines))
        found: list[Item] = []
        for _ in range(times):
            found += reader.read(topic, steps, start)
        return found

    return run


async def produce(address: str, topic: str, lines: Sequence[Line]) -> None:
    async with connect(address=address) as client, client.producer(topic) as producer:
        for line in lines:
            key, value = (None, line) if isinstance(line, str) else line
            await producer.send(value, key=key)


def seen(found: list[Item]) -> list[Item]:
    """Without what the failures say."""
    return [
        item if isinstance(item, str) else Failed(item.kind, item.offset, item.value, "", item.key)
        for item in found
    ]


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("filter", {"params": {"text": "4", "not asked for": "x"}}, ["4", "40"]),
        ("map", {"params": {"prefix": "= "}}, ["= 4", "= 40", "= 6"]),
        ("filter_map", {}, ["2", "20", "3"]),
        ("array_map", {}, ["4", "40", "6"]),
        ("aggregate", {"accumulator": b"100"}, ["104", "144", "150"]),
        ("aggregate", {}, ["4", "44", "50"]),
    ],
)
def test_every_kind(
    consume: Consume,
    template: Template,
    kind: str,
    settings: dict[str, Any],
    expected: list[str],
) -> None:
    assert consume(["4", "40", "6"], template(kind, **settings)) == expected


def test_a_failed_record_stands_between_those_before_and_behind_it(
    consume: Consume, compile_c: CompileC
) -> None:
    found = consume(["1", ("key", "two"), "3", "four", "5"], Step(compile_c(NUMBERS)))
    assert seen(found) == [
        "2",
        Failed("Map", 1, "two", key="key"),
        "6",
        Failed("Map", 3, "four"),
        "10",
    ]
    assert isinstance(found[1], Failed)
    assert "not a number: two" in found[1].said
    assert "step 1" in found[1].said


def test_a_trap_is_a_failed_record_like_another(consume: Consume, compile_c: CompileC) -> None:
    found = consume(["1", "13", "3"], Step(compile_c(NUMBERS)))
    assert seen(found) == ["2", Failed("Map", 1, "13"), "6"]
    assert isinstance(found[1], Failed)
    assert "step 1" in found[1].said


def test_what_comes_out_of_one_goes_into_the_next(
    consume: Consume, compile_c: CompileC, template: Template
) -> None:
    chain = (template("array_map"), Step(compile_c(NUMBERS)), Step(ready_made.wasm("sum")))
    found = consume(["1 2", "3", "5 x 7", "9"], *chain[:2])
    assert seen(found) == ["2", "4", "6", "10", Failed("Map", 2, "x"), "18"]
    assert isinstance(found[4], Failed)
    assert "step 2" in found[4].said
    assert consume(["1 2", "3"], *chain) == ["2", "6", "12"]


def test_modules_see_where_and_when_a_record_is(consume: Consume, compile_c: CompileC) -> None:
    assert consume(["a", "b", "c"], Step(compile_c(PLACES)), start=1) == ["1", "2"]


def test_what_a_module_remembers_belongs_to_one_stream(consume: Consume) -> None:
    lines = ["1", "2"]
    assert consume(lines, Step(ready_made.wasm("count")), times=2) == ["1", "2"] * 2


@pytest.mark.parametrize(
    ("module", "settings", "said"),
    [
        ("regex-filter", {}, "regex"),
        ("regex-filter", {"params": {"regex": "("}}, "regex"),
        ("init_refuses", {}, "missing a param"),
        ("no_transform", {}, "transform"),
        (b"not wasm", {}, "WebAssembly"),
        (b"", {}, "it is empty"),
    ],
)
def test_modules_that_cannot_run_refuse_the_stream(
    consume: Consume, module: str | bytes, settings: dict[str, Any], said: str
) -> None:
    if isinstance(module, bytes):
        code = module
    elif (HANDWRITTEN / f"{module}.wat").exists():
        code = in_wat(module)
    else:
        code = ready_made.wasm(module)
    with pytest.raises(Exception, match=said) as caught:
        consume(["1"], Step(code, **settings))
    assert "SmartModule" in str(caught.value)
    assert consume(["1", "2"], Step(ready_made.wasm("count"))) == ["1", "2"]


def test_a_module_that_wants_all_memory_harms_nobody_else(consume: Consume) -> None:
    with pytest.raises(Exception, match="memory"):
        consume(["1"], Step(in_wat("memory_bomb")))
    assert consume(["1", "2"], Step(ready_made.wasm("count"))) == ["1", "2"]


@pytest.mark.parametrize("module", ["deep_recursion", "oversized", "no_output", "no_record_list"])
def test_a_hostile_module_harms_nobody_else(consume: Consume, module: str) -> None:
    assert seen(consume(["1"], Step(in_wat(module)))) == [Failed("Filter", 0, "1")]
    assert consume(["1", "2"], Step(ready_made.wasm("count"))) == ["1", "2"]


def test_earlier_records_are_shown_first(
    local_cluster: Any, new_topic: Callable[..., str], compile_c: CompileC
) -> None:
    """Ours alone: the official Python client cannot ask for it."""
    reader, topic = Ours(local_cluster.public_address), new_topic()
    asyncio.run(produce(local_cluster.public_address, topic, ["9", "5", "3"]))
    code = compile_c(HIGHEST)
    for last, highest in ((0, "0"), (1, "3"), (2, "5"), (50, "9")):
        assert reader.read(topic, [Step(code, lookback_last=last)], 2) == [highest]
    asyncio.run(produce(local_cluster.public_address, topic, ["x"]))
    with pytest.raises(SmartModuleError, match="cannot remember x"):
        reader.read(topic, [Step(code, lookback_last=2)], 0)


def test_a_kind_that_was_asked_for_has_to_be_there(
    client: Any, new_topic: Callable[..., str], template: Template, tmp_path: Path
) -> None:
    """The official client's alone: ours never says which kind it means."""
    topic, path = new_topic(), tmp_path / "filter.wasm"
    producer = client.topic_producer(topic)
    producer.send_string("1")
    producer.flush()
    path.write_bytes(template("filter").code)
    config = fluvio.ConsumerConfig()
    config.disable_continuous()
    config.smartmodule(path=str(path), kind=fluvio.SmartModuleKind.Map, params={"text": "a"})
    stream = client.partition_consumer(topic, 0).stream_with_config(
        fluvio.Offset.beginning(), config
    )
    with pytest.raises(Exception, match='exports "filter" and no "map"'):
        next(stream)


def test_duplicates_are_dropped_whoever_sends_them(
    local_cluster: Any, client: Any, tmp_path: Path
) -> None:
    topic = f"single-{uuid.uuid4()}"
    local_cluster.fluvio("topic", "create", topic, "--dedup", "--dedup-count", "10")
    producer = client.topic_producer(topic)
    for key, value in ((b"1", b"2"), (b"1", b"2"), (b"2", b"5")):
        producer.send(key, value)
    producer.flush()
    asyncio.run(produce(local_cluster.public_address, topic, [("1", "2"), ("3", "7")]))
    producer.send(b"3", b"7")
    producer.flush()
    for reader in (Ours(local_cluster.public_address), Official(client, tmp_path)):
        assert reader.read(topic, [], 0) == ["2", "5", "7"]
    local_cluster.fluvio("topic", "delete", topic)
