"""The simulator's parts are modules beside the tests; so is the disk that the log's tests use."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "storage")]
