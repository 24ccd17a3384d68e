"""The envelope around an object whose kind is told by a label. Source: protocol reference 3.1.

version >= 11   | label str | length u32 | object (length bytes) |
version < 11    | label str | object (to the end) |
"""

import struct
from collections.abc import Callable

from fluvio_protocol.codec import STR, Reader
from fluvio_protocol.metadata.kinds import Kind, kind_of_label

ENVELOPE_VERSION_MIN = 11
_LENGTH = struct.Struct(">I")


def encode_envelope(
    out: bytearray, label: str, version: int, encode_object: Callable[[bytearray], None]
) -> None:
    """Append label, length (where the version has one) and whatever `encode_object` appends."""
    STR.encode(out, label, version)
    if version < ENVELOPE_VERSION_MIN:
        encode_object(out)
        return
    length_at = len(out)
    out += b"\0\0\0\0"
    encode_object(out)
    _LENGTH.pack_into(out, length_at, len(out) - length_at - 4)


def decode_envelope(reader: Reader, version: int) -> tuple[Kind, Reader]:
    """The kind, and a reader bounded to its object. Raises RemoteProtocolError."""
    kind = kind_of_label(STR.decode(reader, version))
    if version < ENVELOPE_VERSION_MIN:
        return kind, reader
    (length,) = _LENGTH.unpack_from(reader.data, reader.advance(4))
    return kind, reader.sub_reader(length)
