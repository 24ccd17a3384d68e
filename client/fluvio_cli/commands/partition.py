"""`fluvio partition`: list."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from fluvio_cli.output import OutputType, emit, format_columns, output_option
from fluvio_cli.quantities import format_size_bytes
from fluvio_cli.target import run_client

if TYPE_CHECKING:
    from fluvio_client.fluvio import Fluvio
    from fluvio_protocol.metadata.kinds import Metadata

HEADERS = (
    "TOPIC", "PARTITION", "LEADER", "MIRROR", "REPLICAS", "RESOLUTION", "SIZE", "BASE", "HW",
    "LEO", "LRS", "FOLLOWER OFFSETS",
)  # fmt: skip


@click.group("partition")
def command() -> None:
    """Show partitions."""


@command.command("list")
@output_option()
@click.option("-s", "--system", is_flag=True, help="Only those of the cluster's own topics.")
@click.option(
    "--compat",
    is_flag=True,
    help="Print LEO twice, with the columns behind it shifted, as Fluvio's own command does.",
)
@click.pass_context
def list_partitions(
    context: click.Context, *, output: OutputType, system: bool, compat: bool
) -> None:
    """Show all partitions, where they are and how far they have come."""
    from fluvio_client import shapes

    async def work(client: "Fluvio") -> list["Metadata"]:
        return await client.admin.partitions.list(system=system)

    found = sorted(run_client(context, work), key=lambda one: split_name(one.name))
    emit(
        output,
        [shapes.partition(one) for one in found],
        kind="partitions",
        empty="No partitions found",
        table=lambda: format_columns(
            [partition_row(one, compat=compat) for one in found], headers=HEADERS
        ),
    )


def split_name(name: str) -> tuple[str, int]:
    """Topic and number, so that `t-2` comes before `t-10`."""
    topic, _, number = name.rpartition("-")
    return (topic, int(number)) if number.isdigit() else (name, -1)


def partition_row(found: "Metadata", *, compat: bool) -> list[str]:
    """A line of the list."""
    spec, status = found.spec, found.status
    topic, number = split_name(found.name)
    leo = str(status.leader.leo)
    followers = [spu for spu in spec.replicas if spu != spec.leader]
    mirror = ""
    if spec.mirror is not None:
        mirror = getattr(spec.mirror, "remote_cluster", None) or spec.mirror.home_cluster
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
