"""Threads that run SmartModules, shared by all streams so that a slow module delays its own alone.

A chain has at most one job here at a time, and jobs are short (one slice, or one batch that has
taken long), so taking them first come first served is fair. What one looping module may hold is
bounded by where its chain stands:

    standing   | becomes it by                    | threads it may have at a time
    SUSPECT    | a module of it ran out of time   | 1
    NEW        | beginning, or a job that dragged | all but one, suspects included
    PROVEN     | a job that was quick             | all

So however many chains never end their calls, one thread is always there for those that do.
Scheduling happens on the event loop thread; only the jobs themselves run elsewhere.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import partial
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")

NICENESS = 5
QUICK_S = 0.1
"""A job that takes no longer is quick. Most take a few milliseconds."""


class Standing(IntEnum):
    """How a chain has behaved so far."""

    SUSPECT = 0
    NEW = 1
    PROVEN = 2


class Lane:
    """One chain's place: its jobs run one after another.

    standing: decides how many threads chains like it may have
    busy:     a job of it is queued or running
    """

    __slots__ = ("busy", "standing")

    def __init__(self, standing: Standing = Standing.NEW) -> None:
        self.standing = standing
        self.busy = False


class _Job:
    __slots__ = ("done", "failed", "is_trial", "lane", "number", "work")

    def __init__(
        self,
        number: int,
        lane: Lane,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        is_trial: bool,
    ) -> None:
        self.number = number
        self.lane = lane
        self.is_trial = is_trial
        self.work = work
        self.done = done
        self.failed = failed


class ChainWorkersClosed(Exception):
    """The SPU stops: the job was not begun."""


class ChainWorkers:
    """The threads and their queue. Used on the event loop thread.

    closing: no job begins any more, and long ones should end soon; read by jobs
    """

    def __init__(self, worker_count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker_count = max(1, worker_count)
        self._limits = {
            Standing.SUSPECT: 1,
            Standing.NEW: max(1, self._worker_count - 1),
            Standing.PROVEN: self._worker_count,
        }
        self._pool: ThreadPoolExecutor | None = None
        self._queues: dict[Standing, deque[_Job]] = {one: deque() for one in Standing}
        self._running = dict.fromkeys(Standing, 0)
        self._next_number = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.closing = False

    @property
    def queued_count(self) -> int:
        """Jobs that wait for a thread."""
        return sum(map(len, self._queues.values()))

    @property
    def running_count(self) -> int:
        """Jobs in a thread."""
        return sum(self._running.values())

    def submit(
        self,
        lane: Lane,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        *,
        is_trial: bool = False,
    ) -> None:
        """Run `work` in a thread, then `done` with its result, or `failed`, on the event loop.

        is_trial: records go through the chain, so the job shows whether it is quick
        After `close` has begun it fails at once, on a later turn of the loop.
        """
        assert not lane.busy, "a chain runs in one thread at a time"
        lane.busy = True
        job = _Job(self._next_number, lane, work, done, failed, is_trial)
        self._next_number += 1
        if self.closing:
            self._loop.call_soon(self._dropped, job)
            return
        self._queues[lane.standing].append(job)
        self._dispatch()

    async def call(self, lane: Lane, work: Callable[[], T], *, is_trial: bool = False) -> T:
        """Run `work` in a thread and wait for it, see `submit`. Raises what it raises."""
        result: asyncio.Future[T] = self._loop.create_future()

        def done(value: T) -> None:
            if not result.done():
                result.set_result(value)

        def failed(error: Exception) -> None:
            if not result.done():
                result.set_exception(error)

        self.submit(lane, work, done, failed, is_trial=is_trial)
        return await result

    def drop_queued(self) -> None:
        """Begin nothing any more; what waits is told so."""
        self.closing = True
        for queue in self._queues.values():
            while queue:
                self._dropped(queue.popleft())

    async def close(self) -> None:
        """Drop what has not begun, wait for the rest, and end the threads."""
        self.drop_queued()
        await self._idle.wait()
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _dispatch(self) -> None:
        while self.running_count < self._worker_count:
            job = self._next_job()
            if job is None:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self._worker_count, thread_name_prefix="smart-module", initializer=_step_back
                )
            standing = job.lane.standing
            self._running[standing] += 1
            self._idle.clear()
            self._pool.submit(_timed, job.work).add_done_callback(
                partial(self._finished_in_thread, job, standing)
            )

    def _next_job(self) -> _Job | None:
        """The oldest that may begin now."""
        running = self._running
        suspects = running[Standing.SUSPECT]
        unproven = suspects + running[Standing.NEW]
        found: deque[_Job] | None = None
        for standing, queue in self._queues.items():
            if not queue or (found is not None and found[0].number < queue[0].number):
                continue
            if standing is Standing.SUSPECT and suspects >= self._limits[standing]:
                continue
            if standing is not Standing.PROVEN and unproven >= self._limits[Standing.NEW]:
                continue
            found = queue
        return None if found is None else found.popleft()

    def _finished_in_thread(self, job: _Job, standing: Standing, future: "Future[Any]") -> None:
        self._loop.call_soon_threadsafe(self._finished, job, standing, future)

    def _finished(self, job: _Job, standing: Standing, future: "Future[Any]") -> None:
        self._running[standing] -= 1
        lane = job.lane
        lane.busy = False
        try:
            value, error, elapsed_s = future.result()
            if job.is_trial and lane.standing is not Standing.SUSPECT:
                lane.standing = Standing.PROVEN if elapsed_s <= QUICK_S else Standing.NEW
            if error is None:
                job.done(value)
            else:
                job.failed(error)
        except Exception:
            _log.exception("event=chain_work_failed")
        finally:
            self._dispatch()
            if not self.running_count:
                self._idle.set()

    def _dropped(self, job: _Job) -> None:
        job.lane.busy = False
        job.failed(ChainWorkersClosed("the SPU stops"))


def _step_back() -> None:
    """Let threads that serve everybody go first where there are more threads than processors."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _timed(work: Callable[[], T]) -> tuple[T | None, Exception | None, float]:
    began_s = time.monotonic()
    try:
        return work(), None, time.monotonic() - began_s
    except Exception as error:
        return None, error, time.monotonic() - began_s
