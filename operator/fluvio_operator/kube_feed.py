"""The watches: kopf, in a thread and an event loop of its own, tells of every object that changed.

Started by `app.py` once this process leads and has read everything. kopf does what it is good at
(discovery, list, watch, reconnecting, credentials) and nothing else: no handler of ours returns a
value, writes, or keeps anything on an object, so that kopf leaves no finalizer and no annotation.

What it tells is taken in the controller's loop, the events of an object in their order; kopf's
workers, which are few, wait for it. A watch that ends for good makes kopf silent about one kind
and not about the others; so the feed looks after their number, and `failure` says when the process
should be replaced.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import kopf

from fluvio_operator.kube_api import Body
from fluvio_process.event_loop import loop_factory

_log = logging.getLogger(__name__)

WORKERS_MAX = 16
STOP_PATIENCE_S = 5.0
LOOK_INTERVAL_S = 5.0
LOST_PATIENCE_S = 30.0
"""How long a watch may be missing: a new one is being set up."""

_IDENTITY: Any = "fluvio-operator"
"""Of no use without peering; kopf would ask who its user is, and an image's has no name."""

_WATCHER = "watcher for "
"""What kopf calls the tasks that hold its watches."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What to watch, by the names of the API server. The core group is the empty text."""

    group: str
    version: str
    plural: str


Told = Callable[[Resource, Body, bool], None]
"""A resource, an object of it, and whether it is gone."""


class KubeFeed:
    """`start()`, then `tell` is called in the event loop that started it, until `stop()`."""

    def __init__(self, namespace: str, resources: Iterable[Resource], tell: Told) -> None:
        self._namespace = namespace
        self._resources = tuple(resources)
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubernetes-feed", daemon=True)
        self._failure: str | None = None
        self._complete_at_s = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.event_count = 0

    def start(self) -> None:
        """Begin to watch. Called in the event loop that is to be told."""
        self._loop = asyncio.get_running_loop()
        self._complete_at_s = time.monotonic()
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join, STOP_PATIENCE_S)

    def failure(self) -> str | None:
        """Why the objects are not watched any more; None while they are."""
        if self._failure is not None:
            return self._failure
        if self._loop is None:
            return None
        silent_s = time.monotonic() - self._complete_at_s
        if silent_s > LOST_PATIENCE_S:
            return f"a watch of the Kubernetes API has been missing for {silent_s:.0f} s"
        return None

    # In the thread.

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._watch())
        finally:
            if self._failure is None and not self._stop.is_set():
                self._failure = "the watches of the Kubernetes API have ended"

    async def _watch(self) -> None:
        watching = kopf.operator(
            registry=self._registry(),
            settings=_settings(),
            identity=_IDENTITY,
            standalone=True,
            namespaces=[self._namespace],
            stop_flag=self._stop,
        )
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_after_watches())
            try:
                await watching
            except Exception as error:  # by itself, not in the group's wrapping
                self._failure = f"the watches of the Kubernetes API have failed: {error!r}"
                _log.exception("event=feed_failed")
            finally:
                looking.cancel()

    async def _look_after_watches(self) -> None:
        """kopf goes on without a watch that failed; count them."""
        wanted = len(self._resources)
        while True:
            names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
            if sum(name.startswith(_WATCHER) for name in names) >= wanted:
                self._complete_at_s = time.monotonic()
            await asyncio.sleep(LOOK_INTERVAL_S)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(_login)
        for resource in self._resources:
            names = (resource.group, resource.version, resource.plural)
            kopf.on.event(*names, registry=registry, id="observe")(self._handler(resource))
        return registry

    def _handler(self, resource: Resource) -> Callable[..., Any]:
        async def observe(event: Any, **_: Any) -> None:
            assert self._loop is not None
            taken = self._take(resource, dict(event["object"]), event["type"] == "DELETED")
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(taken, self._loop))

        return observe

    # In the controller's loop.

    async def _take(self, resource: Resource, body: Body, deleted: bool) -> None:
        self.event_count += 1
        try:
            self._tell(resource, body, deleted)
        except Exception:  # one object must not stop the others
            name = (body.get("metadata") or {}).get("name")
            _log.exception("event=object_not_taken resource=%s name=%s", resource.plural, name)


def _login(**arguments: Any) -> Any:
    """As a pod, or as the user of a kubeconfig; asked again whenever a token has run out."""
    found = kopf.login_with_service_account(**arguments)
    return found or kopf.login_with_kubeconfig(**arguments)


class _NoDifferences(kopf.DiffBaseStorage):
    """kopf copies every object for each event, to tell what changed; nobody here asks it."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def _settings() -> kopf.OperatorSettings:
    """kopf as a source of events and nothing else (Kubernetes reference 6.2)."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = WORKERS_MAX
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 5, 8)
    settings.process.ultimate_exiting_timeout = 15
    settings.persistence.diffbase_storage = _NoDifferences()
    # Never written, for there are no handlers that would; in our domain all the same.
    settings.persistence.finalizer = "operator.fluvio.infinyon.com/kopf"
    return settings
