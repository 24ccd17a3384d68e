"""The ConfigMap `spu-k8`: Fluvio's own, ours, and what people break in it."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_operator.manifests.settings import (
    BadSettings,
    PodSettings,
    ServiceType,
    SpuPodSettings,
    parse_spu_settings,
)

MakeSettings = Callable[..., SpuPodSettings]


def test_the_config_map_of_fluvio_is_understood(make_settings: MakeSettings) -> None:
    settings = make_settings(lbServiceAnnotations={"fluvio.io/ingress-address": "127.0.0.1"})
    assert settings == SpuPodSettings(
        image="registry.example.test/fluvio-spu:0.1.0",
        pod=PodSettings(
            resources={"limits": {"memory": "1Gi"}, "requests": {"memory": "256Mi"}},
        ),
        service_type=ServiceType.NODE_PORT,
        base_node_port=30004,
        service_annotations={"fluvio.io/ingress-address": "127.0.0.1"},
    )


def test_an_image_is_enough() -> None:
    assert parse_spu_settings({"image": "spu:1"}) == SpuPodSettings(image="spu:1")


def test_our_own_keys_are_understood(make_settings: MakeSettings) -> None:
    pod = make_settings(
        tolerations=[{"operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        topologySpreadConstraints=[{"topologyKey": "zone"}],
        imagePullSecrets=["registry", "other", "registry"],
        serviceAccountName="spu",
        annotations={"a": "b"},
        labels={"c": "d"},
        terminationGracePeriodSeconds=30,
        storageClass="fast",
        podSecurityContext={"fsGroup": 1},
    ).pod
    assert pod == PodSettings(
        storage_class_name="fast",
        resources=pod.resources,
        tolerations=({"operator": "Exists"},),
        affinity={"nodeAffinity": {}},
        topology_spread=({"topologyKey": "zone"},),
        image_pull_secrets=({"name": "registry"}, {"name": "other"}),
        service_account_name="spu",
        annotations={"a": "b"},
        labels={"c": "d"},
        security_context={"fsGroup": 1},
        termination_grace_period_s=30,
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "image: is missing: the ConfigMap must name the image of the SPUs"),
        ({"image": " "}, "image: is missing"),
        ({"service": "{"}, "service: is no JSON"),
        ({"service": "[" * 100_000}, "service: is no JSON"),
        ({"service": "[]"}, "service: must be an object, found a list"),
        ({"service": '{"type": "Telephone"}'}, 'service.type: "Telephone" is none of NodePort'),
        ({"service": '{"loadBalancerSourceRanges": "all"}'}, "must be a list, found text"),
        ({"podSecurityContext": '"none"'}, "podSecurityContext: must be an object, found text"),
        (
            {"lbServiceAnnotations": '{"a": true}'},
            "lbServiceAnnotations.a: must be text, found a boolean: put it in quotes",
        ),
        ({"spuPodConfig": "3"}, "spuPodConfig: must be an object, found a number"),
        (
            {"spuPodConfig": '{"baseNodePort": "30004"}'},
            "spuPodConfig.baseNodePort: must be a whole number, found text",
        ),
        (
            {"spuPodConfig": '{"baseNodePort": 70000}'},
            "spuPodConfig.baseNodePort: 70000 is not between 1 and 65535",
        ),
        (
            {"spuPodConfig": '{"baseNodePort": true}'},
            "spuPodConfig.baseNodePort: must be a whole number, found a boolean",
        ),
        (
            {"spuPodConfig": '{"imagePullPolicy": "Sometimes"}'},
            'spuPodConfig.imagePullPolicy: "Sometimes" is none of Always, IfNotPresent, Never',
        ),
        (
            {"spuPodConfig": '{"extraEnv": [{"name": "A", "value": 1}]}'},
            "spuPodConfig.extraEnv[0].value: must be text, found a number",
        ),
        ({"spuPodConfig": '{"extraEnv": [{}]}'}, "spuPodConfig.extraEnv[0].name: is missing"),
        (
            {"spuPodConfig": '{"extraVolumes": [{"name": "a"}, {"name": "a"}]}'},
            'spuPodConfig.extraVolumes[1].name: "a" is there already',
        ),
        (
            {"spuPodConfig": '{"tolerations": ["all"]}'},
            "spuPodConfig.tolerations[0]: must be an object, found text",
        ),
        (
            {"spuPodConfig": '{"imagePullSecrets": ["a", 1]}'},
            "spuPodConfig.imagePullSecrets[1]: must be text, found a number",
        ),
        (
            {"spuPodConfig": '{"nodeSelector": {"fast": null}}'},
            "spuPodConfig.nodeSelector.fast: must be text, found null: put it in quotes",
        ),
    ],
)
def test_what_is_wrong_is_said(data: dict[str, str], message: str) -> None:
    image = {} if not data or "image" in data else {"image": "spu:1"}
    with pytest.raises(BadSettings) as raised:
        parse_spu_settings(image | data)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["baseNodePort", "resources", "extraEnv", "tolerations", "extraVolumes", "imagePullSecrets"]
)


@given(st.dictionaries(KEYS, JSON), JSON, JSON)
def test_anything_is_understood_or_refused(pod: dict[str, Any], service: Any, notes: Any) -> None:
    data = {"spuPodConfig": pod, "service": service, "lbServiceAnnotations": notes}
    written = {key: json.dumps(value) for key, value in data.items()}
    with contextlib.suppress(BadSettings):
        assert parse_spu_settings({"image": "spu:1", **written}).image == "spu:1"
