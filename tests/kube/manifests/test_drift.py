"""When does an apply change something? Live objects here are what an API server made of ours."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluvio_operator.manifests.disruption_budget import build_disruption_budget
from fluvio_operator.manifests.drift import differs, first_difference, frozen_differences
from fluvio_operator.manifests.headless_service import build_headless_service
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import PodSettings, SpuPodSettings
from fluvio_operator.manifests.spu_service import build_spu_service
from fluvio_operator.manifests.stateful_set import build_stateful_set

Manifest = dict[str, Any]
MakePlan = Callable[..., GroupPlan]
MakeSettings = Callable[..., SpuPodSettings]

WHOLE = {"selector", "nodeSelector", "labelSelector"}
KEYED = {
    "containers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port", "protocol"),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


@pytest.fixture
def stateful_set(make_plan: MakePlan, make_settings: MakeSettings, names: ClusterNames) -> Manifest:
    plan = make_plan(env={"A": "1", "EMPTY": ""}, pod=PodSettings(node_selector={"disk": "ssd"}))
    return build_stateful_set(plan, make_settings(), names)


@pytest.fixture
def all_manifests(
    stateful_set: Manifest, make_plan: MakePlan, make_settings: MakeSettings, names: ClusterNames
) -> list[Manifest]:
    plan = make_plan()
    return [
        stateful_set,
        build_headless_service(plan),
        build_spu_service(plan, make_settings(), 0),
        build_disruption_budget(names, [plan, make_plan("hot")]),
    ]


def defaulted(manifest: Manifest) -> Manifest:
    """The same object with what an API server adds: defaults, other people's, its own notes."""
    live = copy.deepcopy(manifest)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "creationTimestamp": "now"}
    live["metadata"].setdefault("annotations", {})["somebody"] = "else"
    live["status"] = {"replicas": 3}
    return live


def enriched(value: Any, dice: random.Random, field: str = "") -> Any:
    """A copy with more fields everywhere, lists with keys longer and in another order."""
    if isinstance(value, dict):
        more = {name: enriched(item, dice, name) for name, item in value.items()}
        if field not in WHOLE and dice.random() < 0.7:
            more[f"defaulted{dice.randrange(9)}"] = dice.choice(["x", 0, None, [1], {"a": 1}])
        return more
    if isinstance(value, list):
        items = [enriched(item, dice) for item in value]
        if field in KEYED:
            items += [{name: f"others-{name}" for name in KEYED[field]}]
            dice.shuffle(items)
        return items
    return value


def without_selectors_touched(manifest: Manifest, dice: random.Random) -> Manifest:
    """`enriched`, except below objects that have one owner."""
    live: Manifest = enriched(manifest, dice)
    for path in (("spec", "selector"), ("spec", "template", "spec", "topologySpreadConstraints")):
        target, source = live, manifest
        for name in path[:-1]:
            target, source = target.get(name, {}), source.get(name, {})
        if path[-1] in source:
            target[path[-1]] = copy.deepcopy(source[path[-1]])
    return live


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # nothing changes them
@given(seed=st.integers())
def test_an_object_never_differs_from_itself_with_more_fields(
    seed: int, all_manifests: list[Manifest]
) -> None:
    dice = random.Random(seed)
    for manifest in all_manifests:
        assert first_difference(manifest, without_selectors_touched(manifest, dice)) is None


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def test_every_value_of_ours_is_watched(all_manifests: list[Manifest]) -> None:
    for manifest in all_manifests:
        for path in leaves(manifest):
            if path[0] in ("apiVersion", "kind"):
                continue
            live = copy.deepcopy(manifest)
            target = live
            for step in path[:-1]:
                target = target[step]
            before = target[path[-1]]
            target[path[-1]] = not before if isinstance(before, bool) else f"changed {before}"
            assert differs(manifest, live), path


def test_every_field_of_ours_is_missed(all_manifests: list[Manifest]) -> None:
    for manifest in all_manifests:
        for path in leaves(manifest):
            if path[0] in ("apiVersion", "kind"):
                continue
            live = copy.deepcopy(manifest)
            target = live
            for step in path[:-1]:
                target = target[step]
            if target[path[-1]] == "":
                continue  # the API server itself leaves it out
            del target[path[-1]]
            assert differs(manifest, live), path


