"""Manifests are read as Fluvio reads them, and nonsense is answered with words, in one line."""

import base64
from typing import Any

import pytest
from cases import documents, names, resource_of_manifest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_crd.manifest import (
    BadManifest,
    group_settings,
    parse_spec,
    parse_status,
    partition_settings,
    render_spec,
    render_status,
    topic_settings,
)
from fluvio_crd.resources import RESOURCES, resource_of
from fluvio_crd.settings import (
    DeletionPolicy,
    EndpointSettings,
    ExposeSettings,
    ExposeType,
    GroupSettings,
    PartitionSettings,
    PodSettings,
    TopicSettings,
    VolumeRetention,
    VolumeRetentionPolicy,
)
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.metadata.kinds import Kind, status_type
from fluvio_protocol.metadata.mirror import (
    ClientTls,
    ConnectionStatus,
    HomeMirror,
    HomePartition,
    MirrorStatus,
    PairDetailFailure,
    PairSuccessful,
    RemotePartition,
    SpuMirror,
)
from fluvio_protocol.metadata.partition import (
    PartitionResolution,
    PartitionSpec,
    PartitionStatus,
    ReplicaStatus,
)
from fluvio_protocol.metadata.smart_module import SmartModuleSpec, WasmFormat
from fluvio_protocol.metadata.spu import Endpoint, IngressPort, SpuSpec, SpuType
from fluvio_protocol.metadata.spu_group import (
    EnvironmentVariable,
    GroupReplication,
    GroupSpuConfig,
    GroupStorage,
    SpuGroupSpec,
)
from fluvio_protocol.metadata.table_format import Alignment, TableFormatSpec, TextColor
from fluvio_protocol.metadata.topic import (
    AssignedReplicas,
    CompressionType,
    ComputedReplicas,
    Deduplication,
    DeduplicationBounds,
    Duration,
    MirrorFromHome,
    MirrorReplicas,
    MirrorToRemotes,
    PartitionMap,
    SegmentCleanup,
    TopicResolution,
    TopicSpec,
    TopicStatus,
    TopicStorage,
    Transform,
)
from fluvio_protocol.types import Offset, PartitionId, SpuId

KINDS = [resource.kind for resource in RESOURCES]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["Any", "Custom", "10m", "AAAA", "0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("replicas", "computed", "assigned", "mirror", "home", "remote", "id"),
                    *("leader", "spuId", "publicEndpoint", "privateEndpoint", "port", "host"),
                    *("template", "spec", "pod", "env", "wasm", "payload", "meta", "package"),
                    *("params", "columns", "keyPath", "width", "mirrorType", "deduplication"),
                    *("bounds", "age", "resolution", "replicaMap", "0", "pairingSc", "conditions"),
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def sample(folder: str, kube_kind: str, name: str) -> dict[str, Any]:
    """One manifest of the samples."""
    (found,) = [
        manifest
        for file in names(folder)
        for manifest in documents(folder, file)
        if manifest["kind"] == kube_kind and manifest["metadata"]["name"] == name
    ]
    return found


def topic(**spec: Any) -> TopicSpec:
    """A topic's spec, read."""
    read = parse_spec(Kind.TOPIC, {"spec": spec})
    assert isinstance(read, TopicSpec)
    return read


def test_every_kind_has_its_resource_and_only_registrations_have_none() -> None:
    assert [resource_of(kind).kind for kind in Kind if kind is not Kind.CUSTOM_SPU] == [
        kind for kind in Kind if kind is not Kind.CUSTOM_SPU
    ]
    with pytest.raises(KeyError):
        resource_of(Kind.CUSTOM_SPU)
    assert resource_of(Kind.SMART_MODULE).group_version == "fluvio.infinyon.com/v2"
    assert resource_of(Kind.SPU).crd_name == "spus.fluvio.infinyon.com"


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        (
            "sensor-readings",
            TopicSpec(
                replicas=ComputedReplicas(partitions=6, replication_factor=3),
                cleanup_policy=SegmentCleanup(time_in_seconds=86400),
                storage=TopicStorage(segment_size=67108864, max_partition_size=1073741824),
                compression_type=CompressionType.ZSTD,
            ),
        ),
        (
            "pinned-orders",
            TopicSpec(
                replicas=AssignedReplicas(
                    maps=(
                        PartitionMap(id=PartitionId(0), replicas=(SpuId(0), SpuId(1))),
                        PartitionMap(id=PartitionId(1), replicas=(SpuId(1), SpuId(2))),
                    )
                )
            ),
        ),
        (
            "fleet-in",
            TopicSpec(
                replicas=MirrorReplicas(
                    config=MirrorToRemotes(
                        partitions=(
                            HomePartition(remote_cluster="truck-1", remote_replica="fleet-in-0"),
                            HomePartition(
                                remote_cluster="truck-2", remote_replica="fleet-in-0", source=True
                            ),
                        ),
                        source=True,
                    )
                ),
                deduplication=Deduplication(
                    bounds=DeduplicationBounds(count=5000, age=Duration(seconds=600)),
                    filter=Transform(uses="infinyon/dedup-filter@0.1.0", with_={"field": "id"}),
                ),
            ),
        ),
        (
            "fleet-out",
            TopicSpec(
                replicas=MirrorReplicas(
                    config=MirrorFromHome(
                        home_cluster="hq",
                        home_spus=(SpuMirror(id=0, key="main-0", endpoint="hq.example.test:9005"),),
                        target=True,
                    )
                )
            ),
        ),
        ("defaults", TopicSpec()),
        (
            "uncompressed",
            TopicSpec(
                replicas=ComputedReplicas(ignore_rack_assignment=True),
                compression_type=CompressionType.NONE,
                system=True,
            ),
        ),
        ("undeduplicated", TopicSpec()),
    ],
)
def test_topics(name: str, spec: TopicSpec) -> None:
    assert parse_spec(Kind.TOPIC, sample("good", "Topic", name)) == spec


