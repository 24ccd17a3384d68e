"""A follower's links at its leader: how fast it catches up, and which one counts of two.

One that is not in sync catches up no faster than `--catch-up-rate` allows.
"""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from fluvio_protocol.api.header import decode_request_header, encode_request
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.spu_private.replication import (
    CopiedRecords,
    FollowerHello,
    HighWatermarks,
    JoinAnswer,
    JoinReplicas,
    ReplicaJoin,
    ReplicaPosition,
    ReplicaPositions,
)
from fluvio_protocol.types import (
    DataIncarnation,
    LeaderEpoch,
    Offset,
    PartitionId,
    ReplicaKey,
    SpuId,
)
from fluvio_spu.config import parse_config
from fluvio_spu.private_api import follower_session
from fluvio_spu.private_api.catch_up import CatchUpAllowance

LEADER, FOLLOWER = SpuId(5001), SpuId(5002)
KEY = ReplicaKey("t", PartitionId(0))
INCARNATION = DataIncarnation(7)
PUSHED: dict[int | None, type[Message]] = {
    one.api_key: one for one in (JoinAnswer, CopiedRecords, HighWatermarks)
}


def sent_within(allowance: CatchUpAllowance, *, slice_bytes: int, ticks: int, tick_s: float) -> int:
    """Bytes that go out while so many ticks pass, with always another slice ready."""
    total = 0
    for _ in range(ticks):
        while allowance.may_send and total < 1000 * slice_bytes:
            allowance.sent(slice_bytes)
            total += slice_bytes
        allowance.passed(tick_s)
    return total


@pytest.mark.parametrize("slice_bytes", [1, 10, 70, 100, 250])
def test_over_many_ticks_the_rate_is_kept(slice_bytes: int) -> None:
    sent = sent_within(CatchUpAllowance(100), slice_bytes=slice_bytes, ticks=40, tick_s=0.25)
    first_second, ten_seconds = 100, 1000
    assert ten_seconds - 25 <= sent < first_second + ten_seconds + slice_bytes


def test_a_pause_is_no_licence_for_a_burst() -> None:
    allowance = CatchUpAllowance(100)
    allowance.passed(3600)
    assert sent_within(allowance, slice_bytes=10, ticks=1, tick_s=0) == 100


def test_a_slice_larger_than_the_rate_goes_out_whole_and_is_paid_for() -> None:
    allowance = CatchUpAllowance(100)
    allowance.sent(500)
    allowance.passed(4)
    assert not allowance.may_send
    allowance.passed(0.25)
    assert allowance.may_send


def test_without_a_rate_nothing_is_held_back() -> None:
    allowance = CatchUpAllowance(0)
    assert sent_within(allowance, slice_bytes=10, ticks=1, tick_s=0) == 10_000
    assert allowance.may_send


def test_the_rate_is_read_from_flag_and_environment() -> None:
    known = {"FLV_SPU_ID": "1"}
    assert parse_config([], known).catch_up_bytes_per_second == 0
    from_flag = parse_config(["--catch-up-rate", "20Mi"], known)
    assert from_flag.catch_up_bytes_per_second == 20 << 20
    from_environment = parse_config([], {**known, "FLV_CATCH_UP_RATE": "1500k"})
    assert from_environment.catch_up_bytes_per_second == 1_500_000


