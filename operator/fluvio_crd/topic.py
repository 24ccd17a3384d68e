"""Topics. Called by `manifest.py`. Source: kubernetes reference 1.1, 1.9."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fluvio_crd.log_settings import (
    LogSettings,
    cleanup_of_wire,
    cleanup_to_wire,
    deduplication_of_wire,
    deduplication_to_wire,
    storage_of_wire,
    storage_to_wire,
)
from fluvio_crd.mirror_ends import HomeEnd, PartitionMirror, mirror_of_wire, mirror_to_wire
from fluvio_crd.model import (
    I32,
    PARTITIONS_MAX,
    U16,
    U32,
    Line,
    Model,
    Name,
    Published,
    Rule,
    SpecModel,
    SpuIds,
    StatusModel,
    Text,
    exactly_one,
)
from fluvio_crd.settings import DeletionPolicy
from fluvio_crd.words import NumberOrText, Word
from fluvio_protocol.metadata import mirror as wire_mirror
from fluvio_protocol.metadata import topic as wire
from fluvio_protocol.types import PartitionId, SpuId

ASSIGNED_REPLICAS_MAX = 16
"""In one row: 5000 rows, compared pairwise, are what the API server's cost limit allows."""

NAME_RULE = Rule(
    f"size(self.metadata.name) <= {wire.TOPIC_NAME_LENGTH_MAX} "
    "&& !self.metadata.name.contains('.')",
    "a topic's name has at most 63 characters and no dot: clients could not use it",
)


class Computed(Model):
    """The controller places the replicas."""

    partitions: Annotated[
        U32,
        Published(
            minimum=1,
            maximum=PARTITIONS_MAX,
            default=1,
            rules=(Rule("self >= oldSelf", "partitions can be added, never taken away"),),
        ),
    ] = Field(default=1, description="number of partitions")
    replication_factor: Annotated[U32, Published(minimum=1, maximum=PARTITIONS_MAX, default=1)] = (
        Field(default=1, description="replicas of each, not more than there are SPUs")
    )
    ignore_rack_assignment: bool = Field(default=False, description="place without regard to racks")


class Assigned(Model):
    """Replicas of one partition."""

    id: Annotated[U32, Published(minimum=0)] = Field(
        description="partition number: 0, 1, 2 and so on, in order"
    )
    replicas: Annotated[
        list[Annotated[I32, Published(minimum=0)]],
        Published(
            min_items=1,
            max_items=ASSIGNED_REPLICAS_MAX,
            list_type="atomic",
            rules=(
                Rule(
                    "self.all(a, self.exists_one(b, a == b))",
                    "replicas of a partition must be on different SPUs",
                ),
            ),
        ),
    ] = Field(description="SPU ids, the preferred leader first")
    mirror: PartitionMirror | None = Field(default=None, description="other end of a mirror")


class HomeSpu(Model):
    """An SPU of the home cluster."""

    id: Annotated[I32, Published(minimum=0)] = Field(description="SPU id there")
    key: Name = Field(description="SPU object name there")
    endpoint: Line = Field(description="host:port there")


class ToRemotes(Model):
    """A topic at home that remote clusters mirror."""

    partitions: Annotated[
        list[HomeEnd], Published(max_items=PARTITIONS_MAX, list_type="atomic")
    ] = Field(default=[], description="one per remote")
    source: bool = Field(default=False, description="records go to the remotes")


class FromHome(Model):
    """A topic of an edge cluster that mirrors its home."""

    home_cluster: Name = Field(description="the mirror object")
    home_spus: Annotated[list[HomeSpu], Published(max_items=PARTITIONS_MAX, list_type="atomic")] = (
        Field(default=[], description="where its partitions are at home, one per partition")
    )
    target: bool = Field(default=False, description="records come from home")


class Mirror(Model):
    """Partitions that are mirrored between clusters."""

    rules = (
        Rule(
            "[has(self.home), has(self.remote)].exists_one(x, x)",
            "give exactly one of home and remote",
        ),
        Rule(
            "has(self.home) == has(oldSelf.home)",
            "a mirrored topic cannot switch between home and remote: make a new one",
        ),
    )

    home: ToRemotes | None = Field(default=None, description="we are the home")
    remote: FromHome | None = Field(default=None, description="we are a remote")

    @field_validator("home", mode="before")
    @classmethod
    def _older_form(cls, value: Any) -> Any:
        """`home` used to be the list of partitions itself."""
        return {"partitions": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "home", "remote")
        return self