def test_a_null_is_as_if_nothing_was_said() -> None:
    spec = parse_spec(Kind.TOPIC, sample("plain", "Topic", "nulls"))
    assert spec == TopicSpec(storage=TopicStorage(segment_size=65536))


def test_a_mirror_of_the_older_form() -> None:
    spec = parse_spec(Kind.TOPIC, sample("older", "Topic", "fleet-in"))
    one = HomePartition(remote_cluster="truck-1", remote_replica="fleet-in-0")
    assert spec == TopicSpec(replicas=MirrorReplicas(config=MirrorToRemotes(partitions=(one,))))


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30s", Duration(seconds=30)),
        ("10m", Duration(seconds=600)),
        ("1m 30s", Duration(seconds=90)),
        ("1h30m", Duration(seconds=5400)),
        ("2 days 1 hour", Duration(seconds=176_400)),
        ("1M", Duration(seconds=2_630_016)),
        ("1500ms", Duration(seconds=1, nanoseconds=500_000_000)),
        ("0", Duration(seconds=0)),
        (" 7ns ", Duration(seconds=0, nanoseconds=7)),
    ],
)
def test_lengths_of_time(text: str, age: Duration) -> None:
    filter_ = {"transform": {"uses": "dedup"}}
    spec = topic(deduplication={"bounds": {"count": 1, "age": text}, "filter": filter_})
    assert spec.deduplication is not None
    assert spec.deduplication.bounds.age == age


def test_partitions() -> None:
    assert parse_spec(Kind.PARTITION, sample("good", "Partition", "bare-0")) == PartitionSpec(
        leader=SpuId(5001), replicas=()
    )
    remote = parse_spec(Kind.PARTITION, sample("good", "Partition", "fleet-out-0"))
    assert isinstance(remote, PartitionSpec)
    assert remote.mirror == RemotePartition(
        home_cluster="hq",
        home_spu_key="main-0",
        home_spu_id=SpuId(0),
        home_spu_endpoint="hq.example.test:9005",
        target=True,
    )
    system = parse_spec(Kind.PARTITION, sample("good", "Partition", "consumer-offset-0"))
    assert isinstance(system, PartitionSpec)
    assert system.system
    assert system.cleanup_policy == SegmentCleanup(time_in_seconds=604800)


