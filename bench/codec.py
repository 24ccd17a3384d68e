"""How many records a second the client's codec encodes and decodes; prints JSON.

python bench/codec.py SECONDS
"""

import json
import sys
import time
from collections.abc import Callable

from fluvio_protocol.record import BatchBuilder, decode_record_set, iterate_tuples

BATCH_SIZE_BYTES = 16_384
SIZE_BYTES_MAX = 1 << 26
NOW_MS = 1_700_000_000_000


def build_batch(value: bytes) -> tuple[bytes, int]:
    """One batch of as many records as the default batch size holds."""
    builder = BatchBuilder(NOW_MS)
    while builder.size_bytes + len(value) + 16 <= BATCH_SIZE_BYTES:
        builder.append(None, value, NOW_MS)
    return builder.build(), builder.record_count


def rate(step: Callable[[], int], seconds: float) -> float:
    """Records a second of the processor, of a step that says how many it did."""
    step()
    count, began = 0, time.process_time()
    while (elapsed := time.process_time() - began) < seconds:
        count += step()
    return count / elapsed


def measure(size: int, seconds: float) -> dict[str, float]:
    """Both directions with values of `size` bytes."""
    value = (bytes(range(256)) * 4)[:size]
    batch, _ = build_batch(value)

    def encode() -> int:
        return build_batch(value)[1]

    def decode_tuples() -> int:
        return sum(map(len, iterate_tuples(batch, size_bytes_max=SIZE_BYTES_MAX)))

    def decode_records() -> int:
        decoded = decode_record_set(batch, size_bytes_max=SIZE_BYTES_MAX)
        return sum(len(records) for _, records in decoded)

    return {
        f"encode, values of {size} B": rate(encode, seconds),
        f"decode to tuples, values of {size} B": rate(decode_tuples, seconds),
        f"decode to Record objects, values of {size} B": rate(decode_records, seconds),
    }


if __name__ == "__main__":
    print(json.dumps(measure(100, float(sys.argv[1])) | measure(1024, float(sys.argv[1]))))