class Replicas(Model):
    """How many partitions and replicas, and where."""

    rules = (
        Rule(
            "[has(self.computed), has(self.assigned), has(self.mirror)].exists_one(x, x)",
            "give exactly one of computed, assigned and mirror",
        ),
        Rule(
            "has(self.computed) == has(oldSelf.computed) "
            "&& has(self.mirror) == has(oldSelf.mirror)",
            "replicas cannot switch between computed, assigned and mirror: make a new topic",
        ),
    )

    computed: Computed | None = Field(
        default=None, description="the controller places the replicas"
    )
    assigned: (
        Annotated[
            list[Assigned],
            Published(
                min_items=1,
                max_items=PARTITIONS_MAX,
                list_type="map",
                list_keys=("id",),
                rules=(
                    Rule(
                        "self.all(p, p.id < size(self))",
                        "ids of assigned partitions must be 0, 1, 2 and so on, without gaps",
                    ),
                    Rule(
                        "self.all(p, size(p.replicas) == size(self[0].replicas))",
                        "all assigned partitions must have the same number of replicas",
                    ),
                    Rule(
                        "size(self) >= size(oldSelf)",
                        "partitions can be added, never taken away",
                    ),
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="the user places the replicas")
    mirror: Mirror | None = Field(default=None, description="shared with another cluster")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        exactly_one(self, "computed", "assigned", "mirror")
        return self

    @classmethod
    def of_wire(cls, replicas: wire.ReplicaSpec) -> Self:
        match replicas:
            case wire.ComputedReplicas():
                return cls(
                    computed=Computed(
                        partitions=replicas.partitions,
                        replication_factor=replicas.replication_factor,
                        ignore_rack_assignment=replicas.ignore_rack_assignment,
                    )
                )
            case wire.AssignedReplicas():
                rows = [
                    Assigned(
                        id=row.id, replicas=list(row.replicas), mirror=mirror_of_wire(row.mirror)
                    )
                    for row in replicas.maps
                ]
                return cls(assigned=rows)
            case wire.MirrorReplicas(config=wire.MirrorToRemotes() as home):
                ends = [HomeEnd.of_wire(end) for end in home.partitions]
                return cls(mirror=Mirror(home=ToRemotes(partitions=ends, source=home.source)))
            case wire.MirrorReplicas(config=wire.MirrorFromHome() as remote):
                spus = [
                    HomeSpu(id=spu.id, key=spu.key, endpoint=spu.endpoint)
                    for spu in remote.home_spus
                ]
                return cls(
                    mirror=Mirror(
                        remote=FromHome(
                            home_cluster=remote.home_cluster, home_spus=spus, target=remote.target
                        )
                    )
                )
            case _:
                raise AssertionError(f"{type(replicas).__name__} is no way to place replicas")

    def to_wire(self) -> wire.ReplicaSpec:
        if self.computed is not None:
            return wire.ComputedReplicas(
                partitions=self.computed.partitions,
                replication_factor=self.computed.replication_factor,
                ignore_rack_assignment=self.computed.ignore_rack_assignment,
            )
        if self.assigned is not None:
            return wire.AssignedReplicas(
                maps=tuple(
                    wire.PartitionMap(
                        id=PartitionId(row.id),
                        replicas=tuple(map(SpuId, row.replicas)),
                        mirror=mirror_to_wire(row.mirror),
                    )
                    for row in self.assigned
                )
            )
        assert self.mirror is not None
        return wire.MirrorReplicas(config=_mirror_config(self.mirror))


def _mirror_config(mirror: Mirror) -> wire.MirrorConfig:
    if mirror.home is not None:
        return wire.MirrorToRemotes(
            partitions=tuple(end.to_wire() for end in mirror.home.partitions),
            source=mirror.home.source,
        )
    assert mirror.remote is not None
    return wire.MirrorFromHome(
        home_cluster=mirror.remote.home_cluster,
        home_spus=tuple(
            wire_mirror.SpuMirror(id=spu.id, key=spu.key, endpoint=spu.endpoint)
            for spu in mirror.remote.home_spus
        ),
        target=mirror.remote.target,
    )


class TopicExtension(Model):
    """Our additions to a topic's spec."""

    deletion_policy: Annotated[DeletionPolicy, Word(DeletionPolicy)] | None = Field(
        default=None,
        description="Delete: the data goes with the topic; Retain: the topic cannot be deleted "
        "until this says Delete",
    )
    min_in_sync_replicas: Annotated[U16, Published(minimum=1)] | None = Field(
        default=None,
        description="replicas that must hold a record before it is acknowledged; left out: "
        "what the group of SPUs says, or 1",
    )
    unclean_leader_election: bool | None = Field(
        default=None,
        description="let a replica lead that may lack acknowledged records, when no other is left",
    )


class TopicSpec(TopicExtension, LogSettings, SpecModel):
    """What the user wants of a topic."""

    rules = (
        Rule(
            "!has(self.minInSyncReplicas) || !has(self.replicas.computed) "
            "|| self.minInSyncReplicas <= self.replicas.computed.replicationFactor",
            "minInSyncReplicas must not be more than replicationFactor",
        ),
    )

    replicas: Annotated[
        Replicas, Published(default={"computed": {"partitions": 1, "replicationFactor": 1}})
    ] = Field(
        default=Replicas.model_construct(
            computed=Computed.model_construct(
                partitions=1, replication_factor=1, ignore_rack_assignment=False
            )
        ),
        description="partitions and replicas; left out: one of one",
    )
    system: Annotated[
        bool,
        Published(default=False, rules=(Rule("self == oldSelf", "system cannot be changed"),)),
    ] = Field(default=False, description="belongs to the cluster, hidden from lists")

    @classmethod
    def of_wire(cls, spec: wire.TopicSpec) -> Self:
        return cls(
            replicas=Replicas.of_wire(spec.replicas),
            cleanup_policy=cleanup_of_wire(spec.cleanup_policy),
            storage=storage_of_wire(spec.storage),
            compression_type=spec.compression_type,
            deduplication=deduplication_of_wire(spec.deduplication),
            system=spec.system,
        )

    def to_wire(self) -> wire.TopicSpec:
        return wire.TopicSpec(
            replicas=self.replicas.to_wire(),
            cleanup_policy=cleanup_to_wire(self.cleanup_policy),
            storage=storage_to_wire(self.storage),
            compression_type=self.compression_type,
            deduplication=deduplication_to_wire(self.deduplication),
            system=self.system,
        )


def _readable_rows(value: Any) -> Any:
    """Rows whose key is a partition number; the others are as if they were not there."""
    if not isinstance(value, dict):
        return value
    return {
        str(key): row
        for key, row in value.items()
        if str(key).isascii() and str(key).isdigit() and len(str(key)) <= 10
    }


ReplicaMap = Annotated[
    dict[str, SpuIds], Published(max_properties=2 * PARTITIONS_MAX), BeforeValidator(_readable_rows)
]
MirrorMap = Annotated[
    dict[str, PartitionMirror],
    Published(max_properties=2 * PARTITIONS_MAX),
    BeforeValidator(_readable_rows),
]


class TopicStatus(StatusModel):
    """What became of a topic."""

    resolution: Annotated[wire.TopicResolution, Word(wire.TopicResolution)] = Field(
        default=wire.TopicResolution.INIT, description="state word"
    )
    replica_map: ReplicaMap = Field(
        default={}, description="partition number to SPU ids, the preferred leader first"
    )
    mirror_map: MirrorMap = Field(default={}, description="partition number to its mirror")
    reason: Text = Field(default="", description="why it is not provisioned")
    type: Annotated[str, Published(max_length=16)] | None = Field(
        default=None, description="computed, assigned or mirror"
    )
    partitions: U32 | None = Field(default=None, description="number of partitions")
    replication_factor: Annotated[str, NumberOrText()] | None = Field(
        default=None, description="replicas of each partition"
    )
    under_replicated: U32 | None = Field(
        default=None, description="partitions with fewer replicas in sync than wanted"
    )

    @classmethod
    def of_wire(cls, status: wire.TopicStatus) -> Self:
        mirrors = {str(index): mirror_of_wire(end) for index, end in status.mirror_map.items()}
        return cls(
            resolution=status.resolution,
            replica_map={str(index): list(row) for index, row in status.replica_map.items()},
            mirror_map={index: end for index, end in mirrors.items() if end is not None},
            reason=status.reason,
        )

    def to_wire(self) -> wire.TopicStatus:
        mirrors = {
            PartitionId(int(index)): mirror_to_wire(end) for index, end in self.mirror_map.items()
        }
        return wire.TopicStatus(
            resolution=self.resolution,
            replica_map={
                PartitionId(int(index)): tuple(map(SpuId, row))
                for index, row in self.replica_map.items()
            },
            mirror_map={index: end for index, end in mirrors.items() if end is not None},
            reason=self.reason,
        )
