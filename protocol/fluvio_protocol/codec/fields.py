"""Wire types: how each kind of value is written and read. Source: protocol reference 1.3.

All numbers are big-endian. A decoder never believes a length before it has compared it with
the bytes that are left, so what it allocates is bounded by what was received.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any, Generic, TypeVar

from fluvio_protocol.codec.reader import Reader
from fluvio_protocol.codec.varint import decode_varint, encode_varint
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

STRING_BYTES_MAX = 32_767
"""The length is written as u16 and read as i16, so this is the real maximum."""


class WireType(Generic[T]):
    """One way of writing values of `T`; `zero` is what an absent field decodes to."""

    zero: T

    def encode(self, out: bytearray, value: T, version: int) -> None:
        raise TypeError(f"{type(self).__name__} cannot encode")

    def decode(self, reader: Reader, version: int) -> T:
        raise TypeError(f"{type(self).__name__} cannot decode")


class NumberWire(WireType[Any]):
    """A fixed-width number in `struct` notation."""

    def __init__(self, letter: str) -> None:
        self._struct = struct.Struct(">" + letter)
        self.size = self._struct.size
        self.zero = 0.0 if letter in "fd" else 0

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        try:
            out += self._struct.pack(value)
        except (struct.error, OverflowError) as error:
            raise LocalProtocolError(f"{value!r} does not fit: {error}") from error

    def decode(self, reader: Reader, version: int) -> Any:
        return self._struct.unpack_from(reader.data, reader.advance(self.size))[0]


class BoolWire(WireType[bool]):
    zero = False

    def encode(self, out: bytearray, value: bool, version: int) -> None:
        out.append(1 if value else 0)

    def decode(self, reader: Reader, version: int) -> bool:
        byte = reader.data[reader.advance(1)]
        if byte > 1:
            raise RemoteProtocolError(f"{byte} is no boolean")
        return byte == 1


_U16 = struct.Struct(">H")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")


class StringWire(WireType[str]):
    zero = ""

    def encode(self, out: bytearray, value: str, version: int) -> None:
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"string is not Unicode text: {error}") from error
        if len(data) > STRING_BYTES_MAX:
            raise LocalProtocolError(
                f"string of {len(data)} bytes is longer than {STRING_BYTES_MAX}"
            )
        out += _U16.pack(len(data))
        out += data

    def decode(self, reader: Reader, version: int) -> str:
        (size,) = _I16.unpack_from(reader.data, reader.advance(2))
        if size <= 0:
            return ""
        try:
            return str(reader.take(size), "utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"string is not UTF-8: {error}") from error


class BytesWire(WireType[bytes]):
    """i32 byte length, then the bytes; a length <= 0 reads as empty."""

    zero = b""

    def encode(self, out: bytearray, value: bytes, version: int) -> None:
        out += _I32.pack(len(value))
        out += value

    def decode(self, reader: Reader, version: int) -> bytes:
        (size,) = _I32.unpack_from(reader.data, reader.advance(4))
        return bytes(reader.take(size)) if size > 0 else b""


class RecordDataWire(WireType[bytes]):
    """varint length, then the bytes: keys and values of records."""

    zero = b""

    def encode(self, out: bytearray, value: bytes, version: int) -> None:
        out += encode_varint(len(value))
        out += value

    def decode(self, reader: Reader, version: int) -> bytes:
        size, reader.position = decode_varint(reader.data, reader.position, reader.end)
        if size < 0:
            raise RemoteProtocolError(f"record data of {size} bytes")
        return bytes(reader.take(size))


class EnumWire(WireType[Any]):
    """A closed set of numbers; an unknown one is an error. u8 unless told otherwise."""

    def __init__(self, enum: type[IntEnum], number: WireType[Any] | None = None) -> None:
        self.enum = enum
        self.number = number if number is not None else NumberWire("B")
        self.zero = next(iter(enum))

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        self.number.encode(out, int(value), version)

    def decode(self, reader: Reader, version: int) -> Any:
        tag = self.number.decode(reader, version)
        try:
            return self.enum(tag)
        except ValueError:
            raise RemoteProtocolError(f"{tag} is no {self.enum.__name__}") from None


class OptionWire(WireType[Any]):
    zero = None

    def __init__(self, item: WireType[Any]) -> None:
        self.item = item

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        if value is None:
            out.append(0)
        else:
            out.append(1)
            self.item.encode(out, value, version)

    def decode(self, reader: Reader, version: int) -> Any:
        byte = reader.data[reader.advance(1)]
        if byte > 1:
            raise RemoteProtocolError(f"{byte} is no boolean")
        return self.item.decode(reader, version) if byte else None


class ListWire(WireType[tuple[Any, ...]]):
    """i32 count, then the items. More items than bytes left cannot be true."""

    zero = ()

    def __init__(self, item: WireType[Any]) -> None:
        self.item = item

    def encode(self, out: bytearray, value: tuple[Any, ...], version: int) -> None:
        out += _I32.pack(len(value))
        encode = self.item.encode
        for item in value:
            encode(out, item, version)

    def decode(self, reader: Reader, version: int) -> tuple[Any, ...]:
        (count,) = _I32.unpack_from(reader.data, reader.advance(4))
        if count <= 0:
            return ()
        if count > reader.remaining:
            raise RemoteProtocolError(f"{count} items cannot be in {reader.remaining} bytes")
        decode = self.item.decode
        return tuple([decode(reader, version) for _ in range(count)])


class MapWire(WireType[Mapping[Any, Any]]):
    """u16 count, then key and value pairs in ascending key order."""

    def __init__(self, key: WireType[Any], value: WireType[Any]) -> None:
        self.key = key
        self.value = value
        self.zero = {}

    def encode(self, out: bytearray, value: Mapping[Any, Any], version: int) -> None:
        if len(value) > 0xFFFF:
            raise LocalProtocolError(f"map of {len(value)} entries is larger than 65535")
        out += _U16.pack(len(value))
        for key in sorted(value, key=lambda k: k.encode() if isinstance(k, str) else k):
            self.key.encode(out, key, version)
            self.value.encode(out, value[key], version)

    def decode(self, reader: Reader, version: int) -> dict[Any, Any]:
        (count,) = _U16.unpack_from(reader.data, reader.advance(2))
        if count > reader.remaining:
            raise RemoteProtocolError(f"{count} entries cannot be in {reader.remaining} bytes")
        result = {}
        for _ in range(count):
            key = self.key.decode(reader, version)
            result[key] = self.value.decode(reader, version)
        return result


class TaggedUnion(WireType[Any]):
    """One of several types, told apart by a number in front (u8 unless told otherwise).

    Variants are message classes. Version gates on variants do not exist (protocol reference 1.4).
    """

    def __init__(self, variants: Mapping[int, type], number: WireType[Any] | None = None) -> None:
        self.variants = dict(variants)
        self.number = number if number is not None else NumberWire("B")
        self._tags = {variant: tag for tag, variant in variants.items()}
        self._wires: dict[type, WireType[Any]] = {}
        self.zero = None

    def _wire(self, variant: type) -> WireType[Any]:
        wire = self._wires.get(variant)
        if wire is None:
            from fluvio_protocol.codec.message import wire_of

            wire = self._wires[variant] = wire_of(variant)
        return wire

    def _encode_tag(self, out: bytearray, tag: Any) -> None:
        self.number.encode(out, tag, 0)

    def encode(self, out: bytearray, value: Any, version: int) -> None:
        tag = self._tags.get(type(value))
        if tag is None:
            raise LocalProtocolError(f"{type(value).__name__} is no variant of this union")
        self._encode_tag(out, tag)
        self._wire(type(value)).encode(out, value, version)

    def decode(self, reader: Reader, version: int) -> Any:
        tag = self.number.decode(reader, version)
        variant = self.variants.get(tag)
        if variant is None:
            raise RemoteProtocolError(f"{tag!r} is no tag of this union")
        return self._wire(variant).decode(reader, version)


class StringTaggedUnion(TaggedUnion):
    """A union whose discriminant is a string, such as CustomSpuKey (protocol reference 3.2)."""

    def __init__(self, variants: Mapping[str, type]) -> None:
        super().__init__(variants, StringWire())  # type: ignore[arg-type]


I8 = Annotated[int, NumberWire("b")]
U8 = Annotated[int, NumberWire("B")]
I16 = Annotated[int, NumberWire("h")]
U16 = Annotated[int, NumberWire("H")]
I32 = Annotated[int, NumberWire("i")]
U32 = Annotated[int, NumberWire("I")]
I64 = Annotated[int, NumberWire("q")]
U64 = Annotated[int, NumberWire("Q")]
F32 = Annotated[float, NumberWire("f")]
F64 = Annotated[float, NumberWire("d")]
RecordData = Annotated[bytes, RecordDataWire()]

STR = StringWire()
BYTES = BytesWire()
RECORD_DATA = RecordDataWire()
