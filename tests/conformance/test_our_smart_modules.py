"""SmartModules through our own client and command line, on a real cluster."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from fluvio import ConsumerConfig, Offset

from fluvio_cli.smartmodules import ready_made
from fluvio_client import Transform, compat, connect, sync
from fluvio_client.errors import SmartModuleError, SmartModuleRuntimeError
from fluvio_protocol.metadata.smart_module import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleWasm,
)
from fluvio_protocol.metadata.topic import Deduplication, DeduplicationBounds
from fluvio_protocol.metadata.topic import Transform as TopicTransform

pytestmark = pytest.mark.cluster

MODULES = Path(__file__).parents[1] / "spu" / "modules"


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module that keeps odd numbers and fails at what is none."""
    import wasmtime

    path = tmp_path_factory.mktemp("modules") / "odd.wasm"
    path.write_bytes(wasmtime.wat2wasm((MODULES / "odd.wat").read_text()))
    return path


@pytest.fixture
def numbers(local_cluster: Any) -> str:
    name = f"numbers-{uuid.uuid4()}"
    local_cluster.fluvio("topic", "create", name)
    local_cluster.fluvio("produce", name, stdin="1\ntwo\n3\n4\n5\n")
    return name


def test_the_newsletters_case(local_cluster: Any, numbers: str, odd: Path) -> None:
    words = ("consume", numbers, "-B", "-d", "--smartmodule-path", str(odd))
    result = local_cluster.fluvio(*words, "--on-error", "continue", check=False)
    assert result.stdout.splitlines() == ["1", "3", "5"]
    assert "Offset: 1" in result.stderr
    assert "two" in result.stderr
    assert result.returncode == 1


def test_a_stored_module(local_cluster: Any, numbers: str, odd: Path) -> None:
    name = f"odd-{uuid.uuid4()}"
    made = local_cluster.fluvio("smartmodule", "create", name, "--wasm-file", str(odd))
    assert made.stdout == f'smartmodule "{name}" has been created.\n'
    assert name in local_cluster.fluvio("smartmodule", "list").stdout
    words = ("consume", numbers, "-B", "-d", "--smartmodule", name)
    assert local_cluster.fluvio(*words, "--on-error", "skip").stdout.splitlines() == ["1", "3", "5"]
    gone = local_cluster.fluvio("smartmodule", "delete", name)
    assert gone.stdout == f'smartmodule "{name}" deleted\n'
    again = local_cluster.fluvio("smartmodule", "delete", name, check=False)
    assert (again.returncode, "SmartModule not found" in again.stderr) == (1, True)
    for more in ([], ["--on-error", "skip"]):
        unknown = local_cluster.fluvio(*words, *more, check=False)
        assert (unknown.returncode, name in unknown.stderr) == (1, True)


def test_one_that_comes_with_fluvio(local_cluster: Any, numbers: str) -> None:
    shown = local_cluster.fluvio("smartmodule", "list", "--ready-made", "-O", "json").stdout
    assert {"regex-filter", "dedup-exact"} <= {one["name"] for one in json.loads(shown)}
    name = f"digits-{uuid.uuid4()}"
    local_cluster.fluvio("smartmodule", "create", name, "--ready-made", "regex-filter")
    words = ("consume", numbers, "-B", "-d", "--smartmodule", name)
    found = local_cluster.fluvio(*words, "-e", "regex=^[13]$").stdout
    assert found.splitlines() == ["1", "3"]
    line = json.dumps({"uses": name, "with": {"regex": "^t"}})
    chained = local_cluster.fluvio("consume", numbers, "-B", "-d", "--transforms-line", line)
    assert chained.stdout.splitlines() == ["two"]
    missing = local_cluster.fluvio(*words, check=False)
    assert (missing.returncode, "regex" in missing.stderr) == (1, True)
    local_cluster.fluvio("smartmodule", "delete", name)


