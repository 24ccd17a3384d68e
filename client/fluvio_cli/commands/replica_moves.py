"""Commands that show and move replicas: `partition replicas`, `move`, `elect`, `cluster spu drain`,
`topic rebalance`.

Each prints its plan; a dry run prints nothing else and changes nothing. The moves go on in the
cluster whatever becomes of the command: to wait for them is all that --wait does.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import Failure, Parsed
from fluvio_cli.output import DRY_RUN_MARK, OutputType, emit, format_columns, output_option
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_protocol.sc_public.replication import PartitionReplicas, PlannedMove

    Concerns = Callable[[PartitionReplicas], bool]
    MakePlan = Callable[[Fluvio], Awaitable[Sequence[PlannedMove]]]

LOOK_AGAIN_S = 0.3
REPLICA_HEADERS = (
    "PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "ELIGIBLE", "MIN", "LAG", "MOVING TO",
)  # fmt: skip
_STILL_MOVING = "the replicas go on moving: fluvio partition replicas shows how far they are"
MOVE_HEADERS = ("PARTITION", "FROM", "TO", "REASON")


def parse_spus(text: str) -> tuple[int, ...]:
    """Raises ValueError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError('expected ids of SPUs, such as "5001,5002"')
    return tuple(int(part) for part in parts)


_DRY_RUN = click.option("-d", "--dry-run", is_flag=True, help="Show the plan and change nothing.")
_WAIT = click.option("--wait", is_flag=True, help="Wait until the replicas have moved.")


@click.command("replicas")
@click.argument("names", metavar="[TOPIC-N]...", nargs=-1)
@output_option()
@click.pass_context
def show_replicas(context: click.Context, *, names: tuple[str, ...], output: OutputType) -> None:
    """Show who leads, who is in sync, and what moves."""

    async def work(client: "Fluvio") -> "Sequence[PartitionReplicas]":
        return await client.admin.replicas.describe(*names)

    found = run_client(context, work)
    emit(
        output,
        [shape_of(one) for one in found],
        kind="replicas",
        empty="No partitions found",
        table=lambda: format_columns([_row(one) for one in found], headers=REPLICA_HEADERS),
    )


@click.command("move")
@click.argument("name", metavar="TOPIC-N")
@click.option(
    "--replicas",
    "spus",
    type=Parsed("SPUs", parse_spus),
    metavar="ID,...",
    help="Where they shall be, preferred leader first.",
)
@click.option("--cancel", is_flag=True, help="Bring them back to where they were.")
@_DRY_RUN
@_WAIT
@click.pass_context
def move(
    context: click.Context,
    *,
    name: str,
    spus: tuple[int, ...] | None,
    cancel: bool,
    dry_run: bool,
    wait: bool,
) -> None:
    """Put a partition's replicas on other SPUs, while it is in use."""
    if (spus is None) is not cancel:
        raise click.UsageError("say either --replicas or --cancel", context)

    async def plan(client: "Fluvio") -> "Sequence[PlannedMove]":
        if spus is None:
            return await client.admin.replicas.cancel_move(name, dry_run=dry_run)
        return await client.admin.replicas.move(name, spus, dry_run=dry_run)

    _carry_out(
        context,
        plan,
        lambda one: str(one.key) == name,
        undo="" if cancel else f"fluvio partition move {name} --cancel brings them back",
        dry_run=dry_run,
        wait=wait,
    )


@click.command("elect")
@click.argument("name", metavar="TOPIC-N")
@click.option("--spu", type=int, metavar="ID", help="Who shall lead, instead of the preferred one.")
@click.option("--unclean", is_flag=True, help="Also one that lacks committed records. Needs --spu.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether records may be lost.")
@click.pass_context
def elect(context: click.Context, *, name: str, spu: int | None, unclean: bool, yes: bool) -> None:
    """Let the preferred replica lead again, or another one."""
    if unclean and spu is None:
        raise click.UsageError("--unclean needs --spu", context)
    if unclean and not yes:
        if not sys.stdin.isatty():
            raise Failure("committed records may be lost: say --yes if that is meant")
        click.confirm(f"Committed records of {name} may be lost. Go on?", abort=True, err=True)

    async def work(client: "Fluvio") -> None:
        await client.admin.replicas.elect(name, spu, unclean=unclean)

    run_client(context, work)


