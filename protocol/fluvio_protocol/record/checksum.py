"""CRC-32C (Castagnoli), the checksum of batches. One place, so that the library can be changed.

`crc32c(data, value=0)` is the checksum of any buffer, going on from `value`; no copy. 30 GB/s where
SSE4.2 is. It is the library's own function: one call of ours around it costs more than 512 bytes.
"""

from crc32c import crc32c

__all__ = ["crc32c"]
