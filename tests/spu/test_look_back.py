"""Which stored records a module is shown before its first new one, from a real log."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fluvio_protocol.metadata.topic import Duration
from fluvio_protocol.record import Record, encode_batch
from fluvio_protocol.record.record import decode_records
from fluvio_protocol.spu_public.smart_module_invocation import Lookback
from fluvio_spu.transform.look_back import find_range, parts_of, slices

pytestmark = pytest.mark.asyncio

NOW_MS = 1_000_000


def aged(*seconds: float) -> bytes:
    """A batch of records that are so old, named by their age."""
    oldest = max(seconds)
    first_ms = NOW_MS - int(oldest * 1000)
    return encode_batch(
        [Record(str(one).encode(), timestamp_delta=int((oldest - one) * 1000)) for one in seconds],
        first_timestamp=first_ms,
    )


async def shown(
    spu: Any, lookback: Lookback, *, end: int | None = None, wide: bool = False
) -> list[str]:
    """Values of what a module would be shown, in order."""
    replica = spu.replica()

    async def call(work: Callable[[], int]) -> int:
        return work()

    wanted = await find_range(
        replica,
        lookback,
        end=replica.leo if end is None else end,
        now_ms=NOW_MS,
        wide=wide,
        call=call,
    )
    values = []
    async for found in slices(replica, wanted):
        for payload, _ in parts_of(found, wanted):
            count = int.from_bytes(payload[:4], "big")
            values += [record[3].decode() for record in decode_records(payload, 4, count)]
    return values


async def fill(client: Any, batches: Sequence[bytes]) -> None:
    for batch in batches:
        assert not (await client.produce("t", batch)).error_code


LOG = (aged(90, 80), aged(70), aged(60, 50, 40), aged(30), aged(20, 10))


def seconds(count: float) -> Duration:
    return Duration(seconds=int(count), nanoseconds=int(count % 1 * 1_000_000_000))


@pytest.mark.parametrize(
    ("last", "age_s", "expected"),
    [
        (0, None, []),
        (1, None, ["10"]),
        (4, None, ["40", "30", "20", "10"]),
        (1 << 63, None, ["90", "80", "70", "60", "50", "40", "30", "20", "10"]),
        (0, 45, ["40", "30", "20", "10"]),
        (0, 40, ["40", "30", "20", "10"]),
        (0, 39.9, ["30", "20", "10"]),
        (0, 5, []),
        (0, 1000, ["90", "80", "70", "60", "50", "40", "30", "20", "10"]),
        (0, 1 << 62, ["90", "80", "70", "60", "50", "40", "30", "20", "10"]),
        (2, 45, ["20", "10"]),
        (7, 45, ["40", "30", "20", "10"]),
    ],
)
async def test_the_newest_that_are_not_older(
    spu: Any, client: Any, last: int, age_s: float | None, expected: list[str]
) -> None:
    await fill(client, LOG)
    age = None if age_s is None else seconds(age_s)
    assert await shown(spu, Lookback(last=last, age=age)) == expected


@pytest.mark.parametrize(
    ("last", "age_s", "expected"),
    [
        (2, 45, ["40", "30", "20", "10"]),
        (6, 45, ["60", "50", "40", "30", "20", "10"]),
        (3, 0, ["30", "20", "10"]),
    ],
)
async def test_deduplication_is_shown_what_either_bound_covers(
    spu: Any, client: Any, last: int, age_s: float, expected: list[str]
) -> None:
    await fill(client, LOG)
    assert await shown(spu, Lookback(last=last, age=seconds(age_s)), wide=True) == expected


async def test_records_out_of_order_are_told_apart_one_by_one(spu: Any, client: Any) -> None:
    await fill(client, [aged(90, 10, 50, 20)])
    assert await shown(spu, Lookback(last=0, age=seconds(30))) == ["10", "20"]
    assert await shown(spu, Lookback(last=2, age=seconds(10)), wide=True) == ["10", "50", "20"]


async def test_nothing_behind_the_end_is_shown(spu: Any, client: Any) -> None:
    await fill(client, LOG)
    assert await shown(spu, Lookback(last=3), end=5) == ["70", "60", "50"]
    assert await shown(spu, Lookback(last=3), end=0) == []
