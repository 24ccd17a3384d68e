"""Field types whose YAML spelling differs from their value: words, base64, numbers as text.

Used by the modules of the kinds, in a field's `Annotated`. Each reads the spelling or the value
itself (a model is also made from values of the wire), and writes the spelling.
"""

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def camel(name: str) -> str:
    """`LEADER_OFFLINE` as `LeaderOffline`."""
    return "".join(part.capitalize() for part in name.split("_"))


class Spelling(ABC):
    """A value and its spelling; subclasses say how."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """The value of a spelling. Raises PydanticCustomError."""

    @abstractmethod
    def write(self, value: Any) -> Any:
        """The spelling of a value."""

    @abstractmethod
    def schema(self) -> JsonSchemaValue:
        """The schema of the spelling."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self.schema()


class Word(Spelling):
    """A member of an enumeration, by its word: a StrEnum's value, or what `spell` makes of a name.

    spell: only the wire's enumerations need it, for their values are numbers
    """

    def __init__(self, members: type[Enum], spell: Callable[[str], str] = camel) -> None:
        self._members = members
        self._by_word = {
            member.value if isinstance(member, StrEnum) else spell(member.name): member
            for member in members
        }
        self._by_member = {member: word for word, member in self._by_word.items()}

    def read(self, value: Any) -> Enum:
        if isinstance(value, self._members):
            return value
        if isinstance(value, str) and value in self._by_word:
            return self._by_word[value]
        raise PydanticCustomError(
            "word", "expected one of {words}", {"words": ", ".join(self._by_word)}
        )

    def write(self, value: Enum) -> str:
        return self._by_member[value]

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self._by_word)}


class Base64(Spelling):
    """Bytes as base64 text; line breaks and missing padding are forgiven."""

    def read(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("base64", "expected base64 text")
        text = "".join(value.split())
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise PydanticCustomError("base64", "is not base64") from None

    def write(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    def schema(self) -> JsonSchemaValue:
        return {"type": "string"}


class NumberOrText(Spelling):
    """Text that may be written as a number; it is text from then on."""

    def read(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
            return str(value)
        raise PydanticCustomError("number_or_text", "expected a number or text")

    def write(self, value: str) -> str:
        return value

    def schema(self) -> JsonSchemaValue:
        return {"x-kubernetes-int-or-string": True}
