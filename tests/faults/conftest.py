"""Finding the processes of a cluster that a test is about to hurt: its own, by its data folder."""

from collections.abc import Callable
from typing import Any

import psutil
import pytest

ProcessFinder = Callable[[Any, str], list[psutil.Process]]


@pytest.fixture
def processes_of() -> ProcessFinder:
    """`processes_of(cluster, "fluvio_spu")`: running processes of that module, on its data."""

    def find(cluster: Any, module: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
                running = process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if running and module in command and any(str(cluster.data_dir) in a for a in command):
                found.append(process)
        return found

    return find