class Follower:
    """The other end of the leader's link, by hand."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, message: Message) -> None:
        self._client.send_bytes(
            encode_request(message, version=0, correlation_id=0, client_id="follower")
        )

    async def receive(self) -> Any:
        """The next message, without the records behind it."""
        async with asyncio.timeout(20):
            length = int.from_bytes(await self._client.reader.readexactly(4))
            reader = Reader(memoryview(await self._client.reader.readexactly(length)))
        return decode(PUSHED[decode_request_header(reader).api_key], reader, 0)

    def join(self, number: int) -> None:
        """Say hello, and that the partition is followed."""
        self.send(FollowerHello(spu_id=FOLLOWER, leader_id=LEADER, incarnation=INCARNATION))
        join = ReplicaJoin(key=KEY, uid="uid-1", leader_epoch=LeaderEpoch(1), number=number)
        self.send(JoinReplicas(replicas=(join,)))

    async def follow(self, number: int = 1) -> None:
        """From the beginning of the log."""
        self.join(number)
        answer = await self.receive()
        assert isinstance(answer, JoinAnswer)
        assert not answer.error_code
        self._session = answer.session
        self.stands_at(0)

    async def until_closed(self) -> None:
        """By the leader."""
        async with asyncio.timeout(20):
            await self._client.reader.read()

    def stands_at(self, log_end: int) -> None:
        position = ReplicaPosition(
            key=KEY,
            leader_epoch=LeaderEpoch(1),
            session=self._session,
            log_end=Offset(log_end),
        )
        self.send(ReplicaPositions(replicas=(position,)))

    async def copied(self, *, at_least: int) -> list[tuple[int, int]]:
        """Offsets of so many slices, and of those before the leader then twice has no news."""
        found = []
        heartbeats = 0
        while len(found) < at_least or heartbeats < 2:
            match await self.receive():
                case CopiedRecords() as copied:
                    found.append((copied.base_offset, copied.end_offset))
                    heartbeats = 0
                    self.stands_at(copied.end_offset)
                case HighWatermarks(replicas=()):
                    heartbeats += 1
        return found


@pytest.fixture
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_session, "TICK_S", 0.01)
    monkeypatch.setattr(follower_session, "HEARTBEAT_S", 0.02)


@pytest.mark.asyncio
@pytest.mark.usefixtures("quick_ticks")
@pytest.mark.parametrize(
    ("rate", "in_sync", "copied"),
    [
        pytest.param(1, (LEADER,), [(0, 1)], id="out of sync"),
        pytest.param(1, (LEADER, FOLLOWER), [(0, 1), (1, 2)], id="in sync"),
        pytest.param(0, (LEADER,), [(0, 1), (1, 2)], id="no rate"),
    ],
)
async def test_the_rate_reaches_the_link_and_holds_back_who_is_out_of_sync(
    rate: int,
    in_sync: tuple[SpuId, ...],
    copied: list[tuple[int, int]],
    spu_factory: Any,
    assignment: Any,
    batch: Any,
    connect: Any,
) -> None:
    """At one byte a second the second slice is days away."""
    members = tuple(InSyncReplica(spu=one) for one in in_sync)
    spu = await spu_factory.start(
        assignment(replicas=(LEADER, FOLLOWER), in_sync=members),
        catch_up_bytes_per_second=rate,
    )
    client = await spu.client()
    for letter in "ab":  # two slices: no slice has more than a mebibyte
        answer = await client.produce("t", batch(letter * 700_000))
        assert not answer.error_code
    follower = Follower(await connect(spu.app.private_port, spu.stack))
    await follower.follow()
    assert await follower.copied(at_least=len(copied)) == copied


@pytest_asyncio.fixture
async def leader(spu_factory: Any, assignment: Any) -> Any:
    """An SPU that leads a partition which the follower holds, too."""
    members = tuple(InSyncReplica(spu=one) for one in (LEADER, FOLLOWER))
    return await spu_factory.start(assignment(replicas=(LEADER, FOLLOWER), in_sync=members))


@pytest.mark.asyncio
@pytest.mark.usefixtures("quick_ticks")
async def test_what_an_older_link_brings_late_does_not_end_the_newer_one(
    leader: Any, batch: Any, connect: Any
) -> None:
    newer, older = [Follower(await connect(leader.app.private_port, leader.stack)) for _ in "ab"]
    await newer.follow(number=2)
    older.join(number=1)
    assert await older.receive() == HighWatermarks(replicas=())  # it hears nothing of the partition
    older.send(HighWatermarks(replicas=()))  # which no follower sends: that ends it
    await older.until_closed()
    client = await leader.client()
    answer = await client.produce("t", batch("a"))
    assert not answer.error_code
    assert await newer.copied(at_least=1) == [(0, 1)]


@pytest.mark.asyncio
@pytest.mark.usefixtures("quick_ticks")
async def test_a_link_is_given_up_when_another_one_takes_its_place(
    leader: Any, batch: Any, connect: Any
) -> None:
    """Else its follower would wait for records that are sent elsewhere, and never ask again."""
    first, second = [Follower(await connect(leader.app.private_port, leader.stack)) for _ in "ab"]
    await first.follow(number=1)
    await second.follow(number=2)
    await first.until_closed()
    client = await leader.client()
    answer = await client.produce("t", batch("a"))
    assert not answer.error_code
    assert await second.copied(at_least=1) == [(0, 1)]
