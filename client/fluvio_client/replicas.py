"""Where partitions are held, and moving them: requests of ours that Fluvio's controller lacks.

Reached as `client.admin.replicas`. What changes something returns when the controller has stored
it, with the plan; the replicas follow by themselves, and `describe` shows how far they are.
"""

from collections.abc import Sequence
from typing import Any

from fluvio_client.errors import ConnectionLost, NotChangeable, server_error
from fluvio_client.session import Session
from fluvio_protocol.codec import Message
from fluvio_protocol.sc_public.replication import (
    DescribeReplicasRequest,
    DrainSpuRequest,
    ElectLeaderRequest,
    MovePartitionRequest,
    PartitionReplicas,
    PlannedMove,
    RebalanceTopicsRequest,
)
from fluvio_protocol.types import UNKNOWN_SPU, ReplicaKey, SpuId


class Replicas:
    """Replicas of all partitions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def describe(self, *names: str) -> Sequence[PartitionReplicas]:
        """Leader, epoch, in-sync set, moves and offsets of partitions such as `orders-0`; of all
        when none is named. Raises ValueError for a bad name, ServerError for an unknown one."""
        keys = tuple(ReplicaKey.parse(name) for name in names)
        answer = await self._ask(DescribeReplicasRequest(keys=keys))
        found: Sequence[PartitionReplicas] = answer.partitions
        return found

    async def move(
        self, name: str, spus: Sequence[int], *, dry_run: bool = False
    ) -> Sequence[PlannedMove]:
        """Put the replicas of a partition on these SPUs, preferred leader first."""
        target = tuple(SpuId(spu) for spu in spus)
        key = ReplicaKey.parse(name)
        return await self._plan(MovePartitionRequest(key=key, target=target, dry_run=dry_run))

    async def cancel_move(self, name: str, *, dry_run: bool = False) -> Sequence[PlannedMove]:
        """Bring the replicas of a partition back to where they were."""
        key = ReplicaKey.parse(name)
        return await self._plan(MovePartitionRequest(key=key, cancel=True, dry_run=dry_run))

    async def elect(self, name: str, spu: int | None = None, *, unclean: bool = False) -> None:
        """Let the preferred replica lead, or the one named.

        unclean: also one that lacks committed records, which are then lost
        """
        chosen = UNKNOWN_SPU if spu is None else SpuId(spu)
        key = ReplicaKey.parse(name)
        await self._plan(ElectLeaderRequest(key=key, spu=chosen, unclean=unclean))

    async def drain(
        self, spu: int, *, cancel: bool = False, dry_run: bool = False
    ) -> Sequence[PlannedMove]:
        """Move everything off an SPU, and put nothing on it until that is cancelled."""
        request = DrainSpuRequest(spu=SpuId(spu), cancel=cancel, dry_run=dry_run)
        return await self._plan(request)

    async def rebalance(self, *topics: str, dry_run: bool = False) -> Sequence[PlannedMove]:
        """Spread replicas and leaders evenly; of all topics when none is named."""
        return await self._plan(RebalanceTopicsRequest(topics=topics, dry_run=dry_run))

    async def _plan(self, request: Message) -> Sequence[PlannedMove]:
        moves: Sequence[PlannedMove] = (await self._ask(request)).moves
        return moves

    async def _ask(self, request: Message) -> Any:
        """Raises ServerError; NotChangeable for a controller that knows no replicas; ConnectionLost
        for one that does, and may have done what was asked."""
        try:
            answer = await self._session.ask_controller(request)
        except ConnectionLost as error:
            if await self._knows_replicas():
                raise
            raise NotChangeable(
                "the controller ended the connection: it does not know requests about replicas"
            ) from error
        if answer.error_code:
            raise server_error(answer.error_code, answer.error_message)
        return answer

    async def _knows_replicas(self) -> bool:
        """Whether the controller answers what changes nothing; a lost connection alone says less.

        Asked about one partition that need not exist: any answer will do, and this one is short.
        """
        nothing = DescribeReplicasRequest(keys=(ReplicaKey.parse("unknown-0"),))
        try:
            await self._session.ask_controller(nothing)
        except ConnectionLost:
            return False
        return True
