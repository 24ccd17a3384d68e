"""What an SPU is told about partitions. Called by `private_api/spu_session.py`.

Every SPU is told of all partitions, since each may have to find the leader of one it does not
hold. One exception: while an SPU still has files of a deleted partition, it is not told of a new
partition of the same name, so that the two can never be mixed up. An SPU whose replica moved away
is told to delete it until it has.
"""

from fluvio_protocol.sc_private.update_replica import ReplicaAssignment
from fluvio_protocol.types import UNKNOWN_SPU, SpuId
from fluvio_sc.core.cluster_state import (
    StoredObject,
    Tombstone,
    min_in_sync_of,
    replica_key_of,
)


def assignment_of(partition: StoredObject) -> ReplicaAssignment:
    """A partition object as SPUs see it."""
    spec, replication = partition.spec, partition.replication
    successor = replication.successor
    return ReplicaAssignment(
        key=replica_key_of(partition),
        uid=partition.uid,
        leader=spec.leader,
        leader_epoch=partition.leader_epoch,
        replicas=spec.replicas,
        in_sync=replication.members,
        in_sync_version=replication.version,
        min_in_sync=min_in_sync_of(partition),
        successor=UNKNOWN_SPU if successor is None else successor,
        is_being_deleted=partition.deletion_requested,
        cleanup_policy=spec.cleanup_policy,
        storage=spec.storage,
        compression_type=spec.compression_type,
        deduplication=spec.deduplication,
        system=spec.system,
    )


def removal_of(partition: StoredObject, spu_id: SpuId) -> ReplicaAssignment:
    """A replica that moved away from this SPU: it alone has files to delete."""
    return assignment_of_tombstone(
        Tombstone(replica_key_of(partition), partition.uid, partition.leader_epoch), spu_id
    )


def assignment_of_tombstone(tombstone: Tombstone, spu_id: SpuId) -> ReplicaAssignment:
    """Files that this SPU alone still has to delete."""
    return ReplicaAssignment(
        key=tombstone.key,
        uid=tombstone.uid,
        leader=spu_id,
        leader_epoch=tombstone.leader_epoch,
        replicas=(spu_id,),
        is_being_deleted=True,
    )
