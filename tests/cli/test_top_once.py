"""`fluvio top --once` against a real cluster."""

import json
import uuid
from typing import Any

import pytest


@pytest.mark.cluster
def test_top_once_prints_rates_lags_and_spus(local_cluster: Any) -> None:
    topic = f"top-{uuid.uuid4()}"
    fluvio = local_cluster.fluvio
    fluvio("topic", "create", topic, "-p", "2")
    fluvio("produce", topic, stdin="a\nb\nc\nd\n")
    fluvio("consume", topic, "-B", "-d", "-n", "3", "-c", topic)
    printed = fluvio("top", "--once", "--interval", "200ms", "--filter", topic).stdout
    table = [line.split() for line in printed.splitlines()]
    assert table[0][:3] == ["2/2", "SPUs", "online,"]
    headings = [line for line in table if line[:1] and line[0].isupper()]
    assert [line[0] for line in headings] == ["TOPIC", "CONSUMER", "SPU"]
    (row,) = [line for line in table if line[:1] == [topic] and line[1] != topic]
    assert (row[1:3], row[5:7]) == (["2", "0"], ["1", "4"])
    assert [line[:3] for line in table if line[:1] == [topic] and line[1] == topic] != []
    assert [line[2] for line in table if line and line[0] in ("5001", "5002")] == ["online"] * 2
    found = json.loads(fluvio("top", "-O", "json", "--interval", "200ms", "--filter", topic).stdout)
    assert found["topics"][0] == {
        **{"name": topic, "partitions": 2, "offline": 0, "in_rate": 0.0, "out_rate": 0.0},
        **{"lag": 1, "size_bytes": found["topics"][0]["size_bytes"], "high_watermark": 4},
    }
    assert found["consumers"][0]["lag"] == 1
    assert {one["status"] for one in found["spus"]} == {"online"}
    refused = fluvio("top", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "top fills the screen of a terminal: use 'top --once' elsewhere\n"
