"""Frames, however the stream was cut on its way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.frame import FRAME_SIZE_BYTES_MAX, FrameSplitter, frame, frame_length
from fluvio_protocol.errors import RemoteProtocolError

payloads = st.lists(st.binary(max_size=40), max_size=8)


@given(payloads=payloads, cuts=st.lists(st.integers(0, 400)))
def test_any_split_gives_the_same_frames(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = FrameSplitter()
    found: list[bytes] = []
    for start, end in pairwise(edges):
        found += splitter.feed(stream[start:end])
    assert found == payloads


@given(payloads=payloads)
def test_one_byte_at_a_time_gives_the_same_frames(payloads: list[bytes]) -> None:
    splitter = FrameSplitter()
    found: list[bytes] = []
    for payload in payloads:
        for byte in frame(payload):
            found += splitter.feed(bytes([byte]))
    assert found == payloads


@given(stream=st.binary(max_size=100), limit=st.integers(0, 200))
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(stream: bytes, limit: int) -> None:
    try:
        found = FrameSplitter(limit).feed(stream)
    except RemoteProtocolError:
        return
    assert all(len(payload) <= limit for payload in found)


@pytest.mark.parametrize("length", [-1, -(1 << 31), 11, FRAME_SIZE_BYTES_MAX + 1, (1 << 31) - 1])
def test_a_length_out_of_bounds_is_refused_before_its_payload_comes(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match=str(length)):
        FrameSplitter(10).feed(length.to_bytes(4, signed=True))


def test_the_bound_itself_is_allowed() -> None:
    assert FrameSplitter(10).feed(frame(b"0123456789")) == [b"0123456789"]
    assert frame_length(b"..\0\0\0\x0a", 2, 10) == 10


def test_parts_are_joined() -> None:
    assert frame(b"ab", memoryview(b"c"), bytearray(b"d")) == b"\0\0\0\4abcd"
    assert frame() == b"\0\0\0\0"
