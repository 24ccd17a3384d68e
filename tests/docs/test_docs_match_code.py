"""The docs say what the code does: files, links, versions, flags, variables and counters.

Each test compares a page with the code itself, in both directions where that is possible.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import click
import pytest

from fluvio_cli.commands import replica_moves
from fluvio_protocol.api.versions import PLATFORM_VERSION, ApiVersionRange
from fluvio_protocol.record import encode_batch
from fluvio_protocol.record.record import Record
from fluvio_sc.public_api import api_versions as controller_versions
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.public_api import api_versions as spu_versions
from fluvio_spu.storage import Log, LogConfig, OsDisk

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
ROOTS = [REPOSITORY / name for name in ("protocol", "spu_image", "operator", "client")]
WALKS = ["one-record.md", "one-topic.md"]


def page(name: str) -> str:
    return (DOCS / name).read_text()


def pages() -> list[Path]:
    return sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md"), *REPOSITORY.glob("*/README.md")])


def source_texts() -> Iterable[str]:
    for root in ROOTS:
        for path in root.rglob("*.py"):
            yield path.read_text()


def help_of(*command: str) -> str:
    """What a command says of itself."""
    result = subprocess.run(
        [sys.executable, *command, "--help"], capture_output=True, text=True, check=True
    )
    return result.stdout


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"}


def rows_of(text: str) -> list[list[str]]:
    """Cells of all table rows, headers and rules left out."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


@pytest.mark.parametrize("name", WALKS)
def test_every_file_that_a_walk_names_exists(name: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", page(f"explanation/{name}")))
    assert len(named) >= 12
    modules = [path.as_posix() for root in ROOTS for path in root.rglob("*.py")]
    missing = [one for one in named if not any(path.endswith("/" + one) for path in modules)]
    assert sorted(missing) == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [one for one in targets if not (path.parent / one).exists()] == []


def test_every_page_can_be_reached_from_the_first() -> None:
    seen, waiting = set(), [DOCS / "README.md"]
    while waiting:
        path = waiting.pop().resolve()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        targets = re.findall(r"\]\(([^)#:]+)", path.read_text())
        waiting += [path.parent / target for target in targets]
    assert {path.resolve() for path in DOCS.rglob("*.md")} - seen == set()


@pytest.mark.parametrize(
    ("title", "advertised"),
    [
        ("## Controller, public port", controller_versions.ADVERTISED),
        ("## SPU, public port", spu_versions.ADVERTISED),
    ],
)
def test_the_versions_are_those_that_servers_advertise(
    title: str, advertised: Iterable[ApiVersionRange]
) -> None:
    section = page("reference/api-versions.md").split(title)[1].split("\n## ")[0]
    said = {(row[0], row[2]) for row in rows_of(section) if row[0] != "key"}
    assert said == {
        (str(one.api_key), f"{one.min_version}..{one.max_version}") for one in advertised
    }


def test_the_platform_version_is_the_one_that_is_told() -> None:
    assert f"`{PLATFORM_VERSION}`" in page("reference/api-versions.md")


def test_every_environment_variable_is_documented() -> None:
    pattern = re.compile(r"\b(?:FLV|FLUVIO)_[A-Z][A-Z_]*[A-Z]\b")
    used = {name for text in source_texts() for name in pattern.findall(text)}
    used -= {"FLUVIO_CLI"}  # the name by which servers know the command line
    said = {row[0].strip("`") for row in rows_of(page("reference/environment.md"))}
    assert {name for name in said if pattern.fullmatch(name)} == used


def test_every_setting_of_an_spu_is_documented() -> None:
    said = {flag for row in rows_of(page("reference/spu-settings.md")) for flag in flags_in(row[0])}
    assert said == flags_in(help_of("-m", "fluvio_spu"))


def test_every_setting_of_cluster_start_is_documented() -> None:
    run = "from fluvio_cli.main import main; main()"
    start = page("reference/kubernetes-cluster.md").split("## fluvio cluster upgrade")[0]
    rows = [*rows_of(page("reference/local-cluster.md")), *rows_of(start)]
    said = {flag for row in rows for flag in flags_in(row[0])}
    assert said == flags_in(help_of("-c", run, "cluster", "start"))


def test_every_flag_of_the_commands_that_move_replicas_is_documented() -> None:
    commands = (
        *(replica_moves.show_replicas, replica_moves.move, replica_moves.elect),
        *(replica_moves.drain, replica_moves.rebalance),
    )
    taken = {
        (option, command.name)
        for command in commands
        for param in command.params
        if isinstance(param, click.Option) and param.expose_value  # not those of all commands
        for option in param.opts
        if option.startswith("--")
    }
    rows = rows_of(page("reference/replica-moves.md").split("## Flags")[1].split("\n## ")[0])
    said = {
        (flag, name)
        for flags, of, _ in rows
        for flag in flags_in(flags)
        for name in re.findall(r"`(\w+)`", of)
    }
    assert said == taken


def test_every_counter_is_documented() -> None:
    said = {row[0].strip("`") for row in rows_of(page("reference/metrics.md"))} - {"name"}
    assert said == set(SpuMetrics.__slots__)


def test_every_file_of_a_partition_is_documented(tmp_path: Path) -> None:
    log = Log.open(OsDisk(), str(tmp_path / "topic-0"), LogConfig(segment_size_bytes_max=4096))
    batch = encode_batch([Record(value=b"x" * 1500)], first_timestamp=0)
    for _ in range(4):
        log.append([(memoryview(bytearray(batch)), 1)])
    log.set_high_watermark(log.end_offset)
    log.checkpoint()
    log.close()
    text = page("reference/on-disk-layout.md")
    for path in (tmp_path / "topic-0").iterdir():
        assert re.sub(r"^\d{20}", "0" * 20, path.name) in text
