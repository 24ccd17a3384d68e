"""How a group's pods, services and volumes may differ from what the chart says.

All of it is our addition. Used by `spu_group.py`. Parts of a pod's spec are passed on as they
stand, and Kubernetes checks them when the pod is made.
"""

from typing import Annotated, Any

from pydantic import Field

from fluvio_crd.model import I64, U16, JsonObject, Model, Name, Published, Text
from fluvio_crd.settings import (
    ExposeSettings,
    ExposeType,
    PodSettings,
    VolumeRetention,
    VolumeRetentionPolicy,
)
from fluvio_crd.words import Word

JsonObjects = Annotated[list[JsonObject], Published(max_items=64, list_type="atomic")]
Labels = Annotated[dict[str, Name], Published(max_properties=64)]
Annotations = Annotated[dict[str, Text], Published(max_properties=64)]


class Pod(Model):
    """Fields of a pod's spec, and its metadata."""

    storage_class_name: Name | None = Field(
        default=None, description="class of the volumes; a change concerns new volumes only"
    )
    resources: JsonObject | None = Field(
        default=None, description="what the SPU's container asks for, and its limits"
    )
    node_selector: Labels | None = Field(default=None, description="labels a node must have")
    tolerations: JsonObjects | None = Field(default=None, description="taints it tolerates")
    affinity: JsonObject | None = Field(default=None, description="rules of placement")
    topology_spread: Annotated[JsonObject | list[JsonObject], Published(untyped=True)] | None = (
        Field(
            default=None,
            description="one topology spread constraint, or a list; without a labelSelector it "
            "means the pods of the group",
        )
    )
    priority_class_name: Name | None = Field(default=None, description="class of priority")
    service_account_name: Name | None = Field(default=None, description="its account")
    image_pull_secrets: JsonObjects | None = Field(
        default=None, description="objects with the name of a secret"
    )
    annotations: Annotations | None = Field(default=None, description="more annotations of the pod")
    labels: Labels | None = Field(default=None, description="more labels of the pod")
    security_context: JsonObject | None = Field(
        default=None, description="of the pod; null takes one of our defaults away"
    )
    extra_containers: JsonObjects | None = Field(
        default=None, description="containers beside the SPU"
    )
    extra_volumes: JsonObjects | None = Field(default=None, description="more volumes")
    extra_volume_mounts: JsonObjects | None = Field(
        default=None, description="where the SPU sees them"
    )
    termination_grace_period_seconds: (
        Annotated[I64, Published(minimum=1, maximum=86_400)] | None
    ) = Field(default=None, description="seconds an SPU has to stop; left out: 60")

    def settings(self) -> PodSettings:
        """As values."""
        return PodSettings(
            storage_class_name=self.storage_class_name,
            resources=self.resources,
            node_selector=self.node_selector,
            tolerations=_tuple(self.tolerations),
            affinity=self.affinity,
            topology_spread=_tuple(self.topology_spread),
            priority_class_name=self.priority_class_name,
            service_account_name=self.service_account_name,
            image_pull_secrets=_tuple(self.image_pull_secrets),
            annotations=self.annotations,
            labels=self.labels,
            security_context=self.security_context,
            extra_containers=_tuple(self.extra_containers),
            extra_volumes=_tuple(self.extra_volumes),
            extra_volume_mounts=_tuple(self.extra_volume_mounts),
            termination_grace_period_s=self.termination_grace_period_seconds,
        )


def _tuple(
    items: dict[str, Any] | list[dict[str, Any]] | None,
) -> tuple[dict[str, Any], ...] | None:
    if items is None:
        return None
    return (items,) if isinstance(items, dict) else tuple(items)


class Expose(Model):
    """How clients outside the cluster reach the SPUs."""

    type: Annotated[ExposeType, Word(ExposeType)] | None = Field(
        default=None, description="kind of Service; left out: what the chart says"
    )
    base_node_port: Annotated[U16, Published(minimum=1)] | None = Field(
        default=None, description="the first SPU's node port, the next one's is one more"
    )
    annotations: Annotations | None = Field(
        default=None, description="of every SPU's Service; values may hold placeholders"
    )
    advertised_host_template: Annotated[str, Published(max_length=512)] | None = Field(
        default=None,
        description="the host that clients are told, such as {{spuId}}.stream.example.test",
    )

    def settings(self) -> ExposeSettings:
        """As values."""
        return ExposeSettings(
            type=self.type,
            base_node_port=self.base_node_port,
            annotations=self.annotations,
            advertised_host_template=self.advertised_host_template,
        )


Retention = Annotated[VolumeRetention, Word(VolumeRetention)]


class VolumePolicy(Model):
    """What becomes of the volumes."""

    when_deleted: Retention = Field(
        default=VolumeRetention.RETAIN, description="when the group is deleted"
    )
    when_scaled: Retention = Field(
        default=VolumeRetention.RETAIN, description="when the group shrinks"
    )

    def settings(self) -> VolumeRetentionPolicy:
        """As values."""
        return VolumeRetentionPolicy(when_deleted=self.when_deleted, when_scaled=self.when_scaled)
