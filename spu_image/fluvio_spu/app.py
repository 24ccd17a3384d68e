"""One SPU put together: workers, registry, both doors, and the session with the controller.

`async with SpuApp(config) as app` starts it; leaving the block stops it cleanly: what was read is
answered, then every log gets a checkpoint. Used by `__main__`, and by tests in their own process
with port 0. Without a controller in the configuration assignments are fed to `app.registry` by
hand.
"""

import asyncio
import fcntl
import itertools
import logging
import os
import resource
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fluvio_process.memory_limit import memory_limit_bytes
from fluvio_protocol.errors import FluvioError
from fluvio_socket.connection import Connection
from fluvio_socket.server import FrameServer, ServerLimits
from fluvio_spu.config import SpuConfig
from fluvio_spu.links.controller_link import ControllerAddress, ControllerLink, SpuDirectory
from fluvio_spu.links.leader_link import LeaderLinks
from fluvio_spu.links.peer_link import ConsumerOffsetGateway
from fluvio_spu.metrics import SpuMetrics
from fluvio_spu.private_api.service import PrivateService
from fluvio_spu.public_api.service import PublicService
from fluvio_spu.replica.consumer_offset_store import ConsumerOffsetStore
from fluvio_spu.replica.controller_news import ControllerNews
from fluvio_spu.replica.data_life import DataLife
from fluvio_spu.replica.deadlines import DeadlineQueue
from fluvio_spu.replica.file_work import FileWorkers
from fluvio_spu.replica.group_sync import GroupSync
from fluvio_spu.replica.housekeeping import Housekeeping
from fluvio_spu.replica.registry import ReplicaRegistry
from fluvio_spu.replica.replica import Replica
from fluvio_spu.replica.replication_timer import ReplicationTimer
from fluvio_spu.replica.surroundings import ReplicaSurroundings
from fluvio_spu.replica.wake_queue import WakeQueue
from fluvio_spu.replication.follower import FollowerSettings
from fluvio_spu.replication.leader import ReplicationSettings
from fluvio_spu.storage import Disk, DurabilityMode, DurabilityPolicy, LogConfig, OsDisk
from fluvio_spu.storage.data_folder import DataFolder, close_data_folder, open_data_folder
from fluvio_spu.transform.transforms import Transforms, TransformSettings

if TYPE_CHECKING:
    from fluvio_process.health import HealthServer

_log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
SMART_ENGINE_TOTAL_MEMORY_BYTES_MAX = 2 << 30
PRIVATE_CONNECTIONS_MAX = 1024

ANSWER_PATIENCE_S = 3.0
"""How long requests that were read may still wait for what they wait for when the SPU stops."""
HAND_OVER_PATIENCE_S = 2.5
"""How long a stop waits for others to lead what is led here; then clients have to look for them."""
SEND_PATIENCE_S = 1.0
"""How long clients may then take to read what is queued for them."""
DRAIN_STEP_S = 0.01
DELIVERY_PAUSE_S = 0.05
"""Before the connections are closed, so that clients that wait for answers have read them and sent
no request in the meantime: one that arrives after that gets a reset for an answer."""


class DataFolderInUse(FluvioError):
    """Another process serves this SPU's data."""


