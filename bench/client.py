"""The client library and the command line beside others, against one local cluster.

Called by `run.py`, which prints. Yields a line as soon as it is known: each alternates between the
other one and ours, in processes of their own on the load's core; the cluster has the servers'.
"""

import contextlib
import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processes import LOAD_CORES, SERVER_CORES, pinned

PROGRAM = Path(__file__).with_name("client_program.py")
FLUVIO = "from fluvio_cli.main import main; main()"
SIZES_BYTES = {100: "100 B", 1024: "1 KiB"}
HELP_TARGET_MS = 150.0
START_ATTEMPTS = 3
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class ClientScale:
    """How much is done: starts of a program, records of 100 B, seconds of a codec."""

    rounds: int
    starts: int
    records: int
    codec_s: float


@dataclass(slots=True)
class Line:
    """What the other one and ours measured, round by round."""

    title: str
    name: str
    other_name: str
    unit: str
    other: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)


def measure(directory: Path, scale: ClientScale) -> Iterator[Line]:
    """All lines of the client. Raises RuntimeError when the cluster or a program fails."""
    yield from start_time(scale)
    yield from codecs(scale)
    with cluster(directory / "cluster") as address:
        for size in SIZES_BYTES:
            yield from produce_and_consume(address, size, scale)


def start_time(scale: ClientScale) -> Iterator[Line]:
    """`fluvio --help` beside an interpreter that does nothing, each warmed up once."""
    title, other = "Start of the command line", "python -c pass"
    line = Line(title, "fluvio --help", other, "ms")
    cpu = Line(title, "fluvio --help, CPU", other, "ms")
    script = Path(sys.executable).with_name("fluvio")
    ours = [str(script)] if script.exists() else [sys.executable, "-c", FLUVIO]
    nothing = [sys.executable, "-c", "pass"]
    with pinned(LOAD_CORES):
        for number in range(scale.starts + 1):
            for times, costs, command in (
                (line.other, cpu.other, nothing),
                (line.ours, cpu.ours, [*ours, "--help"]),
            ):
                began, cpu_before_s = time.perf_counter(), _children_cpu_s()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                if number:
                    times.append((time.perf_counter() - began) * 1000)
                    costs.append((_children_cpu_s() - cpu_before_s) * 1000)
    yield line
    yield cpu


def _children_cpu_s() -> float:
    """Processor time of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def codecs(scale: ClientScale) -> Iterator[Line]:
    """Records in memory, beside aiokafka's C code; nothing where that is not installed."""
    if importlib.util.find_spec("aiokafka") is None:
        return
    for size, name in SIZES_BYTES.items():
        lines = {
            way: Line("Codec in memory, batches of 16 KiB", f"{way} {name}", "aiokafka", "k rec/s")
            for way in ("encode", "decode")
        }
        for _ in range(scale.rounds):
            for whose in ("aiokafka", "ours"):
                for way, rate in _run(whose, "codec", size, scale.codec_s).items():
                    line = lines[way]
                    (line.ours if whose == "ours" else line.other).append(rate / 1000)
        yield from lines.values()


def produce_and_consume(address: str, size: int, scale: ClientScale) -> Iterator[Line]:
    """Records a second through the whole of both clients; each write has a topic of its own."""
    count = scale.records if size == min(SIZES_BYTES) else scale.records // 4
    title = f"Whole client, one record at a time, {count} records of {SIZES_BYTES[size]}"
    lines = {
        (what, key): Line(title, f"{what} {SIZES_BYTES[size]}{words}", "official", unit)
        for what in ("produce", "consume")
        for key, words, unit in (("rate", "", "k rec/s"), ("cpu_us", ", client CPU", "us/rec"))
    }

    def run(whose: str, what: str, name: str) -> None:
        found = _run(whose, what, address, name, size, count)
        for key, value in (("rate", found["rate"] / 1000), ("cpu_us", found["cpu_us"])):
            line = lines[what, key]
            (line.ours if whose == "ours" else line.other).append(value)

    has_official = importlib.util.find_spec("fluvio") is not None
    clients = ("official", "ours") if has_official else ("ours",)
    for _ in range(scale.rounds):
        for writer in clients:
            with topic(address) as name:
                run(writer, "produce", name)
                if writer == "ours":  # both read what ours wrote
                    for reader in clients:
                        run(reader, "consume", name)
    yield from lines.values()


def _run(*words: object) -> dict[str, float]:
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    with pinned(LOAD_CORES):
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command[2:])}: {result.stderr.strip()[-2000:]}")
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def _fluvio(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FLUVIO, *words],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.contextmanager
def cluster(directory: Path, *, spu_count: int = 1) -> Iterator[str]:
    """A local cluster, gone afterwards; the address of its controller."""
    data = ("--data-dir", str(directory / "data"))
    for attempt in range(START_ATTEMPTS):
        base = _free_ports(10 * spu_count + 4)
        address, private = (f"127.0.0.1:{base + 10 * spu_count + n}" for n in range(2))
        with pinned(SERVER_CORES), _profile(directory):
            result = _fluvio(
                *("cluster", "start", "--local", "--spu", str(spu_count), "--skip-checks", *data),
                *("--log-dir", str(directory / "log"), "--spu-port-base", str(base)),
                *(
                    "--sc-pub-addr",
                    address,
                    "--sc-priv-addr",
                    private,
                ),
            )
            try:
                if result.returncode == 0:
                    yield address
                    return
            finally:
                _fluvio("cluster", "delete", "--force", *data)
        if attempt == START_ATTEMPTS - 1:
            raise RuntimeError(f"no local cluster: {result.stdout}{result.stderr}"[-2000:])


@contextlib.contextmanager
def topic(address: str) -> Iterator[str]:
    """A new topic, deleted afterwards so that the disk holds one at a time."""
    name = f"bench-{uuid.uuid4()}"
    result = _fluvio("--cluster", address, "topic", "create", name)
    if result.returncode != 0:
        raise RuntimeError(f"topic create: {result.stderr.strip()}")
    try:
        yield name
    finally:
        _fluvio("--cluster", address, "topic", "delete", name)


@contextlib.contextmanager
def _profile(directory: Path) -> Iterator[None]:
    """Leave the user's own profiles alone."""
    before = os.environ.get("FLV_PROFILE_PATH")
    os.environ["FLV_PROFILE_PATH"] = str(directory / "config")
    try:
        yield
    finally:
        del os.environ["FLV_PROFILE_PATH"]
        if before is not None:
            os.environ["FLV_PROFILE_PATH"] = before


def _free_ports(count: int) -> int:
    """The first of so many ports in a row on which nobody listens."""
    for _ in range(200):
        with contextlib.ExitStack() as held:
            first: int = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for number in range(1, count):
                    held.enter_context(socket.create_server(("127.0.0.1", first + number)))
            except (OSError, OverflowError):
                continue
            return first
    raise RuntimeError(f"no {count} free ports in a row")
