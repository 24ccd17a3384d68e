"""Several batches: the SPU's check against a dumb twin, and how consumers read them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluvio_protocol.errors import ErrorCode, RemoteProtocolError
from fluvio_protocol.record import (
    BatchCompression,
    CorruptBatch,
    Record,
    check_record_set,
    compress,
    crc32c,
    decode_record_set,
    decompress,
    encode_batch,
    iterate_batches,
    iterate_headers,
    iterate_tuples,
)
from fluvio_protocol.record.batch import BATCH_HEADER_SIZE, seal

MIB = 1 << 20
codecs = st.sampled_from(BatchCompression)
record_lists = st.lists(
    st.builds(Record, st.binary(max_size=12), st.none() | st.binary(max_size=3)),
    min_size=1,
    max_size=4,
)
batches = st.builds(
    lambda records, codec, base: encode_batch(
        records, first_timestamp=1000, compression=codec, base_offset=base
    ),
    record_lists,
    codecs,
    st.integers(0, 1000),
)


def plain_crc32c(data: bytes) -> int:
    """Bit by bit, from the polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def signed(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


def plain_check(data: bytes) -> list[tuple[int, int, int, int]] | None:
    """The dumb twin of `check_record_set`: cuts the bytes field by field; None is refusal."""
    found = []
    position = 0
    while data:
        length = signed(data[8:12])
        if len(data) < 61 or length < 49 or len(data) < 12 + length:
            return None
        batch, data = data[: 12 + length], data[12 + length :]
        magic, crc, checked = batch[16], batch[17:21], batch[21:]
        attributes, last_offset_delta = signed(batch[21:23]), signed(batch[23:27])
        codec = attributes % 8
        if magic != 2 or plain_crc32c(checked) != int.from_bytes(crc):
            return None
        if last_offset_delta < 0 or codec not in (0, 1, 2, 3, 4):
            return None
        if codec == 0:
            payload = batch[61:] if attributes & 0x10 else batch[57:]
            if len(payload) < 4 or signed(payload[:4]) != last_offset_delta + 1:
                return None
            if len(payload) - 4 < 7 * (last_offset_delta + 1):
                return None
        else:
            payload = batch[61:] if attributes & 0x10 else batch[57:]
            try:
                unpacked = decompress(BatchCompression(codec), payload, size_bytes_max=MIB)
            except RemoteProtocolError:
                return None
            if len(unpacked) < 4 or signed(unpacked[:4]) != last_offset_delta + 1:
                return None
        found.append((position, len(batch), last_offset_delta + 1, codec))
        position += len(batch)
    return found


def agree(data: bytes) -> None:
    expected = plain_check(data)
    if expected is None:
        with pytest.raises(CorruptBatch):
            check_record_set(memoryview(data))
    else:
        assert check_record_set(memoryview(data)) == expected


@given(parts=st.lists(batches, max_size=4))
@example(parts=[])
def test_every_good_set_passes(parts: list[bytes]) -> None:
    data = b"".join(parts)
    found = check_record_set(memoryview(bytearray(data)))
    assert [data[position : position + size] for position, size, *_ in found] == parts
    assert found == plain_check(data)


@given(data=st.data(), parts=st.lists(batches, min_size=1, max_size=3))
def test_damage_is_judged_as_the_dumb_twin_does(data: st.DataObject, parts: list[bytes]) -> None:
    damaged = bytearray(b"".join(parts))
    position = data.draw(
        st.integers(0, min(64, len(damaged) - 1)) | st.integers(0, len(damaged) - 1)
    )
    patch = data.draw(st.binary(min_size=1, max_size=4))
    damaged[position : position + len(patch)] = patch
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    agree(bytes(damaged))


@given(
    payload=st.binary(max_size=20),
    count=st.integers(-1, 3),
    attributes=st.sampled_from([0, 0x10, 1, 0x14, 4, 5, 7, 0x20, -1]),
    last_offset_delta=st.integers(-2, 3),
    following=st.binary(max_size=3),
)
@example(payload=b"", count=1, attributes=0, last_offset_delta=0, following=b"")
@example(payload=bytes(6), count=1, attributes=0, last_offset_delta=0, following=b"")
@example(payload=bytes(7), count=1, attributes=0, last_offset_delta=0, following=b"")
@example(payload=b"\0\0\0\1" + bytes(7), count=9, attributes=16, last_offset_delta=0, following=b"")
@example(payload=b"\0\0\0\1", count=1, attributes=16, last_offset_delta=0, following=b"")
@example(payload=b"", count=1, attributes=16, last_offset_delta=0, following=b"")
def test_sealed_batches_are_judged_as_the_dumb_twin_does(
    payload: bytes, count: int, attributes: int, last_offset_delta: int, following: bytes
) -> None:
    """Headers of every kind behind a right checksum."""
    batch = seal(
        count.to_bytes(4, signed=True) + payload,
        attributes=attributes,
        last_offset_delta=last_offset_delta,
        first_timestamp=-1,
        max_timestamp=-1,
        base_offset=0,
    )
    agree(batch + following)
    agree(batch + batch)


COMPRESSED = [codec for codec in BatchCompression if codec is not BatchCompression.NONE]


@pytest.mark.parametrize("codec", COMPRESSED)
@pytest.mark.parametrize("schema", [b"", b"\0\0\0\7"])
@pytest.mark.parametrize(
    ("claimed", "holds", "fine"),
    [(1, 1, True), (2, 2, True), (1, 2, False), (2, 1, False), (1 << 31, 2, False)],
)
def test_a_compressed_payload_holds_as_many_records_as_the_header_says(
    codec: BatchCompression, schema: bytes, claimed: int, holds: int, fine: bool
) -> None:
    payload = compress(codec, holds.to_bytes(4) + bytes(50_000))
    batch = seal(
        schema + payload,
        attributes=codec | (0x10 if schema else 0),
        last_offset_delta=claimed - 1,
        first_timestamp=-1,
        max_timestamp=-1,
        base_offset=0,
    )
    if fine:
        assert check_record_set(memoryview(batch)) == [(0, len(batch), claimed, codec)]
    else:
        with pytest.raises(CorruptBatch, match=f"{holds} compressed records"):
            check_record_set(memoryview(batch))


@pytest.mark.parametrize("codec", COMPRESSED)
@pytest.mark.parametrize("payload", [b"garbage", bytes(30), None])
def test_a_payload_that_is_not_of_its_codec_is_refused(
    codec: BatchCompression, payload: bytes | None
) -> None:
    batch = seal(
        compress(codec, b"\0\0") if payload is None else payload,
        attributes=codec,
        last_offset_delta=0,
        first_timestamp=-1,
        max_timestamp=-1,
        base_offset=0,
    )
    with pytest.raises(CorruptBatch):
        check_record_set(memoryview(batch))


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    agree(data)
    if data:
        with pytest.raises(CorruptBatch):
            check_record_set(memoryview(data))


def test_a_refusal_says_which_batch_and_why() -> None:
    good = encode_batch([Record(b"value")], first_timestamp=1)
    wrong = bytearray(good)
    wrong[-2] ^= 1
    with pytest.raises(CorruptBatch, match=f"batch at {len(good)}: wrong checksum") as caught:
        check_record_set(memoryview(good + wrong))
    assert caught.value.code is ErrorCode.OTHER


def test_stamping_the_base_offset_keeps_the_checksum() -> None:
    batch = bytearray(encode_batch([Record(b"value")], first_timestamp=1))
    batch[:8] = (123_456).to_bytes(8)
    assert check_record_set(memoryview(batch)) == [(0, len(batch), 1, 0)]
    assert [header.base_offset for _, header in iterate_headers(batch)] == [123_456]


def two_batches(codec: BatchCompression) -> bytes:
    return encode_batch(
        [Record(b"a", timestamp_delta=1), Record(b"b", key=b"k", timestamp_delta=5)],
        first_timestamp=1000,
        compression=codec,
        base_offset=10,
    ) + encode_batch([Record(b"c")], first_timestamp=-1, compression=codec, base_offset=12)


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_consumers_read_offsets_timestamps_keys_and_values(codec: BatchCompression) -> None:
    data = two_batches(codec)
    assert list(iterate_tuples(data, size_bytes_max=MIB)) == [
        [(10, 1001, None, b"a"), (11, 1005, b"k", b"b")],
        [(12, -1, None, b"c")],
    ]
    decoded = decode_record_set(memoryview(data), size_bytes_max=MIB)
    assert decoded == list(iterate_batches(data, size_bytes_max=MIB))
    assert [record.value for _, records in decoded for record in records] == [b"a", b"b", b"c"]
    assert [header.next_offset for header, _ in decoded] == [12, 13]


def test_a_batch_cut_short_at_the_end_is_left_out_quietly() -> None:
    data = two_batches(BatchCompression.NONE)
    [(_, _), (second, _)] = iterate_headers(data)
    for end in range(second, len(data)):
        found = decode_record_set(data[:end], size_bytes_max=MIB)
        assert [header.base_offset for header, _ in found] == [10]
        assert [position for position, _ in iterate_headers(data, 0, end)] == [0]
    assert decode_record_set(b"", size_bytes_max=0) == []
    assert [position for position, _ in iterate_headers(data, second)] == [second]


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_a_whole_batch_that_does_not_decode_is_not_left_out(codec: BatchCompression) -> None:
    data = bytearray(two_batches(codec))
    data[-1] ^= 1
    with pytest.raises(RemoteProtocolError, match="checksum"):
        decode_record_set(data, size_bytes_max=MIB)
    with pytest.raises(RemoteProtocolError, match="checksum"):
        list(iterate_batches(data, size_bytes_max=MIB))
    tuples = iterate_tuples(data, size_bytes_max=MIB)
    assert len(next(tuples)) == 2
    with pytest.raises(RemoteProtocolError, match="checksum"):
        next(tuples)


@pytest.mark.parametrize("codec", list(BatchCompression))
def test_a_set_of_bombs_is_bounded_in_all(codec: BatchCompression) -> None:
    one = encode_batch([Record(bytes(100_000))], first_timestamp=1, compression=codec)
    assert len(decode_record_set(one * 3, size_bytes_max=301_000)) == 3
    with pytest.raises(RemoteProtocolError, match="more than"):
        decode_record_set(one * 4, size_bytes_max=301_000)
    assert sum(1 for _ in iterate_tuples(one * 4, size_bytes_max=101_000)) == 4


@given(data=st.binary(max_size=80))
def test_the_checksum_is_the_textbook_one(data: bytes) -> None:
    assert crc32c(data) == plain_crc32c(data)


@pytest.mark.parametrize("last_offset_delta", [0, 7])
def test_consumers_read_batches_that_a_smart_module_left_other_records_in(
    last_offset_delta: int,
) -> None:
    plain = encode_batch([Record(b"a"), Record(b"b")], first_timestamp=1000)
    data = seal(
        plain[BATCH_HEADER_SIZE:],
        attributes=0,
        last_offset_delta=last_offset_delta,
        first_timestamp=1000,
        max_timestamp=1000,
        base_offset=5,
    )
    assert list(iterate_tuples(data, size_bytes_max=MIB)) == [
        [(5, 1000, None, b"a"), (6, 1000, None, b"b")]
    ]
    with pytest.raises(RemoteProtocolError, match="2 records"):
        decode_record_set(data, size_bytes_max=MIB)
