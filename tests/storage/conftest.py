"""Shared by the tests of the log: batches to append, configurations, a disk that misbehaves."""

import sys
from pathlib import Path

import pytest

# Test modules are imported by path and not as a package, so their common parts need one.
sys.path.insert(0, str(Path(__file__).parent))

from fake_disk import FakeDisk


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk()
