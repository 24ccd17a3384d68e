"""Replicas seen and moved by an administrator. Ours: Fluvio has no such requests.

Sent by our own command line to the controller's public door, under keys that no Fluvio client
uses. They are not advertised: a controller that does not know them closes the connection.

Requests that change something are answered when the change is stored; what follows from it goes on
by itself and is seen by describing the replicas again. `dry_run` answers with the plan alone.
"""

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import I64, U32, Message, field, message
from fluvio_protocol.metadata.partition import PartitionResolution, ReplicaStatus
from fluvio_protocol.types import UNKNOWN_SPU, LeaderEpoch, ReplicaKey, SpuId

PARTITIONS_ANSWERED_MAX = 10_000
"""Of one description. Ask for single partitions in a cluster that has more."""


@message()
class PartitionReplicas(Message):
    """One partition: who leads, who holds what, and what is to become of it."""

    key: ReplicaKey = field(about="partition")
    resolution: PartitionResolution = field(default=PartitionResolution.OFFLINE, about="state word")
    leader: SpuId = field(about="SPU that serves it")
    leader_epoch: LeaderEpoch = field(about="which leadership")
    in_sync_version: I64 = field(default=0, about="counts the changes of leader and in-sync set")
    min_in_sync: U32 = field(default=1, about="in-sync replicas that a record needs, in effect")
    unclean_election: bool = field(
        default=False, about="a replica that may lack records may lead when no other can"
    )
    replicas: tuple[SpuId, ...] = field(default=(), about="SPUs that hold it, preferred first")
    in_sync: tuple[SpuId, ...] = field(default=(), about="hold every committed record")
    eligible: tuple[SpuId, ...] = field(
        default=(), about="not in sync, and still hold every committed record"
    )
    successor: SpuId = field(
        default=UNKNOWN_SPU, about="whom the leader shall hand over to; -1: nobody"
    )
    target: tuple[SpuId, ...] = field(default=(), about="where a move leads to; empty: no move")
    original: tuple[SpuId, ...] = field(default=(), about="replicas before the move")
    leaving: tuple[SpuId, ...] = field(
        default=(), about="no replicas any more, still to delete the files"
    )
    offsets: tuple[ReplicaStatus, ...] = field(
        default=(), about="where they stand as the leader last told; the leader first"
    )


@message()
class DescribeReplicasResponse(Message):
    """The partitions asked for, by topic and number."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or what went wrong")
    error_message: str | None = field(default=None, about="text for people")
    partitions: tuple[PartitionReplicas, ...] = field(default=(), about="as they are stored")
    draining: tuple[SpuId, ...] = field(default=(), about="SPUs that get no further replicas")


@message(api_key=1900, versions=(0, 0), response=DescribeReplicasResponse)
class DescribeReplicasRequest(Message):
    """How partitions are replicated."""

    keys: tuple[ReplicaKey, ...] = field(default=(), about="partitions; empty: all")


@message()
class PlannedMove(Message):
    """Replicas of one partition, before and after."""

    key: ReplicaKey = field(about="partition")
    before: tuple[SpuId, ...] = field(about="replicas now, preferred leader first")
    after: tuple[SpuId, ...] = field(about="replicas then, preferred leader first")
    reason: str = field(default="", about="text for people")


@message()
class ReplicationAnswer(Message):
    """What was begun, or what would be."""

    error_code: ErrorStatus = field(default=SUCCESS, about="success, or what went wrong")
    error_message: str | None = field(default=None, about="text for people")
    moves: tuple[PlannedMove, ...] = field(default=(), about="the plan")


@message(api_key=1901, versions=(0, 0), response=ReplicationAnswer)
class MovePartitionRequest(Message):
    """Put the replicas of a partition on other SPUs, or call that off."""

    key: ReplicaKey = field(about="partition")
    target: tuple[SpuId, ...] = field(
        default=(), about="where the replicas shall be, preferred leader first"
    )
    cancel: bool = field(default=False, about="go back to where they were; needs no target")
    dry_run: bool = field(default=False, about="change nothing")


@message(api_key=1902, versions=(0, 0), response=ReplicationAnswer)
class ElectLeaderRequest(Message):
    """Let another replica lead.

    A clean election asks the leader to hand over to an in-sync replica; nothing is lost. An
    unclean one makes the named replica the leader at once, whatever it lacks.
    """

    key: ReplicaKey = field(about="partition")
    spu: SpuId = field(default=UNKNOWN_SPU, about="who shall lead; -1: the preferred leader")
    unclean: bool = field(default=False, about="also one that lacks records; needs an spu")


@message(api_key=1903, versions=(0, 0), response=ReplicationAnswer)
class DrainSpuRequest(Message):
    """Move everything off an SPU and put nothing on it, or use it again."""

    spu: SpuId = field(about="SPU id")
    cancel: bool = field(default=False, about="it may get replicas again, and is to keep its own")
    dry_run: bool = field(default=False, about="change nothing")


@message(api_key=1904, versions=(0, 0), response=ReplicationAnswer)
class RebalanceTopicsRequest(Message):
    """Spread replicas and leaders evenly over the SPUs, with few moves."""

    topics: tuple[str, ...] = field(default=(), about="topics; empty: all")
    dry_run: bool = field(default=False, about="change nothing")
