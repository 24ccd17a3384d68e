"""What host and module say to each other, in bytes. Source: protocol reference 8.4, 8.5.

    input    base offset i64 | payload i32 length + bytes | params, up to version 22 | join record,
             16 to 22 | base timestamp i64, from 22 | accumulator i32 length + bytes, of aggregates
    init     params u16 count + pairs of strings | look-back, from version 20
    output   records i32 count + records | error, u8 + body | accumulator, of aggregates from 16

Everything that a module says is checked here: it may be of anybody.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from fluvio_protocol.api.error_code import SmartModuleRuntimeFailure
from fluvio_protocol.codec import STR, Reader, decode, encode
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record.record import decode_records, record_bounds
from fluvio_protocol.spu_public.smart_module_invocation import Lookback

VERSION_MIN = 15
"""Of modules whose functions take no version."""
VERSION_WITH_PARAMS_MAX = 22
"""The last one in which every call carries the parameters."""
_JOIN_RECORD_SINCE = 16
_TIMESTAMP_SINCE = 22
_LOOK_BACK_SINCE = 20
_ACCUMULATOR_SINCE = 16

INIT_REFUSED = -2
LOOK_BACK_REFUSED = -99
_CODES = {
    -1: "it does not say why",
    -10: "it could not decode its parameters",
    -11: "it could not decode its input",
    -22: "it could not decode the records",
    -33: "it could not encode its output",
    -44: "it could not make sense of its parameters",
    -55: "it was given no record of the other topic",
    -66: "it could not decode its input",
    -77: "it could not decode the records",
    -88: "it could not encode its error",
}
CANNOT_DECODE_INPUT = -11

_HEAD = struct.Struct(">qi")
_COUNT = struct.Struct(">i")
_TIMESTAMP = struct.Struct(">q")
_LENGTH = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class GuestOutput:
    """What a transform gave.

    payload:     record count and records, as a batch has them
    error:       of the record behind those
    accumulator: of an aggregate, for its next call; None where it gives none
    """

    payload: bytes
    record_count: int
    error: SmartModuleRuntimeFailure | None
    accumulator: bytes | None


def meaning_of(code: int) -> str:
    """A negative answer in words."""
    return _CODES.get(code, f"it answered {code}, which means nothing")


def encode_input(
    payload: bytes,
    *,
    version: int,
    base_offset: int,
    base_timestamp: int,
    params: Mapping[str, str],
    lookback: Lookback | None = None,
    accumulator: bytes | None = None,
) -> bytes:
    """Of a transform or a look-back. accumulator: None for all but aggregates."""
    parts = [_HEAD.pack(base_offset, len(payload)), payload]
    if version <= VERSION_WITH_PARAMS_MAX:
        parts.append(encode_params(params, lookback, version))
        if version >= _JOIN_RECORD_SINCE:
            parts.append(_COUNT.pack(0))
    if version >= _TIMESTAMP_SINCE:
        parts.append(_TIMESTAMP.pack(base_timestamp))
    if accumulator is not None:
        parts += (_COUNT.pack(len(accumulator)), accumulator)
    return b"".join(parts)


def encode_params(params: Mapping[str, str], lookback: Lookback | None, version: int) -> bytes:
    """Of init, and of every call up to version 22."""
    parts = [_LENGTH.pack(len(params))]
    for pair in params.items():
        for word in pair:
            content = word.encode()
            parts += (_LENGTH.pack(len(content)), content)
    if version >= _LOOK_BACK_SINCE:
        parts.append(b"\0" if lookback is None else b"\1" + encode(lookback, version))
    return b"".join(parts)


def decode_output(
    content: bytes, *, is_aggregate: bool, version: int, records_size: int | None = None
) -> GuestOutput:
    """Of a transform. Raises RemoteProtocolError for anything but a whole output.

    records_size: of the record count and the records, by somebody who has checked them; negative
                  when they are none
    """
    if len(content) < _COUNT.size:
        raise RemoteProtocolError(f"an output of {len(content)} bytes")
    (count,) = _COUNT.unpack_from(content)
    if count < 0:
        raise RemoteProtocolError(f"{count} records")
    if records_size is None or records_size < 0:
        end = record_bounds(content, _COUNT.size, count)[-1]
        # Also what a client could not decode, or an SPU must not store.
        decode_records(content[:end], _COUNT.size, count)
        if records_size is not None:
            raise RemoteProtocolError(f"{count} records, at least one of which is none")
    else:
        end = records_size
    reader = Reader(content, end)
    tag = reader.take(1)[0]
    if tag > 1:
        raise RemoteProtocolError(f"{tag} is no boolean")
    error = decode(SmartModuleRuntimeFailure, reader, version) if tag else None
    accumulator = None
    if is_aggregate and version >= _ACCUMULATOR_SINCE:
        (size,) = _COUNT.unpack(reader.take(_COUNT.size))
        accumulator = bytes(reader.take(size))
    if reader.remaining:
        raise RemoteProtocolError(f"{reader.remaining} bytes behind the output")
    return GuestOutput(content[:end], count, error, accumulator)


def decode_hint(content: bytes) -> str:
    """The text of a refusal by init; what is behind it in a look-back's is not told. Never raises:
    a module that cannot even say why is refused all the same."""
    try:
        return STR.decode(Reader(content), 0)
    except RemoteProtocolError:
        return "it gives no reason that could be read"
