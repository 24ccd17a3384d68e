"""Replication: a follower asks its leader for a partition, the leader pushes records.

One connection per pair of SPUs and direction, opened by the follower for all partitions that the
other SPU leads. Everything is one-way.

    follower                                   leader
     | FollowerHello  ------------------------> |   wrong SPU: the connection ends
     | JoinReplicas (which, under what epoch) -> |
     | <---------------- JoinAnswer (lineage, ends, a session number)
     | cuts its log to the last common record
     | ReplicaPositions (where it stands) ------> |
     | <------------------------- CopiedRecords, CopiedRecords, HighWatermarks ...
     | ReplicaPositions (how far it came) ------> |

Every message about a partition carries the leader epoch: who knows a newer one ignores it, or says
so. `session` is made by the leader for each join and given back by the follower, so that nothing
that was sent before a crash or a second join counts after it.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I64, U32, Message, field, message
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, Offset, ReplicaKey, SpuId

REPLICATION_VERSION = 1


@message()
class EpochStart(Message):
    """One leadership that wrote into a log: everything from `offset` to the next one's start."""

    epoch: LeaderEpoch = field(about="which leadership")
    offset: Offset = field(about="first offset that it gave")


@message(api_key=10, versions=(0, 0))
class FollowerHello(Message):
    """First message on the connection."""

    replication_version: U32 = field(default=REPLICATION_VERSION, about="of this conversation")
    spu_id: SpuId = field(about="who follows")
    leader_id: SpuId = field(about="whom it believes to talk to")
    incarnation: DataIncarnation = field(about="of the follower's data")


@message()
class ReplicaJoin(Message):
    """One partition that the follower wants to be sent."""

    key: ReplicaKey = field(about="partition")
    uid: str = field(about="identity of the partition object")
    leader_epoch: LeaderEpoch = field(about="the leadership that it follows")
    number: I64 = field(about="counts the follower's joins; comes back in the answer")


@message(api_key=11, versions=(0, 0))
class JoinReplicas(Message):
    """Follow these from now on; an earlier join of the same partition is over."""

    replicas: tuple[ReplicaJoin, ...] = field(about="partitions led by the other SPU")


@message()
class ReplicaPosition(Message):
    """How far a follower's log reaches."""

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="the leadership that it follows")
    session: I64 = field(about="from the answer to its join")
    log_end: Offset = field(about="it holds everything below, as safely as its settings demand")
    send_from: Offset = field(
        default=Offset(-1), about="send again from here: something is missing; -1: go on"
    )


@message(api_key=12, versions=(0, 0))
class ReplicaPositions(Message):
    """Positions that changed, or that were asked for."""

    replicas: tuple[ReplicaPosition, ...] = field(about="one for each partition")


@message(api_key=13, versions=(0, 0))
class LeaveReplicas(Message):
    """Send no more of these."""

    keys: tuple[ReplicaKey, ...] = field(about="partitions")


@message(api_key=20, versions=(0, 0))
class JoinAnswer(Message):
    """What the follower has to know to become like its leader."""

    key: ReplicaKey = field(about="partition")
    number: I64 = field(about="of the join that this answers")
    error_code: ErrorStatus = field(
        default=SUCCESS, about="3001: it does not lead it (yet), ask again in a while"
    )
    leader_epoch: LeaderEpoch = field(about="epoch under which it leads, or the newest it knows")
    session: I64 = field(default=0, about="to be given back with every position")
    log_start: Offset = field(default=Offset(0), about="first offset that the leader still has")
    log_end: Offset = field(default=Offset(0), about="the leader's log end offset")
    high_watermark: Offset = field(default=Offset(0), about="the leader's")
    lineage: tuple[EpochStart, ...] = field(
        default=(), about="leaderships that wrote the leader's log, oldest first"
    )


@message(api_key=21, versions=(0, 0))
class CopiedRecords(Message):
    """Announces whole batches as they are in the leader's log, behind each other.

    They are what is left of the frame behind this message, so that a leader sends them straight
    from its file, and a follower writes them straight from what it received.
    """

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="epoch under which they are sent")
    session: I64 = field(about="of the follower's join")
    base_offset: Offset = field(about="offset of the first record")
    end_offset: Offset = field(about="offset behind the last record")
    log_start: Offset = field(about="first offset that the leader still has")
    high_watermark: Offset = field(about="the leader's")


@message()
class ReplicaHighWatermark(Message):
    """What is committed, when there are no records to send with it."""

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="epoch under which it is sent")
    session: I64 = field(about="of the follower's join")
    high_watermark: Offset = field(about="the leader's")
    log_start: Offset = field(about="first offset that the leader still has")
    log_end: Offset = field(about="the leader's log end offset: the follower may see what it lacks")


@message(api_key=22, versions=(0, 0))
class HighWatermarks(Message):
    """Also the leader's sign of life. The follower answers with its positions."""

    replicas: tuple[ReplicaHighWatermark, ...] = field(about="one for each partition")
