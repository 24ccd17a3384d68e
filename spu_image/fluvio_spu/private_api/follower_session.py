"""A follower's connection at its leader: joins, positions, and records sent.

Made by `service` for a connection that begins with a hello; called on the event loop thread. Each
partition that the follower joined is a stream, the twin of a consumer's: it sleeps until its
replica has records for it, sends one slice, and takes its turn again behind the others. What is
under way is bounded by the connection: while it is congested nothing is read from any log. Streams
that are not in sync yet may be held to a rate, so that catching up leaves room for the others.

    | frame length i32 | request head | CopiedRecords | bytes of the log |

A slice on its way from disk is read ahead by a worker, and only its partition waits.
"""

import asyncio
import logging
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.api.header import RequestHeader, encode_request
from fluvio_protocol.codec import Message, Reader, decode
from fluvio_protocol.errors import ErrorCode, FluvioError, RemoteProtocolError
from fluvio_protocol.spu_private.replication import (
    REPLICATION_VERSION,
    CopiedRecords,
    FollowerHello,
    HighWatermarks,
    JoinAnswer,
    JoinReplicas,
    LeaveReplicas,
    ReplicaHighWatermark,
    ReplicaJoin,
    ReplicaPositions,
)
from fluvio_protocol.types import LeaderEpoch, Offset, ReplicaKey, SpuId
from fluvio_socket.connection import Connection
from fluvio_spu.private_api.catch_up import CatchUpAllowance
from fluvio_spu.replica.cold_read import read_ahead
from fluvio_spu.replica.leadership import Leadership
from fluvio_spu.replica.replica import Replica
from fluvio_spu.replication.effects import AnswerJoin
from fluvio_spu.storage import LogSlice, OffsetEvicted, OffsetOutOfRange

if TYPE_CHECKING:
    from fluvio_spu.private_api.service import PrivateService

_log = logging.getLogger(__name__)

SLICE_BYTES_MAX = 1 << 20
SENDFILE_BYTES_MAX = 64 << 10
TICK_S = 0.25
HEARTBEAT_S = 1.0
LINK_SILENCE_S = 3.0
"""A follower answers every heartbeat; one that does not holds nobody up for longer."""

_I32 = Struct(">i")
_NOT_LEADER = ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)


