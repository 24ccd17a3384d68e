"""What clients are told, for every type of Service and everything that may be missing."""

from collections.abc import Callable
from typing import Any

import pytest

from fluvio_operator.manifests.addresses import PublicAddress, public_address, zone_of
from fluvio_operator.manifests.plan import ClusterNames, GroupPlan
from fluvio_operator.manifests.settings import Expose, ServiceType, SpuPodSettings
from fluvio_operator.manifests.spu_service import build_spu_service, node_port_of
from fluvio_operator.manifests.spu_spec import spu_spec_of
from fluvio_protocol.metadata.spu import Endpoint, IngressAddress, IngressPort, SpuSpec, SpuType
from fluvio_protocol.types import SpuId

MakePlan = Callable[..., GroupPlan]
MakeSettings = Callable[..., SpuPodSettings]

NODE = {
    "metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1"}},
    "status": {
        "addresses": [
            {"type": "Hostname", "address": "worker"},
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "ExternalIP", "address": "198.51.100.7"},
        ]
    },
}
INSIDE_NODE = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}
IPV6_NODE = {"status": {"addresses": [{"type": "InternalIP", "address": "fd00::1"}]}}
SILENT_NODE: dict[str, Any] = {"status": {"addresses": []}}

ANNOTATED = {"fluvio.io/ingress-address": "127.0.0.1"}
NAMED = {"fluvio.io/ingress-address": " edge.example.test "}
TEMPLATE = Expose(advertised_host_template="{{spuId}}.example.test")
UNKNOWN_NODE = (
    "the node of its pod is not known: "
    "set annotation fluvio.io/ingress-address, or allow reading nodes"
)


def ip(address: str) -> IngressAddress:
    return IngressAddress(ip=address)


def host(name: str) -> IngressAddress:
    return IngressAddress(hostname=name)


