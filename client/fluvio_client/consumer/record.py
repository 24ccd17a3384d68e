"""What a consumer hands out. Plain values without I/O."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fluvio_protocol.record.record_set import RecordTuple


class TopicPartition(NamedTuple):
    """A partition by topic and number; equal to the plain tuple."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One record. A tuple, because millions of them are made per second."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """ms since 1970; -1 means none"""
    key: bytes | None
    value: bytes

    @property
    def text(self) -> str:
        """The value as UTF-8. Raises UnicodeDecodeError."""
        return self.value.decode()

    @property
    def key_text(self) -> str | None:
        """The key as UTF-8. Raises UnicodeDecodeError."""
        return None if self.key is None else self.key.decode()

    @property
    def time(self) -> datetime | None:
        """When the producer made it, in UTC."""
        return None if self.timestamp < 0 else datetime.fromtimestamp(self.timestamp / 1000, UTC)

    def json(self) -> Any:
        """The value parsed as JSON. Raises ValueError."""
        return json.loads(self.value)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition that were stored together.

    tuples: (offset, timestamp, key, value) of each, for those who want no objects
    """

    topic: str
    partition: int
    tuples: list[RecordTuple]

    def __len__(self) -> int:
        return len(self.tuples)

    def __iter__(self) -> Iterator[Record]:
        topic, partition, new = self.topic, self.partition, tuple.__new__
        for found in self.tuples:
            yield new(Record, (topic, partition, *found))
