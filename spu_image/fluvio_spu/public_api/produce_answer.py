"""Answers to produce requests: the frame a route acknowledges with, and those of any shape.

Used by `produce` alone. An answer names topics and partitions in the order of the request, for
clients match entries by position. Fields that Fluvio leaves at 0 stay 0 here:

    | topics i32 | name str | partitions i32 | partition u32 | error | base offset i64 |
    | log append time i64 (version >= 2) | log start offset i64 (>= 5) | ... | throttle i32 (>= 1) |
"""

from struct import Struct
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import SUCCESS, ErrorStatus
from fluvio_protocol.codec import encode
from fluvio_spu.public_api.produce_request import SMART_MODULES_SINCE
from fluvio_spu.replica.replica import Replica

if TYPE_CHECKING:
    from fluvio_spu.public_api.session import PublicSession

_I32 = Struct(">i")
_U32 = Struct(">I")
_BASE_OFFSET = Struct(">q")


def zero_count(version: int) -> int:
    """Bytes of log append time and log start offset."""
    return (8 if version >= 2 else 0) + (8 if version >= 5 else 0)


def throttle_size(version: int) -> int:
    """Bytes of the throttle time."""
    return 4 if version >= 1 else 0


class Route:
    """Where requests with one same beginning go, and the frame that acknowledges them.

    records_at: where the record set begins in the frame
    end_size:   bytes behind it
    """

    __slots__ = (
        "committed",
        "end_size",
        "middle",
        "pack",
        "partition",
        "records_at",
        "replica",
        "size",
        "timeout_ms",
        "topic",
        "version",
        "writer",
    )

    def __init__(
        self,
        writer: "ReplicaWriter",
        version: int,
        *,
        topic: bytes,
        partition: int,
        committed: bool,
        timeout_ms: int,
        records_at: int,
    ) -> None:
        self.writer = writer
        self.replica = writer.replica
        self.version = version
        self.topic = topic
        self.partition = partition
        self.committed = committed
        self.timeout_ms = timeout_ms
        self.records_at = records_at
        # an empty list of SmartModules
        self.end_size = 4 if version >= SMART_MODULES_SINCE else 0
        # one topic, one partition, no error: the last two bytes are the error code
        self.middle = b"".join(
            (_I32.pack(1), topic, _I32.pack(1), partition.to_bytes(4, "big"), b"\0\0")
        )
        frame = Struct(f">ii{len(self.middle)}sq{zero_count(version) + throttle_size(version)}x")
        self.pack = frame.pack
        self.size = frame.size - 4

    def refusal(self, correlation_id: int, status: ErrorStatus, base_offset: int) -> bytes:
        """The frame that tells of an error instead."""
        version = self.version
        out = bytearray(4)
        out += _I32.pack(correlation_id)
        out += self.middle[:-2]
        out += encode(status, version)
        out += _BASE_OFFSET.pack(base_offset)
        out += bytes(zero_count(version) + throttle_size(version))
        out[:4] = _I32.pack(len(out) - 4)
        return bytes(out)


class ReplicaWriter:
    """What one read of one connection brought for one replica.

    batches: whole batches, with their record counts
    routed:  (route, correlation id, first, end) of single-entry requests; record numbers count
             from the first record of the append
    entries: (exchange, entry number, first, end) of the others
    """

    __slots__ = ("batches", "entries", "record_count", "replica", "routed")

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.batches: list[tuple[memoryview, int]] = []
        self.routed: list[tuple[Route, int, int, int]] = []
        self.entries: list[tuple[ProduceExchange, int, int, int]] = []
        self.record_count = 0


class ProduceExchange:
    """A request of any shape, and its answer when the last entry is settled."""

    __slots__ = (
        "_open_count",
        "_session",
        "committed",
        "correlation_id",
        "results",
        "timeout_ms",
        "topics",
        "version",
    )

    def __init__(
        self,
        session: "PublicSession",
        version: int,
        correlation_id: int,
        *,
        committed: bool,
        timeout_ms: int,
    ) -> None:
        self._session = session
        self.version = version
        self.correlation_id = correlation_id
        self.committed = committed
        self.timeout_ms = timeout_ms
        self.topics: list[tuple[bytes, list[int]]] = []
        self.results: list[tuple[ErrorStatus, int]] = []
        self._open_count = 1  # the parser's own hold

    def open_entry(self) -> int:
        """Another entry, whose result comes later; returns its number."""
        self._open_count += 1
        self.results.append((SUCCESS, 0))
        return len(self.results) - 1

    def settle(self, number: int, status: ErrorStatus, base_offset: int) -> None:
        """The result of an entry; the last one sends the answer."""
        self.results[number] = (status, base_offset)
        self.release()

    def release(self) -> None:
        """One hold less; without any the answer goes out."""
        self._open_count -= 1
        if not self._open_count:
            self._session.write(self._encode())

    def _encode(self) -> bytes:
        zeros = bytes(zero_count(self.version))
        out = bytearray(4)
        out += _I32.pack(self.correlation_id)
        out += _I32.pack(len(self.topics))
        results = iter(self.results)
        for name, partitions in self.topics:
            out += name
            out += _I32.pack(len(partitions))
            for partition, (status, base_offset) in zip(partitions, results, strict=False):
                out += _U32.pack(partition)
                out += encode(status, self.version)
                out += _BASE_OFFSET.pack(base_offset)
                out += zeros
        out += bytes(throttle_size(self.version))
        out[:4] = _I32.pack(len(out) - 4)
        return bytes(out)
