"""What our schema adds to Fluvio's specs and the wire cannot carry, as plain values.

Made by `manifest.py`; used by the operator. Everything is optional in a manifest, and its absence
means what Fluvio does. This module loads no pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonObject = Mapping[str, Any]
"""Part of a pod's spec, passed on as it stands."""


class DeletionPolicy(StrEnum):
    """What becomes of a topic's data when the topic is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """Of a topic. min_in_sync_replicas: None means what the group of SPUs says, or 1."""

    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    min_in_sync_replicas: int | None = None
    unclean_leader_election: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings:
    """Of a partition: who may lead it, since when, and where its replicas go.

    in_sync:        None means the leader alone
    incarnations:   which life of its data each of `in_sync` and `eligible` had; others: not known
    successor:      whom the leader shall hand over to
    min_in_sync_replicas: None means one
    """

    leader_epoch: int = 1
    in_sync: tuple[int, ...] | None = None
    eligible: tuple[int, ...] = ()
    incarnations: Mapping[int, int] = field(default_factory=dict)
    in_sync_version: int = 1
    successor: int | None = None
    target_replicas: tuple[int, ...] = ()
    original_replicas: tuple[int, ...] = ()
    leaving_replicas: tuple[int, ...] = ()
    min_in_sync_replicas: int | None = None
    unclean_leader_election: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """A port of every SPU of a group; None means the usual one."""

    port: int | None = None
    encryption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSettings:
    """Of the pods of a group; None where nothing was said. Values are those of a pod's spec.

    topology_spread: constraints; a missing `labelSelector` means the pods of the group
    """

    storage_class_name: str | None = None
    resources: JsonObject | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[JsonObject, ...] | None = None
    affinity: JsonObject | None = None
    topology_spread: tuple[JsonObject, ...] | None = None
    priority_class_name: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: tuple[JsonObject, ...] | None = None
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    security_context: JsonObject | None = None
    extra_containers: tuple[JsonObject, ...] | None = None
    extra_volumes: tuple[JsonObject, ...] | None = None
    extra_volume_mounts: tuple[JsonObject, ...] | None = None
    termination_grace_period_s: int | None = None


class ExposeType(StrEnum):
    """How clients outside the cluster reach an SPU."""

    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    CLUSTER_IP = "ClusterIP"
    GATEWAY = "Gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposeSettings:
    """How the SPUs of a group are reached; None where the chart decides."""

    type: ExposeType | None = None
    base_node_port: int | None = None
    annotations: Mapping[str, str] | None = None
    advertised_host_template: str | None = None


class VolumeRetention(StrEnum):
    """What becomes of a volume."""

    RETAIN = "Retain"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRetentionPolicy:
    """When the group is deleted, and when it shrinks."""

    when_deleted: VolumeRetention = VolumeRetention.RETAIN
    when_scaled: VolumeRetention = VolumeRetention.RETAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Of a group of SPUs, beyond what `SpuGroupSpec` carries."""

    public_endpoint: EndpointSettings = EndpointSettings()
    private_endpoint: EndpointSettings = EndpointSettings()
    pod: PodSettings = PodSettings()
    expose: ExposeSettings = ExposeSettings()
    volume_retention: VolumeRetentionPolicy = VolumeRetentionPolicy()
