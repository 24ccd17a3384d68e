"""One measurement of a client library, in a process of its own; prints JSON.

    python bench/client_program.py ours|official produce|consume ADDRESS TOPIC SIZE_BYTES COUNT
    python bench/client_program.py ours|aiokafka codec SIZE_BYTES SECONDS

The clients send and read single records, through the calls that their documentation shows first.
Connecting does not count. Beside the records a second stands the processor time of a record, in
all threads of the process: on a busy machine it is the steadier figure.
"""

import asyncio
import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from codec import BATCH_SIZE_BYTES, NOW_MS, SIZE_BYTES_MAX, build_batch, rate

SEND_ALL_COUNT = 1_000
"""Records that the official client gets in one call: one by one it would be slower."""
Seconds = tuple[float, float]
"""By the clock, and of the processor."""


def value_of(size: int) -> bytes:
    """What every record holds."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


# ---- whole clients ----


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._began_s, self._cpu_began_s = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds by the clock, and of the processor."""
        return time.perf_counter() - self._began_s, time.process_time() - self._cpu_began_s


async def ours_produce(address: str, topic: str, size: int, count: int) -> Seconds:
    """Until all are stored."""
    from fluvio_client import connect

    value = value_of(size)
    async with connect(address=address) as client, client.producer(topic) as producer:
        watch = Stopwatch()
        for _ in range(count):
            await producer.send(value)
        await producer.flush()
        return watch.read()


async def ours_consume(address: str, topic: str, size: int, count: int) -> Seconds:
    """Until the last was handed out."""
    from fluvio_client import connect

    async with connect(address=address) as client:
        watch = Stopwatch()
        consumer = client.consumer(topic, start="beginning", max_records=count)
        async with consumer:
            seen = 0
            async for record in consumer:
                seen += len(record.value) == size
        elapsed = watch.read()
    return elapsed if seen == count else check(seen, count)


def official(address: str) -> Any:
    """The client of the package `fluvio`."""
    fluvio: Any = importlib.import_module("fluvio")
    config = fluvio.FluvioConfig.new(address)
    config.disable_tls()
    return fluvio.Fluvio.connect_with_config(config)


def official_produce(address: str, topic: str, size: int, count: int) -> Seconds:
    """Until all are stored."""
    value = value_of(size)
    producer = official(address).topic_producer(topic)
    chunk = [(b"", value)] * SEND_ALL_COUNT
    watch = Stopwatch()
    for start in range(0, count, SEND_ALL_COUNT):
        producer.send_all(chunk[: count - start])
    producer.flush()
    return watch.read()


def official_consume(address: str, topic: str, size: int, count: int) -> Seconds:
    """Until the last was handed out."""
    fluvio: Any = importlib.import_module("fluvio")
    client = official(address)
    watch = Stopwatch()
    stream = client.partition_consumer(topic, 0).stream(fluvio.Offset.beginning())
    seen = sum(len(record.value()) == size for record in itertools.islice(stream, count))
    elapsed = watch.read()
    return elapsed if seen == count else check(seen, count)


def check(seen: int, count: int) -> Seconds:
    """Never returns: some records were not what was sent."""
    sys.exit(f"{seen} records of {count} have the size that was sent")


# ---- codecs ----


def ours_codec(size: int, seconds: float) -> dict[str, float]:
    """Records a second; decoding is to tuples, as the consumer does it."""
    from fluvio_protocol.record import iterate_tuples

    value = value_of(size)
    batch, _ = build_batch(value)
    return {
        "encode": rate(lambda: build_batch(value)[1], seconds),
        "decode": rate(
            lambda: sum(map(len, iterate_tuples(batch, size_bytes_max=SIZE_BYTES_MAX))), seconds
        ),
    }


def aiokafka_codec(size: int, seconds: float) -> dict[str, float]:
    """The same records in Kafka's format, checksums included on both ways."""
    from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

    value = value_of(size)

    def built() -> tuple[bytes, int]:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, BATCH_SIZE_BYTES)
        count = 0
        while builder.append(count, NOW_MS, None, value, []) is not None:
            count += 1
        return bytes(builder.build()), count

    def decode() -> int:
        found = DefaultRecordBatch(batch)
        if not found.validate_crc():
            raise ValueError("aiokafka does not know its own checksum")
        return len([(one.offset, one.timestamp, one.key, one.value) for one in found])

    batch, _ = built()
    return {"encode": rate(lambda: built()[1], seconds), "decode": rate(decode, seconds)}


PRODUCE_AND_CONSUME: dict[tuple[str, str], Callable[[str, str, int, int], Seconds]] = {
    ("ours", "produce"): lambda *words: asyncio.run(ours_produce(*words)),
    ("ours", "consume"): lambda *words: asyncio.run(ours_consume(*words)),
    ("official", "produce"): official_produce,
    ("official", "consume"): official_consume,
}
CODECS = {"ours": ours_codec, "aiokafka": aiokafka_codec}


def main(whose: str, what: str, *rest: str) -> dict[str, float]:
    """Records a second, and microseconds of the processor for each, by what was done."""
    if what == "codec":
        return CODECS[whose](int(rest[0]), float(rest[1]))
    address, topic, size, count = rest
    seconds, cpu_s = PRODUCE_AND_CONSUME[whose, what](address, topic, int(size), int(count))
    return {"rate": int(count) / seconds, "cpu_us": cpu_s * 1e6 / int(count)}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
