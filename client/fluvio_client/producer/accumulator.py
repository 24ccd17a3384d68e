"""Records of one partition on their way: an open batch, and sealed ones that wait to be sent.

No I/O, no clock, no tasks: the producer hands in records and times, and takes batches out. A
record costs one append; nothing else happens until a batch is full or somebody takes it.

Invariants: batches leave in the order in which their first records came; a batch that was taken
is either completed or failed, once; at most `batch_count_max` batches wait, besides the open one.

    append -> open batch -> sealed (full, or taken as it is) -> taken -> completed | failed
"""

from collections import deque
from collections.abc import Callable

from fluvio_client.errors import RecordTooLarge
from fluvio_protocol.errors import FluvioError
from fluvio_protocol.record.batch import BatchBuilder
from fluvio_protocol.record.compression import BatchCompression

BATCH_OVERHEAD_BYTES = 57 + 4
"""Header and record count: what an empty batch takes."""
TIMESTAMP_SPAN_MS_MAX = 2**31 - 1
"""A record's timestamp is a signed 32-bit distance from that of its batch."""
RECORD_OVERHEAD_BYTES_MAX = 30
"""Upper bound of what a record takes besides key and value: six varints and three bytes."""


class Batch:
    """Records that travel together and share one outcome."""

    __slots__ = (
        "_builder", "_callbacks", "base_offset", "created_ms", "done", "error",
        "first_timestamp_ms", "noticed",
    )  # fmt: skip

    def __init__(self, created_ms: int, first_timestamp_ms: int | None = None) -> None:
        """first_timestamp_ms: of its first record, when that is not the time it came."""
        self.first_timestamp_ms = created_ms if first_timestamp_ms is None else first_timestamp_ms
        self._builder: BatchBuilder | None = BatchBuilder(self.first_timestamp_ms)
        self._callbacks: list[Callable[[], None]] = []
        self.created_ms = created_ms
        self.base_offset = -1
        self.error: FluvioError | None = None
        self.done = False
        self.noticed = False
        """somebody was given the error"""

    @property
    def size_bytes(self) -> int:
        """Bytes on the wire without compression."""
        assert self._builder is not None
        return self._builder.size_bytes

    @property
    def record_count(self) -> int:
        assert self._builder is not None
        return self._builder.record_count

    def append(self, key: bytes | None, value: bytes, timestamp_ms: int) -> int:
        """Add a record and return its place in the batch."""
        builder = self._builder
        assert builder is not None
        builder.append(key, value, timestamp_ms)
        return builder.record_count - 1

    def build(self, compression: BatchCompression) -> bytes:
        """The bytes to send; may be called again for another attempt."""
        assert self._builder is not None
        return self._builder.build(compression)

    def on_done(self, callback: Callable[[], None]) -> None:
        """Call when the outcome is known; not called when it already is."""
        self._callbacks.append(callback)

    def complete(self, base_offset: int) -> None:
        """The leader stored it from this offset on."""
        self.base_offset = base_offset
        self._finish()

    def fail(self, error: FluvioError) -> None:
        """It was given up."""
        self.error = error
        self._finish()

    def _finish(self) -> None:
        assert not self.done, "a batch has one outcome"
        self.done = True
        self._builder = None  # deliveries keep the batch, and need not keep its records
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Accumulator:
    """The batches of one partition."""

    __slots__ = ("_batch_count_max", "_batch_size_bytes", "_open", "_record_bytes_max", "_sealed")

    def __init__(
        self, *, batch_size_bytes: int, request_size_bytes_max: int, batch_count_max: int
    ) -> None:
        self._batch_size_bytes = min(batch_size_bytes, request_size_bytes_max)
        self._record_bytes_max = request_size_bytes_max - BATCH_OVERHEAD_BYTES
        self._batch_count_max = batch_count_max
        self._sealed: deque[Batch] = deque()
        self._open: Batch | None = None

    @property
    def full(self) -> bool:
        """Producers have to wait before they append more."""
        return len(self._sealed) >= self._batch_count_max

    @property
    def empty(self) -> bool:
        return self._open is None and not self._sealed

    @property
    def has_sealed(self) -> bool:
        return bool(self._sealed)

    @property
    def open_since_ms(self) -> int | None:
        """When the first record of the open batch came; None without one."""
        return self._open.created_ms if self._open is not None else None

    def append(
        self, key: bytes | None, value: bytes, now_ms: int, timestamp_ms: int | None = None
    ) -> tuple[Batch, int]:
        """Add a record; returns its batch and its place there.

        A record that does not fit the open batch, by size or by time, begins a new one; one that
        is larger than any batch gets a batch of its own. Does not look at `full`: that is for the
        caller.
        timestamp_ms: of the record, when it is not `now_ms`
        Raises:       RecordTooLarge.
        """
        if timestamp_ms is None:
            timestamp_ms = now_ms
        size_bytes = RECORD_OVERHEAD_BYTES_MAX + len(value)
        if key is not None:
            size_bytes += len(key)
        if size_bytes > self._record_bytes_max:
            raise RecordTooLarge(
                size_bytes=BATCH_OVERHEAD_BYTES + size_bytes,
                size_bytes_max=BATCH_OVERHEAD_BYTES + self._record_bytes_max,
            )
        batch = self._open
        if (
            batch is None
            or batch.size_bytes + size_bytes > self._batch_size_bytes
            or abs(timestamp_ms - batch.first_timestamp_ms) > TIMESTAMP_SPAN_MS_MAX
        ):
            if batch is not None:
                self._sealed.append(batch)
            batch = self._open = Batch(now_ms, timestamp_ms)
        place = batch.append(key, value, timestamp_ms)
        if batch.size_bytes >= self._batch_size_bytes:
            self._sealed.append(batch)
            self._open = None
        return batch, place

    def take(self, *, size_bytes_max: int, with_open: bool) -> list[Batch]:
        """Batches for one request, oldest first: at least one if there is any.

        with_open: also the open batch, when everything before it fits.
        """
        taken: list[Batch] = []
        size_bytes = 0
        while self._sealed:
            batch = self._sealed[0]
            if taken and size_bytes + batch.size_bytes > size_bytes_max:
                return taken
            size_bytes += batch.size_bytes
            taken.append(self._sealed.popleft())
        if with_open and self._open is not None:
            fits = size_bytes + self._open.size_bytes <= size_bytes_max
            if fits or not taken:
                taken.append(self._open)
                self._open = None
        return taken

    def drain(self) -> list[Batch]:
        """Take everything, when nothing will be sent any more."""
        everything = [*self._sealed]
        if self._open is not None:
            everything.append(self._open)
        self._sealed.clear()
        self._open = None
        return everything

    def waiting(self) -> list[Batch]:
        """Everything that was not taken, oldest first."""
        return [*self._sealed] + ([self._open] if self._open is not None else [])
