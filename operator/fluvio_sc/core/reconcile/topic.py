"""A topic: place its replicas, own its partitions, take them with it when it goes.

    Init ----> Provisioned            every partition has its row and its object
      |-----> InsufficientResources   looked at again whenever an SPU or the topic changes
      '-----> InvalidConfig           until the spec changes
    any -----> Deleting               until the last partition is gone

A topic that gets more partitions than can be placed keeps those it has, and says so.
Source: fluvio-sc/src/controllers/topics; ours: an unknown SPU in an assigned map is a lack of
resources, not an invalid topic, so that it cannot oscillate between two states.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import assert_never

from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import PartitionMirror, RemotePartition
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus
from fluvio_protocol.metadata.topic import (
    CONSUMER_OFFSET_TOPIC,
    RETENTION_SECONDS_DEFAULT,
    AssignedReplicas,
    ComputedReplicas,
    MirrorFromHome,
    MirrorReplicas,
    MirrorToRemotes,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStatus,
    TopicStorage,
)
from fluvio_protocol.types import LeaderEpoch, PartitionId, ReplicaKey, SpuId
from fluvio_sc.core.actions import (
    AddFinalizer,
    CreateObject,
    Decision,
    RemoveFinalizer,
    RequestDeletion,
    SetSafety,
    SetSpec,
    SetStatus,
)
from fluvio_sc.core.cluster_state import ClusterState, StoredObject, replica_key_of
from fluvio_sc.core.reconcile.consumer_offsets import (
    CONSUMER_OFFSET_PARTITION,
    keeps_consumer_offsets,
)
from fluvio_sc.core.reconcile.partition import REPLICAS_FINALIZER
from fluvio_sc.core.reconcile.spu_group import may_get_replicas, min_in_sync_of_groups
from fluvio_sc.core.replication_state import MIN_IN_SYNC_DEFAULT, ReplicationState
from fluvio_sc.core.scheduler import (
    EligibleSpu,
    Placement,
    ReplicaRow,
    RoleCounts,
    Shortage,
    place_replicas,
)
from fluvio_sc.core.validation import topic_problem

PARTITIONS_FINALIZER = "fluvio/partitions"
"""A topic stays until its partitions are gone."""

HOW_TO_LET_GO = "set its spec.deletionPolicy to Delete before you delete it"
RETAINED = "its records are retained: set its spec.deletionPolicy to Delete, and they go too"
"""What to do about a retained topic: before, and when it was deleted already."""

FIRST_LEADER_EPOCH = LeaderEpoch(1)

CONSUMER_OFFSET_SPEC = TopicSpec(
    replicas=ComputedReplicas(partitions=1, replication_factor=1, ignore_rack_assignment=True),
    cleanup_policy=SegmentCleanup(time_in_seconds=RETENTION_SECONDS_DEFAULT),
    storage=TopicStorage(segment_size=512_000_000, max_partition_size=2_048_000_000),
    system=True,
)


def missing_system_topics(state: ClusterState) -> list[CreateObject]:
    """The topics that every cluster has; clients cannot look anything up in an empty one."""
    if state.get(Kind.TOPIC, CONSUMER_OFFSET_TOPIC) is not None:
        return []
    return [create_topic(CONSUMER_OFFSET_TOPIC, CONSUMER_OFFSET_SPEC, reason="system topic")]


def create_topic(name: str, spec: TopicSpec, *, reason: str) -> CreateObject:
    """The action that makes a topic; everything else follows from its reconciliation."""
    return CreateObject(
        kind=Kind.TOPIC,
        name=name,
        spec=spec,
        status=TopicStatus(),
        finalizers=(PARTITIONS_FINALIZER,),
        reason=reason,
    )


def reconcile_topic(topic: StoredObject, state: ClusterState, now_ms: int) -> list[Decision]:
    """What the topic lacks."""
    if topic.deletion_requested:
        return _take_partitions_along(topic, state)
    kept_rows = _rows_of(topic, state)
    problem = topic.problem or topic_problem(topic.spec)
    if problem:
        return _status(topic, TopicResolution.INVALID_CONFIG, problem, kept_rows)
    placement = place_topic(topic.spec, kept_rows, state)
    if isinstance(placement, Shortage):
        rows: Mapping[PartitionId, ReplicaRow] = kept_rows
        decisions = _status(topic, TopicResolution.INSUFFICIENT_RESOURCES, placement.reason, rows)
    else:
        rows = placement.rows
        decisions = _status(topic, TopicResolution.PROVISIONED, _other_replicas(topic, state), rows)
    return decisions + _follow_replicas(topic, state) + _partitions(topic, rows, state)


def _other_replicas(topic: StoredObject, state: ClusterState) -> str:
    """Which partitions have more replicas than the spec says, or fewer; empty when none has.

    Someone moved them, or changed the spec: only an administrator knows which of them is meant.
    """
    wanted = _replication_factor(topic.spec)
    others = [
        partition
        for partition in state.children_of(topic)
        if wanted not in (None, len(partition.spec.replicas))
        and not partition.replication.is_moving
        and not keeps_consumer_offsets(partition)
    ]
    if not others:
        return ""
    first = min(others, key=replica_key_of)
    more = f", and {len(others) - 1} more have" if len(others) > 1 else " has"
    return (
        f"{first.name}{more} another replication factor than {wanted}: 'fluvio partition move' "
        "changes it"
    )


def _follow_replicas(topic: StoredObject, state: ClusterState) -> list[Decision]:
    """The topic whose replicas the cluster chooses says how many there are."""
    partition = state.get(Kind.PARTITION, CONSUMER_OFFSET_PARTITION)
    if topic.name != CONSUMER_OFFSET_TOPIC or partition is None or partition.replication.is_moving:
        return []
    replicas = len(partition.spec.replicas)
    if _replication_factor(topic.spec) in (None, replicas):
        return []
    changed = replace(topic.spec.replicas, replication_factor=replicas)
    return [SetSpec(topic.key, replace(topic.spec, replicas=changed), "its replicas are others")]


def _rows_of(topic: StoredObject, state: ClusterState) -> Mapping[PartitionId, ReplicaRow]:
    """Where its partitions are. They know best: a store may write a topic's status after them.

    Of a partition that does not exist yet, its row counts only if it is as the spec wants it.
    """
    wanted = _replication_factor(topic.spec)
    rows = {number: row for number, row in topic.status.replica_map.items() if len(row) == wanted}
    for child in state.children_of(topic):
        if child.kind is Kind.PARTITION and not child.problem:
            rows[replica_key_of(child).partition] = child.spec.replicas
    return dict(sorted(rows.items()))


def _replication_factor(spec: TopicSpec) -> int | None:
    """Replicas of each partition; None where the user says which."""
    match spec.replicas:
        case ComputedReplicas(replication_factor=factor):
            return factor
        case MirrorReplicas():
            return 1
        case _:
            return None


def place_topic(
    spec: TopicSpec, kept_rows: Mapping[PartitionId, ReplicaRow], state: ClusterState
) -> Placement | Shortage:
    """Rows for all partitions of a valid topic; those in `kept_rows` do not move."""
    match spec.replicas:
        case AssignedReplicas(maps=maps):
            rows = {row.id: kept_rows.get(row.id, row.replicas) for row in maps}
            unknown = sorted(
                spu_id
                for number, row in rows.items()
                if number not in kept_rows
                for spu_id in row
                if state.spu(spu_id) is None
            )
            if unknown:
                return Shortage(f"invalid spu id: {unknown[0]}")
            return Placement(rows)
        case ComputedReplicas() as computed:
            return _place(
                computed.partitions,
                computed.replication_factor,
                kept_rows,
                state,
                ignore_racks=computed.ignore_rack_assignment,
            )
        case MirrorReplicas():
            return _place(len(_mirrors(spec)), 1, kept_rows, state, ignore_racks=True)
        case _:
            assert_never(spec.replicas)


def _place(
    partitions: int,
    replication_factor: int,
    kept_rows: Mapping[PartitionId, ReplicaRow],
    state: ClusterState,
    *,
    ignore_racks: bool,
) -> Placement | Shortage:
    complete = all(PartitionId(number) in kept_rows for number in range(partitions))
    if complete:  # the usual case at a resync: do not count the roles of the whole cluster
        return Placement(
            {PartitionId(number): kept_rows[PartitionId(number)] for number in range(partitions)}
        )
    return place_replicas(
        partitions=partitions,
        replication_factor=replication_factor,
        kept_rows=kept_rows,
        spus=[
            EligibleSpu(spu.spec.id, spu.spec.rack)
            for spu in state.of(Kind.SPU)
            if may_get_replicas(spu, state)
        ],
        roles=RoleCounts(partition.spec.replicas for partition in state.of(Kind.PARTITION)),
        ignore_racks=ignore_racks,
    )


def _numbers() -> Iterator[PartitionId]:
    """0, 1, 2 ... as partition numbers."""
    return map(PartitionId, count())


def _status(
    topic: StoredObject,
    resolution: TopicResolution,
    reason: str,
    rows: Mapping[PartitionId, tuple[SpuId, ...]],
) -> list[Decision]:
    wanted = TopicStatus(
        resolution=resolution,
        replica_map=dict(rows),
        mirror_map={
            number: mirror
            for number, mirror in zip(_numbers(), _mirrors(topic.spec), strict=False)
            if number in rows
        },
        reason=reason,
    )
    if wanted == topic.status:
        return []
    return [SetStatus(topic.key, wanted, reason or resolution.name.lower())]


def _mirrors(spec: TopicSpec) -> tuple[PartitionMirror, ...]:
    """The other end of each partition of a mirror topic, by partition number."""
    match spec.replicas:
        case MirrorReplicas(config=MirrorToRemotes(partitions=partitions)):
            return tuple(partitions)
        case MirrorReplicas(config=MirrorFromHome() as home):
            return tuple(
                RemotePartition(
                    home_cluster=home.home_cluster,
                    home_spu_key=spu.key,
                    home_spu_id=SpuId(spu.id),
                    home_spu_endpoint=spu.endpoint,
                    target=home.target,
                )
                for spu in home.home_spus
            )
        case AssignedReplicas(maps=maps) if any(row.mirror is not None for row in maps):
            return tuple(row.mirror for row in maps if row.mirror is not None)
        case _:
            return ()


def _partitions(
    topic: StoredObject, rows: Mapping[PartitionId, ReplicaRow], state: ClusterState
) -> list[Decision]:
    """Create what is missing; hand changed settings of the topic down to what exists."""
    decisions: list[Decision] = []
    mirrors = _mirrors(topic.spec)
    if rows and PARTITIONS_FINALIZER not in topic.finalizers:
        decisions.append(AddFinalizer(topic.key, PARTITIONS_FINALIZER, "it gets partitions"))
    for number, row in rows.items():
        name = str(ReplicaKey(topic.name, number))
        mirror = mirrors[number] if number < len(mirrors) else None
        partition = state.get(Kind.PARTITION, name)
        if partition is None:
            decisions.append(
                CreateObject(
                    kind=Kind.PARTITION,
                    name=name,
                    spec=_partition_spec(topic.spec, row[0], row, mirror),
                    status=PartitionStatus(),
                    owner=topic.as_owner,
                    finalizers=(REPLICAS_FINALIZER,),
                    leader_epoch=FIRST_LEADER_EPOCH,
                    replication=ReplicationState.led_by(row[0], state.incarnation_of(row[0])),
                    min_in_sync=_min_in_sync(topic, row, state),
                    unclean_election=topic.unclean_election,
                    reason=f"partition of topic {topic.name}",
                )
            )
            continue
        if partition.problem or partition.owner != topic.as_owner:
            continue
        spec = _partition_spec(topic.spec, partition.spec.leader, partition.spec.replicas, mirror)
        if spec != partition.spec:
            decisions.append(SetSpec(partition.key, spec, "settings of the topic changed"))
        minimum = _min_in_sync(topic, partition.spec.replicas, state)
        safety = (minimum, topic.unclean_election)
        if safety != (partition.min_in_sync or MIN_IN_SYNC_DEFAULT, partition.unclean_election):
            decisions.append(
                SetSafety(partition.key, *safety, "as the topic, a group or the cluster says")
            )
    return decisions


def _min_in_sync(topic: StoredObject, row: ReplicaRow, state: ClusterState) -> int:
    """Replicas that a record needs: as the topic says, or else a group, or else the cluster."""
    return topic.min_in_sync or min_in_sync_of_groups(row, state) or state.min_in_sync


def _partition_spec(
    topic: TopicSpec, leader: SpuId, replicas: ReplicaRow, mirror: PartitionMirror | None
) -> PartitionSpec:
    return PartitionSpec(
        leader=leader,
        replicas=replicas,
        cleanup_policy=topic.cleanup_policy,
        storage=topic.storage,
        compression_type=topic.compression_type,
        deduplication=topic.deduplication,
        system=topic.system,
        mirror=mirror,
    )


def _take_partitions_along(topic: StoredObject, state: ClusterState) -> list[Decision]:
    decisions: list[Decision] = []
    reason = RETAINED if topic.is_retained else ""
    status = replace(topic.status, resolution=TopicResolution.DELETING, reason=reason)
    if topic.status != status:
        decisions.append(SetStatus(topic.key, status, "deletion requested"))
    if topic.is_retained:  # whoever deleted it got past the admission policy
        return decisions
    children = state.children_of(topic)
    decisions.extend(
        RequestDeletion(child.key, f"topic {topic.name} is deleted")
        for child in children
        if not child.deletion_requested
    )
    if not children and PARTITIONS_FINALIZER in topic.finalizers:
        decisions.append(
            RemoveFinalizer(topic.key, PARTITIONS_FINALIZER, "all partitions are gone")
        )
    return decisions
