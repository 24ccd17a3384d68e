"""`fluvio partition`: list, describe, replicas, move, elect."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from fluvio_cli.commands import replica_moves
from fluvio_cli.output import (
    DESCRIBE_MARGIN,
    DESCRIBE_TABLE_MARGIN,
    OutputType,
    emit,
    format_columns,
    format_data,
    output_option,
)
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_client.objects import Partition

HEADERS = (
    "TOPIC", "PARTITION", "LEADER", "MIRROR", "REPLICAS", "RESOLUTION", "SIZE", "BASE", "HW",
    "LEO", "LRS", "FOLLOWER OFFSETS",
)  # fmt: skip


@click.group("partition")
def command() -> None:
    """Show partitions, and move their replicas."""


command.add_command(replica_moves.show_replicas)
command.add_command(replica_moves.move)
command.add_command(replica_moves.elect)


@command.command("list")
@output_option()
@click.option("-s", "--system", is_flag=True, help="Only those of the cluster's own topics.")
@click.option(
    "--compat",
    is_flag=True,
    help="Print LEO twice, with the columns behind it shifted, as Fluvio's own command does.",
)
@click.option("-t", "--topic", metavar="TOPIC", help="Only those of this topic.")
@click.pass_context
def list_partitions(
    context: click.Context, *, output: OutputType, system: bool, compat: bool, topic: str | None
) -> None:
    """Show all partitions, where they are and how far they have come."""

    async def work(client: "Fluvio") -> list["Partition"]:
        if topic is not None:
            system_topic = (await client.admin.topics.get(topic)).spec.system
            listed = await client.admin.partitions.list(system=system_topic)
            return [one for one in listed if one.topic == topic]
        return await client.admin.partitions.list(system=system)

    found = sorted(run_client(context, work), key=lambda one: split_name(one.name))
    emit(
        output,
        [one.shape() for one in found],
        kind="partitions",
        empty="No partitions found",
        table=lambda: format_columns(
            [partition_row(one, compat=compat) for one in found], headers=HEADERS
        ),
    )


@command.command("describe")
@click.argument("name", metavar="TOPIC-N")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one partition and its replicas."""

    async def work(client: "Fluvio") -> "Partition":
        return await client.admin.partitions.get(name)

    found = run_client(context, work)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [found.shape()], kind="partitions"))
        return
    spec, status = found.spec, found.status
    lines = {
        "Name": found.name,
        "Topic": found.topic,
        "Partition": str(found.number),
        "Leader": str(spec.leader),
        "Replicas": format_list(spec.replicas),
        "Live Replicas": str(status.live_replica_count),
        "Compression": spec.compression_type.name.lower(),
        "Base Offset": str(status.base_offset),
        "Size": format_size(status.size),
        "Resolution": status.resolution.name.title().replace("_", ""),
    }
    rows = [[f"{key}:{value}"] for key, value in lines.items()]
    sys.stdout.write(format_columns([*rows, ["-" * 17]], margin=DESCRIBE_MARGIN))
    replicas = [
        [
            str(one.spu),
            "leader" if one.spu == spec.leader else "follower",
            str(one.hw),
            str(one.leo),
            str(max(0, status.leader.leo - one.leo)),
        ]
        for one in (status.leader, *status.replicas)
    ]
    sys.stdout.write(
        format_columns(
            replicas, headers=("SPU", "ROLE", "HW", "LEO", "BEHIND"), margin=DESCRIBE_TABLE_MARGIN
        )
    )


def split_name(name: str) -> tuple[str, int]:
    """Topic and number, so that `t-2` comes before `t-10`."""
    topic, _, number = name.rpartition("-")
    return (topic, int(number)) if number.isdigit() else (name, -1)


def partition_row(found: "Partition", *, compat: bool) -> list[str]:
    """A line of the list."""
    spec, status = found.spec, found.status
    topic, number = split_name(found.name)
    leo = str(status.leader.leo)
    followers = [spu for spu in spec.replicas if spu != spec.leader]
    mirror = ""
    if spec.mirror is not None:
        mirror = getattr(spec.mirror, "remote_cluster", "") or getattr(
            spec.mirror, "home_cluster", ""
        )
    return [
        topic,
        str(number),
        str(spec.leader),
        mirror,
        format_list(followers),
        status.resolution.name.title().replace("_", ""),
        format_size(status.size),
        str(status.base_offset),
        str(status.leader.hw),
        leo,
        *([leo] if compat else []),
        str(status.live_replica_count),
        format_list(
            f"ReplicaStatus {{ spu: {one.spu}, hw: {one.hw}, leo: {one.leo} }}"
            for one in status.replicas
        ),
    ]


def format_list(items: Iterable[object]) -> str:
    """`[a, b]`."""
    return "[" + ", ".join(str(item) for item in items) + "]"


def format_size(size: int) -> str:
    """A partition's size; negative numbers are words."""
    if size >= 0:
        return format_size_bytes(size)
    return "ERROR" if size == -1 else "NA"
