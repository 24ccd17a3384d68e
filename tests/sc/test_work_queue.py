"""The controller's queue when the store fails, when others write, when a request is wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import CONSUMER_OFFSET_TOPIC, TopicSpec
from fluvio_protocol.types import SpuId
from fluvio_sc.config import ScConfig, ScTimings
from fluvio_sc.controller import Controller, NotReady
from fluvio_sc.core.actions import Action, SetSpec
from fluvio_sc.core.admission import admit_create
from fluvio_sc.core.cluster_state import ClusterState, ObjectKey
from fluvio_sc.core.errors import Refused
from fluvio_sc.core.ports import DesiredSpu
from fluvio_sc.core.reconcile.topic import create_topic
from fluvio_sc.memory_store import MemoryStore

pytestmark = pytest.mark.asyncio


class Parts:
    """A controller without doors."""

    def __init__(self, store: Any, runtime: Any, config: ScConfig) -> None:
        self.store = store
        self.memory_store = MemoryStore()
        self.controller = Controller(
            store=store, runtime=runtime, memory_store=self.memory_store, config=config
        )

    async def create(self, name: str) -> None:
        await self.controller.execute(
            lambda state: admit_create(name, TopicSpec(), dry_run=False, state=state)
        )


@asynccontextmanager
async def running(
    store: Any, runtime: Any, *, config: ScConfig | None = None
) -> AsyncIterator[Parts]:
    parts = Parts(store, runtime, config or ScConfig(timings=ScTimings(resync_s=0.2)))
    await parts.controller.load()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(parts.controller.run())
        await parts.controller.execute(lambda state: [])
        yield parts
        task.cancel()


async def test_nothing_is_shown_that_was_not_stored(
    dict_store: Any, no_runtime: Any, store_error: Any
) -> None:
    async with running(dict_store, no_runtime) as parts:
        dict_store.failures = [store_error("disk full")]
        epoch = parts.memory_store.epoch(Kind.TOPIC)
        with pytest.raises(NotReady, match="disk full"):
            await parts.create("t")
        assert parts.memory_store.get(Kind.TOPIC, "t") is None
        assert parts.memory_store.epoch(Kind.TOPIC) == epoch
        await parts.create("t")  # as if nothing had happened
        assert parts.memory_store.get(Kind.TOPIC, "t") is not None
        assert (Kind.TOPIC, "t") in dict_store.objects


async def test_an_error_of_the_adapter_is_no_success_and_no_end(
    dict_store: Any, no_runtime: Any
) -> None:
    async with running(dict_store, no_runtime) as parts:
        dict_store.failures = [ValueError("bug")]
        with pytest.raises(NotReady, match="bug"):
            await parts.create("t")
        await parts.create("t")


async def test_what_the_store_refused_is_done_later(
    dict_store: Any, no_runtime: Any, store_error: Any
) -> None:
    dict_store.failures = [store_error("first"), store_error("second")]
    parts = Parts(dict_store, no_runtime, ScConfig())
    await parts.controller.load()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(parts.controller.run())
        found = await parts.memory_store.wait_until(
            lambda: parts.memory_store.get(Kind.TOPIC, CONSUMER_OFFSET_TOPIC), 10
        )
        assert found is not None
        task.cancel()


async def test_a_write_of_somebody_else_is_believed(dict_store: Any, no_runtime: Any) -> None:
    async with running(dict_store, no_runtime) as parts:
        await parts.create("t")
        key = ObjectKey(Kind.TOPIC, "t")
        stored = dict_store.objects[key]
        dict_store.objects[key] = replace(
            stored, resource_version=10_000, annotations={"by": "another"}
        )

        def edit(state: ClusterState) -> list[Action]:
            topic = state.find(key)
            assert topic is not None
            return [SetSpec(key, replace(topic.spec, system=True), "test")]

        with pytest.raises(NotReady, match="expected resource version"):
            await parts.controller.execute(edit)
        seen = parts.memory_store.get(Kind.TOPIC, "t")
        assert seen is not None
        assert seen.annotations == {"by": "another"}
        await parts.controller.execute(edit)
        assert dict_store.objects[key].annotations == {"by": "another"}
        assert dict_store.objects[key].spec.system


async def test_refusals_and_bugs_of_requests_stay_with_them(
    dict_store: Any, no_runtime: Any
) -> None:
    async with running(dict_store, no_runtime) as parts:

        def refuse(state: ClusterState) -> Sequence[Action]:
            raise Refused(ErrorCode.TOPIC_ERROR, "no")

        def fail(state: ClusterState) -> Sequence[Action]:
            raise ZeroDivisionError

        results: list[Any] = await asyncio.gather(
            parts.controller.execute(refuse),
            parts.create("a"),
            parts.controller.execute(fail),
            parts.create("b"),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            Refused, type(None), ZeroDivisionError, type(None)
        ]  # fmt: skip
        assert {item.name for item in parts.memory_store.of(Kind.TOPIC)} == {
            CONSUMER_OFFSET_TOPIC, "a", "b"
        }  # fmt: skip


async def test_of_two_creations_of_one_name_one_wins(dict_store: Any, no_runtime: Any) -> None:
    async with running(dict_store, no_runtime) as parts:
        results = await asyncio.gather(parts.create("t"), parts.create("t"), return_exceptions=True)
        assert results[0] is None
        assert isinstance(results[1], Refused)
        assert results[1].error.error is ErrorCode.TOPIC_ALREADY_EXISTS


async def test_many_requests_share_transactions(dict_store: Any, no_runtime: Any) -> None:
    async with running(dict_store, no_runtime) as parts:
        before = len(dict_store.transactions)
        await asyncio.gather(*(parts.create(f"t{number}") for number in range(100)))
        assert len(dict_store.transactions) - before <= 3


async def test_a_request_whose_client_is_gone_is_still_done(
    dict_store: Any, no_runtime: Any
) -> None:
    async with running(dict_store, no_runtime) as parts:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(parts.create("t"))
            await asyncio.sleep(0)
            task.cancel()
        await parts.create("u")
        assert parts.memory_store.get(Kind.TOPIC, "t") is not None


async def test_a_reconciler_that_fails_stops_only_its_object(
    dict_store: Any, no_runtime: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(dict_store, no_runtime) as parts:
        broken: Any = None
        await parts.controller.execute(
            lambda state: [create_topic("broken", broken, reason="test")]
        )
        await parts.create("fine")
        fine = parts.memory_store.get(Kind.TOPIC, "fine")
        assert fine is not None
        assert fine.status.resolution.name == "INSUFFICIENT_RESOURCES"
        assert "reconcile_failed key=Topic broken" in caplog.text


async def test_spus_of_the_setup_exist_and_follow_it(dict_store: Any, spu_spec: Any) -> None:
    class Runtime:
        desired: Sequence[DesiredSpu] = ()

        async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
            self.desired = desired

    runtime = Runtime()
    config = ScConfig(spus=(spu_spec(5001), spu_spec(5002)))
    async with running(dict_store, runtime, config=config):
        assert [item.name for item in runtime.desired] == ["custom-spu-5001", "custom-spu-5002"]
    uid = runtime.desired[0].uid
    moved = replace(spu_spec(5001), rack="r9")
    async with running(dict_store, runtime, config=ScConfig(spus=(moved,))):
        assert [(item.uid == uid, item.spec.rack) for item in runtime.desired] == [
            (True, "r9"), (False, None)
        ]  # fmt: skip


async def test_a_runtime_that_fails_is_asked_again(
    dict_store: Any, spu_spec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    succeeded = asyncio.Event()

    class Runtime:
        calls = 0

        async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
            self.calls += 1
            if self.calls == 1:
                raise OSError("no process")
            succeeded.set()

    config = ScConfig(spus=(spu_spec(1),), timings=ScTimings(resync_s=0.05))
    async with running(dict_store, Runtime(), config=config):
        async with asyncio.timeout(10):
            await succeeded.wait()
    assert "runtime_failed" in caplog.text


async def test_the_runtime_is_asked_only_when_spus_change(dict_store: Any, spu_spec: Any) -> None:
    class Runtime:
        calls = 0

        async def apply_spus(self, desired: Sequence[DesiredSpu]) -> None:
            self.calls += 1

    runtime = Runtime()
    async with running(dict_store, runtime, config=ScConfig(spus=(spu_spec(1),))) as parts:
        for number in range(5):
            await parts.create(f"t{number}")
        assert runtime.calls == 1


async def test_an_spu_is_not_silent_while_the_controller_stands_still(
    dict_store: Any, no_runtime: Any, spu_spec: Any
) -> None:
    now_ms = 1_000_000
    memory_store = MemoryStore()
    controller = Controller(
        store=dict_store,
        runtime=no_runtime,
        memory_store=memory_store,
        config=ScConfig(spus=(spu_spec(5001),)),
        clock_ms=lambda: now_ms,
    )

    async def state_after(ms: int) -> str:
        nonlocal now_ms
        now_ms += ms
        await controller.execute(lambda state: [])
        await controller.execute(lambda state: [])
        spu = memory_store.get(Kind.SPU, "custom-spu-5001")
        assert spu is not None
        return str(spu.status.resolution.name)

    await controller.load()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(controller.run())
        await state_after(0)
        controller.spu_connected(SpuId(5001))
        assert await state_after(0) == "ONLINE"
        # Frozen, and what the SPU said meanwhile is still in the socket.
        assert await state_after(60_000) == "ONLINE"
        for _ in range(9):
            assert await state_after(1_000) == "ONLINE"
        assert await state_after(1_000) == "OFFLINE"
        task.cancel()
