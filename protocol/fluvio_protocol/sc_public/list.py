"""List objects. Source: protocol reference 3.2."""

import struct

from fluvio_protocol.codec import Message, Reader, field, message, wire_of
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.kinds import Kind, Metadata, decode_metadata, encode_metadata
from fluvio_protocol.sc_public.envelope import decode_envelope, encode_envelope

_COUNT = struct.Struct(">i")


def encode_objects(out: bytearray, kind: Kind, objects: tuple[Metadata, ...], version: int) -> None:
    """i32 count, then the objects."""
    out += _COUNT.pack(len(objects))
    for item in objects:
        encode_metadata(out, kind, item, version)


def decode_objects(reader: Reader, kind: Kind, version: int) -> tuple[Metadata, ...]:
    (count,) = _COUNT.unpack_from(reader.data, reader.advance(4))
    if count > reader.remaining:
        raise RemoteProtocolError(f"{count} objects cannot be in {reader.remaining} bytes")
    return tuple([decode_metadata(reader, kind, version) for _ in range(count)])


@message()
class ListResponse(Message):
    """The objects found."""

    kind: Kind = field(about="kind of the objects")
    objects: tuple[Metadata, ...] = field(about="the objects")

    @classmethod
    def custom_encode(cls, value: "ListResponse", out: bytearray, version: int) -> None:
        encode_envelope(
            out,
            value.kind,
            version,
            lambda out: encode_objects(out, value.kind, value.objects, version),
        )

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "ListResponse":
        kind, body = decode_envelope(reader, version)
        return cls(kind=kind, objects=decode_objects(body, kind, version))


@message()
class _ListBody(Message):
    name_filters: tuple[str, ...] = field(default=(), about="parts of names; none means all")
    summary: bool = field(since=10, default=False, about="leave the code of SmartModules out")
    system: bool = field(since=13, default=False, about="system objects instead of the others")


@message(api_key=1003, versions=(9, 19), response=ListResponse)
class ListRequest(Message):
    """Objects of one kind."""

    kind: Kind = field(about="kind of the objects")
    name_filters: tuple[str, ...] = field(default=(), about="parts of names; none means all")
    summary: bool = field(default=False, about="leave the code of SmartModules out")
    system: bool = field(default=False, about="system objects instead of the others")

    @classmethod
    def custom_encode(cls, value: "ListRequest", out: bytearray, version: int) -> None:
        body = _ListBody(
            name_filters=value.name_filters, summary=value.summary, system=value.system
        )
        encode_envelope(
            out, value.kind, version, lambda out: wire_of(_ListBody).encode(out, body, version)
        )

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "ListRequest":
        kind, body = decode_envelope(reader, version)
        found = wire_of(_ListBody).decode(body, version)
        return cls(
            kind=kind,
            name_filters=found.name_filters,
            summary=found.summary,
            system=found.system,
        )
