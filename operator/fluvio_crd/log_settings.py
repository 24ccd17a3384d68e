"""What a topic and its partitions say alike: retention, sizes, codec, deduplication.

Used by `topic.py` and `partition.py`, whose specs have these fields first.
"""

from typing import Annotated

from pydantic import Field

from fluvio_crd.duration import HumanDuration
from fluvio_crd.model import U32, U64, Line, Model, Published, Rule, Text
from fluvio_crd.words import Word
from fluvio_protocol.metadata import topic as wire


class Segment(Model):
    """Segments older than this are removed."""

    time_in_seconds: Annotated[U32, Published(minimum=wire.RETENTION_SECONDS_MIN)] = Field(
        description="retention in seconds"
    )


class CleanupPolicy(Model):
    """What is removed, and when."""

    segment: Segment = Field(description="by age; the only policy there is")


class Storage(Model):
    """Sizes of the log on disk."""

    rules = (
        Rule(
            "!has(self.maxPartitionSize) || self.maxPartitionSize >= "
            f"(has(self.segmentSize) ? self.segmentSize : {wire.SEGMENT_SIZE_BYTES_DEFAULT})",
            "maxPartitionSize must not be less than segmentSize (1073741824 when left out)",
        ),
    )

    segment_size: Annotated[U32, Published(minimum=wire.SEGMENT_SIZE_BYTES_MIN)] | None = Field(
        default=None, description="bytes of one segment; left out: 1 GiB"
    )
    max_partition_size: Annotated[U64, Published(minimum=wire.PARTITION_SIZE_BYTES_MIN)] | None = (
        Field(default=None, description="bytes of one partition; left out: 100 GiB")
    )


class Bounds(Model):
    """How far back duplicates are looked for."""

    count: Annotated[U64, Published(minimum=1)] = Field(description="so many records")
    age: Annotated[wire.Duration, HumanDuration(), Published(nullable=True)] | None = Field(
        default=None, description="so long, such as 30s or 1m 30s"
    )


class Transform(Model):
    """A SmartModule and its parameters."""

    uses: Line = Field(description="the SmartModule, as group/name@version")
    with_: Annotated[dict[str, Text], Published(max_properties=64)] = Field(
        default={}, alias="with", description="its parameters"
    )


class Filter(Model):
    """What tells duplicates."""

    transform: Transform = Field(description="the module that does")


class Deduplication(Model):
    """Records seen before are dropped on produce."""

    bounds: Bounds = Field(description="how far back")
    filter: Filter = Field(description="by which module")


class LogSettings(Model):
    """The fields that a topic's spec and a partition's have in common."""

    cleanup_policy: CleanupPolicy | None = Field(
        default=None, description="retention; left out: 7 days"
    )
    storage: Storage | None = Field(default=None, description="sizes of the log")
    compression_type: Annotated[wire.CompressionType, Word(wire.CompressionType)] = Field(
        default=wire.CompressionType.ANY, description="codec that producers must use"
    )
    deduplication: Annotated[Deduplication, Published(nullable=True)] | None = Field(
        default=None, description="drop duplicates"
    )


def cleanup_of_wire(policy: wire.CleanupPolicy | None) -> CleanupPolicy | None:
    if policy is None:
        return None
    return CleanupPolicy(segment=Segment(time_in_seconds=policy.time_in_seconds))


def cleanup_to_wire(policy: CleanupPolicy | None) -> wire.CleanupPolicy | None:
    if policy is None:
        return None
    return wire.SegmentCleanup(time_in_seconds=policy.segment.time_in_seconds)


def storage_of_wire(storage: wire.TopicStorage | None) -> Storage | None:
    if storage is None:
        return None
    return Storage(segment_size=storage.segment_size, max_partition_size=storage.max_partition_size)


def storage_to_wire(storage: Storage | None) -> wire.TopicStorage | None:
    if storage is None:
        return None
    return wire.TopicStorage(
        segment_size=storage.segment_size, max_partition_size=storage.max_partition_size
    )


def deduplication_of_wire(deduplication: wire.Deduplication | None) -> Deduplication | None:
    if deduplication is None:
        return None
    bounds, module = deduplication.bounds, deduplication.filter
    return Deduplication(
        bounds=Bounds(count=bounds.count, age=bounds.age),
        filter=Filter(
            transform=Transform.model_validate({"uses": module.uses, "with": module.with_})
        ),
    )


def deduplication_to_wire(deduplication: Deduplication | None) -> wire.Deduplication | None:
    if deduplication is None:
        return None
    bounds, module = deduplication.bounds, deduplication.filter.transform
    return wire.Deduplication(
        bounds=wire.DeduplicationBounds(count=bounds.count, age=bounds.age),
        filter=wire.Transform(uses=module.uses, with_=module.with_),
    )
