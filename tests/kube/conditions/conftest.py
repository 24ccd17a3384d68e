"""Shared by the tests of conditions: stored objects, and conditions as short text."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluvio_operator.conditions.condition import Condition
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
)
from fluvio_protocol.metadata.spu import (
    Endpoint,
    IngressAddress,
    IngressPort,
    SpuSpec,
    SpuStatus,
    SpuStatusResolution,
)
from fluvio_protocol.metadata.spu_group import (
    SpuGroupResolution,
    SpuGroupSpec,
    SpuGroupStatus,
)
from fluvio_protocol.metadata.topic import (
    ComputedReplicas,
    TopicResolution,
    TopicSpec,
    TopicStatus,
)
from fluvio_protocol.types import LeaderEpoch, SpuId
from fluvio_sc.core.cluster_state import StoredObject
from fluvio_sc.core.replication_state import ReplicationState

Make = Callable[..., StoredObject]
Said = Callable[[Iterable[Condition]], dict[str, str]]


def make_partition(
    number: int = 0,
    resolution: PartitionResolution = PartitionResolution.ONLINE,
    *,
    replicas: Iterable[int] = (0, 1, 2),
    in_sync: Iterable[int] = (0, 1, 2),
    leader: int = 0,
    topic: str = "orders",
    **rest: Any,
) -> StoredObject:
    return StoredObject(
        kind=Kind.PARTITION,
        name=f"{topic}-{number}",
        uid=f"uid-{number}",
        spec=PartitionSpec(leader=SpuId(leader), replicas=tuple(map(SpuId, replicas))),
        status=PartitionStatus(resolution=resolution),
        leader_epoch=LeaderEpoch(7),
        replication=ReplicationState.of_spus(map(SpuId, in_sync)),
        **rest,
    )


def make_topic(
    resolution: TopicResolution = TopicResolution.PROVISIONED,
    reason: str = "",
    *,
    replicas: Any = None,
    **rest: Any,
) -> StoredObject:
    """Two partitions of three replicas, unless `replicas` says otherwise."""
    wanted = replicas or ComputedReplicas(partitions=2, replication_factor=3)
    return StoredObject(
        kind=Kind.TOPIC,
        name="orders",
        uid="uid",
        spec=TopicSpec(replicas=wanted),
        status=TopicStatus(resolution=resolution, reason=reason),
        **rest,
    )


def make_spu(
    number: int = 0,
    resolution: SpuStatusResolution = SpuStatusResolution.ONLINE,
    *,
    hosts: Iterable[str] = ("edge.example.test",),
    **rest: Any,
) -> StoredObject:
    ingress = tuple(IngressAddress(hostname=host) for host in hosts)
    return StoredObject(
        kind=Kind.SPU,
        name=f"main-{number}",
        uid=f"uid-{number}",
        spec=SpuSpec(
            id=SpuId(number),
            public_endpoint=IngressPort(port=30004 + number, ingress=ingress),
            private_endpoint=Endpoint(port=9006, host="inside"),
        ),
        status=SpuStatus(resolution=resolution),
        **rest,
    )


def make_group(
    resolution: SpuGroupResolution = SpuGroupResolution.RESERVED,
    reason: str | None = None,
    *,
    replicas: int = 3,
    min_id: int = 0,
    **rest: Any,
) -> StoredObject:
    return StoredObject(
        kind=Kind.SPU_GROUP,
        name="main",
        uid="uid",
        spec=SpuGroupSpec(replicas=replicas, min_id=SpuId(min_id)),
        status=SpuGroupStatus(resolution=resolution, reason=reason),
        **rest,
    )


def said(conditions: Iterable[Condition]) -> dict[str, str]:
    """`Ready: True Registered` and so on, by type; a type occurs once."""
    found = list(conditions)
    by_type = {str(each.type): f"{each.status} {each.reason}" for each in found}
    assert len(by_type) == len(found)
    return by_type


@pytest.fixture(name="make_partition")
def _make_partition() -> Make:
    return make_partition


@pytest.fixture(name="make_topic")
def _make_topic() -> Make:
    return make_topic


@pytest.fixture(name="make_spu")
def _make_spu() -> Make:
    return make_spu


@pytest.fixture(name="make_group")
def _make_group() -> Make:
    return make_group


@pytest.fixture(name="said")
def _said() -> Said:
    return said
