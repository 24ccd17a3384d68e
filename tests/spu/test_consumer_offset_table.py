"""The table of consumer offsets: what foreign records do to it, and how other SPUs reach it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fluvio_protocol.api.error_code import SUCCESS
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec
from fluvio_protocol.record import BatchCompression, compress
from fluvio_protocol.record.batch import seal
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.sc_private.update_replica import UpdateReplicas
from fluvio_protocol.types import Offset, PartitionId, ReplicaKey, SpuId
from fluvio_spu.app import SpuApp
from fluvio_spu.config import Address, SpuConfig
from fluvio_spu.links import peer_link
from fluvio_spu.links.controller_link import SpuDirectory
from fluvio_spu.links.peer_link import ConsumerOffsetGateway
from fluvio_spu.replica.consumer_offset_store import ConsumerOffsetStore, OffsetUnknown

pytestmark = pytest.mark.asyncio

HOME_ID = SpuId(5001)
OTHER_ID = SpuId(5002)
T0 = ReplicaKey("t", PartitionId(0))


def store_of(spu: Any) -> ConsumerOffsetStore:
    return ConsumerOffsetStore(spu.app.registry, clock_s=time.time)


def half_a_batch() -> bytes:
    """One record, compressed; its count can be read, and the rest cannot."""
    noise = random.Random(1).randbytes(100_000)
    payload = compress(BatchCompression.GZIP, (1).to_bytes(4) + noise)
    return seal(
        payload[: len(payload) // 2],
        attributes=BatchCompression.GZIP,
        last_offset_delta=0,
        first_timestamp=1,
        max_timestamp=1,
        base_offset=0,
    )


async def test_what_clients_produce_to_the_topic_does_no_harm(
    spu_factory: Any, assignment: Any, batch: Any
) -> None:
    assigned = (assignment(), assignment("consumer-offset"))
    async with AsyncExitStack() as stack:
        spu = await spu_factory.start(*assigned, stack=stack)
        client = await spu.client()
        await store_of(spu).update(T0, "before", Offset(1))
        for foreign in (half_a_batch(), batch("no entry", b"", b"\0\0\0\0\1x")):
            answer = await client.produce("consumer-offset", foreign)
            assert answer.error_code == SUCCESS
        await store_of(spu).update(T0, "behind", Offset(2))
    spu = await spu_factory.start(*assigned)
    found = await store_of(spu).list(None)
    assert [(one.consumer_id, one.offset) for one in found] == [("before", 1), ("behind", 2)]


class OtherSpu:
    """An SPU that leads none of it, and knows who does."""

    def __init__(self, app: SpuApp, assignment: Any) -> None:
        self.directory = SpuDirectory()
        self._app, self._assignment = app, assignment
        self.home_is(HOME_ID, 1)
        self.gateway = ConsumerOffsetGateway(
            spu_id=OTHER_ID,
            store=ConsumerOffsetStore(app.registry, clock_s=time.time),
            registry=app.registry,
            directory=self.directory,
        )

    def home_is(self, leader: SpuId, epoch: int) -> None:
        offsets = self._assignment(
            "consumer-offset",
            leader=leader,
            replicas=(leader,),
            in_sync=(InSyncReplica(spu=leader),),
            epoch=epoch,
        )
        mine = self._assignment(leader=OTHER_ID, replicas=(OTHER_ID,))
        self._app.registry.apply(UpdateReplicas(epoch=epoch, full=True, replicas=(offsets, mine)))

    def home_is_at(self, spu: Any) -> None:
        private = Endpoint(port=spu.app.private_port, host="127.0.0.1")
        spec = SpuSpec(id=HOME_ID, public_endpoint=IngressPort(port=1), private_endpoint=private)
        self.directory.replace((spec,))


@pytest_asyncio.fixture
async def other(tmp_path: Path, assignment: Any) -> AsyncIterator[OtherSpu]:
    anywhere = Address("127.0.0.1", 0)
    config = SpuConfig(
        spu_id=OTHER_ID, public=anywhere, private=anywhere, log_base_dir=str(tmp_path / "other")
    )
    async with SpuApp(config) as app:
        other = OtherSpu(app, assignment)
        yield other
        await other.gateway.close()


async def test_offsets_are_kept_by_the_other_spu(
    spu_factory: Any, assignment: Any, other: OtherSpu
) -> None:
    home = await spu_factory.start(assignment("consumer-offset"), assignment(leader=OTHER_ID))
    other.home_is_at(home)
    assert await other.gateway.get(T0, "c") is None
    assert await other.gateway.update(T0, "c", Offset(7)) == SUCCESS
    assert await other.gateway.get(T0, "c") == 7


async def test_what_will_never_be_kept_is_not_worth_trying_again(
    spu_factory: Any, assignment: Any, other: OtherSpu
) -> None:
    home = await spu_factory.start(assignment("consumer-offset"), assignment(leader=OTHER_ID))
    other.home_is_at(home)
    status = await other.gateway.update(T0, "c" * 1025, Offset(7))
    assert status.error is ErrorCode.OTHER
    assert "consumer id of 1025 characters" in status.payload[0]


async def test_a_consumer_does_not_notice_that_the_other_spu_restarts(
    spu_factory: Any, assignment: Any, other: OtherSpu
) -> None:
    assigned = (assignment("consumer-offset"), assignment(leader=OTHER_ID))
    async with AsyncExitStack() as stack:
        home = await spu_factory.start(*assigned, stack=stack)
        other.home_is_at(home)
        assert await other.gateway.update(T0, "c", Offset(7)) == SUCCESS
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(other.gateway.update(T0, "c", Offset(8))),
            tasks.create_task(other.gateway.update(T0, "d", Offset(9))),
        ]
        home = await spu_factory.start(*assigned)
        other.home_is_at(home)
    assert [task.result() for task in asked] == [SUCCESS, SUCCESS]
    assert await other.gateway.get(T0, "c") == 8


async def test_a_consumer_does_not_notice_that_its_own_spu_takes_over(other: OtherSpu) -> None:
    """The one that keeps the offsets dies while it is asked, and this one is its successor."""
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(other.gateway.update(T0, "c", Offset(7)))
        reading = tasks.create_task(other.gateway.get(T0, "d"))
        await asyncio.sleep(0)
        other.home_is(OTHER_ID, 2)
    assert (storing.result(), reading.result()) == (SUCCESS, None)
    assert await other.gateway.get(T0, "c") == 7


async def test_a_consumer_is_told_when_the_other_spu_stays_away(
    spu_factory: Any, assignment: Any, other: OtherSpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_link, "PEER_TIMEOUT_S", 0.2)
    status = await other.gateway.update(T0, "c", Offset(1))
    assert status.error is ErrorCode.OFFSET_FLUSH_REQUEST_ERROR
    assert "SPU 5001 is not known to the cluster" in status.payload[0]
    with pytest.raises(OffsetUnknown, match="SPU 5001 is not known to the cluster"):
        await other.gateway.get(T0, "c")
    home = await spu_factory.start()
    other.home_is_at(home)
    status = await other.gateway.update(T0, "c", Offset(1))
    assert status.error is ErrorCode.OFFSET_FLUSH_REQUEST_ERROR
    assert "it has not opened them" in status.payload[0]
    await home.assign(assignment("consumer-offset"), assignment(leader=OTHER_ID))
    assert await other.gateway.update(T0, "c", Offset(1)) == SUCCESS
