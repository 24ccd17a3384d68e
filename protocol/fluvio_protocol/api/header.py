"""Headers of requests and responses. Source: protocol reference 1.1.

request   | api_key u16 | api_version i16 | correlation_id i32 | client_id str | body
response  | correlation_id i32 | body
"""

import struct
from dataclasses import dataclass

from fluvio_protocol.codec import STR, Message, Reader, encode
from fluvio_protocol.errors import LocalProtocolError

REQUEST_HEAD = struct.Struct(">Hhi")
CORRELATION = struct.Struct(">i")
_FRAME_AND_CORRELATION = struct.Struct(">ii")


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """Who asks what, in which version; the answer carries the same correlation id."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str


def decode_request_header(reader: Reader) -> RequestHeader:
    """Read the header and leave the reader at the body. Raises RemoteProtocolError."""
    api_key, version, correlation_id = REQUEST_HEAD.unpack_from(
        reader.data, reader.advance(REQUEST_HEAD.size)
    )
    return RequestHeader(api_key, version, correlation_id, STR.decode(reader, 0))


def encode_request(request: Message, *, version: int, correlation_id: int, client_id: str) -> bytes:
    """The whole frame of a request. Raises LocalProtocolError for one without an api key."""
    if request.api_key is None:
        raise LocalProtocolError(f"{type(request).__name__} is no request: it has no api key")
    out = bytearray(4)
    try:
        out += REQUEST_HEAD.pack(request.api_key, version, correlation_id)
    except struct.error as error:
        raise LocalProtocolError(f"request header cannot hold that: {error}") from error
    STR.encode(out, client_id, 0)
    out += encode(request, version)
    out[:4] = struct.pack(">i", len(out) - 4)
    return bytes(out)


def encode_response(response: Message, *, version: int, correlation_id: int) -> bytes:
    """The whole frame of a response, encoded with the version of its request.

    Raises LocalProtocolError.
    """
    body = encode(response, version)
    try:
        return _FRAME_AND_CORRELATION.pack(len(body) + 4, correlation_id) + body
    except struct.error as error:
        raise LocalProtocolError(f"response header cannot hold that: {error}") from error