class SpuApp:
    """The parts, and the order in which they start and stop.

    registry, workers, transforms, metrics, public_port, private_port, http_port, link: good inside
    the block
    """

    def __init__(self, config: SpuConfig, *, disk: Disk | None = None) -> None:
        self.config = config
        self.metrics = SpuMetrics()
        self.registry: ReplicaRegistry
        self.workers: FileWorkers
        self.transforms: Transforms
        self.housekeeping: Housekeeping
        self.link: ControllerLink | None = None
        self._disk = disk or OsDisk()
        self._stack = AsyncExitStack()
        self._public: FrameServer | None = None
        self._private: FrameServer
        self._service: PublicService
        self._health: HealthServer | None = None
        self._stopping = False
        self._news = ControllerNews()

    @property
    def public_port(self) -> int:
        """Where clients connect."""
        assert self._public is not None
        return self._public.port

    @property
    def private_port(self) -> int:
        """Where other SPUs connect."""
        return self._private.port

    @property
    def http_port(self) -> int:
        """Where health and metrics are asked for; only with an address in the configuration."""
        assert self._health is not None
        return self._health.port

    @property
    def public_connections(self) -> Iterable[Connection]:
        """Connections of clients, at this moment."""
        return () if self._public is None else self._public.connections

    @property
    def connection_count(self) -> int:
        """How many those are."""
        return 0 if self._public is None else self._public.connection_count

    @property
    def controller_connected(self) -> bool:
        """Whether the session with the controller stands."""
        return self.link is not None and self.link.connected.is_set()

    def unready_reason(self) -> str | None:
        """Why it should get no clients yet, or no more; None when it is ready.

        Once ready it stays so while the controller is away: it goes on serving.
        """
        if self._stopping:
            return "stopping"
        if self.config.controller is None:
            return None if self._public is not None else "starting"
        if self.registry.ready:
            return None
        if self.link is None:
            return "starting"
        if not self.controller_connected:
            return f"not registered with the controller: {self.link.trouble or 'connecting'}"
        return self.registry.unready_reason()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # In reverse: link and doors first, so that nothing comes in, then replicas, then workers.
        await self._stack.__aexit__(kind, error, traceback)
        _log.info("event=spu_stopped spu=%s", self.config.spu_id)

    async def _start(self) -> None:
        config = self.config
        raise_file_limit()
        policy = DurabilityPolicy.parse(config.durability)
        log_defaults = _log_defaults(config)
        os.makedirs(config.replica_dir, exist_ok=True)
        self._stack.callback(os.close, _lock(f"{config.replica_dir}/{LOCK_FILE}"))
        acks_wait = policy.mode is not DurabilityMode.PAGE_CACHE
        folder = open_data_folder(
            self._disk,
            config.replica_dir,
            acks_wait=acks_wait,
            new_incarnation=_new_incarnation,
        )
        # When this runs, every log is closed.
        self._stack.callback(self._close_data_folder)

        workers = self.workers = FileWorkers(config.file_worker_count, self.metrics)
        self._stack.push_async_callback(workers.close)
        incarnation = folder.incarnation
        life = DataFolder(self._disk, config.replica_dir, incarnation, _new_incarnation)
        self.life = DataLife(life, workers)
        deadlines = DeadlineQueue()
        self._stack.callback(deadlines.close)
        self.transforms = Transforms(
            TransformSettings(
                memory_bytes_max=config.smart_engine_memory_bytes_max,
                total_memory_bytes_max=config.smart_engine_total_memory_bytes_max
                or min(SMART_ENGINE_TOTAL_MEMORY_BYTES_MAX, memory_limit_bytes() // 2),
                call_ms_max=config.smart_engine_call_ms_max,
                worker_count=config.smart_engine_worker_count,
                cache_directory=config.smart_engine_cache_dir,
                with_fuel=config.smart_engine_fuel,
            )
        )
        group_sync = GroupSync(policy, workers, self.metrics)
        changed: set[Replica] = set()
        timers = ReplicationTimer()
        self._stack.callback(timers.close)
        self.registry = ReplicaRegistry(
            spu_id=config.spu_id,
            disk=self._disk,
            replica_dir=config.replica_dir,
            surroundings=ReplicaSurroundings(
                wake_queue=WakeQueue(),
                workers=workers,
                group_sync=group_sync,
                metrics=self.metrics,
                changed=changed,
                cold_read_distance_bytes=config.cold_read_distance_bytes,
                log_defaults=log_defaults,
                spu_id=config.spu_id,
                life=self.life,
                news=self._news,
                clock_ms=_clock_ms(),
                # Of another process, started earlier, all are smaller: its joins are outdated.
                next_number=itertools.count(time.time_ns()).__next__,
                call_later=timers.call_later,
                leader_settings=ReplicationSettings(lag_ms_max=config.replica_lag_ms_max),
                follower_settings=FollowerSettings(),
            ),
        )
        await self._open_health()
        await self._open_metrics_socket()
        self._stack.callback(self.registry.close)
        self._stack.callback(group_sync.close)
        await self.registry.start()
        timers.start(self.registry.tick)
        self.housekeeping = Housekeeping(
            self.registry,
            self._disk,
            config.replica_dir,
            interval_ms=config.housekeeping_interval_ms,
        )
        self._stack.callback(self.housekeeping.close)
        self.housekeeping.start()
        await self._open_doors(deadlines)
        # Last in, so first out: the controller hears of the stop when nothing is under way here.
        self._stack.push_async_callback(self._drain, group_sync)
        _log.info(
            "event=spu_started spu=%s public_port=%s private_port=%s data=%s durability=%s "
            "event_loop=%s",
            config.spu_id,
            self.public_port,
            self.private_port,
            config.replica_dir,
            policy,
            type(asyncio.get_running_loop()).__module__.partition(".")[0],
        )

    def _close_data_folder(self) -> None:
        registry = getattr(self, "registry", None)  # the start may have failed before
        all_durable = registry is None or registry.closed_durably
        close_data_folder(self._disk, self.config.replica_dir, all_durable=all_durable)

    async def _open_health(self) -> None:
        """Before anything that may take long. Raises ImportError without aiohttp."""
        address = self.config.http
        if address is None:
            return
        from fluvio_process.health import HealthServer
        from fluvio_spu.gateway.collection import SpuCollection

        health = HealthServer(
            unready_reason=self.unready_reason, samples=SpuCollection(self).samples
        )
        self._health = await self._stack.enter_async_context(health)
        await self._health.start(address.host, address.port)

    async def _open_metrics_socket(self) -> None:
        path = self.config.metrics_socket
        if path is None:
            return
        from fluvio_spu.gateway.collection import SpuCollection
        from fluvio_spu.gateway.metrics_socket import MetricsSocket

        samples = SpuCollection(self).samples
        await self._stack.enter_async_context(MetricsSocket(path, samples))

    async def _open_doors(self, deadlines: DeadlineQueue) -> None:
        config = self.config
        await self._stack.enter_async_context(self.transforms)
        directory = SpuDirectory()
        store = ConsumerOffsetStore(self.registry, clock_s=time.time)
        gateway = ConsumerOffsetGateway(
            spu_id=config.spu_id, store=store, registry=self.registry, directory=directory
        )
        self._stack.push_async_callback(gateway.close)
        self._private = await self._stack.enter_async_context(
            FrameServer(
                "spu-private",
                PrivateService(
                    store,
                    self.registry,
                    catch_up_bytes_per_second=config.catch_up_bytes_per_second,
                ),
                limits=ServerLimits(connections_max=PRIVATE_CONNECTIONS_MAX),
            )
        )
        self._service = PublicService(
            registry=self.registry,
            transforms=self.transforms,
            consumer_offsets=gateway,
            deadlines=deadlines,
            metrics=self.metrics,
            limits=config.session,
            sendfile_size_bytes_max=config.sendfile_size_bytes_max,
            wait_until_ready=config.controller is not None,
        )
        public = await self._stack.enter_async_context(
            FrameServer(
                "spu-public",
                self._service,
                limits=ServerLimits(connections_max=config.connections_max),
            )
        )
        await self._private.start(config.private.host, config.private.port)
        await public.start(config.public.host, config.public.port)
        self._public = public
        if config.controller is not None:
            await self._register(directory)

    async def _register(self, directory: SpuDirectory) -> None:
        assert self.config.controller is not None
        self.link = ControllerLink(
            spu_id=self.config.spu_id,
            address=ControllerAddress(self.config.controller.host, self.config.controller.port),
            registry=self.registry,
            directory=directory,
            life=self.life,
            news=self._news,
        )
        self.transforms.source = self.link
        links = LeaderLinks(
            spu_id=self.config.spu_id,
            life=self.life,
            registry=self.registry,
            directory=directory,
        )
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        for name, running in (("controller-link", self.link.run()), ("links", links.run())):
            self._stack.callback(tasks.create_task(running, name=name).cancel)

    async def _hand_over(self) -> None:
        """Have others lead what they hold whole, so that clients have somewhere to go."""
        if not self.controller_connected or not self.registry.leave(
            int(HAND_OVER_PATIENCE_S * 1000)
        ):
            return
        patience = HAND_OVER_PATIENCE_S
        while self.registry.leaving_count() and self.controller_connected and patience > 0:
            await asyncio.sleep(DRAIN_STEP_S)
            patience -= DRAIN_STEP_S
        _log.info(
            "event=leaderships_handed_over spu=%s left=%s",
            self.config.spu_id,
            self.registry.leaving_count(),
        )

    async def _drain(self, group_sync: GroupSync) -> None:
        """Take no more requests, answer those that were taken, and let clients have the answers.

        What comes later is not stored, and its client sees the connection end. This looks again
        and again instead of being told, so that requests cost nothing more for it.
        """
        self._stopping = True
        await self._hand_over()
        self._service.stop_listening()
        group_sync.sync_dirty()
        patience = ANSWER_PATIENCE_S
        while self._service.pending_count and patience > 0:
            await asyncio.sleep(DRAIN_STEP_S)
            patience -= DRAIN_STEP_S
        unanswered = self._service.pending_count
        if self.connection_count:
            await asyncio.sleep(DELIVERY_PAUSE_S)
        for connection in self.public_connections:
            connection.close_after_flush("the server stops")
        patience = SEND_PATIENCE_S
        while any(connection.queued_bytes for connection in self.public_connections):
            if patience <= 0:
                break
            await asyncio.sleep(DRAIN_STEP_S)
            patience -= DRAIN_STEP_S
        level = logging.WARNING if unanswered else logging.INFO
        _log.log(level, "event=drained spu=%s unanswered=%s", self.config.spu_id, unanswered)


def _log_defaults(config: SpuConfig) -> LogConfig:
    """What all logs have in common. Raises ValueError for numbers that cannot work."""
    default = LogConfig()
    size_bytes_max, interval_bytes = config.index_size_bytes_max, config.index_interval_bytes
    return replace(
        default,
        index_size_bytes_max=(
            default.index_size_bytes_max if size_bytes_max is None else size_bytes_max
        ),
        index_interval_bytes=(
            default.index_interval_bytes if interval_bytes is None else interval_bytes
        ),
    )


def _new_incarnation() -> int:
    return secrets.randbits(62) or 1


def _clock_ms() -> Callable[[], int]:
    """Milliseconds of the event loop's clock, which never jumps."""
    now_s = asyncio.get_running_loop().time
    return lambda: int(now_s() * 1000)


def raise_file_limit() -> None:
    """Allow this process as many open files as the system lets it: logs and connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _lock(path: str) -> int:
    """Hold the folder's lock until the descriptor is closed. Raises DataFolderInUse."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise DataFolderInUse(f"{path} is locked: another process serves this data") from None
    return fd
