"""Read one JSON object field by field, and say exactly what is wrong with it.

Used by `settings.py` for the chart's ConfigMap, and by `group_problem.py` for the lists of a
group. A field that is absent or null is "not said" and reads as None; unknown fields are ignored,
as Fluvio does, so that a newer chart can talk to an older operator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fluvio_protocol.errors import ErrorCode, FluvioError

JsonObject = Mapping[str, Any]
"""A JSON object as the Kubernetes API gives and takes it."""


class BadSettings(FluvioError):
    """Settings that nothing can be built from; the text is one line and names the field."""

    code = ErrorCode.OTHER


class JsonBlock:
    """A JSON object and the path by which its author knows it."""

    def __init__(self, value: object, where: str) -> None:
        if value is not None and not isinstance(value, Mapping):
            raise BadSettings(f"{where}: must be an object, found {_kind(value)}")
        self._fields: JsonObject = value or {}
        self._where = where

    def path(self, field: str) -> str:
        return f"{self._where}.{field}" if self._where else field

    def text(self, field: str) -> str | None:
        value = self._fields.get(field)
        if value is not None and not isinstance(value, str):
            raise self._wrong(field, "text", value)
        return value or None

    def number(self, field: str, *, least: int, most: int) -> int | None:
        value = self._fields.get(field)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(field, "a whole number", value)
        if not least <= value <= most:
            raise BadSettings(f"{self.path(field)}: {value} is not between {least} and {most}")
        return value

    def choice(self, field: str, choices: Sequence[str]) -> str | None:
        """One of the words; upper and lower case are the same."""
        value = self.text(field)
        if value is None:
            return None
        found = {word.lower(): word for word in choices}.get(value.lower())
        if found is None:
            expected = ", ".join(choices)
            raise BadSettings(f'{self.path(field)}: "{value}" is none of {expected}')
        return found

    def mapping(self, field: str) -> JsonObject | None:
        value = self._fields.get(field)
        if value is not None and not isinstance(value, Mapping):
            raise self._wrong(field, "an object", value)
        return value

    def texts_by_name(self, field: str) -> dict[str, str] | None:
        """Labels, annotations and the like. YAML's numbers and booleans need quotes there."""
        value = self.mapping(field)
        if value is None:
            return None
        for name, text in value.items():
            if not isinstance(text, str):
                raise BadSettings(
                    f"{self.path(field)}.{name}: must be text, found {_kind(text)}: "
                    "put it in quotes"
                )
        return dict(value)

    def objects(self, field: str, *, key: str | None = None) -> tuple[JsonObject, ...] | None:
        """A list of objects; with `key`, each has that field, as text and only once."""
        return self._list(field, lambda item: isinstance(item, Mapping), "an object", key)

    def texts(self, field: str) -> tuple[str, ...] | None:
        return self._list(field, lambda item: isinstance(item, str), "text", None)

    def starts_with_text(self, field: str) -> bool:
        """Whether it is a list whose first item is text."""
        value = self._fields.get(field)
        return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], str)

    def _list(
        self, field: str, fits: Callable[[object], bool], kind: str, key: str | None
    ) -> tuple[Any, ...] | None:
        value = self._fields.get(field)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise self._wrong(field, "a list", value)
        seen: set[str] = set()
        for index, item in enumerate(value):
            where = f"{self.path(field)}[{index}]"
            if not fits(item):
                raise BadSettings(f"{where}: must be {kind}, found {_kind(item)}")
            if key is None:
                continue
            identity = item.get(key)
            if not isinstance(identity, str) or not identity:
                raise BadSettings(f"{where}.{key}: is missing")
            if identity in seen:
                raise BadSettings(f'{where}.{key}: "{identity}" is there already')
            seen.add(identity)
        return tuple(value)

    def _wrong(self, field: str, expected: str, found: object) -> BadSettings:
        return BadSettings(f"{self.path(field)}: must be {expected}, found {_kind(found)}")


def _kind(value: object) -> str:
    """The JSON word for a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case _:
            return "a list"


def without_nulls(value: Any) -> Any:
    """A copy without fields that are null: charts write them, and applying one would own it."""
    match value:
        case Mapping():
            return {name: without_nulls(item) for name, item in value.items() if item is not None}
        case list() | tuple():
            return [without_nulls(item) for item in value]
        case _:
            return value
