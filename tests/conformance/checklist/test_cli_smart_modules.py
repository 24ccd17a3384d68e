"""SmartModules of every kind on the command line: lines 36 and 37 of the checklist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

TEMPLATES = Path(__file__).parents[3] / "smartmodules" / "templates"
KINDS = {
    "filter": (["-e", "text=4"], ["4", "40"]),
    "map": (["-e", "prefix== "], ["= 4", "= 40", "= 6"]),
    "filter_map": ([], ["2", "20", "3"]),
    "array_map": ([], ["4", "40", "6"]),
    "aggregate": (["--aggregate-initial", "100"], ["104", "144", "150"]),
}
RECORDS = "4\n40\n6\n"

NewTopic = Callable[..., str]


@pytest.fixture(params=KINDS)
def module(
    request: pytest.FixtureRequest, compile_c: Callable[[str], bytes], tmp_path: Path
) -> tuple[list[str], list[str]]:
    """Flags that have a module of each kind run, and what it makes of the records."""
    flags, expected = KINDS[request.param]
    path = tmp_path / "module.wasm"
    path.write_bytes(compile_c((TEMPLATES / f"{request.param}.c").read_text()))
    return ["--smartmodule-path", str(path), *flags], expected


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4"])
def test_consuming_through_every_kind(
    fluvio: Any, new_topic: NewTopic, module: tuple[list[str], list[str]], compression: str
) -> None:
    topic = new_topic()
    fluvio("produce", topic, "--compression", compression, stdin=RECORDS)
    flags, expected = module
    assert fluvio("consume", topic, "-B", "-d", *flags).splitlines() == expected


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_producing_through_every_kind(
    fluvio: Any, new_topic: NewTopic, module: tuple[list[str], list[str]], compression: str
) -> None:
    topic = new_topic()
    flags, expected = module
    # One batch: modules of producers remember nothing from one request to the next.
    together = ("--linger", "1s", "--compression", compression)
    fluvio("produce", topic, *together, *flags, stdin=RECORDS)
    assert fluvio("consume", topic, "-B", "-d").splitlines() == expected


def test_a_module_that_there_is_not(fluvio: Any, new_topic: NewTopic) -> None:
    said = fluvio.refused("produce", new_topic(), "--smartmodule", "wrong", stdin="1\n")
    assert "SmartModule wrong was not found" in said
