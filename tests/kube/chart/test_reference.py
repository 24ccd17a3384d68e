"""The chart's page in the reference has every value with its default; versions agree."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]
CHART = REPOSITORY / "charts" / "fluvio"
PAGE = REPOSITORY / "docs" / "reference" / "chart.md"


def documented() -> dict[str, Any]:
    """Default by path, of every row whose first cell is a value's path."""
    rows = re.findall(r"^\| `([A-Za-z.]+)` \| `(.*?)` \|", PAGE.read_text(), re.MULTILINE)
    return {path: yaml.safe_load(default) for path, default in rows}


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= leaves(inner, f"{path}.{name}".lstrip("."))
    return found


def at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


def test_every_value_is_documented_with_its_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    said = documented()
    assert {path: at(values, path) for path in said} == said
    silent = [
        leaf
        for leaf in leaves(values)
        if not any(leaf == path or leaf.startswith(f"{path}.") for path in said)
    ]
    assert silent == []


def test_every_value_has_its_place_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def known(one: Any, path: str) -> set[str]:
        if "properties" not in one:
            return {path}
        return {
            leaf
            for name, inner in one["properties"].items()
            for leaf in known(inner, f"{path}.{name}".lstrip("."))
        }

    described = known(schema, "") - {"global"}
    unused = {
        path
        for path in described
        if not any(leaf == path or leaf.startswith(f"{path}.") for leaf in leaves(values))
    }
    timing = {path for path in unused if path.startswith("scPod.probes.")}
    assert unused - timing == set()


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == chart["version"] == project["version"]


def test_the_chart_brings_the_definitions_that_are_generated() -> None:
    assert (CHART / "crds").is_symlink()
    assert (CHART / "crds").resolve() == REPOSITORY / "crds"
    kinds = {
        yaml.safe_load(path.read_text())["spec"]["names"]["kind"]
        for path in (CHART / "crds").iterdir()
    }
    assert kinds == {
        "Topic",
        "Partition",
        "Spu",
        "SpuGroup",
        "SmartModule",
        "TableFormat",
        "Mirror",
    }


def test_every_metric_of_an_alert_is_documented() -> None:
    rule = (CHART / "templates" / "prometheus-rule.yaml").read_text()
    used = set(re.findall(r"\bfluvio_[a-z_]+(?=\{)", rule))
    assert len(used) >= 5
    page = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text()
    assert used - set(re.findall(r"`(fluvio_[a-z_]+)`", page)) == set()