def live(
    kind: str,
    *,
    node_port: int | None = None,
    annotations: dict[str, str] | None = None,
    balanced: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """A per-SPU Service as the API server gives it."""
    port: dict[str, Any] = {"name": "public", "port": 9005, "protocol": "TCP", "targetPort": 9005}
    if node_port is not None:
        port["nodePort"] = node_port
    return {
        "metadata": {"annotations": annotations or {}},
        "spec": {"type": kind, "ports": [port]},
        "status": {"loadBalancer": {} if balanced is None else {"ingress": balanced}},
    }


@pytest.mark.parametrize(
    ("service", "node", "expose", "port", "ingress", "missing"),
    [
        pytest.param(
            live("NodePort", node_port=30004), NODE, Expose(),
            30004, [ip("198.51.100.7")], None, id="node port: the node's outer address",
        ),
        pytest.param(
            live("NodePort", node_port=30004), INSIDE_NODE, Expose(),
            30004, [ip("10.0.0.1")], None, id="node port: the node's inner address",
        ),
        pytest.param(
            live("NodePort", node_port=30004), IPV6_NODE, Expose(),
            30004, [ip("fd00::1")], None, id="node port: an IPv6 node",
        ),
        pytest.param(
            live("NodePort", node_port=30004, annotations=ANNOTATED), NODE, Expose(),
            30004, [ip("127.0.0.1")], None, id="node port: the annotation counts more",
        ),
        pytest.param(
            live("NodePort", node_port=30004, annotations=NAMED), None, Expose(),
            30004, [host("edge.example.test")], None, id="node port: the annotation is a name",
        ),
        pytest.param(
            live("NodePort", node_port=30004, annotations=ANNOTATED), NODE, TEMPLATE,
            30004, [host("1.example.test")], None, id="node port: the template counts most",
        ),
        pytest.param(
            live("NodePort", node_port=30004), None, Expose(),
            30004, [], UNKNOWN_NODE, id="node port: node not known",
        ),
        pytest.param(
            live("NodePort", node_port=30004), SILENT_NODE, Expose(),
            30004, [], UNKNOWN_NODE.replace("is not known", "has no address"),
            id="node port: node without address",
        ),
        pytest.param(
            live("NodePort"), NODE, Expose(),
            None, [], "its Service has no node port yet", id="node port: none yet",
        ),
        pytest.param(
            live("LoadBalancer", balanced=[{"ip": "203.0.113.9"}, {"hostname": "b.test"}]), NODE,
            Expose(type=ServiceType.LOAD_BALANCER),
            9005, [ip("203.0.113.9"), host("b.test")], None, id="load balancer",
        ),
        pytest.param(
            live("LoadBalancer", balanced=[{"ip": "203.0.113.9"}], annotations=ANNOTATED), NODE,
            Expose(ServiceType.LOAD_BALANCER, advertised_host_template="{{group}}.test"),
            9005, [host("main.test"), ip("203.0.113.9"), ip("127.0.0.1")], None,
            id="load balancer: template, its own, annotation",
        ),
        pytest.param(
            live("LoadBalancer"), NODE, Expose(type=ServiceType.LOAD_BALANCER),
            9005, [], "its load balancer has no address yet", id="load balancer: pending",
        ),
        pytest.param(
            live("LoadBalancer", balanced=[{}]), NODE, Expose(type=ServiceType.LOAD_BALANCER),
            9005, [], "its load balancer has no address yet", id="load balancer: empty entry",
        ),
        pytest.param(
            live("ClusterIP"), NODE, Expose(type=ServiceType.CLUSTER_IP),
            9005, [host("fluvio-spu-main-1.stream.svc.cluster.local")], None,
            id="cluster ip: for clients inside",
        ),
        pytest.param(
            live("ClusterIP", annotations=NAMED), NODE, Expose(type=ServiceType.CLUSTER_IP),
            9005, [host("edge.example.test")], None, id="cluster ip: annotation",
        ),
        pytest.param(
            live("ClusterIP"), NODE,
            Expose(ServiceType.GATEWAY, advertised_host_template="{{spuId}}.gw.test"),
            9005, [host("1.gw.test")], None, id="gateway",
        ),
        pytest.param(
            live("ClusterIP"), NODE, Expose(type=ServiceType.NODE_PORT),
            None, [], "its Service is still of type ClusterIP", id="type is being changed",
        ),
        pytest.param(
            None, NODE, Expose(), None, [], "its Service does not exist yet", id="no Service",
        ),
    ],
)  # fmt: skip
def test_public_address(
    service: dict[str, Any] | None,
    node: dict[str, Any] | None,
    expose: Expose,
    port: int | None,
    ingress: list[IngressAddress],
    missing: str | None,
    make_plan: MakePlan,
    make_settings: MakeSettings,
    names: ClusterNames,
) -> None:
    found = public_address(
        make_plan(expose=expose), make_settings(), names, 1, service=service, node=node
    )
    wanted = None if port is None else IngressPort(port=port, ingress=tuple(ingress))
    assert found == PublicAddress(wanted, missing)


@pytest.mark.parametrize(
    ("base_of_chart", "base_of_group", "min_id", "port"),
    [
        (30004, None, 0, 30006),
        (30004, None, 100, 30106),
        (None, None, 0, None),
        (30004, 31000, 100, 31002),
        (30004, None, 2762, None),
        (30004, None, 2761, 32767),
        (40000, None, 5000, 45002),
        (65000, None, 5000, None),
    ],
)
def test_node_ports_of_two_groups_never_meet(
    base_of_chart: int | None,
    base_of_group: int | None,
    min_id: int,
    port: int | None,
    make_plan: MakePlan,
    make_settings: MakeSettings,
) -> None:
    plan = make_plan(min_id=min_id, expose=Expose(base_node_port=base_of_group))
    settings = make_settings(baseNodePort=base_of_chart)
    assert node_port_of(plan, settings, 2) == port
    assert build_spu_service(plan, settings, 2)["spec"]["ports"][0].get("nodePort") == port


def test_placeholders_that_are_not_ours_stay(
    make_plan: MakePlan, make_settings: MakeSettings
) -> None:
    settings = make_settings(lbServiceAnnotations={"a": "{{ spuId }} {{ other }} {{ordinal}}"})
    service = build_spu_service(make_plan(min_id=4), settings, 2)
    assert service["metadata"]["annotations"] == {"a": "6 {{ other }} 2"}


def test_the_spu_object_of_a_second_group(make_plan: MakePlan, names: ClusterNames) -> None:
    """Its private host bears its own group's name, or no SPU would find it."""
    public = IngressPort(port=30104, ingress=(ip("10.0.0.1"),))
    assert spu_spec_of(make_plan("hot", min_id=100), names, 1, public, zone="eu-1") == SpuSpec(
        id=SpuId(101),
        spu_type=SpuType.MANAGED,
        public_endpoint=public,
        private_endpoint=Endpoint(
            port=9006, host="fluvio-spg-hot-1.fluvio-spg-hot.stream.svc.cluster.local"
        ),
        rack="eu-1",
        public_endpoint_local=Endpoint(port=9005, host="fluvio-spu-hot-1.stream.svc.cluster.local"),
    )


def test_before_an_address_is_known(make_plan: MakePlan) -> None:
    names = ClusterNames("stream", "example.test")
    spec = spu_spec_of(make_plan(rack="named", public_port=9105), names, 0, None, zone="eu-1")
    assert spec.public_endpoint == IngressPort(port=9105)
    assert spec.rack == "named"
    assert spec.private_endpoint.host.endswith(".stream.svc.example.test")


def test_zones_come_from_nodes() -> None:
    assert zone_of(NODE) == "eu-1"
    assert zone_of(INSIDE_NODE) is None
    assert zone_of(None) is None
