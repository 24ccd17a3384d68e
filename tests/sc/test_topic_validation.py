"""Fluvio's rules for topics, in Fluvio's words."""

import pytest

from fluvio_protocol.metadata.spu_group import SpuGroupSpec
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    ComputedReplicas,
    Deduplication,
    DeduplicationBounds,
    MirrorReplicas,
    MirrorToRemotes,
    PartitionMap,
    SegmentCleanup,
    TopicSpec,
    TopicStorage,
    Transform,
)
from fluvio_protocol.types import PartitionId, SpuId
from fluvio_sc.core.validation import (
    PARTITION_COUNT_MAX,
    assigned_replicas_problem,
    smart_module_name_problem,
    spu_group_problem,
    topic_config_problem,
    topic_name_problem,
    topic_replicas_problem,
)


@pytest.mark.parametrize("name", ["a", "0", "7e57-topic", "a-b-c", "a" * 63, "a--b"])
def test_good_topic_names(name: str) -> None:
    assert topic_name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "-", "A", "a_b", "a.b", "a b", "ä", "a\n", "\u0660", "a" * 64, "a/b"],
)
def test_bad_topic_names(name: str) -> None:
    problem = topic_name_problem(name)
    assert problem is not None
    assert f"Invalid topic name: '{name}'" in problem


def test_packaged_smart_module_names_have_dots() -> None:
    assert smart_module_name_problem("dedup-fluvio-0.1.0") is None
    for name in ("", ".a", "a.", "a/b", "A", "x" * 254):
        assert smart_module_name_problem(name) is not None


def rows(*replica_lists: tuple[int, ...], ids: tuple[int, ...] | None = None) -> AssignedReplicas:
    numbers = ids if ids is not None else range(len(replica_lists))
    return AssignedReplicas(
        maps=tuple(
            PartitionMap(id=PartitionId(number), replicas=tuple(map(SpuId, replicas)))
            for number, replicas in zip(numbers, replica_lists, strict=True)
        )
    )


@pytest.mark.parametrize(
    ("assigned", "problem"),
    [
        (rows((1,)), None),
        (rows((1, 2), (2, 1)), None),
        (rows(), "no assigned partitions found"),
        (rows((0,), (2,), ids=(1, 2)), "assigned partitions must start with id 0"),
        (rows((), (1,)), "assigned replicas must have at least one spu id"),
        (
            rows((0,), (2,), ids=(0, 2)),
            "assigned partition ids must be in sequence and without gaps",
        ),
        (
            rows((0,), (2,), (1,), ids=(0, 2, 1)),
            "assigned partition ids must be in sequence and without gaps",
        ),
        (
            rows((0,), (1,), (1,), ids=(0, 1, 1)),
            "assigned partition ids must be in sequence and without gaps",
        ),
        (rows((1, 2), (1,)), "all assigned replicas must have the same number of spu ids: 2"),
        (rows((1, 2), (1, 1)), "duplicate spu ids found in assigned partition with id: 1"),
        (rows((3, 1, 2, 3)), "duplicate spu ids found in assigned partition with id: 0"),
        (rows((1, 2), (1, -2)), "invalid spu id: -2 in assigned partition with id: 1"),
    ],
)
def test_assigned_maps(assigned: AssignedReplicas, problem: str | None) -> None:
    assert assigned_replicas_problem(assigned) == problem
    assert topic_replicas_problem(TopicSpec(replicas=assigned)) == problem


@pytest.mark.parametrize(
    ("partitions", "factor", "problem"),
    [
        (1, 1, None),
        (PARTITION_COUNT_MAX, 3, None),
        (0, 1, "partition must be greater than 0"),
        (1, 0, "replication factor must be greater than 0"),
        (0, 0, "partition must be greater than 0"),
        (PARTITION_COUNT_MAX + 1, 1, "10001 partitions are more than 10000"),
        (1, 4_000_000_000, "replication factor 4000000000 is more than 64"),
    ],
)
def test_computed_maps(partitions: int, factor: int, problem: str | None) -> None:
    replicas = ComputedReplicas(partitions=partitions, replication_factor=factor)
    assert topic_replicas_problem(TopicSpec(replicas=replicas)) == problem


def test_a_mirror_topic_without_remotes_is_possible() -> None:
    mirror = MirrorReplicas(config=MirrorToRemotes(partitions=()))
    assert topic_replicas_problem(TopicSpec(replicas=mirror)) is None


def storage(segment: int | None = None, partition: int | None = None) -> TopicSpec:
    return TopicSpec(storage=TopicStorage(segment_size=segment, max_partition_size=partition))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (TopicSpec(), None),
        (TopicSpec(cleanup_policy=SegmentCleanup(time_in_seconds=10)), None),
        (
            TopicSpec(cleanup_policy=SegmentCleanup(time_in_seconds=9)),
            "retention_secs 9 is less than minimum 10",
        ),
        (storage(1024, 2048), None),
        (storage(1023), "segment_size 1023 is less than minimum 1024"),
        (storage(1024, 10), "max_partition_size 10 is less than minimum 2048"),
        (storage(3072, 2048), "max_partition_size 2048 is less than segment size 3072"),
        (storage(3072, 3072), None),
        (storage(None, 2048), "max_partition_size 2048 is less than segment size 1073741824"),
        (storage(None, 1 << 40), None),
        (
            TopicSpec(
                deduplication=Deduplication(
                    bounds=DeduplicationBounds(count=0), filter=Transform(uses="m")
                )
            ),
            "deduplication bounds count must be greater than 0",
        ),
    ],
)
def test_settings(spec: TopicSpec, problem: str | None) -> None:
    assert topic_config_problem(spec) == problem


def test_spu_groups() -> None:
    assert spu_group_problem(SpuGroupSpec(replicas=3, min_id=SpuId(0))) is None
    assert spu_group_problem(SpuGroupSpec(replicas=3, min_id=SpuId(-1))) == "min id -1 is negative"
    assert spu_group_problem(SpuGroupSpec(replicas=5000)) is not None
