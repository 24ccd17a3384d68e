"""Create an object. Source: protocol reference 3.1, 3.2."""

from typing import Any

from fluvio_protocol.codec import U8, U32, Message, Reader, field, message, wire_of
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError
from fluvio_protocol.metadata.kinds import (
    CREATABLE_KINDS,
    KINDS_BY_CLASSIC_CREATE_TYPE,
    Kind,
    Spec,
    classic_create_type,
    decode_spec,
    encode_spec,
    kind_of_spec,
)
from fluvio_protocol.sc_public.envelope import (
    ENVELOPE_VERSION_MIN,
    decode_envelope,
    encode_envelope,
)
from fluvio_protocol.sc_public.status import Status


@message()
class _CreateHead(Message):
    name: str = field(about="name of the object")
    dry_run: bool = field(default=False, about="only validate")
    timeout_ms: U32 | None = field(
        since=7, default=None, about="how long to wait until it is ready"
    )


@message(api_key=1001, versions=(9, 19), response=Status)
class CreateRequest(Message):
    """Make a topic, custom SPU, SPU group, SmartModule, table format or mirror."""

    name: str = field(about="name of the object")
    dry_run: bool = field(default=False, about="only validate")
    timeout_ms: U32 | None = field(default=None, about="how long to wait until it is ready")
    spec: Any = field(about="what is wanted; its class tells the kind")

    @property
    def kind(self) -> Kind:
        return kind_of_spec(self.spec)

    @classmethod
    def custom_encode(cls, value: "CreateRequest", out: bytearray, version: int) -> None:
        kind = value.kind
        if kind not in CREATABLE_KINDS:
            raise LocalProtocolError(f"a {kind} cannot be created")
        head = _CreateHead(name=value.name, dry_run=value.dry_run, timeout_ms=value.timeout_ms)

        def encode_object(out: bytearray) -> None:
            wire_of(_CreateHead).encode(out, head, version)
            encode_spec(out, kind, value.spec, version)

        if version >= ENVELOPE_VERSION_MIN:
            encode_envelope(out, kind, version, encode_object)
        else:
            wire_of(_CreateHead).encode(out, head, version)
            wire_of(U8).encode(out, classic_create_type(kind), version)
            encode_spec(out, kind, value.spec, version)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "CreateRequest":
        if version >= ENVELOPE_VERSION_MIN:
            kind, body = decode_envelope(reader, version)
            if kind not in CREATABLE_KINDS:
                raise RemoteProtocolError(f"a {kind} cannot be created")
            head = wire_of(_CreateHead).decode(body, version)
        else:
            body = reader
            head = wire_of(_CreateHead).decode(body, version)
            number = wire_of(U8).decode(body, version)
            if number not in KINDS_BY_CLASSIC_CREATE_TYPE:
                raise RemoteProtocolError(f"{number} is no create type")
            kind = KINDS_BY_CLASSIC_CREATE_TYPE[number]
        spec: Spec = decode_spec(body, kind, version)
        return cls(name=head.name, dry_run=head.dry_run, timeout_ms=head.timeout_ms, spec=spec)
