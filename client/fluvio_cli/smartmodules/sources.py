"""Where the header, the templates and the ready-made modules are.

In an installed wheel all are in `fluvio_cli/bundled/smartmodules/`; in a checkout the sources are
in the repository's `smartmodules/`, and `make smartmodules` puts what it compiles into that same
place of the package, which is not in version control.
"""

from pathlib import Path

from fluvio_cli.failure import Failure

_PACKAGE = Path(__file__).parents[1]
_REPOSITORY = _PACKAGE.parents[1]
_BUNDLED = _PACKAGE / "bundled" / "smartmodules"


def source_directory() -> Path:
    """The folder with `sdk/`, `templates/` and `ready_made/`. Raises Failure when there is none."""
    for place in (_BUNDLED, _REPOSITORY / "smartmodules"):
        if (place / "sdk").is_dir():
            return place
    raise Failure(
        f"This installation of fluvio is not whole: {_BUNDLED / 'sdk'} is missing; install it again"
    )


def wasm_directory() -> Path:
    """Where the compiled ready-made modules are, or would be."""
    return _BUNDLED / "wasm"