def test_spus() -> None:
    bare = parse_spec(Kind.SPU, sample("good", "Spu", "bare"))
    assert bare == SpuSpec(
        id=SpuId(5001),
        public_endpoint=IngressPort(port=9005),
        private_endpoint=Endpoint(port=0, host="localhost"),
    )
    custom = parse_spec(Kind.SPU, sample("good", "Spu", "edge-berlin"))
    assert isinstance(custom, SpuSpec)
    assert (custom.spu_type, custom.rack) == (SpuType.CUSTOM, "berlin")
    assert custom.public_endpoint.host == "edge.example.test"
    managed = parse_spec(Kind.SPU, sample("good", "Spu", "main-0"))
    assert isinstance(managed, SpuSpec)
    assert managed.public_endpoint_local == Endpoint(
        port=9005, host="fluvio-spu-main-0.stream.svc.cluster.local"
    )


def test_groups() -> None:
    assert parse_spec(Kind.SPU_GROUP, sample("good", "SpuGroup", "main")) == SpuGroupSpec(
        replicas=3
    )
    assert parse_spec(Kind.SPU_GROUP, sample("good", "SpuGroup", "hot")) == SpuGroupSpec(
        replicas=2,
        min_id=SpuId(100),
        spu_config=GroupSpuConfig(
            rack="zone-a",
            replication=GroupReplication(in_sync_replica_min=2),
            storage=GroupStorage(size="50Gi"),
            env=(EnvironmentVariable(name="FLV_SOCKET_WAIT", value="30"),),
        ),
    )


@pytest.mark.parametrize("name", ["redact-acme-1.2.0", "raw", "legacy-filter", "legacy-all"])
def test_modules(name: str) -> None:
    manifest = sample("good", "SmartModule", name)
    spec = parse_spec(Kind.SMART_MODULE, manifest)
    assert isinstance(spec, SmartModuleSpec)
    assert spec.wasm.payload == base64.b64decode(manifest["spec"]["wasm"]["payload"])
    assert (spec.meta is None) == (name != "redact-acme-1.2.0")
    assert (spec.wasm.format is WasmFormat.TEXT) == (name == "legacy-all")


def test_base64_without_its_padding_and_over_several_lines() -> None:
    spec = parse_spec(Kind.SMART_MODULE, sample("older", "SmartModule", "module1"))
    assert isinstance(spec, SmartModuleSpec)
    assert spec.wasm.payload == b"\0\0\0\0"
    folded = {"spec": {"wasm": {"payload": "AAAA\nAAAA\n"}}}
    assert parse_spec(Kind.SMART_MODULE, folded).wasm.payload == bytes(6)  # type: ignore[union-attr]


def test_parameters_of_a_module_keep_their_names() -> None:
    spec = parse_spec(Kind.SMART_MODULE, sample("good", "SmartModule", "redact-acme-1.2.0"))
    assert isinstance(spec, SmartModuleSpec)
    assert spec.meta is not None
    assert {name: one.optional for name, one in spec.meta.params.items()} == {
        "field": False,
        "keepLast": True,
    }


def test_table_formats() -> None:
    spec = parse_spec(Kind.TABLE_FORMAT, sample("good", "TableFormat", "trades"))
    assert isinstance(spec, TableFormatSpec)
    assert spec.columns is not None
    assert [column.width for column in spec.columns] == [None, "12", "8", None]
    assert [column.header_text_color for column in spec.columns] == [
        *(None, None, TextColor.YELLOW, TextColor.GREEN)
    ]
    assert spec.columns[1].alignment is Alignment.RIGHT


def test_mirrors() -> None:
    assert parse_spec(Kind.MIRROR, sample("good", "Mirror", "guarded")) == HomeMirror(
        id="hq",
        remote_id="truck-2",
        public_endpoint="hq.example.test:9003",
        client_tls=ClientTls(
            domain="hq.example.test", ca_cert="ca", client_cert="cert", client_key="key"
        ),
    )


def test_what_fluvio_leaves_in_a_cluster() -> None:
    read = {
        (manifest["kind"], manifest["metadata"]["name"]): parse_status(
            resource_of_manifest(manifest).kind, manifest
        )
        for manifest in documents("observed", "objects.yaml")
    }
    assert read["Topic", "sensor-readings"] == TopicStatus(
        resolution=TopicResolution.PROVISIONED,
        replica_map={
            PartitionId(0): (SpuId(2), SpuId(1)),
            PartitionId(1): (SpuId(1), SpuId(2)),
        },
    )
    assert read["Topic", "toobig"] == TopicStatus(resolution=TopicResolution.INSUFFICIENT_RESOURCES)
    assert read["Partition", "sensor-readings-0"] == PartitionStatus(
        resolution=PartitionResolution.ONLINE,
        leader=ReplicaStatus(spu=SpuId(1), hw=Offset(2), leo=Offset(2)),
        replicas=(ReplicaStatus(spu=SpuId(2), hw=Offset(2), leo=Offset(2)),),
        live_replica_count=1,
        size=138,
    )
    assert read["Mirror", "truck-1"] == MirrorStatus(
        connection_status=ConnectionStatus.ONLINE,
        pairing_sc=PairSuccessful(),
        pairing_spu=PairDetailFailure(reason="no route"),
        last_seen_ms=1713902927812,
    )
    for manifest in documents("observed", "objects.yaml"):
        kind = resource_of_manifest(manifest).kind
        written = render_status(kind, parse_status(kind, manifest))
        assert written == {
            name: value for name, value in manifest["status"].items() if value is not None
        }


