"""What everything of one client shares: the controller's connection with its watches, one
connection per SPU, the metadata they fill, and the tasks that keep all this alive.

Called by `fluvio`, `admin`, producers and consumers. The only module of the client that dials.
Invariants: at most one connection to the controller and one per SPU address; every background
task is a child of the session's TaskGroup and never raises; every wait has a bound.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from fluvio_client.consumer.selection import TopicPattern
from fluvio_client.errors import (
    ClientError,
    ConnectFailed,
    ConnectionLost,
    FluvioError,
    LookupTimedOut,
    PartitionNotFound,
    ServerError,
    SocketError,
    TopicNotFound,
    VersionMismatch,
    server_error,
)
from fluvio_client.metadata import WATCHED_KINDS, Address, MetadataCache, is_system
from fluvio_client.metrics import ClientCounts
from fluvio_client.retry import RECONNECT, REQUEST, RetryPolicy
from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.codec import Message
from fluvio_protocol.errors import ErrorCode
from fluvio_protocol.metadata.kinds import Kind, Metadata
from fluvio_protocol.metadata.topic import (
    CONSUMER_OFFSET_REPLICA,
    CONSUMER_OFFSET_TOPIC,
    TopicResolution,
)
from fluvio_protocol.sc_public.list import ListRequest
from fluvio_protocol.sc_public.watch import WatchRequest
from fluvio_protocol.types import PartitionId, ReplicaKey, SpuId
from fluvio_socket.multiplexer import ClientLimits, MultiplexedConnection

log = logging.getLogger(__name__)

PLATFORM_VERSION_MIN = (0, 9, 0)
LOOKUP_TIMEOUT_S = 10.0
DIAL_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 60.0


class NotReachable(ClientError):
    """It is not known where to send this right now; metadata may tell soon."""

    retriable = True
    refresh_metadata = True


class Session:
    """Use as `async with`; everything of the client ends with it."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        use_spu_local_address: bool = False,
        connect_timeout_s: float = DIAL_TIMEOUT_S,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        counts: ClientCounts | None = None,
    ) -> None:
        """counts: what is done is added to it; several sessions may share it."""
        self.counts = counts or ClientCounts()
        self.metadata = MetadataCache(use_spu_local_address=use_spu_local_address)
        self.platform_version = ""
        self.address = address
        self._client_id = client_id
        self._connect_timeout_s = connect_timeout_s
        self._limits = ClientLimits(request_timeout_s=request_timeout_s)
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._controller: MultiplexedConnection | None = None
        self._controller_up = asyncio.Event()
        self._spus: dict[Address, MultiplexedConnection] = {}
        self._dialling: dict[Address, asyncio.Lock] = {}
        self.closed = False

    async def __aenter__(self) -> "Session":
        """Connect once, so that a wrong address is told at once.

        Raises: ConnectFailed, VersionMismatch.
        """
        connection = await self._dial_controller()
        await self._tasks.__aenter__()
        self.spawn(self._keep_controller(connection), name="controller")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.closed = True
        for task in tuple(self._running):
            task.cancel()
        await self._tasks.__aexit__(None, None, None)
        for connection in self._open_connections():
            self.counts.connections_closed += 1
            await connection.close()

    def _open_connections(self) -> list[MultiplexedConnection]:
        known = (self._controller, *self._spus.values())
        return [one for one in known if one is not None and not one.closed]

    @property
    def connections_open(self) -> int:
        """Connections to the controller and to SPUs that are there right now."""
        return len(self._open_connections())

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a coroutine until it ends or the session does. An error in it is logged."""
        if self.closed:
            work.close()
            raise ClientError("the client is closed")
        task = self._tasks.create_task(self._guard(work, name), name=f"fluvio-client-{name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before it began
        return task

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        # A task that raised would cancel the application's own task through the group.
        try:
            await work
        except Exception:
            log.exception("task=%s ended with an error", name)

    # The controller

    async def _dial_controller(self) -> MultiplexedConnection:
        connection = await self._dial(self.address)
        try:
            self._check_version(connection.platform_version)
        except VersionMismatch:
            self.counts.connections_closed += 1
            await connection.close()
            raise
        self.platform_version = connection.platform_version
        self._controller = connection
        self._controller_up.set()
        return connection

    def _check_version(self, version: str) -> None:
        numbers = version.split("+")[0].split("-")
        try:
            found = tuple(int(part) for part in numbers[0].split("."))
        except ValueError:
            found = ()
        if len(found) != 3:
            raise VersionMismatch(f'PlatformVersion is not valid semver: "{version}"')
        older = found < PLATFORM_VERSION_MIN or (found == PLATFORM_VERSION_MIN and len(numbers) > 1)
        if older:
            minimum = ".".join(str(part) for part in PLATFORM_VERSION_MIN)
            raise VersionMismatch(
                f"Cluster (with platform version {version}) is older than the minimum required "
                f"version {minimum}"
            )

    async def _keep_controller(self, connection: MultiplexedConnection) -> None:
        """Watch over one connection after the other, for as long as the session lives."""
        backoff = RECONNECT.backoff()
        while True:
            reason = await self._watch_until_lost(connection)
            self._controller_up.clear()
            if not connection.closed:
                await connection.close()
            log.info("controller=%s disconnected reason=%s", self.address, reason)
            while True:
                await asyncio.sleep(backoff.next_delay_s())
                try:
                    connection = await self._dial_controller()
                    backoff.reset()
                    break
                except FluvioError as error:
                    log.debug("controller=%s unreachable reason=%s", self.address, error)

    async def _watch_until_lost(self, connection: MultiplexedConnection) -> str:
        reason = "the controller ended its watches"
        try:
            async with asyncio.TaskGroup() as watches:
                for kind in WATCHED_KINDS:
                    watches.create_task(self._watch(connection, kind))
        except* FluvioError as group:
            reason = str(group.exceptions[0])
        if self.closed:
            # Before Python 3.13 a task group forgets a cancellation that comes with an error.
            raise asyncio.CancelledError
        return reason

    async def _watch(self, connection: MultiplexedConnection, kind: Kind) -> None:
        first = True
        async for update in connection.open_stream(WatchRequest(kind=kind)):
            self.metadata.apply(update, first=first)
            first = False
        raise ConnectionLost(f"the watch of {kind} ended")

    async def controller(self, timeout_s: float = LOOKUP_TIMEOUT_S) -> MultiplexedConnection:
        """The controller's connection, waiting for it to come back when it is down.

        Raises: ConnectFailed after the timeout.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._controller is None or self._controller.closed:
                    self._controller_up.clear()
                    await self._controller_up.wait()
        except TimeoutError:
            raise ConnectFailed(
                f"the controller at {self.address} was not reachable for {timeout_s:g} s"
            ) from None
        return self._controller

    async def ask_controller(self, request: Message, *, timeout_s: float | None = None) -> Any:
        """Send one request to the controller; never twice, since it may have taken effect.

        Raises: ConnectFailed, ConnectionLost, RequestTimedOut.
        """
        connection = await self.controller()
        return await connection.request(request, timeout_s=timeout_s)

    async def list_objects(
        self,
        kind: Kind,
        *,
        names: tuple[str, ...] = (),
        summary: bool = True,
        system: bool = False,
    ) -> list[Metadata]:
        """Objects of a kind as the controller has them now; asks again when a connection ends.

        names: exactly these objects. Servers match parts of names, so the answer is checked.
        """
        request = ListRequest(kind=kind, name_filters=names, summary=summary, system=system)
        try:
            response = await self.ask_controller(request)
        except ConnectionLost:
            response = await self.ask_controller(request)
        objects: list[Metadata] = list(response.objects)
        if names:
            objects = [found for found in objects if found.name in names]
        return objects

    # Lookups

    async def find_topic(self, topic: str, timeout_s: float = LOOKUP_TIMEOUT_S) -> Metadata:
        """A topic whose partitions all exist.

        What the watches do not know is asked of the controller itself, so a topic made a moment
        ago by somebody else is found, and "not found" is definite.
        Raises: TopicNotFound, LookupTimedOut, ConnectFailed.
        """
        metadata = self.metadata
        if not metadata.topic_ready(topic):
            await self._synchronized(timeout_s)
        if metadata.topic(topic) is None and not await self._topic_exists(topic):
            raise TopicNotFound(topic, metadata.topic_names())
        await metadata.wait_until(
            lambda: metadata.topic_ready(topic) or metadata.topic_hopeless(topic) is not None,
            timeout_s,
        )
        found = metadata.topic(topic)
        if found is None or not metadata.topic_ready(topic):
            reason = metadata.topic_hopeless(topic) or "its partitions are not there yet"
            raise LookupTimedOut(f'Topic "{topic}" is not ready: {reason}')
        return found

    async def find_topics(
        self, pattern: TopicPattern, timeout_s: float = LOOKUP_TIMEOUT_S
    ) -> list[str]:
        """Topics that a pattern takes, by name, with those partitions that exist; maybe none.

        Topics that are ready are waited for until the watches have told of them, so one made a
        moment ago by somebody else is found; those that are not ready have no records yet.
        Raises: LookupTimedOut when the watches have told nothing yet.
        """
        metadata = self.metadata
        await self._synchronized(timeout_s)
        seen: set[str] = set()

        def settled(topic: str) -> bool:
            if metadata.topic(topic) is None:
                return topic in seen  # it was deleted meanwhile
            seen.add(topic)
            return metadata.topic_ready(topic) or metadata.topic_hopeless(topic) is not None

        ready = await self._ready_topics(pattern)
        # A list rather than a generator: each of them is looked at, and so seen.
        await metadata.wait_until(lambda: all([settled(topic) for topic in ready]), timeout_s)
        return metadata.topics_of(pattern)

    async def _ready_topics(self, pattern: TopicPattern) -> list[str]:
        """As the controller says; none when it cannot be asked, so that what was watched counts."""
        try:
            found = await self.list_objects(Kind.TOPIC)
            if pattern.is_name:
                found += await self.list_objects(Kind.TOPIC, names=(pattern.glob,), system=True)
        except SocketError as error:
            log.info("controller=%s not asked for topics reason=%s", self.address, error)
            return []
        return [
            topic.name
            for topic in found
            if topic.status.resolution is TopicResolution.PROVISIONED
            and pattern.takes(topic.name, system=is_system(topic))
        ]

    async def _synchronized(self, timeout_s: float) -> None:
        if not await self.metadata.wait_until(lambda: self.metadata.synchronized, timeout_s):
            raise LookupTimedOut(
                f"the controller at {self.address} did not send its metadata in {timeout_s:g} s"
            )

    async def _topic_exists(self, topic: str) -> bool:
        for system in (False, True):
            if await self.list_objects(Kind.TOPIC, names=(topic,), system=system):
                return True
        return False

    async def find_partition(
        self, topic: str, partition: int, timeout_s: float = LOOKUP_TIMEOUT_S
    ) -> ReplicaKey:
        """Raises: TopicNotFound, PartitionNotFound, LookupTimedOut, ConnectFailed."""
        await self.find_topic(topic, timeout_s)
        key = ReplicaKey(topic, PartitionId(partition))
        if self.metadata.partition(key) is None:
            raise PartitionNotFound(topic, partition)
        return key

    # SPUs

    async def leader(self, key: ReplicaKey) -> MultiplexedConnection:
        """The connection to the SPU that leads a partition, by what is known now.

        Raises: TopicNotFound or PartitionNotFound when it is gone; NotReachable, ConnectFailed.
        """
        route = self.metadata.route(key)
        if route is None:
            if self.metadata.synchronized and self.metadata.topic(key.topic) is None:
                raise TopicNotFound(key.topic)
            if self.metadata.topic_ready(key.topic):
                raise PartitionNotFound(key.topic, key.partition)
            raise NotReachable(f"nothing is known of partition {key} yet")
        if route.address is None:
            raise NotReachable(f"SPU {route.leader}, leader of {key}, has no public address")
        return await self.spu_at(route.address, spu=route.leader)

    async def spu_at(self, address: Address, *, spu: SpuId) -> MultiplexedConnection:
        """The one connection to an SPU, dialled when there is none. Raises ConnectFailed."""
        connection = self._spus.get(address)
        if connection is not None and not connection.closed:
            return connection
        lock = self._dialling.setdefault(address, asyncio.Lock())
        async with lock:
            connection = self._spus.get(address)
            if connection is None or connection.closed:
                try:
                    connection = await self._dial(address)
                except ConnectFailed as error:
                    raise ConnectFailed(
                        f"{error} (address of SPU {spu}, as the cluster gives it)"
                    ) from error
                self._spus[address] = connection
        return connection

    async def _dial(self, address: Address) -> MultiplexedConnection:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                connection = await MultiplexedConnection.connect(
                    address.host,
                    address.port,
                    client_id=self._client_id,
                    limits=self._limits,
                )
        except TimeoutError:
            raise ConnectFailed(
                f"{address} did not answer within {self._connect_timeout_s:g} s"
            ) from None
        self.counts.connections_opened += 1
        return connection

    async def ask_leader(
        self,
        key: ReplicaKey,
        request: Message,
        *,
        status: Any,
        retry: RetryPolicy = REQUEST,
    ) -> Any:
        """Send a repeatable request to a partition's leader until it is answered.

        status:  function from the response to the ErrorStatus in it
        Raises:  the error that is not worth retrying, or the last one when time is up
        """
        loop = asyncio.get_running_loop()
        backoff = retry.backoff()
        deadline = None if retry.total_s is None else loop.time() + retry.total_s
        while True:
            route = self.metadata.route(key)
            try:
                connection = await self.leader(key)
                response = await connection.request(request)
                found: ErrorStatus = status(response)
                if not found:
                    return response
                raise server_error(found)
            except FluvioError as error:
                delay_s = backoff.next_delay_s()
                if not error.retriable or (
                    deadline is not None and loop.time() + delay_s >= deadline
                ):
                    raise
                log.debug("replica=%s retry reason=%s", key, error)
            await self.wait_for_route(key, route, delay_s)

    async def wait_for_route(self, key: ReplicaKey, known: object, delay_s: float) -> None:
        """Wait until a partition is served elsewhere than `known` says, or the delay is over."""
        await self.metadata.wait_until(lambda: self.metadata.route(key) != known, delay_s)

    async def ask_consumer_offsets(self, request: Message) -> Any:
        """Ask the leader of the consumer-offset topic, which the cluster may be about to make."""
        await self.metadata.wait_until(
            lambda: self.metadata.partition(CONSUMER_OFFSET_REPLICA) is not None, LOOKUP_TIMEOUT_S
        )
        try:
            return await self.ask_leader(
                CONSUMER_OFFSET_REPLICA, request, status=lambda response: response.error_code
            )
        except ServerError as error:
            if error.error_code is ErrorCode.TOPIC_NOT_FOUND:
                raise TopicNotFound(CONSUMER_OFFSET_TOPIC) from error
            raise
