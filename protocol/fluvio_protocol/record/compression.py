"""The codecs of a batch's payload. Called by producers, consumers and the SPU's checks.

Decompression is bounded: output goes into a buffer that starts small, grows while the data turns
out longer, and never passes the bound; the library stops when the buffer is full. So a few bytes
that claim to be gigabytes cost no more than the bound. Frames or members one after the other
decode to their joined contents, in every codec.

Source: protocol reference 5.5. Any valid stream of a format is accepted.
"""

from enum import IntEnum

import cramjam

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.types import CompressionType

_GZIP_LEVEL = 6
_ZSTD_LEVEL = 1
_LZ4_LEVEL = 1
_FIRST_BUFFER_BYTES_MIN = 1024
_FIRST_BUFFER_FACTOR = 4
_GROWTH_FACTOR = 8
_BUFFER_IS_FULL = "failed to write whole buffer"
"""What the library says then, from Rust's standard library; a test holds it to that."""


class BatchCompression(IntEnum):
    """Codec bits of a batch's attributes. Not the numbers of a topic's `CompressionType`."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


_DECODERS = {
    BatchCompression.GZIP: cramjam.gzip.decompress_into,
    BatchCompression.SNAPPY: cramjam.snappy.decompress_into,
    BatchCompression.LZ4: cramjam.lz4.decompress_into,
    BatchCompression.ZSTD: cramjam.zstd.decompress_into,
}
_CODECS_BY_TOPIC_SETTING = {
    CompressionType.NONE: BatchCompression.NONE,
    CompressionType.GZIP: BatchCompression.GZIP,
    CompressionType.SNAPPY: BatchCompression.SNAPPY,
    CompressionType.LZ4: BatchCompression.LZ4,
    CompressionType.ZSTD: BatchCompression.ZSTD,
}


def compress(codec: BatchCompression, data: bytes | bytearray | memoryview) -> bytes:
    """One member or frame that holds `data`; the levels are upstream's."""
    match codec:
        case BatchCompression.NONE:
            return bytes(data)
        case BatchCompression.GZIP:
            return bytes(cramjam.gzip.compress(data, level=_GZIP_LEVEL))
        case BatchCompression.SNAPPY:
            return bytes(cramjam.snappy.compress(data))
        case BatchCompression.LZ4:
            return bytes(cramjam.lz4.compress(data, level=_LZ4_LEVEL))
        case BatchCompression.ZSTD:
            return bytes(cramjam.zstd.compress(data, level=_ZSTD_LEVEL))


def decompress(
    codec: BatchCompression, data: bytes | bytearray | memoryview, *, size_bytes_max: int
) -> bytes:
    """What `data` was before it was compressed.

    size_bytes_max: more output than this is refused, and never allocated.
    Raises:         RemoteProtocolError for bytes that are not of the codec, and for too much.
    """
    if codec is BatchCompression.NONE:
        if len(data) > size_bytes_max:
            raise RemoteProtocolError(f"{len(data)} bytes are more than {size_bytes_max}")
        return bytes(data)
    decode_into = _DECODERS[codec]
    capacity = max(_FIRST_BUFFER_BYTES_MIN, _FIRST_BUFFER_FACTOR * len(data))
    while True:
        buffer = bytearray(min(capacity, size_bytes_max))
        try:
            size = decode_into(data, buffer)
        except cramjam.DecompressionError as error:
            if _BUFFER_IS_FULL not in str(error):
                raise RemoteProtocolError(f"no valid {codec.name.lower()}: {error}") from error
            if capacity >= size_bytes_max:
                raise RemoteProtocolError(
                    f"{len(data)} bytes of {codec.name.lower()} hold more than {size_bytes_max}"
                ) from error
            capacity *= _GROWTH_FACTOR
        else:
            return bytes(memoryview(buffer)[:size])


def decompress_start(
    codec: BatchCompression, data: bytes | bytearray | memoryview, size_bytes: int
) -> bytes:
    """The first bytes of what `data` was; fewer when it was shorter. The rest stays packed.

    Costs about 10 us for small data, and no more than one block of the codec for large.
    Raises: RemoteProtocolError when `data` does not begin as the codec's streams do.
    """
    if codec is BatchCompression.NONE:
        return bytes(data[:size_bytes])
    buffer = bytearray(size_bytes)
    try:
        size = _DECODERS[codec](data, buffer)
    except cramjam.DecompressionError as error:
        if _BUFFER_IS_FULL not in str(error):
            raise RemoteProtocolError(f"no valid {codec.name.lower()}: {error}") from error
        size = size_bytes
    return bytes(buffer[:size])


def topic_allows(setting: CompressionType, codec: BatchCompression) -> bool:
    """May a batch of this codec be stored in a topic with this setting?"""
    return setting is CompressionType.ANY or _CODECS_BY_TOPIC_SETTING[setting] is codec
