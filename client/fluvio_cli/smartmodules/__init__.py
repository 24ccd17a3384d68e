"""SmartModules on this machine: compiling C, trying modules, those that come ready-made, templates.

Called by the commands below `fluvio smartmodule`. Talks to no cluster.
"""

import importlib.util

from fluvio_cli.failure import Failure

EXTRA = "smartmodules"


def require_engine(what: str) -> None:
    """Raises: Failure that names the extra to install for `what`, when wasmtime is missing."""
    if importlib.util.find_spec("wasmtime") is None:
        raise Failure(f"{what} needs wasmtime: install the distribution with its '{EXTRA}' extra")
