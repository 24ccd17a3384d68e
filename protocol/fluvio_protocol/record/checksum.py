"""CRC-32C (Castagnoli), the checksum of batches. One place, so that the library can be changed."""

from crc32c import crc32c as _crc32c


def crc32c(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """Checksum of `data`, going on from `value`; any buffer, no copy. 30 GB/s where SSE4.2 is."""
    return _crc32c(data, value)
