"""How values become bytes: primitives, fields with versions, declared messages.

Messages are data: fields, the versions each lives in, one sentence each. An encoder and a
decoder are compiled per message and version on first use. Source: protocol reference 1.3, 1.4.
"""

from fluvio_protocol.codec.fields import (
    BYTES,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    RECORD_DATA,
    STR,
    U8,
    U16,
    U32,
    U64,
    EnumWire,
    RecordData,
    StringTaggedUnion,
    TaggedUnion,
    WireType,
)
from fluvio_protocol.codec.message import (
    Message,
    decode,
    decode_exact,
    encode,
    field,
    message,
    wire_of,
)
from fluvio_protocol.codec.reader import Reader

__all__ = [
    "BYTES",
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "RECORD_DATA",
    "STR",
    "U8",
    "U16",
    "U32",
    "U64",
    "EnumWire",
    "Message",
    "Reader",
    "RecordData",
    "StringTaggedUnion",
    "TaggedUnion",
    "WireType",
    "decode",
    "decode_exact",
    "encode",
    "field",
    "message",
    "wire_of",
]
