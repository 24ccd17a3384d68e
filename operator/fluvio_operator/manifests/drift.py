"""Does a live object differ from the manifest we would apply?

Called by the runtime before each server-side apply, for an apply that changes nothing still costs
a round trip for every object of every group. Two questions:

- Is every value of ours there? Whatever else the object holds is somebody else's: defaults of the
  API server, values of other field managers.
- Is something of ours there that we want no more? Only the API server's own notes say what was
  ours (`metadata.managedFields`, operation Apply); an object without them has nothing left over.
  So our objects are created by an apply as well, never by a plain create.

Lists are matched as the API server merges them: by key where they have one, whole otherwise.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from fluvio_operator.manifests.json_block import JsonObject
from fluvio_operator.manifests.names import FIELD_MANAGER
from fluvio_operator.manifests.quantity import parse_quantity

_LIST_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "env": (("name",),),
    "imagePullSecrets": (("name",),),
    "initContainers": (("name",),),
    "ownerReferences": (("uid",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "volumeMounts": (("mountPath",),),
    "volumes": (("name",),),
}
"""Lists with keys, by field name; of several keys the first that an entry has counts."""

_DEFAULTS_OF_KEYS = {"protocol": "TCP"}

_WHOLE_OBJECTS = frozenset({"labelSelector", "nodeSelector", "selector"})
"""Objects that have one owner: an entry more is a change of ours."""

_AMOUNTS = frozenset({"limits", "requests"})
_AMOUNT_FIELDS = frozenset({"sizeLimit"})
"""Where the API server writes an amount its own way: 1024Mi becomes 1Gi."""

_NEVER_LEFT_OUT = frozenset(
    {
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "blockOwnerDeletion",
        "enableServiceLinks",
        "privileged",
        "readOnlyRootFilesystem",
        "replicas",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
    }
)
"""Fields whose zero or false the API server keeps; it leaves out that of all others."""

_FROZEN = ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")

_NOTHING: Any = object()


def differs(wanted: JsonObject, live: JsonObject, *, manager: str = FIELD_MANAGER) -> bool:
    """Whether applying `wanted` would change `live`."""
    return first_difference(wanted, live, manager=manager) is not None


def first_difference(
    wanted: JsonObject, live: JsonObject, *, manager: str = FIELD_MANAGER
) -> str | None:
    """The path of a field that an apply would change, for the log; None when there is none."""
    body = {name: value for name, value in wanted.items() if name not in ("apiVersion", "kind")}
    return next(chain(_changed(body, live, "", ""), _left_over(body, live, manager)), None)


def frozen_differences(wanted: JsonObject, live: JsonObject) -> tuple[str, ...]:
    """Fields of a StatefulSet that differ and that the API server refuses to change.

    Such a StatefulSet is deleted without its pods, which go on running, and applied again.
    """
    wanted_spec, live_spec = wanted["spec"], live.get("spec") or {}
    return tuple(
        f"spec.{name}"
        for name in _FROZEN
        if name in wanted_spec
        if any(_changed(wanted_spec[name], live_spec.get(name, _NOTHING), name, name))
    )


def _changed(wanted: Any, live: Any, field: str, path: str) -> Iterator[str]:
    """Paths of values of ours that are not there. field: the name that `path` ends in."""
    if live is _NOTHING or live is None:
        if field in _NEVER_LEFT_OUT or not _is_empty(wanted):
            yield path
    elif isinstance(wanted, Mapping):
        yield from _changed_object(wanted, live, field, path)
    elif isinstance(wanted, list | tuple):
        yield from _changed_list(wanted, live, field, path)
    elif wanted != live or isinstance(wanted, bool) != isinstance(live, bool):
        yield path


def _changed_object(wanted: JsonObject, live: Any, field: str, path: str) -> Iterator[str]:
    if not isinstance(live, Mapping) or (field in _WHOLE_OBJECTS and wanted.keys() != live.keys()):
        yield path
        return
    for name, value in wanted.items():
        found = live.get(name, _NOTHING)
        if (field in _AMOUNTS or name in _AMOUNT_FIELDS) and _same_amount(value, found):
            continue
        yield from _changed(value, found, name, f"{path}.{name}" if path else name)


def _changed_list(wanted: Sequence[Any], live: Any, field: str, path: str) -> Iterator[str]:
    if not isinstance(live, list | tuple):
        yield path
        return
    keys = _LIST_KEYS.get(field)
    if keys is None:
        if len(wanted) != len(live):
            yield path
            return
        for index, (value, found) in enumerate(zip(wanted, live, strict=True)):
            yield from _changed(value, found, "", f"{path}[{index}]")
        return
    by_key = {_key_of(entry, keys): entry for entry in live}
    for entry in wanted:
        key = _key_of(entry, keys)
        where = f"{path}[{'/'.join(map(str, key))}]"
        yield from _changed(entry, by_key.get(key, _NOTHING), "", where)


def _key_of(entry: Any, keys: tuple[tuple[str, ...], ...]) -> tuple[Any, ...]:
    if not isinstance(entry, Mapping):
        return (entry,)
    key = next((key for key in keys if key[0] in entry), keys[0])
    return tuple(entry.get(name, _DEFAULTS_OF_KEYS.get(name)) for name in key)


def _is_empty(value: Any) -> bool:
    """What JSON made by the API server leaves out."""
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in value.values())
    return value in ("", 0, [], ()) or value is False


def _same_amount(wanted: Any, live: Any) -> bool:
    if not isinstance(wanted, str | int | float) or not isinstance(live, str | int | float):
        return False
    amount = parse_quantity(wanted)
    return amount is not None and amount == parse_quantity(live)


def _left_over(wanted: JsonObject, live: JsonObject, manager: str) -> Iterator[str]:
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        if (
            entry.get("manager") == manager
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ):
            yield from _unwanted(entry.get("fieldsV1") or {}, wanted, "")


def _unwanted(owned: JsonObject, wanted: Any, path: str) -> Iterator[str]:
    """Paths of what we own and do not want.

    owned: a tree of the API server's: `f:` a field, `k:` an entry by its keys, `v:` one by its
           value; a leaf is owned whole
    """
    for name, below in owned.items():
        kind, _, text = name.partition(":")
        match kind:
            case "f":
                value = wanted.get(text, _NOTHING) if isinstance(wanted, Mapping) else _NOTHING
                where = f"{path}.{text}" if path else text
            case "k":
                value = _entry_with(json.loads(text), wanted)
                where = f"{path}[{'/'.join(map(str, json.loads(text).values()))}]"
            case "v":
                members = wanted if isinstance(wanted, list | tuple) else ()
                value = json.loads(text) if json.loads(text) in members else _NOTHING
                where = f"{path}[{text}]"
            case _:
                continue  # "." is the entry itself; positions do not occur in what we apply
        if value is _NOTHING:
            yield where
        else:
            yield from _unwanted(below, value, where)


def _entry_with(key: JsonObject, wanted: Any) -> Any:
    for entry in wanted if isinstance(wanted, list | tuple) else ():
        if isinstance(entry, Mapping) and all(
            entry.get(name, value) == value for name, value in key.items()
        ):
            return entry
    return _NOTHING
