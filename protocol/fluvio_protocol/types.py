"""The small words everybody uses: offsets, identities, and the keys made of them.

Ranges of offsets are half-open everywhere: `[base, end)`; an end is never the last valid offset.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

Offset = NewType("Offset", int)
"""Position of a record in its partition; i64 on the wire, never negative once known."""

SpuId = NewType("SpuId", int)
"""Identity of a streaming processing unit; i32 on the wire."""

PartitionId = NewType("PartitionId", int)
"""Number of a partition in its topic, from 0; u32 on the wire."""

LeaderEpoch = NewType("LeaderEpoch", int)
"""Counts the leaderships of one partition; i64 on our internal links, never sent to clients."""

DataIncarnation = NewType("DataIncarnation", int)
"""Which life of an SPU's data folder: kept over restarts, replaced when unsynced records may have
been lost. i64 on our internal links; 0 means not known."""

UNKNOWN_INCARNATION = DataIncarnation(0)
UNKNOWN_OFFSET = Offset(-1)
UNKNOWN_SPU = SpuId(-1)


@dataclass(frozen=True, slots=True, order=True)
class ReplicaKey:
    """A partition by topic and number, written `topic-number`."""

    topic: str
    partition: PartitionId

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"

    @classmethod
    def parse(cls, name: str) -> "ReplicaKey":
        """Split at the last dash: topic names may hold dashes and digits. Raises ValueError."""
        topic, dash, number = name.rpartition("-")
        if not dash or not topic or not (number.isascii() and number.isdigit()):
            raise ValueError(f'"{name}" is no partition name: expected "<topic>-<number>"')
        return cls(topic, PartitionId(int(number)))


class Isolation(IntEnum):
    """What a reader may see, or when a writer is answered. On the wire: see each message."""

    READ_UNCOMMITTED = 0
    """up to the log end offset"""
    READ_COMMITTED = 1
    """up to the high watermark"""


class CompressionType(IntEnum):
    """Codecs a producer may use for a topic. Not the numbers of a batch's codec bits."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ANY = 4
    ZSTD = 5


@dataclass(frozen=True, slots=True)
class OffsetInfo:
    """Where one replica stands: high watermark and log end offset; -1 means unknown."""

    hw: Offset
    leo: Offset
