"""`fluvio topic add-partition`, `add-mirror` and `update`: all that can change of a topic."""

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from fluvio_cli.failure import fail
from fluvio_cli.output import DRY_RUN_MARK, format_columns
from fluvio_cli.target import run_client
from fluvio_cli.waiting import wait_options

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio

ADD_PARTITION_TIMEOUT_S = 10.0


@click.command("add-partition")
@click.argument("name")
@click.option(
    "-c",
    "--count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many to add.",
)
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be added.")
@wait_options(what="SPUs hold them", default_s=ADD_PARTITION_TIMEOUT_S)
@click.pass_context
def add_partition(
    context: click.Context, *, name: str, count: int, dry_run: bool, wait_s: float | None
) -> None:
    """Add partitions to a topic; returns when SPUs hold them."""

    async def work(client: "Fluvio") -> list[tuple[int, int | None]]:
        import asyncio

        from fluvio_client.errors import NotFound

        try:
            before = await client.admin.topics.get(name)
            if not dry_run:
                await client.admin.topics.add_partitions(name, count)
        except NotFound as error:
            _, _, suggestion = str(error).partition(f": {name}")
            fail(f'topic "{name}" not found{suggestion}')
        known = len(before.status.replica_map)
        if dry_run or not wait_s:
            return [(number, None) for number in range(known, known + count)]
        try:
            async with asyncio.timeout(wait_s):
                return await _placed(client, name, range(known, known + count))
        except TimeoutError:
            fail("response timeout exceeded")

    rows = [
        [str(partition), "-" if spu is None else str(spu)]
        for partition, spu in run_client(context, work)
    ]
    click.echo(f'added new partitions to topic: "{name}"{DRY_RUN_MARK if dry_run else ""}')
    sys.stdout.write(format_columns(rows, headers=("PARTITION", "SPU"), margin=0))


async def _placed(client: "Fluvio", topic: str, partitions: range) -> list[tuple[int, int | None]]:
    """Partition and leader of each, once all of them have one."""
    leaders: dict[int, int] = {}
    async with aclosing(client.admin.partitions.watch()) as changes:
        async for change in changes:
            partition = change.object
            if partition.topic == topic and partition.number in partitions:
                leaders[partition.number] = partition.spec.leader
                if len(leaders) == len(partitions):
                    break
    return [(number, leaders[number]) for number in sorted(leaders)]


@click.command("add-mirror")
@click.argument("topic")
@click.argument("remote")
@click.option("--home-to-remote", is_flag=True, help="Records go from here to the remote cluster.")
@click.pass_context
def add_mirror(context: click.Context, *, topic: str, remote: str, home_to_remote: bool) -> None:
    """Let one more remote cluster mirror a topic."""

    async def work(client: "Fluvio") -> None:
        await client.admin.topics.add_mirror(topic, remote, home_to_remote=home_to_remote)

    run_client(context, work)
    click.echo(f'added new mirror: "{remote}" to topic: "{topic}"')


@click.command("update")
@click.argument("name")
@click.option(
    "-p",
    "--partitions",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="How many it shall have; more than now.",
)
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_context
def update(context: click.Context, *, name: str, partitions: int, dry_run: bool) -> None:
    """Change a topic: let it have so many partitions.

    Retention, sizes and the rest are fixed when a topic is made; Fluvio's protocol has no request
    to change them.
    """

    async def work(client: "Fluvio") -> int:
        return await client.admin.topics.update(name, partitions=partitions, dry_run=dry_run)

    added = run_client(context, work)
    if not added:
        click.echo(f'topic "{name}" unchanged')
        return
    noun = "partition" if added == 1 else "partitions"
    click.echo(f'topic "{name}" updated: {added} {noun} added{DRY_RUN_MARK if dry_run else ""}')