class FollowerSession:
    """One follower. Invariant: a stream is in `_streams` as long as its replica knows it."""

    def __init__(
        self, connection: Connection, service: "PrivateService", hello: FollowerHello
    ) -> None:
        if hello.replication_version != REPLICATION_VERSION:
            raise RemoteProtocolError(
                f"spu {hello.spu_id} speaks version {hello.replication_version} of replication, "
                f"this one {REPLICATION_VERSION}: run the same release"
            )
        if hello.leader_id != service.registry.spu_id:
            raise RemoteProtocolError(
                f"spu {hello.spu_id} looks for spu {hello.leader_id}, "
                f"this is spu {service.registry.spu_id}"
            )
        self.connection = connection
        self.spu_id: SpuId = hello.spu_id
        self.incarnation = hello.incarnation
        self.client_id = f"spu-{service.registry.spu_id}"
        self._registry = service.registry
        self._streams: dict[ReplicaKey, FollowedPartition] = {}
        self._waiting: deque[FollowedPartition] = deque()
        self._loop = asyncio.get_running_loop()
        self._heard_at_s = self._told_at_s = self._loop.time()
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self._catch_up = CatchUpAllowance(service.catch_up_bytes_per_second)
        self._held_back: dict[FollowedPartition, None] = {}
        _log.info("event=follower_connected spu=%s peer=%s", self.spu_id, connection.peer)

    # From the connection.

    def received(self, header: RequestHeader, reader: Reader) -> None:
        """One message of the follower. Raises RemoteProtocolError."""
        self._heard_at_s = self._loop.time()
        match header.api_key:
            case ReplicaPositions.api_key:
                for position in decode(ReplicaPositions, reader, 0).replicas:
                    stream = self._streams.get(position.key)
                    if stream is not None and stream.replica.leader_epoch == position.leader_epoch:
                        stream.leadership.follower_position(
                            self.spu_id, position.session, position.log_end, position.send_from
                        )
                        stream.send_next()  # from its first position on it waits for records
            case JoinReplicas.api_key:
                for join in decode(JoinReplicas, reader, 0).replicas:
                    self._join(join)
            case LeaveReplicas.api_key:
                for key in decode(LeaveReplicas, reader, 0).keys:
                    stream = self._streams.get(key)
                    if stream is not None:
                        stream.end()
            case unknown:
                raise RemoteProtocolError(f"a follower sent unknown message {unknown}")

    def drained(self) -> None:
        """The follower takes data again: streams that waited for it go on, in turn."""
        for _ in range(len(self._waiting)):
            if self.connection.congested:
                return
            self._waiting.popleft().room()

    def lost(self, reason: str) -> None:
        """Let go of everything."""
        _log.info("event=follower_lost spu=%s reason=%s", self.spu_id, reason)
        self._timer.cancel()
        for stream in tuple(self._streams.values()):
            stream.end()
        self._waiting.clear()

    # For the streams.

    def send(self, message: Message) -> None:
        """Send a whole message."""
        self.connection.send(
            encode_request(message, version=0, correlation_id=0, client_id=self.client_id)
        )

    def send_slice(self, message: CopiedRecords, found: LogSlice) -> None:
        """Send a message whose records are a piece of a log."""
        size = found.size_bytes
        head = bytearray(
            encode_request(message, version=0, correlation_id=0, client_id=self.client_id)
        )
        _I32.pack_into(head, 0, len(head) - 4 + size)
        if size <= SENDFILE_BYTES_MAX:
            self.connection.send_file(head, found.fd, found.position, size)
        else:
            self.connection.send(head, found.view())

    def wait_drained(self, stream: "FollowedPartition") -> None:
        """Call `room` of the stream when the connection is not congested any more."""
        self._waiting.append(stream)

    def may_catch_up(self, stream: "FollowedPartition") -> bool:
        """Whether one that is not in sync may be sent something now; if not, it is called later."""
        if self._catch_up.may_send:
            return True
        self._held_back[stream] = None
        return False

    def caught_up_by(self, size_bytes: int) -> None:
        """So much was sent to one that is not in sync."""
        self._catch_up.sent(size_bytes)

    def forget(self, stream: "FollowedPartition") -> None:
        """The stream has ended."""
        if self._streams.get(stream.key) is stream:
            del self._streams[stream.key]

    def _join(self, join: ReplicaJoin) -> None:
        older = self._streams.get(join.key)
        if older is not None:
            older.end()
        replica = self._registry.get(join.key)
        leadership = None if replica is None else replica.leading
        if (
            replica is None
            or leadership is None
            or replica.uid != join.uid
            or replica.leader_epoch != join.leader_epoch
            or self.spu_id not in leadership.machine.followers
        ):
            self.send(
                JoinAnswer(
                    key=join.key,
                    number=join.number,
                    error_code=_NOT_LEADER,
                    leader_epoch=LeaderEpoch(-1) if replica is None else replica.leader_epoch,
                )
            )
            return
        stream = FollowedPartition(self, replica, leadership)
        self._streams[join.key] = stream
        replica.subscribe(stream)
        if not leadership.follower_joined(self.spu_id, self.incarnation, join.number, stream):
            stream.end()

    def _tick(self) -> None:
        now_s = self._loop.time()
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self._catch_up.passed(TICK_S)
        held_back, self._held_back = self._held_back, {}
        for stream in held_back:
            stream.send_next()
        if now_s - self._heard_at_s > LINK_SILENCE_S:
            self.connection.close(f"follower {self.spu_id} is silent")
            return
        told = tuple(news for stream in self._streams.values() if (news := stream.news()))
        if told or now_s - self._told_at_s >= HEARTBEAT_S:
            self._told_at_s = now_s
            self.send(HighWatermarks(replicas=told))


