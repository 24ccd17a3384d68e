"""Batches as another log holds them: do they go behind the end of this one?

Called by `log.py` for what a follower was sent. Nothing is stored unless all of it fits: offsets
without a gap from the log end up to where the sender says, lengths that come out even, checksums
that match. A batch is not changed, so a log and its copy are the same bytes.
"""

from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.types import Offset
from fluvio_spu.storage.data_file import (
    BATCH_HEADER,
    BATCH_HEADER_SIZE,
    BATCH_PREAMBLE_SIZE,
    CHECKSUM_FROM,
    MAGIC,
)
from fluvio_spu.storage.errors import CopiedRecordsDoNotFit


def split_copied(
    records: memoryview, *, base_offset: int, end_offset: int, log_end: Offset
) -> list[tuple[memoryview, int]]:
    """Each batch with its record count. Raises CopiedRecordsDoNotFit; see the module."""
    if base_offset != log_end:
        raise CopiedRecordsDoNotFit(f"they begin at offset {base_offset}", log_end=log_end)
    batches: list[tuple[memoryview, int]] = []
    position, offset, size_bytes = 0, base_offset, len(records)
    while position < size_bytes:
        left = size_bytes - position
        if left < BATCH_HEADER_SIZE:
            raise CopiedRecordsDoNotFit(f"{left} bytes are no batch header", log_end=log_end)
        base, length, magic, crc, last_offset_delta = BATCH_HEADER.unpack_from(records, position)
        size = BATCH_PREAMBLE_SIZE + length
        if magic != MAGIC or size < BATCH_HEADER_SIZE or last_offset_delta < 0:
            raise CopiedRecordsDoNotFit(f"no batch header at byte {position}", log_end=log_end)
        if base != offset:
            raise CopiedRecordsDoNotFit(
                f"batch of offset {base}, expected {offset}", log_end=log_end
            )
        if size > left:
            raise CopiedRecordsDoNotFit(f"{left} of {size} bytes of a batch", log_end=log_end)
        batch = records[position : position + size]
        if crc32c(batch[CHECKSUM_FROM:]) != crc:
            raise CopiedRecordsDoNotFit(f"wrong checksum at offset {base}", log_end=log_end)
        batches.append((batch, last_offset_delta + 1))
        offset += last_offset_delta + 1
        position += size
    if offset != end_offset:
        raise CopiedRecordsDoNotFit(
            f"they end at offset {offset}, announced was {end_offset}", log_end=log_end
        )
    return batches
