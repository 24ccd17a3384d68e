"""Admin commands against a real cluster, run within this process: what they print, what they do."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from fluvio_cli.commands.topic_create import DEDUPLICATION_MODULE
from fluvio_cli.main import run
from fluvio_client import formats

pytestmark = pytest.mark.cluster

Fluvio = Callable[..., str]


def new_name(word: str = "adm") -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_topics_from_a_file(
    fluvio: Fluvio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = new_name()
    file = tmp_path / "topic.yaml"
    file.write_text(
        f"meta: {{name: {name}}}\npartition: {{count: 2, max_size: 1 GB, max-size: 2 GB}}\n"
        "retention: {time: 2h, segment-size: 1 MB}\ncompression: {type: Lz4}\n"
    )
    refused = fluvio("topic", "create", "--config", str(file), "--strict", code=1)
    assert refused.endswith('topic.yaml: unknown key "partition.max_size"\n')
    assert run(["topic", "create", "-c", str(file)]) == 0
    assert capsys.readouterr() == (
        f'topic "{name}" created\n',
        f'warning: {file}: unknown key "partition.max_size" is ignored\n',
    )
    (found,) = json.loads(fluvio("topic", "describe", name, "-O", "json"))
    assert found["spec"]["replicas"]["computed"]["partitions"] == 2
    assert found["spec"]["storage"] == {"segmentSize": 1_000_000, "maxPartitionSize": 2 * 10**9}
    assert found["spec"]["compressionType"] == "Lz4"
    assert fluvio("topic", "list", "--match", f"{name[:-1]}?").splitlines()[1].split()[:5] == [
        name, "computed", "2", "1", "2h",
    ]  # fmt: skip
    file.write_text("meta: {name: x}\nretention: {time: 1s}\n")
    assert fluvio("topic", "create", "-c", str(file), code=1) == (
        "retention time 1s is less than minimum 10s\n"
    )
    file.write_text("meta: {name: x}\npartition: 3\n")
    assert "expected keys with values" in fluvio("topic", "create", "-c", str(file), code=1)
    for other in (("name",), ("-p", "2"), ("--system",), ("--retention-time", "1h")):
        refused = fluvio("topic", "create", *other, "-c", str(file), code=2)
        assert refused.startswith("error: the argument '--config <PATH>' cannot be used with '")
    fluvio("topic", "delete", name)


def test_topics_are_updated_and_deleted(fluvio: Fluvio) -> None:
    name = new_name()
    fluvio("topic", "create", name)
    tried = fluvio("topic", "add-partition", name, "--dry-run")
    assert tried == (
        f'added new partitions to topic: "{name}" (dry run)\n PARTITION  SPU \n 1          -   \n'
    )
    tried = fluvio("topic", "update", name, "-p", "3", "--dry-run")
    assert tried == f'topic "{name}" updated: 2 partitions added (dry run)\n'
    assert fluvio("topic", "update", name, "-p", "2") == (
        f'topic "{name}" updated: 1 partition added\n'
    )
    assert fluvio("topic", "update", name, "-p", "2") == f'topic "{name}" unchanged\n'
    assert "never taken away" in fluvio("topic", "update", name, "-p", "1", code=1)
    assert fluvio("topic", "delete", name, "--dry-run") == f'topic "{name}" deleted (dry run)\n'
    hint = f"{name}x. Did you mean {name}?\n"
    for command in (
        ("topic", "describe"),
        ("topic", "delete"),
        ("topic", "lag"),
        ("partition", "list", "--topic"),
        ("consume", "-d"),
    ):
        assert fluvio(*command, f"{name}x", code=1) == f"Topic not found: {hint}", command
    refused = fluvio("topic", "add-partition", f"{name}x", code=1)
    assert refused == f'topic "{name}x" not found. Did you mean {name}?\n'
    assert fluvio("topic", "delete", name) == f'topic "{name}" deleted\n'
    assert name not in fluvio("partition", "list")


def test_a_topic_that_nobody_waits_for(fluvio: Fluvio) -> None:
    name = new_name()
    refused = fluvio("topic", "create", name, "-r", "9", "--timeout", "1s", code=1)
    assert "not provisioned" in refused
    fluvio("topic", "delete", name)
    assert fluvio("topic", "create", name, "-r", "9", "--no-wait") == f'topic "{name}" created\n'
    assert "insufficient-resources" in fluvio("topic", "list", "--match", name)
    both = fluvio("topic", "create", name, "--no-wait", "--timeout", "1s", code=2)
    assert both.startswith("error: the argument '--no-wait' cannot be used with '--timeout <TIME>'")
    fluvio("topic", "delete", name)


def test_mirrored_topics(fluvio: Fluvio, tmp_path: Path) -> None:
    name, remotes = new_name(), [new_name("edge"), new_name("edge")]
    manifests = tmp_path / "mirrors.yaml"
    manifests.write_text(
        "---\n".join(
            "apiVersion: fluvio.infinyon.com/v1\nkind: Mirror\n"
            f"metadata: {{name: {remote}}}\nspec: {{mirrorType: {{remote: {{id: {remote}}}}}}}\n"
            for remote in remotes
        )
    )
    file = tmp_path / "remotes.json"
    file.write_text(json.dumps(remotes[:1]))
    create = ("topic", "create", name, "--mirror-apply", str(file))
    refused = fluvio(*create, code=1)
    assert refused == f'Remote clusters not registered: ["{remotes[0]}"]\n'
    fluvio("apply", "-f", str(manifests))
    assert fluvio(*create, "--home-to-remote") == f'topic "{name}" created\n'
    assert fluvio("topic", "list", "--match", name).splitlines()[1].split()[:2] == [
        name, "to-remote",
    ]  # fmt: skip
    add = ("topic", "add-mirror", name)
    assert fluvio(*add, remotes[1]) == f'added new mirror: "{remotes[1]}" to topic: "{name}"\n'
    assert fluvio(*add, remotes[1], code=1) == (
        f'remote "{remotes[1]}" is already assigned to partition: "1"\n'
    )
    assert fluvio(*add, "nosuch", code=1) == "Mirror not found: nosuch\n"
    assert fluvio("topic", "add-mirror", "nosuch", remotes[0], code=1) == (
        "Topic not found: nosuch\n"
    )
    (shape,) = json.loads(fluvio("topic", "describe", name, "-O", "json"))
    home = shape["spec"]["replicas"]["mirror"]["home"]
    assert [one["remoteCluster"] for one in home["partitions"]] == remotes
    fluvio("topic", "delete", name)
    for flags in (("-p", "2"), ("--mirror",), ("-f", str(file))):
        assert "cannot be used with" in fluvio(*create, *flags, code=2)
    assert "--mirror-apply" in fluvio("topic", "create", name, "--home-to-remote", code=2)
    file.write_text("[1]")
    assert "expected a list of names" in fluvio(*create, code=1)


def test_duplicates_are_dropped_without_further_preparation(
    fluvio: Fluvio, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = DEDUPLICATION_MODULE
    run(["smartmodule", "delete", module])  # if somebody made it
    first, second = new_name(), new_name()
    fluvio("topic", "create", first, "--dedup", "--dry-run")
    assert module not in fluvio("smartmodule", "list")
    assert run(["topic", "create", first, "--dedup", "--dedup-count", "9"]) == 0
    assert capsys.readouterr() == (
        f'topic "{first}" created\n',
        f'smartmodule "{module}" has been created.\n',
    )
    assert run(["topic", "create", second, "--dedup", "--dedup-age", "1h"]) == 0
    assert capsys.readouterr() == (f'topic "{second}" created\n', "")
    described = fluvio("topic", "describe", first)
    for line in f"Filter:{module}", "Count Bound:9", "Age Bound:5s":
        assert f"Deduplication {line}" in described
    file = tmp_path / "lines"
    file.write_text("k:1\nk:2\nl:3\n")
    for _ in range(2):
        fluvio("produce", first, "-f", str(file), "--key-separator", ":")
    assert fluvio("consume", first, "-B", "-d").splitlines() == ["1", "3"]
    assert "delete the topic" in fluvio("smartmodule", "delete", module, code=1)
    fluvio("topic", "delete", first, second)
    fluvio("smartmodule", "delete", module)


def test_deduplication_and_sizes(fluvio: Fluvio) -> None:
    name = new_name()
    refused = fluvio("topic", "create", name, "--dedup-count", "3", code=2)
    assert refused.startswith("error: the following required arguments were not provided:\n  --de")
    for size in ("10Gb", "2 Ki"):
        fluvio("topic", "create", name, "--dry-run", "--segment-size", "1024",
               "--max-partition-size", size)  # fmt: skip
    for flags, text in (
        (("--max-partition-size", "10"), "max_partition_size 10 is less than minimum 2048\n"),
        (
            ("--max-partition-size", "2048", "--segment-size", "3072"),
            "max_partition_size 2048 is less than segment size 3072\n",
        ),
    ):
        assert fluvio("topic", "create", name, "--dry-run", *flags, code=1) == text
    assert fluvio("topic", "create", "", "--dry-run", code=1).startswith("Invalid argument")


def test_system_topics(fluvio: Fluvio) -> None:
    name = new_name()
    fluvio("topic", "create", name, "--system")
    assert f"{name} " not in fluvio("partition", "list")
    assert f"{name} " in fluvio("partition", "list", "--system")
    assert len(fluvio("partition", "list", "--topic", name).splitlines()) == 2
    assert "only be deleted forcibly" in fluvio("topic", "delete", name, code=1)
    assert "without a question only" in fluvio("topic", "delete", name, "--system", code=1)
    assert fluvio("topic", "delete", name, "--system", "--force") == (
        f'system topic "{name}" deleted\n'
    )


def test_partitions(fluvio: Fluvio) -> None:
    name = new_name()
    fluvio("topic", "create", name, "-p", "11", "-r", "2")
    listed = cells(fluvio("partition", "list", "--topic", name))
    assert [row[1] for row in listed[1:]] == [str(number) for number in range(11)], "by number"
    text = fluvio("partition", "describe", f"{name}-10")
    lines = dict(line.strip().split(":", 1) for line in text.splitlines() if ":" in line)
    assert (lines["Topic"], lines["Partition"], lines["Resolution"]) == (name, "10", "Online")
    assert [row[:2] for row in cells(text)[-3:]] == [
        ["SPU", "ROLE"],
        [lines["Leader"], "leader"],
        [str(10003 - int(lines["Leader"])), "follower"],
    ]
    for format in ("json", "yaml", "toml"):
        data = formats.read(fluvio("partition", "describe", f"{name}-10", "-O", format), format)
        (found,) = data["partitions"] if format == "toml" else data
        assert found["name"] == f"{name}-10"
    refused = fluvio("partition", "describe", f"{name}-100", code=1)
    assert refused.startswith(f"Partition not found: {name}-100. Did you mean {name}-10")
    fluvio("topic", "delete", name)


def test_consumers_and_their_lag(fluvio: Fluvio, tmp_path: Path) -> None:
    name, consumer = new_name(), new_name("consumer")
    fluvio("topic", "create", name)
    file = tmp_path / "lines"
    file.write_text("a\nb\n")
    fluvio("produce", name, "-f", str(file))
    assert fluvio("topic", "lag", name) == "No consumers found\n"
    assert fluvio("topic", "lag", name, "-O", "json") == "[]\n"
    fluvio("consume", name, "-B", "-d", "-c", consumer)
    fluvio("produce", name, "-f", str(file))
    header, mine = cells(fluvio("topic", "lag", name))
    assert header == ["CONSUMER", "PARTITION", "OFFSET", "END", "LAG", "LAST", "SEEN"]
    assert mine[:5] == [consumer, "0", "1", "4", "2"]
    described = cells(fluvio("consumer", "describe", consumer))
    assert [f"Consumer:{consumer}"] in described
    assert ["Lag:2"] in described
    assert described[-1][:5] == [name, "0", "1", "4", "2"]
    (shape,) = json.loads(fluvio("consumer", "describe", consumer, "-O", "json"))
    assert (shape["consumer_id"], shape["offset"], shape["lag"]) == (consumer, 1, 2)
    refused = fluvio("consumer", "describe", f"{consumer}x", code=1)
    assert refused == f"Consumer not found: {consumer}x. Did you mean {consumer}?\n"
    line = f'consumer "{consumer}" on topic "{name}" and partition "0" deleted'
    assert fluvio("consumer", "delete", consumer, "--dry-run") == f"{line} (dry run)\n"
    assert fluvio("consumer", "delete", consumer, "-t", "other") == "no consumers found\n"
    assert fluvio("consumer", "delete", consumer) == f"{line}\n"
    fluvio("topic", "delete", name)


def test_table_formats(fluvio: Fluvio, tmp_path: Path) -> None:
    name = new_name("table")
    file = tmp_path / "table.yaml"
    file.write_text(
        f"name: {name}\ninputFormat: JSON\nhidden: 1\n"
        "columns:\n- {keyPath: name, headerLabel: Name, width: 20, alignment: LEFT}\n"
    )
    create = ("table-format", "create", "--config", str(file))
    assert 'unknown key "hidden"' in fluvio(*create, "--strict", code=1)
    assert fluvio(*create, "--dry-run") == f'tableformat "{name}" created (dry run)\n'
    assert fluvio(*create) == f'tableformat "{name}" created\n'
    assert fluvio(*create, code=1).endswith("TableFormat already exists\n")
    assert name in fluvio("tf", "list")
    assert ["Name", "name", "20", "left", "yes", "no"] in cells(fluvio("tf", "describe", name))
    (shape,) = json.loads(fluvio("table-format", "describe", name, "-O", "json"))
    assert shape["spec"]["columns"][0]["keyPath"] == "name"
    assert (
        fluvio("table-format", "delete", name, "-d") == f'tableformat "{name}" deleted (dry run)\n'
    )
    assert fluvio("table-format", "delete", name) == ""
    assert fluvio("tf", "delete", name, code=1) == f"TableFormat not found: {name}\n"
    assert fluvio("tf", "list") == "no tableformats\n"
    assert fluvio("tf", "list", "-O", "yaml") == "[]\n\n"


def test_spus_and_groups(fluvio: Fluvio) -> None:
    described = fluvio("cluster", "spu", "describe", "5001")
    assert "Name:custom-spu-5001 " in described
    assert "Id:5001 " in fluvio("cluster", "spu", "describe", "custom-spu-5001")
    assert fluvio("cluster", "spu", "describe", "custom-spu-5003", code=1).startswith(
        "SPU not found: custom-spu-5003. Did you mean custom-spu-500"
    )
    register = ("cluster", "spu", "register", "-i", "8500", "-p", "far:1", "-v", "far:2")
    assert fluvio(*register, "--dry-run") == 'spu "custom-spu-8500" registered (dry run)\n'
    assert "8500" not in fluvio("cluster", "spu", "list")
    refused = fluvio(*register, "--timeout", "100ms", code=1)
    assert refused == "SPU custom-spu-8500 did not get ready in time: it is init\n"
    (found,) = json.loads(fluvio("cluster", "spu", "describe", "8500", "-O", "json"))
    assert found["spec"]["spuId"] == 8500
    assert fluvio("cluster", "spu", "unregister", "-i", "8500", "-d") == (
        'spu "custom-spu-8500" unregistered (dry run)\n'
    )
    assert fluvio("cluster", "spu", "unregister", "-i", "8500") == ""
    assert fluvio("cluster", "spu", "unregister", "-i", "8500", code=1) == (
        "SPU not found: id 8500\n"
    )
    group = new_name("group")
    create = ("cluster", "spg", "create", group, "-r", "2", "--min-id", "8600")
    assert fluvio(*create, "-d") == f'spu group "{group}" created (dry run)\n'
    assert fluvio(*create) == ""
    text = fluvio("cluster", "spg", "describe", group)
    assert "Replicas:2 " in text
    assert "Min Id:8600 " in text
    assert json.loads(fluvio("cluster", "spg", "describe", group, "-O", "json"))[0]["name"] == group
    assert fluvio("cluster", "spg", "delete", f"{group}x", code=1) == (
        f"SpuGroup not found: {group}x. Did you mean {group}?\n"
    )
    assert (
        fluvio("cluster", "spg", "delete", group, "-d")
        == f'spu group "{group}" deleted (dry run)\n'
    )
    assert fluvio("cluster", "spg", "delete", group) == ""
    assert fluvio("cluster", "spg", "list", "-O", "json") == "[]\n"


def test_applying_files(fluvio: Fluvio, tmp_path: Path) -> None:
    topic, group, spu, table = (new_name(word) for word in ("topic", "group", "spu", "table"))
    file = tmp_path / "all.yaml"

    def write(partitions: int, seconds: int, width: int) -> None:
        head = "apiVersion: fluvio.infinyon.com/v1\nkind: {}\nmetadata: {{name: {}}}\nspec:\n"
        documents = [
            head.format("SpuGroup", group) + "  {replicas: 1, minId: 8700}\n",
            head.format("Spu", spu) + "  spuId: 8800\n  spuType: Custom\n"
            "  publicEndpoint: {port: 1, ingress: [{hostname: far}]}\n"
            "  privateEndpoint: {port: 2, host: far}\n",
            head.format("TableFormat", table)
            + f"  name: {table}\n  columns: [{{keyPath: a, width: {width}}}]\n",
            head.format("Topic", topic).replace("/v1", "/v2")
            + f"  replicas: {{computed: {{partitions: {partitions}}}}}\n"
            f"  cleanupPolicy: {{segment: {{timeInSeconds: {seconds}}}}}\n"
            "  minInSyncReplicas: 1\n",
        ]
        file.write_text("---\n".join(documents))

    names = (f'spugroup "{group}"', f'customspu "{spu}"', f'tableformat "{table}"',
             f'topic "{topic}"')  # fmt: skip
    apply, diff = ("apply", "-f", str(file)), ("diff", "-f", str(file))
    write(1, 3600, 20)
    tried = fluvio(*apply, "--dry-run")
    assert [f"{name} created (dry run)" in tried for name in names] == [True] * 4
    assert "+ replicas.computed.partitions: 1\n" in tried
    assert topic not in fluvio("topic", "list")
    assert f"Topic {topic}: is not there\n+ replicas.comp" in fluvio(*diff, code=1)
    assert "minInSyncReplicas has no place" in fluvio(*apply, "--strict", code=1)
    assert fluvio(*apply).splitlines() == [f"{name} created" for name in names]
    assert fluvio(*apply).splitlines() == [f"{name} unchanged" for name in names]
    assert fluvio(*diff) == ""
    assert json.loads(fluvio(*diff, "-O", "json"))[3]["outcome"] == "unchanged"
    write(3, 3600, 30)
    told = run(diff)
    assert told == 1
    assert fluvio(*apply).splitlines() == [
        f"{name} {word}"
        for name, word in zip(names, ("unchanged", "unchanged", "changed", "changed"), strict=True)
    ]
    assert len(fluvio("partition", "list", "--topic", topic).splitlines()) == 4
    write(3, 7200, 30)
    refused = fluvio(*apply, code=1)
    assert f"Topic {topic}: cleanupPolicy.segment.timeInSeconds is 3600, wanted 7200." in refused
    assert refused.endswith("1 of 4 objects could not be applied\n")

    manifests = formats.read_yaml_documents(fluvio("object", "get", "topic", topic))
    assert manifests == [
        {
            "apiVersion": "fluvio.infinyon.com/v2",
            "kind": "Topic",
            "metadata": {"name": topic},
            "spec": manifests[0]["spec"],
        }
    ]
    file.write_text(fluvio("object", "get", "spu", spu) + "---\n" + fluvio("object", "get", "tf"))
    assert fluvio(*diff) == "", "what was got is what is there"
    assert fluvio("object", "get", "topic", f"{topic}x", code=1).endswith(
        f"Did you mean {topic}?\n"
    )
    assert '"queue" is no kind of object' in fluvio("object", "get", "queue", code=2)
    fluvio("topic", "delete", topic)
    fluvio("table-format", "delete", table)
    fluvio("cluster", "spu", "unregister", "-n", spu)
    fluvio("cluster", "spg", "delete", group)
