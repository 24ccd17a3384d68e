"""Commands that move replicas, with a controller that is told what to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click
import pytest

from fluvio_cli import completion
from fluvio_cli.commands import cluster_spu, partition, replica_moves
from fluvio_client.errors import ConnectionLost, NotChangeable
from fluvio_client.replicas import Replicas
from fluvio_protocol.codec import Message
from fluvio_protocol.sc_public.replication import (
    DescribeReplicasRequest,
    DescribeReplicasResponse,
    DrainSpuRequest,
    PartitionReplicas,
    ReplicationAnswer,
)
from fluvio_protocol.types import LeaderEpoch, ReplicaKey, SpuId


def held(number: int, *, target: tuple[int, ...] = ()) -> PartitionReplicas:
    return PartitionReplicas(
        key=ReplicaKey("ledger", number),
        leader=SpuId(5001),
        leader_epoch=LeaderEpoch(1),
        replicas=(SpuId(5001),),
        target=tuple(SpuId(spu) for spu in target),
    )


class Controller:
    """Plans nothing; describes what it is given, one after the other."""

    def __init__(self, *described: tuple[PartitionReplicas, ...], loses: type[Message] | None):
        self.described = list(described)
        self.loses = loses
        self.asked: list[Message] = []
        self.when_all_is_described: Callable[[], None] = lambda: None
        self.when_all_is_described: Callable[[], None] = lambda: None

    async def ask_controller(self, request: Message) -> Any:
        self.asked.append(request)
        if self.loses is not None and isinstance(request, self.loses):
            raise ConnectionLost("reset by peer")
        if isinstance(request, DescribeReplicasRequest):
            found = self.described.pop(0) if self.described else ()
            if not self.described:
                self.when_all_is_described()
            return DescribeReplicasResponse(partitions=found)
        return ReplicationAnswer()


def stop_the_task() -> None:
    """What Ctrl-C does to a command that waits."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def talk_to(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands reach this controller, and look again at once."""

    class Client:
        class admin:
            replicas = replicas_of(controller)

    def run_client(_: click.Context, work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def working() -> Any:
            return await work(Client)

        return asyncio.run(working())

    monkeypatch.setattr(replica_moves, "run_client", run_client)
    monkeypatch.setattr(replica_moves, "LOOK_AGAIN_S", 0)


def replicas_of(controller: Controller) -> Replicas:
    return Replicas(controller)  # type: ignore[arg-type]  # the one method that it calls


def test_a_drain_given_again_waits_for_the_moves_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = held(0, target=(5002,))
    controller = Controller((moving, held(1)), (moving,), (held(0),), loses=None)
    talk_to(controller, monkeypatch)
    replica_moves.drain.main(["5001", "--wait"], standalone_mode=False)
    assert capsys.readouterr() == ("nothing to move\n", "0 of 1 moved\n1 of 1 moved\n")


@pytest.mark.parametrize(
    ("command", "words", "undo"),
    [
        (
            replica_moves.move,
            ["ledger-0", "--replicas", "5002"],
            ", fluvio partition move ledger-0 --cancel brings them back",
        ),
        (replica_moves.move, ["ledger-0", "--cancel"], ""),
        (
            replica_moves.drain,
            ["5001"],
            ", fluvio cluster spu drain 5001 --cancel brings them back "
            "and lets it hold replicas again",
        ),
        (replica_moves.drain, ["5001", "--cancel"], ""),
        (
            replica_moves.rebalance,
            [],
            ", fluvio partition move TOPIC-N --cancel brings those of one partition back",
        ),
    ],
)
def test_who_stops_waiting_hears_what_undoes_the_command(
    command: click.Command,
    words: list[str],
    undo: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moving = (held(0, target=(5002,)),)
    controller = Controller(moving, moving, loses=None)
    controller.when_all_is_described = stop_the_task
    talk_to(controller, monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        command.main([*words, "--wait"], standalone_mode=False)
    shown = "the replicas go on moving: fluvio partition replicas shows how far they are"
    assert capsys.readouterr().err == f"0 of 1 moved\n{shown}{undo}\n"


def test_a_connection_that_breaks_is_not_taken_for_a_controller_without_replicas() -> None:
    with pytest.raises(ConnectionLost):
        asyncio.run(replicas_of(Controller(loses=DrainSpuRequest)).drain(5001))


def test_a_controller_that_hangs_up_on_every_such_request_knows_no_replicas() -> None:
    with pytest.raises(NotChangeable, match="does not know requests about replicas"):
        asyncio.run(replicas_of(Controller(loses=Message)).drain(5001))


def test_ids_of_spus_are_completed() -> None:
    completion.attach(cluster_spu.spu, "cluster spu")
    completion.attach(partition.command, "partition")
    for command in (replica_moves.drain, replica_moves.elect):
        (spu,) = (one for one in command.params if one.name == "spu")
        assert spu._custom_shell_complete is not None, command.name
