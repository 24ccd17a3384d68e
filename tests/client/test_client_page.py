"""docs/reference/python-client.md says what the client does: options, and examples that run."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fluvio_client import (
    ClientMetrics,
    ConnectionMetrics,
    ConsumerConfig,
    ConsumerMetrics,
    ProducerConfig,
    ProducerMetrics,
)

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "reference" / "python-client.md").read_text()


@pytest.mark.parametrize(
    ("section", "config"), [("Producers", ProducerConfig), ("Consumers", ConsumerConfig)]
)
def test_every_option_is_in_the_table(section: str, config: type) -> None:
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0].split("| partitioner")[0]
    said = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE)
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    assert [name for name, _ in said] == list(defaults)
    for name, value in said:
        if re.fullmatch(r"[\d.]+|True", value.strip()):
            assert value.strip() == str(defaults[name]), name


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(ClientMetrics)])
def test_every_number_is_in_the_tables(part: str) -> None:
    text = PAGE.split(f"| `metrics.{part}` |")[1].split("\n\n")[0]
    said = {
        name for row in text.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    kind = {"producers": ProducerMetrics, "consumers": ConsumerMetrics}.get(part, ConnectionMetrics)
    assert said == {field.name for field in dataclasses.fields(kind)}


def printed_by_examples(text: str, cluster: Any) -> list[str]:
    printed = []
    for example in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", example],
            env=dict(cluster.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        printed.append(result.stdout)
    cluster.fluvio("topic", "delete", "timber")
    return printed


@pytest.mark.cluster
def test_the_examples_run(local_cluster: Any) -> None:
    asynchronous, blocking = printed_by_examples(PAGE, local_cluster)
    assert "b'Norway' b'100'" in asynchronous
    assert sorted(line.split()[-2:] for line in blocking.splitlines()) == [
        ["Denmark", "50"], ["Iceland", "10"], ["Iceland", "20"], ["Norway", "100"],
    ]  # fmt: skip


@pytest.mark.cluster
def test_the_examples_of_the_front_page_run(local_cluster: Any) -> None:
    text = (REPOSITORY / "README.md").read_text().split("\n## From Python\n")[1].split("\n## ")[0]
    asynchronous, blocking = printed_by_examples(text, local_cluster)
    assert sorted(line.split()[2:] for line in asynchronous.splitlines()) == [
        ["Denmark", "50"],
        ["Norway", "100"],
    ]
    assert blocking.splitlines()[-1] == "Iceland 10"
