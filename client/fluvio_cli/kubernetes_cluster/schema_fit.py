"""Does a stored object fit a schema? Asked before the schema is put in force. Pure.

Covers what can hurt: a field that would be dropped, a missing one, a wrong type, a value out of
bounds. Rules in CEL are left to the API server, which does not apply new ones to old values.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def misfits(schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
    """One sentence per thing that does not fit. schema: of OpenAPI 3, as CRDs have it."""
    if value is None:
        if not schema.get("nullable"):
            yield f"{place}: null is not allowed"
        return
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{place}: {_shown(value)} is no number and no text"
        return
    wanted = schema.get("type")
    if wanted in _TYPES and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")
    ):
        yield f"{place}: {_shown(value)} is not of type {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {_shown(value)} is none of {', '.join(map(str, schema['enum']))}"
    match value:
        case dict():
            yield from _object_misfits(schema, value, place)
        case list():
            yield from _size_misfits(schema, len(value), place, "Items", "items")
            for index, item in enumerate(value):
                yield from misfits(schema.get("items") or {}, item, f"{place}[{index}]")
        case str():
            yield from _size_misfits(schema, len(value), place, "Length", "characters")
            if "pattern" in schema and not re.search(schema["pattern"], value):
                yield f"{place}: {_shown(value)} does not match {schema['pattern']}"
        case int() | float():
            if "minimum" in schema and value < schema["minimum"]:
                yield f"{place}: {value} is less than {schema['minimum']}"
            if "maximum" in schema and value > schema["maximum"]:
                yield f"{place}: {value} is more than {schema['maximum']}"


def _object_misfits(
    schema: Mapping[str, Any], value: Mapping[str, Any], place: str
) -> Iterator[str]:
    known = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name in schema.get("required") or ():
        if name not in value and "default" not in (known.get(name) or {}):
            yield f"{place}.{name}: is missing"
    for name, item in value.items():
        if name in known:
            yield from misfits(known[name], item, f"{place}.{name}")
        elif isinstance(others, Mapping):
            yield from misfits(others, item, f"{place}.{name}")
        elif not others and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{place}.{name}: would be dropped"


def _size_misfits(
    schema: Mapping[str, Any], size: int, place: str, suffix: str, noun: str
) -> Iterator[str]:
    if size < schema.get(f"min{suffix}", 0):
        yield f"{place}: {size} {noun} are less than {schema[f'min{suffix}']}"
    if size > schema.get(f"max{suffix}", size):
        yield f"{place}: {size} {noun} are more than {schema[f'max{suffix}']}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
