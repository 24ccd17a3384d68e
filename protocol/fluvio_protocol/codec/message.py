"""Messages declared as data: a class of fields, each with the versions it lives in.

    @message(api_key=1002, versions=(1, 19), response=Status)
    class DeleteRequest:
        key: str = field(about="name of the object")
        force: bool = field(since=13, default=False, about="also system topics")

The version is the one of the outermost request and is handed down to every nested type
(protocol reference 1.4). A field outside its versions is not written, and reads as its default.
"""

import dataclasses
import struct
import types
import typing
from collections.abc import Callable
from enum import IntEnum
from typing import Any, ClassVar, NewType, TypeAlias, TypeVar, dataclass_transform

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
from fluvio_protocol.types import DataIncarnation, LeaderEpoch, Offset, PartitionId, SpuId

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
        # A field may bear one of these names; its slot must not be overwritten.
        fields = {declared.name for declared in dataclasses.fields(made)}  # type: ignore[arg-type]
        known = {"api_key": api_key, "versions": versions, "response": response}
        for name, value in known.items():
            if name not in fields:
                setattr(made, name, value)
        return made

    return decorate


_Plan: TypeAlias = tuple[list[tuple[str, WireType[Any]]], dict[str, Any]]
"""Fields present at one version, and values of those absent that have no default."""


@dataclasses.dataclass(frozen=True, slots=True)
class _CompiledField:
    """A declared field with the wire type its annotation stands for."""

    name: str
    wire: WireType[Any]
    since: int
    until: int
    has_default: bool


class StructWire(WireType[Any]):
    """Fields of a class in declaration order; compiled per version on first use."""

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._plans: dict[int, _Plan] = {}
        self._compiled: tuple[_CompiledField, ...] | None = None

    @property
    def zero(self) -> Any:
        return self.cls(**{each.name: each.wire.zero for each in self.fields()})

    def fields(self) -> "tuple[_CompiledField, ...]":
        """Fields in the order of the wire; annotations are looked at on first use only."""
        if self._compiled is None:
            hints = typing.get_type_hints(self.cls, include_extras=True)
            self._compiled = tuple(
                _CompiledField(
                    name=declared.name,
                    wire=wire_of(hints[declared.name]),
                    since=declared.metadata.get("since", 0),
                    until=declared.metadata.get("until", VERSION_MAX),
                    has_default=declared.default is not dataclasses.MISSING
                    or declared.default_factory is not dataclasses.MISSING,
                )
                for declared in dataclasses.fields(self.cls)
            )
        return self._compiled

    def _plan(self, version: int) -> "_Plan":
        present: list[tuple[str, WireType[Any]]] = []
        absent: dict[str, Any] = {}
        for each in self.fields():
            if each.since <= version <= each.until:
                present.append((each.name, each.wire))
            elif not each.has_default:
                absent[each.name] = None if isinstance(each.wire, StructWire) else each.wire.zero
        if len(self._plans) > 256:  # a peer may send any of 65,536 versions
            self._plans.clear()
        plan = self._plans[version] = (present, absent)
        return plan

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        plan = self._plans.get(version)
        if plan is None:
            plan = self._plan(version)
        for name, wire in plan[0]:
            wire.encode(out, getattr(value, name), version)

    def decode(self, reader: Reader, version: int) -> Any:
        plan = self._plans.get(version)
        if plan is None:
            plan = self._plan(version)
        present, absent = plan
        values = dict(absent)
        for name, wire in present:
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
    DataIncarnation: NumberWire("q"),
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
    """Bytes of a message at a version.

    Raises LocalProtocolError when a value does not fit its field, also when it is of a wrong type.
    """
    wire = wire_of(type(value))
    out = bytearray()
    try:
        wire.encode(out, value, version)
    except (struct.error, TypeError, AttributeError, ValueError, LookupError) as error:
        raise LocalProtocolError(f"{type(value).__name__} cannot be written: {error}") from error
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
    "LocalProtocolError",
    "Message",
    "decode",
    "decode_exact",
    "encode",
    "field",
    "message",
    "wire_of",
]
