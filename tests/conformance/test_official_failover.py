"""The leader is killed under the official client: it goes on, with the same producer and client.

Producer and consumer are processes of their own, for the binding's calls hold the interpreter while
they wait. The producer delivers at most once, which leaves trying again to its user: its own retry
uses the connection that broke, again and again, for up to 168 s. A send whose connection ended
raises, and the same producer sends the next one to the new leader; of an answer with an error it
shows the offset 0 alone, which cannot be that of a new record. A stream ends, and the same
client opens another one behind its last record. Nothing that was acknowledged is missing; what was
sent again may be there twice.
"""

import asyncio
import subprocess
import sys
from typing import Any

import psutil
import pytest

from fluvio_client import connect

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

COUNT_BEFORE, COUNT = 20, 60
TOPIC = "ledger"

CONNECT = """
import sys, time, fluvio
address, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = fluvio.FluvioConfig.new(address)
config.disable_tls()
client = fluvio.Fluvio.connect_with_config(config)
"""
PRODUCE = f"""{CONNECT}
config = fluvio.TopicProducerConfigBuilder().isolation(fluvio.Isolation.ReadCommitted)
config = config.delivery_semantic(fluvio.DeliverySemantic.AtMostOnce)
producer = client.topic_producer_with_config(topic, config.build())
number, stored = 0, -1
while number < count:
    try:
        output = producer.send(b"", b"%d" % number)
        producer.flush()
        offset = output.wait().offset()
        if offset <= stored:  # all that this client tells of an answer with an error, at most once
            raise RuntimeError("refused")
    except Exception as error:
        print("failed", number, error, flush=True)
        continue
    print("stored", number, flush=True)
    number, stored = number + 1, offset
"""
CONSUME = f"""{CONNECT}
after, wanted = -1, str(count - 1)
while True:
    try:
        start = fluvio.Offset.absolute(after + 1)
        for record in client.partition_consumer(topic, 0).stream(start):
            after = record.offset()
            print(record.value_string(), flush=True)
            if record.value_string() == wanted:
                sys.exit()
    except Exception as error:
        print("failed", error, file=sys.stderr, flush=True)
"""


async def leader_when_whole(address: str) -> int:
    """Who leads, once all three replicas are in sync."""
    async with connect(address=address) as client, asyncio.timeout(40):
        while True:
            (found,) = await client.admin.replicas.describe(f"{TOPIC}-0")
            if len(found.in_sync) == 3:
                return int(found.leader)
            await asyncio.sleep(0.05)


def run_until(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """Lines of a process up to the one that is wanted."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == words:
            return lines
    raise AssertionError(f"it ended before {words!r}: {lines[-5:]}")


def started(program: str, address: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, address, TOPIC, str(COUNT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_leader_is_killed_under_the_official_client(cluster_factory: Any) -> None:
    cluster = cluster_factory(spu_count=3)
    address = cluster.public_address
    cluster.fluvio("topic", "create", TOPIC, "-r", "3")
    asyncio.run(leader_when_whole(address))
    with started(PRODUCE, address) as producer, started(CONSUME, address) as consumer:
        try:
            run_until(producer, f"stored {COUNT_BEFORE}")
            leader = asyncio.run(leader_when_whole(address))
            for process in psutil.process_iter(["cmdline"]):
                words = process.info["cmdline"] or []
                if str(leader) in words and str(cluster.data_dir) in " ".join(words):
                    process.kill()
            said = run_until(producer, f"stored {COUNT - 1}")
            seen = run_until(consumer, str(COUNT - 1))
        finally:
            producer.kill()
            consumer.kill()
    stored = [line for line in said if line.startswith("stored")]
    assert stored == [f"stored {number}" for number in range(COUNT_BEFORE + 1, COUNT)]
    assert list(dict.fromkeys(seen)) == [str(number) for number in range(COUNT)]
    cluster.delete()
