"""This machine's live metrics, read from /proc: what the demo streams.

A `Machine` is asked again and again; rates are differences to the time before.
"""

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
BLOCK_DEVICES = Path("/sys/block")
SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value."""

    metric: str
    value: float
    unit: str


class Machine:
    """Reads /proc. The first reading has no rates, for there is nothing to compare with."""

    def __init__(self) -> None:
        self.host = platform.node() or "localhost"
        self._counters: dict[str, float] = {}
        self._read_at_s = 0.0

    def read(self) -> list[Sample]:
        """All metrics as they are now."""
        now_s = time.monotonic()
        elapsed_s = now_s - self._read_at_s
        self._read_at_s = now_s
        samples = list(self._levels())
        for metric, counter, unit in self._totals():
            before = self._counters.get(metric)
            self._counters[metric] = counter
            if before is not None and elapsed_s > 0:
                samples.append(Sample(metric, round((counter - before) / elapsed_s, 3), unit))
        return samples

    def _levels(self) -> Iterator[Sample]:
        yield Sample("load", os.getloadavg()[0], "")
        memory = dict(line.split(":", 1) for line in _lines("meminfo"))
        for metric, name in (("memory.available", "MemAvailable"), ("memory.dirty", "Dirty")):
            if name in memory:
                yield Sample(metric, round(int(memory[name].split()[0]) / 1024, 2), "MiB")
        processes = sum(1 for entry in PROC.iterdir() if entry.name.isdigit())
        yield Sample("processes", processes, "")

    def _totals(self) -> Iterator[tuple[str, float, str]]:
        ticks_per_s = os.sysconf("SC_CLK_TCK")
        for line in _lines("stat"):
            name, *numbers = line.split()
            if name.startswith("cpu") and name != "cpu":
                idle = int(numbers[3]) + int(numbers[4])
                busy = sum(map(int, numbers[:8])) - idle
                yield f"{name}.busy", busy / ticks_per_s * 100, "%"
            elif name == "ctxt":
                yield "context-switches", int(numbers[0]), "/s"
        for line in _lines("net/dev")[2:]:
            name, numbers_text = line.split(":", 1)
            received, *others = map(int, numbers_text.split())
            if received or others[7]:  # and not interfaces that nobody uses
                yield f"net.{name.strip()}.in", received / 1024, "KiB/s"
                yield f"net.{name.strip()}.out", others[7] / 1024, "KiB/s"
        disks = {path.name for path in BLOCK_DEVICES.glob("*")}  # and not their partitions
        rows = [line.split() for line in _lines("diskstats")]
        written = sum(int(row[9]) for row in rows if row[2] in disks)
        yield "disk.written", written * SECTOR_BYTES / 1024, "KiB/s"


def _lines(name: str) -> list[str]:
    try:
        return (PROC / name).read_text().splitlines()
    except OSError:  # some containers hide some of them
        return []
