"""Zig-zag varints against the definition, and against damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.codec.varint import I32_MAX, I32_MIN, decode_varint, encode_varint
from fluvio_protocol.errors import LocalProtocolError, RemoteProtocolError


def plain_varint(value: int) -> bytes:
    """The dumb twin: 64-bit zig-zag with arithmetic instead of shifts."""
    number = 2 * value if value >= 0 else -2 * value - 1
    groups = [number % 128]
    while number := number // 128:
        groups.append(number % 128)
    return bytes([*(group + 128 for group in groups[:-1]), groups[-1]])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (5, "0a"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (8191, "fe7f"),
        (8192, "808001"),
        (I32_MAX, "feffffff0f"),
        (I32_MIN, "ffffffff0f"),
    ],
)
def test_known_values(value: int, written: str) -> None:
    assert encode_varint(value).hex() == written
    assert decode_varint(bytes.fromhex(written), 0, len(written) // 2) == (
        value,
        len(written) // 2,
    )


@given(value=st.integers(I32_MIN, I32_MAX))
def test_writes_what_the_definition_says(value: int) -> None:
    assert encode_varint(value) == plain_varint(value)


@given(value=st.integers(-(1 << 63), (1 << 63) - 1), before=st.binary(max_size=3))
def test_reads_64_bits_anywhere(value: int, before: bytes) -> None:
    data = before + plain_varint(value) + b"\xff"
    assert decode_varint(data, len(before), len(data)) == (value, len(data) - 1)


@pytest.mark.parametrize("value", [I32_MAX + 1, I32_MIN - 1, 1 << 63])
def test_a_value_that_peers_would_misread_is_refused(value: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode_varint(value)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9])
def test_cut_short(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="cut short"):
        decode_varint(data, 0, len(data))


def test_the_end_is_respected_also_when_there_is_more() -> None:
    with pytest.raises(RemoteProtocolError, match="cut short"):
        decode_varint(b"\x80\x01", 0, 1)


@pytest.mark.parametrize("data", [b"\x80" * 10 + b"\x00", b"\xff" * 1000, b"\xff" * 9 + b"\x02"])
def test_too_long(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_varint(data, 0, len(data))


@given(data=st.binary(max_size=14))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data: bytes) -> None:
    try:
        value, position = decode_varint(data, 0, len(data))
    except RemoteProtocolError:
        return
    assert -(1 << 63) <= value < 1 << 63
    assert 0 < position <= min(len(data), 10)
