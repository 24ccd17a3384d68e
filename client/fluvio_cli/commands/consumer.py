"""`fluvio consumer`: list, describe and delete the offsets that the cluster keeps."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    DESCRIBE_TABLE_MARGIN,
    DRY_RUN_MARK,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.quantities import format_duration_s
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.stored_offsets import ConsumerLag
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


@command.command("describe")
@click.argument("consumer_id", metavar="CONSUMER")
@output_option()
@click.pass_context
def describe(context: click.Context, *, consumer_id: str, output: OutputType) -> None:
    """Show where a consumer is, and how far it is behind."""

    async def work(client: "Fluvio") -> "Sequence[ConsumerLag]":
        return await client.admin.consumers.lags(consumer_id)

    found = run_client(context, work)
    if output is not OutputType.TABLE:
        data = [lag_shape(one) for one in found]
        sys.stdout.write(format_data(output, data, kind="consumers"))
        return
    lags = [one.lag for one in found]
    total = str(sum(lag or 0 for lag in lags)) if None not in lags else "unknown"
    lines = [[f"Consumer:{consumer_id}"], [f"Partitions:{len(found)}"], [f"Lag:{total}"]]
    sys.stdout.write(format_columns([*lines, ["-" * 17]], margin=DESCRIBE_MARGIN))
    sys.stdout.write(
        format_columns(
            [[one.topic, *lag_words(one)] for one in found],
            headers=("TOPIC", "PARTITION", "OFFSET", "END", "LAG", "LAST SEEN"),
            margin=DESCRIBE_TABLE_MARGIN,
        )
    )


def lag_shape(lag: "ConsumerLag") -> dict[str, Any]:
    """Flat and in snake case, as stored offsets are; null for what is not known."""
    return {
        "consumer_id": lag.consumer_id,
        "topic": lag.topic,
        "partition": lag.partition,
        "offset": lag.offset,
        "end_offset": lag.end,
        "lag": lag.lag,
        "modified_time": lag.modified_time_s,
    }


def lag_words(lag: "ConsumerLag") -> list[str]:
    """Partition, offset, end, lag and last sight; a dash for what is not known."""
    return [
        str(lag.partition),
        str(lag.offset),
        "-" if lag.end is None else str(lag.end),
        "-" if lag.lag is None else str(lag.lag),
        format_duration_s(max(0, int(time.time()) - lag.modified_time_s)),
    ]


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
@click.option("-d", "--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_context
def delete(
    context: click.Context,
    *,
    consumer_id: str,
    topic: str | None,
    partition: int | None,
    dry_run: bool,
) -> None:
    """Forget the stored offsets of a consumer."""
    if partition is not None and topic is None:
        raise click.UsageError(
            "the following required arguments were not provided:\n  --topic <TOPIC>", context
        )

    async def work(client: "Fluvio") -> int:
        count = 0
        for one in await client.admin.consumers.list(consumer_id, topic=topic):
            if partition not in (None, one.replica.partition):
                continue
            if not dry_run:
                await client.admin.consumers.delete(
                    consumer_id, one.replica.topic, one.replica.partition
                )
            click.echo(
                f'consumer "{consumer_id}" on topic "{one.replica.topic}" and partition '
                f'"{one.replica.partition}" deleted{DRY_RUN_MARK if dry_run else ""}'
            )
            count += 1
        return count

    if not run_client(context, work):
        click.echo("no consumers found")
