"""Batches are cut at the right places, leave in order, and end exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_client.errors import ClientError, RecordTooLarge
from fluvio_client.producer.accumulator import BATCH_OVERHEAD_BYTES, Accumulator, Batch
from fluvio_protocol.record.batch import decode_batch
from fluvio_protocol.record.compression import BatchCompression


def accumulator(*, batch: int = 1000, request: int = 5000, count: int = 3) -> Accumulator:
    return Accumulator(
        batch_size_bytes=batch, request_size_bytes_max=request, batch_count_max=count
    )


def values_of(batch: Batch) -> list[bytes]:
    data = batch.build(BatchCompression.NONE)
    _, records = decode_batch(data, 0, len(data), size_bytes_max=1 << 20)
    return [record.value for record in records]


def test_records_share_a_batch_until_the_next_does_not_fit() -> None:
    lane = accumulator()
    places = [lane.append(None, bytes(300), 0)[1] for _ in range(4)]
    assert places == [0, 1, 0, 1]
    assert lane.has_sealed
    assert [batch.record_count for batch in lane.waiting()] == [2, 2]


def test_a_record_larger_than_a_batch_travels_alone() -> None:
    lane = accumulator()
    lane.append(None, b"small", 0)
    batch, place = lane.append(None, bytes(3000), 0)
    assert place == 0
    assert batch.record_count == 1
    assert lane.open_since_ms is None, "an oversized batch is sealed at once"
    lane.append(None, b"next", 0)
    assert [one.record_count for one in lane.waiting()] == [1, 1, 1]


def test_a_record_larger_than_a_request_is_refused_and_nothing_else_happens() -> None:
    lane = accumulator()
    lane.append(None, b"before", 0)
    with pytest.raises(RecordTooLarge, match="exceeded maximum request size") as raised:
        lane.append(b"k", bytes(5000), 0)
    assert raised.value.size_bytes > raised.value.size_bytes_max == 5000
    assert [values_of(batch) for batch in lane.waiting()] == [[b"before"]]


def test_the_boundary_of_the_request_size() -> None:
    lane = accumulator(batch=16_384, request=15_000_000)
    lane.append(None, bytes(14_999_000), 0)
    with pytest.raises(RecordTooLarge):
        lane.append(None, bytes(15_000_000), 0)


def test_full_counts_sealed_batches_only() -> None:
    lane = accumulator(batch=100, count=2)
    lane.append(None, bytes(80), 0)
    assert not lane.full
    lane.append(None, bytes(80), 0)
    lane.append(None, b"", 0)
    assert lane.full
    lane.take(size_bytes_max=1, with_open=False)
    assert not lane.full


def test_take_stops_at_the_request_size_but_takes_at_least_one() -> None:
    lane = accumulator(batch=100, count=10)
    for _ in range(4):
        lane.append(None, bytes(80), 0)
    size = lane.waiting()[0].size_bytes
    assert len(lane.take(size_bytes_max=1, with_open=True)) == 1
    assert len(lane.take(size_bytes_max=2 * size, with_open=True)) == 2


def test_take_leaves_a_lingering_batch_alone() -> None:
    lane = accumulator()
    lane.append(None, b"x", 7)
    assert lane.take(size_bytes_max=1000, with_open=False) == []
    assert lane.open_since_ms == 7
    assert len(lane.take(size_bytes_max=1000, with_open=True)) == 1
    assert lane.empty


def test_the_open_batch_never_overtakes_a_sealed_one() -> None:
    lane = accumulator(batch=200, count=10)
    lane.append(None, bytes(150), 0)
    lane.append(None, bytes(150), 0)
    lane.append(None, b"last", 0)
    size = lane.waiting()[0].size_bytes
    taken = lane.take(size_bytes_max=size + 10, with_open=True)
    assert [values_of(batch)[0] for batch in taken] == [bytes(150)]


def test_outcome_reaches_everyone_once() -> None:
    batch = Batch(0)
    batch.append(None, b"x", 0)
    calls: list[int] = []
    batch.on_done(lambda: calls.append(1))
    batch.on_done(lambda: calls.append(2))
    batch.complete(41)
    assert (batch.done, batch.base_offset, batch.error, calls) == (True, 41, None, [1, 2])
    with pytest.raises(AssertionError):
        batch.fail(ClientError("again"))


def test_drain_empties_everything() -> None:
    lane = accumulator(batch=100)
    for _ in range(3):
        lane.append(None, bytes(60), 0)
    assert len(lane.drain()) == 3
    assert lane.empty


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=50), st.binary(max_size=400))),
    st.integers(min_value=BATCH_OVERHEAD_BYTES, max_value=1000),
    st.integers(min_value=1, max_value=3000),
)
def test_every_record_leaves_once_and_in_order(
    records: list[tuple[bytes | None, bytes]], batch_size: int, request_size: int
) -> None:
    lane = accumulator(batch=batch_size)
    for key, value in records:
        batch, place = lane.append(key, value, 0)
        assert batch.record_count == place + 1
    sent: list[bytes] = []
    while taken := lane.take(size_bytes_max=request_size, with_open=True):
        assert len(taken) == 1 or sum(batch.size_bytes for batch in taken) <= request_size
        for batch in taken:
            assert batch.record_count == 1 or batch.size_bytes <= batch_size
            sent += values_of(batch)
    assert sent == [value for _, value in records]
    assert lane.empty
