"""Admin against doors that answer as told: managed SPUs, loose filters, lost connections."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fluvio_client import Event, connect
from fluvio_client.errors import ConnectionLost, ManagedObject, NotFound, ServerError
from fluvio_client.objects import Owner
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec, SpuStatus
from fluvio_protocol.metadata.topic import TopicSpec, TopicStatus
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest
from fluvio_protocol.sc_public.list import ListRequest, ListResponse
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.sc_public.watch import Change, ChangeType, WatchRequest, WatchResponse
from fluvio_protocol.types import SpuId

pytestmark = pytest.mark.asyncio


def managed_spu() -> Metadata:
    spec = SpuSpec(
        id=SpuId(7),
        public_endpoint=IngressPort(port=9005),
        private_endpoint=Endpoint(port=9006, host="main-2"),
    )
    return Metadata("main-2", spec, SpuStatus())


def topic(name: str) -> Metadata:
    return Metadata(name, TopicSpec(), TopicStatus())


def listing(*objects: Metadata) -> Callable[[Any], Sequence[Any]]:
    """Lists these objects whatever names are asked for: topics or SPUs."""

    def answer(request: ListRequest) -> Sequence[Any]:
        spec = {Kind.TOPIC: TopicSpec, Kind.SPU: SpuSpec}[request.kind]
        found = () if request.system else tuple(o for o in objects if isinstance(o.spec, spec))
        return [ListResponse(kind=request.kind, objects=found)]

    return answer


def refusing(code: ErrorCode) -> Callable[[Any], Sequence[Any]]:
    return lambda request: [Status(name="", error_code=ErrorStatus(code), error_message="so it is")]


async def test_a_managed_spu_is_refused_with_its_group(open_door: Any, make_door: Any) -> None:
    answers = {
        ListRequest: listing(managed_spu()),
        DeleteRequest: refusing(ErrorCode.SPU_ERROR),
    }
    async with (
        open_door(make_door(answers=answers)) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        admin = client.admin
        spu = await admin.spus.get("main-2")
        assert spu.owner == Owner(Kind.SPU_GROUP, "main")
        assert (await admin.spus.describe("main-2"))["owner"] == {
            "kind": "SpuGroup", "name": "main",
        }  # fmt: skip
        for key in (7, "main-2"):
            with pytest.raises(ManagedObject, match="SPU main-2 belongs to SpuGroup main: change"):
                await admin.custom_spus.unregister(key)
        with pytest.raises(ServerError, match="so it is"):
            await admin.custom_spus.unregister(8)
        asked = len(door.asked)
        with pytest.raises(ManagedObject):
            await admin.spus.delete("main-2")
        assert not any(isinstance(one, DeleteRequest) for one in door.asked[asked:])


async def test_a_server_that_matches_parts_of_names(open_door: Any, make_door: Any) -> None:
    answers = {ListRequest: listing(topic("log"), topic("catalog"), topic("log-2"))}
    async with (
        open_door(make_door(answers=answers)) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        topics = client.admin.topics

        async def names(**conditions: Any) -> tuple[tuple[str, ...], list[str]]:
            found = [one.name for one in await topics.list(**conditions)]
            return door.asked[-1].name_filters, found

        assert await names(names=["log"]) == (("log",), ["log"])
        assert await names(prefix="log") == (("log",), ["log", "log-2"])
        assert await names(match="l*") == (("l",), ["log", "log-2"])
        assert await names(match="*log") == ((), ["log", "catalog"])
        assert await names(match="log") == (("log",), ["log"])
        assert await names() == ((), ["log", "catalog", "log-2"])
        many = [f"x-{number}" for number in range(101)]
        assert await names(names=[*many, "log"]) == ((), ["log"])
        with pytest.raises(NotFound, match=r"^Topic not found: catalgo. Did you mean catalog\?$"):
            await topics.get("catalgo")


async def test_nobody_waits_for_a_topic_that_is_only_stored(open_door: Any, make_door: Any) -> None:
    answers = {CreateRequest: refusing(ErrorCode.TOPIC_NOT_PROVISIONED)}
    async with (
        open_door(make_door(answers=answers)) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        await client.admin.topics.create("orders", wait=0)
        assert door.asked[-1].timeout_ms == 0
        for options in ({"wait": "1500ms"}, {}, {"wait": 0, "dry_run": True}):
            with pytest.raises(ServerError, match="so it is"):
                await client.admin.topics.create("orders", **options)
        assert [one.timeout_ms for one in door.asked[-3:]] == [1500, None, 0]
        answers[CreateRequest] = refusing(ErrorCode.TOPIC_INVALID_CONFIGURATION)
        with pytest.raises(ServerError):
            await client.admin.topics.create("orders", wait=0)


async def test_a_watch_tells_what_went_between_two_snapshots(
    open_door: Any, make_door: Any
) -> None:
    def topics_watched(request: WatchRequest) -> Sequence[Any]:
        if request.kind is not Kind.TOPIC or not request.summary:
            return []
        kind = request.kind
        update = Change(change_type=ChangeType.UPDATE, object=topic("c"))
        deletion = Change(change_type=ChangeType.DELETE, object=topic("b"))
        return [
            WatchResponse(kind=kind, epoch=1, all=(topic("a"), topic("b"))),
            WatchResponse(kind=kind, epoch=2),
            WatchResponse(kind=kind, epoch=3, changes=(update, deletion)),
            WatchResponse(kind=kind, epoch=9, all=(topic("c"), topic("d"))),
        ]

    async with (
        open_door(make_door(answers={WatchRequest: topics_watched})) as door,
        connect(address=f"127.0.0.1:{door.port}") as client,
    ):
        seen = []

        async def watch() -> None:
            async for change in client.admin.topics.watch():
                seen.append((change.event, change.object.name))
                if len(seen) == 6:
                    door.connections[0].close("test")

        async with asyncio.timeout(10):
            with pytest.raises(ConnectionLost):
                await watch()
        assert seen == [
            (Event.UPDATED, "a"),
            (Event.UPDATED, "b"),
            (Event.UPDATED, "c"),
            (Event.DELETED, "b"),
            (Event.UPDATED, "d"),
            (Event.DELETED, "a"),
        ]


async def test_waiting_outlives_the_connection(open_door: Any, make_door: Any) -> None:
    door = make_door()
    asked = 0

    def listed(request: ListRequest) -> Sequence[Any]:
        nonlocal asked
        asked += 1
        if asked <= 3:  # with the connection ends what was asked on it
            door.connections[0].close("test")
            return []
        return listing(topic("late"))(request)

    door.answers = {ListRequest: listed}
    async with open_door(door), connect(address=f"127.0.0.1:{door.port}") as client:
        found = await client.admin.wait_for("topic", "late", timeout="20s")
        assert found.name == "late"
        assert asked == 4
