"""Consumer offsets, wherever their topic is led: kept here, or forwarded to the leader's SPU.

Callers are the public API (a consumer flushes its offset at the leader of the partition it reads)
and nobody else. One connection per peer, opened when first needed and dropped when it fails; a
peer that is away is asked again for a few seconds before the consumer is told.
"""

import asyncio
import logging
from typing import Any

from fluvio_protocol.api.error_code import ErrorStatus
from fluvio_protocol.errors import ErrorCode, FluvioError
from fluvio_protocol.metadata.topic import CONSUMER_OFFSET_REPLICA
from fluvio_protocol.spu_private.consumer_offset import (
    PeerFetchConsumerOffset,
    PeerUpdateConsumerOffset,
)
from fluvio_protocol.types import Offset, ReplicaKey, SpuId
from fluvio_socket.backoff import Backoff
from fluvio_socket.errors import ConnectFailed, SocketError
from fluvio_socket.multiplexer import MultiplexedConnection
from fluvio_spu.links.controller_link import SpuDirectory
from fluvio_spu.replica.consumer_offset_store import (
    ConsumerOffsetStore,
    OffsetUnknown,
    answer_peer,
)
from fluvio_spu.replica.registry import ReplicaRegistry

_log = logging.getLogger(__name__)

PEER_TIMEOUT_S = 5.0
NOT_LEADER = ErrorStatus(ErrorCode.PARTITION_NOT_LEADER)


class ConsumerOffsetGateway:
    """Reads and stores offsets of consumers, locally or at the peer that leads their topic.

    The `ConsumerOffsetAccess` that the public API is given.
    """

    def __init__(
        self,
        *,
        spu_id: SpuId,
        store: ConsumerOffsetStore,
        registry: ReplicaRegistry,
        directory: SpuDirectory,
    ) -> None:
        self._spu_id = spu_id
        self.store = store
        self._registry = registry
        self._directory = directory
        self._peers: dict[SpuId, MultiplexedConnection] = {}
        self._dialling = asyncio.Lock()

    async def get(self, replica: ReplicaKey, consumer_id: str) -> Offset | None:
        """The last consumed offset, if one is stored. Raises OffsetUnknown when nobody can tell."""
        if self._registry.leader_of(CONSUMER_OFFSET_REPLICA) is None:
            return None  # the cluster has not made their topic yet
        status, answer = await self._ask(
            PeerFetchConsumerOffset(replica=replica, consumer_id=consumer_id)
        )
        if status:
            raise OffsetUnknown(str(status.payload[0] if status.payload else status.error.name))
        offset: Offset | None = answer.offset
        return offset

    async def update(self, replica: ReplicaKey, consumer_id: str, offset: Offset) -> ErrorStatus:
        """Store the last consumed offset. The status is the client's answer."""
        status, _ = await self._ask(
            PeerUpdateConsumerOffset(replica=replica, consumer_id=consumer_id, offset=offset)
        )
        return status

    async def close(self) -> None:
        """Close the connections to peers."""
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            await peer.close()

    async def _ask(
        self, request: PeerFetchConsumerOffset | PeerUpdateConsumerOffset
    ) -> tuple[ErrorStatus, Any]:
        """The leader's answer behind its status, or the status that says why there is none.

        An SPU that restarts is away for a second or so, and then takes a moment to open its
        partitions; one that does not come back has a successor soon, which may be this one. A
        consumer should not fail over that. Asking twice does no harm.
        """
        backoff = Backoff(initial_s=0.02, maximum_s=0.5)
        leader = self._registry.leader_of(CONSUMER_OFFSET_REPLICA)
        problem = "no answer"
        try:
            async with asyncio.timeout(PEER_TIMEOUT_S):
                while leader is not None:
                    try:
                        answer = await self._ask_at(leader, request)
                        if answer.error_code != NOT_LEADER:
                            return answer.error_code, answer
                        problem = "it has not opened them"
                    except SocketError as error:
                        problem = str(error)
                    await asyncio.sleep(backoff.next_delay_s())
                    leader = self._registry.leader_of(CONSUMER_OFFSET_REPLICA)
                return NOT_LEADER, None
        except TimeoutError:
            await self._drop(leader)
        except (FluvioError, OSError) as error:
            problem = str(error)
        _log.warning("event=peer_failed peer=%s reason=%s", leader, problem)
        text = f"SPU {leader}, which keeps consumer offsets, does not answer: {problem}"
        return ErrorStatus(ErrorCode.OFFSET_FLUSH_REQUEST_ERROR, (text[:1000],)), None

    async def _ask_at(
        self, leader: SpuId, request: PeerFetchConsumerOffset | PeerUpdateConsumerOffset
    ) -> Any:
        if leader == self._spu_id:
            return await answer_peer(self.store, request)
        peer = await self._peer(leader)
        return await peer.request(request, version=0, timeout_s=PEER_TIMEOUT_S)

    async def _drop(self, leader: SpuId | None) -> None:
        """A peer that says nothing may be gone with its connection standing."""
        peer = None if leader is None else self._peers.pop(leader, None)
        if peer is not None:
            await peer.close()

    async def _peer(self, leader: SpuId) -> MultiplexedConnection:
        async with self._dialling:
            peer = self._peers.get(leader)
            if peer is not None and not peer.closed:
                return peer
            spu = self._directory.get(leader)
            if spu is None:
                raise ConnectFailed(f"SPU {leader} is not known to the cluster")
            peer = await MultiplexedConnection.connect(
                spu.private_endpoint.host,
                spu.private_endpoint.port,
                client_id=f"spu-{self._spu_id}",
                negotiate=False,
            )
            self._peers[leader] = peer
            return peer