@pytest.mark.parametrize(
    ("wanted", "live", "difference"),
    [
        pytest.param({"value": ""}, {}, None, id="empty text is left out"),
        pytest.param({"readOnly": False}, {}, None, id="false is left out"),
        pytest.param({"a": {"b": []}}, {}, None, id="emptiness is left out"),
        pytest.param({"replicas": 0}, {}, "replicas", id="zero replicas are no default"),
        pytest.param({"replicas": 0}, {"replicas": 0}, None, id="zero replicas"),
        pytest.param(
            {"enableServiceLinks": False}, {}, "enableServiceLinks", id="a false that is kept"
        ),
        pytest.param({"a": True}, {"a": 1}, "a", id="a boolean is no number"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, "a[0]", id="order counts in whole lists"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, "a", id="whole lists have no more"),
        pytest.param({"a": [1]}, {"a": "1"}, "a", id="a list is no text"),
        pytest.param({"a": {"b": 1}}, {"a": [1]}, "a", id="an object is no list"),
        pytest.param(
            {"requests": {"memory": "1024Mi", "cpu": 1}},
            {"requests": {"memory": "1Gi", "cpu": "1000m"}},
            None,
            id="amounts in another spelling",
        ),
        pytest.param(
            {"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}, "limits.memory",
            id="another amount",
        ),
        pytest.param(
            {"emptyDir": {"sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}, None,
            id="amount of a volume",
        ),
        pytest.param(
            {"selector": {"app": "spu"}}, {"selector": {"app": "spu", "x": "y"}}, "selector",
            id="a selector with more selects less",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]},
            "env[A].value",
            id="matched by key",
        ),
        pytest.param(
            {"ports": [{"port": 9005, "targetPort": 1}]},
            {
                "ports": [
                    {"port": 9005, "protocol": "UDP"},
                    {"port": 9005, "protocol": "TCP", "targetPort": 1},
                ]
            },
            None,
            id="a key with a default",
        ),
        pytest.param(
            {"volumes": [{"name": "a"}]}, {"volumes": []}, "volumes[a]", id="an entry is missing"
        ),
        pytest.param({"a": {"b": 1}}, {"a": None}, "a", id="null is nothing"),
    ],
)  # fmt: skip
def test_differences(wanted: Manifest, live: Manifest, difference: str | None) -> None:
    assert first_difference(wanted, live) == difference


def owned(value: Any, field: str = "") -> Any:
    """What an API server notes for an applied value."""
    if isinstance(value, dict) and value and field not in WHOLE:
        return {f"f:{name}": owned(item, name) for name, item in value.items()}
    if isinstance(value, list) and field in KEYED:
        notes = {}
        for item in value:
            key = {name: item[name] for name in KEYED[field] if name in item}
            notes[f"k:{json.dumps(key)}"] = {".": {}, **owned(item)}
        return notes
    return {}


def applied(manifest: Manifest, **entry: Any) -> Manifest:
    """The live object after we applied the manifest."""
    live = defaulted(manifest)
    body = {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind")}
    metadata = {k: v for k, v in body["metadata"].items() if k not in ("name", "namespace")}
    note = {"manager": "fluvio-operator", "operation": "Apply", "fieldsType": "FieldsV1"}
    note["fieldsV1"] = owned({**body, "metadata": metadata})
    live["metadata"]["managedFields"] = [note | entry]
    return live


def test_what_was_just_applied_does_not_differ(all_manifests: list[Manifest]) -> None:
    for manifest in all_manifests:
        assert first_difference(manifest, applied(manifest)) is None


@pytest.mark.parametrize(
    ("path", "key", "difference"),
    [
        (("metadata", "labels"), "fluvio.io/group", "metadata.labels.fluvio.io/group"),
        (("spec", "template", "spec"), "nodeSelector", "spec.template.spec.nodeSelector"),
        (
            ("spec", "template", "spec", "containers", 0, "env"),
            3,
            "spec.template.spec.containers[spu].env[A]",
        ),
        (
            ("spec", "template", "spec", "containers", 0, "ports"),
            2,
            "spec.template.spec.containers[spu].ports[9100/TCP]",
        ),
        (
            ("spec", "template", "spec", "topologySpreadConstraints"),
            1,
            "spec.template.spec.topologySpreadConstraints"
            "[topology.kubernetes.io/zone/ScheduleAnyway]",
        ),
    ],
)
def test_what_we_want_no_more_is_found(
    stateful_set: Manifest, path: tuple[Any, ...], key: Any, difference: str
) -> None:
    wanted = copy.deepcopy(stateful_set)
    target = wanted
    for step in path:
        target = target[step]
    del target[key]
    assert first_difference(wanted, applied(stateful_set)) == difference
    assert not differs(wanted, defaulted(stateful_set)), "without notes nothing was ours"
    for entry in (
        {"manager": "kubectl"},
        {"operation": "Update"},
        {"subresource": "status"},
    ):
        assert not differs(wanted, applied(stateful_set, **entry)), entry


def test_entries_by_value_are_ours_too() -> None:
    notes = {"f:metadata": {"f:finalizers": {".": {}, 'v:"a"': {}, 'v:"b"': {}}}}
    live = {
        "metadata": {
            "finalizers": ["a", "b"],
            "managedFields": [
                {"manager": "fluvio-operator", "operation": "Apply", "fieldsV1": notes}
            ],
        }
    }
    assert not differs({"metadata": {"finalizers": ["a", "b"]}}, live)
    left = first_difference({"metadata": {"finalizers": ["a"]}}, {**live, "metadata": {
        **live["metadata"], "finalizers": ["a"]}})  # fmt: skip
    assert left == 'metadata.finalizers["b"]'


def test_frozen_fields_are_named(
    stateful_set: Manifest, make_plan: MakePlan, make_settings: MakeSettings, names: ClusterNames
) -> None:
    live = defaulted(stateful_set)
    live["spec"]["volumeClaimTemplates"][0]["status"] = {"phase": "Pending"}
    assert frozen_differences(stateful_set, live) == ()
    larger = build_stateful_set(make_plan(size="20Gi"), make_settings(), names)
    assert frozen_differences(larger, live) == ("spec.volumeClaimTemplates",)
    same = build_stateful_set(make_plan(size="10240Mi"), make_settings(), names)
    assert frozen_differences(same, live) == ()
    live["spec"]["podManagementPolicy"] = "OrderedReady"
    assert frozen_differences(stateful_set, live) == ("spec.podManagementPolicy",)
