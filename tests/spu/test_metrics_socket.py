"""The metrics over a socket of this machine."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluvio_process.exposition import Sample
from fluvio_spu.gateway import metrics_socket
from fluvio_spu.gateway.metrics_socket import MetricsSocket

ANSWER = "# HELP one what it is\n# TYPE one gauge\none 1\n"


async def samples() -> Iterable[Sample]:
    return [Sample("one", "gauge", "what it is", 1)]


@contextlib.contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """However long the path is."""
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        client.settimeout(20)
        yield client


def ask(path: Path) -> str:
    parts = []
    with connected(path) as client:
        while part := client.recv(4096):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.asyncio
async def test_whoever_connects_is_told_and_the_file_goes_with_the_server(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30)
    folder.mkdir()
    path = folder / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as left, contextlib.chdir(folder):
        left.bind("metrics.sock")  # by a process that was killed
    async with MetricsSocket(str(path), samples):
        assert [await asyncio.to_thread(ask, path) for _ in range(2)] == [ANSWER, ANSWER]
    assert not path.exists()


@pytest.mark.asyncio
async def test_who_comes_when_there_are_too_many_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.sock"
    monkeypatch.setattr(metrics_socket, "ANSWERS_MAX", 1)
    asked, told = asyncio.Event(), asyncio.Event()

    async def held() -> Iterable[Sample]:
        asked.set()
        await told.wait()
        return await samples()

    async with MetricsSocket(str(path), held):
        first = asyncio.get_running_loop().run_in_executor(None, ask, path)
        await asked.wait()
        assert await asyncio.to_thread(ask, path) == ""
        told.set()
        assert await first == ANSWER


@pytest.mark.asyncio
async def test_who_does_not_read_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.sock"
    monkeypatch.setattr(metrics_socket, "SEND_PATIENCE_S", 0.01)
    asked = asyncio.Event()

    async def much() -> Iterable[Sample]:
        asked.set()
        return [Sample("one", "gauge", "x" * (8 << 20), 1)]

    async with MetricsSocket(str(path), much) as server:
        with connected(path) as silent:
            await asked.wait()
            await asyncio.gather(*server._answering)
            assert sum(iter(lambda: len(silent.recv(1 << 20)), 0)) < 8 << 20


@pytest.mark.asyncio
async def test_a_place_where_it_cannot_listen_is_no_reason_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with MetricsSocket(str(tmp_path / "none" / "metrics.sock"), samples):
            pass
    assert "event=metrics_socket_failed" in caplog.text


@pytest.mark.asyncio
async def test_an_spu_gives_its_metrics(spu_factory: Any, tmp_path: Path) -> None:
    path = tmp_path / "spu.sock"
    await spu_factory.start(metrics_socket=str(path))
    assert "\nfluvio_spu_ready 1\n" in await asyncio.to_thread(ask, path)
