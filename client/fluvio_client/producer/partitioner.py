"""Which partition a record goes to. Pure.

The hash must be Fluvio's to the bit: producers in several languages share a topic, and records of
one key stay in order only if all of them choose the same partition. Source: protocol reference
10.1.
"""

import struct
from collections.abc import Sequence
from typing import Protocol

from siphash24 import siphash24

_LENGTH = struct.Struct("<Q")
_WORD = struct.Struct("<I")
_KEY = bytes(16)


class Partitioner(Protocol):
    """Chooses a partition for one record; any function of that form will do."""

    def __call__(
        self,
        key: bytes | None,
        value: bytes,
        *,
        partition_count: int,
        available: Sequence[int],
    ) -> int:
        """A number in [0, partition_count).

        available: partitions that take records now, in order; empty when none does
        """


def hash_key(key: bytes) -> int:
    """SipHash-2-4 with a key of zeros over the length, eight bytes little-endian, and the key."""
    return int.from_bytes(siphash24(_LENGTH.pack(len(key)) + key, key=_KEY).digest(), "little")


def partition_of_key(key: bytes, partition_count: int) -> int:
    """The partition of a key; the empty key is a key like any other."""
    return hash_key(key) % partition_count


class HashOrRoundRobin:
    """The default: by hash with a key, the next available partition without.

    A record with a key goes to its partition also while that is offline, and waits.
    """

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def __call__(
        self,
        key: bytes | None,
        value: bytes,
        *,
        partition_count: int,
        available: Sequence[int],
    ) -> int:
        if key is not None:
            return partition_of_key(key, partition_count)
        number = self._count
        self._count = number + 1
        if available:
            return available[number % len(available)]
        return number % partition_count


class RoundRobin(HashOrRoundRobin):
    """The next available partition, whatever the key: even spread, and no order within a key."""

    __slots__ = ()

    def __call__(
        self,
        key: bytes | None,
        value: bytes,
        *,
        partition_count: int,
        available: Sequence[int],
    ) -> int:
        return super().__call__(None, value, partition_count=partition_count, available=available)


class KafkaMurmur2(HashOrRoundRobin):
    """Where Kafka's own producers put a key, for topics that move over with their order."""

    __slots__ = ()

    def __call__(
        self,
        key: bytes | None,
        value: bytes,
        *,
        partition_count: int,
        available: Sequence[int],
    ) -> int:
        if key is not None:
            return (murmur2(key) & 0x7FFF_FFFF) % partition_count
        return super().__call__(key, value, partition_count=partition_count, available=available)


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with Kafka's seed. Source: org.apache.kafka.common.utils.Utils."""
    multiplier, mask = 0x5BD1_E995, 0xFFFF_FFFF
    result = 0x9747_B28C ^ len(data)
    whole = len(data) & ~3
    for (word,) in _WORD.iter_unpack(data[:whole]):
        mixed = word * multiplier & mask
        mixed = (mixed ^ mixed >> 24) * multiplier & mask
        result = (result * multiplier & mask) ^ mixed
    rest = data[whole:]
    if rest:
        result = (result ^ int.from_bytes(rest, "little")) * multiplier & mask
    result = (result ^ result >> 13) * multiplier & mask
    return result ^ result >> 15


class SpecificPartition:
    """Everything goes to one partition."""

    __slots__ = ("partition",)

    def __init__(self, partition: int) -> None:
        self.partition = partition

    def __call__(
        self,
        key: bytes | None,
        value: bytes,
        *,
        partition_count: int,
        available: Sequence[int],
    ) -> int:
        return self.partition