def test_written_as_fluvio_writes_it() -> None:
    manifest = sample("good", "Topic", "sensor-readings")
    assert render_spec(Kind.TOPIC, parse_spec(Kind.TOPIC, manifest)) == {
        "replicas": {
            "computed": {"partitions": 6, "replicationFactor": 3, "ignoreRackAssignment": False}
        },
        "cleanupPolicy": {"segment": {"timeInSeconds": 86400}},
        "storage": {"segmentSize": 67108864, "maxPartitionSize": 1073741824},
        "compressionType": "Zstd",
        "system": False,
    }
    manifest = sample("good", "SpuGroup", "hot")
    assert render_spec(Kind.SPU_GROUP, parse_spec(Kind.SPU_GROUP, manifest)) == manifest["spec"]
    manifest = sample("good", "Spu", "main-0")
    assert render_spec(Kind.SPU, parse_spec(Kind.SPU, manifest)) == manifest["spec"]


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        (
            Kind.TOPIC,
            {"replicas": {"assigned": [{"id": 0, "replicas": [0]}, {"id": "x", "replicas": []}]}},
            'spec.replicas.assigned[1].id: expected a whole number, found "x"',
        ),
        (
            Kind.TOPIC,
            {"replicas": {}},
            "spec.replicas: has none: give exactly one of computed, assigned, mirror",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"computed": {}, "assigned": []}},
            "spec.replicas: has computed and assigned: give exactly one of computed, assigned, "
            "mirror",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"mirror": {}}},
            "spec.replicas.mirror: has none: give exactly one of home, remote",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"computed": {"partitions": -1}}},
            "spec.replicas.computed.partitions: -1 is less than 0",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"computed": {"partitions": 4294967296}}},
            "spec.replicas.computed.partitions: 4294967296 is more than 4294967295",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"computed": {"partitions": True}}},
            "spec.replicas.computed.partitions: expected a whole number, found true",
        ),
        (
            Kind.TOPIC,
            {"replicas": {"computed": {"partitions": 10**5000}}},
            "spec.replicas.computed.partitions: a larger number is more than 4294967295",
        ),
        (Kind.TOPIC, {"system": "yes"}, 'spec.system: expected true or false, found "yes"'),
        (
            Kind.TOPIC,
            {"compressionType": "Brotli"},
            "spec.compressionType: expected one of None, Gzip, Snappy, Lz4, Any, Zstd, "
            'found "Brotli"',
        ),
        (
            Kind.TOPIC,
            {"deduplication": {"bounds": {"age": "soon"}, "filter": {"transform": {}}}},
            "spec.deduplication.bounds.count: is missing; spec.deduplication.bounds.age: expected "
            'a length of time, such as 30s, 10m or 1m 30s, found "soon"; '
            "spec.deduplication.filter.transform.uses: is missing",
        ),
        (
            Kind.TOPIC,
            {
                "deduplication": {
                    "bounds": {"count": 1},
                    "filter": {"transform": {"uses": "u", "with": {"a\nb": 7}}},
                }
            },
            "spec.deduplication.filter.transform.with.a\\nb: expected text; put it in quotes, "
            "found 7",
        ),
        (Kind.PARTITION, {"replicas": [1]}, "spec.leader: is missing"),
        (Kind.PARTITION, {"leader": None}, "spec.leader: is missing"),
        (
            Kind.PARTITION,
            {"leader": 1, "replicas": {"0": 1}},
            "spec.replicas: expected a list, found an object",
        ),
        (
            Kind.SPU,
            {"spuId": 1, "publicEndpoint": [], "privateEndpoint": {"host": "h"}},
            "spec.publicEndpoint: expected an object, found a list",
        ),
        (
            Kind.SPU,
            {"spuId": 1, "publicEndpoint": {"port": 70000}, "privateEndpoint": {"host": "h"}},
            "spec.publicEndpoint.port: 70000 is more than 65535",
        ),
        (
            Kind.SPU,
            {},
            "spec.spuId: is missing; spec.publicEndpoint: is missing; "
            "spec.privateEndpoint: is missing",
        ),
        (
            Kind.SPU_GROUP,
            {"replicas": "3"},
            'spec.replicas: expected a whole number, found "3"',
        ),
        (
            Kind.SPU_GROUP,
            {"replicas": 1, "template": {"spec": {"env": [{"name": "A", "value": 3}]}}},
            "spec.template.spec.env[0].value: expected text; put it in quotes, found 3",
        ),
        (
            Kind.SPU_GROUP,
            {"replicas": 1, "expose": {"type": "ClusterIp"}},
            "spec.expose.type: expected one of NodePort, LoadBalancer, ClusterIP, Gateway, "
            'found "ClusterIp"',
        ),
        (
            Kind.SMART_MODULE,
            {"wasm": {"payload": "not base64!"}},
            'spec.wasm.payload: is not base64, found "not base64!"',
        ),
        (
            Kind.SMART_MODULE,
            {"wasm": {"payload": "!" * 100}},
            f'spec.wasm.payload: is not base64, found "{"!" * 60}..."',
        ),
        (Kind.SMART_MODULE, {}, "spec.wasm: is missing"),
        (
            Kind.TABLE_FORMAT,
            {"name": "t", "inputFormat": "YAML"},
            'spec.inputFormat: expected one of JSON, found "YAML"',
        ),
        (
            Kind.TABLE_FORMAT,
            {"name": "t", "columns": [{"keyPath": "a", "width": 1.5}]},
            "spec.columns[0].width: expected a number or text, found 1.5",
        ),
        (
            Kind.TABLE_FORMAT,
            {"name": "t", "columns": [{}, {}, {}, {}, {}]},
            "spec.columns[0].keyPath: is missing; spec.columns[1].keyPath: is missing; "
            "spec.columns[2].keyPath: is missing; and 2 more",
        ),
        (
            Kind.MIRROR,
            {"mirrorType": {"remote": {"id": "a"}, "home": {"id": "a"}}},
            "spec.mirrorType.home.remoteId: is missing; "
            "spec.mirrorType.home.publicEndpoint: is missing",
        ),
    ],
)
def test_bad_manifests(kind: Kind, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(BadManifest) as raised:
        parse_spec(kind, {"spec": spec})
    assert str(raised.value) == words
    assert isinstance(raised.value, FluvioError)


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": []}, {"spec": "x"}, [], None, 7])
def test_no_spec_at_all(body: Any) -> None:
    for kind in KINDS:
        with pytest.raises(BadManifest, match="spec: is missing, or no object"):
            parse_spec(kind, body)
        assert parse_status(kind, body) == status_type(kind)()


@pytest.mark.parametrize("kind", KINDS)
@given(spec=json_values)
def test_whatever_the_body_only_bad_manifest_is_raised(kind: Kind, spec: Any) -> None:
    for read in (
        lambda body: parse_spec(kind, body),
        group_settings,
        topic_settings,
        partition_settings,
    ):
        said = ""
        try:
            read({"spec": spec})
        except BadManifest as error:
            said = str(error)
        assert said.isascii()
        assert said.isprintable()


@pytest.mark.parametrize("kind", KINDS)
@given(status=json_values)
def test_whatever_the_status_it_is_read(kind: Kind, status: Any) -> None:
    assert isinstance(parse_status(kind, {"status": status}), status_type(kind))


def test_a_body_nested_ever_so_deeply() -> None:
    deep: Any = "x"
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(BadManifest):
        parse_spec(Kind.TOPIC, {"spec": {"system": deep}})
    assert parse_status(Kind.TOPIC, {"status": {"reason": deep}}) == TopicStatus()
    pod = {"spec": {"pod": {"affinity": {"a": deep}}}}
    with pytest.raises(BadManifest):
        group_settings({"spec": {"replicas": "x", "template": pod}})


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        (Kind.TOPIC, {"resolution": "Dreaming", "reason": 7}, {}),
        (
            Kind.TOPIC,
            {"resolution": "Provisioned", "replicaMap": {"0": [1], "x": [2], "-1": [3]}},
            {"resolution": "Provisioned", "replicaMap": {"0": [1]}},
        ),
        (Kind.TOPIC, {"replicaMap": {0: [1]}}, {"replicaMap": {"0": [1]}}),
        (Kind.PARTITION, {"lrs": 2, "size": "big"}, {"lsr": 2}),
        (
            Kind.PARTITION,
            {"leader": {"spu": 1, "hw": None, "leo": "x"}, "replicas": "none"},
            {"leader": {"spu": 1}},
        ),
        (Kind.SPU, {"resolution": "online"}, {}),
        (Kind.MIRROR, {"pairingSc": {"Else": 1}, "connectionStat": 3}, {}),
        (Kind.SPU_GROUP, {"conditions": [{"type": 3}, "x"], "resolution": "Invalid"}, None),
    ],
)
def test_a_status_is_read_as_far_as_it_makes_sense(
    kind: Kind, status: dict[str, Any], said: dict[str, Any] | None
) -> None:
    read = parse_status(kind, {"status": status})
    assert read == parse_status(
        kind, {"status": {"resolution": "Invalid"} if said is None else said}
    )


