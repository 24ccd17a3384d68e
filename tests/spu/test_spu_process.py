"""The process: its flags and environment, and a whole life from start to SIGTERM."""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from fluvio_spu.config import Address, parse_config


def test_flags_win_over_the_environment() -> None:
    environment = {
        "FLV_SPU_ID": "7",
        "FLV_LOG_BASE_DIR": "/env",
        "FLV_DURABILITY": "every-batch",
        "FLV_SC_PRIVATE_HOST": "sc:9004",
    }
    config = parse_config(["--log-base-dir", "/flag", "--public", "[::1]:9"], environment)
    assert (config.spu_id, config.log_base_dir, config.durability) == (7, "/flag", "every-batch")
    assert config.controller == Address("sc", 9004)
    assert config.public == Address("::1", 9)
    assert str(config.public) == "[::1]:9"
    assert config.replica_dir == "/flag/spu-logs-7"


def test_defaults_are_those_of_fluvio() -> None:
    config = parse_config(["--id", "5001"], {})
    assert config.replica_dir == "/var/lib/fluvio/data/spu-logs-5001"
    assert config.durability == "page-cache"
    assert config.controller is None


def test_the_event_loop_is_chosen_by_flag_or_environment() -> None:
    assert parse_config(["--id", "1"], {}).event_loop == "auto"
    assert parse_config(["--id", "1"], {"FLV_EVENT_LOOP": "uvloop"}).event_loop == "uvloop"
    assert parse_config(["--id", "1", "--event-loop", "asyncio"], {}).event_loop == "asyncio"


def test_an_unknown_event_loop_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, environment in ((["--event-loop", "x"], {}), ([], {"FLV_EVENT_LOOP": "x"})):
        with pytest.raises(SystemExit):
            parse_config(["--id", "1", *arguments], environment)
        assert "uvloop" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--id", "x"],
        ["--id", "1", "--public", "nowhere"],
        ["--id", "1", "--sc", "host:"],
        ["--id", "1", "--private", "h:70000"],
    ],
)
def test_nonsense_is_refused_with_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_config(arguments, {})
    assert "usage:" in capsys.readouterr().err


async def start_process(directory: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fluvio_spu", "--id", "5001"),
        *("--public", "127.0.0.1:0", "--private", "127.0.0.1:0"),
        *("--log-base-dir", str(directory / "data"), "--log-dir", str(directory / "log")),
        *arguments,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
async def test_a_process_starts_registers_and_stops_cleanly(
    tmp_path: Path, event_loop: str
) -> None:
    """The controller here is a socket that takes one frame: the registration."""
    pytest.importorskip(event_loop)
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(4), "big")
        frame = await reader.readexactly(length)
        if not arrived.done():
            arrived.set_result(frame)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start_process(tmp_path, "--sc", f"127.0.0.1:{port}", "--event-loop", event_loop)
    async with asyncio.timeout(30):
        frame = await arrived
        assert frame[:2] == (2000).to_bytes(2, "big")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    server.close()
    text = (tmp_path / "log" / "spu_5001.log").read_text()
    assert "event=spu_started" in text
    assert f"event_loop={event_loop}" in text
    assert "event=spu_stopped" in text
    assert "ERROR" not in text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--durability", "sometimes"], "sometimes"), (["--public", "127.0.0.1:{port}"], "{port}")],
)
async def test_a_process_that_cannot_start_says_why(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port: Any = taken.getsockname()[1]
        process = await start_process(tmp_path, *(one.format(port=port) for one in arguments))
        async with asyncio.timeout(30):
            assert await process.wait() == 1
    text = (tmp_path / "log" / "spu_5001.log").read_text()
    assert "event=spu_failed" in text
    assert reason.format(port=port) in text
