"""The wheel carries the chart and the definitions, though one is linked into the other, and the
SmartModules, though what is compiled is not in version control."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
BUNDLED = "fluvio_cli/bundled/"


def build(kind: str, source: Path, target: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)],
        cwd=source,
        capture_output=True,
        check=True,
    )
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Of the source distribution, so both have what they must."""
    packed = build("sdist", REPOSITORY, tmp_path_factory.mktemp("sdist"))
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(packed) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return zipfile.ZipFile(build("wheel", source, tmp_path_factory.mktemp("wheel")))


def files_below(folder: Path) -> list[str]:
    """Through links, and without what editors leave."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in [*folder.rglob("*"), *(folder / "crds").glob("*")]
        if path.is_file() and not path.name.endswith("~")
    )


def test_it_has_the_whole_chart_once(wheel: zipfile.ZipFile) -> None:
    chart = [
        name.removeprefix(f"{BUNDLED}charts/fluvio/")
        for name in wheel.namelist()
        if name.startswith(f"{BUNDLED}charts/")
    ]
    assert sorted(chart) == sorted(set(files_below(REPOSITORY / "charts" / "fluvio")))
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "templates/NOTES.txt"} <= set(chart)


def test_it_has_each_definition_once_in_each_place(wheel: zipfile.ZipFile) -> None:
    wanted = sorted(path.name for path in (REPOSITORY / "crds").iterdir())
    for folder in (f"{BUNDLED}crds/", f"{BUNDLED}charts/fluvio/crds/"):
        found = {name: wheel.read(name) for name in wheel.namelist() if name.startswith(folder)}
        assert sorted(found) == [folder + name for name in wanted]
        for name, content in found.items():
            assert content == (REPOSITORY / "crds" / Path(name).name).read_bytes()
    assert len(wheel.namelist()) == len(set(wheel.namelist()))


def test_it_has_the_smart_modules_as_source_and_compiled(wheel: zipfile.ZipFile) -> None:
    place = f"{BUNDLED}smartmodules/"
    found = {name.removeprefix(place) for name in wheel.namelist() if name.startswith(place)}
    sources = REPOSITORY / "smartmodules"
    wanted = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    compiled = {f"wasm/{path.stem}.wasm" for path in (sources / "ready_made").glob("*.c")}
    assert found == wanted | compiled


def test_helm_takes_the_chart_that_it_has(
    wheel: zipfile.ZipFile, helm: Any, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    chart = tmp_path / BUNDLED / "charts" / "fluvio"
    assert helm.rendered("--include-crds", chart=chart) == helm.rendered("--include-crds")
