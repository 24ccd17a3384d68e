"""`fluvio partition`: list, describe, replicas, move, elect."""

import sys
from collections.abc import Iterable, Mapping
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
    from fluvio_protocol.sc_public.replication import PartitionReplicas

    ReplicasOf = Mapping[str, PartitionReplicas]

HEADERS = (
    "TOPIC", "PARTITION", "LEADER", "MIRROR", "REPLICAS", "RESOLUTION", "SIZE", "BASE", "HW",
    "LEO", "LRS", "FOLLOWER OFFSETS",
)  # fmt: skip
REPLICATION_HEADERS = ("EPOCH", "IN SYNC", "LAG")
"""Behind Fluvio's own, where the controller is ours."""


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
    help="Print what Fluvio's own command does: LEO twice with the columns behind it shifted, and "
    "nothing of the in-sync set.",
)
@click.option("-t", "--topic", metavar="TOPIC", help="Only those of this topic.")
@click.pass_context
def list_partitions(
    context: click.Context, *, output: OutputType, system: bool, compat: bool, topic: str | None
) -> None:
    """Show all partitions, where they are and how far they have come."""

    async def work(client: "Fluvio") -> "tuple[list[Partition], ReplicasOf]":
        if topic is not None:
            system_topic = (await client.admin.topics.get(topic)).spec.system
            listed = await client.admin.partitions.list(system=system_topic)
            listed = [one for one in listed if one.topic == topic]
        else:
            listed = await client.admin.partitions.list(system=system)
        return listed, {} if compat or not listed else await _replicas_of(client)

    listed, replicas = run_client(context, work)
    found = sorted(listed, key=lambda one: split_name(one.name))

    def table() -> str:
        rows = [partition_row(one, compat=compat) for one in found]
        if not replicas:
            return format_columns(rows, headers=HEADERS)
        more = [replication_cells(replicas.get(one.name)) for one in found]
        return format_columns(
            [[*row, *cells] for row, cells in zip(rows, more, strict=True)],
            headers=(*HEADERS, *REPLICATION_HEADERS),
        )

    shapes = [_shape(one, replicas.get(one.name)) for one in found]
    emit(output, shapes, kind="partitions", empty="No partitions found", table=table)


@command.command("describe")
@click.argument("name", metavar="TOPIC-N")
@output_option()
@click.pass_context
def describe(context: click.Context, *, name: str, output: OutputType) -> None:
    """Show one partition and its replicas."""

    async def work(client: "Fluvio") -> "tuple[Partition, ReplicasOf]":
        found = await client.admin.partitions.get(name)
        return found, await _replicas_of(client, name)

    found, known = run_client(context, work)
    replication = known.get(found.name)
    if output is not OutputType.TABLE:
        sys.stdout.write(format_data(output, [_shape(found, replication)], kind="partitions"))
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
    if replication is not None:
        lag = replica_moves.lag_of(replication)
        lines |= {
            "Leader Epoch": str(replication.leader_epoch),
            "In Sync": format_list(replication.in_sync),
            "Min In Sync": str(replication.min_in_sync),
            "Eligible": format_list(replication.eligible),
            "Lag": "?" if lag is None else str(lag),
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
            *([] if replication is None else ["yes" if one.spu in replication.in_sync else "no"]),
        ]
        for one in (status.leader, *status.replicas)
    ]
    headers = ["SPU", "ROLE", "HW", "LEO", "BEHIND"]
    if replication is not None:
        headers.append("IN SYNC")
    sys.stdout.write(format_columns(replicas, headers=headers, margin=DESCRIBE_TABLE_MARGIN))


async def _replicas_of(client: "Fluvio", *names: str) -> "ReplicasOf":
    """By partition; nothing where the controller does not know such questions."""
    from fluvio_client.errors import NotChangeable

    try:
        return {str(one.key): one for one in await client.admin.replicas.describe(*names)}
    except NotChangeable:
        return {}


def _shape(found: "Partition", replication: "PartitionReplicas | None") -> dict[str, object]:
    """For machines: what Fluvio's own command gives, and the replication of it behind that."""
    shape: dict[str, object] = dict(found.shape())
    if replication is not None:
        said = replica_moves.shape_of(replication)
        del said["name"]
        shape["replication"] = said
    return shape


def replication_cells(found: "PartitionReplicas | None") -> list[str]:
    """Epoch, in-sync set and lag; empty for a partition that is just being made."""
    if found is None:
        return ["", "", ""]
    lag = replica_moves.lag_of(found)
    return [
        str(found.leader_epoch),
        format_list(found.in_sync),
        "?" if lag is None else str(lag),
    ]


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
