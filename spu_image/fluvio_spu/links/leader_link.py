"""Connections to the SPUs that lead what is followed here: one for each, for all its partitions.

    registry --(begins to follow)--> link of that leader --> dial, hello, joins
    leader   --(answers, records)--> the partition's `FollowingReplica`
    replica  --(positions)---------> the link, which sends those of one read together

A link stands as long as something is followed through it. One that fails is dialled again with
growing pauses; a leader that says nothing for a while counts as gone, for it speaks every second.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from fluvio_protocol.api.header import decode_request_header, encode_request
from fluvio_protocol.codec import Message, Reader, decode, decode_exact
from fluvio_protocol.errors import FluvioError, RemoteProtocolError
from fluvio_protocol.spu_private.replication import (
    CopiedRecords,
    FollowerHello,
    HighWatermarks,
    JoinAnswer,
    JoinReplicas,
    LeaveReplicas,
    ReplicaJoin,
    ReplicaPosition,
    ReplicaPositions,
)
from fluvio_protocol.types import ReplicaKey, SpuId
from fluvio_socket.backoff import Backoff
from fluvio_socket.connection import Connection, dial
from fluvio_socket.connection_group import ConnectionLimits
from fluvio_socket.errors import ConnectFailed
from fluvio_spu.links.controller_link import SpuDirectory
from fluvio_spu.replica.data_life import DataLife
from fluvio_spu.replica.following import FollowingReplica
from fluvio_spu.replica.registry import ReplicaRegistry

_log = logging.getLogger(__name__)

LINK_SILENCE_S = 3.0
"""A leader speaks every second, whatever there is to say."""
TICK_S = 0.25
STEADY_LINK_S = 2.0
"""A link that ended sooner counts as a failed attempt."""

_LIMITS = ConnectionLimits(unacknowledged_s=5.0, connect_timeout_s=2.0)


class _Session:
    """The frames of one connection, and what is to be sent over it."""

    def __init__(self, connection: Connection, link: "_Link") -> None:
        self._connection = connection
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._joins: dict[ReplicaKey, ReplicaJoin] = {}
        self._positions: dict[ReplicaKey, ReplicaPosition] = {}
        self._answer_wanted = False
        self._flush_scheduled = False
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.heard_at_s = self._loop.time()

    # From the connection.

    def frames_received(self, frames: Sequence[memoryview]) -> None:
        self.heard_at_s = self._loop.time()
        for frame in frames:
            reader = Reader(frame)
            header = decode_request_header(reader)
            body = frame[reader.position :]
            if header.api_key == CopiedRecords.api_key:
                self._records(body)
            elif header.api_key == HighWatermarks.api_key:
                self._answer_wanted = True
                for told in decode_exact(HighWatermarks, body, 0).replicas:
                    replica = self._link.replicas.get(told.key)
                    if replica is not None:
                        replica.committed(told)
            elif header.api_key == JoinAnswer.api_key:
                answer = decode_exact(JoinAnswer, body, 0)
                replica = self._link.replicas.get(answer.key)
                if replica is not None:
                    try:
                        replica.answered(answer)
                    except ValueError as error:
                        raise RemoteProtocolError(f"{answer.key}: {error}") from error
            else:
                raise RemoteProtocolError(f"a leader sent unknown message {header.api_key}")
        self._flush()

    def drained(self) -> None:
        """Positions are small; there is nothing to resume."""

    def connection_lost(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    def _records(self, body: memoryview) -> None:
        """Batches are what is left of the frame; they are not copied."""
        reader = Reader(body)
        message = decode(CopiedRecords, reader, 0)
        replica = self._link.replicas.get(message.key)
        if replica is not None:
            replica.records(message, body[reader.position :])

    # From replicas.

    def join(self, join: ReplicaJoin) -> None:
        self._joins[join.key] = join
        self._flush_soon()

    def report(self, position: ReplicaPosition) -> None:
        waiting = self._positions.get(position.key)
        if waiting is not None and waiting.session == position.session and position.send_from < 0:
            # The wish to be sent something again stays until it is told.
            position = replace(position, send_from=waiting.send_from)
        self._positions[position.key] = position
        self._flush_soon()

    # From the link.

    def hello(self, hello: FollowerHello) -> None:
        self._send(hello)

    def leave(self, key: ReplicaKey) -> None:
        self._joins.pop(key, None)
        self._positions.pop(key, None)
        self._send(LeaveReplicas(keys=(key,)))

    def close(self, reason: str) -> None:
        self._connection.close(reason)

    def _flush_soon(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._connection.closed:
            return
        if self._joins:
            joins, self._joins = tuple(self._joins.values()), {}
            self._send(JoinReplicas(replicas=joins))
        if self._positions or self._answer_wanted:
            self._answer_wanted = False
            positions, self._positions = tuple(self._positions.values()), {}
            self._send(ReplicaPositions(replicas=positions))

    def _send(self, message: Message) -> None:
        self._connection.send(
            encode_request(message, version=0, correlation_id=0, client_id=self._link.client_id)
        )


class _Link:
    """One leader, and what is followed there."""

    def __init__(self, leader: SpuId, owner: "LeaderLinks") -> None:
        self.leader = leader
        self.client_id = f"spu-{owner.spu_id}"
        self.replicas: dict[ReplicaKey, FollowingReplica] = {}
        self.task: asyncio.Task[None] | None = None
        self._owner = owner
        self._session: _Session | None = None
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff(initial_s=0.05, maximum_s=1.0)
        self._news = asyncio.Event()

    def follow(self, replica: FollowingReplica) -> None:
        self.replicas[replica.key] = replica
        self._news.set()  # a leader that begins anew is there
        if self._session is not None:
            replica.connected(self._session)

    def unfollow(self, replica: FollowingReplica) -> None:
        if self.replicas.get(replica.key) is replica:
            del self.replicas[replica.key]
            if self._session is not None:
                self._session.leave(replica.key)

    def begin_anew(self) -> None:
        """The leader has to hear of another life of the data."""
        if self._session is not None:
            self._session.close("another life of the data has begun")

    async def run(self) -> None:
        """Until nothing is followed through it any more."""
        while self.replicas:
            self._news.clear()
            try:
                async with asyncio.TaskGroup() as tasks:
                    await self._serve_one_connection(tasks)
            except* (FluvioError, OSError, TimeoutError) as errors:
                _log.info(
                    "event=leader_away spu=%s leader=%s reason=%s",
                    self._owner.spu_id,
                    self.leader,
                    "; ".join(str(error) or type(error).__name__ for error in errors.exceptions),
                )
            if self.replicas:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._backoff.next_delay_s()):
                        await self._news.wait()

    async def _serve_one_connection(self, tasks: asyncio.TaskGroup) -> None:
        spu = self._owner.directory.get(self.leader)
        if spu is None:
            raise ConnectFailed(f"SPU {self.leader} is not known to the cluster")
        sessions: list[_Session] = []

        def make_session(connection: Connection) -> _Session:
            sessions.append(_Session(connection, self))
            return sessions[0]

        connection = await dial(
            spu.private_endpoint.host,
            spu.private_endpoint.port,
            make_session,
            limits=_LIMITS,
            task_group=tasks,
        )
        session = sessions[0]
        begun_s = self._loop.time()
        try:
            session.hello(
                FollowerHello(
                    spu_id=self._owner.spu_id,
                    leader_id=self.leader,
                    incarnation=self._owner.life.incarnation,
                )
            )
            self._session = session
            for replica in tuple(self.replicas.values()):
                replica.connected(session)
            await self._watch(session)
        finally:
            self._session = None
            for replica in tuple(self.replicas.values()):
                replica.disconnected()
            connection.close("link ends")
        if self._loop.time() - begun_s >= STEADY_LINK_S:
            self._backoff.reset()

    async def _watch(self, session: _Session) -> None:
        """Until the connection ends, the leader falls silent, or nothing is followed."""
        while not session.lost.done() and self.replicas:
            await asyncio.wait((session.lost,), timeout=TICK_S)
            silent_s = self._loop.time() - session.heard_at_s
            if silent_s > LINK_SILENCE_S:
                session.close(f"leader {self.leader} was silent for {silent_s:.1f} s")
            for replica in tuple(self.replicas.values()):
                replica.tick()


class LeaderLinks:
    """All links of this SPU. Made once; `run()` as long as the process lives."""

    def __init__(
        self,
        *,
        spu_id: SpuId,
        life: DataLife,
        registry: ReplicaRegistry,
        directory: SpuDirectory,
    ) -> None:
        self.spu_id = spu_id
        self.life = life
        self.directory = directory
        self._links: dict[SpuId, _Link] = {}
        self._news = asyncio.Event()
        registry.on_followed.append(self._changed)
        life.on_change.append(self._begin_anew)

    def _begin_anew(self) -> None:
        for link in self._links.values():
            link.begin_anew()

    def _changed(self, replica: FollowingReplica) -> None:
        """A replica began to follow, or it is over."""
        link = self._links.get(replica.leader)
        if replica.serving:
            if link is None:
                link = self._links[replica.leader] = _Link(replica.leader, self)
            link.follow(replica)
        elif link is not None:
            link.unfollow(replica)
        self._news.set()

    async def run(self) -> None:
        """Keep a task for every link that is needed; for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._news.clear()
                for leader, link in tuple(self._links.items()):
                    if link.task is not None and link.task.done():
                        link.task = None
                    if link.task is None and link.replicas:
                        link.task = tasks.create_task(link.run(), name=f"leader-link-{leader}")
                        link.task.add_done_callback(lambda _: self._news.set())
                    elif link.task is None:
                        del self._links[leader]
                await self._news.wait()
