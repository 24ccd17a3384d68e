"""Change an object: add partitions or a mirror to a topic. Source: protocol reference 3.2."""

from typing import Annotated, Any

from fluvio_protocol.codec import STR, U32, Message, Reader, TaggedUnion, field, message, wire_of
from fluvio_protocol.metadata.kinds import Kind
from fluvio_protocol.sc_public.delete import CustomSpuKey
from fluvio_protocol.sc_public.envelope import decode_envelope, encode_envelope
from fluvio_protocol.sc_public.status import Status


@message()
class AddPartition(Message):
    """More partitions for a topic whose replicas are computed."""

    count: U32 = field(about="how many more")


@message()
class AddMirror(Message):
    """One more mirror for a topic."""

    remote_cluster: str = field(about="mirror object")
    home_to_remote: bool = field(default=False, about="records go to the remote")


TopicAction = Annotated[AddPartition | AddMirror, TaggedUnion({0: AddPartition, 1: AddMirror})]


@message(api_key=1006, versions=(11, 19), response=Status)
class UpdateRequest(Message):
    """Act on an object. Kinds other than topics have a text for an action, and no meaning."""

    kind: Kind = field(about="kind of the object")
    key: Any = field(about="name; for a custom SPU SpuName or SpuNumber")
    action: Any = field(about="AddPartition or AddMirror; a text for other kinds")

    @classmethod
    def custom_encode(cls, value: "UpdateRequest", out: bytearray, version: int) -> None:
        def encode_object(out: bytearray) -> None:
            key_wire = wire_of(CustomSpuKey) if value.kind is Kind.CUSTOM_SPU else STR
            key_wire.encode(out, value.key, version)
            action_wire = wire_of(TopicAction) if value.kind is Kind.TOPIC else STR
            action_wire.encode(out, value.action, version)

        encode_envelope(out, value.kind, version, encode_object)

    @classmethod
    def custom_decode(cls, reader: Reader, version: int) -> "UpdateRequest":
        kind, body = decode_envelope(reader, version)
        key_wire = wire_of(CustomSpuKey) if kind is Kind.CUSTOM_SPU else STR
        key = key_wire.decode(body, version)
        action_wire = wire_of(TopicAction) if kind is Kind.TOPIC else STR
        return cls(kind=kind, key=key, action=action_wire.decode(body, version))
