"""The in-sync set of a partition: what leaders ask the controller to make of it.

Nothing that a leader asks for counts before the controller has stored it: the answer is the next
assignment, with a higher `in_sync_version`. A request that names another version than the stored
one is ignored, so a late or repeated one does no harm; one that is refused for another reason gets
an assignment with a higher version and the same set, so that no late copy of it can come true.
"""

from fluvio_protocol.codec import I64, Message, field, message
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    UNKNOWN_SPU,
    DataIncarnation,
    LeaderEpoch,
    ReplicaKey,
    SpuId,
)


@message()
class InSyncReplica(Message):
    """A replica that holds every committed record, and in which life of its data it does."""

    spu: SpuId = field(about="SPU that holds it")
    incarnation: DataIncarnation = field(
        default=UNKNOWN_INCARNATION, about="of its data when it joined; 0: not known, any will do"
    )


@message()
class InSyncProposal(Message):
    """What the in-sync set should become, told by the leader."""

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="epoch of the leadership that asks")
    version: I64 = field(about="the `in_sync_version` that it would replace")
    members: tuple[InSyncReplica, ...] = field(about="the new set, the leader among it")


@message(api_key=2003, versions=(0, 0))
class ProposeInSync(Message):
    """Changes of in-sync sets. One-way."""

    proposals: tuple[InSyncProposal, ...] = field(about="at most one for each partition")


@message()
class Resignation(Message):
    """A leader stopped taking writes, and a successor holds all it holds.

    A leader that names itself has started anew, and asks for an epoch of its own: of what it asked
    for before, some may still come true, and it does not know of it.
    """

    key: ReplicaKey = field(about="partition")
    leader_epoch: LeaderEpoch = field(about="epoch of the leadership that ends")
    successor: SpuId = field(default=UNKNOWN_SPU, about="who should lead; -1: any in-sync replica")


@message(api_key=2004, versions=(0, 0))
class ResignLeadership(Message):
    """Leaderships that an SPU wants to give up. One-way."""

    resignations: tuple[Resignation, ...] = field(about="at most one for each partition")
