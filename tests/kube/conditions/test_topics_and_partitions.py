"""Conditions of topics and partitions, and what `kubectl get` shows of them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluvio_operator.conditions.condition import Condition
from fluvio_operator.conditions.partition import conditions_of_partition
from fluvio_operator.conditions.status_extras import partition_extras, topic_extras
from fluvio_operator.conditions.topic import conditions_of_topic
from fluvio_protocol.metadata.partition import PartitionResolution
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    MirrorFromHome,
    MirrorReplicas,
    PartitionMap,
    TopicResolution,
)
from fluvio_protocol.types import PartitionId, SpuId
from fluvio_sc.core.cluster_state import StoredObject

Make = Callable[..., StoredObject]
Said = Callable[[Iterable[Condition]], dict[str, str]]

OFFLINE = PartitionResolution.OFFLINE
ONLINE = PartitionResolution.ONLINE
LEADER_OFFLINE = PartitionResolution.LEADER_OFFLINE
ELECTED = PartitionResolution.ELECTION_LEADER_FOUND
FULL = PartitionResolution.OUT_OF_STORAGE

HEALTHY = {
    "Ready": "True Ready",
    "LeaderElected": "True LeaderOnline",
    "InSync": "True AllInSync",
    "OutOfStorage": "False DiskHasRoom",
}
ASSIGNED = AssignedReplicas(maps=(PartitionMap(id=PartitionId(0), replicas=(SpuId(0), SpuId(9))),))


@pytest.mark.parametrize(
    ("partition", "minimum", "expected"),
    [
        ({}, 1, {}),
        (
            {"resolution": OFFLINE},
            1,
            {
                "Ready": "False WaitingForLeader",
                "LeaderElected": "None WaitingForLeader",
                "Reconciling": "True WaitingForLeader",
            },
        ),
        (
            {"resolution": ELECTED},
            1,
            {
                "Ready": "False LeaderChanged",
                "LeaderElected": "True LeaderElected",
                "Reconciling": "True LeaderChanged",
            },
        ),
        (
            {"resolution": LEADER_OFFLINE, "in_sync": [0]},
            1,
            {
                "Ready": "False NoEligibleReplica",
                "LeaderElected": "False NoEligibleReplica",
                "InSync": "False ReplicasBehind",
            },
        ),
        (
            {"resolution": FULL},
            1,
            {"Ready": "False DiskFull", "OutOfStorage": "True DiskFull"},
        ),
        ({"in_sync": [0, 2]}, 2, {"InSync": "False ReplicasBehind"}),
        (
            {"in_sync": [0]},
            2,
            {"Ready": "False NotEnoughInSync", "InSync": "False ReplicasBehind"},
        ),
        ({"replicas": [0], "in_sync": [0]}, 2, {}),
        ({"in_sync": []}, 1, {"InSync": "False ReplicasBehind"}),
        (
            {"deletion_requested": True},
            1,
            {
                "Ready": "False DeletionRequested",
                "Reconciling": "True DeletionRequested",
                "Deleting": "True DeletionRequested",
            },
        ),
        (
            {"problem": "spec.leader: must be a number"},
            1,
            {"Ready": "False InvalidManifest", "Stalled": "True InvalidManifest"},
        ),
    ],
)
def test_a_partition(
    partition: dict[str, Any],
    minimum: int,
    expected: dict[str, str],
    make_partition: Make,
    said: Said,
) -> None:
    assert said(conditions_of_partition(make_partition(**partition), minimum)) == HEALTHY | expected


def test_a_partition_says_whom_it_misses(make_partition: Make) -> None:
    texts = {
        each.type: each.message
        for each in conditions_of_partition(
            make_partition(resolution=LEADER_OFFLINE, in_sync=[0, 2]), 1
        )
    }
    assert texts["Ready"] == "SPU 0 is offline, and so is every other in sync: 2"
    assert texts["InSync"] == "behind: SPU 1"


@pytest.mark.parametrize(
    ("topic", "partitions", "minimum", "expected"),
    [
        ({}, [{}, {}], 2, {}),
        (
            {"resolution": TopicResolution.INIT},
            [],
            1,
            {
                "Ready": "False WaitingForSpus",
                "Provisioned": "None WaitingForSpus",
                "Reconciling": "True WaitingForSpus",
            },
        ),
        (
            {"resolution": TopicResolution.INSUFFICIENT_RESOURCES, "reason": "needs 3 SPUs"},
            [],
            1,
            {
                "Ready": "False InsufficientSpus",
                "Provisioned": "False InsufficientSpus",
                "Reconciling": "True InsufficientSpus",
            },
        ),
        (
            {"resolution": TopicResolution.INSUFFICIENT_RESOURCES, "replicas": ASSIGNED},
            [],
            1,
            {
                "Ready": "False UnknownSpu",
                "Provisioned": "False UnknownSpu",
                "Reconciling": "True UnknownSpu",
            },
        ),
        (
            {"resolution": TopicResolution.INVALID_CONFIG, "reason": "partition count zero"},
            [],
            1,
            {
                "Ready": "False InvalidConfig",
                "Provisioned": "False InvalidConfig",
                "Stalled": "True InvalidConfig",
            },
        ),
        (
            {"problem": "spec.replicas: is missing"},
            [{}, {}],
            1,
            {
                "Ready": "False InvalidManifest",
                "Provisioned": "False InvalidManifest",
                "Stalled": "True InvalidManifest",
            },
        ),
        (
            {},
            [{}],
            1,
            {"Ready": "False PartitionsMissing", "Reconciling": "True PartitionsMissing"},
        ),
        (
            {},
            [{}, {"resolution": OFFLINE}],
            1,
            {"Ready": "False PartitionsStarting", "Reconciling": "True PartitionsStarting"},
        ),
        (
            {},
            [{"resolution": LEADER_OFFLINE}, {"resolution": OFFLINE}],
            1,
            {"Ready": "False PartitionsNotOnline"},
        ),
        ({}, [{}, {"resolution": FULL}], 1, {"Ready": "False PartitionsNotOnline"}),
        ({}, [{}, {"in_sync": [0, 1]}], 2, {"UnderReplicated": "True ReplicasBehind"}),
        (
            {},
            [{}, {"in_sync": [0]}],
            2,
            {"Ready": "False NotEnoughInSync", "UnderReplicated": "True ReplicasBehind"},
        ),
        (
            {"deletion_requested": True, "resolution": TopicResolution.DELETING},
            [{}],
            1,
            {
                "Ready": "False DeletionRequested",
                "Provisioned": "False DeletionRequested",
                "Reconciling": "True DeletionRequested",
                "Deleting": "True PartitionsRemain",
            },
        ),
    ],
)
def test_a_topic(
    topic: dict[str, Any],
    partitions: list[dict[str, Any]],
    minimum: int,
    expected: dict[str, str],
    make_topic: Make,
    make_partition: Make,
    said: Said,
) -> None:
    healthy = {
        "Ready": "True Ready",
        "Provisioned": "True Provisioned",
        "UnderReplicated": "False AllInSync",
    }
    children = [make_partition(number, **fields) for number, fields in enumerate(partitions)]
    found = said(conditions_of_topic(make_topic(**topic), children, minimum))
    assert found == healthy | expected


def test_a_topic_names_some_partitions_in_their_order(
    make_topic: Make, make_partition: Make
) -> None:
    partitions = [make_partition(number, LEADER_OFFLINE) for number in reversed(range(12))]
    ready = conditions_of_topic(make_topic(), partitions, 1)[0]
    assert ready.message == (
        "not online: orders-0, orders-1, orders-2, orders-3, orders-4 and 7 more"
    )


def test_what_is_shown_of_a_topic(make_topic: Make, make_partition: Make) -> None:
    partitions = [make_partition(0), make_partition(1, in_sync=[0])]
    assert topic_extras(make_topic(), partitions) == {
        "type": "computed",
        "partitions": 2,
        "underReplicated": 1,
        "replicationFactor": 3,
    }
    assert topic_extras(make_topic(replicas=ASSIGNED), []) == {
        "type": "assigned",
        "partitions": 0,
        "underReplicated": 0,
        "replicationFactor": 2,
    }
    mirror = MirrorReplicas(config=MirrorFromHome(home_cluster="home", home_spus=()))
    assert topic_extras(make_topic(replicas=mirror), []) == {
        "type": "mirror",
        "partitions": 0,
        "underReplicated": 0,
    }


def test_what_is_shown_of_a_partition(make_partition: Make) -> None:
    assert partition_extras(make_partition(12, topic="a-b", in_sync=[2, 0])) == {
        "topic": "a-b",
        "leaderEpoch": 7,
        "inSync": [0, 2],
    }
    assert partition_extras(make_partition(leader=2, in_sync=[]))["inSync"] == [2]
