"""Delete an object. Source: protocol reference 3.2."""

from typing import Annotated, Any

from fluvio_protocol.codec import (
    Message,
    Reader,
    StringTaggedUnion,
    field,
    message,
    wire_of,
)
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.envelope import decode_envelope, encode_envelope
from fluvio_protocol.sc_public.status import Status
from fluvio_protocol.types import SpuId


@message()
class SpuName(Message):
    """A custom SPU by its object name."""

    name: str = field(about="object name")


@message()
class SpuNumber(Message):
    """A custom SPU by its id."""

    id: SpuId = field(about="SPU id")


CustomSpuKey = Annotated[SpuName | SpuNumber, StringTaggedUnion({"Name": SpuName, "Id": SpuNumber})]


@message()
class _DeleteByName(Message):
    key: str = field(about="name of the object")
    force: bool = field(since=13, default=False, about="also a system object")


@message()
class _DeleteCustomSpu(Message):
    key: CustomSpuKey = field(about="name or id")
    force: bool = field(since=13, default=False, about="also a system object")


@message(api_key=1002, versions=(1, 19), response=Status)
class DeleteRequest(Message):
    """Remove an object and what it owns. The key of a custom SPU is SpuName or SpuNumber."""

    kind: Kind = field(about="kind of the object")
    key: str | SpuName | SpuNumber = field(about="which one")
    force: bool = field(default=False, about="also a system object")

    @classmethod
    def custom_encode(cls, value: "DeleteRequest", out: bytearray, version: int) -> None:
        def encode_object(out: bytearray) -> None:
            layout: Any = _DeleteCustomSpu if value.kind is Kind.CUSTOM_SPU else _DeleteByName
            body = layout(key=value.key, force=value.force)
            wire_of(layout).encode(out, body, version)

        encode_envelope(out, value.kind, version, encode_object)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "DeleteRequest":
        kind, body = decode_envelope(reader, version)
        layout = _DeleteCustomSpu if kind is Kind.CUSTOM_SPU else _DeleteByName
        found = wire_of(layout).decode(body, version)
        return cls(kind=kind, key=found.key, force=found.force)
