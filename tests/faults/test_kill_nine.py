"""kill -9 of SPU and controller while the official client produces, again and again.

Every acknowledged record must be there once the cluster is back, offsets must have no gap, and the
client must go on by itself.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import fluvio
import psutil
import pytest

from fluvio_socket.errors import SocketError
from fluvio_socket.multiplexer import MultiplexedConnection

pytestmark = pytest.mark.cluster

KILLS = 20
TOPIC = "survivor"


# The client object lives through everything. Its producer does not: after a failed send it repeats
# the old error for ever (its core can clear that, the binding cannot), so a failure is followed by
# a new producer, as its users do. A request that the client wrote to a connection that was just
# ending is given up only after its socket time-out: a minute, unless the environment says less.
WRITER = """
import itertools, sys, time
import fluvio
config = fluvio.FluvioConfig.new(sys.argv[1])
config.disable_tls()
client = fluvio.Fluvio.connect_with_config(config)
producer = None
for number in itertools.count():
    try:
        if producer is None:
            producer = client.topic_producer(sys.argv[2])
        metadata = producer.send(b"key", str(number).encode()).wait()
    except Exception:
        producer = None
        time.sleep(0.01)
    else:
        print(metadata.offset(), number, flush=True)
"""
SOCKET_WAIT_S = "5"


class Writer(threading.Thread):
    """The official client in a process of its own, producing numbered records one after another;
    notes which were acknowledged where."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[int, int] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, address, TOPIC],
            env={**os.environ, "FLV_SOCKET_WAIT": SOCKET_WAIT_S},
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # cut short by the end of the process
                offset, number = line.split()
                assert int(offset) not in self.acknowledged, "an offset was given twice"
                self.acknowledged[int(offset)] = int(number)

    def wait_for_more(self, count: int, timeout_s: float) -> None:
        """Until so many more records were acknowledged: the client has gone on."""
        wanted = len(self.acknowledged) + count
        deadline = time.monotonic() + timeout_s
        while len(self.acknowledged) < wanted:
            if time.monotonic() > deadline:
                pytest.fail(f"the client is stuck: {len(self.acknowledged)} acknowledged")
            time.sleep(0.005)

    def end(self) -> None:
        """Stop producing; everything acknowledged until then is noted."""
        self.process.kill()
        self.process.wait()
        self.join(60)


@pytest.mark.timeout(900)
def test_every_acknowledged_record_survives(
    cluster_factory: Callable[..., Any], processes_of: Callable[[Any, str], list[psutil.Process]]
) -> None:
    cluster = cluster_factory(spu_count=1)
    config = fluvio.FluvioConfig.new(cluster.public_address)
    config.disable_tls()
    fluvio.FluvioAdmin.connect_with_config(config).create_topic(TOPIC)
    writer = Writer(cluster.public_address)
    writer.start()
    try:
        kill_again_and_again(cluster, writer, processes_of)
    finally:
        writer.end()
    assert not writer.is_alive()
    records = read_everything(config, max(writer.acknowledged) + 1)
    assert [offset for offset, _ in records] == list(range(len(records)))
    stored = dict(records)
    lost = {o: n for o, n in writer.acknowledged.items() if stored.get(o) != str(n)}
    assert not lost, f"acknowledged but not stored: {lost}"
    cluster.delete()


def kill_again_and_again(
    cluster: Any, writer: Writer, processes_of: Callable[[Any, str], list[psutil.Process]]
) -> None:
    for kill in range(KILLS):
        writer.wait_for_more(20, timeout_s=60)
        if kill % 2 == 0:
            (victim,) = processes_of(cluster, "fluvio_spu")
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait(10)
            asyncio.run(until_served("127.0.0.1", cluster.spu_port_base))
        else:
            (victim,) = processes_of(cluster, "fluvio_local")
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait(10)
            writer.wait_for_more(20, timeout_s=60)
            cluster.fluvio("cluster", "resume", "--data-dir", str(cluster.data_dir))
    writer.wait_for_more(100, timeout_s=60)


async def until_served(host: str, port: int) -> None:
    """Until the SPU that was started anew has its assignment: only then it reads requests. It gets
    it from the controller, which this test therefore must not kill earlier."""
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await MultiplexedConnection.connect(host, port)
            except SocketError:
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return


def read_everything(config: Any, count: int) -> list[tuple[int, str]]:
    client = fluvio.Fluvio.connect_with_config(config)
    stream = client.partition_consumer(TOPIC, 0).stream(fluvio.Offset.beginning())
    return [(r.offset(), r.value_string()) for r in itertools.islice(stream, count)]
