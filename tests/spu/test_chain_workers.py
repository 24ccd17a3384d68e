"""Threads that run SmartModules: who gets one, and what slow modules may not do to others."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fluvio_spu.transform.chain_workers import ChainWorkers, ChainWorkersClosed, Lane, Standing

pytestmark = pytest.mark.asyncio

WORKER_COUNT = 3


class Blocker:
    """Jobs that end when they are told to."""

    def __init__(self, workers: ChainWorkers) -> None:
        self._workers = workers
        self._release = threading.Event()
        self.begun = asyncio.Queue[None]()
        self.ended: list[int] = []
        self._loop = asyncio.get_running_loop()

    def begin(self, lane: Lane) -> None:
        number = len(self.ended) + self._workers.running_count + self._workers.queued_count

        def work() -> int:
            self._loop.call_soon_threadsafe(self.begun.put_nowait, None)
            self._release.wait()
            return number

        self._workers.submit(lane, work, self.ended.append, lambda error: None)

    def release(self) -> None:
        self._release.set()


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[ChainWorkers]:
    found = ChainWorkers(WORKER_COUNT)
    yield found
    await found.close()


@pytest.mark.parametrize(
    ("standing", "running_max"),
    [
        (Standing.SUSPECT, 1),
        (Standing.NEW, WORKER_COUNT - 1),
        (Standing.PROVEN, WORKER_COUNT),
    ],
)
async def test_a_standing_bounds_the_threads(
    workers: ChainWorkers, standing: Standing, running_max: int
) -> None:
    blocker = Blocker(workers)
    for _ in range(WORKER_COUNT + 2):
        blocker.begin(Lane(standing))
    for _ in range(running_max):
        await blocker.begun.get()
    assert workers.running_count == running_max
    assert workers.queued_count == WORKER_COUNT + 2 - running_max
    blocker.release()


async def test_what_has_proved_itself_runs_beside_modules_that_never_end(
    workers: ChainWorkers,
) -> None:
    blocker = Blocker(workers)
    for standing in (Standing.SUSPECT, Standing.SUSPECT, *[Standing.NEW] * 5):
        blocker.begin(Lane(standing))
    for _ in range(WORKER_COUNT - 1):
        await blocker.begun.get()
    lane = Lane(Standing.PROVEN)
    for number in range(3):
        assert await workers.call(lane, lambda number=number: number) == number  # type: ignore[misc]
    blocker.release()


async def test_the_oldest_job_that_may_run_is_next() -> None:
    workers = ChainWorkers(1)
    blocker = Blocker(workers)
    blocker.begin(Lane())
    order: list[Standing] = []
    done = asyncio.Event()
    wanted = [Standing.NEW, Standing.PROVEN, Standing.SUSPECT, Standing.PROVEN]

    def ended(standing: Standing) -> None:
        order.append(standing)
        if len(order) == len(wanted):
            done.set()

    for standing in wanted:
        workers.submit(Lane(standing), lambda one=standing: one, ended, lambda error: None)  # type: ignore[misc]
    await blocker.begun.get()
    blocker.release()
    await done.wait()
    assert order == wanted
    await workers.close()


async def test_a_quick_job_proves_a_lane_but_no_suspect(workers: ChainWorkers) -> None:
    new, suspect = Lane(), Lane(Standing.SUSPECT)
    for lane in (new, suspect):
        await workers.call(lane, lambda: None)
    assert new.standing is Standing.NEW  # loading a module says nothing of it
    for lane in (new, suspect):
        await workers.call(lane, lambda: None, is_trial=True)
    assert (new.standing, suspect.standing) == (Standing.PROVEN, Standing.SUSPECT)


async def test_an_error_comes_back_and_the_lane_is_free(workers: ChainWorkers) -> None:
    lane = Lane()

    def fail() -> None:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        await workers.call(lane, fail)
    assert not lane.busy
    assert await workers.call(lane, lambda: 7) == 7


async def test_closing_ends_what_runs_and_drops_what_waits() -> None:
    workers = ChainWorkers(1)
    blocker = Blocker(workers)
    blocker.begin(Lane())
    await blocker.begun.get()
    dropped: list[Exception] = []
    workers.submit(Lane(), lambda: 1, lambda _: None, dropped.append)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.close())
        await asyncio.sleep(0)
        assert [type(error) for error in dropped] == [ChainWorkersClosed]
        assert workers.closing
        blocker.release()
    assert len(blocker.ended) == 1
    with pytest.raises(ChainWorkersClosed):
        await workers.call(Lane(), lambda: 1)
