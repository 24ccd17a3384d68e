"""Modules made with Fluvio's own kit for Rust run unchanged: in our engine, and for its own client.

They are compiled by `make rust-smartmodules`, which fetches the kit and perhaps a compiler; without
that there is nothing to test here.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fluvio import ConsumerConfig, Offset

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.record import BATCH_HEADER_SIZE, Record, encode_batch
from fluvio_protocol.record.record import decode_records
from fluvio_protocol.spu_public.smart_module_invocation import Lookback
from fluvio_spu.smartengine import Chain, ChainOutput, ChainStep, SmartEngine, SmartModuleRefused

REPOSITORY = Path(__file__).parents[2]
MODULES = REPOSITORY / "build" / "rust" / "modules"

pytestmark = pytest.mark.skipif(
    not (MODULES / "look_back.wasm").exists(),
    reason="make rust-smartmodules compiles what is tested here",
)
MEMORY_BYTES_MAX = 32 << 20
VERSIONS = (16, 17, 22, 23, 24, 25)


@pytest.fixture(scope="module")
def engine() -> Iterator[SmartEngine]:
    engine = SmartEngine(call_ms_max=5000, memory_bytes_max=MEMORY_BYTES_MAX)
    yield engine
    engine.close()


Begin = Callable[..., Chain]


@pytest.fixture
def begin(engine: SmartEngine) -> Begin:
    def chain(*names: str, version: int = 25, **named: Any) -> Chain:
        steps = [
            ChainStep(engine.load((MODULES / f"{name}.wasm").read_bytes()), name, **named)
            for name in names
        ]
        return Chain.begin(engine, steps, version=version)

    return chain


def payload_of(*values: str) -> bytes:
    records = [Record(value.encode()) for value in values]
    return bytes(encode_batch(records, first_timestamp=0))[BATCH_HEADER_SIZE:]


def run(chain: Chain, *values: str) -> ChainOutput:
    return chain.process(payload_of(*values), base_offset=100, base_timestamp=0)


def values_of(output: ChainOutput) -> list[str]:
    assert output.error is None
    found = decode_records(output.payload, 4, output.record_count)
    return [value.decode() for _, _, _, value in found]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("filter", ["yes!", "no", "so!"], ["yes!", "so!"]),
        ("map", ["stressed", "x"], ["desserts", "x"]),
        ("filter_map", ["10", "7", "-4"], ["5", "-2"]),
        ("array_map", ["one two", "", "three"], ["one", "two", "three"]),
        ("aggregate", ["a", "long", "bb"], ["a", "long", "long"]),
    ],
)
def test_every_kind_in_every_version(
    begin: Begin, name: str, values: list[str], expected: list[str], version: int
) -> None:
    assert values_of(run(begin(name, version=version), *values)) == expected


def test_an_error_comes_with_what_was_before_it(begin: Begin) -> None:
    error = run(begin("filter_map"), "2", "two", "4").error
    assert error is not None
    assert error.offset == 101
    assert error.status.error is ErrorCode.SMART_MODULE_RUNTIME_ERROR
    assert "invalid digit found in string" in error.status.payload[0].hint


def test_parameters(begin: Begin) -> None:
    chain = begin("init", params={"length": "3"})
    assert values_of(run(chain, "one", "two", "three")) == ["one", "two"]
    with pytest.raises(SmartModuleRefused) as caught:
        begin("init")
    assert caught.value.status.error is ErrorCode.SMART_MODULE_INIT_ERROR
    assert "say a length" in str(caught.value.status.payload)


def test_looking_back(begin: Begin) -> None:
    chain = begin("look_back", lookback=Lookback(last=2))
    assert chain.looks_back(0)
    chain.look_back(0, payload_of("a", "b"), base_offset=0, base_timestamp=0)
    assert values_of(run(chain, "b", "c", "c", "a", "d")) == ["c", "d"]


def test_one_behind_the_other(begin: Begin) -> None:
    assert values_of(run(begin("array_map", "filter", "map"), "go! no! yes")) == ["!og", "!on"]


def test_more_goes_through_than_the_memory_holds(begin: Begin) -> None:
    """These modules leave every output behind."""
    chain, values = begin("filter"), [f"{'x' * 100_000}!"] * 20
    for _ in range(2 * MEMORY_BYTES_MAX // 2_000_000):
        assert len(values_of(run(chain, *values))) == 20


@pytest.mark.cluster
def test_for_fluvios_own_client(client: Any, new_topic: Callable[..., str]) -> None:
    topic = new_topic()
    producer = client.topic_producer(topic)
    for value in ("go!", "no", "x" * 5000 + "!"):
        producer.send_string(value)
    producer.flush()
    config = ConsumerConfig()
    config.disable_continuous()
    for name in ("filter", "map"):
        config.smartmodule(path=str(MODULES / f"{name}.wasm"))
    consumer = client.partition_consumer(topic, 0)
    found = consumer.stream_with_config(Offset.beginning(), config)
    assert [(one.key_string(), one.value_string()) for one in found] == [
        ("go!", "!og"),
        ("x" * 5000 + "!", "!" + "x" * 5000),
    ]
