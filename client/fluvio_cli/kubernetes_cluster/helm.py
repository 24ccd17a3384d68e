"""The helm executable: the one program that we need besides Python.

Called by what installs, upgrades and removes. Knows one release, `fluvio`, in one namespace of one
context. A failing helm shows its last line, in which it says why.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluvio_cli.failure import Failure
from fluvio_cli.kubernetes.kubeconfig import IN_CLUSTER

RELEASE = "fluvio"
VERSION_MIN = (3, 14, 0)
"""The first one that upgrades with the old values and the new chart's defaults."""
MISSING = "helm is not installed, or not on the PATH: see https://helm.sh/docs/intro/install"


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed. status: helm's word, `deployed` when all is well."""

    status: str
    chart: str
    chart_version: str
    app_version: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Where a chart is, and what it is to be given.

    place:      a directory, an archive, or a name in a repository
    repository: address of one that helm was not told of before
    version:    of a chart in a repository
    files:      of values, the last one wins
    values:     of ours; win over the files
    sets:       `--set` of the user; win over everything
    """

    place: str
    repository: str | None
    version: str | None
    files: Sequence[str]
    values: Mapping[str, Any]
    sets: Sequence[str]

    def flags(self) -> list[str]:
        return [
            *(("--repo", self.repository) if self.repository is not None else ()),
            *(("--version", self.version) if self.version is not None else ()),
            *(word for file in self.files for word in ("--values", file)),
            *("--values", "-"),
            *(word for one in self.sets for word in ("--set", one)),
        ]


class HelmMissing(Failure):
    """There is no helm."""


class Helm:
    """Helm, bound to a context and a namespace."""

    def __init__(self, context_name: str, namespace: str) -> None:
        self._namespace = namespace
        context = () if context_name == IN_CLUSTER else ("--kube-context", context_name)
        self._where = ("--namespace", namespace, *context)

    @staticmethod
    def version() -> tuple[int, ...]:
        """Raises HelmMissing, Failure."""
        printed = _run(["version", "--template", "{{.Version}}"])
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", printed)
        if found is None:
            raise Failure(f"helm does not tell its version: {printed.strip()[:100]}")
        return tuple(int(number) for number in found.groups())

    def release(self) -> Release | None:
        """What is installed; None when nothing is. Raises Failure."""
        try:
            printed = _run(["get", "metadata", RELEASE, "--output", "json", *self._where])
        except Failure as error:
            if "not found" in error.message:
                return None
            raise
        try:
            told = json.loads(printed)
        except ValueError as error:
            raise Failure("helm get metadata printed no JSON") from error
        return Release(
            status=str(told.get("status", "unknown")),
            chart=str(told.get("chart", "")),
            chart_version=str(told.get("version", "")),
            app_version=str(told.get("appVersion", "")),
        )

    def install(self, chart: Chart) -> None:
        """Our definitions are not the chart's business here: `crds.py` applies them."""
        _run(
            [
                *("install", RELEASE, chart.place, "--create-namespace", "--skip-crds"),
                *(*self._where, *chart.flags()),
            ],
            stdin=json.dumps(chart.values),
        )

    def upgrade(self, chart: Chart, *, dry_run: bool = False) -> None:
        """With the values that the release has, the new chart's defaults below them."""
        _run(
            [
                *("upgrade", RELEASE, chart.place, "--reset-then-reuse-values", "--skip-crds"),
                *(*self._where, *chart.flags(), *(("--dry-run=server",) if dry_run else ())),
            ],
            stdin=json.dumps(chart.values),
        )

    def uninstall(self) -> None:
        """Raises Failure, also when there is no release."""
        _run(["uninstall", RELEASE, *self._where])

    def values(self) -> str:
        """What the release was given, as YAML. Raises Failure."""
        return _run(["get", "values", RELEASE, "--output", "yaml", *self._where])

    def list(self) -> str:
        """All releases of the namespace, as a table. Raises Failure."""
        return _run(["list", *self._where])


def _run(words: Sequence[str], *, stdin: str = "") -> str:
    """What helm prints. Raises HelmMissing, Failure."""
    try:
        result = subprocess.run(
            ["helm", *words], input=stdin, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise HelmMissing(MISSING) from error
    except OSError as error:
        raise Failure(f"helm cannot be run: {error.strerror}") from error
    if result.returncode != 0:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("Error: ") if lines else f"exit code {result.returncode}"
        raise Failure(f"helm {words[0]} failed: {reason}")
    return result.stdout
