"""Partitions: children of topics. Source: protocol reference 3.4."""

from enum import IntEnum

from fluvio_protocol.codec import I64, U32, Message, field, message
from fluvio_protocol.metadata.mirror import PartitionMirror
from fluvio_protocol.metadata.topic import (
    CleanupPolicy,
    CompressionType,
    Deduplication,
    TopicStorage,
)
from fluvio_protocol.types import UNKNOWN_OFFSET, UNKNOWN_SPU, Offset, SpuId

SIZE_ERROR = -1
SIZE_UNKNOWN = -2


@message()
class PartitionSpec(Message):
    """Where a partition lives, and the topic's settings it follows."""

    leader: SpuId = field(about="SPU that serves it")
    replicas: tuple[SpuId, ...] = field(about="SPUs that hold it, preferred leader first")
    cleanup_policy: CleanupPolicy | None = field(since=4, default=None, about="retention")
    storage: TopicStorage | None = field(since=4, default=None, about="sizes")
    compression_type: CompressionType = field(
        since=6, default=CompressionType.ANY, about="codec that producers must use"
    )
    deduplication: Deduplication | None = field(since=12, default=None, about="drop duplicates")
    system: bool = field(since=13, default=False, about="belongs to the cluster")
    mirror: PartitionMirror | None = field(since=14, default=None, about="other end of a mirror")


class PartitionResolution(IntEnum):
    OFFLINE = 0
    ONLINE = 1
    LEADER_OFFLINE = 2
    ELECTION_LEADER_FOUND = 3
    OUT_OF_STORAGE = 4


@message()
class ReplicaStatus(Message):
    """Where one replica stands; -1 means unknown."""

    spu: SpuId = field(default=UNKNOWN_SPU, about="SPU that holds it")
    hw: Offset = field(default=UNKNOWN_OFFSET, about="high watermark")
    leo: Offset = field(default=UNKNOWN_OFFSET, about="log end offset")


@message()
class PartitionStatus(Message):
    """What the leader last reported."""

    resolution: PartitionResolution = field(default=PartitionResolution.OFFLINE, about="state word")
    leader: ReplicaStatus = field(default=ReplicaStatus(), about="the leader's offsets")
    live_replica_count: U32 = field(default=0, about="followers that hold all the leader holds")
    replicas: tuple[ReplicaStatus, ...] = field(default=(), about="the followers' offsets")
    size: I64 = field(
        since=5, default=SIZE_UNKNOWN, about="bytes on the leader; -1 error, -2 unknown"
    )
    is_being_deleted: bool = field(default=False, about="waits for its files to go")
    base_offset: Offset = field(since=16, default=Offset(0), about="first offset in the log")
