"""Any split of the bytes gives the same frames, and memory follows what was received."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.frame import FrameSplitter
from fluvio_protocol.errors import RemoteProtocolError
from fluvio_socket.frame_receiver import SPARE_BYTES_MAX, FrameReceiver, ReceiveBuffers

MIB = 1024 * 1024


def framed(*payloads: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(payload)) + payload for payload in payloads)


def make(
    shared: int = 64, frame_max: int = 40 * MIB, held_max: int = 1 << 30
) -> tuple[ReceiveBuffers, FrameReceiver]:
    buffers = ReceiveBuffers(shared)
    return buffers, FrameReceiver(buffers, frame_size_bytes_max=frame_max, held_bytes_max=held_max)


def feed(receiver: FrameReceiver, data: bytes) -> list[bytes]:
    """Hand over `data` as one socket would: as much per read as the target takes."""
    frames: list[bytes] = []
    while data and receiver.error is None:
        target = receiver.target()
        count = min(len(target), len(data))
        assert count
        target[:count] = data[:count]
        del target
        frames += [bytes(frame) for frame in receiver.received(count)]
        if receiver.lent:
            receiver.finish()
        data = data[count:]
    return frames


PAYLOADS = [b"", b"a", b"four", b"x" * 59, b"y" * 60, b"z" * 61, b"", b"w" * 700, b"end"]


def test_one_byte_at_a_time() -> None:
    buffers, receiver = make()
    data = framed(*PAYLOADS)
    assert [f for i in range(len(data)) for f in feed(receiver, data[i : i + 1])] == PAYLOADS
    assert not receiver.is_partial
    assert buffers.held_bytes == 0


def test_two_pieces_cut_anywhere() -> None:
    data = framed(*PAYLOADS)
    for cut in range(len(data) + 1):
        buffers, receiver = make()
        assert feed(receiver, data[:cut]) + feed(receiver, data[cut:]) == PAYLOADS, cut
        assert buffers.held_bytes == 0


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=12),
    cuts=st.lists(st.integers(0, 4000), max_size=20),
    shared=st.integers(8, 200),
)
def test_any_split_gives_the_same_frames(
    payloads: list[bytes], cuts: list[int], shared: int
) -> None:
    buffers, receiver = make(shared)
    data = framed(*payloads)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames: list[bytes] = []
    for begin, end in itertools.pairwise(edges):
        frames += feed(receiver, data[begin:end])
    assert frames == payloads
    assert buffers.held_bytes == 0


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_arbitrary_bytes_do_what_the_plain_splitter_does(data: bytes, cuts: list[int]) -> None:
    _, receiver = make(shared=32, frame_max=100)
    splitter = FrameSplitter(100)
    expected: list[bytes] = []
    fails = False
    try:
        for index in range(len(data)):
            expected += splitter.feed(data[index : index + 1])
    except RemoteProtocolError:
        fails = True
    frames: list[bytes] = []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        frames += feed(receiver, data[begin:end])
    assert frames == expected
    assert (receiver.error is not None) == fails


@pytest.mark.parametrize("length", [-1, -(2**31), 101, 2**31 - 1])
def test_a_bad_length_is_an_error_after_the_good_frames(length: int) -> None:
    _, receiver = make(frame_max=100)
    assert feed(receiver, framed(b"good") + struct.pack(">i", length)) == [b"good"]
    assert "between 0 and 100" in str(receiver.error)


def test_two_connections_share_one_buffer_without_mixing() -> None:
    buffers = ReceiveBuffers(64)
    one, two = (
        FrameReceiver(buffers, frame_size_bytes_max=1000, held_bytes_max=10_000) for _ in range(2)
    )
    ones, twos = framed(b"1" * 30, b"1" * 200, b"1" * 7), framed(b"2" * 45, b"2" * 90, b"2" * 3)
    got: tuple[list[bytes], list[bytes]] = ([], [])
    for index in range(max(len(ones), len(twos))):
        got[0].extend(feed(one, ones[index : index + 1]))
        got[1].extend(feed(two, twos[index : index + 1]))
    assert got == ([b"1" * 30, b"1" * 200, b"1" * 7], [b"2" * 45, b"2" * 90, b"2" * 3])


def test_an_announced_length_alone_takes_no_memory() -> None:
    buffers, receiver = make(shared=256 * 1024)
    feed(receiver, struct.pack(">i", 32 * MIB) + b"x" * 100)
    assert buffers.held_bytes <= 64 * 1024
    feed(receiver, b"x" * MIB)
    assert MIB <= buffers.held_bytes <= 5 * MIB
    receiver.close()
    assert buffers.held_bytes == 0


def test_a_large_frame_comes_whole_and_its_buffer_serves_the_next() -> None:
    buffers, receiver = make(shared=256 * 1024)
    payload = bytes(range(256)) * 4 * 1024
    assert feed(receiver, framed(payload, b"small", payload)) == [payload, b"small", payload]
    assert buffers.held_bytes == 0
    data = framed(payload)
    feed(receiver, data[:100])
    assert buffers.held_bytes == len(data), "the spare buffer was not used"


def test_spare_buffers_are_bounded() -> None:
    buffers, _ = make()
    for _ in range(100):
        buffers.give_back(bytearray(MIB))
    kept = 0
    while len(buffers.take(MIB, 0)) == MIB:
        kept += 1
    assert kept == SPARE_BYTES_MAX // MIB


def test_a_view_kept_against_the_rules_does_not_stop_others() -> None:
    _, receiver = make(shared=64)
    data = framed(b"q" * 500_000)
    position = 0
    kept = []
    while position < len(data):
        target = receiver.target()
        kept.append(target)
        count = min(len(target), len(data) - position)
        target[:count] = data[position : position + count]
        frames = receiver.received(count)
        position += count
    assert bytes(frames[0]) == b"q" * 500_000


def test_memory_of_all_unfinished_frames_is_bounded() -> None:
    buffers = ReceiveBuffers(1024)
    receivers = [
        FrameReceiver(buffers, frame_size_bytes_max=MIB, held_bytes_max=2000) for _ in range(3)
    ]
    for receiver in receivers:
        feed(receiver, struct.pack(">i", 1000) + b"x" * 796)
    assert [receiver.error is None for receiver in receivers] == [True, True, False]
    assert buffers.held_bytes == 1600
    receivers[0].close()
    assert buffers.held_bytes == 800


def test_a_large_frame_that_outgrows_the_bound_is_an_error() -> None:
    _, receiver = make(shared=1024, frame_max=MIB, held_max=100_000)
    with pytest.raises(RemoteProtocolError, match="100000"):
        feed(receiver, struct.pack(">i", 500_000) + b"x" * 400_000)