@pytest.mark.asyncio
async def test_the_error_is_an_item_of_the_stream(
    local_cluster: Any, numbers: str, odd: Path
) -> None:
    transforms = (Transform(code=await asyncio.to_thread(odd.read_bytes)),)
    async with connect(address=local_cluster.public_address) as client:
        options: dict[str, Any] = {"start": "beginning", "follow": False, "transforms": transforms}
        seen: list[Any] = []
        async with client.consumer(numbers, on_error="yield", **options) as consumer:
            async for item in consumer:
                error = isinstance(item, SmartModuleRuntimeError)
                seen.append(item.offset if error else item.value.decode())
        assert seen == ["1", 1, "3", "5"]
        async with client.consumer(numbers, **options) as consumer:
            records = aiter(consumer)
            assert (await anext(records)).value == b"1"
            with pytest.raises(SmartModuleRuntimeError, match="two"):
                await anext(records)
            assert (await anext(records)).value == b"3"
        total = (Transform(code=ready_made.wasm("sum"), accumulator=b"10"),)
        options["transforms"] = (*transforms, *total)
        async with client.consumer(numbers, on_error="skip", **options) as consumer:
            assert [record.value async for record in consumer] == [b"11", b"14", b"19"]
        options["transforms"] = (Transform(uses="no-such-module"),)
        with pytest.raises(SmartModuleError, match="no-such-module"):
            async with client.consumer(numbers, **options) as consumer:
                await anext(aiter(consumer))


def test_the_official_names(local_cluster: Any, numbers: str, odd: Path) -> None:
    config = compat.FluvioConfig.new(local_cluster.public_address)
    config.disable_tls()
    client = compat.Fluvio.connect_with_config(config)
    how = compat.ConsumerConfig()
    how.disable_continuous()
    how.smartmodule(path=str(odd))
    stream = client.partition_consumer(numbers, 0).stream_with_config(
        compat.Offset.absolute(2), how
    )
    assert [record.value_string() for record in stream] == ["3", "5"]


DEDUPLICATED = """
version: 0.1.0
meta:
  name: {topic}
deduplication:
  bounds:
    count: 10
  filter:
    transform:
      uses: {module}
"""


def test_a_module_that_drops_duplicates_stays(local_cluster: Any, tmp_path: Path) -> None:
    name, topic = f"dedup-{uuid.uuid4()}", f"single-{uuid.uuid4()}"
    local_cluster.fluvio("smartmodule", "create", name, "--ready-made", "dedup-exact")
    (tmp_path / "topic.yaml").write_text(DEDUPLICATED.format(topic=topic, module=name))
    local_cluster.fluvio("topic", "create", "--config", str(tmp_path / "topic.yaml"))
    refused = local_cluster.fluvio("smartmodule", "delete", name, check=False)
    assert (refused.returncode, topic in refused.stderr) == (1, True)
    local_cluster.fluvio("produce", topic, "--key-separator", ":", stdin="1:2\n1:2\n2:5\n")
    kept = local_cluster.fluvio("consume", topic, "-B", "-d").stdout.splitlines()
    assert kept == ["2", "5"]
    local_cluster.fluvio("topic", "delete", topic)
    local_cluster.fluvio("smartmodule", "delete", name)


@pytest.mark.asyncio
async def test_a_topic_may_name_the_module_that_fluvio_drops_duplicates_by(
    local_cluster: Any,
) -> None:
    """Its name is that of a package, stored under whatever name."""
    stored, topic = f"bloom-{uuid.uuid4()}", f"single-{uuid.uuid4()}"
    package = SmartModulePackage(
        name="dedup-bloom-filter", group="fluvio", version="0.1.0", api_version="0.1.0"
    )
    module = SmartModuleSpec(
        meta=SmartModuleMetadata(package=package),
        wasm=SmartModuleWasm(payload=ready_made.wasm("dedup-exact")),
    )
    wanted = Deduplication(
        bounds=DeduplicationBounds(count=5),
        filter=TopicTransform(uses="fluvio/dedup-bloom-filter@0.1.0"),
    )
    async with connect(address=local_cluster.public_address) as client:
        await client.admin.smart_modules.create_from_spec(stored, module)
        await client.admin.topics.create(topic, deduplication=wanted)
        async with client.producer(topic) as producer:
            await producer.send_all([("k", "1"), ("k", "2"), ("l", "3")])
        async with client.consumer(topic, start="beginning", follow=False) as consumer:
            assert [record.value async for record in consumer] == [b"1", b"3"]
        await client.admin.topics.delete(topic)
        await client.admin.smart_modules.delete(stored)


