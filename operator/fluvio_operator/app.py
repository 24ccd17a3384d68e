"""The operator's process put together: lease, store, controller, runtime, statuses, watches.

    start -> stand by until the lease is ours -> read everything, open the doors, watch
          -> SIGTERM: doors closed, statuses written, lease given up
          -> lease lost, or a watch lost for good: the process ends with an error, and is replaced

A process that stands by reads nothing and watches nothing. One that leads reads everything first
and begins to watch after that, so that no event is older than what it knows.

Everything runs in one event loop, but for kopf, which has its own in a thread (`kube_feed.py`).
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration

from fluvio_crd.resources import GROUP, RESOURCES
from fluvio_operator.config import OperatorConfig
from fluvio_operator.event_recorder import EventRecorder
from fluvio_operator.finalizer_release import (
    namespace_is_going,
    release,
    release_all,
    wants_release,
)
from fluvio_operator.kube_api import Body, KubeApi, KubeError
from fluvio_operator.kube_cache import API_GROUPS, KubeCache, Watched
from fluvio_operator.kube_feed import KubeFeed, Resource
from fluvio_operator.kube_runtime import KubeRuntime
from fluvio_operator.kube_store import KubeStore
from fluvio_operator.leader_mark import mark_leader, unmark
from fluvio_operator.lease import Lease
from fluvio_operator.manifests.plan import ClusterNames
from fluvio_operator.operator_metrics import OperatorMetrics
from fluvio_operator.platform_view import PlatformView
from fluvio_operator.status_writer import StatusWriter
from fluvio_process.health import HealthServer
from fluvio_protocol.metadata.kinds import Kind
from fluvio_sc.app import ScApp
from fluvio_sc.config import ScConfig
from fluvio_sc.core.ports import StoreError
from fluvio_sc.memory_store import MemoryStore

_log = logging.getLogger(__name__)

LEASE_NAME = "fluvio-sc"
CONNECTIONS_MAX = 64
FLUSH_PATIENCE_S = 5.0
RELEASE_PATIENCE_S = 40.0
"""Within the time that the Deployment gives a pod to end."""
FIRST_RESYNC_S = 10.0
RESYNC_INTERVAL_S = 300.0
LOOK_INTERVAL_S = 2.0
MARK_INTERVAL_S = 15.0


class WatchLost(Exception):
    """The cluster changes and nobody tells us; another process can do better."""


class OperatorApp:
    """`run()` until `stop` is set. Raises LeaseLost, WatchLost, StoreError, ListenFailed."""

    def __init__(self, config: OperatorConfig, api: KubeApi, stop: asyncio.Event) -> None:
        self._config = config
        self._api = api
        self._stop = stop
        self._phase = "starting"
        self._feed: KubeFeed | None = None
        self._lease = Lease(
            api,
            config.namespace,
            LEASE_NAME,
            config.pod_name,
            duration_s=config.lease_duration_s,
        )
        self.metrics = OperatorMetrics(api, is_leader=self._lease.held)

    def unready_reason(self) -> str | None:
        return None if self._phase in ("standing by", "leading") else self._phase

    def dead_reason(self) -> str | None:
        return None if self._feed is None else self._feed.failure()

    async def run(self) -> None:
        config, lease = self._config, self._lease
        if config.is_pod:
            await unmark(self._api, config.namespace, config.pod_name)
        self._phase = "standing by"
        try:
            if not await self._acquire():
                return
            self._phase = "reading the cluster"
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(lease.keep())
                await self._lead()
                keeping.cancel()
        finally:
            self._phase = "stopping"
            await self._leave()

    async def _acquire(self) -> bool:
        """Whether the lease is ours; not when we are to stop before."""
        async with asyncio.TaskGroup() as tasks:
            acquiring = tasks.create_task(self._lease.acquire())
            stopping = tasks.create_task(self._stop.wait())
            await asyncio.wait((acquiring, stopping), return_when=asyncio.FIRST_COMPLETED)
            acquiring.cancel()
            stopping.cancel()
        return self._lease.held() and not self._stop.is_set()

    async def _lead(self) -> None:
        config, api = self._config, self._api
        may_write = self._lease.held
        memory_store, view = MemoryStore(), PlatformView()
        names = ClusterNames(config.namespace, config.cluster_domain)
        cache = KubeCache(config.namespace)
        store = KubeStore(api, config.namespace, may_write=may_write)
        events = EventRecorder(
            api, config.namespace, memory_store, instance=config.pod_name, may_write=may_write
        )
        runtime = KubeRuntime(
            api,
            cache,
            names,
            memory_store,
            view,
            events,
            may_write=may_write,
            config_map=config.config_map,
            log_filter=config.log_filter,
        )
        statuses = StatusWriter(
            api,
            config.namespace,
            memory_store,
            view,
            may_write=may_write,
            written=store.status_written,
        )
        store.on_read = statuses.observe
        controller = ScApp(
            _controller_config(config),
            store,
            runtime,
            member_spec=runtime.member_spec,
            performed=events.performed,
            memory_store=memory_store,
        )
        runtime.controller = controller.controller
        store.on_change = controller.controller.objects_changed
        self.metrics.show(memory_store, statuses, events)
        await cache.load(api)
        async with controller, asyncio.TaskGroup() as tasks:
            feed = KubeFeed(
                config.namespace,
                _resources(cache),
                _Taker(tasks, api, config.namespace, cache, store, statuses).take,
            )
            self._feed = feed
            self.metrics.feed = feed
            running = [
                tasks.create_task(store.run()),
                tasks.create_task(statuses.run()),
                tasks.create_task(runtime.run()),
                tasks.create_task(events.run()),
                tasks.create_task(self._resync(cache, store)),
                tasks.create_task(self._look_after_feed(feed)),
                tasks.create_task(self._keep_marked()),
            ]
            feed.start()
            self._phase = "leading"
            _log.info("event=leading namespace=%s pod=%s", config.namespace, config.pod_name)
            try:
                await self._stop.wait()
                self._phase = "stopping"
                await statuses.flush(FLUSH_PATIENCE_S)
            finally:
                await feed.stop()
                for task in running:
                    task.cancel()

    async def _resync(self, cache: KubeCache, store: KubeStore) -> None:
        """Read everything again now and then: a watch says nothing of what went while it was not
        there. The first time soon, for what went between our reading and the first watch."""
        pause_s = FIRST_RESYNC_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = RESYNC_INTERVAL_S
            try:
                await cache.load(self._api)
                await store.resync()
            except (KubeError, StoreError) as error:
                _log.warning("event=resync_failed reason=%s", error)

    async def _look_after_feed(self, feed: KubeFeed) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            failure = feed.failure()
            if failure is not None and not self._stop.is_set():
                raise WatchLost(failure)

    async def _keep_marked(self) -> None:
        """The Services lead here; said again in case somebody took the label away."""
        config = self._config
        while config.is_pod:
            pause_s = MARK_INTERVAL_S
            try:
                await mark_leader(self._api, config.namespace, config.pod_name)
            except KubeError as error:
                _log.warning("event=leader_not_marked reason=%s", error)
                pause_s = 1.0
            await asyncio.sleep(pause_s)

    async def _leave(self) -> None:
        """Give up what others wait for."""
        config = self._config
        await self._lease.release()
        try:
            async with asyncio.timeout(RELEASE_PATIENCE_S):
                if await namespace_is_going(self._api, config.namespace):
                    await release_all(self._api, config.namespace)
        except (KubeError, TimeoutError) as error:
            _log.warning("event=finalizers_not_released reason=%r", error)


class _Taker:
    """Hands each event of the watches to those whom it concerns."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        api: KubeApi,
        namespace: str,
        cache: KubeCache,
        store: KubeStore,
        statuses: StatusWriter,
    ) -> None:
        self._tasks = tasks
        self._api = api
        self._namespace = namespace
        self._cache = cache
        self._store = store
        self._statuses = statuses
        self._releasing: set[str] = set()

    def take(self, resource: Resource, body: Body, deleted: bool) -> None:
        watched = _WATCHED.get(resource)
        if watched is not None:
            self._cache.observe(watched, body, deleted=deleted)
        kind = _KINDS.get(resource)
        if kind is None:
            return
        self._statuses.observe(kind, body, deleted=deleted)
        self._store.observe(kind, body, deleted=deleted)
        if not deleted and wants_release(body):
            self._release(kind, body)

    def _release(self, kind: Kind, body: Body) -> None:
        """Its author wants it gone whatever waits for it."""
        metadata = body["metadata"]
        if metadata["uid"] not in self._releasing:
            self._releasing.add(metadata["uid"])
            self._tasks.create_task(self._release_one(kind, metadata["name"], metadata["uid"]))

    async def _release_one(self, kind: Kind, name: str, uid: str) -> None:
        try:
            await release(self._api, self._namespace, kind, name, uid=uid)
            _log.warning("event=finalizers_released kind=%s name=%s", kind, name)
        except KubeError as error:
            _log.warning("event=finalizer_not_released name=%s reason=%s", name, error)
        finally:
            self._releasing.discard(uid)


