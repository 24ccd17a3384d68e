"""Messages declared as data: a class of fields, each with the versions it lives in.

    @message(api_key=1002, versions=(1, 19), response=Status)
    class DeleteRequest:
        key: str = field(about="name of the object")
        force: bool = field(since=13, default=False, about="also system topics")

The version is the one of the outermost request and is handed down to every nested type
(protocol reference 1.4). A field outside its versions is not written, and reads as its default.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from enum import IntEnum
from typing import Any, ClassVar, NewType, TypeVar, dataclass_transform

from fluvio_protocol.codec.fields import (
    BoolWire,
    BytesWire,
    EnumWire,
    ListWire,
    MapWire,
    NumberWire,
    OptionWire,
    StringWire,
    WireType,
)
from fluvio_protocol.codec.reader import Reader
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError
from fluvio_protocol.types import LeaderEpoch, Offset, PartitionId, SpuId

VERSION_MAX = 32_767


class Message:
    """What every declared message can tell about itself; `@message` fills it in.

    api_key:  number of the request at its door; None for parts of messages and responses
    versions: lowest and highest version we speak, both included
    response: class of the answer; None for one-way requests
    """

    __slots__ = ()
    api_key: ClassVar[int | None] = None
    versions: ClassVar[tuple[int, int]] = (0, VERSION_MAX)
    response: ClassVar[Any] = None

    @classmethod
    def custom_encode(cls, value: Any, out: bytearray, version: int) -> None:
        """Overridden by the few messages whose layout is no list of fields."""

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> Any:
        """Overridden together with `custom_encode`."""


M = TypeVar("M")


def field(
    *,
    since: int = 0,
    until: int = VERSION_MAX,
    default: Any = dataclasses.MISSING,
    about: str,
) -> Any:
    """Declare a field: written only in versions since..until; `about` is one sentence."""
    metadata = {"since": since, "until": until, "about": about}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def message(
    *,
    api_key: int | None = None,
    versions: tuple[int, int] = (0, VERSION_MAX),
    response: Any = None,
) -> Callable[[type[M]], type[M]]:
    """Class decorator: a frozen, slotted, keyword-only dataclass that knows its wire layout."""

    def decorate(cls: type[M]) -> type[M]:
        made = dataclasses.dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.api_key = api_key  # type: ignore[attr-defined]
        made.versions = versions  # type: ignore[attr-defined]
        made.response = response  # type: ignore[attr-defined]
        return made

    return decorate


class StructWire(WireType[Any]):
    """Fields of a class in declaration order; compiled per version on first use."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._all: list[tuple[str, WireType[Any], int, int, Any]] | None = None
        self._plans: dict[int, list[tuple[str, WireType[Any]]]] = {}
        self._defaults: dict[int, dict[str, Any]] = {}

    @property
    def zero(self) -> Any:  # type: ignore[override]
        return self.cls(**{name: wire.zero for name, wire, *_ in self._fields()})

    def _fields(self) -> list[tuple[str, WireType[Any], int, int, Any]]:
        if self._all is None:
            hints = typing.get_type_hints(self.cls, include_extras=True)
            self._all = []
            for declared in dataclasses.fields(self.cls):
                wire = wire_of(hints[declared.name])
                if declared.default is not dataclasses.MISSING:
                    absent = declared.default
                else:
                    absent = wire.zero if not isinstance(wire, StructWire) else None
                since = declared.metadata.get("since", 0)
                until = declared.metadata.get("until", VERSION_MAX)
                self._all.append((declared.name, wire, since, until, absent))
        return self._all

    def _plan(self, version: int) -> list[tuple[str, WireType[Any]]]:
        plan: list[tuple[str, WireType[Any]]] = []
        defaults: dict[str, Any] = {}
        for name, wire, since, until, absent in self._fields():
            if since <= version <= until:
                plan.append((name, wire))
            else:
                defaults[name] = absent
        if len(self._plans) > 256:  # a peer may send any of 65,536 versions
            self._plans.clear()
            self._defaults.clear()
        self._defaults[version] = defaults
        self._plans[version] = plan
        return plan

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        plan = self._plans.get(version)
        if plan is None:
            plan = self._plan(version)
        for name, wire in plan:
            wire.encode(out, getattr(value, name), version)

    def decode(self, reader: Reader, version: int) -> Any:
        plan = self._plans.get(version)
        if plan is None:
            plan = self._plan(version)
        values = dict(self._defaults[version])
        for name, wire in plan:
            values[name] = wire.decode(reader, version)
        return self.cls(**values)


