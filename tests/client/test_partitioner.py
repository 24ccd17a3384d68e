"""The partition of a key must be Fluvio's, in every language: a table of what its client was seen
to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client.producer.partitioner import (
    HashOrRoundRobin,
    SpecificPartition,
    hash_key,
    murmur2,
    partition_of_key,
)

SEEN = [
    (b"", 7, 3),
    (b"a", 7, 2),
    (b"b", 7, 6),
    (b"hello", 7, 2),
    (b"key-123", 7, 3),
    (b"\x00\xff", 7, 1),
    (b"x" * 40, 7, 1),
    (b"1", 2, 0),
    (b"2", 2, 0),
    (b"4", 2, 1),
    (b"8", 2, 1),
    (b"1", 3, 1),
    (b"2", 3, 2),
    (b"3", 3, 0),
    (b"4", 3, 0),
    (b"8", 3, 0),
]


@pytest.mark.parametrize(("key", "count", "partition"), SEEN)
def test_keys_go_where_fluvio_sends_them(key: bytes, count: int, partition: int) -> None:
    assert partition_of_key(key, count) == partition


def test_hash_values() -> None:
    assert hash_key(b"hello") == 0xD17F96BD0852CE12
    assert hash_key(b"") == 0xE849E8BB6FFE2567


def _reference_siphash(key: bytes) -> int:
    """SipHash-2-4 with a zero key, written from its definition: the dumb twin."""
    mask = (1 << 64) - 1
    data = len(key).to_bytes(8, "little") + key
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]

    def rotate(x: int, b: int) -> int:
        return ((x << b) | (x >> (64 - b))) & mask

    def sip_round() -> None:
        v[0] = (v[0] + v[1]) & mask
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & mask
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & mask
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & mask
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        sip_round()
        sip_round()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        sip_round()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@given(st.binary(max_size=100))
def test_hash_equals_its_definition(key: bytes) -> None:
    assert hash_key(key) == _reference_siphash(key)


def test_without_key_the_available_partitions_take_turns() -> None:
    choose = HashOrRoundRobin()
    chosen = [choose(None, b"v", partition_count=4, available=(1, 3)) for _ in range(5)]
    assert chosen == [1, 3, 1, 3, 1]


def test_without_available_partitions_all_take_turns() -> None:
    choose = HashOrRoundRobin()
    assert [choose(None, b"v", partition_count=3, available=()) for _ in range(4)] == [0, 1, 2, 0]


def test_records_with_keys_do_not_advance_the_turns() -> None:
    choose = HashOrRoundRobin()
    assert choose(None, b"v", partition_count=3, available=(0, 1, 2)) == 0
    assert choose(b"1", b"v", partition_count=3, available=(0, 2)) == 1  # offline, and waits
    assert choose(None, b"v", partition_count=3, available=(0, 1, 2)) == 1


def test_specific_partition_ignores_keys() -> None:
    choose = SpecificPartition(2)
    assert choose(b"k", b"v", partition_count=3, available=(0,)) == 2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_kafkas_hash(key: bytes, expected: int) -> None:
    """The vectors of Kafka's own UtilsTest."""
    assert murmur2(key) == expected % 2**32
