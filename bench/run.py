"""Compare the SPU with a small C server doing the same work, and print what came out.

    python bench/run.py [--quick | --smoke] [--name MEASURE] [--event-loop LOOP] [--json FILE]

Every comparison alternates floor, SPU, floor, SPU in one session; figures are medians, ratios are
of the pairs. All data lies in a temporary folder that is deleted at the end; at most a few GiB are
there at once. How to read the table: README.md beside this file.
"""

import argparse
import functools
import importlib.util
import itertools
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import replication
import smart_modules
from client import HELP_TARGET_MS, ClientScale, measure
from fake_controller import FakeController, partition
from processes import (
    LOAD_CORES,
    SERVER_CORES,
    Floor,
    Server,
    Spu,
    allow_many_files,
    build,
    load,
    pinned,
)
from replication import ReplicationScale
from smart_modules import SmartScale

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SLICE_BYTES = 1_048_890
"""What the official client asks for."""

CONNECTIONS, IN_FLIGHT = 4, 8
LATENCY_RATE = 2_000
FLOOR_SPREAD_MAX = 0.25
"""Rounds are added while the floor itself varies by more than this part of its median."""

PRODUCE_TARGETS = {512: 0.25, 16 * KIB: 0.65, 128 * KIB: 0.65, MIB: 0.65}
CONSUME_TARGET = 0.8
CODEC_PROGRAM = Path(__file__).with_name("codec.py")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    rounds: int
    produce_s: float
    produce_bytes_max: int
    latency_s: float
    log_bytes: int
    consume_bytes_max: int
    restart_bytes: int
    count: int
    warm_up_bytes: int
    client: ClientScale
    smart: SmartScale
    replication: ReplicationScale


FULL = Scale(
    rounds=5,
    produce_s=2.0,
    produce_bytes_max=2 * GIB,
    latency_s=4.0,
    log_bytes=512 * MIB,
    consume_bytes_max=6 * GIB,
    restart_bytes=1000 * MIB,
    count=1000,
    warm_up_bytes=3 * GIB,
    client=ClientScale(rounds=5, starts=15, records=200_000, codec_s=1.0),
    smart=SmartScale(rounds=5, log_bytes=64 * MIB, neighbour_records=500),
    replication=ReplicationScale(
        rounds=3, records=1000, load_s=3.0, catch_up_bytes=256 * MIB, failovers=5
    ),
)
SMOKE = Scale(
    rounds=1,
    produce_s=0.2,
    produce_bytes_max=32 * MIB,
    latency_s=0.5,
    log_bytes=16 * MIB,
    consume_bytes_max=64 * MIB,
    restart_bytes=16 * MIB,
    count=100,
    warm_up_bytes=MIB,
    client=ClientScale(rounds=1, starts=1, records=1_000, codec_s=0.02),
    smart=SmartScale(rounds=1, log_bytes=MIB, neighbour_records=5),
    replication=ReplicationScale(rounds=1, records=5, load_s=0.1, catch_up_bytes=MIB, failovers=1),
)
QUICK = Scale(
    rounds=3,
    produce_s=0.8,
    produce_bytes_max=512 * MIB,
    latency_s=1.5,
    log_bytes=128 * MIB,
    consume_bytes_max=1 * GIB,
    restart_bytes=256 * MIB,
    count=1000,
    warm_up_bytes=1 * GIB,
    client=ClientScale(rounds=3, starts=5, records=50_000, codec_s=0.3),
    smart=SmartScale(rounds=3, log_bytes=16 * MIB, neighbour_records=200),
    replication=ReplicationScale(
        rounds=1, records=300, load_s=1.0, catch_up_bytes=64 * MIB, failovers=2
    ),
)


@dataclass
class Series:
    """What both sides measured, round by round."""

    floor: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [ours / floor for floor, ours in zip(self.floor, self.ours, strict=True)]

    @property
    def floor_spread(self) -> float:
        return (max(self.floor) - min(self.floor)) / statistics.median(self.floor)


