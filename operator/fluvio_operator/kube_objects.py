"""Objects of the Kubernetes API as stored objects of the controller, and back. Pure.

Called by `kube_store.py`. Reading never raises: an object that cannot be read keeps its place,
with an empty spec and the problem in words, so that it hides no other and nothing that belongs to
it is taken for an orphan.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fluvio_crd.manifest import (
    BadManifest,
    parse_spec,
    parse_status,
    partition_settings,
    render_spec,
    spu_is_draining,
    topic_settings,
)
from fluvio_crd.resources import GROUP, RESOURCES, resource_of
from fluvio_crd.settings import DeletionPolicy, PartitionSettings
from fluvio_operator.conditions.status_extras import tombstones_of
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.mirror import RemoteMirror
from fluvio_protocol.metadata.partition import PartitionSpec
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, SmartModuleWasm
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec
from fluvio_protocol.metadata.spu_group import SpuGroupSpec
from fluvio_protocol.metadata.table_format import TableFormatSpec
from fluvio_protocol.metadata.topic import TopicSpec
from fluvio_protocol.sc_private.in_sync import InSyncReplica
from fluvio_protocol.types import (
    UNKNOWN_INCARNATION,
    UNKNOWN_SPU,
    DataIncarnation,
    LeaderEpoch,
    SpuId,
)
from fluvio_sc.core.cluster_state import (
    OwnerReference,
    StoredObject,
    Tombstone,
)
from fluvio_sc.core.reconcile.partition import REPLICAS_FINALIZER
from fluvio_sc.core.reconcile.spu_group import MEMBERS_FINALIZER
from fluvio_sc.core.reconcile.topic import PARTITIONS_FINALIZER
from fluvio_sc.core.replication_state import ReplicationState

FINALIZERS = {
    PARTITIONS_FINALIZER: f"topics.finalizer.{GROUP}",
    REPLICAS_FINALIZER: f"partitions.finalizer.{GROUP}",
    MEMBERS_FINALIZER: f"spugroups.finalizer.{GROUP}",
}
"""The core's names of those who have something to do before an object goes, and the cluster's."""

_OURS = {written: ours for ours, written in FINALIZERS.items()}
_KINDS = {resource.kube_kind: resource.kind for resource in RESOURCES}
_EMPTY_SPECS: dict[Kind, Any] = {
    Kind.TOPIC: TopicSpec(),
    Kind.PARTITION: PartitionSpec(leader=UNKNOWN_SPU, replicas=()),
    Kind.SPU: SpuSpec(
        id=UNKNOWN_SPU,
        public_endpoint=IngressPort(port=0),
        private_endpoint=Endpoint(port=0, host=""),
    ),
    Kind.SPU_GROUP: SpuGroupSpec(replicas=0),
    Kind.SMART_MODULE: SmartModuleSpec(wasm=SmartModuleWasm(payload=b"")),
    Kind.TABLE_FORMAT: TableFormatSpec(name=""),
    Kind.MIRROR: RemoteMirror(id=""),
}


def object_path(kind: Kind, namespace: str, name: str = "") -> str:
    """Where the API server has an object of ours, or all of a kind."""
    resource = resource_of(kind)
    collection = f"/apis/{resource.group_version}/namespaces/{namespace}/{resource.plural}"
    return f"{collection}/{name}" if name else collection


def read_object(
    kind: Kind, body: Mapping[str, Any], *, before: StoredObject | None = None
) -> StoredObject | None:
    """The object of a body; None when it only waits for others before it vanishes.

    before: what was known of the same object; its spec stands in for one that cannot be read
    """
    metadata = body.get("metadata") or {}
    finalizers = tuple(
        _OURS[written] for written in metadata.get("finalizers") or () if written in _OURS
    )
    deleted_at = metadata.get("deletionTimestamp")
    if deleted_at and not finalizers:
        return None
    uid = str(metadata.get("uid") or "")
    item = StoredObject(
        kind=kind,
        name=str(metadata.get("name") or ""),
        uid=uid,
        spec=_EMPTY_SPECS[kind],
        status=parse_status(kind, body),
        owner=_owner(metadata),
        finalizers=finalizers,
        deletion_requested=bool(deleted_at),
        deletion_since_ms=_milliseconds(deleted_at),
        generation=int(metadata.get("generation") or 1),
        annotations={str(k): str(v) for k, v in (metadata.get("annotations") or {}).items()},
    )
    item.annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if kind is Kind.SPU:
        item = replace(item, tombstones=tombstones_of(body.get("status") or {}))
    try:
        return _with_spec(item, body)
    except BadManifest as error:
        if before is not None and before.uid == uid and not before.problem:
            item = replace(
                item,
                spec=before.spec,
                leader_epoch=before.leader_epoch,
                replication=before.replication,
                min_in_sync=before.min_in_sync,
                unclean_election=before.unclean_election,
                is_draining=before.is_draining,
                is_retained=before.is_retained,
            )
        return replace(item, problem=str(error))


def _with_spec(item: StoredObject, body: Mapping[str, Any]) -> StoredObject:
    spec = parse_spec(item.kind, body)
    if item.kind is Kind.TOPIC:
        settings = topic_settings(body)
        return replace(
            item,
            spec=spec,
            is_retained=settings.deletion_policy is DeletionPolicy.RETAIN,
            min_in_sync=settings.min_in_sync_replicas,
            unclean_election=settings.unclean_leader_election,
        )
    if item.kind is Kind.SPU:
        return replace(item, spec=spec, is_draining=spu_is_draining(body))
    if item.kind is not Kind.PARTITION:
        return replace(item, spec=spec)
    assert isinstance(spec, PartitionSpec)
    said = partition_settings(body)
    return replace(
        item,
        spec=spec,
        leader_epoch=LeaderEpoch(said.leader_epoch),
        replication=_replication(said, spec.leader),
        min_in_sync=said.min_in_sync_replicas,
        unclean_election=said.unclean_leader_election,
        problem="" if item.finalizers else "this partition was not made by its topic: delete it",
    )


def _replication(said: PartitionSettings, leader: SpuId) -> ReplicationState:
    def holders(spu_ids: Iterable[int]) -> tuple[InSyncReplica, ...]:
        return tuple(
            InSyncReplica(
                spu=SpuId(spu_id),
                incarnation=DataIncarnation(said.incarnations.get(spu_id, UNKNOWN_INCARNATION)),
            )
            for spu_id in spu_ids
        )

    def spus(spu_ids: Iterable[int]) -> tuple[SpuId, ...]:
        return tuple(SpuId(spu_id) for spu_id in spu_ids)

    return ReplicationState(
        members=holders((leader,) if said.in_sync is None else said.in_sync),
        eligible=holders(said.eligible),
        version=said.in_sync_version,
        successor=None if said.successor is None else SpuId(said.successor),
        target=spus(said.target_replicas),
        original=spus(said.original_replicas),
        leaving=spus(said.leaving_replicas),
    )


def spec_body(item: StoredObject) -> dict[str, Any]:
    """What the `spec` of its manifest says: the wire's spec, and our additions that we write."""
    spec = render_spec(item.kind, item.spec)
    if item.kind is Kind.PARTITION:
        spec.update(_replication_body(item))
    elif item.kind is Kind.SPU and item.is_draining:
        spec["draining"] = True
    return spec