def test_settings_of_a_topic() -> None:
    assert topic_settings({"spec": {}}) == TopicSettings()
    assert topic_settings(sample("good", "Topic", "careful")) == TopicSettings(
        deletion_policy=DeletionPolicy.RETAIN, min_in_sync_replicas=2
    )
    with pytest.raises(BadManifest, match=r"spec.deletionPolicy: expected one of Delete, Retain"):
        topic_settings({"spec": {"deletionPolicy": "Keep"}})


def test_leadership_of_a_partition() -> None:
    assert partition_settings({"spec": {"leader": 3}}) == PartitionSettings()
    assert partition_settings(sample("good", "Partition", "fenced-0")) == PartitionSettings(
        leader_epoch=7, in_sync=(1, 2)
    )
    moving = {
        "leader": 1,
        "eligible": [3],
        "incarnations": [{"spu": 3, "incarnation": 1 << 61}],
        "inSyncVersion": 4,
        "successor": 2,
        "targetReplicas": [2],
        "originalReplicas": [1],
        "leavingReplicas": [5],
        "minInSyncReplicas": 2,
        "uncleanLeaderElection": True,
    }
    assert partition_settings({"spec": moving}) == PartitionSettings(
        eligible=(3,),
        incarnations={3: 1 << 61},
        in_sync_version=4,
        successor=2,
        target_replicas=(2,),
        original_replicas=(1,),
        leaving_replicas=(5,),
        min_in_sync_replicas=2,
        unclean_leader_election=True,
    )
    with pytest.raises(BadManifest, match=r"spec.leaderEpoch: 0 is less than 1"):
        partition_settings({"spec": {"leaderEpoch": 0}})


