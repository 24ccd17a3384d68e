"""Helm for the chart's tests: found on the PATH, else where the Kubernetes lab keeps it.

Where neither has one, a developer's run skips these tests and says so; CI's fails.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
CHART = REPOSITORY / "charts" / "fluvio"
KUBERNETES = "1.34.0"
NAMESPACE = "stream"


@dataclass(frozen=True)
class Helm:
    """The executable, shut off from its user's settings and from any cluster."""

    executable: str
    home: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.executable, *words],
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(self.home),
                "KUBECONFIG": os.devnull,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def template(self, *words: str, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
        kube = () if "--kube-version" in words else ("--kube-version", KUBERNETES)
        return self.run("template", "fluvio", str(chart), "-n", NAMESPACE, *kube, *words)

    def rendered(self, *words: str, chart: Path = CHART) -> str:
        done = self.template(*words, chart=chart)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def objects(self, *words: str, chart: Path = CHART) -> "Objects":
        documents = yaml.safe_load_all(self.rendered(*words, chart=chart))
        return Objects([document for document in documents if document])

    def refusal(self, *words: str) -> str:
        done = self.template(*words)
        assert done.returncode != 0, done.stdout
        return done.stderr


@dataclass(frozen=True)
class Objects:
    """What a rendering has, by kind and name."""

    documents: Sequence[Mapping[str, Any]]

    def names(self) -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in self.documents}

    def of_kind(self, kind: str) -> list[Mapping[str, Any]]:
        return [one for one in self.documents if one["kind"] == kind]

    def one(self, kind: str, name: str) -> Any:
        (found,) = [one for one in self.of_kind(kind) if one["metadata"]["name"] == name]
        return found


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    cache = Path(os.environ.get("FLUVIO_E2E_CACHE", str(Path.home() / ".cache" / "fluvio-e2e")))
    found = shutil.which("helm") or shutil.which("helm", path=str(cache / "bin"))
    if found is None:
        missing = f"helm is neither on the PATH nor in {cache / 'bin'}: the chart is not rendered"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return Helm(found, tmp_path_factory.mktemp("helm-home"))
