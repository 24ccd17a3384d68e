"""What an SPU publishes of itself: its counts, its volume, and the process.

Called by `health` for each question, on the event loop; nothing is kept up to date in between. A
volume that does not answer must not take the answer with it, so it is asked in a file worker, by
one question at a time and with little patience, and without an answer its samples are left out.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from typing import Protocol

from fluvio_process.exposition import Sample
from fluvio_process.process_samples import process_samples
from fluvio_protocol.api.versions import PLATFORM_VERSION
from fluvio_spu.config import SpuConfig
from fluvio_spu.metrics import COUNTERS, GAUGES, SpuMetrics
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.transform.module_statistics import ModuleCounts
from fluvio_spu.transform.transforms import Transforms

PREFIX = "fluvio_spu_"
MODULE_COUNTERS: tuple[tuple[str, str, Callable[[ModuleCounts], float]], ...] = (
    ("call", "batches that went through the SmartModule", lambda one: one.call_count),
    ("record_in", "records that went in", lambda one: one.record_in_count),
    ("record_out", "records that came out", lambda one: one.record_out_count),
    ("error", "records that failed, traps, calls that took too long", lambda one: one.error_count),
    ("seconds", "time in the SmartModule and around it", lambda one: one.elapsed_ns / 1e9),
    ("fuel", "fuel it took, where the engine counts it", lambda one: one.fuel),
)
"""By the label `module`; what came without a name is `ad-hoc`."""
VOLUME_PATIENCE_S = 1.0


def exported_name(name: str, *, is_counter: bool) -> str:
    """What one of our own counts is called outside: `sync_count` is `fluvio_spu_sync_total`."""
    return PREFIX + name.removesuffix("_count") + ("_total" if is_counter else "")


class SpuView(Protocol):
    """What `app` shows of the SPU."""

    config: SpuConfig
    metrics: SpuMetrics
    registry: ReplicaRegistry
    workers: FileWorkers
    transforms: Transforms

    def unready_reason(self) -> str | None: ...
    @property
    def controller_connected(self) -> bool: ...
    @property
    def connection_count(self) -> int: ...


class SpuCollection:
    """Gathers the samples."""

    def __init__(self, spu: SpuView) -> None:
        self._spu = spu
        self._asking = False

    async def samples(self) -> list[Sample]:
        """All that can be told now."""
        volume = await self._ask_volume()
        return [
            *self._spu_samples(),
            *self._log_samples(),
            *self._module_samples(),
            *volume,
            *process_samples(),
        ]

    def _spu_samples(self) -> Iterator[Sample]:
        spu = self._spu
        yield Sample(
            f"{PREFIX}info",
            "gauge",
            "always 1; the labels tell which SPU this is, and whose protocol it speaks",
            1,
            {"spu": str(spu.config.spu_id), "platform_version": PLATFORM_VERSION},
        )
        ready = spu.unready_reason() is None
        yield _gauge("ready", "1 once it serves what it was first assigned", int(ready))
        connected = spu.controller_connected
        yield _gauge("controller_connected", "1 while the controller has it", int(connected))
        yield _gauge("connection_open", "connections of clients now", spu.connection_count)
        counts = spu.metrics.snapshot()
        for name, about in COUNTERS.items():
            yield Sample(exported_name(name, is_counter=True), "counter", about, counts[name])
        for name, about in GAUGES.items():
            yield Sample(exported_name(name, is_counter=False), "gauge", about, counts[name])

    def _log_samples(self) -> Iterator[Sample]:
        replicas = self._spu.registry.replicas()
        size_bytes = sum(replica.log.size_bytes for replica in replicas)
        yield _gauge("log_size_bytes", "bytes of all logs served, with their indexes", size_bytes)
        limit_bytes = self._spu.config.log_size_bytes
        if limit_bytes is not None:
            about = "size of the volume that was asked for (--log-size)"
            yield _gauge("log_limit_bytes", about, limit_bytes)

    def _module_samples(self) -> Iterator[Sample]:
        workers = self._spu.transforms.workers
        yield _gauge("smart_module_job_queued", "jobs that wait for a thread", workers.queued_count)
        yield _gauge("smart_module_job_running", "jobs in a thread", workers.running_count)
        modules = self._spu.transforms.statistics.modules
        for name, about, value_of in MODULE_COUNTERS:
            for module, counts in modules.items():
                yield Sample(
                    f"{PREFIX}smart_module_{name}_total",
                    "counter",
                    about,
                    value_of(counts),
                    {"module": module},
                )

    async def _ask_volume(self) -> tuple[Sample, ...]:
        """Nothing when the volume does not answer, or an earlier question still waits for it."""
        if self._asking:
            return ()
        self._asking = True

        def ask() -> tuple[Sample, ...]:
            try:
                return _volume_samples(self._spu.config.replica_dir)
            finally:
                self._asking = False

        try:
            async with asyncio.timeout(VOLUME_PATIENCE_S):
                return await self._spu.workers.call(ask)
        except (OSError, TimeoutError):
            return ()


def _volume_samples(directory: str) -> tuple[Sample, ...]:
    usage = shutil.disk_usage(directory)
    return (
        _gauge("volume_size_bytes", "size of the file system that holds the logs", usage.total),
        _gauge("volume_free_bytes", "what can still be written to it", usage.free),
    )


def _gauge(name: str, about: str, value: float) -> Sample:
    return Sample(PREFIX + name, "gauge", about, value)
