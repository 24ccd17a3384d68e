"""The benchmark works: every measure runs on tiny sizes and says something. Figures are not judged.

Like `make bench`, it needs a C compiler.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULES = ("filter that keeps all", "filter `contains`, keeps all", "map `case`, to capitals")
RUN = Path(__file__).parents[2] / "bench" / "run.py"


def figures_of(path: Path, *names: str) -> dict[str, Any]:
    words = [word for name in names for word in ("--name", name)]
    result = subprocess.run(
        [sys.executable, str(RUN), "--smoke", "--json", str(path), *words],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def test_every_measure_of_the_spu_runs_on_tiny_sizes(tmp_path: Path) -> None:
    names = ("produce", "latency", "consume", "memory", "restart", "codec")
    figures = figures_of(tmp_path / "figures.json", *names)
    compared = [name for name, figure in figures.items() if isinstance(figure, dict)]
    assert len(compared) >= 16
    assert all(figures[name]["ratio"] > 0 for name in compared if "CPU" not in name)
    assert len(figures) - len(compared) >= 12
    assert all(math.isfinite(figures[name]) for name in figures if name not in compared)


@pytest.mark.cluster
def test_the_client_is_measured_beside_others(tmp_path: Path) -> None:
    figures = figures_of(tmp_path / "figures.json", "client")
    assert {"fluvio --help (ms)", "fluvio --help, median (ms)"} <= set(figures)
    both = {name: figure for name, figure in figures.items() if "k rec/s" in name}
    ways = ("produce", "consume", "encode", "decode")
    assert {name.split()[0] for name in both} <= set(ways)
    for name in (f"{way} {size} (k rec/s)" for way in ways[:2] for size in ("100 B", "1 KiB")):
        ours = both[name]["ours"][0] if isinstance(both[name], dict) else both[name]
        assert ours > 0


def test_modules_are_measured_beside_plain_streams(tmp_path: Path) -> None:
    figures = figures_of(tmp_path / "figures.json", "smartmodules")
    compared = {name for name, figure in figures.items() if isinstance(figure, dict)}
    assert {name for name in compared if "k rec/s" in name} == {
        f"{module}, {size} (k rec/s)"
        for module in MODULES
        for size in ("146 x 100 B", "15 x 1024 B")
    }
    assert all(figures[name]["ratio"] > 0 for name in compared)
    assert len(figures) - len(compared) >= 15
