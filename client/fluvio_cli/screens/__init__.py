"""Screens of the command line: what fills a terminal until somebody has enough.

Models (`top_model`, and `record_table` outside) are pure and know no screen; `rows_view`,
`full_table`, `top_screen` and `run_screen` show them with textual, which is an extra. Commands call
`require_textual` before they import those, and import them only when they fill a screen.
"""

import importlib.util

from fluvio_cli.failure import Failure

EXTRA = "screens"


def require_textual(what: str) -> None:
    """Raises: Failure that names the extra to install for `what`, when textual is missing."""
    if importlib.util.find_spec("textual") is None:
        raise Failure(f"{what} needs textual: install the distribution with its '{EXTRA}' extra")
