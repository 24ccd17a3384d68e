"""The demo behind `make demo`: a cluster, a topic, live metrics in, the same metrics out.

    python examples/demo/demo.py [--dir DIR] [--seconds S] [--stop]

It uses what every user has: the `fluvio` command for the cluster and the topic, the client library
for the records. The cluster has a folder, a profile and, when the usual ports are taken, ports of
its own, so it disturbs no other. It goes on running afterwards; a second run finds it.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path

from machine_metrics import Machine

import fluvio_client
from fluvio_client.errors import AlreadyExists

TOPIC = "machine-metrics"
PARTITION_COUNT = 3
SPU_COUNT = 2
INTERVAL_S = 0.1
COMMAND_TIMEOUT_S = 120
BARS = "▁▂▃▄▅▆▇█"
SHOWN_MAX = 14


class DemoFailed(Exception):
    """What the user is told, in one text."""


class DemoCluster:
    """The demo's own cluster, managed by the `fluvio` command as a user would."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self.log_dir = directory / "log"
        self.profile_path = directory / "config"
        os.environ["FLV_PROFILE_PATH"] = str(self.profile_path)

    def fluvio(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command; its output is returned, not shown."""
        return subprocess.run(
            [sys.executable, "-c", "from fluvio_cli.main import main; main()", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def must(self, *arguments: str) -> str:
        """Run the command; raises DemoFailed with what it said when it fails."""
        result = self.fluvio(*arguments)
        if result.returncode != 0:
            raise DemoFailed(f"fluvio {' '.join(arguments)}\n{result.stdout}{result.stderr}")
        return result.stdout

    def ensure_running(self) -> str:
        """Start it, or find it running, or take it up again; says which."""
        data = ("--data-dir", str(self.data_dir))
        if (self.data_dir / "cluster.json").exists():
            if self.profile_path.exists() and self.fluvio("topic", "list").returncode == 0:
                return "found running"
            if self.fluvio("cluster", "resume", *data).returncode == 0:
                return "resumed"
            self.must("cluster", "delete", "--force", *data)
        first = free_first_port()
        self.must(
            *("cluster", "start", "--local", "--spu", str(SPU_COUNT), *data),
            *("--log-dir", str(self.log_dir), "--profile-name", "demo"),
            *("--sc-pub-addr", f"127.0.0.1:{first}", "--sc-priv-addr", f"127.0.0.1:{first + 1}"),
            *("--spu-port-base", str(first + 7)),
        )
        return "started"

    def stop(self) -> None:
        """Stop its processes and delete its data."""
        self.must("cluster", "delete", "--force", "--data-dir", str(self.data_dir))


def free_first_port() -> int:
    """9003, as everybody expects, or the next hundred in which all ports are free."""
    offsets = [0, 1] + [7 + 10 * index + door for index in range(SPU_COUNT) for door in (0, 1)]
    for first in range(9003, 30000, 100):
        if all(is_free(first + offset) for offset in offsets):
            return first
    raise DemoFailed("no free ports between 9003 and 30000")


def is_free(port: int) -> bool:
    """Nothing listens there on this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def ensure_topic(client: fluvio_client.Fluvio) -> str:
    """Create the topic unless an earlier run did; says which."""
    try:
        await client.admin.topics.create(TOPIC, partitions=PARTITION_COUNT)
    except AlreadyExists:
        return "found"
    return "created"


async def produce(client: fluvio_client.Fluvio, run: str, seconds: float) -> int:
    """Stream samples, keyed by host and metric; returns how many are acknowledged."""
    machine = Machine()
    machine.read()
    deliveries = []
    async with client.producer(TOPIC) as producer:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            await asyncio.sleep(INTERVAL_S)
            at_ms = time.time_ns() // 1_000_000
            for sample in machine.read():
                value = {
                    "run": run,
                    "at": at_ms,
                    "host": machine.host,
                    "metric": sample.metric,
                    "value": sample.value,
                    "unit": sample.unit,
                }
                key = f"{machine.host}/{sample.metric}"
                deliveries.append(await producer.send(json.dumps(value), key=key))
        for delivery in deliveries:
            await delivery
    return len(deliveries)


class Seen:
    """What the consumer found of one metric."""

    def __init__(self) -> None:
        self.partitions: set[int] = set()
        self.values: list[float] = []
        self.unit = ""


async def consume(client: fluvio_client.Fluvio, run: str) -> tuple[dict[str, Seen], int]:
    """Read the topic from its beginning to its end; this run's metrics, and how many were older."""
    metrics: dict[str, Seen] = defaultdict(Seen)
    older = 0
    async with client.consumer(TOPIC, start="beginning", follow=False) as consumer:
        async for record in consumer:
            sample = json.loads(record.value)
            if sample["run"] != run:
                older += 1
                continue
            seen = metrics[sample["metric"]]
            seen.partitions.add(record.partition)
            seen.values.append(sample["value"])
            seen.unit = sample["unit"]
    return metrics, older


def sparkline(values: list[float], width: int = 24) -> str:
    """The course of a metric in one line."""
    step = max(1, len(values) / width)
    points = [values[int(index * step)] for index in range(min(width, len(values)))]
    low, high = min(points), max(points)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(BARS[int((point - low) * scale)] for point in points)


def show(metrics: dict[str, Seen]) -> None:
    """One line per metric; those that moved most come first."""

    def liveliness(item: tuple[str, Seen]) -> tuple[bool, str]:
        name, seen = item
        return min(seen.values) == max(seen.values), name

    print(f"  {'METRIC':<24}  PARTITION  SAMPLES  {'MIN':>10}  {'MEAN':>10}  {'MAX':>10}")
    for name, seen in sorted(metrics.items(), key=liveliness)[:SHOWN_MAX]:
        mean = sum(seen.values) / len(seen.values)
        partitions = ",".join(map(str, sorted(seen.partitions)))
        print(
            f"  {name:<24}  {partitions:>9}  {len(seen.values):>7}  {min(seen.values):>10.2f}"
            f"  {mean:>10.2f}  {max(seen.values):>10.2f}  {seen.unit:<6} {sparkline(seen.values)}"
        )
    if len(metrics) > SHOWN_MAX:
        print(f"  and {len(metrics) - SHOWN_MAX} more")


async def run_demo(seconds: float) -> None:
    """Topic, records in, records out; every step says what it did."""
    run = uuid.uuid4().hex[:8]
    async with fluvio_client.connect() as client:
        how = await ensure_topic(client)
        print(f"  topic {TOPIC} {how}, {PARTITION_COUNT} partitions")
        began = time.monotonic()
        sent = await produce(client, run, seconds)
        print(f"  produced {sent} records of live metrics in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        metrics, older = await consume(client, run)
        read = sum(len(seen.values) for seen in metrics.values())
        also = f", and {older} of earlier runs" if older else ""
        print(f"  consumed {read} of them{also}, in {(time.monotonic() - began) * 1000:.0f} ms\n")
    if read != sent:
        raise DemoFailed(f"{sent} records were acknowledged, {read} came back")
    show(metrics)


def show_next_steps(profile_path: Path) -> None:
    """What to type next; every line works as it stands."""
    fluvio = Path(sys.executable).with_name("fluvio")
    command = os.path.relpath(fluvio) if fluvio.exists() else "fluvio"
    print(
        f"""
The cluster goes on running. To try next:

  export FLV_PROFILE_PATH={profile_path}
  {command} topic list
  {command} partition list
  {command} consume {TOPIC} --beginning --disable-continuous
  echo 'hello' | {command} produce {TOPIC}

  make demo-stop    stops it and deletes its data"""
    )


def main() -> None:
    """Read the flags and run; a failure is one text on stderr."""
    parser = argparse.ArgumentParser(description="Stream this machine's metrics through a cluster.")
    parser.add_argument("--dir", type=Path, default=Path.home() / ".fluvio" / "demo")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--stop", action="store_true", help="stop the cluster, delete its data")
    arguments = parser.parse_args()
    cluster = DemoCluster(arguments.dir.absolute())
    try:
        if arguments.stop:
            cluster.stop()
            print("the demo's cluster is gone")
            return
        began = time.monotonic()
        how = cluster.ensure_running()
        print(f"  cluster {how} in {time.monotonic() - began:.1f} s, {SPU_COUNT} SPUs")
        asyncio.run(run_demo(arguments.seconds))
        show_next_steps(cluster.profile_path)
    except (DemoFailed, fluvio_client.FluvioError) as error:
        sys.exit(f"demo: {error}\nlogs are in {cluster.log_dir}; make demo-stop clears everything")


if __name__ == "__main__":
    main()
