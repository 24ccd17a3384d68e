"""Places in a JSON value, as `user.address.0`: names of objects and numbers of lists. Pure."""

from collections.abc import Mapping
from typing import Any, Final

MISSING: Final = object()
"""What is at a path that leads nowhere; null is a value."""


def at_path(value: Any, path: str) -> Any:
    """What is there, or MISSING. An empty path is the value itself.

    A name that has points in it is found as a whole, where there is one of that name.
    """
    if not path:
        return value
    if isinstance(value, Mapping) and path in value:
        return value[path]
    name, _, rest = path.partition(".")
    if isinstance(value, Mapping) and name in value:
        return at_path(value[name], rest)
    if isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
        return at_path(value[int(name)], rest)
    return MISSING
