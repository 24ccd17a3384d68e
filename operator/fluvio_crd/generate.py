"""Writes `crds/`: one file per kind, `python -m fluvio_crd.generate`; `--check` only compares.

Called by `make generate` and `make lint`. Output is a function of the models alone.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from fluvio_crd.definition import definition_of
from fluvio_crd.resources import RESOURCES

DIRECTORY = Path(__file__).parents[2] / "crds"
HEADER = "# Made by `make generate` from operator/fluvio_crd: edit the models, never this file.\n"


class _Dumper(yaml.SafeDumper):
    """Writes what is equal twice in full: readers of a CRD know no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def generated_files() -> dict[str, str]:
    """File name to text."""
    return {
        f"{resource.plural}.yaml": HEADER
        + yaml.dump(
            definition_of(resource),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=100,
        )
        for resource in RESOURCES
    }


def stale_files(directory: Path) -> list[str]:
    """Names of files that are missing, differ, or should not be there."""
    wanted = generated_files()
    present = {path.name: path.read_text() for path in directory.glob("*.yaml")}
    return sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m fluvio_crd.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args(arguments)
    stale = stale_files(DIRECTORY)
    if options.check:
        if stale:
            print(f"crds/ differs from the models: {', '.join(stale)}; run `make generate`")
        return 1 if stale else 0
    DIRECTORY.mkdir(exist_ok=True)
    for name in stale:
        (DIRECTORY / name).unlink(missing_ok=True)
    for name, text in generated_files().items():
        (DIRECTORY / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
