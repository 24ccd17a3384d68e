"""The memory of a container, or of the machine."""

import os
from pathlib import Path

import pytest

from fluvio_process.memory_limit import memory_limit_bytes

MACHINE_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("texts", "found_bytes"),
    [
        ((), MACHINE_BYTES),
        (("max\n",), MACHINE_BYTES),
        (("1048576\n",), 1 << 20),
        (("max\n", "2097152\n"), 2 << 20),
        (("9223372036854771712\n",), MACHINE_BYTES),
    ],
)
def test_the_limit_is_the_containers_or_the_machines(
    tmp_path: Path, texts: tuple[str, ...], found_bytes: int
) -> None:
    files = [tmp_path / "not there"]
    for number, text in enumerate(texts):
        files.append(tmp_path / str(number))
        files[-1].write_text(text)
    assert memory_limit_bytes(files) == found_bytes