@dataclass
class Report:
    """Prints each line as it is known, and keeps the figures."""

    figures: dict[str, Any] = field(default_factory=dict)

    def title(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def compare(
        self,
        name: str,
        unit: str,
        series: Series,
        *,
        target: float | None,
        at_most: bool = False,
        other: str = "floor",
    ) -> None:
        """One line: both medians, the ratio of the pairs, and whether the target is met."""
        ratio = statistics.median(series.ratios)
        verdict = ""
        if target is not None:
            met = ratio <= target if at_most else ratio >= target
            sign = "<=" if at_most else ">="
            verdict = f"target {sign} {target:<4} {'met' if met else 'MISSED'}"
        noisy = f"  {other} varies" if series.floor_spread > FLOOR_SPREAD_MAX else ""
        print(
            f"  {name:<34} {other} {statistics.median(series.floor):>9.1f}"
            f"  ours {statistics.median(series.ours):>9.1f} {unit:<9}"
            f" ratio {ratio:5.2f} [{min(series.ratios):.2f}-{max(series.ratios):.2f}]"
            f"  {verdict}{noisy}",
            flush=True,
        )
        self.figures[f"{name} ({unit})"] = {
            other: series.floor,
            "ours": series.ours,
            "ratio": ratio,
            "target": target,
        }

    def single(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        target: float | None = None,
        at_least: bool = False,
    ) -> None:
        """One line for a figure that has no floor."""
        verdict = ""
        if target is not None:
            met = value >= target if at_least else value <= target
            verdict = (
                f"target {'>=' if at_least else '<='} {target:<6} {'met' if met else 'MISSED'}"
            )
        print(f"  {name:<56} {value:>9.2f} {unit:<10} {verdict}", flush=True)
        self.figures[f"{name} ({unit})"] = value


class Bench:
    """One session: a folder, the fake controller, an SPU, and partitions used once each."""

    def __init__(
        self,
        directory: Path,
        scale: Scale,
        report: Report,
        controller: FakeController,
        spu_options: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.scale = scale
        self.report = report
        self.controller = controller
        self.spu_options = spu_options
        self.numbers = itertools.count()
        self.spu = self.start_spu()

    def start_spu(self) -> Spu:
        spu = Spu(self.directory, self.controller.port, *self.spu_options)
        try:
            spu.wait_serving()
            self.controller.wait_registered()
        except BaseException:
            spu.kill()
            raise
        return spu

    def warm_up(self) -> None:
        """Memory never used before is slow at first: have the kernel fetch it now."""
        path = self.directory / "warm-up"
        for _ in range(2):
            with path.open("wb", buffering=0) as file:
                for _ in range(self.scale.warm_up_bytes // MIB):
                    file.write(bytes(MIB))
            path.unlink()

    # ---- produce ----

    def produce(self) -> None:
        """Closed loop, four connections with eight requests under way each."""
        self.report.title(
            f"Produce, {CONNECTIONS} connections x {IN_FLIGHT} in flight, floor = C server"
        )
        for size, target in PRODUCE_TARGETS.items():
            rates, costs = Series(), Series()
            self._alternate(
                rates,
                functools.partial(self._produce_once, size),
                costs,
            )
            name = f"batches of {_human(size)}"
            self.report.compare(name, "MiB/s", rates, target=target)
            self.report.compare(f"{name}, server CPU", "ms/GiB", costs, target=None)

    def _produce_once(self, size: int, server: Server, number: int) -> tuple[float, float]:
        cpu_before = server.cpu_s()
        result = load(
            self.directory, "produce", server.port, "bench", number, CONNECTIONS, IN_FLIGHT, size,
            self.scale.produce_s, self.scale.produce_bytes_max,
        )  # fmt: skip
        cpu_s = server.cpu_s() - cpu_before
        return result["bytes"] / result["seconds"] / MIB, cpu_s * 1000 / result["bytes_all"] * GIB

    def _alternate(
        self,
        first: Series,
        once: Callable[[Server, int], tuple[float, float]],
        second: Series,
    ) -> None:
        """Rounds of floor, SPU; each on a new, empty log that is deleted afterwards."""
        rounds = self.scale.rounds
        while len(first.floor) < rounds:
            floor = Floor(self.directory)
            try:
                one, two = once(floor, 0)
            finally:
                floor.remove()
            first.floor.append(one)
            second.floor.append(two)
            key = partition(next(self.numbers))
            self.controller.assign([key])
            one, two = once(self.spu, key.partition)
            self.controller.remove(key)
            first.ours.append(one)
            second.ours.append(two)
            noisy = len(first.floor) >= 3 and first.floor_spread > FLOOR_SPREAD_MAX
            if len(first.floor) == rounds and noisy and rounds < 2 * self.scale.rounds:
                rounds += 1

    # ---- latency ----

    def latency(self) -> None:
        """Open loop at a fixed rate; latency counts from the time a request was due."""
        self.report.title(f"Latency of produce at {LATENCY_RATE} requests/s x 16 KiB")
        p50, p99 = Series(), Series()
        self._alternate(p50, self._latency_once, p99)
        self.report.compare("p50", "us", p50, target=1.2, at_most=True)
        self.report.compare("p99", "us", p99, target=1.5, at_most=True)

    def _latency_once(self, server: Server, number: int) -> tuple[float, float]:
        result = load(
            self.directory, "latency", server.port, "bench", number, CONNECTIONS, LATENCY_RATE,
            16 * KIB, self.scale.latency_s,
        )  # fmt: skip
        return result["p50_us"], result["p99_us"]

    # ---- consume ----

    def consume(self) -> None:
        """Everybody reads a cached log from its beginning by StreamFetch."""
        self.report.title("Consume a cached log, slices of 1 MiB, floor = C mmap + send")
        floor = Floor(self.directory)
        key = partition(next(self.numbers))
        try:
            self.controller.assign([key])
            ends = [
                self._fill(server, number, self.scale.log_bytes)
                for server, number in ((floor, 0), (self.spu, key.partition))
            ]
            end = min(ends)
            for consumers in (1, 10, 100):
                part = min(1.0, self.scale.consume_bytes_max / self.scale.log_bytes / consumers)
                rates, costs = Series(), Series()
                while len(rates.floor) < self.scale.rounds:
                    for server, number, rate, cost in (
                        (floor, 0, rates.floor, costs.floor),
                        (self.spu, key.partition, rates.ours, costs.ours),
                    ):
                        one, two = self._consume_once(server, number, consumers, int(end * part))
                        rate.append(one)
                        cost.append(two)
                name = f"{consumers} consumer{'s' if consumers > 1 else ''}"
                self.report.compare(name, "MiB/s", rates, target=CONSUME_TARGET)
                self.report.compare(f"{name}, server CPU", "ms/GiB", costs, target=None)
        finally:
            floor.remove()
        self.controller.remove(key)

    def _fill(self, server: Server, number: int, size: int) -> int:
        result = load(
            self.directory, "produce", server.port, "bench", number, CONNECTIONS, IN_FLIGHT,
            16 * KIB, 60, size,
        )  # fmt: skip
        return int(result["end_offset"])

    def _consume_once(
        self, server: Server, number: int, consumers: int, end_offset: int
    ) -> tuple[float, float]:
        cpu_before = server.cpu_s()
        result = load(
            self.directory, "consume", server.port, "bench", number, consumers, end_offset,
            SLICE_BYTES,
        )  # fmt: skip
        cpu_s = server.cpu_s() - cpu_before
        return result["bytes"] / result["seconds"] / MIB, cpu_s * 1000 / result["bytes"] * GIB

    # ---- memory ----

    def memory(self) -> None:
        """What a thousand idle connections and a thousand partitions add to a fresh SPU."""
        self.report.title(f"Memory of the SPU, for each of {self.scale.count}")
        self._fresh_spu([])
        hello = (
            b"\x00\x12\x00\x02\x00\x00\x00\x01\x00\x05bench" + b"\x00\x030.0\x00\x05linux\x00\x01x"
        )
        hello = len(hello).to_bytes(4, "big") + hello
        connections = [self._say_hello(hello) for _ in range(8)]
        before = self.spu.resident_bytes()
        connections += [self._say_hello(hello) for _ in range(self.scale.count)]
        each = (self.spu.resident_bytes() - before) / self.scale.count / KIB
        self.report.single("idle connection", each, "KiB", target=6)
        for connection in connections:
            connection.close()

        self._fresh_spu([])
        self.controller.assign([partition(next(self.numbers)) for _ in range(8)])
        before = self.spu.resident_bytes()
        keys = [partition(next(self.numbers)) for _ in range(self.scale.count)]
        self.controller.assign(keys)
        each = (self.spu.resident_bytes() - before) / self.scale.count / KIB
        self.report.single("partition", each, "KiB", target=4)
        self.report.single("SPU with nothing to do", before / MIB, "MiB")

    def _say_hello(self, hello: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.spu.port))
        connection.sendall(hello)
        if not connection.recv(4096):
            raise RuntimeError("the SPU closed a connection")
        return connection

    def _fresh_spu(self, keep: list[Any]) -> None:
        """Another SPU process; partitions that are not kept are forgotten, and their files go."""
        self.spu.stop()
        if not keep:
            shutil.rmtree(self.directory / "spu", ignore_errors=True)
        self.controller.want(keep)
        self.spu = self.start_spu()

    # ---- restart ----

    def restart(self) -> None:
        """From the assignment to the report of an open log; and from exec to serving."""
        size = self.scale.restart_bytes
        self.report.title(f"Start with a last segment of {_human(size)}, page cache warm")
        self._fresh_spu([])
        key = partition(next(self.numbers))
        self.controller.assign([key])
        end = self._fill(self.spu, key.partition, size)
        for how, target in (("kill -9", 50.0), ("clean stop", None)):
            opened, served = [], []
            for _ in range(self.scale.rounds):
                if how == "kill -9":
                    self.spu.kill()
                else:
                    self.spu.stop()
                start_s, open_s = self._timed_start([key])
                if self.controller.end_offset(key) < end:
                    raise RuntimeError(f"acknowledged records are gone after {how}")
                opened.append(open_s * 1000)
                served.append(start_s * 1000)
            self.report.single(
                f"after {how}, until the partition is open",
                statistics.median(opened), "ms", target=target,
            )  # fmt: skip
            self.report.single(
                f"after {how}, from exec until its port answers", statistics.median(served), "ms"
            )
        self._restart_hundred()

    def _restart_hundred(self) -> None:
        keys = [partition(next(self.numbers)) for _ in range(100)]
        self._fresh_spu([])
        self.controller.assign(keys)
        for one in keys:
            self._fill(self.spu, one.partition, 256 * KIB)
        medians = []
        for wanted in (keys[:1], keys):
            opened = []
            for _ in range(self.scale.rounds):
                self.spu.stop()
                opened.append(self._timed_start(wanted)[1] * 1000)
            medians.append(statistics.median(opened))
        self.report.single("after clean stop, until one small partition is open", medians[0], "ms")
        self.report.single(
            "the same, what 100 partitions add", medians[1] - medians[0], "ms", target=5
        )

    def _timed_start(self, keys: list[Any]) -> tuple[float, float]:
        self.controller.want([])
        began = time.perf_counter()
        self.spu = self.start_spu()
        serving = time.perf_counter()
        self.controller.assign(keys)
        return serving - began, time.perf_counter() - serving

    # ---- SmartModules ----

    def smartmodules(self) -> None:
        """Streams through modules, beside plain ones; a fresh SPU, since starts are timed."""
        self._fresh_spu([])
        keys = [partition(next(self.numbers)) for _ in range(4)]
        self.controller.assign(keys)
        numbers = [key.partition for key in keys]
        self.report.title("SmartModules: from the request to the first answer")
        self._figures(smart_modules.start(self.spu, numbers[0]))
        scale = self.scale.smart
        self.report.title("SmartModules: a cached log, batches of 16 KiB, one stream")
        for number, value_bytes in ((numbers[1], 100), (numbers[2], KIB)):
            self._figures(smart_modules.throughput(self.spu, number, value_bytes, scale))
        self.report.title("SmartModules: latency of a filtered stream")
        self._figures(smart_modules.neighbours(self.spu, numbers[3], scale))
        self._fresh_spu([])

    def replication(self) -> None:
        """Records that several SPUs have to hold, beside the same with one."""
        self.spu.stop()
        self.report.title("Replication: a local cluster of three SPUs, committed records")
        self._figures(replication.measure(self.directory, self.scale.replication))
        self._fresh_spu([])

    def _figures(self, figures: Iterator[smart_modules.Figure]) -> None:
        for one in figures:
            if one.other:
                self.report.compare(
                    one.name, one.unit, Series(one.other, one.ours), target=None,
                    other=one.other_name,
                )  # fmt: skip
            else:
                self.report.single(one.name, statistics.median(one.ours), one.unit)

    # ---- codec ----

    def codec(self) -> None:
        """Records through the client's codec, in a process of its own."""
        self.report.title("Encode and decode, batches of 16 KiB")
        with pinned(LOAD_CORES):
            result = subprocess.run(
                [sys.executable, str(CODEC_PROGRAM), str(self.scale.latency_s / 4)],
                capture_output=True,
                text=True,
                check=True,
            )
        for name, rate in json.loads(result.stdout).items():
            self.report.single(name, rate / 1e6, "M/s")

    # ---- client ----

    def client(self) -> None:
        """The client library beside the official one and aiokafka's codec; the command's start."""
        title = ""
        for line in measure(self.directory, self.scale.client):
            if line.title != title:
                title = line.title
                self.report.title(title)
            if line.other:
                self.report.compare(
                    line.name, line.unit, Series(line.other, line.ours), target=None,
                    other=line.other_name,
                )  # fmt: skip
            if line.unit == "ms" or not line.other:  # a target, or nobody to compare with
                self.report.single(
                    f"{line.name}, median" if line.other else line.name,
                    statistics.median(line.ours), line.unit,
                    target=HELP_TARGET_MS if line.unit == "ms" else None,
                )  # fmt: skip


def _human(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} B"


MEASURES = (
    "produce", "latency", "consume", "memory", "restart", "codec", "client", "smartmodules",
    "replication",
)  # fmt: skip


def main() -> None:
    """Read the flags, run what was asked for, print."""
    parser = argparse.ArgumentParser(
        description="Compare the SPU with a small C server doing the same work."
    )
    parser.set_defaults(scale=FULL)
    for name, scale, use in (
        ("--quick", QUICK, "small sizes, for a first look"),
        ("--smoke", SMOKE, "tiny sizes: does all of it work? The figures mean nothing"),
    ):
        parser.add_argument(name, dest="scale", action="store_const", const=scale, help=use)
    parser.add_argument("--name", choices=MEASURES, action="append", help="only this one")
    parser.add_argument(
        "--event-loop", choices=("auto", "asyncio", "uvloop"), default="auto", help="the SPU's"
    )
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    arguments = parser.parse_args()
    allow_many_files()
    directory = Path(tempfile.mkdtemp(prefix="fluvio-bench-"))
    report = Report()
    print(
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores; servers on core {min(SERVER_CORES)}, load on {min(LOAD_CORES)}, "
        f"event loop {arguments.event_loop}"
        + (" (uvloop is installed)" if importlib.util.find_spec("uvloop") else "")
    )
    try:
        build(directory)
        with FakeController() as controller:
            options = ("--event-loop", arguments.event_loop)
            bench = Bench(directory, arguments.scale, report, controller, options)
            try:
                bench.warm_up()
                for name in arguments.name or MEASURES:
                    getattr(bench, name)()
            finally:
                bench.spu.kill()
    except RuntimeError as error:
        log = directory / "spu.log"
        tail = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        sys.exit(f"bench: {error}\n{tail}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
