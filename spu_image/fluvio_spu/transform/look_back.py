"""Which stored records a module is shown before its first new one, and reading them.

`last` counts back from the end, `age` from now; together they mean the newest `last` of those that
are not older, as protocol reference 8.8 has it. Topic deduplication wants what either of them
covers (`wide`): its bounds are a promise to forget nothing within the one or the other.

The log has no index by time, so the first batch that is young enough is looked for by halves, over
the newest timestamp in each batch's header: producers' clocks give those nearly in order. Records
are then told apart one by one. One slice at a time is in memory, oldest first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

from fluvio_protocol.record import BATCH_HEADER_SIZE, iterate_headers, read_header
from fluvio_protocol.spu_public.smart_module_invocation import Lookback
from fluvio_spu.replica.replica import Replica
from fluvio_spu.storage import LogSlice
from fluvio_spu.transform.batches import OpenBatch, read_slice
from fluvio_spu.transform.invocations import age_of

SLICE_BYTES = 1 << 20
"""Of stored batches, for each job of a worker."""


class LookBackRange:
    """The records [start, end), of those only such as are not older than `earliest_ms`.

    earliest_ms: ms since 1970; None takes any
    within:      records from this offset on are taken whatever their age
    """

    __slots__ = ("earliest_ms", "end", "start", "within")

    def __init__(self, start: int, end: int, earliest_ms: int | None, within: int) -> None:
        self.start = start
        self.end = end
        self.earliest_ms = earliest_ms
        self.within = within


async def find_range(
    replica: Replica,
    lookback: Lookback,
    *,
    end: int,
    now_ms: int,
    wide: bool,
    call: Callable[[Callable[[], int]], Awaitable[int]],
) -> LookBackRange:
    """What to show of the records before `end`. `call` runs a read in a worker thread.

    Raises: what reading a log does, OSError.
    """
    log_start = replica.start_offset
    by_count = max(log_start, end - lookback.last)
    age = age_of(lookback)
    if age is None:
        return LookBackRange(by_count, end, None, by_count)
    earliest_ms = max(0, now_ms - age // timedelta(milliseconds=1))
    by_age = await _first_young(replica, log_start, end, earliest_ms, call)
    if wide:
        return LookBackRange(min(by_count, by_age), end, earliest_ms, by_count)
    # A count of 0 beside an age is no bound.
    start = max(by_count, by_age) if lookback.last else by_age
    return LookBackRange(start, end, earliest_ms, end)


async def slices(replica: Replica, wanted: LookBackRange) -> AsyncIterator[LogSlice]:
    """The batches that hold those records, a slice at a time. Raises as reading a log does."""
    offset = wanted.start
    while offset < wanted.end:
        offset = max(offset, replica.start_offset)  # retention may be quicker
        found = replica.read(offset, committed=False, max_bytes=SLICE_BYTES)
        if found is None:
            return
        yield found
        offset = found.next_offset


async def _first_young(
    replica: Replica,
    start: int,
    end: int,
    earliest_ms: int,
    call: Callable[[Callable[[], int]], Awaitable[int]],
) -> int:
    """Base offset of the first batch that holds a record so young; `end` when there is none."""
    low, high = start, end
    while low < high:
        middle = max((low + high) // 2, replica.start_offset)
        found = replica.read(middle, committed=False, max_bytes=1)
        if found is None:
            return end
        if await call(lambda found=found: _newest_timestamp(found)) >= earliest_ms:  # type: ignore[misc]
            high = min(found.base_offset, middle)
        else:
            low = found.next_offset
    return min(low, end)


def _newest_timestamp(found: LogSlice) -> int:
    data = read_slice(found.fd, found.position, BATCH_HEADER_SIZE)
    return int(read_header(data, 0, found.size_bytes).max_timestamp)


def parts_of(found: LogSlice, wanted: LookBackRange) -> Iterator[tuple[bytes, OpenBatch]]:
    """Payloads of the records in a slice that are wanted, each with its batch; in a worker thread.

    Raises: OSError, RemoteProtocolError.
    """
    data = read_slice(found.fd, found.position, found.size_bytes)
    for position, header in iterate_headers(data):
        if header.next_offset <= wanted.start or header.base_offset >= wanted.end:
            continue
        batch = OpenBatch.unpack(data, position, header)
        base = header.base_offset
        first = max(wanted.start - base, 0)
        end = min(wanted.end - base, batch.record_count)
        if wanted.earliest_ms is None or base >= wanted.within:
            yield batch.part(first, end), batch
            continue
        by_age = min(max(wanted.within - base, first), end)
        numbers = batch.not_before(wanted.earliest_ms, first, by_age)
        numbers += range(by_age, end)
        if numbers:
            yield batch.selection(numbers), batch
