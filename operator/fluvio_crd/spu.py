"""SPUs: generated for a group, or registered by hand. Called by `manifest.py`.

Source: kubernetes reference 1.3.
"""

from typing import Annotated, Self

from pydantic import Field

from fluvio_crd.model import (
    I32,
    I64,
    U16,
    U32,
    Line,
    Model,
    Name,
    Published,
    Rule,
    SpecModel,
    StatusModel,
    StatusPart,
)
from fluvio_crd.words import Word
from fluvio_protocol.metadata import spu as wire
from fluvio_protocol.types import SpuId

TOMBSTONES_MAX = 5000

Encryption = Annotated[wire.Encryption, Word(wire.Encryption, str)]
Port = Annotated[U16, Published(minimum=1)]


class IngressAddress(Model):
    """One way in: a host name or an address."""

    hostname: Name | None = Field(default=None, description="name; clients prefer it")
    ip: Annotated[str, Published(max_length=64)] | None = Field(default=None, description="address")


class PublicEndpoint(Model):
    """Where clients reach it; they use the first way in."""

    port: Annotated[Port, Published(required=True)] = Field(default=0, description="TCP port")
    ingress: Annotated[
        list[IngressAddress], Published(max_items=32, list_type="atomic", nullable=True)
    ] = Field(default=[], description="ways in; the first one counts")
    encryption: Encryption = Field(
        default=wire.Encryption.PLAINTEXT, description="what clients are told"
    )


class Endpoint(Model):
    """Host and port."""

    host: Name = Field(description="name or address")
    port: Port = Field(default=0, description="TCP port")
    encryption: Encryption = Field(
        default=wire.Encryption.PLAINTEXT, description="what clients are told"
    )


class PrivateEndpoint(Endpoint):
    """Where other SPUs reach it."""

    host: Annotated[Name, Published(required=True)] = Field(
        default="127.0.0.1", description="name or address"
    )


class SpuExtension(Model):
    """Our additions to an SPU's spec."""

    draining: bool | None = Field(
        default=None, description="it gets no further replicas, whatever is made or moved"
    )


class SpuSpec(SpuExtension, SpecModel):
    """An SPU and its addresses. The operator writes those of managed SPUs."""

    rules = (
        Rule(
            "self.spuId == oldSelf.spuId && self.spuType == oldSelf.spuType",
            "spuId and spuType cannot be changed: make a new Spu",
        ),
    )

    spu_id: Annotated[I32, Published(minimum=0)] = Field(
        description="its number, unique in the namespace"
    )
    spu_type: Annotated[wire.SpuType, Word(wire.SpuType), Published(default="Managed")] = Field(
        default=wire.SpuType.MANAGED, description="made by a group, or registered by hand"
    )
    rack: Name | None = Field(default=None, description="failure domain")
    public_endpoint: PublicEndpoint = Field(description="for clients")
    private_endpoint: PrivateEndpoint = Field(description="for other SPUs")
    public_endpoint_local: Endpoint | None = Field(
        default=None, description="for clients that ask for addresses inside the cluster"
    )

    @classmethod
    def of_wire(cls, spec: wire.SpuSpec) -> Self:
        public, private, local = (
            spec.public_endpoint,
            spec.private_endpoint,
            spec.public_endpoint_local,
        )
        return cls(
            spu_id=spec.id,
            spu_type=spec.spu_type,
            rack=spec.rack,
            public_endpoint=PublicEndpoint(
                port=public.port,
                ingress=[
                    IngressAddress(hostname=address.hostname, ip=address.ip)
                    for address in public.ingress
                ],
                encryption=public.encryption,
            ),
            private_endpoint=PrivateEndpoint(
                host=private.host, port=private.port, encryption=private.encryption
            ),
            public_endpoint_local=None
            if local is None
            else Endpoint(host=local.host, port=local.port, encryption=local.encryption),
        )

    def to_wire(self) -> wire.SpuSpec:
        public, local = self.public_endpoint, self.public_endpoint_local
        return wire.SpuSpec(
            id=SpuId(self.spu_id),
            spu_type=self.spu_type,
            rack=self.rack,
            public_endpoint=wire.IngressPort(
                port=public.port,
                ingress=tuple(
                    wire.IngressAddress(hostname=address.hostname, ip=address.ip)
                    for address in public.ingress
                ),
                encryption=public.encryption,
            ),
            private_endpoint=_endpoint_to_wire(self.private_endpoint),
            public_endpoint_local=None if local is None else _endpoint_to_wire(local),
        )


def _endpoint_to_wire(endpoint: Endpoint) -> wire.Endpoint:
    return wire.Endpoint(host=endpoint.host, port=endpoint.port, encryption=endpoint.encryption)


class Tombstone(StatusPart):
    """A replica that was given up while its SPU was away; the SPU deletes it on its return."""

    topic: Name = Field(default="", description="the topic it belonged to")
    partition: U32 = Field(default=0, description="its number in the topic")
    uid: Annotated[str, Published(max_length=64)] = Field(
        default="", description="of the Partition object that is gone"
    )
    leader_epoch: I64 = Field(default=1, description="what lies below may be deleted")


class SpuStatus(StatusModel):
    """Whether its session with the controller is alive, and what it holds."""

    resolution: Annotated[wire.SpuStatusResolution, Word(wire.SpuStatusResolution)] = Field(
        default=wire.SpuStatusResolution.INIT, description="state word"
    )
    public_address: Line | None = Field(default=None, description="host:port that clients are told")
    node: Name | None = Field(default=None, description="the node its pod runs on")
    leaders: U32 | None = Field(default=None, description="partitions it leads")
    replicas: U32 | None = Field(default=None, description="partitions it holds")
    disk_used_percent: Annotated[U16, Published(maximum=100)] | None = Field(
        default=None, description="how full its volume is"
    )
    tombstones: (
        Annotated[list[Tombstone], Published(max_items=TOMBSTONES_MAX, list_type="atomic")] | None
    ) = Field(default=None, description="replicas to delete when it returns")

    @classmethod
    def of_wire(cls, status: wire.SpuStatus) -> Self:
        return cls(resolution=status.resolution)

    def to_wire(self) -> wire.SpuStatus:
        return wire.SpuStatus(resolution=self.resolution)