def test_settings_of_a_group() -> None:
    assert group_settings(sample("good", "SpuGroup", "main")) == GroupSettings()
    assert group_settings(sample("good", "SpuGroup", "traced")) == GroupSettings(
        public_endpoint=EndpointSettings(port=9005, encryption="PLAINTEXT"),
        private_endpoint=EndpointSettings(port=9006),
    )
    assert group_settings(sample("good", "SpuGroup", "cold")) == GroupSettings(
        pod=PodSettings(
            storage_class_name="standard-hdd",
            topology_spread=(
                {
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                },
            ),
        ),
        expose=ExposeSettings(
            type=ExposeType.CLUSTER_IP,
            annotations={"external-dns.example.test/name": "{{spuId}}.stream.example.test"},
            advertised_host_template="{{spuId}}.stream.example.test",
        ),
        volume_retention=VolumeRetentionPolicy(when_deleted=VolumeRetention.DELETE),
    )
    particular = group_settings(sample("good", "SpuGroup", "particular"))
    assert particular.pod.termination_grace_period_s == 120
    assert particular.pod.topology_spread is not None
    assert len(particular.pod.topology_spread) == 2
    assert particular.pod.security_context == {"runAsUser": 1000, "runAsNonRoot": None}
    assert particular.expose.base_node_port == 30100
