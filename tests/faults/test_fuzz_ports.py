"""Mutated golden frames against both public ports, while another client works.

FUZZ_SECONDS says for how long (`make fuzz` takes ten minutes). Checked all the while: the servers
live on as the same processes, an honest client's produce and consume go on within their time-out,
and memory stays flat once warm.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fluvio_protocol.codec import Message
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import ComputedReplicas, TopicSpec
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.sc_public.create import CreateRequest
from fluvio_protocol.sc_public.delete import DeleteRequest
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.spu_public.fetch import FetchPartition, FetchRequest, FetchTopic
from fluvio_protocol.spu_public.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fluvio_protocol.types import Offset, PartitionId
from fluvio_socket.multiplexer import MultiplexedConnection

pytestmark = pytest.mark.cluster

FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "10"))
ATTACKERS_PER_PORT = 4
HONEST_TIMEOUT_S = 10.0
DELETE_TIMEOUT_S = 60.0
"""A mutated request may have made a topic of thousands of partitions."""
MEMORY_GROWTH_BYTES_MAX = 96 << 20
VECTORS = Path(__file__).parent.parent / "vectors"
HONEST_TOPIC = "honest"


def golden_frames(*doors: str) -> list[bytes]:
    """Every golden request of these doors, as the bytes of its frame."""
    frames = []
    for door in doors:
        for path in sorted((VECTORS / door).glob("*.hex")):
            lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
            frame = bytes.fromhex("".join("".join(lines).split()))
            if len(frame) > 8 and int.from_bytes(frame[:4], "big") == len(frame) - 4:
                frames.append(frame)
    assert frames, f"no golden frames of {doors} below {VECTORS}"
    return frames


def mutate(frame: bytes, dice: random.Random) -> bytes:
    """Flip bits, put other numbers, cut or grow; sometimes with a length to match."""
    data = bytearray(frame)
    for _ in range(dice.choice((0, 1, 1, 2, 4, 16))):
        at = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[at : at + 4] = dice.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"))
            case 3:
                del data[at : at + dice.randrange(1, 8)]
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 64))
        if not data:
            data = bytearray(frame)
    if dice.random() < 0.7:
        data[:4] = max(len(data) - 4, 0).to_bytes(4, "big")
    return bytes(data)


async def attack(port: int, frames: list[bytes], seed: int, until: float) -> int:
    """Send mutated frames on one connection after another; read what comes; hang up anyhow."""
    dice = random.Random(seed)
    sent = 0
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        try:
            async with asyncio.timeout(1.0):
                for _ in range(dice.randrange(1, 40)):
                    data = mutate(dice.choice(frames), dice)
                    cut = dice.randrange(len(data) + 1) if dice.random() < 0.3 else len(data)
                    writer.write(data[:cut])
                    await writer.drain()
                    writer.write(data[cut:])
                    await writer.drain()
                    sent += 1
                if dice.random() < 0.5:
                    async with asyncio.timeout(0.02):
                        while await reader.read(1 << 16):
                            pass
        except (OSError, TimeoutError):
            pass
        finally:
            if dice.random() < 0.5:
                writer.transport.abort()
            writer.close()
    return sent


class HonestClient:
    """Produces one record and reads it back, on connections that stay open."""

    def __init__(self, controller: MultiplexedConnection, spu: MultiplexedConnection) -> None:
        self._controller = controller
        self._spu = spu
        self.rounds = 0

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            await self._round()
            self.rounds += 1
            await self._tidy()

    async def _ask(self, connection: MultiplexedConnection, request: Message) -> Any:
        async with asyncio.timeout(HONEST_TIMEOUT_S):
            return await connection.request(request)

    async def _round(self) -> None:
        batch = encode_batch([Record(value=b"honest work")], first_timestamp=1)
        produced = await self._ask(
            self._spu,
            ProduceRequest(
                topics=(
                    TopicProduceData(
                        name=HONEST_TOPIC,
                        partitions=(PartitionProduceData(partition=PartitionId(0), records=batch),),
                    ),
                )
            ),
        )
        answer = produced.responses[0].partitions[0]
        assert not answer.error_code, answer
        fetched = await self._ask(
            self._spu,
            FetchRequest(
                topics=(
                    FetchTopic(
                        name=HONEST_TOPIC,
                        fetch_partitions=(
                            FetchPartition(
                                partition=PartitionId(0),
                                fetch_offset=Offset(answer.base_offset),
                                max_bytes=1 << 16,
                            ),
                        ),
                    ),
                )
            ),
        )
        assert b"honest work" in fetched.topics[0].partitions[0].records

    async def _tidy(self) -> None:
        """Topics that mutated requests made are deleted, so that memory tells of leaks alone."""
        listed = await self._ask(self._controller, ListRequest(kind=Kind.TOPIC))
        for item in listed.objects:
            if item.name != HONEST_TOPIC:
                delete = DeleteRequest(kind=Kind.TOPIC, key=item.name, force=True)
                async with asyncio.timeout(DELETE_TIMEOUT_S):
                    await self._controller.request(delete)


async def fuzz(cluster: Any, servers: list[psutil.Process]) -> tuple[int, int, dict[int, int]]:
    host, _, port = cluster.public_address.partition(":")
    controller = await MultiplexedConnection.connect(host, int(port))
    spu_port = cluster.spu_port_base
    spu = await MultiplexedConnection.connect(host, spu_port)
    spec = TopicSpec(replicas=ComputedReplicas())
    created = await controller.request(CreateRequest(name=HONEST_TOPIC, spec=spec))
    assert not created.error_code, created
    honest = HonestClient(controller, spu)
    until = time.monotonic() + FUZZ_SECONDS
    warm_at = time.monotonic() + FUZZ_SECONDS / 3
    attackers = []
    growth: dict[int, int] = {}

    async def watch_memory() -> None:
        await asyncio.sleep(max(0.0, warm_at - time.monotonic()))
        warm = {server.pid: server.memory_info().rss for server in servers}
        while time.monotonic() < until:
            await asyncio.sleep(min(1.0, FUZZ_SECONDS / 10))
            for server in servers:
                grown = server.memory_info().rss - warm[server.pid]
                growth[server.pid] = max(growth.get(server.pid, grown), grown)

    controller_frames = golden_frames("sc_public")
    spu_frames = golden_frames("spu_public")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(honest.work(until))
        tasks.create_task(watch_memory())
        for seed in range(ATTACKERS_PER_PORT):
            attackers.append(tasks.create_task(attack(int(port), controller_frames, seed, until)))
            attackers.append(tasks.create_task(attack(spu_port, spu_frames, 100 + seed, until)))
    await spu.close()
    await controller.close()
    return sum(attacker.result() for attacker in attackers), honest.rounds, growth


@pytest.mark.timeout(FUZZ_SECONDS + 120)
def test_mutated_frames_hurt_nobody_else(
    cluster_factory: Callable[..., Any], processes_of: Callable[[Any, str], list[psutil.Process]]
) -> None:
    cluster = cluster_factory(spu_count=1)
    servers = processes_of(cluster, "fluvio_local") + processes_of(cluster, "fluvio_spu")
    assert len(servers) == 2
    sent, rounds, growth = asyncio.run(fuzz(cluster, servers))
    print(f"{sent} mutated frames, {rounds} honest rounds, growth {growth}")
    assert sent > 100
    assert rounds > 0
    again = processes_of(cluster, "fluvio_local") + processes_of(cluster, "fluvio_spu")
    assert {p.pid for p in again} == {p.pid for p in servers}, "a server was replaced"
    assert all(grown < MEMORY_GROWTH_BYTES_MAX for grown in growth.values()), growth
    cluster.delete()
