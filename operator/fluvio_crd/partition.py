"""Partitions: made by the operator, read by people. Called by `manifest.py`.

Source: kubernetes reference 1.2, 2.5.
"""

from typing import Annotated, Self

from pydantic import AliasChoices, Field

from fluvio_crd.log_settings import (
    LogSettings,
    cleanup_of_wire,
    cleanup_to_wire,
    deduplication_of_wire,
    deduplication_to_wire,
    storage_of_wire,
    storage_to_wire,
)
from fluvio_crd.mirror_ends import PartitionMirror, mirror_of_wire, mirror_to_wire
from fluvio_crd.model import (
    I32,
    I64,
    REPLICAS_MAX,
    U16,
    U32,
    Model,
    Name,
    Published,
    Rule,
    SpecModel,
    SpuIds,
    StatusModel,
    StatusPart,
)
from fluvio_crd.words import Word
from fluvio_protocol.metadata import partition as wire
from fluvio_protocol.types import UNKNOWN_OFFSET, UNKNOWN_SPU, Offset, SpuId


class Incarnation(Model):
    """Which life of its data an SPU had when it came in sync."""

    spu: I32 = Field(description="SPU id")
    incarnation: I64 = Field(description="told by the SPU; it is another when records were lost")


class PartitionExtension(Model):
    """Our additions to a partition's spec: who may lead, since when, and where it moves."""

    leader_epoch: Annotated[I64, Published(minimum=1)] | None = Field(
        default=None, description="counts its leaderships; left out: 1"
    )
    in_sync: SpuIds | None = Field(
        default=None, description="SPUs that may lead it; left out: the leader alone"
    )
    eligible: SpuIds | None = Field(
        default=None, description="SPUs that may lead it when none of inSync can"
    )
    incarnations: (
        Annotated[list[Incarnation], Published(max_items=2 * REPLICAS_MAX, list_type="atomic")]
        | None
    ) = Field(default=None, description="which data the SPUs of inSync and eligible had")
    in_sync_version: Annotated[I64, Published(minimum=1)] | None = Field(
        default=None, description="counts the changes of leader and inSync; left out: 1"
    )
    successor: I32 | None = Field(
        default=None, description="SPU that the leader shall hand over to"
    )
    target_replicas: SpuIds | None = Field(
        default=None, description="where its replicas are moving to"
    )
    original_replicas: SpuIds | None = Field(
        default=None, description="where its replicas were before they began to move"
    )
    leaving_replicas: SpuIds | None = Field(
        default=None, description="SPUs that still have to delete the files of a former replica"
    )
    min_in_sync_replicas: Annotated[U16, Published(minimum=1)] | None = Field(
        default=None, description="replicas that a record needs, as its topic says; left out: 1"
    )
    unclean_leader_election: bool | None = Field(
        default=None, description="let a replica lead that may lack records, as its topic says"
    )


class PartitionSpec(PartitionExtension, LogSettings, SpecModel):
    """Where a partition lives, and the topic's settings it follows. The operator writes it."""

    rules = (
        Rule(
            "!has(self.replicas) || size(self.replicas) == 0 || self.leader in self.replicas",
            "leader must be one of replicas",
        ),
    )

    leader: I32 = Field(description="SPU that serves it")
    replicas: SpuIds = Field(
        default=[], description="SPUs that hold it, the leader too; the preferred leader first"
    )
    mirror: PartitionMirror | None = Field(default=None, description="other end of a mirror")
    system: bool = Field(default=False, description="belongs to the cluster")

    @classmethod
    def of_wire(cls, spec: wire.PartitionSpec) -> Self:
        return cls(
            leader=spec.leader,
            replicas=list(spec.replicas),
            cleanup_policy=cleanup_of_wire(spec.cleanup_policy),
            storage=storage_of_wire(spec.storage),
            compression_type=spec.compression_type,
            deduplication=deduplication_of_wire(spec.deduplication),
            system=spec.system,
            mirror=mirror_of_wire(spec.mirror),
        )

    def to_wire(self) -> wire.PartitionSpec:
        return wire.PartitionSpec(
            leader=SpuId(self.leader),
            replicas=tuple(map(SpuId, self.replicas)),
            cleanup_policy=cleanup_to_wire(self.cleanup_policy),
            storage=storage_to_wire(self.storage),
            compression_type=self.compression_type,
            deduplication=deduplication_to_wire(self.deduplication),
            system=self.system,
            mirror=mirror_to_wire(self.mirror),
        )


class ReplicaStatus(StatusPart):
    """Where one replica stands; -1 means unknown."""

    spu: I32 = Field(default=UNKNOWN_SPU, description="SPU that holds it")
    hw: I64 = Field(default=UNKNOWN_OFFSET, description="high watermark")
    leo: I64 = Field(default=UNKNOWN_OFFSET, description="log end offset")

    @classmethod
    def of_wire(cls, status: wire.ReplicaStatus) -> Self:
        return cls(spu=status.spu, hw=status.hw, leo=status.leo)

    def to_wire(self) -> wire.ReplicaStatus:
        return wire.ReplicaStatus(spu=SpuId(self.spu), hw=Offset(self.hw), leo=Offset(self.leo))


class PartitionStatus(StatusModel):
    """What the leader last reported."""

    resolution: Annotated[wire.PartitionResolution, Word(wire.PartitionResolution)] = Field(
        default=wire.PartitionResolution.OFFLINE, description="state word"
    )
    leader: ReplicaStatus = Field(
        default=ReplicaStatus.model_construct(
            spu=UNKNOWN_SPU, hw=UNKNOWN_OFFSET, leo=UNKNOWN_OFFSET
        ),
        description="where the leader stands",
    )
    replicas: Annotated[
        list[ReplicaStatus], Published(max_items=REPLICAS_MAX, list_type="atomic")
    ] = Field(default=[], description="where the followers stand")
    lsr: U32 = Field(
        default=0,
        validation_alias=AliasChoices("lsr", "lrs"),
        serialization_alias="lsr",
        description="followers that hold all the leader holds",
    )
    size: I64 = Field(
        default=wire.SIZE_UNKNOWN, description="bytes on the leader; -1 error, -2 unknown"
    )
    base_offset: I64 = Field(default=0, description="first offset in the log")
    is_being_deleted: bool = Field(default=False, description="waits for its files to go")
    topic: Name | None = Field(default=None, description="the topic it belongs to")
    leader_epoch: I64 | None = Field(default=None, description="counts its leaderships")
    in_sync: SpuIds | None = Field(default=None, description="SPUs that may lead it")
    eligible: SpuIds | None = Field(
        default=None, description="SPUs that may lead it when none of inSync can"
    )
    follower_lag: I64 | None = Field(
        default=None, description="records that the slowest follower lacks"
    )

    @classmethod
    def of_wire(cls, status: wire.PartitionStatus) -> Self:
        return cls(
            resolution=status.resolution,
            leader=ReplicaStatus.of_wire(status.leader),
            replicas=[ReplicaStatus.of_wire(replica) for replica in status.replicas],
            lsr=status.live_replica_count,
            size=status.size,
            base_offset=status.base_offset,
            is_being_deleted=status.is_being_deleted,
        )

    def to_wire(self) -> wire.PartitionStatus:
        return wire.PartitionStatus(
            resolution=self.resolution,
            leader=self.leader.to_wire(),
            live_replica_count=self.lsr,
            replicas=tuple(replica.to_wire() for replica in self.replicas),
            size=self.size,
            is_being_deleted=self.is_being_deleted,
            base_offset=Offset(self.base_offset),
        )
