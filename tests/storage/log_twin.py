"""A log so dumb that it is right: a list of batches. And the batches that tests append."""

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from fluvio_protocol.record.batch import seal
from fluvio_spu.storage import LogConfig

SMALL = LogConfig(
    segment_size_bytes_max=2000,
    index_interval_bytes=200,
    index_size_bytes_max=512,
    batch_size_bytes_max=1500,
    partition_size_bytes_max=1 << 40,
    retention_ms=1 << 60,
    checkpoint_interval_bytes=700,
)
"""Everything small enough that a few appends meet every limit."""


def make_batch(count: int = 1, *, payload_size: int = 20, fill: int = 7) -> bytearray:
    """A valid batch that says it holds so many records; a log does not look inside."""
    return bytearray(
        seal(
            bytes([fill % 256]) * payload_size,
            attributes=1,
            last_offset_delta=count - 1,
            first_timestamp=1_000,
            max_timestamp=2_000,
            base_offset=count - 1,
        )
    )


def stamped(batch: bytes, base_offset: int) -> bytes:
    """What a log must have made of a batch."""
    return struct.pack(">q", base_offset) + bytes(batch[8:])


def as_input(batches: list[bytearray]) -> list[tuple[memoryview, int]]:
    """What `Log.append` takes."""
    return [(memoryview(one), struct.unpack_from(">i", one, 23)[0] + 1) for one in batches]


@dataclass
class LogTwin:
    """Batches by base offset, where segments begin, and the end."""

    config: LogConfig = SMALL
    batches: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    bases: list[int] = field(default_factory=lambda: [0])
    end: int = 0

    @property
    def start(self) -> int:
        return self.bases[0]

    def segment(self, number: int) -> list[tuple[int, bytes, int]]:
        """(base offset, bytes, record count) of each of its batches."""
        low = self.bases[number]
        high = self.bases[number + 1] if number + 1 < len(self.bases) else self.end
        return [(base, *self.batches[base]) for base in sorted(self.batches) if low <= base < high]

    def append(self, batches: list[bytearray]) -> int:
        first = self.end
        for data, count in as_input(batches):
            active = sum(len(one) for _, one, _ in self.segment(len(self.bases) - 1))
            if active and active + len(data) > self.config.segment_size_bytes_max:
                self.bases.append(self.end)
            self.batches[self.end] = (stamped(bytes(data), self.end), count)
            self.end += count
        return first

    def append_copied(self, records: bytes) -> None:
        """Batches that are stamped already."""
        first, batches = self.end, []
        while records:
            size = 12 + struct.unpack_from(">i", records, 8)[0]
            batches.append(bytearray(records[:size]))
            records = records[size:]
        self.append(batches)
        for base in self.batches:
            if base >= first:
                _, count = self.batches[base]
                self.batches[base] = (bytes(batches.pop(0)), count)

    def read(self, start: int, end: int, max_bytes: int) -> tuple[int, int, bytes] | str | None:
        """(base, next offset, bytes); or the name of an error; or None."""
        if start < self.start:
            return "OffsetEvicted"
        if start > self.end:
            return "OffsetOutOfRange"
        found: list[tuple[int, bytes, int]] = []
        if start < min(end, self.end):
            for base, data, count in self.segment(bisect_right(self.bases, start) - 1):
                if base + count <= start:
                    continue
                size = sum(len(one) for _, one, _ in found) + len(data)
                if base + count > min(end, self.end) or (found and size > max_bytes):
                    break
                found.append((base, data, count))
        if not found:
            return None
        data = b"".join(one for _, one, _ in found)
        return found[0][0], found[-1][0] + found[-1][2], data

    def drop_first_segments(self, count: int) -> None:
        del self.bases[:count]

    def restart_at(self, offset: int) -> None:
        self.batches = {}
        self.bases = [offset]
        self.end = offset

    def truncate(self, end: int) -> None:
        whole = [base + count for base, (_, count) in self.batches.items() if base + count <= end]
        self.end = max([self.start, *whole])
        self.batches = {base: one for base, one in self.batches.items() if base < self.end}
        kept = [base for base in self.bases if base <= end]
        self.bases = kept or [self.start]
        # Cutting inside the first batch of a segment leaves it empty, at its own base.
        self.end = max(self.end, self.bases[-1])