class CustomWire(WireType[Any]):
    """A class with `custom_encode` and `custom_decode` of its own."""

    zero = None

    def __init__(self, cls: type[Message]) -> None:
        self.cls = cls

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        self.cls.custom_encode(value, out, version)

    def decode(self, reader: Reader, version: int) -> Any:
        return self.cls.custom_decode(reader, version)


_PLAIN: dict[Any, WireType[Any]] = {
    bool: BoolWire(),
    str: StringWire(),
    bytes: BytesWire(),
    Offset: NumberWire("q"),
    LeaderEpoch: NumberWire("q"),
    SpuId: NumberWire("i"),
    PartitionId: NumberWire("I"),
}
_CLASSES: dict[type, WireType[Any]] = {}


def wire_of(annotation: Any) -> WireType[Any]:
    """The wire type an annotation stands for. Raises TypeError for one that has none.

    bool, str, bytes, `T | None`, `tuple[T, ...]`, `dict[K, V]`, IntEnum (u8), the NewTypes of
    `fluvio_protocol.types`, dataclasses (fields in order), `Annotated[..., WireType]` as given.
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, WireType):
                return extra
        return wire_of(annotation.__origin__)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        if len(inner) == 1 and len(arguments) == 2:
            return OptionWire(wire_of(inner[0]))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return ListWire(wire_of(arguments[0]))
    if origin is dict:
        return MapWire(wire_of(arguments[0]), wire_of(arguments[1]))
    if isinstance(annotation, type):
        if annotation in _CLASSES:
            return _CLASSES[annotation]
        wire: WireType[Any] | None = None
        if issubclass(annotation, IntEnum):
            wire = EnumWire(annotation)
        elif issubclass(annotation, Message) and "custom_decode" in annotation.__dict__:
            wire = CustomWire(annotation)
        elif dataclasses.is_dataclass(annotation):
            wire = StructWire(annotation)
        if wire is not None:
            _CLASSES[annotation] = wire
            return wire
    if isinstance(annotation, NewType):
        raise TypeError(f"{annotation.__name__} has no wire type: add it to codec/message.py")
    raise TypeError(f"{annotation!r} has no wire type")


def encode(value: Any, version: int) -> bytes:
    """Bytes of a message at a version. Raises LocalProtocolError when it cannot be written."""
    out = bytearray()
    wire_of(type(value)).encode(out, value, version)
    return bytes(out)


def decode(cls: type[M], data: bytes | bytearray | memoryview | Reader, version: int) -> M:
    """Read one `cls`; bytes after it are ignored, as Fluvio's decoders do.

    Raises RemoteProtocolError, and nothing else, whatever the bytes are.
    """
    reader = data if isinstance(data, Reader) else Reader(data)
    try:
        return typing.cast(M, wire_of(cls).decode(reader, version))
    except RecursionError as error:
        raise RemoteProtocolError(f"{cls.__name__} is nested too deeply") from error


def decode_exact(cls: type[M], data: bytes | bytearray | memoryview, version: int) -> M:
    """Like `decode`, but bytes left over are an error: for tests and for our own links."""
    reader = Reader(data)
    value = decode(cls, reader, version)
    if reader.remaining:
        raise RemoteProtocolError(f"{reader.remaining} bytes after {cls.__name__}")
    return value


__all__ = [
    "LocalProtocolError", "Message", "decode", "decode_exact", "encode", "field", "message", "wire_of",
]
