"""One batch: built, read, and refused when it is damaged. Dumb twins check the fast loops."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.codec.varint import decode_varint, encode_varint
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError
from fluvio_protocol.record import (
    BATCH_HEADER,
    BATCH_HEADER_SIZE,
    BATCH_PREAMBLE_SIZE,
    BatchBuilder,
    BatchCompression,
    Record,
    check_record_set,
    compress,
    crc32c,
    decode_batch,
    encode_batch,
    read_header,
)
from fluvio_protocol.record.batch import seal
from fluvio_protocol.record.record import RawRecord, decode_records

MIB = 1 << 20
I32_MAX = (1 << 31) - 1
# Sizes around 63/64 and 8191/8192, where a varint takes another byte, come by repetition.
contents = st.binary(max_size=80) | st.builds(
    lambda byte, size: byte * size,
    st.binary(min_size=1, max_size=1),
    st.sampled_from([63, 64, 65, 127, 128, 8150, 8191, 8192, 20_000]),
)
deltas = st.integers(-3, 200) | st.integers(-(1 << 31), I32_MAX)
records_lists = st.lists(st.tuples(st.none() | contents, contents, deltas), min_size=1, max_size=6)


def plain_record(key: bytes | None, value: bytes, timestamp_delta: int, offset_delta: int) -> bytes:
    """A record put together the slow way."""
    body = b"\0" + encode_varint(timestamp_delta) + encode_varint(offset_delta)
    body += b"\0" if key is None else b"\1" + encode_varint(len(key)) + key
    body += encode_varint(len(value)) + value + encode_varint(0)
    return encode_varint(len(body)) + body


def plain_records(payload: bytes, position: int, count: int) -> list[RawRecord]:
    """The dumb twin of `decode_records`: one field after the other, nothing in place."""
    end = len(payload)

    def number() -> int:
        nonlocal position
        value, position = decode_varint(payload, position, end)
        return value

    def take(size: int) -> bytes:
        nonlocal position
        if size < 0 or position + size > end:
            raise RemoteProtocolError("does not fit")
        position += size
        return payload[position - size : position]

    found: list[RawRecord] = []
    for _ in range(count):
        size = number()
        record_end = position + size
        take(1)
        timestamp_delta, offset_delta = number(), number()
        has_key = take(1)
        if has_key not in (b"\0", b"\1"):
            raise RemoteProtocolError("no boolean")
        key = take(number()) if has_key == b"\1" else None
        value = take(number())
        if take(1) != b"\0" or size < 0 or position != record_end:
            raise RemoteProtocolError("does not fit")
        found.append((timestamp_delta, offset_delta, key, value))
    if position != end:
        raise RemoteProtocolError("left over")
    return found


@given(
    records=records_lists,
    codec=st.sampled_from(BatchCompression),
    base_offset=st.integers(0, (1 << 63) - 100),
    first_timestamp=st.integers(0, 1 << 50),
)
def test_round_trip(
    records: list[tuple[bytes | None, bytes, int]],
    codec: BatchCompression,
    base_offset: int,
    first_timestamp: int,
) -> None:
    given_records = [
        Record(value, key, timestamp_delta, index)
        for index, (key, value, timestamp_delta) in enumerate(records)
    ]
    batch = encode_batch(
        given_records,
        first_timestamp=first_timestamp,
        compression=codec,
        base_offset=base_offset,
    )
    header, found = decode_batch(batch, 0, len(batch), size_bytes_max=MIB)
    assert found == given_records
    assert header.base_offset == base_offset
    assert header.next_offset == base_offset + len(records)
    assert header.record_count == len(records)
    assert header.compression is codec
    assert header.first_timestamp == first_timestamp
    assert header.max_timestamp == first_timestamp + max(0, *(delta for *_, delta in records))
    assert check_record_set(memoryview(batch)) == [(0, len(batch), len(records), codec)]


@given(records=records_lists)
def test_builder_writes_what_the_layout_says(
    records: list[tuple[bytes | None, bytes, int]],
) -> None:
    now = 1_700_000_000_000
    builder = BatchBuilder(now)
    expected = b""
    for index, (key, value, delta) in enumerate(records):
        builder.append(key, value, now + delta)
        expected += plain_record(key, value, delta, index)
        assert builder.size_bytes == 57 + 4 + len(expected)
        assert builder.record_count == index + 1
    batch = builder.build()
    assert batch[57:] == struct.pack(">i", len(records)) + expected
    assert len(batch) == builder.size_bytes
    last = len(records) - 1
    max_timestamp = now + max(0, *(delta for *_, delta in records))
    assert BATCH_HEADER.unpack_from(batch) == (
        *(last, len(batch) - 12, -1, 2, crc32c(batch[21:]), 0, last),
        *(now, max_timestamp, -1, -1, -1),
    )
    assert builder.build() == batch


def test_a_batch_of_many_records() -> None:
    """Offset deltas pass the limits of one and two bytes."""
    builder = BatchBuilder(5)
    for number in range(10_000):
        builder.append(None, b"%d" % number, 5)
    batch = builder.build(BatchCompression.LZ4)
    _, found = decode_batch(batch, 0, len(batch), size_bytes_max=MIB)
    assert [(record.offset_delta, record.value) for record in found] == [
        (number, b"%d" % number) for number in range(10_000)
    ]


@given(data=st.data(), records=records_lists)
def test_reads_records_as_the_dumb_twin_does(
    data: st.DataObject, records: list[tuple[bytes | None, bytes, int]]
) -> None:
    payload = bytearray(b"pre")
    for index, (key, value, delta) in enumerate(records):
        payload += plain_record(key, value[:200], delta, index)
    for _ in range(data.draw(st.integers(0, 2))):
        position = data.draw(st.integers(3, min(40, len(payload))))
        patch = data.draw(st.binary(max_size=3))
        payload[position : position + len(patch)] = patch
    count = data.draw(st.just(len(records)) | st.integers(0, 7))
    try:
        expected = plain_records(bytes(payload), 3, count)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decode_records(bytes(payload), 3, count)
    else:
        assert decode_records(bytes(payload), 3, count) == expected


@given(payload=st.binary(max_size=40), count=st.integers(0, 5))
def test_reads_arbitrary_bytes_as_the_dumb_twin_does(payload: bytes, count: int) -> None:
    try:
        expected = plain_records(payload, 0, count)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decode_records(payload, 0, count)
    else:
        assert decode_records(payload, 0, count) == expected


@pytest.mark.parametrize(
    "written",
    [
        "0f 00 00 00 00 02 78 00",  # record of length -8
        "10 00 00 00 01 81 80 00 00",  # key of length -1: would read its last byte twice
        "0c 00 00 00 00 81 00",  # value of length -1, in two bytes
        "0e 00 00 00 00 81 80 00",  # and in three
        "0d 00 00 00 00 00 00",  # record of length -7, else right
        "0e 00 00 00 01 01 00 00",  # key of length -1, else right
        "0c 00 00 00 00 01 00",  # value of length -1, else right
        "0e 00 00 00 00 81 00 00",  # in two bytes
        "10 00 00 00 00 81 80 00 00",  # and in three
        "0c 00 00 00 02 00 00",  # 2 is no boolean
        "0c 00 00 00 00 00 02",  # one header
        "0e 00 00 00 00 00 00",  # longer than its fields
        "0a 00 00 00 00 00 00",  # shorter than its fields
        "0c 00 00 00 00 7e 00",  # value longer than all there is
        "0c 00 00 00 01 7e 00",  # key longer than all there is
    ],
)
def test_a_malformed_record_is_refused(written: str) -> None:
    payload = bytes.fromhex(written)
    with pytest.raises(RemoteProtocolError):
        decode_records(payload, 0, 1)
    with pytest.raises(RemoteProtocolError):
        plain_records(payload, 0, 1)


@pytest.mark.parametrize("extra", [1, -1])
def test_lengths_that_are_wrong_by_turns_are_refused(extra: int) -> None:
    """Two records whose lengths are wrong although the payload ends where it should."""
    first, second = bytearray(plain_record(None, b"a", 0, 0)), plain_record(None, b"b", 0, 1)
    first[0] += 2 * extra
    with pytest.raises(RemoteProtocolError):
        decode_records(bytes(first) + second, 0, 2)


@given(data=st.data(), codec=st.sampled_from(BatchCompression))
def test_a_damaged_batch_is_refused(data: st.DataObject, codec: BatchCompression) -> None:
    """Any change to what the checksum covers is found; epoch and base offset are not covered."""
    batch = bytearray(
        encode_batch(
            [Record(b"value" * 5), Record(b"v", b"k")], first_timestamp=7, compression=codec
        )
    )
    position = data.draw(st.integers(8, 11) | st.integers(16, len(batch) - 1))
    batch[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteProtocolError):
        decode_batch(batch, 0, len(batch), size_bytes_max=MIB)


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_a_batch_cut_short_is_refused(codec: BatchCompression) -> None:
    batch = encode_batch([Record(b"value")], first_timestamp=7, compression=codec)
    for end in range(len(batch)):
        with pytest.raises(RemoteProtocolError):
            decode_batch(batch, 0, end, size_bytes_max=MIB)


@given(data=st.binary(max_size=120), position=st.integers(0, 30))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data: bytes, position: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_batch(data, position, len(data), size_bytes_max=1000)


@given(
    payload=st.binary(max_size=60), codec=st.sampled_from(BatchCompression), count=st.integers(0, 4)
)
def test_arbitrary_payloads_behind_a_right_checksum(
    payload: bytes, codec: BatchCompression, count: int
) -> None:
    """A sealed payload of junk, compressed or not, decodes or is a protocol error."""
    for inner in (payload, struct.pack(">i", count) + payload):
        for sealed in (compress(codec, inner), inner):
            batch = seal(
                sealed,
                attributes=codec,
                last_offset_delta=count - 1,
                first_timestamp=-1,
                max_timestamp=-1,
                base_offset=0,
            )
            try:
                _, found = decode_batch(batch, 0, len(batch), size_bytes_max=1000)
            except RemoteProtocolError:
                continue
            assert len(found) == count


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_a_batch_with_a_schema_id_is_read(codec: BatchCompression) -> None:
    plain = encode_batch([Record(b"value", b"key")], first_timestamp=7)[57:]
    batch = seal(
        b"\0\0\0\x2a" + compress(codec, plain),
        attributes=0x10 | codec,
        last_offset_delta=0,
        first_timestamp=7,
        max_timestamp=7,
        base_offset=0,
    )
    header, found = decode_batch(batch, 0, len(batch), size_bytes_max=len(plain))
    assert found == [Record(b"value", b"key")]
    assert header.compression is codec
    assert check_record_set(memoryview(batch)) == [(0, len(batch), 1, codec)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_length", -1),
        ("batch_length", 44),
        ("batch_length", I32_MAX),
        ("magic", 1),
        ("attributes", 5),
        ("attributes", 7),
        ("attributes", 0x17),
        ("last_offset_delta", -2),
    ],
)
def test_a_header_nobody_could_decode_is_refused(field: str, value: int) -> None:
    batch = bytearray(encode_batch([Record(b"value")], first_timestamp=7))
    names = list(read_header(batch, 0, len(batch)).__dataclass_fields__)
    values = list(BATCH_HEADER.unpack_from(batch))
    values[names.index(field)] = value
    BATCH_HEADER.pack_into(batch, 0, *values)
    with pytest.raises(RemoteProtocolError):
        read_header(batch, 0, len(batch))


def test_a_header_in_the_middle_of_a_buffer() -> None:
    batch = encode_batch([Record(b"value")], first_timestamp=7, base_offset=41)
    data = memoryview(b"before" + batch + b"behind")
    header = read_header(data, 6, 6 + len(batch))
    assert header.size_bytes == BATCH_PREAMBLE_SIZE + header.batch_length == len(batch)
    assert (header.base_offset, header.next_offset) == (41, 42)
    assert decode_batch(data, 6, len(data), size_bytes_max=99)[1] == [Record(b"value")]


def test_the_count_must_agree_with_the_header() -> None:
    payload = encode_batch([Record(b"a"), Record(b"b")], first_timestamp=7)[BATCH_HEADER_SIZE:]
    for last_offset_delta in (-1, 0, 2):
        batch = seal(
            payload,
            attributes=0,
            last_offset_delta=last_offset_delta,
            first_timestamp=7,
            max_timestamp=7,
            base_offset=0,
        )
        with pytest.raises(RemoteProtocolError, match="2 records"):
            decode_batch(batch, 0, len(batch), size_bytes_max=MIB)


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_a_count_of_millions_takes_no_memory(codec: BatchCompression) -> None:
    count = I32_MAX
    batch = seal(
        compress(codec, struct.pack(">i", count) + bytes(50)),
        attributes=codec,
        last_offset_delta=count - 1,
        first_timestamp=7,
        max_timestamp=7,
        base_offset=0,
    )
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            decode_batch(batch, 0, len(batch), size_bytes_max=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000


def test_what_does_not_fit_leaves_the_builder_as_it_was() -> None:
    builder = BatchBuilder(1000)
    builder.append(b"key", b"value", 1001)
    before = builder.build()
    for timestamp in (1000 + (1 << 31), 1000 - (1 << 31) - 1, 1 << 62):
        with pytest.raises(LocalProtocolError):
            builder.append(b"key", b"value", timestamp)
        with pytest.raises(LocalProtocolError):
            builder.append(None, b"value", timestamp)
    assert builder.build() == before
    assert (builder.record_count, builder.size_bytes) == (1, len(before))


def test_an_empty_batch_is_not_built() -> None:
    with pytest.raises(LocalProtocolError):
        BatchBuilder(0).build()
    with pytest.raises(LocalProtocolError):
        encode_batch([], first_timestamp=0)


def test_a_header_value_out_of_range_is_refused() -> None:
    for timestamp, base_offset in ((1 << 63, 0), (0, 1 << 63)):
        with pytest.raises(LocalProtocolError):
            encode_batch([Record(b"v")], first_timestamp=timestamp, base_offset=base_offset)


def test_checksum_of_known_bytes() -> None:
    """Check values of CRC-32C: RFC 3720, appendix B.4, and the usual nine digits."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(memoryview(b"6789"), crc32c(b"12345")) == 0xE3069283
