"""Who waits for offsets and times: order, cancellation, bounds; and the wake queue's turns."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.replica.callback_heap import CallbackHeap
from fluvio_spu.replica.deadlines import DeadlineQueue
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.replica.offsets import OffsetWatch
from fluvio_spu.replica.wake_queue import BYTES_PER_TURN, SUBSCRIBERS_PER_TURN, WakeQueue


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 200)),
            st.tuples(st.just("release"), st.integers(0, 20)),
        ),
        max_size=300,
    )
)
def test_the_heap_does_what_a_plain_list_does(steps: list[tuple[str, int]]) -> None:
    heap = CallbackHeap()
    waiters: list[Any] = []
    waiting: list[tuple[int, int]] = []
    called: list[int] = []
    for kind, number in steps:
        if kind == "push":
            index = len(waiters)
            waiters.append(heap.push(number, lambda index=index: called.append(index)))
            waiting.append((number, index))
        elif kind == "cancel" and number < len(waiters):
            waiters[number].cancel()
            waiting = [entry for entry in waiting if entry[1] != number]
        elif kind == "release":
            called.clear()
            heap.release(number)
            assert called == [index for due, index in sorted(waiting) if due <= number]
            waiting = [entry for entry in waiting if entry[0] > number]
        assert len(heap) <= max(64, 2 * len(waiting) + 1)


def test_a_watch_calls_back_in_order_of_offsets() -> None:
    watch = OffsetWatch(5)
    called: list[str] = []
    watch.wait(8, lambda: called.append("8"))
    watch.wait(6, lambda: called.append("6"))
    watch.wait(7, lambda: called.append("7")).cancel()
    watch.wait(8, lambda: called.append("8 again"))
    watch.wait(20, lambda: called.append("20"))
    watch.advance(5)
    assert called == []
    watch.advance(9)
    assert called == ["6", "8", "8 again"]
    watch.advance(3)
    assert watch.value == 9
    watch.release_all()
    assert called[-1] == "20"
    assert watch.value == 9


def test_waiting_for_what_is_reached_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        OffsetWatch(5).wait(5, lambda: None)


@pytest.mark.asyncio
async def test_deadlines_come_in_order_and_not_when_cancelled() -> None:
    queue = DeadlineQueue()
    called: list[str] = []
    over = asyncio.Event()
    queue.after(0.03, over.set)
    queue.after(0.02, lambda: called.append("late"))
    queue.after(0.01, lambda: called.append("early"))
    queue.after(0.015, lambda: called.append("never")).cancel()
    async with asyncio.timeout(10):
        await over.wait()
    assert called == ["early", "late"]
    queue.after(0.001, lambda: called.append("closed"))
    queue.close()
    assert len(queue) == 0


class Follower:
    """A subscriber that notes when it was called, and how much it then sent."""

    def __init__(self, name: str, calls: list[str], sent_bytes: int = 0) -> None:
        self.name = name
        self.calls = calls
        self.sent_bytes = sent_bytes

    def offsets_moved(self) -> int:
        self.calls.append(self.name)
        return self.sent_bytes

    def replica_stopped(self, status: ErrorStatus) -> None:
        raise AssertionError("never stopped")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("count", "sent_bytes", "first_turn"),
    [(5, 0, 5), (5, BYTES_PER_TURN // 2, 2), (SUBSCRIBERS_PER_TURN + 3, 0, SUBSCRIBERS_PER_TURN)],
)
async def test_the_wake_queue_lets_others_have_their_turn(
    count: int, sent_bytes: int, first_turn: int
) -> None:
    queue = WakeQueue()
    calls: list[str] = []
    names = [f"{number}" for number in range(count)]
    queue.extend(Follower(name, calls, sent_bytes) for name in names)
    assert calls == []
    await asyncio.sleep(0)
    assert calls == names[:first_turn]
    for _ in range(count):
        await asyncio.sleep(0)
    assert calls == names
    queue.extend([Follower("again", calls)])
    await asyncio.sleep(0)
    assert calls[-1] == "again"


@pytest.mark.asyncio
async def test_workers_tell_of_results_and_failures_on_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = SpuMetrics()
    workers = FileWorkers(2, metrics)
    done: list[int] = []
    errors: list[str] = []

    def fail() -> None:
        raise OSError("no such luck")

    workers.run(lambda: 7, done.append)
    workers.run(fail, failed=lambda error: errors.append(str(error)))
    workers.run(fail)
    assert await workers.call(lambda: 8) == 8
    with pytest.raises(OSError, match="no such luck"):
        await workers.call(fail)
    await workers.close()
    assert (done, errors) == ([7], ["no such luck"])
    assert metrics.file_work_failure_count == 1
    assert "no such luck" in caplog.text
