"""The benchmark works: every measure runs on tiny sizes and says something. Figures are not judged.

Like `make bench`, it needs a C compiler.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "bench" / "run.py"


def test_every_measure_runs_on_tiny_sizes(tmp_path: Path) -> None:
    figures_path = tmp_path / "figures.json"
    result = subprocess.run(
        [sys.executable, str(RUN), "--smoke", "--json", str(figures_path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(figures_path.read_text())
    compared = [name for name, figure in figures.items() if isinstance(figure, dict)]
    assert len(compared) >= 16
    assert all(figures[name]["ratio"] > 0 for name in compared if "CPU" not in name)
    assert len(figures) - len(compared) >= 12
    assert all(math.isfinite(figures[name]) for name in figures if name not in compared)
