"""What makes a group impossible, and the words for it; what looks odd and is allowed."""

from collections.abc import Callable
from typing import Any

import pytest

from fluvio_operator.manifests.environment import env_problem
from fluvio_operator.manifests.group_problem import group_problem, log_dir_problem
from fluvio_operator.manifests.plan import GroupPlan
from fluvio_operator.manifests.settings import Expose, PodSettings, ServiceType, SpuPodSettings

MakePlan = Callable[..., GroupPlan]
MakeSettings = Callable[..., SpuPodSettings]

GATEWAY = ServiceType.GATEWAY


@pytest.mark.parametrize(
    ("plan", "settings", "message"),
    [
        ({"name": "a.b"}, {}, 'metadata.name: "a.b" may use a-z, 0-9 and "-"'),
        ({"name": "g" * 42}, {}, "at most 41 of them"),
        (
            {"env": {"SPU_MIN": "3"}},
            {},
            'spec.template.spec.env[0].name: "SPU_MIN" is set by the operator: remove it',
        ),
        (
            {},
            {"extraEnv": [{"name": "A"}, {"name": "FLV_SC_PRIVATE_HOST", "value": "x"}]},
            'spuPodConfig.extraEnv[1].name: "FLV_SC_PRIVATE_HOST" is set by the operator',
        ),
        ({"log_dir": "data"}, {}, 'logDir: "data" must be an absolute path'),
        ({"size": "ten"}, {}, 'storage.size: "ten" is no size: write it as "10Gi"'),
        ({"size": "0"}, {}, 'storage.size: "0" is no size'),
        ({"size": "-1Gi"}, {}, 'storage.size: "-1Gi" is no size'),
        ({"public_port": 9006}, {}, "publicEndpoint.port: 9006 is the private port as well"),
        ({"private_port": 9100}, {}, "9100 is used for health and metrics"),
        (
            {"pod": PodSettings(extra_containers=({"image": "x"},))},
            {},
            "spec.template.spec.pod.extraContainers[0].name: is missing",
        ),
        (
            {"pod": PodSettings(extra_containers=({"name": "spu"},))},
            {},
            'extraContainers: the name "spu" is taken by the SPU itself',
        ),
        (
            {},
            {"extraVolumes": [{"name": "data"}]},
            'extraVolumes: the name "data" is taken by a volume of the SPU',
        ),
        (
            {"log_dir": "/data"},
            {"extraVolumeMounts": [{"name": "x", "mountPath": "/data/"}]},
            'extraVolumeMounts: "/data" is where the SPU stores its logs',
        ),
        (
            {"pod": PodSettings(topology_spread=({"maxSkew": 1},))},
            {},
            "topologySpread: topologyKey is missing",
        ),
        (
            {"pod": PodSettings(topology_spread=({"topologyKey": "z"}, {"topologyKey": "z"}))},
            {},
            'topologySpread: "z" is there twice',
        ),
        (
            {"expose": Expose(type=GATEWAY)},
            {},
            "advertisedHostTemplate: is missing: clients must be told the gateway",
        ),
        (
            {"expose": Expose(advertised_host_template="{{spu}}.example.test")},
            {},
            "advertisedHostTemplate: {{spu}} stands for nothing: there are spuId",
        ),
        (
            {"expose": Expose(advertised_host_template="https://example.test/")},
            {},
            'advertisedHostTemplate: "https://example.test/" is no host',
        ),
        ({}, {"service": {"type": "ExternalName"}}, "service.externalName: is missing"),
    ],
)
def test_the_problem_is_named(
    plan: dict[str, Any],
    settings: dict[str, Any],
    message: str,
    make_plan: MakePlan,
    make_settings: MakeSettings,
) -> None:
    problem = group_problem(make_plan(**plan), make_settings(**settings))
    assert problem is not None
    assert message in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"replicas": 0},
        {"name": "g" * 41},
        {"log_dir": "/var/lib/fluvio/data/"},
        {"log_dir": "/tmp/fluvio"},
        {"size": "1.5e3"},
        {"env": {"RUST_LOG": "debug", "FLV_SCALE": "1"}},
        {"expose": Expose(type=GATEWAY, advertised_host_template="{{ group }}-{{ordinal}}.test")},
        {"expose": Expose(advertised_host_template="2001:db8::1")},
        {"pod": PodSettings(topology_spread=())},
    ],
)
def test_the_odd_is_allowed(
    plan: dict[str, Any], make_plan: MakePlan, make_settings: MakeSettings
) -> None:
    assert group_problem(make_plan(**plan), make_settings()) is None


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("SPU_INDEX", True),
        ("FLV_SPU_ID", True),
        ("FLV_SC_ANYTHING", True),
        ("FLV_SC", False),
        ("spu_index", False),
        ("MY_FLV_SC_PRIVATE_HOST", False),
    ],
)
def test_names_that_make_an_spu_who_it_is_are_ours(name: str, reserved: bool) -> None:
    assert (env_problem([name], where="env") is not None) is reserved


@pytest.mark.parametrize("name", ["", "A=B", "A\nB", "Ä"])
def test_what_is_no_name_of_a_variable_is_refused(name: str) -> None:
    assert env_problem(["GOOD", name], where="env") is not None


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/data", True),
        ("/var/lib/fluvio/data", True),
        ("/usrdata", True),
        ("/", False),
        ("", False),
        ("data", False),
        ("/data/../etc", False),
        ("/data//deep", False),
        ("/etc", False),
        ("/etc/fluvio", False),
        ("/proc/1", False),
        ("/usr/local/lib", False),
        ("/tmp", False),
        ("/opt", False),
        ("/data:ro", False),
        ("/da\nta", False),
    ],
)
def test_logs_lie_where_a_volume_can_be(path: str, allowed: bool) -> None:
    assert (log_dir_problem(path) is None) is allowed
