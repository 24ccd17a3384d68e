"""Files of manifests, without a cluster: read, refused with a reason, written."""

import re
from pathlib import Path

import pytest

from fluvio_cli.failure import Failure
from fluvio_cli.main import run
from fluvio_cli.manifests import read_files, write_manifest
from fluvio_client import formats
from fluvio_client.manifests import read_manifest
from fluvio_client.table_format_file import read_table_format
from fluvio_client.topic_config import read_topic_config
from fluvio_client.topics import topic_spec
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.metadata.topic import AssignedReplicas, MirrorReplicas

MANIFESTS = """
apiVersion: fluvio.infinyon.com/v2
kind: Topic
metadata: {name: sensor-readings}
spec:
  replicas:
    computed: {partitions: 6, replicationFactor: 3}
  cleanupPolicy: {segment: {timeInSeconds: 86400}}
  storage: {segmentSize: 67108864, maxPartitionSize: 1073741824}
  compressionType: Zstd
---
apiVersion: fluvio.infinyon.com/v2
kind: Topic
metadata: {name: pinned-orders}
spec:
  replicas:
    assigned:
      - {id: 0, replicas: [0, 1]}
      - {id: 1, replicas: [1, 2]}
---
# nothing here
---
apiVersion: fluvio.infinyon.com/v1
kind: SpuGroup
metadata: {name: main}
spec:
  replicas: 3
  minId: 7
  template: {spec: {storage: {size: 10Gi}}}
---
apiVersion: v1
kind: List
items:
  - apiVersion: fluvio.infinyon.com/v1
    kind: Spu
    metadata: {name: far}
    spec:
      spuId: 77
      spuType: Custom
      publicEndpoint: {port: 9010, ingress: [{hostname: far.example}]}
      privateEndpoint: {port: 9011, host: far.example}
  - apiVersion: fluvio.infinyon.com/v1
    kind: TableFormat
    metadata: {name: people}
    spec: {name: people, inputFormat: JSON, columns: [{keyPath: name, headerFgColor: BLUE}]}
---
apiVersion: fluvio.infinyon.com/v2
kind: Topic
metadata: {name: fleet-in}
spec:
  minInSyncReplicas: 2
  replicas:
    mirror:
      home:
        partitions:
          - {remoteCluster: truck-1, remoteReplica: fleet-in-0}
"""


def test_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(MANIFESTS)
    found = read_files((str(file),))
    assert [(one.kind, one.name) for one in found] == [
        (Kind.TOPIC, "sensor-readings"),
        (Kind.TOPIC, "pinned-orders"),
        (Kind.SPU_GROUP, "main"),
        (Kind.CUSTOM_SPU, "far"),
        (Kind.TABLE_FORMAT, "people"),
        (Kind.TOPIC, "fleet-in"),
    ]
    assert found[0].spec == topic_spec(
        6, 3, retention="1d", segment_size="64 MiB", max_partition_size="1 GiB", compression="zstd"
    )
    assert isinstance(found[1].spec.replicas, AssignedReplicas)
    assert isinstance(found[5].spec.replicas, MirrorReplicas)
    assert [one.ignored for one in found] == [(), (), (), (), (), ("spec.minInSyncReplicas",)]
    for one in found:
        if one.kind is not Kind.CUSTOM_SPU:
            assert read_manifest(write_manifest(one.kind, one.name, one.spec)).spec == one.spec


def test_a_read_only_cluster_is_not_started_with_a_file_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = tmp_path / "wrong.yaml", tmp_path / "data"
    file.write_text("topics: [{kind: Topic}]")
    folders = ["--data-dir", str(data), "--log-dir", str(tmp_path / "log")]
    assert run(["cluster", "start", "--read-only", str(file), *folders]) == 1
    complaint = "object 1: no apiVersion, Topic: expected one of"
    assert complaint in capsys.readouterr().err
    assert not data.exists()


def manifest(kind: str, version: str = "v1", spec: str = "{}", name: str = "x") -> str:
    return (
        f"{{apiVersion: fluvio.infinyon.com/{version}, kind: {kind}, "
        f"metadata: {{name: {name}}}, spec: {spec}}}\n"
    )