@click.command("drain")
@click.argument("spu", metavar="ID", type=int)
@click.option("--cancel", is_flag=True, help="It may hold replicas again.")
@_DRY_RUN
@_WAIT
@click.pass_context
def drain(context: click.Context, *, spu: int, cancel: bool, dry_run: bool, wait: bool) -> None:
    """Move everything off an SPU, and put nothing on it any more."""

    async def plan(client: "Fluvio") -> "Sequence[PlannedMove]":
        return await client.admin.replicas.drain(spu, cancel=cancel, dry_run=dry_run)

    undo = (
        f"fluvio cluster spu drain {spu} --cancel brings them back and lets it hold replicas again"
    )
    _carry_out(
        context,
        plan,
        lambda one: spu in (*one.replicas, *one.leaving),
        undo="" if cancel else undo,
        dry_run=dry_run,
        wait=wait,
    )


@click.command("rebalance")
@click.argument("topics", metavar="[TOPIC]...", nargs=-1)
@_DRY_RUN
@_WAIT
@click.pass_context
def rebalance(
    context: click.Context, *, topics: tuple[str, ...], dry_run: bool, wait: bool
) -> None:
    """Spread replicas and leaders evenly over the SPUs."""

    async def plan(client: "Fluvio") -> "Sequence[PlannedMove]":
        return await client.admin.replicas.rebalance(*topics, dry_run=dry_run)

    _carry_out(
        context,
        plan,
        lambda one: not topics or one.key.topic in topics,
        undo="fluvio partition move TOPIC-N --cancel brings those of one partition back",
        dry_run=dry_run,
        wait=wait,
    )


def _carry_out(
    context: click.Context,
    plan: "MakePlan",
    concerns: "Concerns",
    *,
    undo: str,
    dry_run: bool,
    wait: bool,
) -> None:
    """concerns: which partitions --wait waits for, besides those of the plan: a command that is
    given again plans nothing, and its moves are still under way
    undo: what brings the replicas back, said to whoever stops waiting; empty: they are on their way
    back already"""

    async def work(client: "Fluvio") -> None:
        moves = await plan(client)
        rows = [[str(one.key), _spus(one.before), _spus(one.after), one.reason] for one in moves]
        if rows:
            sys.stdout.write(format_columns(rows, headers=MOVE_HEADERS))
        else:
            click.echo("nothing to move")
        if dry_run:
            click.echo(f"nothing was changed{DRY_RUN_MARK}")
        elif wait:
            found = await client.admin.replicas.describe()
            names = {str(one.key) for one in found if _moves(one) and concerns(one)}
            names |= {str(one.key) for one in moves}
            if names:
                try:
                    await _until_moved(client, names)
                except asyncio.CancelledError:
                    click.echo(", ".join(filter(None, (_STILL_MOVING, undo))), err=True)
                    raise

    run_client(context, work)


async def _until_moved(client: "Fluvio", names: set[str]) -> None:
    """Tell how many are left whenever that changes. Interrupted, the moves go on."""
    left_before = -1
    while True:
        found = await client.admin.replicas.describe(*sorted(names))
        left = sum(_moves(one) for one in found)
        if left != left_before:
            click.echo(f"{len(names) - left} of {len(names)} moved", err=True)
            left_before = left
        if not left:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


def _moves(one: "PartitionReplicas") -> bool:
    return bool(one.target or one.leaving)


def _spus(spus: Sequence[int]) -> str:
    return ",".join(str(spu) for spu in spus)


def lag_of(one: "PartitionReplicas") -> int | None:
    """Records that the slowest follower lacks; None when it is not known."""
    ends = {status.spu: status.leo for status in one.offsets}
    leader = ends.get(one.leader, -1)
    others = [ends.get(spu, -1) for spu in one.replicas if spu != one.leader]
    if leader < 0 or -1 in others:
        return None
    return max((max(0, leader - end) for end in others), default=0)


def _row(one: "PartitionReplicas") -> list[str]:
    lag = lag_of(one)
    return [
        str(one.key),
        str(one.leader),
        str(one.leader_epoch),
        _spus(one.replicas),
        _spus(one.in_sync),
        _spus(one.eligible),
        str(one.min_in_sync),
        "?" if lag is None else str(lag),
        _spus(one.target),
    ]


def shape_of(one: "PartitionReplicas") -> dict[str, object]:
    """For machines."""
    return {
        "name": str(one.key),
        "leader": one.leader,
        "leaderEpoch": one.leader_epoch,
        "replicas": list(one.replicas),
        "inSync": list(one.in_sync),
        "eligible": list(one.eligible),
        "minInSync": one.min_in_sync,
        "lag": lag_of(one),
        "target": list(one.target),
        "original": list(one.original),
        "leaving": list(one.leaving),
        "successor": one.successor if one.successor >= 0 else None,
        "offsets": [
            {"spu": status.spu, "hw": status.hw, "leo": status.leo} for status in one.offsets
        ],
    }