def _replication_body(item: StoredObject) -> dict[str, Any]:
    """Who may lead a partition, since when, and where it moves; what is empty is left out."""
    state = item.replication
    body: dict[str, Any] = {
        "leaderEpoch": int(item.leader_epoch),
        "inSync": [int(spu_id) for spu_id in state.in_sync],
        "inSyncVersion": state.version or 1,
    }
    incarnations = [
        {"spu": int(holder.spu), "incarnation": int(holder.incarnation)}
        for holder in state.holders
        if holder.incarnation != UNKNOWN_INCARNATION
    ]
    if incarnations:
        body["incarnations"] = incarnations
    for name, spu_ids in (
        ("eligible", state.eligible_spus),
        ("targetReplicas", state.target),
        ("originalReplicas", state.original),
        ("leavingReplicas", state.leaving),
    ):
        if spu_ids:
            body[name] = [int(spu_id) for spu_id in spu_ids]
    if state.successor is not None:
        body["successor"] = int(state.successor)
    if item.min_in_sync is not None:
        body["minInSyncReplicas"] = item.min_in_sync
    if item.unclean_election:
        body["uncleanLeaderElection"] = True
    return body


def new_body(item: StoredObject, namespace: str) -> dict[str, Any]:
    """The manifest that makes the object."""
    resource = resource_of(item.kind)
    metadata: dict[str, Any] = {"name": item.name, "namespace": namespace}
    if item.finalizers:
        metadata["finalizers"] = [FINALIZERS[name] for name in item.finalizers]
    if item.annotations:
        metadata["annotations"] = dict(item.annotations)
    if item.owner is not None:
        owner = resource_of(item.owner.kind)
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner.group_version,
                "kind": owner.kube_kind,
                "name": item.owner.name,
                "uid": item.owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return {
        "apiVersion": resource.group_version,
        "kind": resource.kube_kind,
        "metadata": metadata,
        "spec": spec_body(item),
    }


def tombstones_body(tombstones: Sequence[Tombstone]) -> list[dict[str, Any]]:
    """What the status of an Spu says of files it still has to delete."""
    return [
        {
            "topic": tombstone.key.topic,
            "partition": int(tombstone.key.partition),
            "uid": tombstone.uid,
            "leaderEpoch": int(tombstone.leader_epoch),
        }
        for tombstone in tombstones
    ]


def finalizers_with(written: tuple[str, ...], item: StoredObject) -> list[str]:
    """All finalizers of an object: those of others as they are, ours as the core says."""
    others = [name for name in written if name not in _OURS]
    return [*others, *(FINALIZERS[name] for name in item.finalizers)]


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7396) that makes `after` of `before`; empty when they are equal."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value and name in before:
            continue
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            patch[name] = merge_patch(old, value)
        else:
            patch[name] = value
    return patch


def _owner(metadata: Mapping[str, Any]) -> OwnerReference | None:
    for reference in metadata.get("ownerReferences") or ():
        kind = _KINDS.get(reference.get("kind", ""))
        if kind is not None and str(reference.get("apiVersion", "")).startswith(f"{GROUP}/"):
            return OwnerReference(kind, str(reference["name"]), str(reference["uid"]))
    return None


def _milliseconds(timestamp: Any) -> int:
    if not timestamp:
        return 0
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
    except ValueError:
        return 0
