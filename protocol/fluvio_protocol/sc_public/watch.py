"""Watch objects of one kind: a snapshot, then every change. Source: protocol reference 3.2."""

import struct
from enum import IntEnum

from fluvio_protocol.codec import I64, Message, Reader, field, message, wire_of
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.metadata.kinds import Kind, Metadata, decode_metadata, encode_metadata
from fluvio_protocol.sc_public.envelope import decode_envelope, encode_envelope
from fluvio_protocol.sc_public.list import decode_objects, encode_objects

_HEAD = struct.Struct(">qi")


class ChangeType(IntEnum):
    UPDATE = 0
    DELETE = 1


@message()
class Change(Message):
    """One object came, changed, or went; a deletion carries the last full object."""

    change_type: ChangeType = field(about="update or delete")
    object: Metadata = field(about="the object")


@message()
class WatchResponse(Message):
    """Either everything (`all`) or what changed; both empty says nothing at all to a client.

    body in the envelope: | epoch i64 | changes [u8 type, metadata] | all [metadata] |
    """

    kind: Kind = field(about="kind of the objects")
    epoch: I64 = field(about="the store's change counter")
    changes: tuple[Change, ...] = field(default=(), about="updates first, deletions last")
    all: tuple[Metadata, ...] = field(default=(), about="the whole store, instead of changes")

    @classmethod
    def custom_encode(cls, value: "WatchResponse", out: bytearray, version: int) -> None:
        def encode_object(out: bytearray) -> None:
            out += _HEAD.pack(value.epoch, len(value.changes))
            for change in value.changes:
                out.append(change.change_type)
                encode_metadata(out, value.kind, change.object, version)
            encode_objects(out, value.kind, value.all, version)

        encode_envelope(out, value.kind, version, encode_object)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "WatchResponse":
        kind, body = decode_envelope(reader, version)
        epoch, count = _HEAD.unpack_from(body.data, body.advance(_HEAD.size))
        if count > body.remaining:
            raise RemoteProtocolError(f"{count} changes cannot be in {body.remaining} bytes")
        changes = []
        change_type_wire = wire_of(ChangeType)
        for _ in range(count):
            change_type = change_type_wire.decode(body, version)
            changes.append(
                Change(change_type=change_type, object=decode_metadata(body, kind, version))
            )
        return cls(
            kind=kind,
            epoch=epoch,
            changes=tuple(changes),
            all=decode_objects(body, kind, version),
        )


@message()
class _WatchBody(Message):
    epoch: I64 = field(default=0, about="always 0, ignored")
    summary: bool = field(since=10, default=False, about="leave the code of SmartModules out")


@message(api_key=1004, versions=(9, 19), response=WatchResponse)
class WatchRequest(Message):
    """Ask for the stream of WatchResponse; it ends with the connection."""

    kind: Kind = field(about="kind of the objects")
    epoch: I64 = field(default=0, about="always 0, ignored")
    summary: bool = field(default=False, about="leave the code of SmartModules out")

    @classmethod
    def custom_encode(cls, value: "WatchRequest", out: bytearray, version: int) -> None:
        body = _WatchBody(epoch=value.epoch, summary=value.summary)
        encode_envelope(
            out, value.kind, version, lambda out: wire_of(_WatchBody).encode(out, body, version)
        )

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "WatchRequest":
        kind, body = decode_envelope(reader, version)
        found = wire_of(_WatchBody).decode(body, version)
        return cls(kind=kind, epoch=found.epoch, summary=found.summary)
