"""Status fields that Fluvio's objects do not have: what `kubectl get` shows, and what the
controller must find again after a restart.

Called by the store, which lays them beside Fluvio's fields and the conditions. A field that is
not known is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from fluvio_operator.conditions.partition import in_sync_of, is_under_replicated
from fluvio_operator.conditions.spu_group import GroupObservation
from fluvio_operator.manifests.names import selector_text
from fluvio_protocol.metadata.topic import AssignedReplicas, ComputedReplicas, MirrorReplicas
from fluvio_protocol.types import LeaderEpoch, PartitionId, ReplicaKey
from fluvio_sc.core.cluster_state import StoredObject, Tombstone, replica_key_of


def topic_extras(topic: StoredObject, partitions: Sequence[StoredObject]) -> dict[str, Any]:
    """partitions: its children. The replication factor is that of the partitions there are,
    before there is one that of the spec."""
    rows = [each.spec.replicas for each in partitions] or list(topic.status.replica_map.values())
    extras: dict[str, Any] = {
        "type": _type_of(topic),
        "partitions": len(partitions),
        "underReplicated": sum(1 for each in partitions if is_under_replicated(each)),
    }
    factor = max(map(len, rows), default=_wanted_factor(topic))
    if factor is not None:
        extras["replicationFactor"] = factor
    return extras


def partition_extras(partition: StoredObject) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "topic": replica_key_of(partition).topic,
        "leaderEpoch": int(partition.leader_epoch),
        "inSync": [int(spu_id) for spu_id in in_sync_of(partition)],
    }
    if partition.replication.eligible:
        extras["eligible"] = [int(spu_id) for spu_id in partition.replication.eligible_spus]
    return extras


def spu_extras(
    spu: StoredObject, partitions_there: Iterable[StoredObject], *, node: str | None = None
) -> dict[str, Any]:
    """partitions_there: those with a replica on it; node: where its pod runs.

    Its tombstones are not here: the store writes them itself, before it goes on.
    """
    leads = [each.spec.leader == spu.spec.id for each in partitions_there]
    public = spu.spec.public_endpoint
    extras: dict[str, Any] = {
        "leaders": sum(leads),
        "replicas": len(leads),
    }
    if public.host is not None:
        host = f"[{public.host}]" if ":" in public.host else public.host
        extras["publicAddress"] = f"{host}:{public.port}"
    if node is not None:
        extras["node"] = node
    return extras


def tombstones_of(status: Mapping[str, Any]) -> tuple[Tombstone, ...]:
    """What the store wrote of them. An entry that cannot be read is dropped: nobody but a
    person can have written it, and its files stay where they are."""
    return tuple(
        Tombstone(
            ReplicaKey(entry["topic"], PartitionId(entry["partition"])),
            entry["uid"],
            LeaderEpoch(entry["leaderEpoch"]),
        )
        for entry in status.get("tombstones") or ()
        if isinstance(entry, Mapping)
        if isinstance(entry.get("topic"), str) and isinstance(entry.get("uid"), str)
        if isinstance(entry.get("partition"), int) and isinstance(entry.get("leaderEpoch"), int)
    )


def spu_group_extras(
    group: StoredObject, observed: GroupObservation, *, image: str | None = None
) -> dict[str, Any]:
    """image: what its SPUs run; its tag is their version."""
    extras: dict[str, Any] = {
        "replicas": observed.replicas,
        "readyReplicas": observed.ready,
        "selector": selector_text(group.name),
    }
    version = None if image is None else image_version(image)
    if version is not None:
        extras["version"] = version
    return extras


def image_version(image: str) -> str | None:
    """The tag, or the beginning of the digest; None when it has neither."""
    name, at, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag:
        return tag
    return digest.partition(":")[2][:12] if at else None


def _type_of(topic: StoredObject) -> str:
    match topic.spec.replicas:
        case ComputedReplicas():
            return "computed"
        case AssignedReplicas():
            return "assigned"
        case MirrorReplicas():
            return "mirror"
        case _ as never:
            assert_never(never)


def _wanted_factor(topic: StoredObject) -> int | None:
    match topic.spec.replicas:
        case ComputedReplicas(replication_factor=factor):
            return int(factor)
        case AssignedReplicas(maps=maps) if maps:
            return len(maps[0].replicas)
        case _:
            return None
