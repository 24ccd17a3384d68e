"""Promises as stories: each text in `scenarios/` is what a cluster did, and has to do again.

`make scenarios REWRITE=1` writes down what it does now; then read the difference.
"""

import os
from pathlib import Path

import pytest
from scenario import parse, transcript

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_it_goes_as_told(path: Path) -> None:
    text = path.read_text()
    now = transcript(*parse(text))
    if os.environ.get("SCENARIOS_REWRITE"):
        path.write_text(now)
        return
    assert now == text


def test_there_are_stories() -> None:
    assert len(SCENARIOS) >= 8
