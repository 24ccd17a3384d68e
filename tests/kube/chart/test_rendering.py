"""The chart, rendered with each file of `values/`, is what the file of that name in `golden/` says.

`REWRITE=1` writes the golden files anew; then read the diff.
"""

import os
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SETS = sorted((HERE / "values").glob("*.yaml"))


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_a_rendering_is_the_golden_one(helm: Any, values: Path) -> None:
    golden = HERE / "golden" / values.name
    text = helm.rendered("--values", str(values))
    if os.environ.get("REWRITE") == "1":
        golden.write_text(text)
    assert text == golden.read_text()


def test_no_golden_file_is_left_over() -> None:
    assert [path.name for path in sorted((HERE / "golden").iterdir())] == [
        path.name for path in SETS
    ]


@pytest.mark.parametrize("values", SETS, ids=lambda path: path.stem)
def test_lint_has_no_complaint(helm: Any, values: Path) -> None:
    words = ("--strict", "--quiet", "--kube-version", "1.34.0", "--values", str(values))
    done = helm.run("lint", str(HERE.parents[2] / "charts" / "fluvio"), *words)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_kubernetes_1_29_is_enough(helm: Any) -> None:
    older = helm.objects("--kube-version", "1.29.0").names()
    newer = helm.objects().names()
    assert {kind for kind, _ in newer - older} == {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    assert older - newer == set()


def test_kubernetes_1_28_is_refused(helm: Any) -> None:
    assert "chart requires kubeVersion: >=1.29" in helm.refusal("--kube-version", "1.28.9")
