"""Bytes on disk that changed while the cluster was down: said to readers, never passed over.

A torn end is what a crash leaves; it is cut. Anything else is damage: who reads it gets an error,
and everything around it, in the same partition and in others, is served as before.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fluvio
import pytest

from fluvio_client import connect
from fluvio_protocol.errors import ErrorCode, FluvioError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(60)]

BATCHES = 60
RECORDS_PER_BATCH = 5
END = BATCHES * RECORDS_PER_BATCH
SEGMENT_SIZE = 4096
TOPICS = ("torn", "middle", "shortened", "missing", "index", "checkpoint", "whole")


def value_of(offset: int) -> bytes:
    return b"record %05d " % offset + b"." * 80


@pytest.fixture(scope="module")
def damaged(cluster_factory: Callable[..., Any]) -> Iterator[Any]:
    """A cluster whose logs were harmed, each topic's in a way of its own, while it was down."""
    cluster = cluster_factory()

    async def write() -> None:
        async with connect(address=cluster.public_address) as client:
            for topic in TOPICS:
                await client.admin.topics.create(topic, segment_size=SEGMENT_SIZE)
                async with client.producer(topic) as producer:
                    for first in range(0, END, RECORDS_PER_BATCH):
                        values = [value_of(first + n) for n in range(RECORDS_PER_BATCH)]
                        await producer.send_all(values)
                        await producer.flush()

    asyncio.run(write())
    cluster.shut_down()
    for topic in TOPICS:
        harm(topic, cluster.data_dir / "spu-logs-5001" / f"{topic}-0")
    cluster.resume()
    yield cluster
    cluster.delete()


def harm(topic: str, folder: Path) -> None:
    segments = sorted(folder.glob("*.log"))
    assert len(segments) > 5
    second, third, active = segments[1], segments[2], segments[-1]
    match topic:
        case "torn":
            with active.open("ab") as file:
                file.write(segments[0].read_bytes()[:333])
        case "middle":
            content = bytearray(second.read_bytes())
            content[len(content) // 2] ^= 0x40
            second.write_bytes(content)
        case "shortened":
            second.write_bytes(second.read_bytes()[: second.stat().st_size // 2])
        case "missing":
            third.unlink()
        case "index":
            for path in folder.glob("*.index"):
                path.write_bytes(b"\x07" * 64)
        case "checkpoint":
            (folder / "tail.checkpoint").write_bytes(b"nonsense")
            (folder / "replication.chk").write_bytes(b"\xff" * 8)


def base_offsets(cluster: Any, topic: str) -> list[int]:
    folder = cluster.data_dir / "spu-logs-5001" / f"{topic}-0"
    return sorted(int(path.stem) for path in folder.glob("*.log"))


@pytest.mark.parametrize("topic", ["torn", "index", "checkpoint", "whole"])
def test_what_can_be_known_from_the_log_is_served_whole(
    damaged: Any, open_spu: Any, topic: str
) -> None:
    async def everything() -> None:
        async with open_spu(damaged) as door:
            assert await door.read_all(topic) == [(o, value_of(o)) for o in range(END)]
            for offset in range(0, END, 37):
                records = await door.read_all(topic, start=offset)
                assert records[-1] == (END - 1, value_of(END - 1))
                assert records[0][0] <= offset

    asyncio.run(everything())


@pytest.mark.parametrize("topic", ["middle", "shortened", "missing"])
def test_damage_is_an_error_and_the_rest_is_there(damaged: Any, open_spu: Any, topic: str) -> None:
    async def everything() -> None:
        async with open_spu(damaged) as door:
            good: dict[int, bytes] = {}
            bad: set[int] = set()
            for offset in range(0, END, RECORDS_PER_BATCH):
                answer = await door.fetch(topic, start=offset)
                if answer.error_code.error is ErrorCode.NONE:
                    records = (await one_slice(door, topic, offset)).items()
                    assert min(records)[0] <= offset
                    good.update(records)
                else:
                    assert answer.error_code.error is ErrorCode.STORAGE_ERROR
                    bad.add(offset)
            assert bad
            assert all(value == value_of(offset) for offset, value in good.items())
            # Damage stays within its segment, and what lies before it there is served.
            first, behind = min(bad), max(bad) + RECORDS_PER_BATCH
            assert set(good) == set(range(END)) - set(range(first, behind))
            assert behind - first <= END // 4
            assert good[END - 1] == value_of(END - 1)

    async def one_slice(door: Any, topic: str, offset: int) -> dict[int, bytes]:
        answer = await door.fetch(topic, start=offset)
        return dict(door.records_of(answer))

    asyncio.run(everything())


@pytest.mark.parametrize("topic", ["middle", "shortened", "missing"])
def test_a_consumer_gets_what_is_good_and_then_an_error(damaged: Any, topic: str) -> None:
    """Not an end, not a jump over the hole, and no waiting for ever."""

    read: list[tuple[int, bytes]] = []

    async def ours() -> None:
        async with (
            asyncio.timeout(30),
            connect(address=damaged.public_address) as client,
            client.consumer(topic, partitions=0, start="beginning") as consumer,
        ):
            async for record in consumer:
                read.append((record.offset, record.value))

    with pytest.raises(FluvioError):
        asyncio.run(ours())
    assert 0 < len(read) < END
    assert read == [(offset, value_of(offset)) for offset in range(len(read))]
    config = fluvio.FluvioConfig.new(damaged.public_address)
    config.disable_tls()
    consumer = fluvio.Fluvio.connect_with_config(config).partition_consumer(topic, 0)
    stream = consumer.stream(fluvio.Offset.beginning())
    official: list[tuple[int, bytes]] = []
    with pytest.raises(Exception, match="a storage error occurred"):
        official.extend((record.offset(), bytes(record.value())) for record in stream)
    assert official == read[: len(official)]


@pytest.mark.parametrize("topic", TOPICS)
def test_every_partition_goes_on_taking_records(damaged: Any, open_spu: Any, topic: str) -> None:
    async def everything() -> None:
        async with open_spu(damaged) as door:
            answer = await door.produce(topic, [b"next"])
            assert answer.error_code.error is ErrorCode.NONE
            assert (await door.read_all(topic, start=answer.base_offset))[-1] == (
                answer.base_offset,
                b"next",
            )
            assert answer.base_offset >= END

    asyncio.run(everything())
