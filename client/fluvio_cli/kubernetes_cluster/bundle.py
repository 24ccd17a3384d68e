"""What travels inside the command line: the chart, and the definitions of our resources.

Called by whatever installs or compares. Reads only files: in an installed wheel those in
`fluvio_cli/bundled/`, in a checkout the repository's own `charts/` and `crds/`.
"""

from functools import cache
from pathlib import Path
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.resources import Object, Resource

_PACKAGE = Path(__file__).parents[1]
_REPOSITORY = _PACKAGE.parents[1]


def chart_directory() -> Path:
    """The chart, as helm takes it. Raises Failure when this installation has none."""
    return _first(_PACKAGE / "bundled" / "charts" / "fluvio", _REPOSITORY / "charts" / "fluvio")


def crd_directory() -> Path:
    """The definitions of our resources. Raises Failure when this installation has none."""
    return _first(_PACKAGE / "bundled" / "crds", _REPOSITORY / "crds")


def _first(*places: Path) -> Path:
    for place in places:
        if place.is_dir():
            return place
    raise Failure(
        f"This installation of fluvio is not whole: {places[0]} is missing; install it again, or "
        "name a chart with --chart-location"
    )


def read_yaml(path: Path) -> Any:
    """One YAML document. Raises Failure."""
    import yaml

    # The loader in C, where there is one: definitions are long.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text("utf-8"), Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(f"{path}: {' '.join(str(error).split())}") from error


@cache
def definitions() -> tuple[Object, ...]:
    """CustomResourceDefinitions, one per kind, by file name. Raises Failure."""
    return tuple(read_yaml(path) for path in sorted(crd_directory().glob("*.yaml")))


def resource_of(definition: Object, version: str | None = None) -> Resource:
    """Where objects of a definition are: in the version that is stored, or in the one named."""
    spec = definition["spec"]
    stored = next(str(one["name"]) for one in spec["versions"] if one.get("storage"))
    return Resource(str(spec["group"]), version or stored, str(spec["names"]["plural"]))


def resource(plural: str) -> Resource:
    """One of our resources by its plural name."""
    for definition in definitions():
        if definition["spec"]["names"]["plural"] == plural:
            return resource_of(definition)
    raise Failure(f"This installation of fluvio is not whole: it does not define {plural}")


@cache
def chart_version() -> str:
    """The version of what the chart runs. Raises Failure."""
    return str(read_yaml(chart_directory() / "Chart.yaml")["appVersion"])


@cache
def chart_values() -> Object:
    """Defaults of the chart, which the caller does not change. Raises Failure."""
    values: Object = read_yaml(chart_directory() / "values.yaml")
    return values