@pytest.mark.asyncio
async def test_a_producers_module_runs_before_records_are_stored(
    local_cluster: Any, odd: Path
) -> None:
    topic = f"produced-{uuid.uuid4()}"
    transforms = (Transform(code=await asyncio.to_thread(odd.read_bytes)),)
    async with connect(address=local_cluster.public_address) as client:
        await client.admin.topics.create(topic, compression="gzip")
        async with client.producer(topic, transforms=transforms) as producer:

            async def offsets(*values: str) -> list[int]:
                return [(await one).offset for one in await producer.send_all(values)]

            assert await offsets("1", "2", "3") == [0, 0, 0], "where what is left of them begins"
            assert await offsets("4") == [2], "nothing is left: there it would be"
            lost = await producer.send_all([("k", "5"), ("k", "six"), ("k", "7")])
            for delivery in lost:
                with pytest.raises(SmartModuleRuntimeError) as caught:
                    await delivery
            error = caught.value
            assert (error.module, error.step, error.kind) == ("ad-hoc", 1, "filter")
            assert (error.offset, error.key, error.value) == (1, b"k", b"six")
            assert error.hint == 'no number (SmartModule "ad-hoc", step 1)'
            assert error.error_code == 6004
            assert await offsets("9") == [2], "nothing of the batch was stored"
            assert producer.stats().requests_retried == 0
        for wrong, code, text in (
            (Transform(uses="no-such-module"), 6001, "SmartModule no-such-module was not found"),
            (Transform(code=b"no wasm"), 6002, "SmartModule is invalid"),
            (Transform(code=ready_made.wasm("regex-filter")), 6006, "regex"),
        ):
            async with client.producer(topic, transforms=(*transforms, wrong)) as producer:
                with pytest.raises(SmartModuleError, match=text) as refused:
                    await producer.send_and_wait("11")
                assert refused.value.error_code == code
        async with client.consumer(topic, start="beginning", follow=False) as consumer:
            stored = [(record.offset, record.value) async for record in consumer]
        assert stored == [(0, b"1"), (1, b"3"), (2, b"9")]


def test_a_chain_makes_the_same_of_records_before_they_are_stored_and_after(
    local_cluster: Any, client: Any
) -> None:
    """An array_map, a map and an aggregate, by the blocking client; the official one reads both."""
    chain = (
        Transform(code=ready_made.wasm("explode-array"), params={"field": "lines"}),
        Transform(code=ready_made.wasm("json-project"), params={"rename": "n=total"}),
        Transform(code=ready_made.wasm("sum"), params={"field": "total"}, accumulator=b"1"),
    )
    values = ['{"lines":[{"n":2},{"n":3}]}', '{"lines":[]}', '{"lines":[{"n":4}]}']
    plain, totals = f"plain-{uuid.uuid4()}", f"totals-{uuid.uuid4()}"
    from_start: dict[str, Any] = {"start": "beginning", "follow": False}
    with sync.connect(address=local_cluster.public_address) as ours:
        for topic, transforms in (plain, ()), (totals, chain):
            ours.admin.topics.create(topic)
            with ours.producer(topic, linger_s=60, transforms=transforms) as producer:
                sent = producer.send_all(values)
                producer.flush()
        assert [one.metadata().offset for one in sent] == [0, 0, 0]
        with ours.consumer(plain, transforms=chain, **from_start) as consumer:
            assert [record.text for record in consumer] == ["3", "6", "10"]
    stored = client.partition_consumer(totals, 0).stream_with_config(Offset.beginning(), to_end())
    assert [(record.offset(), record.value_string()) for record in stored] == [
        (0, "3"), (1, "6"), (2, "10"),
    ]  # fmt: skip


def to_end() -> ConsumerConfig:
    config = ConsumerConfig()
    config.disable_continuous()
    return config


def test_our_producer_and_an_official_consumer_agree_on_a_module(
    local_cluster: Any, client: Any, odd: Path
) -> None:
    filtered, plain = f"filtered-{uuid.uuid4()}", f"plain-{uuid.uuid4()}"
    with sync.connect(address=local_cluster.public_address) as ours:
        for topic, transforms in (plain, ()), (filtered, (Transform(code=odd.read_bytes()),)):
            ours.admin.topics.create(topic)
            with ours.producer(topic, transforms=transforms, compression="zstd") as producer:
                producer.send_all((str(number % 5), str(number)) for number in range(20))
    through = to_end()
    through.smartmodule(path=str(odd))
    kept, stored = (
        [
            (record.key_string(), record.value_string())
            for record in client.partition_consumer(topic, 0).stream_with_config(
                Offset.beginning(), config
            )
        ]
        for topic, config in ((plain, through), (filtered, to_end()))
    )
    assert kept == stored
    assert [value for _, value in kept] == [str(number) for number in range(1, 20, 2)]
