"""One reconciler per kind: an object and the cluster it lives in, to the actions that are missing.

Level-triggered: only the present state counts, not how it came about. Doing what a reconciler
asks for and calling it again yields nothing. SmartModules, table formats and mirrors have no
states of their own, so they have no row.
"""

from collections.abc import Callable

from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.core.actions import Decision
from fluvio_sc.core.cluster_state import ClusterState, StoredObject
from fluvio_sc.core.reconcile.partition import reconcile_partition
from fluvio_sc.core.reconcile.spu import reconcile_spu
from fluvio_sc.core.reconcile.spu_group import reconcile_spu_group
from fluvio_sc.core.reconcile.topic import reconcile_topic

Reconciler = Callable[[StoredObject, ClusterState, int], list[Decision]]

RECONCILERS: dict[Kind, Reconciler] = {
    Kind.TOPIC: reconcile_topic,
    Kind.PARTITION: reconcile_partition,
    Kind.SPU: reconcile_spu,
    Kind.SPU_GROUP: reconcile_spu_group,
}
