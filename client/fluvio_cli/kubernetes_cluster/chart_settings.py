"""What the user chose for the chart, and what the release will get of it. Pure, but for files.

Called by install and upgrade. Order of rank, the strongest first: `--set`, flags of ours, values
files, what we would choose by ourselves, defaults of the chart.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.resources import Object
from fluvio_cli.kubernetes_cluster import bundle
from fluvio_cli.kubernetes_cluster.helm import Chart

ValuePath = tuple[str, ...]
CHART = "fluvio"
"""The name of our chart, in repositories too."""
INGRESS_ANNOTATION = "fluvio.io/ingress-address"
INGRESS_PATH: ValuePath = ("loadBalancer", "serviceAnnotations", INGRESS_ANNOTATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSettings:
    """location: of another chart than ours. flags: values by path that the user asked for."""

    location: str | None = None
    version: str | None = None
    files: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    flags: Mapping[ValuePath, Any] = field(default_factory=dict)

    def chosen(self) -> Object:
        """Everything that the user said, merged. Raises Failure for a file that cannot be read."""
        values: Object = {}
        for file in self.files:
            values = merged(values, _read_values(file))
        for path, value in self.flags.items():
            values = merged(values, nested(path, value))
        for text in self.sets:
            for path, value in parse_set(text):
                values = merged(values, nested(path, value))
        return values

    def effective(self) -> Object:
        """With the defaults of our chart below. Raises Failure."""
        return merged(bundle.chart_values(), self.chosen())

    def chart(self, ours: Mapping[ValuePath, Any]) -> Chart:
        """For helm. ours: what we would choose; only where the user chose nothing.

        Raises: Failure.
        """
        chosen = self.chosen()
        values: Object = {}
        for path, value in ours.items():
            if value_at(chosen, path) is None:
                values = merged(values, nested(path, value))
        for path, value in self.flags.items():
            values = merged(values, nested(path, value))
        place, repository = self._where()
        return Chart(
            place=place,
            repository=repository,
            version=self.version if self.location is not None else None,
            files=[str(file) for file in self.files],
            values=values,
            sets=self.sets,
        )

    def _where(self) -> tuple[str, str | None]:
        """Chart and repository. A folder may also hold the chart's folder."""
        if self.location is None:
            if self.version not in (None, bundle.chart_version()):
                raise Failure(
                    f"Chart {self.version} is not here: this fluvio carries "
                    f"{bundle.chart_version()}; say where it is with --chart-location"
                )
            return str(bundle.chart_directory()), None
        if self.location.startswith(("http://", "https://")) and not self.location.endswith(".tgz"):
            return CHART, self.location
        inner = Path(self.location) / CHART
        return (str(inner) if (inner / "Chart.yaml").is_file() else self.location), None


def _read_values(file: Path) -> Object:
    values = bundle.read_yaml(file)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Failure(f"{file}: expected chart values, a map by name")
    return values


def nested(path: Sequence[str], value: Any) -> Object:
    """`("a", "b"), 1` is `{"a": {"b": 1}}`."""
    result: Any = value
    for name in reversed(path):
        result = {name: result}
    return dict(result)


def value_at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """None when it is not there."""
    found: Any = values
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Object:
    """Maps are merged, everything else is replaced, as helm does it."""
    result = dict(below)
    for name, value in above.items():
        existing = result.get(name)
        if isinstance(value, Mapping) and isinstance(existing, Mapping):
            result[name] = merged(existing, value)
        else:
            result[name] = value
    return result


def parse_set(text: str) -> list[tuple[ValuePath, Any]]:
    """The plain part of helm's `--set`: `a.b=1,c\\.d=x`. Lists are left to helm."""
    found = []
    for part in re.split(r"(?<!\\),", text):
        name, equals, value = part.partition("=")
        if equals and not re.search(r"[\[{]", name + value[:1]):
            path = tuple(re.sub(r"\\(.)", r"\1", one) for one in re.split(r"(?<!\\)\.", name))
            found.append((path, _typed(re.sub(r"\\(.)", r"\1", value))))
    return found


def _typed(text: str) -> Any:
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    return int(text) if re.fullmatch(r"0|-?[1-9]\d*", text) else text