SPU_SPEC = "{spuId: 1, publicEndpoint: {port: 1}, privateEndpoint: {port: 2, host: h}, spuType: %s}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            manifest("Partition", spec="{leader: 1, replicas: [1]}", name="orders-0"),
            "object 1: partition orders-0 is made, changed and removed by its topic: change the "
            "topic",
        ),
        (
            manifest("Spu", spec=SPU_SPEC % "Managed", name="main-0"),
            "object 1: SPU main-0 is managed, made by its group: change the group",
        ),
        (manifest("Topic"), "Topic x: apiVersion is fluvio.infinyon.com/v1, not "),
        (manifest("Topic", "v2", "{replicas: {computed: {partitions: -1}}}"), "Topic x: spec."),
        (manifest("Topic", "v2", "{replicas: {}}"), "Topic x: spec.replicas: has none"),
        (manifest("Queue"), "Queue: expected one of Topic, Partition, Spu, SpuGroup"),
        ("{kind: Topic, metadata: {name: x}}", "no apiVersion, Topic: expected one of"),
        (manifest("Topic", "v2", name="''"), "Topic: metadata.name is missing"),
        ("[]", "expected an object with apiVersion"),
        ("a: [", "while parsing a flow node"),
        ("", "no objects in there"),
        (manifest("TableFormat", spec="{name: y}"), "spec.name is y: it is to be the same"),
        (
            2 * ("---\n" + manifest("SpuGroup", spec="{replicas: 1}")),
            "SpuGroup x is there twice",
        ),
    ],
)
def test_refused_with_a_reason(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(Failure) as raised:
        read_files((str(file),))
    assert complaint in raised.value.message


def test_every_problem_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLV_PROFILE_PATH", str(tmp_path / "none"))
    file = tmp_path / "bad.yaml"
    file.write_text(manifest("Topic") + "---\n" + manifest("Queue"))
    assert run(["apply", "-f", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split(":")[0] for line in said.err.splitlines()] == [
        f"{file}, object 1", f"{file}, object 2",
    ]  # fmt: skip
    assert run(["diff", "-f", str(file)]) == 2, "nobody knows whether anything differs"
    assert run(["apply", "-f", str(tmp_path / "nosuch")]) == 1
    assert "nosuch: No such file or directory" in capsys.readouterr().err
    assert run(["apply"]) == 2


def test_manifests_without_pydantic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fluvio_crd.manifest", None)
    file = tmp_path / "group.yaml"
    file.write_text(manifest("SpuGroup", spec="{replicas: 1}"))
    with pytest.raises(Failure, match=r"fluvio-cluster\[apply\]"):
        read_files((str(file),))


def test_lists_by_kind_as_fluvio_has_them_for_read_only_clusters(tmp_path: Path) -> None:
    topic = manifest("Topic", "v2", "{replicas: {computed: {partitions: 2}}}").strip()
    spu = manifest("Spu", spec=SPU_SPEC % "Custom", name="one").strip()
    file = tmp_path / "metadata.json"
    file.write_text(f"{{topics: [{topic}], spus: [{spu}]}}")
    found = read_files((str(file),))
    assert [one.title for one in found] == ["Topic x", "CustomSpu one"]


def test_the_files_in_the_documentation(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"

    def examples(page: str) -> list[str]:
        return re.findall(r"```yaml\n(.*?)```", (docs / page).read_text(), re.DOTALL)

    (manifests,) = examples("how-to/declare-objects.md")
    file = tmp_path / "objects.yaml"
    file.write_text(manifests)
    found = read_files((str(file),))
    assert [one.kind for one in found] == [Kind.TOPIC, Kind.TABLE_FORMAT, Kind.CUSTOM_SPU]
    assert [one.ignored for one in found] == [(), (), ()]
    topic, table = examples("reference/object-files.md")
    assert read_topic_config(formats.read(topic, "yaml")).unknown == ()
    assert read_table_format(formats.read(table, "yaml")).unknown == ()
