"""A few threads for file work that may block: syncs, scans, deletions, cold reads.

Callers are replicas, the registry and housekeeping, on the event loop thread; `done` is called
back there. How much is queued is bounded by the callers: one job of a kind per replica.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from fluvio_spu.metrics import SpuMetrics

_log = logging.getLogger(__name__)

T = TypeVar("T")


class FileWorkers:
    """The threads. Every job ends before `close` returns, and has then been told so."""

    def __init__(self, worker_count: int, metrics: SpuMetrics) -> None:
        self._loop = asyncio.get_running_loop()
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(worker_count, thread_name_prefix="spu-file")
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def run(
        self,
        job: Callable[[], T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `job` in a thread, then `done` with its result, or `failed`, on the event loop.

        Without `failed` an error is logged and counted; nothing is lost silently.
        """
        self._running += 1
        self._idle.clear()
        future = self._pool.submit(job)
        future.add_done_callback(partial(self._finished_in_thread, done, failed))

    async def call(self, job: Callable[[], T]) -> T:
        """Run `job` in a thread and wait for it. Raises what it raises."""
        result: asyncio.Future[T] = self._loop.create_future()

        def done(value: T) -> None:
            if not result.done():
                result.set_result(value)

        def failed(error: Exception) -> None:
            if not result.done():
                result.set_exception(error)

        self.run(job, done, failed)
        return await result

    async def wait_idle(self) -> None:
        """Wait for all jobs, those that their callbacks start included."""
        await self._idle.wait()

    async def close(self) -> None:
        """Wait for all jobs and end the threads."""
        await self.wait_idle()
        self._pool.shutdown(wait=False)

    def _finished_in_thread(
        self,
        done: Callable[[T], None] | None,
        failed: Callable[[Exception], None] | None,
        future: "Future[T]",
    ) -> None:
        self._loop.call_soon_threadsafe(self._finished, done, failed, future)

    def _finished(
        self,
        done: Callable[[T], None] | None,
        failed: Callable[[Exception], None] | None,
        future: "Future[T]",
    ) -> None:
        try:
            error = future.exception()
            if error is None:
                if done is not None:
                    done(future.result())
            elif failed is not None and isinstance(error, Exception):
                failed(error)
            else:
                self._metrics.file_work_failure_count += 1
                _log.error("event=file_work_failed error=%r", error)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
