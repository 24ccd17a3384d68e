"""docs/reference/python-client.md says what the client does: options, and examples that run."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fluvio_client import ConsumerConfig, ProducerConfig

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "python-client.md").read_text()


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


@pytest.mark.cluster
def test_the_examples_run(local_cluster: Any) -> None:
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    printed = []
    for example in examples:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", example],
            env=dict(local_cluster.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        printed.append(result.stdout)
    assert "b'Norway' b'100'" in printed[0]
    assert sorted(line.split()[-2:] for line in printed[1].splitlines()) == [
        ["Denmark", "50"], ["Iceland", "10"], ["Iceland", "20"], ["Norway", "100"],
    ]  # fmt: skip
    local_cluster.fluvio("topic", "delete", "timber")
