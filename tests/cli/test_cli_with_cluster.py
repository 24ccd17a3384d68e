"""The command against a real cluster: what a user types on the first day."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

FLUVIO_COMMAND = "from fluvio_cli.main import main; main()"


@pytest.fixture
def topic(local_cluster: Any) -> str:
    name = f"cli-{uuid.uuid4()}"
    local_cluster.fluvio("topic", "create", name)
    return name


def consume(cluster: Any, topic: str, *arguments: str) -> str:
    out: str = cluster.fluvio("consume", topic, "-d", *arguments).stdout
    return out


def test_a_topic_comes_and_goes(local_cluster: Any) -> None:
    name = f"cli-{uuid.uuid4()}"
    fluvio = local_cluster.fluvio
    assert fluvio("topic", "create", name, "-p", "2").stdout == f'topic "{name}" created\n'
    again = fluvio("topic", "create", name, check=False)
    assert (again.returncode, again.stderr) == (1, "Topic already exists\n")
    found = json.loads(fluvio("topic", "describe", name, "-O", "json").stdout)
    assert found[0]["spec"]["replicas"]["computed"]["partitions"] == 2
    assert found[0]["status"]["resolution"] == "Provisioned"
    assert f"   Name:{name} " in fluvio("topic", "describe", name).stdout
    assert name in fluvio("topic", "list").stdout
    added = fluvio("topic", "add-partition", name, "-c", "1").stdout.splitlines()
    assert added[:2] == [f'added new partitions to topic: "{name}"', " PARTITION  SPU  "]
    assert added[2].split()[0] == "2"
    assert fluvio("topic", "delete", name).stdout == f'topic "{name}" deleted\n'
    gone = fluvio("topic", "delete", name, check=False)
    assert (gone.returncode, gone.stderr) == (1, f"Topic not found: {name}\n")
    assert fluvio("topic", "describe", name, check=False).returncode == 1


def test_dry_run_makes_nothing(local_cluster: Any) -> None:
    name = f"cli-{uuid.uuid4()}"
    out = local_cluster.fluvio("topic", "create", name, "--dry-run").stdout
    assert out == f'topic "{name}" created\n'
    assert name not in local_cluster.fluvio("topic", "list").stdout


def test_a_replica_assignment(local_cluster: Any, tmp_path: Path) -> None:
    name = f"cli-{uuid.uuid4()}"
    file = tmp_path / "assignment.json"
    file.write_text('[{"id": 0, "replicas": [5002]}, {"id": 1, "replicas": [5001]}]')
    local_cluster.fluvio("topic", "create", name, "-f", str(file))
    listed = json.loads(local_cluster.fluvio("partition", "list", "-O", "json").stdout)
    leaders = {one["name"]: one["spec"]["leader"] for one in listed}
    assert (leaders[f"{name}-0"], leaders[f"{name}-1"]) == (5002, 5001)


def test_system_topics_are_apart_and_protected(local_cluster: Any) -> None:
    listed = local_cluster.fluvio("topic", "list", "--system").stdout
    assert "consumer-offset" in listed
    assert "consumer-offset" not in local_cluster.fluvio("topic", "list").stdout
    refused = local_cluster.fluvio("topic", "delete", "consumer-offset", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "system topic 'consumer-offset' can only be deleted forcibly\n"


def test_deleting_several_topics(local_cluster: Any, topic: str) -> None:
    result = local_cluster.fluvio("topic", "delete", "-c", "nosuch-topic", topic, check=False)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        'topic "nosuch-topic" delete failed with: Topic not found: nosuch-topic',
        f'topic "{topic}" deleted',
    ]
    assert result.stderr == "Failed deleting topic(s). Check previous errors.\n"


def test_lines_in_lines_out(local_cluster: Any, topic: str) -> None:
    result = local_cluster.fluvio("produce", topic, stdin="one\ntwo\r\n\nthree")
    assert (result.stdout, result.stderr) == ("", "")
    assert consume(local_cluster, topic, "-B") == "one\ntwo\n\nthree\n"
    assert consume(local_cluster, topic, "-T", "1") == "three\n"
    assert consume(local_cluster, topic, "-H", "3") == "three\n"
    assert consume(local_cluster, topic, "--start", "2") == "\nthree\n"
    assert consume(local_cluster, topic, "-B", "-n", "2") == "one\ntwo\n"
    assert consume(local_cluster, topic) == ""
    ended = local_cluster.fluvio("consume", topic, "-B", "--end", "1")
    assert ended.stdout == "one\ntwo\n"
    assert ended.stderr == "End-offset has been reached; exiting\n"
    template = "{{partition}} {{offset}} {{key}} {{value}}"
    assert consume(local_cluster, topic, "--start", "3", "-F", template) == "0 3 null three\n"


def test_old_spellings(local_cluster: Any, topic: str) -> None:
    local_cluster.fluvio("produce", topic, stdin="a\nb\nc\n")
    assert consume(local_cluster, topic, "--from-beginning") == "a\nb\nc\n"
    assert consume(local_cluster, topic, "-o", "1") == "b\nc\n"
    assert consume(local_cluster, topic, "--offset=-1") == "c\n"
    assert consume(local_cluster, topic, "-B", "-o", "2") == "c\n"


def test_keys(local_cluster: Any, topic: str) -> None:
    result = local_cluster.fluvio(
        "produce", topic, "--key-separator", ":", "-v", stdin="k1:v1\nnone\nk2:v:2\n"
    )
    assert result.stdout == "[k1] v1\n[k2] v:2\n"
    assert "Failed to find separator ':' in record, skipping: 'none'" in result.stderr
    local_cluster.fluvio("produce", topic, "--key", "all", stdin="v3\n")
    assert consume(local_cluster, topic, "-B", "-k") == "[k1] v1\n[k2] v:2\n[all] v3\n"


def test_raw_files(local_cluster: Any, topic: str, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"two\nlines\x00")
    local_cluster.fluvio("produce", topic, "--raw", "-f", str(file))
    out = consume(local_cluster, topic, "-B", "-O", "jsonl")
    assert json.loads(out)["value"] == "two\nlines\x00"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression(local_cluster: Any, topic: str, codec: str) -> None:
    lines = "".join(f"line {number}\n" for number in range(2000))
    local_cluster.fluvio("produce", topic, "--compression", codec, stdin=lines)
    assert consume(local_cluster, topic, "-B") == lines


def test_the_topics_compression_rules(local_cluster: Any) -> None:
    name = f"cli-{uuid.uuid4()}"
    local_cluster.fluvio("topic", "create", name, "--compression-type", "gzip")
    refused = local_cluster.fluvio(
        "produce", name, "--compression", "lz4", stdin="x\n", check=False
    )
    assert refused.returncode == 1
    assert refused.stderr == (
        "Producer error: Invalid configuration in producer: Compression in the producer (lz4) "
        "does not match with topic level compression (gzip)\n"
    )
    local_cluster.fluvio("produce", name, stdin="x\n")
    assert consume(local_cluster, name, "-B") == "x\n"


def test_topics_by_a_pattern(local_cluster: Any) -> None:
    family, fluvio = f"cli-{uuid.uuid4()}", local_cluster.fluvio
    nothing = fluvio("consume", "--pattern", f"{family}-*", "-B", "-d")
    assert (nothing.stdout, nothing.stderr) == ("", "")
    for name in ("a", "b"):
        fluvio("topic", "create", f"{family}-{name}")
        fluvio("produce", f"{family}-{name}", stdin=f"{name}\n")
    shown = fluvio("consume", "--pattern", f"{family}-[ab]", "-Bd", "-F", "{{topic}} {{value}}")
    assert sorted(shown.stdout.splitlines()) == [f"{family}-a a", f"{family}-b b"]


def test_a_failure_names_its_line(local_cluster: Any, topic: str) -> None:
    lines = "short\n" + "long" * 100 + "\n"
    failed = local_cluster.fluvio(
        "produce", topic, "--max-request-size", "200", stdin=lines, check=False
    )
    assert failed.returncode == 1
    assert "exceeded maximum request size" in failed.stderr
    assert failed.stderr.endswith("(line 2)\n")
    assert consume(local_cluster, topic, "-B") == "short\n", "what came before it is stored"


def test_what_is_not_there(local_cluster: Any, topic: str) -> None:
    for arguments, text in (
        (("produce", "nosuch-topic"), "Topic not found: nosuch-topic\n"),
        (("consume", "nosuch-topic", "-d"), "Topic not found: nosuch-topic\n"),
        (("consume", topic, "-d", "-p", "9"), f"Partition not found: {topic}-9\n"),
    ):
        result = local_cluster.fluvio(*arguments, stdin="x\n", check=False)
        assert (result.returncode, result.stdout, result.stderr) == (1, "", text)


def test_consumers_resume(local_cluster: Any, topic: str) -> None:
    consumer = f"c-{uuid.uuid4()}"
    fluvio = local_cluster.fluvio
    fluvio("produce", topic, stdin="a\nb\n")
    assert consume(local_cluster, topic, "-B", "-c", consumer) == "a\nb\n"
    fluvio("produce", topic, stdin="c\n")
    assert consume(local_cluster, topic, "-B", "-c", consumer) == "c\n"
    listed = json.loads(fluvio("consumer", "list", "-O", "json").stdout)
    (mine,) = [one for one in listed if one["consumer_id"] == consumer]
    assert (mine["topic"], mine["partition"], mine["offset"]) == (topic, 0, 2)
    lines = [line.split() for line in fluvio("consumer", "list").stdout.splitlines()]
    assert [consumer, topic, "0", "2"] in [line[:4] for line in lines]
    assert fluvio("consumer", "delete", consumer).stdout == (
        f'consumer "{consumer}" on topic "{topic}" and partition "0" deleted\n'
    )
    assert fluvio("consumer", "delete", consumer).stdout == "no consumers found\n"
    assert consume(local_cluster, topic, "-B", "-c", consumer) == "a\nb\nc\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_consumer_well(local_cluster: Any, topic: str, number: int) -> None:
    consumer = f"c-{uuid.uuid4()}"
    local_cluster.fluvio("produce", topic, stdin="a\nb\n")
    with subprocess.Popen(
        [sys.executable, "-c", FLUVIO_COMMAND, "consume", topic, "-B", "-c", consumer],
        env=dict(local_cluster.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
        begun = time.monotonic()
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - begun < 10
    assert (process.returncode, out, err) == (0, "", "")
    listed = json.loads(local_cluster.fluvio("consumer", "list", "-O", "json").stdout)
    assert [one["offset"] for one in listed if one["consumer_id"] == consumer] == [1]


def test_a_pipe_flows_while_it_is_open(local_cluster: Any, topic: str) -> None:
    """Lines leave when they come, not when the pipe ends."""
    environment = dict(local_cluster.environment)
    consumer_command = [sys.executable, "-c", FLUVIO_COMMAND, "consume", topic, "-B"]
    producer_command = [sys.executable, "-c", FLUVIO_COMMAND, "produce", topic]
    with (
        subprocess.Popen(
            consumer_command, env=environment, stdout=subprocess.PIPE, text=True
        ) as consumer,
        subprocess.Popen(
            producer_command, env=environment, stdin=subprocess.PIPE, text=True
        ) as producer,
    ):
        assert producer.stdin is not None
        assert consumer.stdout is not None
        for line in ("first\n", "second\n"):
            producer.stdin.write(line)
            producer.stdin.flush()
            assert consumer.stdout.readline() == line
        producer.stdin.close()
        assert producer.wait(timeout=30) == 0
        consumer.send_signal(signal.SIGINT)
        assert consumer.wait(timeout=30) == 0


def test_a_conversation_at_a_terminal(local_cluster: Any, topic: str) -> None:
    """Prompts go to standard error, so that standard output holds nothing but the answers."""
    ours, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", FLUVIO_COMMAND, "produce", topic],
        env=dict(local_cluster.environment),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(terminal)
        assert process.stdout is not None
        for line in (b"hello\n", b"world\n"):
            os.write(ours, line)
            assert process.stdout.readline() == "Ok!\n"
        os.write(ours, b"\x04")
        out, err = process.communicate(timeout=30)
    os.close(ours)
    assert (process.returncode, out, err) == (0, "Ok!\n", "> > > ")
    assert consume(local_cluster, topic, "-B") == "hello\nworld\n"


def test_partition_list(local_cluster: Any, topic: str) -> None:
    local_cluster.fluvio("produce", topic, stdin="a\nb\n")
    for arguments in ((), ("--compat",)):
        listed = local_cluster.fluvio("partition", "list", *arguments).stdout.splitlines()
        assert listed[0].split()[:3] == ["TOPIC", "PARTITION", "LEADER"]
        assert [line for line in listed if line.startswith(f"  {topic} ")]


def test_partitions_show_who_is_in_sync(local_cluster: Any, topic: str) -> None:
    local_cluster.fluvio("produce", topic, stdin="a\nb\n")
    listed = local_cluster.fluvio("partition", "list", "--topic", topic).stdout.splitlines()
    assert listed[0].split("  ")[-3:] == ["EPOCH", "IN SYNC", "LAG "]
    leader = listed[1].split()[2]
    assert listed[1].split()[-3:] == ["1", f"[{leader}]", "0"]
    as_fluvio_does = local_cluster.fluvio("partition", "list", "--compat").stdout
    assert "EPOCH" not in as_fluvio_does
    (found,) = json.loads(
        local_cluster.fluvio("partition", "list", "--topic", topic, "-O", "json").stdout
    )
    assert found["replication"]["inSync"] == [int(leader)]
    assert found["replication"]["leaderEpoch"] == 1
    described = local_cluster.fluvio("partition", "describe", f"{topic}-0").stdout
    for line in ("Leader Epoch:1", f"In Sync:[{leader}]", "Lag:0"):
        assert line in described
    assert described.splitlines()[-1].split() == [leader, "leader", "2", "2", "0", "yes"]


def test_version_names_the_platform(local_cluster: Any) -> None:
    shown = json.loads(local_cluster.fluvio("version", "--json").stdout)
    assert shown["Fluvio Platform"] == "0.18.1 (local)"


def test_the_cluster_may_be_named_anywhere(local_cluster: Any, topic: str) -> None:
    address = local_cluster.public_address
    for arguments in (
        ("-c", address, "topic", "list"),
        ("topic", "list", "--cluster", address),
        ("--profile", "local", "topic", "list"),
        ("topic", "list", "-P", "local"),
    ):
        assert topic in local_cluster.fluvio(*arguments).stdout


def test_records_since_and_until_a_time(local_cluster: Any, topic: str) -> None:
    local_cluster.fluvio("produce", topic, stdin="one\ntwo\n")
    assert consume(local_cluster, topic, "--since", "1h") == "one\ntwo\n"
    shown = local_cluster.fluvio("consume", topic, "-B", "--until", "0s").stdout
    assert shown == "one\ntwo\n", "it ends without --disable-continuous"
