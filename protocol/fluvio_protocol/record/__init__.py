"""Batches of records, the same bytes on the wire and on disk. Source: protocol reference 5.

Producers build batches, consumers decode them; an SPU only checks them and moves them on.
Pure functions over buffers: nothing here keeps a buffer it was given, and nothing believes a
length or a count before it has compared it with the bytes that are there.

    record set   | batch | batch | ...                 (its i32 length belongs to the message)
    batch        | header (57) | schema id u32, rarely | payload, possibly compressed |
    payload      | record count i32 | record | record | ...
"""

from fluvio_protocol.record.batch import (
    BATCH_HEADER,
    BATCH_HEADER_SIZE,
    BATCH_MAGIC,
    BATCH_PREAMBLE_SIZE,
    CHECKED_FROM,
    BatchBuilder,
    BatchHeader,
    decode_batch,
    encode_batch,
    read_header,
)
from fluvio_protocol.record.checksum import crc32c
from fluvio_protocol.record.compression import (
    BatchCompression,
    compress,
    decompress,
    topic_allows,
)
from fluvio_protocol.record.record import RECORD_SIZE_BYTES_MIN, Record
from fluvio_protocol.record.record_set import (
    CHECKED_LAYOUT,
    PLAIN_BATCH_SIZE_MIN,
    UNUSUAL_BITS,
    CorruptBatch,
    RecordTuple,
    check_record_set,
    decode_record_set,
    iterate_batches,
    iterate_headers,
    iterate_tuples,
)

__all__ = [
    "BATCH_HEADER",
    "BATCH_HEADER_SIZE",
    "BATCH_MAGIC",
    "BATCH_PREAMBLE_SIZE",
    "CHECKED_FROM",
    "CHECKED_LAYOUT",
    "PLAIN_BATCH_SIZE_MIN",
    "RECORD_SIZE_BYTES_MIN",
    "UNUSUAL_BITS",
    "BatchBuilder",
    "BatchCompression",
    "BatchHeader",
    "CorruptBatch",
    "Record",
    "RecordTuple",
    "check_record_set",
    "compress",
    "crc32c",
    "decode_batch",
    "decode_record_set",
    "decompress",
    "encode_batch",
    "iterate_batches",
    "iterate_headers",
    "iterate_tuples",
    "read_header",
    "topic_allows",
]
