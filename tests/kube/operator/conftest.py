"""The small API server of `tests/kube/store`, and a client of it."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from kubernetes.aio.client import ApiClient, Configuration

from fluvio_operator.kube_api import KubeApi


def _load() -> Any:
    path = Path(__file__).parents[1] / "store" / "api_server.py"
    spec = importlib.util.spec_from_file_location("api_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Any]:
    async with _load().ApiServer().serving() as server:
        yield server


@pytest_asyncio.fixture
async def api(server: Any) -> AsyncIterator[KubeApi]:
    async with ApiClient(Configuration(host=f"http://127.0.0.1:{server.port}")) as client:
        yield KubeApi(client)
