"""Records are found by their lengths, which may be anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.record.record import record_bounds

HEADER_BYTES = 57
COUNT_BYTES = 4


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.binary(max_size=5))
def test_each_record_lies_between_two_bounds(values: list[bytes], behind: bytes) -> None:
    records = [Record(value) for value in values]
    payload = encode_batch(records, first_timestamp=0)[HEADER_BYTES:]
    bounds = record_bounds(payload + behind, COUNT_BYTES, len(values))
    assert bounds[0] == COUNT_BYTES
    assert bounds[-1] == len(payload)
    for value, start, end in zip(values, bounds, bounds[1:], strict=False):
        assert payload[start:end].endswith(value + b"\0")


@pytest.mark.parametrize(
    ("content", "count", "reason"),
    [
        # A length of -1 would be read for ever.
        (b"\1" * 700, 100, "a record of -1 bytes"),
        (b"\x0a" + b"\0" * 20, 1, "a record of 5 bytes"),
        (b"\x0c\0\0", 1, "1 records cannot be in 3 bytes"),
        (b"\x10" + b"\0" * 7, 1, "cut short"),
        (b"\0" * 40, (1 << 31) - 1, "records cannot be in 40 bytes"),
    ],
)
def test_lengths_that_no_records_have_are_refused(content: bytes, count: int, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        record_bounds(content, 0, count)
