"""The codecs of batches: what comes back, what is refused, and how much memory it takes."""

import tracemalloc
import zlib

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.errors import RemoteProtocolError
from fluvio_protocol.record import BatchCompression, compress, decompress, topic_allows
from fluvio_protocol.types import CompressionType

REAL_CODECS = [codec for codec in BatchCompression if codec is not BatchCompression.NONE]
MIB = 1 << 20
compressible = st.binary(max_size=200) | st.builds(
    lambda piece, copies: piece * copies, st.binary(max_size=20), st.integers(0, 2000)
)


@pytest.mark.parametrize("codec", list(BatchCompression))
@given(data=compressible)
def test_round_trip(codec: BatchCompression, data: bytes) -> None:
    written = compress(codec, data)
    assert decompress(codec, written, size_bytes_max=len(data)) == data
    assert decompress(codec, memoryview(bytearray(written)), size_bytes_max=MIB) == data


@pytest.mark.parametrize("codec", list(BatchCompression))
@given(data=compressible)
def test_one_byte_more_than_the_bound_is_refused(codec: BatchCompression, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="more than"):
        decompress(codec, compress(codec, data + b"x"), size_bytes_max=len(data))


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_output_a_thousand_times_its_size_is_whole(codec: BatchCompression) -> None:
    """The first buffer is too small here, so this also pins what the library says of a full one."""
    data = bytes(3 * MIB)
    written = compress(codec, data)
    assert len(written) * 16 < len(data)
    assert decompress(codec, written, size_bytes_max=len(data)) == data


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_frames_one_after_the_other_are_joined(codec: BatchCompression) -> None:
    written = compress(codec, b"first ") + compress(codec, b"") + compress(codec, b"second")
    assert decompress(codec, written, size_bytes_max=12) == b"first second"


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_a_bomb_takes_no_more_memory_than_the_bound(codec: BatchCompression) -> None:
    bomb = bytes(compress(codec, bytes(64 * MIB)))
    bound = 16 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError, match="more than"):
            decompress(codec, bomb, size_bytes_max=bound)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * bound


@pytest.mark.parametrize("codec", REAL_CODECS)
@given(data=st.data())
def test_damaged_data_raises_nothing_but_protocol_errors(
    codec: BatchCompression, data: st.DataObject
) -> None:
    damaged = bytearray(compress(codec, data.draw(compressible)))
    position = data.draw(st.integers(0, len(damaged)))
    patch = data.draw(st.binary(max_size=6))
    damaged[position : position + len(patch)] = patch
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    try:
        found = decompress(codec, damaged, size_bytes_max=1000)
    except RemoteProtocolError:
        return
    assert len(found) <= 1000


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_garbage_and_cut_data_are_refused(codec: BatchCompression) -> None:
    written = compress(codec, b"some words " * 9)
    for wrong in (b"garbage", written[:-3], written[: len(written) // 2], written + b"garbage"):
        with pytest.raises(RemoteProtocolError):
            decompress(codec, wrong, size_bytes_max=MIB)


@pytest.mark.parametrize("codec", REAL_CODECS)
def test_the_work_on_garbage_does_not_grow_with_the_bound(codec: BatchCompression) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            decompress(codec, b"garbage", size_bytes_max=1 << 30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


def test_zstd_that_asks_for_a_window_of_gigabytes_is_refused() -> None:
    magic, descriptor = bytes.fromhex("28b52ffd"), b"\x00"
    window_of_2_gib = bytes([(31 - 10) << 3])
    last_raw_block_of_one_byte = b"\x09\0\0x"
    with pytest.raises(RemoteProtocolError):
        decompress(
            BatchCompression.ZSTD,
            magic + descriptor + window_of_2_gib + last_raw_block_of_one_byte,
            size_bytes_max=MIB,
        )


def test_formats_are_the_ones_peers_expect() -> None:
    data = b"hello world " * 20
    assert zlib.decompress(compress(BatchCompression.GZIP, data), wbits=31) == data
    assert compress(BatchCompression.SNAPPY, data).startswith(b"\xff\x06\0\0sNaPpY")
    assert compress(BatchCompression.LZ4, data).startswith(bytes.fromhex("04224d18"))
    assert compress(BatchCompression.ZSTD, data).startswith(bytes.fromhex("28b52ffd"))


def test_gzip_of_another_library_is_read() -> None:
    packer = zlib.compressobj(9, wbits=31)
    written = packer.compress(b"words") + packer.flush()
    assert decompress(BatchCompression.GZIP, written, size_bytes_max=5) == b"words"


def test_lz4_with_linked_blocks_and_checksums_is_read() -> None:
    written = bytes(cramjam.lz4.compress(b"words" * 50_000, level=9))
    found = decompress(BatchCompression.LZ4, written, size_bytes_max=250_000)
    assert found == b"words" * 50_000


@pytest.mark.parametrize("codec", list(BatchCompression))
@pytest.mark.parametrize("setting", list(CompressionType))
def test_a_topic_allows_its_own_codec_or_any(
    setting: CompressionType, codec: BatchCompression
) -> None:
    assert topic_allows(setting, codec) is (setting.name in ("ANY", codec.name))
