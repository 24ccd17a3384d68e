"""`fluvio consumer`: list and delete the offsets that the cluster keeps for consumers."""

import time
from typing import TYPE_CHECKING

import click

from fluvio_cli.output import OutputType, emit, format_columns, output_option
from fluvio_cli.quantities import format_duration_s
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_protocol.spu_public.consumer_offsets import ConsumerOffset

HEADERS = ("CONSUMER", "TOPIC", "PARTITION", "OFFSET", "LAST SEEN")


@click.group("consumer")
def command() -> None:
    """Show and delete consumer offsets."""


@command.command("list")
@output_option()
@click.pass_context
def list_consumers(context: click.Context, *, output: OutputType) -> None:
    """Show the stored offsets of all consumers."""
    from fluvio_client import shapes

    async def work(client: "Fluvio") -> list["ConsumerOffset"]:
        return await client.admin.consumers.list()

    found = run_client(context, work)
    now_s = int(time.time())
    emit(
        output,
        [shapes.consumer_offset(one) for one in found],
        kind="consumers",
        empty="No consumers found",
        table=lambda: format_columns(
            [
                [
                    one.consumer_id,
                    one.replica.topic,
                    str(one.replica.partition),
                    str(one.offset),
                    format_duration_s(max(0, now_s - one.modified_time_seconds)),
                ]
                for one in found
            ],
            headers=HEADERS,
        ),
    )


@command.command("delete")
@click.argument("consumer_id", metavar="CONSUMER")
@click.option("-t", "--topic", metavar="TOPIC", help="Only for this topic.")
@click.option(
    "-p",
    "--partition",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only for this partition; needs --topic.",
)
@click.pass_context
def delete(
    context: click.Context, *, consumer_id: str, topic: str | None, partition: int | None
) -> None:
    """Forget the stored offsets of a consumer."""
    if partition is not None and topic is None:
        raise click.UsageError(
            "the following required arguments were not provided:\n  --topic <TOPIC>", context
        )

    async def work(client: "Fluvio") -> int:
        count = 0
        for one in await client.admin.consumers.list(consumer_id):
            if topic not in (None, one.replica.topic):
                continue
            if partition not in (None, one.replica.partition):
                continue
            await client.admin.consumers.delete(
                consumer_id, one.replica.topic, one.replica.partition
            )
            click.echo(
                f'consumer "{consumer_id}" on topic "{one.replica.topic}" and partition '
                f'"{one.replica.partition}" deleted'
            )
            count += 1
        return count

    if not run_client(context, work):
        click.echo("no consumers found")
