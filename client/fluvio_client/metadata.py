"""What the client knows of the cluster: topics, partitions and SPUs, as the controller's watches
last told it.

`MetadataCache` is plain data with waiters; `fluvio_client.session` feeds it and everybody reads
it. It does no I/O. Invariants: after the first frame of a watch the store of that kind is
complete; `generation` grows with every frame, so a reader sees cheaply that something changed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fluvio_client.consumer.selection import TopicPattern
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_protocol.metadata.topic import (
    CONSUMER_OFFSET_TOPIC,
    AssignedReplicas,
    ComputedReplicas,
    TopicResolution,
)
from fluvio_protocol.sc_public.watch import ChangeType, WatchResponse
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId

WATCHED_KINDS = (Kind.SPU, Kind.PARTITION, Kind.TOPIC)
"""In the order in which they are asked for, as Fluvio's clients do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to dial."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """Who serves a partition, and where, as far as is known; compared to see a failover."""

    leader: SpuId
    address: Address | None
    leader_online: bool
    partition_online: bool


class MetadataCache:
    """The three stores. Owned by one event loop."""

    def __init__(self, *, use_spu_local_address: bool = False) -> None:
        self.generation = 0
        self._use_spu_local_address = use_spu_local_address
        self._topics: dict[str, Metadata] = {}
        self._partitions: dict[str, dict[int, Metadata]] = {}
        self._spus: dict[SpuId, Metadata] = {}
        self._synchronized: set[Kind] = set()
        self._waiters: list[asyncio.Future[None]] = []

    # Feeding

    def apply(self, update: WatchResponse, *, first: bool) -> None:
        """Take over a frame of a watch.

        first: the frame begins a watch, so whatever it does not name is gone; a later frame
               with neither changes nor objects says nothing.
        """
        kind = update.kind
        if first or update.all:
            self._clear(kind)
            for found in update.all:
                self._put(kind, found)
        for change in update.changes:
            if change.change_type is ChangeType.DELETE:
                self._remove(kind, change.object)
            else:
                self._put(kind, change.object)
        self._synchronized.add(kind)
        self.generation += 1
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _clear(self, kind: Kind) -> None:
        match kind:
            case Kind.TOPIC:
                self._topics.clear()
            case Kind.PARTITION:
                self._partitions.clear()
            case Kind.SPU:
                self._spus.clear()

    def _put(self, kind: Kind, found: Metadata) -> None:
        match kind:
            case Kind.TOPIC:
                self._topics[found.name] = found
            case Kind.PARTITION:
                key = _replica_key(found.name)
                if key is not None:
                    self._partitions.setdefault(key.topic, {})[key.partition] = found
            case Kind.SPU:
                self._spus[found.spec.id] = found

    def _remove(self, kind: Kind, found: Metadata) -> None:
        match kind:
            case Kind.TOPIC:
                self._topics.pop(found.name, None)
            case Kind.PARTITION:
                key = _replica_key(found.name)
                if key is not None:
                    partitions = self._partitions.get(key.topic, {})
                    partitions.pop(key.partition, None)
                    if not partitions:
                        self._partitions.pop(key.topic, None)
            case Kind.SPU:
                self._spus.pop(found.spec.id, None)

    # Reading

    @property
    def synchronized(self) -> bool:
        """True once every watch has delivered its first frame."""
        return self._synchronized.issuperset(WATCHED_KINDS)

    def topic(self, name: str) -> Metadata | None:
        return self._topics.get(name)

    def topic_names(self) -> list[str]:
        """Every topic, system topics too, by name."""
        return sorted(self._topics)

    def topics_of(self, pattern: TopicPattern) -> list[str]:
        """Topics that a pattern takes, by name."""
        return sorted(
            name
            for name, found in self._topics.items()
            if pattern.takes(name, system=is_system(found))
        )

    def partition_count(self, topic: str) -> int:
        """How many partitions the topic is meant to have; 0 when it is not known."""
        found = self._topics.get(topic)
        if found is None:
            return 0
        replicas = found.spec.replicas
        match replicas:
            case ComputedReplicas():
                return int(replicas.partitions)
            case AssignedReplicas():
                return len(replicas.maps)
            case _:
                return len(found.status.replica_map)

    def partition(self, key: ReplicaKey) -> Metadata | None:
        return self._partitions.get(key.topic, {}).get(key.partition)

    def partition_ids(self, topic: str) -> list[PartitionId]:
        """Partitions that exist by now, in order."""
        return [PartitionId(number) for number in sorted(self._partitions.get(topic, {}))]

    def online_partitions(self, topic: str) -> tuple[int, ...]:
        """Numbers of the partitions that take records now."""
        return tuple(
            number
            for number, found in sorted(self._partitions.get(topic, {}).items())
            if found.status.resolution is PartitionResolution.ONLINE
        )

    def topic_ready(self, topic: str) -> bool:
        """True when every partition that the topic is meant to have exists."""
        count = self.partition_count(topic)
        return count > 0 and len(self._partitions.get(topic, {})) >= count

    def topic_hopeless(self, topic: str) -> str | None:
        """Why the topic gets no partitions, when the controller said so."""
        found = self._topics.get(topic)
        if found is None:
            return None
        resolution = found.status.resolution
        if resolution in (TopicResolution.INSUFFICIENT_RESOURCES, TopicResolution.INVALID_CONFIG):
            word = str(resolution.name).lower().replace("_", " ")
            return f"{word}: {found.status.reason}" if found.status.reason else word
        return None

    def spu_address(self, spu: SpuId) -> Address | None:
        """Where clients reach an SPU; None when it is unknown or has no address yet."""
        found = self._spus.get(spu)
        if found is None:
            return None
        spec = found.spec
        if self._use_spu_local_address and spec.public_endpoint_local is not None:
            return Address(spec.public_endpoint_local.host, spec.public_endpoint_local.port)
        host = spec.public_endpoint.host
        return Address(host, spec.public_endpoint.port) if host else None

    def route(self, key: ReplicaKey) -> Route | None:
        """Who serves a partition; None when there is no such partition."""
        found = self.partition(key)
        if found is None:
            return None
        leader = found.spec.leader
        spu = self._spus.get(leader)
        return Route(
            leader=leader,
            address=self.spu_address(leader),
            leader_online=spu is not None and spu.status.resolution is SpuStatusResolution.ONLINE,
            partition_online=found.status.resolution is PartitionResolution.ONLINE,
        )

    # Waiting

    async def wait_change(self, generation: int, timeout_s: float) -> bool:
        """Return true when something changed after `generation`, false after the timeout."""
        if self.generation != generation:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        return True

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Return true as soon as `condition` holds, false when it does not in time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return False
            await self.wait_change(self.generation, left_s)
        return True


def is_system(topic: Metadata) -> bool:
    """Whether the topic belongs to the cluster; old ones only know it by its name."""
    return bool(topic.spec.system) or topic.name == CONSUMER_OFFSET_TOPIC


def _replica_key(name: str) -> ReplicaKey | None:
    """None for a name that is no partition's: such an object is of no use to a client."""
    try:
        return ReplicaKey.parse(name)
    except ValueError:
        return None
