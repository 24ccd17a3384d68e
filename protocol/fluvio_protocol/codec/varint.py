"""Zig-zag varints: base-128 groups, least significant first, bit 7 means "more".

Source: protocol reference 1.3. Upstream's encoder is right only for i32 values, so we refuse
to write any other; a decoder accepts 64-bit values and at most ten bytes.
"""

from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError

I32_MIN = -(1 << 31)
I32_MAX = (1 << 31) - 1
_SHORT = tuple(bytes([zigzag]) for zigzag in range(128))


def encode_varint(value: int) -> bytes:
    """Bytes of `value`. Raises LocalProtocolError outside the i32 range."""
    if not I32_MIN <= value <= I32_MAX:
        raise LocalProtocolError(f"varint {value} is outside the 32-bit range that peers can read")
    zigzag = (value << 1) ^ (value >> 31)
    if zigzag < 128:
        return _SHORT[zigzag]
    out = bytearray()
    while zigzag >= 128:
        out.append((zigzag & 0x7F) | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def decode_varint(data: memoryview | bytes, position: int, end: int) -> tuple[int, int]:
    """Return (value, position behind it). Raises RemoteProtocolError when cut short or too long."""
    zigzag = 0
    shift = 0
    while True:
        if position >= end:
            raise RemoteProtocolError("varint is cut short")
        byte = data[position]
        position += 1
        zigzag |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise RemoteProtocolError("varint is longer than ten bytes")
    if zigzag >> 64:
        raise RemoteProtocolError("varint does not fit 64 bits")
    return (zigzag >> 1) ^ -(zigzag & 1), position
