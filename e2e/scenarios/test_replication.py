"""A topic with three replicas: pods go, at once or in order, and nothing acknowledged is lost.

One producer sends numbered records, read committed, each after the one before was acknowledged,
and again what was not. Two replicas have to hold a record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from clients import PublishedClient
from kube import Kube, until
from manifests import topic
from release import Release

from fluvio_client import ProducerConfig, connect
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.types import Isolation

pytestmark = pytest.mark.timeout(600)

VALUES = {"spg": {"replicas": 3}}
TOPIC = "ledger"
PARTITION = "ledger-0"
EFFECT_TIMEOUT_S = 120
RECORDS_BETWEEN = 20


@dataclass
class Writer:
    """count: records acknowledged, which are the numbers below it"""

    address: str
    count: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        config = ProducerConfig(isolation=Isolation.READ_COMMITTED, timeout_ms=2000)
        async with (
            connect(address=self.address) as client,
            client.producer(TOPIC, config=config) as producer,
        ):
            while True:
                try:
                    delivery = await producer.send(str(self.count), key="one")
                    await producer.flush()
                    await delivery
                except FluvioError:
                    continue
                self.count += 1
                self.more.set()

    async def acknowledged(self, more: int) -> None:
        """Until so many more are."""
        wanted = self.count + more
        async with asyncio.timeout(EFFECT_TIMEOUT_S):
            while self.count < wanted:
                self.more.clear()
                await self.more.wait()


def leader_of(kube: Kube) -> int:
    return int(kube.get("partition", PARTITION)["spec"]["leader"])


def pod_of(spu_id: int) -> str:
    return f"fluvio-spg-main-{spu_id}"


def until_whole(kube: Kube) -> None:
    """All three replicas may lead."""

    def all_in_sync() -> bool:
        spec = kube.get("partition", PARTITION)["spec"]
        return sorted(spec.get("inSync") or []) == sorted(spec["replicas"])

    until(all_in_sync, "every replica is in sync", timeout_s=EFFECT_TIMEOUT_S)


async def while_writing(address: str, story: Callable[[Writer], Awaitable[None]]) -> int:
    """How many records were acknowledged when the story was over."""
    writer = Writer(address)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run())
        await writer.acknowledged(RECORDS_BETWEEN)
        await story(writer)
        await writer.acknowledged(RECORDS_BETWEEN)
        running.cancel()
    return writer.count


def in_order_of_first_sight(values: list[str]) -> list[str]:
    """A record that was sent again may be there twice."""
    return list(dict.fromkeys(values))


def test_nothing_acknowledged_is_lost_when_pods_go(
    release: Release, kube: Kube, published: PublishedClient
) -> None:
    body = topic(TOPIC, replication=3)
    body["spec"]["minInSyncReplicas"] = 2
    kube.apply(body)
    kube.until_ready("topic", TOPIC)
    until_whole(kube)
    first = leader_of(kube)

    async def story(writer: Writer) -> None:
        # A node that dies: the pod goes at once, and nobody says good-bye.
        await asyncio.to_thread(
            kube.run, "delete", "pod", pod_of(first), "--force", "--grace-period=0"
        )
        await writer.acknowledged(RECORDS_BETWEEN)
        await asyncio.to_thread(until_whole, kube)
        # Maintenance: the leader is asked to go, and hands over before it does.
        leader = await asyncio.to_thread(leader_of, kube)
        await asyncio.to_thread(kube.run, "delete", "pod", pod_of(leader))
        await writer.acknowledged(RECORDS_BETWEEN)
        await asyncio.to_thread(until_whole, kube)
        # An upgrade: every pod in its turn.
        await asyncio.to_thread(kube.run, "rollout", "restart", "statefulset/fluvio-spg-main")
        words = ("rollout", "status", "statefulset/fluvio-spg-main", "--timeout=180s")
        await asyncio.to_thread(kube.run, *words)
        await writer.acknowledged(RECORDS_BETWEEN)
        await asyncio.to_thread(until_whole, kube)

    count = asyncio.run(while_writing(release.address, story))
    expected = [str(number) for number in range(count)]
    stored = [value for _, _, value in published.consume(TOPIC, {0: count})]
    assert in_order_of_first_sight(stored) == expected[: len(set(stored))]
    epoch = int(kube.get("partition", PARTITION)["spec"]["leaderEpoch"])
    assert epoch > 1
    assert asyncio.run(everything(release.address, expected[-1])) == expected


async def everything(address: str, last: str) -> list[str]:
    """Values in the order of the log, to the last one acknowledged."""
    values: list[str] = []
    async with (
        asyncio.timeout(EFFECT_TIMEOUT_S),
        connect(address=address) as client,
        client.consumer(TOPIC, start="beginning", isolation="read_committed") as consumer,
    ):
        async for record in consumer:
            values.append(record.value.decode())
            if values[-1] == last:
                break
    return in_order_of_first_sight(values)
