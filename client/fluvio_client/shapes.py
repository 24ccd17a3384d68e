"""Objects of a cluster as plain data, in the spelling that Fluvio's JSON and YAML have.

Pure. Called by the command line, and by applications that want to print or store an object.
Every object is `{"name", "spec", "status"}` with camelCase inside; a choice with contents is a
`Variant`, which JSON shows as an object with one key and YAML as a tag.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fluvio_client.variant import Variant as Variant
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.mirror import (
    HomeMirror,
    MirrorStatus,
    PairDetailFailure,
    RemoteMirror,
    RemotePartition,
)
from fluvio_protocol.metadata.partition import PartitionSpec, PartitionStatus, ReplicaStatus
from fluvio_protocol.metadata.smart_module import SmartModuleSpec
from fluvio_protocol.metadata.spu import (
    CustomSpuSpec,
    Endpoint,
    IngressPort,
    SpuSpec,
    SpuStatus,
)
from fluvio_protocol.metadata.spu_group import SpuGroupSpec, SpuGroupStatus
from fluvio_protocol.metadata.table_format import TableFormatSpec, TableFormatStatus
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    CleanupPolicy,
    ComputedReplicas,
    Deduplication,
    MirrorFromHome,
    MirrorReplicas,
    TopicSpec,
    TopicStatus,
    TopicStorage,
)
from fluvio_protocol.spu_public.consumer_offsets import ConsumerOffset

Shape: TypeAlias = dict[str, Any]


def camel_case(name: str) -> str:
    """`INSUFFICIENT_RESOURCES` to `InsufficientResources`, as enum words are spelt."""
    return "".join(part.capitalize() for part in name.split("_"))


def shape(kind: Kind, found: Metadata) -> Shape:
    """An object of any kind."""
    return _object(found, spec(kind, found.spec), status(kind, found.status))


def spec(kind: Kind, wanted: Any) -> Shape:
    """The spec of an object of any kind."""
    match kind:
        case Kind.TOPIC:
            return topic_spec(wanted)
        case Kind.PARTITION:
            return _partition_spec(wanted)
        case Kind.SPU:
            return _spu_spec(wanted)
        case Kind.CUSTOM_SPU:
            return _custom_spu_spec(wanted)
        case Kind.SPU_GROUP:
            return _spu_group_spec(wanted)
        case Kind.SMART_MODULE:
            return _smart_module_spec(wanted)
        case Kind.TABLE_FORMAT:
            return _table_format_spec(wanted)
        case Kind.MIRROR:
            return _mirror_spec(wanted)


def status(kind: Kind, found: Any) -> Shape:
    """The status of an object of any kind."""
    match kind:
        case Kind.TOPIC:
            return _topic_status(found)
        case Kind.PARTITION:
            return _partition_status(found)
        case Kind.SPU | Kind.CUSTOM_SPU:
            return _spu_status(found)
        case Kind.SPU_GROUP:
            return _spu_group_status(found)
        case Kind.SMART_MODULE:
            return {}
        case Kind.TABLE_FORMAT:
            return _table_format_status(found)
        case Kind.MIRROR:
            return _mirror_status(found)


def topic(found: Metadata) -> Shape:
    """A topic."""
    return _object(found, topic_spec(found.spec), _topic_status(found.status))


def partition(found: Metadata) -> Shape:
    """A partition."""
    return _object(found, _partition_spec(found.spec), _partition_status(found.status))


def spu(found: Metadata) -> Shape:
    """An SPU."""
    return _object(found, _spu_spec(found.spec), _spu_status(found.status))


def spu_group(found: Metadata) -> Shape:
    """An SPU group."""
    return _object(found, _spu_group_spec(found.spec), _spu_group_status(found.status))


def smart_module(found: Metadata) -> Shape:
    """A SmartModule without its code."""
    return _object(found, _smart_module_spec(found.spec), {})


def table_format(found: Metadata) -> Shape:
    """A table format."""
    return _object(found, _table_format_spec(found.spec), _table_format_status(found.status))


def consumer_offset(found: ConsumerOffset) -> Shape:
    """A stored consumer offset: flat, and in snake case, unlike everything else."""
    return {
        "consumer_id": found.consumer_id,
        "topic": found.replica.topic,
        "partition": found.replica.partition,
        "offset": found.offset,
        "modified_time": found.modified_time_seconds,
    }


def _object(found: Metadata, spec: Shape, status: Shape) -> Shape:
    return {"name": found.name, "spec": spec, "status": status}


def topic_spec(spec: TopicSpec) -> Shape:
    """The spec of a topic; settings that are not set are left out."""
    shape: Shape = {"replicas": _replicas(spec)}
    if spec.cleanup_policy is not None:
        shape["cleanupPolicy"] = _cleanup_policy(spec.cleanup_policy)
    if spec.storage is not None:
        shape["storage"] = _storage(spec.storage)
    shape["compressionType"] = spec.compression_type.name.capitalize()
    if spec.deduplication is not None:
        shape["deduplication"] = _deduplication(spec.deduplication)
    shape["system"] = spec.system
    return shape


def _replicas(spec: TopicSpec) -> Variant:
    replicas = spec.replicas
    if isinstance(replicas, ComputedReplicas):
        return Variant(
            computed={
                "partitions": replicas.partitions,
                "replicationFactor": replicas.replication_factor,
                "ignoreRackAssignment": replicas.ignore_rack_assignment,
            }
        )
    if isinstance(replicas, AssignedReplicas):
        return Variant(
            assigned=[
                {"id": row.id, "replicas": list(row.replicas)}
                | ({"mirror": _partition_mirror(row.mirror)} if row.mirror is not None else {})
                for row in replicas.maps
            ]
        )
    assert isinstance(replicas, MirrorReplicas)
    config = replicas.config
    if isinstance(config, MirrorFromHome):
        inner = Variant(
            remote={
                "homeCluster": config.home_cluster,
                "homeSpus": [
                    {"id": one.id, "key": one.key, "endpoint": one.endpoint}
                    for one in config.home_spus
                ],
                "target": config.target,
            }
        )
    else:
        inner = Variant(
            home={
                "partitions": [
                    {
                        "remoteCluster": one.remote_cluster,
                        "remoteReplica": one.remote_replica,
                        "source": one.source,
                    }
                    for one in config.partitions
                ],
                "source": config.source,
            }
        )
    return Variant(mirror=inner)


def _cleanup_policy(policy: CleanupPolicy) -> Variant:
    return Variant(segment={"timeInSeconds": policy.time_in_seconds})


def _storage(storage: TopicStorage) -> Shape:
    return {"segmentSize": storage.segment_size, "maxPartitionSize": storage.max_partition_size}


def _deduplication(deduplication: Deduplication) -> Shape:
    age = deduplication.bounds.age
    return {
        "bounds": {
            "count": deduplication.bounds.count,
            "age": None if age is None else {"secs": age.seconds, "nanos": age.nanoseconds},
        },
        "filter": {
            "transform": {
                "uses": deduplication.filter.uses,
                "with": dict(deduplication.filter.with_),
            }
        },
    }


def _partition_mirror(mirror: Any) -> Variant:
    if isinstance(mirror, RemotePartition):
        return Variant(
            remote={
                "homeCluster": mirror.home_cluster,
                "homeSpuKey": mirror.home_spu_key,
                "homeSpuId": mirror.home_spu_id,
                "homeSpuEndpoint": mirror.home_spu_endpoint,
                "target": mirror.target,
            }
        )
    return Variant(
        home={
            "remoteCluster": mirror.remote_cluster,
            "remoteReplica": mirror.remote_replica,
            "source": mirror.source,
        }
    )


def _topic_status(status: TopicStatus) -> Shape:
    return {
        "resolution": camel_case(status.resolution.name),
        "replicaMap": _by_number({key: list(spus) for key, spus in status.replica_map.items()}),
        "mirrorMap": _by_number(
            {key: _partition_mirror(mirror) for key, mirror in status.mirror_map.items()}
        ),
        "reason": status.reason,
    }


def _by_number(found: Mapping[Any, Any]) -> dict[int, Any]:
    return {int(key): found[key] for key in sorted(found)}


def _partition_spec(spec: PartitionSpec) -> Shape:
    policy, storage, deduplication = spec.cleanup_policy, spec.storage, spec.deduplication
    return {
        "leader": spec.leader,
        "replicas": list(spec.replicas),
        "cleanupPolicy": None if policy is None else _cleanup_policy(policy),
        "storage": None if storage is None else _storage(storage),
        "compressionType": spec.compression_type.name.capitalize(),
        "deduplication": None if deduplication is None else _deduplication(deduplication),
        "system": spec.system,
        "mirror": None if spec.mirror is None else _partition_mirror(spec.mirror),
    }


def _partition_status(status: PartitionStatus) -> Shape:
    return {
        "resolution": camel_case(status.resolution.name),
        "leader": _replica_status(status.leader),
        "lsr": status.live_replica_count,
        "replicas": [_replica_status(one) for one in status.replicas],
        "size": status.size,
        "isBeingDeleted": status.is_being_deleted,
        "baseOffset": status.base_offset,
    }


def _replica_status(status: ReplicaStatus) -> Shape:
    return {"spu": status.spu, "hw": status.hw, "leo": status.leo}


def _spu_spec(spec: SpuSpec) -> Shape:
    shape: Shape = {
        "spuId": spec.id,
        "spuType": spec.spu_type.name.capitalize(),
        "publicEndpoint": _ingress_port(spec.public_endpoint),
        "privateEndpoint": _endpoint(spec.private_endpoint),
    }
    if spec.rack is not None:
        shape["rack"] = spec.rack
    if spec.public_endpoint_local is not None:
        shape["publicEndpointLocal"] = _endpoint(spec.public_endpoint_local)
    return shape


def _custom_spu_spec(spec: CustomSpuSpec) -> Shape:
    shape = _spu_spec(spec.to_spu())
    del shape["spuType"]
    return shape


def _ingress_port(port: IngressPort) -> Shape:
    return {
        "port": port.port,
        "ingress": [{"hostname": one.hostname, "ip": one.ip} for one in port.ingress],
        "encryption": port.encryption.name,
    }


def _endpoint(endpoint: Endpoint) -> Shape:
    return {
        "port": endpoint.port,
        "host": endpoint.host,
        "encryption": endpoint.encryption.name,
    }


def _spu_status(status: SpuStatus) -> Shape:
    return {"resolution": camel_case(status.resolution.name)}


def _spu_group_spec(spec: SpuGroupSpec) -> Shape:
    config = spec.spu_config
    replication, storage = config.replication, config.storage
    return {
        "replicas": spec.replicas,
        "minId": spec.min_id,
        "spuConfig": {
            "rack": config.rack,
            "replication": None
            if replication is None
            else {"inSyncReplicaMin": replication.in_sync_replica_min},
            "storage": None
            if storage is None
            else {"logDir": storage.log_dir, "size": storage.size},
            "env": [{"name": one.name, "value": one.value} for one in config.env],
        },
    }


def _spu_group_status(status: SpuGroupStatus) -> Shape:
    return {"resolution": camel_case(status.resolution.name), "reason": status.reason}


def _smart_module_spec(spec: SmartModuleSpec) -> Shape:
    meta: Shape | None = None
    if spec.meta is not None:
        package = spec.meta.package
        meta = {
            "package": {
                "name": package.name,
                "group": package.group,
                "version": package.version,
                "apiVersion": package.api_version,
                "description": package.description,
                "license": package.license,
                "visibility": package.visibility.name.lower(),
                "repository": package.repository,
            },
            "params": {
                name: {"description": one.description, "optional": one.optional}
                for name, one in spec.meta.params.items()
            },
        }
    return {"meta": meta, "wasm": {"format": spec.wasm.format.name, "payload": ""}}


def _table_format_spec(spec: TableFormatSpec) -> Shape:
    shape: Shape = {"name": spec.name}
    if spec.input_format is not None:
        shape["inputFormat"] = spec.input_format.name
    if spec.columns is not None:
        shape["columns"] = [
            {
                key: value
                for key, value in {
                    "headerLabel": column.header_label,
                    "width": column.width,
                    "alignment": None if column.alignment is None else column.alignment.name,
                    "keyPath": column.key_path,
                    "format": column.format,
                    "display": column.display,
                    "primaryKey": column.primary_key,
                    "headerBgColor": None
                    if column.header_bg_color is None
                    else column.header_bg_color.name,
                    "headerTextColor": None
                    if column.header_text_color is None
                    else column.header_text_color.name,
                }.items()
                if value is not None
            }
            for column in spec.columns
        ]
    if spec.smartmodule is not None:
        shape["smartmodule"] = spec.smartmodule
    return shape


def _table_format_status(status: TableFormatStatus) -> Shape:
    return {"resolution": camel_case(status.resolution.name), "reason": status.reason}


def _mirror_spec(spec: RemoteMirror | HomeMirror) -> Variant:
    if isinstance(spec, RemoteMirror):
        return Variant(remote={"id": spec.id})
    shape: Shape = {
        "id": spec.id,
        "remoteId": spec.remote_id,
        "publicEndpoint": spec.public_endpoint,
    }
    if spec.client_tls is not None:  # its key is nobody's business but the controller's
        shape["clientTls"] = {"domain": spec.client_tls.domain}
    return Variant(home=shape)


def _mirror_status(status: MirrorStatus) -> Shape:
    return {
        "connectionStatus": camel_case(status.connection_status.name),
        "pairingSc": _pairing(status.pairing_sc),
        "pairingSpu": _pairing(status.pairing_spu),
        "lastSeen": status.last_seen_ms,
    }


def _pairing(status: Any) -> str | Shape:
    if isinstance(status, PairDetailFailure):
        return Variant(detailFailure=status.reason)
    return type(status).__name__.removeprefix("Pair")
