"""One lease, several who want it, and clocks that the test turns."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from fluvio_operator.kube_api import KubeApi
from fluvio_operator.lease import ACQUIRE_INTERVAL_S, Lease, LeaseLost

_spec = importlib.util.spec_from_file_location(
    "api_server", Path(__file__).with_name("api_server.py")
)
assert _spec is not None
assert _spec.loader is not None
api_server: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api_server)

pytestmark = pytest.mark.asyncio

DURATION_S = 15.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Parts:
    def __init__(self, server: Any, client: ApiClient) -> None:
        self.server = server
        self.clock = Clock()
        self._client = client

    def lease(self, holder: str, **options: Any) -> Lease:
        options.setdefault("clock_s", self.clock)
        options.setdefault("duration_s", DURATION_S)
        return Lease(KubeApi(self._client), "stream", "fluvio-sc", holder, **options)

    @property
    def spec(self) -> Any:
        return self.server.by_name("fluvio-sc")["spec"]


@asynccontextmanager
async def running() -> AsyncIterator[Parts]:
    async with api_server.ApiServer().serving() as server:
        configuration = Configuration(host=f"http://127.0.0.1:{server.port}")
        async with ApiClient(configuration) as client:
            yield Parts(server, client)


async def test_the_first_gets_it_and_the_second_waits() -> None:
    async with running() as parts:
        first, second = parts.lease("a"), parts.lease("b")
        assert await first.try_once()
        assert not await second.try_once()
        assert (first.held(), second.held()) == (True, False)
        assert (parts.spec["holderIdentity"], parts.spec["leaseTransitions"]) == ("a", 0)


async def test_who_waited_longer_looks_when_the_lease_runs_out() -> None:
    async with running() as parts:
        first, second, third = (parts.lease(name) for name in "abc")
        assert await first.try_once()
        assert not await second.try_once()
        usual_s = second.next_look_s()
        assert usual_s == min(second.renew_interval_s, ACQUIRE_INTERVAL_S)
        parts.clock.now_s += DURATION_S - usual_s / 2
        assert not await third.try_once()
        assert not await second.try_once()
        assert (second.next_look_s(), third.next_look_s()) == (usual_s / 2, usual_s)
        parts.clock.now_s += second.next_look_s()
        assert not await third.try_once()
        assert await second.try_once()


async def test_a_silent_holder_is_replaced_after_it_has_given_up_itself() -> None:
    async with running() as parts:
        first, second = parts.lease("a"), parts.lease("b")
        assert await first.try_once()
        assert not await second.try_once()
        parts.clock.now_s += DURATION_S * 0.8
        assert not first.held()
        assert not await second.try_once()
        parts.clock.now_s += DURATION_S * 0.2
        assert await second.try_once()
        assert second.held()
        assert (parts.spec["holderIdentity"], parts.spec["leaseTransitions"]) == ("b", 1)
        assert not await first.try_once()


async def test_a_holder_that_renews_keeps_it() -> None:
    async with running() as parts:
        first, second = parts.lease("a"), parts.lease("b")
        assert await first.try_once()
        for _ in range(8):
            assert not await second.try_once()
            parts.clock.now_s += DURATION_S / 3
            assert await first.try_once()
        assert not await second.try_once()


async def test_a_released_lease_is_free_at_once() -> None:
    async with running() as parts:
        first, second = parts.lease("a"), parts.lease("b")
        assert await first.try_once()
        await first.release()
        assert not first.held()
        assert await second.try_once()


async def test_of_two_who_write_at_once_one_wins() -> None:
    async with running() as parts:
        parts.server.failures = [api_server.Failure("POST", 409)]
        assert not await parts.lease("a").try_once()
        assert await parts.lease("b").try_once()


async def test_it_is_lost_when_another_took_it() -> None:
    async with running() as parts:
        first = parts.lease("a", duration_s=3.0)
        assert await first.try_once()
        parts.clock.now_s += 3.0
        second = parts.lease("b", duration_s=3.0)
        assert not await second.try_once()
        parts.clock.now_s += 3.0
        assert await second.try_once()
        with pytest.raises(LeaseLost):
            await first.keep()


async def test_a_server_that_fails_costs_the_lease_only_when_time_is_up() -> None:
    async with running() as parts:
        first = parts.lease("a")
        assert await first.try_once()
        parts.server.failures = [api_server.Failure("GET", 403)]
        assert not await first.try_once()
        assert first.held()
        assert await first.try_once()
