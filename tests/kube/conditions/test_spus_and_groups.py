"""Conditions of SPUs and their groups, and what `kubectl get` shows of them."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluvio_operator.conditions.condition import Condition
from fluvio_operator.conditions.spu import conditions_of_spu
from fluvio_operator.conditions.spu_group import GroupObservation, conditions_of_spu_group
from fluvio_operator.conditions.status_extras import (
    image_version,
    spu_extras,
    spu_group_extras,
    tombstones_of,
)
from fluvio_protocol.metadata.spu import SpuStatusResolution
from fluvio_protocol.metadata.spu_group import SpuGroupResolution
from fluvio_protocol.types import LeaderEpoch, PartitionId, ReplicaKey
from fluvio_sc.core.cluster_state import StoredObject, Tombstone

Make = Callable[..., StoredObject]
Said = Callable[[Iterable[Condition]], dict[str, str]]

INIT = SpuStatusResolution.INIT
ONLINE = SpuStatusResolution.ONLINE
OFFLINE = SpuStatusResolution.OFFLINE
WHOLE = GroupObservation(replicas=3, ready=3, updated=3)


@pytest.mark.parametrize(
    ("spu", "known", "expected"),
    [
        ({}, {}, {}),
        (
            {"resolution": INIT},
            {},
            {"Ready": "False NeverConnected", "Reconciling": "True NeverConnected"},
        ),
        ({"resolution": OFFLINE}, {}, {"Ready": "False ConnectionLost"}),
        ({"hosts": []}, {}, {"AddressReady": "False AddressPending"}),
        ({}, {"address_missing": "no node port"}, {"AddressReady": "False AddressPending"}),
        (
            {"problem": "bad"},
            {},
            {"Ready": "False InvalidManifest", "Stalled": "True InvalidManifest"},
        ),
        ({}, {"duplicate_of": "other"}, {"Ready": "False IdTaken", "Stalled": "True IdTaken"}),
        (
            {"deletion_requested": True},
            {},
            {
                "Ready": "False DeletionRequested",
                "Reconciling": "True DeletionRequested",
                "Deleting": "True DeletionRequested",
            },
        ),
    ],
)
def test_an_spu(
    spu: dict[str, Any], known: dict[str, str], expected: dict[str, str], make_spu: Make, said: Said
) -> None:
    healthy = {"Ready": "True Registered", "AddressReady": "True AddressKnown"}
    assert said(conditions_of_spu(make_spu(**spu), **known)) == healthy | expected


def test_an_spu_says_what_the_platform_knows(make_spu: Make) -> None:
    ready = conditions_of_spu(make_spu(resolution=INIT), unavailable="image cannot be pulled")[0]
    assert ready.message == "image cannot be pulled"


@pytest.mark.parametrize(
    ("group", "spus", "observed", "expected"),
    [
        pytest.param({}, [ONLINE] * 3, WHOLE, {}, id="all is well"),
        pytest.param({"replicas": 0}, [], GroupObservation(), {}, id="an empty group is ready"),
        pytest.param(
            {"resolution": SpuGroupResolution.INIT},
            [],
            GroupObservation(),
            {
                "Ready": "False NotReserved",
                "IdsReserved": "None NotChecked",
                "Progressing": "True ScalingUp",
                "Reconciling": "True NotReserved",
            },
            id="new",
        ),
        pytest.param(
            {"resolution": SpuGroupResolution.INVALID, "reason": "conflict with: 1"},
            [],
            GroupObservation(),
            {
                "Ready": "False Conflict",
                "IdsReserved": "False Conflict",
                "Progressing": "True ScalingUp",
                "Stalled": "True Conflict",
            },
            id="ids are taken",
        ),
        pytest.param(
            {
                "resolution": SpuGroupResolution.INVALID,
                "reason": "min id -1 is negative",
                "min_id": -1,
            },
            [],
            GroupObservation(),
            {
                "Ready": "False InvalidConfig",
                "IdsReserved": "False InvalidConfig",
                "Progressing": "True ScalingUp",
                "Stalled": "True InvalidConfig",
            },
            id="the spec is wrong",
        ),
        pytest.param(
            {"problem": "spec.replicas: is missing"},
            [ONLINE] * 3,
            WHOLE,
            {"Ready": "False InvalidManifest", "Stalled": "True InvalidManifest"},
            id="the manifest is wrong",
        ),
        pytest.param(
            {},
            [ONLINE] * 3,
            GroupObservation(3, 3, 3, invalid="logDir: must be absolute"),
            {"Ready": "False SettingsInvalid", "Stalled": "True SettingsInvalid"},
            id="nothing can be built from it",
        ),
        pytest.param(
            {},
            [ONLINE] * 3,
            GroupObservation(3, 3, 3, failing="API server: 500"),
            {"Ready": "False ApplyFailed", "Reconciling": "True ApplyFailed"},
            id="will be tried again",
        ),
        pytest.param(
            {},
            [INIT] * 3,
            GroupObservation(replicas=1, ready=0, updated=1),
            {
                "Ready": "False ScalingUp",
                "Progressing": "True ScalingUp",
                "Reconciling": "True ScalingUp",
            },
            id="growing",
        ),
        pytest.param(
            {},
            [ONLINE, INIT, INIT],
            GroupObservation(replicas=3, ready=1, updated=3),
            {
                "Ready": "False SpusStarting",
                "Progressing": "True SpusStarting",
                "Reconciling": "True SpusStarting",
            },
            id="starting",
        ),
        pytest.param(
            {},
            [ONLINE, OFFLINE, ONLINE],
            GroupObservation(replicas=3, ready=2, updated=3),
            {"Ready": "False SpusNotReady", "Degraded": "True SpusNotReady"},
            id="one is missed",
        ),
        pytest.param(
            {},
            [ONLINE, ONLINE, OFFLINE],
            GroupObservation(replicas=3, ready=2, updated=1),
            {
                "Ready": "False RollingUpdate",
                "Progressing": "True RollingUpdate",
                "Degraded": "True SpusNotReady",
                "Reconciling": "True RollingUpdate",
            },
            id="rolling",
        ),
        pytest.param(
            {"replicas": 2},
            [ONLINE] * 3,
            GroupObservation(3, 3, 3, held_up_by="main-2"),
            {
                "Ready": "False Decommission",
                "Progressing": "True Decommission",
                "Reconciling": "True Decommission",
                "ScaleDownBlocked": "True ReplicasPresent",
            },
            id="shrinking is held up",
        ),
        pytest.param(
            {},
            [ONLINE] * 3,
            GroupObservation(replicas=3, ready=3, updated=1, paused=True),
            {
                "Ready": "False RollingUpdate",
                "Progressing": "True RollingUpdate",
                "Paused": "True Paused",
            },
            id="paused",
        ),
        pytest.param(
            {"deletion_requested": True},
            [ONLINE] * 3,
            GroupObservation(3, 3, 3, held_up_by="main-2"),
            {
                "Ready": "False DeletionRequested",
                "Reconciling": "True DeletionRequested",
                "ScaleDownBlocked": "True ReplicasPresent",
                "Deleting": "True DeletionRequested",
            },
            id="deleted and held up",
        ),
    ],
)
def test_a_group(
    group: dict[str, Any],
    spus: list[SpuStatusResolution],
    observed: GroupObservation,
    expected: dict[str, str],
    make_group: Make,
    make_spu: Make,
    said: Said,
) -> None:
    healthy = {
        "Ready": "True AllSpusReady",
        "IdsReserved": "True IdsReserved",
        "Progressing": "False Stable",
        "Degraded": "False NoneMissed",
    }
    members = [make_spu(number, resolution) for number, resolution in enumerate(spus)]
    found = said(conditions_of_spu_group(make_group(**group), members, observed))
    assert found == healthy | expected


def test_an_spu_that_leaves_is_not_missed(make_group: Make, make_spu: Make, said: Said) -> None:
    leaving = make_spu(2, OFFLINE, deletion_requested=True)
    observed = GroupObservation(replicas=2, ready=2, updated=2)
    spus = [make_spu(0), make_spu(1), leaving]
    found = said(conditions_of_spu_group(make_group(replicas=2), spus, observed))
    assert found["Degraded"] == "False NoneMissed"
    assert found["Ready"] == "True AllSpusReady"


def test_what_is_shown_of_an_spu(make_spu: Make, make_partition: Make) -> None:
    tombstone = Tombstone(ReplicaKey("a-b", PartitionId(3)), "uid", LeaderEpoch(4))
    spu = make_spu(0, tombstones=(tombstone,))  # which the store writes, not the status writer
    there = [make_partition(0), make_partition(1, leader=1), make_partition(2)]
    extras = spu_extras(spu, there, node="worker")
    assert extras == {
        "leaders": 2,
        "replicas": 3,
        "publicAddress": "edge.example.test:30004",
        "node": "worker",
    }


def test_an_address_that_is_not_known_is_not_shown(make_spu: Make) -> None:
    assert spu_extras(make_spu(hosts=[]), []) == {"leaders": 0, "replicas": 0}
    assert spu_extras(make_spu(hosts=["fd00::1"]), [])["publicAddress"] == "[fd00::1]:30004"


def test_tombstones_that_nobody_can_read_are_dropped() -> None:
    whole = {"topic": "a", "partition": 0, "uid": "u", "leaderEpoch": 1}
    broken = [{**whole, name: None} for name in whole]
    found = tombstones_of({"tombstones": [*broken, "text", whole]})
    assert found == (Tombstone(ReplicaKey("a", PartitionId(0)), "u", LeaderEpoch(1)),)
    assert tombstones_of({}) == ()
    assert tombstones_of({"tombstones": None}) == ()


def test_what_is_shown_of_a_group(make_group: Make) -> None:
    assert spu_group_extras(make_group(), WHOLE, image="registry.test:5000/spu:0.1.0") == {
        "replicas": 3,
        "readyReplicas": 3,
        "selector": "app=spu,group=main",
        "version": "0.1.0",
    }
    assert "version" not in spu_group_extras(make_group(), WHOLE)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("spu", None),
        ("registry.test:5000/spu", None),
        ("spu:1.2", "1.2"),
        ("registry.test:5000/a/spu:1.2", "1.2"),
        ("spu@sha256:0123456789abcdef", "0123456789ab"),
        ("spu:1.2@sha256:0123456789abcdef", "1.2"),
    ],
)
def test_the_version_is_the_tag(image: str, version: str | None) -> None:
    assert image_version(image) == version
