"""What the controller wants an SPU to hold."""

from fluvio_protocol.codec import I64, U32, Message, field, message
from fluvio_protocol.metadata.topic import (
    CleanupPolicy,
    CompressionType,
    Deduplication,
    TopicStorage,
)
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import UNKNOWN_SPU, LeaderEpoch, ReplicaKey, SpuId


@message()
class ReplicaAssignment(Message):
    """One partition, as every SPU that holds it should see it."""

    key: ReplicaKey = field(about="partition")
    uid: str = field(about="identity of the partition object; a new topic of the same name differs")
    leader: SpuId = field(about="SPU that serves it")
    leader_epoch: LeaderEpoch = field(about="which leadership; grows with each")
    replicas: tuple[SpuId, ...] = field(about="SPUs that hold it, preferred leader first")
    in_sync: tuple[InSyncReplica, ...] = field(
        default=(), about="replicas that hold every committed record; the leader is one of them"
    )
    in_sync_version: I64 = field(default=0, about="counts the changes of leader and in-sync set")
    min_in_sync: U32 = field(
        default=1, about="in-sync replicas that a record needs before it is committed"
    )
    successor: SpuId = field(
        default=UNKNOWN_SPU, about="whom the leader shall hand over to; -1: it shall stay"
    )
    is_being_deleted: bool = field(default=False, about="remove the files and confirm")
    cleanup_policy: CleanupPolicy | None = field(default=None, about="retention")
    storage: TopicStorage | None = field(default=None, about="sizes")
    compression_type: CompressionType = field(
        default=CompressionType.ANY, about="codec that producers must use"
    )
    deduplication: Deduplication | None = field(default=None, about="drop duplicates")
    system: bool = field(default=False, about="belongs to the cluster")


@message(api_key=1002, versions=(0, 0))
class UpdateReplicas(Message):
    """Partitions that this SPU holds: all of them, or those that changed. One-way.

    `consumer-offset-0` is sent to every SPU, since each may have to forward to its leader.
    A replica on disk that a full update does not name is kept and not served: only an explicit
    `is_being_deleted` removes data.
    """

    epoch: I64 = field(about="the controller's change counter")
    full: bool = field(about="these are all partitions of this SPU, not only changed ones")
    replicas: tuple[ReplicaAssignment, ...] = field(about="assignments")
