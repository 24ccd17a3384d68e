"""Topics. Source: protocol reference 3.3."""

from enum import IntEnum
from typing import Annotated

from fluvio_protocol.codec import U32, U64, Message, TaggedUnion, field, message
from fluvio_protocol.metadata.mirror import HomePartition, PartitionMirror, SpuMirror
from fluvio_protocol.types import CompressionType as CompressionType
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId

TOPIC_NAME_LENGTH_MAX = 63
RETENTION_SECONDS_DEFAULT = 7 * 24 * 3600
RETENTION_SECONDS_MIN = 10
SEGMENT_SIZE_BYTES_DEFAULT = 1_073_741_824
SEGMENT_SIZE_BYTES_MIN = 1024
PARTITION_SIZE_BYTES_DEFAULT = 107_374_182_400
PARTITION_SIZE_BYTES_MIN = 2048
CONSUMER_OFFSET_TOPIC = "consumer-offset"
CONSUMER_OFFSET_REPLICA = ReplicaKey(CONSUMER_OFFSET_TOPIC, PartitionId(0))
"""The one partition of that topic."""


@message()
class PartitionMap(Message):
    """Replicas of one partition, chosen by the user; the first is the preferred leader."""

    id: PartitionId = field(about="partition number, from 0 without gap")
    replicas: tuple[SpuId, ...] = field(about="SPU ids, leader first")
    mirror: PartitionMirror | None = field(since=14, default=None, about="other end of a mirror")


@message()
class AssignedReplicas(Message):
    """The user says which SPU holds what."""

    maps: tuple[PartitionMap, ...] = field(about="one row per partition")


@message()
class ComputedReplicas(Message):
    """The controller places the replicas."""

    partitions: U32 = field(default=1, about="number of partitions")
    replication_factor: U32 = field(default=1, about="replicas of each")
    ignore_rack_assignment: bool = field(default=False, about="place without regard to racks")


@message()
class MirrorFromHome(Message):
    """A topic of an edge cluster that mirrors its home."""

    home_cluster: str = field(about="mirror object")
    home_spus: tuple[SpuMirror, ...] = field(about="where its partitions are at home")
    target: bool = field(since=18, default=False, about="records come from home")


@message()
class MirrorToRemotes(Message):
    """A topic at home that remote clusters mirror."""

    partitions: tuple[HomePartition, ...] = field(about="one per remote")
    source: bool = field(since=18, default=False, about="records go to the remotes")


MirrorConfig = Annotated[
    MirrorFromHome | MirrorToRemotes, TaggedUnion({0: MirrorFromHome, 1: MirrorToRemotes})
]


@message()
class MirrorReplicas(Message):
    """Partitions that are mirrored between clusters."""

    config: MirrorConfig = field(about="which end we are")


ReplicaSpec = Annotated[
    AssignedReplicas | ComputedReplicas | MirrorReplicas,
    TaggedUnion({0: AssignedReplicas, 1: ComputedReplicas, 2: MirrorReplicas}),
]


@message()
class SegmentCleanup(Message):
    """Segments older than this are removed."""

    time_in_seconds: U32 = field(about="retention")


CleanupPolicy = Annotated[SegmentCleanup, TaggedUnion({0: SegmentCleanup})]


@message()
class TopicStorage(Message):
    """Sizes of the log on disk; None means the SPU's default."""

    segment_size: U32 | None = field(default=None, about="bytes of one segment")
    max_partition_size: U64 | None = field(default=None, about="bytes of one partition")


@message()
class Duration(Message):
    """A length of time."""

    seconds: U64 = field(about="whole seconds")
    nanoseconds: U32 = field(default=0, about="rest")


@message()
class DeduplicationBounds(Message):
    """How far back duplicates are looked for."""

    count: U64 = field(about="records")
    age: Duration | None = field(default=None, about="time")


@message()
class Transform(Message):
    """A SmartModule and its parameters."""

    uses: str = field(about="name of the SmartModule")
    with_: dict[str, str] = field(default={}, about="parameters")


@message()
class Deduplication(Message):
    """Records seen before are dropped on produce."""

    bounds: DeduplicationBounds = field(about="how far back")
    filter: Transform = field(about="by which module")


@message()
class TopicSpec(Message):
    """What the user wants of a topic."""

    replicas: ReplicaSpec = field(default=ComputedReplicas(), about="partitions and replicas")
    cleanup_policy: CleanupPolicy | None = field(since=3, default=None, about="retention")
    storage: TopicStorage | None = field(since=4, default=None, about="sizes")
    compression_type: CompressionType = field(
        since=6, default=CompressionType.ANY, about="codec that producers must use"
    )
    deduplication: Deduplication | None = field(since=12, default=None, about="drop duplicates")
    system: bool = field(since=13, default=False, about="belongs to the cluster, hidden from lists")


class TopicResolution(IntEnum):
    INIT = 0
    PENDING = 1
    INSUFFICIENT_RESOURCES = 2
    INVALID_CONFIG = 3
    PROVISIONED = 4
    DELETING = 5


@message()
class TopicStatus(Message):
    """What became of it."""

    resolution: TopicResolution = field(default=TopicResolution.INIT, about="state word")
    replica_map: dict[PartitionId, tuple[SpuId, ...]] = field(
        default={}, about="partition to SPU ids, leader first"
    )
    mirror_map: dict[PartitionId, PartitionMirror] = field(
        since=14, default={}, about="partition to its mirror"
    )
    reason: str = field(default="", about="why it is not provisioned")
