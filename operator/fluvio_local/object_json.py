"""Dataclasses as JSON values and back, by their type annotations.

Used for the rows of `sqlite_store.py` and the small files of `cluster_files.py`; it knows no
particular class. Pure. The rules:

    dataclass          object, every field by its name
    one of several     {"ClassName": {...}}: the variant, by the name of its class
    IntEnum, StrEnum   the member's name
    tuple              array
    dict               object; keys that are numbers are written as text
    bytes              base64 text
    absent             null

Reading is lenient where releases differ: a field that is not there gets its default, a field
that is not known is ignored. Class, field and member names are therefore a file format: rename
one, and `read` must learn the old name.
"""

import base64
import dataclasses
import functools
import types
import typing
from enum import Enum
from typing import Any, NewType

from fluvio_protocol.codec import TaggedUnion


class JsonShapeError(ValueError):
    """A JSON value does not have the shape its type asks for; says where and why."""


def to_json(annotation: Any, value: Any) -> Any:
    """A value as what `json.dumps` takes. Raises TypeError for a type that has no rule."""
    if value is None:
        return None
    variants = _variants(annotation)
    if variants:
        cls = type(value)
        return {cls.__name__: to_json(cls, value)}
    annotation = _plain(annotation)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is tuple:
        return [to_json(arguments[0], item) for item in value]
    if origin is dict:
        return {_key(key): to_json(arguments[1], item) for key, item in value.items()}
    if annotation is bytes:
        return base64.b64encode(value).decode("ascii")
    if issubclass(annotation, Enum):
        return value.name
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return {
            name: to_json(hint, getattr(value, name))
            for name, (hint, _) in _fields(annotation).items()
        }
    if annotation in (bool, int, float, str):
        return value
    raise TypeError(f"{annotation!r} has no JSON form")


def from_json(annotation: Any, data: Any) -> Any:
    """The value that `to_json` wrote. Raises JsonShapeError."""
    if data is None:
        if _optional(annotation):
            return None
        raise JsonShapeError(f"null where {_name(annotation)} is expected")
    variants = _variants(annotation)
    if variants:
        if not isinstance(data, dict) or len(data) != 1:
            raise JsonShapeError(f"expected one of {sorted(variants)}, found {data!r:.80}")
        ((name, inner),) = data.items()
        if name not in variants:
            raise JsonShapeError(f'"{name}" is none of {sorted(variants)}')
        return from_json(variants[name], inner)
    annotation = _plain(annotation)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is tuple:
        return tuple(from_json(arguments[0], item) for item in _expect(list, data))
    if origin is dict:
        read_key = int if _plain(arguments[0]) is int else str
        return {
            read_key(key): from_json(arguments[1], item)
            for key, item in _expect(dict, data).items()
        }
    if annotation is bytes:
        return base64.b64decode(_expect(str, data), validate=True)
    if issubclass(annotation, Enum):
        try:
            return annotation[_expect(str, data)]
        except KeyError:
            raise JsonShapeError(f'"{data}" is no {annotation.__name__}') from None
    if dataclasses.is_dataclass(annotation):
        return _read_dataclass(annotation, _expect(dict, data))
    if annotation is float:
        return float(_expect((int, float), data))
    return _expect(annotation, data)


def _read_dataclass(cls: Any, data: dict[str, Any]) -> Any:
    values = {}
    for name, (hint, required) in _fields(cls).items():
        if name in data:
            try:
                values[name] = from_json(hint, data[name])
            except JsonShapeError as error:
                raise JsonShapeError(f"{name}: {error}") from None
        elif required:
            raise JsonShapeError(f"{cls.__name__} without {name}")
    return cls(**values)


@functools.cache
def _fields(cls: Any) -> dict[str, tuple[Any, bool]]:
    """Annotation of each field, and whether it must be given."""
    hints = typing.get_type_hints(cls, include_extras=True)
    absent = dataclasses.MISSING
    return {
        declared.name: (
            hints[declared.name],
            declared.default is absent and declared.default_factory is absent,
        )
        for declared in dataclasses.fields(cls)
    }


def _variants(annotation: Any) -> dict[str, type]:
    """Classes of a tagged union by name; empty for everything else."""
    for member in _members(annotation):
        for extra in getattr(member, "__metadata__", ()):
            if isinstance(extra, TaggedUnion):
                return {variant.__name__: variant for variant in extra.variants.values()}
    return {}


def _plain(annotation: Any) -> Any:
    """Without `| None`, `Annotated` and `NewType` around it."""
    while True:
        if isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif typing.get_origin(annotation) is typing.Annotated:
            annotation = annotation.__origin__
        elif _is_union(annotation):
            members = _members(annotation)
            if len(members) != 1:
                raise TypeError(f"{annotation!r} has no JSON form: give its variants tags")
            annotation = members[0]
        else:
            return annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    if not _is_union(annotation):
        return (annotation,)
    return tuple(item for item in typing.get_args(annotation) if item is not types.NoneType)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _optional(annotation: Any) -> bool:
    return annotation is types.NoneType or (
        _is_union(annotation) and types.NoneType in typing.get_args(annotation)
    )


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(int(key))


def _expect(kind: Any, data: Any) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise JsonShapeError(f"expected {_name(kind)}, found {data!r:.80}")
    return data


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation))
