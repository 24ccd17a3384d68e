"""The SPU is told to stop: what was read is answered, what was not is not stored, and soon."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fluvio_protocol.codec import decode_exact
from fluvio_protocol.spu_public.produce import ProduceResponse
from fluvio_protocol.spu_public.stream_fetch import StreamFetchRequest
from fluvio_protocol.types import Offset, PartitionId
from fluvio_spu import app as spu_app
from fluvio_spu.storage import Log, LogConfig, OsDisk

NEVER_SYNCED = "group:3600000:1099511627776"
STOP_TIME_S_MAX = 5.0
REQUESTS_IN_FLIGHT = 32


class HeldSyncDisk(OsDisk):
    """Syncs nothing before it is let go."""

    __slots__ = ("gate",)

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def sync_data(self, fd: int) -> None:
        self.gate.wait(20)
        super().sync_data(fd)


@pytest.mark.asyncio
async def test_answers_that_wait_for_a_sync_get_it_at_once(
    spu_factory: Any, assignment: Any, batch: Any, produce_message: Any
) -> None:
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:
        spu = await spu_factory.start(assignment(), durability=NEVER_SYNCED, stack=stack)
        spu.stack = clients
        connected = [await spu.client() for _ in range(3)]
        for client in connected:
            client.send(produce_message("t", batch("a")), 25)
            await client.assert_silent()
        await stack.aclose()
        for client in connected:
            answer = (await client.receive_as(ProduceResponse, 25, 1)).responses[0].partitions[0]
            assert not answer.error_code
            await client.assert_closed()


@pytest.mark.asyncio
async def test_answers_that_do_not_come_are_not_waited_for_longer_than_that(
    spu_factory: Any,
    assignment: Any,
    batch: Any,
    produce_message: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(spu_app, "ANSWER_PATIENCE_S", 0.05)
    disk = HeldSyncDisk()
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:
        spu = await spu_factory.start(
            assignment(uid=""), durability=NEVER_SYNCED, disk=disk, stack=stack
        )
        spu.stack = clients
        client = await spu.client()
        client.send(produce_message("t", batch("a")), 25)
        await client.assert_silent()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(stack.aclose())
            await client.assert_closed()
            disk.gate.set()
    assert "event=drained spu=5001 unanswered=1" in caplog.text


@pytest.mark.asyncio
async def test_a_client_that_reads_nothing_holds_nobody_up(
    spu_factory: Any, assignment: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spu_app, "SEND_PATIENCE_S", 0.05)
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:
        spu = await spu_factory.start(assignment(), stack=stack)
        spu.stack = clients
        producer = await spu.client()
        for _ in range(20):
            assert not (await producer.produce("t", batch(b"x" * (1 << 20)))).error_code
        deaf = await spu.client()
        deaf.reader._transport.pause_reading()
        for _ in range(8):
            deaf.send(
                StreamFetchRequest(
                    topic="t", partition=PartitionId(0), fetch_offset=Offset(0), max_bytes=16 << 20
                ),
                25,
            )
        async with asyncio.timeout(20):
            while not any(one.queued_bytes for one in spu.app.public_connections):
                await producer.assert_silent()
            await stack.aclose()


@pytest.mark.asyncio
async def test_who_connects_while_it_stops_is_not_served(
    spu_factory: Any, assignment: Any, batch: Any, produce_message: Any
) -> None:
    disk = HeldSyncDisk()
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:
        spu = await spu_factory.start(
            assignment(uid=""), durability=NEVER_SYNCED, disk=disk, stack=stack
        )
        spu.stack = clients
        early = await spu.client()
        early.send(produce_message("t", batch("a")), 25)
        await early.assert_silent()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(stack.aclose())
            late = await spu.client()
            assert spu.app.unready_reason() == "stopping"
            late.send(produce_message("t", batch("b")), 25)
            disk.gate.set()
            answer = await early.receive_as(ProduceResponse, 25, 1)
            assert not answer.responses[0].partitions[0].error_code
            assert await late.reader.read() == b""
    log = Log.open(OsDisk(), str(spu_factory.data_dir / "spu-logs-5001" / "t-0"), LogConfig())
    assert log.end_offset == 1
    log.close()


class Flood:
    """A client with a full window of requests, each of one record, that counts the answers."""

    def __init__(self, client: Any, request: bytes) -> None:
        self.answered = 0
        self.over = False
        self._client = client
        self._request = request

    async def run(self) -> None:
        self._client.send_bytes(self._request * REQUESTS_IN_FLIGHT)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                _, body = await self._client.receive()
                answer = decode_exact(ProduceResponse, body, 25).responses[0].partitions[0]
                assert not answer.error_code
                self.answered += 1
                if not self.over:
                    self._client.send_bytes(self._request)


@contextlib.asynccontextmanager
async def spu_process(
    directory: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process as in a pod: SPU 5001, whatever its name says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fluvio_spu", "--public", "127.0.0.1:0"),
        *("--private", "127.0.0.1:0", "--log-base-dir", str(directory / "data")),
        *("--log-dir", str(directory / "log"), "--log-format", "json", "--umask", "007"),
        *arguments,
        env={**os.environ, "SPU_INDEX": "fluvio-spg-main-1", "SPU_MIN": "5000"},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def log_entries(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "log" / "spu_5001.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def others_may(directory: Path) -> list[str]:
    """Files whose modes do not say: the group as the owner, others nothing."""
    return [
        str(path)
        for path in directory.rglob("*")
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 7 or (mode >> 3 & 7) != mode >> 6
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("durability", ["page-cache", "group:20:1048576"])
async def test_whatever_is_stored_was_answered_when_the_process_stops_under_load(
    tmp_path: Path,
    controller: Any,
    assignment: Any,
    batch: Any,
    produce_message: Any,
    connect: Any,
    durability: str,
) -> None:
    """The stop comes amid requests of many clients; some are taken, others are not."""
    event_loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    settings = ["--sc", str(controller.address), "--durability", durability]
    floods: list[Flood] = []
    async with (
        asyncio.timeout(60),
        spu_process(tmp_path, *settings, "--event-loop", event_loop) as process,
        AsyncExitStack() as clients,
        asyncio.TaskGroup() as tasks,
    ):
        await controller.until(lambda: controller.session is not None)
        controller.assign(assignment("t"))
        started = next(one for one in log_entries(tmp_path) if one["event"] == "spu_started")
        idle = [await connect(started["public_port"], clients) for _ in range(200)]
        for _ in range(20):
            client = await connect(started["public_port"], clients)
            request = client.frame(produce_message("t", batch("x" * 100)), 25, 1)
            floods.append(Flood(client, request))
            tasks.create_task(floods[-1].run())
        while min(flood.answered for flood in floods) < REQUESTS_IN_FLIGHT:
            await idle[0].assert_silent()
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for flood in floods:
            flood.over = True
        assert await process.wait() == 0
        took_s = time.monotonic() - begun_s
    assert took_s < STOP_TIME_S_MAX
    entries = log_entries(tmp_path)
    assert [one["message"] for one in entries if one["level"] in ("WARNING", "ERROR")] == []
    assert entries[-1]["event"] == "spu_stopped"
    assert others_may(tmp_path) == []
    log = Log.open(OsDisk(), str(tmp_path / "data" / "spu-logs-5001" / "t-0"), LogConfig())
    assert log.recovery.clean
    assert log.end_offset == sum(flood.answered for flood in floods)
    log.close()


@pytest.mark.asyncio
async def test_a_name_server_that_does_not_answer_holds_no_process_up(tmp_path: Path) -> None:
    """Only the resolver is played: it holds its thread, as libc's does for a minute."""
    program = (
        "import socket, sys, time\n"
        "look_up = socket.getaddrinfo\n"
        "def hang(host, *rest, **options):\n"
        "    if host == 'fluvio-sc-internal': time.sleep(100)\n"
        "    return look_up(host, *rest, **options)\n"
        "socket.getaddrinfo = hang\n"
        "from fluvio_spu.__main__ import main\n"
        "sys.exit(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "--id", "1", "--sc", "fluvio-sc-internal:9004"),
        *("--public", "127.0.0.1:0", "--private", "127.0.0.1:0", "--event-loop", "asyncio"),
        *("--log-base-dir", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for line in process.stderr:
            if b"event=spu_started" in line:
                break
        begun_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert (await process.stderr.read()).endswith(b"event=spu_stopped spu=1\n")
        assert await process.wait() == 0
    assert time.monotonic() - begun_s < STOP_TIME_S_MAX
