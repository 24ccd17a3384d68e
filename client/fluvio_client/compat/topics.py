"""What a topic is to be, as the official package says it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from fluvio_client import admin
from fluvio_client.errors import ClientError
from fluvio_client.quantities import bytes_of, whole_seconds_of
from fluvio_protocol.metadata import topic as wire
from fluvio_protocol.types import CompressionType as WireCompression


class TopicMode(Enum):
    """How replicas get their places."""

    MIRROR = "mirror"
    ASSIGNED = "assigned"
    COMPUTED = "computed"


class CompressionType(Enum):
    """What a topic demands of its producers."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ANY = "any"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class PartitionMap:
    """The SPUs of one partition, leader first."""

    partition: int
    replicas: tuple[int, ...]

    @classmethod
    def new(cls, partition: int, replicas: Sequence[int]) -> Self:
        """Of these SPUs."""
        return cls(partition, tuple(replicas))


@dataclass(frozen=True)
class TopicSpec:
    """A topic to be; each `with_` gives another one, and `build` what the admin takes."""

    mode: TopicMode = TopicMode.COMPUTED
    partitions: int = 1
    replications: int = 1
    ignore_rack: bool = True
    replica_assignment: Sequence[PartitionMap] | None = None
    retention_time: int | None = None
    segment_size: int | None = None
    compression_type: CompressionType | None = None
    max_partition_size: int | None = None
    system: bool = False

    @classmethod
    def new(cls, partitions: int = 1, replication: int = 1, ignore: bool = True) -> Self:
        """With a computed placement."""
        return cls(partitions=partitions, replications=replication, ignore_rack=ignore)

    @classmethod
    def create(cls) -> Self:
        """With one partition."""
        return cls()

    def with_assignment(self, replica_assignment: Sequence[PartitionMap]) -> Self:
        """On these SPUs."""
        return replace(self, mode=TopicMode.ASSIGNED, replica_assignment=replica_assignment)

    def as_mirror_topic(self) -> Self:
        """Mirrored; this release refuses it."""
        return replace(self, mode=TopicMode.MIRROR)

    def with_partitions(self, partitions: int) -> Self:
        """So many. Raises ValueError."""
        if partitions < 0:
            raise ValueError("Partitions must be a positive integer")
        return replace(self, partitions=partitions)

    def with_replications(self, replications: int) -> Self:
        """So many replicas of each. Raises ValueError."""
        if replications < 0:
            raise ValueError("Replication factor must be a positive integer")
        return replace(self, replications=replications)

    def with_ignore_rack(self, ignore: bool = True) -> Self:
        """Whether racks do not matter for the placement."""
        return replace(self, ignore_rack=ignore)

    def with_compression(self, compression: CompressionType) -> Self:
        """What producers must use."""
        return replace(self, compression_type=compression)

    def with_retention_time(self, retention_time: str | int) -> Self:
        """How long records are kept: seconds, or a text such as `7 days`. Raises ValueError."""
        return replace(self, retention_time=whole_seconds_of(retention_time))

    def with_segment_size(self, size: str | int) -> Self:
        """Bytes, or a text such as `10 MiB`. Raises ValueError."""
        return replace(self, segment_size=_bytes(size))

    def with_max_partition_size(self, size: str | int) -> Self:
        """Bytes, or a text such as `1 GiB`. Raises ValueError."""
        return replace(self, max_partition_size=_bytes(size))

    def as_system_topic(self, is_system: bool = True) -> Self:
        """One of the cluster's own."""
        return replace(self, system=is_system)

    def build(self) -> wire.TopicSpec:
        """For `FluvioAdmin.create_topic`. Raises ValueError, ClientError for a mirror."""
        if self.mode is TopicMode.MIRROR:
            raise ClientError("this release makes no mirror topics")
        rows = None
        if self.mode is TopicMode.ASSIGNED and self.replica_assignment:
            maps = sorted(self.replica_assignment, key=lambda one: one.partition)
            rows = [one.replicas for one in maps]
        return admin.topic_spec(
            self.partitions,
            self.replications,
            ignore_rack_assignment=self.ignore_rack,
            assignment=rows,
            retention=self.retention_time,
            segment_size=self.segment_size,
            max_partition_size=self.max_partition_size,
            compression=WireCompression.ANY
            if self.compression_type is None
            else self.compression_type.value,
            system=self.system,
        )


def _bytes(size: str | int) -> int:
    """The package's rule: units with `ib` count by 1024, all others by 1000."""
    if isinstance(size, str) and "ib" not in size.lower():
        size = size.rstrip()
        if size[-1:] in "iI":
            size = size[:-1]
    return bytes_of(size)
