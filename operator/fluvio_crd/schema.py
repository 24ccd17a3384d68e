"""From a pydantic model to a structural schema, as CustomResourceDefinitions want it.

Called by `definition.py`. pydantic's JSON schema is not structural: it refers to definitions and
says "or null" as a union. Here references are written out, and titles go, and defaults that only
the code applies.

Of the null nothing is left, except where a model says `nullable`. The API server drops a null of
a field that is not nullable (of plain requests, at least), so it means what leaving the field out
means, and rules need not think of it. Server-side apply does not drop nulls: fields that Fluvio's
CRD calls nullable are so here too, that manifests with `deduplication: null` apply either way.

A keyword that is not known here is an error, so nothing slips into a schema unseen.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from fluvio_crd.model import DEFAULT_MARK, REQUIRED_MARK, RULES

Schema = dict[str, Any]

_KEPT = (
    *("description", "type", "format", "nullable", "default", "enum", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string"),
    *("x-kubernetes-preserve-unknown-fields", "required", "properties", "additionalProperties"),
    *("items", RULES),
)
_DROPPED = {"title", "$defs"}
_NULL = {"type": "null"}
_EXACT_MAX = (1 << 53) - 1
"""Bounds beyond it are left to `format`: the API server keeps bounds as floating point."""


class NotStructural(ValueError):
    """A model says something that a structural schema cannot."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model, for manifests. Raises NotStructural."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(raw, raw.get("$defs", {}), model.__name__)


def _structural(raw: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    node = _resolved(raw, definitions, where)
    unknown = node.keys() - _DROPPED - {DEFAULT_MARK, REQUIRED_MARK, *_KEPT}
    if unknown:
        raise NotStructural(f"{where}: {sorted(unknown)} has no place in a structural schema")
    schema = {name: node[name] for name in _KEPT if name in node and name != "default"}
    for bound in ("minimum", "maximum"):
        if abs(schema.get(bound, 0)) > _EXACT_MAX:
            del schema[bound]
    if node.get("x-kubernetes-preserve-unknown-fields"):
        schema.pop("additionalProperties", None)
        schema.pop("items", None)
    if RULES in schema:
        schema[RULES] = [{"rule": one["rule"], "message": one["message"]} for one in schema[RULES]]
    if DEFAULT_MARK in node:
        schema["default"] = node[DEFAULT_MARK]
    if "properties" in schema:
        properties = schema["properties"]
        schema["required"] = [
            name
            for name, raw_property in properties.items()
            if name in node.get("required", ())
            or REQUIRED_MARK in _resolved(raw_property, definitions, where)
        ]
        schema["properties"] = {
            name: _structural(inner, definitions, f"{where}.{name}")
            for name, inner in properties.items()
        }
    for inner_name in ("items", "additionalProperties"):
        if inner_name in schema:
            schema[inner_name] = _structural(schema[inner_name], definitions, f"{where}[]")
    if not schema.get("required", True):
        del schema["required"]
    return {name: schema[name] for name in _KEPT if name in schema}


def _resolved(raw: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    """A node with its reference written out and its null taken away; what it says itself wins."""
    own = {name: value for name, value in raw.items() if name not in ("$ref", "anyOf", "const")}
    if "const" in raw:
        own["enum"] = [raw["const"]]
    if own.get("x-kubernetes-preserve-unknown-fields") and "anyOf" in raw:
        return own
    if "anyOf" in raw:
        variants = [variant for variant in raw["anyOf"] if variant != _NULL]
        if len(variants) != 1:
            raise NotStructural(f"{where}: a union has no structural form")
        return {**_resolved(variants[0], definitions, where), **own}
    if "$ref" in raw:
        referred = definitions[raw["$ref"].rpartition("/")[2]]
        return {**_resolved(referred, definitions, where), **own}
    return own
