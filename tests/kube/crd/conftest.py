"""Shared by the tests of manifests: values of the wire, and sample manifests."""

import sys
from pathlib import Path

# Test modules are imported by path and not as a package, so their common parts need one.
sys.path.insert(0, str(Path(__file__).parent))