_KINDS = {
    Resource(GROUP, resource.api_version, resource.plural): resource.kind for resource in RESOURCES
}
_WATCHED = {Resource(*API_GROUPS[kind], kind.value): kind for kind in Watched}


def _resources(cache: KubeCache) -> list[Resource]:
    """What to watch; nodes only where we may."""
    wanted = [
        resource
        for resource, kind in _WATCHED.items()
        if cache.has_nodes or kind is not Watched.NODES
    ]
    return list(dict.fromkeys([*_KINDS, *wanted]))


def _controller_config(config: OperatorConfig) -> ScConfig:
    (public_host, public_port), (private_host, private_port) = config.public, config.private
    return ScConfig(
        public_host=public_host,
        public_port=public_port,
        private_host=private_host,
        private_port=private_port,
    )


@asynccontextmanager
async def connected() -> AsyncIterator[KubeApi]:
    """The API server of the pod we are in, or of the kubeconfig. Raises ConfigException."""
    configuration = Configuration()
    try:
        kubernetes_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        # A pod has no proxy and no .netrc on its way to the API server; to look each time is dear.
        configuration.client_session_kwargs = {"trust_env": False}
    except kubernetes_config.ConfigException:
        await kubernetes_config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.connection_pool_maxsize = CONNECTIONS_MAX
    async with ApiClient(configuration) as client:
        yield KubeApi(client)


async def run(config: OperatorConfig) -> None:
    """Be the operator until SIGTERM or SIGINT. Raises what `OperatorApp` raises."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with connected() as api:
        app = OperatorApp(config, api, stop)
        health = HealthServer(
            unready_reason=app.unready_reason,
            samples=app.metrics.samples,
            dead_reason=app.dead_reason,
        )
        async with health:
            await health.start(*config.http)
            await app.run()