class FollowedPartition:
    """One partition sent to one follower. An `OffsetSubscriber` of its replica."""

    __slots__ = (
        "_ended",
        "_read_ahead",
        "_reading",
        "_session",
        "_told_hw",
        "_waits_for_room",
        "key",
        "leadership",
        "replica",
        "session_number",
    )

    def __init__(self, session: FollowerSession, replica: Replica, leadership: Leadership) -> None:
        self._session = session
        self.leadership = leadership
        self.replica = replica
        self.key = replica.key
        self.session_number = 0
        self._told_hw = -1
        self._waits_for_room = False
        self._reading = False
        self._read_ahead = False
        self._ended = False

    def answer_join(self, answer: AnswerJoin) -> None:
        """What the follower has to know, under its new session."""
        self.session_number = answer.session
        replica = self.replica
        self._session.send(
            JoinAnswer(
                key=self.key,
                number=answer.number,
                leader_epoch=replica.leader_epoch,
                session=answer.session,
                log_start=replica.start_offset,
                log_end=replica.log.end_offset,
                high_watermark=replica.log.high_watermark,
                lineage=replica.opened.lineage.trimmed(replica.start_offset).entries,
            )
        )

    def send_next(self) -> int:
        """Send a slice if there is one and the connection takes it; returns its size in bytes."""
        if self._ended or self._waits_for_room or self._reading:
            return 0
        replica = self.replica
        leading = self.leadership.machine
        start = leading.next_offset(self._session.spu_id)
        if start is None:
            replica.wait_for_data(self, committed=False)
            return 0
        if self._session.connection.congested:
            self._waits_for_room = True
            self._session.wait_drained(self)
            return 0
        catches_up = self._session.spu_id not in leading.in_sync.members
        if catches_up and not self._session.may_catch_up(self):
            return 0
        try:
            end = Offset(leading.durable_end)
            found = replica.log.read(start, end=end, max_bytes=SLICE_BYTES_MAX)
        except (OffsetEvicted, OffsetOutOfRange) as error:
            # Retention was quicker: a join begins where the log begins.
            self._session.connection.close(f"follower {self._session.spu_id}: {error}")
            return 0
        except (FluvioError, OSError) as error:
            self._unreadable(error)
            return 0
        if found is None:
            replica.wait_for_data(self, committed=False)
            return 0
        if not self._read_ahead and replica.is_cold(found):
            self._send_when_read(found)
            return 0
        self._read_ahead = False
        return self._send(found)

    def room(self) -> None:
        """The connection is not congested any more."""
        self._waits_for_room = False
        self.send_next()

    def news(self) -> ReplicaHighWatermark | None:
        """What the follower was not told with records; also if it seems to lack some."""
        replica = self.replica
        if not self.session_number:
            return None
        follower = self.leadership.machine.followers.get(self._session.spu_id)
        if follower is None or follower.position < 0:
            return None
        hw = replica.hw.value
        waits = follower.position < follower.sent and not self._session.connection.queued_bytes
        if hw == self._told_hw and not waits:
            return None
        self._told_hw = hw
        return ReplicaHighWatermark(
            key=self.key,
            leader_epoch=replica.leader_epoch,
            session=self.session_number,
            high_watermark=replica.log.high_watermark,
            log_start=replica.start_offset,
            log_end=Offset(follower.sent),
        )

    def end(self) -> None:
        """Send no more."""
        if not self._ended:
            self._ended = True
            self._session.forget(self)
            self.replica.unsubscribe(self)
            self.leadership.follower_lost(self._session.spu_id, self)

    def superseded(self) -> None:
        """The follower has joined over another link, and has one at a time: this one is given up.

        Should it be the other way round, the other one being a late arrival of an older process,
        then the follower notices this end, and joins anew.
        """
        self.end()
        self._session.connection.close(f"follower {self._session.spu_id} has another link")

    # From the replica.

    def offsets_moved(self) -> int:
        """There may be records to send."""
        return self.send_next()

    def replica_stopped(self, status: ErrorStatus) -> None:
        """Another leads now; the follower hears of it from the controller."""
        self._ended = True
        self._session.forget(self)

    def _send(self, found: LogSlice) -> int:
        replica = self.replica
        leading = self.leadership.machine
        self._told_hw = replica.hw.value
        self._session.send_slice(
            CopiedRecords(
                key=self.key,
                leader_epoch=replica.leader_epoch,
                session=self.session_number,
                base_offset=found.base_offset,
                end_offset=found.next_offset,
                log_start=replica.start_offset,
                high_watermark=replica.log.high_watermark,
            ),
            found,
        )
        leading.sent(self._session.spu_id, found.next_offset)
        if self._session.spu_id not in leading.in_sync.members:
            self._session.caught_up_by(found.size_bytes)
        # Behind the others, whether there is more at once or later.
        if leading.next_offset(self._session.spu_id) is None:
            replica.wait_for_data(self, committed=False)
        else:
            replica.wake_later(self)
        return found.size_bytes

    def _send_when_read(self, found: LogSlice) -> None:
        """Have a worker bring the bytes into memory; the loop goes on meanwhile."""
        self._reading = True

        def ended(_: object) -> None:
            self._reading = False
            self._read_ahead = True  # once; with too little memory it would never end
            self.send_next()

        self.replica.workers.run(
            lambda: read_ahead(found.fd, found.position, found.size_bytes), ended, ended
        )

    def _unreadable(self, error: Exception) -> None:
        """A leader that cannot read its own log must not stay leader if another is in sync."""
        _log.error("event=replication_read_failed replica=%s error=%s", self.key, error)
        self.leadership.found_damage(str(error))
