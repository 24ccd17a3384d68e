"""How much memory this process may have at most."""

import os
from collections.abc import Iterable
from pathlib import Path

_CONTROL_GROUP_FILES = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Of a container, seen from inside: of the second and of the first version."""


def memory_limit_bytes(files: Iterable[Path] = _CONTROL_GROUP_FILES) -> int:
    """What the container may use, where there is one that may not use all, else the machine's."""
    machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(int(text), machine_bytes)
    return machine_bytes
