"""The other end of a mirrored partition, as topics and partitions tell it.

Used by `topic.py` and `partition.py`. Source: kubernetes reference 1.1, 1.2; the key `homeSpu`
that Fluvio's own CRD demands, and nothing reads, is not demanded here.
"""

from typing import Annotated, Self, assert_never

from pydantic import Field, model_validator

from fluvio_crd.model import I32, Line, Model, Name, Published, Rule, exactly_one
from fluvio_protocol.metadata import mirror as wire
from fluvio_protocol.types import SpuId


class HomeEnd(Model):
    """A remote cluster mirrors this partition."""

    remote_cluster: Name = Field(description="the mirror object")
    remote_replica: Name = Field(description="partition name there")
    source: bool = Field(default=False, description="records go to the remote")

    @classmethod
    def of_wire(cls, end: wire.HomePartition) -> Self:
        return cls(
            remote_cluster=end.remote_cluster,
            remote_replica=end.remote_replica,
            source=end.source,
        )

    def to_wire(self) -> wire.HomePartition:
        return wire.HomePartition(
            remote_cluster=self.remote_cluster,
            remote_replica=self.remote_replica,
            source=self.source,
        )


class RemoteEnd(Model):
    """This partition mirrors one of the home cluster."""

    home_cluster: Name = Field(description="the mirror object")
    home_spu_key: Name = Field(description="SPU object name there")
    home_spu_id: Annotated[I32, Published(minimum=0)] = Field(description="SPU id there")
    home_spu_endpoint: Line = Field(description="host:port there")
    target: bool = Field(default=False, description="records come from home")

    @classmethod
    def of_wire(cls, end: wire.RemotePartition) -> Self:
        return cls(
            home_cluster=end.home_cluster,
            home_spu_key=end.home_spu_key,
            home_spu_id=end.home_spu_id,
            home_spu_endpoint=end.home_spu_endpoint,
            target=end.target,
        )

    def to_wire(self) -> wire.RemotePartition:
        return wire.RemotePartition(
            home_cluster=self.home_cluster,
            home_spu_key=self.home_spu_key,
            home_spu_id=SpuId(self.home_spu_id),
            home_spu_endpoint=self.home_spu_endpoint,
            target=self.target,
        )


class PartitionMirror(Model):
    """Which end a partition is."""

    rules = (
        Rule(
            "[has(self.remote), has(self.home)].exists_one(x, x)",
            "give exactly one of remote and home",
        ),
    )

    remote: RemoteEnd | None = Field(default=None, description="it mirrors one at home")
    home: HomeEnd | None = Field(default=None, description="a remote mirrors it")

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        exactly_one(self, "remote", "home")
        return self


def mirror_of_wire(mirror: wire.PartitionMirror | None) -> PartitionMirror | None:
    match mirror:
        case None:
            return None
        case wire.HomePartition():
            return PartitionMirror(home=HomeEnd.of_wire(mirror))
        case wire.RemotePartition():
            return PartitionMirror(remote=RemoteEnd.of_wire(mirror))
        case _:
            assert_never(mirror)


def mirror_to_wire(mirror: PartitionMirror | None) -> wire.PartitionMirror | None:
    if mirror is None:
        return None
    if mirror.home is not None:
        return mirror.home.to_wire()
    assert mirror.remote is not None
    return mirror.remote.to_wire()
