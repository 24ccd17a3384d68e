"""What an SPU tells about its replicas; also the heartbeat."""

from fluvio_protocol.codec import I64, Message, field, message
from fluvio_protocol.metadata.partition import ReplicaStatus
from fluvio_protocol.types import LeaderEpoch, Offset, ReplicaKey


@message()
class LeaderReport(Message):
    """Where a partition stands, told by its leader."""

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="epoch of the leadership that tells it")
    leader: ReplicaStatus = field(about="the leader's offsets")
    followers: tuple[ReplicaStatus, ...] = field(default=(), about="followers' offsets as known")
    size_bytes: I64 = field(about="bytes on disk")
    base_offset: Offset = field(about="first offset in the log")
    out_of_storage: bool = field(default=False, about="the disk is full")


@message(api_key=2001, versions=(0, 0))
class ReplicaStatusReport(Message):
    """Partitions that changed since the last report; empty when none did. One-way."""

    replicas: tuple[LeaderReport, ...] = field(default=(), about="changed partitions led here")


@message(api_key=2002, versions=(0, 0))
class ReplicaRemoved(Message):
    """The files of a deleted replica are gone. One-way."""

    key: ReplicaKey = field(about="partition")
    uid: str = field(about="identity of the partition object that was deleted")
