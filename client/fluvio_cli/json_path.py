"""JSON values of records, and places in them as `user.address.0`: names and numbers. Pure."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

MISSING: Final = object()
"""What is at a path that leads nowhere; null is a value."""


def parse_json(data: bytes) -> Any:
    """The value, by the letter: neither NaN nor numbers beyond all bounds are JSON.

    Raises: ValueError, JSONDecodeError where a place can be told.
    """
    try:
        return json.loads(data, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


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


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number
